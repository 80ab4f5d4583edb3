//! Settings of the Jira notificator.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::document::Document;
use super::error::ConfigError;
use super::keys;

/// The custom field QA Contact (spec 02 §5.3).
const QA_CONTACT: &str = "customfield_10470";
/// The custom field Need Info From.
const NEED_INFO: &str = "customfield_10482";
/// The label by which people ask for silence.
const SNOOZE_LABEL: &str = "ert:snooze";

/// How the Jira notificator counts time, whom it leaves alone, and where Jira keeps what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificatorSettings {
    /// Whose days are weekdays or not.
    pub zone: TimeZone,
    /// Days that do not count.
    pub holidays: BTreeSet<Date>,
    /// An issue with this label is left alone.
    pub snooze_label: String,
    /// How many comments one person gets a day at most; `None` for any number.
    pub cap_per_day: Option<usize>,
    /// The id of the field that holds who verifies an issue.
    pub qa_contact_field: String,
    /// The id of the field that holds who is asked for information.
    pub need_info_field: String,
}

impl Default for NotificatorSettings {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            holidays: BTreeSet::new(),
            snooze_label: SNOOZE_LABEL.to_owned(),
            cap_per_day: None,
            qa_contact_field: QA_CONTACT.to_owned(),
            need_info_field: NEED_INFO.to_owned(),
        }
    }
}

impl NotificatorSettings {
    /// What `document` says; defaults for the rest.
    pub(super) fn of(document: &Document) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let text = |key, default: String| -> Result<String, ConfigError> {
            Ok(document.checked(key, &[])?.map_or(default, str::to_owned))
        };
        let zone = document.checked(&keys::NOTIFICATOR_ZONE, &[])?;
        let cap: usize = document.parsed(&keys::NOTIFICATOR_CAP, &[])?.unwrap_or(0);
        let holidays = document.checked(&keys::NOTIFICATOR_HOLIDAYS, &[])?;
        Ok(Self {
            // The check of the keys has read the zone and the days already.
            zone: zone.and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(defaults.zone),
            holidays: days(holidays.unwrap_or_default()).collect(),
            cap_per_day: (cap > 0).then_some(cap),
            snooze_label: text(&keys::NOTIFICATOR_SNOOZE, defaults.snooze_label)?,
            qa_contact_field: text(&keys::NOTIFICATOR_QA_CONTACT, defaults.qa_contact_field)?,
            need_info_field: text(&keys::NOTIFICATOR_NEED_INFO, defaults.need_info_field)?,
        })
    }
}

/// The days in a list with commas; what is no day is left out.
fn days(list: &str) -> impl Iterator<Item = Date> + '_ {
    list.split(',').filter_map(|day| day.trim().parse().ok())
}

/// Whether every part of a list with commas is a day.
pub(super) fn are_days(list: &str) -> bool {
    list.split(',').all(|day| day.trim().parse::<Date>().is_ok_and(|date| date.to_string() == day.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(section: &Value) -> Result<NotificatorSettings, ConfigError> {
        let document = json!({ "jira_notificator": section }).to_string();
        NotificatorSettings::of(&Document::parse(&document).unwrap())
    }

    #[test]
    fn without_a_section_the_defaults_hold() {
        assert_eq!(of(&json!({})).unwrap(), NotificatorSettings::default());
    }

    #[test]
    fn every_key_counts() {
        let settings = of(&json!({
            "zone": "Europe/Prague", "holidays": "2026-12-24, 2026-12-25", "snooze_label": "quiet", "cap_per_day": "3",
            "fields": {"qa_contact": "customfield_1", "need_info": "customfield_2"},
        }))
        .unwrap();
        assert_eq!(settings.zone.iana_name(), Some("Europe/Prague"));
        assert_eq!(settings.holidays.len(), 2);
        assert_eq!((settings.snooze_label.as_str(), settings.cap_per_day), ("quiet", Some(3)));
        assert_eq!(
            (settings.qa_contact_field.as_str(), settings.need_info_field.as_str()),
            ("customfield_1", "customfield_2")
        );
        assert_eq!(of(&json!({"cap_per_day": "0"})).unwrap().cap_per_day, None);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (section, key) in [
            (json!({"zone": "Mars/Olympus"}), "jira_notificator.zone"),
            (json!({"holidays": "2026-12-24, Christmas"}), "jira_notificator.holidays"),
            (json!({"holidays": "2026-02-30"}), "jira_notificator.holidays"),
            (json!({"snooze_label": "be quiet"}), "jira_notificator.snooze_label"),
            (json!({"cap_per_day": "-1"}), "jira_notificator.cap_per_day"),
            (json!({"fields": {"qa_contact": "QA Contact"}}), "jira_notificator.fields.qa_contact"),
            (json!({"fields": {"need_info": "10482"}}), "jira_notificator.fields.need_info"),
        ] {
            let error = of(&section).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}

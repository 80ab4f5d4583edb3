//! Dated freezes of the configuration document: nothing begins for any release while one lasts.

use jiff::Timestamp;

use super::document::Document;
use super::error::ConfigError;
use super::keys;
use crate::clock::Moment;

/// The section of the document.
const SECTION: &[&str] = &["freezes"];

/// A dated freeze.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedFreeze {
    /// Its name in the document.
    pub name: String,
    /// Its first day or its first moment.
    pub from: Moment,
    /// Its last day, or the moment at which it ends.
    pub until: Moment,
    /// Why.
    pub why: String,
}

impl DatedFreeze {
    /// Whether it lasts at `now`.
    pub fn lasts_at(&self, now: Timestamp) -> bool {
        self.from.has_begun(now) && !self.until.is_over(now)
    }
}

impl Document {
    /// The names of the dated freezes.
    pub(super) fn freeze_names(&self) -> Vec<&str> {
        self.names(SECTION)
    }

    /// The dated freeze with this name.
    ///
    /// # Errors
    ///
    /// It is not complete, or a part of it cannot be used.
    pub(super) fn freeze(&self, name: &str) -> Result<DatedFreeze, ConfigError> {
        let moment = |key: &keys::Key| {
            let text = self.required(key, &[name])?;
            text.parse::<Moment>().map_err(|error| key.unusable(&[name], error.to_string()))
        };
        Ok(DatedFreeze {
            name: name.to_owned(),
            from: moment(&keys::FREEZE_FROM)?,
            until: moment(&keys::FREEZE_UNTIL)?,
            why: self.required(&keys::FREEZE_WHY, &[name])?.to_owned(),
        })
    }

    /// Every dated freeze.
    ///
    /// # Errors
    ///
    /// One of them is not complete, or cannot be used: whether there is a freeze is not known then.
    pub fn freezes(&self) -> Result<Vec<DatedFreeze>, ConfigError> {
        self.check_section(SECTION, &keys::FREEZE_FROM)?;
        self.freeze_names().into_iter().map(|name| self.freeze(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text).unwrap()
    }

    #[test]
    fn a_freeze_lasts_from_its_first_day_to_the_end_of_its_last() {
        let text =
            r#"{"freezes": {"year-end": {"from": "2026-12-24", "until": "2027-01-01", "why": "shutdown"}}}"#;
        let freezes = document(text).freezes().unwrap();
        for (now, lasts) in [
            ("2026-12-23T23:59:59Z", false),
            ("2026-12-24T00:00:00Z", true),
            ("2027-01-01T23:59:59Z", true),
            ("2027-01-02T00:00:00Z", false),
        ] {
            assert_eq!(freezes[0].lasts_at(now.parse().unwrap()), lasts, "{now}");
        }
        assert_eq!(document("{}").freezes().unwrap(), []);
        assert_eq!(document(r#"{"freezes": null}"#).freezes().unwrap(), []);
    }

    #[test]
    fn one_that_cannot_be_read_is_an_error_and_not_no_freeze() {
        for text in [
            r#"{"freezes": {"a": {"from": "2026-12-24", "until": "2027-01-01"}}}"#,
            r#"{"freezes": {"a": {"from": "24.12.", "until": "2027-01-01", "why": "x"}}}"#,
            r#"{"freezes": {"a": {"from": "2026-12-24", "why": "x"}}}"#,
            r#"{"freezes": {"a": 7}}"#,
            r#"{"freezes": ["2026-12-24"]}"#,
        ] {
            assert!(document(text).freezes().is_err(), "{text}");
        }
    }
}

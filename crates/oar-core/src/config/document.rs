//! The decrypted configuration document: typed getters over JSON. Unknown keys and the order of keys are
//! kept.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::error::ConfigError;
use super::keys::{self, Key};
use crate::email::EmailAddress;
use crate::version::YStream;

/// The largest plaintext that is read, in bytes; the real document has less than two kilobytes.
const SIZE_LIMIT: usize = super::jwe::SIZE_LIMIT;

/// A team with a Slack channel (spec 01 §1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlackTeam {
    /// The QE release team.
    QeRelease,
    /// The QE forum, where QA contacts get reminders.
    QeForum,
    /// ART.
    Art,
    /// The approvers for documentation and product security.
    Approver,
    /// QE.
    Qe,
}

impl SlackTeam {
    /// The key of its channel.
    pub fn channel_key(self) -> &'static Key {
        match self {
            Self::QeRelease => &keys::RELEASE_CHANNEL,
            Self::QeForum => &keys::FORUM_CHANNEL,
            Self::Art => &keys::ART_CHANNEL,
            Self::Approver => &keys::APPROVER_CHANNEL,
            Self::Qe => &keys::QE_CHANNEL,
        }
    }
}

/// Allows a component to ship with a bad grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentWaiver<'a> {
    /// The worst allowed grade, a letter or `Unknown`.
    pub grade: &'a str,
    /// The last day on which it is valid.
    pub until: jiff::civil::Date,
    /// Who granted it.
    pub who: &'a str,
    /// Why.
    pub why: &'a str,
}

/// The default number of days before a grade drops in which a warning is given.
const GRADE_WARNING_DAYS: u16 = 30;

/// The configuration document.
///
/// Each getter reads and checks only its own key, so that a command needs only the keys that it uses. `check`
/// checks the whole document.
#[derive(Clone, PartialEq, Default)]
pub struct Document {
    root: Map<String, Value>,
}

impl fmt::Debug for Document {
    /// Shows the names of the sections only, because values are people's addresses.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.root.keys()).finish()
    }
}

impl Document {
    /// Reads the plaintext: one JSON object.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let not_an_object = |problem: String| ConfigError::NotAnObject { problem };
        if text.len() > SIZE_LIMIT {
            return Err(not_an_object(format!("it has more than {SIZE_LIMIT} bytes")));
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(root)) if super::jwe::is_json_form(&root) => {
                Err(not_an_object("it is encrypted, perhaps a second time".to_owned()))
            }
            Ok(Value::Object(root)) => Ok(Self { root }),
            Ok(other) => Err(not_an_object(format!("it is {}", kind(&other)))),
            Err(error) => Err(not_an_object(error.to_string())),
        }
    }

    /// The document as JSON, its keys in their order.
    pub fn root(&self) -> &Map<String, Value> {
        &self.root
    }

    /// The value at a dotted path. Keys may contain dots themselves (`contacts.slack.qe-release.4.19`): at
    /// every level the longest matching key counts.
    pub fn lookup(&self, path: &str) -> Option<&Value> {
        let parts: Vec<&str> = path.split('.').collect();
        lookup(&self.root, &parts)
    }

    /// The text at `key`, with `names` for its placeholders; `None` when it is absent or null.
    pub fn text(&self, key: &Key, names: &[&str]) -> Result<Option<&str>, ConfigError> {
        let path = key.named(names);
        let bad = |problem: String| bad_key(key, path.clone(), problem);
        let mut names = names.iter();
        let mut section = &self.root;
        let mut parts = key.path.iter().peekable();
        while let Some(part) = parts.next() {
            let part = if part.starts_with('<') { names.next().copied().unwrap_or(part) } else { part };
            let Some(value) = section.get(part) else { return Ok(None) };
            match (value, parts.peek()) {
                (Value::Null, _) => return Ok(None),
                (Value::Object(inner), Some(_)) => section = inner,
                (other, Some(_)) => return Err(bad(format!("cannot be read: `{part}` is {}", kind(other)))),
                (Value::String(text), None) => return Ok(Some(text.trim())),
                (other, None) => return Err(bad(format!("is {} instead of a text", kind(other)))),
            }
        }
        Ok(None)
    }

    /// The names of the entries in the section at `path`, in the document's order; empty when it is absent.
    pub fn names(&self, path: &[&str]) -> Vec<&str> {
        let section = path.iter().try_fold(&self.root, |section, part| section.get(*part)?.as_object());
        section.map(|section| section.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// Refuses a section of another form than an object with names, of which nothing would be known; `key` is one of its keys.
    pub(super) fn check_section(&self, path: &[&str], key: &Key) -> Result<(), ConfigError> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        let section = rest.iter().try_fold(self.root.get(*first), |section, part| Some(section?.get(*part)));
        match section.flatten() {
            Some(section) if !(section.is_object() || section.is_null()) => {
                let problem = format!("is {} instead of an object with a name for each", kind(section));
                Err(key.unusable(&["<name>"], problem))
            }
            _ => Ok(()),
        }
    }

    /// The text at `key`, parsed; `None` when it is absent.
    pub(super) fn parsed<T: FromStr>(&self, key: &Key, names: &[&str]) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.checked(key, names)? else { return Ok(None) };
        let parsed = text.trim().parse().ok();
        let parsed = parsed.ok_or_else(|| bad_key(key, key.named(names), "cannot be used".to_owned()))?;
        Ok(Some(parsed))
    }

    /// The text at `key`, checked against the key's format; `None` when it is absent.
    pub fn checked(&self, key: &Key, names: &[&str]) -> Result<Option<&str>, ConfigError> {
        let Some(text) = self.text(key, names)? else { return Ok(None) };
        match key.problem(key.path, text) {
            None => Ok(Some(text)),
            Some(problem) => Err(bad_key(key, key.named(names), problem)),
        }
    }

    pub(super) fn required(&self, key: &Key, names: &[&str]) -> Result<&str, ConfigError> {
        self.checked(key, names)?.ok_or_else(|| ConfigError::MissingKey {
            key: key.named(names),
            purpose: key.purpose,
            example: key.example,
        })
    }

    fn email(&self, key: &Key, names: &[&str]) -> Result<Option<EmailAddress>, ConfigError> {
        let bad =
            |error: crate::email::InvalidEmailAddress| bad_key(key, key.named(names), error.to_string());
        self.checked(key, names)?.map(|text| text.parse().map_err(bad)).transpose()
    }

    /// The owner of a y-stream's releases: its own, otherwise the default one.
    pub fn owner(&self, stream: YStream) -> Result<EmailAddress, ConfigError> {
        if let Some(owner) = self.email(&keys::OWNER, &[&stream.to_string()])? {
            return Ok(owner);
        }
        self.email(&keys::OWNER_DEFAULT, &[])?.ok_or_else(|| ConfigError::MissingKey {
            key: format!(
                "{}` nor `{}",
                keys::OWNER.named(&[&stream.to_string()]),
                keys::OWNER_DEFAULT.named(&[])
            ),
            purpose: keys::OWNER.purpose,
            example: keys::OWNER.example,
        })
    }

    /// The id of the y-stream's Google spreadsheet; `None` when the y-stream has none.
    pub fn report_template(&self, stream: YStream) -> Result<Option<&str>, ConfigError> {
        self.checked(&keys::REPORT_TEMPLATE, &[&stream.to_string()])
    }

    /// The Slack channel of a team: `#team-a`.
    pub fn slack_channel(&self, team: SlackTeam) -> Result<&str, ConfigError> {
        self.required(team.channel_key(), &[])
    }

    /// The handle of the Slack user group of the y-stream's release leads, without `@`.
    pub fn release_leads(&self, stream: YStream) -> Result<&str, ConfigError> {
        self.required(&keys::RELEASE_LEADS, &[&stream.to_string()])
    }

    /// The handle of ART's Slack user group, without `@`.
    pub fn art_group(&self) -> Result<&str, ConfigError> {
        self.required(&keys::ART_GROUP, &[])
    }

    /// The handle of the Slack user group that approves documentation, without `@`.
    pub fn doc_approvers(&self) -> Result<&str, ConfigError> {
        self.required(&keys::DOC_APPROVERS, &[])
    }

    /// The approvers for product security: e-mail addresses, or one Slack id.
    pub fn prodsec_approvers(&self) -> Result<Vec<&str>, ConfigError> {
        let text = self.required(&keys::PRODSEC_APPROVERS, &[])?;
        Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect())
    }

    /// The e-mail address of a team.
    pub fn email_contact(&self, team: &str) -> Result<EmailAddress, ConfigError> {
        self.email(&keys::EMAIL_CONTACT, &[team])?.ok_or_else(|| ConfigError::MissingKey {
            key: keys::EMAIL_CONTACT.named(&[team]),
            purpose: keys::EMAIL_CONTACT.purpose,
            example: keys::EMAIL_CONTACT.example,
        })
    }

    /// The waiver of a component; an incomplete one is an error.
    pub fn waiver(&self, component: &str) -> Result<ComponentWaiver<'_>, ConfigError> {
        let names = [component];
        let until = self.required(&keys::WAIVED_UNTIL, &names)?;
        Ok(ComponentWaiver {
            grade: self.required(&keys::WAIVED_GRADE, &names)?,
            until: until.parse().map_err(|_| {
                bad_key(&keys::WAIVED_UNTIL, keys::WAIVED_UNTIL.named(&names), "is not a day".into())
            })?,
            who: self.required(&keys::WAIVED_BY, &names)?,
            why: self.required(&keys::WAIVED_BECAUSE, &names)?,
        })
    }

    /// The most unhealthy images with which the check passes, waived ones not counted.
    pub fn unhealthy_allowed(&self) -> Result<usize, ConfigError> {
        Ok(self.parsed(&keys::UNHEALTHY_ALLOWED, &[])?.unwrap_or(0))
    }

    /// The number of days before an image's grade drops in which a warning is given; 0 for never.
    pub fn grade_warning_days(&self) -> Result<u16, ConfigError> {
        Ok(self.parsed(&keys::GRADE_WARNING_DAYS, &[])?.unwrap_or(GRADE_WARNING_DAYS))
    }

    /// The components that have a waiver.
    pub fn waived_components(&self) -> Vec<&str> {
        self.names(&["image_health", "waivers"])
    }

    /// The path of the GitLab project to which drop-bugs commits.
    pub fn shipment_fork(&self) -> Result<&str, ConfigError> {
        self.required(&keys::SHIPMENT_FORK, &[])
    }

    /// The path of the GitLab project with the shipments, if the document names it.
    pub fn shipment_project(&self) -> Result<Option<&str>, ConfigError> {
        self.checked(&keys::SHIPMENT_PROJECT, &[])
    }

    /// The name of the GitLab account that drop-bugs must use, if the document names it.
    pub fn shipment_bot(&self) -> Result<Option<&str>, ConfigError> {
        self.checked(&keys::SHIPMENT_BOT, &[])
    }

    /// The URL of the build data, with `%s` for the branch name; `None` when the default applies.
    pub fn build_data_url(&self) -> Result<Option<String>, ConfigError> {
        Ok(self.checked(&keys::BUILD_DATA_URL, &[])?.map(ToOwned::to_owned))
    }
}

fn bad_key(key: &Key, path: String, problem: String) -> ConfigError {
    ConfigError::BadKey { key: path, problem, purpose: key.purpose, example: key.example }
}

fn lookup<'a>(section: &'a Map<String, Value>, parts: &[&str]) -> Option<&'a Value> {
    for length in (1..=parts.len()).rev() {
        let (name, rest) = parts.split_at(length);
        let Some(value) = section.get(&name.join(".")) else { continue };
        if rest.is_empty() {
            return Some(value);
        }
        if let Some(found) = value.as_object().and_then(|inner| lookup(inner, rest)) {
            return Some(found);
        }
    }
    None
}

/// A JSON value's kind with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(value: &Value) -> Document {
        Document::parse(&value.to_string()).unwrap()
    }

    fn sample() -> Document {
        document(&serde_json::json!({
            "owners": {"default": "lead@example.com", "4.19": "demo-lead@example.com", "4.20": null},
            "report_templates": {"4.14": "1MadeUpSpreadsheetId000000000000000000000000"},
            "contacts": {
                "slack": {
                    "qe-release": {"channel": "#team-qe-release-demo", "4.19": "demo-leads-4-19"},
                    "approver": {"channel": "#approvals", "doc_id": "docs", "prodsec_id": "a@example.com, b@example.com"},
                    "art": {"id": 7},
                },
                "email": {"team": "team@example.com"},
            },
            "something": {"else": [1, 2]},
        }))
    }

    #[test]
    fn getters_read_their_keys() {
        let sample = sample();
        assert_eq!(sample.owner(YStream::new(4, 19)).unwrap().expose(), "demo-lead@example.com");
        assert_eq!(sample.owner(YStream::new(4, 20)).unwrap().expose(), "lead@example.com");
        assert_eq!(sample.owner(YStream::new(5, 0)).unwrap().expose(), "lead@example.com");
        assert!(sample.report_template(YStream::new(4, 14)).unwrap().unwrap().starts_with("1Made"));
        assert_eq!(sample.report_template(YStream::new(4, 19)).unwrap(), None);
        assert_eq!(sample.slack_channel(SlackTeam::QeRelease).unwrap(), "#team-qe-release-demo");
        assert_eq!(sample.release_leads(YStream::new(4, 19)).unwrap(), "demo-leads-4-19");
        assert_eq!(sample.doc_approvers().unwrap(), "docs");
        assert_eq!(sample.prodsec_approvers().unwrap(), ["a@example.com", "b@example.com"]);
        assert_eq!(sample.email_contact("team").unwrap().expose(), "team@example.com");
    }

    #[test]
    fn a_missing_key_is_named_with_purpose_and_example() {
        let error = sample().release_leads(YStream::new(5, 0)).unwrap_err().to_string();
        assert!(
            error.contains("`contacts.slack.qe-release.5.0`") && error.contains("demo-leads-4-19"),
            "{error}"
        );
        let error = sample().slack_channel(SlackTeam::Art).unwrap_err().to_string();
        assert!(error.contains("`contacts.slack.art.channel`"), "{error}");
        let error = Document::parse("{}").unwrap().owner(YStream::new(4, 19)).unwrap_err().to_string();
        assert!(error.contains("`owners.4.19` nor `owners.default`"), "{error}");
    }

    #[test]
    fn a_bad_value_is_named_but_not_shown() {
        let error = sample().art_group().unwrap_err().to_string();
        assert!(error.contains("`contacts.slack.art.id` is a number instead of a text"), "{error}");
        let bad = document(&serde_json::json!({"owners": {"default": "planted value"}}));
        let error = bad.owner(YStream::new(4, 19)).unwrap_err().to_string();
        assert!(
            error.contains("`owners.default` is not an e-mail address") && !error.contains("planted"),
            "{error}"
        );
        let bad = document(&serde_json::json!({"owners": "planted@example.com"}));
        let error = bad.owner(YStream::new(4, 19)).unwrap_err().to_string();
        assert!(error.contains("`owners` is a text") && !error.contains("planted"), "{error}");
    }

    #[test]
    fn a_document_that_is_no_object_is_refused() {
        for (text, words) in [("[1]", "it is a list"), ("", "EOF"), ("{", "line 1"), ("{} x", "trailing")] {
            let error = Document::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(Document::parse(&format!("{{{}}}", " ".repeat(SIZE_LIMIT))).is_err());
    }

    #[test]
    fn paths_with_dots_in_their_keys_are_found() {
        let sample = sample();
        assert_eq!(sample.lookup("contacts.slack.qe-release.4.19").unwrap(), "demo-leads-4-19");
        assert_eq!(sample.lookup("owners.default").unwrap(), "lead@example.com");
        assert!(sample.lookup("something").unwrap().is_object());
        assert_eq!(sample.lookup("something.more"), None);
        assert_eq!(sample.lookup(""), None);
        let tricky = document(&serde_json::json!({"a": {"b.c": 1, "b": {"d": 2}}, "a.b": {"x": 3}}));
        assert_eq!(tricky.lookup("a.b.c").unwrap(), 1);
        assert_eq!(tricky.lookup("a.b.d").unwrap(), 2);
        assert_eq!(tricky.lookup("a.b.x").unwrap(), 3);
    }

    #[test]
    fn addresses_are_not_in_the_debug_form() {
        let text = format!("{:?}", sample());
        assert!(text.contains("owners") && !text.contains("example.com"), "{text}");
    }
}

//! What the engine may do by itself, and how long steps may take: the sections `drive` and `drive_limits` of the configuration
//! document.

use std::str::FromStr;

use indexmap::IndexMap;
use jiff::SignedDuration;
use serde::Serialize;

use super::document::Document;
use super::error::ConfigError;
use super::keys;

/// Whether the engine may do a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Leave {
    /// By itself: the document is the team's standing consent.
    Auto,
    /// After a person has consented.
    Ask,
    /// Never: people do it.
    Never,
}

impl FromStr for Leave {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "ask" => Ok(Self::Ask),
            "never" => Ok(Self::Never),
            _ => Err(()),
        }
    }
}

/// What the document says of steps by name; the others have the defaults of the table of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrivePolicy {
    /// What the engine may do by itself.
    pub steps: IndexMap<String, Leave>,
    /// How long a step may take before people are asked.
    pub limits: IndexMap<String, SignedDuration>,
}

impl Document {
    /// What the engine may do by itself, and how long steps may take.
    ///
    /// # Errors
    ///
    /// A value is neither `auto`, `ask` nor `never`, a limit is no number of hours, or a section is no object: what the team
    /// wants is not known then.
    pub fn drive_policy(&self) -> Result<DrivePolicy, ConfigError> {
        self.check_section(&["drive"], &keys::DRIVE)?;
        self.check_section(&["drive_limits"], &keys::DRIVE_LIMIT)?;
        let mut policy = DrivePolicy::default();
        for name in self.names(&["drive_limits"]) {
            let hours = self.checked(&keys::DRIVE_LIMIT, &[name])?.and_then(keys::hours);
            policy.limits.extend(hours.map(|limit| (name.to_owned(), limit)));
        }
        for name in self.names(&["drive"]) {
            if let Some(leave) = self.parsed(&keys::DRIVE, &[name])? {
                policy.steps.insert(name.to_owned(), leave);
            }
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_by_name_and_other_words_are_refused() {
        let of = |text: &str| Document::parse(text).unwrap().drive_policy();
        assert_eq!(of("{}").unwrap(), DrivePolicy::default());
        let policy = of(r#"{"drive": {"stage-testing": "auto", "take-ownership": "never"}}"#).unwrap();
        assert_eq!(policy.steps.get("stage-testing"), Some(&Leave::Auto));
        assert_eq!(policy.steps.get("take-ownership"), Some(&Leave::Never));
        for text in [r#"{"drive": "never"}"#, r#"{"drive": ["never"]}"#] {
            assert!(of(text).unwrap_err().to_string().contains("instead of an object"), "{text}");
        }
        assert_eq!(of(r#"{"drive": null}"#).unwrap(), DrivePolicy::default());
        let error = of(r#"{"drive": {"stage-testing": "yes"}}"#).unwrap_err().to_string();
        assert!(error.contains("`drive.stage-testing` is neither `auto`, `ask` nor `never`"), "{error}");
        assert!(of(r#"{"drive": {"stage-testing": true}}"#).is_err());
    }

    #[test]
    fn limits_are_whole_hours() {
        let of = |text: &str| Document::parse(text).unwrap().drive_policy();
        let policy = of(r#"{"drive_limits": {"result-file": "5"}}"#).unwrap();
        assert_eq!(policy.limits.get("result-file"), Some(&SignedDuration::from_hours(5)));
        for wrong in [r#""0""#, r#""721""#, r#""3h""#, r#""-1""#, "5", "[]"] {
            let text = format!(r#"{{"drive_limits": {{"result-file": {wrong}}}}}"#);
            let error = of(&text).unwrap_err().to_string();
            assert!(error.contains("drive_limits.result-file"), "{wrong}: {error}");
        }
        assert!(of(r#"{"drive_limits": "5"}"#).unwrap_err().to_string().contains("instead of an object"));
    }
}

//! The addresses of resources.

use std::fmt;

use oar_core::version::ReleaseVersion;
use rmcp::ErrorData;
use serde_json::json;

/// The address of the list of active releases.
pub(crate) const ACTIVE: &str = "releases://active";
/// The template of a release's state.
pub(crate) const STATE: &str = "release://{release}/state";
/// The template of a release's plan.
pub(crate) const PLAN: &str = "release://{release}/plan";
/// The template of a run's log.
pub(crate) const LOG: &str = "release://{release}/log/{run}";
/// The template of a run's result.
pub(crate) const RUN: &str = "run://{run}";

/// The longest address.
const LONGEST: usize = 200;
/// The longest name of a run.
const LONGEST_RUN: usize = 100;

/// What an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// The active releases.
    Active,
    /// The StateBox file of a release.
    State(ReleaseVersion),
    /// What stands where in a release, and what comes next.
    Plan(ReleaseVersion),
    /// The log of a run, or the stored log of a task.
    Log(ReleaseVersion, String),
}

impl Address {
    /// Parses an address. It is taken to the letter: nothing is decoded, and no part of it becomes a path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        if text == ACTIVE {
            return Some(Self::Active);
        }
        let (release, rest) = text.strip_prefix("release://")?.split_once('/')?;
        let parsed: ReleaseVersion = release.parse().ok()?;
        // Only one spelling, so that two addresses never name the same resource.
        if parsed.to_string() != release {
            return None;
        }
        match rest.split_once('/') {
            None if rest == "state" => Some(Self::State(parsed)),
            None if rest == "plan" => Some(Self::Plan(parsed)),
            Some(("log", run)) if is_run(run) => Some(Self::Log(parsed, run.to_owned())),
            _ => None,
        }
    }

    /// The error for an address that names nothing.
    pub(crate) fn unknown(text: &str) -> ErrorData {
        let shown: String = text.chars().take(LONGEST).collect();
        let message = format!(
            "there is no resource at this address; expected {ACTIVE}, {STATE}, {PLAN}, {LOG} or {RUN}"
        );
        ErrorData::resource_not_found(message, Some(json!({ "uri": shown })))
    }

    /// The release that it belongs to.
    pub(crate) fn release(&self) -> Option<&ReleaseVersion> {
        match self {
            Self::Active => None,
            Self::State(release) | Self::Plan(release) | Self::Log(release, _) => Some(release),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => formatter.write_str(ACTIVE),
            Self::State(release) => write!(formatter, "release://{release}/state"),
            Self::Plan(release) => write!(formatter, "release://{release}/plan"),
            Self::Log(release, run) => write!(formatter, "release://{release}/log/{run}"),
        }
    }
}

/// The run whose result an address names. It is its caller's, and never changes.
pub(crate) fn run_of(text: &str) -> Option<&str> {
    text.strip_prefix("run://").filter(|run| is_run(run))
}

fn is_run(text: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    !text.is_empty() && text.len() <= LONGEST_RUN && !text.starts_with('.') && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_text() {
        for text in [
            "releases://active",
            "release://4.19.1/state",
            "release://4.22.0-rc.0/state",
            "release://4.19.1/plan",
            "release://4.19.1/log/0190a5c0b7e97d0a8f0e",
            "release://4.19.1/log/stage-testing",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_address() {
        let long = format!("release://4.19.1/log/{}", "a".repeat(150));
        for text in [
            "",
            "releases://active/",
            "releases://other",
            "release://4.19.1",
            "release://4.19.1/",
            "release://4.19.1/state/",
            "release://4.19.1/plan/",
            "release://4.19.1/plans",
            "release://4.19.1/state/../../x",
            "release://../state",
            "release://4.19.1/../4.19.2/state",
            "release://4.19.1%2f..%2f4.19.2/state",
            "release://4.19.1/log/",
            "release://4.19.1/log/..",
            "release://4.19.1/log/../state",
            "release://4.19.1/log/a/b",
            "release://4.19.1/log/a%2e",
            "release://4.19.1/log/a b",
            "release:// 4.19.1/state",
            "release://04.19.1/state",
            "RELEASE://4.19.1/state",
            "file:///etc/passwd",
            "https://example.com/",
            long.as_str(),
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
        for text in ["run://", "run://a/b", "run://..", "run:/a", "release://a", "run://a b"] {
            assert_eq!((run_of(text), Address::parse(text)), (None, None), "{text}");
        }
        assert_eq!(run_of("run://0190a5c0b7e97d0a8f0e"), Some("0190a5c0b7e97d0a8f0e"));
        let error = Address::unknown(&"x".repeat(5000));
        assert!(error.data.unwrap().to_string().len() < 300);
    }
}

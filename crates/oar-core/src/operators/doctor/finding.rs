//! What a check found.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::{duration_words, stamp};
use crate::error::{Classified, ErrorClass, ServiceError, ServiceErrorKind};

/// How long before its end a credential is worth a warning, in seconds: a week, the time of a release.
const SOON: i64 = 7 * 24 * 60 * 60;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FindingVerdict {
    /// It was looked at, and is as it must be.
    Ok,
    /// It works now, and somebody should look at it; or it is missing, and not everything needs it.
    Warning,
    /// It is missing, refused or wrong.
    Missing,
    /// It could not be determined.
    Unknown,
}

impl FindingVerdict {
    /// Its word.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The check: `github-token`.
    pub check: &'static str,
    /// How it stands.
    pub verdict: FindingVerdict,
    /// Whether it is needed, and not only by some commands.
    pub needed: bool,
    /// What was found, in one line.
    pub text: String,
    /// The next step, when it is not as it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// When it expires, where somebody says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether the check failed. Otherwise an unknown is something that the service tells nobody.
    #[serde(skip)]
    failed: bool,
}

impl Finding {
    fn new(check: &'static str, verdict: FindingVerdict, text: impl Into<String>) -> Self {
        // Some texts come from services; a finding is one line.
        let text = text.into().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { check, verdict, needed: true, text, next: None, expires: None, failed: false }
    }

    /// As it must be.
    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, FindingVerdict::Ok, text)
    }

    /// It works, but somebody should look at it.
    pub(super) fn warning(check: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, FindingVerdict::Warning, text).then(next)
    }

    /// Missing, refused or wrong.
    pub(super) fn missing(check: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, FindingVerdict::Missing, text).then(next)
    }

    /// The check could not look.
    pub(super) fn unknown(check: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self { failed: true, ..Self::new(check, FindingVerdict::Unknown, text).then(next) }
    }

    /// The service answered, and tells nobody.
    pub(super) fn untold(check: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(check, FindingVerdict::Unknown, text).then(next)
    }

    /// A failed look: missing or wrong configuration is missing, everything else unknown.
    pub(super) fn of_error(check: &'static str, error: &dyn Classified) -> Self {
        let verdict = match error.class() {
            ErrorClass::Configuration | ErrorClass::Usage => FindingVerdict::Missing,
            _ => FindingVerdict::Unknown,
        };
        let mut finding = Self::new(check, verdict, error.to_string());
        finding.next = error.hint();
        finding.failed = true;
        finding
    }

    /// A failed look at something that the configuration names: what is not there is a mistake in it, and so is a host whose
    /// certificate nobody here trusts.
    pub(super) fn of_named(check: &'static str, error: &ServiceError) -> Self {
        let mut finding = Self::of_error(check, error);
        if error.kind == ServiceErrorKind::NotFound || error.detail.contains("certificate") {
            finding.verdict = FindingVerdict::Missing;
        }
        finding
    }

    /// The same, with the next step.
    pub(super) fn then(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into()).filter(|next| !next.is_empty());
        self
    }

    /// The same, with these words.
    pub(super) fn saying(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The same, with more words.
    pub(super) fn and(mut self, more: &str) -> Self {
        self.text.push_str(more);
        self
    }

    /// The same of something that only some commands need.
    pub(super) fn optional(mut self) -> Self {
        self.needed = false;
        if self.verdict == FindingVerdict::Missing {
            self.verdict = FindingVerdict::Warning;
        }
        self
    }

    /// The same, optional unless `needed`.
    pub(super) fn needed_if(self, needed: bool) -> Self {
        if needed { self } else { self.optional() }
    }

    /// The same of a credential that expires at `at`: one that is good, and ends soon or has ended, is no longer.
    pub(super) fn expiring(mut self, at: Timestamp, now: Timestamp, next: &str) -> Self {
        let left = at.as_second() - now.as_second();
        self.expires = Some(stamp(at));
        self.text = format!("{}, {}", self.text, ending(left, at));
        let verdict = match left {
            ..=0 => FindingVerdict::Missing,
            1..=SOON => FindingVerdict::Warning,
            _ => return self,
        };
        if matches!(self.verdict, FindingVerdict::Ok | FindingVerdict::Warning) {
            self.verdict = verdict;
            self.next = Some(next.to_owned());
        }
        self
    }

    /// Both in one: the graver verdict, and what each says.
    pub(super) fn beside(self, other: Self) -> Self {
        let gravity = |finding: &Self| match finding.verdict {
            FindingVerdict::Missing => 3,
            FindingVerdict::Unknown => 2,
            FindingVerdict::Warning => 1,
            FindingVerdict::Ok => 0,
        };
        let text = format!("{}; {}", self.text, other.text);
        let graver = if gravity(&other) > gravity(&self) { other } else { self };
        Self { text, ..graver }
    }

    /// The class by which it decides the exit code.
    pub(super) fn class(&self) -> Option<ErrorClass> {
        match self.verdict {
            FindingVerdict::Missing if self.needed => Some(ErrorClass::Configuration),
            FindingVerdict::Unknown if self.needed && self.failed => Some(ErrorClass::Unavailable),
            _ => None,
        }
    }
}

fn ending(left: i64, at: Timestamp) -> String {
    let day = at.strftime("%Y-%m-%d");
    match left {
        ..=0 => format!("expired on {day}"),
        1..=86_400 => format!("expires in {} (at {})", duration_words(left), stamp(at)),
        _ => format!("expires on {day}, in {} days", left / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    #[test]
    fn a_credential_that_ends_soon_or_has_ended_is_not_ok() {
        let now: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        for (at, verdict, words) in [
            ("2026-06-30T23:00:00Z", FindingVerdict::Missing, "expired on 2026-06-30"),
            ("2026-07-01T09:20:00Z", FindingVerdict::Warning, "expires in 9 h 20 min"),
            ("2026-07-05T00:00:00Z", FindingVerdict::Warning, "expires on 2026-07-05, in 4 days"),
            ("2026-09-01T00:00:00Z", FindingVerdict::Ok, "in 62 days"),
        ] {
            let found = Finding::ok("x", "good").expiring(at.parse().unwrap(), now, "Renew it.");
            assert_eq!(found.verdict, verdict, "{at}");
            assert!(found.text.contains(words), "{}", found.text);
            assert_eq!(found.expires.as_deref(), Some(at));
            assert_eq!(found.next.is_some(), verdict != FindingVerdict::Ok);
        }
        let unknown =
            Finding::untold("x", "not told", "").expiring("2026-09-01T00:00:00Z".parse().unwrap(), now, "");
        assert_eq!(unknown.verdict, FindingVerdict::Unknown, "an expiry makes nothing known");
    }

    #[test]
    fn only_what_is_needed_decides_and_what_nobody_tells_does_not() {
        let error = |kind| ServiceError::new(Service::Jira, "read", kind, "x");
        let of = |kind| Finding::of_error("x", &error(kind));
        assert_eq!(of(ServiceErrorKind::Unauthorized).class(), Some(ErrorClass::Configuration));
        assert_eq!(of(ServiceErrorKind::Unauthorized).optional().class(), None);
        assert_eq!(of(ServiceErrorKind::Unauthorized).optional().verdict, FindingVerdict::Warning);
        for kind in [ServiceErrorKind::Unavailable, ServiceErrorKind::NotFound, ServiceErrorKind::Malformed] {
            assert_eq!(of(kind).verdict, FindingVerdict::Unknown);
            assert_eq!(of(kind).class(), Some(ErrorClass::Unavailable));
            assert_eq!(of(kind).optional().verdict, FindingVerdict::Unknown, "never ok");
        }
        assert_eq!(Finding::untold("x", "y", "z").class(), None);
        let named = Finding::of_named("x", &error(ServiceErrorKind::NotFound));
        assert_eq!(named.class(), Some(ErrorClass::Configuration));
    }

    #[test]
    fn a_finding_is_one_line() {
        assert_eq!(Finding::ok("x", "a\n  b\tc").text, "a b c");
    }
}

//! Which bugs are dropped (spec 02 §5.4).

use std::collections::BTreeSet;

use crate::clients::jira::{Bug, IssueKey};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};

/// What becomes of a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It leaves the release.
    Drop,
    /// QE has finished it.
    Finished,
    /// It tracks a CVE: the release ships its fix.
    CveTracker,
    /// It is critical or a customer waits for it, and nobody named it.
    HighSeverity,
    /// It cannot be read.
    Unknown,
}

/// A bug and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The bug.
    pub key: IssueKey,
    /// What becomes of it.
    pub decision: Decision,
}

impl Judged {
    /// Judges the bug `key`; `bug` is `None` when Jira does not show it.
    pub fn of(key: &IssueKey, bug: Option<&Bug>, include: &BTreeSet<IssueKey>) -> Self {
        let decision = match bug {
            None => Decision::Unknown,
            // Without a status nobody knows whether it is finished.
            Some(bug) if bug.status.is_none() => Decision::Unknown,
            Some(bug) if bug.is_finished() => Decision::Finished,
            Some(bug) if bug.is_cve_tracker() => Decision::CveTracker,
            Some(bug) if bug.is_high_severity() && !include.contains(key) => Decision::HighSeverity,
            Some(_) => Decision::Drop,
        };
        Self { key: key.clone(), decision }
    }

    /// Why it stays; `None` when it is dropped or finished.
    pub fn kept_because(&self) -> Option<&'static str> {
        match self.decision {
            Decision::Drop | Decision::Finished => None,
            Decision::CveTracker => Some("it tracks a CVE"),
            Decision::HighSeverity => Some(
                "it is critical or has a customer case, and is dropped only when it is named with --include",
            ),
            Decision::Unknown => Some("unknown: it cannot be read in Jira"),
        }
    }

    pub(super) fn note(&self) -> Option<String> {
        Some(format!("{} stays: {}", self.key, self.kept_because()?))
    }
}

/// Refuses to include what is not in the release or may not be dropped.
pub(super) fn check_include(include: &BTreeSet<IssueKey>, bugs: &[Judged]) -> Result<(), TaskError> {
    for key in include {
        let problem = match bugs.iter().find(|bug| bug.key == *key).map(|bug| bug.decision) {
            Some(Decision::Drop | Decision::HighSeverity) => continue,
            None => "is not among the release's bugs",
            Some(Decision::Finished) => "is finished, so it stays in the release",
            Some(Decision::CveTracker) => "tracks a CVE and cannot be dropped",
            Some(Decision::Unknown) => "cannot be read in Jira, so it stays",
        };
        return Err(Refusal::new(ErrorClass::Usage, format!("--include {key}: {key} {problem}"))
            .with_hint("Name only bugs that --dry-run lists as critical or with a customer case.")
            .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bug(status: &str, priority: &str, label: &str, case: bool) -> Bug {
        Bug {
            key: "OCPBUGS-1".parse().unwrap(),
            summary: "made up".to_owned(),
            status: Some(status.to_owned()),
            priority: Some(priority.to_owned()),
            labels: vec![label.to_owned()],
            release_blocker: None,
            has_customer_case: case,
            qa_contact: None,
        }
    }

    fn judge(bug: Option<&Bug>, include: &[&str]) -> Decision {
        let include = include.iter().map(|key| key.parse().unwrap()).collect();
        Judged::of(&"OCPBUGS-1".parse().unwrap(), bug, &include).decision
    }

    #[test]
    fn only_unfinished_bugs_of_lower_severity_are_dropped_unnamed() {
        for status in ["New", "ON_QA", "MODIFIED"] {
            assert_eq!(judge(Some(&bug(status, "Major", "x", false)), &[]), Decision::Drop);
            assert_eq!(judge(Some(&bug(status, "Blocker", "x", false)), &[]), Decision::HighSeverity);
            assert_eq!(judge(Some(&bug(status, "Major", "x", true)), &[]), Decision::HighSeverity);
            assert_eq!(judge(Some(&bug(status, "Major", "x", true)), &["OCPBUGS-1"]), Decision::Drop);
            assert_eq!(
                judge(Some(&bug(status, "Major", "x", true)), &["OCPBUGS-12"]),
                Decision::HighSeverity
            );
            assert_eq!(
                judge(Some(&bug(status, "Major", "CVE-1", false)), &["OCPBUGS-1"]),
                Decision::CveTracker
            );
        }
        for status in ["Verified", "Closed", "Release Pending"] {
            assert_eq!(judge(Some(&bug(status, "Blocker", "x", true)), &["OCPBUGS-1"]), Decision::Finished);
        }
        assert_eq!(judge(None, &["OCPBUGS-1"]), Decision::Unknown);
        let without = Bug { status: None, ..bug("", "Major", "x", false) };
        assert_eq!(judge(Some(&without), &[]), Decision::Unknown);
    }

    #[test]
    fn what_may_not_be_included_is_refused_with_its_reason() {
        let key = |text: &str| text.parse::<IssueKey>().unwrap();
        let bugs = [
            (key("A-1"), Decision::Drop),
            (key("A-2"), Decision::Finished),
            (key("A-3"), Decision::CveTracker),
            (key("A-4"), Decision::Unknown),
        ]
        .map(|(key, decision)| Judged { key, decision });
        let check = |text: &str| check_include(&BTreeSet::from([key(text)]), &bugs);
        assert!(check("A-1").is_ok());
        for (text, words) in
            [("A-2", "finished"), ("A-3", "CVE"), ("A-4", "cannot be read"), ("A-5", "not among")]
        {
            let error = check(text).unwrap_err();
            assert_eq!(error.inner().class(), ErrorClass::Usage);
            assert!(error.inner().to_string().contains(words), "{}", error.inner());
        }
    }
}

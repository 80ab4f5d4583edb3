//! Which bugs are dropped (spec 02 §5.4).

use std::collections::BTreeSet;

use crate::clients::jira::{Bug, IssueKey, IssueSet};
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
    /// It has a security label: only product security takes it out of an advisory (spec 02 §2.5).
    SecurityLabelled,
    /// It is critical or has a customer case, and was not named.
    HighSeverity,
    /// It cannot be read.
    Unknown,
}

/// A bug and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedBug {
    /// The first key by which the release names it.
    pub key: IssueKey,
    /// Other keys of the same bug, whether the release names it by them or not.
    pub other_keys: BTreeSet<IssueKey>,
    /// What becomes of it.
    pub decision: Decision,
}

impl JudgedBug {
    /// Judges the bug `key`; `bug` is `None` when Jira does not show it.
    pub fn of(key: &IssueKey, bug: Option<&Bug>, include: &BTreeSet<IssueKey>) -> Self {
        let decision = match bug {
            None => Decision::Unknown,
            // Without a status it is unknown whether it is finished.
            Some(bug) if bug.status.is_none() => Decision::Unknown,
            Some(bug) if bug.is_finished() => Decision::Finished,
            Some(bug) if bug.is_cve_tracker() => Decision::CveTracker,
            Some(bug) if bug.is_security_labelled() => Decision::SecurityLabelled,
            Some(bug) if bug.needs_agreement_to_drop() && !include.iter().any(|named| bug.has_key(named)) => {
                Decision::HighSeverity
            }
            Some(_) => Decision::Drop,
        };
        let other_keys = bug.map(|bug| bug.other_keys.clone()).unwrap_or_default();
        Self { key: key.clone(), other_keys, decision }
    }

    /// Judges the bugs that the release names by `keys`, each once.
    pub(super) fn each(
        keys: &BTreeSet<IssueKey>,
        read: &IssueSet,
        include: &BTreeSet<IssueKey>,
    ) -> Vec<Self> {
        let mut bugs: Vec<Self> = Vec::new();
        for key in keys {
            if !bugs.iter().any(|bug| bug.has_key(key)) {
                bugs.push(Self::of(key, read.get(key).map(Bug::of).as_ref(), include));
            }
        }
        bugs
    }

    fn has_key(&self, key: &IssueKey) -> bool {
        self.key == *key || self.other_keys.contains(key)
    }

    /// Why it stays; `None` when it is dropped or finished.
    pub fn kept_because(&self) -> Option<&'static str> {
        match self.decision {
            Decision::Drop | Decision::Finished => None,
            Decision::CveTracker => Some("it tracks a CVE"),
            Decision::SecurityLabelled => {
                Some("it has a security label, and only product security takes it out")
            }
            Decision::HighSeverity => Some(
                "it is critical or has a customer case, and is dropped only when it is named with --include",
            ),
            Decision::Unknown => Some("unknown: it cannot be read in Jira"),
        }
    }

    pub(super) fn note(&self) -> Option<String> {
        let others: Vec<&str> = self.other_keys.iter().map(IssueKey::as_str).collect();
        let also =
            if others.is_empty() { String::new() } else { format!(" ({} in Jira)", others.join(", ")) };
        match self.kept_because() {
            Some(why) => Some(format!("{}{also} stays: {why}", self.key)),
            None if others.is_empty() => None,
            None => Some(format!("{} is the same bug as {}", self.key, others.join(" and "))),
        }
    }
}

/// All of `keys` by which the release names bugs that are dropped.
pub(super) fn names_of_dropped(keys: &BTreeSet<IssueKey>, bugs: &[JudgedBug]) -> BTreeSet<IssueKey> {
    let is_dropped =
        |key: &&IssueKey| bugs.iter().any(|bug| bug.decision == Decision::Drop && bug.has_key(key));
    keys.iter().filter(is_dropped).cloned().collect()
}

/// The bugs that an earlier run meant to drop and that the release does not name by any of their keys any more, each once.
pub(super) fn gone(earlier: &BTreeSet<IssueKey>, bugs: &[JudgedBug], read: &IssueSet) -> BTreeSet<IssueKey> {
    let mut gone = BTreeSet::new();
    for key in earlier.iter().filter(|key| !bugs.iter().any(|bug| bug.has_key(key))) {
        let is_told = read.get(key).is_some_and(|issue| !issue.other_keys.is_disjoint(&gone));
        if !is_told {
            gone.insert(key.clone());
        }
    }
    gone
}

/// Refuses to include what is not in the release or may not be dropped.
pub(super) fn check_include(include: &BTreeSet<IssueKey>, bugs: &[JudgedBug]) -> Result<(), TaskError> {
    for key in include {
        let problem = match bugs.iter().find(|bug| bug.has_key(key)).map(|bug| bug.decision) {
            Some(Decision::Drop | Decision::HighSeverity) => continue,
            None => "is not among the release's bugs",
            Some(Decision::Finished) => "is finished, so it stays in the release",
            Some(Decision::CveTracker) => "tracks a CVE and cannot be dropped",
            Some(Decision::SecurityLabelled) => {
                "has a security label: only product security takes it out of an advisory"
            }
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
            other_keys: BTreeSet::from(["CORENET-7".parse().unwrap()]),
            severity: None,
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
        JudgedBug::of(&"OCPBUGS-1".parse().unwrap(), bug, &include).decision
    }

    #[test]
    fn only_unfinished_bugs_of_lower_severity_are_dropped_unnamed() {
        for status in ["New", "ON_QA", "MODIFIED"] {
            assert_eq!(judge(Some(&bug(status, "Major", "x", false)), &[]), Decision::Drop);
            assert_eq!(judge(Some(&bug(status, "Blocker", "x", false)), &[]), Decision::HighSeverity);
            assert_eq!(judge(Some(&bug(status, "Major", "x", true)), &[]), Decision::HighSeverity);
            assert_eq!(judge(Some(&bug(status, "Major", "x", true)), &["OCPBUGS-1"]), Decision::Drop);
            assert_eq!(judge(Some(&bug(status, "Major", "x", true)), &["CORENET-7"]), Decision::Drop);
            assert_eq!(
                judge(Some(&bug(status, "Major", "SecurityTracking", false)), &["OCPBUGS-1"]),
                Decision::SecurityLabelled
            );
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
            (key("A-6"), Decision::SecurityLabelled),
        ]
        .map(|(key, decision)| JudgedBug { key, other_keys: BTreeSet::new(), decision });
        let check = |text: &str| check_include(&BTreeSet::from([key(text)]), &bugs);
        assert!(check("A-1").is_ok());
        for (text, words) in [
            ("A-2", "finished"),
            ("A-3", "CVE"),
            ("A-4", "cannot be read"),
            ("A-5", "not among"),
            ("A-6", "security"),
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(error.inner().class(), ErrorClass::Usage);
            assert!(error.inner().to_string().contains(words), "{}", error.inner());
        }
    }
}

//! The bugs of a release: those of its advisories and of its shipment together (spec 01 §5.3, spec 02 §8.2).

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::errata::Advisory;
use crate::clients::jira::{Bug, IssueKey, JiraClient};
use crate::error::ServiceError;

/// The status of each bug, by key.
pub type Statuses = BTreeMap<String, String>;

/// The word for a bug that left the release (`interop-exact`: the worksheet's, spec 01 §6.4).
pub const DROPPED: &str = "Dropped";

/// The word for a bug that Jira does not show us.
pub const UNKNOWN: &str = "Unknown";

/// The bugs of a release, as Jira shows them.
#[derive(Debug, Clone, Default)]
pub struct ReleaseBugs {
    /// Those that we see, each once, by the first key by which the release names it.
    pub bugs: BTreeMap<IssueKey, Bug>,
    /// Keys that do not exist or that we may not see.
    pub hidden: BTreeSet<IssueKey>,
}

/// The bugs that the advisories name; dropped advisories do not count.
pub fn keys_of<'a>(advisories: impl IntoIterator<Item = &'a Advisory>) -> BTreeSet<IssueKey> {
    advisories
        .into_iter()
        .filter(|advisory| !advisory.is_dropped())
        .flat_map(|advisory| advisory.jira_issues.iter().cloned())
        .collect()
}

impl ReleaseBugs {
    /// Reads the bugs with these keys. `before` is the list of an earlier look: what it names and the release does not
    /// name any more may be a bug whose key has changed.
    pub async fn read(
        jira: &JiraClient,
        keys: &BTreeSet<IssueKey>,
        before: &Statuses,
    ) -> Result<Self, ServiceError> {
        let known = before.iter().filter(|(_, status)| *status != DROPPED);
        let mut asked: BTreeSet<IssueKey> = known.filter_map(|(key, _)| key.parse().ok()).collect();
        asked.extend(keys.iter().cloned());
        let mut set = jira.issues(&asked, &Bug::FIELDS).await?;
        set.found.retain(|key, _| keys.contains(key));
        set.hidden.retain(|key| keys.contains(key));
        let bugs = set.distinct().map(|issue| (issue.key.clone(), Bug::of(issue))).collect();
        Ok(Self { bugs, hidden: set.hidden })
    }

    /// The bug that goes by this key.
    pub fn get(&self, key: &IssueKey) -> Option<&Bug> {
        self.bugs.get(key).or_else(|| self.bugs.values().find(|bug| bug.has_key(key)))
    }

    /// The bugs that meet `wanted`, by key.
    pub fn which(&self, wanted: impl Fn(&Bug) -> bool) -> Vec<&Bug> {
        self.bugs.values().filter(|bug| wanted(bug)).collect()
    }

    /// What people should know of keys: which bug has another one in Jira now.
    pub fn moved(&self) -> Vec<String> {
        let moved = self.bugs.values().filter(|bug| !bug.other_keys.is_empty());
        moved.map(|bug| format!("{} is the same bug as {}", bug.key, also_known(bug))).collect()
    }

    /// The status of every bug of the release, and of those that `before` names and that have left it. A bug whose key
    /// has changed has not left it.
    pub fn list(&self, before: &Statuses) -> Statuses {
        let is_other_key =
            |text: &str| text.parse().is_ok_and(|key| self.get(&key).is_some_and(|bug| bug.key != key));
        let mut list: Statuses = before
            .keys()
            .filter(|key| !is_other_key(key))
            .map(|key| (key.clone(), DROPPED.to_owned()))
            .collect();
        list.extend(self.hidden.iter().map(|key| (key.as_str().to_owned(), UNKNOWN.to_owned())));
        list.extend(self.bugs.values().map(|bug| {
            let status = bug.status.clone().unwrap_or_else(|| UNKNOWN.to_owned());
            (bug.key.as_str().to_owned(), status)
        }));
        list
    }
}

/// The other keys of a bug, for people.
pub fn also_known(bug: &Bug) -> String {
    bug.other_keys.iter().map(IssueKey::as_str).collect::<Vec<_>>().join(" and ")
}

/// How far the bugs of a list are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Verified, closed or dropped.
    pub done: usize,
    /// Waiting for somebody.
    pub open: usize,
    /// Not visible to this account, so unknown.
    pub unknown: usize,
}

impl Progress {
    /// Counts the list.
    pub fn of(list: &Statuses) -> Self {
        let mut progress = Self::default();
        for status in list.values() {
            match status.as_str() {
                "Verified" | "Closed" | DROPPED => progress.done += 1,
                UNKNOWN => progress.unknown += 1,
                _ => progress.open += 1,
            }
        }
        progress
    }

    /// Whether every bug is verified, closed or dropped. What is not known is not done.
    pub fn is_complete(self) -> bool {
        self.open == 0 && self.unknown == 0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bug(key: &str, status: &serde_json::Value) -> (IssueKey, Bug) {
        let issue = serde_json::from_value(json!({"key": key, "fields": {"status": status}})).unwrap();
        (key.parse().unwrap(), Bug::of(&issue))
    }

    fn list(entries: &[(&str, &str)]) -> Statuses {
        entries.iter().map(|(key, status)| ((*key).to_owned(), (*status).to_owned())).collect()
    }

    #[test]
    fn what_left_the_release_is_dropped_and_what_comes_back_is_not() {
        let bugs = ReleaseBugs {
            bugs: [
                bug("OCPBUGS-1", &json!({"name": "ON_QA"})),
                bug("OCPBUGS-2", &json!({"name": "Verified"})),
                bug("OCPBUGS-5", &json!(null)),
            ]
            .into(),
            hidden: BTreeSet::from(["OCPBUGS-3".parse().unwrap()]),
        };
        let before = list(&[("OCPBUGS-1", "ON_QA"), ("OCPBUGS-2", DROPPED), ("OCPBUGS-12", "ON_QA")]);
        let after = bugs.list(&before);
        assert_eq!(
            after,
            list(&[
                ("OCPBUGS-1", "ON_QA"),
                ("OCPBUGS-12", DROPPED),
                ("OCPBUGS-2", "Verified"),
                ("OCPBUGS-3", UNKNOWN),
                ("OCPBUGS-5", UNKNOWN),
            ])
        );
        assert_eq!(bugs.list(&after), after, "a second look changes nothing");
        let progress = Progress::of(&after);
        assert_eq!(progress, Progress { done: 2, open: 1, unknown: 2 });
        assert!(!progress.is_complete());
    }

    #[test]
    fn a_bug_whose_key_has_changed_is_one_bug_that_has_not_left() {
        let (key, mut moved) = bug("OCPBUGS-1", &json!({"name": "ON_QA"}));
        moved.other_keys = BTreeSet::from(["CORENET-77".parse().unwrap()]);
        let bugs = ReleaseBugs { bugs: [(key, moved)].into(), hidden: BTreeSet::new() };
        for before in [
            list(&[]),
            list(&[("OCPBUGS-1", "ON_QA")]),
            list(&[("CORENET-77", "ON_QA")]),
            list(&[("OCPBUGS-1", UNKNOWN), ("CORENET-77", "ON_QA")]),
        ] {
            assert_eq!(bugs.list(&before), list(&[("OCPBUGS-1", "ON_QA")]), "{before:?}");
        }
        assert_eq!(bugs.moved(), ["OCPBUGS-1 is the same bug as CORENET-77"]);
        assert!(bugs.get(&"CORENET-77".parse().unwrap()).is_some());
    }

    #[test]
    fn unknown_is_not_done_and_no_bug_is_nothing_to_wait_for() {
        assert!(!Progress::of(&list(&[("OCPBUGS-1", UNKNOWN)])).is_complete());
        assert!(!Progress::of(&list(&[("OCPBUGS-1", "Release Pending")])).is_complete());
        assert!(Progress::of(&list(&[("OCPBUGS-1", "Closed"), ("OCPBUGS-2", DROPPED)])).is_complete());
        assert!(Progress::of(&Statuses::new()).is_complete());
    }
}

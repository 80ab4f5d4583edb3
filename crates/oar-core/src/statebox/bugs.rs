//! The list of a release's bugs, kept with the task `update-bug-list` when the release has no worksheet.
//!
//! The list is small by its form: under the task's key `bugs` stands each status once, with the keys of its bugs
//! behind it, blanks between them. Three hundred bugs take about 4 KB. The Python reference carries the key along.

use std::collections::BTreeMap;

use super::names::TaskName;
use super::state::State;
use super::yaml::{Mapping, Node};
use crate::store::Change;

/// The bugs of a release: the status of each, by key.
pub type BugList = BTreeMap<String, String>;

const KEY: &str = "bugs";

impl State {
    /// The last stored list; `None` when there is none.
    pub fn bug_list(&self) -> Option<BugList> {
        let task =
            self.entries("tasks").find(|entry| entry.text("name") == Some(TaskName::UpdateBugList.id()))?;
        let mut list = BugList::new();
        for (status, keys) in task.get(KEY)?.as_mapping()?.iter() {
            let (Some(status), Some(keys)) = (status.as_text(), keys.as_text()) else { continue };
            list.extend(keys.split_whitespace().map(|key| (key.to_owned(), status.to_owned())));
        }
        Some(list)
    }

    /// Keeps the list.
    pub fn keep_bug_list(&mut self, list: &BugList) -> Change {
        if self.bug_list().unwrap_or_default() == *list {
            return Change::Unchanged;
        }
        let mut by_status: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, status) in list {
            by_status.entry(status).or_default().push(key);
        }
        let mut record = Mapping::new();
        for (status, mut keys) in by_status {
            keys.sort_by_key(|key| (key.len(), *key));
            record.set(status, Node::text(keys.join(" ")));
        }
        self.change_task(TaskName::UpdateBugList, |fields| fields.set(KEY, Node::mapping(record)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::Metadata;

    fn state() -> State {
        let now = "2026-07-01T10:00:00Z".parse().unwrap();
        State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), now)
    }

    fn list(entries: &[(&str, &str)]) -> BugList {
        entries.iter().map(|(key, status)| ((*key).to_owned(), (*status).to_owned())).collect()
    }

    #[test]
    fn a_list_is_kept_read_again_and_kept_once() {
        let mut state = state();
        assert_eq!(state.bug_list(), None);
        assert_eq!(state.keep_bug_list(&BugList::new()), Change::Unchanged);
        let bugs =
            list(&[("OCPBUGS-123", "ON_QA"), ("OCPBUGS-12", "ON_QA"), ("OCPBUGS-7", "Release Pending")]);
        assert_eq!(state.keep_bug_list(&bugs), Change::Changed);
        assert_eq!(state.keep_bug_list(&bugs), Change::Unchanged);
        assert_eq!(state.bug_list(), Some(bugs.clone()));
        let text = state.to_yaml();
        assert!(
            text.contains("    ON_QA: OCPBUGS-12 OCPBUGS-123\n    Release Pending: OCPBUGS-7\n"),
            "{text}"
        );
        assert_eq!(State::parse(&text).unwrap().bug_list(), Some(bugs));
    }

    #[test]
    fn a_long_list_is_no_burden_and_survives_the_file() {
        let bugs: BugList =
            (60_000..60_300).map(|number| (format!("OCPBUGS-{number}"), "ON_QA".to_owned())).collect();
        let mut state = state();
        let before = state.to_yaml().len();
        assert!(state.keep_bug_list(&bugs).is_changed());
        let text = state.to_yaml();
        assert!(text.len() - before < 5_000, "{}", text.len() - before);
        assert_eq!(State::parse(&text).unwrap().bug_list(), Some(bugs));
    }
}

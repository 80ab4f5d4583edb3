//! What one task enters in a worksheet (spec 01 §6.4).

use std::collections::BTreeSet;

use super::cells::{BUGS, FIRST, OTHERS, STATUSES, contact, hyperlink, status_cells, typed};
use crate::clients::jira::IssueKey;
use crate::clients::sheets::{CellWrite, Rows};
use crate::config::Flow;
use crate::operators::bugs::{DROPPED, ReleaseBugs};
use crate::statebox::{TaskName, TaskStatus};

/// What a task has to say in the worksheet of its release.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    task: TaskName,
    status: TaskStatus,
    bugs: Option<&'a ReleaseBugs>,
    other: Option<&'a IssueKey>,
    dropped: &'a [IssueKey],
}

impl<'a> Entry<'a> {
    /// The status of `task`.
    pub fn status(task: TaskName, status: TaskStatus) -> Self {
        Self { task, status, bugs: None, other: None, dropped: &[] }
    }

    /// The bugs of the release too.
    #[must_use]
    pub fn bugs(self, bugs: &'a ReleaseBugs) -> Self {
        Self { bugs: Some(bugs), ..self }
    }

    /// An issue that is no bug of the release too.
    #[must_use]
    pub fn other(self, key: Option<&'a IssueKey>) -> Self {
        Self { other: key, ..self }
    }

    /// Bugs that were dropped from the release too.
    #[must_use]
    pub fn dropped(self, keys: &'a [IssueKey]) -> Self {
        Self { dropped: keys, ..self }
    }

    /// The blocks that [`Entry::writes`] looks at.
    pub(super) fn blocks(&self) -> Vec<&'static str> {
        let mut blocks = vec![STATUSES];
        blocks.extend(self.bugs.map(|_| BUGS));
        blocks.extend(self.other.map(|_| OTHERS));
        blocks.extend((!self.dropped.is_empty()).then_some(BUGS));
        blocks
    }

    /// What is missing in the worksheet whose blocks show this.
    pub(super) fn writes(&self, flow: Flow, blocks: &[Rows]) -> Vec<CellWrite> {
        let mut blocks = blocks.iter();
        let empty = Rows::new();
        let mut next = || blocks.next().unwrap_or(&empty);
        let mut writes = status_cells(self.task, flow, self.status, next());
        if let Some(bugs) = self.bugs {
            writes.extend(bug_rows(next(), bugs));
        }
        if let Some(key) = self.other {
            writes.extend(other(next(), key));
        }
        if !self.dropped.is_empty() {
            writes.extend(dropped_rows(next(), self.dropped));
        }
        writes
    }
}

/// The first cell of each row, up to the first empty one: there a list ends.
fn keys(rows: &Rows) -> Vec<&str> {
    let first = |row: &'_ [String]| -> Option<usize> { row.first().map(|cell| cell.trim().len()) };
    let filled = rows.iter().take_while(|row| first(row).is_some_and(|length| length > 0));
    filled.filter_map(|row| row.first().map(|cell| cell.trim())).collect()
}

/// What the list of bugs needs: refreshed rows, and new rows behind them.
///
/// A row whose bug left the release says Dropped. A bug that Jira hides keeps what stands there. Only bugs in `ON_QA` are
/// added.
fn bug_rows(rows: &Rows, bugs: &ReleaseBugs) -> Vec<CellWrite> {
    let mut writes = Vec::new();
    let mut listed: BTreeSet<IssueKey> = BTreeSet::new();
    let keys = keys(rows);
    for ((row, key), number) in rows.iter().zip(&keys).zip(FIRST..) {
        let cell = |index: usize| row.get(index).map_or("", |text| text.trim());
        // A cell that is not a key was written by a person and is not changed.
        let Ok(key) = key.parse::<IssueKey>() else { continue };
        let now = (cell(1).to_owned(), cell(2).to_owned());
        let wanted = match bugs.get(&key) {
            Some(bug) => (contact(bug), bug.status.clone().unwrap_or_else(|| now.1.clone())),
            None if bugs.hidden.contains(&key) => now.clone(),
            None => (now.0.clone(), DROPPED.to_owned()),
        };
        listed.insert(key);
        if wanted != now {
            let values = vec![vec![typed(&wanted.0), typed(&wanted.1)]];
            writes.push(CellWrite { cells: format!("D{number}:E{number}"), values });
        }
    }
    let new: Vec<Vec<String>> = bugs
        .which(|bug| bug.is_on_qa() && !listed.iter().any(|key| bug.has_key(key)))
        .into_iter()
        .map(|bug| {
            vec![hyperlink(&bug.key), typed(&contact(bug)), typed(bug.status.as_deref().unwrap_or_default())]
        })
        .collect();
    if !new.is_empty() {
        let (first, last) = (FIRST + keys.len(), FIRST + keys.len() + new.len() - 1);
        writes.push(CellWrite { cells: format!("C{first}:E{last}"), values: new });
    }
    writes
}

/// The rows of bugs that were dropped.
fn dropped_rows(rows: &Rows, dropped: &[IssueKey]) -> Vec<CellWrite> {
    let ours = |key: &str| dropped.iter().any(|dropped| dropped.as_str() == key);
    let status = |row: &[String]| row.get(2).map_or("", |text| text.trim()).to_owned();
    keys(rows)
        .into_iter()
        .zip(rows)
        .zip(FIRST..)
        .filter(|((key, row), _)| ours(key) && status(row) != DROPPED)
        .map(|(_, number)| CellWrite::one(format!("E{number}"), DROPPED))
        .collect()
}

/// Writes the issue to the first empty cell, unless it is there already.
fn other(rows: &Rows, key: &IssueKey) -> Option<CellWrite> {
    let keys = keys(rows);
    let stands = rows.iter().flatten().any(|cell| cell.trim() == key.as_str());
    (!stands).then(|| CellWrite::one(format!("H{}", FIRST + keys.len()), hyperlink(key)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::jira::Bug;

    fn release(bugs: &[(&str, &str)], hidden: &[&str]) -> ReleaseBugs {
        let bug = |(key, status): &(&str, &str)| {
            let contact = json!({"accountId": "1", "emailAddress": "q@example.com"});
            let fields = json!({"status": {"name": status}, "customfield_10470": contact});
            let issue = serde_json::from_value(json!({"key": key, "fields": fields})).unwrap();
            (key.parse().unwrap(), Bug::of(&issue))
        };
        ReleaseBugs {
            bugs: bugs.iter().map(bug).collect(),
            hidden: hidden.iter().map(|key| key.parse().unwrap()).collect(),
        }
    }

    fn rows(rows: &[&[&str]]) -> Rows {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn rows_are_refreshed_dropped_and_added_and_a_second_look_writes_nothing() {
        let sheet = rows(&[
            &["OCPBUGS-1", "q@example.com", "ON_QA"],
            &["OCPBUGS-2", "old@example.com", "ON_QA"],
            &["OCPBUGS-12", "x@example.com", "ON_QA"],
            &["OCPBUGS-9", "h@example.com", "ON_QA"],
            &["see the mail"],
            &[],
            &["a note below the list"],
        ]);
        let bugs = release(
            &[
                ("OCPBUGS-1", "ON_QA"),
                ("OCPBUGS-2", "Verified"),
                ("OCPBUGS-3", "ON_QA"),
                ("OCPBUGS-4", "New"),
            ],
            &["OCPBUGS-9"],
        );
        let row = |cells: &str, texts: &[&str]| CellWrite { cells: cells.to_owned(), values: rows(&[texts]) };
        let link = "=HYPERLINK(\"https://redhat.atlassian.net/browse/OCPBUGS-3\",\"OCPBUGS-3\")";
        assert_eq!(
            bug_rows(&sheet, &bugs),
            [
                row("D9:E9", &["q@example.com", "Verified"]),
                row("D10:E10", &["x@example.com", "Dropped"]),
                row("C13:E13", &[link, "q@example.com", "ON_QA"]),
            ]
        );
        let after = rows(&[
            &["OCPBUGS-1", "q@example.com", "ON_QA"],
            &["OCPBUGS-2", "q@example.com", "Verified"],
            &["OCPBUGS-12", "x@example.com", "Dropped"],
            &["OCPBUGS-9", "h@example.com", "ON_QA"],
            &["see the mail"],
            &["OCPBUGS-3", "q@example.com", "ON_QA"],
        ]);
        assert_eq!(bug_rows(&after, &bugs), []);
        assert_eq!(bug_rows(&Rows::new(), &release(&[], &[])), []);
    }

    #[test]
    fn the_row_of_a_bug_whose_key_has_changed_stays_its_row() {
        let mut bugs = release(&[("OCPBUGS-1", "Verified")], &[]);
        let moved = bugs.bugs.values_mut().next().unwrap();
        moved.other_keys.insert("CORENET-77".parse().unwrap());
        let sheet = rows(&[&["CORENET-77", "q@example.com", "ON_QA"]]);
        let cells: Vec<Vec<Vec<String>>> =
            bug_rows(&sheet, &bugs).into_iter().map(|write| write.values).collect();
        assert_eq!(cells, [vec![vec!["q@example.com".to_owned(), "Verified".to_owned()]]]);
        "ON_QA".clone_into(bugs.bugs.values_mut().next().unwrap().status.as_mut().unwrap());
        assert_eq!(bug_rows(&sheet, &bugs), [], "it is not added a second time");
    }

    #[test]
    fn a_dropped_bug_is_marked_by_its_whole_key() {
        let keys = ["OCPBUGS-12".parse().unwrap()];
        let entry = Entry::status(TaskName::DropBugs, TaskStatus::Pass).dropped(&keys);
        let sheet = rows(&[&["OCPBUGS-123", "q", "ON_QA"], &["OCPBUGS-12", "q", "ON_QA"]]);
        let cells = |blocks: &[Rows]| {
            let writes = entry.writes(Flow::Errata, blocks);
            writes.into_iter().map(|write| write.cells).collect::<Vec<_>>()
        };
        assert_eq!(cells(&[Rows::new(), sheet]), ["B18", "E9"]);
        assert_eq!(cells(&[Rows::new(), rows(&[&["OCPBUGS-12", "q", "Dropped"]])]), ["B18"]);
    }

    #[test]
    fn another_issue_is_entered_once_behind_the_last() {
        let key: IssueKey = "CVP-7".parse().unwrap();
        let entry = Entry::status(TaskName::CheckGreenwaveCvpTests, TaskStatus::Fail).other(Some(&key));
        assert_eq!(entry.blocks(), ["B1:B19", "H8:H"]);
        let writes = entry.writes(Flow::Errata, &[Rows::new(), rows(&[&["CVP-70"], &["OCPBUGS-1"]])]);
        let cells: Vec<&str> = writes.iter().map(|write| write.cells.as_str()).collect();
        assert_eq!(cells, ["B13", "B1", "H10"]);
        assert!(other(&rows(&[&["CVP-70"], &[], &["CVP-7"]]), &key).is_none());
    }
}

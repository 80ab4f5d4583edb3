//! Issues: what stands in the way, and how it was resolved (spec 01 §2.6).

use jiff::Timestamp;

use super::error::StateError;
use super::names::TaskName;
use super::state::State;
use super::views::IssueView;
use super::yaml::{Mapping, Node};
use crate::clock::stamp;
use crate::store::Change;

/// The longest issue text that is stored, in characters.
pub const ISSUE_LIMIT: usize = 1000;

/// An issue to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIssue {
    /// The text.
    pub text: String,
    /// Whether it stands in the way.
    pub blocker: bool,
    /// The tasks it concerns; none means the whole release.
    pub related_tasks: Vec<TaskName>,
    /// When it is reported.
    pub at: Timestamp,
}

/// Which issues to list; every condition that is given must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IssueFilter {
    /// Open (`Some(true)`) or resolved (`Some(false)`) ones only.
    pub open: Option<bool>,
    /// Blockers (`Some(true)`) or others (`Some(false)`) only.
    pub blocker: Option<bool>,
    /// Those that name this task only.
    pub task: Option<TaskName>,
}

impl State {
    /// Adds an issue.
    ///
    /// An open issue with the same text (whatever its case and the blanks around it) is enough: nothing changes. A
    /// task has at most one open blocker that names it.
    pub fn add_issue(&mut self, issue: &NewIssue) -> Result<Change, StateError> {
        self.add_issue_of(issue, None)
    }

    /// The same for an issue that somebody reports; their name is kept with it.
    pub fn add_issue_by(&mut self, issue: &NewIssue, by: &str) -> Result<Change, StateError> {
        self.add_issue_of(issue, Some(by))
    }

    fn add_issue_of(&mut self, issue: &NewIssue, by: Option<&str>) -> Result<Change, StateError> {
        if issue.text.trim().is_empty() {
            return Err(StateError::EmptyIssue);
        }
        let text = self.mask(&issue.text);
        let length = text.chars().count();
        if length > ISSUE_LIMIT {
            return Err(StateError::IssueTooLong { length, limit: ISSUE_LIMIT });
        }
        let at = stamp(issue.at);
        let key = normalised(&text);
        // A resolved twin of the same second is this very report, written before and resolved since.
        let twin = |known: &IssueView| {
            normalised(&known.issue) == key
                && (!known.resolved || known.reported_at.as_deref() == Some(at.as_str()))
        };
        if self.issues().iter().any(twin) {
            return Ok(Change::Unchanged);
        }
        if issue.blocker {
            for task in &issue.related_tasks {
                if let Some(known) = self.task_blocker(*task) {
                    return Err(StateError::BlockerExists { task: *task, issue: known.issue });
                }
            }
        }
        let related = issue.related_tasks.iter().map(|task| Node::text(task.id())).collect();
        let by = by.map(|by| self.mask(by));
        let mut entry = Mapping::from([
            ("issue", Node::text(text)),
            ("reported_at", Node::text(at)),
            ("resolved", Node::bool(false)),
            ("resolution", Node::null()),
            ("blocker", Node::bool(issue.blocker)),
            ("related_tasks", Node::sequence(related)),
        ]);
        if let Some(by) = by {
            entry.set("reported_by", Node::text(by));
        }
        if let Some(issues) = self.list_mut("issues") {
            issues.push(Node::mapping(entry));
        }
        Ok(Change::Changed)
    }

    /// Resolves the open issue whose text is `search` (whatever its case and the blanks around it), or else the only
    /// one that contains it.
    ///
    /// An issue that was resolved in the same words before is enough: nothing changes.
    pub fn resolve_issue(
        &mut self,
        search: &str,
        resolution: &str,
        at: Timestamp,
    ) -> Result<Change, StateError> {
        self.resolve_issue_of(search, resolution, at, None)
    }

    /// The same for somebody, whose name is kept with the issue.
    pub fn resolve_issue_by(
        &mut self,
        search: &str,
        resolution: &str,
        at: Timestamp,
        by: &str,
    ) -> Result<Change, StateError> {
        self.resolve_issue_of(search, resolution, at, Some(by))
    }

    fn resolve_issue_of(
        &mut self,
        search: &str,
        resolution: &str,
        at: Timestamp,
        by: Option<&str>,
    ) -> Result<Change, StateError> {
        if search.trim().is_empty() {
            return Err(StateError::EmptyIssue);
        }
        let resolution = self.mask(resolution);
        let by = by.map(|by| self.mask(by));
        let wanted = normalised(&self.mask(search));
        let at = stamp(at);
        let issues = self.issues();
        // Our own earlier write, of which the answer was lost.
        let same_write = |issue: &IssueView| {
            issue.resolved
                && issue.resolution.as_deref() == Some(resolution.as_str())
                && issue.resolved_at.as_deref() == Some(at.as_str())
                && normalised(&issue.issue).contains(&wanted)
        };
        if issues.iter().any(same_write) {
            return Ok(Change::Unchanged);
        }
        let open: Vec<(usize, &IssueView)> =
            issues.iter().enumerate().filter(|(_, issue)| !issue.resolved).collect();
        let exact = open.iter().find(|(_, issue)| normalised(&issue.issue) == wanted);
        let matches: Vec<_> =
            open.iter().filter(|(_, issue)| normalised(&issue.issue).contains(&wanted)).collect();
        let texts =
            |issues: &[&(usize, &IssueView)]| issues.iter().map(|(_, issue)| issue.issue.clone()).collect();
        let index = match (exact, matches.as_slice()) {
            (Some((index, _)), _) | (None, [(index, _)]) => *index,
            (None, []) => {
                let repeated = |issue: &IssueView| {
                    normalised(&issue.issue) == wanted
                        && issue.resolution.as_deref() == Some(resolution.as_str())
                };
                if issues.iter().any(repeated) {
                    return Ok(Change::Unchanged);
                }
                let open = texts(&open.iter().collect::<Vec<_>>());
                return Err(StateError::NoSuchIssue { search: self.mask(search), open });
            }
            (None, several) => {
                return Err(StateError::AmbiguousIssue {
                    search: self.mask(search),
                    matches: texts(several),
                });
            }
        };
        let entry = self
            .list_mut("issues")
            .and_then(|issues| issues.iter_mut().filter_map(Node::as_mapping_mut).nth(index));
        if let Some(entry) = entry {
            entry.set("resolved", Node::bool(true));
            entry.set("resolution", Node::text(resolution));
            entry.set("resolved_at", Node::text(at));
            if let Some(by) = by {
                entry.set("resolved_by", Node::text(by));
            }
        }
        Ok(Change::Changed)
    }

    /// Gives the open issue whose text is `current` (whatever its case and the blanks around it) the text `text`;
    /// when it was reported and what it concerns stay.
    ///
    /// An open issue that has the new text is enough: nothing changes.
    pub fn reword_issue(&mut self, current: &str, text: &str) -> Result<Change, StateError> {
        if text.trim().is_empty() {
            return Err(StateError::EmptyIssue);
        }
        let text = self.mask(text);
        let length = text.chars().count();
        if length > ISSUE_LIMIT {
            return Err(StateError::IssueTooLong { length, limit: ISSUE_LIMIT });
        }
        let issues = self.issues();
        let open_with = |wanted: &str| {
            let wanted = normalised(wanted);
            issues.iter().position(|issue| !issue.resolved && normalised(&issue.issue) == wanted)
        };
        if open_with(&text).is_some() {
            return Ok(Change::Unchanged);
        }
        let Some(index) = open_with(&self.mask(current)) else {
            let open = issues.iter().filter(|issue| !issue.resolved).map(|issue| issue.issue.clone());
            return Err(StateError::NoSuchIssue { search: self.mask(current), open: open.collect() });
        };
        let entry = self
            .list_mut("issues")
            .and_then(|issues| issues.iter_mut().filter_map(Node::as_mapping_mut).nth(index));
        if let Some(entry) = entry {
            entry.set("issue", Node::text(text));
        }
        Ok(Change::Changed)
    }

    /// The issues that meet the filter, in the order of the file.
    pub fn issues_where(&self, filter: IssueFilter) -> Vec<IssueView> {
        let meets = |issue: &IssueView| {
            filter.open.is_none_or(|open| issue.resolved != open)
                && filter.blocker.is_none_or(|blocker| issue.blocker == blocker)
                && filter.task.is_none_or(|task| issue.related_tasks.iter().any(|name| name == task.id()))
        };
        self.issues().into_iter().filter(meets).collect()
    }

    /// The issue whose text is `text` (whatever its case and the blanks around it): the open one, or else the newest.
    pub fn issue_with(&self, text: &str) -> Option<IssueView> {
        let wanted = normalised(text);
        let mut issues = self.issues();
        issues.retain(|issue| normalised(&issue.issue) == wanted);
        let open = issues.iter().position(|issue| !issue.resolved);
        let index = open.or(issues.len().checked_sub(1))?;
        Some(issues.swap_remove(index))
    }

    /// The first open blocker that names `task`.
    pub fn task_blocker(&self, task: TaskName) -> Option<IssueView> {
        let filter = IssueFilter { open: Some(true), blocker: Some(true), task: Some(task) };
        self.issues_where(filter).into_iter().next()
    }

    /// The open blockers of the whole release.
    pub fn general_blockers(&self) -> Vec<IssueView> {
        let filter = IssueFilter { open: Some(true), blocker: Some(true), task: None };
        let mut blockers = self.issues_where(filter);
        blockers.retain(|issue| issue.related_tasks.is_empty());
        blockers
    }
}

/// What two texts are compared by. People copy what they were shown, where a control character is written as `\u{202e}`, and a line
/// end as one character.
fn normalised(text: &str) -> String {
    let mut parts = text.trim().split("\\u{");
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let written = part.split_once('}').and_then(|(digits, rest)| {
            let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
            Some((character, rest))
        });
        if let Some((character, rest)) = written {
            read.push(character);
            read.push_str(rest);
        } else {
            read.push_str("\\u{");
            read.push_str(part);
        }
    }
    read.replace('\r', "").to_lowercase()
}

//! What a pass did, for people and for programs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::comment::NoticeKind;
use super::issue::PENDING_LABEL;
use super::ladder::{Decision, Row};
use crate::clock::stamp;
use crate::flow::interrupt::Signal;
use crate::ids::IssueKey;

/// What is done for an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A comment that mentions people.
    Tell,
    /// Those people are asked for information.
    AskForInformation,
    /// The label that says that nobody answered is added.
    AddLabel,
    /// It is removed.
    RemoveLabel,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepResult {
    /// It would be done; nothing was.
    Planned,
    /// It was done.
    Done,
    /// It was so already.
    AlreadySo,
    /// It was not done, and is no failure; the detail says why.
    HeldBack,
    /// It failed; the detail says why.
    Failed,
}

/// One step for an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StepReport {
    /// What was to be done.
    pub action: Action,
    /// Who is told or asked: `the QA contact`.
    pub whom: Option<String>,
    /// What became of it.
    pub result: StepResult,
    /// More about it.
    pub detail: Option<String>,
}

impl StepReport {
    pub(super) fn new(action: Action, result: StepResult) -> Self {
        Self { action, whom: None, result, detail: None }
    }

    pub(super) fn to(mut self, kind: NoticeKind) -> Self {
        self.whom = Some(kind.to_string());
        self
    }

    pub(super) fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The step as a part of a sentence: `told the QA contact`.
    pub fn words(&self) -> String {
        let whom = self.whom.as_deref().unwrap_or("those who were told");
        let (will, did) = match self.action {
            Action::Tell => (format!("tell {whom}"), format!("told {whom}")),
            Action::AskForInformation => {
                (format!("ask {whom} for information"), format!("asked {whom} for information"))
            }
            Action::AddLabel => {
                (format!("add the label {PENDING_LABEL}"), format!("added the label {PENDING_LABEL}"))
            }
            Action::RemoveLabel => {
                (format!("remove the label {PENDING_LABEL}"), format!("removed the label {PENDING_LABEL}"))
            }
        };
        let detail = self.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        match self.result {
            StepResult::Planned => format!("would {will}{detail}"),
            StepResult::Done => format!("{did}{detail}"),
            StepResult::AlreadySo => format!("did not need to {will}{detail}"),
            StepResult::HeldBack => format!("did not {will}{detail}"),
            StepResult::Failed => format!("could not {will}{detail}"),
        }
    }
}

/// An issue for which something was to be done, or that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IssueReport {
    /// Its key.
    pub issue: IssueKey,
    /// The row of the decision table, where it has a number.
    pub row: Option<u8>,
    /// What holds for it.
    pub state: String,
    /// Since when.
    pub since: Option<String>,
    /// When the row's time is over.
    pub due: Option<String>,
    /// What was done, in its order.
    pub steps: Vec<StepReport>,
    /// Why not everything could be done.
    pub problem: Option<String>,
}

impl IssueReport {
    pub(super) fn of(issue: &IssueKey, decision: &Decision) -> Self {
        Self {
            issue: issue.clone(),
            row: decision.row.number(),
            state: decision.row.to_string(),
            since: decision.since.map(stamp),
            due: decision.due.map(stamp),
            steps: Vec::new(),
            problem: None,
        }
    }

    /// An issue of which it is not known which row holds.
    pub(super) fn unknown(issue: &IssueKey) -> Self {
        Self {
            issue: issue.clone(),
            row: None,
            state: "not known".to_owned(),
            since: None,
            due: None,
            steps: Vec::new(),
            problem: None,
        }
    }

    /// The same issue, of which nothing is done because of `state`.
    pub(super) fn left(mut self, state: impl Into<String>) -> Self {
        self.state = state.into();
        self
    }

    pub(super) fn failed(mut self, problem: impl Into<String>) -> Self {
        self.problem = Some(problem.into());
        self
    }

    /// Whether something failed.
    pub fn fails(&self) -> bool {
        self.problem.is_some() || self.steps.iter().any(|step| step.result == StepResult::Failed)
    }

    /// The failures, each as a sentence without the issue's key.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        let failed = self.steps.iter().filter(|step| step.result == StepResult::Failed);
        self.problem.iter().cloned().chain(failed.map(StepReport::words))
    }
}

/// What one pass did.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct PassReport {
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// How many issues wait in `ON_QA`.
    pub selected: usize,
    /// How many of them are in each row of the decision table.
    pub rows: BTreeMap<String, usize>,
    /// How many comments were written.
    pub told: usize,
    /// How many issues failed.
    pub failed: usize,
    /// The issues for which something was to be done, by key.
    pub issues: Vec<IssueReport>,
    /// The signal that ended the pass early.
    #[serde(skip)]
    pub signal: Option<Signal>,
}

impl PassReport {
    pub(super) fn count(&mut self, row: Row) {
        *self.rows.entry(row.to_string()).or_default() += 1;
    }

    pub(super) fn finish(mut self, mut issues: Vec<IssueReport>) -> Self {
        issues.sort_by(|one, other| one.issue.cmp(&other.issue));
        let steps = issues.iter().flat_map(|issue| &issue.steps);
        self.told =
            steps.filter(|step| step.action == Action::Tell && step.result == StepResult::Done).count();
        self.failed = issues.iter().filter(|issue| issue.fails()).count();
        self.issues = issues;
        self
    }
}

/// What comes next for an issue if nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextStep {
    /// What is done.
    pub step: String,
    /// Who is told by it, where that is somebody else than the step names.
    pub whom: Option<String>,
    /// The first pass after this time does it.
    pub after: String,
    /// Whether that time is over.
    pub due: bool,
}

/// A notification that an issue has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ToldReport {
    /// Who was told.
    pub whom: String,
    /// When.
    pub at: String,
    /// Whether it counts: it was written since the issue became `ON_QA`.
    pub counts: bool,
}

/// Why the notificator does what it does for one issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Explanation {
    /// Its key.
    pub issue: IssueKey,
    /// Why passes do not look at it at all.
    pub left_out: Option<String>,
    /// The row of the decision table, where it has a number.
    pub row: Option<u8>,
    /// What holds for it.
    pub state: String,
    /// When it became `ON_QA`.
    pub on_qa_since: Option<String>,
    /// Since when the row holds.
    pub since: Option<String>,
    /// Who was told, oldest first.
    pub told: Vec<ToldReport>,
    /// Whether the next pass removes the label that says that nobody answered.
    pub removes_label: bool,
    /// What comes next; nothing without it.
    pub next: Option<NextStep>,
    /// What was found of its pull requests: whether they were verified before the merge.
    pub verification: String,
}

impl Explanation {
    /// What the next pass does at once, whatever is due.
    pub fn now_words(&self) -> Option<String> {
        self.removes_label.then(|| format!("remove the label {PENDING_LABEL}"))
    }

    /// What comes next, as a sentence.
    pub fn next_words(&self) -> String {
        let Some(next) = &self.next else { return "nothing".to_owned() };
        let whom = next.whom.as_ref().map(|whom| format!(" (it goes to {whom})")).unwrap_or_default();
        let when = if next.due { "the next pass, due since" } else { "the first pass after" };
        format!("{}{whom}: {when} {}", next.step, next.after)
    }
}

pub(super) fn told_report(whom: NoticeKind, at: Timestamp, counts: bool) -> ToldReport {
    ToldReport { whom: whom.to_string(), at: stamp(at), counts }
}

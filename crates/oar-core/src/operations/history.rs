//! `history`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Operation};
use crate::flow::outcome::TaskError;
use crate::statebox::{ConsentView, IssueView, MetadataRecord, NodeName, RunView, TaskName};
use crate::tasks::status::DecisionRow;
use crate::version::ReleaseVersion;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct History {
    /// Only this task
    pub task: Option<TaskName>,
}

/// Every recorded run in chronological order.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The release.
    pub release: ReleaseVersion,
    /// The runs, oldest first.
    pub runs: Vec<Entry>,
    /// What ART has changed in the build data, oldest first.
    pub metadata: Vec<MetadataRecord>,
    /// The consents that people recorded, oldest first, whatever became of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<ConsentEntry>,
    /// Who reported or resolved which issue, oldest first, as far as that is recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issues: Vec<IssueEntry>,
    /// What people decided, oldest first, whatever became of it: holds, verdicts, waivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionRow>,
}

/// What somebody did with an issue.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct IssueEntry {
    /// When, as the file writes it.
    pub at: Option<String>,
    /// What they did.
    pub deed: IssueDeed,
    /// Who.
    pub by: String,
    /// The issue.
    pub issue: String,
    /// How it was resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// What somebody can do with an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssueDeed {
    /// They reported it.
    Reported,
    /// They resolved it.
    Resolved,
}

impl IssueEntry {
    fn of(issue: IssueView) -> impl Iterator<Item = Self> {
        let IssueView { issue, reported_at, reported_by, resolution, resolved_at, resolved_by, .. } = issue;
        let text = issue.clone();
        let reported = reported_by.map(|by| Self {
            at: reported_at,
            deed: IssueDeed::Reported,
            by,
            issue: text,
            resolution: None,
        });
        let resolved =
            resolved_by.map(|by| Self { at: resolved_at, deed: IssueDeed::Resolved, by, issue, resolution });
        reported.into_iter().chain(resolved)
    }
}

/// A consent that a person recorded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ConsentEntry {
    /// The task, as spelled in the file.
    pub task: String,
    /// The consent.
    pub consent: ConsentView,
    /// How it stands, in words.
    pub standing: String,
}

/// One run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Entry {
    /// The task, as spelled in the file.
    pub task: String,
    /// The run.
    pub run: RunView,
}

impl Conclusion for Answer {}

impl Operation for History {
    const ABOUT: About =
        About::look("history", "List every recorded run of the tasks, oldest first: when, who, result");
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let state = call.state().await?;
        let now = call.clock().now();
        let tasks = state.tasks().into_iter();
        let tasks = tasks.filter(|view| self.task.is_none_or(|task| view.task == Some(task)));
        let (mut runs, mut consents) = (Vec::new(), Vec::new());
        for view in tasks {
            let task = view.name;
            runs.extend(view.history.into_iter().map(|run| Entry { task: task.clone(), run }));
            consents.extend(view.consents.into_iter().map(|consent| {
                let standing = consent.standing(now).to_string();
                ConsentEntry { task: task.clone(), standing, consent }
            }));
        }
        consents.sort_by(|one, other| one.consent.at.cmp(&other.consent.at));
        // The sort is stable, so runs of the same second keep the order of their task.
        runs.sort_by(|one, other| one.run.started.cmp(&other.run.started));
        let is_meant = |issue: &IssueView| {
            self.task.is_none_or(|task| issue.related_tasks.iter().any(|name| name == task.id()))
        };
        let issues = state.issues().into_iter().filter(is_meant);
        let mut issues: Vec<IssueEntry> = issues.flat_map(IssueEntry::of).collect();
        issues.sort_by(|one, other| one.at.cmp(&other.at));
        let is_asked_for = |row: &DecisionRow| {
            self.task.is_none_or(|task| row.decision.node_name() == Some(NodeName::Task(task)))
        };
        let decisions = DecisionRow::all(&state, now).into_iter().filter(is_asked_for).collect();
        let (release, metadata) = (call.release()?.clone(), state.metadata_history());
        Ok(Answer { release, runs, metadata, consents, issues, decisions })
    }
}

//! `issue add`, `issue resolve` and `issue list`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Effect, Operation};
use crate::flow::outcome::TaskError;
use crate::statebox::{Change, IssueView, NewIssue, State, StateError, TaskName};
use crate::version::ReleaseVersion;

/// Records an issue.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct IssueAdd {
    /// What is wrong
    pub text: String,
    /// The tasks that it blocks; by default it concerns the whole release
    #[serde(default)]
    pub task: Vec<TaskName>,
    /// Record it without blocking anything
    #[serde(default)]
    pub no_blocker: bool,
    /// Show what would be done without doing it
    #[serde(default)]
    pub dry_run: bool,
}

/// Resolves an issue.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct IssueResolve {
    /// Its text, or a part that no other unresolved issue has
    pub text: String,
    /// How it was resolved
    pub resolution: String,
    /// Show what would be done without doing it
    #[serde(default)]
    pub dry_run: bool,
}

/// Lists the issues.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IssueList {
    /// Include resolved issues
    pub all: bool,
    /// Only those of this task
    pub task: Option<TaskName>,
}

/// The result for one issue.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Changed {
    /// The release.
    pub release: ReleaseVersion,
    /// The issue, as it is stored.
    pub issue: String,
    /// Whether the file was changed.
    pub changed: bool,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Whether the file differs from the request.
    #[serde(skip)]
    pub differs: bool,
    /// The whole issue as it is stored now; `None` of a dry run that would add it.
    #[serde(skip)]
    pub stored: Option<IssueView>,
}

/// The issues of a release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Listed {
    /// The release, as named in its file.
    pub release: Option<String>,
    /// The issues, in the order of the file.
    pub issues: Vec<IssueView>,
}

impl Conclusion for Changed {}
impl Conclusion for Listed {}

impl Operation for IssueAdd {
    const ABOUT: About = About::task("issue add", "Record an issue", Effect::Writes);
    type Answer = Changed;

    async fn run(self, call: &Call) -> Result<Changed, TaskError> {
        let Self { text, task, no_blocker, dry_run } = self;
        let at = call.clock().now();
        let issue = NewIssue { text: text.clone(), blocker: !no_blocker, related_tasks: task, at };
        let message = format!("Add issue: {}", first_characters(&text));
        let shown = |_: &State| text.clone();
        update(call, &message, dry_run, shown, |state| state.add_issue_by(&issue, call.user())).await
    }
}

impl Operation for IssueResolve {
    const ABOUT: About = About::task("issue resolve", "Resolve an issue", Effect::Writes);
    type Answer = Changed;

    async fn run(self, call: &Call) -> Result<Changed, TaskError> {
        let Self { text, resolution, dry_run } = self;
        let at = call.clock().now();
        let message = format!("Resolve issue: {}", first_characters(&text));
        let shown = |state: &State| whole(state, &text);
        let resolve = |state: &mut State| state.resolve_issue_by(&text, &resolution, at, call.user());
        update(call, &message, dry_run, shown, resolve).await
    }
}

impl Operation for IssueList {
    const ABOUT: About = About::look("issue list", "List the unresolved issues");
    type Answer = Listed;

    async fn run(self, call: &Call) -> Result<Listed, TaskError> {
        let Self { all, task } = self;
        let state = call.statebox()?.load().await?;
        let of_task = |issue: &IssueView| {
            task.is_none_or(|task| issue.related_tasks.iter().any(|name| *name == task.to_string()))
        };
        let issues = state.issues().into_iter().filter(|issue| (all || !issue.resolved) && of_task(issue));
        Ok(Listed { release: state.release().map(str::to_owned), issues: issues.collect() })
    }
}

/// The whole text of the open issue that contains `part`.
fn whole(state: &State, part: &str) -> String {
    let open: Vec<_> = state.issues().into_iter().filter(|issue| !issue.resolved).collect();
    let exact = open.iter().find(|issue| issue.issue == part);
    let found = exact.or_else(|| open.iter().find(|issue| issue.issue.contains(part)));
    found.map_or_else(|| part.to_owned(), |issue| issue.issue.clone())
}

async fn update(
    call: &Call,
    message: &str,
    dry_run: bool,
    shown: impl Fn(&State) -> String + Send,
    mut apply: impl FnMut(&mut State) -> Result<Change, StateError> + Send,
) -> Result<Changed, TaskError> {
    let statebox = call.statebox()?;
    let state = statebox.load().await?;
    let _hold = call.interrupt().hold();
    // Shown as stored, because the typed text may contain an address or a token.
    let issue = call.redactor().redact(&shown(&state)).into_owned();
    let (change, state) = if dry_run {
        // The same rules apply, on a copy that is discarded.
        (apply(&mut state.clone())?, state)
    } else {
        let updated = statebox.update(call.permit()?, message, apply).await?;
        (updated.change, updated.state)
    };
    let differs = change == Change::Changed;
    let release = call.release()?.clone();
    let stored = state.issue_with(&issue);
    Ok(Changed { release, issue, changed: differs && !dry_run, dry_run, differs, stored })
}

/// The excerpt of a text for a commit message (spec 01 §2.3).
fn first_characters(text: &str) -> String {
    text.chars().take(50).collect()
}

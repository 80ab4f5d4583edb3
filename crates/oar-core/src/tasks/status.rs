//! The status of a release: what is done, what waits for whom, what comes next.

use jiff::{SpanRound, Timestamp, Unit};
use serde::Serialize;

use crate::flow::gates::{Readiness, readiness};
use crate::flow::nodes::refuses;
use crate::flow::runner::other_run;
use crate::permit::Closed;
use crate::statebox::{
    ANOTHER_PROGRAM, ConsentView, DecisionKind, DecisionView, IssueView, Job, Metadata, NotificationState,
    RunOutcome, RunView, State, TaskName, TaskStatus, TaskView, Wait,
};

/// The result of `oar status`, as in its JSON.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct StatusReport {
    /// The release.
    pub release: String,
    /// Where the StateBox file is.
    pub statebox: String,
    /// When it last changed.
    pub updated_at: Option<String>,
    /// Why nothing begins now: by whom the release, or every release, is held; and what cannot be found out of that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldRow>,
    /// Advisories, builds, Jira ticket, date, merge request.
    pub metadata: Metadata,
    /// The workflow tasks in order.
    pub tasks: Vec<StatusRow>,
    /// The other tasks of the release's flow; nothing waits for them.
    pub others: Vec<StatusRow>,
    /// Unresolved issues, blockers first.
    pub issues: Vec<IssueRow>,
    /// What people decided about tasks and checkpoints, the oldest first, whatever became of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionRow>,
    /// The commands that can be run now: those of tasks that are not blocked, and of tasks that are In
    /// Progress and that no process is running.
    pub next: Vec<String>,
}

/// What a person decided.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct DecisionRow {
    /// The decision.
    pub decision: DecisionView,
    /// Whether it counts.
    pub counts: bool,
    /// How it stands, in words.
    pub standing: String,
}

impl DecisionRow {
    /// The decisions of `state` as they stand at `now`, the oldest first.
    pub fn all(state: &State, now: Timestamp) -> Vec<Self> {
        let row = |decision: DecisionView| {
            let (counts, standing) = (decision.counts_at(now), decision.standing(now).to_string());
            Self { decision, counts, standing }
        };
        state.decisions().into_iter().map(row).collect()
    }
}

/// A reason why nothing begins.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct HeldRow {
    /// Who holds what, since when, until when and why.
    pub reason: String,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl From<Closed> for HeldRow {
    fn from(closed: Closed) -> Self {
        Self { reason: closed.text, next: closed.hint }
    }
}

/// One task of the report.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct StatusRow {
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: TaskStatus,
    /// How long ago it reached that status, as `3h 20m`; `None` when it has not started.
    pub age: Option<String>,
    /// When it started.
    pub started_at: Option<String>,
    /// When it ended.
    pub completed_at: Option<String>,
    /// The last line of its result.
    pub last_line: Option<String>,
    /// Who ran it last.
    pub by: Option<String>,
    /// Why it is not done.
    pub waits: Option<String>,
    /// The recorded wait, if there is one.
    pub wait: Option<Wait>,
    /// The external job that it started last.
    pub job: Option<Job>,
    /// Number of undelivered messages of its last run.
    pub undelivered: usize,
    /// The valid consents to its plan that people recorded: a run by a program that may not consent can use one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<ConsentView>,
}

/// One unresolved issue of the report.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct IssueRow {
    /// Its text.
    pub issue: String,
    /// Whether it is a blocker.
    pub blocker: bool,
    /// The tasks that it concerns; empty when it concerns the release.
    pub related_tasks: Vec<String>,
    /// How long ago it was reported.
    pub age: Option<String>,
}

impl StatusReport {
    /// The report of `state` as it stands at `now`.
    pub fn of(state: &State, location: String, now: Timestamp) -> Self {
        let metadata = state.metadata();
        let tasks: Vec<StatusRow> =
            TaskName::WORKFLOW.into_iter().map(|task| task_row(state, task, now)).collect();
        let others: Vec<TaskName> = TaskName::ALL
            .into_iter()
            .filter(|task| !TaskName::WORKFLOW.contains(task) && *task != TaskName::CreateTestReport)
            .filter(|task| state.task(*task).is_some() || belongs(*task, &metadata))
            .collect();
        let mut issues: Vec<IssueRow> = state
            .issues()
            .into_iter()
            .filter(|issue| !issue.resolved)
            .map(|issue| issue_row(issue, now))
            .collect();
        issues.sort_by_key(|issue| !issue.blocker);
        let ready = |task: &TaskName| readiness(state, *task, now) == Readiness::Ready;
        let next = TaskName::WORKFLOW.into_iter().filter(|task| ready(task) || goes_on(state, *task, now));
        let is_approved =
            state.task(TaskName::ChangeAdvisoryStatus).is_some_and(|view| view.status == TaskStatus::Pass);
        let others_go_on = others.iter().copied().filter(|task| !is_approved && goes_on(state, *task, now));
        let next = next.chain(others_go_on);
        let next = next.map(|task| task.to_string()).collect();
        Self {
            release: state.release().unwrap_or_default().to_owned(),
            statebox: location,
            updated_at: state.updated_at().map(str::to_owned),
            held: state.closed(now).into_iter().map(HeldRow::from).collect(),
            metadata,
            tasks,
            others: others.into_iter().map(|task| task_row(state, task, now)).collect(),
            issues,
            decisions: DecisionRow::all(state, now)
                .into_iter()
                .filter(|row| row.decision.kind != DecisionKind::Hold)
                .collect(),
            next,
        }
    }
}

/// Whether a task on which no other depends belongs to a release with this metadata.
fn belongs(task: TaskName, metadata: &Metadata) -> bool {
    task != TaskName::CheckGreenwaveCvpTests || !metadata.is_konflux()
}

/// Whether a task is In Progress and running its command continues it: no other process runs it or has
/// claimed its wait, and it has a command.
fn goes_on(state: &State, task: TaskName, now: Timestamp) -> bool {
    let has_command = !matches!(task, TaskName::AnalyzeCandidateBuild | TaskName::AnalyzePromotedBuild);
    let is_held = other_run(state, task, now).is_some()
        || state.wait(task).is_some_and(|wait| wait.held_at(now).is_some());
    has_command && !is_held && readiness(state, task, now) == Readiness::Running
}

fn task_row(state: &State, name: TaskName, now: Timestamp) -> StatusRow {
    let view = state.task(name);
    let status = view.as_ref().map_or(TaskStatus::NotStarted, |view| view.status);
    let started_at = view.as_ref().and_then(|view| view.started_at.clone());
    let completed_at = view.as_ref().and_then(|view| view.completed_at.clone());
    let since = completed_at.as_ref().or(started_at.as_ref());
    let last_run = view.as_ref().and_then(|view| view.history.last());
    // A run without a verdict did not set the task's status.
    let deciding = view.as_ref().and_then(|view| view.history.iter().rev().find(|run| decides(run)));
    let holder = other_run(state, name, now);
    let wait = view.as_ref().and_then(|view| view.wait.clone());
    let open_end = last_run.filter(|run| !decides(run)).map(|run| {
        let by = run.by.as_deref().unwrap_or("unknown");
        match (&run.outcome, &run.reason) {
            (Some(RunOutcome::Interrupted), _) => format!("the last run, by {by}, was interrupted"),
            (_, Some(reason)) => format!("the last run, by {by}, had no result: {reason}"),
            _ => format!("the last run, by {by}, did not record its end"),
        }
    });
    let waits = match readiness(state, name, now) {
        _ if holder.is_some() => holder.as_ref().map(|claim| {
            format!("{} runs it since {}, and holds it until {}", claim.by, claim.since, claim.lease_until)
        }),
        Readiness::Done => None,
        Readiness::Ready if status == TaskStatus::Fail => {
            let failed = match deciding.and_then(|run| run.reason.as_deref()) {
                Some(reason) => format!("failed: {reason}"),
                None => "failed; can be run again".to_owned(),
            };
            Some(open_end.map_or(failed.clone(), |end| format!("{failed}; {end}")))
        }
        Readiness::Ready => {
            Some(open_end.map_or_else(|| "can be run now".to_owned(), |end| format!("{end}; can be run now")))
        }
        Readiness::Running if wait.is_some() => wait.as_ref().map(|wait| waiting(wait, name, now)),
        Readiness::Running => Some(match last_run {
            // No process is running it any more.
            Some(run) if run.finished.is_none() => {
                let by = run.by.as_deref().unwrap_or("unknown");
                format!("the last run, by {by}, did not record its end; run it again")
            }
            _ => {
                if let Some(job) = view.as_ref().and_then(|view| view.job.as_ref()) {
                    job_words(job)
                } else {
                    let finding = deciding.and_then(|run| run.reason.as_deref()).unwrap_or("in progress");
                    open_end.map_or_else(|| finding.to_owned(), |end| format!("{finding}; {end}"))
                }
            }
        }),
        Readiness::Blocked { issue } => Some(format!("blocked: {issue}")),
        Readiness::Waits { on } => {
            let names: Vec<String> = on.iter().map(ToString::to_string).collect();
            // The order is the usual one; only these commands refuse to run before it.
            let names = names.join(", ");
            let on =
                if refuses(name) { format!("waits for {names}") } else { format!("usually after {names}") };
            Some(open_end.map_or(on.clone(), |end| format!("{on}; {end}")))
        }
    };
    StatusRow {
        name: name.to_string(),
        status,
        age: since.and_then(|since| age(since, now)),
        started_at,
        completed_at,
        last_line: view.as_ref().and_then(|view| view.result.as_deref()).and_then(last_line),
        by: credited(view.as_ref(), deciding),
        waits,
        wait,
        job: view.as_ref().and_then(|view| view.job.clone()),
        undelivered: last_run.map_or(0, |run| {
            run.notifications.iter().filter(|message| message.state != NotificationState::Sent).count()
        }),
        consents: state.consents(name).into_iter().filter(|consent| consent.is_valid_at(now)).collect(),
    }
}

/// Whether a run set its task's status.
fn decides(run: &RunView) -> bool {
    !matches!(run.outcome, None | Some(RunOutcome::Unknown | RunOutcome::Interrupted | RunOutcome::Blocked))
}

/// Who set the task's status: the user of the last run, unless the status is not that run's result.
fn credited(view: Option<&TaskView>, deciding: Option<&RunView>) -> Option<String> {
    let (view, last) = (view?, view?.history.last()?);
    match deciding {
        Some(run) if run.outcome == Some(view.status.into()) && view.completed_at <= run.finished => {
            run.by.clone()
        }
        // A repeat that failed leaves a Pass: whoever made that is credited.
        Some(_) if view.completed_at.is_some() => {
            let made =
                |run: &&RunView| run.outcome == Some(view.status.into()) && run.finished >= view.completed_at;
            let made = view.history.iter().rev().find(made);
            made.map_or_else(|| Some(ANOTHER_PROGRAM.to_owned()), |run| run.by.clone())
        }
        _ => last.by.clone(),
    }
}

/// Describes a wait: for what, since when, when the next check is due, until when, what the last check found.
fn waiting(wait: &Wait, task: TaskName, now: Timestamp) -> String {
    let next = wait.next_check.as_deref().unwrap_or("now");
    let mut parts = vec![format!("waits for {} since {}", wait.condition, wait.since)];
    parts.push(match wait.held_at(now) {
        Some(holder) => format!("{} checks next at {next}", holder.who),
        None if wait.due() <= now => format!("nobody is checking (due since {next}): run {task} --wait"),
        None => format!("next check at {next}"),
    });
    parts.extend(wait.until.as_ref().map(|until| format!("until {until}")));
    if let (Some(result), Some(at)) = (&wait.last_result, &wait.last_check) {
        parts.push(format!("last check at {at}: {result}"));
    }
    parts.join(", ")
}

/// A short description of a running job.
fn job_words(job: &Job) -> String {
    let system = job.system.name();
    match (&job.id, &job.queue_item) {
        (Some(id), _) => {
            let state =
                job.state.as_ref().map(|state| format!(", {state} when last recorded")).unwrap_or_default();
            format!("waits for the {system} job {} {id}{state}", job.name)
        }
        (None, Some(item)) => format!("waits in the queue of {system} as item {item}: {}", job.name),
        (None, None) => {
            format!("was about to start the {system} job {}; the next run looks for it", job.name)
        }
    }
}

fn issue_row(issue: IssueView, now: Timestamp) -> IssueRow {
    IssueRow {
        issue: issue.issue,
        blocker: issue.blocker,
        related_tasks: issue.related_tasks,
        age: issue.reported_at.and_then(|at| age(&at, now)),
    }
}

/// The last line of a result without its time stamp and level.
fn last_line(result: &str) -> Option<String> {
    let line = result.trim_end().lines().last()?.trim();
    let message = line
        .split_once(": INFO: ")
        .or_else(|| line.split_once(": WARNING: "))
        .or_else(|| line.split_once(": ERROR: "))
        .map_or(line, |(_, message)| message);
    (!message.is_empty()).then(|| message.to_owned())
}

/// How long ago `stamp` was, in its two largest units: `2d 4h`, `3h 20m`, `5m`, `12s`.
fn age(stamp: &str, now: Timestamp) -> Option<String> {
    let then: Timestamp = stamp.parse().ok()?;
    let seconds = now.duration_since(then).as_secs().max(0);
    let span = jiff::Span::new()
        .try_seconds(seconds)
        .ok()?
        .round(SpanRound::new().largest(Unit::Day).days_are_24_hours())
        .ok()?;
    let parts = [
        (i64::from(span.get_days()), "d"),
        (i64::from(span.get_hours()), "h"),
        (span.get_minutes(), "m"),
        (span.get_seconds(), "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown: Vec<String> = parts
        .iter()
        .skip(first)
        .take(if first == 2 { 1 } else { 2 })
        .filter(|(count, unit)| *count > 0 || *unit == "s" && first == 3)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    Some(shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_show_their_two_largest_units() {
        let now: Timestamp = "2026-07-02T12:00:00Z".parse().unwrap();
        for (stamp, expected) in [
            ("2026-07-02T11:59:48Z", "12s"),
            ("2026-07-02T11:55:30Z", "4m"),
            ("2026-07-02T08:40:00Z", "3h 20m"),
            ("2026-06-30T08:00:00Z", "2d 4h"),
            ("2026-06-30T12:00:00Z", "2d"),
            ("2026-07-02T12:00:00Z", "0s"),
            ("2026-07-03T12:00:00Z", "0s"),
        ] {
            assert_eq!(age(stamp, now).as_deref(), Some(expected), "{stamp}");
        }
        assert_eq!(age("yesterday", now), None);
    }

    #[test]
    fn a_failed_repeat_leaves_the_credit_with_the_run_that_made_the_pass() {
        let history = "
    history:
    - {id: a, started: '2026-07-01T09:00:00Z', finished: '2026-07-01T09:01:00Z', by: robin, outcome: Pass}
    - {id: b, started: '2026-07-01T10:00:00Z', finished: '2026-07-01T10:01:00Z', by: jo, outcome: Fail}
";
        for (completed, by) in [("2026-07-01T09:01:00Z", "robin"), ("2026-07-01T11:00:00Z", ANOTHER_PROGRAM)]
        {
            let text = format!(
                "release: 4.19.1\ncreated_at: '2026-07-01T08:00:00Z'\nupdated_at: '2026-07-01T10:01:00Z'\nmetadata: {{}}\n\
                 tasks:\n  - name: take-ownership\n    status: Pass\n    started_at: '2026-07-01T09:00:00Z'\n    \
                 completed_at: '{completed}'\n    result: null{history}issues: []\n"
            );
            let state = State::parse(&text).unwrap();
            let row = task_row(&state, TaskName::TakeOwnership, "2026-07-02T00:00:00Z".parse().unwrap());
            assert_eq!((row.status, row.by.as_deref()), (TaskStatus::Pass, Some(by)), "{completed}");
        }
    }

    #[test]
    fn the_last_line_loses_its_time_and_level() {
        let result = "2026-07-02T06:55:57Z: INFO: a\n2026-07-02T06:55:58Z: ERROR: it broke: badly\n";
        assert_eq!(last_line(result).as_deref(), Some("it broke: badly"));
        assert_eq!(last_line("prose written by hand").as_deref(), Some("prose written by hand"));
        assert_eq!(last_line("\n"), None);
    }
}

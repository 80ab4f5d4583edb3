//! Whether a task whose last runs did not get it done is run again, and when.

use jiff::{SignedDuration, Timestamp};

use super::judgement::{Acts, Judgement};
use super::tasks::JUDGE;
use super::{Evaluation, later, time};
use crate::drive::verdict::Verdict;
use crate::flow::nodes::{Action, Cost, Node, Row, Who};
use crate::statebox::{ReasonClass, RunOutcome, RunView, SET_BY_HAND, TaskName, TaskView};

/// How often a step is tried that infrastructure fails. What starts nothing anew may be repeated.
const TRIES: u32 = 3;
/// How often a paid job is started that ended by infrastructure.
const PAID_TRIES: u32 = 2;
/// How often a free step is tried of which nobody knows why it failed.
const UNEXPLAINED_TRIES: u32 = 2;
/// The pause after the second run in a row that services did not let finish; it doubles with each further one. After the
/// first there is none: whoever comes next tries again.
const PAUSE: SignedDuration = SignedDuration::from_mins(2);
/// The longest such pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// How a run counts that did not get its task done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setback {
    /// It failed, or its job ended by infrastructure.
    Failure,
    /// It came to no verdict: a service did not answer, or refused.
    NoVerdict,
    /// It says nothing about the task: it runs on, or was interrupted.
    Silent,
}

/// How a run counts; `None` when it got the task done, or put it back to the start.
fn setback(run: &RunView) -> Option<Setback> {
    match run.outcome {
        Some(RunOutcome::Fail) => Some(Setback::Failure),
        Some(RunOutcome::NotStarted) if run.class == Some(ReasonClass::Infrastructure) => {
            Some(Setback::Failure)
        }
        Some(RunOutcome::Unknown) => Some(Setback::NoVerdict),
        Some(RunOutcome::InProgress | RunOutcome::Interrupted | RunOutcome::Blocked) | None => {
            Some(Setback::Silent)
        }
        Some(RunOutcome::Pass | RunOutcome::NotStarted) => None,
    }
}

fn ended(run: &RunView) -> Option<Timestamp> {
    time(run.finished.as_ref().or(run.started.as_ref()))
}

/// The pause after `count` runs in a row.
fn pause(count: usize) -> SignedDuration {
    let Some(doubled) = count.checked_sub(2) else { return SignedDuration::ZERO };
    let doubled = u32::try_from(doubled).unwrap_or(u32::MAX).min(10);
    PAUSE.saturating_mul(2_i32.pow(doubled)).min(LONGEST_PAUSE)
}

impl Evaluation<'_> {
    /// A failed task: how often the engine may try it again.
    pub(super) fn failed(&self, task: TaskName, view: &TaskView, row: &Row) -> Judgement {
        if row.action == Action::Verdict {
            return Judgement::asks(format!("{task} is Fail: the build is rejected"), &JUDGE)
                .since(time(view.completed_at.as_ref()))
                .by_command(self.decide_command(task))
                .on(self.status_of(view));
        }
        let resolved = self.resolved(task);
        let decided_before = resolved.is_some_and(|resolved| {
            time(view.completed_at.as_ref()).is_some_and(|completed| completed <= resolved)
        });
        let failures = self.failures(task, view);
        let count = match failures.len() {
            // The Python tooling keeps no history.
            0 if !decided_before => 1,
            count => count,
        };
        let last = view.history.iter().rev().find(|run| setback(run) == Some(Setback::Failure));
        self.another_try(last, count, view, row).since(time(view.completed_at.as_ref()))
    }

    /// A task whose job ended by infrastructure is Not Started again: whether another job is started.
    pub(super) fn job_ended(&self, task: TaskName, view: &TaskView, row: &Row) -> Option<Judgement> {
        let failures = self.failures(task, view);
        let last = failures.first().copied()?;
        Some(self.another_try(Some(last), failures.len(), view, row).since(ended(last)))
    }

    /// The latest time at which a blocker of the task was resolved: that gives new tries.
    fn resolved(&self, task: TaskName) -> Option<Timestamp> {
        let of_task = self.issues.iter().filter(|issue| {
            issue.blocker && issue.resolved && issue.related_tasks.iter().any(|name| name == task.id())
        });
        of_task.filter_map(|issue| time(issue.resolved_at.as_ref())).max()
    }

    /// The failures since the task last got on, the newest first.
    fn failures<'v>(&self, task: TaskName, view: &'v TaskView) -> Vec<&'v RunView> {
        let resolved = self.resolved(task);
        let mut failures: Vec<&RunView> = view
            .history
            .iter()
            .rev()
            .take_while(|run| setback(run).is_some())
            .filter(|run| setback(run) == Some(Setback::Failure))
            .filter(|run| {
                resolved.is_none_or(|resolved| time(run.finished.as_ref()).is_none_or(|end| end > resolved))
            })
            .collect();
        if Node::Task(task).row().cost == Cost::Paid {
            // Of two engines that meet, each may record the end of the same job.
            failures.dedup_by(|earlier, later| !earlier.links.is_empty() && earlier.links == later.links);
        }
        failures
    }

    fn another_try(&self, last: Option<&RunView>, count: usize, view: &TaskView, row: &Row) -> Judgement {
        let class = last.and_then(|run| run.class);
        let tries = match (class, row.cost) {
            (Some(ReasonClass::Infrastructure), Cost::Paid) => PAID_TRIES,
            (Some(ReasonClass::Infrastructure | ReasonClass::Interrupted), _) => TRIES,
            // What a person has said stands until a person says something else.
            (None, _) if last.and_then(|run| run.command.as_deref()) == Some(SET_BY_HAND) => 1,
            (None, Cost::Reads | Cost::Free) => UNEXPLAINED_TRIES,
            // The product, a precondition, a setting: the same run fails again until a person has done something.
            _ => 1,
        };
        let tries_left = tries.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        let why = last
            .and_then(|run| run.reason.clone())
            .unwrap_or_else(|| "no reason is recorded; see the result of the task".to_owned());
        let judgement = Judgement::new(Verdict::Failed { class, why, tries_left }).on(self.status_of(view));
        if tries_left == 0 {
            return judgement;
        }
        let judgement = Judgement { acts: Acts::Does, ..judgement };
        match last.and_then(ended) {
            Some(end) => judgement.due(later(end, pause(count))),
            None => judgement,
        }
    }

    /// The same verdict, whose run comes after a pause when the last ones came to no verdict. After several of them a
    /// person is named, and the tries go on.
    pub(super) fn paced(&self, task: TaskName, row: &Row, mut judgement: Judgement) -> Judgement {
        let Some(view) = self.tasks.get(&task).filter(|_| judgement.acts != Acts::No) else {
            return judgement;
        };
        let runs: Vec<&RunView> = view
            .history
            .iter()
            .rev()
            .take_while(|run| matches!(setback(run), Some(Setback::NoVerdict | Setback::Silent)))
            .filter(|run| setback(run) == Some(Setback::NoVerdict))
            .collect();
        let Some((last, end)) = runs.first().and_then(|run| Some((*run, ended(run)?))) else {
            return judgement;
        };
        let due = later(end, pause(runs.len()));
        judgement.due = judgement.due.max(Some(due));
        let why = last.reason.clone().unwrap_or_else(|| "no reason is recorded".to_owned());
        let words = match runs.len() {
            1 => format!("the last run came to no verdict: {why}"),
            many => format!("the last {many} runs came to no verdict: {why}"),
        };
        if runs.len() >= TRIES as usize && judgement.verdict == Verdict::Ready {
            let whom = match last.class {
                Some(ReasonClass::Infrastructure | ReasonClass::Tool) => Who::Operator,
                _ => row.who,
            };
            // The question is the same after each further run: people are told it once.
            let by = format!("several runs in a row came to no verdict: {why}");
            judgement.verdict = Verdict::Blocked { by, whose: whom };
            judgement.topic = Some("several runs in a row came to no verdict".to_owned());
        }
        if judgement.note.is_none() {
            judgement.note = Some(words);
        }
        judgement
    }
}

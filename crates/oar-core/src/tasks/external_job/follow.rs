//! The recorded job of a task, and its present state.

use std::time::Duration;

use jiff::Timestamp;

use super::{JobPlan, JobStep, JobSystemClient, ObservedJob, Stage};
use crate::error::{Classified, ErrorClass, ServiceError};
use crate::flow::holder;
use crate::flow::outcome::{Refusal, TaskError};
use crate::statebox::{Job, JobIntent, TaskName, TaskStatus, TaskView};

/// How long an intent is left alone whose process runs on another machine: longer than one trigger can take
/// with all its waits.
const LEASE: Duration = Duration::from_mins(10);
/// How long a job may take to appear after its trigger.
const APPEARS: Duration = Duration::from_mins(5);

/// The known state of a task's job.
#[expect(clippy::large_enum_variant, reason = "one value a run, taken apart at once")]
pub(crate) enum Known {
    /// The job determines the plan.
    Plan(JobPlan),
    /// A job may be started.
    Nothing {
        /// The job in the StateBox, from which no result is expected any more.
        seen: Option<Job>,
        /// Notes for the user.
        notes: Vec<String>,
    },
}

/// Finds the job of `task`: the one that the user names, the one in the StateBox, or `old`, the one in the
/// result of an older program.
pub(crate) async fn known(
    task: TaskName,
    view: Option<&TaskView>,
    named: Option<Job>,
    old: Option<Job>,
    system: &dyn JobSystemClient,
    now: Timestamp,
) -> Result<Known, TaskError> {
    let status = view.map_or(TaskStatus::NotStarted, |view| view.status);
    let seen = view.and_then(|view| view.job.clone());
    let plan = |step| JobPlan::new(task, step, seen.clone(), status);
    if status == TaskStatus::Pass {
        return Ok(Known::Plan(plan(JobStep::Passed)));
    }
    if let Some(job) = named {
        let observed = match system.look(&job).await {
            Ok(observed) => observed,
            Err(error) => return Ok(Known::Plan(plan(cannot_look(&job, &error)))),
        };
        return match observed.stage {
            Stage::Foreign(words) | Stage::Lost(words) => Err(wrong_job(task, &observed.job, &words)),
            _ => Ok(Known::Plan(plan(JobStep::Follow { observed: Box::new(observed) }))),
        };
    }
    let nothing = |notes: Vec<String>| Known::Nothing { seen: seen.clone(), notes };
    // A result is written by the last run, so a job in it is newer than another one in the record.
    let newer = old.filter(|old| match &seen {
        None => true,
        Some(seen) => seen.is_identified() && seen.id != old.id,
    });
    let job = match (newer, &seen) {
        (Some(old), _) => old,
        (None, None) => return Ok(nothing(Vec::new())),
        (None, Some(seen)) => seen.clone(),
    };
    if let Some(intent) = job.intent.as_ref().filter(|_| !job.is_identified()) {
        let several = |jobs| JobPlan::of_several(task, jobs, seen.clone(), status);
        return seek(&job, intent, system, now, plan, several, nothing).await;
    }
    if is_over(&job, status) {
        return Ok(nothing(Vec::new()));
    }
    if job.state.as_deref().is_some_and(is_success) {
        let observed = ObservedJob { job, stage: Stage::Succeeded };
        return Ok(Known::Plan(plan(JobStep::Follow { observed: Box::new(observed) })));
    }
    let mut observed = match system.look(&job).await {
        Ok(observed) => observed,
        Err(error) => return Ok(Known::Plan(plan(cannot_look(&job, &error)))),
    };
    match &observed.stage {
        Stage::Lost(_) if just_started(&job, now) => {
            observed.stage = Stage::Running("was started and is not visible yet".to_owned());
        }
        // A program that does not record jobs may have set Fail for another reason.
        Stage::Ended(..) | Stage::Lost(_) if seen.is_none() && status != TaskStatus::InProgress => {
            return Ok(nothing(vec![format!("{} has ended", super::describe(&job))]));
        }
        Stage::Foreign(words) if seen.is_none() => {
            return Ok(nothing(vec![format!("{} is not ours: {words}", super::describe(&job))]));
        }
        Stage::Foreign(words) => return Err(wrong_job(task, &observed.job, words)),
        _ => {}
    }
    Ok(Known::Plan(plan(JobStep::Follow { observed: Box::new(observed) })))
}

/// Looks for the job that an intent has started.
async fn seek(
    job: &Job,
    intent: &JobIntent,
    system: &dyn JobSystemClient,
    now: Timestamp,
    plan: impl Fn(JobStep) -> JobPlan,
    several: impl Fn(Vec<Job>) -> JobPlan,
    nothing: impl Fn(Vec<String>) -> Known,
) -> Result<Known, TaskError> {
    tracing::info!("a job was about to be started at {}: looking for it", intent.at);
    for attempt in 0..2 {
        let found = match system.find(job).await {
            Ok(found) => found,
            Err(error) => return Ok(Known::Plan(plan(cannot_look(job, &error)))),
        };
        if found.len() > 1 {
            return Ok(Known::Plan(several(found)));
        }
        if let Some(found) = found.into_iter().next() {
            let observed = match system.look(&found).await {
                Ok(observed) => observed,
                Err(error) => return Ok(Known::Plan(plan(cannot_look(&found, &error)))),
            };
            return Ok(Known::Plan(plan(JobStep::Follow { observed: Box::new(observed) })));
        }
        let age = age_of(intent.time(), now);
        if may_still_act(intent, age) {
            let who = intent.by.as_deref().unwrap_or("somebody else");
            let text = format!("{who} is about to start {} (since {})", super::describe(job), intent.at);
            let minutes = LEASE.as_secs() / 60;
            return Err(Refusal::new(ErrorClass::Conflict, text)
                .with_hint(format!(
                    "Run the same command again in a moment; {minutes} minutes after that time it looks for the job \
                     and starts one when there is none."
                ))
                .into());
        }
        if attempt == 0 && age < LEASE {
            system.settle().await;
        } else {
            break;
        }
    }
    Ok(nothing(vec![format!("what was intended at {} was never started", intent.at)]))
}

/// Whether the process that recorded the intent may still act on it.
fn may_still_act(intent: &JobIntent, age: Duration) -> bool {
    if age >= LEASE {
        return false;
    }
    match intent.holder.as_deref().and_then(holder::has_ended) {
        Some(ended) => !ended,
        // Without a holder, the run that recorded it has given up, or its system cannot identify processes.
        None => intent.holder.is_some(),
    }
}

fn age_of(since: Option<Timestamp>, now: Timestamp) -> Duration {
    since.map_or(Duration::MAX, |since| Duration::try_from(now.duration_since(since)).unwrap_or_default())
}

fn just_started(job: &Job, now: Timestamp) -> bool {
    age_of(job.triggered_at.as_deref().and_then(|at| at.parse().ok()), now) < APPEARS
}

/// Whether no result is expected any more from a recorded job.
fn is_over(job: &Job, status: TaskStatus) -> bool {
    match job.state.as_deref() {
        None => false,
        // A task that was reset to Not Started needs a new job.
        Some(state) if is_success(state) => status == TaskStatus::NotStarted,
        Some(state) => [
            "failure",
            "aborted",
            "error",
            "lost",
            "cancelled",
            "FAILURE",
            "UNSTABLE",
            "ABORTED",
            "NOT_BUILT",
            "UNKNOWN",
            super::OTHER_PARAMETERS,
        ]
        .contains(&state),
    }
}

fn is_success(state: &str) -> bool {
    matches!(state, "success" | "SUCCESS")
}

fn cannot_look(job: &Job, error: &ServiceError) -> JobStep {
    JobStep::Unseen { job: Box::new(job.clone()), why: error.to_string(), hint: error.hint() }
}

fn wrong_job(task: TaskName, job: &Job, words: &str) -> TaskError {
    Refusal::new(ErrorClass::Usage, format!("{} cannot be taken for {task}: {words}", super::describe(job)))
        .with_hint("Name the job of this release, or leave the option away: then the job of the StateBox is followed.")
        .into()
}

//! Runs one step of the plan.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::consent::{Standing, by_policy};
use super::{Ran, RunResult};
use crate::config::{DrivePolicy, Leave};
use crate::drive::evaluate::{policy_of, subjects};
use crate::drive::facts::Facts;
use crate::drive::plan::PlannedRun;
use crate::drive::verdict::{Act, Decided};
use crate::error::ErrorClass;
use crate::flow::nodes::{Cost, Node};
use crate::flow::outcome::{Refusal, TaskError};
use crate::operations::call::{Call, new_id};
use crate::operations::change_advisory_status::ChangeAdvisoryStatus;
use crate::operations::check_cve_tracker_bug::CheckCveTrackerBug;
use crate::operations::check_greenwave_cvp_tests::CheckGreenwaveCvpTests;
use crate::operations::create_test_report::CreateTestReport;
use crate::operations::drop_bugs::DropBugs;
use crate::operations::image_consistency_check::ImageConsistencyCheck;
use crate::operations::image_signed_check::ImageSignedCheck;
use crate::operations::issue::IssueAdd;
use crate::operations::perform;
use crate::operations::push_to_cdn_staging::PushToCdnStaging;
use crate::operations::row::{Conclusion as _, Operation, Outcome};
use crate::operations::stage_testing::StageTesting;
use crate::operations::take_ownership::TakeOwnership;
use crate::operations::task_run::Change as HowToChange;
use crate::operations::update_bug_list::UpdateBugList;
use crate::statebox::{Change, ReasonClass, RunEnd, RunOutcome, RunStart, State, TaskName, TaskStatus};
use crate::tasks::approval_wait::Look;

/// The command in the history of a task whose verdict the engine records.
const RECORDED_BY: &str = "drive";

/// Runs a step; a failure is its result.
pub(super) async fn act(call: &Call, policy: &DrivePolicy, run: &PlannedRun, facts: &Facts) -> Ran {
    let row = run.node.row();
    let leave = policy_of(row, policy);
    let mut ran = Ran {
        node: run.node,
        command: run.command.clone(),
        result: RunResult::Unknown,
        detail: None,
        allowed_by: None,
        class: None,
    };
    // The history names the standing consent from the beginning of the run on.
    if matches!(row.cost, Cost::Paid | Cost::Critical) && leave == Leave::Auto && !run.only_looks {
        ran.allowed_by = Some(by_policy(run.node));
    }
    match step(call, leave, run, facts, &mut ran).await {
        Ok(()) => {}
        Err(error) => fail(call, &mut ran, &error),
    }
    ran
}

fn fail(call: &Call, ran: &mut Ran, error: &TaskError) {
    let error = error.inner();
    ran.class = Some(error.class());
    ran.detail = Some(call.redactor().redact(&error.to_string()).into_owned());
    ran.result = result_of(error.class());
}

fn result_of(class: ErrorClass) -> RunResult {
    match class {
        ErrorClass::Blocked => RunResult::Blocked,
        ErrorClass::Conflict => RunResult::Held,
        ErrorClass::Failed => RunResult::Failed,
        _ => RunResult::Unknown,
    }
}

/// Whether the step may begin: nobody has ended the program. Whether the release is held is asked before each effect, by its
/// permit.
fn may_begin(call: &Call) -> Result<(), Refusal> {
    match call.interrupt().signal() {
        Some(signal) => Err(Refusal::blocked(format!("interrupted by {}; it was not begun", signal.name()))),
        None => Ok(()),
    }
}

async fn step(
    call: &Call,
    leave: Leave,
    run: &PlannedRun,
    facts: &Facts,
    ran: &mut Ran,
) -> Result<(), TaskError> {
    may_begin(call)?;
    let Some(task) = run.node.task() else {
        return Err(Refusal::blocked(format!("{} is no task: nothing is run for it", run.node)).into());
    };
    match &run.act {
        Act::Pass(reason) => judge(call, task, reason, None, facts, ran).await,
        Act::Decided(decided) => judge(call, task, &decided.reason, Some(decided), facts, ran).await,
        Act::Issue(text) => {
            let issue = IssueAdd { text: text.clone(), task: vec![task], no_blocker: true, dry_run: false };
            let part = call.part_about(call.release()?)?;
            perform(issue, &part).await?;
            ran.result = RunResult::Done;
            ran.detail = Some(text.clone());
            Ok(())
        }
        Act::CarryOn => carry_on(call, ran).await,
        Act::Command => command(call, leave, run.only_looks, task, ran).await,
    }
}

/// Records the result of a task that nobody runs, with what it is about, in one write: that it has passed, or what a
/// person has decided.
async fn judge(
    call: &Call,
    task: TaskName,
    reason: &str,
    decided: Option<&Decided>,
    facts: &Facts,
    ran: &mut Ran,
) -> Result<(), TaskError> {
    let now = call.clock().now();
    let of = subjects(task, facts).into_iter().map(|(subject, value)| (subject.to_owned(), value)).collect();
    let start = RunStart {
        // A decision is recorded once, whoever records it.
        id: decided.map_or_else(new_id, |decided| decided.id.clone()),
        started: now,
        by: call.user().to_owned(),
        command: RECORDED_BY.to_owned(),
        // What a person has decided replaces what stands there.
        force: decided.is_some(),
    };
    let is_pass = decided.is_none_or(|decided| decided.accepted);
    let (outcome, status, class) = if is_pass {
        (RunOutcome::Pass, TaskStatus::Pass, None)
    } else {
        (RunOutcome::Fail, TaskStatus::Fail, Some(ReasonClass::Product))
    };
    let end = RunEnd {
        run: start,
        finished: now,
        outcome,
        status: Some(status),
        class,
        reason: Some(reason.to_owned()),
        result: Some(reason.to_owned()),
        notifications: Vec::new(),
        links: Vec::new(),
        done: Vec::new(),
    };
    let message = format!("Update task: {task}");
    let updated = call
        .statebox()?
        .update(call.permit()?, &message, |state| {
            let is_open = match decided {
                // Whoever judged it meanwhile has judged it.
                None => {
                    state.newer_verdict(task).is_none()
                        && state.task(task).is_none_or(|view| {
                            !matches!(view.status, TaskStatus::Pass | TaskStatus::Fail)
                                || view.history.iter().any(|run| run.id == end.run.id)
                        })
                }
                Some(decided) => still_decided(state, task, decided),
            };
            if !is_open {
                return Ok(Change::Unchanged);
            }
            let finished = state.finish_run(task, &end);
            let judged = is_pass.then(|| state.set_judged(task, Some(&of), now));
            Ok(finished.or(judged.unwrap_or(Change::Unchanged)))
        })
        .await?;
    ran.result = if updated.change.is_changed() { RunResult::Done } else { RunResult::Nothing };
    ran.detail = Some(reason.to_owned());
    Ok(())
}

/// Whether the decision stands, and nobody has recorded a result of the task since.
fn still_decided(state: &State, task: TaskName, decided: &Decided) -> bool {
    let Some(decision) = state.verdict(Node::Task(task)).filter(|decision| decision.id == decided.id) else {
        return false;
    };
    let judged = state.task(task).filter(|view| matches!(view.status, TaskStatus::Pass | TaskStatus::Fail));
    // The times of a file have one form, so their order is that of their texts.
    judged.and_then(|view| view.completed_at).is_none_or(|completed| completed <= decision.at)
}

/// Looks at the wait of the approval.
async fn carry_on(call: &Call, ran: &mut Ran) -> Result<(), TaskError> {
    let look = super::look(call).await?;
    let (result, detail, class) = match look {
        Look::NoWait | Look::Messages { .. } => (RunResult::Nothing, None, None),
        Look::Finished(report) => {
            let result = match (report.status, report.class) {
                (Some(TaskStatus::Pass), _) => RunResult::Done,
                (_, Some(class)) => result_of(class),
                (_, None) => RunResult::Running,
            };
            (result, report.reason.map(|reason| reason.text), report.class)
        }
        Look::Overdue => (RunResult::Blocked, Some("the release leads were asked".to_owned()), None),
        Look::Later(_, why) => (RunResult::Running, Some(why), None),
    };
    (ran.result, ran.detail, ran.class) = (result, detail, class);
    Ok(())
}

/// Runs the command of a task, as the engine may.
async fn command(
    call: &Call,
    leave: Leave,
    only_looks: bool,
    task: TaskName,
    ran: &mut Ran,
) -> Result<(), TaskError> {
    let id = new_id();
    let standing = Arc::new(Standing {
        node: ran.node,
        policy: leave,
        clients: call.clients().clone(),
        permit: call.shared_permit()?,
        run: id.clone(),
        allowed_by: Mutex::default(),
    });
    let mut part = call.part_that_consents(Arc::<Standing>::clone(&standing))?.named(id);
    if let Some(words) = &ran.allowed_by {
        part = part.by(format!("{} ({words})", call.user()));
    }
    let how = HowToChange::default();
    let outcome = match task {
        TaskName::CreateTestReport => {
            run(CreateTestReport { change: how, ..CreateTestReport::default() }, &part).await
        }
        TaskName::TakeOwnership => {
            let email = part.config().await?.owner()?;
            run(TakeOwnership { email, wait: false, change: how }, &part).await
        }
        TaskName::UpdateBugList => run(UpdateBugList::default(), &part).await,
        TaskName::ImageConsistencyCheck => {
            run(ImageConsistencyCheck { follow: only_looks, ..ImageConsistencyCheck::default() }, &part).await
        }
        TaskName::CheckGreenwaveCvpTests => run(CheckGreenwaveCvpTests::default(), &part).await,
        TaskName::CheckCveTrackerBug => run(CheckCveTrackerBug::default(), &part).await,
        TaskName::PushToCdnStaging => run(PushToCdnStaging::default(), &part).await,
        TaskName::StageTesting => {
            run(StageTesting { follow: only_looks, ..StageTesting::default() }, &part).await
        }
        TaskName::ImageSignedCheck => run(ImageSignedCheck::default(), &part).await,
        TaskName::DropBugs => run(DropBugs::default(), &part).await,
        TaskName::ChangeAdvisoryStatus => run(ChangeAdvisoryStatus::default(), &part).await,
        TaskName::AnalyzeCandidateBuild | TaskName::AnalyzePromotedBuild => {
            Err(Refusal::blocked(format!("{task} has no command")).into())
        }
    };
    ran.allowed_by = ran.allowed_by.take().or_else(|| standing.allowed_by());
    let outcome = outcome?;
    let text = |pointer: &str| outcome.document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let is = |pointer: &str| outcome.document.pointer(pointer).and_then(Value::as_bool) == Some(true);
    ran.class = outcome.class;
    ran.detail = text("/reason/text").or_else(|| text("/finding"));
    let status = text("/status");
    let status = status.as_deref().and_then(TaskStatus::from_file);
    ran.result = match (outcome.class, status) {
        (Some(class), _) => result_of(class),
        (None, _) if is("/nothing_to_do") => RunResult::Nothing,
        (None, Some(TaskStatus::Pass)) => RunResult::Done,
        (None, Some(TaskStatus::Fail)) => RunResult::Failed,
        (None, _) => RunResult::Running,
    };
    Ok(())
}

/// The result of an operation, whatever its type.
async fn run<O: Operation>(operation: O, call: &Call) -> Result<Outcome, TaskError> {
    let answer = perform(operation, call).await?;
    let document = serde_json::to_value(&answer)
        .map_err(|error| Refusal::new(ErrorClass::Failed, format!("the result is not JSON: {error}")))?;
    Ok(Outcome { document, class: answer.class(), signal: answer.signal() })
}

//! Takes a release on: runs what is ready, as far as the policy says, records what was judged, and tells people what waits
//! for them.
//!
//! Each round makes the plan anew and runs what it says, independent steps at the same time; of the steps that cannot be
//! undone only one in a round. A step runs once in a pass, so a pass ends. Runs go through the same operations as a
//! person's commands: they claim the task, look before they act, and record how they ended.

mod act;
mod consent;
mod judged;
mod tell;

use std::collections::BTreeSet;

use futures::future::join_all;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
use super::row::Conclusion;
use crate::config::{ConfigError, DrivePolicy};
use crate::drive::facts::Facts;
use crate::drive::plan::{self, DrivePlan, PlannedRun};
use crate::drive::verdict::{NodePlan, ToDo};
use crate::error::ErrorClass;
use crate::failures::gravest;
use crate::flow::interrupt::Signal;
use crate::flow::nodes::{Cost, Node};
use crate::flow::outcome::TaskError;
use crate::operations::tick;
use crate::statebox::{State, StateBoxError, TaskName};

/// How often the plan is made in one pass: each round may make another step ready.
const ROUNDS: usize = 8;

/// What a pass did for a release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Advanced {
    /// The release.
    pub release: String,
    /// What was run, in the order of the plan.
    pub runs: Vec<Ran>,
    /// How many questions people were told that they had not been told before.
    pub told: usize,
    /// What did not work beside the runs.
    pub warnings: Vec<String>,
    /// What stands where afterwards.
    pub plan: DrivePlan,
    /// The signal that ended it.
    #[serde(skip)]
    pub signal: Option<Signal>,
}

/// A step that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ran {
    /// The step.
    pub node: Node,
    /// The command that does the same.
    pub command: String,
    /// How it ended, in a word.
    pub result: RunResult,
    /// The reason, or what was found.
    pub detail: Option<String>,
    /// What allowed it, where it is not free: the policy, or a person's consent.
    pub allowed_by: Option<String>,
    /// The class of its failure.
    #[serde(skip)]
    pub class: Option<ErrorClass>,
}

impl Ran {
    /// Whether it failed, or came to no verdict. One that waits, for a person or for another one, has not failed.
    pub fn failed(&self) -> bool {
        matches!(self.result, RunResult::Failed | RunResult::Unknown)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// The task has passed, or the record was made.
    Done,
    /// It was started, or runs on.
    Running,
    /// There was nothing to do.
    Nothing,
    /// The task has failed.
    Failed,
    /// It was not allowed to begin: something stands in the way, or a consent is missing.
    Blocked,
    /// Somebody else is at it.
    Held,
    /// It came to no verdict.
    Unknown,
}

impl RunResult {
    /// The word for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running => "running",
            Self::Nothing => "nothing to do",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Held => "somebody else is at it",
            Self::Unknown => "no verdict",
        }
    }
}

impl Conclusion for Advanced {
    /// A step that waits, for a person or for another one, is no failure of the pass.
    fn class(&self) -> Option<ErrorClass> {
        let failures = self.runs.iter().filter(|run| run.failed());
        let defects = (!self.plan.defects.is_empty()).then_some(ErrorClass::Failed);
        gravest(failures.filter_map(|run| run.class).chain(defects))
    }

    fn signal(&self) -> Option<Signal> {
        self.signal
    }
}

/// What the configuration document leaves to the engine.
pub(super) fn policy(call: &Call) -> Result<DrivePolicy, TaskError> {
    let policy = match call.settings().document() {
        Ok(document) => document.drive_policy()?,
        Err(ConfigError::MissingVariable { .. }) => DrivePolicy::default(),
        Err(error) => return Err(error.into()),
    };
    plan::check_policy(&policy)?;
    Ok(policy)
}

/// A plan with what it rests on.
pub(super) struct Planned {
    pub(super) plan: DrivePlan,
    pub(super) facts: Facts,
    pub(super) state: Option<State>,
}

/// The plan of the call's release as it is now.
pub(super) async fn planned(call: &Call, policy: &DrivePolicy) -> Result<Planned, TaskError> {
    let statebox = call.statebox()?;
    let state = match call.load(&statebox).await {
        Ok(state) => Some(state),
        Err(StateBoxError::Absent { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let location = statebox.location();
    let (plan, facts) = plan::plan(call.clients(), call.release()?, state.as_ref(), &location, policy).await;
    Ok(Planned { plan, facts, state })
}

/// One pass: everything that can be done now.
pub(super) async fn advance(call: &Call, policy: &DrivePolicy) -> Result<Advanced, TaskError> {
    // Whoever may only read is told so before anything is looked at.
    call.permit()?;
    let mut now = planned(call, policy).await?;
    let mut advanced = Advanced {
        release: call.release()?.to_string(),
        runs: Vec::new(),
        told: 0,
        warnings: Vec::new(),
        plan: now.plan.clone(),
        signal: None,
    };
    let mut tried = BTreeSet::new();
    for _ in 0..ROUNDS {
        let batch = batch(&now.plan, now.state.as_ref(), &tried, call.clock().now());
        if batch.is_empty() || call.interrupt().signal().is_some() {
            break;
        }
        tried.extend(batch.iter().map(|run| run.node));
        let runs = batch.iter().map(|run| act::act(call, policy, run, &now.facts));
        advanced.runs.extend(join_all(runs).await);
        now = planned(call, policy).await?;
    }
    advanced.signal = call.interrupt().signal();
    if advanced.signal.is_none()
        && let Some(state) = &now.state
    {
        if !state.kept_messages().is_empty() && state.wait(TaskName::ChangeAdvisoryStatus).is_none() {
            let sent = tick::look(call.release()?, call).await;
            advanced.warnings.extend(
                sent.err().map(|error| {
                    format!("messages that could not be sent before are kept: {}", error.inner())
                }),
            );
        }
        advanced.warnings.extend(judged::record(call, state, &now).await);
        match tell::tell(call, state, &now.plan).await {
            Ok(told) => advanced.told = told,
            Err(error) => advanced.warnings.push(format!("people could not be told: {}", error.inner())),
        }
    }
    advanced.plan = now.plan;
    Ok(advanced)
}

/// What is run in one round: everything that is due and was not run in this pass, but of what cannot be undone only the
/// first. What needs a consent is run when a person has recorded one.
fn batch(plan: &DrivePlan, state: Option<&State>, tried: &BTreeSet<Node>, now: Timestamp) -> Vec<PlannedRun> {
    let consented = plan.nodes.iter().filter_map(|node| consented(node, state, now));
    let mut runs: Vec<PlannedRun> = plan.now.iter().cloned().chain(consented).collect();
    runs.retain(|run| !tried.contains(&run.node));
    let place = |run: &PlannedRun| plan.nodes.iter().position(|node| node.node == run.node);
    runs.sort_by_key(place);
    let mut has_critical = false;
    runs.retain(|run| {
        let critical = run.node.row().cost == Cost::Critical;
        !(critical && std::mem::replace(&mut has_critical, true))
    });
    runs
}

/// The run of a node for which a person has recorded a consent that is still valid.
fn consented(plan: &NodePlan, state: Option<&State>, now: Timestamp) -> Option<PlannedRun> {
    let ToDo::Consent { command } = &plan.to_do else { return None };
    let task = plan.node.task()?;
    let is_due = plan.look_at.is_none_or(|at| at <= now);
    let mut consents = state?.consents(task).into_iter();
    (is_due && consents.any(|consent| consent.command == task.id() && consent.is_valid_at(now))).then(|| {
        PlannedRun { node: plan.node, command: command.clone(), only_looks: false, act: plan.act.clone() }
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::drive::verdict::{Act, Verdict};
    use crate::flow::nodes::ROWS;
    use crate::statebox::{Metadata, NewConsent};

    fn at(minute: i64) -> Timestamp {
        "2026-07-01T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
    }

    fn run(task: TaskName) -> PlannedRun {
        let command = format!("oar -r 4.19.1 {task}");
        PlannedRun { node: Node::Task(task), command, only_looks: false, act: Act::Command }
    }

    /// A plan in which `ready` would be run now, and `asked` after a consent.
    fn plan(ready: &[TaskName], asked: &[TaskName]) -> DrivePlan {
        let nodes = ROWS.iter().map(|row| {
            let is_asked = row.node.task().is_some_and(|task| asked.contains(&task));
            NodePlan {
                node: row.node,
                verdict: Verdict::Ready,
                policy: crate::config::Leave::Ask,
                note: None,
                stale: None,
                since: None,
                next_look: None,
                deadline: None,
                person: None,
                to_do: if is_asked { ToDo::Consent { command: "x".to_owned() } } else { ToDo::Nothing },
                evidence: Vec::new(),
                lacks: None,
                look_at: None,
                act: Act::Command,
            }
        });
        DrivePlan {
            release: "4.19.1".to_owned(),
            flow: None,
            statebox: "4.19.1.yaml".to_owned(),
            at: "2026-07-01T10:00:00Z".to_owned(),
            offline: false,
            done: 0,
            total: 0,
            now: ready.iter().copied().map(run).collect(),
            people: Vec::new(),
            next_look: None,
            facts: Vec::new(),
            unknown: Vec::new(),
            defects: Vec::new(),
            nodes: nodes.collect(),
        }
    }

    fn names(runs: &[PlannedRun]) -> Vec<&'static str> {
        runs.iter().map(|run| run.node.id()).collect()
    }

    #[test]
    fn of_what_cannot_be_undone_only_the_first_runs_in_a_round_and_nothing_twice() {
        let ready = [TaskName::ChangeAdvisoryStatus, TaskName::DropBugs, TaskName::UpdateBugList];
        let plan = plan(&ready, &[]);
        let mut tried = BTreeSet::new();
        let first = batch(&plan, None, &tried, at(0));
        assert_eq!(names(&first), ["update-bug-list", "drop-bugs"]);
        tried.extend(first.iter().map(|run| run.node));
        let second = batch(&plan, None, &tried, at(0));
        assert_eq!(names(&second), ["change-advisory-status"]);
        tried.extend(second.iter().map(|run| run.node));
        assert_eq!(batch(&plan, None, &tried, at(0)), []);
    }

    #[test]
    fn what_needs_a_consent_runs_only_with_one_that_is_valid() {
        let task = TaskName::PushToCdnStaging;
        let plan = plan(&[], &[task]);
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        let ready = |state: &State, minute| names(&batch(&plan, Some(state), &BTreeSet::new(), at(minute)));
        assert!(ready(&state, 0).is_empty());
        let consent = NewConsent {
            id: "c".to_owned(),
            command: task.id().to_owned(),
            plan: "0".repeat(64),
            by: "lead".to_owned(),
            at: at(0),
        };
        let _ = state.record_consent(task, &consent);
        assert_eq!(ready(&state, 1), [task.id()]);
        assert!(ready(&state, 25 * 60).is_empty(), "its time is over");
    }
}

//! Takes a release on: runs what is ready, as far as the policy says, records what was judged, and tells people what waits
//! for them.
//!
//! Each round makes the plan anew and runs what it says, independent steps at the same time; of the steps that cannot be
//! undone only one in a round. A step runs once in a pass, so a pass ends. Runs go through the same operations as a
//! person's commands: they claim the task, look before they act, and record how they ended.

mod act;
mod consent;
mod due;
mod judged;
mod tell;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join, join_all};
use schemars::JsonSchema;
use serde::Serialize;
use tell::Told;
pub use waits::look;

use super::call::Call;
use super::row::Conclusion;
use crate::config::{ConfigError, DrivePolicy};
use crate::drive::facts::Facts;
use crate::drive::plan::{self, Care, DrivePlan, PlannedRun};
use crate::error::ErrorClass;
use crate::failures::gravest;
use crate::flow::interrupt::Signal;
use crate::flow::nodes::{Cost, Node};
use crate::flow::outcome::TaskError;
use crate::statebox::{State, StateBoxError, TaskName};
use crate::tasks::holds::LOOK_AGE;

/// How often the plan is made in one pass: each round may make another step ready.
const ROUNDS: usize = 8;

/// What a pass did for a release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Advanced {
    /// The release.
    pub release: String,
    /// What was run, in the order of the plan.
    pub runs: Vec<Ran>,
    /// How many messages to people were sent: new questions, reminders, the summary of a working morning.
    pub told: usize,
    /// What did not work beside the runs: what was found could not be recorded, or people could not be told.
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

    /// Whether it should have made the StateBox and did not, for a reason that a person must clear.
    fn left_no_statebox(&self) -> bool {
        self.node == Node::Task(TaskName::CreateTestReport)
            && matches!(
                self.class,
                Some(
                    ErrorClass::Failed | ErrorClass::Blocked | ErrorClass::Configuration | ErrorClass::Usage
                )
            )
    }

    /// Whether it was not allowed to begin, for a reason that a person must clear.
    fn is_refused(&self) -> bool {
        self.result == RunResult::Blocked && self.class == Some(ErrorClass::Blocked)
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
        // What did not work because the release was held meanwhile is no failure.
        let warnings =
            (!self.warnings.is_empty() && self.plan.held.is_empty()).then_some(ErrorClass::Unavailable);
        gravest(failures.filter_map(|run| run.class).chain(defects).chain(warnings))
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

/// The plan of the call's release as it is now; `refused` are the steps whose runs were refused in this pass, when it has
/// run any.
pub(super) async fn planned(
    call: &Call,
    policy: &DrivePolicy,
    refused: Option<&BTreeMap<Node, String>>,
    care: Care,
) -> Result<Planned, TaskError> {
    let statebox = call.statebox()?;
    // What this pass has written itself must be seen, so only the first plan may rest on what was read before.
    let known = if refused.is_none() { statebox.already_read(LOOK_AGE).await? } else { None };
    let state = match known.filter(|state| state.losses().is_empty()) {
        Some(state) => Some(state),
        None => match call.load(&statebox).await {
            Ok(state) => Some(state),
            Err(StateBoxError::Absent { .. }) => None,
            Err(error) => return Err(error.into()),
        },
    };
    let (location, none) = (statebox.location(), BTreeMap::new());
    let plan = plan::plan(
        call.clients(),
        call.release()?,
        state.as_ref(),
        &location,
        policy,
        refused.unwrap_or(&none),
        care,
    );
    let holds = call.holds()?;
    let ((mut plan, facts), held) = join(plan, holds.reasons()).await;
    plan.held = held.into_iter().map(|closed| closed.text).collect();
    Ok(Planned { plan, facts, state })
}

/// One pass: everything that can be done now.
pub(super) async fn advance(call: &Call, policy: &DrivePolicy) -> Result<Advanced, TaskError> {
    // Whoever may only read is told so before anything is looked at.
    call.permit()?;
    let mut refused = BTreeMap::new();
    let mut now = planned(call, policy, None, Care::ActedOn).await?;
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
        let batch = batch(&now.plan, &tried);
        if batch.is_empty() || !now.plan.held.is_empty() || call.interrupt().signal().is_some() {
            break;
        }
        tried.extend(batch.iter().map(|run| run.node));
        let runs = batch.iter().map(|run| act::act(call, policy, run, &now.facts));
        let runs = join_all(runs).await;
        let reasons = runs.iter().filter(|run| run.is_refused());
        refused.extend(reasons.filter_map(|run| Some((run.node, run.detail.clone()?))));
        advanced.runs.extend(runs);
        now = planned(call, policy, Some(&refused), Care::ActedOn).await?;
    }
    advanced.signal = call.interrupt().signal();
    // While the release is held nothing is recorded, and nobody is told.
    let may_tell = advanced.signal.is_none() && now.plan.held.is_empty();
    if may_tell
        && now.state.is_none()
        && let Some(ran) = advanced.runs.iter().find(|ran| ran.left_no_statebox())
    {
        note(tell::tell_without_statebox(call, ran).await, &mut advanced.told, &mut advanced.warnings);
    }
    if may_tell && let Some(state) = &now.state {
        if !state.kept_messages().is_empty() && state.wait(TaskName::ChangeAdvisoryStatus).is_none() {
            let sent = look(call).await;
            advanced.warnings.extend(
                sent.err().map(|error| {
                    format!("messages that could not be sent before are kept: {}", error.inner())
                }),
            );
        }
        advanced.warnings.extend(judged::record(call, state, &now).await);
        note(tell::tell(call, state, &now, policy).await, &mut advanced.told, &mut advanced.warnings);
    }
    advanced.plan = now.plan;
    if !advanced.warnings.is_empty() && advanced.plan.held.is_empty() {
        let held = call.holds()?.reasons().await;
        advanced.plan.held = held.into_iter().map(|closed| closed.text).collect();
    }
    Ok(advanced)
}

/// Notes how many messages arrived, and what did not.
fn note(told: Result<Told, TaskError>, messages: &mut usize, warnings: &mut Vec<String>) {
    match told {
        Ok(told) => {
            *messages = told.messages;
            warnings.extend(told.missing);
        }
        Err(error) => warnings.push(format!("people could not be told: {}", error.inner())),
    }
}

/// What is run in one round: everything that is due and was not run in this pass, but of what cannot be undone only the
/// first.
fn batch(plan: &DrivePlan, tried: &BTreeSet<Node>) -> Vec<PlannedRun> {
    let mut runs: Vec<PlannedRun> =
        plan.now.iter().filter(|run| !tried.contains(&run.node)).cloned().collect();
    let mut has_critical = false;
    runs.retain(|run| {
        let critical = run.node.row().cost == Cost::Critical;
        !(critical && std::mem::replace(&mut has_critical, true))
    });
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::verdict::Act;

    fn run(task: TaskName) -> PlannedRun {
        let command = format!("oar -r 4.19.1 {task}");
        PlannedRun { node: Node::Task(task), command, only_looks: false, act: Act::Command }
    }

    /// A plan in which `ready` would be run now.
    fn plan(ready: &[TaskName]) -> DrivePlan {
        DrivePlan {
            release: "4.19.1".to_owned(),
            flow: None,
            statebox: "4.19.1.yaml".to_owned(),
            at: "2026-07-01T10:00:00Z".to_owned(),
            offline: false,
            held: Vec::new(),
            done: 0,
            total: 0,
            now: ready.iter().copied().map(run).collect(),
            people: Vec::new(),
            next_look: None,
            facts: Vec::new(),
            unknown: Vec::new(),
            defects: Vec::new(),
            nodes: Vec::new(),
        }
    }

    fn names(runs: &[PlannedRun]) -> Vec<&'static str> {
        runs.iter().map(|run| run.node.id()).collect()
    }

    #[test]
    fn of_what_cannot_be_undone_only_the_first_runs_in_a_round_and_nothing_twice() {
        let ready = [TaskName::UpdateBugList, TaskName::DropBugs, TaskName::ChangeAdvisoryStatus];
        let plan = plan(&ready);
        let mut tried = BTreeSet::new();
        let first = batch(&plan, &tried);
        assert_eq!(names(&first), ["update-bug-list", "drop-bugs"]);
        tried.extend(first.iter().map(|run| run.node));
        let second = batch(&plan, &tried);
        assert_eq!(names(&second), ["change-advisory-status"]);
        tried.extend(second.iter().map(|run| run.node));
        assert_eq!(batch(&plan, &tried), []);
    }
}

//! Planning, and asking for consent to the plan.

use super::claim::other_run;
use super::messages::OpenMessages;
use super::run::{ConsentState, End, Run};
use super::{Mode, resolve_command};
use crate::flow::consent::{Allows, Question};
use crate::flow::outcome::{Plan, PlanSummary, Refusal, TaskError};
use crate::flow::task::Task;
use crate::statebox::{IssueView, State, TaskStatus};

/// A plan, and what the state says around it.
pub(super) struct Planned<P> {
    pub(super) plan: P,
    pub(super) summary: PlanSummary,
    /// Whether the plan is completed while the task is claimed.
    pub(super) completes_late: bool,
    /// What earlier runs may have told people.
    pub(super) open: OpenMessages,
    /// Whether the task is Pass.
    pub(super) is_pass: bool,
}

impl<T: Task> Run<'_, T> {
    /// Makes the plan, from reads alone.
    pub(super) async fn plan(&self, state: Option<&State>) -> Result<Planned<T::Plan>, TaskError> {
        let name = self.name();
        if let (Some(state), Some(_)) = (state, self.mode.permit())
            && let Some(other) = other_run(state, name, self.now())
        {
            return Err(other.held(name).into());
        }
        self.refuse_when_blocked(state)?;
        let mut plan = self.task.plan(state).await?;
        let is_shown = match self.mode {
            Mode::DryRun | Mode::AskOnly(_) => true,
            Mode::Apply(_) => false,
            Mode::Ask(_, consent) => !consent.is_given(),
        };
        let completes_late = plan.certainly_acts() && !is_shown;
        if !completes_late {
            self.task.complete(&plan).await?(&mut plan);
        }
        let summary = plan.summary();
        self.say(&summary, &PlanSummary::default());
        let view = state.and_then(|state| state.task(name));
        Ok(Planned {
            plan,
            summary,
            completes_late,
            open: OpenMessages::of(view.as_ref().map_or(&[], |view| &view.history)),
            is_pass: view.is_some_and(|view| view.status == TaskStatus::Pass),
        })
    }

    /// The end of a run that finds everything as the StateBox says already.
    pub(super) fn without_acting(&self, planned: &Planned<T::Plan>, state: Option<&State>) -> Option<End<T>> {
        let done_before = if self.task.is_tracked() { planned.is_pass } else { state.is_some() };
        if planned.summary.steps.is_empty() && done_before && !planned.open.any() {
            return Some(End::NothingToDo);
        }
        let standing = self.task.standing(&planned.plan).filter(|_| !planned.open.owes());
        standing.map(End::Stands)
    }

    /// Asks for consent to the steps of a plan, unless all of them were consented to before; why it was refused.
    pub(super) async fn consent(&self, summary: &PlanSummary) -> Option<Refusal> {
        let (Mode::Ask(_, consent) | Mode::AskOnly(consent)) = self.mode else { return None };
        if summary.steps.iter().all(|step| self.progress().consent.covers(step)) {
            return None;
        }
        self.progress().consent = ConsentState::Asking;
        let question = Question {
            command: self.task.command_name(),
            task: self.name(),
            release: self.statebox().release(),
            plan: summary,
            allows: Allows::Changes,
        };
        let answer = consent.ask(question).await;
        if answer.is_ok() {
            self.progress().consent = ConsentState::Given(summary.steps.clone());
        }
        answer.err()
    }

    /// Logs the parts of a plan that are not in `known`, and keeps them for the report. Notes say what a run does: the log of
    /// a dry run says that it is one.
    pub(super) fn say(&self, plan: &PlanSummary, known: &PlanSummary) {
        let mark = if self.mode.permit().is_none() { "dry run: " } else { "" };
        for check in plan.checks.iter().filter(|check| !known.checks.contains(check)) {
            tracing::info!("ok: {}", check.text);
        }
        for note in plan.notes.iter().filter(|note| !known.notes.contains(note)) {
            tracing::info!("{mark}{note}");
        }
        self.progress().plan = plan.clone();
    }

    fn refuse_when_blocked(&self, state: Option<&State>) -> Result<(), Refusal> {
        if let Some(state) = state
            && self.task.is_tracked()
            && state.task(self.name()).is_none_or(|view| view.status != TaskStatus::Pass)
            && let Some(IssueView { issue, .. }) = state.task_blocker(self.name())
            && !self.task.keeps_blocker(&issue)
        {
            let release = self.statebox().release().to_string();
            return Err(Refusal::blocked(format!("an open issue blocks it: {issue}"))
                .with_hint(format!("When it is resolved: {}", resolve_command(&release, &issue))));
        }
        Ok(())
    }
}

//! What a task plans, what it did, and why it could not.

use std::fmt;

use serde::Serialize;

use crate::error::{Classified, ErrorClass};
use crate::failures::Failures;
pub use crate::flow::reason::{Reason, Words};
use crate::permit::Closed;
use crate::statebox::{ReasonClass, StateBoxError, StateError, TaskStatus};

/// One change that a task means to make, in words a person can check: what, of what, from what, to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Step {
    /// What is done, up to its object: `set QE owner of`.
    pub action: String,
    /// Of what: `advisory 150001 (rpm)`.
    pub subject: String,
    /// The present value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The new value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What it is done with, such as the parameters of a job: `VERSION: 4.19`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
}

impl Step {
    /// A change without old and new value.
    pub fn new(action: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { action: action.into(), subject: subject.into(), from: None, to: None, with: Vec::new() }
    }

    /// The same change with its old value.
    #[must_use]
    pub fn from(mut self, from: Option<impl Into<String>>) -> Self {
        self.from = from.map(Into::into);
        self
    }

    /// The same change with what it is done with.
    #[must_use]
    pub fn with(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.with.extend(details);
        self
    }

    /// The same change with its new value.
    #[must_use]
    pub fn to(mut self, to: impl Into<String>) -> Self {
        self.to = Some(to.into());
        self
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.action, self.subject)?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(formatter, ": {from} -> {to}"),
            (None, Some(to)) => write!(formatter, ": {to}"),
            (Some(from), None) => write!(formatter, ": was {from}"),
            (None, None) => Ok(()),
        }
    }
}

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it must be.
    Ok,
    /// It stands in the way.
    Blocked,
    /// It could not be found out.
    Unknown,
}

/// One thing that must be so before anything is done, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Check {
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, in one sentence.
    pub text: String,
    /// The next step, when it is not as it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Check {
    /// Something that is as it must be.
    pub fn ok(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, text: text.into(), next: None }
    }
}

/// What a task means to do, computed from reads alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PlanSummary {
    /// The checks and their verdicts; empty for a task without such gates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The changes, in the order in which they are made.
    pub steps: Vec<Step>,
    /// What the reader should know: what is already as it should be, what stays untouched and why.
    pub notes: Vec<String>,
    /// Changes that a later run makes when these steps have taken effect, as the notes say, also that a consent to this plan is one
    /// to them ([`covers_later`](crate::flow::consent::covers_later)).
    #[serde(skip)]
    #[schemars(skip)]
    pub later: Vec<Step>,
}

impl PlanSummary {
    /// A plan without gates.
    pub fn new(steps: Vec<Step>, notes: Vec<String>) -> Self {
        Self { checks: Vec::new(), steps, notes, later: Vec::new() }
    }
}

/// A plan that can be shown before it is applied.
pub trait Plan: Send + Sync {
    /// The plan in words. No steps means that the world is already as the task wants it.
    fn summary(&self) -> PlanSummary;

    /// Whether applying changes something whatever [`Task::complete`](crate::flow::task::Task::complete) still finds.
    fn certainly_acts(&self) -> bool {
        false
    }

    /// Whether applying changes anything beside the StateBox. When it does not, the run is recorded in one write, at
    /// its end.
    fn acts(&self) -> bool {
        true
    }
}

/// What a task came to. It is recorded in the StateBox as it stands here; nothing is read back from text.
///
/// The effects are not in it: each is in the [`Recorder`](super::recorder::Recorder) as soon as it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskOutcome<D> {
    /// The status that the task has now.
    pub status: TaskStatus,
    /// Why, when it is not Pass.
    pub reason: Option<Reason>,
    /// The class that decides the exit code. Without one, Fail is [`ErrorClass::Failed`] and all else success.
    pub class: Option<ErrorClass>,
    /// The next step, when the status is not Pass.
    pub hint: Option<String>,
    /// Where to look for more, as the history records it.
    pub links: Vec<String>,
    /// The changes that come with the record of this outcome: in the StateBox itself, and by messages.
    pub recorded: Vec<Step>,
    /// The positive result of a check, as a short text; for a check whose Pass changes nothing.
    pub finding: Option<String>,
    /// What the task found and did, as its type says; JSON for `--output json` is made of it at the end.
    pub done: D,
}

impl<D> TaskOutcome<D> {
    /// The task passed.
    pub fn pass(done: D) -> Self {
        Self::of(TaskStatus::Pass, done)
    }

    /// The task has this status.
    pub fn of(status: TaskStatus, done: D) -> Self {
        Self {
            status,
            reason: None,
            class: None,
            hint: None,
            links: Vec::new(),
            recorded: Vec::new(),
            finding: None,
            done,
        }
    }

    /// The task has done what it can for now and waits for something outside.
    pub fn in_progress(done: D, waits_for: impl Into<Words>) -> Self {
        Self::of(TaskStatus::InProgress, done).because(ReasonClass::Precondition, waits_for)
    }

    /// The task failed. `class` decides the exit code; of [`ErrorClass::Unavailable`] and the other classes that say
    /// nothing about the release it makes an outcome [without a verdict](Self::is_undecided).
    pub fn fail(done: D, class: ErrorClass, why: impl Into<Words>) -> Self {
        Self::pass(done).failed(class, why)
    }

    /// The same outcome with the changes that come with its record.
    #[must_use]
    pub fn recording(mut self, changes: impl IntoIterator<Item = Step>) -> Self {
        self.recorded.extend(changes);
        self
    }

    /// The same outcome with the positive result of a check.
    #[must_use]
    pub fn found(mut self, finding: impl Into<String>) -> Self {
        self.finding = Some(finding.into());
        self
    }

    /// The same outcome with why it is not Pass.
    #[must_use]
    pub fn because(mut self, class: ReasonClass, text: impl Into<Words>) -> Self {
        self.reason = Some(Reason::new(class, text));
        self
    }

    /// The same outcome with the class that decides the exit code.
    #[must_use]
    pub fn with_class(mut self, class: ErrorClass) -> Self {
        self.class = Some(class);
        self
    }

    /// The same outcome with the next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same outcome with one more place to look at.
    #[must_use]
    pub fn with_link(mut self, link: impl Into<String>) -> Self {
        self.links.push(link.into());
        self
    }

    /// Whether the outcome is no verdict: what had to be looked at or done could not be, for a reason that lies outside
    /// the release. The task then stays as it was before the run, whatever its status here is; the run stands in the
    /// history, and `class` decides the exit code.
    pub fn is_undecided(&self) -> bool {
        let is_held = self.reason.as_ref().is_some_and(|reason| reason.class == ReasonClass::Held);
        self.status == TaskStatus::Fail && (is_held || self.class.is_some_and(is_undecided))
    }

    /// The same outcome as a failure. `class` decides the exit code.
    #[must_use]
    pub fn failed(mut self, class: ErrorClass, why: impl Into<Words>) -> Self {
        self.status = TaskStatus::Fail;
        self.class = Some(class);
        self.because(reason_class(class), why)
    }

    /// The same outcome of a run that was held before it had done everything: no verdict.
    #[must_use]
    pub fn held(mut self, closed: Closed) -> Self {
        let Closed { class, text, hint } = closed;
        (self.status, self.class, self.hint) = (TaskStatus::Fail, Some(class), hint);
        self.because(ReasonClass::Held, text)
    }

    /// The outcome with these failures; unchanged when there are none.
    #[must_use]
    pub fn with_failures(self, failures: &Failures) -> Self {
        let Some(class) = failures.class() else { return self };
        let texts: Vec<String> = failures.texts().into_iter().map(str::to_owned).collect();
        let mut outcome = self.failed(class, texts);
        outcome.hint = failures.hint().or(outcome.hint);
        outcome
    }

    /// The same outcome of a task of which this one is a part.
    pub fn map<E>(self, of: impl FnOnce(D) -> E) -> TaskOutcome<E> {
        let Self { status, reason, class, hint, links, recorded, finding, done } = self;
        TaskOutcome { status, reason, class, hint, links, recorded, finding, done: of(done) }
    }
}

/// Whether a failure of this class says nothing about the release: a service that cannot be asked, a credential that is
/// missing or refused, somebody who was faster. Unknown is never Fail.
pub fn is_undecided(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Unavailable | ErrorClass::Configuration | ErrorClass::Conflict)
}

/// What kind of trouble a failure of this class is, as the history records it.
fn reason_class(class: ErrorClass) -> ReasonClass {
    match class {
        ErrorClass::Unavailable => ReasonClass::Infrastructure,
        ErrorClass::Failed => ReasonClass::Product,
        ErrorClass::Usage | ErrorClass::Configuration | ErrorClass::Conflict | ErrorClass::Blocked => {
            ReasonClass::Precondition
        }
    }
}

/// An error of any part of the library that ended a task.
#[derive(Debug)]
pub struct TaskError(Box<dyn Classified + Send + Sync>);

impl TaskError {
    /// What kind of trouble it is, as the history records it.
    pub fn reason_class(&self) -> ReasonClass {
        if self.is_hold() { ReasonClass::Held } else { reason_class(self.0.class()) }
    }

    /// Whether the release is held, or that cannot be found out.
    pub fn is_hold(&self) -> bool {
        self.downcast_ref::<Closed>().is_some() || matches!(self.state_error(), Some(StateError::Held(_)))
    }

    /// The reason in the form that is recorded.
    pub fn reason(&self) -> Reason {
        let class = self.reason_class();
        match self.refusal() {
            Some(refusal) => Reason { class, text: refusal.message.clone(), items: refusal.items.to_vec() },
            None => Reason::new(class, self.0.to_string()),
        }
    }

    /// The error, when it is of this type.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        let error: &(dyn std::error::Error + 'static) = &*self.0;
        error.downcast_ref()
    }

    /// Why a change of the state was refused, when the error is that.
    pub fn state_error(&self) -> Option<&StateError> {
        match self.downcast_ref() {
            Some(StateBoxError::State(error)) => Some(error),
            Some(_) => None,
            None => self.downcast_ref(),
        }
    }

    /// Whether the state's file is there and cannot be understood.
    pub fn is_damaged_state(&self) -> bool {
        matches!(self.downcast_ref(), Some(StateBoxError::Invalid { .. }))
    }

    /// Whether the error leaves open how the task stands: [`is_undecided`].
    pub fn is_undecided(&self) -> bool {
        self.is_hold() || is_undecided(self.0.class())
    }

    /// The refusal, when the error is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.downcast_ref()
    }

    /// The error that ended the task.
    pub fn inner(&self) -> &(dyn Classified + Send + Sync) {
        &*self.0
    }
}

impl<E: Classified + Send + Sync + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// A precondition that is not met: what stands in the way and who can clear it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    class: ErrorClass,
    message: String,
    items: Box<[String]>,
    hint: Option<String>,
    headline: Option<String>,
    checks: Vec<Check>,
}

impl Refusal {
    /// A refusal of the given class.
    pub fn new(class: ErrorClass, message: impl Into<Words>) -> Self {
        let Words { text, items } = message.into();
        let items = items.into_boxed_slice();
        Self { class, message: text, items, hint: None, headline: None, checks: Vec::new() }
    }

    /// A blocker or an unmet precondition (exit 6).
    pub fn blocked(message: impl Into<Words>) -> Self {
        Self::new(ErrorClass::Blocked, message)
    }

    /// The same refusal with the next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same refusal with all checks; `headline` is the line above the list.
    #[must_use]
    pub fn with_checks(mut self, headline: impl Into<String>, checks: Vec<Check>) -> Self {
        self.headline = Some(headline.into());
        self.checks = checks;
        self
    }

    /// What stands above [`Refusal::checks`], where they are shown as a list.
    pub fn headline(&self) -> Option<&str> {
        self.headline.as_deref()
    }

    /// All checks.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }
}

impl Classified for Refusal {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_as_a_sentence() {
        let step = Step::new("set QE owner of", "advisory 150001 (rpm)").from(Some("bot")).to("demo-lead");
        assert_eq!(step.to_string(), "set QE owner of advisory 150001 (rpm): bot -> demo-lead");
        assert_eq!(Step::new("create", "file").to_string(), "create file");
    }

    #[test]
    fn a_refusal_is_recorded_as_a_precondition() {
        let error = TaskError::from(Refusal::blocked("blocked by OCPBUGS-1").with_hint("resolve it"));
        assert_eq!(error.reason_class(), ReasonClass::Precondition);
        assert_eq!(error.inner().hint().as_deref(), Some("resolve it"));
        assert!(error.refusal().is_some());
        let other = TaskError::from(crate::error::ServiceError::new(
            crate::service::Service::Jira,
            "read issue",
            crate::error::ServiceErrorKind::Unavailable,
            "no connection",
        ));
        assert!(other.refusal().is_none());
    }
}

//! `consent`: a person consents to the plan of a critical task, for one run of whoever may not consent, and for what follows it as the
//! plan says.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, new_id};
use super::row::{About, Conclusion, Effect, Operation, Outcome, Program, Row, Scope};
use super::table::TABLE;
use crate::clients::Clients;
use crate::error::ErrorClass;
use crate::flow::consent::{Allows, Consent, PlanHash, Question, StepHash};
use crate::flow::outcome::{PlanSummary, Refusal, TaskError};
use crate::permit::WritePermit;
use crate::schema::{read_from_text, text_schema};
use crate::statebox::{Change, ConsentView, NewConsent, State, StateBox, TaskName, TaskStatus};
use crate::tasks::open_statebox;
use crate::version::ReleaseVersion;

/// The operation, with its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct GiveConsent {
    /// The critical task
    pub task: CriticalTask,
    /// Withdraw every consent to the task that is still valid or covers what follows
    #[serde(default)]
    pub withdraw: bool,
    /// Show what would be done without doing it
    #[serde(default)]
    pub dry_run: bool,
}

/// A task of a release whose plan needs consent, by its command.
#[derive(Debug, Clone, Copy)]
pub struct CriticalTask(&'static Row);

impl CriticalTask {
    /// Every critical task, in the order of a release's work.
    pub fn all() -> impl Iterator<Item = Self> {
        let needs_consent = |row: &&Row| {
            let About { effect, scope, for_people, .. } = row.about;
            effect == Effect::Critical && scope == Scope::Release && !for_people
        };
        TABLE.iter().filter(needs_consent).map(Self)
    }

    /// Its command: `push-to-cdn-staging`.
    pub fn command(self) -> &'static str {
        self.0.about.command
    }

    fn commands() -> Vec<&'static str> {
        Self::all().map(Self::command).collect()
    }
}

/// A name that is not one of a critical task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoCriticalTask(String);

impl FromStr for CriticalTask {
    type Err = NoCriticalTask;

    /// Accepts any case, and `_` or a blank between the words.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let wanted = input.trim().to_lowercase().replace(['_', ' '], "-");
        if let Some(task) = Self::all().find(|task| task.command() == wanted) {
            return Ok(task);
        }
        let critical = Self::commands().join(", ");
        let is_command = TABLE.iter().any(|row| {
            row.about.program == Program::Oar && row.about.command == wanted && !row.about.for_people
        });
        Err(NoCriticalTask(if is_command || TaskName::ALL.iter().any(|task| task.id() == wanted) {
            format!("{wanted} needs no consent; these tasks do: {critical}")
        } else {
            let shown: String = input.trim().chars().take(80).collect();
            format!("`{}` is not a task that needs consent; these are: {critical}", shown.escape_debug())
        }))
    }
}

read_from_text!(CriticalTask);
text_schema!(
    CriticalTask,
    "CriticalTask",
    "The command of a critical task",
    one of CriticalTask::commands()
);

/// The result: what became of the consent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The release.
    pub release: ReleaseVersion,
    /// The command of the task.
    pub command: String,
    /// What was done, or would be done.
    pub outcome: ConsentOutcome,
    /// Why there is nothing to consent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The command that records that there is nothing to do: it needs no consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The plan that is consented to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanSummary>,
    /// The consents that were given or withdrawn, or are valid already.
    pub consents: Vec<ConsentView>,
    /// Whether the file was changed.
    pub changed: bool,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
}

/// What became of a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsentOutcome {
    /// It is given.
    Given,
    /// A valid consent to the same plan was given before.
    GivenBefore,
    /// The task has nothing to do that would need one.
    NothingToDo,
    /// Those that were valid, or covered what follows, are withdrawn.
    Withdrawn,
    /// There was none.
    NothingToWithdraw,
}

impl Conclusion for Answer {}

impl Operation for GiveConsent {
    const ABOUT: About = About::task(
        "consent",
        "Consent to the plan of a critical task, for one run and what follows it within 24 hours",
        Effect::Critical,
    )
    .for_people()
    .hints(&[
        "It is for exactly the plan that is shown, with what follows it as its notes say. When the plan changes, the consent does not \
         cover it.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let statebox = call.statebox()?;
        let state = call.load(&statebox).await?;
        if self.withdraw {
            self.take_back(call, &statebox, state).await
        } else {
            self.give(call, &statebox, state).await
        }
    }
}

impl GiveConsent {
    async fn give(self, call: &Call, statebox: &StateBox, state: State) -> Result<Answer, TaskError> {
        let command = self.task.command();
        let release = call.release()?;
        let (task, plan) = match self.planned(call).await? {
            Planned::Asks(task, plan) => (task, plan),
            Planned::NothingToDo(why) => {
                let passed =
                    |task: &TaskName| state.task(*task).is_some_and(|view| view.status == TaskStatus::Pass);
                let task = TaskName::ALL.into_iter().find(|task| task.id() == command);
                let next = task.filter(|task| !passed(task)).map(|task| format!("oar -r {release} {task}"));
                let answer = self.answer(release, ConsentOutcome::NothingToDo);
                return Ok(Answer { detail: Some(why), next, ..answer });
            }
        };
        let question = Question { command, task, release, plan: &plan, allows: Allows::OneRun };
        let hash = hash(question)?;
        let valid = |state: &State| {
            let mut all = state.consents(task).into_iter();
            all.find(|consent| consent.plan == hash.as_ref() && consent.is_valid_at(call.clock().now()))
        };
        if let Some(known) = valid(&state) {
            let answer = self.answer(release, ConsentOutcome::GivenBefore);
            return Ok(Answer { plan: Some(plan), consents: vec![known], ..answer });
        }
        if self.dry_run {
            return Ok(Answer { plan: Some(plan), ..self.answer(release, ConsentOutcome::Given) });
        }
        let permit = call.permit()?;
        call.consent().ask(question).await?;
        let _hold = call.interrupt().hold();
        let (id, at) = (new_id(), call.clock().now());
        let by = call.user().to_owned();
        let later = StepHash::each(command, release, &plan.later).unwrap_or_default();
        let consent = NewConsent { id, command: command.to_owned(), plan: hash.to_string(), by, at };
        let message = format!("Consent to {command}");
        let updated = statebox
            .update(permit, &message, |state| Ok(state.record_consent_with(task, &consent, &later)))
            .await?;
        let changed = updated.change.is_changed();
        let consents = valid(&updated.state).into_iter().collect();
        let outcome = if changed { ConsentOutcome::Given } else { ConsentOutcome::GivenBefore };
        Ok(Answer { plan: Some(plan), consents, changed, ..self.answer(release, outcome) })
    }

    /// The plan that a run would ask for now. It is made as a run makes it, without a permit to write.
    async fn planned(&self, call: &Call) -> Result<Planned, TaskError> {
        let caught = Arc::new(Caught::default());
        let part = call.part_that_asks(Arc::<Caught>::clone(&caught))?;
        let Outcome { document, class, signal } =
            self.task.0.perform(json!({ "dry_run": true }), &part).await?;
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let (command, release) = (self.task.command(), call.release()?);
        if let Some(signal) = signal {
            let words = format!("interrupted by {}; nothing was recorded", signal.name());
            return Err(Refusal::new(ErrorClass::Unavailable, words).into());
        }
        if let Some(class) = class {
            let why = text("/reason/text").unwrap_or_else(|| "it failed".to_owned());
            let message = format!("{command} of {release} has no plan to consent to: {why}");
            let refusal = Refusal::new(class, message);
            return Err(match text("/hint") {
                Some(hint) => refusal.with_hint(hint),
                None => refusal,
            }
            .into());
        }
        let asked = caught.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(match asked {
            Some((task, plan)) => Planned::Asks(task, plan),
            None => Planned::NothingToDo(
                text("/reason/text").unwrap_or_else(|| "everything is up to date".to_owned()),
            ),
        })
    }

    async fn take_back(self, call: &Call, statebox: &StateBox, state: State) -> Result<Answer, TaskError> {
        let (command, release, now) = (self.task.command(), call.release()?, call.clock().now());
        let of_command = |state: &State| -> Vec<ConsentView> {
            let all = TaskName::ALL.into_iter().flat_map(|task| state.consents(task));
            all.filter(|consent| consent.command == command).collect()
        };
        let valid: Vec<_> =
            of_command(&state).into_iter().filter(|consent| consent.may_still_serve(now)).collect();
        if valid.is_empty() {
            return Ok(self.answer(release, ConsentOutcome::NothingToWithdraw));
        }
        let answer = self.answer(release, ConsentOutcome::Withdrawn);
        if self.dry_run {
            return Ok(Answer { consents: valid, ..answer });
        }
        let _hold = call.interrupt().hold();
        let message = format!("Withdraw the consent to {command}");
        let withdraw = |state: &mut State| {
            let change =
                |change: Change, task| change.or(state.withdraw_consents(task, command, call.user(), now));
            Ok(TaskName::ALL.into_iter().fold(Change::Unchanged, change))
        };
        let updated = statebox.update(call.permit()?, &message, withdraw).await?;
        if !updated.change.is_changed() {
            return Ok(self.answer(release, ConsentOutcome::NothingToWithdraw));
        }
        let is_ours = |consent: &ConsentView| valid.iter().any(|known| known.id == consent.id);
        let consents = of_command(&updated.state).into_iter().filter(is_ours).collect();
        Ok(Answer { consents, changed: true, ..answer })
    }

    fn answer(&self, release: &ReleaseVersion, outcome: ConsentOutcome) -> Answer {
        Answer {
            release: release.clone(),
            command: self.task.command().to_owned(),
            outcome,
            detail: None,
            next: None,
            plan: None,
            consents: Vec::new(),
            changed: false,
            dry_run: self.dry_run,
        }
    }
}

/// What a run would do before its first effect.
enum Planned {
    /// It would ask for consent to this plan of this task.
    Asks(TaskName, PlanSummary),
    /// It would ask nothing; why.
    NothingToDo(String),
}

/// Keeps the plan that consent is asked for.
#[derive(Debug, Default)]
struct Caught(Mutex<Option<(TaskName, PlanSummary)>>);

#[async_trait]
impl Consent for Caught {
    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        let asked = (question.task, question.plan.clone());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        Ok(())
    }
}

fn hash(question: Question<'_>) -> Result<PlanHash, Refusal> {
    PlanHash::of(question).ok_or_else(|| {
        let words = format!("the plan cannot be written down; {}", question.otherwise());
        Refusal::new(ErrorClass::Failed, words)
    })
}

/// Uses up the recorded consent to the plan of a run, for a caller that may not consent itself: no other run can use it
/// from then on.
///
/// # Errors
///
/// There is no valid consent to exactly this plan, nor one that a run has used and that covers its steps, too ([`NoConsent`](crate::statebox::StateError::NoConsent)), or the
/// StateBox cannot be read or changed. Then nothing may be done.
pub async fn use_consent(
    clients: &Clients,
    question: Question<'_>,
    run: &str,
    permit: &WritePermit,
) -> Result<ConsentView, TaskError> {
    let Question { command, task, release, allows, .. } = question;
    if allows != Allows::Changes {
        // A recorded consent is to a run, never to another consent or to changed data.
        return Err(Refusal::blocked(format!("{}; {}", question.why(), question.otherwise())).into());
    }
    let (plan, now) = (hash(question)?, clients.clock().now());
    let statebox = open_statebox(clients, release)?;
    let message = format!("Use the consent to {command}");
    let steps = StepHash::each(command, release, &question.plan.steps).unwrap_or_default();
    let mut covering = None;
    let updated = statebox
        .update(permit, &message, |state| {
            let used = state.use_consent(task, &plan, run, now);
            covering = match &used {
                Ok(_) => None,
                Err(_) => state.consent_to_later(task, command, &steps, now),
            };
            if covering.is_some() { Ok(Change::Unchanged) } else { used }
        })
        .await?;
    if let Some(covering) = covering {
        return Ok(covering);
    }
    let mut used = updated.state.consents(task).into_iter();
    used.find(|consent| consent.plan == plan.as_ref() && consent.run.as_deref() == Some(run)).ok_or_else(
        || {
            Refusal::blocked("the consent was used and is not in the StateBox any more; nothing was sent")
                .into()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_critical_task_of_a_release_is_named_as_people_write_it() {
        let commands = CriticalTask::commands();
        assert_eq!(
            commands,
            ["push-to-cdn-staging", "drop-bugs", "add-qe-approval", "change-advisory-status"]
        );
        for command in commands {
            for spelled in [command.to_owned(), command.to_uppercase(), command.replace('-', "_")] {
                assert_eq!(spelled.parse::<CriticalTask>().unwrap().command(), command);
            }
        }
    }

    #[test]
    fn what_needs_no_consent_is_refused_and_says_so() {
        let refused = |name: &str| name.parse::<CriticalTask>().unwrap_err().to_string();
        for name in ["stage-testing", "analyze-candidate-build", "status", "Take Ownership"] {
            let error = refused(name);
            assert!(error.contains("needs no consent; these tasks do: push-to-cdn-staging, "), "{error}");
        }
        for name in ["consent", "push", "", "a\u{1b}[2Jb"] {
            let error = refused(name);
            assert!(
                error.contains("is not a task that needs consent") && !error.contains('\u{1b}'),
                "{error}"
            );
        }
        let schema = serde_json::to_value(schemars::schema_for!(GiveConsent)).unwrap();
        assert_eq!(schema["$defs"]["CriticalTask"]["enum"][1], "drop-bugs");
    }
}

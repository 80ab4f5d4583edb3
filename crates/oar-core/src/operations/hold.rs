//! `hold`: nothing more begins for a release, or for every release, until it is withdrawn.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, new_id};
use super::row::{About, Conclusion, Effect, Operation};
use crate::clock::Moment;
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::statebox::{Change, DecisionKind, DecisionView, NewDecision, REASON_LIMIT, State, Subject};
use crate::tasks::freeze_file;
use crate::version::ReleaseVersion;

/// The operation, with its arguments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Hold {
    /// Why
    pub reason: Option<String>,
    /// The last day (UTC) of the hold, or the time at which it ends; without it, it lasts until it is withdrawn
    pub until: Option<Moment>,
    /// Hold every release, also those that are not announced yet
    pub all: bool,
    /// Withdraw every hold of the release that still counts; with `all`, every hold of all releases
    pub withdraw: bool,
    /// Show what would be done without doing it
    pub dry_run: bool,
}

/// The result: what became of the hold.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The release; null when every release is meant.
    pub release: Option<ReleaseVersion>,
    /// What was done, or would be done.
    pub outcome: HoldOutcome,
    /// The holds that were made or withdrawn, or counted already.
    pub holds: Vec<DecisionView>,
    /// What else keeps the release from going on after a hold was withdrawn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub still: Vec<String>,
    /// Whether the file was changed.
    pub changed: bool,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldOutcome {
    /// Nothing begins any more.
    Held,
    /// The same hold counted already.
    HeldBefore,
    /// What counted is withdrawn.
    Withdrawn,
    /// Nothing was held.
    NothingToWithdraw,
}

impl Conclusion for Answer {}

impl Operation for Hold {
    const ABOUT: About = About::task(
        "hold",
        "Hold a release or all releases: nothing new is started until the hold is withdrawn",
        Effect::Writes,
    )
    .for_people()
    .hints(&[
        "A job that runs is not stopped by it, and its result is still recorded.",
        "A run under way reads it before each of its changes, at most five seconds late.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let hold = self.checked(call)?;
        match (self.all, hold) {
            (false, Some(hold)) => self.hold(call, &hold).await,
            (false, None) => self.resume(call).await,
            (true, Some(hold)) => self.hold_all(call, &hold).await,
            (true, None) => self.resume_all(call).await,
        }
    }
}

/// A reason that a person gives, or why it cannot be stored.
pub(super) fn reason(given: Option<&str>, expected: &str) -> Result<String, Refusal> {
    let usage = |words: String| Refusal::new(ErrorClass::Usage, words);
    let reason = given.unwrap_or_default().trim();
    match reason.chars().count() {
        0 => Err(usage(format!("--reason is empty; expected {expected}"))),
        length if length > REASON_LIMIT => Err(usage(format!(
            "the reason has {length} characters; at most {REASON_LIMIT} are stored, so name the essentials and link the rest"
        ))),
        _ => Ok(reason.to_owned()),
    }
}

/// Refuses an end that is over.
pub(super) fn end(until: Option<Moment>, now: Timestamp) -> Result<(), Refusal> {
    match until.filter(|until| until.is_over(now)) {
        Some(until) => Err(Refusal::new(
            ErrorClass::Usage,
            format!("--until {until} is over; expected a day or a time to come"),
        )),
        None => Ok(()),
    }
}

impl Hold {
    /// The hold to be recorded; `None` when holds are withdrawn.
    fn checked(&self, call: &Call) -> Result<Option<NewDecision>, Refusal> {
        if self.all && call.release().is_ok() {
            let words = "every release and one release are named; give one of them";
            return Err(Refusal::new(ErrorClass::Usage, words));
        }
        if self.withdraw {
            if self.reason.is_some() || self.until.is_some() {
                let words = "--withdraw takes neither --reason nor --until";
                return Err(Refusal::new(ErrorClass::Usage, words));
            }
            return Ok(None);
        }
        let reason = reason(self.reason.as_deref(), "why it is held")?;
        let (id, by, at) = (new_id(), call.user().to_owned(), call.clock().now());
        end(self.until, at)?;
        Ok(Some(NewDecision { id, subject: Subject::Hold { until: self.until }, by, at, reason }))
    }

    async fn hold(&self, call: &Call, hold: &NewDecision) -> Result<Answer, TaskError> {
        let statebox = call.statebox()?;
        let state = call.load(&statebox).await?;
        let _hold = call.interrupt().hold();
        let (state, change) = if self.dry_run {
            let mut copy = state;
            let change = copy.decide(hold);
            (copy, change)
        } else {
            let updated =
                statebox.update(call.permit()?, "Hold the release", |state| Ok(state.decide(hold))).await?;
            (updated.state, updated.change)
        };
        Ok(self.held(Some(call.release()?), hold, state.holds(hold.at), change))
    }

    async fn hold_all(&self, call: &Call, hold: &NewDecision) -> Result<Answer, TaskError> {
        let file = freeze_file(call.clients())?;
        let _hold = call.interrupt().hold();
        let (freezes, change) = if self.dry_run {
            let mut freezes = file.read().await?;
            let change = freezes.add(hold);
            (freezes, change)
        } else {
            file.update(call.permit()?, "Hold every release", |freezes| freezes.add(hold)).await?
        };
        Ok(self.held(None, hold, freezes.open(hold.at), change))
    }

    fn held(
        &self,
        release: Option<&ReleaseVersion>,
        hold: &NewDecision,
        mut holds: Vec<DecisionView>,
        change: Change,
    ) -> Answer {
        let changed = change.is_changed();
        if changed {
            holds.retain(|known| known.id == hold.id);
        }
        let outcome = if changed { HoldOutcome::Held } else { HoldOutcome::HeldBefore };
        self.answer(release, outcome, holds, changed)
    }

    async fn resume(&self, call: &Call) -> Result<Answer, TaskError> {
        let statebox = call.statebox()?;
        let now = call.clock().now();
        let state = call.load(&statebox).await?;
        let _hold = call.interrupt().hold();
        let withdraw =
            |state: &mut State| state.withdraw_decisions(DecisionKind::Hold, None, call.user(), now);
        let before = state.holds(now);
        let (state, change) = if self.dry_run {
            let mut copy = state;
            let change = withdraw(&mut copy);
            (copy, change)
        } else {
            let message = "Withdraw the hold of the release";
            let updated = statebox.update(call.permit()?, message, |state| Ok(withdraw(state))).await?;
            (updated.state, updated.change)
        };
        let answer = self.resumed(Some(call.release()?), &before, &state.decisions(), change);
        if self.dry_run {
            return Ok(answer);
        }
        let still = call.holds()?.reasons().await.into_iter().map(|closed| closed.text).collect();
        Ok(Answer { still, ..answer })
    }

    async fn resume_all(&self, call: &Call) -> Result<Answer, TaskError> {
        let file = freeze_file(call.clients())?;
        let now = call.clock().now();
        let _hold = call.interrupt().hold();
        let freezes = file.read().await?;
        let before = freezes.open(now);
        let (freezes, change) = if self.dry_run {
            let mut copy = freezes;
            let change = copy.withdraw(call.user(), now);
            (copy, change)
        } else {
            let message = "Withdraw the hold of every release";
            file.update(call.permit()?, message, |freezes| freezes.withdraw(call.user(), now)).await?
        };
        Ok(self.resumed(None, &before, &freezes.all(), change))
    }

    fn resumed(
        &self,
        release: Option<&ReleaseVersion>,
        before: &[DecisionView],
        now: &[DecisionView],
        change: Change,
    ) -> Answer {
        let changed = change.is_changed();
        let outcome = if changed { HoldOutcome::Withdrawn } else { HoldOutcome::NothingToWithdraw };
        let is_ours = |known: &&DecisionView| before.iter().any(|before| before.id == known.id);
        let holds = if changed { now.iter().filter(is_ours).cloned().collect() } else { Vec::new() };
        self.answer(release, outcome, holds, changed)
    }

    fn answer(
        &self,
        release: Option<&ReleaseVersion>,
        outcome: HoldOutcome,
        holds: Vec<DecisionView>,
        changed: bool,
    ) -> Answer {
        let (release, dry_run) = (release.cloned(), self.dry_run);
        Answer { release, outcome, holds, still: Vec::new(), changed: changed && !dry_run, dry_run }
    }
}

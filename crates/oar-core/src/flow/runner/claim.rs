//! The claim of a task while a run is at it: made with the start, renewed while the run lives, given up at its end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::future::join;
use jiff::{SignedDuration, Timestamp};

use super::plan::Planned;
use super::report::Held;
use super::run::{End, Run};
use super::{Runner, update_message};
use crate::clock::Clock;
use crate::flow::holder;
use crate::flow::outcome::{Plan as _, TaskError};
use crate::flow::task::Task;
use crate::flow::wait::{Next, Wait, after};
use crate::permit::WritePermit;
use crate::statebox::{
    Change, ClaimView, Created, RunStart, State, StateBoxError, StateError, TaskClaim, TaskName,
};

/// For how long a claim holds without being renewed: as long as a run on another machine is waited for that has died.
const LEASE: Duration = Duration::from_mins(10);
/// How old a claim gets before it is renewed.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_mins(3);
/// How often is looked whether a run of somebody else has ended.
const PATIENT_LOOK: Duration = Duration::from_secs(3);
/// How often is looked whether it is due. Short, because a machine that slept has to find out soon.
const LOOK: Duration = Duration::from_secs(5);

/// The claim that a run holds, if it does.
#[derive(Default)]
pub(super) struct Claimed(Mutex<Option<(TaskClaim, Timestamp)>>);

impl Claimed {
    fn get(&self) -> Option<(TaskClaim, Timestamp)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, claim: TaskClaim, at: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((claim, at));
    }

    /// Since when; a run that asked for consent before it started counts from its claim on.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.get().map(|(claim, _)| claim.since)
    }

    pub(super) fn is_held(&self) -> bool {
        self.get().is_some()
    }

    /// Lets `work` continue only while the claim is valid: a run whose lease ran out (its machine slept, or
    /// the state could not be written) does nothing more before the claim is renewed.
    pub(super) async fn guard<F: Future>(&self, clock: &Clock, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let over = self.get().is_some_and(|(claim, _)| claim.lease_until <= clock.now());
            // Whoever renews the claim runs in the same task, and wakes it.
            if over { Poll::Pending } else { work.as_mut().poll(context) }
        })
        .await
    }
}

/// Whether a process has certainly ended.
fn has_ended(process: &str) -> bool {
    holder::has_ended(process) == Some(true)
}

/// Whoever else runs `task` at `now`, as `state` says.
pub fn other_run(state: &State, task: TaskName, now: Timestamp) -> Option<ClaimView> {
    state.claim(task).filter(|claim| claim.holds_at(now, has_ended))
}

impl Runner<'_> {
    /// Waits for the end of somebody else's run of `task`, and gives the state as it is then. Ends early with the user's
    /// request to stop, and when the state cannot be read.
    pub async fn until_free(&self, task: TaskName) -> Result<Option<State>, StateBoxError> {
        let wait = Wait::new(self.clock).unless_stopped(self.interrupt);
        loop {
            let state = self.statebox.find().await;
            let busy =
                matches!(&state, Ok(Some(state)) if other_run(state, task, self.clock.now()).is_some());
            if !busy {
                return state;
            }
            if wait.pause(PATIENT_LOOK).await != Next::Look {
                return state;
            }
        }
    }
}

impl<T: Task> Run<'_, T> {
    /// Claims the task and records the start of the run. What the plan left open is looked at beside that
    /// write, where nobody was shown it. The end of a run that needs no claim after all, because somebody was
    /// faster.
    pub(super) async fn claim(
        &self,
        planned: &mut Planned<T::Plan>,
        state: Option<&State>,
        permit: &WritePermit,
    ) -> Result<Option<End<T>>, TaskError> {
        let plan = &planned.plan;
        if !plan.acts() {
            // It claims before its first message.
        } else if self.task.creates_state() && state.is_none() {
            if let Created::Before(_) = self.create(permit).await? {
                tracing::info!("another process created {} in the meantime", self.statebox().location());
                return Ok(Some(End::NothingToDo));
            }
            self.task.complete(plan).await?(&mut planned.plan);
        } else if planned.completes_late {
            let (begun, completion) =
                join(self.begin(Some(plan), state, permit), self.task.complete(plan)).await;
            begun?;
            completion?(&mut planned.plan);
        } else {
            self.begin(Some(plan), state, permit).await?;
        }
        if planned.completes_late {
            let known = std::mem::replace(&mut planned.summary, planned.plan.summary());
            self.say(&planned.summary, &known);
        }
        Ok(None)
    }

    fn new_claim(&self, now: Timestamp) -> TaskClaim {
        TaskClaim {
            run: self.id.clone(),
            by: self.runner.user.to_owned(),
            process: holder::current(),
            since: now,
            lease_until: after(now, LEASE),
        }
    }

    /// Claims the task and records that the run began, in one write; with it what `plan` means to do, when the plan is
    /// given.
    ///
    /// Refused when somebody else is at the task, and when it is no longer as in `planned`: then the plan is outdated.
    pub(super) async fn begin(
        &self,
        plan: Option<&T::Plan>,
        planned: Option<&State>,
        permit: &WritePermit,
    ) -> Result<(), TaskError> {
        let (name, now) = (self.name(), self.now());
        let claim = self.new_claim(now);
        let start = RunStart { started: now, ..self.start() };
        let initial = self.task.initial_state()?;
        // From here on the run may be in the file, even if no answer arrives.
        self.progress().started = true;
        let begun = self
            .statebox()
            .update_or_create(permit, &update_message(name), initial, |state| {
                let acts = plan.is_some_and(|plan| !plan.summary().steps.is_empty());
                if acts && let Some(closed) = state.closed(now).into_iter().next() {
                    return Err(closed.into());
                }
                let is_ours = state.claim(name).is_some_and(|known| known.run == claim.run);
                if !is_ours {
                    if let Some(other) = other_run(state, name, now) {
                        return Err(other.held(name));
                    }
                    let same = match planned {
                        Some(planned) => state.has_same_task(planned, name),
                        None => state.task(name).is_none(),
                    };
                    if !same {
                        return Err(StateError::Moved { task: name });
                    }
                }
                let mut change = Change::Unchanged;
                if self.task.is_tracked() {
                    change = state.start_run(name, &start);
                }
                if let Some(plan) = plan {
                    change = change.or(self.task.intend(plan, state)?);
                }
                Ok(change.or(state.claim_task(name, &claim, has_ended)?))
            })
            .await;
        match begun {
            Ok(updated) => self.progress().created = updated.created,
            Err(error) => {
                self.progress().started = false;
                return Err(error.into());
            }
        }
        self.claimed.set(claim, now);
        Ok(())
    }

    /// Makes the StateBox file with this run, and its claim, in it.
    ///
    /// After a lost answer an existing file may be another process's: only one with this run's claim is this
    /// run's.
    async fn create(&self, permit: &WritePermit) -> Result<Created, TaskError> {
        let now = self.now();
        let claim = self.new_claim(now);
        let mut initial = self.task.initial_state()?;
        let started = initial.start_run(self.name(), &self.start());
        let _ = started.or(initial.claim_task(self.name(), &claim, has_ended)?);
        let message = format!("Initialize StateBox for release {}", self.statebox().release());
        let state = match self.statebox().create(permit, &message, initial).await? {
            Created::Now(state) => state,
            before @ Created::Before(_) => return Ok(before),
        };
        if state.claim(self.name()).is_none_or(|known| known.run != claim.run) {
            return Ok(Created::Before(state));
        }
        self.claimed.set(claim, now);
        self.progress().started = true;
        Ok(Created::Now(state))
    }

    /// Renews the claim as long as the run lives. Returns when it is lost, or cannot be renewed any more.
    pub(super) async fn keep_claim(&self) -> TaskError {
        let Some(permit) = self.mode.permit() else { return std::future::pending().await };
        loop {
            self.runner.clock.sleep(LOOK).await;
            let now = self.now();
            let Some((claim, renewed)) = self.claimed.get() else { continue };
            if now.duration_since(renewed) < RENEWED_AFTER {
                continue;
            }
            let until = claim.lease_until;
            let claim = TaskClaim { lease_until: after(now, LEASE), ..claim };
            let message = format!("Go on with {}", self.name());
            let update =
                self.statebox().update(permit, &message, |state| state.renew_claim(self.name(), &claim));
            match update.await {
                Ok(_) => self.claimed.set(claim, now),
                Err(StateBoxError::State(error)) => return error.into(),
                Err(error) if self.now() >= until => return error.into(),
                Err(error) => tracing::warn!("the claim of {} could not be renewed: {error}", self.name()),
            }
        }
    }

    /// Gives up the claim of a run that leaves no record, and leaves its mark.
    pub(super) async fn release(&self, permit: &WritePermit) {
        let (name, now) = (self.name(), self.now());
        let message = format!("End of {}", self.task.command());
        let released = self
            .statebox()
            .update(permit, &message, |state| Ok(state.release_task(name, &self.id, Some(now))))
            .await;
        if let Err(error) = released {
            tracing::warn!("the claim of {name} could not be released: {error}");
        }
    }
}

/// Who is at the task, when that is why the run ended.
pub(super) fn held(error: &TaskError) -> Option<Held> {
    match error.state_error()? {
        StateError::TaskHeld { who, until, .. } => Some(Held { by: who.clone(), until: until.clone() }),
        _ => None,
    }
}

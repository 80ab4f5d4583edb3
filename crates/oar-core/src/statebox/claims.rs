//! Claims of tasks: of two runs of one task at the same moment only one acts.
//!
//! A run that will act writes who it is into the task, in the write that records its start, and renews the lease while it
//! lives. Of two that claim at once exactly one wins, because every operation here is applied again to the newest state
//! after a conflict, and finds the other's claim there. A run that died is taken over when its lease has run out, and at
//! once where it can be seen that its process has ended.

use jiff::Timestamp;
use serde::Serialize;

use super::consents::CONSENTS;
use super::error::StateError;
use super::names::TaskName;
use super::state::State;
use super::yaml::{Mapping, Node};
use crate::clock::stamp;
use crate::store::Change;

const CLAIM: &str = "claim";

/// A claim of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskClaim {
    /// The run that claims, by an id that no other run has.
    pub run: String,
    /// Who runs it; an account's name rather than an address.
    pub by: String,
    /// Its process, as [`crate::flow::holder`] names it; `None` where that is not known.
    pub process: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when the claim holds unless it is renewed.
    pub lease_until: Timestamp,
}

/// A claim as the file holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ClaimView {
    /// The run that claimed.
    pub run: String,
    /// Who runs it.
    pub by: String,
    /// Its process.
    #[serde(skip)]
    pub process: Option<String>,
    /// Since when, as the file writes it.
    pub since: String,
    /// Until when the claim holds, as the file writes it.
    pub lease_until: String,
}

impl ClaimView {
    pub(super) fn from_mapping(mapping: &Mapping) -> Self {
        let owned = |key: &str| mapping.text(key).map(str::to_owned);
        Self {
            run: owned("run").unwrap_or_default(),
            by: owned("by").unwrap_or_else(|| "somebody else".to_owned()),
            process: owned("process"),
            since: owned("since").unwrap_or_else(|| "an unknown time".to_owned()),
            lease_until: owned("lease_until").unwrap_or_else(|| "an unknown time".to_owned()),
        }
    }

    /// Whether the claim holds at `now`. A lease that cannot be read has run out. `has_ended` says of a process whether
    /// it is certain that it has ended.
    pub fn holds_at(&self, now: Timestamp, has_ended: impl Fn(&str) -> bool) -> bool {
        self.lease_until.parse::<Timestamp>().is_ok_and(|until| until > now)
            && !self.process.as_deref().is_some_and(has_ended)
    }

    /// Why another run may not act.
    pub fn held(&self, task: TaskName) -> StateError {
        StateError::TaskHeld {
            task,
            who: self.by.clone(),
            since: self.since.clone(),
            until: self.lease_until.clone(),
        }
    }
}

impl State {
    /// The claim of `task` that the file holds, whether it still counts or not.
    pub fn claim(&self, task: TaskName) -> Option<ClaimView> {
        self.task(task).and_then(|view| view.claim)
    }

    /// Claims `task` for a run, or renews its claim. Refused while another run's claim holds.
    pub fn claim_task(
        &mut self,
        task: TaskName,
        claim: &TaskClaim,
        has_ended: impl Fn(&str) -> bool,
    ) -> Result<Change, StateError> {
        if let Some(other) = self.claim(task).filter(|other| other.run != claim.run)
            && other.holds_at(claim.since, has_ended)
        {
            return Err(other.held(task));
        }
        Ok(self.set_claim(task, claim))
    }

    /// Renews the claim of a run at `now`. A claim that is gone although nobody took it (another program wrote the task
    /// as it knew it) is made again; one that another run took over is lost.
    pub fn renew_claim(&mut self, task: TaskName, claim: &TaskClaim) -> Result<Change, StateError> {
        // An older claim of another run is what another program's copy of the task brought back.
        let newer = |other: &ClaimView| {
            other.run != claim.run && other.since.parse::<Timestamp>().is_ok_and(|since| since > claim.since)
        };
        match self.claim(task).filter(newer) {
            Some(other) => Err(StateError::ClaimLost { task, who: other.by }),
            None => Ok(self.set_claim(task, claim)),
        }
    }

    /// Gives up the claim of `run`; another run's claim stays. `mark` leaves behind that this run was here, for runs
    /// that the history does not hold: whoever planned meanwhile sees by it that the task has moved.
    pub fn release_task(&mut self, task: TaskName, run: &str, mark: Option<Timestamp>) -> Change {
        if self.claim(task).is_none_or(|claim| claim.run != run) {
            return Change::Unchanged;
        }
        self.change_task(task, |fields| match mark {
            None => {
                fields.remove(CLAIM);
            }
            Some(at) => {
                if let Some(record) = fields.get_mut(CLAIM).and_then(Node::as_mapping_mut) {
                    record.remove("process");
                    record.set("lease_until", Node::text(stamp(at)));
                }
            }
        })
    }

    /// Whether `task` is the same in `other` as here. Consents make no plan outdated.
    pub fn has_same_task(&self, other: &Self, task: TaskName) -> bool {
        let entry = |state: &Self| {
            let mut entry =
                state.entries("tasks").find(|entry| entry.text("name") == Some(task.id())).cloned()?;
            entry.remove(CONSENTS);
            Some(entry)
        };
        entry(self) == entry(other)
    }

    fn set_claim(&mut self, task: TaskName, claim: &TaskClaim) -> Change {
        let mut record =
            Mapping::from([("run", Node::text(&claim.run)), ("by", Node::text(self.mask(&claim.by)))]);
        if let Some(process) = &claim.process {
            record.set("process", Node::text(process));
        }
        record.set("since", Node::text(stamp(claim.since)));
        record.set("lease_until", Node::text(stamp(claim.lease_until)));
        self.change_task(task, |fields| fields.set(CLAIM, Node::mapping(record)))
    }
}

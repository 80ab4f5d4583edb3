//! Durable waits: what a task waits for, until when, when the next check is due, and which process makes it.
//!
//! A wait outlives the process that began it. Whoever carries it on *claims* it for a time, the lease; of two who
//! claim at once exactly one wins, because every operation here is applied again to the newest state after a
//! conflict, and finds the other's claim there. When the holder is killed its lease runs out and another takes over.
//!
//! Between two looks the holder only sleeps. A person who wants to act then need not wait for it: an *eager* claim
//! takes over as long as the next look is not due. The sleeper finds out when it claims its own look.

use jiff::Timestamp;

use super::error::StateError;
use super::names::TaskName;
use super::state::State;
use super::views::{Wait, WaitHolder};
use super::yaml::{Mapping, Node};
use crate::clock::stamp;
use crate::store::Change;

/// A wait that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWait {
    /// What must happen, in words that name it exactly: the same words are the same wait.
    pub condition: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; then people are asked.
    pub until: Timestamp,
    /// When to look next.
    pub next_check: Timestamp,
}

/// A claim of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitClaim {
    /// Who claims, by a name that no other process has; an account's name rather than an address.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// Until when the claim holds unless it is renewed.
    pub lease_until: Timestamp,
    /// Whether a holder that sleeps until a later look may be replaced.
    pub eager: bool,
}

/// What one look at a wait found, and when the next is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitCheck {
    /// Who looked: the holder.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// What was found, in words.
    pub result: String,
    /// When to look next.
    pub next_check: Timestamp,
    /// Until when the holder keeps the wait; `None` gives it back.
    pub lease_until: Option<Timestamp>,
}

impl Wait {
    /// The deadline, when there is one that can be read.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.until.as_deref()?.parse().ok()
    }

    /// When the next look is due; a time that is missing or cannot be read is due at once.
    pub fn due(&self) -> Timestamp {
        self.next_check.as_deref().and_then(|time| time.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The holder of the wait at `now`; `None` when the lease has expired.
    pub fn held_at(&self, now: Timestamp) -> Option<&WaitHolder> {
        self.holder.as_ref().filter(|holder| holder.lease().is_some_and(|until| until > now))
    }
}

impl WaitHolder {
    /// Until when the lease holds, when that can be read.
    pub fn lease(&self) -> Option<Timestamp> {
        self.lease_until.as_deref()?.parse().ok()
    }
}

impl State {
    /// The wait of `task`, when there is one.
    pub fn wait(&self, task: TaskName) -> Option<Wait> {
        self.task(task).and_then(|view| view.wait)
    }

    /// Records that `task` waits. A wait for the same condition continues; one for another condition is
    /// replaced.
    pub fn begin_wait(&mut self, task: TaskName, wait: &NewWait) -> Change {
        let condition = self.mask(&wait.condition);
        if self.wait(task).is_some_and(|known| known.condition == condition) {
            return Change::Unchanged;
        }
        let record = Mapping::from([
            ("for", Node::text(condition)),
            ("since", Node::text(stamp(wait.since))),
            ("until", Node::text(stamp(wait.until))),
            ("next_check", Node::text(stamp(wait.next_check))),
        ]);
        self.change_task(task, |fields| fields.set("wait", Node::mapping(record)))
    }

    /// Makes somebody the holder of the wait of `task`, or renews their lease. A claim makes the next look due, if it
    /// was not: from now on the holder acts.
    ///
    /// Refused when there is no wait, and while somebody else holds it (a sleeping holder gives way to an eager
    /// claim).
    pub fn claim_wait(&mut self, task: TaskName, claim: &WaitClaim) -> Result<Change, StateError> {
        let wait = self.wait(task).ok_or(StateError::NotWaiting { task })?;
        let who = self.mask(&claim.who);
        if let Some(holder) = wait.held_at(claim.at).filter(|holder| holder.who != who) {
            let sleeps = wait.due() > claim.at;
            if !(claim.eager && sleeps) {
                return Err(held(task, holder));
            }
        }
        let due = wait.due() <= claim.at;
        Ok(self.change_wait(task, |record| {
            if !due {
                record.set("next_check", Node::text(stamp(claim.at)));
            }
            set_holder(record, Some((&who, claim.lease_until)));
        }))
    }

    /// Records what the holder's look found. Refused when somebody else has taken the wait over.
    pub fn record_wait_check(&mut self, task: TaskName, check: &WaitCheck) -> Result<Change, StateError> {
        let who = self.own_wait(task, &check.who)?;
        let result = self.mask(&check.result);
        Ok(self.change_wait(task, |record| {
            record.set("next_check", Node::text(stamp(check.next_check)));
            record.set("last_check", Node::text(stamp(check.at)));
            record.set("last_result", Node::text(result));
            set_holder(record, check.lease_until.map(|until| (who.as_str(), until)));
        }))
    }

    /// Records that `task` waits no longer. Refused when somebody else than `who` holds the wait; without a wait
    /// nothing changes.
    pub fn end_wait(&mut self, task: TaskName, who: &str) -> Result<Change, StateError> {
        if self.wait(task).is_none() {
            return Ok(Change::Unchanged);
        }
        self.own_wait(task, who)?;
        Ok(self.change_task(task, |fields| {
            fields.remove("wait");
        }))
    }

    /// The name of `who` as the file writes it, unless somebody else is the holder, even one whose lease ran out: a
    /// holder that was replaced must not act again.
    fn own_wait(&self, task: TaskName, who: &str) -> Result<String, StateError> {
        let wait = self.wait(task).ok_or(StateError::NotWaiting { task })?;
        let who = self.mask(who);
        match wait.holder {
            Some(holder) if holder.who != who => Err(held(task, &holder)),
            _ => Ok(who),
        }
    }

    /// Changes the keys of a wait that we know; others stay.
    fn change_wait(&mut self, task: TaskName, change: impl FnOnce(&mut Mapping)) -> Change {
        self.change_task(task, |fields| {
            if let Some(record) = fields.get_mut("wait").and_then(Node::as_mapping_mut) {
                change(record);
            }
        })
    }
}

fn held(task: TaskName, holder: &WaitHolder) -> StateError {
    StateError::WaitHeld {
        task,
        who: holder.who.clone(),
        until: holder.lease_until.clone().unwrap_or_else(|| "an unknown time".to_owned()),
    }
}

fn set_holder(record: &mut Mapping, holder: Option<(&str, Timestamp)>) {
    let Some((who, lease_until)) = holder else {
        record.remove("holder");
        return;
    };
    if let Some(known) = record.get_mut("holder").and_then(Node::as_mapping_mut) {
        known.set("who", Node::text(who));
        known.set("lease_until", Node::text(stamp(lease_until)));
        return;
    }
    let holder = Mapping::from([("who", Node::text(who)), ("lease_until", Node::text(stamp(lease_until)))]);
    record.set("holder", Node::mapping(holder));
}

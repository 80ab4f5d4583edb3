//! Consents that a person recorded: each to one plan of a critical command, for one run within a day, and within that day for what
//! follows it as the plan says.
//!
//! Whoever runs the command for somebody who may not consent uses up the consent before the first effect. Of two runs that
//! want the same one exactly one gets it, because every operation here is applied again to the newest state after a
//! conflict, and finds the other's run there. What was used or withdrawn never becomes valid again: the marks are only
//! added, also when another program's save has removed them ([`super::ledger`]).

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::error::StateError;
use super::names::{RunOutcome, TaskName};
use super::state::State;
use super::yaml::{Mapping, Node};
use crate::clock::stamp;
use crate::store::Change;

/// How long a consent is valid.
pub const CONSENT_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How many consents a task keeps. When more come, the oldest that is no longer valid goes first.
pub const CONSENT_LIMIT: usize = 20;

/// For how long a used consent means that the run which used it has just acted, whatever the StateBox says of it.
const JUST_USED: SignedDuration = SignedDuration::from_mins(10);

/// The key of what a consent covers later.
const LATER: &str = "later";

pub(super) const CONSENTS: &str = "consents";

/// What a consent gets when it is used or withdrawn, and never loses.
pub(super) const MARKS: [&str; 3] = ["run", "used_at", "withdrawn"];

/// A consent that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConsent {
    /// An id that no other consent has.
    pub id: String,
    /// The command, which is not always named like its task.
    pub command: String,
    /// The hash of the plan.
    pub plan: String,
    /// Who consents; an account's name rather than an address.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A consent as the file holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ConsentView {
    /// Its id.
    pub id: String,
    /// The command.
    pub command: String,
    /// The hash of the plan.
    pub plan: String,
    /// The hashes of what a later run does when the plan has taken effect.
    #[serde(skip)]
    pub later: Vec<String>,
    /// Who consented.
    pub by: String,
    /// When, `YYYY-MM-DDTHH:MM:SSZ`.
    pub at: String,
    /// Until when it is valid, `YYYY-MM-DDTHH:MM:SSZ`.
    pub until: String,
    /// The run that used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When that run used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_at: Option<String>,
    /// Who withdrew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawal>,
}

/// The end of a consent by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Withdrawal {
    /// Who withdrew it.
    pub by: String,
    /// When, `YYYY-MM-DDTHH:MM:SSZ`.
    pub at: String,
}

impl Withdrawal {
    /// The mark `withdrawn` of a record.
    pub(super) fn of(record: &Mapping) -> Option<Self> {
        let node = record.get("withdrawn").filter(|node| !node.is_null())?;
        let text = |key: &str| node.as_mapping().and_then(|withdrawn| withdrawn.text(key));
        let unknown = || "unknown".to_owned();
        Some(Self {
            by: text("by").map_or_else(unknown, str::to_owned),
            at: text("at").map_or_else(unknown, str::to_owned),
        })
    }
}

impl fmt::Display for Withdrawal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "withdrawn by {} at {}", self.by, self.at)
    }
}

/// How a consent stands, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentStanding<'a> {
    /// A run may use it.
    Valid(&'a ConsentView),
    /// A run has used it.
    Used {
        /// The consent.
        consent: &'a ConsentView,
        /// Whether it still covers what follows.
        covers_later: bool,
    },
    /// A person has withdrawn it.
    Withdrawn(&'a ConsentView),
    /// Its time is over, or cannot be read.
    Expired(&'a ConsentView),
}

impl ConsentView {
    pub(super) fn from_mapping(mapping: &Mapping) -> Option<Self> {
        let owned = |key: &str| mapping.text(key).map(str::to_owned);
        Some(Self {
            id: owned("id")?,
            command: owned("command").unwrap_or_default(),
            plan: owned("plan")?,
            later: mapping
                .get(LATER)
                .and_then(Node::as_sequence)
                .unwrap_or_default()
                .iter()
                .filter_map(|hash| hash.as_text().map(str::to_owned))
                .collect(),
            by: owned("by").unwrap_or_else(|| "unknown".to_owned()),
            at: owned("at").unwrap_or_default(),
            until: owned("until").unwrap_or_default(),
            run: owned("run"),
            used_at: owned("used_at"),
            withdrawn: Withdrawal::of(mapping),
        })
    }

    /// How it stands at `now`. A time that cannot be read is over, and no file makes a consent last longer than
    /// [`CONSENT_LIFETIME`].
    pub fn standing(&self, now: Timestamp) -> ConsentStanding<'_> {
        if self.run.is_some() {
            let covers_later = !self.later.is_empty() && self.lasts(now);
            return ConsentStanding::Used { consent: self, covers_later };
        }
        if self.withdrawn.is_some() {
            return ConsentStanding::Withdrawn(self);
        }
        if self.lasts(now) { ConsentStanding::Valid(self) } else { ConsentStanding::Expired(self) }
    }

    /// Whether nobody has withdrawn it, and its time is not over at `now`.
    fn lasts(&self, now: Timestamp) -> bool {
        let latest = self.at.parse::<Timestamp>().ok().and_then(|at| at.checked_add(CONSENT_LIFETIME).ok());
        let until = self.until.parse::<Timestamp>().ok();
        self.withdrawn.is_none() && latest.zip(until).is_some_and(|(latest, until)| now < latest.min(until))
    }

    /// Whether it covers `steps` at `now` after a run has used it: it was given to their coming later, and its time is not over.
    fn covers_later(&self, steps: &[impl AsRef<str>], now: Timestamp) -> bool {
        matches!(self.standing(now), ConsentStanding::Used { covers_later: true, .. })
            && !steps.is_empty()
            && steps.iter().all(|step| self.later.iter().any(|hash| hash == step.as_ref()))
    }

    /// Whether anything may still be done with it at `now`: a run may use it, or one has, and it covers what follows.
    pub fn may_still_serve(&self, now: Timestamp) -> bool {
        matches!(
            self.standing(now),
            ConsentStanding::Valid(_) | ConsentStanding::Used { covers_later: true, .. }
        )
    }

    /// Whether a run may use it at `now`.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        matches!(self.standing(now), ConsentStanding::Valid(_))
    }
}

impl fmt::Display for ConsentStanding<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid(consent) => write!(formatter, "valid until {}", consent.until),
            Self::Used { consent, covers_later } => {
                let ConsentView { run, used_at, until, withdrawn, .. } = consent;
                write!(formatter, "used by run {}", run.as_deref().unwrap_or("unknown"))?;
                used_at.as_ref().map_or(Ok(()), |at| write!(formatter, " at {at}"))?;
                if *covers_later {
                    write!(formatter, ", and covers what follows until {until}")?;
                }
                withdrawn.as_ref().map_or(Ok(()), |withdrawn| write!(formatter, ", {withdrawn}"))
            }
            Self::Withdrawn(consent) => match &consent.withdrawn {
                Some(withdrawn) => withdrawn.fmt(formatter),
                None => formatter.write_str("withdrawn"),
            },
            Self::Expired(consent) => write!(formatter, "expired at {}", consent.until),
        }
    }
}

impl State {
    /// The consents of `task`, the oldest first.
    pub fn consents(&self, task: TaskName) -> Vec<ConsentView> {
        self.task(task).map(|view| view.consents).unwrap_or_default()
    }

    /// Records a consent. It replaces an earlier one to the same command that is still valid or covers what follows: that is
    /// withdrawn, so that never more than one run is allowed. Nothing changes when it is recorded already, and when there is a valid one
    /// to the same plan.
    pub fn record_consent(&mut self, task: TaskName, consent: &NewConsent) -> Change {
        self.record_consent_with(task, consent, &[] as &[&str])
    }

    /// The same with the hashes of what a later run does when the plan has taken effect, which the consent covers, too.
    pub fn record_consent_with(
        &mut self,
        task: TaskName,
        consent: &NewConsent,
        later: &[impl AsRef<str>],
    ) -> Change {
        let covers = |known: &ConsentView| {
            known.id == consent.id || known.plan == consent.plan && known.is_valid_at(consent.at)
        };
        if self.consents(task).iter().any(covers) {
            return Change::Unchanged;
        }
        let until = consent.at.checked_add(CONSENT_LIFETIME).unwrap_or(consent.at);
        let mut record = Mapping::from([
            ("id", Node::text(&consent.id)),
            ("command", Node::text(self.mask(&consent.command))),
            ("plan", Node::text(&consent.plan)),
            ("by", Node::text(self.mask(&consent.by))),
            ("at", Node::text(stamp(consent.at))),
            ("until", Node::text(stamp(until))),
        ]);
        if !later.is_empty() {
            let hashes = later.iter().map(|hash| Node::text(hash.as_ref())).collect();
            record.set(LATER, Node::sequence(hashes));
        }
        let replaced = self.withdraw_consents(task, &consent.command, &consent.by, consent.at);
        replaced.or(self.change_task(task, |fields| {
            if fields.get(CONSENTS).and_then(Node::as_sequence).is_none() {
                fields.set(CONSENTS, Node::sequence(Vec::new()));
            }
            let Some(consents) = fields.get_mut(CONSENTS).and_then(Node::as_sequence_mut) else { return };
            consents.push(Node::mapping(record));
            let is_over = |node: &Node| {
                let view = node.as_mapping().and_then(ConsentView::from_mapping);
                view.is_none_or(|view| !view.may_still_serve(consent.at))
            };
            while consents.len() > CONSENT_LIMIT {
                let oldest = consents.iter().position(is_over).unwrap_or(0);
                consents.remove(oldest);
            }
        }))
    }

    /// The consent that a run of `command` has used and that covers what comes later, `steps`. It is not used up by them: what
    /// became of one of them is another step. A run that was refused, failed or has no known end has not done what they follow.
    pub fn consent_to_later(
        &self,
        task: TaskName,
        command: &str,
        steps: &[impl AsRef<str>],
        now: Timestamp,
    ) -> Option<ConsentView> {
        let view = self.task(task)?;
        let has_taken_effect = |run: &str| {
            let mut history = view.history.iter();
            let known = history.find(|known| known.id == run).and_then(|run| run.outcome);
            matches!(known, Some(RunOutcome::Pass | RunOutcome::InProgress))
        };
        let covers = |consent: &&ConsentView| {
            consent.command == command
                && consent.covers_later(steps, now)
                && consent.run.as_deref().is_some_and(has_taken_effect)
        };
        view.consents.iter().rev().find(covers).cloned()
    }

    /// Uses up a valid consent to `plan` for `run`: no other run can use it from then on. The same run may say so again.
    ///
    /// # Errors
    ///
    /// There is no valid consent to this plan ([`StateError::NoConsent`] says why), or another run has used it
    /// and may still be at it ([`StateError::ConsentUsed`]).
    pub fn use_consent(
        &mut self,
        task: TaskName,
        plan: impl AsRef<str>,
        run: &str,
        now: Timestamp,
    ) -> Result<Change, StateError> {
        let plan = plan.as_ref();
        let all = self.consents(task);
        let to_plan: Vec<_> = all.iter().filter(|consent| consent.plan == plan).collect();
        if to_plan.iter().any(|consent| consent.run.as_deref() == Some(run)) {
            return Ok(Change::Unchanged);
        }
        let Some(valid) = to_plan.into_iter().find(|consent| consent.is_valid_at(now)) else {
            let why = why_none(&all, plan, now);
            let last = all.iter().rev().find(|consent| consent.plan == plan);
            let in_use = last.is_some_and(|consent| self.is_in_use(task, consent, now));
            return Err(if in_use {
                StateError::ConsentUsed { task, why }
            } else {
                StateError::NoConsent { task, why }
            });
        };
        Ok(self.mark_consent(task, &valid.id, |record| {
            record.set("run", Node::text(run));
            record.set("used_at", Node::text(stamp(now)));
        }))
    }

    /// Whether the run that used the consent may still be at it: it has claimed the task, or used the consent just now. What was
    /// used before is over, so people are asked again.
    fn is_in_use(&self, task: TaskName, consent: &ConsentView, now: Timestamp) -> bool {
        let Some(run) = &consent.run else { return false };
        let view = self.task(task);
        let claim = view.as_ref().and_then(|view| view.claim.as_ref());
        let holds = claim.is_some_and(|claim| claim.run == *run && claim.holds_at(now, |_| false));
        let used = consent.used_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
        holds || used.is_some_and(|used| now.duration_since(used) < JUST_USED)
    }

    /// Withdraws every consent to `command` of `task` that is valid or covers what follows; without one nothing changes.
    pub fn withdraw_consents(&mut self, task: TaskName, command: &str, by: &str, at: Timestamp) -> Change {
        let by = self.mask(by);
        let all = self.consents(task);
        let valid = all.iter().filter(|consent| consent.command == command && consent.may_still_serve(at));
        valid.fold(Change::Unchanged, |change, consent| {
            change.or(self.mark_consent(task, &consent.id, |record| {
                let withdrawal = Mapping::from([("by", Node::text(&by)), ("at", Node::text(stamp(at)))]);
                record.set("withdrawn", Node::mapping(withdrawal));
            }))
        })
    }

    fn mark_consent(&mut self, task: TaskName, id: &str, mark: impl FnOnce(&mut Mapping)) -> Change {
        self.change_task(task, |fields| {
            if let Some(record) = consents_mut(fields).find(|record| record.text("id") == Some(id)) {
                mark(record);
            }
        })
    }
}

/// The consents in a task's fields.
pub(super) fn consents_mut(fields: &mut Mapping) -> impl Iterator<Item = &mut Mapping> {
    fields
        .get_mut(CONSENTS)
        .and_then(Node::as_sequence_mut)
        .into_iter()
        .flatten()
        .filter_map(Node::as_mapping_mut)
}

/// Why none of `all` can be used for `plan`.
fn why_none(all: &[ConsentView], plan: &str, now: Timestamp) -> String {
    if let Some(last) = all.iter().rev().find(|consent| consent.plan == plan) {
        return format!("the consent to this plan by {} is no longer valid: {}", last.by, last.standing(now));
    }
    match all.iter().rev().find(|consent| consent.is_valid_at(now)) {
        Some(other) => {
            format!(
                "the consent by {} of {} is to another plan, and the plan has changed",
                other.by, other.at
            )
        }
        None => "nobody has consented to this plan".to_owned(),
    }
}

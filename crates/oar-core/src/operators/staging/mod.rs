//! The push of a release's advisories to the staging CDN: the decision table of spec 02 §2.8.
//!
//! What blocks an advisory is pushed first, and to its end; the advisory itself follows in a later look. Nothing is
//! judged by a status that was read before a push of this very run.

mod decide;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join, join_all};

pub use decide::{Held, StagingStatus};
pub use report::{AdvisoryRow, StagingDone};

use crate::clients::errata::{Advisory, AdvisoryId, AdvisoryState, ErrataClient, StagePush, Verdict};
use crate::error::{ErrorClass, ServiceError};
use crate::failures::Failures;
use crate::flow::consent::covers_later;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::permit::WritePermit;

/// The most advisories that are read in one run; a longer chain of blocking advisories is a mistake.
const MOST_ADVISORIES: usize = 100;

/// The staging push with this client.
#[derive(Clone, Copy)]
pub struct Staging<'a> {
    /// Errata Tool.
    pub errata: &'a ErrataClient,
}

/// An advisory and its pushes as they were read.
#[derive(Debug, Clone)]
pub(super) struct Known {
    state: AdvisoryState,
    text_only: bool,
    blocking: Vec<AdvisoryId>,
    push: StagePush,
}

impl Known {
    /// Whether nothing has to be pushed for it at all.
    fn needs_no_push(&self) -> bool {
        self.state == AdvisoryState::DroppedNoShip
            || (self.text_only && self.push.verdict() == Verdict::NeverPushed)
    }
}

/// One advisory that is pushed, and how it stands.
#[derive(Debug, Clone)]
pub struct StagedAdvisory {
    /// Its number.
    pub id: AdvisoryId,
    /// Its kind in the build data; `None` when it is there only because it blocks another one.
    pub impetus: Option<String>,
    /// Its state; absent when it could not be read.
    pub state: Option<AdvisoryState>,
    /// How the push to each staging target stands.
    pub push: StagePush,
    /// What follows from it.
    pub standing: StagingStatus,
}

impl StagedAdvisory {
    /// The advisory in words.
    pub fn subject(&self) -> String {
        match &self.impetus {
            Some(impetus) => format!("advisory {} ({impetus})", self.id),
            None => format!("advisory {} (blocks another one)", self.id),
        }
    }

    /// Whether it follows another one and has never been pushed. What became of an earlier push, such as a failure or builds that
    /// are no longer the advisory's, is looked at by a person before it is pushed again.
    fn follows_first(&self) -> bool {
        matches!(self.standing, StagingStatus::Waits(_)) && self.push.targets().next().is_none()
    }

    fn step(&self) -> Step {
        Step::new("push to staging", self.subject())
            .from(Some(self.push.to_string()))
            .to("all staging targets")
    }
}

/// How the staging push stands and what is to be pushed now.
#[derive(Debug, Clone)]
pub struct StagingPlan {
    /// The advisories: what blocks others first, then the release's own in the order of the build data.
    pub advisories: Vec<StagedAdvisory>,
    /// Why the last run did not pass, as the StateBox says.
    pub recorded: Option<String>,
    notes: Vec<String>,
}

impl Plan for StagingPlan {
    fn summary(&self) -> PlanSummary {
        let due = self.advisories.iter().filter(|advisory| advisory.standing == StagingStatus::Push);
        let rest = self.advisories.iter().filter(|advisory| advisory.standing != StagingStatus::Push);
        let mut notes: Vec<String> =
            rest.map(|advisory| format!("{}: {}", advisory.subject(), advisory.words())).collect();
        notes.extend(self.notes.iter().cloned());
        let later: Vec<Step> =
            self.advisories.iter().filter(|it| it.follows_first()).map(StagedAdvisory::step).collect();
        if !later.is_empty() {
            notes.push(covers_later());
        }
        PlanSummary { later, ..PlanSummary::new(due.map(StagedAdvisory::step).collect(), notes) }
    }

    fn acts(&self) -> bool {
        self.advisories.iter().any(|advisory| advisory.standing == StagingStatus::Push)
    }
}

impl Staging<'_> {
    /// Reads the advisories, their push jobs, and whatever blocks those that are to be pushed.
    ///
    /// An advisory that cannot be read does not end the look at the others, unless none can be read.
    pub async fn plan(&self, own: &[(String, AdvisoryId)]) -> Result<StagingPlan, TaskError> {
        let mut known: BTreeMap<AdvisoryId, Result<Known, ServiceError>> = BTreeMap::new();
        let mut wanted: BTreeSet<AdvisoryId> = own.iter().map(|(_, id)| *id).collect();
        while !wanted.is_empty() {
            if known.len() + wanted.len() > MOST_ADVISORIES {
                return Err(Refusal::new(
                    ErrorClass::Failed,
                    format!("more than {MOST_ADVISORIES} advisories block one another"),
                )
                .with_hint("Check the blocking advisories in Errata Tool.")
                .into());
            }
            let read = join_all(wanted.iter().map(|id| self.read(*id))).await;
            known.extend(std::mem::take(&mut wanted).into_iter().zip(read));
            if known.values().all(Result::is_err) {
                let error = known.into_values().find_map(Result::err);
                return Err(error.map_or_else(|| Refusal::blocked("no advisory").into(), TaskError::from));
            }
            for advisory in known.values().filter_map(|read| read.as_ref().ok()) {
                let needs = matches!(
                    advisory.push.verdict(),
                    Verdict::NeverPushed | Verdict::Failed | Verdict::Unproven
                );
                if needs && !advisory.needs_no_push() {
                    wanted.extend(advisory.blocking.iter().filter(|id| !known.contains_key(id)));
                }
            }
        }
        Ok(assemble(own, &known))
    }

    async fn read(&self, id: AdvisoryId) -> Result<Known, ServiceError> {
        let (advisory, jobs) = join(self.errata.erratum(id), self.errata.push_jobs(id)).await;
        let Advisory { state, state_since, text_only, blocking, .. } = advisory?;
        Ok(Known { state, text_only, blocking, push: StagePush::of(&jobs?, state_since) })
    }

    /// Starts the planned pushes, one after the other. One that fails does not stop the others.
    pub async fn apply(&self, plan: &StagingPlan, permit: &WritePermit, recorder: &Recorder) -> StagingPlan {
        let mut after = plan.clone();
        for advisory in
            after.advisories.iter_mut().filter(|advisory| advisory.standing == StagingStatus::Push)
        {
            let step = advisory.step();
            match self.push(advisory, permit).await {
                Ok(started) => {
                    if started {
                        recorder.did(step);
                    }
                    tracing::info!("{}: {}", advisory.subject(), advisory.words());
                }
                Err(error) => {
                    tracing::error!("{error}");
                    advisory.standing = StagingStatus::failed(&error);
                }
            }
        }
        after
    }

    /// Pushes one advisory; whether this run started it.
    async fn push(&self, advisory: &mut StagedAdvisory, permit: &WritePermit) -> Result<bool, ServiceError> {
        let pushed = self.errata.push_stage(advisory.id, &advisory.push, permit).await?;
        advisory.push = pushed.push;
        advisory.standing = match advisory.push.verdict() {
            Verdict::Complete => StagingStatus::Complete,
            Verdict::Running => StagingStatus::Running,
            Verdict::Unknown | Verdict::Unproven => StagingStatus::Unknown,
            Verdict::Failed => StagingStatus::Failed {
                class: ErrorClass::Failed,
                why: format!("the new push failed at once: {}", advisory.push),
                hint: None,
            },
            Verdict::NeverPushed => StagingStatus::Refused(
                "Errata Tool started no push: the advisory has no staging target".to_owned(),
            ),
        };
        Ok(!pushed.started.is_empty())
    }
}

/// Puts the advisories in order and says how each stands.
fn assemble(
    own: &[(String, AdvisoryId)],
    known: &BTreeMap<AdvisoryId, Result<Known, ServiceError>>,
) -> StagingPlan {
    let impetus = |id: AdvisoryId| own.iter().find(|(_, own)| *own == id).map(|(impetus, _)| impetus.clone());
    let mut notes = Vec::new();
    let blocking = known.keys().filter(|id| impetus(**id).is_none());
    let mut standings = decide::StagingStatuses::new(known);
    let mut advisories = Vec::new();
    for id in blocking.chain(own.iter().map(|(_, id)| id)) {
        let read = known.get(id).and_then(|read| read.as_ref().ok());
        let advisory = StagedAdvisory {
            id: *id,
            impetus: impetus(*id),
            state: read.map(|read| read.state.clone()),
            push: read.map(|read| read.push.clone()).unwrap_or_default(),
            standing: standings.of(*id),
        };
        match read {
            Some(read) if read.state == AdvisoryState::DroppedNoShip => {
                notes.push(format!("{} is dropped and not changed", advisory.subject()));
            }
            Some(read) if read.needs_no_push() => {
                notes.push(format!("{} is text only: there is nothing to push", advisory.subject()));
            }
            _ => advisories.push(advisory),
        }
    }
    StagingPlan { advisories, recorded: None, notes }
}

impl StagingPlan {
    /// The advisories of the release itself.
    fn own(&self) -> impl Iterator<Item = &StagedAdvisory> {
        self.advisories.iter().filter(|advisory| advisory.impetus.is_some())
    }

    /// The outcome when the advisories stand as the StateBox says already.
    pub fn standing(&self) -> Option<TaskOutcome<StagingDone>> {
        let outcome = self.outcome();
        let reason = outcome.reason.as_ref().map(|reason| &reason.text);
        (!self.acts() && reason.is_some() && reason == self.recorded.as_ref()).then_some(outcome)
    }

    /// What the task comes to when the advisories stand like this.
    pub fn outcome(&self) -> TaskOutcome<StagingDone> {
        let total = self.own().count();
        let complete = self.own().filter(|advisory| advisory.standing == StagingStatus::Complete).count();
        let done = StagingDone {
            complete,
            total,
            advisories: self.advisories.iter().map(StagedAdvisory::row).collect(),
            notes: self.notes.clone(),
        };
        let mut failures = Failures::default();
        for advisory in &self.advisories {
            if let Some(class) = advisory.standing.class() {
                failures.add_words(advisory.words(), class, advisory.standing.hint().map(str::to_owned));
            }
        }
        let open = self.advisories.iter().filter(|advisory| advisory.standing != StagingStatus::Complete);
        let mut words = vec![format!("{complete} of {total} advisories are on staging")];
        words.extend(open.map(|it| format!("{}: {}", it.subject(), it.words())));
        match failures.class() {
            Some(class) => {
                let outcome = TaskOutcome::fail(done, class, words);
                TaskOutcome { hint: failures.hint(), ..outcome }
            }
            None if complete == total => TaskOutcome::pass(done).found(match total {
                1 => "the advisory is on staging".to_owned(),
                total => format!("all {total} advisories are on staging"),
            }),
            None => TaskOutcome::in_progress(done, words),
        }
    }

    /// Whether nothing is left for the task to look at: every advisory was dropped or has nothing to push.
    pub fn is_empty(&self) -> bool {
        self.own().next().is_none()
    }
}

#[cfg(test)]
mod tests;

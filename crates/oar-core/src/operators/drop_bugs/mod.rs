//! Dropping bugs from a release: from its advisories one issue at a time, and from its shipment through a merge
//! request of our own (spec 02 §2.11, §5.4, spec 03 §5).
//!
//! Dropped is what QE has not finished and what tracks no CVE. A bug of high severity leaves a release only when it
//! is named; one that cannot be read stays.

mod advisories;
mod selection;
mod shipment;

use std::collections::BTreeSet;

use futures::future::{join, join_all};

pub use advisories::{AdvisoryDrop, Approval};
pub use selection::{Decision, JudgedBug};
pub use shipment::{ShipmentDrop, ShipmentEnd, ShipmentTarget};

use crate::clients::errata::{AdvisoryId, ErrataClient};
use crate::clients::gitlab::GitlabClient;
use crate::clients::jira::{Bug, IssueKey, JiraClient};
use crate::clock::Clock;
use crate::config::Impetus;
use crate::error::ErrorClass;
use crate::failures::Failures;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, Step, TaskError};
use crate::flow::recorder::Recorder;
use crate::operators::failures::could_not_look;
use crate::operators::shipment::Shipment;
use crate::permit::WritePermit;
use crate::statebox::DropIntent;
use crate::version::ReleaseVersion;

/// What bugs are dropped from.
#[derive(Debug, Clone)]
pub struct Target {
    /// The release.
    pub release: ReleaseVersion,
    /// Advisories by kind.
    pub advisories: Vec<(String, AdvisoryId)>,
    /// The shipment of a Konflux release, and where its changes are committed.
    pub shipment: Option<ShipmentTarget>,
    /// Bugs of high severity that are dropped because somebody named them.
    pub include: BTreeSet<IssueKey>,
    /// What runs that did not come to their end meant to do.
    pub earlier: DropIntent,
}

/// What is dropped, and what stays.
#[derive(Debug)]
pub struct DropPlan {
    /// Every bug of the release once, with what becomes of it, by key.
    pub bugs: Vec<JudgedBug>,
    /// Every key by which the release names a bug that is dropped: a bug that was moved may have two.
    pub names: BTreeSet<IssueKey>,
    /// The advisories that change.
    pub advisories: Vec<AdvisoryDrop>,
    /// The change of the shipment.
    pub shipment: Option<ShipmentDrop>,
    /// Bugs that an earlier run dropped without coming to its end.
    pub gone: BTreeSet<IssueKey>,
    notes: Vec<String>,
    /// Advisories that cannot be read.
    pub unreadable: Vec<TaskError>,
}

impl DropPlan {
    /// The bugs that should leave an advisory and cannot, as the refusal that they are.
    fn locked(&self) -> Option<TaskError> {
        let obstacles: Vec<String> =
            self.advisories.iter().filter_map(AdvisoryDrop::blocking_reason).collect();
        (!obstacles.is_empty()).then(|| {
            Refusal::blocked(obstacles)
                .with_hint(
                    "Have the advisory moved back to QE and run drop-bugs again, or leave these bugs in the release.",
                )
                .into()
        })
    }

    /// The bugs that are dropped, each by one key.
    pub fn dropped(&self) -> BTreeSet<IssueKey> {
        self.bugs.iter().filter(|bug| bug.decision == Decision::Drop).map(|bug| bug.key.clone()).collect()
    }

    /// What this run means to do, for the next one to know if this one is stopped.
    pub fn intent(&self) -> DropIntent {
        let mut intent = DropIntent { bugs: self.names.clone(), ..DropIntent::default() };
        intent.bugs.extend(self.gone.iter().cloned());
        for advisory in &self.advisories {
            if advisory.docs.had {
                intent.docs.insert(advisory.id);
            }
            if advisory.security.had {
                intent.security.insert(advisory.id);
            }
        }
        intent
    }
}

impl Plan for DropPlan {
    fn summary(&self) -> PlanSummary {
        let mut steps: Vec<Step> = self.advisories.iter().flat_map(AdvisoryDrop::steps).collect();
        steps.extend(self.shipment.iter().flat_map(ShipmentDrop::steps));
        let mut notes = self.notes.clone();
        notes.extend(self.advisories.iter().flat_map(AdvisoryDrop::notes));
        notes.extend(self.bugs.iter().filter_map(JudgedBug::note));
        notes.extend(self.unreadable.iter().map(|error| format!("left out: {}", error.inner())));
        if !steps.is_empty() {
            notes.push("the release leads and the documentation team are notified in Slack".to_owned());
        }
        PlanSummary::new(steps, notes)
    }
}

/// The result of the plan.
#[derive(Debug, Default)]
pub struct DropResult {
    /// What could not be done.
    pub failures: Failures,
    /// Advisories for which docs approval was requested again.
    pub docs: BTreeSet<AdvisoryId>,
    /// Advisories for which product security approval was requested again.
    pub security: BTreeSet<AdvisoryId>,
    /// How far the change of the shipment got.
    pub shipment: Option<ShipmentEnd>,
}

/// Records a change, and says it in the log.
fn did(recorder: &Recorder, step: Step) {
    tracing::info!("{step}");
    recorder.did(step);
}

/// Drops bugs with these clients.
#[derive(Clone, Copy)]
pub struct DropBugs<'a> {
    /// Errata Tool.
    pub errata: &'a ErrataClient,
    /// GitLab, for releases with a shipment merge request.
    pub gitlab: Option<&'a GitlabClient>,
    /// Jira.
    pub jira: &'a JiraClient,
    /// The time.
    pub clock: &'a Clock,
}

impl DropBugs<'_> {
    /// Reads how things stand and says what is dropped.
    pub async fn plan(&self, target: &Target) -> Result<DropPlan, TaskError> {
        let handled: Vec<&(String, AdvisoryId)> =
            target.advisories.iter().filter(|(impetus, _)| impetus != Impetus::MICROSHIFT).collect();
        let (advisories, shipment) = join(
            join_all(handled.iter().map(|(_, id)| self.errata.erratum(*id))),
            self.load_shipment(target),
        )
        .await;
        let shipment = shipment?;
        let (mut notes, mut unreadable) = (Vec::new(), Vec::new());
        let none_readable = !advisories.is_empty() && advisories.iter().all(Result::is_err);
        let mut readable = Vec::new();
        for ((impetus, id), advisory) in handled.into_iter().zip(advisories) {
            match advisory.map_err(TaskError::from) {
                Ok(advisory) if advisory.is_dropped() => {
                    notes.push(format!("advisory {id} ({impetus}) is dropped and not changed"));
                }
                Ok(advisory) => readable.push((impetus.clone(), advisory)),
                Err(error)
                    if !none_readable
                        && matches!(error.inner().class(), ErrorClass::Failed | ErrorClass::Conflict) =>
                {
                    unreadable.push(could_not_look(error));
                }
                Err(error) => return Err(could_not_look(error)),
            }
        }
        let mut keys: BTreeSet<IssueKey> =
            readable.iter().flat_map(|(_, advisory)| advisory.jira_issues.iter().cloned()).collect();
        if let Some(shipment) = &shipment {
            keys.extend(shipment.jira_keys().await?);
        }
        // What earlier runs meant to drop may be the same bug by another key.
        let asked = keys.union(&target.earlier.bugs).cloned().collect();
        let read = self.jira.issues(&asked, &Bug::FIELDS).await.map_err(could_not_look)?;
        let bugs = JudgedBug::each(&keys, &read, &target.include);
        selection::check_include(&target.include, &bugs)?;
        let names = selection::names_of_dropped(&keys, &bugs);
        let gone = selection::gone(&target.earlier.bugs, &bugs, &read);
        let change = match (&shipment, &target.shipment, self.gitlab) {
            (Some(shipment), Some(place), Some(gitlab)) => {
                shipment::plan(gitlab, shipment, place, &target.release, &names).await?
            }
            _ => None,
        };
        let advisories = readable
            .iter()
            .filter_map(|(impetus, advisory)| AdvisoryDrop::of(impetus, advisory, &names, &target.earlier))
            .collect();
        let plan = DropPlan { bugs, names, advisories, shipment: change, gone, notes, unreadable };
        match plan.locked() {
            // Nothing else is left to do, so nothing is started.
            Some(refusal) if plan.summary().steps.is_empty() => Err(refusal),
            _ => Ok(plan),
        }
    }

    async fn load_shipment(&self, target: &Target) -> Result<Option<Shipment>, TaskError> {
        let (Some(place), Some(gitlab)) = (&target.shipment, self.gitlab) else { return Ok(None) };
        if let Some(project) = &place.project
            && !project.eq_ignore_ascii_case(&place.reference.project)
        {
            return Err(Refusal::new(
                ErrorClass::Configuration,
                format!(
                    "the shipment merge request {} is not in {project}, the only project that may be changed",
                    place.reference
                ),
            )
            .with_hint("Check `shipment.project` of the configuration document.")
            .into());
        }
        let shipment = Shipment::load(gitlab, &place.reference).await?;
        shipment.require_ready()?;
        if let Some(label) = shipment.production_label() {
            return Err(Refusal::blocked(format!(
                "the release of {} to production was attempted: {} has the label {label}",
                target.release, place.reference
            ))
            .with_hint("A release cannot be reverted here: ask ART how to continue.")
            .into());
        }
        shipment.files().await?;
        Ok(Some(shipment))
    }

    /// Makes the planned changes; a failed item does not stop the others.
    pub async fn apply(&self, plan: &DropPlan, permit: &WritePermit, recorder: &Recorder) -> DropResult {
        let mut result = DropResult::default();
        let advisories = plan.advisories.iter();
        let advisories =
            join_all(advisories.map(|advisory| advisories::apply(self.errata, advisory, permit, recorder)));
        let shipment = async {
            match (&plan.shipment, self.gitlab) {
                (Some(change), Some(gitlab)) => {
                    Some(shipment::apply(gitlab, self.clock, change, permit, recorder).await)
                }
                _ => None,
            }
        };
        let (advisories, shipment) = join(advisories, shipment).await;
        for applied in advisories {
            for error in &applied.failed {
                result.failures.add_logged(error.inner());
            }
            result.docs.extend(applied.docs);
            result.security.extend(applied.security);
        }
        match shipment {
            Some(Ok(end)) => result.shipment = Some(end),
            Some(Err(error)) => result.failures.add_logged(error.inner()),
            None => {}
        }
        for error in plan.unreadable.iter().chain(plan.locked().as_ref()) {
            result.failures.add_logged(error.inner());
        }
        result
    }
}

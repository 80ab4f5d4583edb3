//! The approval of a release: gates first, then the merge request at the commit that was looked at, then the
//! advisories, then the QE subtasks (spec 02 §9, spec 03 §3.8).

mod kernel;
mod metadata;
mod preconditions;
mod work;

use std::collections::BTreeSet;

pub use kernel::StopRule;
pub use metadata::{MetadataUrl, Payload, PayloadLook, payload_look, payload_of};
pub use work::ApprovalResult;

use super::shipment::Shipment;
use crate::clients::access::AccessClient;
use crate::clients::brewroot::BrewrootClient;
use crate::clients::errata::{AdvisoryId, AdvisoryKind, AdvisoryState, ErrataClient};
use crate::clients::gitlab::{GitlabClient, MergeRequestRef};
use crate::clients::jira::{IssueKey, JiraClient, Transition};
use crate::clients::koji::KojiClient;
pub use crate::flow::gates::{Problem, refusal};
use crate::flow::outcome::{Check, Step};
use crate::version::ReleaseVersion;

/// The state that an approved advisory has.
pub const APPROVED: AdvisoryState = AdvisoryState::RelPrep;

/// The kinds of advisories that may carry operating system images.
const IMAGE: &str = "image";
const RHCOS: &str = "rhcos";

/// The services that an approval needs.
pub struct Approval<'a> {
    /// The advisories.
    pub errata: &'a ErrataClient,
    /// The merge request, when the release has one.
    pub gitlab: Option<&'a GitlabClient>,
    /// Bugs and subtasks.
    pub jira: &'a JiraClient,
    /// Tags of kernels.
    pub koji: &'a KojiClient,
    /// What operating system images are made of.
    pub brewroot: &'a BrewrootClient,
    /// The page that the payload names.
    pub access: &'a AccessClient,
}

/// What is to be approved.
#[derive(Debug, Clone)]
pub struct Target {
    /// The release.
    pub release: ReleaseVersion,
    /// Its advisories by kind, `MicroShift`'s left out.
    pub advisories: Vec<(String, AdvisoryId)>,
    /// The shipment merge request of a Konflux release.
    pub shipment: Option<MergeRequestRef>,
    /// ART's ticket of the release.
    pub ticket: Option<IssueKey>,
    /// Bugs for which somebody answers although they are not finished.
    pub accepted: BTreeSet<IssueKey>,
}

/// One advisory that ships with the release.
#[derive(Debug, Clone)]
pub struct ShippedAdvisory {
    /// Its kind in the build data.
    pub impetus: String,
    /// Its number.
    pub id: AdvisoryId,
    /// Its type.
    pub kind: AdvisoryKind,
    /// Its state when it was checked.
    pub state: AdvisoryState,
}

impl ShippedAdvisory {
    fn moves(&self) -> bool {
        self.state == AdvisoryState::Qe
    }

    fn step(&self) -> Step {
        Step::new("move", format!("advisory {} ({})", self.id, self.impetus))
            .from(Some(self.state.as_str()))
            .to(APPROVED.as_str())
    }
}

/// What becomes of the merge request.
#[derive(Debug)]
pub enum ShipmentPlan {
    /// The release has none.
    None,
    /// It must be approved at the commit that was checked.
    Approve(Box<Shipment>),
    /// We have approved it before.
    Approved(Box<Shipment>),
    /// It is merged: there is nothing left to approve.
    Merged,
}

/// A QE subtask that is still to be closed.
#[derive(Debug, Clone)]
pub struct OpenSubtask {
    /// Its key.
    pub key: IssueKey,
    /// Its title.
    pub summary: String,
    status: Option<String>,
    /// The transitions that it offered when it was read; `None` when they must be read again.
    offered: Option<Vec<Transition>>,
}

impl OpenSubtask {
    fn step(&self) -> Step {
        Step::new("close", format!("subtask {} ({})", self.key, self.summary))
            .from(self.status.as_deref())
            .to(work::CLOSED)
    }
}

/// What an approval does.
#[derive(Debug)]
pub struct ApprovalPlan {
    /// Every advisory that ships.
    pub advisories: Vec<ShippedAdvisory>,
    /// The merge request.
    pub shipment: ShipmentPlan,
    /// The subtasks that are still open.
    pub subtasks: Vec<OpenSubtask>,
    /// The gates that are open.
    pub checks: Vec<Check>,
    /// What the reader should know.
    pub notes: Vec<String>,
    reference: Option<MergeRequestRef>,
    /// The payload whose metadata URL must be up before anything moves; `None` when that does not matter (any more).
    payload: Option<Payload>,
    /// Whether it is up, once that was checked.
    metadata: Option<MetadataUrl>,
}

impl ApprovalPlan {
    /// Whether the metadata URL is up; `None` when that does not matter (any more), or was not looked at yet
    /// ([`Approval::look_at_metadata`]).
    pub fn metadata(&self) -> Option<&MetadataUrl> {
        self.metadata.as_ref()
    }

    /// Notes what a look at the metadata URL found.
    pub fn found(&mut self, metadata: Option<MetadataUrl>) {
        self.metadata = metadata;
    }

    /// Why the advisories cannot be moved yet.
    pub fn waits(&self) -> Option<&str> {
        match self.metadata() {
            Some(MetadataUrl::NotYet(why)) => Some(why),
            _ => None,
        }
    }

    /// The approval of the merge request, when it is due.
    pub fn approval_step(&self) -> Option<Step> {
        let (ShipmentPlan::Approve(shipment), Some(reference)) = (&self.shipment, &self.reference) else {
            return None;
        };
        let head = shipment.head().unwrap_or("an unknown commit");
        let head = head.get(..12).unwrap_or(head);
        Some(Step::new("approve", format!("shipment merge request {reference}")).to(format!("commit {head}")))
    }

    /// Whether something is to be done now, not only once the wait is over.
    pub fn acts_now(&self) -> bool {
        self.approval_step().is_some()
            || self.waits().is_none()
                && (self.advisories.iter().any(ShippedAdvisory::moves) || !self.subtasks.is_empty())
    }

    /// Every change, in the order in which they are made.
    pub fn steps(&self) -> Vec<Step> {
        let moves = self.advisories.iter().filter(|advisory| advisory.moves()).map(ShippedAdvisory::step);
        let subtasks = self.subtasks.iter().map(OpenSubtask::step);
        self.approval_step().into_iter().chain(moves).chain(subtasks).collect()
    }
}

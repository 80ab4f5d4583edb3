//! The approval of a release: gates first, then the merge request at the commit that was looked at, then the
//! advisories, then the QE subtasks (spec 02 §9, spec 03 §3.8).

mod gates;
mod kernel;
mod metadata;
mod work;

use std::collections::BTreeSet;

pub use metadata::{MetadataUrl, payload_of};
pub use work::ApprovalResult;

use super::shipment::Shipment;
use crate::clients::access::AccessClient;
use crate::clients::brewroot::BrewrootClient;
use crate::clients::errata::{AdvisoryId, AdvisoryKind, AdvisoryState, ErrataClient};
use crate::clients::gitlab::{GitlabClient, MergeRequestRef};
use crate::clients::jira::{IssueKey, JiraClient};
use crate::clients::koji::KojiClient;
use crate::clients::registry::RegistryClient;
use crate::error::ErrorClass;
use crate::flow::outcome::{Check, Refusal, Step, Verdict};
use crate::version::ReleaseVersion;

/// The state that an approved advisory has.
pub const APPROVED: AdvisoryState = AdvisoryState::RelPrep;

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
    /// The release's payload.
    pub registry: &'a RegistryClient,
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

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What, in one sentence.
    pub text: String,
    /// Who can clear it, and how.
    pub next: Option<String>,
    /// Whether it is a fact that blocks, or something that could not be found out.
    pub class: ErrorClass,
}

impl Problem {
    /// A fact that stands in the way.
    pub fn blocked(text: impl Into<String>) -> Self {
        Self { text: text.into(), next: None, class: ErrorClass::Blocked }
    }

    /// Something that could not be found out.
    pub fn unknown(text: impl Into<String>, class: ErrorClass) -> Self {
        Self { text: text.into(), next: None, class }
    }

    /// The same with the next step.
    #[must_use]
    pub fn then(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    fn check(&self) -> Check {
        let verdict = if self.class == ErrorClass::Blocked { Verdict::Blocked } else { Verdict::Unknown };
        Check { verdict, text: self.text.clone(), next: self.next.clone() }
    }
}

/// All that stands in the way in one refusal, with what is as it must be; `None` when nothing stands in the way.
///
/// A fact outweighs what could not be found out: running again alone will not do then.
pub fn refusal(open: &[Check], problems: &[Problem]) -> Option<Refusal> {
    let first = problems.first()?;
    let class = problems
        .iter()
        .map(|problem| problem.class)
        .find(|class| *class == ErrorClass::Blocked)
        .unwrap_or(first.class);
    let texts: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    let text = match texts.as_slice() {
        [one] => (*one).to_owned(),
        many => {
            let numbered: Vec<String> =
                many.iter().enumerate().map(|(index, text)| format!("({}) {text}", index + 1)).collect();
            format!("{} things stand in the way: {}", many.len(), numbered.join("; "))
        }
    };
    let hint = if class == ErrorClass::Blocked {
        "Clear what is marked, then run the same command again; nothing was changed."
    } else {
        "Run the same command again when the services answer; nothing was changed."
    };
    let (things, stand) = if problems.len() == 1 { ("thing", "stands") } else { ("things", "stand") };
    let headline = format!("{} {things} {stand} in the way", problems.len());
    let checks = open.iter().cloned().chain(problems.iter().map(Problem::check)).collect();
    Some(Refusal::new(class, text).with_hint(hint).with_checks(headline, checks))
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
    /// Its state when it was looked at.
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
    /// It is approved at the commit that was looked at.
    Approve(Box<Shipment>),
    /// We have approved it before.
    Approved,
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
    /// Whether the metadata URL is up; `None` when that does not matter (any more).
    pub metadata: Option<MetadataUrl>,
    /// The subtasks that are still open.
    pub subtasks: Vec<OpenSubtask>,
    /// The gates that are open.
    pub checks: Vec<Check>,
    /// What the reader should know.
    pub notes: Vec<String>,
    reference: Option<MergeRequestRef>,
}

impl ApprovalPlan {
    /// Why the advisories cannot be moved yet.
    pub fn waits(&self) -> Option<&str> {
        match &self.metadata {
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

//! What was read of the services: each fact with its address and its time, or why it is not known.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::case::Case;
use crate::clients::gitlab::MergeRequestState;
use crate::clients::release_controller::Phase;
use crate::error::ErrorClass;
use crate::flow::nodes::Node;
use crate::operators::shipment::ReleaseState;
use crate::statebox::Metadata;

/// A fact that can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactKey {
    /// ART's build data of the release.
    BuildData,
    /// The release in its stable stream.
    Promotion,
    /// The record of the candidate build's tests.
    CandidateTests,
    /// The record of the promoted build's tests.
    Tests,
    /// The stage release of the shipment.
    StageRelease,
    /// The Prow job of `image-consistency-check`.
    ConsistencyJob,
    /// The Jenkins build of `stage-testing`.
    StageJob,
    /// The pushes of the advisories to staging.
    Pushes,
    /// The security alerts of the RHCOS advisory.
    Alerts,
    /// The payload in the registry, and the address of its metadata.
    Payload,
    /// The approvals of the shipment merge request.
    Approvals,
    /// Whether the release has shipped.
    Shipped,
}

impl FactKey {
    /// Every fact.
    pub const ALL: [Self; 12] = [
        Self::BuildData,
        Self::Promotion,
        Self::CandidateTests,
        Self::Tests,
        Self::StageRelease,
        Self::ConsistencyJob,
        Self::StageJob,
        Self::Pushes,
        Self::Alerts,
        Self::Payload,
        Self::Approvals,
        Self::Shipped,
    ];

    /// The name in JSON.
    pub fn id(self) -> &'static str {
        match self {
            Self::BuildData => "build_data",
            Self::Promotion => "promotion",
            Self::CandidateTests => "candidate_tests",
            Self::Tests => "tests",
            Self::StageRelease => "stage_release",
            Self::ConsistencyJob => "consistency_job",
            Self::StageJob => "stage_job",
            Self::Pushes => "pushes",
            Self::Alerts => "alerts",
            Self::Payload => "payload",
            Self::Approvals => "approvals",
            Self::Shipped => "shipped",
        }
    }

    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::BuildData => "ART's build data",
            Self::Promotion => "the release in its stable stream",
            Self::CandidateTests => "the record of the candidate build's tests",
            Self::Tests => "the record of the promoted build's tests",
            Self::StageRelease => "the stage release of the shipment",
            Self::ConsistencyJob => "the Prow job",
            Self::StageJob => "the Jenkins build",
            Self::Pushes => "the pushes to staging",
            Self::Alerts => "the security alerts",
            Self::Payload => "the payload in the registry",
            Self::Approvals => "the approvals of the merge request",
            Self::Shipped => "whether the release has shipped",
        }
    }
}

impl Serialize for FactKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

crate::schema::text_schema!(FactKey, "FactKey", "A fact that can be looked up", one of FactKey::ALL.map(FactKey::id));

/// A fact that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<T> {
    /// What was read.
    pub value: T,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub address: String,
}

/// A fact that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Why.
    pub why: String,
    /// The next step, if there is one.
    pub hint: Option<String>,
    /// The class of the failure: missing configuration is a person's.
    pub class: ErrorClass,
    /// When it was tried.
    pub at: Timestamp,
}

/// A fact, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fact<T> {
    /// Nobody has looked.
    #[default]
    NotLooked,
    /// It could not be read.
    Unknown(Unknown),
    /// It was read.
    Known(Seen<T>),
}

impl<T> Fact<T> {
    /// What was read.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known(seen) => Some(&seen.value),
            Self::NotLooked | Self::Unknown(_) => None,
        }
    }
}

/// What the build data says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildData {
    /// It does not have the release yet; in words.
    Absent(String),
    /// It has.
    Present {
        /// What it says, without placeholders.
        metadata: Box<Metadata>,
        /// Whether an owner of the y-stream's releases is configured.
        has_owner: bool,
    },
}

/// The release in its stable stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Its phase; `None` when the controller does not show it, which may be an error of its look-up.
    pub phase: Option<Phase>,
    /// When its image was made.
    pub created: Option<Timestamp>,
    /// The digest of its image.
    pub digest: Option<String>,
}

/// The record of a build's tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tests {
    /// There is none.
    Absent,
    /// There is one.
    Record {
        /// Its revision.
        blob: String,
        /// Whether everything has ended.
        aggregated: bool,
        /// The recorded acceptance.
        accepted: Option<bool>,
        /// Whether the build was promoted by hand.
        by_hand: bool,
        /// When the first test was started.
        since: Option<Timestamp>,
        /// The case for the person who decides, when everything has ended and the build is not accepted.
        case: Option<Box<Case>>,
    },
}

impl Tests {
    /// Whether the build counts as accepted: only while everything has ended (spec 05 §8.4).
    pub fn are_good(&self) -> bool {
        matches!(self, Self::Record { aggregated: true, accepted, by_hand, .. } if *accepted == Some(true) || *by_hand)
    }

    /// The case for the person who decides.
    pub fn case(&self) -> Option<&Case> {
        match self {
            Self::Record { case, .. } => case.as_deref(),
            Self::Absent => None,
        }
    }

    /// The verdict in one word.
    pub fn verdict(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Record { aggregated: false, .. } => "not aggregated",
            Self::Record { accepted: Some(true), .. } => "accepted",
            Self::Record { by_hand: true, .. } => "promoted by hand",
            Self::Record { accepted: Some(false), .. } => "rejected",
            Self::Record { accepted: None, .. } => "without a verdict",
        }
    }
}

/// The stage release of the shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageView {
    /// The state of the merge request.
    pub merge_request: MergeRequestState,
    /// Whether ART still prepares it.
    pub draft: bool,
    /// How far the release to stage is.
    pub release: ReleaseState,
    /// The commit of the merge request.
    pub sha: Option<String>,
}

/// A job of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobView {
    /// It waits or runs; its state there.
    Running(String),
    /// It has succeeded.
    Succeeded,
    /// It ended because of the other system; its state there.
    Infrastructure(String),
    /// It has failed; its state there.
    Failed(String),
    /// The other system does not have it, or has none that would be the release's.
    Absent,
    /// None is recorded, and one with the release's parameters is there; which.
    Found(String),
    /// None is recorded, and several are there that may be the release's; which.
    Several(String),
}

/// The pushes of all advisories to staging.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushes {
    /// How many of the release's advisories are on staging.
    pub complete: usize,
    /// How many there are.
    pub total: usize,
    /// Those that can be pushed now.
    pub to_push: Vec<String>,
    /// Those that are being pushed, or follow another one.
    pub running: Vec<String>,
    /// Those that must not be pushed as they are; with the reason.
    pub refused: Vec<String>,
    /// Those whose push has a status that a person must look at; with the reason.
    pub odd: Vec<String>,
    /// Those that could not be read; with the reason.
    pub unread: Vec<String>,
}

/// The security alerts of the RHCOS advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alerts {
    /// It is no security advisory, so it has none; its number and kind.
    NotSecurity(String),
    /// They were read.
    Read {
        /// Whether they block; the top level decides (spec 05 §8.8, 14).
        blocking: bool,
        /// The alerts as the service words them.
        alerts: Vec<String>,
    },
}

/// The payload in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadView {
    /// It is of the release and names the address of its metadata.
    Good,
    /// It is not, or does not; in words. Waiting does not help.
    Bad(String),
}

/// The approvals of the shipment merge request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalsView {
    /// Whether it is open; a merged one needs none.
    pub open: bool,
    /// How many approvals were given.
    pub given: usize,
    /// How many are still needed; `None` when GitLab does not say.
    pub left: Option<u64>,
}

/// Whether the release has shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippedView {
    /// `None` when nobody knows.
    pub shipped: Option<bool>,
    /// What was seen, in words.
    pub details: IndexMap<String, String>,
}

/// All facts of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// [`FactKey::BuildData`].
    pub build_data: Fact<BuildData>,
    /// [`FactKey::Promotion`].
    pub promotion: Fact<Promotion>,
    /// [`FactKey::CandidateTests`].
    pub candidate_tests: Fact<Tests>,
    /// [`FactKey::Tests`].
    pub tests: Fact<Tests>,
    /// [`FactKey::StageRelease`].
    pub stage_release: Fact<StageView>,
    /// [`FactKey::ConsistencyJob`].
    pub consistency_job: Fact<JobView>,
    /// [`FactKey::StageJob`].
    pub stage_job: Fact<JobView>,
    /// [`FactKey::Pushes`].
    pub pushes: Fact<Pushes>,
    /// [`FactKey::Alerts`].
    pub alerts: Fact<Alerts>,
    /// [`FactKey::Payload`].
    pub payload: Fact<PayloadView>,
    /// [`FactKey::Approvals`].
    pub approvals: Fact<ApprovalsView>,
    /// [`FactKey::Shipped`].
    pub shipped: Fact<ShippedView>,
    /// Steps whose runs were refused in this pass, and why.
    pub refused: BTreeMap<Node, String>,
}

/// Applies `$body` to the fact of a key.
macro_rules! with_fact {
    ($facts:expr, $key:expr, $fact:ident => $body:expr) => {
        match $key {
            FactKey::BuildData => {
                let $fact = &$facts.build_data;
                $body
            }
            FactKey::Promotion => {
                let $fact = &$facts.promotion;
                $body
            }
            FactKey::CandidateTests => {
                let $fact = &$facts.candidate_tests;
                $body
            }
            FactKey::Tests => {
                let $fact = &$facts.tests;
                $body
            }
            FactKey::StageRelease => {
                let $fact = &$facts.stage_release;
                $body
            }
            FactKey::ConsistencyJob => {
                let $fact = &$facts.consistency_job;
                $body
            }
            FactKey::StageJob => {
                let $fact = &$facts.stage_job;
                $body
            }
            FactKey::Pushes => {
                let $fact = &$facts.pushes;
                $body
            }
            FactKey::Alerts => {
                let $fact = &$facts.alerts;
                $body
            }
            FactKey::Payload => {
                let $fact = &$facts.payload;
                $body
            }
            FactKey::Approvals => {
                let $fact = &$facts.approvals;
                $body
            }
            FactKey::Shipped => {
                let $fact = &$facts.shipped;
                $body
            }
        }
    };
}

/// A fact without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has looked.
    NotLooked,
    /// It could not be read.
    Unknown(Unknown),
    /// It was read, at this address and time.
    Known(String, Timestamp),
}

impl Facts {
    /// How far a fact is known.
    pub fn standing(&self, key: FactKey) -> Standing {
        with_fact!(self, key, fact => match fact {
            Fact::NotLooked => Standing::NotLooked,
            Fact::Unknown(unknown) => Standing::Unknown(unknown.clone()),
            Fact::Known(seen) => Standing::Known(seen.address.clone(), seen.at),
        })
    }

    /// The facts among `keys` that nobody has looked at.
    pub fn missing(&self, keys: impl IntoIterator<Item = FactKey>) -> BTreeSet<FactKey> {
        keys.into_iter().filter(|key| self.standing(*key) == Standing::NotLooked).collect()
    }

    /// Makes `key` a fact that could not be read.
    pub fn set_unknown(&mut self, key: FactKey, unknown: Unknown) {
        match key {
            FactKey::BuildData => self.build_data = Fact::Unknown(unknown),
            FactKey::Promotion => self.promotion = Fact::Unknown(unknown),
            FactKey::CandidateTests => self.candidate_tests = Fact::Unknown(unknown),
            FactKey::Tests => self.tests = Fact::Unknown(unknown),
            FactKey::StageRelease => self.stage_release = Fact::Unknown(unknown),
            FactKey::ConsistencyJob => self.consistency_job = Fact::Unknown(unknown),
            FactKey::StageJob => self.stage_job = Fact::Unknown(unknown),
            FactKey::Pushes => self.pushes = Fact::Unknown(unknown),
            FactKey::Alerts => self.alerts = Fact::Unknown(unknown),
            FactKey::Payload => self.payload = Fact::Unknown(unknown),
            FactKey::Approvals => self.approvals = Fact::Unknown(unknown),
            FactKey::Shipped => self.shipped = Fact::Unknown(unknown),
        }
    }
}

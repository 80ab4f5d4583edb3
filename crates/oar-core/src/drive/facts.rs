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

/// Declares the facts: the key of each, its name in JSON, which is that of its field, its type, and its words for people.
macro_rules! facts {
    ($($(#[doc = $doc:literal])+ $key:ident $field:ident: $view:ty, $words:literal;)+) => {
        /// A fact that can be looked up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FactKey {
            $($(#[doc = $doc])+ $key,)+
        }

        impl FactKey {
            /// Every fact.
            pub const ALL: [Self; [$(stringify!($field)),+].len()] = [$(Self::$key),+];

            /// The name in JSON.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$key => stringify!($field),)+
                }
            }

            /// The words for people.
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$key => $words,)+
                }
            }
        }

        /// All facts of a release.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Facts {
            $($(#[doc = $doc])+ pub $field: Fact<$view>,)+
            /// Steps whose runs were refused in this pass, and why.
            pub refused: BTreeMap<Node, String>,
        }

        impl Facts {
            /// How far a fact is known.
            pub fn standing(&self, key: FactKey) -> Standing {
                match key {
                    $(FactKey::$key => self.$field.standing(),)+
                }
            }

            /// Makes `key` a fact that could not be read.
            pub fn set_unknown(&mut self, key: FactKey, unknown: Unknown) {
                match key {
                    $(FactKey::$key => self.$field = Fact::Unknown(unknown),)+
                }
            }
        }
    };
}

facts! {
    /// ART's build data of the release.
    BuildData build_data: BuildData, "ART's build data";
    /// The release in its stable stream.
    Promotion promotion: Promotion, "the release in its stable stream";
    /// The record of the candidate build's tests.
    CandidateTests candidate_tests: Tests, "the record of the candidate build's tests";
    /// The record of the promoted build's tests.
    Tests tests: Tests, "the record of the promoted build's tests";
    /// The stage release of the shipment.
    StageRelease stage_release: StageView, "the stage release of the shipment";
    /// The Prow job of `image-consistency-check`.
    ConsistencyJob consistency_job: JobView, "the Prow job";
    /// The Jenkins build of `stage-testing`.
    StageJob stage_job: JobView, "the Jenkins build";
    /// The pushes of the advisories to staging.
    Pushes pushes: Pushes, "the pushes to staging";
    /// The bugs that `drop-bugs` would drop.
    Drops drops: DropsView, "the bugs that would be dropped";
    /// The security alerts of the RHCOS advisory.
    Alerts alerts: Alerts, "the security alerts";
    /// The payload in the registry, and the address of its metadata.
    Payload payload: PayloadView, "the payload in the registry";
    /// What `change-advisory-status` requires before it approves.
    ApprovalGates approval_gates: ApprovalGates, "what the approval requires";
    /// The approvals of the shipment merge request.
    Approvals approvals: ApprovalsView, "the approvals of the merge request";
    /// Whether the release has shipped.
    Shipped shipped: ShippedView, "whether the release has shipped";
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

    fn standing(&self) -> Standing {
        match self {
            Self::NotLooked => Standing::NotLooked,
            Self::Unknown(unknown) => Standing::Unknown(unknown.clone()),
            Self::Known(seen) => Standing::Known(seen.address.clone(), seen.at),
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
        /// Since when everything is waited for to end: when the newest run of a test was started, because what is tried again
        /// later has its time, too; of a build that was promoted by hand, when its record was changed last.
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
    /// Commits at which tasks judged it and that name the same images.
    pub same_images: BTreeSet<String>,
    /// Commits at which tasks judged it and of which it cannot be determined whether they name the same images, and why.
    pub uncompared: BTreeMap<String, String>,
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
    /// Whether a person has consented to their push together with that of what they follow.
    pub is_consented: bool,
    /// Those that are being pushed, or follow another one.
    pub running: Vec<String>,
    /// Those that must not be pushed as they are; with the reason.
    pub refused: Vec<String>,
    /// Those whose push has a status that a person must look at; with the reason.
    pub odd: Vec<String>,
    /// Those that could not be read; with the reason.
    pub unread: Vec<String>,
}

/// What `drop-bugs` would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropsView {
    /// Its steps, in words; none when no bug is to be dropped.
    Steps(Vec<String>),
    /// Nothing: its merge request waits for its pipeline.
    Waits,
    /// It would refuse, or cannot look at everything; why, in words. Waiting does not help.
    Refused(String),
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

/// What `change-advisory-status` requires before it approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalGates {
    /// Nothing stands in the way.
    Open,
    /// Something does; in words, with the next steps.
    Closed {
        /// All that stands in the way.
        why: String,
        /// What clears it, where that is known.
        next: Vec<String>,
        /// What each thing is about that stands in the way: what clears it, otherwise what it is. The same thing stays about the
        /// same when other bugs are in it.
        about: Vec<String>,
    },
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
    /// The facts among `keys` that nobody has looked at.
    pub fn missing(&self, keys: impl IntoIterator<Item = FactKey>) -> BTreeSet<FactKey> {
        keys.into_iter().filter(|key| self.standing(*key) == Standing::NotLooked).collect()
    }
}

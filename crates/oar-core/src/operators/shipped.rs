//! Whether a release is shipped: the truth table of spec 02 §8.7, without its false answers.
//!
//! The keys of the answer are `interop-exact`: programs that drive a release read them.

use futures::future::{join, join_all};
use indexmap::IndexMap;
use serde::{Serialize, Serializer};

use super::shipment::{Environment, ReleaseState, Shipment};
use crate::clients::errata::{AdvisoryId, AdvisoryState, ErrataClient};
use crate::clients::gitlab::{GitlabClient, MergeRequestRef, MergeRequestState};
use crate::config::{Flow, Impetus};
use crate::error::{Classified, ErrorClass};

/// The key under which trouble with the list of advisories itself stands (`interop-exact`).
const ADVISORIES_ERROR: &str = "advisories_error";
const MERGE_REQUEST_STATUS: &str = "shipment_mr_status";
const PROD_RELEASE: &str = "prod_release";
const MERGED: &str = "shipment_mr_merged";

/// What is checked.
#[derive(Clone, Copy)]
pub struct ShippedCheck<'a> {
    /// The release's flow.
    pub flow: Flow,
    /// All advisories of the build data by kind.
    pub advisories: &'a [(String, AdvisoryId)],
    /// The shipment merge request of a Konflux release and the client that reads it.
    pub shipment: Option<(&'a GitlabClient, &'a MergeRequestRef)>,
    /// Errata Tool.
    pub errata: &'a ErrataClient,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ShippedReport {
    /// Whether the release is shipped; `None` when nobody knows.
    pub shipped: Option<bool>,
    /// `konflux` or `errata`.
    pub flow_type: &'static str,
    /// Why nobody knows, by the class of the failure without which the release might count as shipped. Programs see
    /// whether it is so: `shipped` is null then.
    #[serde(serialize_with = "is_unknown")]
    #[schemars(with = "bool")]
    pub unknown: Option<ErrorClass>,
    /// What was seen, in words.
    pub details: IndexMap<String, String>,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_unknown<S: Serializer>(unknown: &Option<ErrorClass>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(unknown.is_some())
}

/// One condition of a shipped release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Met,
    NotMet,
    Unknown(ErrorClass),
}

impl Condition {
    /// The result of a failed check: unknown, whatever the service answered.
    fn unknown(error: &impl Classified) -> Self {
        Self::Unknown(error.class().of_unknown())
    }

    /// Both conditions: one that is not met decides, whatever is not known of the other.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotMet, _) | (_, Self::NotMet) => Self::NotMet,
            (Self::Unknown(class), _) | (_, Self::Unknown(class)) => Self::Unknown(class),
            (Self::Met, Self::Met) => Self::Met,
        }
    }
}

impl ShippedCheck<'_> {
    /// Looks: one request per advisory, and one to four at GitLab.
    pub async fn look(&self) -> ShippedReport {
        let mut details = IndexMap::new();
        let (advisories, shipment) = join(self.advisories(), self.shipment()).await;
        let (shipment, shipment_details) = shipment;
        details.extend(shipment_details);
        let (advisories, advisory_details) = advisories;
        details.extend(advisory_details);
        let both = shipment.and(advisories);
        ShippedReport {
            shipped: (!matches!(both, Condition::Unknown(_))).then_some(both == Condition::Met),
            flow_type: self.flow.as_str(),
            details,
            unknown: match both {
                Condition::Unknown(class) => Some(class),
                Condition::Met | Condition::NotMet => None,
            },
        }
    }

    /// Every advisory that ships with the release has left QE. A dropped one and microshift, which ships on its own,
    /// are listed as they are and do not count.
    async fn advisories(&self) -> (Condition, Vec<(String, String)>) {
        let read = join_all(self.advisories.iter().map(|(_, id)| self.errata.erratum(*id))).await;
        let (mut all, mut counted, mut details) = (Condition::Met, false, Vec::new());
        for ((impetus, _), read) in self.advisories.iter().zip(read) {
            let microshift = impetus == Impetus::MICROSHIFT;
            let (condition, words) = match read {
                Ok(advisory) => {
                    let shipped = matches!(
                        advisory.state,
                        AdvisoryState::RelPrep
                            | AdvisoryState::PushReady
                            | AdvisoryState::InPush
                            | AdvisoryState::ShippedLive
                    );
                    counted |= !microshift && !advisory.is_dropped();
                    let condition = if shipped || microshift || advisory.is_dropped() {
                        Condition::Met
                    } else if matches!(advisory.state, AdvisoryState::Unknown(_)) {
                        Condition::Unknown(ErrorClass::Unavailable)
                    } else {
                        Condition::NotMet
                    };
                    (condition, advisory.state.to_string())
                }
                Err(error) => {
                    let condition = if microshift { Condition::Met } else { Condition::unknown(&error) };
                    counted |= !microshift;
                    (condition, format!("error: {error}"))
                }
            };
            all = all.and(condition);
            details.push((format!("{impetus}_advisory"), words));
        }
        if !counted {
            let words = if self.advisories.is_empty() {
                "the build data names no advisories"
            } else {
                "no advisory is left that ships with the release"
            };
            details.push((ADVISORIES_ERROR.to_owned(), words.to_owned()));
            return (Condition::NotMet, details);
        }
        (all, details)
    }

    /// The shipment is released to production, or merged, which happens after that. A closed one never ships.
    async fn shipment(&self) -> (Condition, Vec<(String, String)>) {
        if self.flow == Flow::Errata {
            return (Condition::Met, Vec::new());
        }
        let Some((gitlab, reference)) = self.shipment else {
            let words = "error: the build data names no shipment merge request";
            return (Condition::NotMet, vec![(MERGE_REQUEST_STATUS.to_owned(), words.to_owned())]);
        };
        let shipment = match Shipment::load(gitlab, reference).await {
            Ok(shipment) => shipment,
            Err(error) => {
                let words = format!("error: {error}");
                return (Condition::unknown(&error), vec![(MERGE_REQUEST_STATUS.to_owned(), words)]);
            }
        };
        let state = shipment.state();
        match state {
            MergeRequestState::Opened | MergeRequestState::Locked => {}
            MergeRequestState::Merged | MergeRequestState::Closed => {
                let merged = state == MergeRequestState::Merged;
                let condition = if merged { Condition::Met } else { Condition::NotMet };
                return (condition, vec![(MERGE_REQUEST_STATUS.to_owned(), state.to_string())]);
            }
            MergeRequestState::Unknown => {
                let words = "error: GitLab names a state that this program does not know".to_owned();
                return (
                    Condition::Unknown(ErrorClass::Unavailable),
                    vec![(MERGE_REQUEST_STATUS.to_owned(), words)],
                );
            }
        }
        let (condition, words) = match shipment.release_state(Environment::Prod).await {
            Ok(ReleaseState::Succeeded) => (Condition::Met, "success".to_owned()),
            Ok(ReleaseState::NotReady(why)) => {
                tracing::info!("not released to production yet: {why}");
                (Condition::NotMet, "not yet".to_owned())
            }
            Ok(ReleaseState::Failed(why)) => (Condition::NotMet, format!("error: {why}")),
            Ok(ReleaseState::Unknown(why)) => {
                (Condition::Unknown(ErrorClass::Unavailable), format!("error: {why}"))
            }
            Err(error) => (Condition::unknown(&error), format!("error: {error}")),
        };
        (condition, vec![(PROD_RELEASE.to_owned(), words), (MERGED.to_owned(), "no".to_owned())])
    }
}

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
    /// The keys of the details that are not known. Programs do not see them.
    #[serde(skip)]
    pub not_known: Vec<String>,
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

/// What was seen of one part of the release.
struct Seen {
    key: String,
    condition: Condition,
    words: String,
}

impl Seen {
    fn new(key: impl Into<String>, condition: Condition, words: impl Into<String>) -> Self {
        Self { key: key.into(), condition, words: words.into() }
    }
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
        let (advisories, mut seen) = join(self.advisories(), self.shipment()).await;
        seen.extend(advisories);
        let all = seen.iter().fold(Condition::Met, |all, part| all.and(part.condition));
        let not_known = seen.iter().filter(|part| matches!(part.condition, Condition::Unknown(_)));
        ShippedReport {
            shipped: (!matches!(all, Condition::Unknown(_))).then_some(all == Condition::Met),
            flow_type: self.flow.as_str(),
            unknown: match all {
                Condition::Unknown(class) => Some(class),
                Condition::Met | Condition::NotMet => None,
            },
            not_known: not_known.map(|part| part.key.clone()).collect(),
            details: seen.into_iter().map(|part| (part.key, part.words)).collect(),
        }
    }

    /// Every advisory that ships with the release has left QE. A dropped one and microshift, which ships on its own,
    /// are listed as they are and do not count.
    async fn advisories(&self) -> Vec<Seen> {
        let read = join_all(self.advisories.iter().map(|(_, id)| self.errata.erratum(*id))).await;
        let (mut counted, mut seen) = (false, Vec::new());
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
            seen.push(Seen::new(format!("{impetus}_advisory"), condition, words));
        }
        if !counted {
            let words = if self.advisories.is_empty() {
                "the build data names no advisories"
            } else {
                "no advisory is left that ships with the release"
            };
            seen.push(Seen::new(ADVISORIES_ERROR, Condition::NotMet, words));
        }
        seen
    }

    /// The shipment is released to production, or merged, which happens after that. A closed one never ships.
    async fn shipment(&self) -> Vec<Seen> {
        if self.flow == Flow::Errata {
            return Vec::new();
        }
        let by_status = |condition, words: String| vec![Seen::new(MERGE_REQUEST_STATUS, condition, words)];
        let Some((gitlab, reference)) = self.shipment else {
            let words = "error: the build data names no shipment merge request".to_owned();
            return by_status(Condition::NotMet, words);
        };
        let shipment = match Shipment::load(gitlab, reference).await {
            Ok(shipment) => shipment,
            Err(error) => return by_status(Condition::unknown(&error), format!("error: {error}")),
        };
        let state = shipment.state();
        match state {
            MergeRequestState::Opened | MergeRequestState::Locked => {}
            MergeRequestState::Merged | MergeRequestState::Closed => {
                let merged = state == MergeRequestState::Merged;
                let condition = if merged { Condition::Met } else { Condition::NotMet };
                return by_status(condition, state.to_string());
            }
            MergeRequestState::Unknown => {
                let words = "error: GitLab names a state that this program does not know".to_owned();
                return by_status(Condition::Unknown(ErrorClass::Unavailable), words);
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
        vec![Seen::new(PROD_RELEASE, condition, words), Seen::new(MERGED, Condition::Met, "no")]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use wiremock::matchers::path_regex;
    use wiremock::{Mock, MockServer, Request, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{Token, base, http, ok};

    #[tokio::test]
    async fn what_is_not_known_is_said_and_what_does_not_count_is_not() {
        let server = MockServer::start().await;
        let answer = |request: &Request| {
            let id: u64 = request.url.path().rsplit('/').next().unwrap().parse().unwrap();
            let status = match id {
                1 => "SHIPPED_LIVE",
                2 => "HIDDEN",
                _ => return ResponseTemplate::new(500),
            };
            let lists = json!({"bugs": [], "jira_issues": []});
            ok(json!({
                "errata": {"rhba": {"id": id, "status": status}}, "content": {"content": {"cve": ""}},
                "bugs": lists, "jira_issues": lists,
            }))
        };
        Mock::given(path_regex("erratum")).respond_with(answer).mount(&server).await;
        let errata = ErrataClient::new(http(1), base(&server, "/errata"), Arc::new(Token));
        let advisories = [("rpm", 1), ("image", 2), ("extras", 3), (Impetus::MICROSHIFT, 4)]
            .map(|(kind, id)| (kind.to_owned(), AdvisoryId::new(id)));
        let check =
            ShippedCheck { flow: Flow::Errata, advisories: &advisories, shipment: None, errata: &errata };
        let report = check.look().await;
        assert_eq!((report.shipped, report.unknown), (None, Some(ErrorClass::Unavailable)));
        assert_eq!(report.not_known, ["image_advisory", "extras_advisory"], "{:?}", report.details);
        assert!(report.details["microshift_advisory"].starts_with("error: "), "{:?}", report.details);
        let shown = serde_json::to_value(&report).unwrap();
        let keys: Vec<&String> = shown.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["shipped", "flow_type", "unknown", "details"], "programs read these keys");
    }
}

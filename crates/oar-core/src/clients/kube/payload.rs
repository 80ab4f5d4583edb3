//! The QE label of a release payload's object (spec 04 §2.6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use ::kube::api::{GetParams, ListParams, Patch, PatchParams};
use ::kube::core::Request;
use serde::Deserialize;
use serde_json::json;

use super::transport::Purpose;
use super::{KubeClient, refusal};
use crate::clients::attempt_again;
use crate::clients::empty::null_is_default;
use crate::clients::write::may_have_acted;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::BuildName;
use crate::permit::WritePermit;
use crate::service::Service;
use crate::version::Arch;

/// The label from which the release controller reads QE's verdict (`interop-exact`).
pub const QE_LABEL: &str = "release.openshift.io/qe_state";
/// The label's value for an accepted build (`interop-exact`).
pub const ACCEPTED: &str = "Accepted";

/// How often setting a label is tried when others change the object at the same time.
const ATTEMPTS: usize = 4;

/// Payloads per page of a list, and the most pages that are read.
const PAGE: u32 = 500;
const PAGES: u32 = 20;

/// The result of setting a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadOutcome {
    /// The object has the label now, as reading it back showed.
    Labelled,
    /// It had the label before; nothing was written.
    AlreadyLabelled,
    /// It has another value, which somebody else set and which is kept.
    HasOther(String),
    /// There is no such object: the build was removed, or does not exist yet.
    Absent,
}

/// The object before it is labelled.
enum Standing {
    /// It is not to be labelled.
    Decided(PayloadOutcome),
    /// It has no label at this resource version.
    Unlabelled { version: String },
}

/// The members of the object that are read.
#[derive(Deserialize)]
struct Payload {
    metadata: Metadata,
}

/// A page of a list of them.
#[derive(Deserialize)]
struct PayloadList {
    #[serde(default, deserialize_with = "null_is_default")]
    metadata: ListMetadata,
    #[serde(default, deserialize_with = "null_is_default")]
    items: Vec<Payload>,
}

#[derive(Deserialize, Default)]
struct ListMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    resource_version: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, Option<String>>>,
}

impl Payload {
    fn label(&self) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(QE_LABEL)?.as_deref().filter(|value| !value.is_empty())
    }
}

/// The namespace of an architecture's payloads.
fn namespace(arch: Arch) -> String {
    format!("ocp{}", arch.stream_suffix())
}

impl KubeClient {
    /// The QE label of the payload `build`: `None` without an object, `Some(None)` without the label.
    pub async fn payload_label(
        &self,
        arch: Arch,
        build: &BuildName,
    ) -> Result<Option<Option<String>>, ServiceError> {
        let payload = self.payload(arch, build).await?;
        Ok(payload.map(|payload| payload.label().map(str::to_owned)))
    }

    /// The names of all payloads of an architecture that carry QE's label, whatever its value. One request for every 500.
    pub async fn labelled_payloads(&self, arch: Arch) -> Result<BTreeSet<String>, ServiceError> {
        let subject = format!("those with a label of QE in {}", namespace(arch));
        let purpose = Purpose { operation: "list release payloads", subject };
        let mut names = BTreeSet::new();
        let mut page = ListParams::default().labels(QE_LABEL).limit(PAGE);
        for _ in 0..PAGES {
            // What is listed is the metadata alone: a payload's status is long.
            let request = Request::new(path(arch)).list_metadata(&page);
            let reply = self.send(request, purpose.clone()).await?;
            if let Some(kind) = reply.failure_kind() {
                return Err(refusal(&reply, kind));
            }
            let list: PayloadList = reply.json()?;
            names.extend(list.items.into_iter().map(|payload| payload.metadata.name));
            match list.metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => page = page.continue_token(&next),
                None => return Ok(names),
            }
        }
        let detail = format!("there are more than {} of them", PAGES * PAGE);
        Err(purpose.error(Service::Kube, ServiceErrorKind::Malformed, detail))
    }

    /// Labels the payload `build` as accepted by QE, and reads it back.
    ///
    /// Another value is never overwritten: the write names the resource version that was read, and is tried
    /// again when somebody else changed the object. When no answer arrives the object is read again.
    pub async fn accept_payload(
        &self,
        arch: Arch,
        build: &BuildName,
        permit: &WritePermit,
    ) -> Result<PayloadOutcome, ServiceError> {
        // Whether the label that is found may be that of an attempt before: the object may have moved on since.
        let is_sent = AtomicBool::new(false);
        let write = || async {
            let version = match self.standing(arch, build).await? {
                Standing::Decided(outcome) => return Ok(outcome),
                Standing::Unlabelled { version } => version,
            };
            let patched = self.patch_payload(arch, build, &version, permit).await;
            if patched.as_ref().map_or_else(|error| may_have_acted(error.kind), |()| true) {
                is_sent.store(true, Ordering::Relaxed);
            }
            patched?;
            match self.standing(arch, build).await? {
                Standing::Decided(outcome) => Ok(outcome),
                Standing::Unlabelled { .. } => {
                    let detail = "the label was accepted, but is missing when the object is read back";
                    let purpose = purpose("label a release payload", arch, build);
                    Err(purpose.error(Service::Kube, ServiceErrorKind::Malformed, detail))
                }
            }
        };
        let look = || async {
            Ok::<_, ServiceError>(match self.standing(arch, build).await? {
                Standing::Decided(outcome) => Some(outcome),
                Standing::Unlabelled { .. } => None,
            })
        };
        let doubtful = [ServiceErrorKind::Unclear, ServiceErrorKind::Conflict];
        let written = attempt_again(ATTEMPTS, write, &doubtful, look).await.settled()?;
        Ok(match written.into_inner() {
            PayloadOutcome::AlreadyLabelled if is_sent.load(Ordering::Relaxed) => PayloadOutcome::Labelled,
            outcome => outcome,
        })
    }

    async fn standing(&self, arch: Arch, build: &BuildName) -> Result<Standing, ServiceError> {
        let Some(payload) = self.payload(arch, build).await? else {
            return Ok(Standing::Decided(PayloadOutcome::Absent));
        };
        Ok(match payload.label() {
            None => Standing::Unlabelled { version: payload.metadata.resource_version },
            Some(ACCEPTED) => Standing::Decided(PayloadOutcome::AlreadyLabelled),
            Some(other) => Standing::Decided(PayloadOutcome::HasOther(other.to_owned())),
        })
    }

    async fn payload(&self, arch: Arch, build: &BuildName) -> Result<Option<Payload>, ServiceError> {
        let name = build.to_string();
        let request = Request::new(path(arch)).get(&name, &GetParams::default());
        let reply = self.send(request, purpose("read a release payload", arch, build)).await?;
        match reply.failure_kind() {
            None => {
                let payload: Payload = reply.json()?;
                if payload.metadata.name != name {
                    let detail =
                        format!("answered with the object `{}`", payload.metadata.name.escape_debug());
                    return Err(reply.failure(ServiceErrorKind::Malformed, detail));
                }
                Ok(Some(payload))
            }
            // A server without this kind of object answers 404 as plain text, without the object's name.
            Some(ServiceErrorKind::NotFound) if super::words(&reply).contains(&name) => Ok(None),
            Some(kind) => Err(refusal(&reply, kind)),
        }
    }

    async fn patch_payload(
        &self,
        arch: Arch,
        build: &BuildName,
        version: &str,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let mut metadata = json!({"labels": {QE_LABEL: ACCEPTED}});
        if !version.is_empty() {
            metadata["resourceVersion"] = version.into();
        }
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let mut request = Request::new(path(arch)).patch(&build.to_string(), &PatchParams::default(), &patch);
        if let (Ok(request), Some(barrier)) = (&mut request, permit.barrier()) {
            request.extensions_mut().insert(barrier);
        }
        let reply = self.send(request, purpose("label a release payload", arch, build)).await?;
        match reply.failure_kind() {
            None => Ok(()),
            Some(kind) => Err(refusal(&reply, kind)),
        }
    }
}

fn path(arch: Arch) -> String {
    format!("/apis/release.openshift.io/v1alpha1/namespaces/{}/releasepayloads", namespace(arch))
}

fn purpose(operation: &'static str, arch: Arch, build: &BuildName) -> Purpose {
    Purpose { operation, subject: format!("{build} in {}", namespace(arch)) }
}

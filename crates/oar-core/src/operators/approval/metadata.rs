//! The metadata URL of exactly this release, read from its payload (spec 02 §9.2, §10 O15, O16).

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};

use super::preconditions::unread;
use super::{Approval, ApprovalPlan, Problem};
use crate::clients::access::Page;
use crate::clients::registry::RegistryClient;
use crate::ids::PullSpec;
use crate::version::ReleaseVersion;

/// The payloads of releases; the tag is the release with its architecture.
const PAYLOADS: &str = "quay.io/openshift-release-dev/ocp-release";

/// Whether the page that a release's payload names is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataUrl {
    /// It is; its address.
    Up(String),
    /// It was checked and does not exist; the reason.
    NotYet(String),
}

/// A payload that was read, that is of the release, and that names a metadata URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    url: String,
}

/// A look at a release's payload: many requests that wait for each other and for nothing else. It goes on while any of its
/// clones is polled, and all of them get its answer.
pub type PayloadLook = Shared<BoxFuture<'static, Result<Payload, Problem>>>;

/// The payload of a release for x86.
pub fn payload_of(release: &ReleaseVersion) -> String {
    format!("{PAYLOADS}:{release}-x86_64")
}

/// Looks at the payload of `release`.
///
/// A payload of another release, or one without an address, is a problem that waiting does not solve; and so is, for now,
/// whatever could not be looked at: a registry that does not answer, a payload that is not there or makes no sense.
pub fn payload_look(registry: RegistryClient, release: ReleaseVersion) -> PayloadLook {
    async move { payload(&registry, &release).await }.boxed().shared()
}

async fn payload(registry: &RegistryClient, release: &ReleaseVersion) -> Result<Payload, Problem> {
    let text = payload_of(release);
    let spec: PullSpec = text.parse().map_err(|error| Problem::blocked(format!("payload: {error}")))?;
    let metadata = registry.release_metadata(&spec).await;
    let metadata =
        metadata.map_err(|error| unread(format!("the payload {text} could not be read"), &error))?;
    if metadata.version != release.to_string() {
        return Err(Problem::blocked(format!(
            "the payload {text} ({}) says that it is {}, not {release}",
            metadata.digest, metadata.version
        ))
        .then("ask ART"));
    }
    let Some(url) = metadata.url else {
        let words = format!("the payload {text} names no metadata URL");
        return Err(Problem::blocked(words).then("ask ART"));
    };
    Ok(Payload { url })
}

impl Approval<'_> {
    /// Whether the metadata URL of a release is up. Only the portal's word that the page is not there is
    /// [`MetadataUrl::NotYet`].
    pub async fn metadata_url(&self, payload: &Payload) -> Result<MetadataUrl, Problem> {
        let url = &payload.url;
        match self.access.page(url).await {
            Ok(Page::Up) => Ok(MetadataUrl::Up(url.clone())),
            Ok(Page::Missing(why)) => Ok(MetadataUrl::NotYet(format!("{url} is not up ({why})"))),
            Err(error) => Err(unread("the metadata URL could not be checked", &error)),
        }
    }

    /// Whether the metadata URL is up, when `plan` depends on it ([`ApprovalPlan::found`]).
    pub async fn look_at_metadata(&self, plan: &ApprovalPlan) -> Result<Option<MetadataUrl>, Problem> {
        let Some(payload) = &plan.payload else { return Ok(None) };
        self.metadata_url(payload).await.map(Some)
    }
}

//! The metadata URL of exactly this release, read from its payload (spec 02 §9.2, §10 O15, O16).

use super::gates::unread;
use super::{Approval, Problem};
use crate::clients::access::Page;
use crate::ids::PullSpec;
use crate::version::ReleaseVersion;

/// The payloads of releases; the tag is the release with its architecture.
const PAYLOADS: &str = "quay.io/openshift-release-dev/ocp-release";

/// Whether the page that a release's payload names is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataUrl {
    /// It is; its address.
    Up(String),
    /// It was looked for and is not there; why.
    NotYet(String),
}

/// The payload of a release for x86.
pub fn payload_of(release: &ReleaseVersion) -> String {
    format!("{PAYLOADS}:{release}-x86_64")
}

impl Approval<'_> {
    /// Whether the metadata URL of `release` is up.
    ///
    /// Only the portal's word that the page is not there is [`MetadataUrl::NotYet`]. A payload of another release, or
    /// one without an address, is a problem that waiting does not solve; and so is, for now, whatever could not be
    /// looked at: a registry that does not answer, a payload that is not there or makes no sense.
    pub async fn metadata_url(&self, release: &ReleaseVersion) -> Result<MetadataUrl, Problem> {
        let text = payload_of(release);
        let spec: PullSpec = text.parse().map_err(|error| Problem::blocked(format!("payload: {error}")))?;
        let metadata = self.registry.release_metadata(&spec).await;
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
        match self.access.page(&url).await {
            Ok(Page::Up) => Ok(MetadataUrl::Up(url)),
            Ok(Page::Missing(why)) => Ok(MetadataUrl::NotYet(format!("{url} is not up ({why})"))),
            Err(error) => Err(unread("the metadata URL could not be looked at", &error)),
        }
    }
}

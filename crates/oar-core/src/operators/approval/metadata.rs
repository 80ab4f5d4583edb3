//! The metadata URL of exactly this release, read from its payload (spec 02 §9.2, §10 O15, O16).

use super::{Approval, Problem};
use crate::clients::access::Page;
use crate::clients::registry::PullSpec;
use crate::error::{Classified as _, ServiceError, ServiceErrorKind};
use crate::version::ReleaseVersion;

/// The payloads of releases; the tag is the release with its architecture.
const PAYLOADS: &str = "quay.io/openshift-release-dev/ocp-release";

/// Whether the page that a release's payload names is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataUrl {
    /// It is; its address.
    Up(String),
    /// It is not, or could not be looked at; why.
    NotYet(String),
}

/// The payload of a release for x86.
pub fn payload_of(release: &ReleaseVersion) -> String {
    format!("{PAYLOADS}:{release}-x86_64")
}

impl Approval<'_> {
    /// Whether the metadata URL of `release` is up.
    ///
    /// Whatever passes by itself (no payload yet, a service that does not answer) is [`MetadataUrl::NotYet`] with its
    /// reason; a payload of another release, or one without an address, is a problem that waiting does not solve.
    pub async fn metadata_url(&self, release: &ReleaseVersion) -> Result<MetadataUrl, Problem> {
        let text = payload_of(release);
        let spec: PullSpec = text.parse().map_err(|error| Problem::blocked(format!("payload: {error}")))?;
        let metadata = match self.registry.release_metadata(&spec).await {
            Ok(metadata) => metadata,
            Err(error) => return not_yet(&error),
        };
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
            Err(error) => not_yet(&error),
        }
    }
}

/// An answer that makes no sense will not make sense by waiting; everything else may pass.
fn not_yet(error: &ServiceError) -> Result<MetadataUrl, Problem> {
    match error.kind {
        ServiceErrorKind::Malformed if error.status.is_none() => {
            Err(Problem::unknown(format!("metadata URL: {error}"), error.class()))
        }
        _ => Ok(MetadataUrl::NotYet(error.to_string())),
    }
}

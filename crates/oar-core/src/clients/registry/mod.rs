//! OCI registries, as far as releases need them: manifests, blobs, labels, and what a payload says about itself.
//!
//! Release payloads are public; private images are read with the user's logins (`logins.rs`). Content that is read by
//! digest, or whose answer names a digest, is checked against it. Protocol: the OCI Distribution Specification 1.1.

mod access;
mod attached;
mod auth;
mod helper;
mod images;
pub(crate) mod logins;
mod model;
pub(crate) mod payload;
pub(crate) mod release;
mod reply;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use access::Accesses;
pub use attached::AttachedSignature;
use bytes::Bytes;
use http::HeaderValue;
use http::header::ACCEPT;
pub use images::Look;
use logins::Logins;
pub use model::{Descriptor, Image, PayloadImage, Platform, ReleaseMetadata, ReleasePayload};
use model::{Document, MANIFEST_TYPES};
use reply::{is_page, redirection, refusal, words};
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join, join_segments};
use crate::ids::{Digest, InvalidDigest, PullSpec, Reference};
use crate::service::Service;

/// The largest manifest that is accepted, in bytes (the specification asks registries to accept 4 MiB).
const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;
/// The most redirections of one request: registries store blobs on other hosts.
const REDIRECTIONS: usize = 5;
/// The time limit of a blob, as a multiple of other requests'.
const BLOB_TIMEOUT_FACTOR: u32 = 4;
/// The header with the digest of an answer's content.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// Reads images from any registry. Cheap to clone.
#[derive(Clone)]
pub struct RegistryClient {
    http: Http,
    replacement: Option<Url>,
    logins: Logins,
    accesses: Arc<Accesses>,
}

impl std::fmt::Debug for RegistryClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RegistryClient")
            .field("replacement", &self.replacement)
            .finish_non_exhaustive()
    }
}

impl RegistryClient {
    /// A client without logins; `replacement` replaces the registry's host in every pull spec.
    pub fn new(http: Http, replacement: Option<Url>) -> Self {
        Self { http, replacement, logins: Logins::default(), accesses: Arc::default() }
    }

    /// The same client, with the logins of these files, as podman and docker write them. The first one that has a login
    /// for a repository decides.
    #[must_use]
    pub fn with_logins(self, files: Vec<PathBuf>) -> Self {
        Self { logins: Logins::new(files), ..self }
    }

    /// The digest of what `spec` names, computed from the manifest's bytes (one request, three the first time).
    pub async fn digest(&self, spec: &PullSpec) -> Result<Digest, ServiceError> {
        Ok(self.manifest(spec, "read the digest of an image").await?.0)
    }

    /// The digest of the list that `spec` names, and its images by architecture in Go's spelling (`amd64`).
    pub async fn list(&self, spec: &PullSpec) -> Result<(Digest, Vec<(String, Digest)>), ServiceError> {
        let operation = "read a list of images";
        let malformed = |detail: String| {
            ServiceError::new(Service::Registry, operation, ServiceErrorKind::Malformed, detail)
                .about(spec.to_string())
        };
        let (digest, document) = self.manifest(spec, operation).await?;
        let manifests = document
            .manifests
            .ok_or_else(|| malformed("it is a single image, not a list of images".to_owned()))?;
        let mut images = Vec::with_capacity(manifests.len());
        for entry in manifests {
            // Attestations beside images have no real platform.
            let platform = entry.platform.filter(|platform| platform.architecture != "unknown");
            let Some(platform) = platform else { continue };
            let digest = entry.digest.parse().map_err(|error: InvalidDigest| malformed(error.to_string()))?;
            images.push((platform.architecture, digest));
        }
        if images.is_empty() {
            return Err(malformed("the list names no image".to_owned()));
        }
        Ok((digest, images))
    }

    /// The image that `spec` names; of a list the one for `architecture` in Go's spelling (`amd64`).
    pub async fn image(&self, spec: &PullSpec, architecture: &str) -> Result<Image, ServiceError> {
        let operation = "read an image's manifest";
        let (digest, document) = self.manifest(spec, operation).await?;
        let Some(manifests) = document.manifests else {
            return Ok(Image {
                manifest: digest.clone(),
                digest,
                config: document.config,
                layers: document.layers,
            });
        };
        let chosen = manifests.iter().find(|entry| entry.is_for(architecture));
        let malformed = |detail: String| {
            ServiceError::new(Service::Registry, operation, ServiceErrorKind::Malformed, detail)
                .about(spec.to_string())
        };
        let chosen = chosen.ok_or_else(|| malformed(format!("the list has no image for {architecture}")))?;
        let manifest = chosen.digest.parse().map_err(|error: InvalidDigest| malformed(error.to_string()))?;
        let (manifest, document) = self.manifest(&spec.at(manifest), operation).await?;
        if document.manifests.is_some() {
            return Err(malformed("the list names another list".to_owned()));
        }
        Ok(Image { digest, manifest, config: document.config, layers: document.layers })
    }

    /// A blob of the repository of `spec`, checked against its digest.
    ///
    /// A blob whose stated size exceeds `limit` bytes is not fetched.
    pub async fn blob(
        &self,
        spec: &PullSpec,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Bytes, ServiceError> {
        let operation = "read a blob";
        let subject = format!("{} of {spec}", descriptor.digest);
        let fail = |kind, detail: String| {
            ServiceError::new(Service::Registry, operation, kind, detail).about(subject.clone())
        };
        let digest: Digest = descriptor
            .digest
            .parse()
            .map_err(|error: InvalidDigest| fail(ServiceErrorKind::Malformed, error.to_string()))?;
        if descriptor.size > limit {
            let detail = format!("it has {} bytes, more than the {limit} that are read", descriptor.size);
            return Err(fail(ServiceErrorKind::Malformed, detail));
        }
        let url = self.url(spec, &["blobs", digest.as_str()])?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let call = Call::get(Service::Registry, operation, url)
            .about(subject.clone())
            .timeout(self.http.timeout() * BLOB_TIMEOUT_FACTOR)
            .body_limit(limit);
        let reply = self.send(spec, call).await?;
        let found = Digest::of(&reply.body);
        if found != digest {
            let detail = format!("the content has another digest: {found}");
            return Err(fail(ServiceErrorKind::Malformed, detail));
        }
        Ok(reply.body)
    }

    async fn manifest(
        &self,
        spec: &PullSpec,
        operation: &'static str,
    ) -> Result<(Digest, Document), ServiceError> {
        let url = self.url(spec, &["manifests", spec.reference().as_str()])?;
        let call = Call::get(Service::Registry, operation, url)
            .about(spec.to_string())
            .header(ACCEPT, HeaderValue::from_static(MANIFEST_TYPES))
            .body_limit(MANIFEST_LIMIT);
        let reply = self.send(spec, call).await?;
        let digest = Digest::of(&reply.body);
        let named = reply.headers.get(CONTENT_DIGEST).and_then(|value| value.to_str().ok());
        let wanted = match spec.reference() {
            Reference::Digest(digest) => Some(digest.as_str()),
            Reference::Tag(_) => named.filter(|named| named.starts_with("sha256:")),
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest.as_str()) {
            let detail = format!("the manifest has the digest {digest}, not {wanted}");
            return Err(reply.failure(ServiceErrorKind::Malformed, detail));
        }
        let document: Document = reply.json().map_err(|error| {
            if is_page(&reply) { reply.failure(ServiceErrorKind::Malformed, reply.words()) } else { error }
        })?;
        if document.manifests.is_none() && document.layers.is_empty() {
            let what = document.media_type.as_deref().unwrap_or("no media type");
            let detail = format!("neither an image with layers nor a list of images ({what})");
            return Err(reply.failure(ServiceErrorKind::Malformed, detail));
        }
        Ok((digest, document))
    }

    /// `/v2/<repository>/…` at the registry of `spec` or its replacement.
    fn url(&self, spec: &PullSpec, rest: &[&str]) -> Result<Url, ServiceError> {
        let base = match &self.replacement {
            Some(base) => base.clone(),
            None => Url::parse(&format!("https://{}", spec.registry())).map_err(|error| {
                ServiceError::new(
                    Service::Registry,
                    "read an image",
                    ServiceErrorKind::Rejected,
                    format!("the registry's host is no host: {error}"),
                )
                .about(spec.to_string())
            })?,
        };
        let repository = join(&base, &format!("v2/{}", spec.repository()));
        Ok(join_segments(&repository, rest.iter().copied()))
    }

    /// Sends a read, with credentials when the registry demands some, and follows redirections.
    async fn send(&self, spec: &PullSpec, call: Call) -> Result<Reply, ServiceError> {
        let mut answered = self.send_authorized(spec, &call).await?;
        let origin = call.url().origin();
        let mut current = call.url().clone();
        for _ in 0..REDIRECTIONS {
            let Some(target) = redirection(&answered.reply, &current) else { break };
            let target =
                target.map_err(|detail| answered.reply.failure(ServiceErrorKind::Malformed, detail))?;
            // The credentials are only for the registry; a redirection's target has its own in the URL.
            let grant = answered.grant.as_ref().filter(|_| target.origin() == origin);
            answered.reply = self.http.send(access::with(call.clone().to(target.clone()), grant)).await?;
            current = target;
        }
        let reply = &answered.reply;
        if reply.status.is_redirection() {
            return Err(reply.failure(ServiceErrorKind::Malformed, reply.words()));
        }
        let status = reply.status;
        // Only the registry itself can report that the content is missing; a proxy or a store behind it
        // cannot.
        let is_its_own = !words(reply).is_empty();
        // The store gets no login, so no login can be wrong there.
        let store = (current.origin() != origin).then(|| current.host_str().unwrap_or_default());
        reply.clone().success(|reply| refusal(reply, answered.secrets())).map_err(|mut error| {
            if error.kind == ServiceErrorKind::NotFound && !is_its_own {
                error.kind = ServiceErrorKind::Malformed;
                error.detail =
                    format!("HTTP {} that is not the registry's: {}", status.as_u16(), error.detail);
            }
            if let Some(host) = store
                && matches!(error.kind, ServiceErrorKind::Unauthorized | ServiceErrorKind::Forbidden)
            {
                error.kind = ServiceErrorKind::Malformed;
                error.detail = format!("refused by {host}, where the registry keeps it: {}", error.detail);
            }
            answered.explain(error, spec.registry())
        })
    }
}

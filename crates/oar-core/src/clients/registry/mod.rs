//! OCI registries, as far as release payloads need them: manifests, blobs, and the metadata of a payload.
//!
//! Access is anonymous: release payloads are public. Content that is read by digest, or whose answer names a
//! digest, is checked against it. Protocol: the OCI Distribution Specification 1.1.

mod attached;
mod auth;
mod model;
pub(crate) mod payload;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use attached::AttachedSignature;
use auth::{Challenge, TokenAnswer, Tokens};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION};
use http::{HeaderValue, StatusCode};
pub use model::{Descriptor, Image, Platform, ReleaseMetadata};
use model::{Document, MANIFEST_TYPES, MetadataDocument};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join, join_segments};
use crate::ids::{Digest, InvalidDigest, PullSpec, Reference};
use crate::service::Service;

/// The largest manifest that is accepted, in bytes (the specification asks registries to accept 4 MiB).
const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;
/// The largest layer that is fetched, in bytes. The layer with a release's manifests has a few hundred
/// kilobytes.
const LAYER_LIMIT: u64 = 64 * 1024 * 1024;
/// The most layers that are searched, from the top.
const LAYERS: usize = 8;
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
    tokens: Arc<Tokens>,
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
    /// A client; `replacement` replaces the registry's host in every pull spec.
    pub fn new(http: Http, replacement: Option<Url>) -> Self {
        Self { http, replacement, tokens: Arc::default() }
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
        let chosen = manifests.iter().find(|entry| {
            entry.platform.as_ref().is_some_and(|platform| {
                platform.architecture == architecture && matches!(platform.os.as_str(), "" | "linux")
            })
        });
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

    /// The metadata of the release payload `spec`, read from the topmost layer that has
    /// `release-manifests/release-metadata`, as `oc adm release info` does.
    pub async fn release_metadata(&self, spec: &PullSpec) -> Result<ReleaseMetadata, ServiceError> {
        let operation = "read a release payload's metadata";
        let fail = |detail: String| {
            ServiceError::new(Service::Registry, operation, ServiceErrorKind::Malformed, detail)
                .about(spec.to_string())
        };
        let image = self.image(spec, "amd64").await?;
        for descriptor in image.layers.iter().rev().take(LAYERS) {
            let layer = self.blob(spec, descriptor, LAYER_LIMIT).await?;
            let file = tokio::task::spawn_blocking(move || {
                payload::file_of_layer(&layer, payload::RELEASE_METADATA)
            })
            .await
            .map_err(|error| fail(format!("a layer could not be unpacked: {error}")))?
            .map_err(|problem| fail(format!("layer {} cannot be read: {problem}", descriptor.digest)))?;
            let Some(file) = file else { continue };
            let document: MetadataDocument = serde_json::from_slice(&file).map_err(|error| {
                fail(format!("{} is not as expected: {error}", payload::RELEASE_METADATA))
            })?;
            let url = document.metadata.as_ref().and_then(|metadata| metadata.get("url"));
            return Ok(ReleaseMetadata {
                digest: image.digest,
                version: document.version,
                url: url.and_then(serde_json::Value::as_str).map(str::to_owned),
            });
        }
        Err(fail(format!(
            "none of its last {} layers holds {}: it is not a release payload",
            image.layers.len().min(LAYERS),
            payload::RELEASE_METADATA
        )))
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

    /// Sends a read, with a token when the registry demands one, and follows redirections.
    async fn send(&self, spec: &PullSpec, call: Call) -> Result<Reply, ServiceError> {
        let key = format!("{}/{}", spec.registry(), spec.repository());
        let known = self.tokens.get(&key);
        let mut reply = self.http.send(with_token(call.clone(), known.as_ref())?).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && let Some(challenge) = Challenge::of(&reply.headers)
        {
            let token = self.token(&challenge, call.url()).await?;
            reply = self.http.send(with_token(call.clone(), Some(&token))?).await?;
            self.tokens.put(&key, token);
        }
        let origin = call.url().origin();
        let mut current = call.url().clone();
        for _ in 0..REDIRECTIONS {
            let Some(target) = redirection(&reply, &current) else { break };
            let target = target.map_err(|detail| reply.failure(ServiceErrorKind::Malformed, detail))?;
            // The token is only for the registry; a redirection's target has its own credentials in the URL.
            let token = (target.origin() == origin).then(|| self.tokens.get(&key)).flatten();
            reply = self.http.send(with_token(call.clone().to(target.clone()), token.as_ref())?).await?;
            current = target;
        }
        if reply.status.is_redirection() {
            return Err(reply.failure(ServiceErrorKind::Malformed, reply.words()));
        }
        let status = reply.status;
        // Only the registry itself can report that the content is missing; a proxy or a store behind it
        // cannot.
        let is_its_own = !words(&reply).is_empty();
        reply.success(refusal).map_err(|mut error| {
            if error.kind == ServiceErrorKind::NotFound && !is_its_own {
                error.kind = ServiceErrorKind::Malformed;
                error.detail =
                    format!("HTTP {} that is not the registry's: {}", status.as_u16(), error.detail);
            }
            error
        })
    }

    async fn token(&self, challenge: &Challenge, registry: &Url) -> Result<SecretString, ServiceError> {
        let operation = "get an anonymous token";
        let fail = |detail: String| {
            ServiceError::new(Service::Registry, operation, ServiceErrorKind::Malformed, detail)
        };
        let url = challenge.token_url(registry).map_err(fail)?;
        let reply = self.http.send(Call::get(Service::Registry, operation, url)).await?.success(refusal)?;
        // The answer contains the token, so no error may show it.
        let answer: TokenAnswer = serde_json::from_slice(&reply.body)
            .map_err(|_| reply.failure(ServiceErrorKind::Malformed, "not the JSON that was expected"))?;
        answer
            .into_token()
            .ok_or_else(|| reply.failure(ServiceErrorKind::Malformed, "the answer holds no token"))
    }
}

fn with_token(call: Call, token: Option<&SecretString>) -> Result<Call, ServiceError> {
    let Some(token) = token else { return Ok(call) };
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
        ServiceError::new(
            Service::Registry,
            "get an anonymous token",
            ServiceErrorKind::Malformed,
            "the token contains characters that are not allowed in a header",
        )
    })?;
    value.set_sensitive(true);
    Ok(call.header(AUTHORIZATION, value))
}

/// The target of a redirection, if the answer is one; an error when it must not be followed.
fn redirection(reply: &Reply, from: &Url) -> Option<Result<Url, String>> {
    if !matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let target = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    Some(match target.map(|target| from.join(target)) {
        Some(Ok(url)) if url.scheme() == "https" || url.scheme() == from.scheme() => Ok(url),
        Some(Ok(url)) => Err(format!("redirected to the scheme {}", url.scheme())),
        Some(Err(_)) | None => Err("redirected to no address".to_owned()),
    })
}

/// The registry's error message: codes and messages of `errors`.
fn refusal(reply: &Reply) -> String {
    let words = words(reply);
    if words.is_empty() { reply.words() } else { words.join("; ") }
}

/// Whether the body is an HTML page.
fn is_page(reply: &Reply) -> bool {
    reply.body.trim_ascii_start().starts_with(b"<")
}

fn words(reply: &Reply) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let errors = body.get("errors").and_then(serde_json::Value::as_array);
    errors
        .into_iter()
        .flatten()
        .map(|error| {
            let text = |key: &str| error.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
            format!("{}: {}", text("code"), text("message"))
        })
        .collect()
}

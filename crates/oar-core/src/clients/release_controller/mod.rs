//! The release controller: the image of a release (spec 01 §5.9), and the builds of its streams (spec 04
//! §2.5).

mod streams;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use crate::clients::empty::null_is_default;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join, join_segments};
use crate::ids::Digest;
use crate::service::Service;
use crate::version::ReleaseVersion;

pub use streams::{BuildLookup, LatestBuild, Phase, StreamName, StreamTag};

/// Time limit for the description of a release.
const FIRST_ANSWER: Duration = Duration::from_mins(1);

/// Reads the release controller of one architecture. Cheap to clone.
#[derive(Clone)]
pub struct ReleaseControllerClient {
    http: Http,
    base: Arc<Url>,
}

impl std::fmt::Debug for ReleaseControllerClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ReleaseControllerClient")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Release {
    name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    phase: Phase,
    #[serde(rename = "changeLogJson")]
    changelog: Option<Changelog>,
}

#[derive(Deserialize)]
struct Changelog {
    to: Option<Side>,
}

#[derive(Deserialize)]
struct Side {
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    created: Option<String>,
}

/// How a release stands in its stable stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StableRelease {
    /// How far it is.
    pub phase: Phase,
    /// When its image was made, some hours before it was accepted; `None` while the controller has not looked. The controller
    /// tells no time of the acceptance (spec 05 §2).
    pub created: Option<Timestamp>,
    /// The digest of its image, as the controller writes it; `None` while the controller has not looked.
    pub digest: Option<String>,
}

impl ReleaseControllerClient {
    /// A client of the controller at `base`.
    pub fn new(http: Http, base: Url) -> Self {
        Self { http, base: Arc::new(base) }
    }

    /// The digest of exactly `release` in its stable stream; `None` while the controller does not have it
    /// (the changelog with the digest is generated some minutes after the release).
    ///
    /// A release that the stream does not have is [`ServiceErrorKind::NotFound`].
    pub async fn digest(&self, release: &ReleaseVersion) -> Result<Option<Digest>, ServiceError> {
        let (reply, answer) = self.described(release).await?;
        let digest = answer.changelog.and_then(|changelog| changelog.to).and_then(|side| side.digest);
        match digest.filter(|digest| !digest.is_empty()) {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|error| reply.failure(ServiceErrorKind::Malformed, format!("{error}"))),
        }
    }

    /// How exactly `release` stands in its stable stream.
    ///
    /// A release that the stream does not have is [`ServiceErrorKind::NotFound`]; so is one that the controller could not look
    /// up.
    pub async fn stable_release(&self, release: &ReleaseVersion) -> Result<StableRelease, ServiceError> {
        let (reply, answer) = self.described(release).await?;
        let side = answer.changelog.and_then(|changelog| changelog.to);
        let (created, digest) = side.map_or((None, None), |side| (side.created, side.digest));
        let text = created.filter(|text| !text.is_empty());
        let created = text.map(|text| {
            text.parse::<Timestamp>().map_err(|_| {
                let words = format!("`{}` is no time", text.escape_debug());
                reply.failure(ServiceErrorKind::Malformed, words)
            })
        });
        // A program in Go writes a time that it does not have as the first day of the year 1.
        let created = created.transpose()?.filter(|created| *created > Timestamp::UNIX_EPOCH);
        let digest = digest.filter(|digest| !digest.is_empty());
        Ok(StableRelease { phase: answer.phase, created, digest })
    }

    /// Where the controller describes `release`.
    pub fn address(&self, release: &ReleaseVersion) -> Url {
        let stream = format!("{}-stable", release.major());
        let name = release.to_string();
        join_segments(&join(&self.base, "api/v1/releasestream"), [stream.as_str(), "release", name.as_str()])
    }

    /// What the controller says of the release, with its changelog.
    async fn described(&self, release: &ReleaseVersion) -> Result<(Reply, Release), ServiceError> {
        let stream = format!("{}-stable", release.major());
        let name = release.to_string();
        let url = self.address(release);
        let call =
            Call::get(Service::ReleaseController, "read a release", url).about(format!("{name} in {stream}"));
        // For the first request the controller renders the changelog, from clones of many repositories.
        let call = call.timeout(FIRST_ANSWER);
        let reply = self.http.send(call).await?.success(Reply::words).map_err(|error| match error.kind {
            ServiceErrorKind::NotFound => error.with_hint(
                "The release is not in its stable stream yet: run the command again when it was promoted.",
            ),
            _ => error,
        })?;
        let answer: Release = reply.json()?;
        if answer.name != name {
            let detail = format!("answered for the release `{}`", answer.name.escape_debug());
            return Err(reply.failure(ServiceErrorKind::Malformed, detail));
        }
        Ok((reply, answer))
    }
}

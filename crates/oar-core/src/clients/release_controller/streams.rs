//! Release streams: their names, their tags, and the latest tag (spec 04 §2.5, §4).

use std::fmt;

use http::StatusCode;
use serde::Deserialize;
use url::Url;

use super::ReleaseControllerClient;
use crate::clients::empty::null_is_default;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Reply, join, join_segments};
use crate::service::Service;
use crate::version::{Arch, ReleaseVersion, YStream};

/// The name of a release stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(String);

impl StreamName {
    /// The nightlies of a minor version: `4.20.0-0.nightly`, `4.20.0-0.nightly-arm64`.
    pub fn nightly(minor: YStream, arch: Arch) -> Self {
        Self(format!("{minor}.0-0.nightly{}", arch.stream_suffix()))
    }

    /// The stable builds of a major version: `4-stable`, `4-stable-arm64`.
    pub fn stable(major: u64, arch: Arch) -> Self {
        Self(format!("{major}-stable{}", arch.stream_suffix()))
    }

    /// The previews of a major version: `5-dev-preview`.
    pub fn dev_preview(major: u64, arch: Arch) -> Self {
        Self(format!("{major}-dev-preview{}", arch.stream_suffix()))
    }

    /// The spelling of the release controller.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The phase of a build in its stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(from = "String")]
pub enum Phase {
    /// Being created.
    Pending,
    /// Could not be created.
    Failed,
    /// Created, and being tested.
    Ready,
    /// Its tests passed.
    Accepted,
    /// Its tests failed.
    Rejected,
    /// The controller has no record of it now. This proves nothing.
    #[default]
    Unknown,
    /// A phase of a newer release controller, as it writes it.
    Other(String),
}

impl Phase {
    /// The spelling of the release controller.
    pub fn text(&self) -> &str {
        match self {
            Self::Pending => "Pending",
            Self::Failed => "Failed",
            Self::Ready => "Ready",
            Self::Accepted => "Accepted",
            Self::Rejected => "Rejected",
            Self::Unknown => "Unknown",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for Phase {
    fn from(text: String) -> Self {
        if text.is_empty() {
            return Self::Unknown;
        }
        let known = [Self::Pending, Self::Failed, Self::Ready, Self::Accepted, Self::Rejected, Self::Unknown];
        known.into_iter().find(|phase| phase.text() == text).unwrap_or(Self::Other(text))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

/// A build of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamTag {
    /// Its name: `4.20.27`, `4.20.0-0.nightly-2026-07-01-161907`.
    pub name: String,
    /// Its phase.
    #[serde(default, deserialize_with = "null_is_default")]
    pub phase: Phase,
    /// The pull spec of its image.
    #[serde(default, deserialize_with = "null_is_default")]
    pub pull_spec: String,
    /// The download page of its programs.
    #[serde(default, rename = "downloadURL", deserialize_with = "null_is_default")]
    pub download_url: String,
}

impl StreamTag {
    /// Its version, if the name is a version.
    pub fn version(&self) -> Option<ReleaseVersion> {
        self.name.parse().ok()
    }
}

/// The newest accepted build of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestBuild {
    /// The build.
    pub tag: StreamTag,
    /// The unchanged answer, which is the content of the latest build's file, to the byte (`interop-exact`,
    /// spec 04 §6.2).
    pub body: String,
    /// Its stream.
    pub stream: StreamName,
}

/// The result of looking for a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildLookup {
    /// The stream has it.
    Found(StreamTag),
    /// The stream has other builds, but not this one.
    Absent,
    /// This stream, which should have it, shows no builds at all: it may be unreadable at that moment.
    Unknown(StreamName),
}

#[derive(Deserialize)]
struct Tags {
    name: String,
    #[serde(default)]
    tags: Option<Vec<StreamTag>>,
}

impl ReleaseControllerClient {
    /// The newest accepted nightly of `minor`; `None` when there is no such stream or no accepted build in it.
    pub async fn latest_nightly(
        &self,
        minor: YStream,
        arch: Arch,
    ) -> Result<Option<LatestBuild>, ServiceError> {
        self.latest(&StreamName::nightly(minor, arch), minor).await
    }

    /// The newest accepted stable build of `minor`, or its newest preview if there is no stable build; `None`
    /// when there is neither.
    ///
    /// Unlike in the Python tooling, previews of other minor versions never count (spec 04 §4.4).
    pub async fn latest_stable(
        &self,
        minor: YStream,
        arch: Arch,
    ) -> Result<Option<LatestBuild>, ServiceError> {
        if let Some(build) = self.latest(&StreamName::stable(minor.major(), arch), minor).await? {
            return Ok(Some(build));
        }
        self.latest(&StreamName::dev_preview(minor.major(), arch), minor).await
    }

    /// The newest accepted build of `minor` in `stream`; `None` when the controller shows no such stream or
    /// build. The controller also answers so while it cannot read the stream, so the caller may only wait
    /// (spec 04 §2.5).
    ///
    /// The prefix ends with a dot, because `4.2` is also a prefix of `4.20.1`; the minor version of the
    /// answer is checked.
    pub async fn latest(
        &self,
        stream: &StreamName,
        minor: YStream,
    ) -> Result<Option<LatestBuild>, ServiceError> {
        let mut url = self.stream_url(&[stream.as_str(), "latest"]);
        url.query_pairs_mut().append_pair("prefix", &format!("{minor}."));
        let call = Call::get(Service::ReleaseController, "read the latest build", url)
            .about(format!("{minor} in {stream}"));
        let reply = self.http.send(call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let reply = reply.success(Reply::words)?;
        let tag: StreamTag = reply.json()?;
        let malformed = |detail: String| reply.failure(ServiceErrorKind::Malformed, detail);
        if tag.phase != Phase::Accepted {
            let (name, phase) = (tag.name.escape_debug(), tag.phase.text().escape_debug());
            return Err(malformed(format!("the latest build {name} is {phase}, not Accepted")));
        }
        if tag.version().is_none_or(|version| version.y_stream() != minor) {
            return Err(malformed(format!("`{}` is not a build of {minor}", tag.name.escape_debug())));
        }
        let body = reply.text()?.to_owned();
        Ok(Some(LatestBuild { tag, body, stream: stream.clone() }))
    }

    /// All builds of `stream`, newest first; `None` when the controller shows no such stream, which it also
    /// does while it cannot read it.
    ///
    /// This list, and not a look-up of one build, shows whether a build still exists: the look-up answers 404
    /// to every internal error (spec 04 §2.5, §7.6.8). An empty list proves nothing either.
    pub async fn tags(&self, stream: &StreamName) -> Result<Option<Vec<StreamTag>>, ServiceError> {
        let url = self.stream_url(&[stream.as_str(), "tags"]);
        let call = Call::get(Service::ReleaseController, "list builds", url).about(stream.to_string());
        let reply = self.http.send(call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let reply = reply.success(Reply::words)?;
        let answer: Tags = reply.json()?;
        if answer.name != stream.as_str() {
            let detail = format!("the answer is about the stream `{}`", answer.name.escape_debug());
            return Err(reply.failure(ServiceErrorKind::Malformed, detail));
        }
        Ok(Some(answer.tags.unwrap_or_default()))
    }

    /// The build with exactly this name, in its stream or among the previews of its major version (spec 04
    /// §4.5). One or two requests.
    ///
    /// It counts as absent only when the stream for builds with such a name shows other builds.
    pub async fn find_build(&self, build: &ReleaseVersion, arch: Arch) -> Result<BuildLookup, ServiceError> {
        let name = build.to_string();
        let nightly = StreamName::nightly(build.y_stream(), arch);
        let stable = StreamName::stable(build.major(), arch);
        let previews = StreamName::dev_preview(build.major(), arch);
        // The most likely stream comes first.
        let streams = if name.contains("nightly") {
            vec![nightly]
        } else if name.contains("-ec.") {
            vec![previews, stable]
        } else {
            vec![stable, previews]
        };
        let mut unknown = None;
        for (place, stream) in streams.into_iter().enumerate() {
            let tags = self.tags(&stream).await?.unwrap_or_default();
            if tags.is_empty() && place == 0 {
                unknown = Some(stream);
            }
            if let Some(tag) = tags.into_iter().find(|tag| tag.name == name) {
                return Ok(BuildLookup::Found(tag));
            }
        }
        Ok(unknown.map_or(BuildLookup::Absent, BuildLookup::Unknown))
    }

    fn stream_url(&self, segments: &[&str]) -> Url {
        join_segments(&join(&self.base, "api/v1/releasestream"), segments.iter().copied())
    }
}

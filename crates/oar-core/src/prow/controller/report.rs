use schemars::JsonSchema;
use serde::Serialize;

use crate::clients::release_controller::StreamName;
use crate::error::{ErrorClass, ServiceError, classified};
use crate::failures::gravest;
use crate::prow::change::ChangeError;
use crate::prow::names::{self, BuildKind, BuildName, RegistryName};
use crate::prow::starter::{JobStart, PrepareError};
use crate::prow::world::RegistryError;
use crate::store::StoreError;
use crate::version::{Arch, YStream};

/// Which builds a controller looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scope {
    /// The minor version.
    pub release: YStream,
    /// Nightly or stable builds.
    pub kind: BuildKind,
    /// The architecture.
    pub arch: Arch,
}

/// What a pass made of the latest build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The stream has no accepted build.
    NoBuild,
    /// It is the recorded one.
    Same,
    /// It is older than the recorded one: a newer build left the phase Accepted for a while.
    Older,
    /// It is new.
    New,
}

/// What a pass did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ControllerReport {
    /// Which builds it looked at.
    pub scope: Scope,
    /// The latest build of the stream.
    pub latest: Option<String>,
    /// The build that was recorded before.
    pub recorded: Option<String>,
    /// What that means.
    pub verdict: Verdict,
    /// The jobs that were to be started.
    pub jobs: Vec<JobStart>,
    /// Whether the latest build was recorded.
    pub recorded_now: bool,
    /// What would be done; filled by a dry run alone.
    pub planned: Vec<String>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

impl ControllerReport {
    /// The class that decides the exit code ([`gravest`]).
    pub fn class(&self) -> Option<ErrorClass> {
        gravest(self.jobs.iter().filter_map(|job| job.class))
    }
}

/// Why a pass ended early. Nothing is half done: the next pass goes on.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The registry cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A record cannot be read or changed.
    #[error(transparent)]
    Record(#[from] ChangeError),
    /// Files cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is recorded, or what a job is to be started with, cannot be read.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The release controller names a build in a way that no build is named.
    #[error("the release controller's answer: {0}")]
    BadName(#[from] crate::version::ParseVersionError),
    /// Others changed the file at every attempt.
    #[error("{0}")]
    Contended(String),
    /// No stream has the build.
    #[error("no stream of {arch} has a build `{build}`")]
    NoSuchBuild {
        /// The build that was asked for.
        build: BuildName,
        /// The architecture.
        arch: Arch,
    },
    /// The stream that would have the build shows none, so that nobody knows whether the build is there.
    #[error("whether there is a build `{build}` is not known: the stream {stream} shows no build")]
    NoStream {
        /// The build that was asked for.
        build: BuildName,
        /// The stream.
        stream: StreamName,
    },
    /// There is nothing to test the build with.
    #[error("there is no registry {0}, so there are no jobs to start")]
    NoRegistry(RegistryName),
}

classified! {
    ControllerError through Service Registry Record Store Prepare;
    class {
        Self::BadName(_) | Self::NoStream { .. } => ErrorClass::Unavailable,
        Self::Contended(_) => ErrorClass::Conflict,
        Self::NoSuchBuild { .. } | Self::NoRegistry(_) => ErrorClass::Usage,
    }
    hint {
        Self::BadName(_) => None,
        Self::Contended(_) => Some("Run the same command again.".to_owned()),
        Self::NoSuchBuild { .. } => Some(
            "Give the build's whole name, such as 4.20.27 or 4.20.0-0.nightly-2026-07-01-161907, and its \
             architecture with --arch."
                .to_owned(),
        ),
        Self::NoStream { .. } => Some(
            "Run the same command again: the release controller answers so while it cannot read a stream, and for \
             one that does not exist."
                .to_owned(),
        ),
        Self::NoRegistry(name) => Some(format!("Add {} to the main branch first.", names::path(name))),
    }
}

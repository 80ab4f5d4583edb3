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

/// The builds that a controller handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scope {
    /// The minor version.
    pub release: YStream,
    /// Nightly or stable builds.
    pub kind: BuildKind,
    /// The architecture.
    pub arch: Arch,
}

/// What a pass concluded about the latest build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The stream has no accepted build.
    NoBuild,
    /// It is the recorded one.
    Same,
    /// It is older than the recorded one: a newer build is temporarily not in phase Accepted.
    Older,
    /// It is new.
    New,
}

/// The result of a pass.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ControllerReport {
    /// The builds that it handled.
    pub scope: Scope,
    /// The latest build of the stream.
    pub latest: Option<String>,
    /// The build that was recorded before.
    pub recorded: Option<String>,
    /// The conclusion.
    pub verdict: Verdict,
    /// The jobs to start, with the results.
    pub jobs: Vec<JobStart>,
    /// Whether the latest build was recorded.
    pub recorded_now: bool,
    /// What would be done; only in a dry run.
    pub planned: Vec<String>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

impl ControllerReport {
    /// The class that decides the exit code ([`gravest`]).
    pub fn class(&self) -> Option<ErrorClass> {
        gravest(self.jobs.iter().filter_map(|job| job.class))
    }
}

/// Why a pass ended early. The next pass continues.
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
    /// A record, or the data that a job needs, cannot be read.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The release controller returned an invalid build name.
    #[error("the release controller's answer: {0}")]
    BadName(#[from] crate::version::ParseVersionError),
    /// Others changed the file at every attempt.
    #[error("{0}")]
    Contended(String),
    /// No stream has the build.
    #[error("no stream of {arch} has a build `{build}`")]
    NoSuchBuild {
        /// The requested build.
        build: BuildName,
        /// The architecture.
        arch: Arch,
    },
    /// The stream that should have the build shows no builds, so it is unknown whether the build exists.
    #[error("whether there is a build `{build}` is not known: the stream {stream} shows no build")]
    NoStream {
        /// The requested build.
        build: BuildName,
        /// The stream.
        stream: StreamName,
    },
    /// There is no registry of test jobs for the build.
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

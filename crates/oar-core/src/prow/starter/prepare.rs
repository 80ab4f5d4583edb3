//! Prepares the start of a job: its variables and their images.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::error::{ErrorClass, ServiceError, classified};
use crate::prow::environment::{self, Column, ImagesError, JobImages};
use crate::prow::names::{self, BuildKind, LatestName};
use crate::prow::record::{Build, LatestFile};
use crate::prow::registry::TestJob;
use crate::prow::stream::{UnsuitableBuild, check_latest};
use crate::prow::world::World;
use crate::store::{StoreError, Stored};
use crate::version::{Arch, YStream};

/// Why a job cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The record of the latest stable build cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The image that several jobs upgrade from is not known.
    #[error(transparent)]
    Source(#[from] Arc<PrepareError>),
    /// The build's image cannot be passed to the job.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// A file is invalid.
    #[error("{file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}

classified! {
    PrepareError through Service Store Source;
    class {
        Self::File { .. } | Self::Images(_) => ErrorClass::Failed,
    }
    hint {
        Self::Images(_) => None,
        Self::File { .. } => Some("Repair the file on the branch of the records.".to_owned()),
    }
}

/// Data for the variables of several jobs besides their build, read once for all.
#[derive(Debug, Default)]
pub(in crate::prow) struct Sources {
    /// The image of the latest stable build; `None` when no job needs it.
    stable: Option<Result<Option<String>, Arc<PrepareError>>>,
}

impl Sources {
    /// Whether one of `jobs` needs more than `build`.
    pub(in crate::prow) fn are_needed<'a>(
        jobs: impl IntoIterator<Item = &'a TestJob>,
        build: &Build,
    ) -> bool {
        jobs.into_iter().any(|job| environment::upgrades_from_stable(job, &build.name))
    }

    /// Reads the data for jobs of `build`, if it is `needed`.
    pub(in crate::prow) async fn of(world: World<'_>, needed: bool, build: &Build, arch: Arch) -> Self {
        if !needed {
            return Self::default();
        }
        Self { stable: Some(stable_source(world, build.name.y_stream(), arch).await.map_err(Arc::new)) }
    }

    /// The same, after reading what is `needed` and was not read yet.
    pub(in crate::prow) async fn completed(
        self,
        world: World<'_>,
        needed: bool,
        build: &Build,
        arch: Arch,
    ) -> Self {
        if self.stable.is_some() { self } else { Self::of(world, needed, build, arch).await }
    }
}

/// The variables that `job` gets for `build` (spec 04 §3, §5.3).
pub(in crate::prow) fn environment_of(
    job: &TestJob,
    build: &Build,
    arch: Arch,
    sources: &Sources,
) -> Result<IndexMap<String, String>, PrepareError> {
    let source = match &sources.stable {
        Some(stable) if environment::upgrades_from_stable(job, &build.name) => stable.clone()?,
        _ => None,
    };
    let images = JobImages::of_job(job, &build.name, &build.pull_spec, source.as_deref());
    Ok(environment::variables(&images, Column::of_build(&build.name, arch))?)
}

/// The image that a nightly is upgraded from: that of the recorded latest stable build, or of the release
/// controller's latest one.
async fn stable_source(
    world: World<'_>,
    release: YStream,
    arch: Arch,
) -> Result<Option<String>, PrepareError> {
    let kind = BuildKind::Stable;
    match latest_file(world, LatestName { release, kind, arch }).await?.0 {
        Some(Recorded::Build(build)) => return Ok(Some(build.pull_spec)),
        Some(Recorded::Foreign(warning)) => tracing::warn!("{warning}"),
        None => {}
    }
    let live = world.builds.latest(release, kind, arch).await?;
    Ok(live.map(|latest| latest.tag.pull_spec))
}

/// The content of the file of a latest build.
#[derive(Debug)]
pub(in crate::prow) enum Recorded {
    /// The latest build.
    Build(Build),
    /// A build of another minor version or kind; a description. The file then counts as absent (spec 04
    /// §4.4).
    Foreign(String),
}

/// The file of a latest build: its content and its stored form.
pub(in crate::prow) async fn latest_file(
    world: World<'_>,
    name: LatestName,
) -> Result<(Option<Recorded>, Option<Stored>), PrepareError> {
    let Some(stored) = world.records.store().read(&names::path(name)).await? else {
        return Ok((None, None));
    };
    Ok((Some(latest_of(name, &stored.text)?), Some(stored)))
}

/// Parses the text of the file of a latest build.
pub(in crate::prow) fn latest_of(name: LatestName, text: &str) -> Result<Recorded, PrepareError> {
    let file = LatestFile::parse(name, text)
        .map_err(|error| PrepareError::File { file: names::path(name), problem: error.to_string() })?;
    let build = file.build().clone();
    // The phase is the one at the time when the build was recorded.
    match check_latest(&build.name, &build.phase, name.release, name.kind) {
        Err(reason @ UnsuitableBuild::Foreign { .. }) => Ok(Recorded::Foreign(format!(
            "{} holds {}, and {reason}: it is ignored",
            names::path(name),
            build.name
        ))),
        Ok(()) | Err(UnsuitableBuild::Phase(_)) => Ok(Recorded::Build(build)),
    }
}

//! Manual changes of records (spec 04 §7.5).

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::change::{ChangeError, change, read};
use super::names::ResultName;
use super::record::{Place, ResultFile, RunId};
use super::world::World;
use crate::error::{ErrorClass, ServiceError, classified};
use crate::permit::WritePermit;
use crate::store::transaction::Start;

/// The wait before a run that was not found is looked for again.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// The record `name`, as it is now.
pub async fn record(world: World<'_>, name: &ResultName) -> Result<ResultFile, ChangeError> {
    match read(world, name).await? {
        Some((file, _)) => Ok(file),
        None => Err(ChangeError::Absent(name.clone())),
    }
}

/// The result of a promotion's dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedPromotion {
    /// Always `true`.
    pub dry_run: bool,
    /// Whether the build is promoted already.
    pub promoted: bool,
    /// Whether the record would change.
    pub changes: bool,
}

/// The result of a replacement's dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedReplacement {
    /// Always `true`.
    pub dry_run: bool,
    /// Whether the record would change.
    pub changes: bool,
}

/// The result of a change of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RecordChanged {
    /// The record.
    pub file: String,
    /// Whether it was changed.
    pub changed: bool,
}

/// Why a run cannot replace another one.
#[derive(Debug, thiserror::Error)]
pub enum ReplacementError {
    /// Prow could not be asked.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// It is a run of another job.
    #[error("{run} is a run of {found}, not of {wanted}")]
    OtherJob {
        /// The run.
        run: RunId,
        /// Its job.
        found: String,
        /// The job whose run should be replaced.
        wanted: String,
    },
}

classified! {
    ReplacementError through Service;
    class {
        Self::OtherJob { .. } => ErrorClass::Failed,
    }
    hint {
        Self::OtherJob { .. } => {
            Some("Nothing was changed. Check --new-job-id and --job-name.".to_owned())
        }
    }
}

/// What [`promote`] would do.
pub async fn plan_promotion(world: World<'_>, name: &ResultName) -> Result<PlannedPromotion, ChangeError> {
    let mut file = record(world, name).await?;
    let promoted = file.is_promoted();
    Ok(PlannedPromotion { dry_run: true, promoted, changes: file.promote().is_changed() })
}

/// Checks that `run` is a run of `job`; `false` when Prow does not have it (any more).
pub async fn check_run(world: World<'_>, job: &str, run: &RunId) -> Result<bool, ReplacementError> {
    match world.jobs.run(run.text()).await? {
        Some(found) if found.job != job => {
            Err(ReplacementError::OtherJob { run: run.clone(), found: found.job, wanted: job.to_owned() })
        }
        found => Ok(found.is_some()),
    }
}

/// What [`replace_run`] would do.
pub async fn plan_replacement(
    world: World<'_>,
    name: &ResultName,
    job: &str,
    current: &str,
    new: &RunId,
) -> Result<PlannedReplacement, ChangeError> {
    let mut file = record(world, name).await?;
    let (change, _) = file.replace_run(job, current, new, world.clock.now())?;
    Ok(PlannedReplacement { dry_run: true, changes: change.is_changed() })
}

/// Promotes the build: the aggregator's next pass labels its payload and completes its record. `false` when
/// it is already promoted and that pass has not happened yet.
pub async fn promote(world: World<'_>, name: &ResultName, permit: &WritePermit) -> Result<bool, ChangeError> {
    let message = format!("{} {}: promoted by hand", name.build, name.arch);
    let promoted = change(world, name, &message, Start::Read, permit, None, |file| {
        let _ = file.promote();
        Ok(())
    })
    .await?;
    Ok(promoted.written)
}

/// Replaces the run `current` of `job` with the run `new`, which was started by hand, and reopens the record.
/// Returns which run was replaced; `None` when `new` is already there.
pub async fn replace_run(
    world: World<'_>,
    name: &ResultName,
    job: &str,
    current: &str,
    new: &RunId,
    permit: &WritePermit,
) -> Result<Option<Place>, ChangeError> {
    let message = format!("{} {}: {job} {current} is replaced by {new}", name.build, name.arch);
    let now = world.clock.now();
    let replace = async || {
        change(world, name, &message, Start::Read, permit, None, |file| {
            Ok(file.replace_run(job, current, new, now)?.1)
        })
        .await
    };
    let replaced = match replace().await {
        // One of GitHub's replicas may not have the run yet, so it is looked for again before the call is
        // refused.
        Err(error) if error.is_missing_run() => {
            world.clock.sleep(SECOND_LOOK).await;
            replace().await?
        }
        first => first?,
    };
    Ok(replaced.written.then_some(replaced.answer))
}

//! What people do to records by hand (spec 04 §7.5).

use super::change::{ChangeError, change, read};
use super::names::ResultName;
use super::record::{Place, ResultFile, RunId};
use super::world::World;
use crate::flow::permit::WritePermit;
use crate::statebox::transaction::Start;

/// The record called `name`, as it is now.
pub async fn record(world: World<'_>, name: &ResultName) -> Result<ResultFile, ChangeError> {
    match read(world, name).await? {
        Some((file, _)) => Ok(file),
        None => Err(ChangeError::Absent(name.clone())),
    }
}

/// Promotes the build: the aggregator's next pass labels its payload and completes its record. `false` when it is promoted
/// already and that pass is still to come.
pub async fn promote(world: World<'_>, name: &ResultName, permit: &WritePermit) -> Result<bool, ChangeError> {
    let message = format!("{} {}: promoted by hand", name.build, name.arch);
    let promoted = change(world, name, &message, Start::Read, permit, None, |file| {
        let _ = file.promote();
        Ok(())
    })
    .await?;
    Ok(promoted.written)
}

/// Puts the run `new`, which somebody started, in the place of the run `current` of `job`, and opens the record again.
/// Answers which run it was; `None` when `new` stands there already.
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
    let replaced = change(world, name, &message, Start::Read, permit, None, |file| {
        Ok(file.replace_run(job, current, new, now)?.1)
    })
    .await?;
    Ok(replaced.written.then_some(replaced.answer))
}

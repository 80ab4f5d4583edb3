//! Changes a record: read, apply, write against the revision that was read, and apply again after a conflict.

use super::names::{self, ResultName};
use super::problem::FileProblems;
use super::record::{RecordError, ResultFile};
use super::world::World;
use crate::error::{ErrorClass, classified};
use crate::permit::WritePermit;
use crate::store::transaction::{Policy, Start, Target, TransactionError, transact};
use crate::store::{StoreError, Stored};

/// Why a record was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such file.
    #[error("there is no {0} on the branch of the records")]
    Absent(ResultName),
    /// The file cannot be read as a record.
    #[error("{0}")]
    Invalid(FileProblems),
    /// The change does not apply to the record.
    #[error(transparent)]
    Record(Box<RecordError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others changed the file at every attempt.
    #[error("{0}")]
    Contended(String),
}

impl From<RecordError> for ChangeError {
    fn from(error: RecordError) -> Self {
        Self::Record(Box::new(error))
    }
}

impl ChangeError {
    /// Whether the run to change is not in the record: somebody else was faster.
    pub(super) fn is_missing_run(&self) -> bool {
        matches!(self, Self::Record(error) if matches!(**error, RecordError::NoSuchRun { .. }))
    }
}

classified! {
    ChangeError through Record Store;
    class {
        Self::Absent(_) => ErrorClass::Usage,
        Self::Invalid(_) => ErrorClass::Failed,
        Self::Contended(_) => ErrorClass::Conflict,
    }
    hint {
        Self::Absent(name) => Some(format!(
            "Is the build's name complete, and its tests started? `jobctl trigger-jobs-for-build --build {}` starts \
             them.",
            name.build
        )),
        Self::Invalid(_) => Some("Repair the file on the branch of the records.".to_owned()),
        Self::Contended(_) => Some("Run the same command again.".to_owned()),
    }
}

/// A record after a change.
#[derive(Debug)]
pub(super) struct Changed<T> {
    /// The record as it is now.
    pub(super) file: ResultFile,
    /// The stored text, for the next write.
    pub(super) stored: Option<Stored>,
    /// The result of the change, the last time it was applied.
    pub(super) answer: T,
    /// Whether it was written.
    pub(super) written: bool,
}

/// Changes the record `name`. `create` creates it when there is none.
pub(super) async fn change<T: Send>(
    world: World<'_>,
    name: &ResultName,
    message: &str,
    start: Start,
    permit: &WritePermit,
    create: Option<&(dyn Fn() -> ResultFile + Sync)>,
    mut apply: impl FnMut(&mut ResultFile) -> Result<T, RecordError> + Send,
) -> Result<Changed<T>, ChangeError> {
    let path = names::path(name);
    let target = Target { store: world.records.store(), path: &path, message };
    let mut last = None;
    let committed = transact(target, permit, world.clock, &Policy::default(), start, |text| {
        let mut file = match (text, create) {
            (Some(text), _) => ResultFile::parse(name, text.as_bytes()).map_err(ChangeError::Invalid)?,
            (None, Some(create)) => create(),
            (None, None) => return Err(ChangeError::Absent(name.clone())),
        };
        let answer = apply(&mut file)?;
        let changed = file.changed_text();
        last = Some((file, answer));
        Ok(changed)
    })
    .await
    .map_err(|error| match error {
        TransactionError::Store(error) => ChangeError::Store(error),
        TransactionError::Apply(error) => error,
        contended @ TransactionError::Contended { .. } => ChangeError::Contended(contended.to_string()),
    })?;
    let (file, answer) = last.ok_or_else(|| ChangeError::Absent(name.clone()))?;
    Ok(Changed { file, stored: committed.stored, answer, written: committed.written })
}

/// The record `name` as it is now; `None` when there is none.
pub(super) async fn read(
    world: World<'_>,
    name: &ResultName,
) -> Result<Option<(ResultFile, Stored)>, ChangeError> {
    let Some(stored) = world.records.store().read(&names::path(name)).await? else { return Ok(None) };
    let file = ResultFile::parse(name, stored.text.as_bytes()).map_err(ChangeError::Invalid)?;
    Ok(Some((file, stored)))
}

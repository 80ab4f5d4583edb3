//! Records the results of starts, in as few writes as possible.

use std::sync::Arc;

use super::Starter;
use crate::prow::change::{ChangeError, change};
use crate::prow::record::{Intent, RecordError, RunId};
use crate::store::transaction::Start;

/// A change of an intent in the record.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// It is replaced with this run's id.
    Record(RunId),
    /// It is replaced with this new intent.
    Renew(Intent),
    /// It is given up.
    GiveUp,
    /// It is marked: certainly nothing was sent for it.
    Unsent,
}

/// Why an intent was not changed.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum IntentError {
    /// It is no longer in the record.
    #[error(transparent)]
    Replaced(Arc<ChangeError>),
    /// The record could not be written.
    #[error(transparent)]
    Failed(Arc<ChangeError>),
}

/// The index of a wanted run, its job, its intent, and the change.
pub(super) type Planned = (usize, String, Intent, Change);

impl Starter<'_> {
    /// Makes all these changes in one write and returns the result of each.
    pub(super) async fn write(&mut self, changes: &[Planned]) -> Vec<Result<(), IntentError>> {
        if changes.is_empty() {
            return Vec::new();
        }
        let now = self.world.clock.now();
        // The known state is used only as the base of a write, never to skip one.
        let start = match self.stored.take() {
            Some(stored) => Start::Known { stored: Some(stored), recent: false },
            None => Start::Read,
        };
        let message = self.message(changes);
        let written = change(self.world, self.name, &message, start, self.permit, None, |file| {
            let each = changes.iter().map(|(_, job, intent, change)| {
                match change {
                    Change::Record(id) => file.record_id(job, *intent, id),
                    Change::Renew(new) => file.renew_intent(job, *intent, *new),
                    Change::GiveUp => file.record_lost(job, &intent.to_string(), now),
                    Change::Unsent => file.record_unsent(job, *intent),
                }
                .map(drop)
            });
            Ok::<Vec<Result<(), RecordError>>, RecordError>(each.collect())
        })
        .await;
        match written {
            Ok(written) => {
                (self.file, self.stored) = (written.file, written.stored);
                let each = written.answer.into_iter();
                each.map(|result| result.map_err(|error| gone(error.into()))).collect()
            }
            Err(error) => {
                let error = Arc::new(error);
                changes.iter().map(|_| Err(IntentError::Failed(Arc::clone(&error)))).collect()
            }
        }
    }

    fn message(&self, changes: &[Planned]) -> String {
        let words = match changes {
            [(_, job, _, Change::Record(id))] => format!("{job} runs as {id}"),
            [(_, job, _, Change::Renew(_))] => format!("take over the start of {job}"),
            [(_, job, _, Change::GiveUp)] => format!("{job} could not be started"),
            [(_, job, _, Change::Unsent)] => format!("nothing was sent to start {job}"),
            _ => {
                let count = |wanted: fn(&Change) -> bool| {
                    changes.iter().filter(|(.., change)| wanted(change)).count()
                };
                let parts = [
                    (count(|change| matches!(change, Change::Record(_))), "jobs run"),
                    (count(|change| matches!(change, Change::Renew(_))), "take over the starts of jobs"),
                    (count(|change| matches!(change, Change::GiveUp)), "jobs could not be started"),
                    (count(|change| matches!(change, Change::Unsent)), "nothing was sent to start jobs"),
                ];
                let told = parts.iter().filter(|(count, _)| *count > 0);
                told.map(|(count, words)| format!("{words}: {count}")).collect::<Vec<_>>().join(", ")
            }
        };
        format!("{} {}: {words}", self.name.build, self.name.arch)
    }
}

fn gone(error: ChangeError) -> IntentError {
    if error.is_missing_run() {
        IntentError::Replaced(Arc::new(error))
    } else {
        IntentError::Failed(Arc::new(error))
    }
}

//! The note on the shipment merge request: one, edited in place (spec 03 §4.5, §12 D26).

use super::report::HealthReport;
use crate::clients::gitlab::{GitlabClient, MergeRequestRef, Note};
use crate::clients::{Effect, write_or_look};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::notify::is_image_health_note;
use crate::permit::WritePermit;

/// Where the note stands.
#[derive(Debug, Clone, Copy)]
pub struct NoteTarget<'a> {
    /// GitLab.
    pub gitlab: &'a GitlabClient,
    /// The shipment merge request.
    pub merge_request: &'a MergeRequestRef,
    /// The release, `4.19.1`.
    pub release: &'a str,
}

impl HealthReport {
    /// Writes the findings on the merge request: edits the note of an earlier check, adds one when there is none, and
    /// writes nothing when it says the same already.
    pub async fn publish(
        &self,
        target: NoteTarget<'_>,
        permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        let text = self.note(target.release);
        let notes = target.gitlab.notes(target.merge_request).await?.notes;
        match earlier(&notes, target.release) {
            Some(note) if same(&note.body, &text) => return Ok(Effect::AlreadySo),
            Some(note) => {
                match target.gitlab.edit_note(target.merge_request, note.id, &text, permit).await {
                    Ok(_) => return Ok(Effect::Changed),
                    // Only its author may edit a note: a note of another account stays, and ours is added.
                    Err(error) if error.kind == ServiceErrorKind::Forbidden => {
                        if newest_says(&notes, target.release, &text) {
                            return Ok(Effect::AlreadySo);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            None => {}
        }
        let write = async { target.gitlab.add_note(target.merge_request, &text, permit).await.map(drop) };
        // The next run edits the existing note.
        let look = async {
            let notes = target.gitlab.notes(target.merge_request).await?.notes;
            Ok::<_, ServiceError>(newest_says(&notes, target.release, &text).then_some(()))
        };
        Ok(write_or_look(write, &[ServiceErrorKind::Unclear], look).await?.effect())
    }
}

/// The newest note of an earlier check. Notes come newest first.
fn earlier<'a>(notes: &'a [Note], release: &str) -> Option<&'a Note> {
    notes.iter().find(|note| !note.system && is_image_health_note(&note.body, release))
}

fn newest_says(notes: &[Note], release: &str, text: &str) -> bool {
    earlier(notes, release).is_some_and(|note| same(&note.body, text))
}

/// GitLab may trim what it stores.
fn same(stored: &str, text: &str) -> bool {
    stored.trim_end() == text.trim_end()
}

//! Comments that the program keeps on the merge request: one per subject, changed in place.

use super::{Shipment, ShipmentError};
use crate::clients::Effect;
use crate::clients::gitlab::Note;
use crate::error::ServiceErrorKind;
use crate::permit::WritePermit;

/// The line that marks a comment as ours; readers do not see it.
fn marker(subject: &str) -> String {
    format!("<!-- release-tests: {subject} -->")
}

impl Shipment {
    /// Keeps exactly one comment about `subject` (a word or two, such as `image health`) with the text `body`: adds
    /// it, changes it in place, or leaves it alone when it says so already. Other people's comments are not touched.
    ///
    /// An answer that never came is looked up.
    pub async fn keep_comment(
        &self,
        subject: &str,
        body: &str,
        permit: &WritePermit,
    ) -> Result<Effect, ShipmentError> {
        let marker = marker(subject);
        let body = format!("{marker}\n{body}");
        let user = self.gitlab.current_user().await?;
        let ours = |note: &&Note| {
            !note.system
                && note.author.as_ref().is_some_and(|author| author.id == user.id)
                && note.body.starts_with(&marker)
        };
        // GitLab may trim what it stores, so the comparison does too.
        let says = |note: &Note| note.body.trim() == body.trim();
        for attempt in 0..2 {
            let notes = self.gitlab.notes(self.reference()).await?;
            let sent = match notes.notes.iter().find(ours) {
                Some(note) if says(note) => {
                    return Ok(if attempt == 0 { Effect::AlreadySo } else { Effect::Changed });
                }
                Some(note) => self.gitlab.edit_note(self.reference(), note.id, &body, permit).await,
                None => self.gitlab.add_note(self.reference(), &body, permit).await,
            };
            match sent {
                Ok(_) => return Ok(Effect::Changed),
                Err(failure) if failure.kind == ServiceErrorKind::Unclear && attempt == 0 => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(Effect::Changed)
    }
}

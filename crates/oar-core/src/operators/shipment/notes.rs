//! Comments that the program keeps on the merge request: one per subject, changed in place.

use super::{Shipment, ShipmentError};
use crate::clients::gitlab::Note;
use crate::clients::{Effect, ensure};
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
        let body = &format!("{marker}\n{body}");
        let user = self.gitlab.current_user().await?;
        let ours = |note: &&Note| {
            !note.system
                && note.author.as_ref().is_some_and(|author| author.id == user.id)
                && note.body.starts_with(&marker)
        };
        // GitLab may trim what it stores, so the comparison does too.
        let says = |note: &Note| note.body.trim() == body.trim();
        let look = || async {
            let notes = self.gitlab.notes(self.reference()).await?.notes;
            let note = notes.iter().find(ours);
            Ok::<_, ShipmentError>(if note.is_some_and(says) { None } else { Some(note.map(|note| note.id)) })
        };
        let write = |note: Option<u64>| async move {
            match note {
                Some(note) => self.gitlab.edit_note(self.reference(), note, body, permit).await.map(drop),
                None => self.gitlab.add_note(self.reference(), body, permit).await.map(drop),
            }
        };
        ensure(look, write).await
    }
}

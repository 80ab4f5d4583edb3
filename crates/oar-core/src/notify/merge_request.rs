//! Notes on shipment merge requests (spec 03 §3.9).

/// The words that identify the note of take-ownership, also an older one (interop-exact).
const ROLE: &str = "QE Release Lead";

/// The note that names the release lead; GitLab notifies the person because of the `@`.
pub fn release_lead_note(username: &str) -> String {
    format!("{ROLE}: @{username}")
}

/// The GitLab username that a note names as release lead, `None` when the note is about something else.
///
/// It reads this program's notes and those of the Python tooling: the role's words, then the first mention.
pub fn release_lead_in(note: &str) -> Option<&str> {
    let (_, after) = note.split_once(ROLE)?;
    let (_, mention) = after.split_once('@')?;
    let end = mention
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(mention.len());
    // A username does not end with a dot, but a sentence does.
    let username = mention.get(..end)?.trim_end_matches('.');
    (!username.is_empty()).then_some(username)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn old_and_new_notes_name_the_lead() {
        for (note, lead) in [
            ("QE Release Lead: @demo-lead", Some("demo-lead")),
            ("QE Release Lead is @demo.lead_2. Thank you!", Some("demo.lead_2")),
            ("Hello,\nQE Release Lead @demo\n", Some("demo")),
            ("@demo approved this", None),
            ("QE Release Lead is unknown", None),
            ("QE Release Lead @", None),
            ("ask @demo who the QE Release Lead is", None),
        ] {
            assert_eq!(release_lead_in(note), lead, "{note}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_is_what_we_read(username in "[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9_-])?") {
            let note = release_lead_note(&username);
            prop_assert_eq!(release_lead_in(&note), Some(username.as_str()));
        }

        #[test]
        fn no_note_is_a_panic(note in ".*") {
            let _ = release_lead_in(&note);
            let _ = release_lead_in(&format!("{ROLE}{note}"));
        }
    }
}

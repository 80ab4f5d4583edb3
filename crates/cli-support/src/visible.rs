//! Makes text safe for a terminal: control characters are escaped.
//!
//! Texts come from outside: from a StateBox that anybody may have edited, from services, from files. A
//! control character in them could move the cursor, or hide or forge lines; a bidirectional override could
//! show a text in another order. The program's own colours come from
//! [`TextStyle::paint`](crate::TextStyle::paint), which marks them with characters that no text has.

use std::fmt::Write as _;

use crate::ui::TextStyle;

/// Starts a style; one mark for each style, in order. Unicode reserves these noncharacters for internal use
/// by programs.
const FIRST_MARK: u32 = 0xFDD0;
/// Ends a style.
const END_MARK: char = '\u{FDDF}';

/// `text` between the marks of `tone`.
pub(crate) fn marked(tone: TextStyle, text: impl std::fmt::Display) -> String {
    let begin = char::from_u32(FIRST_MARK + tone as u32).unwrap_or(END_MARK);
    format!("{begin}{text}{END_MARK}")
}

fn tone_of(mark: char) -> Option<TextStyle> {
    TextStyle::ALL.into_iter().find(|tone| FIRST_MARK + *tone as u32 == u32::from(mark))
}

/// Whether a character is a control character, except line end and tab.
fn acts(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        // Bidirectional controls, line ends, and invisible characters that can encode other text.
        || matches!(
            character,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{206F}'
                | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}'
        )
}

/// `text` for a terminal: styles as colours, and control characters escaped as `\u{9b}`.
pub(crate) fn visible(text: &str) -> String {
    render(text, |shown, tone| {
        let _ = match tone {
            Some(tone) => write!(shown, "{}", tone.style()),
            None => write!(shown, "{:#}", TextStyle::Strong.style()),
        };
    })
}

/// `text` without styles, and with control characters escaped as `\u{9b}`: for logs and other plain text.
pub fn plain(text: &str) -> String {
    render(text, |_, _| {})
}

/// Whether [`plain`] would leave `text` as it is.
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(|character| acts(character) || character == END_MARK || tone_of(character).is_some())
}

fn render(text: &str, mut paint: impl FnMut(&mut String, Option<TextStyle>)) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == END_MARK {
            paint(&mut shown, None);
        } else if let Some(tone) = tone_of(character) {
            paint(&mut shown, Some(tone));
        } else if character == '\r' && characters.peek() == Some(&'\n') {
            // A CRLF line end.
        } else if acts(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A JSON document with control characters escaped as in JSON, so that its value does not change.
pub(crate) fn json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        if acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C0 and C1 controls, bidirectional overrides and marks, line ends, invisible tags.
    const HOSTILE: &str =
        "a\u{1b}[2Kb\u{9b}31mc\u{7f}d\re\u{85}f\u{2028}g\u{202e}h\u{2066}i\u{61c}j\u{e0041}k\u{8}";

    #[test]
    fn nothing_that_acts_is_left_and_nothing_is_lost() {
        for shown in [visible(HOSTILE), plain(HOSTILE)] {
            assert!(!shown.chars().any(acts), "{shown:?}");
            assert!(shown.starts_with("a\\u{1b}[2Kb\\u{9b}31mc\\u{7f}d\\u{d}e\\u{85}f\\u{2028}"), "{shown}");
        }
        assert_eq!(plain("→ jürgen 日本 👩‍👩‍👧\tx\r\ny\n"), "→ jürgen 日本 👩‍👩‍👧\tx\ny\n");
    }

    #[test]
    fn json_keeps_its_value() {
        let document = serde_json::to_string_pretty(&serde_json::json!({ "text": HOSTILE })).unwrap();
        let shown = json(&document);
        assert!(!shown.chars().any(acts), "{shown:?}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["text"], HOSTILE);
    }

    #[test]
    fn tones_become_colours_that_end_and_texts_cannot_forge_them() {
        assert_eq!(visible(&TextStyle::Good.paint("ok")), "\u{1b}[32mok\u{1b}[0m");
        assert_eq!(plain(&TextStyle::Good.paint("ok")), "ok");
        assert_eq!(visible("\u{1b}[32mok"), "\\u{1b}[32mok");
    }
}

//! Finds what the scanner skips outside the scalars: comments, which a rewrite would lose, and tabs, which
//! the scanner treats as spaces and PyYAML refuses.

use saphyr_parser::{ScalarStyle, Span};

use super::Position;
use super::quoted::quoted_end;

/// Comments and tabs outside the scalars.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// Where comments start: a `#` at the start of a line or after white space.
    pub(super) comments: Vec<Position>,
    /// The first tab that is not within a comment.
    pub(super) tab: Option<Position>,
}

/// Examines `text`, whose scalars in order are `scalars`. The header line of a block scalar is not part of
/// the scalar.
pub(super) fn look(text: &str, scalars: &[(Span, ScalarStyle)]) -> Outside {
    let mut found = Outside::default();
    if !text.contains(['#', '\t']) {
        return found;
    }
    let characters: Vec<char> = text.chars().collect();
    let mut scalars = scalars.iter().peekable();
    let mut place = Position { line: 1, column: 1 };
    let mut before = '\n';
    let mut in_comment = false;
    let mut scalar_end = 0;
    for (index, character) in characters.iter().copied().enumerate() {
        while let Some((span, style)) = scalars.next_if(|(span, _)| span.start.index() <= index) {
            scalar_end = quoted_end(&characters, *span, *style).unwrap_or_else(|| span.end.index());
        }
        let outside = index >= scalar_end && !in_comment;
        if outside && character == '#' && matches!(before, ' ' | '\t' | '\n' | '\r') {
            found.comments.push(place);
            in_comment = true;
        } else if outside && character == '\t' && found.tab.is_none() {
            found.tab = Some(place);
        }
        if character == '\n' {
            place = Position { line: place.line + 1, column: 1 };
            in_comment = false;
        } else {
            place.column += 1;
        }
        before = character;
    }
    found
}

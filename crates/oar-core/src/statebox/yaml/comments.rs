//! Finds comments, which the scanner skips and a rewrite would lose.

use saphyr_parser::Span;

use super::Position;

/// Where comments start: a `#` at the start of a line or after white space, outside every scalar. `scalars` are
/// the document's scalars in order; the header line
/// of a block scalar is not part of it.
pub(super) fn find(text: &str, scalars: &[Span]) -> Vec<Position> {
    let mut found = Vec::new();
    let mut scalars = scalars.iter().peekable();
    let mut place = Position { line: 1, column: 1 };
    let mut before = '\n';
    let mut in_comment = false;
    for (index, character) in text.chars().enumerate() {
        while scalars.next_if(|span| span.end.index() <= index).is_some() {}
        let in_scalar = scalars.peek().is_some_and(|span| index >= span.start.index());
        if character == '#' && !in_scalar && !in_comment && matches!(before, ' ' | '\t' | '\n' | '\r') {
            found.push(place);
            in_comment = true;
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

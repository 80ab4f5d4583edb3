//! The end of quoted scalars, which the scanner does not report and readers that keep a file's bytes need.

use saphyr_parser::{ScalarStyle, Span};

/// The index of the character after a quoted scalar; `None` for other styles. The scanner's own end mark is
/// after a comment that follows the scalar.
pub(crate) fn quoted_end(characters: &[char], span: Span, style: ScalarStyle) -> Option<usize> {
    let start = span.start.index();
    match style {
        ScalarStyle::SingleQuoted => Some(after_quote(characters, start, '\'', '\'')),
        ScalarStyle::DoubleQuoted => Some(after_quote(characters, start, '"', '\\')),
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => None,
    }
}

fn after_quote(characters: &[char], start: usize, quote: char, escape: char) -> usize {
    let mut index = start + 1;
    while let Some(character) = characters.get(index) {
        if *character == escape && (escape != quote || characters.get(index + 1) == Some(&quote)) {
            index += 2;
        } else if *character == quote {
            return index + 1;
        } else {
            index += 1;
        }
    }
    characters.len()
}

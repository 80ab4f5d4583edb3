//! Writes texts: the choice of a style and the four styles (spec 01 §2.11, rules 6 to 14).

use super::emitter::{Emitter, WIDTH};
use super::resolve::needs_quotes;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// Whether YAML 1.1 treats the character as a line break, except CR, which is always escaped.
fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether the text has line breaks and nothing else.
pub(super) fn is_only_breaks(text: &str) -> bool {
    text.chars().all(is_break)
}

/// Whether it is one of the two line breaks that exist only in YAML 1.1.
fn is_line_separator(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
}

fn is_separator(character: char) -> bool {
    is_break(character) || matches!(character, ' ' | '\t' | '\0' | '\r')
}

/// Whether the character may be unescaped in a plain, single-quoted or literal scalar.
///
/// Not U+0085, although PyYAML writes it unescaped: PyYAML itself reads it back as another character.
fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10fffe}')
        && character != '\u{feff}'
}

/// What decides the style of a text.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of one text, each read once")]
pub(super) struct Analysis {
    empty: bool,
    line_feed: bool,
    multiline: bool,
    typed: bool,
    indicators: bool,
    outer_blank: bool,
    trailing_space: bool,
    /// A space directly after a line break.
    indented: bool,
    /// A character that must be escaped, a space directly before a line break, or a line separator with no
    /// ordinary character on each side.
    escaped: bool,
}

impl Analysis {
    pub(super) fn of(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let pairs = || characters.iter().zip(characters.iter().skip(1));
        let outer = |place: Option<&char>, wanted: fn(char) -> bool| place.copied().is_some_and(wanted);
        let space_or_break = |character: char| character == ' ' || is_break(character);
        Self {
            empty: text.is_empty(),
            line_feed: text.contains('\n'),
            multiline: text.contains(is_break),
            typed: needs_quotes(text),
            indicators: has_indicators(text, &characters),
            outer_blank: outer(characters.first(), space_or_break)
                || outer(characters.last(), space_or_break),
            trailing_space: text.ends_with(' '),
            indented: pairs().any(|(left, right)| is_break(*left) && *right == ' '),
            escaped: characters.iter().any(|character| !is_printable(*character))
                || text.starts_with(is_line_separator)
                || text.ends_with(is_line_separator)
                || pairs().any(|(left, right)| {
                    (*left == ' ' && is_break(*right))
                        || (is_break(*left) && is_line_separator(*right))
                        || (is_line_separator(*left) && is_break(*right))
                }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    pub(super) fn is_multiline(&self) -> bool {
        self.multiline
    }

    pub(super) fn style(&self, simple_key: bool) -> Style {
        if self.line_feed {
            let literal = !simple_key && !self.trailing_space && !self.escaped;
            return if literal { Style::Literal } else { Style::Double };
        }
        let plain = !self.typed && !self.indicators && !self.outer_blank && !self.multiline && !self.escaped;
        let double = self.indented || self.escaped || (simple_key && self.multiline);
        if plain && !self.empty {
            Style::Plain
        } else if double {
            Style::Double
        } else {
            Style::Single
        }
    }
}

/// Whether a character in the text would be syntax in a plain scalar in block style.
fn has_indicators(text: &str, characters: &[char]) -> bool {
    if text.starts_with("---") || text.starts_with("...") {
        return true;
    }
    let ends_word = |index: usize| characters.get(index).copied().is_none_or(is_separator);
    let leading = match characters.first() {
        Some(
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`',
        ) => true,
        Some('?' | ':' | '-') => ends_word(1),
        _ => false,
    };
    let within = |(index, character): (usize, &char)| match character {
        ':' => ends_word(index + 1),
        '#' => {
            index.checked_sub(1).and_then(|before| characters.get(before)).copied().is_some_and(is_separator)
        }
        _ => false,
    };
    leading || characters.iter().enumerate().skip(1).any(within)
}

impl Emitter {
    /// Writes `text` in `style`; `split` permits folding (not within a key).
    pub(super) fn styled(&mut self, text: &str, style: Style, split: bool) {
        match style {
            Style::Plain => self.plain(text, split),
            Style::Single => self.single_quoted(text, split),
            Style::Double => self.double_quoted(text, split),
            Style::Literal => self.literal(text),
        }
    }

    fn plain(&mut self, text: &str, split: bool) {
        if !self.whitespace {
            self.write(" ");
        }
        self.whitespace = false;
        self.indention = false;
        self.words(text, split, |_| false);
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, split: bool) {
        self.indicator("'", true, false, false);
        let doubled = text.replace('\'', "''");
        let length = doubled.chars().count();
        // Not at the first or last character, because the space there would be lost.
        self.words(&doubled, split, |index| index == 0 || index + 1 == length);
        self.indicator("'", false, false, false);
    }

    /// Writes the words of a text. A single space becomes a line break when the line is already too wide,
    /// unless `keep` is true for the space (its index in characters).
    fn words(&mut self, text: &str, split: bool, keep: impl Fn(usize) -> bool) {
        let mut index = 0;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let same: fn(char) -> bool = match first {
                ' ' => |character| character == ' ',
                _ if is_break(first) => is_break,
                _ => |character| character != ' ' && !is_break(character),
            };
            let end = rest.find(|character| !same(character)).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end);
            rest = after;
            if first == ' ' && end == 1 && split && self.column > WIDTH && !keep(index) {
                self.line_start();
            } else if is_break(first) {
                // Only U+2028 and U+2029 occur here; YAML 1.1 keeps them.
                run.chars().for_each(|character| self.line_break(character));
                self.line_start();
            } else {
                self.write(run);
            }
            index += run.chars().count();
        }
    }

    fn double_quoted(&mut self, text: &str, split: bool) {
        self.indicator("\"", true, false, false);
        let characters: Vec<char> = text.chars().collect();
        let mut pending = String::new();
        for (index, character) in characters.iter().copied().enumerate() {
            let foldable = split && index > 0 && index + 1 < characters.len();
            if let Some(escape) = escape(character) {
                self.write(&std::mem::take(&mut pending));
                self.write(&escape);
                if foldable && self.column > WIDTH + 1 {
                    self.fold_double_quoted(characters.get(index + 1).copied());
                }
                continue;
            }
            if foldable
                && (character == ' ' || pending.is_empty())
                && self.column + pending.chars().count() > WIDTH
            {
                self.write(&std::mem::take(&mut pending));
                self.fold_double_quoted(Some(character));
            }
            pending.push(character);
        }
        self.write(&pending);
        self.indicator("\"", false, false, false);
    }

    /// Breaks the line within a double-quoted text; a space at the start of the next line must be escaped.
    fn fold_double_quoted(&mut self, next: Option<char>) {
        self.write("\\");
        self.line_start();
        self.whitespace = false;
        self.indention = false;
        if next == Some(' ') {
            self.write("\\");
        }
    }

    fn literal(&mut self, text: &str) {
        let mut header = String::from("|");
        let mut backwards = text.chars().rev();
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            header.push('2');
        }
        if !backwards.next().is_some_and(is_break) {
            header.push('-');
        } else if backwards.next().is_none_or(is_break) {
            header.push('+');
        }
        self.indicator(&header, true, false, false);
        self.open_ended |= header.ends_with('+');
        self.line_break('\n');
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if is_break(character) {
                self.line_break(character);
                continue;
            }
            if self.column == 0 {
                self.line_start();
            }
            self.out.push(character);
            self.column += 1;
            if characters.peek().is_none() {
                self.line_break('\n');
            }
        }
    }
}

/// The escape sequence of a character that must be escaped in a double-quoted scalar.
fn escape(character: char) -> Option<String> {
    let short = match character {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' => return None,
        _ => {
            let code = u32::from(character);
            return Some(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    };
    Some(format!("\\{short}"))
}

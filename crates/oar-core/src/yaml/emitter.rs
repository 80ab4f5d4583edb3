//! Writes a tree as PyYAML's block style does (spec 01 §2.11, rules 1 to 5 and the layout around scalars).

use super::number::python_float;
use super::resolve::Kind;
use super::scalar::{Analysis, Style, is_only_breaks};
use super::{Mapping, Node, Scalar, Value};

/// The line width after which a text may be folded.
pub(super) const WIDTH: usize = 80;
const STEP: usize = 2;
/// A key of this many characters or more is written with `? ` on a line of its own: 128 in PyYAML, which counts
/// the tag `!!str` although it does not write it.
const LONG_KEY: usize = 128 - "!!str".len();

/// The tree as a document: block style, two columns per level, lists not indented below their key, final LF.
///
/// Never writes anchors, comments or document markers. The text of every [`Kind::Text`] scalar reads back the
/// same with a YAML 1.1 and with a YAML 1.2 reader that takes quoted scalars for text.
pub fn emit(root: &Node) -> String {
    let mut emitter = Emitter { whitespace: true, indention: true, ..Emitter::default() };
    emitter.node(root, Context::Root);
    emitter.line_start();
    if emitter.open_ended {
        emitter.indicator("...", true, false, false);
        emitter.line_start();
    }
    emitter.out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Sequence,
    Mapping,
    SimpleKey,
}

/// The output so far and the state that decides spaces and line breaks. The flags have the same meaning as in
/// PyYAML's emitter, because its layout follows from them.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of the output so far")]
pub(super) struct Emitter {
    pub(super) out: String,
    pub(super) column: usize,
    pub(super) indent: usize,
    /// Whether any collection has been opened; the first one is not indented.
    opened: bool,
    /// Whether the output ends with separating white space.
    pub(super) whitespace: bool,
    /// Whether the line so far has only indentation and `-`, `?`, `:`.
    pub(super) indention: bool,
    /// Whether the document's end must be marked, because a trailing `|+` would swallow what follows.
    pub(super) open_ended: bool,
}

impl Emitter {
    fn node(&mut self, node: &Node, context: Context) {
        match &node.value {
            Value::Scalar(scalar) => self.scalar(scalar, context),
            Value::Sequence(items) if items.is_empty() => self.empty("[", "]"),
            Value::Mapping(mapping) if mapping.is_empty() => self.empty("{", "}"),
            Value::Sequence(items) => self.sequence(items, context),
            Value::Mapping(mapping) => self.mapping(mapping),
        }
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.indicator(open, true, true, false);
        self.indicator(close, false, false, false);
    }

    fn sequence(&mut self, items: &[Node], context: Context) {
        let flush = context == Context::Mapping && !self.indention;
        let outer = self.enter(flush);
        for item in items {
            self.line_start();
            self.indicator("-", true, false, true);
            self.node(item, Context::Sequence);
        }
        self.leave(outer);
    }

    fn mapping(&mut self, mapping: &Mapping) {
        let outer = self.enter(false);
        for (key, value) in mapping.iter() {
            self.line_start();
            if is_simple_key(key) {
                self.node(key, Context::SimpleKey);
                self.indicator(":", false, false, false);
            } else {
                self.indicator("?", true, false, true);
                self.node(key, Context::Mapping);
                self.line_start();
                self.indicator(":", true, false, true);
            }
            self.node(value, Context::Mapping);
        }
        self.leave(outer);
    }

    fn enter(&mut self, flush: bool) -> (usize, bool) {
        let outer = (self.indent, self.opened);
        if self.opened && !flush {
            self.indent += STEP;
        }
        self.opened = true;
        outer
    }

    fn leave(&mut self, (indent, opened): (usize, bool)) {
        self.indent = indent;
        self.opened = opened;
    }

    fn scalar(&mut self, scalar: &Scalar, context: Context) {
        let simple_key = context == Context::SimpleKey;
        let mut style = Style::Plain;
        let written;
        let text = match &scalar.kind {
            Kind::Null => "null",
            Kind::Bool(true) => "true",
            Kind::Bool(false) => "false",
            Kind::Integer(digits) => digits,
            Kind::Float(value) => {
                written = python_float(*value, &scalar.text);
                &written
            }
            Kind::Verbatim => &scalar.text,
            Kind::Text => {
                style = Analysis::of(&scalar.text).style(simple_key);
                // Readers do not find the end of a literal block that is the whole document and has no line of text.
                if context == Context::Root && style == Style::Literal && is_only_breaks(&scalar.text) {
                    style = Style::Double;
                }
                &scalar.text
            }
        };
        // PyYAML marks the end of a document that is a single plain scalar.
        self.open_ended |= context == Context::Root && style == Style::Plain;
        let outer = self.indent;
        self.indent = if self.opened { outer + STEP } else { STEP };
        self.styled(text, style, !simple_key);
        self.indent = outer;
    }

    pub(super) fn write(&mut self, text: &str) {
        self.column += text.chars().count();
        self.out.push_str(text);
    }

    pub(super) fn indicator(&mut self, text: &str, separate: bool, whitespace: bool, indention: bool) {
        if separate && !self.whitespace {
            self.write(" ");
        }
        self.write(text);
        self.whitespace = whitespace;
        self.indention &= indention;
        self.open_ended = false;
    }

    /// Moves to the indentation column, on a new line unless this line is empty up to there.
    pub(super) fn line_start(&mut self) {
        let occupied =
            !self.indention || self.column > self.indent || (self.column == self.indent && !self.whitespace);
        if occupied {
            self.line_break('\n');
        }
        if self.column < self.indent {
            self.whitespace = true;
            self.out.extend(std::iter::repeat_n(' ', self.indent - self.column));
            self.column = self.indent;
        }
    }

    pub(super) fn line_break(&mut self, character: char) {
        self.whitespace = true;
        self.indention = true;
        self.column = 0;
        self.out.push(character);
    }
}

fn is_simple_key(key: &Node) -> bool {
    match &key.value {
        Value::Scalar(scalar) if scalar.kind == Kind::Text => {
            let analysis = Analysis::of(&scalar.text);
            !analysis.is_empty() && !analysis.is_multiline() && scalar.text.chars().count() < LONG_KEY
        }
        Value::Scalar(_) => true,
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(mapping) => mapping.is_empty(),
    }
}

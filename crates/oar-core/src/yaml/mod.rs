//! YAML: one reader with one set of limits for every text from outside, and an emitter that writes byte for byte what
//! PyYAML's block style at width 80 writes (spec 01 §2.11).
//!
//! [`parse`] reads a file that this program rewrites, with positions and raw text; [`parse_outside`] and
//! [`from_str`] read files of other programs. All follow YAML 1.1, because PyYAML reads the same files:
//! `yes`, `4.20`, `12:30:45`, `1_000` and `2026-07-01T10:00:06Z` are not text there unless they are quoted.

mod emitter;
pub mod limits;
mod number;
mod outside;
mod quoted;
mod reader;
mod resolve;
mod scalar;
mod typed;

use std::fmt;

pub use emitter::emit;
pub(crate) use limits::Events;
pub use limits::YamlError;
pub(crate) use quoted::quoted_end;
pub use reader::{Document, parse, parse_outside};
pub use resolve::{Kind, resolve};
pub use typed::from_str;

/// A place in a file; both numbers start at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position {
    /// The line; 0 when the value does not come from a file.
    pub line: usize,
    /// The column; 0 when the value does not come from a file.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// A value and its position. Two nodes are equal when their values are, whatever their positions.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where the value starts.
    pub position: Position,
    /// The value.
    pub value: Value,
}

/// The content of a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, a number, a boolean, a time, or null.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in order.
    Mapping(Mapping),
}

/// A scalar: its text (without quotes, escapes and folding) and its type in YAML 1.1.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The text, whatever its kind.
    pub text: String,
    /// Its type for a YAML 1.1 reader.
    pub kind: Kind,
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Text, Kind::Text) | (Kind::Verbatim, Kind::Verbatim) => self.text == other.text,
            (Kind::Float(left), Kind::Float(right)) => left.to_bits() == right.to_bits(),
            (left, right) => left == right,
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Node {
    /// A value that does not come from a file.
    pub fn new(value: Value) -> Self {
        Self { position: Position::default(), value }
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Value::Scalar(Scalar { text: text.into(), kind: Kind::Text }))
    }

    /// A text, or null.
    pub fn optional(text: Option<impl Into<String>>) -> Self {
        text.map_or_else(Self::null, Self::text)
    }

    /// The null value.
    pub fn null() -> Self {
        Self::new(Value::Scalar(Scalar { text: "null".into(), kind: Kind::Null }))
    }

    /// A boolean.
    pub fn bool(value: bool) -> Self {
        Self::new(Value::Scalar(Scalar { text: value.to_string(), kind: Kind::Bool(value) }))
    }

    /// An integer.
    pub fn integer(value: u64) -> Self {
        let text = value.to_string();
        Self::new(Value::Scalar(Scalar { kind: Kind::Integer(text.clone()), text }))
    }

    /// A list.
    pub fn sequence(items: Vec<Self>) -> Self {
        Self::new(Value::Sequence(items))
    }

    /// A mapping.
    pub fn mapping(mapping: Mapping) -> Self {
        Self::new(Value::Mapping(mapping))
    }

    /// The scalar, if this is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        if let Value::Scalar(scalar) = &self.value { Some(scalar) } else { None }
    }

    /// The items, if this is a list.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        if let Value::Sequence(items) = &self.value { Some(items) } else { None }
    }

    /// The items, if this is a list.
    pub fn as_sequence_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Value::Sequence(items) = &mut self.value { Some(items) } else { None }
    }

    /// The mapping, if this is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        if let Value::Mapping(mapping) = &self.value { Some(mapping) } else { None }
    }

    /// The mapping, if this is one.
    pub fn as_mapping_mut(&mut self) -> Option<&mut Mapping> {
        if let Value::Mapping(mapping) = &mut self.value { Some(mapping) } else { None }
    }

    /// Whether this is the null value.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(Scalar { kind: Kind::Null, .. }))
    }

    /// The raw text of a scalar that is not null.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().filter(|scalar| scalar.kind != Kind::Null).map(|scalar| scalar.text.as_str())
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_scalar()?.kind {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if this is one in the range of `u64`.
    pub fn as_u64(&self) -> Option<u64> {
        match &self.as_scalar()?.kind {
            Kind::Integer(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Describes the value, for messages: `a list`, `the number 4.20`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Sequence(_) => "a list".into(),
            Value::Mapping(_) => "a mapping".into(),
            Value::Scalar(scalar) => {
                let shown: String = scalar.text.chars().take(60).collect();
                match scalar.kind {
                    Kind::Null => "null".into(),
                    Kind::Bool(_) => format!("the boolean `{shown}`"),
                    Kind::Integer(_) | Kind::Float(_) => format!("the number `{shown}`"),
                    Kind::Text | Kind::Verbatim => format!("the text `{shown}`"),
                }
            }
        }
    }
}

/// Keys and values, in the order of the file. Keys are usually text, but need not be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapping {
    entries: Vec<(Node, Node)>,
}

impl Mapping {
    /// A mapping without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &(Node, Node)> {
        self.entries.iter()
    }

    /// The entries in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut (Node, Node)> {
        self.entries.iter_mut()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of the text key `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(name, _)| is_key(name, key)).map(|(_, value)| value)
    }

    /// The value of the text key `key`.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(name, _)| is_key(name, key)).map(|(_, value)| value)
    }

    /// Sets the value of the text key `key`: in place if the key exists, otherwise at the end. An equal value
    /// is not replaced.
    pub fn set(&mut self, key: &str, value: Node) {
        match self.get_mut(key) {
            Some(existing) if *existing == value => {}
            Some(existing) => *existing = value,
            None => self.entries.push((Node::text(key), value)),
        }
    }

    /// Adds an entry at the end; the caller has made sure that the key is new.
    pub fn push(&mut self, key: Node, value: Node) {
        self.entries.push((key, value));
    }

    /// Removes the text key `key`.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(name, _)| is_key(name, key))?;
        Some(self.entries.remove(index).1)
    }

    /// The raw text of the scalar under `key`, unless it is null.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }
}

impl<const N: usize> From<[(&str, Node); N]> for Mapping {
    fn from(entries: [(&str, Node); N]) -> Self {
        Self { entries: entries.into_iter().map(|(key, value)| (Node::text(key), value)).collect() }
    }
}

fn is_key(node: &Node, key: &str) -> bool {
    matches!(&node.value, Value::Scalar(Scalar { text, kind: Kind::Text }) if text == key)
}

#[cfg(test)]
mod tests;

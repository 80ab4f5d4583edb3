//! A YAML document as a tree whose values know their position in the text.
//!
//! Shipment files are edited in place, so the tree is for finding, never for writing.

use std::collections::HashSet;
use std::fmt;

use saphyr_parser::{Event, ScalarStyle, Span};

use crate::yaml::{Events, YamlError, quoted_end};

/// What is wrong at a place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Line, from 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) message: String,
}

impl From<YamlError> for Problem {
    fn from(error: YamlError) -> Self {
        Self { line: error.position.line, message: error.message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

/// A place in the text: character from 0, line from 1, column from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) start: Place,
    /// The character behind its last one. Behind a block collection this is where the next token begins.
    pub(super) end: usize,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A text, with how it is written.
    Scalar { text: String, style: ScalarStyle },
    /// A list; whether it is written in brackets.
    Sequence { items: Vec<Node>, flow: bool },
    /// A mapping, in its order; whether it is written in braces.
    Mapping { entries: Vec<(Node, Node)>, flow: bool },
    /// A reference to an anchor.
    Alias(usize),
}

impl Node {
    /// The value's kind with its article.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } => "a text",
            Value::Sequence { .. } => "a list",
            Value::Mapping { .. } => "a mapping",
            Value::Alias(_) => "an alias",
        }
    }

    /// Whether it is null.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, style: ScalarStyle::Plain }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entry of a mapping.
    pub(super) fn entry(&self, key: &str) -> Option<&(Node, Node)> {
        match &self.value {
            Value::Mapping { entries, .. } => entries.iter().find(|(name, _)| name.text() == Some(key)),
            _ => None,
        }
    }

    /// Whether both say the same, wherever they stand.
    pub(super) fn same(&self, other: &Self) -> bool {
        let mut waiting = vec![(self, other)];
        while let Some((one, other)) = waiting.pop() {
            match (&one.value, &other.value) {
                (Value::Scalar { text: a, style: b }, Value::Scalar { text: c, style: d }) => {
                    if a != c || b != d {
                        return false;
                    }
                }
                (Value::Alias(a), Value::Alias(b)) => {
                    if a != b {
                        return false;
                    }
                }
                (Value::Sequence { items: a, .. }, Value::Sequence { items: b, .. }) => {
                    if a.len() != b.len() {
                        return false;
                    }
                    waiting.extend(a.iter().zip(b));
                }
                (Value::Mapping { entries: a, .. }, Value::Mapping { entries: b, .. }) => {
                    if a.len() != b.len() {
                        return false;
                    }
                    for ((key, value), (other_key, other_value)) in a.iter().zip(b) {
                        waiting.push((key, other_key));
                        waiting.push((value, other_value));
                    }
                }
                _ => return false,
            }
        }
        true
    }
}

enum Open {
    Sequence { start: Place, items: Vec<Node>, flow: bool },
    Mapping { start: Place, entries: Vec<(Node, Node)>, key: Option<Node>, seen: HashSet<String>, flow: bool },
}

fn place(span: Span) -> Place {
    Place { index: span.start.index(), line: span.start.line(), column: span.start.col() }
}

/// Reads `text`, which is exactly one document, without a byte order mark. `None` when it is empty.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Problem> {
    let mut events = Events::of(text)?;
    let characters: Vec<char> = text.chars().collect();
    let (mut open, mut root) = (Vec::new(), None);
    while let Some((event, span)) = events.next()? {
        let start = place(span);
        let problem = |message: &str| Problem { line: start.line, message: message.to_owned() };
        let node = match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
            Event::Scalar(text, style, ..) => Node {
                start,
                end: scalar_end(&characters, span, style),
                value: Value::Scalar { text: text.into_owned(), style },
            },
            Event::Alias(anchor) => Node { start, end: span.end.index(), value: Value::Alias(anchor) },
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let opening = characters.get(start.index).copied();
                open.push(match event {
                    Event::SequenceStart(..) => {
                        Open::Sequence { start, items: Vec::new(), flow: opening == Some('[') }
                    }
                    _ => Open::Mapping {
                        start,
                        entries: Vec::new(),
                        key: None,
                        seen: HashSet::new(),
                        flow: opening == Some('{'),
                    },
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let end = span.end.index();
                match open.pop() {
                    Some(Open::Sequence { start, items, flow }) => {
                        Node { start, end, value: Value::Sequence { items, flow } }
                    }
                    Some(Open::Mapping { start, entries, flow, .. }) => {
                        Node { start, end, value: Value::Mapping { entries, flow } }
                    }
                    None => return Err(problem("a collection ends that was never started")),
                }
            }
        };
        match open.last_mut() {
            None => root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, key, seen, .. }) => {
                if let Some(name) = key.take() {
                    entries.push((name, node));
                    continue;
                }
                if let Some(name) = node.text()
                    && !seen.insert(name.to_owned())
                {
                    return Err(Problem {
                        line: node.start.line,
                        message: format!("the key `{name}` occurs twice in this mapping"),
                    });
                }
                *key = Some(node);
            }
        }
    }
    Ok(root)
}

/// The index of the character behind a scalar.
fn scalar_end(characters: &[char], span: Span, style: ScalarStyle) -> usize {
    quoted_end(characters, span, style).unwrap_or_else(|| {
        let start = span.start.index();
        let mut end = span.end.index().min(characters.len());
        while end > start && characters.get(end - 1).is_some_and(|c| c.is_whitespace()) {
            end -= 1;
        }
        end
    })
}

//! Limits for YAML texts: the events of one document, counted while they are read.
//!
//! Every reader of YAML takes its events from here, so that there is one set of limits. A text that exceeds
//! one is refused at that place, before the rest is scanned.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScanError, Span, StrInput};

use super::Position;

/// The largest text that is read, in bytes. The largest build data so far has 260 kB, the largest StateBox file 40 kB.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The deepest nesting of collections, aliases resolved. Build data needs nine levels, a StateBox file six.
pub const MAX_DEPTH: usize = 64;
/// The most values of a document, aliases resolved.
pub const MAX_NODES: usize = 500_000;
/// The most aliases of a document.
pub const MAX_ALIASES: usize = 10_000;

/// The text is not exactly one document of the supported YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct YamlError {
    /// The position.
    pub position: Position,
    /// What is wrong, and what was expected.
    pub message: String,
}

pub(super) fn failure(position: Position, message: impl Into<String>) -> YamlError {
    YamlError { position, message: message.into() }
}

pub(super) fn position(span: Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

/// Refuses a text that is too large.
pub(super) fn check_size(text: &str) -> Result<(), YamlError> {
    if text.len() > MAX_BYTES {
        let message = format!("the text has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(failure(Position { line: 1, column: 1 }, message));
    }
    Ok(())
}

/// A collection that is still open.
struct Open {
    anchor: usize,
    /// How many values there were before it.
    before: usize,
    /// Its depth so far.
    height: usize,
}

/// The size that an alias of an anchored value adds.
#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    height: usize,
}

/// The events of a text that holds exactly one document, within the limits.
pub(crate) struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
    open: Vec<Open>,
    anchored: HashMap<usize, Size>,
    nodes: usize,
    aliases: usize,
    documents: usize,
}

impl<'a> Events<'a> {
    /// The events of `text`, which has no byte order mark.
    pub(crate) fn of(text: &'a str) -> Result<Self, YamlError> {
        check_size(text)?;
        Ok(Self {
            parser: Parser::new_from_str(text),
            open: Vec::new(),
            anchored: HashMap::new(),
            nodes: 0,
            aliases: 0,
            documents: 0,
        })
    }

    /// Checks that `text` is within the limits, before another parser gets it.
    pub(crate) fn check(text: &'a str) -> Result<(), YamlError> {
        let mut events = Self::of(text)?;
        while events.next()?.is_some() {}
        Ok(())
    }

    /// The next event; `None` at the end of the text.
    pub(crate) fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, YamlError> {
        let Some(next) = self.parser.next_event() else { return Ok(None) };
        let (event, span) = next.map_err(|error| scan_error(&error))?;
        if matches!(event, Event::StreamEnd) {
            return Ok(None);
        }
        self.count(&event).map_err(|message| failure(position(span), message))?;
        Ok(Some((event, span)))
    }

    fn count(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document starts here; a file holds exactly one".into());
                }
            }
            Event::Scalar(_, _, anchor, _) => self.add(*anchor, Size { nodes: 1, height: 0 })?,
            Event::Alias(anchor) => {
                self.aliases += 1;
                if self.aliases > MAX_ALIASES {
                    return Err(format!("more than {MAX_ALIASES} aliases"));
                }
                // The tree's builder refuses an alias of a value that is still open.
                let size = self.anchored.get(anchor).copied().unwrap_or(Size { nodes: 1, height: 0 });
                self.add(0, size)?;
            }
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                if self.open.len() >= MAX_DEPTH {
                    return Err(too_deep());
                }
                self.open.push(Open { anchor: *anchor, before: self.nodes, height: 1 });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { anchor, before, height }) = self.open.pop() {
                    let nodes = self.nodes - before + 1;
                    self.nodes = before;
                    self.add(anchor, Size { nodes, height })?;
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Counts a complete value.
    fn add(&mut self, anchor: usize, size: Size) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(size.nodes);
        if self.nodes > MAX_NODES {
            return Err(format!("more than {MAX_NODES} values, aliases resolved"));
        }
        if self.open.len() + size.height > MAX_DEPTH {
            return Err(too_deep());
        }
        if let Some(open) = self.open.last_mut() {
            open.height = open.height.max(size.height + 1);
        }
        if anchor != 0 {
            self.anchored.insert(anchor, size);
        }
        Ok(())
    }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

fn scan_error(error: &ScanError) -> YamlError {
    let (marker, info) = (error.marker(), error.info());
    let place = Position { line: marker.line(), column: marker.col() + 1 };
    // The scanner has its own limit for nested brackets.
    if info.contains("recursion limit") {
        return failure(place, too_deep());
    }
    failure(place, format!("not valid YAML: {info}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of events of a text until it ends or is refused, and the error.
    fn steps(text: &str) -> (usize, Option<YamlError>) {
        let mut events = match Events::of(text) {
            Ok(events) => events,
            Err(error) => return (0, Some(error)),
        };
        let mut count = 0;
        loop {
            match events.next() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (count, None),
                Err(error) => return (count, Some(error)),
            }
        }
    }

    #[test]
    fn a_hostile_text_takes_as_many_steps_however_long_it_is() {
        let shapes: [fn(usize) -> String; 6] = [
            |length| format!("a: {}{}", "[".repeat(length), "]".repeat(length)),
            |length| "[".repeat(length),
            |length| "{a: ".repeat(length),
            |length| "- ".repeat(length),
            |length| "? ".repeat(length),
            |length| (0..length.min(2000)).flat_map(|depth| [" ".repeat(depth), "a:\n".to_owned()]).collect(),
        ];
        for (place, shape) in shapes.into_iter().enumerate() {
            let (short, long) = (steps(&shape(1_000)), steps(&shape(200_000)));
            assert!(short.1.is_some() && long.1.is_some(), "shape {place}: {short:?} {long:?}");
            assert!(
                long.0 <= 4 * MAX_DEPTH && long.0 == short.0,
                "shape {place}: {} and {}",
                short.0,
                long.0
            );
        }
    }

    #[test]
    fn aliases_count_as_what_they_stand_for() {
        let chain: Vec<String> =
            (1..100).map(|level| format!("a{level}: &a{level} [*a{}]\n", level - 1)).collect();
        let (count, error) = steps(&format!("a0: &a0 []\n{}", chain.concat()));
        assert!(error.unwrap().message.contains("nested deeper") && count < 6 * MAX_DEPTH, "{count}");
        let doubled: Vec<String> =
            (1..40).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1)).collect();
        let (count, error) = steps(&format!("a0: &a0 []\n{}", doubled.concat()));
        assert!(error.unwrap().message.contains("aliases resolved") && count < 200, "{count}");
    }
}

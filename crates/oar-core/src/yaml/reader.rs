//! Reads one YAML document into a tree with positions, within limits.
//!
//! This reader is used for every YAML text from outside: state files, build data, test reports, shipment
//! files, services' answers. Its limits are those of [`super::limits`].

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle, Span, Tag};

use super::limits::{Events, YamlError, failure, position};
use super::outside;
use super::resolve::{Kind, resolve};
use super::{Mapping, Node, Position, Scalar, Value};

/// A document, and the comments that a rewrite would lose.
#[derive(Debug, Clone)]
pub struct Document {
    /// The document's value; null when the document is empty.
    pub root: Node,
    /// Where comments start. A rewrite loses them.
    pub comments: Vec<Position>,
}

/// Reads `text` as exactly one document.
///
/// Accepts what PyYAML's safe loader accepts, with these differences: a byte order mark and CRLF line ends are
/// tolerated; a key may not occur twice in a mapping; only scalars may be keys; the tags `!!binary`, `!!set`,
/// `!!omap` and `!!pairs` are refused. Aliases and merge keys are resolved by value.
pub fn parse(text: &str) -> Result<Document, YamlError> {
    read(text, Strictness::Strict)
}

/// Reads `text`, a file of another program, as exactly one document.
///
/// More is accepted than by [`parse`]: a key may occur several times in a mapping (the tree has all of them,
/// in order; [`super::from_str`] uses the last one for a struct, as PyYAML does), any value may be a key, and
/// unknown tags are ignored.
pub fn parse_outside(text: &str) -> Result<Node, YamlError> {
    Ok(read(text, Strictness::Tolerant)?.root)
}

/// How strictly a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// For files that are rewritten: what a rewrite would change is refused.
    Strict,
    /// For texts that are only read.
    Tolerant,
}

fn read(text: &str, strictness: Strictness) -> Result<Document, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_text(text)?;
    // U+0085 is a line break in YAML 1.1, but not for the scanner, which follows YAML 1.2.
    let text: &str =
        &if text.contains('\u{85}') { Cow::Owned(text.replace('\u{85}', "\n")) } else { Cow::Borrowed(text) };
    let mut events = Events::of(text)?;
    let mut builder = Builder::new(strictness);
    let mut scalars = Vec::new();
    // The end of a file without a final line break: the scanner adds one to a block scalar there, PyYAML does
    // not.
    let ends = if text.ends_with(['\n', '\r']) { usize::MAX } else { text.chars().count() };
    while let Some((event, span)) = events.next()? {
        if let Event::Scalar(_, style, _, _) = &event {
            scalars.push((span, *style));
        }
        builder.event(event, span, ends)?;
    }
    if strictness == Strictness::Tolerant {
        return Ok(Document { root: builder.root.unwrap_or_else(Node::null), comments: Vec::new() });
    }
    let outside = outside::look(text, &scalars);
    if let Some(place) = outside.tab {
        return Err(failure(place, "there is a tab here; use spaces for indentation and separation"));
    }
    Ok(Document { root: builder.root.unwrap_or_else(Node::null), comments: outside.comments })
}

/// Refuses what no YAML reader accepts but the scanner does not notice: too much text, control characters.
fn check_text(text: &str) -> Result<(), YamlError> {
    super::limits::check_size(text)?;
    let allowed = |character: char| {
        matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}')
            || matches!(character, '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
    };
    let mut place = Position { line: 1, column: 1 };
    for character in text.chars() {
        if !allowed(character) {
            let message =
                format!("the control character U+{:04X} must be escaped here", u32::from(character));
            return Err(failure(place, message));
        }
        if character == '\n' {
            place = Position { line: place.line + 1, column: 1 };
        } else {
            place.column += 1;
        }
    }
    Ok(())
}

/// A collection that is still open.
struct Open {
    position: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping(OpenMapping),
}

#[derive(Default)]
struct OpenMapping {
    entries: Mapping,
    merged: Vec<(Node, Node)>,
    key: Option<Key>,
    seen: HashMap<String, Position>,
    tolerant: bool,
}

enum Key {
    Named(Node),
    Merge(Position),
}

/// Builds the tree from events; iterative, so that depth costs no stack.
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    tolerant: bool,
}

impl Builder {
    fn new(strictness: Strictness) -> Self {
        let tolerant = strictness == Strictness::Tolerant;
        Self { open: Vec::new(), anchors: HashMap::new(), root: None, tolerant }
    }

    fn event(&mut self, event: Event<'_>, span: Span, ends: usize) -> Result<(), YamlError> {
        let position = position(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let merge = plain && tag.is_none() && text == "<<";
                let kind = match scalar_kind(&text, plain, tag.as_deref(), position) {
                    Ok(kind) => kind,
                    Err(_) if self.tolerant && plain => resolve(&text),
                    Err(_) if self.tolerant => Kind::Text,
                    Err(error) => return Err(error),
                };
                let mut text = unfold_separators(text, style, span);
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if block && span.end.index() >= ends && text.ends_with('\n') {
                    text.pop();
                }
                let node = Node { position, value: Value::Scalar(Scalar { text, kind }) };
                self.complete(node, anchor, merge)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(failure(position, "this alias refers to a value that contains it"));
                };
                let node = Node { position, value: node.value.clone() };
                self.complete(node, 0, false)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", position)?;
                self.open.push(Open { position, anchor, content: Content::Sequence(Vec::new()) });
                Ok(())
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", position)?;
                let mapping = OpenMapping { tolerant: self.tolerant, ..OpenMapping::default() };
                self.open.push(Open { position, anchor, content: Content::Mapping(mapping) });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn check_tag(&self, tag: Option<&Tag>, expected: &str, position: Position) -> Result<(), YamlError> {
        match tag {
            Some(tag) if !(self.tolerant || tag.is_yaml_core_schema() && tag.suffix == expected) => {
                Err(failure(position, format!("the tag `{tag}` is not supported here")))
            }
            _ => Ok(()),
        }
    }

    fn leave(&mut self) -> Result<(), YamlError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping(mapping) => Value::Mapping(mapping.finish()),
        };
        let node = Node { position: open.position, value };
        self.complete(node, open.anchor, false)
    }

    /// Adds a finished value to its parent.
    fn complete(&mut self, node: Node, anchor: usize, merge: bool) -> Result<(), YamlError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping(mapping)) => mapping.accept(node, merge)?,
        }
        Ok(())
    }
}

impl OpenMapping {
    fn accept(&mut self, node: Node, merge: bool) -> Result<(), YamlError> {
        match self.key.take() {
            None if merge => self.key = Some(Key::Merge(node.position)),
            None if self.tolerant => self.key = Some(Key::Named(node)),
            None => {
                let Some(name) = canonical(&node) else {
                    let message = format!("a key must be a scalar, but this is {}", node.describe());
                    return Err(failure(node.position, message));
                };
                if let Some(first) = self.seen.insert(name, node.position) {
                    let shown = node.as_scalar().map_or("", |scalar| scalar.text.as_str());
                    let message = format!(
                        "the key `{}` occurs twice in this mapping, first at line {} and again at line {}",
                        shown.chars().take(80).collect::<String>(),
                        first.line,
                        node.position.line
                    );
                    return Err(failure(node.position, message));
                }
                self.key = Some(Key::Named(node));
            }
            Some(Key::Named(key)) => self.entries.push(key, node),
            Some(Key::Merge(place)) => self.merge(node, place)?,
        }
        Ok(())
    }

    fn merge(&mut self, node: Node, place: Position) -> Result<(), YamlError> {
        let sources = match node.value {
            Value::Mapping(_) => vec![node],
            Value::Sequence(items) => items,
            Value::Scalar(_) => return Err(failure(place, "`<<` needs a mapping or a list of mappings")),
        };
        // Of several, the first one with a key wins, so it comes last.
        for source in sources.into_iter().rev() {
            let Value::Mapping(mapping) = source.value else {
                return Err(failure(place, "`<<` needs a mapping or a list of mappings"));
            };
            self.merged.extend(mapping.entries);
        }
        Ok(())
    }

    /// The merged entries, then the mapping's own; an own value replaces a merged one.
    fn finish(self) -> Mapping {
        if self.merged.is_empty() {
            return self.entries;
        }
        let mut all = Mapping::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (key, value) in self.merged.into_iter().chain(self.entries.entries) {
            let place = canonical(&key).map(|name| *places.entry(name).or_insert(all.len()));
            match place.and_then(|place| all.entries.get_mut(place)) {
                Some(known) => known.1 = value,
                None => all.push(key, value),
            }
        }
        all
    }
}

/// A text that is equal for two keys exactly when they are equal in Python.
fn canonical(key: &Node) -> Option<String> {
    let scalar = key.as_scalar()?;
    Some(match &scalar.kind {
        Kind::Null => "n".into(),
        Kind::Bool(value) => format!("d{}", u8::from(*value)),
        Kind::Integer(digits) => format!("d{digits}"),
        Kind::Float(value) if value.fract() == 0.0 => format!("d{value:.0}"),
        Kind::Float(value) => format!("d{value}"),
        Kind::Verbatim => format!("v{}", scalar.text),
        Kind::Text => format!("t{}", scalar.text),
    })
}

/// Removes the indentation after U+2028 and U+2029, which YAML 1.1 treats as line breaks and keeps.
fn unfold_separators(text: Cow<'_, str>, style: ScalarStyle, span: Span) -> String {
    let separator = |character: char| matches!(character, '\u{2028}' | '\u{2029}');
    let indent = match style {
        ScalarStyle::Literal => span.start.col(),
        ScalarStyle::Plain | ScalarStyle::SingleQuoted => usize::MAX,
        ScalarStyle::DoubleQuoted | ScalarStyle::Folded => 0,
    };
    if indent == 0 || !text.contains(separator) {
        return text.into_owned();
    }
    let mut unfolded = String::with_capacity(text.len());
    let mut to_skip = 0;
    for character in text.chars() {
        if character == ' ' && to_skip > 0 {
            to_skip -= 1;
            continue;
        }
        to_skip = if separator(character) { indent } else { 0 };
        unfolded.push(character);
    }
    unfolded
}

fn scalar_kind(text: &str, plain: bool, tag: Option<&Tag>, position: Position) -> Result<Kind, YamlError> {
    let resolved = || resolve(text);
    let Some(tag) = tag else {
        return Ok(if plain { resolved() } else { Kind::Text });
    };
    let unusable = || failure(position, format!("`{text}` is not a value of the tag `{tag}`"));
    if tag.handle.is_empty() && tag.suffix == "!" {
        // PyYAML resolves a scalar with the lone tag `!` as if it were plain.
        return Ok(resolved());
    }
    if !tag.is_yaml_core_schema() {
        return Err(failure(position, format!("the tag `{tag}` is not supported here")));
    }
    match (tag.suffix.as_str(), resolved()) {
        ("str", _) => Ok(Kind::Text),
        ("null", _) => Ok(Kind::Null),
        ("bool", kind @ Kind::Bool(_))
        | ("int", kind @ Kind::Integer(_))
        | ("float", kind @ Kind::Float(_))
        | ("timestamp", kind @ Kind::Verbatim) => Ok(kind),
        ("float", Kind::Integer(digits)) => digits.parse().map(Kind::Float).map_err(|_| unusable()),
        ("bool" | "int" | "float" | "timestamp", _) => Err(unusable()),
        _ => Err(failure(position, format!("the tag `{tag}` is not supported here"))),
    }
}

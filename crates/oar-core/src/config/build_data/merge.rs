//! ART's merge of an entry's section with that of its parent (spec 01 §1.4): key by key at every depth.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::node::Node;

/// A value after inheritance, with its origin.
#[derive(Debug, Clone)]
pub(super) struct Merged<'a> {
    /// The entry that wrote the value; for a mapping or a list the one that wrote it last.
    pub(super) origin: &'a str,
    /// The value.
    pub(super) content: Content<'a>,
}

/// The content of a merged value.
#[derive(Debug, Clone)]
pub(super) enum Content<'a> {
    /// A scalar: a text, a number, a boolean, or null.
    Plain(&'a Node),
    /// A list; items of the farthest parent come first.
    List(Vec<Merged<'a>>),
    /// A mapping; its entries may have different origins.
    Map(IndexMap<&'a str, Merged<'a>>),
}

/// The marker at the end of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// `key!`: the value replaces the parent's as a whole.
    Replace,
    /// `key?`: the value counts only when the parent has none.
    Default,
    /// `key-`: the key is removed.
    Remove,
}

/// Splits a key and its marker.
pub(super) fn marked(key: &str) -> (&str, Option<Marker>) {
    let marker = match key.as_bytes() {
        [_, .., b'!'] => Marker::Replace,
        [_, .., b'?'] => Marker::Default,
        [_, .., b'-'] => Marker::Remove,
        _ => return (key, None),
    };
    (key.get(..key.len() - 1).unwrap_or(key), Some(marker))
}

impl<'a> Merged<'a> {
    /// Merges `own`, from the entry `origin`, over the parent's value.
    ///
    /// Two mappings are merged entry by entry, two lists are joined without duplicates, anything else
    /// replaces the parent's value; so does null.
    pub(super) fn layer(own: &'a Node, origin: &'a str, below: Option<Self>) -> Self {
        let content = match own {
            Node::Map(entries) => {
                let below = match below.map(|below| below.content) {
                    Some(Content::Map(map)) => map,
                    _ => IndexMap::new(),
                };
                Content::Map(layer_entries(entries, origin, below))
            }
            Node::List(items) => match below.map(|below| below.content) {
                Some(Content::List(list)) => Content::List(join(items, origin, list)),
                _ => Content::List(items.iter().map(|item| Self::layer(item, origin, None)).collect()),
            },
            plain => Content::Plain(plain),
        };
        Self { origin, content }
    }

    /// The entry `key` of a mapping; `None` when it is absent or null, or when this is not a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => {
                entries.get(key).filter(|value| !matches!(value.content, Content::Plain(Node::Null)))
            }
            _ => None,
        }
    }

    /// The text, if this is a text.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.content {
            Content::Plain(Node::Text(text)) => Some(text.trim()),
            _ => None,
        }
    }

    /// Whether this counts as absent: null, a blank text, an empty list or mapping, 0.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.content {
            Content::Plain(node) => node.is_nothing(),
            Content::List(items) => items.is_empty(),
            Content::Map(entries) => entries.is_empty(),
        }
    }

    /// Describes the value, for errors.
    pub(super) fn describe(&self) -> String {
        match &self.content {
            Content::Plain(node) => node.describe(),
            Content::List(_) => "a list".into(),
            Content::Map(_) => "a mapping".into(),
        }
    }
}

fn layer_entries<'a>(
    own: &'a IndexMap<String, Node>,
    origin: &'a str,
    mut map: IndexMap<&'a str, Merged<'a>>,
) -> IndexMap<&'a str, Merged<'a>> {
    for (key, value) in own {
        let (name, marker) = marked(key);
        match marker {
            Some(Marker::Remove) => {
                map.shift_remove(name);
            }
            Some(Marker::Default) if map.contains_key(name) => {}
            Some(Marker::Default | Marker::Replace) => {
                map.insert(name, Merged::layer(value, origin, None));
            }
            None => {
                let nothing = Merged { origin, content: Content::Plain(&Node::Null) };
                let below = map.get_mut(name).map(|slot| std::mem::replace(slot, nothing));
                map.insert(name, Merged::layer(value, origin, below));
            }
        }
    }
    map
}

/// The parent's items, then the child's that are not among them.
fn join<'a>(own: &'a [Node], origin: &'a str, mut list: Vec<Merged<'a>>) -> Vec<Merged<'a>> {
    let mut known: HashSet<String> = list.iter().map(identity).collect();
    for item in own {
        let item = Merged::layer(item, origin, None);
        if known.insert(identity(&item)) {
            list.push(item);
        }
    }
    list
}

/// A text that is the same for two values exactly when they are equal, whatever their origin.
fn identity(value: &Merged<'_>) -> String {
    match &value.content {
        Content::Plain(node) => format!("{node:?}"),
        Content::List(items) => format!("[{}]", items.iter().map(identity).collect::<Vec<_>>().join(",")),
        Content::Map(entries) => {
            let mut parts: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key:?}:{}", identity(value))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(","))
        }
    }
}

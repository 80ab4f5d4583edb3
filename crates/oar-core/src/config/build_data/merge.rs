//! How ART lays one entry's section over that of its parent (spec 01 §1.4): key by key at every depth.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::node::Node;

/// A value after inheritance, with the place that it comes from.
#[derive(Debug, Clone)]
pub(super) struct Merged<'a> {
    /// The entry that wrote the value; for a mapping or a list the one that wrote it last.
    pub(super) origin: &'a str,
    /// The value.
    pub(super) content: Content<'a>,
}

/// What a merged value is.
#[derive(Debug, Clone)]
pub(super) enum Content<'a> {
    /// A text, a number, a boolean, or null.
    Plain(&'a Node),
    /// A list, its items in the order of the eldest parent first.
    List(Vec<Merged<'a>>),
    /// A mapping, whose entries may come from several places.
    Map(IndexMap<&'a str, Merged<'a>>),
}

/// What a key asks for, by the marker at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// `key!`: the value replaces the parent's whole.
    Replace,
    /// `key?`: the value counts only when nothing is there yet.
    Default,
    /// `key-`: the key is removed.
    Remove,
}

/// A key without its marker.
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
    /// `own`, which stands in `origin`, laid over what the parent has.
    ///
    /// A mapping is laid over a mapping entry by entry, a list is joined to a list without duplicates, anything else
    /// replaces; null replaces, too.
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

    /// The entry `key` of a mapping; `None` when it is absent or null, or when this is no mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => {
                entries.get(key).filter(|value| !matches!(value.content, Content::Plain(Node::Null)))
            }
            _ => None,
        }
    }

    /// The text, if this is one.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.content {
            Content::Plain(Node::Text(text)) => Some(text.trim()),
            _ => None,
        }
    }

    /// Whether this is a spelling of nothing: null, a blank text, an empty list or mapping, 0.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.content {
            Content::Plain(node) => node.is_nothing(),
            Content::List(items) => items.is_empty(),
            Content::Map(entries) => entries.is_empty(),
        }
    }

    /// What this is, for an error.
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

/// The items of the parent, then those of the child that are not among them.
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

/// A text that two values share exactly when they are equal, wherever they come from.
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

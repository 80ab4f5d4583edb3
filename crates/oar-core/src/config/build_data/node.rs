//! YAML values as PyYAML's safe loader reads them where that matters: the last one of duplicate keys counts,
//! and `<<` merges.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// One YAML value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(IndexMap<String, Node>),
}

impl Node {
    /// Describes the value, for errors: short, and safe to show because build data is public.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => format!("the boolean {value}"),
            Self::Integer(value) => format!("the number {value}"),
            Self::Float(value) => format!("the number {value}"),
            // It may be an e-mail address, or a URL with a password.
            Self::Text(text) if text.contains('@') => "a text with an `@`".into(),
            Self::Text(text) => {
                let short: String = text.chars().take(80).collect();
                let dots = if short.len() < text.len() { "…" } else { "" };
                format!("the text `{}{dots}`", short.escape_debug())
            }
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a mapping".into(),
        }
    }

    /// Whether this counts as absent: null, a blank text, an empty list or mapping, 0.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Self::Null | Self::Integer(0) => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            Self::Bool(_) | Self::Integer(_) | Self::Float(_) => false,
        }
    }

    /// The entry `key` of a mapping; `None` when it is absent or null, or when this is not a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Self::Map(entries) => entries.get(key).filter(|value| **value != Self::Null),
            _ => None,
        }
    }

    /// This value as a key. PyYAML keeps its type; here the text is enough.
    fn into_key(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Null => "null".into(),
            Self::List(_) | Self::Map(_) => "?".into(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(i128::try_from(value).map_or(Node::Text(value.to_string()), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = IndexMap::new();
        while let Some((key, value)) = access.next_entry::<Node, Node>()? {
            entries.insert(key.into_key(), value);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(yaml: &str) -> Node {
        crate::yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn the_later_of_two_equal_keys_counts() {
        assert_eq!(node("{a: 1, b: 2, a: 3}").get("a"), Some(&Node::Integer(3)));
    }

    #[test]
    fn merge_keys_are_applied_below_own_entries() {
        let merged =
            node("base: &base {a: 1, b: 2}\nchild: {<<: *base, b: 3}\nlist: {<<: [{a: 7}, *base]}\n");
        let child = merged.get("child").unwrap();
        assert_eq!((child.get("a"), child.get("b")), (Some(&Node::Integer(1)), Some(&Node::Integer(3))));
        assert_eq!(merged.get("list").unwrap().get("a"), Some(&Node::Integer(7)));
    }

    #[test]
    fn odd_keys_and_tags_are_read() {
        let odd = node("4.20: a\n7: b\n~: c\ntrue: d\nx: !tag {y: 1}\nz: !t 5\n");
        assert_eq!(odd.get("4.2"), Some(&Node::Text("a".into())));
        assert_eq!(odd.get("7"), Some(&Node::Text("b".into())));
        assert_eq!(odd.get("x").unwrap().get("y"), Some(&Node::Integer(1)));
        assert!(odd.get("z").is_some());
    }
}

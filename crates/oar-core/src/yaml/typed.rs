//! Deserializes a tree into Rust types.
//!
//! Producers write "nothing" in several ways: an absent value, `null`, `""`, `[]` and `{}` are all read as an
//! empty list or an empty mapping, and `null` as an empty text. An unquoted scalar that is read as text keeps
//! its spelling: `4.20` stays `4.20`.

use std::collections::HashMap;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};

use super::{Kind, Node, Position, Scalar, Value, YamlError, parse_outside};

/// Reads a YAML text from outside.
///
/// # Errors
///
/// The text is not YAML, exceeds a limit of [`super::limits`], or does not contain a `T`. The error has the
/// position.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    T::deserialize(&parse_outside(text)?)
}

impl YamlError {
    /// The error at `position`, unless it has a position already.
    fn at(mut self, position: Position) -> Self {
        if self.position.line == 0 {
            self.position = position;
        }
        self
    }
}

impl de::Error for YamlError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { position: Position::default(), message: message.to_string() }
    }
}

impl<'de> IntoDeserializer<'de, YamlError> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Node {
    /// Whether it counts as an empty collection.
    fn is_empty(&self) -> bool {
        match &self.value {
            Value::Scalar(Scalar { text, kind }) => {
                *kind == Kind::Null || *kind == Kind::Text && text.trim().is_empty()
            }
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(mapping) => mapping.is_empty(),
        }
    }

    fn visit_items<'de, V: Visitor<'de>>(items: &'de [Self], visitor: V) -> Result<V::Value, YamlError> {
        let mut items = SeqDeserializer::new(items.iter());
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    fn visit_entries<'de, V: Visitor<'de>>(
        entries: impl Iterator<Item = (&'de Self, &'de Self)>,
        visitor: V,
    ) -> Result<V::Value, YamlError> {
        let mut entries = MapDeserializer::new(entries);
        let value = visitor.visit_map(&mut entries)?;
        entries.end()?;
        Ok(value)
    }

    fn visit_any<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, YamlError> {
        let scalar = match &self.value {
            Value::Sequence(items) => return Self::visit_items(items, visitor),
            Value::Mapping(mapping) => {
                return Self::visit_entries(mapping.iter().map(|(key, value)| (key, value)), visitor);
            }
            Value::Scalar(scalar) => scalar,
        };
        match &scalar.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Integer(digits) => {
                if let Ok(value) = digits.parse::<u64>() {
                    visitor.visit_u64(value)
                } else if let Ok(value) = digits.parse::<i64>() {
                    visitor.visit_i64(value)
                } else if let Ok(value) = digits.parse::<i128>() {
                    visitor.visit_i128(value)
                } else {
                    visitor.visit_str(digits)
                }
            }
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Verbatim | Kind::Text => visitor.visit_borrowed_str(&scalar.text),
        }
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = YamlError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        self.visit_any(visitor).map_err(|error| error.at(self.position))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        let visited = match &self.value {
            Value::Scalar(Scalar { kind: Kind::Null, .. }) => visitor.visit_borrowed_str(""),
            Value::Scalar(scalar) => visitor.visit_borrowed_str(&scalar.text),
            Value::Sequence(_) | Value::Mapping(_) => self.visit_any(visitor),
        };
        visited.map_err(|error| error.at(self.position))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        match &self.value {
            Value::Scalar(Scalar { kind: Kind::Null, .. }) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        if self.is_empty() {
            return Node::visit_items(&[], visitor).map_err(|error| error.at(self.position));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        if self.is_empty() {
            return Node::visit_entries(std::iter::empty(), visitor).map_err(|error| error.at(self.position));
        }
        self.deserialize_any(visitor)
    }

    /// Of duplicate keys the last one counts.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, YamlError> {
        let Value::Mapping(mapping) = &self.value else { return self.deserialize_map(visitor) };
        let text = |key: &'de Node| key.as_scalar().map(|scalar| scalar.text.as_str());
        let last: HashMap<_, _> =
            mapping.iter().enumerate().map(|(place, (key, _))| (text(key), place)).collect();
        let entries = mapping.iter().enumerate().filter_map(|(place, (key, value))| {
            // A key that is not a scalar names no field.
            let is_last = last.get(&text(key)) == Some(&place);
            (is_last && text(key).is_some()).then_some((key, value))
        });
        Node::visit_entries(entries, visitor).map_err(|error| error.at(self.position))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, YamlError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, YamlError> {
        let Value::Scalar(scalar) = &self.value else { return self.deserialize_any(visitor) };
        visitor
            .visit_enum(scalar.text.as_str().into_deserializer())
            .map_err(|error: YamlError| error.at(self.position))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, YamlError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Default)]
    #[serde(default)]
    struct Sample {
        name: String,
        count: Option<u64>,
        flag: bool,
        list: Vec<String>,
        map: IndexMap<String, i64>,
        inner: Option<Box<Sample>>,
    }

    fn sample(text: &str) -> Sample {
        from_str(text).unwrap()
    }

    #[test]
    fn every_spelling_of_nothing_is_an_empty_collection() {
        for nothing in ["", "~", "null", "''", "\"\"", "[]", "{}"] {
            let read = sample(&format!("list: {nothing}\nmap: {nothing}\nname: x\n"));
            assert!(read.list.is_empty() && read.map.is_empty(), "{nothing}");
        }
        assert_eq!(sample("name: ~\ncount: null\n"), Sample::default());
        assert_eq!(sample(""), Sample::default());
    }

    #[test]
    fn values_are_those_that_pyyaml_reads_and_texts_stay_as_written() {
        let read = sample(
            "name: 4.20\ncount: 1_000\nflag: yes\nlist: [1, 010, true, 2026-07-01]\nmap: {a: -1, 7: 2}\n",
        );
        assert_eq!((read.name.as_str(), read.count, read.flag), ("4.20", Some(1000), true));
        assert_eq!(read.list, ["1", "010", "true", "2026-07-01"]);
        assert_eq!((read.map["a"], read.map["7"]), (-1, 2));
    }

    #[test]
    fn of_a_key_that_stands_twice_the_last_counts_and_tags_are_ignored() {
        let read = sample("name: a\ncount: !size 1\nname: b\n? [x]\n: y\ninner: &i {name: c}\n");
        assert_eq!((read.name.as_str(), read.count), ("b", Some(1)));
        assert_eq!(read.inner.unwrap().name, "c");
        let merged = sample("inner: {<<: {name: m, count: 3}, name: own}\n").inner.unwrap();
        assert_eq!((merged.name.as_str(), merged.count), ("own", Some(3)));
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        for (text, words) in [
            ("name: a\ncount: many\n", "2:8: invalid type: string \"many\", expected u64"),
            ("name:\n  - x\n", "2:3: invalid type: sequence, expected a string"),
            ("a\n", "1:1: invalid type: string \"a\""),
            ("inner:\n  flag: 7\n", "2:9: invalid type: integer `7`, expected a boolean"),
        ] {
            let error = from_str::<Sample>(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn hostile_texts_end_at_a_limit_and_not_at_their_end() {
        let lines: Vec<String> =
            (1..200).map(|level| format!("a{level}: &a{level} [*a{}]\n", level - 1)).collect();
        let chain = lines.concat();
        for text in [
            format!("a: {}{}", "[".repeat(60_000), "]".repeat(60_000)),
            "- ".repeat(60_000),
            "{a: ".repeat(60_000),
            "? ".repeat(60_000),
            format!("a0: &a0 []\n{chain}"),
        ] {
            let error = from_str::<Sample>(&text).unwrap_err();
            assert!(
                error.message.contains("nested deeper than 64") || error.message.contains("recursion limit"),
                "{error}"
            );
        }
        let many = format!("a: &a x\nb: [{}]\n", "*a,".repeat(10_001));
        assert!(from_str::<Sample>(&many).unwrap_err().message.contains("more than 10000 aliases"));
        let wide = format!("[{}]", "1,".repeat(500_001));
        assert!(from_str::<Sample>(&wide).unwrap_err().message.contains("more than 500000 values"));
    }

    proptest! {
        #[test]
        fn reading_never_panics(lines in prop::collection::vec("[ \\-a:'\"|>#&*!\\[\\]{},?%@\t<~0.\u{85}\u{2028}]{0,14}", 0..10)) {
            let text = lines.join("\n");
            let _ = from_str::<Sample>(&text);
            let _ = from_str::<IndexMap<String, String>>(&text);
        }
    }
}

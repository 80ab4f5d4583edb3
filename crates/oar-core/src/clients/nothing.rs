//! Readers of what producers write when there is nothing: they leave the field out (`serde(default)`), or write `null`,
//! `""`, `[]`, `{}`, `0` or `false`, each in its own habit. All of these mean the same here, and anything else must be
//! what the field promises.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A list; empty for nothing.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(ListVisitor(PhantomData))
}

/// A text; `None` for nothing.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(TextVisitor)
}

/// Whether something is so, written as a boolean, a number or a word; `false` for nothing.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_any(FlagVisitor)
}

/// Whether there is anything at all.
pub(crate) fn something<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    use serde_json::Value;
    Ok(match Value::deserialize(deserializer)? {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    })
}

/// The methods of a visitor for which nothing is written as `null`, `0`, `false` or an empty mapping.
macro_rules! nothing_is {
    ($value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            match map.next_key::<de::IgnoredAny>()? {
                None => Ok($value),
                Some(_) => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
            }
        }
    };
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list, or nothing")
    }

    nothing_is!(Vec::new());

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(list)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.trim().is_empty() {
            Ok(Vec::new())
        } else {
            Err(E::invalid_type(de::Unexpected::Str(text), &self))
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        if number == 0 {
            Ok(Vec::new())
        } else {
            Err(E::invalid_type(de::Unexpected::Unsigned(number), &self))
        }
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        if value { Err(E::invalid_type(de::Unexpected::Bool(value), &self)) } else { Ok(Vec::new()) }
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, or nothing")
    }

    nothing_is!(None);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        match items.next_element::<de::IgnoredAny>()? {
            None => Ok(None),
            Some(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()).filter(|text| !text.trim().is_empty()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        if number == 0 { Ok(None) } else { Ok(Some(number.to_string())) }
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        if value { Err(E::invalid_type(de::Unexpected::Bool(value), &self)) } else { Ok(None) }
    }
}

struct FlagVisitor;

impl<'de> Visitor<'de> for FlagVisitor {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("true or false, 1 or 0, or nothing")
    }

    nothing_is!(false);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        match items.next_element::<de::IgnoredAny>()? {
            None => Ok(false),
            Some(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "0" | "f" | "false" | "no" => Ok(false),
            "1" | "t" | "true" | "yes" => Ok(true),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(number != 0)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Record {
        #[serde(default, deserialize_with = "list")]
        list: Vec<u64>,
        #[serde(default, deserialize_with = "text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "flag")]
        flag: bool,
        #[serde(default, deserialize_with = "something")]
        something: bool,
    }

    fn read(value: &Value) -> Result<Record, serde_json::Error> {
        serde_json::from_str(
            &json!({"list": value, "text": value, "flag": value, "something": value}).to_string(),
        )
    }

    #[test]
    fn every_spelling_of_nothing_is_nothing() {
        let absent: Record = serde_json::from_str("{}").unwrap();
        assert!(absent.list.is_empty() && absent.text.is_none() && !absent.flag && !absent.something);
        for nothing in [json!(null), json!(""), json!(" "), json!([]), json!({}), json!(0), json!(false)] {
            let found = read(&nothing).unwrap();
            assert!(found.list.is_empty() && found.text.is_none(), "{nothing}: {found:?}");
            assert!(!found.flag && !found.something, "{nothing}: {found:?}");
        }
    }

    #[test]
    fn what_is_something_else_is_read_or_refused() {
        for (field, value) in [
            ("list", json!("x")),
            ("list", json!({"a": 1})),
            ("list", json!(["x"])),
            ("list", json!(1)),
            ("text", json!([1])),
            ("text", json!({"a": 1})),
            ("flag", json!("perhaps")),
            ("flag", json!([1])),
        ] {
            let document = json!({field: value}).to_string();
            assert!(serde_json::from_str::<Record>(&document).is_err(), "{document}");
        }
        let record: Record =
            serde_json::from_str(r#"{"list": [1, 2], "text": "a", "flag": "1", "something": {"id": 4}}"#)
                .unwrap();
        assert_eq!((record.list, record.text.as_deref()), (vec![1, 2], Some("a")));
        assert!(record.flag && record.something);
    }
}

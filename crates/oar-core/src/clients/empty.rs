//! The spellings of "nothing" in JSON. Producers leave a member out, or write `null`, `""`, `[]`, `{}`, `0`
//! or `false`: Go writes a nil slice as `null`, languages that do not distinguish an empty list from an empty
//! object write either, and templates write an empty string. All of them mean the same here. Any other value
//! must have the member's type; a value that cannot be read is an error and never counts as empty.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::Value;

/// Whether a value is one of the spellings of "nothing".
pub(crate) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(is_set) => !is_set,
    }
}

/// For `#[serde(default, deserialize_with = …)]`: reads any spelling of "nothing" as the type's default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    if is_nothing(&value) { Ok(T::default()) } else { T::deserialize(value).map_err(D::Error::custom) }
}

/// Reads `null` as the type's default, for producers that have no other spelling of it: Go writes nil slices
/// and maps so.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A list; empty for any spelling of "nothing".
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    or_default(deserializer)
}

/// A string, or a number as a string; `None` for any spelling of "nothing".
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        value if is_nothing(&value) => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(D::Error::custom(format!("expected a text or nothing, found {other}"))),
    }
}

/// A flag, written as a boolean, a number or a word; `false` for any spelling of "nothing".
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match &value {
        nothing if is_nothing(nothing) => Ok(false),
        Value::Bool(_) | Value::Number(_) => Ok(true),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "0" | "f" | "false" | "no" => Ok(false),
            "1" | "t" | "true" | "yes" => Ok(true),
            _ => Err(D::Error::custom(format!("expected true or false, found {value}"))),
        },
        _ => Err(D::Error::custom(format!("expected true or false, found {value}"))),
    }
}

/// Whether the value is anything but a spelling of "nothing".
pub(crate) fn something<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(!is_nothing(&Value::deserialize(deserializer)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Eq, Default)]
    struct Record {
        #[serde(default, deserialize_with = "or_default")]
        number: Option<u32>,
        #[serde(default, deserialize_with = "list")]
        list: Vec<u32>,
        #[serde(default, deserialize_with = "text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "flag")]
        flag: bool,
        #[serde(default, deserialize_with = "something")]
        something: bool,
    }

    fn read(document: Value) -> Result<Record, serde_json::Error> {
        serde_json::from_value(document)
    }

    #[test]
    fn every_spelling_of_nothing_is_nothing() {
        assert_eq!(read(json!({})).unwrap(), Record::default());
        let spellings =
            [json!(null), json!(""), json!(" "), json!([]), json!({}), json!(0), json!(0.0), json!(false)];
        for nothing in spellings {
            let all = json!({
                "number": nothing, "list": nothing, "text": nothing, "flag": nothing, "something": nothing,
            });
            assert_eq!(read(all).unwrap(), Record::default(), "{nothing}");
        }
    }

    #[test]
    fn what_is_something_else_is_read_or_refused() {
        for wrong in [
            json!({"number": "x"}),
            json!({"number": true}),
            json!({"list": "x"}),
            json!({"list": {"a": 1}}),
            json!({"list": ["x"]}),
            json!({"list": 1}),
            json!({"text": [1]}),
            json!({"text": {"a": 1}}),
            json!({"flag": "perhaps"}),
            json!({"flag": [1]}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        let some = json!({"number": 3, "list": [1, 2], "text": "a", "flag": "1", "something": {"id": 4}});
        let expected =
            Record { number: Some(3), list: vec![1, 2], text: Some("a".into()), flag: true, something: true };
        assert_eq!(read(some).unwrap(), expected);
        assert_eq!(read(json!({"text": 7})).unwrap().text.as_deref(), Some("7"));
    }
}

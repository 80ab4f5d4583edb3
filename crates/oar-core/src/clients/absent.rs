//! The spellings of "nothing" that services write: a missing member, `null`, `""`, `[]`, `{}`, `0`, `false`.
//!
//! A program in Go writes a list without items as `null` or leaves it out, one in Python as `[]` or `""`; which of them
//! depends on the library and its version. Readers of answers take all of them for the same.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Something that may be there, for `#[serde(default, deserialize_with = "absent::option")]`.
pub(crate) fn option<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if is_nothing(&value) {
        return Ok(None);
    }
    serde_json::from_value(value).map(Some).map_err(D::Error::custom)
}

/// A list or a map that may be empty, for `#[serde(default, deserialize_with = "absent::empty")]`.
pub(crate) fn empty<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    option(deserializer).map(Option::unwrap_or_default)
}

/// A text; nothing, blanks and anything that is no text count as absent.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    })
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Answer {
        #[serde(default, deserialize_with = "option")]
        inner: Option<Inner>,
        #[serde(default, deserialize_with = "empty")]
        list: Vec<u8>,
        #[serde(default, deserialize_with = "text")]
        text: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        a: u8,
    }

    #[test]
    fn every_spelling_of_nothing_is_nothing_and_nothing_else_is() {
        let nothing = Answer { inner: None, list: Vec::new(), text: None };
        assert_eq!(serde_json::from_str::<Answer>("{}").unwrap(), nothing);
        for spelling in ["null", "\"\"", "\" \"", "[]", "{}", "0", "0.0", "false"] {
            let answer = format!(r#"{{"inner": {spelling}, "list": {spelling}, "text": {spelling}}}"#);
            assert_eq!(serde_json::from_str::<Answer>(&answer).unwrap(), nothing, "{spelling}");
        }
        let full: Answer = serde_json::from_str(r#"{"inner": {"a": 0}, "list": [0], "text": "x"}"#).unwrap();
        assert_eq!(full, Answer { inner: Some(Inner { a: 0 }), list: vec![0], text: Some("x".into()) });
        for wrong in [r#"{"inner": "x"}"#, r#"{"list": 7}"#, r#"{"list": {"a": 1}}"#, r#"{"inner": true}"#] {
            assert!(serde_json::from_str::<Answer>(wrong).is_err(), "{wrong}");
        }
    }
}

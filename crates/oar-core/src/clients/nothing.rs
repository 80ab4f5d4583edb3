//! The spellings of "nothing" in JSON. Producers leave a member out, or write `null`, `""`, `[]`, `{}`, `0` or `false`:
//! languages whose empty list and empty object are one and the same write either, and templates write an empty text.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::Value;

/// Whether a value says that there is nothing, in any of the spellings.
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

/// For `#[serde(default, deserialize_with = …)]`: the default for a member that says nothing. Any other value must be
/// what was expected, so that nothing is taken for nothing because it could not be read.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    if is_nothing(&value) { Ok(T::default()) } else { T::deserialize(value).map_err(D::Error::custom) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    struct Answer {
        #[serde(default, deserialize_with = "or_default")]
        list: Vec<u32>,
        #[serde(default, deserialize_with = "or_default")]
        text: Option<String>,
    }

    #[test]
    fn every_spelling_of_nothing_is_the_default_and_nothing_else_is() {
        let nothing = Answer { list: Vec::new(), text: None };
        let spellings = [json!(null), json!(""), json!(" "), json!([]), json!({}), json!(0), json!(false)];
        for spelling in spellings {
            let answer: Answer = serde_json::from_value(json!({"list": spelling, "text": spelling})).unwrap();
            assert_eq!(answer, nothing, "{spelling}");
        }
        assert_eq!(serde_json::from_value::<Answer>(json!({})).unwrap(), nothing);
        let something = serde_json::from_value::<Answer>(json!({"list": [1], "text": "a"})).unwrap();
        assert_eq!(something, Answer { list: vec![1], text: Some("a".to_owned()) });
        for other in [json!("x"), json!({"a": 1}), json!(1), json!(true), json!(["x"])] {
            assert!(serde_json::from_value::<Answer>(json!({"list": other})).is_err(), "{other}");
        }
    }
}

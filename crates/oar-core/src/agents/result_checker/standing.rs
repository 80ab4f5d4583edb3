//! How a build stands, by its test result file (spec 05 §5, 3).

use serde_json::Value;

/// How a build stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its results were looked at, and it was not accepted; nor did anybody promote it by hand.
    Rejected,
    /// It was accepted.
    Accepted,
    /// It is not decided yet, or somebody decided by hand.
    Open,
}

/// The text is no test result file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no test result: {0}")]
pub struct NotAResult(String);

impl Standing {
    /// Reads a test result file.
    pub fn of(text: &str) -> Result<Self, NotAResult> {
        let value: Value = serde_json::from_str(text).map_err(|error| NotAResult(error.to_string()))?;
        let file = value.as_object().ok_or_else(|| NotAResult("expected an object".to_owned()))?;
        Ok(match file.get("accepted") {
            None | Some(Value::Null) => Self::Open,
            Some(Value::Bool(true)) => Self::Accepted,
            Some(Value::Bool(false)) if file.contains_key("manual_promotion") => Self::Open,
            Some(Value::Bool(false)) => Self::Rejected,
            Some(_) => return Err(NotAResult("`accepted` is neither true nor false".to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_decided_without_a_person_is_rejected() {
        for (text, expected) in [
            (r#"{"accepted": false, "aggregated": true}"#, Standing::Rejected),
            (r#"{"accepted": false, "manual_promotion": false}"#, Standing::Open),
            (r#"{"accepted": false, "manual_promotion": true}"#, Standing::Open),
            (r#"{"accepted": true, "manual_promotion": true}"#, Standing::Accepted),
            (r#"{"accepted": null}"#, Standing::Open),
            ("{}", Standing::Open),
        ] {
            assert_eq!(Standing::of(text).unwrap(), expected, "{text}");
        }
        for text in ["", "[]", "<html>", r#"{"accepted": "no"}"#] {
            assert!(Standing::of(text).is_err(), "{text}");
        }
    }
}

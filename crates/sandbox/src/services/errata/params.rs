//! Parameters of a write: a form, or the JSON that public clients send (spec 02 §2.1).

use axum::http::{HeaderMap, header};
use serde_json::Value;
use url::form_urlencoded;

use super::refusal::Refusal;

/// Parameters by their form name, `advisory[assigned_to_email]`; `None` is a JSON null.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Reads a body. A body of another type carries no parameters, as in any Rails application.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut params = Vec::new();
        match kind.split(';').next().unwrap_or_default().trim() {
            "application/x-www-form-urlencoded" => {
                params.extend(
                    form_urlencoded::parse(body)
                        .map(|(name, value)| (name.into_owned(), Some(value.into_owned()))),
                );
            }
            "application/json" if !body.is_empty() => {
                let value: Value = serde_json::from_slice(body)
                    .map_err(|_| Refusal::MissingParameter("a JSON document".to_owned()))?;
                flatten("", &value, &mut params);
            }
            _ => {}
        }
        Ok(Self(params))
    }

    /// The value of a parameter at the top level.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(found, _)| found == name).and_then(|(_, value)| value.as_deref())
    }

    /// The members of `advisory[…]`.
    pub(super) fn advisory(&self) -> Vec<(String, Option<String>)> {
        self.0
            .iter()
            .filter_map(|(name, value)| {
                let field = name.strip_prefix("advisory[")?.strip_suffix(']')?;
                Some((field.to_owned(), value.clone()))
            })
            .collect()
    }
}

fn flatten(name: &str, value: &Value, params: &mut Vec<(String, Option<String>)>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let name = if name.is_empty() { member.clone() } else { format!("{name}[{member}]") };
                flatten(&name, value, params);
            }
        }
        Value::Array(items) => {
            for item in items {
                flatten(&format!("{name}[]"), item, params);
            }
        }
        Value::Null => params.push((name.to_owned(), None)),
        Value::String(text) => params.push((name.to_owned(), Some(text.clone()))),
        other => params.push((name.to_owned(), Some(other.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &'static str, body: &str) -> Params {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        Params::read(&headers, body.as_bytes()).unwrap()
    }

    #[test]
    fn a_form_and_json_say_the_same() {
        let form = read("application/x-www-form-urlencoded", "advisory%5Btext_ready%5D=1&comment=a+b");
        let json =
            read("application/json; charset=utf-8", r#"{"advisory":{"text_ready":1},"comment":"a b"}"#);
        for params in [form, json] {
            assert_eq!(params.advisory(), [("text_ready".to_owned(), Some("1".to_owned()))]);
            assert_eq!(params.get("comment"), Some("a b"));
        }
        assert!(read("text/plain", "comment=a").get("comment").is_none());
    }
}

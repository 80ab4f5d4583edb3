//! The document for display, with secrets and addresses masked.

use serde_json::{Map, Value};

use crate::email::EmailAddress;
use crate::redact::{EMAIL_MARK, Redactor, SECRET_MARK};

/// Parts of a key's name that mark its value as secret.
const SECRET_NAMES: [&str; 8] =
    ["token", "secret", "password", "passwd", "credential", "private", "apikey", "api_key"];

/// `value` with everything that looks like a secret masked, and addresses too unless `show_addresses`.
///
/// A value counts as secret by the name of its key, by its form, or because it is a secret of this process.
pub fn masked(value: &Value, redactor: &Redactor, show_addresses: bool) -> Value {
    match value {
        Value::Object(entries) => {
            let entry = |(name, value): (&String, &Value)| {
                let masked = if names_a_secret(name) && !value.is_null() {
                    Value::from(SECRET_MARK)
                } else {
                    masked(value, redactor, show_addresses)
                };
                (name.clone(), masked)
            };
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| masked(item, redactor, show_addresses)).collect())
        }
        Value::String(text) => Value::from(masked_text(text, redactor, show_addresses)),
        other => other.clone(),
    }
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part)) || name.ends_with("_key") || name == "key"
}

fn masked_text(text: &str, redactor: &Redactor, show_addresses: bool) -> String {
    if text.contains(',') {
        let parts: Vec<_> = text.split(',').map(|part| masked_part(part, redactor, show_addresses)).collect();
        return parts.join(",");
    }
    masked_part(text, redactor, show_addresses)
}

fn masked_part(text: &str, redactor: &Redactor, show_addresses: bool) -> String {
    match text.parse::<EmailAddress>() {
        Ok(_) if show_addresses => text.to_owned(),
        Ok(_) => EMAIL_MARK.to_owned(),
        Err(_) => redactor.redact(text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_always_covered_and_addresses_unless_asked_for() {
        let value = json!({
            "owners": {"default": "lead@example.com"},
            "approvers": "a@example.com, b@example.com",
            "jira_token": "planted-1",
            "nested": [{"client_secret": {"a": "planted-2"}}, "planted-literal-3"],
            "channel": "#team",
            "token": null,
            "limit": 5,
        });
        let redactor = Redactor::new(["planted-literal-3".to_owned().into()]);
        let hidden = masked(&value, &redactor, false);
        assert_eq!(hidden["owners"]["default"], EMAIL_MARK);
        assert_eq!(hidden["approvers"], format!("{EMAIL_MARK},{EMAIL_MARK}"));
        assert_eq!(hidden["jira_token"], SECRET_MARK);
        assert_eq!(hidden["nested"][0]["client_secret"], SECRET_MARK);
        assert_eq!((&hidden["channel"], &hidden["limit"]), (&json!("#team"), &json!(5)));
        assert!(hidden["token"].is_null());
        let shown = masked(&value, &redactor, true);
        assert_eq!(shown["owners"]["default"], "lead@example.com");
        assert_eq!(shown["approvers"], "a@example.com, b@example.com");
        assert_eq!(shown["jira_token"], SECRET_MARK);
        assert_eq!(shown.as_object().unwrap().keys().next().unwrap(), "owners", "the order is kept");
    }
}

//! Texts: wiki markup in version 2, Atlassian documents in version 3, and who is mentioned in them.

use regex::Regex;
use serde_json::{Value, json};

use super::{front::Version, refusal::Refusal};

/// Accounts mentioned in wiki markup: `[~accountid:<id>]`, in any case (spec 05 §3.2).
pub(super) fn mentions(text: &str) -> Vec<String> {
    let Ok(pattern) = Regex::new(r"(?i)\[~accountid:([^\]]+)\]") else { return Vec::new() };
    let mut found = Vec::new();
    for capture in pattern.captures_iter(text) {
        if let Some(id) = capture.get(1).map(|id| id.as_str().to_owned())
            && !found.contains(&id)
        {
            found.push(id);
        }
    }
    found
}

/// Reads a text that a caller sent.
pub(super) fn read(version: Version, field: &str, value: &Value) -> Result<String, Refusal> {
    match version {
        Version::Two => value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Refusal::field(field, "Operation value must be a string")),
        Version::Three => {
            let fine = value.get("type").and_then(Value::as_str) == Some("doc")
                && value.get("version").and_then(Value::as_u64) == Some(1)
                && value.get("content").is_some_and(Value::is_array);
            if !fine {
                return Err(Refusal::field(
                    field,
                    "Operation value must be an Atlassian Document (see the Atlassian Document Format)",
                ));
            }
            let mut text = String::new();
            flatten(value, &mut text);
            Ok(text.trim_end_matches('\n').to_owned())
        }
    }
}

fn flatten(node: &Value, text: &mut String) {
    let attribute = |name: &str| node.get("attrs").and_then(|attrs| attrs.get(name)).and_then(Value::as_str);
    match node.get("type").and_then(Value::as_str) {
        Some("text") => text.push_str(node.get("text").and_then(Value::as_str).unwrap_or_default()),
        Some("hardBreak") => text.push('\n'),
        Some("mention") => {
            text.push_str("[~accountid:");
            text.push_str(attribute("id").unwrap_or_default());
            text.push(']');
        }
        Some("inlineCard") => text.push_str(attribute("url").unwrap_or_default()),
        kind => {
            for child in node.get("content").and_then(Value::as_array).into_iter().flatten() {
                flatten(child, text);
            }
            if matches!(kind, Some("paragraph" | "heading" | "codeBlock")) {
                text.push_str("\n\n");
            }
        }
    }
}

/// A stored text as the version shows it: mentions in lower case, however they were written (spec 05 §3.2).
pub(super) fn show(version: Version, text: &str) -> Value {
    const MENTION: &str = "[~accountid:";
    let mut shown = text.to_owned();
    for (at, _) in text.to_ascii_lowercase().match_indices(MENTION) {
        shown.replace_range(at..at + MENTION.len(), MENTION);
    }
    let text = shown;
    match version {
        Version::Two => json!(text),
        Version::Three => {
            let paragraphs: Vec<Value> = text.split("\n\n").map(paragraph).collect();
            json!({"type": "doc", "version": 1, "content": paragraphs})
        }
    }
}

fn paragraph(text: &str) -> Value {
    let mut content = Vec::new();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            content.push(json!({"type": "hardBreak"}));
        }
        content.extend(inline(line));
    }
    json!({"type": "paragraph", "content": content})
}

fn inline(line: &str) -> Vec<Value> {
    let mut nodes = Vec::new();
    let text = |part: &str, nodes: &mut Vec<Value>| {
        if !part.is_empty() {
            nodes.push(json!({"type": "text", "text": part}));
        }
    };
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("[~accountid:") {
        let Some((id, behind)) = after.split_once(']') else { break };
        text(before, &mut nodes);
        nodes.push(json!({"type": "mention", "attrs": {"id": id, "text": "@somebody"}}));
        rest = behind;
    }
    text(rest, &mut nodes);
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_show_the_same_text() {
        let text = "first\nsecond [~accountid:712020:a] and [~accountid:b]\n\nanother [~accountid:b";
        let document = show(Version::Three, text);
        assert_eq!(read(Version::Three, "body", &document).unwrap(), text);
        assert_eq!(document["content"][0]["content"][3]["attrs"]["id"], "712020:a");
        assert_eq!(show(Version::Two, text), json!(text));
        assert_eq!(mentions(text), ["712020:a", "b"]);
        assert_eq!(mentions("[~accountId:x] is another spelling"), ["x"]);
        assert_eq!(
            show(Version::Two, "[~accountId:x] [~AccountID:y]"),
            json!("[~accountid:x] [~accountid:y]")
        );
        let document = show(Version::Three, "[~accountId:x]");
        assert_eq!(document["content"][0]["content"][0]["attrs"]["id"], "x");
        assert!(mentions("[~account:x] is none").is_empty());
    }

    #[test]
    fn each_version_takes_its_own_form_only() {
        assert!(read(Version::Two, "body", &show(Version::Three, "x")).is_err());
        assert!(read(Version::Three, "body", &json!("x")).is_err());
        assert!(read(Version::Three, "body", &json!({"type": "doc", "content": []})).is_err());
    }
}

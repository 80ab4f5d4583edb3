//! Keeps documents within the size of a tool's answer.

use cli_support::{is_plain, plain};
use oar_core::redact::Redactor;
use serde_json::{Map, Value, json};

/// The largest document, in bytes of JSON; an answer has at most 16 KB of text.
pub(crate) const LIMIT: usize = 15 * 1024;

/// The end of a text, which says how a log went, from a line's beginning when there is one; `more` says where the rest
/// is.
pub(crate) fn end_of(text: &str, limit: usize, more: &str) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let start = text.ceil_char_boundary(text.len() - limit);
    let tail = text.get(start..).unwrap_or_default();
    let tail = match tail.split_once('\n') {
        Some((_, lines)) if !lines.trim().is_empty() => lines,
        _ => tail,
    };
    format!("… {} bytes left out{more}\n{tail}", text.len() - tail.len())
}

/// The beginning of a text.
pub(crate) fn begin_of(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit);
    format!("{}… {} bytes left out", text.get(..end).unwrap_or_default(), text.len() - end)
}

/// Shortens the list `key` from its beginning, where the oldest entries are, until the document fits; `left_out` beside
/// it says how many entries are missing. The whole document, where something was left out.
pub(crate) fn shorten(document: &mut Value, key: &str, limit: usize) -> Option<Value> {
    let size = document.to_string().len();
    if size <= limit {
        return None;
    }
    let whole = document.clone();
    let document = document.as_object_mut()?;
    let Some(Value::Array(list)) = document.get_mut(key) else { return None };
    let mut excess = (size + "\"left_out\":10000,".len()).saturating_sub(limit);
    let mut dropped = 0;
    for entry in list.iter() {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(entry.to_string().len() + 1);
        dropped += 1;
    }
    list.drain(..dropped);
    add_left_out(document, dropped);
    Some(whole)
}

fn add_left_out(document: &mut Map<String, Value>, dropped: usize) {
    let before = document.get("left_out").and_then(Value::as_u64).unwrap_or_default();
    document.insert("left_out".to_owned(), json!(before + dropped as u64));
}

/// Masks every text of a document.
pub(crate) fn redact(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => {
            if let std::borrow::Cow::Owned(masked) = redactor.redact(text) {
                *text = masked;
            }
            // A bidirectional override would show a person another text than the model reads.
            if !is_plain(text) {
                *text = plain(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, redactor)),
        Value::Object(fields) => fields.values_mut().for_each(|field| redact(field, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_end_in_whole_lines() {
        let text = format!("{}\nlast line\n", "a line\n".repeat(100));
        let cut = end_of(&text, 30, "; read it");
        assert!(cut.starts_with("… ") && cut.contains(" bytes left out; read it\n"), "{cut}");
        assert!(cut.ends_with("\nlast line\n") && cut.len() < 80, "{cut}");
        assert_eq!(end_of("short", 30, ""), "short");
        let one = end_of(&"é".repeat(100), 31, "");
        assert!(one.ends_with("é") && one.len() < 70, "{one}");
        assert_eq!(begin_of(&"é".repeat(10), 5), "éé… 16 bytes left out");
    }

    #[test]
    fn a_list_is_shortened_from_its_beginning_and_the_rest_is_counted() {
        let list: Vec<Value> =
            (0..1000).map(|number| json!({"number": number, "text": "x".repeat(50)})).collect();
        let mut document = json!({"count": 1000, "issues": list});
        let all = document.clone();
        assert_eq!(shorten(&mut document, "issues", 5000), Some(all));
        assert!(document.to_string().len() <= 5000);
        let kept = document["issues"].as_array().unwrap();
        assert_eq!(kept.last().unwrap()["number"], 999);
        assert_eq!(document["left_out"], json!(1000 - kept.len()));
        assert!(kept.len() > 50, "no more is dropped than must be: {}", kept.len());
        let before = document.clone();
        assert_eq!(shorten(&mut document, "issues", 5000), None);
        assert_eq!(document, before);
    }
}

//! Blocks of a message, as far as they are simulated: header, section, context and divider, with Slack's limits.

use serde_json::{Value, json};

use super::call::Refusal;

/// Blocks in one message.
const BLOCKS: usize = 50;
/// Characters of a header.
const HEADER: usize = 150;
/// Characters of a section's text, or of a text in a context.
const TEXT: usize = 3_000;
/// Characters of all blocks of a message together.
const TOGETHER: usize = 13_200;
/// Characters of one of a section's fields.
const FIELD: usize = 2_000;
/// Fields of a section, elements of a context.
const MEMBERS: usize = 10;

/// The texts that people read in `blocks`, or Slack's refusal.
pub(super) fn readable(blocks: &Value) -> Result<String, Refusal> {
    let blocks = blocks.as_array().ok_or_else(|| Refusal::new("invalid_blocks_format"))?;
    if blocks.len() > BLOCKS {
        return Err(invalid(&format!("no more than {BLOCKS} items allowed [json-pointer:/blocks]")));
    }
    let mut texts = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        texts.extend(texts_of(block, &format!("/blocks/{index}"))?);
    }
    if texts.iter().map(|text| text.chars().count()).sum::<usize>() > TOGETHER {
        return Err(Refusal::new("msg_blocks_too_long"));
    }
    Ok(texts.join("\n"))
}

fn texts_of(block: &Value, place: &str) -> Result<Vec<String>, Refusal> {
    match block.get("type").and_then(Value::as_str) {
        Some("divider") => Ok(Vec::new()),
        Some("header") => {
            let text = block.get("text").ok_or_else(|| missing("text", place))?;
            Ok(vec![composed(text, &["plain_text"], HEADER, &format!("{place}/text"))?])
        }
        Some("section") => {
            let kinds = ["plain_text", "mrkdwn"];
            let fields = members(block, "fields", place)?;
            let text = block.get("text");
            if text.is_none() && fields.is_empty() {
                return Err(missing("text", place));
            }
            let text = text.map(|text| composed(text, &kinds, TEXT, &format!("{place}/text"))).transpose()?;
            let field = |field| composed(field, &kinds, FIELD, &format!("{place}/fields"));
            let fields = fields.into_iter().map(field).collect::<Result<Vec<_>, _>>()?;
            Ok(text.into_iter().chain(fields).collect())
        }
        Some("context") => {
            let elements = members(block, "elements", place)?;
            if elements.is_empty() {
                return Err(missing("elements", place));
            }
            let element =
                |element| composed(element, &["plain_text", "mrkdwn"], TEXT, &format!("{place}/elements"));
            elements.into_iter().map(element).collect()
        }
        Some("actions" | "image" | "input" | "rich_text" | "table" | "markdown" | "file" | "video") => {
            Err(Refusal::new("sandbox_simulates_header_section_context_and_divider"))
        }
        _ => Err(invalid(&format!("unsupported type [json-pointer:{place}/type]"))),
    }
}

fn members<'a>(block: &'a Value, name: &str, place: &str) -> Result<Vec<&'a Value>, Refusal> {
    match block.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(members)) if members.len() <= MEMBERS => Ok(members.iter().collect()),
        Some(_) => {
            Err(invalid(&format!("no more than {MEMBERS} items allowed [json-pointer:{place}/{name}]")))
        }
    }
}

fn composed(text: &Value, kinds: &[&str], limit: usize, place: &str) -> Result<String, Refusal> {
    let kind = text.get("type").and_then(Value::as_str).unwrap_or_default();
    if !kinds.contains(&kind) {
        return Err(invalid(&format!("must be one of {} [json-pointer:{place}/type]", kinds.join(", "))));
    }
    let words = text.get("text").and_then(Value::as_str).ok_or_else(|| missing("text", place))?;
    match words.chars().count() {
        0 => Err(invalid(&format!("must be more than 0 characters [json-pointer:{place}/text]"))),
        count if count > limit => {
            Err(invalid(&format!("must be less than {} characters [json-pointer:{place}/text]", limit + 1)))
        }
        _ => Ok(words.to_owned()),
    }
}

fn missing(name: &str, place: &str) -> Refusal {
    invalid(&format!("missing required field: {name} [json-pointer:{place}]"))
}

fn invalid(message: &str) -> Refusal {
    Refusal::new("invalid_blocks")
        .with(json!({"response_metadata": {"messages": [format!("[ERROR] {message}")]}}))
}

//! Blocks of a message, as far as they are simulated: header, section, context, actions with buttons, and divider, with Slack's limits.

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
/// Elements among actions.
const BUTTONS: usize = 25;
/// Characters of a button's text, its id and its value.
const LABEL: usize = 75;
const ACTION: usize = 255;
const VALUE: usize = 2_000;

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
        Some("actions") => {
            let elements = members_up_to(BUTTONS, block, "elements", place)?;
            if elements.is_empty() {
                return Err(missing("elements", place));
            }
            elements.into_iter().map(|element| button(element, &format!("{place}/elements"))).collect()
        }
        Some("image" | "input" | "rich_text" | "table" | "markdown" | "file" | "video") => {
            Err(Refusal::new("sandbox_simulates_header_section_context_actions_and_divider"))
        }
        _ => Err(invalid(&format!("unsupported type [json-pointer:{place}/type]"))),
    }
}

fn members<'a>(block: &'a Value, name: &str, place: &str) -> Result<Vec<&'a Value>, Refusal> {
    members_up_to(MEMBERS, block, name, place)
}

fn members_up_to<'a>(
    most: usize,
    block: &'a Value,
    name: &str,
    place: &str,
) -> Result<Vec<&'a Value>, Refusal> {
    match block.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(members)) if members.len() <= most => Ok(members.iter().collect()),
        Some(_) => Err(invalid(&format!("no more than {most} items allowed [json-pointer:{place}/{name}]"))),
    }
}

/// A button, and nothing else, among actions.
fn button(element: &Value, place: &str) -> Result<String, Refusal> {
    if element.get("type").and_then(Value::as_str) != Some("button") {
        return Err(Refusal::new("sandbox_simulates_buttons_among_actions"));
    }
    for (name, limit) in [("action_id", ACTION), ("value", VALUE)] {
        let length = element.get(name).map(|value| value.as_str().map(|text| text.chars().count()));
        if length.is_some_and(|length| length.is_none_or(|length| length > limit)) {
            return Err(invalid(&format!(
                "must be less than {} characters [json-pointer:{place}/{name}]",
                limit + 1
            )));
        }
    }
    let text = element.get("text").ok_or_else(|| missing("text", place))?;
    composed(text, &["plain_text"], LABEL, &format!("{place}/text"))
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

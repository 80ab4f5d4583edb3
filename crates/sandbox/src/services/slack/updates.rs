//! What the bot does to messages that are there: it edits its own, and reacts.

use axum::response::Response;
use serde_json::json;

use super::blocks::readable as readable_blocks;
use super::call::{Call, Refusal, fine};
use super::text::parse;

/// Characters that `chat.update` takes.
const UPDATE_LIMIT: usize = 4000;

/// `chat.update`: without `blocks` a message loses those that it has, and its buttons.
pub(super) async fn update(call: Call) -> Result<Response, Refusal> {
    let mut slack = call.world.slack.lock();
    let token = call.allowed(&slack, &["chat:write"])?;
    let channel = call.text("channel").ok_or_else(|| Refusal::new("channel_not_found"))?;
    let ts = call.text("ts").ok_or_else(|| Refusal::new("message_not_found"))?;
    if let Some(error) = &slack.refuses_updates {
        return Err(Refusal::new(error.clone()));
    }
    let blocks = call.json("blocks");
    let words = blocks.as_ref().map(readable_blocks).transpose()?.filter(|words| !words.is_empty());
    let text = call.text("text");
    if text.is_none() && words.is_none() {
        return Err(Refusal::new("no_text"));
    }
    let text = text.unwrap_or_default();
    if text.chars().count() > UPDATE_LIMIT {
        return Err(Refusal::new("msg_too_long"));
    }
    let message = slack.message_mut(&channel, &ts).ok_or_else(|| Refusal::new("message_not_found"))?;
    if message.bot_id.as_deref() != Some(token.bot.as_str()) {
        return Err(Refusal::new("cant_update_message"));
    }
    message.parsed = parse(words.as_deref().unwrap_or(&text));
    message.text.clone_from(&text);
    message.blocks = blocks;
    Ok(fine(json!({"channel": channel, "ts": ts, "text": text})))
}

/// `reactions.add`.
pub(super) async fn add_reaction(call: Call) -> Result<Response, Refusal> {
    let mut slack = call.world.slack.lock();
    let token = call.allowed(&slack, &["reactions:write"])?;
    let name = call.text("name").ok_or_else(|| Refusal::new("invalid_name"))?;
    let message = message_of(&call, &slack)?;
    let reaction = (message.0, message.1, name, token.user);
    if slack.reactions.insert(reaction) { Ok(fine(json!({}))) } else { Err(Refusal::new("already_reacted")) }
}

/// `reactions.remove`.
pub(super) async fn remove_reaction(call: Call) -> Result<Response, Refusal> {
    let mut slack = call.world.slack.lock();
    let token = call.allowed(&slack, &["reactions:write"])?;
    let name = call.text("name").ok_or_else(|| Refusal::new("invalid_name"))?;
    let message = message_of(&call, &slack)?;
    let reaction = (message.0, message.1, name, token.user);
    if slack.reactions.shift_remove(&reaction) {
        Ok(fine(json!({})))
    } else {
        Err(Refusal::new("no_reaction"))
    }
}

fn message_of(call: &Call, slack: &super::State) -> Result<(String, String), Refusal> {
    let channel = call.text("channel").ok_or_else(|| Refusal::new("channel_not_found"))?;
    let ts = call.text("timestamp").ok_or_else(|| Refusal::new("no_item_specified"))?;
    if slack.has(&channel, &ts) { Ok((channel, ts)) } else { Err(Refusal::new("message_not_found")) }
}

/// `usergroups.users.list`: the members of one group, by its id.
pub(super) async fn group_members(call: Call) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    call.allowed(&slack, &["usergroups:read"])?;
    let wanted = call.text("usergroup").ok_or_else(|| Refusal::new("no_such_subteam"))?;
    let group = slack.groups.iter().find(|group| group.id == wanted);
    let group = group.filter(|group| !group.disabled || call.flag("include_disabled"));
    let group = group.ok_or_else(|| Refusal::new("no_such_subteam"))?;
    Ok(fine(json!({"users": group.users})))
}

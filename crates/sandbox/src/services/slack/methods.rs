//! The methods.

use std::collections::{HashMap, HashSet};

use axum::http::HeaderValue;
use axum::response::Response;
use serde_json::{Value, json};

use super::{
    blocks::readable as readable_blocks,
    call::{Call, Refusal, fine},
    events::Telling,
    state::{Channel, Draft, Message, State, Token, User},
};

pub(super) const TEAM: &str = "T0000SANDB";
pub(super) const APP: &str = "A0000SANDB";
/// The most people whom the first message of a thread names.
const REPLY_USERS: usize = 5;

/// `auth.test`.
pub(super) async fn auth_test(call: Call) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    let token = call.allowed(&slack, &[])?;
    let url = format!("{}/", call.world.url("/slack"));
    let scopes = HeaderValue::from_str(&token.scopes.join(","));
    let mut answer = fine(json!({
        "url": url, "team": "Sandbox", "team_id": TEAM, "user": "release-bot", "user_id": token.user,
        "bot_id": token.bot, "is_enterprise_install": false,
    }));
    if let Ok(scopes) = scopes {
        answer.headers_mut().insert("x-oauth-scopes", scopes);
    }
    Ok(answer)
}

/// `chat.postMessage`.
pub(super) async fn post_message(call: Call) -> Result<Response, Refusal> {
    let now = call.world.clock.now();
    let mut slack = call.world.slack.lock();
    let token = call.allowed(&slack, &["chat:write", "chat:write.public"])?;
    let channel = open_channel(&call, &slack, &token)?;
    if call.has("attachments") {
        return Err(Refusal::new("sandbox_simulates_no_attachments"));
    }
    let blocks = call.json("blocks");
    let shown_words = blocks.as_ref().map(readable_blocks).transpose()?.filter(|words| !words.is_empty());
    let text = call.text("text");
    if text.is_none() && shown_words.is_none() {
        return Err(Refusal::new("no_text"));
    }
    let text = text.unwrap_or_default();
    let mut thread_ts = call.text("thread_ts");
    if let Some(wanted) = &thread_ts
        && !slack.has(&channel.id, wanted)
    {
        if !slack.deleted.iter().any(|(place, ts)| *place == channel.id && ts == wanted) {
            return Err(Refusal::new("thread_not_found"));
        }
        // The first message was deleted: the reply is posted to the channel, without any other sign.
        thread_ts = None;
    }
    let broadcast = call.flag("reply_broadcast") && thread_ts.is_some();
    let metadata = call.object("metadata")?;
    if metadata.as_ref().is_some_and(|value| {
        !value.get("event_type").is_some_and(Value::is_string)
            || !value.get("event_payload").is_some_and(Value::is_object)
    }) {
        return Err(Refusal::new("invalid_metadata_format"));
    }
    if let (Some(error), true) = (&slack.refuses_metadata, metadata.is_some()) {
        return Err(Refusal::new(error.clone()));
    }
    if slack.one_message_per_second {
        let last = slack.messages.iter().rev().find(|message| message.channel == channel.id);
        if last.is_some_and(|message| now.as_millisecond() - message.at.as_millisecond() < 1000) {
            return Err(Refusal::rate_limited(1));
        }
    }
    let cut = text.chars().count() > super::state::TEXT_LIMIT;
    let draft = Draft {
        text,
        blocks,
        shown_words,
        thread_ts,
        broadcast,
        user: token.user,
        bot_id: Some(token.bot),
        metadata,
    };
    let message = slack.post(&channel, draft, now);
    slack.tell(&message, &Telling::default(), now);
    let mut answer = json!({"channel": channel.id, "ts": message.ts, "message": shown(&message, true)});
    if let (Some(map), true) = (answer.as_object_mut(), cut) {
        map.insert("warning".to_owned(), json!("message_truncated"));
        map.insert("response_metadata".to_owned(), json!({"warnings": ["message_truncated"]}));
    }
    Ok(fine(answer))
}

fn open_channel(call: &Call, slack: &State, token: &Token) -> Result<Channel, Refusal> {
    let wanted = call.text("channel").ok_or_else(|| Refusal::new("channel_not_found"))?;
    let channel = slack.channel(&wanted).ok_or_else(|| Refusal::new("channel_not_found"))?;
    let anywhere = token.scopes.iter().any(|scope| scope == "chat:write.public");
    if channel.is_archived {
        Err(Refusal::new("is_archived"))
    } else if !channel.is_member && (channel.is_private || !anywhere) {
        Err(Refusal::new(if channel.is_private { "channel_not_found" } else { "not_in_channel" }))
    } else if let Some(error) = &channel.refuses {
        Err(Refusal::new(error.clone()))
    } else {
        Ok(channel.clone())
    }
}

fn shown(message: &Message, with_metadata: bool) -> Value {
    let mut value = json!({
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "team": TEAM,
    });
    if let Some(map) = value.as_object_mut() {
        if let Some(bot) = &message.bot_id {
            map.insert("bot_id".to_owned(), json!(bot));
            map.insert("app_id".to_owned(), json!(APP));
        }
        if let Some(blocks) = &message.blocks {
            map.insert("blocks".to_owned(), blocks.clone());
        }
        if let Some(edited) = &message.edited {
            map.insert("edited".to_owned(), edited.clone());
        }
        if message.broadcast {
            map.insert("subtype".to_owned(), json!("thread_broadcast"));
        }
        if let Some(thread) = &message.thread_ts {
            map.insert("thread_ts".to_owned(), json!(thread));
        }
        if let Some(metadata) = &message.metadata {
            // Without the argument the kind stays, and the payload goes.
            let shown = if with_metadata {
                metadata.clone()
            } else {
                json!({"event_type": metadata.get("event_type")})
            };
            map.insert("metadata".to_owned(), shown);
        }
    }
    value
}

/// `conversations.history`: a channel's messages, newest first, without the answers in threads.
pub(super) async fn history(call: Call) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    let channel = readable(&call, &slack)?;
    // Older ones than these are on no page.
    let oldest = call.text("oldest").unwrap_or_default();
    let messages: Vec<&Message> = slack
        .messages_from(&oldest)
        .iter()
        .rev()
        .filter(|message| message.channel == channel.id)
        .filter(|message| {
            message.broadcast || message.thread_ts.as_ref().is_none_or(|thread| *thread == message.ts)
        })
        .collect();
    Ok(page_of_messages(&call, &slack, &messages))
}

/// `conversations.replies`: a message and the answers to it, oldest first.
pub(super) async fn replies(call: Call) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    let channel = readable(&call, &slack)?;
    let thread = call.text("ts").ok_or_else(|| Refusal::new("thread_not_found"))?;
    let belongs = |message: &&Message| {
        message.channel == channel.id && (message.ts == thread || message.thread_ts.as_ref() == Some(&thread))
    };
    let messages: Vec<&Message> = slack.messages_from(&thread).iter().filter(belongs).collect();
    if messages.is_empty() {
        return Err(Refusal::new("thread_not_found"));
    }
    Ok(page_of_messages(&call, &slack, &messages))
}

/// The channel of a reading method, which knows ids only.
fn readable(call: &Call, slack: &State) -> Result<Channel, Refusal> {
    let wanted = call.text("channel").ok_or_else(|| Refusal::new("channel_not_found"))?;
    let channel = slack.channels.iter().find(|channel| channel.id == wanted);
    let private = channel.is_some_and(|channel| channel.is_private);
    call.allowed(slack, &[if private { "groups:history" } else { "channels:history" }])?;
    let channel = channel.filter(|channel| channel.is_member || !channel.is_private);
    let channel = channel.ok_or_else(|| Refusal::new("channel_not_found"))?;
    if channel.is_member { Ok(channel.clone()) } else { Err(Refusal::new("not_in_channel")) }
}

/// One page between `oldest` and `latest`; the cursor is the number of messages to skip.
fn page_of_messages(call: &Call, slack: &State, messages: &[&Message]) -> Response {
    let inclusive = call.flag("inclusive");
    let (oldest, latest) = (call.text("oldest"), call.text("latest"));
    let inside = |message: &&&Message| {
        let after = oldest.as_deref().is_none_or(|bound| {
            let bound = micros(bound);
            micros(&message.ts) > bound || (inclusive && micros(&message.ts) == bound)
        });
        let before = latest.as_deref().is_none_or(|bound| {
            let bound = micros(bound);
            micros(&message.ts) < bound || (inclusive && micros(&message.ts) == bound)
        });
        after && before
    };
    let limit = number(call, "limit").unwrap_or(100).clamp(1, 999);
    let skip = number(call, "cursor").unwrap_or(0);
    let wanted: Vec<&&Message> = messages.iter().filter(inside).collect();
    let with_metadata = call.flag("include_all_metadata");
    let page: Vec<&Message> = wanted.iter().skip(skip).take(limit).map(|message| **message).collect();
    let answers = answers_to(&page, slack);
    let items: Vec<Value> = page
        .iter()
        .map(|message| with_replies(shown(message, with_metadata), message, answers.get(message.ts.as_str())))
        .collect();
    let more = wanted.len() > skip.saturating_add(limit);
    let cursor = if more { skip.saturating_add(limit).to_string() } else { String::new() };
    fine(json!({
        "messages": items, "has_more": more, "pin_count": 0, "response_metadata": {"next_cursor": cursor},
    }))
}

/// The answers to each of these messages, by its time stamp.
fn answers_to<'a>(page: &[&'a Message], slack: &'a State) -> HashMap<&'a str, Vec<&'a Message>> {
    let mut answers: HashMap<&str, Vec<&Message>> = HashMap::new();
    let Some(oldest) = page.iter().map(|message| message.ts.as_str()).min() else { return answers };
    let shown: HashSet<(&str, &str)> =
        page.iter().map(|message| (message.channel.as_str(), message.ts.as_str())).collect();
    for answer in slack.messages_from(oldest) {
        let Some(thread) = answer.thread_ts.as_deref() else { continue };
        if answer.ts != thread && shown.contains(&(answer.channel.as_str(), thread)) {
            answers.entry(thread).or_default().push(answer);
        }
    }
    answers
}

/// The first message of a thread says how many answers there are, who wrote them, and when the last one came.
fn with_replies(mut shown: Value, message: &Message, answers: Option<&Vec<&Message>>) -> Value {
    if let (Some(answers), Some(members)) = (answers, shown.as_object_mut())
        && let Some(last) = answers.last()
    {
        let mut users: Vec<&str> = Vec::new();
        for answer in answers {
            if !users.contains(&answer.user.as_str()) {
                users.push(&answer.user);
            }
        }
        members.insert("thread_ts".to_owned(), json!(message.ts));
        members.insert("reply_count".to_owned(), json!(answers.len()));
        members.insert("reply_users_count".to_owned(), json!(users.len()));
        users.truncate(REPLY_USERS);
        members.insert("reply_users".to_owned(), json!(users));
        members.insert("latest_reply".to_owned(), json!(last.ts));
    }
    shown
}

fn number(call: &Call, name: &str) -> Option<usize> {
    call.text(name)?.parse().ok()
}

/// A time stamp such as `1803470000.000100` in microseconds; one without fraction is a whole second.
fn micros(ts: &str) -> i64 {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, "0"));
    let fraction: String = format!("{fraction:0<6}").chars().take(6).collect();
    seconds
        .parse::<i64>()
        .unwrap_or(0)
        .saturating_mul(1_000_000)
        .saturating_add(fraction.parse().unwrap_or(0))
}

/// `conversations.list`: the channels that there are.
pub(super) async fn list(call: Call) -> Result<Response, Refusal> {
    page_of_channels(&call, |channel| channel.is_member || !channel.is_private)
}

/// `users.conversations`: the channels that the bot is in.
pub(super) async fn own_conversations(call: Call) -> Result<Response, Refusal> {
    page_of_channels(&call, |channel| channel.is_member)
}

/// One page of channels. Each requested kind needs its scope; otherwise the whole call is refused.
fn page_of_channels(call: &Call, shown: impl Fn(&Channel) -> bool) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    let types = call.text("types").unwrap_or_else(|| "public_channel".to_owned());
    let (mut public, mut private) = (false, false);
    for kind in types.split(',').map(str::trim) {
        match kind {
            "public_channel" => {
                call.allowed(&slack, &["channels:read"])?;
                public = true;
            }
            "private_channel" => {
                call.allowed(&slack, &["groups:read"])?;
                private = true;
            }
            _ => return Err(Refusal::new("invalid_types")),
        }
    }
    let limit = number(call, "limit").unwrap_or(100);
    if !(1..1000).contains(&limit) {
        return Err(Refusal::new("invalid_limit"));
    }
    let hide = call.flag("exclude_archived");
    let wanted: Vec<&Channel> = slack
        .channels
        .iter()
        .filter(|channel| shown(channel) && !(hide && channel.is_archived))
        .filter(|channel| if channel.is_private { private } else { public })
        .collect();
    let skip = number(call, "cursor").unwrap_or(0);
    let items: Vec<Value> =
        wanted.iter().skip(skip).take(limit).map(|channel| conversation(channel)).collect();
    let next = skip.saturating_add(limit);
    let cursor = if wanted.len() > next { next.to_string() } else { String::new() };
    Ok(fine(json!({"channels": items, "response_metadata": {"next_cursor": cursor}})))
}

/// `conversations.info`.
pub(super) async fn info(call: Call) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    call.allowed(&slack, &["channels:read"])?;
    let wanted = call.text("channel").ok_or_else(|| Refusal::new("channel_not_found"))?;
    let channel = slack.channels.iter().find(|channel| channel.id == wanted);
    let channel = channel.ok_or_else(|| Refusal::new("channel_not_found"))?;
    Ok(fine(json!({"channel": conversation(channel)})))
}

fn conversation(channel: &Channel) -> Value {
    json!({
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": true,
        "is_group": false,
        "is_im": false,
        "is_mpim": false,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_member": channel.is_member,
        "created": 1_700_000_000,
        "creator": "U0000OTHER",
    })
}

/// `usergroups.list`.
pub(super) async fn usergroups(call: Call) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    call.allowed(&slack, &["usergroups:read"])?;
    let (disabled, users) = (call.flag("include_disabled"), call.flag("include_users"));
    let groups: Vec<Value> = slack
        .groups
        .iter()
        .filter(|group| disabled || !group.disabled)
        .map(|group| {
            let mut value = json!({
                "id": group.id,
                "team_id": TEAM,
                "is_usergroup": true,
                "is_subteam": true,
                "name": group.handle,
                "description": "",
                "handle": group.handle,
                "is_external": false,
                "date_create": 1_700_000_000,
                "date_update": 1_700_000_000,
                "date_delete": if group.disabled { 1_710_000_000 } else { 0 },
                "created_by": "U0000OTHER",
                "updated_by": "U0000OTHER",
                "prefs": {"channels": [], "groups": []},
                "user_count": group.users.len(),
            });
            if let (Some(map), true) = (value.as_object_mut(), users) {
                map.insert("users".to_owned(), json!(group.users));
            }
            value
        })
        .collect();
    Ok(fine(json!({"usergroups": groups})))
}

/// `users.lookupByEmail`: exact address, deactivated users are not found.
pub(super) async fn lookup_by_email(call: Call) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    call.allowed(&slack, &["users:read.email"])?;
    let email = call.text("email").ok_or_else(|| Refusal::new("invalid_arguments"))?;
    let user = slack.users.iter().find(|user| !user.deleted && user.email.eq_ignore_ascii_case(&email));
    let user = user.ok_or_else(|| Refusal::new("users_not_found"))?;
    Ok(fine(json!({"user": account(user, true)})))
}

/// `users.info`.
pub(super) async fn user_info(call: Call) -> Result<Response, Refusal> {
    let slack = call.world.slack.lock();
    let token = call.allowed(&slack, &["users:read"])?;
    let wanted = call.text("user").ok_or_else(|| Refusal::new("user_not_found"))?;
    let user =
        slack.users.iter().find(|user| user.id == wanted).ok_or_else(|| Refusal::new("user_not_found"))?;
    let email = token.scopes.iter().any(|scope| scope == "users:read.email");
    Ok(fine(json!({"user": account(user, email)})))
}

fn account(user: &User, with_email: bool) -> Value {
    json!({
        "id": user.id,
        "team_id": TEAM,
        "name": user.name,
        "deleted": user.deleted,
        "real_name": user.real_name,
        "tz": "Etc/UTC",
        "tz_label": "UTC",
        "tz_offset": 0,
        "profile": {
            "real_name": user.real_name,
            "display_name": user.name,
            "email": with_email.then_some(&user.email),
            "team": TEAM,
        },
        "is_admin": false,
        "is_bot": false,
        "is_app_user": false,
        "updated": 1_700_000_000,
    })
}

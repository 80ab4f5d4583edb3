//! The upload of a file in its three steps: an address, the bytes, the place where it is shown (spec 05 §4.6, "files").

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};

use super::call::{Call, Refusal, fine};
use super::state::Draft;
use crate::world::Shared;

/// A file, from its address to its place.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    /// `F…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The length that was announced, in bytes.
    pub length: usize,
    /// What was sent; none before.
    pub content: Option<String>,
    /// The channel in which it is shown; none while it is private.
    pub channel: Option<String>,
    /// The thread in which it is shown.
    pub thread_ts: Option<String>,
}

/// All files, by id.
pub type Files = IndexMap<String, File>;

/// `files.getUploadURLExternal`.
pub(super) async fn get_upload_url(call: Call) -> Result<Response, Refusal> {
    let mut slack = call.world.slack.lock();
    call.allowed(&slack, &["files:write"])?;
    if let Some(error) = &slack.refuses_files {
        return Err(Refusal::new(error.clone()));
    }
    let name = call.text("filename").ok_or_else(|| Refusal::new("invalid_arguments"))?;
    let length = call.text("length").and_then(|length| length.parse::<usize>().ok());
    let length = length.filter(|length| *length > 0).ok_or_else(|| Refusal::new("invalid_arguments"))?;
    if call.has("snippet_type") && length > 1_000_000 {
        return Err(Refusal::new("snippet_too_large"));
    }
    let id = format!("F0000FI{:03}", slack.files.len() + 1);
    let file = File { id: id.clone(), name, length, content: None, channel: None, thread_ts: None };
    slack.files.insert(id.clone(), file);
    let url = call.world.url(&format!("/slack/api/upload/{id}"));
    Ok(fine(json!({"upload_url": url, "file_id": id})))
}

/// The bytes, sent to the address. It needs no token and is for one use.
pub(super) async fn upload(State(world): State<Shared>, Path(id): Path<String>, body: Bytes) -> Response {
    let mut slack = world.slack.lock();
    match slack.files.get_mut(&id) {
        Some(file) if file.content.is_none() && file.length == body.len() => {
            file.content = Some(String::from_utf8_lossy(&body).into_owned());
            (StatusCode::OK, format!("OK - {}", body.len())).into_response()
        }
        Some(_) => {
            (StatusCode::BAD_REQUEST, "the length is another one, or the file is there").into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `files.completeUploadExternal`: shows files in a channel, or leaves them private.
pub(super) async fn complete(call: Call) -> Result<Response, Refusal> {
    let now = call.world.clock.now();
    let mut slack = call.world.slack.lock();
    let token = call.allowed(&slack, &["files:write"])?;
    let wanted = call.json("files").and_then(|files| files.as_array().cloned());
    let wanted = wanted.filter(|files| !files.is_empty()).ok_or_else(|| Refusal::new("invalid_arguments"))?;
    let id_of = |file: &Value| file.get("id").and_then(Value::as_str).map(str::to_owned);
    let ids: Vec<String> = wanted.iter().filter_map(id_of).collect();
    let is_there = |id: &String| slack.files.get(id).is_some_and(|file| file.content.is_some());
    if ids.len() != wanted.len() || !ids.iter().all(is_there) {
        return Err(Refusal::new("file_not_found"));
    }
    let thread_ts = call.text("thread_ts");
    if let Some(channel) = call.text("channel_id") {
        // Only ids count here, and only channels that the bot is in.
        let channel = slack.channels.iter().find(|known| known.id == channel).cloned();
        let channel = channel.ok_or_else(|| Refusal::new("channel_not_found"))?;
        if !channel.is_member {
            return Err(Refusal::new("not_in_channel"));
        }
        for id in &ids {
            if let Some(file) = slack.files.get_mut(id) {
                file.channel = Some(channel.id.clone());
                file.thread_ts.clone_from(&thread_ts);
            }
        }
        let draft = Draft {
            text: call.text("initial_comment").unwrap_or_default(),
            blocks: None,
            shown_words: None,
            thread_ts,
            broadcast: false,
            user: token.user,
            bot_id: Some(token.bot),
            metadata: None,
        };
        slack.post(&channel, draft, now);
    }
    let shown: Vec<Value> = ids.iter().map(|id| json!({"id": id, "title": id})).collect();
    Ok(fine(json!({"files": shown})))
}

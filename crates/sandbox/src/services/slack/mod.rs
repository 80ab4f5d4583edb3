//! Slack's Web API, under `/slack/api` (spec 03 §8.1, §13.3).
//!
//! Logical errors are HTTP 200 with `ok: false`; only the rate limit is a 429. Arguments come in the query, in
//! a form or as JSON, as with the real service.
//!
//! Changes through the control interface (`POST /_sandbox/state/slack/<operation>`):
//!
//! | Operation | Body |
//! |---|---|
//! | `channel` | `{"name", "is_archived", "is_member", "is_private", "refuses"}`: a new one, or changes of one; `refuses` is the error of every message |
//! | `group` | `{"handle", "users"}`: a new one, or other users of one |
//! | `user` | `{"email", "real_name", "deleted"}` |
//! | `message` | `{"channel", "text", "thread_ts", "user", "mention_first", "client_msg_id"}`: somebody else writes; whoever listens on a socket is told, of a mention in both forms |
//! | `edit` | `{"channel", "ts", "text"}`: somebody edits a message |
//! | `click` | `{"channel", "ts", "user", "action_id"}`: somebody clicks a button of a message |
//! | `sockets` | `{"disconnect": reason, "close", "cut", "freeze", "enabled", "lingers", "address_seconds", "acknowledged_within", "redelivered_after": [seconds], "frozen_for", "rate_limited"}`: what happens to the open sockets, and how Socket Mode behaves |
//! | `delete` | `{"channel", "ts"}`: somebody deletes a message |
//! | `limits` | `{"one_message_per_second": true, "refuses_metadata": "metadata_must_be_sent_from_app", "refuses_files", "refuses_updates"}` |

use axum::{
    Router,
    routing::{get, post},
};

use self::methods as m;
use crate::world::Shared;

mod blocks;
mod call;
mod events;
pub mod files;
mod link;
mod methods;
pub mod sockets;
pub mod state;
pub mod text;
mod updates;

pub use self::state::State;

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/auth.test", get(m::auth_test).post(m::auth_test))
        .route("/chat.postMessage", get(m::post_message).post(m::post_message))
        .route("/chat.update", get(updates::update).post(updates::update))
        .route("/reactions.add", get(updates::add_reaction).post(updates::add_reaction))
        .route("/reactions.remove", get(updates::remove_reaction).post(updates::remove_reaction))
        .route("/apps.connections.open", get(link::open).post(link::open))
        .route("/link", get(link::link))
        .route("/files.getUploadURLExternal", get(files::get_upload_url).post(files::get_upload_url))
        .route("/upload/{id}", post(files::upload))
        .route("/files.completeUploadExternal", get(files::complete).post(files::complete))
        .route("/usergroups.users.list", get(updates::group_members).post(updates::group_members))
        .route("/conversations.history", get(m::history).post(m::history))
        .route("/conversations.replies", get(m::replies).post(m::replies))
        .route("/conversations.list", get(m::list).post(m::list))
        .route("/conversations.info", get(m::info).post(m::info))
        .route("/usergroups.list", get(m::usergroups).post(m::usergroups))
        .route("/users.lookupByEmail", get(m::lookup_by_email).post(m::lookup_by_email))
        .route("/users.conversations", get(m::own_conversations).post(m::own_conversations))
        .route("/users.info", get(m::user_info).post(m::user_info))
}

#[cfg(test)]
mod socket_tests;
#[cfg(test)]
mod tests;

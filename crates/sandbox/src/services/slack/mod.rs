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
//! | `group` | `{"handle"}` |
//! | `user` | `{"email", "real_name", "deleted"}` |
//! | `message` | `{"channel", "text", "thread_ts", "user"}`: somebody else writes |
//! | `delete` | `{"channel", "ts"}`: somebody deletes a message |
//! | `limits` | `{"one_message_per_second": true, "refuses_metadata": "metadata_must_be_sent_from_app"}` |

use axum::{Router, routing::get};

use self::methods as m;
use crate::world::Shared;

mod blocks;
mod call;
mod methods;
pub mod state;
pub mod text;

pub use self::state::State;

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/auth.test", get(m::auth_test).post(m::auth_test))
        .route("/chat.postMessage", get(m::post_message).post(m::post_message))
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
mod tests;

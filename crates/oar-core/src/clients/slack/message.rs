//! What a bot does to messages that stand there: it edits its own and reacts (spec 05 §4.6, "posting limits").

use serde::Serialize;
use slack_morphism::blocks::SlackBlock;

use super::{Block, Posted, SlackClient};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// Refusals after which only a new message helps.
const NOT_EDITABLE: [&str; 5] =
    ["edit_window_closed", "cant_update_message", "msg_too_long", "message_not_found", "is_inactive"];

/// What became of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The message reads so now.
    Done,
    /// Slack does not let us edit this message so: what it was to say is posted anew. Slack's word for it.
    Refused(String),
}

#[derive(Serialize)]
struct EditBody<'a> {
    channel: &'a str,
    ts: &'a str,
    text: &'a str,
    /// Always sent: what is left out stays, buttons for example.
    blocks: Vec<SlackBlock>,
}

#[derive(Serialize)]
struct ReactionBody<'a> {
    channel: &'a str,
    timestamp: &'a str,
    name: &'a str,
}

impl SlackClient {
    /// Makes a message of ours read so, with these blocks and no others. Editing twice is the same as once.
    pub async fn edit(
        &self,
        message: &Posted,
        text: &str,
        blocks: &[Block],
        permit: &WritePermit,
    ) -> Result<Edit, ServiceError> {
        let connector =
            self.connector("edit a message", format!("channel {}", message.channel)).permitted(permit);
        let blocks = blocks.iter().map(Block::to_library).collect();
        let body = EditBody { channel: &message.channel, ts: &message.ts, text, blocks };
        match self.change(connector, "chat.update", &body).await {
            Ok(()) => Ok(Edit::Done),
            Err(error) if NOT_EDITABLE.contains(&error.detail.as_str()) => Ok(Edit::Refused(error.detail)),
            Err(error) => Err(error),
        }
    }

    /// Reacts to a message with an emoji, by its name without colons. A reaction that is there is fine.
    pub async fn react(
        &self,
        message: &Posted,
        emoji: &str,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let connector =
            self.connector("react to a message", format!("channel {}", message.channel)).permitted(permit);
        let body = ReactionBody { channel: &message.channel, timestamp: &message.ts, name: emoji };
        match self.change(connector, "reactions.add", &body).await {
            Err(error) if error.kind == ServiceErrorKind::Rejected && error.detail == "already_reacted" => {
                Ok(())
            }
            answer => answer,
        }
    }
}

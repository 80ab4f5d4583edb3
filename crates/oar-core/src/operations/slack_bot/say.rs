//! What the bot says in threads: once, and again where Slack did not take it.

use std::time::Duration;

use super::desk::Desk;
use super::thread::{ANSWER, CommandThread};
use crate::agents::bot::{IncomingMessage, Reply};
use crate::error::{Classified as _, ServiceError, ServiceErrorKind};

/// How long an answer is worth being sent: Slack may be out for so long.
const RESULTS_FOR: Duration = Duration::from_hours(24);
/// Results that are sent again at the same time. Of others the next start says that they are not known.
const MOST_LATER: usize = 200;
/// The name of the message that says that a command was not taken, and must be written again.
const NOT_TAKEN: &str = "not-taken";
/// The name of the message that says that a command was interrupted.
pub(super) const INTERRUPTED: &str = "interrupted";
/// What a message is named that answers a command for good.
const FINAL: [&str; 3] = [ANSWER, NOT_TAKEN, INTERRUPTED];

impl Desk {
    /// Answers a message that runs no command; where Slack fails, a few times.
    pub(super) async fn say(&self, message: &IncomingMessage, reply: &Reply) {
        self.send(message, reply, ANSWER, Duration::ZERO, false).await;
    }

    /// Says that nothing was run. Whoever catches up later must not run it after all: it may have been written again by then.
    pub(super) async fn say_not_taken(&self, message: &IncomingMessage, words: &str) {
        let _later = self.later();
        self.send(message, &Reply::Message(words.to_owned()), NOT_TAKEN, RESULTS_FOR, false).await;
    }

    /// Says what came of a command, once; an error is to be followed by [`Desk::say_result_later`].
    pub(super) async fn say_result(
        &self,
        message: &IncomingMessage,
        reply: &Reply,
    ) -> Result<(), ServiceError> {
        self.thread(message).answer(reply, &self.tools.permit).await
    }

    /// Says what came of a command again and again, for a day; whether it was said.
    pub(super) async fn say_result_later(
        &self,
        message: &IncomingMessage,
        reply: &Reply,
        error: &ServiceError,
    ) -> bool {
        let later = self.later();
        if later.count > MOST_LATER {
            self.failed(&format!("{}: the answer was not sent: {error}", message.key), error.class());
            return false;
        }
        tracing::warn!("{}: the answer was not sent: {error}", message.key);
        let is_unclear = error.kind == ServiceErrorKind::Unclear;
        let Some(first) = self.pauses(RESULTS_FOR).next() else { return false };
        self.pause(first).await && self.send(message, reply, ANSWER, RESULTS_FOR, is_unclear).await
    }

    /// Sends until Slack has taken it, for `limit` but a few times at least; whether it has. After an unclear answer it is
    /// looked for first.
    async fn send(
        &self,
        message: &IncomingMessage,
        reply: &Reply,
        name: &str,
        limit: Duration,
        mut is_unclear: bool,
    ) -> bool {
        let thread = self.thread(message);
        let mut pauses = self.pauses(limit);
        loop {
            let sent = match (name, reply) {
                _ if is_unclear => thread.answer_unless_there(reply, name, &self.tools.permit).await,
                (ANSWER, _) => thread.answer(reply, &self.tools.permit).await,
                (_, Reply::Message(text) | Reply::File { comment: text, .. }) => {
                    thread.post(text, &[], name, &self.tools.permit).await.map(drop)
                }
            };
            let Err(error) = sent else { return true };
            is_unclear |= error.kind == ServiceErrorKind::Unclear;
            let text = format!("{}: the answer was not sent: {error}", message.key);
            let Some(pause) = pauses.next() else {
                self.failed(&text, error.class());
                return false;
            };
            tracing::warn!("{text}");
            if !self.pause(pause).await {
                return false;
            }
        }
    }

    /// Whether the thread has an answer to this message that is the last word on it. An error: it cannot be read.
    pub(super) async fn has_answer(&self, message: &IncomingMessage) -> Result<bool, ServiceError> {
        let thread = message.reply_thread();
        let CommandThread { slack, since, .. } = self.thread(message);
        let keys = slack
            .keys_in_thread(&message.key.channel, thread, since, self.addressee.bot.as_ref())
            .await
            .or_else(|error| if error.detail == "thread_not_found" { Ok(Vec::new()) } else { Err(error) })?;
        let own = format!("{}-", message.key);
        Ok(keys.iter().any(|key| key.strip_prefix(&own).is_some_and(|name| FINAL.contains(&name))))
    }
}

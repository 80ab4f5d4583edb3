//! What the bot writes into the thread of a command.

use jiff::Timestamp;

use crate::agents::bot::{IncomingMessage, Reply, pages};
use crate::clients::slack::{Block, Lookup, Post, Posted, SlackClient, Upload, UploadError, Wanted};
use crate::clients::{Attempt, attempt_again};
use crate::error::{Classified as _, ErrorClass, ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::service::Service;

/// The name of the file with an output.
const FILE: &str = "output.txt";
/// The name of the answer among the messages of a thread.
pub(super) const ANSWER: &str = "answer";

/// The thread of one command.
#[derive(Debug, Clone, Copy)]
pub struct CommandThread<'a> {
    /// Slack.
    pub slack: &'a SlackClient,
    /// The message with the command.
    pub command: &'a IncomingMessage,
    /// When the command was written, by Slack's clock: no answer is older.
    pub since: Timestamp,
}

impl CommandThread<'_> {
    /// Answers once: a message, or a file, or, where Slack takes no file, the messages in its place.
    ///
    /// # Errors
    ///
    /// Slack takes nothing, or it is not known whether it took the answer.
    pub async fn answer(&self, reply: &Reply, permit: &WritePermit) -> Result<(), ServiceError> {
        let (comment, content) = match reply {
            Reply::Message(text) => return self.post(text, &[], ANSWER, permit).await.map(drop),
            Reply::File { comment, content } => (comment, content),
        };
        if self.upload(comment, content, permit).await? {
            return Ok(());
        }
        let headline = comment.lines().next().unwrap_or_default();
        self.post(headline, &[], ANSWER, permit).await?;
        for (number, page) in pages(content).iter().enumerate() {
            self.post(page, &[], &format!("{ANSWER}-{number}"), permit).await?;
        }
        Ok(())
    }

    /// Answers with this name, after an attempt of which it is not known whether Slack took it.
    ///
    /// # Errors
    ///
    /// As for [`CommandThread::answer`], and Slack does not say now whether it has the answer.
    pub(super) async fn answer_unless_there(
        &self,
        reply: &Reply,
        name: &str,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let (Reply::Message(text) | Reply::File { comment: text, .. }) = reply;
        match self.look_for(name, text).await {
            Lookup::Found(_) => Ok(()),
            Lookup::Undetermined(why) if why.class() == ErrorClass::Unavailable => {
                let words = format!("whether the answer is there is not known: {why}");
                Err(ServiceError::new(Service::Slack, "answer", ServiceErrorKind::Unavailable, words))
            }
            // Where Slack never says, twice is better than never.
            Lookup::NotFound | Lookup::Undetermined(_) if name == ANSWER => self.answer(reply, permit).await,
            Lookup::NotFound | Lookup::Undetermined(_) => self.post(text, &[], name, permit).await.map(drop),
        }
    }

    /// The message of the command with this name, or with this text where it has no key.
    pub(super) async fn look_for(&self, name: &str, text: &str) -> Lookup {
        let wanted = Wanted {
            channel: &self.command.key.channel,
            thread: Some(self.command.reply_thread()),
            key: &format!("{}-{name}", self.command.key),
            text,
            since: self.since,
        };
        self.slack.find(wanted).await
    }

    /// Shows a text as a file below a comment; false where Slack takes no file.
    ///
    /// # Errors
    ///
    /// It is not known whether Slack took it.
    pub(super) async fn upload(
        &self,
        comment: &str,
        content: &str,
        permit: &WritePermit,
    ) -> Result<bool, ServiceError> {
        let file = Upload {
            channel: &self.command.key.channel,
            thread: self.command.reply_thread(),
            name: FILE,
            content,
            comment,
        };
        match self.slack.upload(&file, permit).await {
            Ok(()) => Ok(true),
            Err(UploadError::Unclear(error)) => Err(error),
            Err(UploadError::Refused(error)) => {
                tracing::warn!("Slack takes no file, so the output comes as messages: {error}");
                Ok(false)
            }
        }
    }

    /// Posts a message under a key of its own; after a lost answer it is looked for before it is posted again.
    ///
    /// # Errors
    ///
    /// Slack takes nothing, or it is not known whether it took the message.
    pub async fn post(
        &self,
        text: &str,
        blocks: &[Block],
        name: &str,
        permit: &WritePermit,
    ) -> Result<Posted, ServiceError> {
        let post = Post {
            channel: self.command.key.channel.clone(),
            text: text.to_owned(),
            blocks: blocks.to_vec(),
            thread: Some(self.command.reply_thread().to_owned()),
            broadcast: false,
            key: Some(format!("{}-{name}", self.command.key)),
        };
        let write = || self.slack.post(&post, permit);
        let look = || async {
            match self.look_for(name, text).await {
                Lookup::Found(posted) => Ok(Some(posted)),
                Lookup::NotFound => Ok(None),
                Lookup::Undetermined(why) => Err(why),
            }
        };
        match attempt_again(2, write, &[ServiceErrorKind::Unclear], look).await {
            Attempt::Done(posted) => Ok(posted.into_inner()),
            Attempt::Absent(error) | Attempt::Unseen(error, _) | Attempt::Failed(error) => Err(error),
        }
    }
}

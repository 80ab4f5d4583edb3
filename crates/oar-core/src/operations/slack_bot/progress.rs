//! The one message that shows how far a command is.

use super::thread::CommandThread;
use crate::clients::slack::{Edit, Posted, escape};
use crate::permit::WritePermit;

/// The longest note that is shown, in characters.
const LONGEST: usize = 500;

/// The message; it is posted when there is something to wait for, and edited after that.
pub(super) struct ProgressMessage<'a> {
    thread: CommandThread<'a>,
    name: &'a str,
    posted: Option<Posted>,
    shown: String,
    /// How often it was posted: a new one stands where the old one cannot be edited.
    posts: usize,
}

impl<'a> ProgressMessage<'a> {
    pub(super) fn new(thread: CommandThread<'a>, name: &'a str) -> Self {
        Self { thread, name, posted: None, shown: String::new(), posts: 0 }
    }

    /// Shows the last note of the command. The same note is not written twice.
    pub(super) async fn show(&mut self, note: &str, permit: &WritePermit) {
        let note: String = note.lines().next_back().unwrap_or_default().chars().take(LONGEST).collect();
        let note = if note.is_empty() { String::new() } else { format!("\n> {}", escape(&note)) };
        let text = format!("`{}` is running; `cancel` in this thread stops it.{note}", self.name);
        self.write(text, permit).await;
    }

    /// The command has ended; its answer is a message of its own, because edits notify nobody.
    pub(super) async fn end(&mut self, permit: &WritePermit) {
        if self.posted.is_some() {
            self.write(format!("`{}` has ended.", self.name), permit).await;
        }
    }

    async fn write(&mut self, text: String, permit: &WritePermit) {
        if text == self.shown {
            return;
        }
        self.shown.clone_from(&text);
        if let Some(posted) = &self.posted {
            match self.thread.slack.edit(posted, &text, &[], permit).await {
                Ok(Edit::Done) => return,
                Ok(Edit::Refused(why)) => tracing::debug!("a new progress message: {why}"),
                Err(error) => return tracing::warn!("no progress is shown: {error}"),
            }
        }
        self.posts += 1;
        let name = format!("progress-{}", self.posts);
        match self.thread.post(&text, &[], &name, permit).await {
            Ok(posted) => self.posted = Some(posted),
            Err(error) => tracing::warn!("no progress is shown: {error}"),
        }
    }
}

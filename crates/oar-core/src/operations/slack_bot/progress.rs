//! The one message that shows how far a command is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::consent::Tools;
use super::thread::CommandThread;
use crate::clients::slack::{Edit, Posted, escape};

/// The longest note that is shown, in characters.
const LONGEST: usize = 500;
/// The least time between two edits, of all commands together: Slack takes 50 in a minute of an app (spec 05 §4.6).
pub(super) const BETWEEN_EDITS: Duration = Duration::from_millis(1500);
/// A turn that is farther away than this was taken before the clock was set back.
const FARTHEST_TURN: SignedDuration = SignedDuration::from_mins(2);

/// When progress messages may be edited, those of all commands together.
#[derive(Debug, Default)]
pub(super) struct EditTurns(Mutex<Option<Timestamp>>);

impl EditTurns {
    /// How long it is until the next turn.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = next.map_or(SignedDuration::ZERO, |next| next.duration_since(now));
        if wait > FARTHEST_TURN { Duration::ZERO } else { Duration::try_from(wait).unwrap_or_default() }
    }

    /// Takes the next turn; how long it is until then.
    pub(super) fn take(&self, now: Timestamp) -> Duration {
        let wait = self.wait(now);
        let next = now.checked_add(wait + BETWEEN_EDITS).unwrap_or(Timestamp::MAX);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
        wait
    }
}

/// The message; it is posted when there is something to wait for, and edited after that.
pub(super) struct ProgressMessage<'a> {
    thread: CommandThread<'a>,
    tools: &'a Tools,
    name: &'a str,
    posted: Option<Posted>,
    shown: String,
    /// How often it was posted: a new one stands where the old one cannot be edited.
    posts: usize,
}

impl<'a> ProgressMessage<'a> {
    pub(super) fn new(thread: CommandThread<'a>, tools: &'a Tools, name: &'a str) -> Self {
        Self { thread, tools, name, posted: None, shown: String::new(), posts: 0 }
    }

    /// Shows the last note of the command; false when too much was edited just now, so that nothing was shown. The same note is
    /// not written twice.
    pub(super) async fn show(&mut self, note: &str) -> bool {
        let note: String = note.lines().next_back().unwrap_or_default().chars().take(LONGEST).collect();
        let note = if note.is_empty() { String::new() } else { format!("\n> {}", escape(&note)) };
        let text = format!("`{}` is running; `cancel` in this thread stops it.{note}", self.name);
        if text == self.shown {
            return true;
        }
        if self.posted.is_some() {
            let now = self.tools.now();
            if !self.tools.edits.wait(now).is_zero() {
                return false;
            }
            self.tools.edits.take(now);
        }
        self.write(text).await;
        true
    }

    /// Takes the turn for [`ProgressMessage::end`]; how long it is until then. `None`: there is no message to edit.
    pub(super) fn turn_to_end(&self) -> Option<Duration> {
        self.posted.as_ref().map(|_| self.tools.edits.take(self.tools.now()))
    }

    /// The command has ended; its answer is a message of its own, because edits notify nobody.
    pub(super) async fn end(&mut self) {
        self.write(format!("`{}` has ended.", self.name)).await;
    }

    async fn write(&mut self, text: String) {
        let permit = &self.tools.permit;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_turn_follows_the_other_after_a_pause() {
        let at = |milliseconds: i64| Timestamp::from_millisecond(1_000_000 + milliseconds).unwrap();
        let turns = EditTurns::default();
        let milliseconds = |wait: Duration| wait.as_millis();
        assert_eq!(milliseconds(turns.take(at(0))), 0);
        assert_eq!(milliseconds(turns.wait(at(500))), 1000);
        assert_eq!(milliseconds(turns.take(at(500))), 1000);
        assert_eq!(milliseconds(turns.wait(at(500))), 2500, "after the one that was taken ahead");
        assert_eq!(milliseconds(turns.wait(at(3000))), 0);
        assert_eq!(milliseconds(turns.take(at(-3_600_000))), 0, "the clock was set back");
    }
}

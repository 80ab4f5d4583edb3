//! What earlier runs may have told people, read from the history.

use jiff::Timestamp;

use crate::notify::outbox::PreviousSend;
use crate::statebox::{Notification, NotificationState, RunOutcome, RunView};

/// Messages of earlier runs that may not have reached anybody.
#[derive(Default)]
pub(super) struct OpenMessages {
    /// The run that first intended to send them, and when it started.
    pub(super) episode: Option<(String, Timestamp)>,
    /// Whether a run ended without saying what it had sent.
    lost_run: bool,
    /// Keys of messages that were perhaps sent.
    unclear: Vec<String>,
    /// Keys of messages that arrived, or whose text is kept and sent from there.
    settled: Vec<String>,
    /// Whether a message is owed: one that is not settled, or one of a run that was lost.
    owes: bool,
}

impl OpenMessages {
    /// Looks back over the runs since the last one that passed and told everybody.
    pub(super) fn of(history: &[RunView]) -> Self {
        let mut open = Self::default();
        for run in history.iter().rev() {
            let lost = run.finished.is_none() || run.outcome == Some(RunOutcome::Interrupted);
            let undelivered = run.notifications.iter().any(|message| !is_settled(message));
            // A run that passed and told everybody closes the matter; whatever failed since then is one matter.
            if run.outcome == Some(RunOutcome::Pass) && !undelivered {
                break;
            }
            let began = run.started.as_deref().and_then(|stamp| stamp.parse().ok());
            open.episode = Some((run.id.clone(), began.unwrap_or(Timestamp::UNIX_EPOCH)));
            open.lost_run |= lost;
            let unclear =
                run.notifications.iter().filter(|message| message.state == NotificationState::Unclear);
            open.unclear.extend(unclear.map(|message| message.key.clone()));
            // Later runs were handled before: messages that they sent are no longer owed.
            let told = !open.settled.is_empty();
            open.owes |= (lost && !told)
                || run
                    .notifications
                    .iter()
                    .any(|message| !is_settled(message) && !open.is_settled(&message.key));
            let settled = run.notifications.iter().filter(|message| is_settled(message));
            open.settled.extend(settled.map(|message| message.key.clone()));
        }
        open
    }

    /// Whether a run that leaves the task In Progress has something to make good.
    pub(super) fn owes(&self) -> bool {
        self.owes
    }

    /// Whether the task need not send it again: it arrived, or its text is kept.
    pub(super) fn is_settled(&self, key: &str) -> bool {
        self.settled.iter().any(|settled| settled == key)
    }

    pub(super) fn any(&self) -> bool {
        self.episode.is_some()
    }

    pub(super) fn earlier(&self, key: &str) -> PreviousSend {
        match &self.episode {
            Some((_, began)) if self.lost_run || self.unclear.iter().any(|unclear| unclear == key) => {
                PreviousSend::PerhapsSince(*began)
            }
            _ => PreviousSend::NotSent,
        }
    }
}

fn is_settled(message: &Notification) -> bool {
    message.state == NotificationState::Sent || message.text.is_some()
}

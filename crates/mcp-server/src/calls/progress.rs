//! The progress of a run, as the caller is told: seldom, and with numbers that only rise.

use std::time::Duration;

use oar_core::redact::Redactor;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::runs::Run;

/// The shortest time between two reports.
pub(super) const PACE: Duration = Duration::from_millis(500);
/// The longest message, in characters.
const LONGEST: usize = 300;

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Its number, which is greater than that of the report before.
    pub number: u64,
    /// What the run does now.
    pub message: String,
}

/// Receives reports. One that is full misses some.
pub type ProgressSender = mpsc::Sender<Progress>;

/// What was reported of a run so far.
#[derive(Debug)]
pub(super) struct Reporter {
    sender: Option<ProgressSender>,
    redactor: Redactor,
    number: u64,
    told: [String; 2],
    last: Option<Instant>,
}

impl Reporter {
    pub(super) fn new(sender: Option<ProgressSender>, redactor: Redactor) -> Self {
        Self { sender, redactor, number: 0, told: Default::default(), last: None }
    }

    /// Whether anybody wants reports.
    pub(super) fn is_wanted(&self) -> bool {
        self.sender.as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Reports what is new.
    pub(super) fn look(&mut self, run: &Run) {
        if self.last.is_some_and(|last| last.elapsed() < PACE) {
            return;
        }
        let newest = run.newest();
        let changed = newest.iter().zip(&self.told).find(|(now, told)| now != told && !now.is_empty());
        let Some(message) = changed.map(|(now, _)| now.clone()) else { return };
        self.told = newest;
        let Some(sender) = &self.sender else { return };
        let message: String = self.redactor.redact(&message).chars().take(LONGEST).collect();
        self.number += 1;
        // A client that does not read misses a report, and gets the next one.
        let _ = sender.try_send(Progress { number: self.number, message });
        self.last = Some(Instant::now());
    }
}

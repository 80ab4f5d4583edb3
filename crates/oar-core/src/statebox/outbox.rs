//! Messages that could not be sent yet: their text stays in the run that wanted to say it, and any later command of
//! the release sends it.

use jiff::Timestamp;

use super::error::StateError;
use super::state::State;
use super::views::{Notification, NotificationState, OpenNotification};
use crate::clock::stamp;
use crate::store::Change;

/// How much text of unsent messages one file keeps, in bytes. A message that does not fit is made again by the next
/// run of its task instead.
pub const KEPT_LIMIT: usize = 16 * 1024;

impl State {
    /// The messages whose text is kept because they have not certainly arrived, in the order of the file.
    pub fn kept_messages(&self) -> Vec<OpenNotification> {
        let kept = |open: &OpenNotification| open.notification.text.is_some();
        self.pending_notifications().into_iter().filter(kept).collect()
    }

    /// How much more text of unsent messages the file may keep, in bytes.
    pub fn room_for_messages(&self) -> usize {
        let kept: usize = self
            .kept_messages()
            .iter()
            .filter_map(|open| open.notification.text.as_ref())
            .map(String::len)
            .sum();
        KEPT_LIMIT.saturating_sub(kept)
    }

    /// Claims the messages of `wanted` that nobody else has claimed since they were read: they count as perhaps sent
    /// from `at` on, so that whoever dies between here and the record leaves no second message behind.
    ///
    /// Returns the claimed ones, as they were before. Claiming again at the same time changes nothing.
    pub fn claim_messages(
        &mut self,
        wanted: &[OpenNotification],
        at: Timestamp,
    ) -> (Change, Vec<OpenNotification>) {
        let mut change = Change::Unchanged;
        let mut claimed = Vec::new();
        let standing = self.pending_notifications();
        for open in wanted {
            let mine = Notification {
                state: NotificationState::Unclear,
                at: stamp(at),
                ..open.notification.clone()
            };
            let stands = |message: &Notification| {
                standing.iter().any(|known| {
                    known.task == open.task && known.run == open.run && known.notification == *message
                })
            };
            if stands(&mine) && mine != open.notification {
                claimed.push(open.clone());
            } else if stands(&open.notification) {
                change = change.or(self.record_message(open, mine));
                claimed.push(open.clone());
            }
        }
        (change, claimed)
    }

    /// Records the delivery of a kept message.
    pub fn record_message(&mut self, open: &OpenNotification, now: Notification) -> Change {
        let Ok(task) = open.task.parse() else { return Change::Unchanged };
        let recorded: Result<Change, StateError> = self.record_notifications(task, &open.run, &[now]);
        // A removed run has no messages.
        recorded.unwrap_or(Change::Unchanged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::{Metadata, RunEnd, RunOutcome, RunStart, TaskName, TaskStatus};

    fn at(time: &str) -> Timestamp {
        format!("2026-07-01T{time}Z").parse().unwrap()
    }

    fn state(texts: &[&str]) -> State {
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at("09:00:00"));
        let run = RunStart {
            id: "run-1".into(),
            started: at("10:00:00"),
            by: "lead".into(),
            command: "take-ownership".into(),
            force: false,
        };
        let notifications = texts.iter().enumerate().map(|(index, text)| Notification {
            key: format!("k{index}"),
            state: NotificationState::Pending,
            channel: "#demo".into(),
            ts: None,
            at: stamp(at("10:01:00")),
            thread: None,
            text: Some((*text).to_owned()),
        });
        let end = RunEnd {
            run,
            finished: at("10:01:00"),
            outcome: RunOutcome::Pass,
            status: Some(TaskStatus::Pass),
            class: None,
            reason: None,
            result: None,
            notifications: notifications.collect(),
            links: Vec::new(),
            done: Vec::new(),
        };
        let _ = state.finish_run(TaskName::TakeOwnership, &end);
        state
    }

    #[test]
    fn a_kept_message_survives_the_file_and_goes_when_it_was_sent() {
        let mut state = State::parse(&state(&["<!subteam^S0AAA> done\nnext line", "b"]).to_yaml()).unwrap();
        let kept = state.kept_messages();
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[0].notification.text.as_deref(), Some("<!subteam^S0AAA> done\nnext line"));
        assert_eq!(state.room_for_messages(), KEPT_LIMIT - 32);
        let (change, claimed) = state.claim_messages(&kept, at("11:00:00"));
        assert_eq!((change, claimed.as_slice()), (Change::Changed, kept.as_slice()));
        assert_eq!(state.kept_messages()[0].notification.state, NotificationState::Unclear);
        let sent = Notification {
            state: NotificationState::Sent,
            ts: Some("1.5".into()),
            text: None,
            ..kept[0].notification.clone()
        };
        assert_eq!(state.record_message(&kept[0], sent), Change::Changed);
        let left: Vec<String> = state.kept_messages().into_iter().map(|open| open.notification.key).collect();
        assert_eq!(left, ["k1"]);
        assert!(!state.to_yaml().contains("next line"));
        assert_eq!(State::parse(&state.to_yaml()).unwrap().room_for_messages(), KEPT_LIMIT - 1);
    }

    #[test]
    fn a_record_is_forgotten_when_everybody_was_told_and_not_before() {
        let task = TaskName::TakeOwnership;
        let mut owes = state(&["a"]);
        assert_eq!(owes.remove_finished_record(task), Change::Unchanged);
        let kept = owes.kept_messages();
        let sent =
            Notification { state: NotificationState::Sent, text: None, ..kept[0].notification.clone() };
        let _ = owes.record_message(&kept[0], sent);
        let run = RunStart {
            id: "run-2".into(),
            started: at("11:00:00"),
            by: "lead".into(),
            command: "take-ownership".into(),
            force: false,
        };
        let mut runs = owes.clone();
        let _ = runs.start_run(task, &run);
        assert_eq!(
            runs.remove_finished_record(task),
            Change::Unchanged,
            "it may still have something to say"
        );
        assert_eq!(
            (owes.remove_finished_record(task), owes.remove_finished_record(task)),
            (Change::Changed, Change::Unchanged)
        );
        assert!(owes.task(task).is_none() && owes.to_yaml().contains("tasks: []\n"), "{}", owes.to_yaml());
    }

    #[test]
    fn of_two_that_read_the_same_only_one_claims() {
        let mut state = state(&["a"]);
        let kept = state.kept_messages();
        assert_eq!(state.claim_messages(&kept, at("11:00:00")).1.len(), 1);
        let (change, claimed) = state.claim_messages(&kept, at("11:00:05"));
        assert_eq!((change, claimed.len()), (Change::Unchanged, 0));
        // The same claim, applied to its own result, changes nothing and is still the claimant's.
        let (change, claimed) = state.claim_messages(&kept, at("11:00:00"));
        assert_eq!((change, claimed.len()), (Change::Unchanged, 1));
        // A claimant that died leaves it to the next one, who knows since when it may stand in the channel.
        let again = state.kept_messages();
        let (change, claimed) = state.claim_messages(&again, at("12:00:00"));
        assert_eq!((change, claimed[0].notification.at.as_str()), (Change::Changed, "2026-07-01T11:00:00Z"));
    }
}

//! Which messages were handled, so that a second delivery runs nothing.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::message::{IncomingMessage, MessageKey};

/// How long a message is remembered. Slack delivers again for some minutes, and a bot that starts looks back for 50 minutes.
pub const HANDLED_FOR: Duration = Duration::from_hours(1);
/// The most messages that are remembered; the oldest go first. It is one a second, which is what Slack lets a bot
/// answer, and less than a megabyte, beyond which GitHub gives a file only in two requests.
const MOST: usize = 3_600;
/// The newest messages whose attempts are remembered: writes of the file take turns, so only those of the last one may look. One
/// write takes no more messages than that.
pub const ATTEMPTS: usize = 16;

/// The messages that were handled in the last time. It is stored where the next leader finds it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Handled {
    messages: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    key: MessageKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The attempt that took it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    by: String,
    at: Timestamp,
}

/// Messages that were handled, as a set to look them up in.
#[derive(Debug, Clone, Default)]
pub struct HandledMessages {
    keys: HashSet<MessageKey>,
    /// Channels, and what the programs of authors called messages there.
    gestures: HashSet<(String, String)>,
}

impl HandledMessages {
    /// Whether the message was handled: by its name, or by what its author's program called it (one gesture was seen as two
    /// messages).
    pub fn contains(&self, message: &IncomingMessage) -> bool {
        let gesture = message.client_id.as_ref().map(|id| (message.key.channel.clone(), id.clone()));
        self.keys.contains(&message.key) || gesture.is_some_and(|gesture| self.gestures.contains(&gesture))
    }
}

impl Handled {
    /// All of them.
    pub fn all(&self) -> HandledMessages {
        let gesture = |entry: &Entry| Some((entry.key.channel.clone(), entry.client_id.clone()?));
        HandledMessages {
            keys: self.messages.iter().map(|entry| entry.key.clone()).collect(),
            gestures: self.messages.iter().filter_map(gesture).collect(),
        }
    }

    /// Takes the message for handling; false when it was taken before.
    ///
    /// It is called for what is handled only. A form of the message that is ignored must not be marked: it would swallow the
    /// form that counts, whichever comes first.
    #[must_use]
    pub fn take(&mut self, message: &IncomingMessage, now: Timestamp) -> bool {
        self.take_by("", message, now)
    }

    /// The same for an attempt with a name of its own: it finds what it took itself, where the answer of the store was lost.
    #[must_use]
    pub fn take_by(&mut self, attempt: &str, message: &IncomingMessage, now: Timestamp) -> bool {
        if let Some(known) = self.messages.iter().find(|entry| entry.is(message)) {
            return !attempt.is_empty() && known.by == attempt;
        }
        let oldest = now.checked_sub(HANDLED_FOR).unwrap_or(Timestamp::MIN);
        self.messages.retain(|entry| entry.at >= oldest);
        let surplus = (self.messages.len() + 1).saturating_sub(MOST);
        self.messages.drain(..surplus);
        self.messages.push(Entry {
            key: message.key.clone(),
            client_id: message.client_id.clone(),
            by: attempt.to_owned(),
            at: now,
        });
        let settled = self.messages.len().saturating_sub(ATTEMPTS);
        for entry in self.messages.iter_mut().take(settled).rev().take_while(|entry| !entry.by.is_empty()) {
            entry.by.clear();
        }
        true
    }
}

impl Entry {
    fn is(&self, message: &IncomingMessage) -> bool {
        let same_gesture = self.client_id.is_some()
            && self.client_id == message.client_id
            && self.key.channel == message.key.channel;
        self.key == message.key || same_gesture
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::agents::bot::{Addressee, Heard, listen};
    use crate::clients::slack::UserId;

    fn message(ts: u32, client_id: Option<&str>) -> IncomingMessage {
        IncomingMessage {
            key: MessageKey { channel: "C0AAA".into(), ts: format!("{ts}.0") },
            user: UserId("U0ANN".into()),
            text: "oar status".into(),
            thread: None,
            client_id: client_id.map(str::to_owned),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_message_is_taken_once() {
        let mut handled = Handled::default();
        assert!(handled.take(&message(1, None), at(0)));
        assert!(!handled.take(&message(1, Some("x")), at(600)));
        assert!(handled.take(&message(2, Some("x")), at(601)));
        assert!(!handled.take(&message(3, Some("x")), at(602)), "one gesture, two time stamps");
        assert!(handled.take(&message(4, None), at(603)));
        let stored = serde_json::to_string(&handled).unwrap();
        let mut restored: Handled = serde_json::from_str(&stored).unwrap();
        let all = restored.all();
        let known: Vec<bool> = [(1, None), (2, None), (3, Some("x")), (5, None), (5, Some("y"))]
            .into_iter()
            .map(|(ts, id)| all.contains(&message(ts, id)))
            .collect();
        assert_eq!(known, [true, true, true, false, false]);
        assert!(!restored.take(&message(2, None), at(604)), "a restart forgets nothing");
    }

    #[test]
    fn an_attempt_finds_what_it_took_itself() {
        let mut handled = Handled::default();
        assert!(handled.take_by("one", &message(1, None), at(0)));
        assert!(handled.take_by("one", &message(1, None), at(1)));
        assert!(!handled.take_by("two", &message(1, None), at(1)));
        assert!(!handled.take(&message(1, None), at(1)));
    }

    #[test]
    fn the_most_that_is_remembered_is_less_than_a_megabyte() {
        let mut handled = Handled::default();
        for number in 0..u32::try_from(MOST).unwrap() {
            let mut message = message(number, Some("0b6e1d3c-8f0a-4d5e-9c7b-2a1f3e4d5c6b"));
            message.key =
                MessageKey { channel: "C0123456789".into(), ts: format!("1764436{number:03}.123456") };
            message.client_id = message.client_id.map(|id| format!("{id}{number}"));
            assert!(handled.take_by("0123456789abcdef0123456789abcdef", &message, Timestamp::now()));
        }
        assert_eq!(handled.messages.len(), MOST);
        let text = serde_json::to_string(&handled).unwrap();
        assert!(text.len() < 1_000_000, "{}", text.len());
        assert_eq!(text.matches("0123456789abcdef").count(), ATTEMPTS * 2);
    }

    #[test]
    fn what_is_old_or_too_much_is_forgotten_and_nothing_else() {
        let mut handled = Handled::default();
        let lifetime = i64::try_from(HANDLED_FOR.as_secs()).unwrap();
        assert!(handled.take(&message(1, None), at(0)));
        assert!(handled.take(&message(2, None), at(lifetime)));
        assert!(handled.all().contains(&message(1, None)));
        assert!(handled.take(&message(3, None), at(lifetime + 1)));
        assert!(!handled.all().contains(&message(1, None)) && handled.all().contains(&message(2, None)));
        for ts in 10..10 + u32::try_from(MOST).unwrap() {
            assert!(handled.take(&message(ts, None), at(lifetime + 2)));
        }
        assert_eq!(handled.messages.len(), MOST);
        assert!(!handled.all().contains(&message(3, None)) && handled.all().contains(&message(10, None)));
    }

    proptest! {
        /// Both forms, redeliveries and forms without meaning in any order: each command once, none lost.
        #[test]
        fn each_command_runs_once(deliveries in prop::collection::vec((0..6_u32, any::<bool>()), 1..60)) {
            let addressee = Addressee { bot: None, programs: &["oar"] };
            let mut handled = Handled::default();
            let mut runs = Vec::new();
            for (ts, whole) in &deliveries {
                let mut message = message(*ts, None);
                if !whole {
                    message.text = "talk".into();
                }
                if matches!(listen(&message.text, &addressee), Heard::Command(_)) && handled.take(&message, at(1)) {
                    runs.push(*ts);
                }
            }
            let mut expected: Vec<u32> = deliveries.iter().filter(|(_, whole)| *whole).map(|(ts, _)| *ts).collect();
            expected.sort_unstable();
            expected.dedup();
            runs.sort_unstable();
            prop_assert_eq!(runs, expected);
        }
    }
}

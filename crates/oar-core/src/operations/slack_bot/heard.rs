//! Which messages this process has heard, so that a second delivery is known without a look at any service.

use std::collections::BTreeSet;

use crate::agents::bot::IncomingMessage;

/// Messages that are known at least; beyond, the file and the threads are asked.
const KNOWN: usize = 10_000;

/// The newest messages, in two parts of which the older one goes when the newer one is full.
#[derive(Debug, Default)]
pub(super) struct HeardMessages {
    newer: Names,
    older: Names,
}

/// Channels with the time stamps of messages, and with what the programs of their authors called them: one gesture was seen as two
/// messages.
type Names = BTreeSet<(String, String)>;

impl HeardMessages {
    /// Whether the message is heard of for the first time.
    pub(super) fn is_new(&mut self, message: &IncomingMessage) -> bool {
        let of_channel = |name: &String| (message.key.channel.clone(), name.clone());
        let names: Vec<_> = [Some(&message.key.ts), message.client_id.as_ref()]
            .into_iter()
            .flatten()
            .map(of_channel)
            .collect();
        if names.iter().any(|name| self.older.contains(name) || self.newer.contains(name)) {
            return false;
        }
        if self.newer.len() >= KNOWN {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.extend(names);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::bot::MessageKey;
    use crate::clients::slack::UserId;

    fn message(number: usize, client_id: Option<&str>) -> IncomingMessage {
        IncomingMessage {
            key: MessageKey { channel: "C0AAA".into(), ts: format!("{number}.0") },
            user: UserId("U0ANN".into()),
            text: String::new(),
            thread: None,
            client_id: client_id.map(str::to_owned),
        }
    }

    #[test]
    fn the_newest_messages_are_known_and_no_more_than_twice_as_many_kept() {
        let mut heard = HeardMessages::default();
        for number in 0..3 * KNOWN {
            assert!(heard.is_new(&message(number, None)));
            assert!(!heard.is_new(&message(number, None)));
        }
        assert!(!heard.is_new(&message(2 * KNOWN, None)));
        assert!(heard.newer.len() + heard.older.len() <= 2 * KNOWN);
        assert!(heard.is_new(&message(0, None)), "the oldest are forgotten");
    }

    #[test]
    fn one_gesture_is_one_message() {
        let mut heard = HeardMessages::default();
        assert!(heard.is_new(&message(1, Some("x"))));
        assert!(!heard.is_new(&message(2, Some("x"))));
        assert!(heard.is_new(&message(3, Some("y"))) && heard.is_new(&message(4, None)));
    }
}

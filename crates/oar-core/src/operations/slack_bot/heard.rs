//! Which messages this process has heard, so that a second delivery is known without a look at any service.

use std::collections::BTreeSet;

use crate::agents::bot::MessageKey;

/// Messages that are known at least; beyond, the file and the threads are asked.
const KNOWN: usize = 10_000;

/// The newest messages, in two parts of which the older one goes when the newer one is full.
#[derive(Debug, Default)]
pub(super) struct HeardMessages {
    newer: BTreeSet<MessageKey>,
    older: BTreeSet<MessageKey>,
}

impl HeardMessages {
    /// Whether the message is heard of for the first time.
    pub(super) fn is_new(&mut self, key: &MessageKey) -> bool {
        if self.older.contains(key) || self.newer.contains(key) {
            return false;
        }
        if self.newer.len() >= KNOWN {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_messages_are_known_and_no_more_than_twice_as_many_kept() {
        let key = |number: usize| MessageKey { channel: "C0AAA".into(), ts: format!("{number}.0") };
        let mut heard = HeardMessages::default();
        for number in 0..3 * KNOWN {
            assert!(heard.is_new(&key(number)));
            assert!(!heard.is_new(&key(number)));
        }
        assert!(!heard.is_new(&key(2 * KNOWN)));
        assert!(heard.newer.len() + heard.older.len() <= 2 * KNOWN);
        assert!(heard.is_new(&key(0)), "the oldest are forgotten");
    }
}

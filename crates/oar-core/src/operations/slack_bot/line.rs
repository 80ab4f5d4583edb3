//! The order of commands: those of one thread run one after the other, as they were written; threads wait for nobody else.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Notify;

/// Commands of one thread that wait. Whoever writes more is told to wait.
const MOST_WAITING: usize = 20;

/// A thread: its channel, and its first message.
type ThreadName = (String, String);

/// The commands of all threads that run or wait.
#[derive(Debug, Default)]
pub(super) struct Line {
    threads: RefCell<BTreeMap<ThreadName, Thread>>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct Thread {
    /// The messages with the commands that wait, by their time stamps.
    waiting: BTreeSet<String>,
    is_running: bool,
}

/// The place of one command. Dropped, it is free for the next one.
#[derive(Debug)]
pub(super) struct Place<'a> {
    line: &'a Line,
    thread: ThreadName,
    ts: String,
    has_turn: Cell<bool>,
}

impl Line {
    /// A place for the command that this message gives; none when too many wait in its thread.
    pub(super) fn enter(&self, channel: &str, thread: &str, ts: &str) -> Option<Place<'_>> {
        let name = (channel.to_owned(), thread.to_owned());
        let mut threads = self.threads.borrow_mut();
        let known = threads.entry(name.clone()).or_default();
        if known.waiting.len() >= MOST_WAITING {
            return None;
        }
        known.waiting.insert(ts.to_owned());
        Some(Place { line: self, thread: name, ts: ts.to_owned(), has_turn: Cell::new(false) })
    }

    /// Waits until every command of the thread that was written before `ts` has begun, by its time stamp, or came to nothing.
    pub(super) async fn decided(
        &self,
        channel: &str,
        thread: &str,
        ts: &str,
        has_begun: impl Fn(&str) -> bool,
    ) {
        let name = (channel.to_owned(), thread.to_owned());
        loop {
            let moved = self.moved.notified();
            let is_decided = self.threads.borrow().get(&name).is_none_or(|thread| {
                thread
                    .waiting
                    .iter()
                    .take_while(|waiting| waiting.as_str() < ts)
                    .all(|waiting| has_begun(waiting))
            });
            if is_decided {
                return;
            }
            moved.await;
        }
    }

    /// A command has begun: whoever waits for it looks again.
    pub(super) fn begun(&self) {
        self.moved.notify_waiters();
    }
}

impl Place<'_> {
    /// Waits until every command of the thread that was written before has ended, or came to nothing.
    pub(super) async fn turn(&self) {
        loop {
            let moved = self.line.moved.notified();
            if self.take_turn() {
                return;
            }
            moved.await;
        }
    }

    fn take_turn(&self) -> bool {
        let mut threads = self.line.threads.borrow_mut();
        let Some(thread) = threads.get_mut(&self.thread) else { return true };
        let is_next = !thread.is_running && thread.waiting.first() == Some(&self.ts);
        if is_next {
            thread.waiting.pop_first();
            thread.is_running = true;
            self.has_turn.set(true);
        }
        is_next
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut threads = self.line.threads.borrow_mut();
        if let Some(thread) = threads.get_mut(&self.thread) {
            if self.has_turn.get() {
                thread.is_running = false;
            } else {
                thread.waiting.remove(&self.ts);
            }
            if !thread.is_running && thread.waiting.is_empty() {
                threads.remove(&self.thread);
            }
        }
        drop(threads);
        self.line.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn commands_of_a_thread_run_in_their_order_and_those_of_others_at_once() {
        let line = Line::default();
        let late = line.enter("C0AAA", "1.0", "3.0").unwrap();
        let early = line.enter("C0AAA", "1.0", "2.0").unwrap();
        let other = line.enter("C0AAA", "1.5", "4.0").unwrap();
        assert!(late.turn().now_or_never().is_none(), "an earlier one is not decided yet");
        assert!(other.turn().now_or_never().is_some());
        assert!(early.turn().now_or_never().is_some());
        assert!(late.turn().now_or_never().is_none(), "the earlier one runs");
        drop(early);
        assert!(late.turn().now_or_never().is_some());
        let earlier_again = line.enter("C0AAA", "1.0", "2.0").unwrap();
        assert!(earlier_again.turn().now_or_never().is_none(), "another one runs");
        drop((late, earlier_again, other));
        assert!(line.threads.borrow().is_empty(), "nothing is kept");
    }

    #[test]
    fn whoever_waits_goes_on_when_the_one_before_comes_to_nothing() {
        let line = Line::default();
        let first = line.enter("C0AAA", "1.0", "1.0").unwrap();
        let second = line.enter("C0AAA", "1.0", "2.0").unwrap();
        let mut waits = Box::pin(second.turn());
        assert!(waits.as_mut().now_or_never().is_none());
        drop(first);
        assert!(waits.now_or_never().is_some());
    }

    #[test]
    fn whoever_cancels_waits_until_what_was_written_before_has_begun_or_came_to_nothing() {
        let line = Line::default();
        let begun = RefCell::new(BTreeSet::new());
        let decided = |ts: &'static str| {
            Box::pin(line.decided("C0AAA", "1.0", ts, |waiting| begun.borrow().contains(waiting)))
        };
        assert!(decided("9.0").now_or_never().is_some(), "nothing was written");
        let first = line.enter("C0AAA", "1.0", "2.0").unwrap();
        let second = line.enter("C0AAA", "1.0", "3.0").unwrap();
        assert!(decided("2.0").now_or_never().is_some(), "nothing was written before");
        let mut waits = decided("4.0");
        assert!(waits.as_mut().now_or_never().is_none());
        begun.borrow_mut().insert("2.0");
        line.begun();
        assert!(waits.as_mut().now_or_never().is_none(), "the second is not decided");
        drop(second);
        assert!(waits.now_or_never().is_some());
        drop(first);
    }

    #[test]
    fn a_thread_takes_only_so_many() {
        let line = Line::default();
        let ts = |number: usize| format!("{number:03}.0");
        let places: Vec<_> =
            (0..MOST_WAITING).map(|number| line.enter("C0AAA", "1.0", &ts(number))).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(line.enter("C0AAA", "1.0", "999.0").is_none());
        assert!(line.enter("C0AAA", "2.0", "999.0").is_some());
    }
}

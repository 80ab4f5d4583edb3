//! The user's request to stop, as the task runner sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// Why the program was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: the user pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: the system or a supervisor ends the program.
    Terminate,
    /// SIGHUP: the terminal was closed.
    Hangup,
}

impl Signal {
    /// The signal's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
        }
    }
}

/// Signals to waiting code that the program was asked to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Interrupt {
    receiver: watch::Receiver<Option<Signal>>,
    holds: Arc<AtomicUsize>,
    foreground_children: Arc<AtomicUsize>,
}

/// While this exists, somebody has something to write down before the program may stop.
#[derive(Debug)]
pub struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// While this exists, Ctrl-C belongs to a program in the foreground, such as an editor, and not to us.
#[derive(Debug)]
pub struct ForegroundChild(Arc<AtomicUsize>);

impl Drop for ForegroundChild {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The side that announces the signal.
#[derive(Debug)]
pub struct InterruptSender(watch::Sender<Option<Signal>>);

impl Interrupt {
    /// A connected pair.
    pub fn channel() -> (InterruptSender, Self) {
        let (sender, receiver) = watch::channel(None);
        (
            InterruptSender(sender),
            Self { receiver, holds: Arc::default(), foreground_children: Arc::default() },
        )
    }

    /// Asks the program to wait a moment (less than two seconds), when it is told to stop, until the returned value is
    /// dropped.
    pub fn hold(&self) -> Hold {
        self.holds.fetch_add(1, Ordering::SeqCst);
        Hold(Arc::clone(&self.holds))
    }

    /// Whether somebody asked the program to wait.
    pub fn is_held(&self) -> bool {
        self.holds.load(Ordering::SeqCst) > 0
    }

    /// Leaves Ctrl-C to another program until the returned value is dropped.
    pub fn foreground_child(&self) -> ForegroundChild {
        self.foreground_children.fetch_add(1, Ordering::SeqCst);
        ForegroundChild(Arc::clone(&self.foreground_children))
    }

    /// Whether Ctrl-C belongs to another program now.
    pub fn has_foreground_child(&self) -> bool {
        self.foreground_children.load(Ordering::SeqCst) > 0
    }

    /// Why the program was asked to stop, if it was.
    pub fn signal(&self) -> Option<Signal> {
        *self.receiver.borrow()
    }

    /// Waits until the program is asked to stop; forever when that never happens.
    pub async fn wait(&self) -> Signal {
        let mut receiver = self.receiver.clone();
        let seen = match receiver.wait_for(Option::is_some).await {
            Ok(signal) => *signal,
            Err(_) => None,
        };
        match seen {
            Some(signal) => signal,
            // The sender was dropped, so there will be no request any more.
            None => std::future::pending().await,
        }
    }
}

impl InterruptSender {
    /// Announces `signal`.
    pub fn send(&self, signal: Signal) {
        self.0.send_replace(Some(signal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_holder_sees_the_signal_also_when_it_waits_late() {
        let (sender, interrupt) = Interrupt::channel();
        let other = interrupt.clone();
        assert_eq!(interrupt.signal(), None);
        sender.send(Signal::Terminate);
        assert_eq!(interrupt.signal(), Some(Signal::Terminate));
        assert_eq!(interrupt.wait().await, Signal::Terminate);
        drop(sender);
        let hold = other.hold();
        assert!(interrupt.is_held());
        drop(hold);
        assert!(!interrupt.is_held());
        let foreground_child = other.foreground_child();
        assert!(interrupt.has_foreground_child());
        drop(foreground_child);
        assert!(!interrupt.has_foreground_child());
        assert_eq!(other.wait().await, Signal::Terminate);
    }
}

//! The request to stop the sandbox, as the control interface takes it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

/// How long the answer to the request may take to reach its caller.
const ANSWER: Duration = Duration::from_millis(100);

/// Whether somebody may end the sandbox from outside, and did.
#[derive(Debug, Default)]
pub struct Stop {
    allowed: AtomicBool,
    asked: Notify,
}

impl Stop {
    /// From now on a request to stop is answered: somebody waits for it with [`Stop::asked`].
    pub fn allow(&self) {
        self.allowed.store(true, Ordering::SeqCst);
    }

    /// Asks the sandbox to end; `false` when it ends with something else, such as the command that it runs.
    pub fn ask(&self) -> bool {
        let allowed = self.allowed.load(Ordering::SeqCst);
        if allowed {
            self.asked.notify_one();
        }
        allowed
    }

    /// Waits until the sandbox was asked to end.
    pub async fn asked(&self) {
        self.asked.notified().await;
        tokio::time::sleep(ANSWER).await;
    }
}

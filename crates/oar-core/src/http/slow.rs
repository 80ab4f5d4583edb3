//! Shows what a request is waiting for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::call::Call;
use crate::targets::WAITING_TARGET;

/// The time after which a waiting request is reported.
const SLOW: Duration = Duration::from_secs(3);

/// Runs `work`, and shows `words` while it takes long. `count` is the number of requests that take long now.
pub(super) async fn report_when_slow<T>(
    count: &AtomicUsize,
    words: impl Fn() -> String,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        // Real time, because it is for the person at the terminal; nothing depends on it.
        () = tokio::time::sleep(SLOW) => {}
    }
    let _waiting = Waiting::begin(count, &words());
    work.await
}

/// While this exists, the waiting request is shown.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize, words: &str) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        tracing::info!(target: WAITING_TARGET, "{words}");
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // The last of several waiting requests removes the line.
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            tracing::info!(target: WAITING_TARGET, "");
        }
    }
}

/// What `call` is waiting for, at `place`, and why.
pub(super) fn waits_for(call: &Call, place: &str) -> String {
    let subject = call.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
    format!("waiting for {} at {place}: {}{subject}", call.service, call.operation)
}

//! Saying whom a request waits for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::call::Call;
use crate::targets::WAITING_TARGET;

/// How long an answer may take before it is said that it is waited for.
const SLOW: Duration = Duration::from_secs(3);

/// Does `work`, and says `words` meanwhile when it takes long. `count` counts those that take long now.
pub(super) async fn report_when_slow<T>(
    count: &AtomicUsize,
    words: impl Fn() -> String,
    work: impl Future<Output = T>,
) -> T {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        // Real time, because people sit before it; nothing depends on it.
        () = tokio::time::sleep(SLOW) => {}
    }
    let _waiting = Waiting::begin(count, &words());
    work.await
}

/// While this exists, somebody knows that an answer is waited for.
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
        // Of several that wait at once the last one takes the line away.
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            tracing::info!(target: WAITING_TARGET, "");
        }
    }
}

/// Whom `call` waits for, at `place`, and why.
pub(super) fn waits_for(call: &Call, place: &str) -> String {
    let subject = call.subject.as_ref().map(|subject| format!(" ({subject})")).unwrap_or_default();
    format!("waiting for {} at {place}: {}{subject}", call.service, call.operation)
}

//! The only place that decides whether and when a request is sent again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::BackoffBuilder;

use super::Http;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::call::{Call, Repeat};
use crate::http::failure::route;
use crate::http::reply::Reply;
use crate::http::retry_after::asked_pause;
use crate::http::slow::{report_when_slow, waits_for};
use crate::targets::TRAFFIC_TARGET;

/// Factor of the waits of a call with a quota per minute: 10, 20 and 40 seconds.
const QUOTA: u32 = 40;
/// Factor of the longest random extra of these waits, so that many clients do not repeat at the same time.
const QUOTA_JITTER: u32 = 8;

enum Pause {
    Backoff,
    Quota,
    Asked(Duration),
    AtLeast(Duration),
}

/// Why nothing was sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// No request could be made.
    Unmade(ServiceError),
    /// Nothing may be sent now, which does not say that the attempts before had no effect.
    NotNow(ServiceError),
}

impl From<ServiceError> for Unsent {
    fn from(error: ServiceError) -> Self {
        Self::Unmade(error)
    }
}

/// The most repetitions that one stack logs.
const MOST_TOLD: usize = 50;

impl Http {
    /// Sends `call`, repeats it if that is safe, and returns the answer, whatever its status.
    ///
    /// An error means that there is no answer. It is [`ServiceErrorKind::Unclear`] when the service may have
    /// acted.
    pub async fn send(&self, call: Call) -> Result<Reply, ServiceError> {
        let _under_way = self.inner.activity.begin();
        let settings = &self.inner.settings;
        let mut delays = backon::ExponentialBuilder::default()
            .with_min_delay(settings.retry_delay)
            .with_factor(2.0)
            .with_max_times(settings.attempts.saturating_sub(1))
            .build();
        let mut least_waits = 0;
        let mut attempt = 1;
        // The last outcome after which a write may have had its effect.
        let mut unclear: Option<Box<Result<Reply, ServiceError>>> = None;
        loop {
            let words = || {
                let place = route(&call.url, settings.proxy.as_ref());
                waits_for(&call, &format!("{place}, attempt {attempt} of {}", settings.attempts))
            };
            let outcome = match report_when_slow(&self.inner.waiting, words, self.attempt(&call)).await {
                Ok(outcome) => outcome,
                Err(Unsent::NotNow(error)) => return unclear.map_or(Err(error), |outcome| *outcome),
                Err(Unsent::Unmade(error)) => return Err(error),
            };
            let outcome = self.understood(&call, outcome);
            let Some(pause) = Self::pause_before_repeating(&call, &outcome) else { return outcome };
            let ended = |outcome: Result<Reply, ServiceError>| {
                outcome.map_err(|mut error| {
                    if attempt > 1 {
                        error.detail = format!("{} ({attempt} attempts)", error.detail);
                    }
                    error
                })
            };
            let Some(delay) = delays.next() else { return ended(outcome) };
            let delay = match pause {
                Pause::Backoff => self.inner.clock.jittered(delay),
                Pause::Quota => {
                    delay.saturating_mul(QUOTA)
                        + self.inner.clock.jittered(delay.saturating_mul(QUOTA_JITTER))
                }
                Pause::Asked(asked) if asked > settings.longest_wait => return ended(outcome),
                Pause::Asked(asked) => asked,
                Pause::AtLeast(least) if least > settings.longest_wait => return outcome,
                Pause::AtLeast(least) => {
                    let doubled = least.saturating_mul(1_u32.checked_shl(least_waits).unwrap_or(u32::MAX));
                    least_waits += 1;
                    // Longer by a random part, so that many clients do not repeat at the same time.
                    let spread = doubled.mul_f64(1.0 + self.inner.clock.random() / 10.0);
                    spread.min(settings.longest_wait)
                }
            };
            if self.is_too_late(&call, delay) {
                return ended(outcome);
            }
            attempt += 1;
            let words = || {
                let next = format!("attempt {attempt} of {} then", settings.attempts);
                format!("{} asks to wait {} s, {next}", call.service, delay.as_secs())
            };
            self.tell_of_repetition(&call, &outcome, attempt, delay);
            report_when_slow(&self.inner.waiting, words, self.inner.clock.sleep(delay)).await;
            if call.barrier.is_some() && call.repeat == Repeat::Safe && may_have_acted(&outcome) {
                unclear = Some(Box::new(outcome));
            }
        }
    }

    /// Logs why a request is sent again, so that the program is not silent while it waits.
    fn tell_of_repetition(
        &self,
        call: &Call,
        outcome: &Result<Reply, ServiceError>,
        attempt: usize,
        delay: Duration,
    ) {
        let reason = match outcome {
            Ok(reply) => format!("HTTP {}", reply.status.as_u16()),
            Err(error) => error.detail.clone(),
        };
        let told = self.inner.told.fetch_add(1, Ordering::SeqCst);
        if told >= MOST_TOLD {
            return;
        }
        tracing::info!(
            target: TRAFFIC_TARGET,
            "{}: cannot {} yet: {reason}; attempt {attempt} of {} in {:.1} s{}",
            call.service,
            call.operation,
            self.inner.settings.attempts,
            delay.as_secs_f64(),
            if told + 1 == MOST_TOLD { "; further repetitions are not logged" } else { "" },
        );
    }

    fn pause_before_repeating(call: &Call, outcome: &Result<Reply, ServiceError>) -> Option<Pause> {
        match outcome {
            Ok(reply) => {
                let asked = asked_pause(&reply.headers, reply.received);
                if asked.is_none()
                    && let Some(least) = call.refusal_wait.and_then(|wait| wait(reply))
                {
                    return Some(Pause::AtLeast(least));
                }
                match reply.status.as_u16() {
                    429 => Some(match asked {
                        Some(asked) => Pause::Asked(asked),
                        None if call.minute_quota => Pause::Quota,
                        None => Pause::Backoff,
                    }),
                    // GitHub's secondary limit is a 403 with Retry-After; its primary limit is a 403 with 0
                    // remaining.
                    403 => asked.map(Pause::Asked),
                    503 if asked.is_some() && (call.repeat == Repeat::Safe || reply.says_retry_after()) => {
                        asked.map(Pause::Asked)
                    }
                    status if is_unclear(status) && call.repeat == Repeat::Safe => Some(Pause::Backoff),
                    _ => None,
                }
            }
            Err(error) => match error.kind {
                ServiceErrorKind::Unavailable => Some(Pause::Backoff),
                ServiceErrorKind::Unclear if call.repeat == Repeat::Safe => Some(Pause::Backoff),
                _ => None,
            },
        }
    }
}

/// Whether a status leaves open what the service, or one behind it, has done.
fn is_unclear(status: u16) -> bool {
    matches!(status, 408 | 500 | 502 | 503 | 504 | 520..=530)
}

/// Whether a write may have had its effect although its outcome is none.
fn may_have_acted(outcome: &Result<Reply, ServiceError>) -> bool {
    match outcome {
        Ok(reply) => is_unclear(reply.status.as_u16()),
        Err(error) => error.kind == ServiceErrorKind::Unclear,
    }
}

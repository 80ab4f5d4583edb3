//! What one caller may have at the same time, and how often it may ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::refusal::{Reason, Refusal};
use super::sessions::Place;
use crate::settings::{Limits, Settings};

/// When a caller with too many calls or streams may ask again.
const SOON: Duration = Duration::from_secs(1);
/// When a caller with too many sessions may ask again.
const LATER: Duration = Duration::from_mins(1);

/// The limits of all callers.
pub(super) struct CallerLimits {
    callers: HashMap<String, OfCaller>,
    all_sessions: Arc<Semaphore>,
    queue_time: Duration,
    running: TaskTracker,
}

struct OfCaller {
    rate: DefaultDirectRateLimiter,
    /// Those that run and those that wait.
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
    /// Those whose body is read.
    reading: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
}

impl OfCaller {
    fn new(limits: &Limits) -> Self {
        Self {
            rate: RateLimiter::direct(Quota::per_minute(limits.requests_per_minute)),
            admitted: Arc::new(Semaphore::new(limits.calls.saturating_add(limits.queue))),
            running: Arc::new(Semaphore::new(limits.calls)),
            reading: Arc::new(Semaphore::new(limits.calls.saturating_add(limits.queue))),
            streams: Arc::new(Semaphore::new(limits.sessions)),
            sessions: Arc::new(Semaphore::new(limits.sessions)),
        }
    }
}

/// What a request holds until its answer has been sent or its client is gone.
#[expect(dead_code, reason = "the fields are held, not read")]
pub(super) enum Turn {
    Call(OwnedSemaphorePermit, OwnedSemaphorePermit, TaskTrackerToken),
    Stream(OwnedSemaphorePermit),
}

impl CallerLimits {
    pub(super) fn new(settings: &Settings) -> Self {
        let configured = settings.callers.iter().map(|token| &token.caller);
        let names = configured.chain(&settings.anonymous).map(|caller| caller.name.clone());
        let limits = &settings.limits;
        Self {
            callers: names.map(|name| (name, OfCaller::new(limits))).collect(),
            all_sessions: Arc::new(Semaphore::new(limits.all_sessions)),
            queue_time: limits.queue_time,
            running: TaskTracker::new(),
        }
    }

    /// Every caller is known from the start, so that nobody can fill the memory with names.
    fn of(&self, caller: &str) -> Result<&OfCaller, Refusal> {
        self.callers.get(caller).ok_or_else(|| Refusal::new(Reason::WrongToken))
    }

    /// Counts a request.
    pub(super) fn request(&self, caller: &str) -> Result<(), Refusal> {
        self.of(caller)?.rate.check().map_err(|early| {
            Refusal::new(Reason::Rate).retry_after(early.wait_time_from(DefaultClock::default().now()))
        })
    }

    /// Waits for the turn of a call.
    pub(super) async fn call(&self, caller: &str) -> Result<Turn, Refusal> {
        let limits = self.of(caller)?;
        let full = || Refusal::new(Reason::Queue).retry_after(SOON);
        let admitted = Arc::clone(&limits.admitted).try_acquire_owned().map_err(|_| full())?;
        let turn = Arc::clone(&limits.running).acquire_owned();
        match tokio::time::timeout(self.queue_time, turn).await {
            Ok(Ok(running)) => Ok(Turn::Call(admitted, running, self.running.token())),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }

    /// A stream of notifications: it may stay open for long, so it takes no call's place.
    pub(super) fn stream(&self, caller: &str) -> Result<Turn, Refusal> {
        let streams = Arc::clone(&self.of(caller)?.streams);
        let permit = streams.try_acquire_owned();
        permit.map(Turn::Stream).map_err(|_| Refusal::new(Reason::Streams).retry_after(SOON))
    }

    /// A place for a new session.
    pub(super) fn session(&self, caller: &str) -> Result<Place, Refusal> {
        let full = || Refusal::new(Reason::Sessions).retry_after(LATER);
        let of_caller = Arc::clone(&self.of(caller)?.sessions).try_acquire_owned().map_err(|_| full())?;
        let of_all = Arc::clone(&self.all_sessions).try_acquire_owned().map_err(|_| full())?;
        Ok(Place { owner: caller.to_owned(), _permits: [of_caller, of_all] })
    }

    /// Waits until a body may be read, so that one caller's bodies take bounded memory.
    pub(super) async fn reading(&self, caller: &str) -> Result<OwnedSemaphorePermit, Refusal> {
        let turn = Arc::clone(&self.of(caller)?.reading).acquire_owned();
        match tokio::time::timeout(self.queue_time, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Refusal::new(Reason::Queue).retry_after(SOON)),
        }
    }

    /// Waits until no call runs any more.
    pub(super) async fn calls_ended(&self) {
        self.running.close();
        self.running.wait().await;
    }
}

//! A store in memory for tests, with planned faults.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{EARLIER_VERSIONS, Revision, Store, StoreError, Stored, Wanted};
use crate::clock::{Clock, ClockSource};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::service::Service;

/// The fault of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A read returns the state before the last write.
    StaleRead,
    /// A read does not find the file.
    Absent,
    /// A write is refused although nobody else wrote.
    Conflict,
    /// A write takes effect, but its answer is lost.
    LostAfter,
    /// A write has no effect, and there is no answer.
    LostBefore,
    /// The service is unavailable.
    Unavailable,
    /// The answer to a read is not a file.
    Garbage,
}

#[derive(Debug, Default)]
struct Inner {
    /// Every text the file ever had.
    versions: Vec<String>,
    faults: VecDeque<Fault>,
    reads: usize,
    writes: usize,
    messages: Vec<String>,
    /// Whether earlier versions cannot be read.
    keeps_nothing: bool,
    looks_back: usize,
}

/// One file; the path is ignored.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore(Mutex<Inner>);

impl MemoryStore {
    pub(crate) fn with(text: &str) -> Self {
        let store = Self::default();
        store.inner().versions.push(text.to_owned());
        store
    }

    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner().faults.extend(faults);
    }

    pub(crate) fn text(&self) -> Option<String> {
        self.inner().versions.last().cloned()
    }

    /// Every text that the file ever had.
    pub(crate) fn versions(&self) -> Vec<String> {
        self.inner().versions.clone()
    }

    /// Somebody else's write.
    pub(crate) fn replace(&self, text: &str) {
        self.inner().versions.push(text.to_owned());
    }

    /// Reads and writes so far.
    pub(crate) fn requests(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.reads, inner.writes)
    }

    /// Earlier versions cannot be read from now on.
    pub(crate) fn forget_earlier(&self) {
        self.inner().keeps_nothing = true;
    }

    /// How often earlier versions were requested.
    pub(crate) fn looks_back(&self) -> usize {
        self.inner().looks_back
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.inner().messages.clone()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost(kind: ServiceErrorKind) -> ServiceError {
    ServiceError::new(Service::GithubApi, "write a file", kind, "as planned")
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(&self, _path: &str) -> Result<Option<Stored>, StoreError> {
        tokio::task::yield_now().await;
        let mut inner = self.inner();
        inner.reads += 1;
        let mut versions = inner.versions.len();
        match inner.faults.pop_front() {
            Some(Fault::StaleRead) => versions = versions.saturating_sub(1),
            Some(Fault::Unavailable) => return Err(lost(ServiceErrorKind::Unavailable).into()),
            Some(Fault::Absent) => versions = 0,
            Some(Fault::Garbage) => return Err(lost(ServiceErrorKind::Malformed).into()),
            _ => {}
        }
        let text = inner.versions.iter().take(versions).next_back();
        Ok(text.map(|text| Stored { text: text.clone(), revision: Revision::of(text) }))
    }

    async fn list(&self, _folder: &str) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn write(
        &self,
        path: &str,
        text: &str,
        expected: Option<&Revision>,
        message: &str,
        _permit: &WritePermit,
    ) -> Result<Revision, StoreError> {
        tokio::task::yield_now().await;
        let mut inner = self.inner();
        inner.writes += 1;
        let fault = inner.faults.pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::Conflict => return Err(StoreError::Conflict { path: path.to_owned() }),
            Fault::LostBefore => return Err(StoreError::Unclear(lost(ServiceErrorKind::Unclear))),
            Fault::Unavailable => return Err(lost(ServiceErrorKind::Unavailable).into()),
            Fault::None | Fault::StaleRead | Fault::Absent | Fault::Garbage | Fault::LostAfter => {}
        }
        if inner.versions.last().map(|text| Revision::of(text)).as_ref() != expected {
            return Err(StoreError::Conflict { path: path.to_owned() });
        }
        inner.versions.push(text.to_owned());
        inner.messages.push(message.to_owned());
        if fault == Fault::LostAfter {
            return Err(StoreError::Unclear(lost(ServiceErrorKind::Unclear)));
        }
        Ok(Revision::of(text))
    }

    async fn earlier(&self, _path: &str, wanted: Wanted<'_>) -> Result<Option<String>, StoreError> {
        let mut inner = self.inner();
        inner.looks_back += 1;
        if inner.keeps_nothing {
            return Err(lost(ServiceErrorKind::Unavailable).into());
        }
        let earlier = inner.versions.iter().rev().take(usize::from(EARLIER_VERSIONS));
        Ok(earlier.into_iter().find(|text| wanted(text.as_str())).cloned())
    }

    fn describe(&self, path: &str) -> String {
        format!("memory:{path}")
    }
}

/// A clock that advances only by sleeps.
pub(crate) struct SteppingClock(Mutex<Timestamp>);

impl SteppingClock {
    pub(crate) fn start() -> (Clock, Arc<Self>) {
        // 2026-07-02T15:00:00Z.
        let source = Arc::new(Self(Mutex::new(Timestamp::constant(1_783_004_400, 0))));
        (Clock::new(source.clone()), source)
    }

    pub(crate) fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += duration;
    }
}

impl ClockSource for SteppingClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.advance(duration);
        // Of two sleepers, the one that sleeps longer wakes later.
        let turns = (duration.as_millis() / 50).clamp(1, 100);
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        })
    }

    fn random(&self) -> f64 {
        0.5
    }
}

//! A store in memory for tests, which misbehaves as planned.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{Revision, Store, StoreError, Stored};
use crate::clock::{Clock, ClockSource};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::service::Service;

/// What goes wrong at one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A read gives the state before the last write.
    StaleRead,
    /// A write is refused although nobody else wrote.
    Conflict,
    /// A write is done, its answer is lost.
    LostAfter,
    /// A write is not done, and neither is there an answer.
    LostBefore,
    /// The service cannot serve now.
    Unavailable,
    /// A read's answer is no file.
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
}

/// One file; the path is not looked at.
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

    /// Somebody else's write.
    pub(crate) fn replace(&self, text: &str) {
        self.inner().versions.push(text.to_owned());
    }

    /// Reads and writes so far.
    pub(crate) fn requests(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.reads, inner.writes)
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
            Fault::None | Fault::StaleRead | Fault::Garbage | Fault::LostAfter => {}
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

    fn describe(&self, path: &str) -> String {
        format!("memory:{path}")
    }
}

/// A clock that moves only when somebody sleeps.
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
        // Of two who sleep, whoever sleeps for longer wakes later.
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

//! One request and its authentication.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use url::Url;

use super::reply::Reply;
use crate::error::{ErrorClass, ServiceError, ServiceErrorKind};
use crate::permit::{Barrier, WritePermit};
use crate::service::Service;

/// Whether a request may be sent again after a failure that leaves unknown whether the service acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A read, or a write that has the same effect however often it is sent.
    Safe,
    /// A write that is repeated only when the service certainly did not act on it.
    OnlyWhenRefused,
}

/// Makes the `Authorization` header of each attempt, for schemes whose tokens may be used only once.
#[async_trait]
pub trait Authorize: Send + Sync {
    /// The header for one request to `url`. An error ends the call: it is not repeated.
    async fn authorization(&self, url: &Url) -> Result<HeaderValue, ServiceError>;
}

/// One request to an external service.
#[derive(Clone)]
pub struct Call {
    pub(super) service: Service,
    pub(super) operation: &'static str,
    pub(super) subject: Option<String>,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) repeat: Repeat,
    pub(super) reads: bool,
    pub(super) takes_pages: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) not_after: Option<Timestamp>,
    pub(super) body_limit: Option<usize>,
    pub(super) minute_quota: bool,
    pub(super) refusal_wait: Option<fn(&Reply) -> Option<Duration>>,
    pub(super) authorize: Option<Arc<dyn Authorize>>,
    pub(super) barrier: Option<Barrier>,
}

impl Call {
    /// A request to `url`; `GET` and `HEAD` are safe to repeat, everything else is not until [`Call::repeat`].
    pub fn new(service: Service, operation: &'static str, method: Method, url: Url) -> Self {
        let reads = method == Method::GET || method == Method::HEAD;
        let repeat = if reads { Repeat::Safe } else { Repeat::OnlyWhenRefused };
        Self {
            service,
            operation,
            subject: None,
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            repeat,
            reads,
            takes_pages: false,
            timeout: None,
            not_after: None,
            body_limit: None,
            minute_quota: false,
            refusal_wait: None,
            authorize: None,
            barrier: None,
        }
    }

    /// A `GET` of `url`.
    pub fn get(service: Service, operation: &'static str, url: Url) -> Self {
        Self::new(service, operation, Method::GET, url)
    }

    /// Names what the request is about, for errors and logs: `advisory 169293`.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds headers.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets whether the request may be repeated after an unclear failure.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Marks a request that changes nothing although it is not a `GET`, such as a search with a long query.
    #[must_use]
    pub fn read(mut self) -> Self {
        self.reads = true;
        self.repeat(Repeat::Safe)
    }

    /// Allows an HTML page as the answer. Otherwise a page is an error, because it comes from a login or a
    /// proxy.
    #[must_use]
    pub fn page(mut self) -> Self {
        self.takes_pages = true;
        self
    }

    /// Replaces the time limit of one attempt, [`HttpSettings::timeout`](super::HttpSettings::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets a deadline for sending: a request that would be sent or repeated after `time` fails with
    /// [`ServiceErrorKind::Unavailable`] or with the last refusal.
    #[must_use]
    pub fn not_after(mut self, time: Option<Timestamp>) -> Self {
        self.not_after = time;
        self
    }

    /// Sets the largest answer that is read, instead of
    /// [`HttpSettings::body_limit`](super::HttpSettings::body_limit).
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// Tells that the service's quota is refilled once a minute: after a 429 that names no time, the
    /// repetitions are spread so that a minute has passed before the last one.
    #[must_use]
    pub fn minute_quota(mut self) -> Self {
        self.minute_quota = true;
        self
    }

    /// Sets a function that recognises refusals after which the service did not act although no header says
    /// so, and returns the first wait. The wait doubles each time, up to
    /// [`HttpSettings::longest_wait`](super::HttpSettings::longest_wait).
    #[must_use]
    pub fn refusal_wait(mut self, wait: fn(&Reply) -> Option<Duration>) -> Self {
        self.refusal_wait = Some(wait);
        self
    }

    /// The same request to another URL, such as a redirection's target.
    #[must_use]
    pub fn to(mut self, url: Url) -> Self {
        self.url = url;
        self
    }

    /// The request's URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Gets the `Authorization` header of each attempt from `authorize`.
    #[must_use]
    pub fn authorize(mut self, authorize: Arc<dyn Authorize>) -> Self {
        self.authorize = Some(authorize);
        self
    }

    /// Asks the permit of a write before each attempt, after all waits. Files of the state (`clients/github`) do not: what is
    /// recorded of a release may be written while it is held.
    ///
    /// When nothing may begin now, the error is [`ServiceErrorKind::Held`], and nothing was sent; or
    /// [`ServiceErrorKind::Unavailable`], when that cannot be found out.
    #[must_use]
    pub fn permitted(self, permit: &WritePermit) -> Self {
        self.behind(permit.barrier())
    }

    /// The same with what the permit asks.
    #[must_use]
    pub fn behind(mut self, barrier: Option<Barrier>) -> Self {
        self.barrier = barrier;
        self
    }

    /// What a write changes, as [`Call::about`] named it; `None` for a read.
    pub fn written_subject(&self) -> Option<&str> {
        self.subject.as_deref().filter(|_| !self.reads)
    }

    /// Whether the write may be sent now.
    pub(super) async fn may_begin(&self) -> Result<(), ServiceError> {
        let Some(barrier) = &self.barrier else { return Ok(()) };
        barrier.open().await.map_err(|closed| {
            let kind = match closed.class {
                ErrorClass::Blocked => ServiceErrorKind::Held,
                _ => ServiceErrorKind::Unavailable,
            };
            let error = ServiceError::new(self.service, "begin a change", kind, closed.text);
            ServiceError { hint: closed.hint, ..error }
        })
    }

    pub(super) fn error(&self, kind: ServiceErrorKind, detail: impl Into<String>) -> ServiceError {
        let mut error = ServiceError::new(self.service, self.operation, kind, detail);
        error.subject.clone_from(&self.subject);
        error
    }
}

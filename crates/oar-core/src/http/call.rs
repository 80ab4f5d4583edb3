//! One request, and how it proves who sends it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use url::Url;

use super::reply::Reply;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::service::Service;

/// Whether a request may be sent again after a fault that leaves open whether the service acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A read, or a write that has the same effect however often it is sent.
    Safe,
    /// A write that is repeated only when the service certainly did not act on it.
    OnlyWhenRefused,
}

/// Makes the `Authorization` header of each attempt, for schemes whose proof may be used only once.
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
    pub(super) timeout: Option<Duration>,
    pub(super) not_after: Option<Timestamp>,
    pub(super) body_limit: Option<usize>,
    pub(super) refusal_wait: Option<fn(&Reply) -> Option<Duration>>,
    pub(super) minute_quota: bool,
    pub(super) authorize: Option<Arc<dyn Authorize>>,
}

impl Call {
    /// A request to `url`; `GET` and `HEAD` are safe to repeat, everything else is not until [`Call::repeat`].
    pub fn new(service: Service, operation: &'static str, method: Method, url: Url) -> Self {
        let repeat = if method == Method::GET || method == Method::HEAD {
            Repeat::Safe
        } else {
            Repeat::OnlyWhenRefused
        };
        Self {
            service,
            operation,
            subject: None,
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            repeat,
            timeout: None,
            not_after: None,
            body_limit: None,
            refusal_wait: None,
            minute_quota: false,
            authorize: None,
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

    /// Says whether the request may be repeated after an unclear fault.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Gives one attempt another time limit than [`HttpSettings::timeout`](super::HttpSettings::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends nothing after `time`: a request whose turn comes too late, or that would have to be repeated later, fails
    /// with [`ServiceErrorKind::Unavailable`] or with the refusal that it met.
    #[must_use]
    pub fn not_after(mut self, time: Option<Timestamp>) -> Self {
        self.not_after = time;
        self
    }

    /// Reads an answer of at most `bytes`, instead of
    /// [`HttpSettings::body_limit`](super::HttpSettings::body_limit).
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = Some(bytes);
        self
    }

    /// Knows how long at least to wait after a refusal by which the service did not act, and which does not say so in
    /// its headers. The wait doubles each time, up to
    /// [`HttpSettings::longest_wait`](super::HttpSettings::longest_wait).
    #[must_use]
    pub fn refusal_wait(mut self, wait: fn(&Reply) -> Option<Duration>) -> Self {
        self.refusal_wait = Some(wait);
        self
    }

    /// Says that the service's quota is filled up once a minute: after a 429 that names no time the repetitions wait so
    /// long that a minute has passed before the last one.
    #[must_use]
    pub fn minute_quota(mut self) -> Self {
        self.minute_quota = true;
        self
    }

    /// The same request to another address: where an answer led.
    #[must_use]
    pub fn to(mut self, url: Url) -> Self {
        self.url = url;
        self
    }

    /// Where the request goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Asks `authorize` for the `Authorization` header of each attempt.
    #[must_use]
    pub fn authorize(mut self, authorize: Arc<dyn Authorize>) -> Self {
        self.authorize = Some(authorize);
        self
    }

    pub(super) fn error(&self, kind: ServiceErrorKind, detail: impl Into<String>) -> ServiceError {
        let mut error = ServiceError::new(self.service, self.operation, kind, detail);
        error.subject.clone_from(&self.subject);
        error
    }
}

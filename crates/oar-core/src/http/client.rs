use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backon::BackoffBuilder;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Method, StatusCode};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use url::Url;

use crate::clock::Clock;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::redact::Redactor;
use crate::service::Service;

/// Limits of the HTTP stack. The defaults are right for production; tests shorten them.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The longest that one attempt may take, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// The longest that connecting may take.
    pub connect_timeout: Duration,
    /// How often a request is sent at most.
    pub attempts: usize,
    /// The first wait between two attempts; it doubles from there, with jitter.
    pub retry_delay: Duration,
    /// The longest wait that a service may ask for with `Retry-After` or a rate-limit reset.
    pub longest_wait: Duration,
    /// The largest answer that is read, in bytes.
    pub body_limit: usize,
    /// How many requests run at the same time against one host.
    pub per_host: usize,
    /// Certificates (PEM) of a private authority, trusted besides the system's.
    pub ca_bundle: Option<Vec<u8>>,
    /// The `User-Agent` of every request.
    pub user_agent: String,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            attempts: 4,
            retry_delay: Duration::from_millis(250),
            longest_wait: Duration::from_secs(90),
            body_limit: 16 * 1024 * 1024,
            per_host: 16,
            ca_bundle: None,
            user_agent: concat!("oar/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

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
    service: Service,
    operation: &'static str,
    subject: Option<String>,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    repeat: Repeat,
    timeout: Option<Duration>,
    authorize: Option<Arc<dyn Authorize>>,
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

    /// Gives one attempt another time limit than [`HttpSettings::timeout`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Asks `authorize` for the `Authorization` header of each attempt.
    #[must_use]
    pub fn authorize(mut self, authorize: Arc<dyn Authorize>) -> Self {
        self.authorize = Some(authorize);
        self
    }

    fn error(&self, kind: ServiceErrorKind, detail: impl Into<String>) -> ServiceError {
        let mut error = ServiceError::new(self.service, self.operation, kind, detail);
        error.subject.clone_from(&self.subject);
        error
    }
}

/// An answer, whatever its status, read whole.
#[derive(Debug, Clone)]
pub struct Reply {
    service: Service,
    operation: &'static str,
    subject: Option<String>,
    redactor: Redactor,
    repeat: Repeat,
    received: Timestamp,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, ServiceError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            self.failure(ServiceErrorKind::Malformed, format!("not the JSON that was expected: {error}"))
        })
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str, ServiceError> {
        std::str::from_utf8(&self.body)
            .map_err(|_| self.failure(ServiceErrorKind::Malformed, "not UTF-8 text"))
    }

    /// The kind of failure that this status stands for, by the general meaning of HTTP; `None` for 2xx and 304.
    ///
    /// A 5xx to a write that is not safe to repeat is [`ServiceErrorKind::Unclear`]: a gateway may have lost the
    /// answer of a service that acted.
    /// A 403 that names a time to wait is a rate limit (GitHub's way, spec 01 §2.9).
    pub fn failure_kind(&self) -> Option<ServiceErrorKind> {
        match failure_kind(self.status) {
            Some(ServiceErrorKind::Forbidden) if asked_wait(&self.headers, self.received).is_some() => {
                Some(ServiceErrorKind::RateLimited)
            }
            Some(ServiceErrorKind::Unavailable)
                if self.repeat == Repeat::OnlyWhenRefused && !self.headers.contains_key(RETRY_AFTER) =>
            {
                Some(ServiceErrorKind::Unclear)
            }
            kind => kind,
        }
    }

    /// A failure of this call, with this answer's status and the given words (redacted and cut here).
    pub fn failure(&self, kind: ServiceErrorKind, detail: impl AsRef<str>) -> ServiceError {
        let mut error = ServiceError::new(
            self.service,
            self.operation,
            kind,
            excerpt(&self.redactor.redact(detail.as_ref())),
        )
        .with_status(self.status.as_u16());
        error.subject.clone_from(&self.subject);
        error
    }

    /// What the body says in a few words, for a failure: its first line, or the title of an HTML page.
    ///
    /// A redirection says where it leads, without the path, which may carry a token.
    pub fn words(&self) -> String {
        if self.status.is_redirection()
            && let Some(target) = self.headers.get(LOCATION).and_then(|value| value.to_str().ok())
        {
            let host = Url::parse(target).ok().and_then(|url| url.host_str().map(str::to_owned));
            return format!("redirected to {}", host.as_deref().unwrap_or("another path"));
        }
        let text = String::from_utf8_lossy(&self.body);
        let text = text.trim();
        if text.starts_with('<') {
            return html_title(text)
                .map_or_else(|| "an HTML page".to_owned(), |title| format!("HTML page: {title}"));
        }
        excerpt(text)
    }

    /// This answer when its status is a success, otherwise the failure that `describe` words from the body.
    pub fn success(self, describe: impl FnOnce(&Self) -> String) -> Result<Self, ServiceError> {
        match self.failure_kind() {
            None => Ok(self),
            Some(kind) => Err(self.failure(kind, describe(&self))),
        }
    }
}

fn failure_kind(status: StatusCode) -> Option<ServiceErrorKind> {
    match status.as_u16() {
        200..=299 | 304 => None,
        401 => Some(ServiceErrorKind::Unauthorized),
        403 => Some(ServiceErrorKind::Forbidden),
        404 | 410 => Some(ServiceErrorKind::NotFound),
        409 | 412 => Some(ServiceErrorKind::Conflict),
        429 => Some(ServiceErrorKind::RateLimited),
        500..=599 => Some(ServiceErrorKind::Unavailable),
        _ => Some(ServiceErrorKind::Rejected),
    }
}

fn html_title(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let open = start + lower.get(start..)?.find('>')? + 1;
    let end = open + lower.get(open..)?.find("</title")?;
    let title = html.get(open..end)?.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then(|| excerpt(&title))
}

/// The first line of a text, at most 300 characters.
fn excerpt(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    if line.chars().count() <= 300 {
        return line.to_owned();
    }
    line.chars().take(300).chain(['…']).collect()
}

/// The handle through which every request leaves the program. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    settings: HttpSettings,
    clock: Clock,
    redactor: Redactor,
    budgets: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Http").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// Why the HTTP stack could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The bundle of private authorities is not PEM.
    #[error("the CA bundle holds no certificate in PEM form: {0}")]
    CaBundle(#[source] reqwest::Error),
    /// The TLS library refused its settings.
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] reqwest::Error),
}

impl Http {
    /// A stack with these limits.
    pub fn new(settings: HttpSettings, clock: Clock, redactor: Redactor) -> Result<Self, HttpSetupError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(settings.per_host)
            .tcp_nodelay(true);
        if let Some(pem) = &settings.ca_bundle {
            for certificate in reqwest::Certificate::from_pem_bundle(pem).map_err(HttpSetupError::CaBundle)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(HttpSetupError::Tls)?;
        Ok(Self { inner: Arc::new(Inner { client, settings, clock, redactor, budgets: Mutex::default() }) })
    }

    /// The clock that this stack waits by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The redactor of this stack.
    pub fn redactor(&self) -> &Redactor {
        &self.inner.redactor
    }

    /// A request builder of the stack's own client, for libraries that write credentials into one.
    pub fn builder(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.inner.client.request(method, url)
    }

    /// Sends `call`, repeating it where that is safe, and returns the answer whatever its status.
    ///
    /// An error means that there is no answer to look at. It is [`ServiceErrorKind::Unclear`] when the service
    /// may have acted.
    pub async fn send(&self, call: Call) -> Result<Reply, ServiceError> {
        let settings = &self.inner.settings;
        let mut delays = backon::ExponentialBuilder::default()
            .with_min_delay(settings.retry_delay)
            .with_factor(2.0)
            .with_max_times(settings.attempts.saturating_sub(1))
            .build();
        loop {
            let outcome = self.attempt(&call).await?;
            let Some(pause) = Self::pause_before_repeating(&call, &outcome) else { return outcome };
            let Some(delay) = delays.next() else { return outcome };
            let delay = match pause {
                Pause::Backoff => self.inner.clock.jittered(delay),
                Pause::Asked(asked) if asked > settings.longest_wait => return outcome,
                Pause::Asked(asked) => asked,
            };
            tracing::debug!(
                service = %call.service,
                operation = call.operation,
                "repeating in {} ms",
                delay.as_millis()
            );
            self.inner.clock.sleep(delay).await;
        }
    }

    fn pause_before_repeating(call: &Call, outcome: &Result<Reply, ServiceError>) -> Option<Pause> {
        match outcome {
            Ok(reply) => {
                let asked = asked_wait(&reply.headers, reply.received);
                match reply.status.as_u16() {
                    429 => Some(asked.map_or(Pause::Backoff, Pause::Asked)),
                    // GitHub's secondary limit says 403 with Retry-After; its primary limit 403 with 0 remaining.
                    403 => asked.map(Pause::Asked),
                    503 if asked.is_some() => asked.map(Pause::Asked),
                    408 | 500 | 502 | 503 | 504 | 520..=530 if call.repeat == Repeat::Safe => {
                        Some(Pause::Backoff)
                    }
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

    fn budget(&self, call: &Call) -> Arc<Semaphore> {
        let host = format!(
            "{}:{}",
            call.url.host_str().unwrap_or_default(),
            call.url.port_or_known_default().unwrap_or_default()
        );
        let mut budgets = self.inner.budgets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(
            budgets.entry(host).or_insert_with(|| Arc::new(Semaphore::new(self.inner.settings.per_host))),
        )
    }

    /// One exchange; the outer error is final, because no request could be made.
    async fn attempt(&self, call: &Call) -> Result<Result<Reply, ServiceError>, ServiceError> {
        let budget = self.budget(call);
        let _permit = budget
            .acquire()
            .await
            .map_err(|_| call.error(ServiceErrorKind::Unavailable, "the program is shutting down"))?;
        let mut headers = call.headers.clone();
        if let Some(authorize) = &call.authorize {
            let mut value = authorize.authorization(&call.url).await.map_err(|mut error| {
                error.operation = call.operation;
                error.subject.clone_from(&call.subject);
                error.detail = self.inner.redactor.redact(&error.detail).into_owned();
                error
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let request = self
            .inner
            .client
            .request(call.method.clone(), call.url.clone())
            .headers(headers)
            .timeout(call.timeout.unwrap_or(self.inner.settings.timeout))
            .body(call.body.clone());
        let started = Instant::now();
        let outcome = self.exchange(call, request).await;
        let elapsed = started.elapsed().as_millis();
        match &outcome {
            Ok(reply) => tracing::debug!(
                service = %call.service,
                operation = call.operation,
                "{} {} answered {} in {elapsed} ms",
                call.method,
                self.inner.redactor.redact(call.url.path()),
                reply.status.as_u16(),
            ),
            Err(error) => tracing::debug!(
                service = %call.service,
                operation = call.operation,
                "{} {} failed after {elapsed} ms: {}",
                call.method,
                self.inner.redactor.redact(call.url.path()),
                error.detail,
            ),
        }
        Ok(outcome)
    }

    async fn exchange(&self, call: &Call, request: reqwest::RequestBuilder) -> Result<Reply, ServiceError> {
        let mut response =
            request.send().await.map_err(|error| transport_error(call, &self.inner.redactor, error))?;
        let limit = self.inner.settings.body_limit;
        let too_large =
            || call.error(ServiceErrorKind::Malformed, format!("the answer is larger than {limit} bytes"));
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let status = response.status();
        let headers = response.headers().clone();
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| transport_error(call, &self.inner.redactor, error))?
        {
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply {
            service: call.service,
            operation: call.operation,
            subject: call.subject.clone(),
            redactor: self.inner.redactor.clone(),
            repeat: call.repeat,
            received: self.inner.clock.now(),
            status,
            headers,
            body: body.freeze(),
        })
    }
}

enum Pause {
    Backoff,
    Asked(Duration),
}

/// The wait that the service asks for: `Retry-After` in seconds or as a date, or the reset of an exhausted rate limit.
///
/// The reset is a Unix time at GitHub and GitLab, a number of seconds in the IETF draft, a date at Jira Cloud
/// (spec 02 §5.6); a small number cannot be a Unix time.
fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<u64>().ok();
    let until = |then: Timestamp| Duration::try_from(then.duration_since(now)).unwrap_or_default();
    if let Some(after) = text(RETRY_AFTER.as_str()) {
        if let Some(seconds) = number(after) {
            return Some(Duration::from_secs(seconds));
        }
        if let Ok(date) = jiff::fmt::rfc2822::parse(after) {
            return Some(until(date.timestamp()));
        }
    }
    for (remaining, reset) in
        [("x-ratelimit-remaining", "x-ratelimit-reset"), ("ratelimit-remaining", "ratelimit-reset")]
    {
        if text(remaining).and_then(number) != Some(0) {
            continue;
        }
        let Some(reset) = text(reset) else { continue };
        let wait = match number(reset) {
            Some(seconds) if seconds < SMALLEST_UNIX_TIME => Some(Duration::from_secs(seconds)),
            Some(time) => {
                i64::try_from(time).ok().and_then(|time| Timestamp::from_second(time).ok()).map(until)
            }
            None => reset.parse().ok().map(until),
        };
        if let Some(wait) = wait {
            // The service's clock and ours may differ by a part of a second.
            return Some(wait.saturating_add(Duration::from_secs(1)));
        }
    }
    None
}

/// A reset below this (the year 2001) is a number of seconds and not a Unix time.
const SMALLEST_UNIX_TIME: u64 = 1_000_000_000;

/// Tells a request that was never sent from one whose answer is missing.
fn transport_error(call: &Call, redactor: &Redactor, error: reqwest::Error) -> ServiceError {
    let (kind, words) = if error.is_connect() {
        (ServiceErrorKind::Unavailable, "no connection")
    } else if error.is_builder() {
        (ServiceErrorKind::Rejected, "the request is not valid")
    } else if error.is_timeout() {
        (ServiceErrorKind::Unclear, "no answer in time")
    } else {
        (ServiceErrorKind::Unclear, "the connection broke")
    };
    let error = error.without_url();
    let mut detail = words.to_owned();
    if let Some(cause) = innermost(&error) {
        detail = format!("{detail}: {}", excerpt(&redactor.redact(&cause)));
    }
    let certificate = detail.contains("certificate");
    let failure = call.error(kind, detail).with_source(error);
    if certificate { failure.with_hint(CERTIFICATE_HINT) } else { failure }
}

const CERTIFICATE_HINT: &str = "The host's certificate is not trusted: name the file of your company's certificates (PEM) \
    with OAR_CA_BUNDLE, or check the host name of the endpoint.";

fn innermost(error: &dyn StdError) -> Option<String> {
    let mut current = error.source()?;
    while let Some(next) = current.source() {
        current = next;
    }
    Some(current.to_string())
}

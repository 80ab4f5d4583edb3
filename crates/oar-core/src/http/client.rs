//! One attempt of a request: limits, budgets, detection of proxies and login pages. `repetition` decides
//! whether it is sent again.

mod repetition;
mod upgrade;

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use url::Url;

use repetition::Unsent;
pub use upgrade::Upgrade;

use super::activity::Activity;
use super::call::Call;
use super::certificate::Certificates;
use super::failure::{PROXY_HINT, page_hint, route, transport_error};
use super::reply::Reply;
use crate::clock::Clock;
use crate::error::{Classified, ErrorClass, ServiceError, ServiceErrorKind};
use crate::redact::Redactor;
use crate::service::Service;

/// Limits of the HTTP stack. The defaults are for production; tests shorten them.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Time limit of one attempt, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Time limit for connecting.
    pub connect_timeout: Duration,
    /// The most attempts of one request.
    pub attempts: usize,
    /// The first wait between two attempts; it doubles from there, with jitter.
    pub retry_delay: Duration,
    /// The longest wait that a service may ask for with `Retry-After` or a rate-limit reset.
    pub longest_wait: Duration,
    /// The largest answer that is read, in bytes.
    pub body_limit: usize,
    /// The most requests at the same time to one service on one host, so that one that hangs holds up no other.
    pub per_host: usize,
    /// Certificates of a private authority, in PEM, trusted in addition to the system's.
    pub ca_bundle: Option<Vec<u8>>,
    /// The client certificate and its key, in PEM, for servers that demand one.
    pub identity: Option<SecretString>,
    /// The proxy of every request, instead of those in the environment.
    pub proxy: Option<Url>,
    /// The `User-Agent` of every request.
    pub user_agent: String,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            attempts: 5,
            retry_delay: Duration::from_millis(250),
            longest_wait: Duration::from_secs(90),
            body_limit: 16 * 1024 * 1024,
            per_host: 16,
            ca_bundle: None,
            identity: None,
            proxy: None,
            user_agent: concat!("oar/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// The HTTP stack through which the program sends every request. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    settings: HttpSettings,
    clock: Clock,
    redactor: Redactor,
    budgets: Mutex<HashMap<(Service, String), Arc<Semaphore>>>,
    /// Number of repetitions that were logged.
    told: AtomicUsize,
    /// Number of requests that have been waiting long for an answer.
    waiting: AtomicUsize,
    activity: Activity,
    certificates: Certificates,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Http").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// Why the HTTP stack could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The bundle of private authorities is damaged.
    #[error("the CA bundle cannot be read as certificates in PEM form")]
    CaBundle(#[source] reqwest::Error),
    /// The bundle of private authorities has no certificate.
    #[error(
        "the CA bundle holds no certificate: expected PEM, which begins with `-----BEGIN CERTIFICATE-----`"
    )]
    EmptyCaBundle,
    /// The client certificate is damaged.
    #[error("the client certificate or its key cannot be read in PEM form")]
    Identity(#[source] reqwest::Error),
    /// The TLS library refused its settings.
    #[error("cannot set up TLS")]
    Tls(#[source] reqwest::Error),
}

impl Classified for HttpSetupError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Configuration
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::CaBundle(_) | Self::EmptyCaBundle => {
                    "Check the file that OAR_CA_BUNDLE names: `openssl x509 -in FILE -noout -text` reads it."
                }
                Self::Identity(_) => "Check the certificate and the key of the kubeconfig.",
                Self::Tls(_) => {
                    "Check the certificates of this machine, and the file that OAR_CA_BUNDLE names."
                }
            }
            .to_owned(),
        )
    }
}

/// What every client of these settings has.
fn base_builder(settings: &HttpSettings) -> Result<reqwest::ClientBuilder, HttpSetupError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .connect_timeout(settings.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(settings.per_host)
        .tcp_nodelay(true)
        .tls_info(true);
    if let Some(pem) = &settings.ca_bundle {
        let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(HttpSetupError::CaBundle)?;
        if certificates.is_empty() {
            return Err(HttpSetupError::EmptyCaBundle);
        }
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(pem) = &settings.identity {
        let identity =
            reqwest::Identity::from_pem(pem.expose_secret().as_bytes()).map_err(HttpSetupError::Identity)?;
        builder = builder.identity(identity);
    }
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(HttpSetupError::Tls)?);
    }
    Ok(builder)
}

impl Http {
    /// A stack with these limits.
    pub fn new(settings: HttpSettings, clock: Clock, redactor: Redactor) -> Result<Self, HttpSetupError> {
        Self::counted_in(settings, clock, redactor, Activity::default(), Certificates::default())
    }

    fn counted_in(
        settings: HttpSettings,
        clock: Clock,
        redactor: Redactor,
        activity: Activity,
        certificates: Certificates,
    ) -> Result<Self, HttpSetupError> {
        let client = base_builder(&settings)?.build().map_err(HttpSetupError::Tls)?;
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                settings,
                clock,
                redactor,
                budgets: Mutex::default(),
                told: AtomicUsize::new(0),
                waiting: AtomicUsize::new(0),
                activity,
                certificates,
            }),
        })
    }

    /// A stack with the same limits, clock and redactor that sends all requests through `proxy`.
    pub fn through(&self, proxy: &Url) -> Result<Self, HttpSetupError> {
        self.with(HttpSettings { proxy: Some(proxy.clone()), ..self.inner.settings.clone() })
    }

    /// A stack with the same limits, clock and redactor that also trusts `authorities` (PEM) and presents
    /// `identity` (the client certificate and its key, PEM) to servers that demand one.
    pub fn with_certificates(
        &self,
        authorities: Option<&[u8]>,
        identity: Option<SecretString>,
    ) -> Result<Self, HttpSetupError> {
        let mut settings = HttpSettings { identity, ..self.inner.settings.clone() };
        if let Some(authorities) = authorities {
            let mut bundle = settings.ca_bundle.unwrap_or_default();
            bundle.push(b'\n');
            bundle.extend_from_slice(authorities);
            settings.ca_bundle = Some(bundle);
        }
        self.with(settings)
    }

    /// A stack with the same clock and redactor for a look that must end soon: an attempt takes at most `timeout`, a
    /// request is repeated once at most, and no service can ask for a longer pause than a second.
    pub fn hurried(&self, timeout: Duration) -> Result<Self, HttpSetupError> {
        let settings = &self.inner.settings;
        self.with(HttpSettings {
            timeout: timeout.min(settings.timeout),
            connect_timeout: timeout.min(settings.connect_timeout),
            attempts: settings.attempts.min(2),
            longest_wait: Duration::from_secs(1).min(settings.longest_wait),
            ..settings.clone()
        })
    }

    fn with(&self, settings: HttpSettings) -> Result<Self, HttpSetupError> {
        let Inner { clock, redactor, activity, certificates, .. } = &*self.inner;
        Self::counted_in(settings, clock.clone(), redactor.clone(), activity.clone(), certificates.clone())
    }

    /// A stack whose requests do not count as activity: what goes on beside the work, such as the renewal of a lease, must not
    /// hide that the work hangs.
    pub fn uncounted(&self) -> Result<Self, HttpSetupError> {
        let Inner { settings, clock, redactor, certificates, .. } = &*self.inner;
        let activity = Activity::default();
        Self::counted_in(settings.clone(), clock.clone(), redactor.clone(), activity, certificates.clone())
    }

    /// What the requests of this stack, and of those that were made from it, do.
    pub fn activity(&self) -> Activity {
        self.inner.activity.clone()
    }

    /// The certificates that servers have shown to this stack, and to those that were made from it.
    pub fn certificates(&self) -> Certificates {
        self.inner.certificates.clone()
    }

    /// Time limit of one attempt ([`HttpSettings::timeout`]).
    pub fn timeout(&self) -> Duration {
        self.inner.settings.timeout
    }

    /// The clock of this stack.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The redactor of this stack.
    pub fn redactor(&self) -> &Redactor {
        &self.inner.redactor
    }

    /// A request builder of the underlying client, for libraries that write credentials into one.
    pub fn builder(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.inner.client.request(method, url)
    }

    /// The outcome, or an error when the answer is not the service's: from a proxy that demands credentials,
    /// or an HTML page instead of data.
    fn understood(&self, call: &Call, outcome: Result<Reply, ServiceError>) -> Result<Reply, ServiceError> {
        let reply = outcome?;
        let place = || route(&call.url, self.inner.settings.proxy.as_ref());
        if reply.status.as_u16() == 407 {
            let words = format!("the proxy before {} requires credentials", place());
            return Err(reply.failure(ServiceErrorKind::Unavailable, words).with_hint(PROXY_HINT));
        }
        if reply.status.is_success() && !call.takes_pages && reply.is_page() {
            // The service may have acted although something else answered.
            let kind = if call.reads { ServiceErrorKind::Malformed } else { ServiceErrorKind::Unclear };
            let words = format!("{} answered with a web page instead of data: {}", place(), reply.words());
            return Err(reply.failure(kind, words).with_hint(page_hint(call)));
        }
        Ok(reply)
    }

    /// Whether the deadline of `call` will have passed after a pause.
    fn is_too_late(&self, call: &Call, pause: Duration) -> bool {
        let at = self.inner.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        call.not_after.is_some_and(|last| at > last)
    }

    fn budget(&self, call: &Call) -> Arc<Semaphore> {
        let host = format!(
            "{}:{}",
            call.url.host_str().unwrap_or_default(),
            call.url.port_or_known_default().unwrap_or_default()
        );
        let mut budgets = self.inner.budgets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(
            budgets
                .entry((call.service, host))
                .or_insert_with(|| Arc::new(Semaphore::new(self.inner.settings.per_host))),
        )
    }

    /// One exchange. The outer error is final: nothing was sent.
    async fn attempt(&self, call: &Call) -> Result<Result<Reply, ServiceError>, Unsent> {
        let budget = self.budget(call);
        let _permit = budget
            .acquire()
            .await
            .map_err(|_| call.error(ServiceErrorKind::Unavailable, "the program is shutting down"))?;
        let mut headers = call.headers.clone();
        if call.body.is_empty() && matches!(call.method, Method::POST | Method::PUT | Method::PATCH) {
            // Without this header servers may refuse a request that has no body (411).
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
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
        Box::pin(call.may_begin()).await.map_err(Unsent::NotNow)?;
        if self.is_too_late(call, Duration::ZERO) {
            let words = "the time limit passed before it was its turn, and nothing was sent";
            return Err(Unsent::NotNow(call.error(ServiceErrorKind::Unavailable, words)));
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
        let Inner { settings, redactor, .. } = &*self.inner;
        let mut response =
            request.send().await.map_err(|error| transport_error(settings, redactor, call, error))?;
        if let Some(certificate) =
            response.extensions().get().and_then(reqwest::tls::TlsInfo::peer_certificate)
        {
            let (host, now) = (call.url.host_str().unwrap_or_default(), self.inner.clock.now());
            self.inner.certificates.saw(host, certificate, now);
        }
        let limit = call.body_limit.unwrap_or(self.inner.settings.body_limit);
        let too_large =
            || call.error(ServiceErrorKind::Malformed, format!("the answer is larger than {limit} bytes"));
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let status = response.status();
        let headers = response.headers().clone();
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| transport_error(settings, redactor, call, error))?
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
            read: matches!(call.method, Method::GET | Method::HEAD),
            received: self.inner.clock.now(),
            status,
            headers,
            body: body.freeze(),
        })
    }
}

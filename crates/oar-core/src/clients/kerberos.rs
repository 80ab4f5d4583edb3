//! HTTP Negotiate (RFC 4559) with the user's Kerberos ticket, through the system's GSSAPI library.
//!
//! The header is sent with the first request, so that a call is one exchange; the Python tooling waits for a
//! challenge and needs two (spec 02 §1.2). Each attempt gets a token from its own context: a service with a
//! replay cache accepts a token once, and nothing is shared between concurrent calls (spec 02 §10 E27).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use libgssapi::context::{ClientCtx, CtxFlags};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, OidSet};
use tokio::sync::oneshot;
use url::Url;

use super::ticket_cache::{self, Unusable};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Authorize;
use crate::service::Service;

/// Time limit for making a token. Only the first one needs the KDC; the others come from the cache.
pub const TOKEN_TIME_LIMIT: Duration = Duration::from_secs(20);

/// The operation that errors of this module name until the HTTP stack replaces it with the call's.
const OPERATION: &str = "authenticate with Kerberos";

/// Makes the header `Authorization: Negotiate …` from the ticket cache of the process.
///
/// The MIT library finds the cache, the realm and the KDC by `KRB5CCNAME`, `KRB5_CONFIG` and `KRB5_CLIENT_KTNAME`.
#[derive(Debug, Clone)]
pub struct Negotiate {
    service: Service,
    cache: Option<String>,
    configuration: Option<String>,
    time_limit: Duration,
    abandoned: Abandoned,
}

/// The most threads that go on though nobody waits for them any more.
const MOST_ABANDONED: usize = 8;

/// The threads that were not waited for to their end: the library cannot be stopped. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Abandoned(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Abandoned {
    /// Those that still run.
    fn running(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads
    }
}

/// A thread that is waited for.
struct Awaited<'a> {
    thread: Option<JoinHandle<()>>,
    abandoned: &'a Abandoned,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.abandoned.running().extend(self.thread.take());
    }
}

impl Negotiate {
    /// Authenticates to `service` with the default ticket cache.
    pub fn new(service: Service) -> Self {
        Self {
            service,
            cache: None,
            configuration: None,
            time_limit: TOKEN_TIME_LIMIT,
            abandoned: Abandoned::default(),
        }
    }

    /// Shares with others how many threads may go on though nobody waits for them.
    #[must_use]
    pub fn sharing(mut self, abandoned: &Abandoned) -> Self {
        self.abandoned = abandoned.clone();
        self
    }

    /// Sets the value of `KRB5CCNAME`, if it is set: the cache that is checked, and that hints mention. It does not
    /// select the cache.
    #[must_use]
    pub fn cache_setting(mut self, cache: Option<String>) -> Self {
        self.cache = cache.filter(|cache| !cache.is_empty());
        self
    }

    /// Sets the value of `KRB5_CONFIG`, if it is set: where the name of the default cache is looked for before that is
    /// checked.
    #[must_use]
    pub fn configuration_setting(mut self, configuration: Option<String>) -> Self {
        self.configuration = configuration;
        self
    }

    /// Replaces the time limit [`TOKEN_TIME_LIMIT`].
    #[must_use]
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Checks that a token for `url` can be made now: a valid ticket exists and the KDC knows the service.
    pub async fn check(&self, url: &Url) -> Result<(), ServiceError> {
        self.token(url).await.map(drop)
    }

    /// How long the ticket is still valid, without asking a server for anything. An expired one is an error.
    pub async fn ticket_lifetime(&self) -> Result<Duration, ServiceError> {
        let (cache, configuration) = (self.cache.clone(), self.configuration.clone());
        self.apart("", move || {
            let lifetime =
                acquired(cache.as_deref(), configuration.as_deref())?.lifetime().map_err(problem)?;
            if lifetime.is_zero() { Err(Problem::Expired) } else { Ok(lifetime) }
        })
        .await
    }

    async fn token(&self, url: &Url) -> Result<Vec<u8>, ServiceError> {
        let Some(host) = url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()) else {
            return Err(self.error(&Problem::Other("the URL has no host".to_owned()), ""));
        };
        let (target, cache, configuration) = (host.clone(), self.cache.clone(), self.configuration.clone());
        self.apart(&host, move || negotiate_token(&target, cache.as_deref(), configuration.as_deref())).await
    }

    /// Runs `work`, which blocks, within the time limit.
    async fn apart<T: Send + 'static>(
        &self,
        host: &str,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, ServiceError> {
        // While the library hangs, nothing more is begun that would hang as well.
        if self.abandoned.running().len() >= MOST_ABANDONED {
            return Err(self.error(&Problem::Late(self.time_limit), host));
        }
        let (sender, receiver) = oneshot::channel();
        // A separate thread and not the runtime's pool: the runtime waits for its pool when it ends, and the
        // Kerberos library may wait for a KDC longer than a user does.
        let thread = std::thread::Builder::new().name("kerberos".to_owned()).spawn(move || {
            // The receiver is gone when the time limit has passed.
            let _ = sender.send(work());
        });
        let thread = thread
            .map_err(|error| self.error(&Problem::Other(format!("cannot start a thread: {error}")), host))?;
        let mut awaited = Awaited { thread: Some(thread), abandoned: &self.abandoned };
        let outcome = tokio::time::timeout(self.time_limit, receiver).await;
        if outcome.is_ok() {
            awaited.thread = None;
        }
        match outcome {
            Ok(Ok(outcome)) => outcome.map_err(|problem| self.error(&problem, host)),
            Ok(Err(_)) => Err(self.error(&Problem::Other("the Kerberos library gave up".to_owned()), host)),
            Err(_) => Err(self.error(&Problem::Late(self.time_limit), host)),
        }
    }

    fn error(&self, problem: &Problem, host: &str) -> ServiceError {
        let kind = match problem {
            Problem::KdcUnreachable | Problem::Late(_) => ServiceErrorKind::Unavailable,
            _ => ServiceErrorKind::MissingCredential,
        };
        ServiceError::new(self.service, OPERATION, kind, problem.words(host))
            .with_hint(problem.hint(self.cache.as_deref()))
    }
}

#[async_trait]
impl Authorize for Negotiate {
    async fn authorization(&self, url: &Url) -> Result<HeaderValue, ServiceError> {
        let token = self.token(url).await?;
        let mut value = HeaderValue::try_from(format!("Negotiate {}", STANDARD.encode(token)))
            .map_err(|error| self.error(&Problem::Other(error.to_string()), ""))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The first token of a fresh SPNEGO context for the service `HTTP@host`.
///
/// Blocks: the library reads files and may contact a KDC.
fn negotiate_token(host: &str, cache: Option<&str>, configuration: Option<&str>) -> Result<Vec<u8>, Problem> {
    let credential = acquired(cache, configuration)?;
    let target =
        Name::new(format!("HTTP@{host}").as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE)).map_err(problem)?;
    // The flags of the Python tooling (spec 02 §1.1): no mutual authentication, no delegation.
    let mut context =
        ClientCtx::new(Some(credential), target, CtxFlags::GSS_C_SEQUENCE_FLAG, Some(GSS_MECH_SPNEGO));
    match context.step(None, None).map_err(problem)? {
        Some(token) => Ok(token.to_vec()),
        None => Err(Problem::Other("the Kerberos library returned no token".to_owned())),
    }
}

/// The user's Kerberos credential.
///
/// Blocks: the library reads files.
fn acquired(cache: Option<&str>, configuration: Option<&str>) -> Result<Cred, Problem> {
    ticket_cache::check(cache, configuration).map_err(Problem::Cache)?;
    // Acquired by name: for a missing ticket SPNEGO only reports that it cannot find a mechanism.
    let mut mechanisms = OidSet::new();
    mechanisms.add(GSS_MECH_KRB5).map_err(problem)?;
    Cred::acquire(None, None, CredUsage::Initiate, Some(&mechanisms)).map_err(problem)
}

/// Why no token can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    /// There is no ticket; the name of the cache, if the library gives it.
    NoTicket(Option<String>),
    Expired,
    NotYetValid,
    ClockSkew,
    KdcUnreachable,
    RealmUnknown,
    ServiceUnknown,
    Settings,
    /// The cache is not one; the library must not read it.
    Cache(Unusable),
    Late(Duration),
    Other(String),
}

/// Must run in the thread where the call failed: the library keeps its messages per thread.
fn problem(error: libgssapi::error::Error) -> Problem {
    classify(error.minor.cast_signed(), &error.to_string())
}

/// Classifies by the library's minor status (RFC 4121 and MIT's `krb5.h` error table) and, because the
/// library renumbers a status that two mechanisms share, by its message. The message is English: this program
/// never calls `setlocale`.
fn classify(minor: i32, message: &str) -> Problem {
    let says = |part: &str| message.contains(part);
    match minor {
        -1_765_328_352 => Problem::Expired,
        -1_765_328_351 => Problem::NotYetValid,
        -1_765_328_347 => Problem::ClockSkew,
        -1_765_328_228 => Problem::KdcUnreachable,
        -1_765_328_230 => Problem::RealmUnknown,
        -1_765_328_377 => Problem::ServiceUnknown,
        -1_765_328_248 | -1_765_328_249 => Problem::Settings,
        // The library's generic status covers every problem with the cache, so the message is checked first.
        _ if says("Ticket expired") || says("Credential expired") || says("credentials have expired") => {
            Problem::Expired
        }
        _ if says("Ticket not yet valid") => Problem::NotYetValid,
        _ if says("Clock skew") => Problem::ClockSkew,
        _ if says("Cannot contact any KDC") => Problem::KdcUnreachable,
        _ if says("Cannot find KDC") || says("default realm") => Problem::RealmUnknown,
        _ if says("Server ") && says("not found in Kerberos database") => Problem::ServiceUnknown,
        _ if says("Kerberos configuration file") || says("krb5.conf") => Problem::Settings,
        -1_765_328_243 | -1_765_328_189 => Problem::NoTicket(cache_name(message)),
        _ if says("No Kerberos credentials")
            || says("No credentials cache")
            || says("No credentials were") =>
        {
            Problem::NoTicket(cache_name(message))
        }
        _ => Problem::Other(message.trim().to_owned()),
    }
}

/// The cache named in the library's message: `(default cache: FILE:/tmp/krb5cc_0)` or `(filename: …)`.
fn cache_name(message: &str) -> Option<String> {
    let start = ["default cache: ", "filename: "]
        .into_iter()
        .find_map(|mark| message.find(mark).map(|position| position + mark.len()))?;
    let rest = message.get(start..)?;
    let name = rest.split(')').next()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

impl Problem {
    fn words(&self, host: &str) -> String {
        match self {
            Self::NoTicket(Some(cache)) => format!("no Kerberos ticket in the cache {cache}"),
            Self::NoTicket(None) => "no Kerberos ticket".to_owned(),
            Self::Expired => "the Kerberos ticket is expired".to_owned(),
            Self::NotYetValid => "the Kerberos ticket is not valid yet".to_owned(),
            Self::ClockSkew => "this machine's clock differs too much from the Kerberos server's".to_owned(),
            Self::KdcUnreachable => "no Kerberos server (KDC) of the realm answers".to_owned(),
            Self::RealmUnknown => "no Kerberos server (KDC) is known for the realm".to_owned(),
            Self::ServiceUnknown => {
                format!(
                    "the Kerberos server does not know the service HTTP/{host}, or not in the ticket's realm"
                )
            }
            Self::Settings => "the Kerberos configuration cannot be read".to_owned(),
            Self::Cache(cache) => cache.words(),
            Self::Late(limit) => format!("no Kerberos token within {} s", limit.as_secs()),
            Self::Other(message) => format!("Kerberos: {message}"),
        }
    }

    fn hint(&self, cache: Option<&str>) -> String {
        let mut hint = match self {
            Self::NoTicket(_) | Self::Expired | Self::NotYetValid | Self::Other(_) => KINIT.to_owned(),
            Self::ClockSkew => format!("Set the clock (for example with NTP), then {KINIT_LOWER}"),
            Self::KdcUnreachable | Self::Late(_) => {
                format!(
                    "Check the network or VPN and the KDC in krb5.conf, then run again; to renew: {KINIT_LOWER}"
                )
            }
            Self::RealmUnknown => {
                format!(
                    "Check default_realm and [realms] in krb5.conf (KRB5_CONFIG names another one), then {KINIT_LOWER}"
                )
            }
            Self::ServiceUnknown => format!(
                "Check the host name of the endpoint and that the ticket is of the right realm (klist); otherwise {KINIT_LOWER}"
            ),
            Self::Cache(cache) => format!(
                "Remove {} if it holds no ticket, or name another cache in KRB5CCNAME, then {KINIT_LOWER}",
                cache.path.display()
            ),
            Self::Settings => {
                format!("Check the file that KRB5_CONFIG names, or /etc/krb5.conf, then {KINIT_LOWER}")
            }
        };
        if let Some(cache) = cache {
            hint.push_str(" KRB5CCNAME is set to ");
            hint.push_str(cache);
            hint.push_str(": kinit must run with the same value.");
        }
        hint
    }
}

const KINIT: &str = "Get a ticket with `kinit <user>@REALM`, or with `kinit -k -t <keytab> <principal>`.";
const KINIT_LOWER: &str =
    "get a ticket with `kinit <user>@REALM`, or with `kinit -k -t <keytab> <principal>`.";

/// The hint for a 401 answer to a token that was made without an error.
pub const REFUSED_TOKEN_HINT: &str = "The service did not accept the Kerberos ticket: check with `klist` that it is of \
    the service's realm and that this machine's clock is right, then renew it with `kinit <user>@REALM` or \
    `kinit -k -t <keytab> <principal>`.";

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of MIT Kerberos 1.20, as GSSAPI returns them.
    fn failure(minor: i32, words: &str) -> Problem {
        classify(
            minor,
            &format!("Unspecified GSS failure.  Minor code may provide more information ({words})"),
        )
    }

    #[test]
    fn every_known_problem_is_recognised_by_number_and_by_message() {
        let cases = [
            (-1_765_328_352, "Ticket expired", Problem::Expired),
            (-1_765_328_351, "Ticket not yet valid", Problem::NotYetValid),
            (-1_765_328_347, "Clock skew too great", Problem::ClockSkew),
            (-1_765_328_228, "Cannot contact any KDC for realm 'EXAMPLE.TEST'", Problem::KdcUnreachable),
            (-1_765_328_230, "Cannot find KDC for realm \"EXAMPLE.TEST\"", Problem::RealmUnknown),
            (
                -1_765_328_377,
                "Server HTTP/a@EXAMPLE.TEST not found in Kerberos database",
                Problem::ServiceUnknown,
            ),
            (-1_765_328_248, "Improper format of Kerberos configuration file", Problem::Settings),
            (
                -1_765_328_189,
                "No credentials cache found (filename: /tmp/cc)",
                Problem::NoTicket(Some("/tmp/cc".to_owned())),
            ),
        ];
        for (minor, words, expected) in cases {
            assert_eq!(failure(minor, words), expected, "{words}");
            // The library's mechanism table assigns 100005 when two mechanisms share a number.
            assert_eq!(failure(100_005, words), expected, "{words}");
        }
        assert_eq!(
            failure(7, "Something new"),
            Problem::Other(
                "Unspecified GSS failure.  Minor code may provide more information (Something new)"
                    .to_owned()
            )
        );
    }

    #[test]
    fn an_expired_ticket_is_not_taken_for_a_missing_one() {
        assert_eq!(
            classify(-1_765_328_243, "No credentials were supplied (Ticket expired)"),
            Problem::Expired
        );
    }

    #[test]
    fn a_missing_ticket_names_the_cache_and_the_kinit_line() {
        let problem = classify(
            -1_765_328_243,
            "No credentials were supplied, or the credentials were unavailable or inaccessible (No Kerberos \
             credentials available (default cache: DIR:/run/tickets))",
        );
        let negotiate = Negotiate::new(Service::Errata).cache_setting(Some("DIR:/run/tickets".to_owned()));
        let error = negotiate.error(&problem, "errata.example.com");
        assert_eq!(error.kind, ServiceErrorKind::MissingCredential);
        assert_eq!(error.detail, "no Kerberos ticket in the cache DIR:/run/tickets");
        let hint = error.hint.unwrap();
        assert!(hint.contains("kinit <user>@REALM"), "{hint}");
        assert!(hint.contains("kinit -k -t <keytab> <principal>"), "{hint}");
        assert!(hint.contains("KRB5CCNAME is set to DIR:/run/tickets"), "{hint}");
    }

    #[test]
    fn an_unset_cache_is_not_mentioned() {
        for cache in [None, Some(String::new())] {
            let error = Negotiate::new(Service::Errata).cache_setting(cache).error(&Problem::Expired, "h");
            assert!(!error.hint.unwrap().contains("KRB5CCNAME"));
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_cache_is_refused_before_the_library_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let url: Url = "https://errata.example.com".parse().unwrap();
        for (name, content) in
            [("empty", &b""[..]), ("random", b"\x7f\x01\x02\x03"), ("cut", b"\x05\x04\x00\x0c")]
        {
            let path = folder.path().join(name).display().to_string();
            std::fs::write(&path, content).unwrap();
            let negotiate = Negotiate::new(Service::Errata).cache_setting(Some(format!("FILE:{path}")));
            let error = negotiate.check(&url).await.unwrap_err();
            assert_eq!(error.kind, ServiceErrorKind::MissingCredential, "{name}");
            assert!(error.detail.contains(&path), "{}", error.detail);
            assert!(error.hint.unwrap().contains("kinit"), "{name}");
        }
    }

    #[test]
    fn a_kdc_that_does_not_answer_is_a_service_that_is_down() {
        let negotiate = Negotiate::new(Service::Errata);
        for problem in [Problem::KdcUnreachable, Problem::Late(TOKEN_TIME_LIMIT)] {
            let error = negotiate.error(&problem, "h");
            assert_eq!(error.kind, ServiceErrorKind::Unavailable, "{problem:?}");
            assert!(error.hint.unwrap().contains("VPN"));
        }
    }

    #[tokio::test]
    async fn a_library_that_hangs_keeps_a_few_threads_only() {
        let abandoned = Abandoned::default();
        let negotiate = Negotiate::new(Service::Errata).sharing(&abandoned);
        let hurried = negotiate.clone().time_limit(Duration::from_millis(1));
        let ends: Vec<_> = (0..MOST_ABANDONED).map(|_| std::sync::mpsc::channel::<()>()).collect();
        let mut senders = Vec::new();
        for (end, hangs) in ends {
            let hangs = move || {
                let _ended = hangs.recv();
                Ok(())
            };
            let late = hurried.apart("h", hangs).await.unwrap_err();
            assert_eq!(late.kind, ServiceErrorKind::Unavailable);
            senders.push(end);
        }
        let refused = negotiate.apart("h", || Ok(())).await.unwrap_err();
        assert_eq!(refused.kind, ServiceErrorKind::Unavailable, "at once: {refused}");
        drop(senders);
        let waits = std::time::Instant::now();
        while !abandoned.running().is_empty() {
            assert!(waits.elapsed() < Duration::from_secs(10), "the threads do not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        negotiate.apart("h", || Ok(())).await.unwrap();
        assert!(abandoned.running().is_empty(), "it was waited for");
    }
}

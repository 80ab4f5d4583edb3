//! One connection to the directory.

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry, SearchOptions,
};
use native_tls::{Certificate, TlsConnector};
use tokio::task::JoinHandle;
use url::Url;

use super::{LdapSettings, failure};
use crate::error::{ServiceError, ServiceErrorKind};

/// The result code of a search below an entry that does not exist.
const NO_SUCH_OBJECT: u32 = 32;
/// The result code of a search that found more entries than were asked for, or than the server gives.
const SIZE_LIMIT_EXCEEDED: u32 = 4;
/// The most entries that are asked for and kept: that there are two is all that is said of several people.
const MOST: u8 = 2;

/// An open connection; it is closed when this value is dropped.
pub(super) struct Connection {
    ldap: Ldap,
    driver: JoinHandle<()>,
    timeout: Duration,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects, with an anonymous bind.
    pub(super) async fn open(settings: &LdapSettings) -> Result<Self, ServiceError> {
        let url = &settings.url;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(failure(ServiceErrorKind::Rejected, format!("`{url}` names no host")));
        }
        let mut options = LdapConnSettings::new().set_conn_timeout(settings.timeout);
        if url.scheme() == "ldaps" {
            options = options.set_connector(tls(settings)?);
        }
        let connecting = LdapConnAsync::from_url_with_settings(options, url);
        let (driving, ldap) = tokio::time::timeout(settings.timeout, connecting)
            .await
            .map_err(|_| {
                let seconds = settings.timeout.as_secs_f64();
                let words = format!("no connection to {} within {seconds} s", place(url));
                failure(ServiceErrorKind::Unavailable, words)
            })?
            .map_err(|error| connect_failure(&error, url))?;
        let driver = tokio::spawn(async move {
            // An error shows in the next request.
            let _ = driving.drive().await;
        });
        let mut connection = Self { ldap, driver, timeout: settings.timeout };
        let bound = connection.ldap.with_timeout(settings.timeout).simple_bind("", "").await;
        bound.and_then(LdapResult::success).map_err(|error| operation_failure(&error))?;
        Ok(connection)
    }

    /// The entries that the filter finds, at most [`MOST`].
    pub(super) async fn search(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &'static [&'static str],
    ) -> Result<Vec<SearchEntry>, ServiceError> {
        // The library panics on an entry that violates the protocol.
        let search = AssertUnwindSafe(self.entries(base, scope, filter, attributes)).catch_unwind();
        // The library's own limit is for each message of an answer.
        match tokio::time::timeout(self.timeout, search).await {
            Ok(Ok(found)) => found.map_err(|error| operation_failure(&error)),
            Ok(Err(_)) => Err(failure(ServiceErrorKind::Malformed, "an entry that breaks the protocol")),
            Err(_) => {
                let words = format!("no complete answer within {} s", self.timeout.as_secs_f64());
                Err(failure(ServiceErrorKind::Unavailable, words))
            }
        }
    }

    /// Whether the filter finds anything below `base`.
    pub(super) async fn finds_any(&self, base: &str, filter: &str) -> Result<bool, ServiceError> {
        // `1.1` asks for no attributes (RFC 4511 §4.5.1.8).
        Ok(!self.search(base, Scope::Subtree, filter, &["1.1"]).await?.is_empty())
    }

    async fn entries(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &'static [&'static str],
    ) -> Result<Vec<SearchEntry>, LdapError> {
        let mut ldap = self.ldap.clone();
        ldap.with_search_options(SearchOptions::new().sizelimit(MOST.into()));
        let mut answer = ldap.streaming_search(base, scope, filter, attributes.to_vec()).await?;
        let mut entries = Vec::new();
        while let Some(entry) = answer.next().await? {
            // A server need not keep to the limit.
            if entries.len() < usize::from(MOST) && !entry.is_ref() && !entry.is_intermediate() {
                entries.push(SearchEntry::construct(entry));
            }
        }
        let result = answer.finish().await;
        match result.rc {
            NO_SUCH_OBJECT => Ok(Vec::new()),
            SIZE_LIMIT_EXCEEDED if entries.len() == usize::from(MOST) => Ok(entries),
            _ => result.success().map(|_| entries),
        }
    }
}

/// TLS with certificate verification, by the system's authorities and the configured ones.
fn tls(settings: &LdapSettings) -> Result<TlsConnector, ServiceError> {
    let mut builder = TlsConnector::builder();
    if let Some(bundle) = &settings.ca_bundle {
        for certificate in certificates(bundle) {
            let certificate = Certificate::from_pem(certificate.as_bytes())
                .map_err(|error| failure(ServiceErrorKind::Rejected, format!("CA bundle: {error}")))?;
            builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(|error| failure(ServiceErrorKind::Rejected, format!("TLS: {error}")))
}

/// The certificates of a bundle, each in its own PEM text.
fn certificates(bundle: &[u8]) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(bundle);
    let parts = text.split_inclusive(END).filter(|part| part.ends_with(END));
    let from_begin = |part: &str| {
        part.find("-----BEGIN CERTIFICATE-----").and_then(|at| part.get(at..)).map(str::to_owned)
    };
    parts.filter_map(from_begin).collect()
}

/// Host and port, for messages.
fn place(url: &Url) -> String {
    let port = url.port().unwrap_or(if url.scheme() == "ldaps" { 636 } else { 389 });
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

fn connect_failure(error: &LdapError, url: &Url) -> ServiceError {
    let words = innermost(error);
    let is_certificate = words.contains("certificate");
    let words = format!("no connection to {}: {words}", place(url));
    let failure = failure(ServiceErrorKind::Unavailable, words);
    if is_certificate {
        failure.with_hint(
            "The directory's certificate is not trusted: name the file of your company's certificates (PEM) with \
             OAR_CA_BUNDLE, or check the host name in OAR_ENDPOINT_LDAP.",
        )
    } else {
        failure
    }
}

fn operation_failure(error: &LdapError) -> ServiceError {
    match error {
        LdapError::LdapResult { result } => {
            failure(ServiceErrorKind::Rejected, format!("result code {}: {}", result.rc, result.text))
        }
        LdapError::Timeout { .. } => failure(ServiceErrorKind::Unavailable, "no answer in time"),
        other => failure(ServiceErrorKind::Unavailable, innermost(other)),
    }
}

fn innermost(error: &dyn StdError) -> String {
    let mut current = error;
    while let Some(next) = current.source() {
        current = next;
    }
    current.to_string()
}

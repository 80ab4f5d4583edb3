//! One connection to the directory.

use std::error::Error as StdError;
use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions};
use native_tls::{Certificate, TlsConnector};
use tokio::task::JoinHandle;
use url::Url;

use super::{LdapSettings, failure};
use crate::error::{ServiceError, ServiceErrorKind};

/// The result code of a search below an entry that does not exist.
const NO_SUCH_OBJECT: u32 = 32;
/// The result code of a search that finds more than it asked for.
const SIZE_LIMIT_EXCEEDED: u32 = 4;

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
        let (connection, mut ldap) = tokio::time::timeout(settings.timeout, connecting)
            .await
            .map_err(|_| {
                let seconds = settings.timeout.as_secs_f64();
                let words = format!("no connection to {} within {seconds} s", place(url));
                failure(ServiceErrorKind::Unavailable, words)
            })?
            .map_err(|error| connect_failure(&error, url))?;
        let driver = tokio::spawn(async move {
            // An error shows in the next request.
            let _ = connection.drive().await;
        });
        ldap.with_timeout(settings.timeout);
        let bound = ldap.simple_bind("", "").await.and_then(ldap3::LdapResult::success);
        let connection = Self { ldap, driver, timeout: settings.timeout };
        bound.map_err(|error| operation_failure(&error))?;
        Ok(connection)
    }

    /// The entries that the filter finds.
    pub(super) async fn search(
        &self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &'static [&'static str],
    ) -> Result<Vec<SearchEntry>, ServiceError> {
        let (mut ldap, timeout) = (self.ldap.clone(), self.timeout);
        let (base, filter) = (base.to_owned(), filter.to_owned());
        // In a separate task, because the library panics on an entry that violates the protocol.
        let search = tokio::spawn(async move {
            ldap.with_timeout(timeout);
            let found = ldap.search(&base, scope, &filter, attributes.to_vec()).await?;
            if found.1.rc == NO_SUCH_OBJECT {
                return Ok(Vec::new());
            }
            let (entries, _) = found.success()?;
            let entries = entries.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
            Ok(entries.map(SearchEntry::construct).collect())
        });
        match search.await {
            Ok(outcome) => outcome.map_err(|error: LdapError| operation_failure(&error)),
            Err(_) => Err(failure(ServiceErrorKind::Malformed, "an entry that breaks the protocol")),
        }
    }
}

impl Connection {
    /// Whether the filter finds anything below `base`.
    pub(super) async fn finds_any(&self, base: &str, filter: &str) -> Result<bool, ServiceError> {
        let mut ldap = self.ldap.clone();
        ldap.with_timeout(self.timeout);
        ldap.with_search_options(SearchOptions::new().sizelimit(1));
        let found = ldap.search(base, Scope::Subtree, filter, ["1.1"]).await;
        let found = found.map_err(|error| operation_failure(&error))?;
        match found.1.rc {
            SIZE_LIMIT_EXCEEDED => Ok(true),
            NO_SUCH_OBJECT => Ok(false),
            _ => {
                found.success().map(|(found, _)| !found.is_empty()).map_err(|error| operation_failure(&error))
            }
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

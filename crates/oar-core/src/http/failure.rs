//! Errors of requests without an answer: they name the host, the cause and the next step.

use std::error::Error as StdError;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::call::Call;
use super::client::HttpSettings;
use super::reply::excerpt;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::redact::Redactor;

/// The target of a request, for messages: host and port, and the proxy.
pub(super) fn route(url: &Url, proxy: Option<&Url>) -> String {
    let place = |url: &Url| {
        let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", url.host_str().unwrap_or_default())
    };
    let of_environment = || {
        let uri: http::Uri = url.as_str().parse().ok()?;
        // reqwest uses the same variables.
        let intercept = Matcher::from_env().intercept(&uri)?;
        Url::parse(&intercept.uri().to_string()).ok()
    };
    match proxy.cloned().or_else(of_environment) {
        Some(proxy) => format!("{} through the proxy {}", place(url), place(&proxy)),
        None => place(url),
    }
}

/// Distinguishes a request that was never sent from one without an answer.
pub(super) fn transport_error(
    settings: &HttpSettings,
    redactor: &Redactor,
    call: &Call,
    error: reqwest::Error,
) -> ServiceError {
    let place = route(&call.url, settings.proxy.as_ref());
    let lost = if call.reads { ServiceErrorKind::Unavailable } else { ServiceErrorKind::Unclear };
    let seconds = |limit: Duration| limit.as_secs_f64();
    let (kind, words, cause) = if error.is_connect() && error.is_timeout() {
        let limit = seconds(settings.connect_timeout);
        (ServiceErrorKind::Unavailable, format!("no connection to {place} within {limit} s"), false)
    } else if error.is_connect() {
        (ServiceErrorKind::Unavailable, format!("no connection to {place}"), true)
    } else if error.is_builder() {
        (ServiceErrorKind::Rejected, "the request is not valid".to_owned(), true)
    } else if error.is_timeout() {
        let limit = seconds(call.timeout.unwrap_or(settings.timeout));
        (lost, format!("no answer from {place} within {limit} s"), false)
    } else {
        (lost, format!("the connection to {place} broke"), true)
    };
    let connects = error.is_connect();
    let mut detail = words;
    // Only the innermost cause: the others only repeat that there was no connection.
    if let Some(cause) = innermost(&error.without_url()).filter(|_| cause) {
        detail = format!("{detail}: {}", excerpt(&redactor.redact(&cause)));
    }
    let failure = call.error(kind, detail);
    if failure.detail.contains("certificate") {
        failure.with_hint(CERTIFICATE_HINT)
    } else if failure.detail.contains("proxy auth") {
        failure.with_hint(PROXY_HINT)
    } else if connects {
        let hint = format!(
            "Check the network (VPN, proxy) and the address (`OAR_ENDPOINT_{}`), then run the same command again.",
            call.service.key()
        );
        failure.with_hint(hint)
    } else {
        failure
    }
}

/// The hint when something other than the service answered.
pub(super) fn page_hint(call: &Call) -> String {
    format!(
        "Something in between answered, such as a login page or a proxy: sign in there or check the \
         network (VPN, proxy) and \
         the address (`OAR_ENDPOINT_{}`), then run the same command again.",
        call.service.key()
    )
}

/// The hint for a proxy that demands credentials.
pub(super) const PROXY_HINT: &str = "Set HTTPS_PROXY (HTTP_PROXY) to the proxy's address with your user and password in it, or name the \
    host in NO_PROXY, then run the same command again.";
const CERTIFICATE_HINT: &str = "The host's certificate is not trusted: name the file of your company's certificates (PEM) \
    with OAR_CA_BUNDLE, or check the host name of the endpoint.";

fn innermost(error: &dyn StdError) -> Option<String> {
    let mut current = error.source()?;
    while let Some(next) = current.source() {
        current = next;
    }
    Some(current.to_string())
}

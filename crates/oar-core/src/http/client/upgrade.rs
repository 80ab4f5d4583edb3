//! A request that turns its connection into one of another protocol (RFC 9110 §7.8).

use http::{HeaderMap, StatusCode};
use reqwest::Upgraded;

use super::{Http, HttpSettings, HttpSetupError, base_builder, transport_error};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::call::Call;
use crate::http::failure::{PROXY_HINT, route};

/// A connection that speaks the protocol that was asked for.
pub struct Upgrade {
    /// The headers of the answer, by which the other side proves that it speaks the protocol.
    pub headers: HeaderMap,
    /// The connection.
    pub connection: Upgraded,
}

impl std::fmt::Debug for Upgrade {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Upgrade").finish_non_exhaustive()
    }
}

/// The same client for HTTP/1.1 alone: HTTP/2 knows no upgrade, and a server offered both takes HTTP/2.
pub(super) fn upgrading_client(settings: &HttpSettings) -> Result<reqwest::Client, HttpSetupError> {
    base_builder(settings)?.http1_only().pool_max_idle_per_host(0).build().map_err(HttpSetupError::Tls)
}

impl Http {
    /// Sends `call`, whose headers ask for an upgrade, over a connection of its own: the same authorities, proxy and time
    /// limits as every request. It takes no place in the host's budget, and it is not repeated.
    ///
    /// # Errors
    ///
    /// The service does not answer, or with anything but 101.
    pub async fn upgrade(&self, call: Call) -> Result<Upgrade, ServiceError> {
        let settings = &self.inner.settings;
        let client = upgrading_client(settings)
            .map_err(|error| call.error(ServiceErrorKind::Unavailable, error.to_string()))?;
        let limit = call.timeout.unwrap_or(settings.timeout);
        let late = || {
            let words = format!("no answer from {} within {} s", self.place(&call), limit.as_secs_f64());
            call.error(ServiceErrorKind::Unavailable, words)
        };
        let broken = |error| transport_error(settings, &self.inner.redactor, &call, error);
        let request = client.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
        let opened = tokio::time::timeout(limit, async {
            let response = request.send().await.map_err(broken)?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Err(self.not_upgraded(&call, response.status()));
            }
            let headers = response.headers().clone();
            let connection = response.upgrade().await.map_err(broken)?;
            Ok(Upgrade { headers, connection })
        });
        opened.await.unwrap_or_else(|_| Err(late()))
    }

    fn place(&self, call: &Call) -> String {
        route(&call.url, self.inner.settings.proxy.as_ref())
    }

    fn not_upgraded(&self, call: &Call, status: StatusCode) -> ServiceError {
        let place = self.place(call);
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            let words = format!("the proxy before {place} requires credentials");
            return call.error(ServiceErrorKind::Unavailable, words).with_hint(PROXY_HINT);
        }
        let kind = match status.as_u16() {
            429 => ServiceErrorKind::RateLimited,
            500.. => ServiceErrorKind::Unavailable,
            _ => ServiceErrorKind::Rejected,
        };
        call.error(kind, format!("{place} answered {} in place of an upgrade", status.as_u16()))
    }
}

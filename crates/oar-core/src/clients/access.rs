//! The customer portal's advisory pages: what a release payload names as its metadata URL (spec 02 §9.2).

use std::time::Duration;

use http::header::LOCATION;
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, join};
use crate::service::Service;

/// The host under which payloads name the portal; the endpoint's base replaces it.
const HOST: &str = "access.redhat.com";
/// Time limit of one request (spec 02 §9.2).
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most redirections within the portal that are followed.
const REDIRECTIONS: usize = 4;

/// Whether a page exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// It exists.
    Up,
    /// It does not; the portal's answer.
    Missing(String),
}

/// Checks advisory pages, without credentials. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessClient {
    http: Http,
    base: Url,
}

impl AccessClient {
    /// A client of the portal at `base`.
    pub fn new(http: Http, base: Url) -> Self {
        Self { http, base }
    }

    /// Whether the page at `address` exists.
    ///
    /// Only addresses of the portal are requested: the address comes from an image, and an image must not
    /// decide where this program sends requests. A page counts as existing when it names its advisory. A
    /// sign-in page, a proxy's page or a redirection out of the portal is an error: nothing is known then.
    pub async fn page(&self, address: &str) -> Result<Page, ServiceError> {
        let operation = "look at an advisory page";
        let refused = |detail: String| {
            ServiceError::new(Service::Access, operation, ServiceErrorKind::Malformed, detail).about(address)
        };
        let url = Url::parse(address).map_err(|error| refused(format!("not an address: {error}")))?;
        if url.scheme() != "https" || url.host_str() != Some(HOST) || url.port().is_some() {
            return Err(refused(format!("expected an address that begins with https://{HOST}/errata/")));
        }
        let mut current = self.at_base(&url);
        for _ in 0..=REDIRECTIONS {
            let call = Call::get(Service::Access, operation, current.clone())
                .page()
                .about(address)
                .timeout(TIMEOUT.min(self.http.timeout()));
            let reply = self.http.send(call).await?;
            match reply.status.as_u16() {
                200 if names(&reply.body, &url) => return Ok(Page::Up),
                300..=399 => {
                    let target = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
                    match target.and_then(|target| current.join(target).ok()) {
                        Some(target) if target.host_str() == Some(HOST) => current = self.at_base(&target),
                        Some(target) if target.origin() == self.base.origin() => current = target,
                        _ => return Err(reply.failure(ServiceErrorKind::Malformed, reply.words())),
                    }
                }
                404 | 410 => return Ok(Page::Missing(format!("HTTP {}", reply.status.as_u16()))),
                _ => {
                    let kind = reply.failure_kind().unwrap_or(ServiceErrorKind::Malformed);
                    let words = match reply.status.as_u16() {
                        200..=299 => format!("a page that does not name the advisory: {}", reply.words()),
                        _ => reply.words(),
                    };
                    return Err(reply.failure(kind, words));
                }
            }
        }
        Err(refused(format!("more than {REDIRECTIONS} redirections")))
    }

    fn at_base(&self, url: &Url) -> Url {
        let mut target = join(&self.base, url.path());
        target.set_query(url.query());
        target
    }
}

/// Whether a page names the advisory whose address this is: `RHSA-2026:1900`, the last part of the path.
fn names(page: &[u8], address: &Url) -> bool {
    let name = address.path().rsplit('/').next().unwrap_or_default().replace("%3A", ":");
    !name.is_empty() && page.windows(name.len()).any(|part| part == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{base, http};

    const PAGE: &str = "https://access.redhat.com/errata/RHSA-2026:1900";

    const BODY: &str = "<html><head><title>RHSA-2026:1900 - Security Advisory</title></head></html>";

    async fn look(response: ResponseTemplate) -> Result<Page, ServiceError> {
        let server = MockServer::start().await;
        Mock::given(path("/access/errata/RHSA-2026:1900")).respond_with(response).mount(&server).await;
        Mock::given(path("/access/there"))
            .respond_with(ResponseTemplate::new(200).set_body_string(BODY))
            .mount(&server)
            .await;
        AccessClient::new(http(2), base(&server, "/access")).page(PAGE).await
    }

    #[tokio::test]
    async fn a_page_is_there_or_missing_or_unknown() {
        assert_eq!(look(ResponseTemplate::new(200).set_body_string(BODY)).await.unwrap(), Page::Up);
        assert_eq!(look(ResponseTemplate::new(404)).await.unwrap(), Page::Missing("HTTP 404".into()));
        assert_eq!(look(ResponseTemplate::new(502)).await.unwrap_err().kind, ServiceErrorKind::Unavailable);
        let within = ResponseTemplate::new(302).insert_header("location", "https://access.redhat.com/there");
        assert_eq!(look(within).await.unwrap(), Page::Up);
        let without = ResponseTemplate::new(302).insert_header("location", "https://sso.example.test/login");
        let sign_in = "<html><head><title>Sign in</title></head></html>";
        for (answer, kind) in [
            (without, ServiceErrorKind::Malformed),
            (ResponseTemplate::new(200), ServiceErrorKind::Malformed),
            (ResponseTemplate::new(204), ServiceErrorKind::Malformed),
            (ResponseTemplate::new(200).set_body_string(sign_in), ServiceErrorKind::Malformed),
            (ResponseTemplate::new(403), ServiceErrorKind::Forbidden),
            (ResponseTemplate::new(429), ServiceErrorKind::RateLimited),
        ] {
            assert_eq!(
                look(answer).await.unwrap_err().kind,
                kind,
                "not known, and neither there nor missing"
            );
        }
    }

    #[tokio::test]
    async fn only_the_portal_is_looked_at() {
        let client = AccessClient::new(http(5), Url::parse("http://127.0.0.1:9").unwrap());
        for address in ["http://access.redhat.com/errata/x", "https://169.254.169.254/", "nonsense", ""] {
            assert_eq!(
                client.page(address).await.unwrap_err().kind,
                ServiceErrorKind::Malformed,
                "{address}"
            );
        }
    }
}

//! Pyxis by build: the grades of a container build's images (spec 02 §3).
//!
//! The internal host may require authentication. The Kerberos ticket is sent only when the host demands one,
//! and only over TLS (spec 02 §10 E2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Url;

use crate::clients::catalog::model::grades;
use crate::clients::catalog::{FreshnessGrade, read_pages};
use crate::clients::empty::{flag, text};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Authorize, Call, Http, Reply, join};
use crate::ids::Nvr;
use crate::service::Service;

/// Characters that are not escaped in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The architecture of a record without one (spec 02 §3).
const DEFAULT_ARCHITECTURE: &str = "amd64";
/// The hint for a refused caller.
const SIGN_IN: &str = "it wants its callers to sign in: get a Kerberos ticket with kinit (KRB5CCNAME names its cache), or \
     name another Pyxis with OAR_ENDPOINT_PYXIS";

/// The grades of one architecture of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchitectureGrades {
    /// The architecture in Go's spelling: `amd64`.
    pub architecture: String,
    /// The grades of all its records.
    pub grades: Vec<FreshnessGrade>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(default, deserialize_with = "text")]
    architecture: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    deleted: bool,
    #[serde(default, deserialize_with = "grades")]
    freshness_grades: Vec<FreshnessGrade>,
}

/// Reads Pyxis. Cheap to clone.
#[derive(Clone)]
pub struct PyxisClient {
    http: Http,
    base: Arc<Url>,
    authorize: Option<Arc<dyn Authorize>>,
    /// Limits the builds that are read at the same time.
    places: Arc<Semaphore>,
    /// Set when the host demanded a ticket.
    asked: Arc<AtomicBool>,
}

impl std::fmt::Debug for PyxisClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PyxisClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl PyxisClient {
    /// A client of the Pyxis at `base`, without authentication, with at most `concurrency` requests at a
    /// time.
    pub fn new(http: Http, base: Url, concurrency: usize) -> Self {
        let places = Arc::new(Semaphore::new(concurrency.max(1)));
        Self { http, base: Arc::new(base), authorize: None, places, asked: Arc::default() }
    }

    /// The same client, which authenticates with `authorize` when the host demands it.
    #[must_use]
    pub fn signing_in(mut self, authorize: Arc<dyn Authorize>) -> Self {
        self.authorize = Some(authorize);
        self
    }

    /// Reads the grades of a build by architecture, in the order of their names. Removed records do not count. A build
    /// that Pyxis does not know is [`ServiceErrorKind::NotFound`].
    pub async fn grades_of_build(&self, build: &Nvr) -> Result<Vec<ArchitectureGrades>, ServiceError> {
        let nvr = &build.to_string();
        let path = format!(
            "v1/images/nvr/{}?include=data.freshness_grades&include=data.architecture&include=data.deleted",
            utf8_percent_encode(nvr, SEGMENT)
        );
        // It is never closed.
        let _place = self.places.acquire().await.ok();
        let records: Vec<Record> = read_pages(&path, |address| self.read(address, nvr)).await?;
        let mut found: BTreeMap<String, Vec<FreshnessGrade>> = BTreeMap::new();
        for record in records.into_iter().filter(|record| !record.deleted) {
            let architecture = record.architecture.unwrap_or_else(|| DEFAULT_ARCHITECTURE.to_owned());
            found.entry(architecture).or_default().extend(record.freshness_grades);
        }
        Ok(found
            .into_iter()
            .map(|(architecture, grades)| ArchitectureGrades { architecture, grades })
            .collect())
    }

    async fn read(&self, address: String, nvr: &str) -> Result<Reply, ServiceError> {
        let call = Call::get(Service::Pyxis, "read grades of a build", join(&self.base, &address)).about(nvr);
        let ticket = self.authorize.clone().filter(|_| is_private(&self.base));
        let known = ticket.clone().filter(|_| self.asked.load(Ordering::Relaxed));
        let mut reply = self.http.send(with(call.clone(), known.clone())).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && known.is_none()
            && ticket.is_some()
            && wants_ticket(&reply.headers)
        {
            self.asked.store(true, Ordering::Relaxed);
            reply = self.http.send(with(call, ticket)).await.map_err(|mut error| {
                error.detail = format!("{SIGN_IN} ({})", error.detail);
                error
            })?;
        }
        if reply.status == StatusCode::UNAUTHORIZED {
            return Err(reply.failure(ServiceErrorKind::Unauthorized, SIGN_IN));
        }
        reply.success(Reply::words)
    }
}

fn with(call: Call, ticket: Option<Arc<dyn Authorize>>) -> Call {
    match ticket {
        Some(ticket) => call.authorize(ticket),
        None => call,
    }
}

/// Whether requests cannot be read on the way: the address uses TLS or is on this machine.
fn is_private(base: &Url) -> bool {
    let local = match base.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    base.scheme() == "https" || local
}

/// Whether an answer demands a Kerberos ticket (RFC 4559).
fn wants_ticket(headers: &HeaderMap) -> bool {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|part| {
            part.split_whitespace().next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("negotiate"))
        })
    })
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::future::join_all;
    use http::HeaderValue;
    use serde_json::json;
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{base, count, http, ok};
    use crate::http::tests::support::pairing_server;

    const NVR: &str = "demo-container-v4.14.60-1";

    fn nvr() -> Nvr {
        NVR.parse().unwrap()
    }

    struct Ticket;

    #[async_trait]
    impl Authorize for Ticket {
        async fn authorization(&self, _url: &Url) -> Result<HeaderValue, ServiceError> {
            Ok(HeaderValue::from_static("Negotiate made-up"))
        }
    }

    fn client(server: &MockServer) -> PyxisClient {
        PyxisClient::new(http(5), base(server, ""), 16)
    }

    async fn give(body: serde_json::Value) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(path(format!("/v1/images/nvr/{NVR}"))).respond_with(ok(body)).mount(&server).await;
        server
    }

    #[tokio::test]
    async fn records_are_judged_together_without_the_removed_ones() {
        let grade = |letter: &str| json!({"grade": letter, "start_date": "2026-01-01T00:00:00+00:00"});
        let server = give(json!({"data": [
            {"architecture": null, "freshness_grades": [grade("A")]},
            {"freshness_grades": [grade("B")], "deleted": false},
            {"architecture": "amd64", "freshness_grades": [grade("F")], "deleted": true},
            {"architecture": "s390x", "freshness_grades": null},
            {"architecture": "ppc64le", "freshness_grades": ""},
        ]}))
        .await;
        let found = client(&server).grades_of_build(&nvr()).await.unwrap();
        let shown: Vec<(String, Vec<String>)> = found
            .into_iter()
            .map(|one| (one.architecture, one.grades.into_iter().filter_map(|entry| entry.grade).collect()))
            .collect();
        let texts = |grades: &[&str]| grades.iter().map(|grade| (*grade).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            shown,
            [
                ("amd64".to_owned(), texts(&["A", "B"])),
                ("ppc64le".to_owned(), vec![]),
                ("s390x".to_owned(), vec![])
            ]
        );
        assert!(client(&give(json!({"data": null})).await).grades_of_build(&nvr()).await.unwrap().is_empty());
        let error = client(&give(json!({})).await).grades_of_build(&nvr()).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "no list is not an empty list");
    }

    #[tokio::test]
    async fn no_more_builds_are_asked_for_at_the_same_time_than_allowed() {
        let (url, most) = pairing_server(r#"{"data": []}"#).await;
        let client = PyxisClient::new(http(5), url, 2);
        let build = nvr();
        for found in join_all((0..6).map(|_| client.grades_of_build(&build))).await {
            assert!(found.unwrap().is_empty());
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    async fn behind_a_ticket() -> MockServer {
        let server = MockServer::start().await;
        Mock::given(header("authorization", "Negotiate made-up"))
            .respond_with(ok(json!({"data": []})))
            .mount(&server)
            .await;
        Mock::given(method("GET"))
            .respond_with(
                ResponseTemplate::new(401).insert_header("www-authenticate", "Negotiate, Basic realm=\"x\""),
            )
            .with_priority(9)
            .mount(&server)
            .await;
        server
    }

    #[tokio::test]
    async fn a_ticket_is_shown_when_it_is_asked_for_and_a_refusal_names_the_variables() {
        let server = behind_a_ticket().await;
        let client = client(&server);
        let error = client.grades_of_build(&nvr()).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unauthorized);
        for name in ["KRB5CCNAME", "OAR_ENDPOINT_PYXIS"] {
            assert!(error.to_string().contains(name), "{error}");
        }
        let client = client.signing_in(Arc::new(Ticket));
        for _ in 0..2 {
            assert!(client.grades_of_build(&nvr()).await.unwrap().is_empty());
        }
        // One without a ticket, refused; two for the first build, one for the second.
        assert_eq!(count(&server).await, 1 + 2 + 1);
    }

    #[test]
    fn a_ticket_goes_nowhere_in_the_clear() {
        for (base, expected) in [
            ("https://pyxis.example.test/", true),
            ("http://127.0.0.1:8765/pyxis", true),
            ("http://pyxis.example.test/", false),
        ] {
            assert_eq!(is_private(&base.parse().unwrap()), expected, "{base}");
        }
    }
}

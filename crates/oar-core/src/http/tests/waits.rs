//! Waits that the service asks for: honoured, and bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use jiff::Timestamp;
use url::Url;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::super::retry_after::asked_pause;
use super::support::{NOW, stack};
use crate::error::{ErrorClass, ServiceError, ServiceErrorKind};
use crate::http::{Authorize, Call, HttpSettings, Repeat, Reply};
use crate::permit::{Closed, Gate, WritePermit};
use crate::service::Service;

/// 2026-07-01T10:00:00Z.
const NOW_UNIX: i64 = 1_782_900_000;

const REMAINING: (&str, &str) = ("x-ratelimit-remaining", "0");

type Headers = Vec<(&'static str, String)>;
type FixedHeaders = &'static [(&'static str, &'static str)];

async fn server_with(status: u16, headers: &[(&str, String)], times: u64) -> MockServer {
    let server = MockServer::start().await;
    let mut template = ResponseTemplate::new(status);
    for (name, value) in headers {
        template = template.insert_header(*name, value.as_str());
    }
    Mock::given(method("POST")).respond_with(template).up_to_n_times(times).mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(201)).mount(&server).await;
    server
}

/// Answers with each of these once, and then well.
async fn answering(statuses: &[u16]) -> MockServer {
    let server = MockServer::start().await;
    for status in statuses {
        let answer = ResponseTemplate::new(*status);
        Mock::given(method("POST")).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(201)).mount(&server).await;
    server
}

fn post(server: &MockServer) -> Call {
    Call::new(Service::Slack, "post", Method::POST, server.uri().parse().unwrap())
}

#[tokio::test]
async fn a_refusal_that_names_a_wait_is_repeated_after_it_for_any_call() {
    let reset = (NOW_UNIX + 30).to_string();
    let cases: [(u16, Headers, u64); 6] = [
        (429, vec![("retry-after", "7".to_owned())], 7),
        (503, vec![("retry-after", "3".to_owned())], 3),
        (403, vec![("retry-after", "60".to_owned())], 60),
        (403, vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset.clone())], 31),
        (429, vec![("ratelimit-remaining", "0".to_owned()), ("ratelimit-reset", reset)], 31),
        (429, vec![("retry-after", "Wed, 01 Jul 2026 10:00:05 GMT".to_owned())], 5),
    ];
    for (status, headers, seconds) in cases {
        let server = server_with(status, &headers, 1).await;
        let (http, clock) = stack(HttpSettings::default());
        let reply = http.send(post(&server)).await.unwrap();
        assert_eq!(reply.status, StatusCode::CREATED, "{headers:?}");
        assert_eq!(clock.waits(), [Duration::from_secs(seconds)], "{headers:?}");
    }
}

#[tokio::test]
async fn a_write_that_a_gateway_may_have_passed_on_is_not_repeated_because_of_a_limit() {
    let reset = (NOW_UNIX + 30).to_string();
    let headers = [("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
    let server = server_with(503, &headers, 1).await;
    let (http, clock) = stack(HttpSettings::default());
    let reply = http.send(post(&server)).await.unwrap();
    assert_eq!(reply.failure_kind(), Some(ServiceErrorKind::Unclear));
    assert!(clock.waits().is_empty());
    // What is safe to repeat waits until the limit is over.
    let server = server_with(503, &headers, 1).await;
    let reply = http.send(post(&server).repeat(Repeat::Safe)).await.unwrap();
    assert_eq!((reply.status, clock.waits()), (StatusCode::CREATED, vec![Duration::from_secs(31)]));
}

#[tokio::test]
async fn too_many_requests_without_a_wait_is_repeated_with_growing_waits() {
    let server = server_with(429, &[], 2).await;
    let (http, clock) = stack(HttpSettings::default());
    assert_eq!(http.send(post(&server)).await.unwrap().status, StatusCode::CREATED);
    assert_eq!(clock.waits(), [Duration::from_millis(125), Duration::from_millis(250)]);
}

/// Open for the first attempts, and then no more.
#[derive(Debug)]
struct Closing(AtomicUsize);

#[async_trait]
impl Gate for Closing {
    async fn open(&self) -> Result<(), Closed> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let held = || Closed { class: ErrorClass::Blocked, text: "held".to_owned(), hint: None };
        left.map(drop).map_err(|_| held())
    }
}

#[tokio::test]
async fn a_permit_is_asked_before_each_attempt_of_a_write() {
    for (statuses, repeat, expected) in [
        (&[][..], Repeat::OnlyWhenRefused, ServiceErrorKind::Held),
        // While the request waits, somebody holds the release.
        (&[429], Repeat::OnlyWhenRefused, ServiceErrorKind::Held),
        (&[429], Repeat::Safe, ServiceErrorKind::Held),
        // An attempt before may have had its effect.
        (&[502], Repeat::Safe, ServiceErrorKind::Unavailable),
        (&[502, 429], Repeat::Safe, ServiceErrorKind::Unavailable),
        (&[429, 502], Repeat::Safe, ServiceErrorKind::Unavailable),
    ] {
        let server = answering(statuses).await;
        let (http, _) = stack(HttpSettings::default());
        let open = Closing(AtomicUsize::new(statuses.len()));
        let permit = WritePermit::granted_by_user_interface().behind(Arc::new(open));
        let outcome = http.send(post(&server).repeat(repeat).permitted(&permit)).await;
        let found = outcome.map_or_else(|error| Some(error.kind), |reply| reply.failure_kind());
        assert_eq!(found, Some(expected), "{statuses:?} {repeat:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), statuses.len(), "{statuses:?}");
        assert!(permit.refused().is_some());
    }
}

/// Gives so many authorizations, and then no more.
struct Expiring(AtomicUsize);

#[async_trait]
impl Authorize for Expiring {
    async fn authorization(&self, _: &Url) -> Result<HeaderValue, ServiceError> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let expired =
            |_| ServiceError::new(Service::Slack, "sign in", ServiceErrorKind::Unauthorized, "expired");
        left.map(|_| HeaderValue::from_static("x")).map_err(expired)
    }
}

#[tokio::test]
async fn an_authorization_that_ends_is_said_whatever_came_before() {
    let server = answering(&[503]).await;
    let (http, _) = stack(HttpSettings::default());
    let permit = WritePermit::granted_by_user_interface().behind(Arc::new(Closing(AtomicUsize::new(9))));
    let ticket = Arc::new(Expiring(AtomicUsize::new(1)));
    let call = post(&server).repeat(Repeat::Safe).permitted(&permit).authorize(ticket);
    assert_eq!(http.send(call).await.unwrap_err().kind, ServiceErrorKind::Unauthorized);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_after_the_last_moment_of_a_call() {
    let now: Timestamp = NOW.parse().unwrap();
    let second = jiff::SignedDuration::from_secs(1);
    for (last, sent, kind) in [
        (now - second, 0, ServiceErrorKind::Unavailable),
        // It is sent, but not repeated after the seven seconds that the service asks for.
        (now + second, 1, ServiceErrorKind::RateLimited),
    ] {
        let server = server_with(429, &[("retry-after", "7".to_owned())], 9).await;
        let (http, clock) = stack(HttpSettings::default());
        let outcome = http.send(post(&server).not_after(Some(last))).await;
        let found = outcome.map_or_else(|error| Some(error.kind), |reply| reply.failure_kind());
        assert_eq!(
            (found, server.received_requests().await.unwrap().len(), clock.waits().len()),
            (Some(kind), sent, 0)
        );
    }
}

#[tokio::test]
async fn a_wait_longer_than_allowed_ends_the_call_at_once() {
    for status in [429, 403] {
        let server = server_with(status, &[("retry-after", "91".to_owned())], 9).await;
        let (http, clock) = stack(HttpSettings::default());
        let reply = http.send(post(&server)).await.unwrap();
        assert_eq!(reply.failure_kind(), Some(ServiceErrorKind::RateLimited), "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
        assert!(clock.waits().is_empty());
    }
}

#[tokio::test]
async fn waiting_is_bounded_by_the_number_of_attempts() {
    let server = server_with(429, &[("retry-after", "90".to_owned())], 99).await;
    let (http, clock) = stack(HttpSettings::default());
    let reply = http.send(post(&server)).await.unwrap();
    assert_eq!(reply.failure_kind(), Some(ServiceErrorKind::RateLimited));
    assert_eq!(clock.waits().len(), 4);
}

#[tokio::test]
async fn a_plain_forbidden_stays_forbidden() {
    let headers =
        [("x-ratelimit-remaining", "10".to_owned()), ("x-ratelimit-reset", (NOW_UNIX + 5).to_string())];
    let server = server_with(403, &headers, 1).await;
    let (http, clock) = stack(HttpSettings::default());
    let reply = http.send(post(&server)).await.unwrap();
    assert_eq!(reply.failure_kind(), Some(ServiceErrorKind::Forbidden));
    assert!(clock.waits().is_empty());
}

#[test]
fn every_way_to_name_a_wait_is_understood_and_nonsense_is_not() {
    let now: Timestamp = NOW.parse().unwrap();
    assert_eq!(now.as_second(), NOW_UNIX);
    let cases: [(FixedHeaders, Option<u64>); 17] = [
        (&[], None),
        (&[("retry-after", "0")], Some(0)),
        (&[("retry-after", " 12 ")], Some(12)),
        (&[("retry-after", "Wed, 01 Jul 2026 10:01:00 GMT")], Some(60)),
        (&[("retry-after", "Wed, 01 Jul 2026 09:00:00 GMT")], Some(0)),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "-5")], None),
        (&[REMAINING, ("x-ratelimit-reset", "30")], Some(31)),
        (&[REMAINING, ("x-ratelimit-reset", "1782900010")], Some(11)),
        (&[REMAINING, ("x-ratelimit-reset", "1782800000")], Some(1)),
        (&[REMAINING, ("x-ratelimit-reset", "2026-07-01T10:00:20Z")], Some(21)),
        (&[REMAINING, ("x-ratelimit-reset", "2026-07-01T10:01Z")], Some(61)),
        (&[REMAINING, ("x-ratelimit-reset", "2026-07-01T12:00:20+02:00")], Some(21)),
        (&[("retry-after", "9"), REMAINING, ("x-ratelimit-reset", "2026-07-01T10:01:00Z")], Some(9)),
        (&[("beta-retry-after", "40"), ("x-ratelimit-remaining", "7")], None),
        (&[REMAINING, ("x-ratelimit-reset", "99999999999999999999")], None),
        (&[("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "30")], None),
    ];
    for (pairs, expected) in cases {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        assert_eq!(asked_pause(&headers, now), expected.map(Duration::from_secs), "{pairs:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_a_client_knows_is_waited_out_with_growing_waits() {
    let minute: fn(&Reply) -> Option<Duration> =
        |reply| (reply.status == StatusCode::FORBIDDEN).then_some(Duration::from_mins(1));
    for (refusals, waits) in [(1, &[60][..]), (2, &[60, 90]), (9, &[60, 90, 90, 90])] {
        let server = server_with(403, &[], refusals).await;
        let (http, clock) = stack(HttpSettings::default());
        let reply = http.send(post(&server).refusal_wait(minute)).await.unwrap();
        assert_eq!(reply.status == StatusCode::CREATED, refusals < 9, "{refusals}");
        let waited: Vec<u64> = clock.waits().iter().map(Duration::as_secs).collect();
        assert_eq!(waited, waits, "{refusals}");
    }
    // The wait in the answer takes precedence.
    let server = server_with(403, &[("retry-after", "7".to_owned())], 1).await;
    let (http, clock) = stack(HttpSettings::default());
    http.send(post(&server).refusal_wait(minute)).await.unwrap();
    assert_eq!(clock.waits(), [Duration::from_secs(7)]);
    // Longer than the limit.
    let server = server_with(403, &[], 1).await;
    let (http, clock) =
        stack(HttpSettings { longest_wait: Duration::from_secs(59), ..HttpSettings::default() });
    assert_eq!(http.send(post(&server).refusal_wait(minute)).await.unwrap().status, StatusCode::FORBIDDEN);
    assert!(clock.waits().is_empty());
}

//! What is repeated and what is not, and the text of errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderValue, Method, StatusCode};
use tokio::net::TcpListener;
use url::Url;
use wiremock::matchers::{header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::support::{Act, Server, stack, to_upgrade};
use crate::error::{Classified as _, ErrorClass, ServiceError, ServiceErrorKind};
use crate::http::{Authorize, Call, Http, HttpSettings, Repeat};
use crate::service::Service;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfine";

fn call(method: Method, url: &Url) -> Call {
    Call::new(Service::Jira, "try", method, url.clone()).about("thing 1").body("{}")
}

/// A stack with the default number of attempts and a [`NotingClock`](super::support::NotingClock).
fn quick() -> (Http, Arc<super::support::NotingClock>) {
    stack(HttpSettings { timeout: Duration::from_secs(10), ..HttpSettings::default() })
}

fn millis(waits: &[Duration]) -> Vec<u128> {
    waits.iter().map(Duration::as_millis).collect()
}

#[tokio::test]
async fn a_read_is_repeated_on_passing_server_errors_with_growing_waits() {
    for status in [408, 500, 502, 503, 504, 522] {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(2)
            .mount(&server)
            .await;
        Mock::given(method("GET")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let (http, clock) = quick();
        let reply = http.send(call(Method::GET, &server.uri().parse().unwrap())).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), 3, "{status}");
        assert_eq!(millis(&clock.waits()), [125, 250], "{status}");
    }
}

#[tokio::test]
async fn attempts_are_bounded_and_the_last_answer_is_returned() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(500)).mount(&server).await;
    let (http, clock) = quick();
    let reply = http.send(call(Method::GET, &server.uri().parse().unwrap())).await.unwrap();
    assert_eq!(reply.failure_kind(), Some(ServiceErrorKind::Unavailable));
    assert_eq!(server.received_requests().await.unwrap().len(), 5);
    assert_eq!(clock.waits().len(), 4);
}

#[tokio::test]
async fn what_the_service_refused_is_not_repeated() {
    for status in [400, 401, 403, 404, 409, 422, 501] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let (http, clock) = quick();
        let reply = http.send(call(Method::GET, &server.uri().parse().unwrap())).await.unwrap();
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "{status}");
        assert!(clock.waits().is_empty(), "{status}");
    }
}

#[tokio::test]
async fn a_write_is_not_repeated_on_a_server_error_and_says_that_it_may_have_acted() {
    for status in [500, 502, 503, 504] {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
        let (http, _) = quick();
        let reply = http.send(call(Method::POST, &server.uri().parse().unwrap())).await.unwrap();
        assert_eq!(reply.failure_kind(), Some(ServiceErrorKind::Unclear), "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_lost_answer_repeats_reads_and_safe_writes_but_never_other_writes() {
    for (method, repeat, expected) in [
        (Method::GET, Repeat::Safe, 2),
        (Method::PUT, Repeat::Safe, 2),
        (Method::PUT, Repeat::OnlyWhenRefused, 1),
        (Method::POST, Repeat::OnlyWhenRefused, 1),
        (Method::DELETE, Repeat::OnlyWhenRefused, 1),
    ] {
        let server = Server::start([Act::DropAfterReading, Act::Answer(OK)]).await;
        let (http, _) = quick();
        let outcome = http.send(call(method.clone(), &server.url).repeat(repeat)).await;
        assert_eq!(server.requests(), expected, "{method}");
        match outcome {
            Ok(reply) => assert_eq!((reply.status, repeat), (StatusCode::OK, Repeat::Safe)),
            Err(error) => {
                assert_eq!((error.kind, repeat), (ServiceErrorKind::Unclear, Repeat::OnlyWhenRefused));
            }
        }
    }
}

#[tokio::test]
async fn only_get_and_head_are_safe_without_being_told() {
    for (method, expected) in [(Method::GET, 5), (Method::HEAD, 5), (Method::PATCH, 1), (Method::PUT, 1)] {
        let server = Server::start([Act::DropAfterReading]).await;
        let (http, _) = quick();
        http.send(call(method.clone(), &server.url)).await.unwrap_err();
        assert_eq!(server.requests(), expected, "{method}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_repeated_for_any_call_because_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (http, clock) = quick();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    clock.at_first_wait(async move {
        let listener = TcpListener::bind(address).await.unwrap();
        sender.send(Server::on(listener, [Act::Answer(OK)])).ok().unwrap();
    });
    let url = format!("http://{address}/path").parse().unwrap();
    let reply = http.send(call(Method::POST, &url)).await.unwrap();
    assert_eq!(reply.text().unwrap(), "fine");
    assert_eq!(receiver.await.unwrap().requests(), 1);
}

#[tokio::test]
async fn a_host_that_never_listens_is_unavailable_after_all_attempts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let (http, clock) = quick();
    let error = http.send(call(Method::POST, &url)).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unavailable);
    assert_eq!(error.operation, "try");
    assert_eq!(error.subject.as_deref(), Some("thing 1"));
    assert!(error.detail.starts_with("no connection"), "{error}");
    assert_eq!(clock.waits().len(), 4);
}

#[tokio::test]
async fn a_time_out_leaves_open_whether_the_service_acted() {
    let head_only = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    for act in [Act::Hang, Act::AnswerAndHang(head_only)] {
        let server = Server::start([act]).await;
        let (http, _) = quick();
        let short = Duration::from_millis(150);
        let error = http.send(call(Method::POST, &server.url).timeout(short)).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unclear);
        let expected = format!("no answer from 127.0.0.1:{} within 0.15 s", server.url.port().unwrap());
        assert_eq!(error.detail, expected);
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn a_socket_that_is_not_opened_in_time_is_given_up() {
    let short = Duration::from_millis(150);
    for act in [Act::Hang, Act::AnswerAndHang("HTTP/1.1 101 Swit")] {
        let server = Server::start([act]).await;
        let (http, _) = quick();
        let error = http.upgrade(to_upgrade(server.url.as_str()).timeout(short)).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unavailable);
        let expected = format!("no answer from 127.0.0.1:{} within 0.15 s", server.url.port().unwrap());
        assert_eq!(error.detail, expected);
        assert_eq!(server.requests(), 1, "whoever opens sockets decides about the next attempt");
    }
}

#[tokio::test]
async fn a_read_never_acts_whatever_became_of_its_answer() {
    for act in [Act::Hang, Act::DropAfterReading] {
        for read in [|call: Call| call, |call: Call| call.read()] {
            let server = Server::start([act.clone()]).await;
            let (http, _) = quick();
            let method = if read(call(Method::POST, &server.url)).reads { Method::POST } else { Method::GET };
            let sent = read(call(method, &server.url)).timeout(Duration::from_millis(100));
            let error = http.send(sent).await.unwrap_err();
            assert_eq!(error.kind, ServiceErrorKind::Unavailable, "{error}");
            assert!(
                !error.to_string().contains("acted") && error.detail.ends_with("(5 attempts)"),
                "{error}"
            );
            assert_eq!(server.requests(), 5);
        }
    }
}

#[tokio::test]
async fn a_page_in_place_of_data_is_no_answer() {
    let page = "\u{feff} <!DOCTYPE html><html><title>Sign in</title></html>";
    for (sent, status, expected) in [
        (Method::GET, 200, Some(ServiceErrorKind::Malformed)),
        (Method::POST, 201, Some(ServiceErrorKind::Unclear)),
        (Method::GET, 407, Some(ServiceErrorKind::Unavailable)),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_string(page);
        Mock::given(method(sent.as_str())).respond_with(answer).expect(1).mount(&server).await;
        let settings = HttpSettings { attempts: 1, ..HttpSettings::default() };
        let (http, _) = stack(settings);
        let error = http.send(call(sent, &server.uri().parse().unwrap())).await.unwrap_err();
        assert_eq!(Some(error.kind), expected, "{error}");
        assert_eq!(error.class(), ErrorClass::Unavailable);
        let hint = error.hint().unwrap();
        assert!(hint.contains("OAR_ENDPOINT_JIRA") || hint.contains("HTTPS_PROXY"), "{hint}");
        assert!(error.detail.contains(&server.address().to_string()), "{error}");
    }
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string(page))
        .mount(&server)
        .await;
    let (http, _) = quick();
    let reply = http.send(call(Method::GET, &server.uri().parse().unwrap()).page()).await.unwrap();
    assert_eq!(reply.failure_kind(), None, "who asks for a page gets it");
}

#[tokio::test]
async fn a_page_that_says_not_found_proves_nothing_about_an_interface() {
    for (service, expected) in
        [(Service::Jira, ServiceErrorKind::Malformed), (Service::Mirror, ServiceErrorKind::NotFound)]
    {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(404).set_body_string("<html><h1>Not found</h1></html>");
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let (http, _) = quick();
        let reply = http.send(Call::get(service, "try", server.uri().parse().unwrap())).await.unwrap();
        assert_eq!(reply.failure_kind(), Some(expected), "{service}");
    }
}

#[tokio::test]
async fn a_redirection_is_an_answer_and_not_followed() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(
            ResponseTemplate::new(302).insert_header("location", "https://login.example.com/?token=s3cr3t"),
        )
        .expect(1)
        .mount(&server)
        .await;
    let (http, _) = quick();
    let reply = http.send(call(Method::GET, &server.uri().parse().unwrap())).await.unwrap();
    assert_eq!(reply.status, StatusCode::FOUND);
    assert_eq!(reply.failure_kind(), Some(ServiceErrorKind::Malformed), "a login page is no verdict");
    assert_eq!(reply.words(), "redirected to login.example.com");
    let error = reply.success(|_| "no explanation".to_owned()).unwrap_err();
    assert_eq!(
        (error.class(), error.detail.as_str()),
        (ErrorClass::Unavailable, "redirected to login.example.com")
    );
    assert!(error.hint().unwrap().contains("OAR_ENDPOINT_JIRA"), "{error}");
}

#[tokio::test]
async fn words_are_short_and_never_a_whole_page() {
    let long = "x".repeat(5000);
    let cut = format!("{}demo-lead@example.com", "x ".repeat(145));
    let cases = [
        ("  plain\nsecond line", "plain".to_owned()),
        ("<html><head><TITLE>\n 502  Bad Gateway</TITLE></head>", "HTML page: 502 Bad Gateway".to_owned()),
        ("<!DOCTYPE html><p>nothing", "an HTML page".to_owned()),
        ("<title>unfinished", "an HTML page".to_owned()),
        ("", String::new()),
        (long.as_str(), format!("{}…", "x".repeat(300))),
        // The end of the excerpt cuts the address in two.
        (cut.as_str(), format!("{}[EMAIL_RED…", "x ".repeat(145))),
    ];
    for (body, expected) in cases {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(400).set_body_string(body))
            .mount(&server)
            .await;
        let (http, _) = quick();
        let reply = http.send(call(Method::GET, &server.uri().parse().unwrap())).await.unwrap();
        assert_eq!(reply.words(), expected);
    }
}

/// Numbers its headers, so that each one differs.
struct Counting(AtomicUsize);

#[async_trait]
impl Authorize for Counting {
    async fn authorization(&self, _: &Url) -> Result<HeaderValue, ServiceError> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Ok(HeaderValue::try_from(format!("Once {number}")).unwrap())
    }
}

#[tokio::test]
async fn each_attempt_proves_itself_anew() {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "Once 0"))
        .respond_with(ResponseTemplate::new(503))
        .mount(&server)
        .await;
    Mock::given(header("authorization", "Once 1"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let (http, _) = quick();
    let authorize = Arc::new(Counting(AtomicUsize::new(0)));
    let reply =
        http.send(call(Method::GET, &server.uri().parse().unwrap()).authorize(authorize)).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK);
}

struct NoTicket;

#[async_trait]
impl Authorize for NoTicket {
    async fn authorization(&self, _: &Url) -> Result<HeaderValue, ServiceError> {
        Err(ServiceError::new(Service::Jira, "authenticate", ServiceErrorKind::Unavailable, "no KDC"))
    }
}

#[tokio::test]
async fn without_proof_nothing_is_sent_and_nothing_repeated() {
    let server = Server::start([Act::Answer(OK)]).await;
    let (http, clock) = quick();
    let error = http.send(call(Method::GET, &server.url).authorize(Arc::new(NoTicket))).await.unwrap_err();
    assert_eq!(error.operation, "try");
    assert_eq!(error.subject.as_deref(), Some("thing 1"));
    assert_eq!(error.detail, "no KDC");
    assert_eq!(server.requests(), 0);
    assert!(clock.waits().is_empty());
}

#[tokio::test]
async fn no_failure_repeats_the_query_or_a_header() {
    let dropping = Server::start([Act::DropAfterReading]).await;
    let garbage = Server::start([Act::Answer("HTTP/1.1 200 OK\r\nbad header\r\n\r\n")]).await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap()).parse::<Url>().unwrap()
    };
    for base in [&dropping.url, &garbage.url, &closed] {
        let mut url = base.clone();
        url.set_query(Some("email=planted-person%40example.com"));
        url.set_password(Some("planted-password")).unwrap();
        let (http, _) = quick();
        let mut token = HeaderValue::from_static("Bearer planted-token");
        token.set_sensitive(true);
        let error =
            http.send(call(Method::GET, &url).header(http::header::AUTHORIZATION, token)).await.unwrap_err();
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown = format!("{shown} {cause} {cause:?}");
            source = cause.source();
        }
        assert!(!shown.contains("planted"), "{shown}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_is_malformed_with_the_status() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string("{"))
        .mount(&server)
        .await;
    let (http, _) = quick();
    let reply = http.send(call(Method::GET, &server.uri().parse().unwrap())).await.unwrap();
    let error = reply.json::<serde_json::Value>().unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed);
    assert_eq!(error.status, Some(200));
}

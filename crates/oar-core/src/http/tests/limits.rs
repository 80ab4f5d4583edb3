//! The size of an answer and the number of requests per host.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use url::Url;

use super::support::{Act, Server, pairing_server, stack};
use crate::error::ServiceErrorKind;
use crate::http::{Call, HttpSettings};
use crate::service::Service;

fn get(url: &Url) -> Call {
    Call::get(Service::Jira, "read", url.clone())
}

#[tokio::test]
async fn an_answer_larger_than_the_limit_is_refused_with_and_without_its_length() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n123456789", false),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n4\r\n6789\r\n0\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n123456789", false),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 8\r\n\r\n12345678", true),
        (
            "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\n1234\r\n4\r\n5678\r\n0\r\n\r\n",
            true,
        ),
    ];
    for (answer, fits) in cases {
        let server = Server::start([Act::Answer(answer)]).await;
        let (http, clock) = stack(HttpSettings { body_limit: 8, ..HttpSettings::default() });
        match http.send(get(&server.url)).await {
            Ok(reply) => assert!(fits && reply.body == "12345678", "{answer}"),
            Err(error) => {
                assert!(!fits, "{answer}");
                assert_eq!(error.kind, ServiceErrorKind::Malformed);
                assert!(error.detail.contains("8 bytes"), "{error}");
            }
        }
        assert_eq!((server.requests(), clock.waits().len()), (1, 0), "a large answer stays large");
    }
}

#[tokio::test]
async fn each_host_has_its_own_budget_of_concurrent_requests() {
    let (one, most_at_one) = pairing_server("").await;
    let (other, most_at_other) = pairing_server("").await;
    let (http, _) = stack(HttpSettings { per_host: 2, ..HttpSettings::default() });
    let calls = (0..6).flat_map(|_| [&one, &other]).map(|url| http.send(get(url)));
    for outcome in join_all(calls).await {
        assert!(outcome.is_ok());
    }
    assert_eq!(most_at_one.load(Ordering::SeqCst), 2);
    assert_eq!(most_at_other.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_service_that_hangs_holds_up_no_other_on_its_host() {
    // A second request of the same service would wait for the first.
    let server =
        Server::start([Act::Hang, Act::Answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")]).await;
    let (http, _) = stack(HttpSettings { per_host: 1, ..HttpSettings::default() });
    let hanging = tokio::spawn({
        let (http, call) = (http.clone(), get(&server.url));
        async move { http.send(call).await }
    });
    while server.requests() == 0 {
        tokio::task::yield_now().await;
    }
    let other = Call::get(Service::Errata, "read", server.url.clone());
    assert_eq!(http.send(other).await.unwrap().body, "ok");
    hanging.abort();
}

//! Looks whether a host answers at all: its name, its certificate, the way to it, and its clock.

use std::time::Duration;

use jiff::SignedDuration;
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http};
use crate::service::Service;

/// A host that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The status of its answer.
    pub status: u16,
    /// How far the clock of this machine is ahead of the host's; `None` when the answer has no time.
    pub clock_ahead: Option<SignedDuration>,
}

/// Asks for the page at `address`. Every answer counts, except one that says that the service is out of order, or that a
/// proxy stands in between.
pub(super) async fn reach(http: &Http, service: Service, address: Url) -> Result<Reached, ServiceError> {
    const OPERATION: &str = "reach the host";
    let host = address.host_str().unwrap_or_default().to_owned();
    let call = Call::get(service, OPERATION, address).about(host.clone()).page().body_limit(BODY_LIMIT);
    let Ok(reply) = tokio::time::timeout(TIME_LIMIT, http.send(call)).await else {
        let words = format!("no answer within {} s", TIME_LIMIT.as_secs());
        return Err(ServiceError::new(service, OPERATION, ServiceErrorKind::Unavailable, words).about(host));
    };
    let reply = reply?;
    match reply.failure_kind() {
        Some(kind @ (ServiceErrorKind::Unavailable | ServiceErrorKind::RateLimited)) => {
            Err(reply.failure(kind, reply.words()))
        }
        _ => Ok(Reached { status: reply.status.as_u16(), clock_ahead: reply.clock_ahead() }),
    }
}

/// How long a host may take, repetitions included.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The largest page that is read, in bytes; indexes of mirrors are long.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use wiremock::matchers::method;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::http;

    async fn answer(template: ResponseTemplate) -> Result<Reached, ServiceError> {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(template).mount(&server).await;
        reach(&http(1), Service::Mirror, server.uri().parse().unwrap()).await
    }

    #[tokio::test]
    async fn every_answer_of_the_service_itself_counts() {
        for status in [200, 301, 401, 403, 404, 405] {
            let page = ResponseTemplate::new(status).set_body_raw("<html></html>", "text/html");
            assert_eq!(answer(page).await.unwrap().status, status);
        }
    }

    #[tokio::test]
    async fn a_service_that_is_out_of_order_and_a_proxy_do_not_count() {
        for status in [407, 500, 503] {
            let error = answer(ResponseTemplate::new(status)).await.unwrap_err();
            assert_eq!(error.kind, ServiceErrorKind::Unavailable, "{status}");
        }
    }

    #[tokio::test]
    async fn the_difference_of_the_clocks_is_that_of_the_answer() {
        let page = ResponseTemplate::new(200).insert_header("date", "Thu, 01 Jan 2026 00:00:00 GMT");
        assert!(answer(page).await.unwrap().clock_ahead.is_some());
        let page = ResponseTemplate::new(200).insert_header("date", "yesterday");
        assert_eq!(answer(page).await.unwrap().clock_ahead, None);
        let page = ResponseTemplate::new(200)
            .insert_header("date", "Thu, 01 Jan 2026 00:00:00 GMT")
            .insert_header("age", "3600");
        assert_eq!(answer(page).await.unwrap().clock_ahead, None, "a cache answered, with an older time");
    }
}

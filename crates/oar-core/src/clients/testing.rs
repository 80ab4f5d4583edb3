//! Set-up of the clients' tests: an HTTP stack that records its waits instead of waiting, and answers of a
//! service.

use async_trait::async_trait;
use http::HeaderValue;
use serde::Serialize;
use url::Url;
use wiremock::{MockServer, ResponseTemplate};

use crate::error::ServiceError;
use crate::http::tests::support::stack;
use crate::http::{Authorize, Http, HttpSettings};
use crate::permit::WritePermit;

/// Stands for the Kerberos token.
pub(crate) struct Token;

#[async_trait]
impl Authorize for Token {
    async fn authorization(&self, _: &Url) -> Result<HeaderValue, ServiceError> {
        Ok(HeaderValue::from_static("Negotiate dG9rZW4="))
    }
}

/// A stack that sends a request at most `attempts` times.
pub(crate) fn http(attempts: usize) -> Http {
    stack(HttpSettings { attempts, ..HttpSettings::default() }).0
}

/// The address of `server` with a path prefix, such as `/jira`.
pub(crate) fn base(server: &MockServer, prefix: &str) -> Url {
    format!("{}{prefix}", server.uri()).parse().unwrap()
}

/// The permit that a user interface would grant.
pub(crate) fn permit() -> WritePermit {
    WritePermit::granted_by_user_interface()
}

/// A 200 answer with this JSON document.
pub(crate) fn ok(body: impl Serialize) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// How many requests the server got.
pub(crate) async fn count(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

/// Waits until every process of the file has ended; an ended one that nobody has waited for yet counts as such.
pub(crate) fn assert_gone(pids: &std::path::Path, count: usize) {
    let is_alive = |pid: &str| {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = state.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
        !matches!(state, None | Some(None | Some('Z' | 'X')))
    };
    let text = std::fs::read_to_string(pids).unwrap();
    assert_eq!(text.lines().count(), count);
    for pid in text.lines() {
        for _ in 0..1000 {
            if !is_alive(pid) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!is_alive(pid), "process {pid} is still there");
    }
}

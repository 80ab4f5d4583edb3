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

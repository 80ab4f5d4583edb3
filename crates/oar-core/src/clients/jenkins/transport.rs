//! Credentials, crumbs and refusals of Jenkins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use http::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::JenkinsClient;
use crate::config::endpoints::join_segments;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Reply};
use crate::service::Service;

/// What Jenkins wants to see on a write: a header, and the session that it belongs to.
#[derive(Clone)]
pub(super) struct Crumb {
    headers: HeaderMap,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CrumbAnswer {
    crumb: String,
    crumb_request_field: String,
}

impl JenkinsClient {
    pub(super) fn call(
        &self,
        method: Method,
        operation: &'static str,
        url: Url,
        subject: String,
    ) -> Result<Call, ServiceError> {
        let secret = format!("{}:{}", self.user.expose_secret().trim(), self.token.expose_secret().trim());
        let mut value =
            HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(secret))).map_err(|_| {
                ServiceError::new(
                    Service::Jenkins,
                    operation,
                    ServiceErrorKind::Unauthorized,
                    "JENKINS_USER or JENKINS_TOKEN cannot be sent",
                )
            })?;
        value.set_sensitive(true);
        Ok(Call::new(Service::Jenkins, operation, method, url).about(subject).header(AUTHORIZATION, value))
    }

    pub(super) async fn send(&self, call: Call) -> Result<Reply, ServiceError> {
        let crumb = self.crumb.lock().await.clone();
        let call = match crumb {
            Some(crumb) => call.headers(crumb.headers),
            None => call,
        };
        self.http.send(call).await
    }

    /// Reads one document; `None` for 404.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        url: Url,
        subject: String,
    ) -> Result<Option<T>, ServiceError> {
        let reply = self.send(self.call(Method::GET, operation, url, subject)?).await?;
        match reply.failure_kind() {
            None if reply.status == StatusCode::OK => reply.json().map(Some),
            None => Err(reply.failure(ServiceErrorKind::Malformed, "a status that Jenkins does not use")),
            Some(ServiceErrorKind::NotFound) => Ok(None),
            Some(kind) => Err(refusal(&reply, kind)),
        }
    }

    /// The crumb of this session; `None` when this Jenkins has none.
    pub(super) async fn fetch_crumb(&self) -> Result<Option<Crumb>, ServiceError> {
        const OPERATION: &str = "ask for a crumb";
        let url = join_segments(&self.base, ["crumbIssuer", "api", "json"]);
        let reply =
            self.http.send(self.call(Method::GET, OPERATION, url, "crumb issuer".to_owned())?).await?;
        match reply.failure_kind() {
            None => {}
            Some(ServiceErrorKind::NotFound) => return Ok(None),
            Some(kind) => return Err(refusal(&reply, kind)),
        }
        let answer: CrumbAnswer = reply.json()?;
        let bad = || reply.failure(ServiceErrorKind::Malformed, "the crumb cannot be sent back");
        let name = HeaderName::from_bytes(answer.crumb_request_field.as_bytes()).map_err(|_| bad())?;
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(&answer.crumb).map_err(|_| bad())?);
        let cookies: Vec<&str> = reply
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next())
            .collect();
        if !cookies.is_empty() {
            let mut value = HeaderValue::from_str(&cookies.join("; ")).map_err(|_| bad())?;
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
        Ok(Some(Crumb { headers }))
    }

    pub(super) fn absent(&self, operation: &'static str, subject: &str) -> ServiceError {
        let place = self.base.host_str().unwrap_or_default();
        ServiceError::new(Service::Jenkins, operation, ServiceErrorKind::NotFound, format!("not at {place}"))
            .about(subject)
            .with_hint(
                "Check the name of the job and whether JENKINS_USER may see it; Jenkins hides the rest.",
            )
    }
}

/// Whether Jenkins refused a write only because it came without a valid crumb.
pub(super) fn wants_crumb(reply: &Reply) -> bool {
    reply.status == StatusCode::FORBIDDEN && String::from_utf8_lossy(&reply.body).contains("No valid crumb")
}

/// The failure that an answer stands for.
pub(super) fn refusal(reply: &Reply, kind: ServiceErrorKind) -> ServiceError {
    let failure = reply.failure(kind, reply.words());
    match kind {
        ServiceErrorKind::Unauthorized => failure
            .with_hint("JENKINS_USER or JENKINS_TOKEN is wrong: make a new API token on the user's page."),
        ServiceErrorKind::Forbidden => {
            failure.with_hint("The user of JENKINS_TOKEN lacks this right on the job; ask for `Job/Build`.")
        }
        ServiceErrorKind::NotFound => failure.with_hint(
            "Check the name of the job and whether JENKINS_USER may see it; Jenkins hides the rest.",
        ),
        _ => failure,
    }
}

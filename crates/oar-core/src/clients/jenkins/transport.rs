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
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Reply, join_segments};
use crate::ids::JobPath;
use crate::service::Service;

/// The header that Jenkins demands on a write, and the session that it belongs to.
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

    /// Reads one document; `None` for 404, which Jenkins also answers for what the user may not see.
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
            Some(_) if reply.status.is_redirection() => Err(sign_in(&reply)),
            // Jenkins never refuses a read with these: something else, such as a proxy, answered, and nothing
            // is known.
            Some(ServiceErrorKind::Rejected | ServiceErrorKind::Conflict) => {
                Err(reply.failure(ServiceErrorKind::Malformed, reply.words()))
            }
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

    /// The error for a job (or the queue) that Jenkins does not show. It does not prove absence: a user
    /// without the right to see it gets the same answer (spec 03 §7.2).
    pub(super) fn absent(&self, operation: &'static str, subject: &str) -> ServiceError {
        let place = self.base.host_str().unwrap_or_default();
        let words = format!("{place} shows nothing of this name to JENKINS_USER");
        ServiceError::new(Service::Jenkins, operation, ServiceErrorKind::Forbidden, words)
            .about(subject)
            .with_status(StatusCode::NOT_FOUND.as_u16())
            .with_hint(HIDDEN)
    }

    /// The error for an answer that is JSON but not from Jenkins.
    pub(super) fn malformed(&self, operation: &'static str, subject: &str, words: &str) -> ServiceError {
        let words = self.http.redactor().redact(words).chars().take(300).collect::<String>();
        ServiceError::new(Service::Jenkins, operation, ServiceErrorKind::Malformed, words).about(subject)
    }
}

const HIDDEN: &str =
    "Check the name of the job and whether JENKINS_USER may see it: Jenkins hides what a user may not see.";

/// Whether Jenkins refused a write only because it came without a valid crumb.
pub(super) fn wants_crumb(reply: &Reply) -> bool {
    reply.status == StatusCode::FORBIDDEN && body_says(reply, "No valid crumb")
}

fn body_says(reply: &Reply, words: &str) -> bool {
    String::from_utf8_lossy(&reply.body).contains(words)
}

/// The error for a redirection instead of a document: to a sign-in page, or because the configured address is
/// not Jenkins' own.
fn sign_in(reply: &Reply) -> ServiceError {
    reply.failure(ServiceErrorKind::Unauthorized, reply.words()).with_hint(
        "A sign-in page may be in front of Jenkins, or its address has changed: check jenkins_server in the configuration \
         (https, no redirection), JENKINS_USER and JENKINS_TOKEN.",
    )
}

/// The error for a trigger answered with a redirection that names no queue item.
pub(super) fn redirected(reply: &Reply, job: &JobPath, location: &str) -> ServiceError {
    if job.is_at(location) {
        // A plug-in vetoed the item (spec 03 §7.2).
        return reply
            .failure(ServiceErrorKind::Rejected, "Jenkins' queue did not take the build: nothing is queued")
            .with_hint(
                "A plug-in of Jenkins vetoed the build: ask the owners of the job, then run the same command again.",
            );
    }
    sign_in(reply)
}

/// The error for an answer to a trigger.
pub(super) fn trigger_refusal(reply: &Reply, kind: ServiceErrorKind) -> ServiceError {
    let starting = ["Jenkins is getting ready to work", "Jenkins is restarting"];
    match (reply.status, kind) {
        // Not a conflict with another run: the job is disabled or cannot be built.
        (StatusCode::CONFLICT, _) => reply
            .failure(ServiceErrorKind::Rejected, reply.words())
            .with_hint("The job is disabled in Jenkins: ask its owners to enable it, then run the same command again."),
        (StatusCode::BAD_REQUEST, _) => reply
            .failure(ServiceErrorKind::Rejected, reply.words())
            .with_hint("The job takes no parameters: check jobs.stage-testing of the configuration."),
        (StatusCode::SERVICE_UNAVAILABLE, _) if starting.iter().any(|words| body_says(reply, words)) => {
            reply.failure(ServiceErrorKind::Unavailable, reply.words())
        }
        (StatusCode::INTERNAL_SERVER_ERROR, _) => reply.failure(kind, reply.words()).with_hint(
            "Run the same command again: it looks for the build first. When Jenkins answers so each time, the job may \
             not accept a value (a choice that it does not list) or takes no parameters.",
        ),
        // Not found, or hidden from this user.
        (StatusCode::NOT_FOUND, _) => reply.failure(ServiceErrorKind::Forbidden, reply.words()).with_hint(HIDDEN),
        _ => refusal(reply, kind),
    }
}

/// The error for an answer.
pub(super) fn refusal(reply: &Reply, kind: ServiceErrorKind) -> ServiceError {
    let failure = reply.failure(kind, reply.words());
    match kind {
        ServiceErrorKind::Unauthorized => failure
            .with_hint("JENKINS_USER or JENKINS_TOKEN is wrong: make a new API token on the user's page."),
        ServiceErrorKind::Forbidden => failure.with_hint(
            "The user of JENKINS_TOKEN lacks this right on the job, or no credentials arrived: ask for `Job/Build` and \
             `Job/Read`.",
        ),
        _ => failure,
    }
}

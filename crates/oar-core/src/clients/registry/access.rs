//! Authorization of requests: what the registry demands, and the login that the user has for it.
//!
//! The first request to a repository finds out what the registry demands; concurrent requests wait for its result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

use super::RegistryClient;
use super::auth::{Challenge, TokenAnswer};
use super::logins::Login;
use super::reply::refusal;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Reply};
use crate::ids::PullSpec;
use crate::service::Service;

/// What our token requests call this program.
const CLIENT: &str = "release-tests";
/// How long requests get the error of a token service that could not be asked, before one asks it again. It is shorter
/// than the pauses of those who look repeatedly.
const FAILURE_HOLDS: SignedDuration = SignedDuration::from_secs(20);

/// The authorization for requests to one repository.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    header: HeaderValue,
    /// Values that no error may show, even when a service returns them.
    secrets: Vec<SecretString>,
}

impl Grant {
    fn new(scheme: &str, credentials: &str, secrets: Vec<SecretString>) -> Result<Self, ServiceError> {
        let mut header = HeaderValue::from_str(&format!("{scheme} {credentials}")).map_err(|_| {
            ServiceError::new(
                Service::Registry,
                "sign in",
                ServiceErrorKind::Malformed,
                "the token contains characters that are not allowed in a header",
            )
        })?;
        header.set_sensitive(true);
        Ok(Self { header, secrets })
    }

    fn bearer(token: &SecretString, mut secrets: Vec<SecretString>) -> Result<Self, ServiceError> {
        secrets.push(token.clone());
        Self::new("Bearer", token.expose_secret(), secrets)
    }
}

/// What is known about access to one repository.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Whether a request was sent there.
    asked: bool,
    grant: Option<Grant>,
    /// A new grant was refused, or cannot be made: it is not tried again.
    refused: bool,
    /// When the token service could not be asked, and why.
    failed: Option<(Timestamp, ServiceError)>,
    /// Why there is no grant, or only an anonymous one.
    problem: Option<String>,
}

impl Access {
    /// Remembers why signing in failed: a refusal for good, anything else for a while.
    fn note(&mut self, error: &ServiceError, now: Timestamp) {
        match error.kind {
            ServiceErrorKind::Unauthorized | ServiceErrorKind::Forbidden | ServiceErrorKind::Rejected => {
                self.refused = true;
                self.problem = Some(format!("signing in failed: {error}"));
            }
            _ => self.failed = Some((now, again(error))),
        }
    }

    /// The failure of another request that is so recent that it is this one's as well: requests that wait for each other
    /// do not each wait for the token service.
    fn recent_failure(&self, now: Timestamp) -> Option<ServiceError> {
        let (at, error) = self.failed.as_ref()?;
        (now.duration_since(*at).abs() < FAILURE_HOLDS).then(|| again(error))
    }
}

/// The same failure once more, without its cause.
fn again(error: &ServiceError) -> ServiceError {
    ServiceError {
        service: error.service,
        operation: error.operation,
        subject: error.subject.clone(),
        kind: error.kind,
        status: error.status,
        read: error.read,
        detail: error.detail.clone(),
        hint: error.hint.clone(),
        source: None,
    }
}

/// Access to all repositories, by registry and repository.
#[derive(Default)]
pub(super) struct Accesses(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Access>>>>);

impl Accesses {
    fn of(&self, key: String) -> Arc<tokio::sync::Mutex<Access>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(key).or_default())
    }
}

/// An answer, and the grant with which it was requested.
pub(super) struct Answered {
    pub(super) reply: Reply,
    pub(super) grant: Option<Grant>,
    problem: Option<String>,
}

impl Answered {
    /// Values that no error about this answer may show.
    pub(super) fn secrets(&self) -> &[SecretString] {
        self.grant.as_ref().map(|grant| grant.secrets.as_slice()).unwrap_or_default()
    }

    /// Adds the next step to an error about this answer after a refusal.
    pub(super) fn explain(&self, mut error: ServiceError, registry: &str) -> ServiceError {
        if matches!(error.kind, ServiceErrorKind::Unauthorized | ServiceErrorKind::Forbidden) {
            if let Some(problem) = &self.problem {
                error.detail = format!("{} ({problem})", error.detail);
            }
            error.hint.get_or_insert_with(|| log_in(registry));
        }
        error
    }
}

fn log_in(registry: &str) -> String {
    format!(
        "Log in with `podman login {registry}`, or name a file with a login for it in REGISTRY_AUTH_FILE. The login must \
         be allowed to pull the image. Registries answer the same for a repository that does not exist."
    )
}

/// `call` with the authorization, if there is one.
pub(super) fn with(call: Call, grant: Option<&Grant>) -> Call {
    match grant {
        Some(grant) => call.header(AUTHORIZATION, grant.header.clone()),
        None => call,
    }
}

impl RegistryClient {
    /// Sends a read to the registry of `spec`, with authorization when the registry demands it.
    pub(super) async fn send_authorized(
        &self,
        spec: &PullSpec,
        call: &Call,
    ) -> Result<Answered, ServiceError> {
        let access = self.accesses.of(format!("{}/{}", spec.registry(), spec.repository()));
        let mut known = access.lock().await;
        let first = !std::mem::replace(&mut known.asked, true);
        let (used, problem) = (known.grant.clone(), known.problem.clone());
        // Only the first request keeps the lock while it is sent.
        let held = if first {
            Some(known)
        } else {
            drop(known);
            None
        };
        let reply = self.http.send(with(call.clone(), used.as_ref())).await?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(Answered { reply, grant: used, problem });
        }
        let mut known = match held {
            Some(known) => known,
            None => access.lock().await,
        };
        let unchanged = match (&known.grant, &used) {
            (Some(now), Some(used)) => now.header == used.header,
            (None, None) => true,
            _ => false,
        };
        if unchanged && !known.refused {
            if let Some(error) = known.recent_failure(self.http.clock().now()) {
                return Err(error);
            }
            let made = self.grant(spec, &reply, call).await;
            let (grant, problem) = made.inspect_err(|error| known.note(error, self.http.clock().now()))?;
            known.failed = None;
            known.problem = problem;
            let Some(grant) = grant else {
                // A 401 without a challenge is not the registry's own; the next request may get one.
                known.refused = reply.headers.contains_key(WWW_AUTHENTICATE);
                return Ok(Answered { reply, grant: None, problem: known.problem.clone() });
            };
            let reply = self.http.send(with(call.clone(), Some(&grant))).await?;
            known.refused = reply.status == StatusCode::UNAUTHORIZED;
            known.grant = Some(grant.clone());
            return Ok(Answered { reply, grant: Some(grant), problem: known.problem.clone() });
        }
        let (grant, problem, refused) = (known.grant.clone(), known.problem.clone(), known.refused);
        drop(known);
        if unchanged || refused {
            return Ok(Answered { reply, grant, problem });
        }
        // Another request got a new grant in the meantime.
        let reply = self.http.send(with(call.clone(), grant.as_ref())).await?;
        Ok(Answered { reply, grant, problem })
    }

    /// The grant that the registry demands; `None` when it cannot be made. The second value says why the user's login
    /// could not be read: public images can be read without it.
    async fn grant(
        &self,
        spec: &PullSpec,
        reply: &Reply,
        call: &Call,
    ) -> Result<(Option<Grant>, Option<String>), ServiceError> {
        let authority = self.authority(spec);
        // A credential helper may take some seconds, and ends within its limit.
        let _under_way = self.http.activity().begin();
        let (login, problem) = match self.logins.find(&authority, spec.repository()).await {
            Ok(login) => (login, None),
            Err(problem) => {
                self.logins.warn(&authority, &problem);
                (None, Some(format!("your login could not be read: {problem}")))
            }
        };
        let challenge = Challenge::of(&reply.headers).map(|challenge| challenge.reading(spec.repository()));
        let grant = match (challenge, login) {
            (Some(challenge), login) => Some(self.token(&challenge, call, login.as_ref(), &authority).await?),
            (None, Some(Login::Password { user, password })) if Challenge::is_basic(&reply.headers) => {
                Some(Grant::new("Basic", &basic(&user, &password), vec![password])?)
            }
            (None, _) => None,
        };
        Ok((grant, problem))
    }

    /// Requests a token from the token service of the challenge, with the login or anonymously.
    async fn token(
        &self,
        challenge: &Challenge,
        call: &Call,
        login: Option<&Login>,
        registry: &str,
    ) -> Result<Grant, ServiceError> {
        let operation = if login.is_some() { "sign in" } else { "get an anonymous token" };
        let fail = |detail: String| {
            ServiceError::new(Service::Registry, operation, ServiceErrorKind::Malformed, detail)
        };
        let mut url = challenge.token_url(call.url()).map_err(fail)?;
        let (request, secrets) = match login {
            None => (Call::get(Service::Registry, operation, url), Vec::new()),
            Some(Login::Password { user, password }) => {
                let account = Grant::new("Basic", &basic(user, password), Vec::new())?;
                let request = Call::get(Service::Registry, operation, url);
                (with(request, Some(&account)), vec![password.clone()])
            }
            Some(Login::Identity(token)) => {
                // Service and scope stand in the form (distribution/distribution, docs/content/spec/auth/oauth.md).
                url.set_query(None);
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT);
                for (name, value) in [("service", &challenge.service), ("scope", &challenge.scope)] {
                    if let Some(value) = value {
                        form.append_pair(name, value);
                    }
                }
                form.append_pair("refresh_token", token.expose_secret());
                let request = Call::new(Service::Registry, operation, Method::POST, url)
                    .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
                    .body(form.finish())
                    // A second token does no harm.
                    .read();
                (request, vec![token.clone()])
            }
        };
        let answered = self.http.send(request).await?;
        let reply = answered.success(|reply| refusal(reply, &secrets)).map_err(|mut error| {
            if matches!(error.kind, ServiceErrorKind::Unauthorized | ServiceErrorKind::Forbidden) {
                error.hint.get_or_insert_with(|| log_in(registry));
            }
            error
        })?;
        // The answer contains the token, so no error may show it.
        let answer: TokenAnswer = serde_json::from_slice(&reply.body)
            .map_err(|_| reply.failure(ServiceErrorKind::Malformed, "not the JSON that was expected"))?;
        let token = answer
            .into_token()
            .ok_or_else(|| reply.failure(ServiceErrorKind::Malformed, "the answer contains no token"))?;
        Grant::bearer(&token, secrets)
    }

    /// The host and port to which requests for `spec` are sent. A login for another host is never sent there.
    fn authority(&self, spec: &PullSpec) -> String {
        let Some(base) = &self.replacement else { return spec.registry().to_owned() };
        let host = base.host_str().unwrap_or_default();
        base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

/// The value of basic authentication (RFC 7617).
fn basic(user: &str, password: &SecretString) -> String {
    STANDARD.encode(format!("{user}:{}", password.expose_secret()))
}

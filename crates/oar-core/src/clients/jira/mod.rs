//! Jira Cloud: issues, subtasks, accounts, assignment, transitions, comments (spec 02 §5).
//!
//! `gouqi` builds the URLs, writes the credentials and decodes the answers; the requests go through
//! [`crate::http::Http`] with its retries, limits and redaction. `gouqi`'s `prepare_json_body` is not used
//! because it logs the whole body.

mod accounts;
mod bug;
mod changelog;
mod comments;
mod create;
mod edit;
mod error;
mod fetch;
mod links;
mod model;
mod permissions;
mod properties;
mod search;
mod spacing;
mod transitions;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gouqi::{ClientCore, Credentials};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;
use url::form_urlencoded::Serializer;

pub use crate::ids::{InvalidIssueKey, IssueKey};
pub use bug::{Bug, QaContact};
pub use changelog::{FieldChange, StatusChange};
pub use comments::Comment;
pub use create::NewIssue;
pub use edit::LabelChange;
pub use error::JiraError;
pub use fetch::IssueSet;
pub use links::FieldName;
pub use model::{Account, AccountId, Issue, IssueId, Subtask, Transition, TransitionTarget};

pub(super) use self::spacing::WriteSpacing;
use crate::clients::Effect;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Repeat, Reply};
use crate::permit::WritePermit;
use crate::service::Service;

const BAD_TOKEN_HINT: &str = "Check JIRA_USERNAME and JIRA_TOKEN: the token may be expired or revoked; make a new one \
    at https://id.atlassian.com/manage-profile/security/api-tokens.";

/// The client of one Jira Cloud site, for one user.
#[derive(Clone)]
pub struct JiraClient {
    http: Http,
    core: Arc<ClientCore>,
    authorization: HeaderValue,
    /// Whether the credentials are valid, as reading the own account showed.
    credentials_good: Arc<OnceCell<bool>>,
    /// The seconds by which this machine's clock was ahead of Jira's at the last answer; 0 until one says it.
    seconds_ahead: Arc<AtomicI64>,
    writes: Arc<WriteSpacing>,
}

impl JiraClient {
    /// A client of the site at `base`, which may carry a path prefix, with the user's address and API token.
    pub fn new(
        http: Http,
        base: Url,
        username: &SecretString,
        token: &SecretString,
    ) -> Result<Self, ServiceError> {
        let base = crate::http::as_folder(base);
        let invalid = |error: &dyn std::fmt::Display| {
            ServiceError::new(
                Service::Jira,
                "set up the client",
                ServiceErrorKind::MissingCredential,
                error.to_string(),
            )
            .with_hint(BAD_TOKEN_HINT)
        };
        let credentials =
            Credentials::Basic(username.expose_secret().to_owned(), token.expose_secret().to_owned());
        let speaker = ClientCore::new(base.as_str(), credentials).map_err(|error| invalid(&error))?;
        let request = speaker
            .apply_credentials_async(http.builder(Method::GET, base.clone()))
            .build()
            .map_err(|error| invalid(&error.without_url()))?;
        let mut authorization = request
            .headers()
            .get(AUTHORIZATION)
            .cloned()
            .ok_or_else(|| invalid(&"the user name or token cannot be sent"))?;
        authorization.set_sensitive(true);
        // The stored core has no credentials, because its `Debug` would print them.
        let core = ClientCore::new(base.as_str(), Credentials::Anonymous).map_err(|error| invalid(&error))?;
        Ok(Self {
            http,
            core: Arc::new(core),
            authorization,
            credentials_good: Arc::default(),
            seconds_ahead: Arc::default(),
            writes: Arc::default(),
        })
    }

    /// The same, whose writes take turns with those of all other clients with this spacing.
    pub(super) fn spaced_by(self, writes: Arc<WriteSpacing>) -> Self {
        Self { writes, ..self }
    }

    /// How far the clock of this machine was ahead of Jira's at the last answer that had a time; negative when it was behind.
    pub fn clock_ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.seconds_ahead.load(Ordering::Relaxed))
    }

    /// The account that the credentials belong to.
    pub async fn myself(&self) -> Result<Account, ServiceError> {
        let call = self.call("read the own account", Method::GET, "/myself")?;
        let reply = self.exchange(call).await?;
        self.decode(&reply)
    }

    /// The issue with the named fields only.
    pub async fn issue(&self, key: &IssueKey, fields: &[&str]) -> Result<Issue, ServiceError> {
        let query = Serializer::new(String::new()).append_pair("fields", &fields.join(",")).finish();
        let call = self.call("read issue", Method::GET, &format!("/issue/{key}?{query}"))?;
        let reply = self.send(call.about(key.as_str())).await?;
        self.decode(&reply)
    }

    /// The subtasks of `parent` with title and status, in one request.
    pub async fn subtasks(&self, parent: &IssueKey) -> Result<Vec<Subtask>, ServiceError> {
        let query = Serializer::new(String::new()).append_pair("fields", "subtasks").finish();
        let call = self.call("read subtasks", Method::GET, &format!("/issue/{parent}?{query}"))?;
        let reply = self.send(call.about(parent.as_str())).await?;
        let issue: Issue = self.decode(&reply)?;
        issue.subtasks().map_err(|detail| reply.failure(ServiceErrorKind::Malformed, detail))
    }

    /// Assigns the issue to `account` unless it is already (one or two requests).
    pub async fn assign(
        &self,
        key: &IssueKey,
        account: &AccountId,
        permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        let issue = self.issue(key, &["assignee"]).await?;
        self.assign_issue(&issue, account, permit).await
    }

    /// Assigns an issue that was just read with its `assignee` (no request when it is already assigned).
    pub async fn assign_issue(
        &self,
        issue: &Issue,
        account: &AccountId,
        permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        if issue.assignee().is_some_and(|assignee| assignee.id == *account) {
            return Ok(Effect::AlreadySo);
        }
        let path = format!("/issue/{}/assignee", issue.key);
        let call = self
            .call("assign issue", Method::PUT, &path)?
            .about(issue.key.as_str())
            .body(body(&json!({ "accountId": account.as_str() })))
            // Setting the assignee has the same effect however often it is sent.
            .repeat(Repeat::Safe)
            .permitted(permit);
        let reply = self.send(call).await?;
        if reply.status == StatusCode::NO_CONTENT {
            return Ok(Effect::Changed);
        }
        // Another success, such as a gateway's page: only reading the issue shows the result.
        let now = self.issue(&issue.key, &["assignee"]).await?;
        if now.assignee().is_some_and(|assignee| assignee.id == *account) {
            return Ok(Effect::Changed);
        }
        Err(unexpected(&reply))
    }

    /// Adds a comment in wiki markup and returns its id. Never repeated after an unclear answer: people are
    /// notified of comments, and a second one cannot be taken back.
    pub async fn add_comment(
        &self,
        key: &IssueKey,
        text: &str,
        permit: &WritePermit,
    ) -> Result<String, ServiceError> {
        self.add_comment_before(key, text, None, permit).await
    }

    /// The same; nothing is sent after `not_after`.
    pub async fn add_comment_before(
        &self,
        key: &IssueKey,
        text: &str,
        not_after: Option<Timestamp>,
        permit: &WritePermit,
    ) -> Result<String, ServiceError> {
        #[derive(Deserialize)]
        struct Created {
            id: String,
        }
        let call = self
            .call("add comment", Method::POST, &format!("/issue/{key}/comment"))?
            .about(key.as_str())
            .not_after(not_after)
            .body(body(&json!({ "body": text })))
            .permitted(permit);
        let reply = self.send(call).await?;
        Ok(self.decode::<Created>(&reply)?.id)
    }

    /// A call to version 2 of the REST API, whose texts are strings; `endpoint` begins with a slash.
    fn call(&self, operation: &'static str, method: Method, endpoint: &str) -> Result<Call, ServiceError> {
        let url = self.core.build_versioned_url("api", Some("2"), endpoint).map_err(|error| {
            ServiceError::new(
                Service::Jira,
                operation,
                ServiceErrorKind::Rejected,
                format!("base URL: {error}"),
            )
        })?;
        let has_body = method == Method::POST || method == Method::PUT;
        let call = Call::new(Service::Jira, operation, method, url)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(AUTHORIZATION, self.authorization.clone());
        Ok(if has_body {
            call.header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        } else {
            call
        })
    }

    /// Sends the call. Jira Cloud answers 404 also for hidden issues and bad tokens; reading the own account
    /// once distinguishes these (spec 02 §10 J3, J4). A write waits until it may follow the one before it to the same issue.
    async fn send(&self, call: Call) -> Result<Reply, ServiceError> {
        if let Some(issue) = call.written_subject() {
            self.writes.turn(issue, self.http.clock()).await;
        }
        let error = match self.exchange(call).await {
            Err(error) if error.status == Some(StatusCode::NOT_FOUND.as_u16()) => error,
            outcome => return outcome,
        };
        match self.credentials_good().await {
            Some(false) => {
                let mut error = error.with_hint(BAD_TOKEN_HINT);
                error.kind = ServiceErrorKind::Unauthorized;
                error.detail = String::from("the user name or token is refused, so Jira hides everything");
                Err(error)
            }
            Some(true) => Err(error.with_hint(
                "The token is good, so either the issue does not exist or this account may not see it (security level \
                 or project rights); Jira gives the same answer for both. Check the key, then ask for access.",
            )),
            None => Err(error),
        }
    }

    /// Whether the credentials are valid; `None` when that could not be determined.
    async fn credentials_good(&self) -> Option<bool> {
        self.credentials_good
            .get_or_try_init(|| async {
                match self.myself().await {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind == ServiceErrorKind::Unauthorized => Ok(false),
                    Err(_) => Err(()),
                }
            })
            .await
            .ok()
            .copied()
    }

    async fn exchange(&self, call: Call) -> Result<Reply, ServiceError> {
        let reply = self.http.send(call).await?;
        if let Some(ahead) = reply.clock_ahead() {
            self.seconds_ahead.store(ahead.as_secs(), Ordering::Relaxed);
        }
        Self::checked(reply)
    }

    fn checked(reply: Reply) -> Result<Reply, ServiceError> {
        let status = reply.status;
        reply.success(refusal).map_err(|error| match status {
            StatusCode::UNAUTHORIZED => error.with_hint(BAD_TOKEN_HINT),
            StatusCode::FORBIDDEN if error.kind == ServiceErrorKind::Forbidden => error.with_hint(
                "The token is good, but this account lacks the right: ask an administrator of the project.",
            ),
            _ => error,
        })
    }

    fn decode<T: DeserializeOwned>(&self, reply: &Reply) -> Result<T, ServiceError> {
        self.core.process_response(reply.status, reply.text()?).map_err(|error| {
            let words = match &error {
                // `gouqi` calls it a failed serialization.
                gouqi::Error::Serde(error) => error.to_string(),
                other => other.to_string(),
            };
            reply.failure(ServiceErrorKind::Malformed, format!("not the JSON that was expected: {words}"))
        })
    }
}

/// The error for a success other than Jira's empty answer to this write, when the effect does not show.
fn unexpected(reply: &Reply) -> ServiceError {
    reply.failure(ServiceErrorKind::Malformed, "not the empty answer that was expected, and nothing changed")
}

/// A time as Jira writes it: a string such as `2026-07-01T00:00:00.000+0000`, or, in bulk answers,
/// milliseconds since 1970.
fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        number => Timestamp::from_millisecond(number.as_i64()?).ok(),
    }
}

fn body(value: &Value) -> String {
    value.to_string()
}

/// Jira's error message: `errorMessages`, `errors`, `message`, `errorMessage`, or the header of a refused
/// sign-in (spec 02 §5.2).
fn refusal(reply: &Reply) -> String {
    let mut words: Vec<String> = reply
        .headers
        .get("x-authentication-denied-reason")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
        .into_iter()
        .collect();
    if let Ok(body) = serde_json::from_slice::<Value>(&reply.body) {
        let messages = body.get("errorMessages").and_then(Value::as_array).into_iter().flatten();
        words.extend(messages.filter_map(Value::as_str).map(str::to_owned));
        for (field, message) in body.get("errors").and_then(Value::as_object).into_iter().flatten() {
            words.push(format!(
                "{field}: {}",
                message.as_str().map_or_else(|| message.to_string(), str::to_owned)
            ));
        }
        for key in ["message", "errorMessage"] {
            words.extend(body.get(key).and_then(Value::as_str).map(str::to_owned));
        }
    }
    if words.is_empty() { reply.words() } else { words.join("; ") }
}

#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;

//! Errata Tool: advisories, their state and their QE owner (spec 02 §2).
//!
//! A change sends only the field that it changes, so nobody else's edit is overwritten. A write without an
//! answer is looked up, never repeated blindly.

mod checks;
mod issues;
mod model;
mod push;
mod state;

use std::sync::Arc;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

pub use crate::ids::{AdvisoryId, InvalidAdvisoryId};
pub use checks::{AdvisoryBuild, ExternalTest, SecurityAlerts, TestStatus};
pub use model::{Advisory, AdvisoryKind, AdvisoryState, People, SecurityApproval, advisory_link};
pub use push::{PushJob, PushStatus, Pushed, STAGE_TARGETS, StagePush, TargetPush, TargetStatus, Verdict};

use crate::clients::Effect;
use crate::clients::kerberos::REFUSED_TOKEN_HINT;
use crate::email::EmailAddress;
use crate::error::{ErrorClass, ServiceError, ServiceErrorKind, classified};
use crate::http::{Authorize, Call, Http, Repeat, Reply};
use crate::permit::WritePermit;
use crate::service::Service;

/// Errata Tool's time limit, as a multiple of other services': it is slow on large advisories, and public
/// clients allow it many minutes (spec 02 §2.1).
pub const ERRATA_TIMEOUT_FACTOR: u32 = 4;

/// Why a change of an advisory failed.
#[derive(Debug, thiserror::Error)]
pub enum ErrataError {
    /// The service failed or refused.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The service accepted the new QE owner, but shows another one afterwards.
    #[error(
        "Errata Tool: cannot change QE owner (advisory {0}): accepted, but the advisory still shows another owner"
    )]
    OwnerNotApplied(AdvisoryId),
    /// The service accepted the change of state, but shows another state afterwards.
    #[error(
        "Errata Tool: cannot change state (advisory {id}): accepted, but the advisory is {now}, not {wanted}"
    )]
    StateNotApplied {
        /// The advisory.
        id: AdvisoryId,
        /// The state that was asked for.
        wanted: AdvisoryState,
        /// The state that it shows.
        now: AdvisoryState,
    },
}

classified! {
    ErrataError through Service;
    class {
        Self::OwnerNotApplied(_) | Self::StateNotApplied { .. } => ErrorClass::Failed,
    }
    hint {
        Self::OwnerNotApplied(id) => Some(format!(
            "Somebody may have changed the owner at the same time: check {} and run the command again.",
            id.link()
        )),
        Self::StateNotApplied { id, .. } => Some(format!(
            "Somebody may have changed the state at the same time: check {} and run the command again.",
            id.link()
        )),
    }
}

/// The client of one Errata Tool.
#[derive(Clone)]
pub struct ErrataClient {
    http: Http,
    base: Url,
    authorize: Arc<dyn Authorize>,
}

impl ErrataClient {
    /// A client of the Errata Tool at `base`, which may carry a path prefix.
    pub fn new(http: Http, base: Url, authorize: Arc<dyn Authorize>) -> Self {
        Self { http, base: crate::http::as_folder(base), authorize }
    }

    /// The advisory's type, state and texts (E-2).
    pub async fn erratum(&self, id: AdvisoryId) -> Result<Advisory, ServiceError> {
        let call = self.call("read advisory", Method::GET, id, &format!("api/v1/erratum/{id}"))?;
        let reply = self.send(call, id).await?;
        let answer: model::ErratumAnswer = reply.json()?;
        answer.advisory(id).map_err(|detail| reply.failure(ServiceErrorKind::Malformed, detail))
    }

    /// The advisory's owners (E-1).
    pub async fn people(&self, id: AdvisoryId) -> Result<People, ServiceError> {
        let call = self.call("read owners", Method::GET, id, &format!("advisory/{id}.json"))?;
        let answer: model::PeopleAnswer = self.send(call, id).await?.json()?;
        Ok(answer.into())
    }

    /// Makes `owner` the QE owner: reads the owner, changes it if needed, and reads it back (one or three
    /// requests).
    pub async fn set_qe_owner(
        &self,
        id: AdvisoryId,
        owner: &EmailAddress,
        permit: &WritePermit,
    ) -> Result<Effect, ErrataError> {
        if self.people(id).await?.qe_owner.as_ref() == Some(owner) {
            return Ok(Effect::AlreadySo);
        }
        self.change_qe_owner(id, owner, permit).await?;
        Ok(Effect::Changed)
    }

    /// Makes `owner` the QE owner and reads it back (two requests), for a caller that has just read another
    /// owner with [`ErrataClient::people`].
    ///
    /// The request carries only `advisory[assigned_to_email]` (E-6, spec 02 §2.5): every other field, the issue list
    /// above all, stays as it is at that moment.
    pub async fn change_qe_owner(
        &self,
        id: AdvisoryId,
        owner: &EmailAddress,
        permit: &WritePermit,
    ) -> Result<(), ErrataError> {
        let call = self
            .call("change QE owner", Method::PUT, id, &format!("api/v1/erratum/{id}"))?
            // Setting one field to one value has the same effect however often it is sent.
            .repeat(Repeat::Safe)
            .permitted(permit);
        let sent = self.send(with_form(call, "advisory[assigned_to_email]", owner.expose()), id).await;
        sent.map_err(|error| match (error.kind, &error.hint) {
            (ServiceErrorKind::Rejected, None) => error.with_hint(
                "The QE owner must be an enabled user of Errata Tool with the role qa: ask its administrators, or name \
                 another owner.",
            ),
            _ => error,
        })?;
        match self.people(id).await?.qe_owner {
            Some(now) if now == *owner => Ok(()),
            _ => Err(ErrataError::OwnerNotApplied(id)),
        }
    }

    fn call(
        &self,
        operation: &'static str,
        method: Method,
        id: AdvisoryId,
        path: &str,
    ) -> Result<Call, ServiceError> {
        let url = self.base.join(path).map_err(|error| {
            ServiceError::new(
                Service::Errata,
                operation,
                ServiceErrorKind::Rejected,
                format!("base URL: {error}"),
            )
        })?;
        Ok(Call::new(Service::Errata, operation, method, url)
            .about(format!("advisory {id}"))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .timeout(self.http.timeout() * ERRATA_TIMEOUT_FACTOR)
            .authorize(Arc::clone(&self.authorize)))
    }

    async fn send(&self, call: Call, id: AdvisoryId) -> Result<Reply, ServiceError> {
        successful(self.http.send(call).await?, id)
    }
}

/// `reply` when it is a success, otherwise the service's refusal with a hint.
fn successful(reply: Reply, id: AdvisoryId) -> Result<Reply, ServiceError> {
    let status = reply.status;
    reply.success(refusal).map_err(|error| match advice(status, id) {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

/// `call` with one field as its form.
fn with_form(call: Call, field: &str, value: &str) -> Call {
    let form = url::form_urlencoded::Serializer::new(String::new()).append_pair(field, value).finish();
    call.header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")).body(form)
}

/// The failures after which a write may have taken effect: the service may have acted, or it refused because
/// the value is set already.
const WORTH_A_LOOK: [ServiceErrorKind; 3] =
    [ServiceErrorKind::Unclear, ServiceErrorKind::Rejected, ServiceErrorKind::Conflict];

/// The service's error message: `error`, or `errors` flattened to `field: message` (spec 02 §2.2).
fn refusal(reply: &Reply) -> String {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&reply.body) else { return reply.words() };
    let mut words = Vec::new();
    for key in ["error", "errors"] {
        if let Some(value) = body.get(key) {
            flatten("", value, &mut words);
        }
    }
    if words.is_empty() { reply.words() } else { words.join("; ") }
}

fn flatten(field: &str, value: &serde_json::Value, words: &mut Vec<String>) {
    use serde_json::Value;
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| flatten(field, item, words)),
        Value::Object(fields) => fields.iter().for_each(|(field, value)| flatten(field, value, words)),
        Value::String(text) if field.is_empty() || field == "base" => words.push(text.clone()),
        Value::String(text) => words.push(format!("{field}: {text}")),
        other => words.push(format!("{field}: {other}")),
    }
}

fn advice(status: StatusCode, id: AdvisoryId) -> Option<String> {
    match status {
        StatusCode::UNAUTHORIZED => Some(REFUSED_TOKEN_HINT.to_owned()),
        StatusCode::FORBIDDEN => Some(
            "The ticket is good, but its user lacks the right: ask an Errata Tool administrator for the QA role."
                .to_owned(),
        ),
        StatusCode::NOT_FOUND => Some(format!(
            "Check the advisory numbers in the build data (group/advisories): Errata Tool knows no advisory {id}."
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

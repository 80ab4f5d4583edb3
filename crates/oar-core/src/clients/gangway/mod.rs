//! Gangway, which starts Prow jobs (spec 04 §2.3).
//!
//! All users share its rate limit, and reads count too. So nothing is requested twice, and the requests of
//! one process are paced.

mod pace;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use indexmap::IndexMap;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use self::pace::Pace;
use crate::clients::empty::null_is_default;
use crate::clients::prow::ProwState;
use crate::clock::Clock;
use crate::config::{RateLimit, TriggerForm};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Repeat, Reply, join_segments};
use crate::permit::WritePermit;
use crate::service::Service;

/// Gangway's message for an unknown job (checked: kubernetes-sigs/prow, pkg/gangway/gangway.go).
const UNKNOWN_JOB: &str = "failed to find associated periodic job";
/// Characters of a Kubernetes label. Executions are listed by a label with the job's name, which is cut to
/// this length.
const LABEL: usize = 63;

/// A request to start a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The periodic job's name.
    pub job: String,
    /// Variables for its containers. Gangway refuses empty names and values.
    pub envs: IndexMap<String, String>,
    /// Annotations of the Prow job, by which it can be found again.
    pub annotations: IndexMap<String, String>,
}

/// One execution of a job, as Gangway reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Its id, the same as the Prow job's.
    pub id: String,
    /// The job.
    pub job: String,
    /// Its state; `None` when Gangway does not report one.
    pub state: Option<ProwState>,
    /// The page of its run; only newer servers report it.
    pub url: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "null_is_default")]
    id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    job_name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    job_status: String,
    #[serde(default)]
    job_url: Option<String>,
}

#[derive(Deserialize)]
struct Answers {
    #[serde(default, deserialize_with = "null_is_default")]
    job_execution: Vec<Answer>,
}

/// A list of executions.
pub(crate) struct Listed {
    /// The executions of the job.
    pub(crate) of_job: Vec<Execution>,
    /// Whether the list shows any execution, including those of jobs with the same beginning of the name. An
    /// empty list proves nothing.
    pub(crate) shows_any: bool,
}

impl From<Answer> for Execution {
    fn from(answer: Answer) -> Self {
        Self {
            id: answer.id,
            job: answer.job_name,
            state: ProwState::parse(&answer.job_status),
            url: answer.job_url.filter(|url| !url.is_empty()),
        }
    }
}

/// Starts Prow jobs. Cheap to clone.
#[derive(Clone)]
pub struct GangwayClient {
    http: Http,
    base: Arc<Url>,
    token: Arc<SecretString>,
    form: TriggerForm,
    pace: Arc<Pace>,
}

impl fmt::Debug for GangwayClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GangwayClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl GangwayClient {
    /// A client of the Gangway at `base` (without `/v1`), paced to `limit`.
    ///
    /// Clones share the pace.
    pub fn new(http: Http, base: Url, token: SecretString, form: TriggerForm, limit: RateLimit) -> Self {
        let pace = Arc::new(Pace::new(limit));
        Self { http, base: Arc::new(base), token: Arc::new(token), form, pace }
    }

    /// The clock of its requests.
    pub(crate) fn clock(&self) -> &Clock {
        self.http.clock()
    }

    /// Sends a request when the rate limit allows it.
    async fn send(&self, call: Call) -> Result<Reply, ServiceError> {
        self.pace.turn(self.http.clock()).await;
        self.http.send(call).await
    }

    /// Starts a job.
    ///
    /// After a rate-limit answer the request is repeated within bounds, because Gangway did not act. Nothing
    /// else is repeated: after [`ServiceErrorKind::Unclear`] the job may be running, and the caller looks for
    /// it by its annotation. Gangway answers 500 for an unknown job (spec 04 §2.3): that is
    /// [`ServiceErrorKind::NotFound`] when Gangway's message says so, and unclear otherwise.
    pub async fn trigger(&self, trigger: &Trigger, permit: &WritePermit) -> Result<Execution, ServiceError> {
        self.trigger_before(trigger, None, permit).await
    }

    /// Like [`GangwayClient::trigger`], with a deadline for sending the request, however long the rate limit
    /// delays it.
    pub(crate) async fn trigger_before(
        &self,
        trigger: &Trigger,
        last: Option<Timestamp>,
        permit: &WritePermit,
    ) -> Result<Execution, ServiceError> {
        const OPERATION: &str = "start a job";
        let mut body = json!({
            "job_execution_type": "1",
            "pod_spec_options": { "envs": trigger.envs, "annotations": trigger.annotations },
        });
        let mut path = vec!["v1", "executions"];
        match self.form {
            TriggerForm::JobInPath => path.push(&trigger.job),
            TriggerForm::JobInBody => {
                if let Some(body) = body.as_object_mut() {
                    body.insert("job_name".to_owned(), trigger.job.clone().into());
                }
            }
        }
        let call = self
            .call(Method::POST, OPERATION, join_segments(&self.base, path))?
            .about(trigger.job.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_string())
            .repeat(Repeat::OnlyWhenRefused)
            .not_after(last)
            .permitted(permit);
        let reply = self.send(call).await?;
        if let Some(kind) = reply.failure_kind() {
            let unknown = words(&reply).contains(UNKNOWN_JOB);
            let kind = if unknown { ServiceErrorKind::NotFound } else { kind };
            return Err(refusal(&reply, kind));
        }
        // An unreadable answer may come from a Gangway that acted.
        let unclear = |detail: &str| reply.failure(ServiceErrorKind::Unclear, detail);
        if reply.status != StatusCode::OK {
            return Err(unclear("a status that Gangway does not use"));
        }
        let answer: Answer = reply.json().map_err(|error| unclear(&error.detail))?;
        if answer.id.trim().is_empty() {
            return Err(unclear("the answer names no id"));
        }
        Ok(answer.into())
    }

    /// The execution with this id.
    pub async fn execution(&self, id: &str) -> Result<Execution, ServiceError> {
        let url = join_segments(&self.base, ["v1", "executions", id]);
        let call = self.call(Method::GET, "read an execution", url)?.about(id.to_owned());
        let reply = self.send(call).await?;
        match reply.failure_kind() {
            Some(kind) => Err(refusal(&reply, kind)),
            None => Ok(reply.json::<Answer>()?.into()),
        }
    }

    /// The executions of `job` that Prow still has, in no particular order. An empty list proves nothing:
    /// Gangway also answers with one when its own query of the cluster failed (spec 04 §2.3).
    pub async fn executions(&self, job: &str) -> Result<Vec<Execution>, ServiceError> {
        Ok(self.listed(job).await?.of_job)
    }

    /// The executions of `job`, and whether the list shows any at all.
    pub(crate) async fn listed(&self, job: &str) -> Result<Listed, ServiceError> {
        let mut url = join_segments(&self.base, ["v1", "executions"]);
        url.query_pairs_mut().append_pair("job_name", label(job));
        let call = self.call(Method::GET, "list executions", url)?.about(job.to_owned());
        let reply = self.send(call).await?;
        if let Some(kind) = reply.failure_kind() {
            return Err(refusal(&reply, kind));
        }
        let answers: Answers = reply.json()?;
        let mut executions: Vec<Execution> = answers.job_execution.into_iter().map(Into::into).collect();
        executions.retain(|execution| !execution.id.is_empty());
        let shows_any = !executions.is_empty();
        // Other jobs may share the part of the name that is in the label.
        executions.retain(|execution| execution.job == job);
        Ok(Listed { of_job: executions, shows_any })
    }

    fn call(&self, method: Method, operation: &'static str, url: Url) -> Result<Call, ServiceError> {
        let token = self.token.expose_secret().trim();
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            ServiceError::new(
                Service::Gangway,
                operation,
                ServiceErrorKind::Unauthorized,
                "APITOKEN contains characters that are not allowed in a token",
            )
        })?;
        value.set_sensitive(true);
        Ok(Call::new(Service::Gangway, operation, method, url).header(AUTHORIZATION, value))
    }
}

/// The name as it is in the label of its executions.
fn label(job: &str) -> &str {
    let cut = job.get(..job.floor_char_boundary(LABEL)).unwrap_or(job);
    if cut.len() < job.len() { cut.trim_end_matches(['.', '_', '-']) } else { cut }
}

/// Gangway's error message.
fn words(reply: &Reply) -> String {
    #[derive(Deserialize)]
    struct Words {
        message: String,
    }
    serde_json::from_slice::<Words>(&reply.body).map_or_else(|_| reply.words(), |words| words.message)
}

fn refusal(reply: &Reply, kind: ServiceErrorKind) -> ServiceError {
    let failure = reply.failure(kind, words(reply));
    match kind {
        ServiceErrorKind::NotFound => {
            failure.with_hint("There is no such periodic job: check its name. Nothing was started.")
        }
        ServiceErrorKind::Unauthorized => failure.with_hint(
            "APITOKEN is wrong or expired: log in to the CI cluster and take a new one with `oc whoami -t`.",
        ),
        ServiceErrorKind::Forbidden => failure.with_hint(
            "The owner of APITOKEN may not start this job: ask for access to the job's tenant, or use the token \
             of an account that has it.",
        ),
        _ => failure,
    }
}

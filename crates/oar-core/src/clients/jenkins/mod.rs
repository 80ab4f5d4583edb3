//! Jenkins: starts builds, and finds and reads them (spec 03 §7). Basic authentication only.

mod model;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::Arc;

use http::header::LOCATION;
use http::{Method, StatusCode};
use indexmap::IndexMap;
use secrecy::SecretString;
use tokio::sync::Mutex;
use url::Url;

pub use model::{Build, BuildResult, JobView, QueueItem, Queued};
use model::{BuildAnswer, BuildsAnswer, QueueAnswer, QueueItemAnswer};
use transport::Crumb;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Http, Repeat, join_segments};
use crate::ids::JobPath;
use crate::permit::WritePermit;

/// The parameters of each build and queue item, so that one request is enough for many.
const PARAMETERS: &str = "actions[_class,parameters[_class,name,value]]";
/// The most builds of a job that are read, newest first. Jenkins lists no more without loading all of them.
pub const BUILDS: usize = 100;

/// Starts and reads builds. Cheap to clone.
#[derive(Clone)]
pub struct JenkinsClient {
    http: Http,
    base: Arc<Url>,
    user: Arc<SecretString>,
    token: Arc<SecretString>,
    /// Fetched only when Jenkins demands one: requests with an API token need none.
    crumb: Arc<Mutex<Option<Crumb>>>,
}

impl std::fmt::Debug for JenkinsClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("JenkinsClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl JenkinsClient {
    /// A client of the Jenkins at `base` (it may have a path prefix), with a user and an API token.
    pub fn new(http: Http, base: Url, user: SecretString, token: SecretString) -> Self {
        Self {
            http,
            base: Arc::new(base),
            user: Arc::new(user),
            token: Arc::new(token),
            crumb: Arc::default(),
        }
    }

    /// Puts a build of `job` into the queue and returns its queue item.
    ///
    /// If an equal item is already waiting (303), it is returned. Jenkins silently drops parameters that the
    /// job does not define: the caller compares those of the item or build with what it requested (spec 03
    /// §7.2).
    ///
    /// Never repeated after an unclear answer ([`ServiceErrorKind::Unclear`]): the caller looks for these
    /// parameters in the queue and among the builds.
    pub async fn trigger(
        &self,
        job: &JobPath,
        parameters: &IndexMap<String, String>,
        permit: &WritePermit,
    ) -> Result<Queued, ServiceError> {
        const OPERATION: &str = "start a build";
        let mut url = self.job_url(job, &["buildWithParameters"]);
        url.query_pairs_mut().extend_pairs(parameters);
        let call = || {
            self.call(Method::POST, OPERATION, url.clone(), job.to_string())
                .map(|call| call.repeat(Repeat::OnlyWhenRefused).permitted(permit))
        };
        let mut reply = self.send(call()?).await?;
        if transport::wants_crumb(&reply) {
            // Refused, so nothing was started.
            *self.crumb.lock().await = self.fetch_crumb().await?;
            reply = self.send(call()?).await?;
        }
        // Behind a proxy the address may name another host: only the number counts.
        let location = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let item = model::queue_number(location);
        match (reply.status, item) {
            (StatusCode::CREATED, Some(number)) => Ok(Queued { number, waited_before: false }),
            (status, Some(number)) if status.is_redirection() => Ok(Queued { number, waited_before: true }),
            (status, None) if status.is_redirection() => Err(transport::redirected(&reply, job, location)),
            _ => Err(match reply.failure_kind() {
                Some(kind) => transport::trigger_refusal(&reply, kind),
                // An unreadable answer may come from a Jenkins that acted.
                None => reply.failure(ServiceErrorKind::Unclear, "the answer names no queue item"),
            }),
        }
    }

    /// The queue item with this number; `None` when Jenkins no longer has it, some minutes after it left the
    /// queue.
    pub async fn queue_item(&self, number: u64) -> Result<Option<QueueItem>, ServiceError> {
        let number_text = number.to_string();
        let url = join_segments(&self.base, ["queue", "item", &number_text, "api", "json"]);
        let answer: Option<QueueItemAnswer> =
            self.read("read a queue item", url, format!("queue item {number}")).await?;
        Ok(answer.map(Into::into))
    }

    /// The items of `job` that wait in the queue.
    pub async fn queued(&self, job: &JobPath) -> Result<Vec<QueueItem>, ServiceError> {
        const OPERATION: &str = "read the queue";
        let mut url = join_segments(&self.base, ["queue", "api", "json"]);
        let tree = format!("items[id,why,blocked,cancelled,url,inQueueSince,task[name,url],{PARAMETERS}]");
        url.query_pairs_mut().append_pair("tree", &tree);
        let answer: Option<QueueAnswer> = self.read(OPERATION, url, "the queue".to_owned()).await?;
        let answer = answer.ok_or_else(|| self.absent(OPERATION, "the queue"))?;
        if answer.items.is_none() && answer.class.is_none() {
            return Err(self.malformed(OPERATION, "the queue", "no queue of Jenkins"));
        }
        // The task's name is only the last part of the job's path; its URL has the folders (spec 03 §13.2).
        let ours = answer.items.unwrap_or_default().into_iter().filter(|item| model::is_item_of(item, job));
        ours.map(|item| serde_json::from_value::<QueueItemAnswer>(item).map(Into::into))
            .collect::<Result<_, _>>()
            .map_err(|error| self.malformed(OPERATION, "the queue", &error.to_string()))
    }

    /// The job with its newest builds, at most [`BUILDS`], and their parameters, in one request.
    pub async fn job(&self, job: &JobPath) -> Result<JobView, ServiceError> {
        const OPERATION: &str = "list builds";
        let mut url = self.job_url(job, &["api", "json"]);
        let tree = format!(
            "builds[number,url,queueId,building,inProgress,result,timestamp,{PARAMETERS}]{{0,{BUILDS}}},\
             property[parameterDefinitions[name,choices]]"
        );
        url.query_pairs_mut().append_pair("tree", &tree);
        let answer: Option<BuildsAnswer> = self.read(OPERATION, url, job.to_string()).await?;
        let answer = answer.ok_or_else(|| self.absent(OPERATION, &job.to_string()))?;
        if answer.builds.is_none() && answer.class.is_none() {
            return Err(self.malformed(OPERATION, &job.to_string(), "no job of Jenkins"));
        }
        Ok(JobView {
            builds: answer.builds.unwrap_or_default().into_iter().flatten().map(Into::into).collect(),
            defined: model::defined(answer.property.as_ref()),
        })
    }

    /// The build `number` of `job`; `None` for 404: there is none, or this user may not see the job.
    pub async fn build(&self, job: &JobPath, number: u64) -> Result<Option<Build>, ServiceError> {
        let number_text = number.to_string();
        let url = self.job_url(job, &[&number_text, "api", "json"]);
        let answer: Option<BuildAnswer> =
            self.read("read a build", url, format!("build {number} of {job}")).await?;
        Ok(answer.map(Into::into))
    }

    /// The web page of the queue item `number`.
    pub fn queue_link(&self, number: u64) -> Url {
        let number = number.to_string();
        join_segments(&self.base, ["queue", "item", &number, ""])
    }

    fn job_url(&self, job: &JobPath, rest: &[&str]) -> Url {
        let segments = job.parts().flat_map(|part| ["job", part]).chain(rest.iter().copied());
        join_segments(&self.base, segments)
    }
}

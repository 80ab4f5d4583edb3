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

pub use model::{Build, BuildResult, JobPath, ParseJobPathError, QueueItem};
use model::{BuildAnswer, BuildsAnswer, QueueAnswer, QueueItemAnswer};
use transport::Crumb;

use crate::config::endpoints::join_segments;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::flow::permit::WritePermit;
use crate::http::{Http, Repeat};

/// What is asked of each build and queue item, so that one request answers for many.
const PARAMETERS: &str = "actions[_class,parameters[_class,name,value]]";
/// The most builds of a job that are looked at, newest first.
const BUILDS: usize = 50;

/// Starts and reads builds. Cheap to clone.
#[derive(Clone)]
pub struct JenkinsClient {
    http: Http,
    base: Arc<Url>,
    user: Arc<SecretString>,
    token: Arc<SecretString>,
    /// Asked for only when Jenkins wants one: requests with an API token need none.
    crumb: Arc<Mutex<Option<Crumb>>>,
}

impl std::fmt::Debug for JenkinsClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("JenkinsClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl JenkinsClient {
    /// A client of the Jenkins at `base` (it may carry a path prefix), with a user and an API token.
    pub fn new(http: Http, base: Url, user: SecretString, token: SecretString) -> Self {
        Self {
            http,
            base: Arc::new(base),
            user: Arc::new(user),
            token: Arc::new(token),
            crumb: Arc::default(),
        }
    }

    /// Puts a build of `job` into the queue; answers the number of its queue item.
    ///
    /// Never repeated after an unclear answer ([`ServiceErrorKind::Unclear`]): the caller looks in the queue and among
    /// the builds for one with these parameters.
    pub async fn trigger(
        &self,
        job: &JobPath,
        parameters: &IndexMap<String, String>,
        _permit: &WritePermit,
    ) -> Result<u64, ServiceError> {
        const OPERATION: &str = "start a build";
        let mut url = self.job_url(job, &["buildWithParameters"]);
        url.query_pairs_mut().extend_pairs(parameters);
        let call = || {
            self.call(Method::POST, OPERATION, url.clone(), job.to_string())
                .map(|call| call.repeat(Repeat::OnlyWhenRefused))
        };
        let mut reply = self.send(call()?).await?;
        if transport::wants_crumb(&reply) {
            // Refused, so nothing was started.
            *self.crumb.lock().await = self.fetch_crumb().await?;
            reply = self.send(call()?).await?;
        }
        if let Some(kind) = reply.failure_kind() {
            return Err(transport::refusal(&reply, kind));
        }
        // Whatever cannot be read may be the answer of a Jenkins that acted.
        let location = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match model::queue_number(location) {
            Some(number) if reply.status == StatusCode::CREATED => Ok(number),
            _ => Err(reply.failure(ServiceErrorKind::Unclear, "the answer names no queue item")),
        }
    }

    /// The queue item with this number; `None` when Jenkins has forgotten it, some minutes after it left the queue.
    pub async fn queue_item(&self, number: u64) -> Result<Option<QueueItem>, ServiceError> {
        let number_text = number.to_string();
        let url = join_segments(&self.base, ["queue", "item", &number_text, "api", "json"]);
        let answer: Option<QueueItemAnswer> =
            self.read("read a queue item", url, format!("queue item {number}")).await?;
        Ok(answer.map(Into::into))
    }

    /// The items of `job` that wait in the queue.
    pub async fn queued(&self, job: &JobPath) -> Result<Vec<QueueItem>, ServiceError> {
        let mut url = join_segments(&self.base, ["queue", "api", "json"]);
        let tree = format!("items[id,why,blocked,cancelled,url,inQueueSince,task[name,url],{PARAMETERS}]");
        url.query_pairs_mut().append_pair("tree", &tree);
        let answer: Option<QueueAnswer> = self.read("read the queue", url, "the queue".to_owned()).await?;
        let answer = answer.ok_or_else(|| self.absent("read the queue", "the queue"))?;
        // The task's name is the job's last part only; its address tells the folder (spec 03 §13.2).
        Ok(answer.items.into_iter().map(QueueItem::from).filter(|item| item.is_of(job)).collect())
    }

    /// The newest builds of `job`, at most fifty, newest first, with their parameters, in one request.
    pub async fn builds(&self, job: &JobPath) -> Result<Vec<Build>, ServiceError> {
        let mut url = self.job_url(job, &["api", "json"]);
        let tree = format!(
            "builds[number,url,queueId,building,inProgress,result,timestamp,{PARAMETERS}]{{0,{BUILDS}}}"
        );
        url.query_pairs_mut().append_pair("tree", &tree);
        let answer: Option<BuildsAnswer> = self.read("list builds", url, job.to_string()).await?;
        let answer = answer.ok_or_else(|| self.absent("list builds", &job.to_string()))?;
        Ok(answer.builds.into_iter().map(Into::into).collect())
    }

    /// The build `number` of `job`; `None` when there is none, or no such job.
    pub async fn build(&self, job: &JobPath, number: u64) -> Result<Option<Build>, ServiceError> {
        let number_text = number.to_string();
        let url = self.job_url(job, &[&number_text, "api", "json"]);
        let answer: Option<BuildAnswer> =
            self.read("read a build", url, format!("build {number} of {job}")).await?;
        Ok(answer.map(Into::into))
    }

    /// The address at which people read the queue item `number`.
    pub fn queue_link(&self, number: u64) -> Url {
        let number = number.to_string();
        join_segments(&self.base, ["queue", "item", &number, ""])
    }

    fn job_url(&self, job: &JobPath, rest: &[&str]) -> Url {
        let segments = job.parts().flat_map(|part| ["job", part]).chain(rest.iter().copied());
        join_segments(&self.base, segments)
    }
}

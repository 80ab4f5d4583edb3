//! Prow's deck: the state of jobs (spec 04 §2.1 H2, §2.4). No credentials are sent.

mod model;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::iter;
use http::StatusCode;
use url::Url;

pub use model::{ProwJob, ProwState};

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, join};
use crate::service::Service;

/// Jobs that are read at the same time.
const READERS: usize = 12;

/// Reads Prow jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProwClient {
    http: Http,
    base: Arc<Url>,
}

impl ProwClient {
    /// A client of the deck at `base`.
    pub fn new(http: Http, base: Url) -> Self {
        Self { http, base: Arc::new(base) }
    }

    /// The web page with the Prow job object `id`; it exists before the page of the job's run.
    pub fn link(&self, id: &str) -> Url {
        let mut url = join(&self.base, "prowjob");
        url.query_pairs_mut().append_pair("prowjob", id);
        url
    }

    /// The jobs with these ids, in their order, several at the same time. One that cannot be read does not
    /// affect the others.
    pub async fn jobs(&self, ids: &[String]) -> Vec<Result<Option<ProwJob>, ServiceError>> {
        iter(ids.iter().map(|id| self.job(id))).buffered(READERS).collect().await
    }

    /// The job `id`; `None` when Prow does not have it: it is not visible yet, or it was cleaned up (finished periodic
    /// jobs are kept about a day from their start).
    ///
    /// The deck answers 404 to every failure of its look-up. The job counts as absent only when the answer
    /// has Kubernetes' message for that; anything else is an outage (spec 04 §2.4).
    pub async fn job(&self, id: &str) -> Result<Option<ProwJob>, ServiceError> {
        let call = Call::get(Service::Prow, "read a job", self.link(id)).about(format!("Prow job {id}"));
        let reply = self.http.send(call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            let text = String::from_utf8_lossy(&reply.body);
            if text.contains(&format!("prowjobs.prow.k8s.io \"{id}\" not found")) {
                return Ok(None);
            }
            return Err(reply.failure(ServiceErrorKind::Unavailable, reply.words()));
        }
        let reply = reply.success(crate::http::Reply::words)?;
        let malformed = |detail: String| reply.failure(ServiceErrorKind::Malformed, detail);
        let job = ProwJob::parse(reply.text()?).map_err(malformed)?;
        if job.id != id {
            return Err(malformed(format!("the answer is about another job, {}", job.id)));
        }
        Ok(Some(job))
    }
}

//! Runs that are started once, whatever becomes of an answer (spec 04 §2.3, §7.6).
//!
//! Every intended run has a key of its own, which the Prow job carries as an annotation. Whoever finds an intent on record
//! without an id looks for the job by that key before it is started again.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::iter;
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use super::{GangwayClient, Trigger};
use crate::clients::prow::{ProwClient, ProwJob, ProwState};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::flow::permit::WritePermit;
use crate::service::Service;

/// The annotation that holds an intent's key.
pub const INTENT_ANNOTATION: &str = "release-tests.openshift.io/intent";

/// How many executions are read when one is looked for. A job of a release has a few a day.
const CANDIDATES: usize = 200;
/// How many of them at the same time.
const LOOKS: usize = 8;
/// How far the clocks of two machines may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// How long the effect of an answer that never came gets to show, look by look.
const SETTLE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(8)];

/// One run of a job that is to exist once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIntent {
    /// The key of this intended run and no other: a UUID. No two intents may share one.
    pub key: String,
    /// The periodic job.
    pub job: String,
    /// Variables for its containers.
    pub envs: IndexMap<String, String>,
    /// When the intent was recorded: a job that was created earlier is not its run.
    pub since: Timestamp,
    /// Whether another process, or an earlier run of this one, may have started it already.
    pub may_be_started: bool,
    /// The ids of other runs of this job: they are not this one, whatever they look like. Needed only for servers
    /// that drop annotations.
    pub others: Vec<String>,
}

/// How an intended run came to its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartedRun {
    /// It was started now.
    New {
        /// The id of the Prow job.
        id: String,
    },
    /// It was started before; nothing was sent that changes anything, or its answer was lost.
    Found {
        /// The id of the Prow job.
        id: String,
    },
}

impl StartedRun {
    /// The id of the Prow job.
    pub fn id(&self) -> &str {
        match self {
            Self::New { id } | Self::Found { id } => id,
        }
    }
}

impl GangwayClient {
    /// Starts the intended run unless it exists already.
    ///
    /// After an answer that never came, or one that does not say whether Gangway acted, the run is looked for. When it
    /// is not there a gateway's refusal (502, 503) is tried once more; anything else is the error
    /// [`ServiceErrorKind::Unclear`], and the intent stays on record for a later pass, with
    /// [`RunIntent::may_be_started`]. An unknown job is such a case: Gangway answers it with 500.
    pub async fn start_once(
        &self,
        prow: &ProwClient,
        intent: &RunIntent,
        permit: &WritePermit,
    ) -> Result<StartedRun, ServiceError> {
        if intent.may_be_started
            && let Some(job) = self.find_run(prow, intent).await?
        {
            return Ok(StartedRun::Found { id: job.id });
        }
        let trigger = Trigger {
            job: intent.job.clone(),
            envs: intent.envs.clone(),
            annotations: [(INTENT_ANNOTATION.to_owned(), intent.key.clone())].into(),
        };
        let mut again = true;
        loop {
            let failure = match self.trigger(&trigger, permit).await {
                Ok(execution) => return Ok(StartedRun::New { id: execution.id }),
                Err(error) if error.kind == ServiceErrorKind::Unclear => error,
                Err(error) => return Err(error),
            };
            for pause in SETTLE {
                self.http.clock().sleep(pause).await;
                if let Some(job) = self.find_run(prow, intent).await? {
                    return Ok(StartedRun::Found { id: job.id });
                }
            }
            if !again || !matches!(failure.status, Some(502 | 503)) {
                let hint = format!(
                    "Nothing of the kind runs as far as Prow shows. The next run looks again before it starts {}; if \
                     this stays so, check the job's name: Gangway answers an unknown job like a fault.",
                    intent.job
                );
                return Err(failure.with_hint(hint));
            }
            again = false;
        }
    }

    /// The run that carries the intent's key; `None` when Prow has none. One request to Gangway, and one to Prow for
    /// each execution of the job that Prow still has.
    ///
    /// A server that drops annotations is told by a run without any intent's key: then exactly our variables count,
    /// not before the intent, and not one of the others.
    pub async fn find_run(
        &self,
        prow: &ProwClient,
        intent: &RunIntent,
    ) -> Result<Option<ProwJob>, ServiceError> {
        let mut executions = self.executions(&intent.job).await?;
        // What was started lately has mostly not ended.
        executions.sort_by_key(|execution| execution.state.is_some_and(ProwState::is_final));
        let left_out = executions.len().saturating_sub(CANDIDATES);
        let ids = executions.into_iter().map(|execution| execution.id).take(CANDIDATES);
        let ids: Vec<String> = ids.filter(|id| !intent.others.contains(id)).collect();
        let mut jobs = iter(ids.into_iter().map(|id| async move { prow.job(&id).await })).buffered(LOOKS);
        let since = intent.since.checked_sub(SKEW).unwrap_or(intent.since);
        let (mut likely, mut failure): (Option<ProwJob>, Option<ServiceError>) = (None, None);
        while let Some(job) = jobs.next().await {
            let job = match job {
                Ok(Some(job)) => job,
                Ok(None) => continue,
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            match job.annotations.get(INTENT_ANNOTATION) {
                Some(key) if *key == intent.key => return Ok(Some(job)),
                Some(_) => {}
                None => {
                    let same = intent.envs.iter().all(|(name, value)| job.envs.get(name) == Some(value));
                    if same && job.started.is_some_and(|started| started >= since) {
                        likely = Some(job);
                    }
                }
            }
        }
        match (likely, failure) {
            (Some(job), _) => Ok(Some(job)),
            // The one that could not be read may be ours.
            (None, Some(error)) => Err(error),
            (None, None) if left_out > 0 => {
                let detail = format!("{left_out} executions more than are looked at");
                let error =
                    ServiceError::new(Service::Gangway, "look for a run", ServiceErrorKind::Unclear, detail);
                Err(error.about(intent.job.clone()))
            }
            (None, None) => Ok(None),
        }
    }
}

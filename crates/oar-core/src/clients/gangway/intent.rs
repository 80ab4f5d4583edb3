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
/// How the names of variables begin that make a run what it is (spec 04 §2.3): which images, and which parameters.
const TELLING: [&str; 2] = ["RELEASE_IMAGE_", "MULTISTAGE_PARAM_OVERRIDE_"];
/// What to do when the run was not seen. Whoever starts runs may know a better step.
const NOT_SEEN: &str = "Nothing of the kind runs as far as Prow shows. Check the job's name: Gangway answers an unknown job \
    like a fault.";
/// What to do when nobody could look.
const NOT_LOOKED: &str = "It may run: look for it in Prow before it is started again.";

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
    /// Nothing that starts the run is sent after this time, because another program may have taken the intent over then;
    /// `None` where nobody takes it over.
    pub until: Option<Timestamp>,
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

impl RunIntent {
    /// Whether a run without any intent's key has exactly the variables of this one.
    fn has_variables_of(&self, job: &ProwJob) -> bool {
        let telling = |name: &str| TELLING.iter().any(|start| name.starts_with(start));
        self.envs.iter().all(|(name, value)| job.envs.get(name) == Some(value))
            && job.envs.keys().filter(|name| telling(name)).all(|name| self.envs.contains_key(name))
    }
}

impl GangwayClient {
    /// Starts the intended run unless it exists already.
    ///
    /// After an answer that never came, or one that does not say whether Gangway acted, the run is looked for. When it
    /// is not there a gateway's refusal (502, 503) is tried once more; anything else is the error
    /// [`ServiceErrorKind::Unclear`], also when nobody could look. An unknown job is such a case: Gangway answers it with
    /// 500. Whoever keeps the intent on record tries again later, with [`RunIntent::may_be_started`]; for anybody else
    /// the run may exist.
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
        let mut earlier: Option<ServiceError> = None;
        loop {
            let failure = match (self.trigger_before(&trigger, intent.until, permit).await, earlier.take()) {
                (Ok(execution), _) => return Ok(StartedRun::New { id: execution.id }),
                (Err(error), None) if error.kind != ServiceErrorKind::Unclear => return Err(error),
                // The second attempt did nothing; the first one may have.
                (Err(error), Some(first)) if error.kind != ServiceErrorKind::Unclear => {
                    return Err(with_words(first, "tried again", &error).with_hint(NOT_SEEN));
                }
                (Err(error), first) => {
                    earlier = first;
                    error
                }
            };
            let mut look = Ok(None);
            for pause in SETTLE {
                self.http.clock().sleep(pause).await;
                look = self.find_run(prow, intent).await;
                if let Ok(Some(job)) = look {
                    return Ok(StartedRun::Found { id: job.id });
                }
            }
            if let Err(error) = look {
                return Err(
                    with_words(failure, "and whether it runs cannot be seen", &error).with_hint(NOT_LOOKED)
                );
            }
            if earlier.is_some() || !matches!(failure.status, Some(502 | 503)) {
                return Err(failure.with_hint(NOT_SEEN));
            }
            earlier = Some(failure);
        }
    }

    /// The run that carries the intent's key; `None` when Prow has none. One request to Gangway, and one to Prow for
    /// each execution of the job that Prow still has. An execution that cannot be read, or that is listed as running and
    /// not shown, may be the one: then it is an error.
    ///
    /// One run with a key, whosever, shows that the server keeps annotations: then the key alone counts. Where no run has
    /// one the server may drop them, and a run with exactly our variables is ours, when it is not older than the intent
    /// and not one of the others. Without variables such a run may be ours or somebody else's: that is an error, because
    /// neither a second paid run nor a stranger's result is harmless.
    pub async fn find_run(
        &self,
        prow: &ProwClient,
        intent: &RunIntent,
    ) -> Result<Option<ProwJob>, ServiceError> {
        let unclear = |detail: String| {
            ServiceError::new(Service::Gangway, "look for a run", ServiceErrorKind::Unclear, detail)
                .about(intent.job.clone())
        };
        let mut executions = self.executions(&intent.job).await?;
        // What was started lately has mostly not ended.
        executions.sort_by_key(|execution| execution.state.is_some_and(ProwState::is_final));
        let left_out = executions.len().saturating_sub(CANDIDATES);
        executions.truncate(CANDIDATES);
        executions.retain(|execution| !intent.others.contains(&execution.id));
        let mut jobs = iter(executions.into_iter().map(|execution| async move {
            let job = prow.job(&execution.id).await;
            (execution, job)
        }))
        .buffered(LOOKS);
        let since = intent.since.checked_sub(SKEW).unwrap_or(intent.since);
        let mut keeps_annotations = false;
        let (mut likely, mut doubtful, mut failure) = (None, None, None);
        while let Some((execution, job)) = jobs.next().await {
            let job = match job {
                Ok(Some(job)) => job,
                // It was cleaned up after it was listed.
                Ok(None) if execution.state.is_some_and(ProwState::is_final) => continue,
                Ok(None) => {
                    failure =
                        Some(unclear(format!("Gangway lists {}, and Prow does not show it", execution.id)));
                    continue;
                }
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            match job.annotations.get(INTENT_ANNOTATION) {
                Some(key) if *key == intent.key => return Ok(Some(job)),
                Some(_) => keeps_annotations = true,
                None if job.started.is_none_or(|started| started < since) => {}
                None if intent.envs.is_empty() => doubtful = Some(job.id),
                None if intent.has_variables_of(&job) => likely = Some(job),
                None => {}
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        if keeps_annotations {
            (likely, doubtful) = (None, None);
        }
        if let Some(id) = doubtful {
            return Err(unclear(format!(
                "{id} may be the one or somebody else's: it has no key, and no variables tell"
            )));
        }
        match likely {
            Some(job) => Ok(Some(job)),
            None if left_out > 0 => Err(unclear(format!("{left_out} executions more than are looked at"))),
            None => Ok(None),
        }
    }
}

/// `failure`, and what came after it.
fn with_words(mut failure: ServiceError, words: &str, then: &ServiceError) -> ServiceError {
    let sep = if failure.detail.is_empty() { "" } else { "; " };
    failure.detail = format!("{}{sep}{words}: {then}", failure.detail);
    failure
}

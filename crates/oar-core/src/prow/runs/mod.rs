//! Starts runs exactly once, even when an answer is lost (spec 04 §2.3, §7.6).
//!
//! Every intended run has a unique key, which the Prow job has as an annotation. A process that finds a
//! recorded intent without an id looks for the job by that key before it starts it again. A run that was not
//! found counts as absent only when the look-up is known to have worked.

mod survey;
#[cfg(test)]
mod tests;

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;

use crate::clients::gangway::{GangwayClient, Trigger};
use crate::clients::prow::{ProwClient, ProwJob};
use crate::clients::{Attempt, attempt};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// The annotation with an intent's key.
pub const INTENT_ANNOTATION: &str = "release-tests.openshift.io/intent";

/// The waits before each look for the effect of a request without an answer.
const SETTLE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(8)];
/// The hint when the run was not found. Callers may have a better one.
const NOT_SEEN: &str = "Nothing of the kind runs as far as Prow shows. Check the job's name: Gangway may answer an unknown \
    job like a fault.";
/// The hint when the look-up failed.
const NOT_LOOKED: &str = "It may run: look for it in Prow before it is started again.";

/// One run of a job that must exist only once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIntent {
    /// The unique key of this intended run, a UUID.
    pub key: String,
    /// The periodic job.
    pub job: String,
    /// Variables for its containers.
    pub envs: IndexMap<String, String>,
    /// When the intent was recorded. A job that was created earlier is not its run.
    pub since: Timestamp,
    /// The deadline for requests that start the run, because another program may take the intent over
    /// afterwards; `None` when none does.
    pub until: Option<Timestamp>,
    /// Whether another process, or an earlier run of this one, may have started it already.
    pub may_be_started: bool,
    /// The ids of other runs of this job, which are never this one.
    pub others: Vec<String>,
}

/// Which running runs of others, with exactly the same variables, may be adopted as the intended one. Without
/// variables none may, because the purpose of such a run is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdoptableRuns {
    /// Those without an intent's key: started by other programs, or by people with other tools.
    WithoutKey,
    /// All.
    Any,
}

/// How an intended run got its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartedRun {
    /// It was started by this call.
    New {
        /// The id of the Prow job.
        id: String,
    },
    /// It existed already, or it was started by this call and the answer was lost.
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

/// Starts runs of jobs with Gangway, and looks for them in Prow.
#[derive(Debug, Clone, Copy)]
pub struct Runs<'a> {
    gangway: &'a GangwayClient,
    prow: &'a ProwClient,
}

impl<'a> Runs<'a> {
    /// Starts runs with `gangway` and reads them from `prow`.
    pub fn new(gangway: &'a GangwayClient, prow: &'a ProwClient) -> Self {
        Self { gangway, prow }
    }

    /// Starts the intended run unless it exists already.
    ///
    /// When no answer arrives, or the answer does not show whether Gangway acted, the run is looked for. If
    /// it is certainly not there, the request is repeated once after a gateway's refusal (502, 503);
    /// otherwise, and when the look-up fails, the error is [`ServiceErrorKind::Unclear`]. A caller that has
    /// recorded the intent tries again later, with [`RunIntent::may_be_started`]; for any other caller the
    /// run may exist. After any other kind of error nothing was started.
    pub async fn start_once(
        &self,
        intent: &RunIntent,
        permit: &WritePermit,
    ) -> Result<StartedRun, ServiceError> {
        if intent.may_be_started
            && let Some(job) = self.find_run(intent).await?
        {
            return Ok(StartedRun::Found { id: job.id });
        }
        self.start_now(intent, permit).await
    }

    /// The same, but a running run of `strangers` is adopted as the intended one as well.
    pub async fn start_unless_under_way(
        &self,
        intent: &RunIntent,
        strangers: AdoptableRuns,
        permit: &WritePermit,
    ) -> Result<StartedRun, ServiceError> {
        if let Some(job) = self.find_run_or(intent, strangers).await? {
            return Ok(StartedRun::Found { id: job.id });
        }
        self.start_now(intent, permit).await
    }

    /// The run with the intent's key; `None` when Prow certainly has none.
    ///
    /// One request to Gangway, and one to Prow for each execution of the job that Prow still has. The result
    /// is certain only when the list has executions: Gangway answers with an empty list when its query failed
    /// (spec 04 §2.3), and Prow keeps the newest execution of every job that ever ran. An execution that
    /// cannot be read, or that is listed as running but not shown by Prow, may be the run. All these are
    /// errors of the kind [`ServiceErrorKind::Unclear`], or the failed request's own error.
    ///
    /// If any run has a key, the server keeps annotations, and only the key counts. If no run has one, the
    /// server may drop them: then a run with exactly the intent's variables counts, if it is not older than
    /// the intent and not one of the others. Without variables such a run may be the intended one or somebody
    /// else's. That is an error, because neither a second expensive run nor somebody else's result is
    /// acceptable.
    pub async fn find_run(&self, intent: &RunIntent) -> Result<Option<ProwJob>, ServiceError> {
        self.survey(intent).await?.own(intent)
    }

    /// The same, but a running run of `strangers` is adopted when the intent's own does not exist.
    pub async fn find_run_or(
        &self,
        intent: &RunIntent,
        strangers: AdoptableRuns,
    ) -> Result<Option<ProwJob>, ServiceError> {
        let survey = self.survey(intent).await?;
        let stranger = survey.under_way(strangers).next().cloned();
        // A running run with the same parameters is adopted even when others could not be read.
        match survey.own(intent) {
            Ok(Some(job)) => Ok(Some(job)),
            Ok(None) => Ok(stranger),
            Err(error) => stranger.map(Some).ok_or(error),
        }
    }

    /// The running runs with exactly the intent's variables, except [`RunIntent::others`], for a caller that
    /// has not started anything yet. An empty list from Gangway is not an error here.
    pub async fn runs_under_way(
        &self,
        intent: &RunIntent,
        strangers: AdoptableRuns,
    ) -> Result<Vec<ProwJob>, ServiceError> {
        if intent.envs.is_empty() {
            return Ok(Vec::new());
        }
        let survey = self.survey_running(intent).await?;
        let found: Vec<ProwJob> = survey.under_way(strangers).cloned().collect();
        match survey.unread {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    async fn start_now(&self, intent: &RunIntent, permit: &WritePermit) -> Result<StartedRun, ServiceError> {
        let trigger = Trigger {
            job: intent.job.clone(),
            envs: intent.envs.clone(),
            annotations: [(INTENT_ANNOTATION.to_owned(), intent.key.clone())].into(),
        };
        let mut earlier: Option<ServiceError> = None;
        loop {
            let write = async {
                let execution = self.gangway.trigger_before(&trigger, intent.until, permit).await?;
                Ok::<_, ServiceError>(StartedRun::New { id: execution.id })
            };
            let look = async {
                let mut look = Ok(None);
                for pause in SETTLE {
                    self.gangway.clock().sleep(pause).await;
                    look = self.find_run(intent).await;
                    if let Ok(Some(job)) = look {
                        return Ok(Some(StartedRun::Found { id: job.id }));
                    }
                }
                look.map(|_| None)
            };
            let failure = match attempt(write, &[ServiceErrorKind::Unclear], look).await {
                Attempt::Done(run) => return Ok(run.into_inner()),
                // The second attempt had no effect, but the first one may have had.
                Attempt::Failed(error) => {
                    return Err(match earlier {
                        Some(first) => first.with_other("tried again", &error).with_hint(NOT_SEEN),
                        None => error,
                    });
                }
                Attempt::Unseen(failure, error) => {
                    let words = "and whether it runs cannot be seen";
                    return Err(failure.with_other(words, &error).with_hint(NOT_LOOKED));
                }
                Attempt::Absent(failure) => failure,
            };
            if earlier.is_some() || !matches!(failure.status, Some(502 | 503)) {
                return Err(failure.with_hint(NOT_SEEN));
            }
            earlier = Some(failure);
        }
    }
}

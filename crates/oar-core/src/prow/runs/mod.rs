//! Runs that are started once, whatever becomes of an answer (spec 04 §2.3, §7.6).
//!
//! Every intended run has a key of its own, which the Prow job carries as an annotation. Whoever finds an intent on record
//! without an id looks for the job by that key before it is started again. What was not seen counts as absent only when
//! the look itself is known to have worked.

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

/// The annotation that holds an intent's key.
pub const INTENT_ANNOTATION: &str = "release-tests.openshift.io/intent";

/// How long the effect of an answer that never came gets to show, look by look.
const SETTLE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(8)];
/// What to do when the run was not seen. Whoever starts runs may know a better step.
const NOT_SEEN: &str = "Nothing of the kind runs as far as Prow shows. Check the job's name: Gangway may answer an unknown \
    job like a fault.";
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
    /// The ids of other runs of this job: they are not this one, whatever they look like.
    pub others: Vec<String>,
}

/// Which runs that somebody else started may stand for an intended one, while they are under way with exactly its
/// variables. Without variables none may: nobody knows what such a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdoptableRuns {
    /// Those without any intent's key: started by other programs, or by people with other tools.
    WithoutKey,
    /// All.
    Any,
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

/// Starts runs of jobs through Gangway, and looks for them in Prow.
#[derive(Debug, Clone, Copy)]
pub struct Runs<'a> {
    gangway: &'a GangwayClient,
    prow: &'a ProwClient,
}

impl<'a> Runs<'a> {
    /// The runs that `gangway` starts and `prow` shows.
    pub fn new(gangway: &'a GangwayClient, prow: &'a ProwClient) -> Self {
        Self { gangway, prow }
    }

    /// Starts the intended run unless it exists already.
    ///
    /// After an answer that never came, or one that does not say whether Gangway acted, the run is looked for. When it
    /// is certainly not there a gateway's refusal (502, 503) is tried once more; anything else is the error
    /// [`ServiceErrorKind::Unclear`], also when nobody could look. Whoever keeps the intent on record tries again later,
    /// with [`RunIntent::may_be_started`]; for anybody else the run may exist. After any other kind of error nothing was
    /// started.
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

    /// The same, but a run of `strangers` that is under way stands for the intended one as well.
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

    /// The run that carries the intent's key; `None` when Prow certainly has none.
    ///
    /// One request to Gangway, and one to Prow for each execution of the job that Prow still has. It is certain only when
    /// the list shows executions: Gangway answers with an empty one when it could not look (spec 04 §2.3), and Prow keeps
    /// the newest execution of every job, so that a job that ever ran has one. An execution that cannot be read, or that is
    /// listed as running and not shown, may be the one. All these are errors of the kind [`ServiceErrorKind::Unclear`], or
    /// the failed look's own.
    ///
    /// One run with a key, whosever, shows that the server keeps annotations: then the key alone counts. Where no run has
    /// one the server may drop them, and a run with exactly our variables is ours, when it is not older than the intent
    /// and not one of the others. Without variables such a run may be ours or somebody else's: that is an error, because
    /// neither a second paid run nor somebody else's result is harmless.
    pub async fn find_run(&self, intent: &RunIntent) -> Result<Option<ProwJob>, ServiceError> {
        self.survey(intent).await?.own(intent)
    }

    /// The same; a run of `strangers` that is under way is taken when the intent's own is not there.
    pub async fn find_run_or(
        &self,
        intent: &RunIntent,
        strangers: AdoptableRuns,
    ) -> Result<Option<ProwJob>, ServiceError> {
        let survey = self.survey(intent).await?;
        let stranger = survey.under_way(strangers).next().cloned();
        // What is under way with our parameters stands for the run also when others could not be read.
        match survey.own(intent) {
            Ok(Some(job)) => Ok(Some(job)),
            Ok(None) => Ok(stranger),
            Err(error) => stranger.map(Some).ok_or(error),
        }
    }

    /// The runs that are under way with exactly the intent's variables and are none of [`RunIntent::others`], for
    /// somebody who has not started anything yet. None also when the list is empty: that is no error here.
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
                // The second attempt did nothing; the first one may have.
                Attempt::Failed(error) => {
                    return Err(match earlier {
                        Some(first) => with_words(first, "tried again", &error).with_hint(NOT_SEEN),
                        None => error,
                    });
                }
                Attempt::Unseen(failure, error) => {
                    let words = "and whether it runs cannot be seen";
                    return Err(with_words(failure, words, &error).with_hint(NOT_LOOKED));
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

/// `failure`, and what came after it.
fn with_words(mut failure: ServiceError, words: &str, then: &ServiceError) -> ServiceError {
    let sep = if failure.detail.is_empty() { "" } else { "; " };
    failure.detail = format!("{}{sep}{words}: {then}", failure.detail);
    failure
}

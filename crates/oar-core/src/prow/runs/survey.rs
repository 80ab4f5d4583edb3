//! Reads the runs of a job, and decides what follows from those that could not be read.

use futures::StreamExt;
use futures::stream::iter;

use super::{AdoptableRuns, INTENT_ANNOTATION, RunIntent, Runs};
use crate::clients::gangway::Execution;
use crate::clients::prow::{ProwJob, ProwState};
use crate::clock::CLOCK_SKEW;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::service::Service;

/// The most executions that are read. A job of a release has a few a day.
const CANDIDATES: usize = 200;
/// Executions that are read at the same time.
const LOOKS: usize = 8;
/// How the names of variables begin that make a run what it is (spec 04 §2.3): which images, and which parameters.
const TELLING: [&str; 2] = ["RELEASE_IMAGE_", "MULTISTAGE_PARAM_OVERRIDE_"];

/// The runs of a job that are relevant to an intended one.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The run with the intent's key.
    keyed: Option<ProwJob>,
    /// The run that counts if the server drops annotations.
    likely: Option<ProwJob>,
    /// The id of a run that may be the intended one if the server drops annotations.
    doubtful: Option<String>,
    /// Whether any run has a key, so that the intended one would have it too.
    keeps_annotations: bool,
    /// Running runs with exactly the intent's variables, and whether they have a key.
    strangers: Vec<(ProwJob, bool)>,
    /// Why a run that was not found may exist: executions that could not be read.
    pub(super) unread: Option<ServiceError>,
    /// The same: Gangway listed nothing, or more executions than are read.
    unlisted: Option<ServiceError>,
}

impl RunIntent {
    /// Whether a run without an intent's key has exactly the variables of this one.
    fn has_variables_of(&self, job: &ProwJob) -> bool {
        let telling = |name: &str| TELLING.iter().any(|start| name.starts_with(start));
        self.envs.iter().all(|(name, value)| job.envs.get(name) == Some(value))
            && job.envs.keys().filter(|name| telling(name)).all(|name| self.envs.contains_key(name))
    }
}

impl Survey {
    /// The intent's own run; `None` when there certainly is none.
    pub(super) fn own(self, intent: &RunIntent) -> Result<Option<ProwJob>, ServiceError> {
        if let Some(job) = self.keyed {
            return Ok(Some(job));
        }
        if let Some(error) = self.unread {
            return Err(error);
        }
        if let Some(id) = self.doubtful.filter(|_| !self.keeps_annotations) {
            let words = format!(
                "{id} may be this run or somebody else's: it has no key and no identifying variables"
            );
            return Err(unclear(intent, words));
        }
        match (self.likely.filter(|_| !self.keeps_annotations), self.unlisted) {
            (Some(job), _) => Ok(Some(job)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    /// Runs started by others that may count as the intended one.
    pub(super) fn under_way(&self, strangers: AdoptableRuns) -> impl Iterator<Item = &ProwJob> {
        let wanted = move |keyed: bool| strangers == AdoptableRuns::Any || !keyed;
        self.strangers.iter().filter(move |(_, keyed)| wanted(*keyed)).map(|(job, _)| job)
    }

    fn note(&mut self, intent: &RunIntent, job: ProwJob) {
        let key = job.annotations.get(INTENT_ANNOTATION);
        if key.is_some_and(|key| *key == intent.key) {
            self.keyed = Some(job);
            return;
        }
        let keyed = key.is_some();
        self.keeps_annotations |= keyed;
        let alike = intent.has_variables_of(&job);
        if alike && !intent.envs.is_empty() && !job.state.is_final() {
            self.strangers.push((job.clone(), keyed));
        }
        let since = intent.since.checked_sub(CLOCK_SKEW).unwrap_or(intent.since);
        if keyed || job.started.is_none_or(|started| started < since) {
            return;
        }
        if intent.envs.is_empty() {
            self.doubtful = Some(job.id);
        } else if alike {
            self.likely = Some(job);
        }
    }
}

impl Runs<'_> {
    /// Reads all executions of the intended job, until the one with the intent's key is found.
    pub(super) async fn survey(&self, intent: &RunIntent) -> Result<Survey, ServiceError> {
        let listed = self.gangway.listed(&intent.job).await?;
        let mut survey = Survey::default();
        if !listed.shows_any {
            survey.unlisted = Some(
                unclear(
                    intent,
                    "Gangway lists no run of it at all, which is also its answer when it cannot look".to_owned(),
                )
                .with_hint(
                    "Look again later. Only a job that never ran has none: check its name, and look for the run in Prow \
                     before it is started again.",
                ),
            );
        }
        self.read(intent, listed.of_job, &mut survey).await;
        Ok(survey)
    }

    /// Reads the executions that have not ended.
    pub(super) async fn survey_running(&self, intent: &RunIntent) -> Result<Survey, ServiceError> {
        let mut running = self.gangway.listed(&intent.job).await?.of_job;
        running.retain(|execution| !execution.state.is_some_and(ProwState::is_final));
        let mut survey = Survey::default();
        self.read(intent, running, &mut survey).await;
        Ok(survey)
    }

    async fn read(&self, intent: &RunIntent, mut executions: Vec<Execution>, survey: &mut Survey) {
        // Recently started runs have usually not ended.
        executions.sort_by_key(|execution| execution.state.is_some_and(ProwState::is_final));
        let left_out = executions.len().saturating_sub(CANDIDATES);
        if left_out > 0 {
            let words = format!("{left_out} more executions than are read");
            survey.unlisted = Some(unclear(intent, words));
        }
        executions.truncate(CANDIDATES);
        executions.retain(|execution| !intent.others.contains(&execution.id));
        let mut jobs = iter(executions.into_iter().map(|execution| async move {
            let job = self.prow.job(&execution.id).await;
            (execution, job)
        }))
        .buffered(LOOKS);
        while let Some((execution, job)) = jobs.next().await {
            match job {
                Ok(Some(job)) => survey.note(intent, job),
                // It was cleaned up after it was listed.
                Ok(None) if execution.state.is_some_and(ProwState::is_final) => {}
                Ok(None) => {
                    let words = format!("Gangway lists {}, and Prow does not show it", execution.id);
                    survey.unread = Some(unclear(intent, words));
                }
                Err(error) => survey.unread = Some(error),
            }
            if survey.keyed.is_some() {
                return;
            }
        }
    }
}

fn unclear(intent: &RunIntent, detail: String) -> ServiceError {
    ServiceError::new(Service::Gangway, "look for a run", ServiceErrorKind::Unclear, detail)
        .about(intent.job.clone())
}

//! The results of starts, and why some failed.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::prepare::PrepareError;
use super::write::IntentError;
use crate::error::{Classified, ErrorClass, ServiceError, ServiceErrorKind, classified};
use crate::prow::change::ChangeError;
use crate::prow::record::RunId;

/// The result of starting a run.
#[derive(Debug)]
pub(in crate::prow) enum StartResult {
    /// It was started.
    Started(RunId),
    /// It had been started before, and was found.
    Found(RunId),
    /// Another process is starting it.
    Elsewhere,
    /// It was given up: it could not be started for too long, or may not be started any more.
    GivenUp,
    /// It was not started; the intent is kept, and a later pass continues.
    Not(StartError),
}

/// Why a run was not started, or not recorded.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The service refused, or did not answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The record could not be changed.
    #[error(transparent)]
    Record(#[from] Arc<ChangeError>),
    /// The job cannot be prepared.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Another start was refused for a reason that applies to this one too.
    #[error("not tried, because the job before it was refused")]
    NotTried,
    /// It was started, but another program took the intent over before the run was recorded.
    #[error(
        "it runs as {0}, but another program took over its start, and the record names that program's run"
    )]
    TakenOver(RunId),
    /// The answer has an invalid id.
    #[error("the job was started with the id `{0}`, which is not a valid id")]
    BadId(String),
}

impl StartError {
    /// Whether all other starts would be refused as well.
    pub(super) fn affects_every_job(&self) -> bool {
        let Self::Service(error) = self else { return false };
        matches!(
            error.kind,
            ServiceErrorKind::RateLimited
                | ServiceErrorKind::Unauthorized
                | ServiceErrorKind::MissingCredential
        )
    }

    /// Whether certainly nothing was sent that may have started the run.
    pub(super) fn is_before_start(&self) -> bool {
        match self {
            Self::Service(error) => error.kind != ServiceErrorKind::Unclear,
            Self::NotTried | Self::Prepare(_) => true,
            Self::Record(_) | Self::TakenOver(_) | Self::BadId(_) => false,
        }
    }

    /// Why the run `id` is not in the record.
    pub(super) fn unrecorded(id: &RunId, error: IntentError) -> Self {
        match error {
            IntentError::Replaced(_) => Self::TakenOver(id.clone()),
            IntentError::Failed(error) => Self::Record(error),
        }
    }
}

classified! {
    StartError through Service Record Prepare;
    class {
        Self::NotTried => ErrorClass::Unavailable,
        Self::TakenOver(_) => ErrorClass::Conflict,
        Self::BadId(_) => ErrorClass::Failed,
    }
    hint {
        Self::TakenOver(_) => {
            Some("`jobctl update-retried-job-run` puts one run in the place of another.".to_owned())
        }
        Self::NotTried | Self::BadId(_) => None,
    }
}

/// The result of a start that another program makes.
const ELSEWHERE: &str = "elsewhere";

/// The reported start of one job.
#[derive(Debug, Serialize, JsonSchema)]
pub struct JobStart {
    /// The job.
    pub job: String,
    /// The run's id, if there is one.
    pub id: Option<String>,
    /// The result: `started`, `found`, `elsewhere`, `given up`, `failed`.
    pub result: &'static str,
    /// Why it was not started.
    pub problem: Option<String>,
    /// The class of the problem.
    #[serde(skip)]
    pub class: Option<ErrorClass>,
    /// A hint for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl JobStart {
    pub(in crate::prow) fn new(job: String, start: &StartResult) -> Self {
        let (id, result, problem, class) = match start {
            StartResult::Started(id) => (Some(id.to_string()), "started", None, None),
            StartResult::Found(id) => (Some(id.to_string()), "found", None, None),
            StartResult::Elsewhere => (None, ELSEWHERE, None, None),
            StartResult::GivenUp => (None, "given up", None, None),
            StartResult::Not(error) => (None, "failed", Some(error.to_string()), Some(error.class())),
        };
        let hint = if let StartResult::Not(error) = start { error.hint() } else { None };
        Self { job, id, result, problem, class, hint }
    }

    /// Whether another program starts it.
    pub fn is_left_to_another(&self) -> bool {
        self.result == ELSEWHERE
    }

    /// A job whose start another program has recorded and may be about to make: a person who asked for the start
    /// did not get it.
    pub(in crate::prow) fn left_to_others(job: String) -> Self {
        let hint = "Another program is starting it, or was ended before it did: run the same command again in a few \
                    minutes. OAR_INTENT_LEASE says when its start is taken over.";
        Self {
            class: Some(ErrorClass::Conflict),
            hint: Some(hint.to_owned()),
            ..Self::new(job, &StartResult::Elsewhere)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prow::record::RecordError;

    #[test]
    fn a_run_whose_intent_another_program_took_over_is_a_conflict_that_names_the_run() {
        let id: RunId = "598de9eb-0037-47d4-ad42-2ddba6a349fe".parse().unwrap();
        let missing = RecordError::NoSuchRun {
            file: "ocp-test-result-4.20.1-amd64.json".parse().unwrap(),
            job: "periodic-ci-demo".to_owned(),
            id: "intent-1".to_owned(),
            known: Vec::new(),
        };
        let error = Arc::new(ChangeError::from(missing));
        let error = StartError::unrecorded(&id, IntentError::Replaced(error));
        assert_eq!(error.class(), ErrorClass::Conflict);
        assert!(error.to_string().contains(id.text()) && error.hint().is_some(), "{error}");
    }
}

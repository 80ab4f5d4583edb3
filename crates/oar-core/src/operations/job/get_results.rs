//! `job get_results`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Classified as _, ErrorClass};
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::jobs::{JobError, JobId, JobRun};

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct GetResults {
    /// The id that the start told
    pub id: JobId,
    /// Look again for up to 25 seconds, until the run has a page or has ended
    #[serde(default)]
    pub poll: bool,
}

/// The run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// How it stands.
    #[serde(flatten)]
    pub run: JobRun,
    /// What was waited for and did not come.
    #[serde(skip)]
    pub missing: Option<JobError>,
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        self.missing.as_ref().map(JobError::class)
    }
}

impl Operation for GetResults {
    const ABOUT: About = About::job_look(Program::Job, "get_results", "Show a run of a job")
        .hints(&["Prow forgets a run about a day after its end; its page stays."]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let Self { id, poll } = self;
        let run = JobRun::look(&call.clients().prow(), call.clock(), id.text(), poll).await?;
        let missing = if poll { run.without_page() } else { None };
        Ok(Answer { run, missing })
    }
}

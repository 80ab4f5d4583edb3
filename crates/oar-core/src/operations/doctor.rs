//! `oar doctor`, `oarctl doctor`, `jobctl doctor`: is everything there, before the first effect?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Operation, Program, Scope};
use crate::error::ErrorClass;
use crate::flow::outcome::TaskError;
use crate::operators::doctor::{Diagnosis, Subject, examine};

impl Conclusion for Diagnosis {
    fn class(&self) -> Option<ErrorClass> {
        Diagnosis::class(self)
    }
}

const SUMMARY_RELEASE: &str = "Check that everything a release needs is available, without changing anything";
const SUMMARY_RELEASES: &str =
    "Check that everything releases and agents need is available, without changing anything";
const SUMMARY_BUILDS: &str =
    "Check that everything the tests of builds need is available, without changing anything";
const HINTS: &[&str] =
    &["A check that could not look says unknown; run it again before the first command that writes."];

async fn examined(call: &Call, subject: Subject) -> Result<Diagnosis, TaskError> {
    examine(call.clients(), &subject).await.map_err(Into::into)
}

/// The operation of `oar`; it has no arguments.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseDoctor {}

impl Operation for ReleaseDoctor {
    // A release may be named.
    const ABOUT: About = About { scope: Scope::Named, ..About::look("doctor", SUMMARY_RELEASE).hints(HINTS) };
    type Answer = Diagnosis;

    async fn run(self, call: &Call) -> Result<Diagnosis, TaskError> {
        let subject = call.release().map_or(Subject::NoRelease, |release| Subject::Release(release.clone()));
        examined(call, subject).await
    }
}

/// The operation of `oarctl`; it has no arguments.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleasesDoctor {}

impl Operation for ReleasesDoctor {
    const ABOUT: About = About::look("doctor", SUMMARY_RELEASES).named(Program::Oarctl).hints(HINTS);
    type Answer = Diagnosis;

    async fn run(self, call: &Call) -> Result<Diagnosis, TaskError> {
        examined(call, Subject::Releases).await
    }
}

/// The operation of `jobctl`; it has no arguments.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BuildsDoctor {}

impl Operation for BuildsDoctor {
    const ABOUT: About = About::job_look(Program::Jobctl, "doctor", SUMMARY_BUILDS).hints(HINTS);
    type Answer = Diagnosis;

    async fn run(self, call: &Call) -> Result<Diagnosis, TaskError> {
        examined(call, Subject::Builds).await
    }
}

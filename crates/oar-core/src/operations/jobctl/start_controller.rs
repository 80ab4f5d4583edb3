//! `jobctl start-controller`: one pass of the job controller.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::{amd64, live_world_to_change};
use crate::clients::Clients;
use crate::config::Credential;
use crate::error::{Classified as _, ErrorClass};
use crate::failures::gravest;
use crate::flow::outcome::{Refusal, TaskError};
use crate::operations::call::Call;
use crate::operations::part::Part;
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::LiveWorld;
use crate::prow::controller::{Controller, ControllerReport, Scope};
use crate::prow::names::BuildKind;
use crate::version::{Arch, YStream};

/// The operation, with its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct StartController {
    /// The minor versions
    pub release: Vec<YStream>,
    /// Look at stable builds; otherwise at nightly builds
    #[serde(default)]
    pub no_nightly: bool,
    /// Whether jobs are started; otherwise a new build is only recorded
    #[serde(default = "yes")]
    pub trigger_prow_job: bool,
    /// The architecture
    #[serde(default = "amd64")]
    pub arch: Arch,
    /// Say what would be done, and do nothing
    #[serde(default)]
    pub dry_run: bool,
}

fn yes() -> bool {
    true
}

impl StartController {
    /// Nightly or stable builds.
    pub fn kind(&self) -> BuildKind {
        if self.no_nightly { BuildKind::Stable } else { BuildKind::Nightly }
    }

    /// Fails where every pass would: a credential is missing, or a minor version is not supported.
    pub fn check(&self, clients: &Clients) -> Result<(), TaskError> {
        self.live_world(clients).map(drop)
    }

    fn live_world(&self, clients: &Clients) -> Result<LiveWorld, TaskError> {
        let starts = self.trigger_prow_job && !self.dry_run;
        let live = live_world_to_change(clients, !starts, &[Credential::GangwayToken])?;
        live.require_supported(self.release.iter().copied())?;
        Ok(live)
    }
}

/// What the pass did for each minor version.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Answer {
    /// In the order of the arguments.
    pub releases: Vec<StreamPass>,
}

/// What the pass did for one minor version.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum StreamPass {
    /// It came to its end.
    Done(ControllerReport),
    /// It ended early. The next pass continues.
    Failed {
        /// The builds that it handled.
        scope: Scope,
        /// Why.
        #[serde(serialize_with = "text")]
        #[schemars(with = "String")]
        error: Refusal,
    },
}

fn text<S: Serializer>(error: &Refusal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

impl Answer {
    /// The class of everything that went wrong, each job that was not started included.
    pub fn problems(&self) -> impl Iterator<Item = ErrorClass> {
        self.releases.iter().flat_map(|pass| match pass {
            StreamPass::Done(report) => report.jobs.iter().filter_map(|job| job.class).collect(),
            StreamPass::Failed { error, .. } => vec![error.class()],
        })
    }

    /// How many jobs were started.
    pub fn started(&self) -> usize {
        let jobs = self.releases.iter().flat_map(|pass| match pass {
            StreamPass::Done(report) => report.jobs.as_slice(),
            StreamPass::Failed { .. } => &[],
        });
        jobs.filter(|job| job.result == "started").count()
    }
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        gravest(self.problems())
    }
}

impl Operation for StartController {
    const ABOUT: About = About::job_change(
        Program::Jobctl,
        "start-controller",
        "Start the test jobs of a new build, each once",
    )
    .hints(&[
        "A call is one pass.",
        "The command makes a pass every so often with --interval.",
        "What a pass leaves undone, the next one does.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let permit = call.permit_unless(self.dry_run)?;
        let live = self.live_world(call.clients())?;
        let controller = Controller { world: live.world() };
        let mut answer = Answer { releases: Vec::new() };
        for release in &self.release {
            let scope = Scope { release: *release, kind: self.kind(), arch: self.arch };
            let pass = match Box::pin(controller.pass(scope, self.trigger_prow_job, permit)).await {
                Ok(report) => StreamPass::Done(report),
                // The next release has nothing to do with it.
                Err(error) => {
                    let refusal = Refusal::new(error.class(), error.to_string());
                    let error = match error.hint() {
                        Some(hint) => refusal.with_hint(hint),
                        None => refusal,
                    };
                    StreamPass::Failed { scope, error }
                }
            };
            call.observer().part(Part::Controlled(&pass));
            answer.releases.push(pass);
        }
        Ok(answer)
    }
}

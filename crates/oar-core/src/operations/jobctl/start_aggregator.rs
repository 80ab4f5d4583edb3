//! `jobctl start-aggregator`: one pass of the test result aggregator.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{amd64, live_world_to_change};
use crate::clients::Clients;
use crate::config::Credential;
use crate::error::{Classified as _, ErrorClass};
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::LiveWorld;
use crate::prow::aggregator::{Aggregator, AggregatorReport};
use crate::prow::world::{Artifacts, Payloads};
use crate::version::Arch;

/// The operation, with its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct StartAggregator {
    /// The architecture
    #[serde(default = "amd64")]
    pub arch: Arch,
    /// Say what would be done, and do nothing
    #[serde(default)]
    pub dry_run: bool,
}

impl StartAggregator {
    /// Fails where every pass would: a credential is missing.
    pub fn check(&self, clients: &Clients) -> Result<(), TaskError> {
        self.live_world(clients).map(drop)
    }

    fn live_world(&self, clients: &Clients) -> Result<LiveWorld, TaskError> {
        let needed = [Credential::GangwayToken, Credential::ArtifactsAccountFile];
        live_world_to_change(clients, self.dry_run, &needed)
    }
}

impl Conclusion for AggregatorReport {
    fn class(&self) -> Option<ErrorClass> {
        Self::class(self)
    }
}

impl Operation for StartAggregator {
    const ABOUT: About = About::job_change(
        Program::Jobctl,
        "start-aggregator",
        "Follow the test jobs of all builds: retry failed ones, accept builds that passed",
    )
    .hints(&[
        "A call is one pass.",
        "The command makes a pass every so often with --interval.",
        "What a pass leaves undone, the next one does.",
    ]);
    type Answer = AggregatorReport;

    async fn run(self, call: &Call) -> Result<AggregatorReport, TaskError> {
        let permit = call.permit_unless(self.dry_run)?;
        let live = self.live_world(call.clients())?;
        let artifacts = live.artifacts()?;
        if artifacts.is_none() {
            let name = Credential::ArtifactsAccountFile.variable().name;
            call.observer().warn(&format!("test reports are not read: {name} is not set"));
        }
        // A dry run labels nothing. Without a login results are read and recorded all the same: Prow keeps them for a day
        // only (spec 04 §10 D10).
        let payloads = match permit {
            Some(_) => live.payloads().await.map(Some),
            None => Ok(None),
        };
        let aggregator = Aggregator {
            world: live.world(),
            artifacts: artifacts.as_ref().map(|artifacts| artifacts as &dyn Artifacts),
            payloads: payloads.as_ref().ok().and_then(Option::as_ref).map(|found| found as &dyn Payloads),
            policy: live.policy(),
        };
        let pass = Box::pin(aggregator.pass(self.arch, permit)).await;
        let unlabelled =
            |error: &dyn std::fmt::Display| format!("no payload is labelled in this pass: {error}");
        let mut report = match (pass, &payloads) {
            (Ok(report), _) => report,
            (Err(failure), Ok(_)) => return Err(failure.into()),
            (Err(failure), Err(error)) => {
                call.observer().warn(&unlabelled(error));
                return Err(failure.into());
            }
        };
        if let Err(error) = &payloads {
            let words = unlabelled(error);
            report.problems.add_words(words, error.class(), error.hint());
        }
        Ok(report)
    }
}

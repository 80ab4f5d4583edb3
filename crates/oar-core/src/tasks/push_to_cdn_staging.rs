//! `push-to-cdn-staging`: pushes the release's advisories to the staging CDN (spec 01 §5.7, spec 02 §2.8).

use async_trait::async_trait;

use super::ReleaseContext;
use crate::clients::errata::AdvisoryId;
use crate::config::Impetus;
use crate::flow::outcome::{Refusal, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::operators::staging::{Staging, StagingDone, StagingPlan};
use crate::permit::WritePermit;
use crate::statebox::{State, TaskName};

/// Pushes the advisories of the release of `services`, in both flows.
pub struct PushToCdnStaging {
    services: ReleaseContext,
}

impl PushToCdnStaging {
    /// The task.
    pub fn new(services: ReleaseContext) -> Self {
        Self { services }
    }

    fn own(&self) -> Result<Vec<(String, AdvisoryId)>, Refusal> {
        let advisories = self.services.advisories()?.into_iter();
        Ok(advisories.filter(|(impetus, _)| impetus != Impetus::MICROSHIFT).collect())
    }
}

#[async_trait]
impl Task for PushToCdnStaging {
    type Plan = StagingPlan;
    type Done = StagingDone;

    fn name(&self) -> TaskName {
        TaskName::PushToCdnStaging
    }

    fn command(&self) -> String {
        TaskName::PushToCdnStaging.id().to_owned()
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<StagingPlan, TaskError> {
        let release = self.services.config().release();
        let own = self.own()?;
        if own.is_empty() {
            return Err(Refusal::blocked(format!(
                "the build data of {release} names no advisory that is pushed to staging"
            ))
            .with_hint("Run the command again when ART has added them.")
            .into());
        }
        let errata = self.services.clients().errata();
        let mut plan = Staging { errata: &errata }.plan(&own).await?;
        plan.recorded = super::last_reason(state, self.name());
        if plan.is_empty() {
            return Err(Refusal::blocked(format!(
                "not one advisory of {release} is left to push: all are dropped or text only"
            ))
            .with_hint("Ask ART which advisories the release ships with.")
            .into());
        }
        Ok(plan)
    }

    fn standing(&self, plan: &StagingPlan) -> Option<TaskOutcome<StagingDone>> {
        plan.standing()
    }

    async fn apply(
        &self,
        plan: &StagingPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<StagingDone>, TaskError> {
        let errata = self.services.clients().errata();
        Ok(Staging { errata: &errata }.apply(plan, permit, recorder).await.outcome())
    }
}

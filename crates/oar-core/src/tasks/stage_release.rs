//! The stage release of a shipment, which some tasks wait for (spec 03 §3.7).

use super::Services;
use crate::flow::outcome::{Refusal, TaskError};
use crate::operators::shipment::{Environment, ReleaseState, Shipment};

impl Services {
    /// The shipment merge request, read now; `None` in the Errata flow. One request.
    pub(super) async fn loaded_shipment(&self) -> Result<Option<Shipment>, TaskError> {
        let Some(reference) = self.shipment()? else { return Ok(None) };
        Ok(Some(Shipment::load(&self.gitlab()?, &reference).await?))
    }

    /// Refuses, as blocked, while the shipment is not released to stage. A wait is never a failure of the task.
    pub(super) async fn require_stage_release(&self, shipment: &Shipment) -> Result<(), TaskError> {
        let release = self.config().release();
        let (problem, hint) = match shipment.release_state(Environment::Stage).await? {
            ReleaseState::Succeeded => return Ok(()),
            ReleaseState::NotReady(why) => (
                format!("{release} is not released to stage yet: {why}"),
                "Nothing is to be done but to wait: run the same command again when the shipment's pipeline has \
                 released it.",
            ),
            ReleaseState::Failed(why) => (
                format!("the release of {release} to stage failed: {why}"),
                "Ask ART to repair the stage release of the shipment merge request, then run the same command again.",
            ),
        };
        Err(Refusal::blocked(problem).with_hint(hint).into())
    }
}

//! The stage release of a shipment, which some tasks require (spec 03 §3.7).

use super::ReleaseContext;
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::operators::shipment::{Environment, ReleaseState, Shipment};

impl ReleaseContext {
    /// The shipment merge request, read now; `None` in the Errata flow. One request.
    pub(super) async fn loaded_shipment(&self) -> Result<Option<Shipment>, TaskError> {
        let Some(reference) = self.shipment()? else { return Ok(None) };
        Ok(Some(Shipment::load(&self.clients().gitlab()?, &reference).await?))
    }

    /// Returns the shipment (`None` in the Errata flow). Refuses, as blocked, while it is not open, is a
    /// draft, or is not released to stage, which a job on stage requires. A wait is never a failure of the
    /// task.
    pub(super) async fn require_stage(&self) -> Result<Option<Shipment>, TaskError> {
        let Some(reference) = self.shipment()? else { return Ok(None) };
        let shipment = Shipment::load_whole(&self.clients().gitlab()?, &reference).await?;
        shipment.require_ready()?;
        self.require_stage_release(&shipment).await?;
        Ok(Some(shipment))
    }

    /// Refuses, as blocked, while the shipment is not released to stage; as unavailable, when that cannot be
    /// determined.
    pub(super) async fn require_stage_release(&self, shipment: &Shipment) -> Result<(), TaskError> {
        let release = self.config().release();
        let (class, problem, hint) = match shipment.release_state(Environment::Stage).await? {
            ReleaseState::Succeeded => return Ok(()),
            ReleaseState::NotReady(why) => (
                ErrorClass::Blocked,
                format!("{release} is not released to stage yet: {why}"),
                "There is nothing to do but wait: run the same command again when the shipment's pipeline has \
                 released it.",
            ),
            ReleaseState::Failed(why) => (
                ErrorClass::Blocked,
                format!("the release of {release} to stage failed: {why}"),
                "Ask ART to repair the stage release of the shipment merge request, then run the same command again.",
            ),
            ReleaseState::Unknown(why) => (
                ErrorClass::Unavailable,
                format!("whether {release} is released to stage cannot be determined: {why}"),
                "Look at the pipeline of the shipment merge request, then run the same command again.",
            ),
        };
        Err(Refusal::new(class, problem).with_hint(hint).into())
    }
}

//! `oarctl image-consistency-check`.

use std::num::NonZeroU64;

use futures::future::try_join;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Conclusion, Operation, Program};
use crate::clients::gitlab::MergeRequestRef;
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::ids::PullSpec;
use crate::operators::failures::could_not_look;
use crate::operators::image_consistency::{ConsistencyReport, ImageConsistency};
use crate::operators::shipment::Shipment;

/// The operation, with what it is asked.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PayloadConsistency {
    /// The pull spec of the payload
    pub payload_url: PullSpec,
    /// The number of the shipment merge request
    pub mr_id: NonZeroU64,
}

impl Conclusion for ConsistencyReport {
    fn class(&self) -> Option<ErrorClass> {
        ConsistencyReport::class(self)
    }
}

impl Operation for PayloadConsistency {
    const ABOUT: About = About::look(
        "image-consistency-check",
        "Check whether the images of a payload are those of its shipment",
    )
    .named(Program::Oarctl)
    .hints(&[
        "It reads the images itself; `oar image-consistency-check` starts the Prow job that runs it, and keeps its result.",
    ]);
    type Answer = ConsistencyReport;

    async fn run(self, call: &Call) -> Result<ConsistencyReport, TaskError> {
        let Self { payload_url, mr_id } = self;
        let clients = call.clients();
        let project = call.settings().shipment_project()?;
        let reference = MergeRequestRef::new(project, mr_id.get()).ok_or_else(|| {
            let words = format!("GitLab has no merge request number {mr_id}; expected for example 612");
            Refusal::new(ErrorClass::Usage, words)
        })?;
        let gitlab = clients.gitlab()?;
        let check = ImageConsistency { registry: clients.registry(), catalog: clients.public_catalog()? };
        let looks =
            try_join(check.registry.release_payload(&payload_url), Shipment::load(&gitlab, &reference));
        let (payload, shipment) = looks.await.map_err(could_not_look)?;
        check.check(&payload_url, payload, &shipment).await
    }
}

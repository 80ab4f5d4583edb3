//! `push-to-cdn-staging`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Effect, Operation};
use super::task_run::{Change, Prepared, Waits};
use crate::flow::outcome::TaskError;
use crate::flow::runner::Report;
use crate::tasks::push_to_cdn_staging::PushToCdnStaging as Work;

/// The operation.
#[derive(Debug)]
pub struct PushToCdnStaging;

/// Its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arguments {
    /// Stay, and look again every five minutes until the task has ended
    pub wait: bool,
    /// How to change the world
    #[serde(flatten)]
    pub change: Change,
}

impl Operation for PushToCdnStaging {
    const ABOUT: About = About::task(
        "push-to-cdn-staging",
        "Push the advisories to the staging CDN and show the progress of each target",
        Effect::Critical,
    )
    .hints(&["A push takes up to hours: run it again to see its progress."]);
    type Arguments = Arguments;
    type Answer = Report;

    async fn run(arguments: Arguments, call: &Call) -> Result<Report, TaskError> {
        let (prepared, loaded) = Prepared::of(call).await?;
        let task = Work::new(prepared.services.clone());
        prepared
            .run(&task, loaded, Effect::Critical, arguments.change, Waits::to_the_end(arguments.wait))
            .await
    }
}

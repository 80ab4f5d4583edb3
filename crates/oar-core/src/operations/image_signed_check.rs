//! `image-signed-check`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Effect, Operation};
use super::task_run::{Change, Prepared, Waits};
use crate::flow::outcome::TaskError;
use crate::flow::runner::Report;
use crate::tasks::image_signed_check::ImageSignedCheck as Work;

/// The operation.
#[derive(Debug)]
pub struct ImageSignedCheck;

/// Its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arguments {
    /// Look again every 30 seconds, 16 times at most, while there is nothing to check yet
    pub wait: bool,
    /// Check the payloads of all architectures, the multi-architecture list and each of its images, too
    pub all_architectures: bool,
    /// How to change the world
    #[serde(flatten)]
    pub change: Change,
}

impl Operation for ImageSignedCheck {
    const ABOUT: About = About::task(
        "image-signed-check",
        "Verify that the payload of the release is signed by a release key",
        Effect::Writes,
    );
    type Arguments = Arguments;
    type Answer = Report;

    async fn run(arguments: Arguments, call: &Call) -> Result<Report, TaskError> {
        let (prepared, loaded) = Prepared::of(call).await?;
        let task = Work::new(prepared.services.clone(), arguments.wait, arguments.all_architectures);
        prepared.run(&task, loaded, Effect::Writes, arguments.change, Waits::for_others(arguments.wait)).await
    }
}

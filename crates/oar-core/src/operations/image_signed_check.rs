//! `image-signed-check`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::flow::outcome::{Refusal, TaskError};
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

impl TaskRow for ImageSignedCheck {
    const ABOUT: About = About::task(
        "image-signed-check",
        "Verify that the payload of the release is signed by a release key",
        Effect::Writes,
    );
    type Arguments = Arguments;
    type Task = Work;

    fn options(arguments: &Arguments) -> Result<Options, Refusal> {
        Ok(Options { change: arguments.change, wait: arguments.wait })
    }

    fn task(arguments: Arguments, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone(), arguments.wait, arguments.all_architectures))
    }
}

//! `image-signed-check`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::image_signed_check::ImageSignedCheck as Work;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ImageSignedCheck {
    /// Check again every 30 seconds, at most 16 times, while there is nothing to check yet
    pub wait: bool,
    /// Also check the payloads of all architectures, the multi-architecture list and each of its images
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
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone(), self.wait, self.all_architectures))
    }
}

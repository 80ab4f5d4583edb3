//! `metadata`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Conclusion, Operation};
use crate::config::Metadata as Answer;
use crate::flow::outcome::TaskError;

/// The operation; it has no arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Metadata {}

impl Conclusion for Answer {}

impl Operation for Metadata {
    const ABOUT: About = About::look("metadata", "Show the release's values in ART's build data");
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        Ok(call.config().await?.metadata()?)
    }
}

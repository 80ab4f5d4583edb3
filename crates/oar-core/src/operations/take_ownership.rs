//! `take-ownership`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::email::EmailAddress;
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::take_ownership::TakeOwnership as Work;

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct TakeOwnership {
    /// E-mail address of the new owner
    #[serde(deserialize_with = "typed")]
    pub email: EmailAddress,
    /// If another process runs the same task, wait for that run to end first
    #[serde(default)]
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

/// An address in the form that users may enter, which is stricter than the form of services.
fn typed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EmailAddress, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl TaskRow for TakeOwnership {
    const ABOUT: About = About::task(
        "take-ownership",
        "Make a person the QE owner of the advisories, the merge request and ART's subtasks",
        Effect::Writes,
    );
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone(), self.email))
    }
}

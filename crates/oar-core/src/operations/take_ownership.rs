//! `take-ownership`.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::email::EmailAddress;
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::take_ownership::TakeOwnership as Work;

/// The operation.
#[derive(Debug)]
pub struct TakeOwnership;

/// Its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// E-mail address of the new owner
    #[serde(deserialize_with = "typed")]
    pub email: EmailAddress,
    /// When somebody else runs the same task now, wait for the end of that run and go on then
    #[serde(default)]
    pub wait: bool,
    /// How to change the world
    #[serde(flatten)]
    pub change: Change,
}

/// An address as a person may write it, which is less than what services may give.
fn typed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EmailAddress, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl TaskRow for TakeOwnership {
    const ABOUT: About = About::task(
        "take-ownership",
        "Make a person the QE owner of the advisories, the merge request and ART's subtasks",
        Effect::Writes,
    );
    type Arguments = Arguments;
    type Task = Work;

    fn options(arguments: &Arguments) -> Result<Options, Refusal> {
        Ok(Options { change: arguments.change, wait: arguments.wait })
    }

    fn task(arguments: Arguments, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone(), arguments.email))
    }
}

//! `releases`: the active releases at a glance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Flows, Operation, Scope};
use crate::error::ErrorClass;
use crate::flow::outcome::TaskError;
use crate::tasks::active_releases::{ReleaseRow, Standing, sort};
use crate::tasks::holds::reasons_for_all;
use crate::tasks::statebox_files::StateBoxFiles;
use crate::tasks::status::HeldRow;

/// The operation; it has no arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Releases {}

/// The active releases.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// Why nothing begins for any release now, and what cannot be found out of that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldRow>,
    /// The releases: what cannot be read, what is blocked and what is late first.
    pub releases: Vec<ReleaseRow>,
}

impl Conclusion for Answer {
    /// A release whose state cannot be read is not known to be well.
    fn class(&self) -> Option<ErrorClass> {
        let is_unknown = |row: &ReleaseRow| row.status == Standing::Unknown;
        self.releases.iter().any(is_unknown).then_some(ErrorClass::Unavailable)
    }
}

impl Operation for Releases {
    const ABOUT: About = About {
        scope: Scope::Named,
        flows: Flows::Neither,
        ..About::look("releases", "Show the active releases: what is blocked or late first")
    };
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let files = StateBoxFiles::new(call.clients().clone());
        let (active, held) =
            futures::future::join(files.unfinished_states(), reasons_for_all(call.clients())).await;
        let now = call.clock().now();
        let mut releases: Vec<ReleaseRow> = active?
            .into_iter()
            .map(|(release, read)| match read {
                Ok(read) => ReleaseRow::of(&release, &read.state, now),
                Err(why) => ReleaseRow::unknown(&release, &why),
            })
            .collect();
        sort(&mut releases);
        Ok(Answer { held: held.into_iter().map(HeldRow::from).collect(), releases })
    }
}

//! `releases`: the active releases at a glance.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Flows, Operation, Scope};
use crate::error::ErrorClass;
use crate::flow::outcome::TaskError;
use crate::statebox::State;
use crate::tasks::active_releases::{ReleaseRow, Standing, sort};
use crate::tasks::holds::reasons_for_all;
use crate::tasks::statebox_files::StateBoxFiles;
use crate::tasks::status::HeldRow;
use crate::version::ReleaseVersion;

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
        let (active, now) = (active?, call.clock().now());
        let read = active.iter().map(|(release, read)| match read {
            Ok(read) => (release, Ok(&read.state)),
            Err(why) => (release, Err(why.as_str())),
        });
        Ok(Answer::of(read, held.into_iter().map(HeldRow::from).collect(), now))
    }
}

impl Answer {
    /// The releases whose states were read, or why not, as they stand at `now`.
    pub fn of<'a>(
        read: impl Iterator<Item = (&'a ReleaseVersion, Result<&'a State, &'a str>)>,
        held: Vec<HeldRow>,
        now: Timestamp,
    ) -> Self {
        let row = |(release, read): (&ReleaseVersion, Result<&State, &str>)| match read {
            Ok(state) => ReleaseRow::of(release, state, now),
            Err(why) => ReleaseRow::unknown(release, why),
        };
        let mut releases: Vec<ReleaseRow> = read.map(row).collect();
        sort(&mut releases);
        Self { held, releases }
    }
}

//! `check-cve-tracker-bug`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::check_cve_tracker_bug::CheckCveTrackerBug as Work;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CheckCveTrackerBug {
    /// Do not notify ART of missing trackers in Slack
    pub no_notify: bool,
    /// If another process runs the same task, wait for that run to end first
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl TaskRow for CheckCveTrackerBug {
    const ABOUT: About = About::task(
        "check-cve-tracker-bug",
        "Check with elliott that no CVE tracker is missing",
        Effect::Writes,
    )
    .hints(&["elliott must be installed where this runs."]);
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        let elliott = Arc::new(on.services.clients().elliott()?);
        Ok(Work::new(on.services.clone(), elliott, !self.no_notify))
    }
}

//! `status`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Operation};
use crate::clients::sheets::Worksheet;
use crate::config::ConfigError;
use crate::flow::outcome::TaskError;
use crate::operators::worksheet::ReleaseWorksheet;
use crate::statebox::{StateBox, StateBoxError};
use crate::tasks::status::{HeldRow, StatusReport, StatusRow};
use crate::version::ReleaseVersion;

/// The operation; it has no arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct Status {}

/// The status, and where it is kept.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer {
    /// In a StateBox.
    StateBox(Box<StatusReport>),
    /// In a worksheet, for an old release.
    Worksheet(WorksheetStatus),
}

/// A release whose status is in a worksheet.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WorksheetStatus {
    /// The release.
    pub release: ReleaseVersion,
    /// Where its StateBox file would be; always null, because there is none.
    pub statebox: Option<String>,
    /// The address of the worksheet.
    pub worksheet: String,
    /// Always empty.
    pub tasks: Vec<StatusRow>,
    /// Always empty.
    pub next: Vec<String>,
    /// Where a StateBox would be created.
    #[serde(skip)]
    pub location: String,
}

impl Conclusion for Answer {}

impl Operation for Status {
    const ABOUT: About =
        About::look("status", "Show the status of every task, what it waits for, and what comes next");
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let statebox = call.statebox()?;
        let state = match call.load(&statebox).await {
            Ok(state) => state,
            Err(error @ StateBoxError::Absent { .. }) => {
                return worksheet(call, &statebox, error).await.map(Answer::Worksheet);
            }
            Err(error) => return Err(error.into()),
        };
        let mut report = StatusReport::of(&state, statebox.location(), call.clock().now());
        report.held = call.holds()?.reasons().await.into_iter().map(HeldRow::from).collect();
        Ok(Answer::StateBox(Box::new(report)))
    }
}

/// The worksheet of the call's release; `None` when it has none, or its y-stream has no spreadsheet.
pub async fn worksheet_of(call: &Call) -> Result<Option<(ReleaseWorksheet, Worksheet)>, TaskError> {
    let services = call.services().await?;
    let Some(worksheets) = services.worksheet()? else { return Ok(None) };
    let found = worksheets.find().await?;
    Ok(found.map(|sheet| (worksheets, sheet)))
}

/// A release without a StateBox may have been started with a worksheet, which then has its status.
async fn worksheet(
    call: &Call,
    statebox: &StateBox,
    absent: StateBoxError,
) -> Result<WorksheetStatus, TaskError> {
    match worksheet_of(call).await {
        Ok(Some((_, worksheet))) => Ok(WorksheetStatus {
            release: call.release()?.clone(),
            statebox: None,
            worksheet: worksheet.url,
            tasks: Vec::new(),
            next: Vec::new(),
            location: statebox.location(),
        }),
        Ok(None) => Err(absent.into()),
        // For a release that is not in the build data the hint is not to create a StateBox.
        Err(trouble)
            if matches!(
                trouble.downcast_ref(),
                Some(ConfigError::ReleaseNotReady { .. } | ConfigError::BuildDataNotFound { .. })
            ) =>
        {
            Err(trouble)
        }
        Err(trouble) => {
            let trouble = trouble.inner().to_string();
            call.observer().warn(&format!("whether the release has a worksheet cannot be seen: {trouble}"));
            Err(absent.into())
        }
    }
}

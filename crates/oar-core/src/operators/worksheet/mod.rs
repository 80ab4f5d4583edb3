//! The worksheet of a release (spec 01 §6): for people, beside the StateBox.
//!
//! What a task enters is computed from what the worksheet shows, so that a second look enters nothing, and everything
//! is read with one request and written with one.

mod cells;
mod entry;

use crate::clients::ensure;
use crate::clients::sheets::{CellWrite, SheetsClient, Worksheet};
use crate::config::Flow;
use crate::error::{Classified, ErrorClass, ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::statebox::TaskName;

pub use entry::Entry;

/// The location of the worksheet of one release.
#[derive(Debug, Clone)]
pub struct ReleaseWorksheet {
    client: SheetsClient,
    spreadsheet: String,
    release: String,
    flow: Flow,
}

/// What a worksheet shows of its release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownStatus {
    /// The overall status: `Green` or `Red`.
    pub overall: Option<String>,
    /// The status of each task that has one.
    pub tasks: Vec<(TaskName, String)>,
}

/// The worksheet cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct WorksheetError {
    class: ErrorClass,
    text: String,
    hint: Option<String>,
}

impl Classified for WorksheetError {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl From<ServiceError> for WorksheetError {
    fn from(error: ServiceError) -> Self {
        let class = match error.kind {
            // The configuration document names a spreadsheet that does not exist.
            ServiceErrorKind::NotFound => ErrorClass::Configuration,
            _ => error.class(),
        };
        Self { class, text: error.to_string(), hint: error.hint() }
    }
}

impl ReleaseWorksheet {
    /// The worksheet of `release` in the spreadsheet of its y-stream; the sheet has the release's name.
    pub fn new(client: SheetsClient, spreadsheet: &str, release: &str, flow: Flow) -> Self {
        Self { client, spreadsheet: spreadsheet.to_owned(), release: release.to_owned(), flow }
    }

    /// The worksheet; `None` when the release has none.
    pub async fn find(&self) -> Result<Option<Worksheet>, WorksheetError> {
        Ok(self.client.worksheet(&self.spreadsheet, &self.release).await?)
    }

    /// The statuses that `sheet` shows (one request).
    pub async fn statuses(&self, sheet: &Worksheet) -> Result<ShownStatus, WorksheetError> {
        let blocks = self.client.read(sheet, &[cells::STATUSES]).await?;
        let (overall, tasks) = cells::shown(self.flow, blocks.first().unwrap_or(&Vec::new()));
        Ok(ShownStatus { overall, tasks })
    }

    /// What `entry` would change in `sheet`.
    pub async fn missing(
        &self,
        sheet: &Worksheet,
        entry: &Entry<'_>,
    ) -> Result<Vec<CellWrite>, WorksheetError> {
        let blocks = self.client.read(sheet, &entry.blocks()).await?;
        Ok(entry.writes(self.flow, &blocks))
    }

    /// Enters what is missing, and answers how many cells that were.
    ///
    /// A write whose answer never came is looked up, and made once more when it did not happen.
    pub async fn enter(
        &self,
        sheet: &Worksheet,
        entry: &Entry<'_>,
        permit: &WritePermit,
    ) -> Result<usize, WorksheetError> {
        let mut entered = 0;
        let look = || async {
            let writes = self.missing(sheet, entry).await?;
            Ok::<_, WorksheetError>((!writes.is_empty()).then_some(writes))
        };
        let write = |writes: Vec<CellWrite>| {
            entered = entered.max(writes.iter().flat_map(|write| &write.values).map(Vec::len).sum());
            async move { self.client.write(sheet, &writes, permit).await }
        };
        ensure(look, write).await?;
        Ok(entered)
    }
}

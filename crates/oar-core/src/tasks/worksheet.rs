//! The worksheet in the plans and outcomes of tasks.

use super::ReleaseContext;
use crate::clients::sheets::Worksheet;
use crate::error::Classified;
use crate::flow::outcome::{Reason, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::operators::worksheet::{Entry, ReleaseWorksheet, WorksheetError};
use crate::permit::WritePermit;
use crate::statebox::{ReasonClass, TaskStatus};

/// The worksheet of the release in a task's plan. A problem with it never prevents the task's other work.
#[derive(Debug, Clone, Default)]
pub(super) struct SheetPlan {
    sheet: Option<Worksheet>,
    /// Number of cells that differ.
    cells: usize,
    trouble: Option<WorksheetError>,
    note: Option<&'static str>,
}

impl SheetPlan {
    /// Looks for the worksheet, and determines what `entry` would change in it.
    pub(super) async fn of(services: &ReleaseContext, entry: &Entry<'_>) -> Result<Self, TaskError> {
        let Some(worksheets) = services.worksheet()? else {
            let unset = services.config().report_template()?.is_some();
            return Ok(Self { note: unset.then_some(super::context::NO_KEY_FILE), ..Self::default() });
        };
        let looked = async {
            let Some(sheet) = worksheets.find().await? else { return Ok(Self::default()) };
            let writes = worksheets.missing(&sheet, entry).await?;
            let cells = writes.iter().flat_map(|write| &write.values).map(Vec::len).sum();
            Ok(Self { sheet: Some(sheet), cells, ..Self::default() })
        };
        Ok(looked.await.unwrap_or_else(|trouble| Self { trouble: Some(trouble), ..Self::default() }))
    }

    /// The change of the worksheet, when there is one.
    pub(super) fn step(&self) -> Option<Step> {
        let sheet = self.sheet.as_ref().filter(|_| self.cells > 0)?;
        Some(step(sheet, self.cells))
    }

    /// Notes for the user.
    pub(super) fn notes(&self) -> Vec<String> {
        let trouble = self.trouble.as_ref().map(words);
        let same = self.sheet.as_ref().filter(|_| self.cells == 0);
        let same = same.map(|sheet| format!("the worksheet is up to date: {}", sheet.url));
        trouble.into_iter().chain(same).chain(self.note.map(str::to_owned)).collect()
    }

    /// The address of the worksheet, when there is one.
    pub(super) fn url(&self) -> Option<String> {
        self.sheet.as_ref().map(|sheet| sheet.url.clone())
    }

    /// Writes `entry` according to the outcome, and adds the result to the outcome.
    pub(super) async fn enter<D>(
        &self,
        services: &ReleaseContext,
        entry: &Entry<'_>,
        outcome: TaskOutcome<D>,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<D>, TaskError> {
        let (Some(sheet), Some(worksheets)) = (&self.sheet, services.worksheet()?) else {
            return Ok(self.tell(outcome));
        };
        Ok(match worksheets.enter(sheet, entry, permit).await {
            Ok(0) => self.tell(outcome),
            Ok(cells) => {
                recorder.did(step(sheet, cells));
                self.tell(outcome)
            }
            Err(trouble) => Self { trouble: Some(trouble), ..self.clone() }.tell(outcome),
        })
    }

    /// Adds to the outcome why the worksheet could not be updated, if so. The task does not pass then.
    pub(super) fn tell<D>(&self, mut outcome: TaskOutcome<D>) -> TaskOutcome<D> {
        let Some(trouble) = &self.trouble else { return outcome };
        let words = words(trouble);
        outcome.reason = Some(match outcome.reason {
            Some(reason) => reason.and(words),
            None => Reason::new(ReasonClass::Infrastructure, words),
        });
        if outcome.status == TaskStatus::Pass {
            outcome.status = TaskStatus::InProgress;
        }
        outcome.class = outcome.class.or(Some(trouble.class()));
        outcome.hint = outcome.hint.or_else(|| trouble.hint());
        outcome
    }
}

/// The worksheet in which a task records its result. The task's own effects decide; a problem with the
/// worksheet is only a warning.
#[derive(Debug, Clone, Default)]
pub(super) struct Mirror(Option<(ReleaseWorksheet, Worksheet)>);

impl Mirror {
    /// Looks for the worksheet of the release.
    pub(super) async fn find(services: &ReleaseContext) -> Self {
        let worksheets = match services.worksheet() {
            Ok(Some(worksheets)) => worksheets,
            Ok(None) => return Self(None),
            Err(error) => {
                tracing::warn!("the worksheet is not up to date: {error}");
                return Self(None);
            }
        };
        match worksheets.find().await {
            Ok(sheet) => Self(sheet.map(|sheet| (worksheets, sheet))),
            Err(trouble) => {
                tracing::warn!("{}", words(&trouble));
                Self(None)
            }
        }
    }

    /// Writes `entry`, if there is a worksheet.
    pub(super) async fn enter(&self, entry: &Entry<'_>, permit: &WritePermit, recorder: &Recorder) {
        let Some((worksheets, sheet)) = &self.0 else { return };
        match worksheets.enter(sheet, entry, permit).await {
            Ok(0) => {}
            Ok(cells) => recorder.did(step(sheet, cells)),
            Err(trouble) => tracing::warn!("{}", words(&trouble)),
        }
    }
}

fn step(sheet: &Worksheet, cells: usize) -> Step {
    let noun = if cells == 1 { "cell" } else { "cells" };
    Step::new("update", format!("the worksheet {}", sheet.title)).to(format!("{cells} {noun}"))
}

fn words(trouble: &WorksheetError) -> String {
    format!("the worksheet is not up to date: {trouble}")
}

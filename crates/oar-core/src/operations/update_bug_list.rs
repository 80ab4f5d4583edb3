//! `update-bug-list`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::update_bug_list::{Reminder, UpdateBugList as Work};

/// The operation, with its arguments. By default the QA contacts of the bugs in `ON_QA` are reminded.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own in the command line")]
pub struct UpdateBugList {
    /// Remind nobody
    pub no_notify: bool,
    /// Ask the QA contacts of unverified bugs of high severity whether these can be dropped
    pub confirm_droppable: bool,
    /// Notify the managers of the QA contacts of unverified CVE bugs
    pub notify_managers: bool,
    /// If another process runs the same task, wait for that run to end first
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl UpdateBugList {
    fn reminder(&self) -> Result<Reminder, Refusal> {
        match (self.no_notify, self.confirm_droppable, self.notify_managers) {
            (false, false, false) => Ok(Reminder::ToVerify),
            (true, false, false) => Ok(Reminder::Nobody),
            (false, true, false) => Ok(Reminder::ConfirmDroppable),
            (false, false, true) => Ok(Reminder::Managers),
            _ => Err(Refusal::new(
                ErrorClass::Usage,
                "no_notify, confirm_droppable and notify_managers exclude each other",
            )),
        }
    }
}

impl TaskRow for UpdateBugList {
    const ABOUT: About = About::task(
        "update-bug-list",
        "Update the list of the release's bugs and remind the QA contacts to verify them",
        Effect::Writes,
    );
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        self.reminder()?;
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone(), self.reminder()?))
    }
}

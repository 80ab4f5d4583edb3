use cli_support::{CliError, ExitCode, Session};
use oar_core::flow::runner::Report;
use oar_core::operations::{Call, Operation};
use oar_core::version::ReleaseVersion;
use serde::Serialize;

use crate::report;

/// One release, for the commands. Requests are sent only when needed.
pub(crate) struct Release {
    pub(crate) session: Session,
    pub(crate) version: ReleaseVersion,
}

impl Release {
    /// A call of an operation about this release; `consent_given` is whether `--yes` was given.
    pub(crate) fn call(&self, consent_given: bool) -> Result<Call, CliError> {
        Ok(self.session.call(consent_given)?.about(self.version.clone())?)
    }

    /// Calls an operation that needs no consent.
    pub(crate) async fn perform<O: Operation>(&self, operation: O) -> Result<O::Answer, CliError> {
        self.session.perform(operation, &self.call(false)?).await
    }

    /// Runs a task and shows its result.
    pub(crate) async fn run<O: Operation<Answer = Report<D>>, D: Serialize>(
        &self,
        operation: O,
        consent_given: bool,
    ) -> Result<ExitCode, CliError> {
        let report = self.session.perform(operation, &self.call(consent_given)?).await?;
        Ok(report::show(&self.session, &report))
    }
}

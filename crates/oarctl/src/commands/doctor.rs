use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::doctor::ReleasesDoctor;

/// Check that everything releases and agents need is available, without changing anything
///
/// Looks at the configuration, every token (accepted, scopes, expiry), rights, hosts and clocks, in less than ten seconds, and
/// shows a line for each with the next step. Exit code 0: nothing that is needed is missing; 3: something is; 4: something
/// that is needed could not be looked at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) async fn run(Args {}: Args, session: &Session) -> Result<ExitCode, CliError> {
    cli_support::doctor(ReleasesDoctor {}, session, &session.call_to_examine()?).await
}

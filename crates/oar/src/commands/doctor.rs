use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::doctor::ReleaseDoctor;

use crate::release::Release;

/// Check that everything a release needs is available, without changing anything
///
/// Checks the configuration, every token (accepted, scopes, expiry), the Kerberos ticket, rights, channels, hosts and
/// clocks within ten seconds, and shows a line for each with the next step. Without a release it checks what every release
/// needs, and says what was not checked. Exit code 0: nothing that is needed is missing; 3: something is missing; 4: something
/// that is needed could not be checked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// The same without a release.
pub(crate) async fn run_for_all(Args {}: Args, session: &Session) -> Result<ExitCode, CliError> {
    cli_support::doctor(ReleaseDoctor {}, session, &session.call_to_examine()?).await
}

pub(crate) async fn run(Args {}: Args, release: &Release) -> Result<ExitCode, CliError> {
    let call = release.session.call_to_examine()?.about(release.version.clone())?;
    cli_support::doctor(ReleaseDoctor {}, &release.session, &call).await
}

use cli_support::{CliError, ExitCode, Session, exit_code};
use oar_core::operations::job::get_payloads::GetPayloads;
use oar_core::version::ReleaseVersion;

use crate::display;

/// Show the newest accepted release of minor versions
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A release of each minor version, comma-separated: 4.10.0,4.11.0
    #[arg(
        value_delimiter = ',',
        required = true,
        value_name = "VERSIONS",
        value_parser = cli_support::trimmed::<ReleaseVersion>
    )]
    versions: Vec<ReleaseVersion>,
    /// Record each newer release in _releases/Auto-OCP-<X.Y>.txt on the branch of the records
    #[arg(
        long,
        value_name = "BOOLEAN",
        default_value_t = false,
        action = clap::ArgAction::Set,
        value_parser = cli_support::boolean
    )]
    push: bool,
    /// With --push true: say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { versions, push, dry_run } = args;
    let call = display::call(session, display::job_id)?;
    let answer = session.perform(GetPayloads { versions, push, dry_run }, &call).await?;
    session.ui.json(&answer);
    Ok(exit_code(&answer))
}

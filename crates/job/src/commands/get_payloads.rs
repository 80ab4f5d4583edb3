use cli_support::{CliError, ExitCode, Session};
use oar_core::permit::WritePermit;
use oar_core::prow::jobs::{Event, NewestRelease, RecordChange, Recording, newest_releases};
use oar_core::version::ReleaseVersion;

use crate::display;

/// Show the newest accepted release of minor versions
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A release of each minor version, with commas between: 4.10.0,4.11.0
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
    let clients = session.clients()?;
    let permit = WritePermit::granted_by_user_interface();
    let recording = match (args.push, args.dry_run) {
        (false, _) => Recording::No,
        (true, true) => Recording::Planned,
        (true, false) => Recording::Done(&permit),
    };
    let tell = |event: Event<'_>| match event {
        Event::Newest(row, failure) => {
            show(session, row);
            if let Some(failure) = failure {
                session.ui.explain(&failure.clone().into());
            }
        }
        other => display::tell(session, other),
    };
    let (rows, failures) = newest_releases(&clients, &args.versions, recording, &tell).await?;
    session.ui.json(&rows);
    Ok(failures.class().map_or(ExitCode::Done, ExitCode::from))
}

fn show(session: &Session, row: &NewestRelease) {
    let Some(latest) = &row.latest else { return };
    session.ui.text(format!("The latest version of {} is: {latest}", row.release));
    match &row.change {
        None => {}
        Some(RecordChange::None { path }) => {
            session.ui.text(format!("{path} has no older release; nothing to do."));
        }
        Some(RecordChange::Planned { path, recorded }) => {
            let old = recorded.as_deref().unwrap_or("nothing");
            session.ui.text(format!("Would record {latest} in {path}, where {old} stands."));
        }
        Some(RecordChange::Written { path }) => session.ui.text(format!("Recorded in {path}.")),
    }
}

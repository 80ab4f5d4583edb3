use cli_support::{CliError, ExitCode, Session};
use oar_core::clients::release_controller::{Phase, StreamName, StreamTag};
use oar_core::error::ErrorClass;
use oar_core::flow::permit::WritePermit;
use oar_core::prow::names;
use oar_core::statebox::transaction::{Policy, Start, Target, transact};
use oar_core::version::{Arch, ReleaseVersion};
use serde::Serialize;

use crate::clients::Clients;

/// Show the newest accepted release of minor versions
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A release of each minor version, with commas between: 4.10.0,4.11.0; older ones than it do not count
    #[arg(value_delimiter = ',', required = true, value_name = "VERSIONS")]
    versions: Vec<ReleaseVersion>,
    /// Record each newer release in _releases/Auto-OCP-<X.Y>.txt on the branch of the records
    #[arg(long, value_name = "BOOLEAN", default_value_t = false, action = clap::ArgAction::Set)]
    push: bool,
    /// With --push true: say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    release: String,
    latest: Option<String>,
    recorded: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let clients = Clients::new(session)?;
    let mut rows = Vec::new();
    let mut code = ExitCode::Done;
    for version in &args.versions {
        let minor = version.y_stream();
        let stream = StreamName::stable(version.major(), Arch::Amd64.text());
        let controller = clients.release_controller(Arch::Amd64)?;
        let tags = controller.tags(&stream).await?.unwrap_or_default();
        let latest = newest(&tags, version);
        let mut row = Row {
            release: minor.to_string(),
            latest: latest.as_ref().map(ToString::to_string),
            recorded: false,
        };
        if let Some(latest) = latest {
            session.ui.text(format!("The latest version of {minor} is: {latest}"));
            if args.push {
                row.recorded = record(&clients, session, latest, args.dry_run).await?;
            }
        } else {
            session.ui.warn(format!("{stream} has no accepted release of {minor} from {version} on"));
            code = ExitCode::from(ErrorClass::Failed);
        }
        rows.push(row);
    }
    session.ui.json(&rows);
    Ok(code)
}

/// The newest accepted release of the same minor version, not older than `version`.
fn newest(tags: &[StreamTag], version: &ReleaseVersion) -> Option<ReleaseVersion> {
    tags.iter()
        .filter(|tag| tag.phase == Phase::Accepted)
        .filter_map(StreamTag::version)
        .filter(|tag| tag.y_stream() == version.y_stream() && tag >= version)
        .max()
}

/// Records the release where an older one, or none, is recorded.
async fn record(
    clients: &Clients,
    session: &Session,
    latest: ReleaseVersion,
    dry_run: bool,
) -> Result<bool, CliError> {
    let path = names::path(format!("Auto-OCP-{}.txt", latest.y_stream()));
    let store = clients.records()?;
    if dry_run {
        session.ui.text(format!("Would record {latest} in {path} where an older release stands there."));
        return Ok(false);
    }
    let message = format!("got the latest version {latest}");
    let target = Target { store: &store, path: &path, message: &message };
    let permit = WritePermit::granted_by_user_interface();
    let committed = transact(target, &permit, &session.clock, &Policy::default(), Start::Read, |text| {
        let recorded = text.map(|text| text.trim().parse::<ReleaseVersion>()).transpose();
        match recorded {
            Ok(Some(recorded)) if recorded >= latest => Ok(None),
            Ok(_) => Ok(Some(latest.to_string())),
            Err(error) => Err(error.to_string()),
        }
    })
    .await
    .map_err(|error| CliError::new(ErrorClass::Failed, format!("{path}: {error}")))?;
    session.ui.text(if committed.written {
        format!("Recorded in {path}.")
    } else {
        format!("{path} has no older release; nothing to do.")
    });
    Ok(committed.written)
}

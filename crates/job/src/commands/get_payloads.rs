use std::collections::{BTreeMap, BTreeSet};

use cli_support::{CliError, ExitCode, Session};
use oar_core::clients::release_controller::{Phase, StreamName, StreamTag};
use oar_core::error::ErrorClass;
use oar_core::permit::WritePermit;
use oar_core::prow::names;
use oar_core::store::Store as _;
use oar_core::store::github::GithubStore;
use oar_core::store::transaction::{Policy, Start, Target, TransactionError, transact};
use oar_core::version::{Arch, ReleaseVersion};
use serde::Serialize;

use crate::clients::Clients;

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

#[derive(Debug, Serialize)]
struct Row {
    release: String,
    latest: Option<String>,
    recorded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let clients = Clients::new(session)?;
    let store = if args.push { Some(clients.records()?) } else { None };
    let streams = streams(&clients, &args.versions).await?;
    let mut rows = Vec::new();
    let mut code = ExitCode::Done;
    for version in &args.versions {
        let minor = version.y_stream();
        let mut row = Row { release: minor.to_string(), latest: None, recorded: false, problem: None };
        let done = match newest(&streams, version) {
            Ok(latest) => {
                session.ui.text(format!("The latest version of {minor} is: {latest}"));
                row.latest = Some(latest.to_string());
                match &store {
                    None => Ok(false),
                    Some(store) if args.dry_run => plan(store, session, &latest).await.map(|()| false),
                    Some(store) => record(store, session, &latest).await,
                }
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(recorded) => row.recorded = recorded,
            // The other versions have nothing to do with it.
            Err(error) => {
                let error = CliError { message: format!("{minor}: {}", error.message), ..error };
                session.ui.explain(&error);
                code = if code == ExitCode::Done { error.code } else { code };
                row.problem = Some(error.message);
            }
        }
        rows.push(row);
    }
    session.ui.json(&rows);
    Ok(code)
}

/// The builds of a stream, or why they are not known.
type Builds = Result<Vec<StreamTag>, CliError>;

/// The stable streams of the majors, each read once.
async fn streams(clients: &Clients, versions: &[ReleaseVersion]) -> Result<BTreeMap<u64, Builds>, CliError> {
    let controller = clients.release_controller(Arch::Amd64)?;
    let majors: BTreeSet<u64> = versions.iter().map(ReleaseVersion::major).collect();
    let mut streams = BTreeMap::new();
    for major in majors {
        let tags = controller.tags(&StreamName::stable(major, Arch::Amd64.text())).await;
        streams.insert(major, tags.map(Option::unwrap_or_default).map_err(Into::into));
    }
    Ok(streams)
}

/// The newest accepted release of the same minor version.
fn newest(streams: &BTreeMap<u64, Builds>, version: &ReleaseVersion) -> Result<ReleaseVersion, CliError> {
    let tags = match streams.get(&version.major()) {
        Some(Err(error)) => return Err(error.clone()),
        Some(Ok(tags)) => tags.as_slice(),
        None => &[],
    };
    if tags.is_empty() {
        let stream = StreamName::stable(version.major(), Arch::Amd64.text());
        let words =
            format!("the stream {stream} shows no build, which is also its answer when it cannot be read");
        return Err(CliError::new(ErrorClass::Unavailable, words).with_hint("Run the same command again."));
    }
    tags.iter()
        .filter(|tag| tag.phase == Phase::Accepted)
        .filter_map(StreamTag::version)
        .filter(|tag| tag.y_stream() == version.y_stream())
        .max()
        .ok_or_else(|| {
            let stream = StreamName::stable(version.major(), Arch::Amd64.text());
            CliError::new(ErrorClass::Failed, format!("the stream {stream} has no accepted release of it"))
        })
}

fn path(latest: &ReleaseVersion) -> String {
    names::path(format!("Auto-OCP-{}.txt", latest.y_stream()))
}

/// What the file would hold: `latest`, where an older release, or none, is recorded.
fn change(text: Option<&str>, latest: &ReleaseVersion) -> Result<Option<String>, CliError> {
    let recorded = text.map(|text| text.trim().parse::<ReleaseVersion>()).transpose().map_err(|error| {
        CliError::new(ErrorClass::Failed, error.to_string()).with_hint("Correct the file, or remove it.")
    })?;
    Ok(recorded.is_none_or(|recorded| recorded < *latest).then(|| latest.to_string()))
}

fn about(path: &str, error: CliError) -> CliError {
    let message =
        if error.message.contains(path) { error.message } else { format!("{path}: {}", error.message) };
    CliError { message, ..error }
}

fn nothing_to_do(session: &Session, path: &str) {
    session.ui.text(format!("{path} has no older release; nothing to do."));
}

async fn plan(store: &GithubStore, session: &Session, latest: &ReleaseVersion) -> Result<(), CliError> {
    let path = path(latest);
    let stored = store.read(&path).await.map_err(|error| about(&path, error.into()))?;
    let text = stored.as_ref().map(|stored| stored.text.as_str());
    match change(text, latest).map_err(|error| about(&path, error))? {
        None => nothing_to_do(session, &path),
        Some(new) => {
            let old = text.map_or("nothing", str::trim);
            session.ui.text(format!("Would record {new} in {path}, where {old} stands."));
        }
    }
    Ok(())
}

/// Records the release where an older one, or none, is recorded; whether it wrote.
async fn record(store: &GithubStore, session: &Session, latest: &ReleaseVersion) -> Result<bool, CliError> {
    let path = path(latest);
    let message = format!("got the latest version {latest}");
    let target = Target { store, path: &path, message: &message };
    let permit = WritePermit::granted_by_user_interface();
    let committed = transact(target, &permit, &session.clock, &Policy::default(), Start::Read, |text| {
        change(text, latest)
    })
    .await
    .map_err(|error| {
        let error = match error {
            TransactionError::Store(error) => error.into(),
            TransactionError::Apply(error) => error,
            TransactionError::Contended { location, attempts, seconds } => CliError::new(
                ErrorClass::Conflict,
                format!("{location} was changed by others at each of {attempts} attempts in {seconds} s"),
            )
            .with_hint("Run the same command again."),
        };
        about(&path, error)
    })?;
    if committed.written {
        session.ui.text(format!("Recorded in {path}."));
    } else {
        nothing_to_do(session, &path);
    }
    Ok(committed.written)
}

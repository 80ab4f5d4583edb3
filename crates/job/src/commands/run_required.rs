use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cli_support::{CliError, ExitCode, Session};
use indexmap::IndexMap;
use oar_core::clients::gangway::{RunIntent, StartedRun};
use oar_core::error::ErrorClass;
use oar_core::flow::permit::WritePermit;
use oar_core::version::{ReleaseVersion, YStream};
use serde::Serialize;
use uuid::Uuid;

use crate::clients::Clients;

/// Start the jobs that a file requires for a release, each once
///
/// The file maps minor versions to lists of jobs: `{"4.10": ["periodic-ci-…"]}`. A job whose name contains
/// `upgrade-from-stable` is upgraded to the release, any other upgrade job runs the images of its configuration, and the
/// rest install the release. A second run of the same command finds what the first one started.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Minor versions whose jobs are started; more of them with commas between
    #[arg(long, required = true, value_delimiter = ',', value_name = "X.Y")]
    channel: Vec<YStream>,
    /// File with the required jobs
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Release that is tested, such as 4.10.63
    #[arg(long, value_name = "VERSION")]
    version: ReleaseVersion,
    /// Start jobs again that were started for this release before
    #[arg(long)]
    again: bool,
    /// Print what would be started, and start nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of one job.
#[derive(Debug, Serialize)]
struct Row {
    job: String,
    id: Option<String>,
    result: &'static str,
    problem: Option<String>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let required = read(&args.file)?;
    let mut jobs = Vec::new();
    for channel in &args.channel {
        let list = required.get(&channel.to_string()).ok_or_else(|| {
            let known: Vec<&str> = required.keys().map(String::as_str).collect();
            CliError::usage(format!(
                "{} has no jobs for {channel}; it has some for {}",
                args.file.display(),
                if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }
            ))
        })?;
        jobs.extend(list.iter().map(|job| (job.clone(), environment(job, &args.version))));
    }
    if args.dry_run {
        for (job, envs) in &jobs {
            session.ui.text(format!("Would start {job}"));
            for (name, value) in envs {
                session.ui.text(format!("  with {name}={value}"));
            }
        }
        let plan: Vec<_> =
            jobs.iter().map(|(job, envs)| serde_json::json!({"job": job, "envs": envs})).collect();
        session.ui.json(&serde_json::json!({ "dry_run": true, "jobs": plan }));
        return Ok(ExitCode::Done);
    }
    let clients = Clients::new(session)?;
    let (gangway, prow) = (clients.gangway()?, clients.prow());
    let permit = WritePermit::granted_by_user_interface();
    let mut code = ExitCode::Done;
    let mut rows = Vec::new();
    for (job, envs) in jobs {
        let intent = RunIntent {
            key: key(&job, &args.version, args.again),
            job,
            envs,
            since: session.clock.now(),
            until: None,
            may_be_started: !args.again,
            others: Vec::new(),
        };
        let row = match gangway.start_once(&prow, &intent, &permit).await {
            Ok(StartedRun::New { id }) => {
                Row { job: intent.job, id: Some(id), result: "started", problem: None }
            }
            Ok(StartedRun::Found { id }) => {
                Row { job: intent.job, id: Some(id), result: "found", problem: None }
            }
            Err(error) => {
                let error = CliError::from(error);
                session.ui.warn(format!("{}: {}", intent.job, error.message));
                code = if code == ExitCode::Done { error.code } else { code };
                Row { job: intent.job, id: None, result: "failed", problem: Some(error.message) }
            }
        };
        session.ui.text(match &row.id {
            Some(id) => format!("{:<7} {id} {}", row.result, row.job),
            None => format!("{:<7} {}", row.result, row.job),
        });
        rows.push(row);
    }
    session.ui.json(&rows);
    Ok(code)
}

/// The same for the same job and release, so that a run finds what another one started.
fn key(job: &str, version: &ReleaseVersion, again: bool) -> String {
    let key = if again {
        Uuid::now_v7()
    } else {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("job run_required {version} {job}").as_bytes())
    };
    key.simple().to_string()
}

/// The variables of a job by its name (spec 04 §1.2).
fn environment(job: &str, version: &ReleaseVersion) -> IndexMap<String, String> {
    let suffix = if job.contains("arm64") { "aarch64" } else { "x86_64" };
    let payload = format!("quay.io/openshift-release-dev/ocp-release:{version}-{suffix}");
    let variable = if job.contains("upgrade-from-stable") {
        "RELEASE_IMAGE_TARGET"
    } else if job.contains("upgrade") {
        return IndexMap::new();
    } else {
        "RELEASE_IMAGE_LATEST"
    };
    [(variable.to_owned(), payload)].into()
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<String>>, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::new(ErrorClass::Usage, format!("cannot read {}: {error}", path.display()))
    })?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::new(
            ErrorClass::Usage,
            format!("{} is not a list of required jobs: {error}", path.display()),
        )
        .with_hint("It maps minor versions to lists of jobs: {\"4.10\": [\"periodic-ci-…\"]}.")
    })
}

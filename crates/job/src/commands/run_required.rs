use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cli_support::{CliError, ExitCode, Session, complete};
use indexmap::IndexMap;
use oar_core::permit::WritePermit;
use oar_core::prow::environment::{self, Column, JobImages};
use oar_core::prow::runs::{RunIntent, Runs, StartedRun, Stranger};
use oar_core::version::{ReleaseVersion, YStream};
use serde::Serialize;
use uuid::Uuid;

use crate::clients::Clients;
use crate::csv::Rows;
use crate::names::JobNames;
use crate::shown::RunView;
use crate::start;

/// Start the jobs that a file requires for a release, each once
///
/// The file maps minor versions to lists of jobs: `{"4.10": ["periodic-ci-…"]}`. A job whose name contains
/// `upgrade-from-stable` is upgraded to the release, any other upgrade job runs the images of its configuration, and the
/// rest install the release. A second run of the same command finds what the first one started; a run that is under way
/// with the same images counts as well, whoever started it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Minor versions whose jobs are started; more of them with commas between
    #[arg(
        long,
        required = true,
        value_delimiter = ',',
        value_name = "X.Y",
        value_parser = cli_support::trimmed::<YStream>,
        add = complete::y_streams()
    )]
    channel: Vec<YStream>,
    /// File with the required jobs; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Release that is tested, such as 4.10.63
    #[arg(long, value_name = "VERSION", value_parser = cli_support::trimmed::<ReleaseVersion>, add = complete::releases())]
    version: ReleaseVersion,
    /// Start jobs again that were started for this release before
    #[arg(long, conflicts_with = "key")]
    again: bool,
    /// Continue an earlier call with --again, under the key that it printed
    #[arg(long, value_name = "UUID", value_parser = start::key)]
    key: Option<Uuid>,
    /// Append the runs to this file as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print what would be started without starting it
    #[arg(long)]
    dry_run: bool,
}

/// What a required job is started with.
#[derive(Debug)]
struct Required {
    images: JobImages,
    envs: IndexMap<String, String>,
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
    let jobs = required(&args)?;
    if args.dry_run {
        for (job, required) in &jobs {
            session.ui.text(start::plan(job, &required.envs));
        }
        let plan: Vec<_> = jobs
            .iter()
            .map(|(job, required)| serde_json::json!({"job": job, "envs": required.envs}))
            .collect();
        session.ui.json(&serde_json::json!({ "dry_run": true, "jobs": plan }));
        return Ok(ExitCode::Done);
    }
    let clients = Clients::new(session)?;
    let (gangway, prow) = (clients.gangway()?, clients.prow());
    let mut csv = args.csv.as_deref().map(Rows::open).transpose()?;
    let starts = Starts::of(&args);
    if let Starts::Again(key) = starts {
        tracing::info!("starting {} jobs under the key {key}", jobs.len());
    }
    let permit = WritePermit::granted_by_user_interface();
    let mut names = JobNames::new(&clients, session);
    let mut code = ExitCode::Done;
    let (mut rows, mut runs) = (Vec::new(), Vec::new());
    for (job, Required { images, envs }) in jobs {
        let intent = starts.intent(&job, &envs, &args.version, session);
        let started = match starts {
            // A run that a person or another program started for this release is as good.
            Starts::Once => {
                Runs::new(&gangway, &prow).start_unless_under_way(&intent, Stranger::Any, &permit).await
            }
            Starts::Again(_) | Starts::CarryOn(_) => {
                Runs::new(&gangway, &prow).start_once(&intent, &permit).await
            }
        };
        let row = match started {
            Ok(started) => {
                let result = if matches!(started, StartedRun::New { .. }) { "started" } else { "found" };
                runs.push(RunView::started(&job, started.id(), &images, envs));
                Row { job, id: Some(started.id().to_owned()), result, problem: None }
            }
            Err(error) => {
                let error = start::explained(&mut names, &job, error, &starts.repeated()).await;
                let error = about(&job, error);
                session.ui.explain(&error);
                code = if code == ExitCode::Done { error.code } else { code };
                Row { job, id: None, result: "failed", problem: Some(error.message) }
            }
        };
        session.ui.text(match &row.id {
            Some(id) => format!("{:<7} {id} {}", row.result, row.job),
            None => format!("{:<7} {}", row.result, row.job),
        });
        rows.push(row);
    }
    session.ui.json(&rows);
    if let Some(csv) = &mut csv {
        let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
        let looks = prow.jobs(&ids).await;
        // A run that Prow does not show yet is written down with what is known.
        let seen = runs.into_iter().zip(looks).map(|(run, look)| match look {
            Ok(Some(job)) => run.seen(&job),
            _ => run,
        });
        if let Err(error) = csv.append(&seen.collect::<Vec<_>>()) {
            session.ui.explain(&error);
            code = if code == ExitCode::Done { error.code } else { code };
        }
    }
    Ok(code)
}

/// The error, naming the job.
fn about(job: &str, error: CliError) -> CliError {
    let message =
        if error.message.contains(job) { error.message } else { format!("{job}: {}", error.message) };
    CliError { message, ..error }
}

/// By which keys the runs are known.
#[derive(Debug, Clone, Copy)]
enum Starts {
    /// Those of job and release, so that a call finds what another one started.
    Once,
    /// New ones.
    Again(Uuid),
    /// Those of an earlier call.
    CarryOn(Uuid),
}

impl Starts {
    fn of(args: &Args) -> Self {
        match args.key {
            Some(key) => Self::CarryOn(key),
            None if args.again => Self::Again(Uuid::now_v7()),
            None => Self::Once,
        }
    }

    fn intent(
        self,
        job: &str,
        envs: &IndexMap<String, String>,
        version: &ReleaseVersion,
        session: &Session,
    ) -> RunIntent {
        let now = session.clock.now();
        match self {
            Self::Again(key) => start::intent(job, envs, key, now, false),
            Self::CarryOn(key) => start::intent(job, envs, key, now, true),
            Self::Once => {
                let name = format!("job run_required {version} {job}");
                let key = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).simple().to_string();
                RunIntent { key, ..start::intent(job, envs, Uuid::nil(), now, true) }
            }
        }
    }

    /// How to go on after a start that may have been done.
    fn repeated(self) -> String {
        let how = match self {
            Self::Again(key) => format!("with `--key {key}` in place of --again "),
            Self::Once | Self::CarryOn(_) => String::new(),
        };
        let never = match self {
            Self::Once => " A job that has never run is started with --again.",
            Self::Again(_) | Self::CarryOn(_) => "",
        };
        format!("Run the same command {how}again: it looks for each run first and starts none twice.{never}")
    }
}

/// The jobs of the channels, each once, and what they are started with.
fn required(args: &Args) -> Result<IndexMap<String, Required>, CliError> {
    let file = read(&args.file)?;
    let mut jobs = IndexMap::new();
    for channel in &args.channel {
        let list = file.get(&channel.to_string()).ok_or_else(|| {
            let known: Vec<&str> = file.keys().map(String::as_str).collect();
            CliError::usage(format!(
                "{} has no jobs for {channel}; it has some for {}",
                args.file.display(),
                if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }
            ))
        })?;
        for job in list {
            if job.trim().is_empty() || job.contains(char::is_whitespace) {
                let path = args.file.display();
                return Err(CliError::usage(format!(
                    "{path} has `{job}` for {channel}, which is no job's name"
                )));
            }
            jobs.insert(job.clone(), environment(job, &args.version)?);
        }
    }
    Ok(jobs)
}

/// What a job is started with, by its name (spec 04 §1.2).
fn environment(job: &str, version: &ReleaseVersion) -> Result<Required, CliError> {
    let suffix = if job.contains("arm64") { "aarch64" } else { "x86_64" };
    let payload = format!("quay.io/openshift-release-dev/ocp-release:{version}-{suffix}");
    let images = if job.contains("upgrade-from-stable") {
        JobImages::UpgradeTo(payload)
    } else if job.contains("upgrade") {
        JobImages::Configured
    } else {
        JobImages::Payload(payload)
    };
    let envs = environment::variables(&images, Column::of_images(&images))
        .map_err(|error| CliError::usage(format!("{job}: {error}")))?;
    Ok(Required { images, envs })
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<String>>, CliError> {
    let text = cli_support::files::read(path)
        .map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::usage(format!("{} is not a list of required jobs: {error}", path.display()))
            .with_hint("It maps minor versions to lists of jobs: {\"4.10\": [\"periodic-ci-…\"]}.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envs(job: &str) -> Vec<(String, String)> {
        environment(job, &"4.10.63".parse().unwrap()).unwrap().envs.into_iter().collect()
    }

    fn set(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables
            .iter()
            .map(|(name, suffix)| {
                let image = format!("quay.io/openshift-release-dev/ocp-release:4.10.63-{suffix}");
                (format!("RELEASE_IMAGE_{name}"), image)
            })
            .collect()
    }

    #[test]
    fn the_name_of_a_job_decides_what_it_is_started_with() {
        for (job, expected) in [
            ("periodic-ci-demo-install", set(&[("LATEST", "x86_64")])),
            ("periodic-ci-demo-upgrade-from-stable-4.9", set(&[("TARGET", "x86_64")])),
            ("periodic-ci-demo-upgrade-from-eus", set(&[])),
            ("periodic-ci-demo-arm64-install", set(&[("LATEST", "x86_64"), ("ARM64_LATEST", "aarch64")])),
            (
                "periodic-ci-demo-arm64-upgrade-from-stable-4.9",
                set(&[("LATEST", "x86_64"), ("ARM64_TARGET", "aarch64")]),
            ),
            ("periodic-ci-demo-arm64-upgrade-from-eus", set(&[])),
        ] {
            assert_eq!(envs(job), expected, "{job}");
        }
    }
}

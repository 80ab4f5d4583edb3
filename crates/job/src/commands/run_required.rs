use std::path::PathBuf;

use cli_support::files::{self, UNREADABLE_HINT};
use cli_support::{CliError, ExitCode, Session, complete, exit_code};
use oar_core::operations::PlanOrResult;
use oar_core::operations::job::run_required::RunRequired;
use oar_core::prow::jobs::{Key, RequiredJobs};
use oar_core::version::{ReleaseVersion, YStream};

use crate::csv::Rows;
use crate::display;
use crate::start_one;

/// Start the jobs that a file requires for a release, each once
///
/// The file maps minor versions to lists of jobs: `{"4.10": ["periodic-ci-…"]}`. A job whose name contains
/// `upgrade-from-stable` upgrades to the release, any other upgrade job uses the images of its configuration,
/// and the rest install the release. A second call of the same command finds the runs of the first one; a
/// running job with the same images counts as well, whoever started it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Minor versions whose jobs are started, comma-separated
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
    #[arg(long, value_name = "UUID")]
    key: Option<Key>,
    /// Append the runs to this file as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print what would be started without starting it
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let file = args.file.display();
    let text = files::read(&args.file).map_err(|error| {
        CliError::usage(format!("cannot read {file}: {error}")).with_hint(UNREADABLE_HINT)
    })?;
    let jobs = RequiredJobs::parse(&text, file.to_string())?;
    let Args { channel, version, again, key, csv, dry_run, .. } = args;
    let rows = csv.as_deref().filter(|_| !dry_run).map(Rows::of).transpose()?;
    // A dry run needs nothing but the file.
    let call = if dry_run { session.local_call()? } else { display::call(session, display::job_id)? };
    let answer = session.perform(RunRequired { channel, jobs, version, again, key, dry_run }, &call).await?;
    session.ui.json(&answer);
    let code = exit_code(&answer);
    let unwritten = match (answer, rows) {
        (PlanOrResult::Plan(plan), _) => {
            for start in &plan.jobs {
                session.ui.text(start_one::planned(&start.job, &start.envs));
            }
            None
        }
        (PlanOrResult::Result(_), None) => None,
        (PlanOrResult::Result(report), rows) => {
            display::append(rows, &report.looked_at(call.clients()).await)
        }
    };
    Ok(ExitCode::of_all([code, session.ui.explain_all(unwritten)]))
}

use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session, complete};
use oar_core::permit::WritePermit;
use oar_core::prow::jobs::{Event, Keys, RequiredJobs, Starter, start_required};
use oar_core::version::{ReleaseVersion, YStream};
use serde::Serialize;
use uuid::Uuid;

use crate::csv::Rows;
use crate::display;
use crate::start_one;

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
    #[arg(long, value_name = "UUID", value_parser = start_one::key)]
    key: Option<Uuid>,
    /// Append the runs to this file as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print what would be started without starting it
    #[arg(long)]
    dry_run: bool,
}

/// What would be started.
#[derive(Serialize)]
struct Plan {
    dry_run: bool,
    jobs: Vec<PlannedJob>,
}

#[derive(Serialize)]
struct PlannedJob {
    job: String,
    envs: indexmap::IndexMap<String, String>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let file = args.file.display();
    let text = cli_support::files::read(&args.file)
        .map_err(|error| CliError::usage(format!("cannot read {file}: {error}")))?;
    let orders = RequiredJobs::parse(&text, file.to_string())?.orders(&args.channel, &args.version)?;
    if args.dry_run {
        for order in &orders {
            session.ui.text(start_one::planned(&order.job, &order.envs));
        }
        let jobs = orders.into_iter().map(|order| PlannedJob { job: order.job, envs: order.envs });
        session.ui.json(&Plan { dry_run: true, jobs: jobs.collect() });
        return Ok(ExitCode::Done);
    }
    let clients = session.clients()?;
    let tell = |event: Event<'_>| match event {
        Event::Required(row, failure) => {
            if let Some(failure) = failure {
                session.ui.explain(&failure.clone().into());
            }
            session.ui.text(match &row.id {
                Some(id) => format!("{:<7} {id} {}", row.result, row.job),
                None => format!("{:<7} {}", row.result, row.job),
            });
        }
        other => display::tell(session, other),
    };
    let mut starter = Starter::new(&clients, &tell)?;
    let rows = args.csv.as_deref().map(Rows::open).transpose()?;
    let permit = WritePermit::granted_by_user_interface();
    let keys = Keys::of(args.again, args.key);
    let report = start_required(&mut starter, orders, &args.version, keys, &permit).await;
    session.ui.json(&report);
    let code = report.failures.class().map_or(ExitCode::Done, ExitCode::from);
    let unwritten = match rows {
        Some(rows) => display::append(Some(rows), &report.looked_at(&clients).await),
        None => None,
    };
    let unwritten = display::explained(session, unwritten);
    Ok(if code == ExitCode::Done { unwritten } else { code })
}

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, Ui};
use oar_core::operations::jobctl::start_aggregator::StartAggregator;
use oar_core::prow::aggregator::AggregatorReport;
use oar_core::version::Arch;

use crate::{display, passes};

/// Follow the test jobs of all builds: retry failed ones, accept builds that passed
///
/// The record of an accepted build is completed only after its release payload is labelled. A failure
/// concerns only its own record, is reported, and is retried by the next pass.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Architecture: amd64, arm64, multi, ppc64le, s390x
    #[arg(long, default_value_t = Arch::Amd64, value_name = "ARCH")]
    arch: Arch,
    /// Print what would be done without doing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    schedule: Schedule,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { arch, dry_run, schedule } = args;
    let aggregator = StartAggregator { arch, dry_run };
    let clients = session.clients()?;
    aggregator.check(&clients).map_err(|error| CliError::of_task(&error))?;
    let agent = Agent {
        program: "jobctl",
        role: "aggregator",
        scope: arch.text(),
        dry_run,
        one_at_a_time: false,
        parts: &[],
        leases: &clients,
        activity: clients.http().activity(),
    };
    passes::run(
        aggregator,
        &clients,
        (schedule, agent),
        session,
        |_, _| (),
        |ui, report| {
            show(ui, report);
            let mut pass = Pass::default();
            for (text, class, _) in report.problems.iter() {
                pass.add_problem(text, class);
            }
            for build in &report.builds {
                for (text, class, _) in build.problems.iter() {
                    pass.add_problem(format!("{}: {text}", build.build), class);
                }
            }
            pass.started = report.started;
            pass.records = Some((report.records, report.records.saturating_sub(report.finished)));
            pass
        },
    )
    .await
}

fn show(ui: &Ui, report: &AggregatorReport) {
    for file in &report.ignored {
        ui.warn(format!("{file} is ignored: its name is not one of a record"));
    }
    ui.explain_failures("", &report.problems);
    for build in &report.builds {
        ui.text(format!("{}: {}", build.build, display::result(build.result)));
        for line in display::done(&build.done) {
            ui.text(format!("  {line}"));
        }
        for reason in &build.reasons {
            ui.text(format!("  {reason}"));
        }
        ui.explain_failures(&format!("{}: ", build.build), &build.problems);
    }
    ui.text(format!("{} records, {} of them final", report.records, report.finished));
}

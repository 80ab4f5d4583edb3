use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::jobctl::start_aggregator::{Arguments, StartAggregator};
use oar_core::operations::perform;
use oar_core::prow::aggregator::AggregatorReport;
use oar_core::version::Arch;

use crate::display;

/// Follow the test jobs of all builds: retry what failed, accept what passed
///
/// A record whose build passed is completed only after its release payload is labelled. Whatever fails concerns its own
/// record, is reported, and is tried again by the next pass.
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
    let arguments = Arguments { arch, dry_run };
    let clients = session.clients()?;
    arguments.check(&clients).map_err(|error| CliError::of_task(&error))?;
    let agent = Agent {
        program: "jobctl",
        role: "aggregator",
        scope: arch.text(),
        dry_run,
        one_at_a_time: false,
        leases: &clients,
        activity: clients.http().activity(),
    };
    schedule
        .run(session, agent, || async {
            let call = session.call_with(clients.clone(), false);
            let mut pass = Pass::default();
            match perform::<StartAggregator>(arguments.clone(), &call).await {
                Ok(report) => {
                    show(session, &report);
                    pass.add_problems(report.problem_count(), report.class());
                    pass.started = report.started;
                    pass.records = Some((report.records, report.records.saturating_sub(report.finished)));
                    session.ui.json(&report);
                }
                Err(error) => {
                    session.ui.fail(&CliError::of_task(&error));
                    pass.add_problem(error.inner().to_string(), error.inner().class());
                }
            }
            pass
        })
        .await
}

fn show(session: &Session, report: &AggregatorReport) {
    for file in &report.ignored {
        session.ui.warn(format!("{file} is ignored: its name is not one of a record"));
    }
    for (text, class, hint) in report.problems.iter() {
        let hint = hint.map(str::to_owned);
        session.ui.explain(&CliError { hint, ..CliError::new(class, text) });
    }
    for build in &report.builds {
        session.ui.text(format!("{}: {}", build.build, display::result(build.result)));
        for line in display::done(&build.done) {
            session.ui.text(format!("  {line}"));
        }
        for reason in &build.reasons {
            session.ui.text(format!("  {reason}"));
        }
        for problem in build.problems.texts() {
            session.ui.problem(format!("{}: {problem}", build.build));
        }
    }
    session.ui.text(format!("{} records, {} of them final", report.records, report.finished));
}

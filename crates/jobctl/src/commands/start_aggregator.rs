use cli_support::{CliError, ExitCode, Session};
use oar_core::error::Classified as _;
use oar_core::prow::aggregator::{Aggregator, AggregatorReport};
use oar_core::prow::world::Payloads;
use oar_core::version::Arch;

use super::failure;
use crate::rhythm::{Pass, Rhythm};
use crate::setup::Setup;
use crate::shown;

/// Follow the test jobs of all builds: retry what failed, accept what passed
///
/// A record whose build passed is completed only after its release payload is labelled. Whatever fails concerns its own
/// record, is reported, and is tried again by the next pass.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Architecture: amd64, arm64, multi, ppc64le, s390x
    #[arg(long, default_value_t = Arch::Amd64, value_name = "ARCH")]
    arch: Arch,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    rhythm: Rhythm,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let setup = Setup::new(session)?;
    if !args.dry_run {
        setup.require_gangway()?;
    }
    let artifacts = setup.artifacts()?;
    // A dry run labels nothing.
    let payloads = if args.dry_run { None } else { Some(setup.payloads().await?) };
    let rhythm = args.rhythm.clone();
    rhythm
        .beat(session, &setup, "aggregator", args.arch.text(), || async {
            let permit = super::permit(args.dry_run);
            let aggregator = Aggregator {
                world: setup.world(),
                artifacts: &artifacts,
                payloads: payloads.as_ref().map(|payloads| payloads as &dyn Payloads),
                policy: setup.policy(),
            };
            let mut pass = Pass::default();
            match aggregator.pass(args.arch, permit.as_ref()).await {
                Ok(report) => {
                    show(session, &report);
                    pass.problem(report.class());
                    pass.records = Some((report.records, report.builds.len()));
                    pass.problems = report.problems.len()
                        + report.builds.iter().map(|build| build.problems.len()).sum::<usize>();
                    session.ui.json(&report);
                }
                Err(error) => {
                    session.ui.fail(&failure(&error));
                    pass.problem(Some(error.class()));
                    pass.problems = 1;
                }
            }
            pass
        })
        .await
}

fn show(session: &Session, report: &AggregatorReport) {
    for problem in &report.problems {
        session.ui.warn(problem);
    }
    for build in &report.builds {
        session.ui.text(format!("{}: {}", build.build, shown::result(build.result)));
        for line in shown::done(&build.done) {
            session.ui.text(format!("  {line}"));
        }
        for reason in &build.reasons {
            session.ui.text(format!("  {reason}"));
        }
        for problem in &build.problems {
            session.ui.warn(format!("{}: {problem}", build.build));
        }
    }
    session.ui.text(format!("{} records, {} of them final", report.records, report.finished));
}

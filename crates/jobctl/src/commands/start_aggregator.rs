use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session};
use oar_core::config::Credential;
use oar_core::error::Classified as _;
use oar_core::prow::aggregator::{Aggregator, AggregatorReport};
use oar_core::prow::live::LivePayloads;
use oar_core::prow::world::{Artifacts, Payloads};
use oar_core::version::Arch;
use tokio::sync::OnceCell;

use super::failure;
use crate::display;
use crate::setup::live_world;

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
    let needed: &[Credential] =
        if args.dry_run { &[] } else { &[Credential::GangwayToken, Credential::ArtifactsAccountFile] };
    let live = live_world(session, needed)?;
    let artifacts = live.artifacts()?;
    if artifacts.is_none() {
        let name = Credential::ArtifactsAccountFile.variable().name;
        session.ui.warn(format!("test reports are not read: {name} is not set"));
    }
    let cluster: OnceCell<LivePayloads> = OnceCell::new();
    let schedule = args.schedule.clone();
    let agent = Agent {
        program: "jobctl",
        role: "aggregator",
        scope: args.arch.text(),
        dry_run: args.dry_run,
        leases: live.clients(),
    };
    schedule
        .run(session, agent, || async {
            live.refresh().await;
            let permit = super::permit(args.dry_run);
            // A dry run labels nothing. Without a login results are read and recorded all the same: Prow keeps them for a
            // day only (spec 04 §10 D10).
            let payloads = match permit {
                Some(_) => cluster.get_or_try_init(|| live.payloads()).await.map(Some),
                None => Ok(None),
            };
            let aggregator = Aggregator {
                world: live.world(),
                artifacts: artifacts.as_ref().map(|artifacts| artifacts as &dyn Artifacts),
                payloads: payloads.as_ref().ok().copied().flatten().map(|payloads| payloads as &dyn Payloads),
                policy: live.policy(),
            };
            let mut pass = Pass::default();
            if let Err(error) = &payloads {
                let failed = failure(error);
                session.ui.explain(&CliError {
                    message: format!("no payload is labelled in this pass: {}", failed.message),
                    ..failed
                });
                pass.problem(Some(error.class()));
            }
            match Box::pin(aggregator.pass(args.arch, permit.as_ref())).await {
                Ok(report) => {
                    show(session, &report);
                    pass.add_problems(report.problem_count(), report.class());
                    pass.started = report.started;
                    pass.records = Some((report.records, report.records.saturating_sub(report.finished)));
                    session.ui.json(&report);
                }
                Err(error) => {
                    session.ui.fail(&failure(&error));
                    pass.problem(Some(error.class()));
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
    for problem in report.problems.texts() {
        session.ui.problem(problem);
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

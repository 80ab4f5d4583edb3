use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, TextStyle, complete};
use oar_core::config::Credential;
use oar_core::error::Classified as _;
use oar_core::prow::controller::{Controller, ControllerReport, Scope, Verdict};
use oar_core::prow::names::BuildKind;
use oar_core::version::{Arch, YStream};

use super::failure;
use crate::display;
use crate::setup::live_world;

/// Start the test jobs of a new build, each once
///
/// Looks at the newest accepted build of each release. A new one gets a record with an intent per job and becomes the
/// recorded latest build before any job is started, so that no other controller starts them as well. A pass that was
/// interrupted is carried on by the next one.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "the options of a command line")]
pub(crate) struct Args {
    /// Minor version such as 4.20; may be repeated
    #[arg(
        short,
        long = "release",
        required = true,
        value_delimiter = ',',
        value_name = "X.Y",
        value_parser = cli_support::trimmed::<YStream>,
        add = complete::y_streams()
    )]
    releases: Vec<YStream>,
    /// Look at nightly builds; the default
    #[arg(long, overrides_with = "no_nightly")]
    nightly: bool,
    /// Look at stable builds
    #[arg(long, overrides_with = "nightly")]
    no_nightly: bool,
    /// Whether jobs are started; otherwise a new build is only recorded
    #[arg(
        long = "trigger-prow-job",
        value_name = "BOOLEAN",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_parser = cli_support::boolean
    )]
    trigger: bool,
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
    let needed: &[Credential] = if args.trigger && !args.dry_run { &[Credential::GangwayToken] } else { &[] };
    let live = live_world(session, needed)?;
    live.require_supported(args.releases.iter().copied())?;
    let kind = if args.no_nightly { BuildKind::Stable } else { BuildKind::Nightly };
    let schedule = args.schedule.clone();
    let releases: Vec<String> = args.releases.iter().map(ToString::to_string).collect();
    let scope = format!("{kind}-{}-{}", args.arch, releases.join("-"));
    let agent = Agent {
        program: "jobctl",
        role: "controller",
        scope: &scope,
        dry_run: args.dry_run,
        leases: live.clients(),
    };
    schedule
        .run(session, agent, || async {
            live.refresh().await;
            let permit = super::permit(args.dry_run);
            let controller = Controller { world: live.world() };
            let mut pass = Pass::default();
            let mut reports = Vec::new();
            for release in &args.releases {
                let scope = Scope { release: *release, kind, arch: args.arch };
                match Box::pin(controller.pass(scope, args.trigger, permit.as_ref())).await {
                    Ok(report) => {
                        show(session, &report);
                        // Each job that was not started is a problem of its own.
                        report.jobs.iter().for_each(|job| pass.problem(job.class));
                        pass.started += report.jobs.iter().filter(|job| job.result == "started").count();
                        reports.push(serde_json::json!(report));
                    }
                    // The next release has nothing to do with it.
                    Err(error) => {
                        let failed = failure(&error);
                        session.ui.explain(&CliError {
                            message: format!("{release} {kind} {}: {}", args.arch, failed.message),
                            ..failed
                        });
                        pass.problem(Some(error.class()));
                        reports.push(serde_json::json!({ "scope": scope, "error": error.to_string() }));
                    }
                }
            }
            session.ui.json(&reports);
            pass
        })
        .await
}

pub(super) fn show(session: &Session, report: &ControllerReport) {
    let Scope { release, kind, arch } = report.scope;
    let name = format!("{release} {kind} {arch}");
    let latest = report.latest.as_deref().unwrap_or("none");
    let recorded = report.recorded.as_deref().unwrap_or("none");
    let line = match report.verdict {
        Verdict::NoBuild => format!("{name}: the stream has no accepted build"),
        Verdict::Same => format!("{name}: {latest} is recorded; nothing new"),
        Verdict::Older => format!("{name}: {latest} is older than the recorded {recorded}; nothing new"),
        Verdict::New => {
            format!("{name}: {} {latest} (recorded: {recorded})", TextStyle::Strong.paint("new build"))
        }
    };
    session.ui.text(line);
    for warning in &report.warnings {
        session.ui.warn(format!("{name}: {warning}"));
    }
    display::started_jobs(session, &report.jobs);
    for step in &report.planned {
        session.ui.text(format!("  would {step}"));
    }
    if report.recorded_now {
        session.ui.text(format!("  recorded {latest} as the latest build"));
    }
}

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, TextStyle, Ui, complete};
use oar_core::error::{Classified as _, ErrorClass};
use oar_core::operations::Part;
use oar_core::operations::jobctl::start_controller::{StartController, StreamPass};
use oar_core::prow::controller::{ControllerReport, Scope, Verdict};
use oar_core::prow::starter::JobStart;
use oar_core::version::{Arch, YStream};

use crate::{display, passes};

/// Start the test jobs of a new build, each once
///
/// Checks the newest accepted build of each release. A new one gets a record with an intent per job and
/// becomes the recorded latest build before any job is started, so that no other controller starts them as
/// well. The next pass continues an interrupted one.
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
    /// Check nightly builds; the default
    #[arg(long, overrides_with = "no_nightly")]
    nightly: bool,
    /// Check stable builds
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
    let Args { releases, no_nightly, trigger, arch, dry_run, schedule, .. } = args;
    let names: Vec<String> = releases.iter().map(ToString::to_string).collect();
    let controller =
        StartController { release: releases, no_nightly, trigger_prow_job: trigger, arch, dry_run };
    let clients = session.clients()?;
    controller.check(&clients).map_err(|error| CliError::of_task(&error))?;
    let scope = format!("{}-{arch}-{}", controller.kind(), names.join("-"));
    let agent = Agent {
        program: "jobctl",
        role: "controller",
        scope: &scope,
        dry_run,
        one_at_a_time: false,
        parts: &[],
        leases: &clients,
        activity: clients.http().activity(),
    };
    passes::run(controller, &clients, (schedule, agent), session, show_part, |_, answer| {
        let mut pass = Pass::default();
        for (words, class) in answer.releases.iter().flat_map(problems) {
            pass.add_problem(words, class);
        }
        pass.started = answer.started();
        pass
    })
    .await
}

/// Shows the result of a pass for one minor version, as soon as it is done.
fn show_part(ui: &Ui, part: Part<'_>) {
    match part {
        Part::Controlled(StreamPass::Done(report)) => show(ui, report),
        Part::Controlled(StreamPass::Failed { scope, error }) => {
            let shown = CliError::from(error.clone());
            ui.explain(&CliError { message: format!("{}: {}", name(*scope), shown.message), ..shown });
        }
        _ => {}
    }
}

/// What went wrong for one minor version, with its class.
fn problems(pass: &StreamPass) -> Vec<(String, ErrorClass)> {
    match pass {
        StreamPass::Done(report) => {
            let jobs = report.jobs.iter().filter_map(|job| Some((job, job.class?)));
            let words = |job: &JobStart| job.problem.clone().unwrap_or_else(|| job.result.to_owned());
            jobs.map(|(job, class)| (format!("{}: {}", job.job, words(job)), class)).collect()
        }
        StreamPass::Failed { scope, error } => vec![(format!("{}: {error}", name(*scope)), error.class())],
    }
}

fn name(Scope { release, kind, arch }: Scope) -> String {
    format!("{release} {kind} {arch}")
}

fn show(ui: &Ui, report: &ControllerReport) {
    let name = name(report.scope);
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
    ui.text(line);
    for warning in &report.warnings {
        ui.warn(format!("{name}: {warning}"));
    }
    display::started_jobs(ui, &report.jobs);
    for step in &report.planned {
        ui.text(format!("  would {step}"));
    }
    if report.recorded_now {
        ui.text(format!("  recorded {latest} as the latest build"));
    }
}

//! `oarctl start-release-detector`: finds announced releases that nobody has begun.

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, TextStyle, Ui, complete, trimmed};
use oar_core::operations::oarctl::start_release_detector::{
    Made, ReleaseResult, StartReleaseDetector, StreamReport, Verdict,
};
use oar_core::operations::perform;
use oar_core::version::YStream;

/// Create the StateBox of every announced release that has none
///
/// Compares the announced releases of each y-stream with its newest accepted stable build. Every announced release that is
/// newer and has no StateBox gets one, as `oar create-test-report` makes it. The release channel is told once when an
/// announcement is missing, and when nobody has begun an accepted release whose image is more than a day old.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Y-stream such as 4.19; may be repeated. Asked for at a terminal when it is left out
    #[arg(
        short = 'r',
        long = "minor-release",
        value_delimiter = ',',
        value_name = "X.Y",
        value_parser = trimmed::<YStream>,
        add = complete::y_streams()
    )]
    minor_release: Vec<YStream>,
    /// Look at every supported y-stream
    #[arg(long, conflicts_with = "minor_release")]
    all: bool,
    /// Print what would be done without doing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    schedule: Schedule,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { mut minor_release, all, dry_run, schedule } = args;
    if minor_release.is_empty()
        && !all
        && let Some(line) = session.prompt("Please input the minor version of OCP").await?
    {
        let stream = line.parse::<YStream>().map_err(|error| CliError::usage(error.to_string()))?;
        minor_release.push(stream);
    }
    let detector = StartReleaseDetector { minor_release, all, dry_run };
    let clients = session.clients()?;
    let streams = detector.check(&clients).map_err(|error| CliError::of_task(&error))?;
    let names: Vec<String> = streams.iter().map(ToString::to_string).collect();
    let scope = if all { "all".to_owned() } else { names.join("-") };
    let agent = Agent {
        program: "oarctl",
        role: "release-detector",
        scope: &scope,
        parts: &names,
        dry_run,
        // Two that tell the release channel of one y-stream at the same moment would not see each other's message.
        one_at_a_time: true,
        leases: &clients,
        activity: clients.http().activity(),
    };
    schedule
        .run(session, agent, || async {
            let call = session.call_with(clients.clone(), false);
            let mut pass = Pass::default();
            match perform(detector.clone(), &call).await {
                Ok(answer) => {
                    for report in &answer.streams {
                        show(&session.ui, report);
                        for (text, class, _) in report.problems.iter() {
                            pass.add_problem(format!("{}: {text}", report.stream), class);
                        }
                        pass.started +=
                            report.releases.iter().filter(|made| made.result == Made::Created).count();
                    }
                    session.ui.json(&answer);
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

fn show(ui: &Ui, report: &StreamReport) {
    let stream = report.stream;
    let name = |release: &Option<oar_core::version::ReleaseVersion>| {
        release.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    let (announced, stable) = (name(&report.announced), name(&report.stable));
    match report.verdict {
        Verdict::NothingAnnounced => ui.text(format!("{stream}: no release is announced")),
        Verdict::NoStableBuild => ui.text(format!(
            "{stream}: {announced} is announced, and the release controller shows no stable build; nothing is done"
        )),
        Verdict::NothingNew => {
            ui.text(format!("{stream}: nothing new; announced {announced}, stable {stable}"));
        }
        Verdict::New => {
            let new = TextStyle::Strong.paint("new release");
            ui.text(format!("{stream}: {new}; announced {announced}, stable {stable}"));
        }
        Verdict::Behind => ui.text(format!("{stream}: behind; announced {announced}, stable {stable}")),
        Verdict::Unknown => {}
    }
    for release in &report.releases {
        if let Some(line) = made(release) {
            ui.text(format!("  {line}"));
        }
    }
    for warning in &report.warnings {
        ui.warn(format!("{stream}: {} (the release channel: {})", warning.text, warning.told));
    }
    for (text, class, hint) in report.problems.iter() {
        let hint = hint.map(str::to_owned);
        ui.explain(&CliError { hint, ..CliError::new(class, format!("{stream}: {text}")) });
    }
}

fn made(release: &ReleaseResult) -> Option<String> {
    let detail = release.detail.as_deref().unwrap_or_default();
    let name = &release.release;
    match release.result {
        Made::Created => Some(format!("{name}: created {detail}")),
        Made::WouldCreate => Some(format!("{name}: would {detail}")),
        Made::NothingToDo => Some(format!("{name}: nothing to do; {detail}")),
        Made::Error => None,
    }
}

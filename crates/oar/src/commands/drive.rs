use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cli_support::{CliError, ExitCode, exit_code, files};
use jiff::{SignedDuration, Timestamp};
use oar_core::clock::duration_words;
use oar_core::drive::plan::DrivePlan;
use oar_core::drive::verdict::Verdict;
use oar_core::error::ErrorClass;
use oar_core::flow::wait::{Next, Wait, until};
use oar_core::operations::advance::Advanced;
use oar_core::operations::drive::{Drive, DriveOnce, Passed, usual_durations};
use oar_core::operations::files::{Content, File};

use oar_core::statebox::TaskName;

use crate::plan_text::{done, render};
use crate::release::Release;

/// Show the state of each step of the release, what can be done now, what waits, and who must act
///
/// Without --once, nothing is changed. Facts are read only for steps that could go on now; what cannot be read is unknown,
/// and never counts as done. With --once, the steps that can be done now are run, as far as the section `drive` of the
/// configuration document leaves them to the engine, and people are told in Slack what waits for them, each question once.
/// Exits with 1 if a step failed, or if a step has neither a next look nor a person, which is a defect of this program.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Args {
    /// Only show the plan; the default
    #[arg(long, conflicts_with_all = ["once", "offline"])]
    plan: bool,
    /// Do everything that can be done now and that the policy leaves to the engine
    #[arg(long, conflicts_with = "offline")]
    once: bool,
    /// Repeat --once until the release has shipped, and show the state of each step; Ctrl-C leaves the release to others
    #[arg(long, conflicts_with_all = ["plan", "once", "offline", "dry_run"])]
    watch: bool,
    /// Show what would be done without doing it
    #[arg(long)]
    dry_run: bool,
    /// Plan from this StateBox file alone, `-` for standard input: no service is asked
    #[arg(long, value_name = "FILE")]
    offline: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let session = &release.session;
    let Args { once, watch, dry_run, offline, .. } = args;
    if watch {
        return watched(release).await;
    }
    if once {
        let passed = release.perform(DriveOnce { dry_run }).await?;
        session.ui.json(&passed);
        return Ok(match &passed {
            Passed::Plan(plan) => show(plan, release),
            Passed::Advanced(advanced) => show_pass(advanced, release),
        });
    }
    let plan = match offline {
        Some(path) => {
            let name = path.display().to_string();
            let content = Content(files::read_bytes(&path));
            let call = session.local_call()?.about(release.version.clone())?;
            session.perform(Drive { offline: Some(File { name, content }) }, &call).await?
        }
        None => release.perform(Drive::default()).await?,
    };
    session.ui.json(&plan);
    Ok(show(&plan, release))
}

fn show(plan: &DrivePlan, release: &Release) -> ExitCode {
    release.session.ui.text(render(plan));
    exit_code(plan)
}

fn show_pass(advanced: &Advanced, release: &Release) -> ExitCode {
    let ui = &release.session.ui;
    ui.text(done(advanced));
    ui.text(render(&advanced.plan));
    explain(advanced, release);
    exit_code(advanced)
}

/// Says what did not work.
fn explain(advanced: &Advanced, release: &Release) {
    let ui = &release.session.ui;
    for run in advanced.runs.iter().filter(|run| run.failed()) {
        let words = run.detail.as_deref().unwrap_or(run.result.text());
        let class = run.class.unwrap_or(ErrorClass::Failed);
        ui.explain(&CliError::new(class, format!("{}: {words}", run.node)));
    }
    if advanced.plan.held.is_empty() {
        for warning in &advanced.warnings {
            ui.explain(&CliError::new(ErrorClass::Unavailable, warning.clone()));
        }
    }
}

/// The longest and the shortest time between two passes of `--watch`.
const LONGEST: Duration = Duration::from_mins(2);
const SHORTEST: Duration = Duration::from_secs(10);

/// Passes over the release until it has shipped, a pass cannot be made, or the user ends it.
async fn watched(release: &Release) -> Result<ExitCode, CliError> {
    let session = &release.session;
    let (ui, clock) = (&session.ui, &session.clock);
    if session.behalf.is_some() {
        return Err(CliError::usage("`--watch` shows a plan at a terminal, again and again")
            .with_hint("Use `oar drive` for the plan, or `oar drive --once` for one pass."));
    }
    if ui.is_json() {
        return Err(CliError::usage(
            "`--watch` cannot be used with `--output json`: it shows a plan again and again",
        )
        .with_hint("Use `--once --output json` for one pass."));
    }
    let usual = usual_durations(&release.call(false)?).await;
    let mut shown = String::new();
    loop {
        let passed = release.perform(DriveOnce { dry_run: false }).await;
        let pause = match passed {
            Ok(Passed::Advanced(advanced)) => {
                let plan = &advanced.plan;
                let text = render(plan);
                ui.redraw(&text, &changes(&advanced, &mut shown));
                explain(&advanced, release);
                if advanced.signal.is_some() {
                    return Ok(left(release, exit_code(advanced.as_ref())));
                }
                if plan.done == plan.total {
                    return Ok(ExitCode::Done);
                }
                ui.progress(&progress(plan, &usual, clock.now()));
                pause_after(plan, clock.now())
            }
            Ok(Passed::Plan(_)) => LONGEST,
            // Whether a service answers may change; a wrong setting stays so.
            Err(error) if matches!(error.code, ExitCode::Unavailable | ExitCode::Conflict) => {
                ui.explain(&error);
                LONGEST
            }
            Err(error) => return Err(error),
        };
        if let Next::Stop(signal) = Wait::new(clock).unless_stopped(&session.interrupt).pause(pause).await {
            return Ok(left(release, signal.into()));
        }
    }
}

/// How long to wait after a pass that left this plan. What was due then is what the pass could not do: it counts as no next
/// look.
fn pause_after(plan: &DrivePlan, now: Timestamp) -> Duration {
    let made = plan.at.parse().unwrap_or(now);
    // The plan names its time in whole seconds.
    let is_later = |at: &Timestamp| at.as_second() > made.as_second();
    let next = plan.nodes.iter().filter_map(|node| node.look_at).filter(is_later).min();
    next.map_or(LONGEST, |next| until(now, next)).clamp(SHORTEST, LONGEST)
}

/// Says that the release is left to others.
fn left(release: &Release, code: ExitCode) -> ExitCode {
    let words = "what waits or runs stays in the StateBox; `oarctl drive`, or the next command, goes on";
    release.session.ui.note(format!("{} is left to others: {words}", release.version));
    code
}

/// What is said without a terminal: what was done, and the steps whose verdicts have changed.
fn changes(advanced: &Advanced, shown: &mut String) -> String {
    let states = advanced.plan.nodes.iter().map(|node| format!("{}: {}", node.node, node.verdict.name()));
    let now: Vec<String> = states.collect();
    let known: Vec<&str> = shown.lines().collect();
    let mut lines = vec![format!(
        "{} {}: {} of {} steps done",
        advanced.plan.at, advanced.release, advanced.plan.done, advanced.plan.total
    )];
    lines.extend(now.iter().filter(|line| !known.contains(&line.as_str())).map(|line| format!("  {line}")));
    if !advanced.runs.is_empty() {
        lines.push(done(advanced));
    }
    *shown = now.join("\n");
    if lines.len() > 1 { lines.join("\n") } else { String::new() }
}

/// The progress line: how far the release is, and how long what runs takes and usually takes.
fn progress(plan: &DrivePlan, usual: &BTreeMap<TaskName, SignedDuration>, now: Timestamp) -> String {
    let running = plan.nodes.iter().filter(|node| matches!(node.verdict, Verdict::Running { .. }));
    let mut parts = vec![format!("{} of {} steps done", plan.done, plan.total)];
    parts.extend(running.map(|node| {
        let since: Option<Timestamp> = node.since.as_ref().and_then(|since| since.parse().ok());
        let runs = since.map(|since| format!(" for {}", duration_words(now.duration_since(since).as_secs())));
        let usually = node.node.task().and_then(|task| usual.get(&task));
        let usually = usually.map(|usually| format!(", usually {}", duration_words(usually.as_secs())));
        format!("{} runs{}{}", node.node, runs.unwrap_or_default(), usually.unwrap_or_default())
    }));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use oar_core::drive::verdict::NodePlan;

    use super::*;
    use crate::plan_text::tests::{node, plan};

    #[test]
    fn what_a_pass_could_not_do_is_not_tried_again_at_once() {
        let made: Timestamp = plan(Vec::new()).at.parse().unwrap();
        for (looks, seconds) in [
            (&[][..], 120),
            (&[0], 120),
            (&[-5, 0, 3600], 120),
            (&[0, 40], 37),
            (&[0, 1], 10),
            (&[90, 40], 37),
        ] {
            let at = |look: &i64| NodePlan {
                look_at: Some(made + look.seconds() + 300.milliseconds()),
                ..node(TaskName::StageTesting, Verdict::Ready)
            };
            let plan = plan(looks.iter().map(at).collect());
            assert_eq!(pause_after(&plan, made + 3.seconds()).as_secs(), seconds, "{looks:?}");
        }
    }
}

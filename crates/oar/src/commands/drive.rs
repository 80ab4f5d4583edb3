use std::path::PathBuf;

use cli_support::{CliError, ExitCode, TextStyle, cut, exit_code, files};
use oar_core::drive::plan::{DrivePlan, FactUnknown, Request};
use oar_core::drive::verdict::{NodePlan, ToDo, Verdict};
use oar_core::error::ErrorClass;
use oar_core::operations::advance::{Advanced, RunResult};
use oar_core::operations::drive::{Drive, DriveOnce, Passed};
use oar_core::operations::files::{Content, File};
use unicode_width::UnicodeWidthStr;

use crate::release::Release;

/// The width of the plan, in columns.
const WIDTH: usize = 100;
/// The column at which the words of a node start.
const INDENT: usize = 4;
/// How many lines the words of a node may have.
const LINES: usize = 3;

/// Show what stands where in the release, what can be done now, what waits and who must act
///
/// Without --once nothing is changed. Only the facts are read that a step needs which could go on now. What cannot be
/// read is unknown, and never counts as done. With --once the steps are run that can be done now, as far as the section
/// `drive` of the configuration document leaves them to the engine; people are told in Slack what waits for them, each
/// question once. Exits with 1 if a step failed, or has neither a next look nor a person, which is a defect of this
/// program.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only show the plan; the default
    #[arg(long, conflicts_with_all = ["once", "offline"])]
    plan: bool,
    /// Do everything that can be done now and that the policy leaves to the engine
    #[arg(long, conflicts_with = "offline")]
    once: bool,
    /// Show what would be done without doing it
    #[arg(long)]
    dry_run: bool,
    /// Plan from this StateBox file alone, `-` for standard input: no service is asked
    #[arg(long, value_name = "FILE")]
    offline: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let session = &release.session;
    let Args { once, dry_run, offline, .. } = args;
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
    for run in advanced.runs.iter().filter(|run| run.failed()) {
        let words = run.detail.as_deref().unwrap_or(run.result.text());
        let class = run.class.unwrap_or(ErrorClass::Failed);
        ui.explain(&CliError::new(class, format!("{}: {words}", run.node)));
    }
    exit_code(advanced)
}

/// What a pass did.
fn done(advanced: &Advanced) -> String {
    let mut lines = vec![TextStyle::Strong.paint("Done now")];
    for run in &advanced.runs {
        let tone = match run.result {
            RunResult::Done => TextStyle::Good,
            RunResult::Failed => TextStyle::Bad,
            RunResult::Running | RunResult::Blocked | RunResult::Unknown => TextStyle::Attention,
            RunResult::Nothing | RunResult::Held => TextStyle::Faint,
        };
        lines.push(format!("    {}: {}", run.node, tone.paint(run.result.text())));
        for text in [&run.detail, &run.allowed_by].into_iter().flatten() {
            wrap(text, INDENT + 2, LINES, &mut lines);
        }
    }
    if advanced.runs.is_empty() {
        lines.push("    nothing".to_owned());
    }
    if advanced.told > 0 {
        let noun = if advanced.told == 1 { "message" } else { "messages" };
        lines.push(format!("    {} {noun} to people in Slack", advanced.told));
    }
    for warning in &advanced.warnings {
        wrap(warning, INDENT, LINES, &mut lines);
    }
    lines.push(String::new());
    lines.join("\n")
}

fn render(plan: &DrivePlan) -> String {
    let flow = match plan.flow {
        Some("konflux") => "Konflux",
        Some(_) => "Errata",
        None => "flow unknown",
    };
    let mut lines = vec![format!(
        "{} · {flow} · {} of {} steps done · {}",
        TextStyle::Strong.paint(&plan.release),
        plan.done,
        plan.total,
        plan.at
    )];
    lines.push(TextStyle::Faint.paint(cut(&plan.statebox, WIDTH)));
    lines.push(String::new());
    if !plan.held.is_empty() {
        lines.pop();
        section("Held", &mut lines);
        plan.held.iter().for_each(|held| wrap(held, INDENT, LINES, &mut lines));
        lines.push(String::new());
    }
    let width = plan.nodes.iter().map(|node| node.node.id().len()).max().unwrap_or(0);
    let is_shown = |node: &&NodePlan| !matches!(node.verdict, Verdict::NotApplicable { .. });
    for node in plan.nodes.iter().filter(is_shown) {
        node_lines(node, width, &mut lines);
    }
    let skipped: Vec<&str> =
        plan.nodes.iter().filter(|node| !is_shown(node)).map(|node| node.node.id()).collect();
    if !skipped.is_empty() {
        wrap(&format!("not needed: {}", skipped.join(", ")), 2, usize::MAX, &mut lines);
    }
    section("Would be done now", &mut lines);
    for run in &plan.now {
        let looks = if run.only_looks { " (looks or records; no effect outside)" } else { "" };
        wrap(&format!("{}{looks}", run.command), INDENT, usize::MAX, &mut lines);
    }
    if plan.now.is_empty() {
        lines.push(format!("{}nothing", " ".repeat(INDENT)));
    }
    if !plan.people.is_empty() {
        section("Waits for people", &mut lines);
        plan.people.iter().for_each(|request| person_lines(request, &mut lines));
    }
    if !plan.unknown.is_empty() {
        section("Unknown", &mut lines);
        plan.unknown.iter().for_each(|unknown| unknown_lines(unknown, &mut lines));
    }
    if !plan.defects.is_empty() {
        section("Defects of this program", &mut lines);
        for defect in &plan.defects {
            wrap(defect, INDENT, LINES, &mut lines);
        }
    }
    lines.push(String::new());
    lines.push(match &plan.next_look {
        Some(next) => format!("Next look: {next}"),
        None => "Next look: none is due".to_owned(),
    });
    lines.join("\n")
}

fn section(title: &str, lines: &mut Vec<String>) {
    lines.extend([String::new(), TextStyle::Strong.paint(title)]);
}

fn node_lines(node: &NodePlan, width: usize, lines: &mut Vec<String>) {
    let (word, tone) = match &node.verdict {
        Verdict::Asks { .. } if node.stale.is_some() => ("stale", TextStyle::Bad),
        Verdict::Done => ("done", TextStyle::Good),
        Verdict::Running { .. } => ("running", TextStyle::Attention),
        Verdict::Ready => ("ready", TextStyle::Strong),
        Verdict::Waiting { unknown: true, .. } => ("unknown", TextStyle::Attention),
        Verdict::Waiting { .. } => ("waiting", TextStyle::Faint),
        Verdict::Blocked { .. } => ("blocked", TextStyle::Bad),
        Verdict::Asks { .. } => ("asks", TextStyle::Attention),
        Verdict::Failed { .. } => ("failed", TextStyle::Bad),
        Verdict::NotApplicable { .. } => ("not needed", TextStyle::Faint),
    };
    let mut rest = Vec::new();
    rest.extend(node.since.as_ref().map(|since| format!("since {since}")));
    rest.extend(node.next_look.as_ref().map(|next| format!("next look {next}")));
    rest.extend(node.deadline.as_ref().map(|deadline| format!("until {deadline}")));
    let first = format!("  {:<width$}  {}", node.node.id(), tone.paint(word));
    let padding = " ".repeat(8_usize.saturating_sub(word.len()));
    // The times go to a line of their own when they do not fit.
    let times = rest.join(" · ");
    let used = 2 + width + 2 + 8;
    if times.is_empty() || used + 2 + times.width() > WIDTH {
        lines.push(first);
        if !times.is_empty() {
            wrap(&times, INDENT, usize::MAX, lines);
        }
    } else {
        lines.push(format!("{first}{padding}  {times}"));
    }
    let words = match &node.verdict {
        Verdict::Running { what } => what.clone(),
        Verdict::Waiting { what, .. } => format!("waits for {what}"),
        Verdict::Blocked { by, whose } => format!("{by} ({})", whose.words()),
        Verdict::Asks { question, .. } => question.clone(),
        Verdict::Failed { why, tries_left, class } => {
            let class = class.map(|class| format!("{class}: ")).unwrap_or_default();
            let tries = if *tries_left == 1 { "try" } else { "tries" };
            format!("{class}{why} ({tries_left} {tries} left)")
        }
        Verdict::Done | Verdict::Ready | Verdict::NotApplicable { .. } => String::new(),
    };
    for text in [Some(words), node.note.clone()].into_iter().flatten().filter(|text| !text.is_empty()) {
        wrap(&text, INDENT, LINES, lines);
    }
    if matches!(node.verdict, Verdict::Ready) && matches!(node.to_do, ToDo::Consent { .. }) {
        wrap("needs consent", INDENT, LINES, lines);
    }
}

fn person_lines(request: &Request, lines: &mut Vec<String>) {
    let nodes: Vec<&str> = request.nodes.iter().map(|node| node.id()).collect();
    let words = format!("{}: {}: {}", request.who.words(), nodes.join(", "), request.question);
    wrap(&words, INDENT, LINES, lines);
    if !request.choices.is_empty() {
        wrap(&request.choices.join(" | "), INDENT + 2, LINES, lines);
    }
    if let Some(command) = &request.command {
        wrap(command, INDENT + 2, usize::MAX, lines);
    }
}

fn unknown_lines(unknown: &FactUnknown, lines: &mut Vec<String>) {
    let nodes: Vec<&str> = unknown.nodes.iter().map(|node| node.id()).collect();
    let needed = if nodes.is_empty() { String::new() } else { format!(" (for {})", nodes.join(", ")) };
    wrap(&format!("{}{needed}: {}", unknown.fact.words(), unknown.why), INDENT, LINES, lines);
}

/// `text` in at most `most` lines of at most the plan's width, indented.
fn wrap(text: &str, indent: usize, most: usize, lines: &mut Vec<String>) {
    let margin = " ".repeat(indent);
    let start = lines.len();
    let mut line = margin.clone();
    for word in text.split_whitespace() {
        let empty = line.len() == margin.len();
        if !empty && line.width() + 1 + word.width() > WIDTH {
            if lines.len() - start + 1 >= most {
                line = format!("{}…", cut(&line, WIDTH - 1));
                break;
            }
            lines.push(std::mem::replace(&mut line, margin.clone()));
        } else if !empty {
            line.push(' ');
        }
        line.push_str(&cut(word, WIDTH - indent));
    }
    if line.len() > margin.len() {
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_to_the_width_and_to_the_number_of_lines() {
        let mut lines = Vec::new();
        wrap(&"word ".repeat(90), 4, 2, &mut lines);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.width() <= WIDTH), "{lines:?}");
        assert!(lines[1].ends_with('…'), "{lines:?}");
    }
}

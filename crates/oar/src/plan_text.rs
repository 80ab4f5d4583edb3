//! The plan of a release as text.

use cli_support::{TextStyle, cut};
use oar_core::drive::plan::{DrivePlan, FactUnknown, Request};
use oar_core::drive::verdict::{NodePlan, ToDo, Verdict};
use oar_core::operations::advance::{Advanced, RunResult};
use unicode_width::UnicodeWidthStr as _;

use crate::wrap::wrap;

/// The width of the plan, in columns.
const WIDTH: usize = 100;
/// The column at which the words of a node start.
const INDENT: usize = 4;
/// How many lines the words of a node may have.
const LINES: usize = 3;

/// What a pass did.
pub(crate) fn done(advanced: &Advanced) -> String {
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
            wrap(WIDTH, text, INDENT + 2, LINES, &mut lines);
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
        wrap(WIDTH, warning, INDENT, LINES, &mut lines);
    }
    lines.push(String::new());
    lines.join("\n")
}

pub(crate) fn render(plan: &DrivePlan) -> String {
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
    if !plan.held.is_empty() {
        section("Held", &mut lines);
        plan.held.iter().for_each(|held| wrap(WIDTH, held, INDENT, LINES, &mut lines));
    }
    section("Would be done now", &mut lines);
    for run in &plan.now {
        let looks = if run.only_looks { " (looks or records; no effect outside)" } else { "" };
        wrap(WIDTH, &format!("{}{looks}", run.command), INDENT, usize::MAX, &mut lines);
    }
    if plan.now.is_empty() {
        lines.push(format!("{}nothing", " ".repeat(INDENT)));
    }
    if !plan.people.is_empty() {
        section("Waits for people", &mut lines);
        plan.people.iter().for_each(|request| person_lines(request, &mut lines));
    }
    section("Steps", &mut lines);
    let width = plan.nodes.iter().map(|node| node.node.id().len()).max().unwrap_or(0);
    let is_shown = |node: &&NodePlan| !matches!(node.verdict, Verdict::NotApplicable { .. });
    let shown: Vec<&NodePlan> = plan.nodes.iter().filter(is_shown).collect();
    for (place, node) in shown.iter().enumerate() {
        let is_same = |earlier: &&&NodePlan| {
            matches!(node.verdict, Verdict::Blocked { .. }) && earlier.verdict == node.verdict
        };
        node_lines(node, shown[..place].iter().find(is_same).copied(), width, &mut lines);
    }
    let skipped: Vec<&str> =
        plan.nodes.iter().filter(|node| !is_shown(node)).map(|node| node.node.id()).collect();
    if !skipped.is_empty() {
        wrap(WIDTH, &format!("not needed: {}", skipped.join(", ")), 2, usize::MAX, &mut lines);
    }
    if !plan.unknown.is_empty() {
        section("Unknown", &mut lines);
        plan.unknown.iter().for_each(|unknown| unknown_lines(unknown, &mut lines));
    }
    if !plan.defects.is_empty() {
        section("Defects of this program", &mut lines);
        for defect in &plan.defects {
            wrap(WIDTH, defect, INDENT, LINES, &mut lines);
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

/// The lines of a node; `same` is the first one in whose way the same stands.
fn node_lines(node: &NodePlan, same: Option<&NodePlan>, width: usize, lines: &mut Vec<String>) {
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
            wrap(WIDTH, &times, INDENT, usize::MAX, lines);
        }
    } else {
        lines.push(format!("{first}{padding}  {times}"));
    }
    let words = match &node.verdict {
        Verdict::Running { what } => what.clone(),
        Verdict::Waiting { what, .. } => format!("waits for {what}"),
        Verdict::Blocked { by, whose } => match same {
            Some(same) => format!("the same as {}", same.node),
            None => format!("{by} ({})", whose.words()),
        },
        Verdict::Asks { question, .. } => question.clone(),
        Verdict::Failed { why, tries_left, class } => {
            let class = class.map(|class| format!("{class}: ")).unwrap_or_default();
            let tries = if *tries_left == 1 { "try" } else { "tries" };
            format!("{class}{why} ({tries_left} {tries} left)")
        }
        Verdict::Done | Verdict::Ready | Verdict::NotApplicable { .. } => String::new(),
    };
    for text in [Some(words), node.note.clone()].into_iter().flatten().filter(|text| !text.is_empty()) {
        wrap(WIDTH, &text, INDENT, LINES, lines);
    }
    if matches!(node.verdict, Verdict::Ready) && matches!(node.to_do, ToDo::Consent { .. }) {
        wrap(WIDTH, "needs consent", INDENT, LINES, lines);
    }
}

fn person_lines(request: &Request, lines: &mut Vec<String>) {
    let nodes: Vec<&str> = request.nodes.iter().map(|node| node.id()).collect();
    let words = format!("{}: {}: {}", request.who.words(), nodes.join(", "), request.question);
    wrap(WIDTH, &words, INDENT, LINES, lines);
    if !request.choices.is_empty() {
        wrap(WIDTH, &request.choices.join(" | "), INDENT + 2, LINES, lines);
    }
    for command in &request.commands {
        wrap(WIDTH, command, INDENT + 2, usize::MAX, lines);
    }
}

fn unknown_lines(unknown: &FactUnknown, lines: &mut Vec<String>) {
    let nodes: Vec<&str> = unknown.nodes.iter().map(|node| node.id()).collect();
    let needed = if nodes.is_empty() { String::new() } else { format!(" (for {})", nodes.join(", ")) };
    wrap(WIDTH, &format!("{}{needed}: {}", unknown.fact.words(), unknown.why), INDENT, LINES, lines);
}

#[cfg(test)]
pub(crate) mod tests {
    use oar_core::config::Leave;
    use oar_core::drive::verdict::Act;
    use oar_core::flow::nodes::{Node, Who};
    use oar_core::statebox::TaskName;

    use super::*;

    pub(crate) fn node(task: TaskName, verdict: Verdict) -> NodePlan {
        NodePlan {
            node: Node::Task(task),
            verdict,
            policy: Leave::Auto,
            note: None,
            stale: None,
            since: None,
            next_look: None,
            deadline: None,
            person: None,
            to_do: ToDo::Nothing,
            evidence: Vec::new(),
            lacks: None,
            case: None,
            look_at: None,
            act: Act::default(),
            topic: None,
        }
    }

    pub(crate) fn plan(nodes: Vec<NodePlan>) -> DrivePlan {
        DrivePlan {
            release: "4.19.1".to_owned(),
            flow: Some("konflux"),
            statebox: "4.19.1.yaml".to_owned(),
            at: "2026-07-02T15:00:00Z".to_owned(),
            offline: false,
            held: Vec::new(),
            done: 0,
            total: nodes.len(),
            now: Vec::new(),
            people: Vec::new(),
            next_look: None,
            nodes,
            facts: Vec::new(),
            unknown: Vec::new(),
            defects: Vec::new(),
        }
    }

    #[test]
    fn what_stands_in_the_way_of_several_steps_is_said_once() {
        let blocked = |task, by: &str, whose| node(task, Verdict::Blocked { by: by.to_owned(), whose });
        let text = render(&plan(vec![
            blocked(TaskName::PushToCdnStaging, "stage is down", Who::Art),
            blocked(TaskName::StageTesting, "stage is down", Who::Art),
            blocked(TaskName::DropBugs, "stage is down", Who::Owner),
            blocked(TaskName::ImageSignedCheck, "not signed", Who::Art),
            blocked(TaskName::ChangeAdvisoryStatus, "stage is down", Who::Art),
        ]));
        let words: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| {
                ["stage is down", "not signed", "the same"].iter().any(|begin| line.starts_with(begin))
            })
            .collect();
        assert_eq!(
            words,
            [
                "stage is down (ART)",
                "the same as push-to-cdn-staging",
                "stage is down (the release owner)",
                "not signed (ART)",
                "the same as push-to-cdn-staging",
            ],
            "{text}"
        );
    }
}

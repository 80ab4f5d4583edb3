//! A build's tests as text.

use cli_support::TextStyle;
use oar_core::clock::duration_words;
use oar_core::prow::outcome::{BuildOutcome, JobOutcome};
use oar_core::prow::view::{BuildView, JobListSource, JobView, RunView};

/// The most failing tests of a suite that are listed.
const NAMED: usize = 5;

/// The whole build: what is recorded, every job with its runs, and why it is accepted or not.
pub(crate) fn build(view: &BuildView) -> String {
    let mut lines = vec![
        format!("{} · {} · {}", TextStyle::Strong.paint(&view.build), view.arch, headline(view)),
        TextStyle::Faint.paint(&view.pull_spec),
        TextStyle::Faint.paint(match &view.started {
            Some(time) => format!("{}, jobs started {time}", view.file),
            None => view.file.clone(),
        }),
        String::new(),
    ];
    for view in &view.jobs {
        job(view, &mut lines);
    }
    for missing in &view.missing {
        let (word, required) = if missing.required {
            (TextStyle::Bad.paint("missing"), "required, enabled, and not in the record")
        } else {
            (TextStyle::Attention.paint("missing"), "optional")
        };
        lines.extend([format!("{word}  {}", missing.job), format!("         {required}")]);
        if let Some(other) = &missing.recorded_as {
            lines.push(format!("         perhaps in the record as {other}"));
        }
        lines.push(String::new());
    }
    lines.push(TextStyle::Strong.paint(match view.outcome {
        BuildOutcome::Accepted => "Accepted:",
        BuildOutcome::Rejected => "Not accepted:",
        BuildOutcome::Open => "Open:",
    }));
    lines.extend(view.reasons.iter().map(|reason| format!("  {reason}")));
    let judged = match view.judged_by {
        JobListSource::StartedWith => "Judged by the registry that the build was started with.",
        JobListSource::Registry => {
            "Judged by the current registry; the record does not keep the one it was started with."
        }
        JobListSource::EntriesOnly => {
            "Judged without a registry: missing jobs cannot be detected (name one with --registry DIR)."
        }
    };
    lines.push(TextStyle::Faint.paint(judged));
    lines.join("\n")
}

fn headline(view: &BuildView) -> String {
    let outcome = match view.outcome {
        BuildOutcome::Accepted => TextStyle::Good.paint("accepted"),
        BuildOutcome::Rejected => TextStyle::Bad.paint("not accepted"),
        BuildOutcome::Open => TextStyle::Attention.paint("open"),
    };
    let recorded = view.recorded;
    let headline = match recorded.accepted.filter(|_| recorded.aggregated) {
        None => outcome,
        Some(true) if view.outcome == BuildOutcome::Accepted => outcome,
        Some(false) if view.outcome == BuildOutcome::Rejected => outcome,
        Some(true) => {
            format!("{}, though its jobs say {outcome}", TextStyle::Attention.paint("recorded as accepted"))
        }
        Some(false) => {
            format!("{}, though its jobs say {outcome}", TextStyle::Attention.paint("recorded as rejected"))
        }
    };
    let mut parts = vec![headline];
    if recorded.manual_promotion {
        parts.push(TextStyle::Good.paint("promoted by hand"));
    }
    if !recorded.aggregated && (view.outcome != BuildOutcome::Open || recorded.manual_promotion) {
        parts.push("not recorded yet".to_owned());
    }
    parts.join(", ")
}

fn job(view: &JobView, lines: &mut Vec<String>) {
    let outcome = match view.outcome {
        JobOutcome::Success => TextStyle::Good.paint("passed "),
        JobOutcome::Failed if view.required => TextStyle::Bad.paint("failed "),
        JobOutcome::Failed => TextStyle::Attention.paint("failed "),
        JobOutcome::Open => TextStyle::Attention.paint("open   "),
    };
    let optional = if view.required { "" } else { " (optional)" };
    lines.push(format!("{outcome}  {}{optional}", view.job));
    lines.push(format!("         {}", view.reason));
    for (index, view) in view.runs.iter().enumerate() {
        let name = if index == 0 { "first".to_owned() } else { format!("retry {index}") };
        run(&name, view, lines);
    }
    lines.push(String::new());
}

fn run(name: &str, view: &RunView, lines: &mut Vec<String>) {
    let tone = match (view.state.as_str(), view.ended) {
        ("success", _) => TextStyle::Good,
        (_, true) => TextStyle::Bad,
        (_, false) => TextStyle::Attention,
    };
    let state = tone.paint(format!("{:<9}", view.state));
    let started = view.started.as_deref().unwrap_or("-");
    let took = view.seconds.map(duration_words).unwrap_or_default();
    let line = format!("         {name:<8} {state} {started:<20}  {took:<11}  {}", tests(view));
    lines.push(line.trim_end().to_owned());
    if view.state == "success" {
        return;
    }
    // Never cut, because a part of a URL is useless.
    lines.push(format!("{:18}{}", "", view.url.as_ref().unwrap_or(&view.id)));
    for suite in &view.tests {
        for test in suite.failing.iter().take(NAMED) {
            lines.push(format!("{:18}{} {test}", "", TextStyle::Bad.paint("·")));
        }
        if let Some(more) = suite.failing.len().checked_sub(NAMED).filter(|more| *more > 0) {
            lines.push(format!("{:18}and {more} more of {}", "", suite.suite));
        }
    }
}

fn tests(view: &RunView) -> String {
    if view.tests.is_empty() {
        return String::new();
    }
    let sum = |number: fn(&oar_core::prow::view::SuiteView) -> Option<u64>| -> u64 {
        view.tests.iter().filter_map(number).fold(0, u64::saturating_add)
    };
    let mut parts = vec![format!("{} tests", sum(|suite| suite.total))];
    for (count, word) in [
        (sum(|suite| suite.failures), "failed"),
        (sum(|suite| suite.errors), "in error"),
        (sum(|suite| suite.skipped), "skipped"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    parts.join(", ")
}

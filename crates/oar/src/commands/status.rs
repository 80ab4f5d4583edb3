use cli_support::{CliError, ExitCode, TextStyle, cut};
use oar_core::operations::status::{Answer, Status, WorksheetStatus};
use oar_core::statebox::{ConsentView, TaskStatus};
use oar_core::tasks::status::{StatusReport, StatusRow};

use crate::release::Release;
use crate::wrap::wrap;

/// The width of the report, in columns.
const WIDTH: usize = 80;
/// The minimum width of the tasks' names, in columns.
const NAMES: usize = 24;
/// The column at which the details of a task start.
const INDENT: usize = 4;

/// Show the status of every task, what it waits for, and what comes next
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let answer = release.perform(Status {}).await?;
    let ui = &release.session.ui;
    ui.json(&answer);
    ui.text(match &answer {
        Answer::StateBox(report) => render(report),
        Answer::Worksheet(status) => in_worksheet(status),
    });
    Ok(ExitCode::Done)
}

fn in_worksheet(status: &WorksheetStatus) -> String {
    let WorksheetStatus { release, worksheet, location, .. } = status;
    format!(
        "{release} has no StateBox file: its status stands in the worksheet, as for the releases of its time:\n  {worksheet}\n\
         To follow it in {location} from now on:\n  oar -r {release} create-test-report --beside-worksheet"
    )
}

fn render(report: &StatusReport) -> String {
    let mut lines = vec![header(report), TextStyle::Faint.paint(&report.statebox)];
    for held in &report.held {
        lines.push(TextStyle::Bad.paint("nothing begins:"));
        wrap(WIDTH, &held.reason, INDENT, usize::MAX, &mut lines);
        if let Some(next) = &held.next {
            wrap(WIDTH, next, INDENT, usize::MAX, &mut lines);
        }
    }
    lines.push(String::new());
    let names = report.tasks.iter().chain(&report.others).map(|row| row.name.len());
    let width = names.max().unwrap_or(0).max(NAMES);
    for row in &report.tasks {
        task(row, width, &mut lines);
    }
    if !report.others.is_empty() {
        lines.push(TextStyle::Faint.paint("  not required for the approval:"));
    }
    for row in &report.others {
        task(row, width, &mut lines);
    }
    if !report.issues.is_empty() {
        lines.extend([String::new(), TextStyle::Strong.paint("Open issues")]);
    }
    for issue in &report.issues {
        let kind =
            if issue.blocker { TextStyle::Bad.paint("blocker") } else { TextStyle::Faint.paint("note") };
        let about = if issue.related_tasks.is_empty() {
            "the release".to_owned()
        } else {
            issue.related_tasks.join(", ")
        };
        let age = issue.age.as_ref().map(|age| format!(", {age} ago")).unwrap_or_default();
        lines.push(format!("  {kind} of {about}{age}"));
        wrap(WIDTH, &issue.issue, INDENT, usize::MAX, &mut lines);
    }
    if !report.decisions.is_empty() {
        lines.extend([String::new(), TextStyle::Strong.paint("Decisions")]);
    }
    for row in &report.decisions {
        let more = if row.counts { String::new() } else { format!(" ({})", row.standing) };
        wrap(WIDTH, &format!("{}{more}", row.decision), INDENT, usize::MAX, &mut lines);
    }
    lines.push(String::new());
    let pass = report.tasks.iter().filter(|row| row.status == TaskStatus::Pass).count();
    let next = if report.next.is_empty() {
        if pass == report.tasks.len() {
            "nothing, all tasks are done".to_owned()
        } else {
            "nothing is ready".to_owned()
        }
    } else {
        report.next.join(", ")
    };
    lines.push(format!("{pass} of {} tasks are done. Next:", report.tasks.len()));
    wrap(WIDTH, &next, INDENT, usize::MAX, &mut lines);
    lines.join("\n")
}

fn header(report: &StatusReport) -> String {
    let pending = &report.metadata.pending;
    let flow = if report.metadata.shipment_mr.is_some() {
        "Konflux"
    } else if pending.iter().any(|field| field == "shipment_mr") {
        "Konflux, being prepared"
    } else {
        "Errata"
    };
    let mut parts = vec![TextStyle::Strong.paint(&report.release), flow.to_owned()];
    parts.extend(report.metadata.release_date.as_ref().map(|date| format!("ships {date}")));
    parts.extend(report.metadata.jira_ticket.clone());
    let mut header = parts.join(" · ");
    if !pending.is_empty() {
        let fields = TextStyle::Attention.paint(format!("not there yet: {}", pending.join(", ")));
        header = format!("{header}\n{fields}");
    }
    header
}

fn task(row: &StatusRow, width: usize, lines: &mut Vec<String>) {
    let tone = match row.status {
        TaskStatus::Pass => TextStyle::Good,
        TaskStatus::Fail => TextStyle::Bad,
        TaskStatus::InProgress => TextStyle::Attention,
        TaskStatus::NotStarted => TextStyle::Faint,
    };
    let status = format!("{:<11}", row.status.text());
    let age = row.age.as_ref().map_or_else(|| "-".to_owned(), |age| format!("{age} ago"));
    let by = row.by.as_ref().map(|by| format!("by {by}")).unwrap_or_default();
    let line = format!("  {:<width$} {} {age:<11} {by}", row.name, tone.paint(status));
    lines.push(line.trim_end().to_owned());
    if let Some(waits) = &row.waits
        && (row.status != TaskStatus::NotStarted || !waits.starts_with("can be"))
    {
        wrap(WIDTH, waits, INDENT, usize::MAX, lines);
    }
    if row.status != TaskStatus::NotStarted
        && let Some(url) = row.job.as_ref().and_then(|job| job.url.as_ref())
    {
        // Never cut, because a part of a URL is useless.
        lines.push(format!("{}{url}", " ".repeat(INDENT)));
    }
    for consent in &row.consents {
        let ConsentView { command, by, at, until, .. } = consent;
        let what = if *command == row.name { "its plan" } else { command };
        wrap(
            WIDTH,
            &format!("{by} consented to one run of {what} at {at}, valid until {until}"),
            INDENT,
            usize::MAX,
            lines,
        );
    }
    if row.undelivered > 0 {
        wrap(
            WIDTH,
            "a message of the last run was not delivered; the next command on this release sends it",
            INDENT,
            usize::MAX,
            lines,
        );
    }
    if row.status != TaskStatus::NotStarted
        && let Some(last) = &row.last_line
        && !last.starts_with("task [")
    {
        lines.push(format!("{}{}", " ".repeat(INDENT), TextStyle::Faint.paint(cut(last, WIDTH - INDENT))));
    }
}

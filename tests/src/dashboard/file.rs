//! The StateBox file of a release.

use std::fmt::Write as _;

use super::services::{CONSISTENCY_JOB, Numbers, STAGE_BUILD};
use super::table::{CHAIN, Case, IN_PROGRESS, Issue, PASS, TaskOf};
use super::{day, stamp};

/// A text as YAML and JSON write it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// The file of `case`, in which unfinished tasks have `result`, and ended runs and issues also `note`.
pub(super) fn file(case: &Case, numbers: &Numbers, result: &str, note: &str) -> String {
    let chain = CHAIN.iter().take(case.passed).map(|(name, status, started, ended)| {
        (*name, *status, started + case.earlier, ended.map(|hours| hours + case.earlier))
    });
    let tasks: Vec<TaskOf> = chain.chain(case.tasks.iter().copied()).collect();
    let created = stamp(tasks.iter().map(|task| task.2).max().unwrap_or(3) + 2);
    let mut text = format!(
        "schema_version: '1.0'\nrelease: {}\ncreated_at: '{created}'\nupdated_at: '{created}'\nmetadata:\n  jira_ticket: {}\n  \
         advisory_ids:\n",
        case.release,
        numbers.ticket()
    );
    for (impetus, id) in numbers.advisories() {
        let _ = writeln!(text, "    {impetus}: {id}");
    }
    let _ = writeln!(
        text,
        "  release_date: {}\n  candidate_builds:\n    x86_64: {}",
        day(case.days),
        numbers.candidate(false)
    );
    if let Some(url) = &numbers.shipment {
        let _ = writeln!(text, "  shipment_mr: {url}");
    }
    text.push_str(if tasks.is_empty() { "tasks: []\n" } else { "tasks:\n" });
    for task in &tasks {
        add_task(&mut text, task, result, note);
    }
    text.push_str(if case.issues.is_empty() { "issues: []\n" } else { "issues:\n" });
    for issue in case.issues {
        add_issue(&mut text, issue, note);
    }
    if case.held {
        let _ = writeln!(
            text,
            "decisions:\n- id: h1\n  kind: hold\n  reason: {}\n  by: lead\n  at: '{}'",
            quoted("the errata server is moved this week"),
            stamp(5)
        );
    }
    text
}

fn add_task(text: &mut String, (name, status, started, ended): &TaskOf, result: &str, note: &str) {
    let ended_at = ended.map_or("null".to_owned(), |hours| format!("'{}'", stamp(hours)));
    let result = if *status == PASS { "done\n" } else { result };
    let started = stamp(*started);
    let _ = writeln!(
        text,
        "- name: {name}\n  status: {status}\n  started_at: '{started}'\n  completed_at: {ended_at}\n  result: {}",
        quoted(result)
    );
    if let Some(ended) = ended {
        let ended = stamp(*ended);
        let _ = writeln!(
            text,
            "  history:\n  - id: {name}-1\n    started: '{started}'\n    finished: '{started}'\n    by: robin\n    command: \
             {name}\n    outcome: {IN_PROGRESS}\n  - id: {name}-2\n    started: '{ended}'\n    finished: '{ended}'\n    by: \
             drive\n    command: {name}\n    outcome: {status}\n    reason: {}",
            quoted(note),
        );
    }
    let job = match *name {
        "image-consistency-check" => Some(("prow", CONSISTENCY_JOB.0, CONSISTENCY_JOB.1.to_owned())),
        "stage-testing" => Some(("jenkins", STAGE_BUILD.0, STAGE_BUILD.1.to_string())),
        _ => None,
    };
    if let Some((system, name, id)) = job.filter(|_| *status == IN_PROGRESS) {
        let _ = writeln!(
            text,
            "  job:\n    system: {system}\n    name: {name}\n    id: '{id}'\n    triggered_at: '{started}'"
        );
    }
}

fn add_issue(text: &mut String, issue: &Issue, note: &str) {
    let tasks = if issue.task.is_empty() { " []".to_owned() } else { format!("\n  - {}", issue.task) };
    let (resolution, at) = match issue.resolved {
        Some(hours) => ("fixed", format!("\n  resolved_at: '{}'\n  resolved_by: robin", stamp(hours))),
        None => ("null", String::new()),
    };
    let words =
        if issue.text.ends_with(": ") { format!("{}{note}", issue.text) } else { issue.text.to_owned() };
    let _ = writeln!(
        text,
        "- issue: {}\n  reported_at: '{}'\n  resolved: {}\n  resolution: {resolution}\n  blocker: {}\n  \
         related_tasks:{tasks}{at}",
        quoted(&words),
        stamp(issue.reported),
        issue.resolved.is_some(),
        issue.blocks,
    );
}

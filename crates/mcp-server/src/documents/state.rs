//! The status of a release (row 19 of spec 05 §7.5).

use oar_core::statebox::{State, TaskStatus, TaskView};
use oar_core::tasks::status::{StatusReport, StatusRow};
use serde_json::{Map, Value, json};

use super::Shortened;
use super::bounds::{LIMIT, begin_of, end_of, shorten};

/// How much of the result of a task that passed is shown, in bytes.
const PASSED: usize = 160;
/// How much of the result of another task is shown.
const UNDECIDED: usize = 900;
/// How much of an issue's resolution is shown.
const RESOLUTION: usize = 400;

/// The whole state, with results shortened to their ends, and beside it why each task is not done and what comes next.
pub(crate) fn document(state: &State, report: &StatusReport) -> Shortened {
    let release = state.release().unwrap_or_default();
    let rows = || report.tasks.iter().chain(&report.others);
    let tasks: Vec<Value> = state
        .tasks()
        .iter()
        .map(|view| task(release, view, rows().find(|row| row.name == view.name)))
        .collect();
    let mut metadata = json!({
        "jira_ticket": report.metadata.jira_ticket,
        "advisory_ids": report.metadata.advisory_ids,
        "release_date": report.metadata.release_date,
        "candidate_builds": report.metadata.candidate_builds,
        "shipment_mr": report.metadata.shipment_mr,
    });
    if !report.metadata.pending.is_empty() {
        metadata["pending"] = json!(report.metadata.pending);
    }
    let mut document = json!({
        "schema_version": state.schema_version(),
        "release": release,
        "created_at": state.created_at(),
        "updated_at": state.updated_at(),
        "metadata": metadata,
        "tasks": tasks,
        "issues": issues(state),
        "next": report.next,
    });
    // The tasks are a closed set, so the issues alone can be too many.
    let mut whole = shorten(&mut document, "issues", LIMIT);
    if document.to_string().len() > LIMIT {
        for task in document["tasks"].as_array_mut().into_iter().flatten() {
            if let Some(result) = task["result"].as_str() {
                let short = end_of(result, PASSED, "");
                task["result"] = json!(short);
            }
        }
        whole = whole.or(shorten(&mut document, "tasks", LIMIT));
    }
    (document, whole)
}

fn task(release: &str, view: &TaskView, row: Option<&StatusRow>) -> Value {
    let limit = if view.status == TaskStatus::Pass { PASSED } else { UNDECIDED };
    let more = format!("; read release://{release}/log/{}", view.name);
    let mut task = json!({
        "name": view.name,
        "status": view.status.text(),
        "started_at": view.started_at,
        "completed_at": view.completed_at,
        "result": view.result.as_deref().map(|result| end_of(result, limit, &more)),
    });
    if let Some(waits) = row.and_then(|row| row.waits.as_deref()) {
        task["waits"] = json!(begin_of(waits, UNDECIDED));
    }
    if let Some(job) = view.job.as_ref().filter(|_| view.status != TaskStatus::Pass) {
        task["job"] = json!({ "system": job.system.name(), "name": job.name, "id": job.id });
    }
    task
}

fn issues(state: &State) -> Vec<Value> {
    state.issues().iter().map(issue).collect()
}

/// An issue in the form of the file.
pub(crate) fn issue(issue: &oar_core::statebox::IssueView) -> Value {
    let mut fields = Map::from_iter([
        ("issue".to_owned(), json!(issue.issue)),
        ("reported_at".to_owned(), json!(issue.reported_at)),
        ("resolved".to_owned(), json!(issue.resolved)),
        ("resolution".to_owned(), json!(issue.resolution.as_deref().map(|text| begin_of(text, RESOLUTION)))),
        ("blocker".to_owned(), json!(issue.blocker)),
        ("related_tasks".to_owned(), json!(issue.related_tasks)),
    ]);
    let more = [
        ("reported_by", &issue.reported_by),
        ("resolved_at", &issue.resolved_at),
        ("resolved_by", &issue.resolved_by),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(fields)
}

//! Documents as Jenkins writes them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::{Build, Item, Job, State};

fn actions(parameters: &[(String, Value)]) -> Value {
    let values: Vec<Value> = parameters
        .iter()
        .map(|(name, value)| match value {
            Value::Bool(_) => {
                json!({"_class": "hudson.model.BooleanParameterValue", "name": name, "value": value})
            }
            // A password: Jenkins does not show it.
            Value::Null => json!({"_class": "hudson.model.PasswordParameterValue", "name": name}),
            _ => json!({"_class": "hudson.model.StringParameterValue", "name": name, "value": value}),
        })
        .collect();
    json!([
        {},
        {"_class": "hudson.model.CauseAction", "causes": [{"shortDescription": "Started by user rlead"}]},
        {"_class": "hudson.model.ParametersAction", "parameters": values},
        {"_class": "org.jenkinsci.plugins.workflow.job.views.FlowGraphAction"},
    ])
}

fn leaf(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The whole queue. Tasks carry the job's last name only; one item has no named task at all.
pub(super) fn queue(state: &State, base: &str) -> Value {
    let mut items: Vec<Value> = state
        .items
        .iter()
        .filter(|item| item.left.is_none() && !item.cancelled)
        .map(|one| item(state, one, base))
        .collect();
    if !items.is_empty() {
        items.push(json!({
            "_class": "hudson.model.Queue$BuildableItem", "id": 1, "blocked": false, "buildable": true,
            "stuck": false, "why": "Waiting for next available executor", "actions": [{}],
            "task": {"_class": "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$PlaceholderTask"},
        }));
    }
    json!({"_class": "hudson.model.Queue", "discoverableItems": [], "items": items})
}

/// One item, waiting or left.
pub(super) fn item(state: &State, item: &Item, base: &str) -> Value {
    let job = state.jobs.iter().find(|job| job.path == item.job);
    let url_path = job.map(Job::url_path).unwrap_or_default();
    let since = item.since.as_millisecond();
    let mut view = json!({
        "id": item.id,
        "actions": actions(&item.parameters),
        "blocked": state.busy && item.left.is_none(),
        "buildable": false,
        "inQueueSince": since,
        "stuck": false,
        "task": {
            "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
            "name": leaf(&item.job),
            "url": format!("{base}{url_path}/"),
            "color": "blue",
        },
        "url": format!("queue/item/{}/", item.id),
        "why": null,
    });
    let Some(fields) = view.as_object_mut() else { return view };
    match (item.left, item.cancelled) {
        (Some((number, _)), _) => {
            fields.insert("_class".into(), "hudson.model.Queue$LeftItem".into());
            fields.insert("cancelled".into(), false.into());
            let url = format!("{base}{url_path}/{number}/");
            let class = "org.jenkinsci.plugins.workflow.job.WorkflowRun";
            fields.insert("executable".into(), json!({"_class": class, "number": number, "url": url}));
        }
        (None, true) => {
            fields.insert("_class".into(), "hudson.model.Queue$LeftItem".into());
            fields.insert("cancelled".into(), true.into());
        }
        (None, false) => {
            let (class, why) = if state.busy {
                ("hudson.model.Queue$BlockedItem", "Waiting for next available executor on stage")
            } else {
                ("hudson.model.Queue$WaitingItem", "In the quiet period. Expires in 4.8 sec")
            };
            fields.insert("_class".into(), class.into());
            fields.insert("why".into(), why.into());
        }
    }
    view
}

/// A job with its builds, newest first.
pub(super) fn job(state: &State, job: &Job, base: &str, now: Timestamp) -> Value {
    let builds: Vec<Value> = job.builds.iter().rev().map(|one| build(job, one, base, now)).collect();
    let waiting =
        state.items.iter().any(|item| item.job == job.path && item.left.is_none() && !item.cancelled);
    json!({
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob",
        "name": leaf(&job.path),
        "fullName": job.path,
        "url": format!("{base}{}/", job.url_path()),
        "buildable": true,
        "inQueue": waiting,
        "nextBuildNumber": job.next,
        "builds": builds,
    })
}

/// One build.
pub(super) fn build(job: &Job, build: &Build, base: &str, now: Timestamp) -> Value {
    let result = build.result_at(now);
    let duration = if result.is_some() { build.duration.as_millis() } else { 0 };
    json!({
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        "actions": actions(&build.parameters),
        "building": result.is_none(),
        "inProgress": result.is_none(),
        "number": build.number,
        "id": build.number.to_string(),
        "queueId": build.item,
        "result": result,
        "duration": i64::try_from(duration).unwrap_or_default(),
        "timestamp": build.started.as_millisecond(),
        "fullDisplayName": format!("{} #{}", job.path.replace('/', " » "), build.number),
        "url": format!("{base}{}/{}/", job.url_path(), build.number),
    })
}

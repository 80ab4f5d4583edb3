//! Documents as Jenkins writes them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::{BEGINS, Build, Item, Job, State, Visible};

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

/// The whole queue. Tasks carry the job's last name only; one item has no named task at all. Of an item whose job may
/// not be read there is nothing but the name.
pub(super) fn queue(state: &State, base: &str, now: Timestamp) -> Value {
    let visible = |item: &Item| {
        let job = state.jobs.iter().find(|job| job.path == item.job);
        job.map_or(Visible::Nothing, |job| job.visible)
    };
    let waiting =
        |wanted: Visible| move |one: &&Item| one.left.is_none() && !one.cancelled && visible(one) == wanted;
    let mut items: Vec<Value> =
        state.items.iter().filter(waiting(Visible::Whole)).map(|one| item(state, one, base, now)).collect();
    let discoverable: Vec<Value> = state
        .items
        .iter()
        .filter(waiting(Visible::Name))
        .map(|one| json!({"task": {"name": leaf(&one.job)}}))
        .collect();
    if !items.is_empty() {
        items.push(json!({
            "_class": "hudson.model.Queue$BuildableItem", "id": 1, "blocked": false, "buildable": true,
            "stuck": false, "why": "Waiting for next available executor", "actions": [{}],
            "task": {"_class": "org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$PlaceholderTask"},
        }));
    }
    json!({"_class": "hudson.model.Queue", "discoverableItems": discoverable, "items": items})
}

/// One item, waiting or left.
pub(super) fn item(state: &State, item: &Item, base: &str, now: Timestamp) -> Value {
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
        (Some((number, left)), _) => {
            fields.insert("_class".into(), "hudson.model.Queue$LeftItem".into());
            fields.insert("cancelled".into(), false.into());
            let url = format!("{base}{url_path}/{number}/");
            let class = "org.jenkinsci.plugins.workflow.job.WorkflowRun";
            // It is about to start, and has no build yet.
            let executable = (now.duration_since(left) >= BEGINS)
                .then(|| json!({"_class": class, "number": number, "url": url}));
            fields.insert("executable".into(), executable.into());
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
        "property": property(job),
    })
}

/// The properties of a job; most say nothing, one has the definitions of its parameters.
fn property(job: &Job) -> Value {
    let definitions: Vec<Value> = job
        .parameters
        .iter()
        .map(|(name, default)| {
            let (class, kind) = match default {
                _ if job.choices.contains_key(name) => ("hudson.model.ChoiceParameterDefinition", "Choice"),
                Value::Bool(_) => ("hudson.model.BooleanParameterDefinition", "Boolean"),
                Value::Null => ("hudson.model.PasswordParameterDefinition", "Password"),
                _ => ("hudson.model.StringParameterDefinition", "String"),
            };
            let mut definition = json!({
                "_class": class, "name": name, "type": format!("{kind}ParameterDefinition"), "description": null,
                "defaultParameterValue": {"name": name, "value": default},
            });
            if let (Some(fields), Some(choices)) = (definition.as_object_mut(), job.choices.get(name)) {
                fields.insert("choices".to_owned(), json!(choices));
            }
            definition
        })
        .collect();
    let mut properties = vec![json!({}), json!({"_class": "jenkins.model.BuildDiscarderProperty"})];
    if !definitions.is_empty() {
        let class = "hudson.model.ParametersDefinitionProperty";
        properties.push(json!({"_class": class, "parameterDefinitions": definitions}));
    }
    properties.into()
}

/// One build.
pub(super) fn build(job: &Job, build: &Build, base: &str, now: Timestamp) -> Value {
    let (result, ended) = (build.result_at(now), build.has_ended(now));
    let duration = if ended { build.duration.as_millis() } else { 0 };
    let in_progress = build.has_begun(now) && !ended;
    let item = build.item.and_then(|item| i64::try_from(item).ok()).unwrap_or(-1);
    json!({
        "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        "actions": actions(&build.parameters),
        "building": result.is_none() || in_progress,
        "inProgress": in_progress,
        "number": build.number,
        "id": build.number.to_string(),
        "queueId": item,
        "result": result,
        "duration": i64::try_from(duration).unwrap_or_default(),
        "timestamp": build.started.as_millisecond(),
        "fullDisplayName": format!("{} #{}", job.path.replace('/', " » "), build.number),
        "url": format!("{base}{}/{}/", job.url_path(), build.number),
    })
}

//! Projects and new issues (J-9).

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State as AxumState},
    http::StatusCode,
};
use serde_json::{Map, Value, json};

use super::{
    asked::Asked,
    edit,
    front::Caller,
    issues::body,
    model::{Issue, Right, Write},
    refusal::Refusal,
    state::State,
    views,
};
use crate::world::Shared;

/// `GET /project/{key}`.
pub(super) async fn project(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let missing = || Refusal::NotFound(format!("No project could be found with key '{key}'."));
    if caller.0.is_none() {
        return Err(missing());
    }
    let state = world.jira.lock();
    let project = state.project(&key).ok_or_else(missing)?;
    let types: Vec<Value> = project.issue_types.iter().map(|name| views::issue_type(name)).collect();
    Ok(Json(json!({
        "self": format!("{}/rest/api/2/project/{}", world.url("/jira"), project.id),
        "id": project.id, "key": project.key, "name": project.name, "projectTypeKey": "software",
        "issueTypes": types,
    })))
}

fn name_of<'a>(fields: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    fields.get(field)?.get("name")?.as_str()
}

/// The new issue before its fields are set.
fn blank(state: &State, fields: &Map<String, Value>, author: &str, now: &str) -> Result<Issue, Refusal> {
    let project = fields
        .get("project")
        .and_then(|project| project.get("id").or_else(|| project.get("key")))
        .and_then(Value::as_str)
        .and_then(|project| state.project(project))
        .ok_or_else(|| Refusal::field("project", "valid project is required"))?;
    let issue_type = name_of(fields, "issuetype")
        .filter(|name| project.issue_types.iter().any(|known| known == name))
        .ok_or_else(|| Refusal::field("issuetype", "Specify a valid issue type"))?;
    let parent = fields.get("parent").and_then(|parent| parent.get("key").or_else(|| parent.get("id")));
    let parent = match (parent.and_then(Value::as_str), issue_type.starts_with("Sub-")) {
        (Some(key), true) => Some(state.visible(key).map_err(|_| {
            Refusal::field("parent", "Could not find valid 'id' or 'key' in 'parent' field.")
        })?),
        (None, true) => {
            return Err(Refusal::field(
                "parent",
                "Issue type is a sub-task but parent issue key or id not specified.",
            ));
        }
        (_, false) => None,
    };
    if !fields.contains_key("summary") {
        return Err(Refusal::field("summary", "You must specify a summary of the issue."));
    }
    let last = state
        .issues
        .values()
        .filter(|issue| issue.project == project.key)
        .filter_map(|issue| issue.key.rsplit_once('-')?.1.parse::<u64>().ok())
        .max();
    Ok(Issue {
        id: 0,
        key: format!("{}-{}", project.key, last.unwrap_or(0) + 1),
        former_keys: Vec::new(),
        project: project.key.clone(),
        issue_type: issue_type.to_owned(),
        summary: String::new(),
        description: None,
        status: project.statuses.first().map(|status| status.name.clone()).unwrap_or_default(),
        priority: Some("Undefined".to_owned()),
        labels: Vec::new(),
        assignee: None,
        reporter: Some(author.to_owned()),
        parent,
        custom: BTreeMap::new(),
        comments: Vec::new(),
        changelog: Vec::new(),
        properties: BTreeMap::new(),
        remote_links: Vec::new(),
        hidden: false,
        created: now.to_owned(),
        updated: now.to_owned(),
        writes: vec![Write::Created],
    })
}

/// The versions of a project.
pub(super) async fn versions(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let absent = || Refusal::NotFound(format!("No project could be found with key '{key}'."));
    if caller.0.is_none() {
        return Err(absent());
    }
    let state = world.jira.lock();
    let project = state.project(&key).ok_or_else(absent)?;
    let version = |(number, name): (usize, &String)| json!({"id": (12_000 + number).to_string(), "name": name, "archived": false, "released": false});
    Ok(Json(project.versions.iter().enumerate().map(version).collect()))
}

/// `POST /issue`.
pub(super) async fn issue(asked: Asked, bytes: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let now = asked.now();
    let body = body(&bytes)?;
    let fields = body.get("fields").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut state = asked.world.jira.lock();
    asked.login.may(Right::Create)?;
    let mut draft = blank(&state, &fields, &asked.login.account_id, &now)?;
    for (field, value) in &fields {
        if !matches!(field.as_str(), "project" | "issuetype" | "parent") {
            edit::assign(&state, &mut draft, asked.version, field, value)?;
        }
    }
    draft.id = state.next_id();
    let answer = json!({
        "id": draft.id.to_string(), "key": draft.key,
        "self": format!("{}/rest/api/2/issue/{}", asked.world.url("/jira"), draft.id),
    });
    state.issues.insert(draft.key.clone(), draft);
    Ok((StatusCode::CREATED, Json(answer)))
}

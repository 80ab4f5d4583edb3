//! Assignment (J-5) and the workflow (J-6).

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State as AxumState},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{
    edit,
    front::{Caller, Version},
    issues::body,
    model::{ChangelogItem, Issue, Login, Right, Transition, Write},
    refusal::Refusal,
    state::{State, stamp},
    views::Views,
};
use crate::world::Shared;

/// `PUT …/assignee`: an account id, or null for nobody.
pub(super) async fn assign(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let login = caller.viewer()?;
    let now = stamp(world.clock.now());
    let mut state = world.jira.lock();
    let key = state.visible(&key)?;
    login.may(Right::Assign)?;
    let wanted = edit::person(&state, "assignee", &body(&bytes)?)?;
    let issue = state.visible_issue_mut(&key)?;
    let before = std::mem::replace(&mut issue.assignee, wanted.clone());
    issue.writes.push(Write::Assigned(wanted.clone()));
    let item = edit::assignment(&state, before.as_deref(), wanted.as_deref());
    state.log_change(&key, &login.account_id, &now, vec![item]);
    Ok(StatusCode::NO_CONTENT)
}

/// Steps that are possible now. A step to the present status is never offered.
fn possible(state: &State, issue: &Issue, login: &Login) -> Vec<Transition> {
    if login.may(Right::Transition).is_err() {
        return Vec::new();
    }
    let steps = state.project(&issue.project).map(|project| project.transitions.as_slice());
    steps
        .unwrap_or_default()
        .iter()
        .filter(|step| step.to != issue.status && (step.from.is_empty() || step.from.contains(&issue.status)))
        .cloned()
        .collect()
}

/// Lists the steps.
pub(super) async fn list(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Extension(version): Extension<Version>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let login = caller.viewer()?;
    let state = world.jira.lock();
    let issue = state.visible_issue(&key)?;
    let views = Views { state: &state, version, site: world.url("/jira") };
    let steps: Vec<Value> = possible(&state, issue, login)
        .iter()
        .map(|step| {
            json!({
                "id": step.id, "name": step.name, "to": views.status(&issue.project, &step.to),
                "hasScreen": false, "isGlobal": step.from.is_empty(), "isInitial": false,
                "isAvailable": true, "isConditional": false,
            })
        })
        .collect();
    Ok(Json(json!({"expand": "transitions", "transitions": steps})))
}

/// Makes a step, named by its id.
pub(super) async fn perform(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let login = caller.viewer()?;
    let now = stamp(world.clock.now());
    let mut state = world.jira.lock();
    let key = state.visible(&key)?;
    let body = body(&bytes)?;
    let id = match body.get("transition").and_then(|transition| transition.get("id")) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(Refusal::Bad("Missing 'transition' identifier".to_owned())),
    };
    let issue = state.visible_issue(&key)?;
    let step = possible(&state, issue, login).into_iter().find(|step| step.id == id).ok_or_else(|| {
        Refusal::Bad(format!(
            "It seems that you have tried to perform a workflow operation (id {id}) that is not valid for the \
             current state of this issue ({}).",
            issue.key
        ))
    })?;
    let shown = |name: &str| {
        (state.status(&issue.project, name).map(|status| status.id.clone()), Some(name.to_owned()))
    };
    let item = ChangelogItem { field: "status".to_owned(), from: shown(&issue.status), to: shown(&step.to) };
    state.before_change(&key, world.clock.now());
    let issue = state.visible_issue_mut(&key)?;
    step.to.clone_into(&mut issue.status);
    issue.writes.push(Write::Transitioned { name: step.name, to: step.to });
    state.log_change(&key, &login.account_id, &now, vec![item]);
    Ok(StatusCode::NO_CONTENT)
}

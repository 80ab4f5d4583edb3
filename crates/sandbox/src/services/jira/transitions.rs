//! Assignment (J-5) and the workflow (J-6).

use axum::{Json, body::Bytes, http::StatusCode};
use serde_json::{Value, json};

use super::{
    asked::Asked,
    edit,
    issues::body,
    model::{ChangelogItem, Issue, Login, Right, Transition, Write},
    refusal::Refusal,
    state::State,
};

/// `PUT …/assignee`: an account id, or null for no assignee.
pub(super) async fn assign(asked: Asked, bytes: Bytes) -> Result<StatusCode, Refusal> {
    let now = asked.now();
    let mut state = asked.world.jira.lock();
    let key = state.visible(&asked.key)?;
    asked.login.may(Right::Assign)?;
    let wanted = edit::person(&state, "assignee", &body(&bytes)?)?;
    let issue = state.visible_issue_mut(&key)?;
    let before = std::mem::replace(&mut issue.assignee, wanted.clone());
    issue.writes.push(Write::Assigned(wanted.clone()));
    let item = edit::assignment(&state, before.as_deref(), wanted.as_deref());
    state.log_change(&key, &asked.login.account_id, &now, vec![item]);
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
pub(super) async fn list(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.jira.lock();
    let issue = state.visible_issue(&asked.key)?;
    let views = asked.views(&state);
    let steps: Vec<Value> = possible(&state, issue, &asked.login)
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
pub(super) async fn perform(asked: Asked, bytes: Bytes) -> Result<StatusCode, Refusal> {
    let now = asked.now();
    let mut state = asked.world.jira.lock();
    let key = state.visible(&asked.key)?;
    let body = body(&bytes)?;
    let id = match body.get("transition").and_then(|transition| transition.get("id")) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => return Err(Refusal::Bad("Missing 'transition' identifier".to_owned())),
    };
    let issue = state.visible_issue(&key)?;
    let step = possible(&state, issue, &asked.login).into_iter().find(|step| step.id == id).ok_or_else(|| {
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
    state.before_change(&key, asked.world.clock.now());
    let issue = state.visible_issue_mut(&key)?;
    step.to.clone_into(&mut issue.status);
    issue.writes.push(Write::Transitioned { name: step.name, to: step.to });
    state.log_change(&key, &asked.login.account_id, &now, vec![item]);
    Ok(StatusCode::NO_CONTENT)
}

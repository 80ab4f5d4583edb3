//! Properties of an issue: values that programs keep at it. `PUT` answers 201 when it creates one and 200 when it was there
//! (checked: Atlassian's description of the REST API, issue properties).

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State as AxumState},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{front::Caller, model::Right, refusal::Refusal};
use crate::world::Shared;

/// The longest key.
const KEY_LIMIT: usize = 255;
/// The longest value, in bytes.
const VALUE_LIMIT: usize = 32_768;

fn absent(name: &str) -> Refusal {
    Refusal::NotFound(format!("The property with key '{name}' does not exist."))
}

/// The keys of all properties.
pub(super) async fn list(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
) -> Result<Json<Value>, Refusal> {
    caller.viewer()?;
    let state = world.jira.lock();
    let issue = state.visible_issue(&key)?;
    let link =
        |name: &String| format!("{}/rest/api/2/issue/{}/properties/{name}", world.url("/jira"), issue.key);
    let keys: Vec<Value> =
        issue.properties.keys().map(|name| json!({"self": link(name), "key": name})).collect();
    Ok(Json(json!({ "keys": keys })))
}

/// One property.
pub(super) async fn show(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path((key, name)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    caller.viewer()?;
    let state = world.jira.lock();
    let value = state.visible_issue(&key)?.properties.get(&name).ok_or_else(|| absent(&name))?;
    Ok(Json(json!({"key": name, "value": value})))
}

/// Sets a property.
pub(super) async fn set(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path((key, name)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let login = caller.viewer()?;
    let mut state = world.jira.lock();
    let key = state.visible(&key)?;
    login.may(Right::Edit)?;
    if name.len() > KEY_LIMIT {
        return Err(Refusal::Bad(format!(
            "The property key must not be longer than {KEY_LIMIT} characters."
        )));
    }
    if bytes.len() > VALUE_LIMIT {
        return Err(Refusal::Bad(format!("The property value must not be longer than {VALUE_LIMIT} bytes.")));
    }
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Refusal::Bad("The property value must be a valid JSON value.".to_owned()))?;
    let before = state.visible_issue_mut(&key)?.properties.insert(name, value);
    Ok(if before.is_some() { StatusCode::OK } else { StatusCode::CREATED })
}

/// Removes a property.
pub(super) async fn remove(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path((key, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let login = caller.viewer()?;
    let mut state = world.jira.lock();
    let key = state.visible(&key)?;
    login.may(Right::Edit)?;
    state.visible_issue_mut(&key)?.properties.remove(&name).ok_or_else(|| absent(&name))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

//! Properties of an issue: values that programs keep at it. `PUT` answers 201 when it creates one and 200 when it was there
//! (checked: Atlassian's description of the REST API, issue properties).

use axum::{
    Json,
    body::Bytes,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{asked::Asked, model::Right, refusal::Refusal};

/// The longest key.
const KEY_LIMIT: usize = 255;
/// The longest value, in bytes.
const VALUE_LIMIT: usize = 32_768;

fn absent(name: &str) -> Refusal {
    Refusal::NotFound(format!("The property with key '{name}' does not exist."))
}

/// The keys of all properties.
pub(super) async fn list(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.jira.lock();
    let issue = state.visible_issue(&asked.key)?;
    let link = |name: &String| {
        format!("{}/rest/api/2/issue/{}/properties/{name}", asked.world.url("/jira"), issue.key)
    };
    let keys: Vec<Value> =
        issue.properties.keys().map(|name| json!({"self": link(name), "key": name})).collect();
    Ok(Json(json!({ "keys": keys })))
}

/// One property.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.jira.lock();
    let value = state
        .visible_issue(&asked.key)?
        .properties
        .get(&asked.property)
        .ok_or_else(|| absent(&asked.property))?;
    Ok(Json(json!({"key": asked.property, "value": value})))
}

/// Sets a property.
pub(super) async fn set(asked: Asked, bytes: Bytes) -> Result<StatusCode, Refusal> {
    let mut state = asked.world.jira.lock();
    let key = state.visible(&asked.key)?;
    asked.login.may(Right::Edit)?;
    if asked.property.len() > KEY_LIMIT {
        return Err(Refusal::Bad(format!(
            "The property key must not be longer than {KEY_LIMIT} characters."
        )));
    }
    if bytes.len() > VALUE_LIMIT {
        return Err(Refusal::Bad(format!("The property value must not be longer than {VALUE_LIMIT} bytes.")));
    }
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|_| Refusal::Bad("The property value must be a valid JSON value.".to_owned()))?;
    let before = state.visible_issue_mut(&key)?.properties.insert(asked.property, value);
    Ok(if before.is_some() { StatusCode::OK } else { StatusCode::CREATED })
}

/// Removes a property.
pub(super) async fn remove(asked: Asked) -> Result<Response, Refusal> {
    let mut state = asked.world.jira.lock();
    let key = state.visible(&asked.key)?;
    asked.login.may(Right::Edit)?;
    state
        .visible_issue_mut(&key)?
        .properties
        .remove(&asked.property)
        .ok_or_else(|| absent(&asked.property))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

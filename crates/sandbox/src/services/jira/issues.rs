//! One issue: reading, editing, its changelog and links.

use std::collections::BTreeMap;

use axum::{Extension, Json, body::Bytes, extract::State as AxumState, http::StatusCode};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{
    asked::Asked,
    edit,
    front::{Caller, Version},
    model::{Issue, Right, Write},
    refusal::Refusal,
    views::{Views, Wanted},
};
use crate::world::Shared;

/// The values of a query parameter, also when they are joined by commas.
pub(super) fn values(query: Option<&str>, name: &str) -> Vec<String> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(found, _)| found == name)
        .flat_map(|(_, value)| value.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>())
        .filter(|value| !value.is_empty())
        .collect()
}

/// The single value of a query parameter.
pub(super) fn value(query: Option<&str>, name: &str) -> Option<String> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}

/// A page by `startAt` and `maxResults`: first index and length.
pub(super) fn page(query: Option<&str>, default: usize, limit: usize) -> Result<(usize, usize), Refusal> {
    let number = |name: &str, otherwise: usize| match value(query, name) {
        None => Ok(otherwise),
        Some(text) => text.parse().map_err(|_| Refusal::Bad(format!("{name} is not a number: {text}"))),
    };
    Ok((number("startAt", 0)?, number("maxResults", default)?.min(limit)))
}

/// A JSON body.
pub(super) fn body(bytes: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|_| Refusal::Bad("There was an error parsing JSON.".to_owned()))
}

/// J-2.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.jira.lock();
    let issue = state.visible_issue(&asked.key)?;
    let views = asked.views(&state);
    let expand = values(asked.query.as_deref(), "expand");
    let wanted = Wanted::all_or(values(asked.query.as_deref(), "fields"));
    let mut view = views.issue(issue, &wanted, expand.iter().any(|name| name == "changelog"));
    let properties = values(asked.query.as_deref(), "properties");
    if !properties.is_empty() {
        let all = properties.iter().any(|name| name == "*all");
        let shown = issue.properties.iter().filter(|(name, _)| all || properties.contains(name));
        view["properties"] =
            shown.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into();
    }
    Ok(Json(view))
}

/// How many issues a bulk request may name.
const BULK: usize = 100;

/// Several issues by id or key. Moved issues come under their new key, hidden and absent ones are left out silently.
pub(super) async fn bulk(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Extension(version): Extension<Version>,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    let body = body(&bytes)?;
    let list = |name: &str| -> Option<Vec<String>> {
        body.get(name)?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let asked = list("issueIdsOrKeys").ok_or_else(|| Refusal::field("issueIdsOrKeys", "must be a list"))?;
    if asked.is_empty() || asked.len() > BULK {
        return Err(Refusal::Bad(format!("The number of issues must be between 1 and {BULK}.")));
    }
    let fields = list("fields").unwrap_or_else(|| vec!["*navigable".to_owned()]);
    let state = world.jira.lock();
    let views = Views { state: &state, version, site: world.url("/jira") };
    // Nothing here is public.
    let seen = asked.iter().filter(|_| caller.0.is_some()).filter_map(|key| state.visible_issue(key).ok());
    let by_id: BTreeMap<u64, &Issue> = seen.map(|issue| (issue.id, issue)).collect();
    let wanted = Wanted::only(fields);
    let issues: Vec<Value> = by_id.into_values().map(|issue| views.issue(issue, &wanted, false)).collect();
    Ok(Json(json!({ "expand": "names,schema", "issues": issues, "issueErrors": [] })))
}

/// J-8.
pub(super) async fn edit(asked: Asked, bytes: Bytes) -> Result<StatusCode, Refusal> {
    let now = asked.now();
    let mut state = asked.world.jira.lock();
    let key = state.visible(&asked.key)?;
    asked.login.may(Right::Edit)?;
    let body = body(&bytes)?;
    let before = state.visible_issue(&key)?;
    let edit = edit::read(&state, before, asked.version, &body)?;
    let items = edit::changes(&state, before, &edit.draft);
    state.before_change(&key, asked.world.clock.now());
    let mut draft = edit.draft;
    draft.writes.push(Write::Edited(edit.fields));
    state.issues.insert(key.clone(), draft);
    state.log_change(&key, &asked.login.account_id, &now, items);
    for comment in edit.comments {
        super::comments::append(&mut state, &key, &asked.login.account_id, comment, &now)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// All entries of the changelog, oldest first, in pages of at most 100.
pub(super) async fn changelog(asked: Asked) -> Result<Json<Value>, Refusal> {
    let (start, length) = page(asked.query.as_deref(), 100, 100)?;
    let state = asked.world.jira.lock();
    let issue = state.visible_issue(&asked.key)?;
    let views = asked.views(&state);
    let values: Vec<Value> =
        issue.changelog.iter().skip(start).take(length).map(|entry| views.change(entry)).collect();
    let total = issue.changelog.len();
    Ok(Json(json!({
        "startAt": start, "maxResults": length, "total": total, "isLast": start + values.len() >= total,
        "values": values,
    })))
}

/// J-11.
pub(super) async fn remote_links(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.jira.lock();
    let issue = state.visible_issue(&asked.key)?;
    let links = issue.remote_links.iter().map(|link| {
        json!({
            "id": link.id,
            "self": format!("{}/rest/api/2/issue/{}/remotelink/{}", asked.world.url("/jira"), issue.key, link.id),
            "object": {"url": link.url, "title": link.title, "icon": {}, "status": {}},
        })
    });
    Ok(Json(links.collect()))
}

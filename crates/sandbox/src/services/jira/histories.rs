//! `changelog/bulkfetch`: the histories of many issues, page by page across them (spec 05 §3.1, 3).

use std::collections::BTreeMap;

use axum::{Extension, Json, body::Bytes, extract::State as AxumState};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    fields,
    front::{Caller, Version},
    issues::body,
    model::{ChangelogEntry, Issue},
    refusal::Refusal,
    search::{offset, token},
    views::Views,
};
use crate::world::Shared;

/// How many issues a request may name.
const MOST_ISSUES: usize = 1000;
/// How many fields it may name.
const MOST_FIELDS: usize = 10;
/// How many entries a page has, and at most.
const PAGE: (usize, usize) = (1000, 10_000);

/// The entries of the named issues that change one of the named fields, issue by issue, oldest first. Issues that are
/// hidden, absent or without such entries are left out.
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
    if asked.is_empty() || asked.len() > MOST_ISSUES {
        return Err(Refusal::Bad(format!("The number of issues must be between 1 and {MOST_ISSUES}.")));
    }
    let wanted = list("fieldIds").unwrap_or_default();
    if wanted.len() > MOST_FIELDS {
        return Err(Refusal::Bad(format!("The number of field IDs must not exceed {MOST_FIELDS}.")));
    }
    let length = body.get("maxResults").map_or(Some(PAGE.0), |value| {
        value
            .as_u64()
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| (1..=PAGE.1).contains(count))
    });
    let length = length.ok_or_else(|| Refusal::field("maxResults", format!("must be 1 to {}", PAGE.1)))?;
    let query = format!("{asked:?}{wanted:?}");
    let start = match body.get("nextPageToken").and_then(Value::as_str) {
        None => 0,
        Some(text) => offset(&query, text)
            .ok_or_else(|| Refusal::Bad("The provided next page token is invalid or expired.".to_owned()))?,
    };
    let state = world.jira.lock();
    let seen = asked.iter().filter(|_| caller.0.is_some()).filter_map(|key| state.visible_issue(key).ok());
    let by_id: BTreeMap<u64, &Issue> = seen.map(|issue| (issue.id, issue)).collect();
    let entries: Vec<(u64, &ChangelogEntry)> = by_id
        .into_values()
        .flat_map(|issue| issue.changelog.iter().map(|entry| (issue.id, entry)))
        .filter(|(_, entry)| wanted.is_empty() || entry.items.iter().any(|item| named(&wanted, &item.field)))
        .collect();
    let views = Views { state: &state, version, site: world.url("/jira") };
    let mut logs: Vec<Value> = Vec::new();
    for (issue, entry) in entries.iter().skip(start).take(length) {
        let mut view = views.change(entry);
        // Unlike all other answers this one tells times as milliseconds.
        let created = entry.created.parse::<Timestamp>().map(Timestamp::as_millisecond);
        view["created"] = json!(created.unwrap_or_default());
        if let Some(items) = view["items"].as_array_mut().filter(|_| !wanted.is_empty()) {
            items.retain(|item| {
                item["fieldId"].as_str().is_some_and(|id| wanted.iter().any(|name| name == id))
            });
        }
        match logs.last_mut().filter(|log| log["issueId"] == json!(issue.to_string())) {
            Some(log) => {
                if let Some(list) = log["changeHistories"].as_array_mut() {
                    list.push(view);
                }
            }
            None => logs.push(json!({"issueId": issue.to_string(), "changeHistories": [view]})),
        }
    }
    let mut answer = json!({ "issueChangeLogs": logs });
    if start + length < entries.len() {
        answer["nextPageToken"] = json!(token(&query, start + length));
    }
    Ok(Json(answer))
}

/// Whether the field that a change names is one of these ids.
fn named(wanted: &[String], field: &str) -> bool {
    wanted.iter().any(|id| id == fields::id_of(field))
}

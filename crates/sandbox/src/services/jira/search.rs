//! J-10: `search/jql`, page by page with an opaque token.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{RawQuery, State as AxumState},
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    front::{Caller, Version},
    issues::{body, value, values},
    jql,
    refusal::Refusal,
    views::{Views, Wanted},
};
use crate::world::Shared;

/// The old search was removed.
pub(super) async fn removed() -> Refusal {
    Refusal::Gone
}

#[derive(Debug)]
struct Search {
    jql: String,
    fields: Vec<String>,
    expand: Vec<String>,
    max_results: usize,
    token: Option<String>,
}

/// `GET /search/jql`.
pub(super) async fn by_query(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Extension(version): Extension<Version>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Refusal> {
    let query = query.as_deref();
    let max_results = match value(query, "maxResults") {
        None => 50,
        Some(text) => {
            text.parse().map_err(|_| Refusal::Bad(format!("maxResults is not a number: {text}")))?
        }
    };
    let search = Search {
        jql: value(query, "jql").unwrap_or_default(),
        fields: values(query, "fields"),
        expand: values(query, "expand"),
        max_results,
        token: value(query, "nextPageToken"),
    };
    run(&world, &caller, version, &search)
}

/// `POST /search/jql`.
pub(super) async fn by_body(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Extension(version): Extension<Version>,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    let body = body(&bytes)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name: &str| -> Vec<String> {
        match body.get(name) {
            Some(Value::Array(items)) => items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect(),
            Some(Value::String(items)) => items.split(',').map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let max_results = body.get("maxResults").map_or(Some(50), Value::as_u64);
    let max_results = max_results.and_then(|count| usize::try_from(count).ok());
    let search = Search {
        jql: text("jql").unwrap_or_default(),
        fields: list("fields"),
        expand: list("expand"),
        max_results: max_results.ok_or_else(|| Refusal::Bad("maxResults is not a number".to_owned()))?,
        token: text("nextPageToken"),
    };
    run(&world, &caller, version, &search)
}

/// Ties a token to its query, so that it does not work with another one.
pub(super) fn token(jql: &str, offset: usize) -> String {
    let digest = Sha256::digest(jql.as_bytes());
    let bytes = [&digest[..8], offset.to_string().as_bytes()].concat();
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn offset(jql: &str, text: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let offset = std::str::from_utf8(bytes.get(8..)?).ok()?.parse().ok()?;
    (token(jql, offset) == text).then_some(offset)
}

fn run(world: &Shared, caller: &Caller, version: Version, search: &Search) -> Result<Json<Value>, Refusal> {
    let query = jql::parse(&search.jql).map_err(Refusal::Bad)?;
    if caller.0.is_none() {
        // Nothing here is public.
        return Ok(Json(json!({"issues": [], "isLast": true})));
    }
    let start = match &search.token {
        None => 0,
        Some(text) => offset(&search.jql, text)
            .ok_or_else(|| Refusal::Bad("The provided next page token is invalid or expired.".to_owned()))?,
    };
    if search.max_results == 0 {
        return Err(Refusal::Bad("maxResults must be at least 1".to_owned()));
    }
    let ids_only = search.fields.iter().all(|field| field == "id" || field == "key");
    let length = search.max_results.min(if ids_only { 5000 } else { 100 });
    let mut state = world.jira.lock();
    if search.token.is_some() && state.expire_tokens > 0 {
        state.expire_tokens -= 1;
        return Err(Refusal::Bad("The provided next page token is invalid or expired.".to_owned()));
    }
    let unknown = query.unknown_names(&state);
    if !unknown.is_empty() {
        return Err(Refusal::Several(unknown));
    }
    let found = query.run(&state, world.clock.now());
    let views = Views { state: &state, version, site: world.url("/jira") };
    let wanted = Wanted::only(search.fields.clone());
    let with_changelog = search.expand.iter().any(|name| name == "changelog");
    let issues: Vec<Value> = found
        .iter()
        .skip(start)
        .take(length)
        .map(|issue| {
            if search.fields.iter().all(|field| field == "id") && !with_changelog {
                json!({"id": issue.id.to_string()})
            } else {
                views.issue(issue, &wanted, with_changelog)
            }
        })
        .collect();
    let next = start + issues.len();
    let mut answer = json!({"issues": issues, "isLast": next >= found.len()});
    if next < found.len() {
        answer["nextPageToken"] = json!(token(&search.jql, next));
    }
    Ok(Json(answer))
}

//! Notes of a merge request (G13).

use axum::{
    Json,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{
    asked::Asked,
    model::{AccessLevel, MergeRequest, Note},
    refusal::Refusal,
    state::stamp,
};
use crate::unexpected::Unexpected;

/// Longest note, in characters.
const LIMIT: usize = 1_000_000;

/// Parameters of a write, as JSON or as a form.
#[derive(Debug)]
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// Reads a body; one of another type carries nothing.
    pub(super) fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Refusal> {
        let kind =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.starts_with("application/json") {
            if bytes.is_empty() {
                return Ok(Self(Map::new()));
            }
            let invalid = || Refusal::Parameter("400 Bad Request: invalid JSON".to_owned());
            return serde_json::from_slice(bytes).map(Self).map_err(|_| invalid());
        }
        if kind.starts_with("application/x-www-form-urlencoded") {
            let pairs = form_urlencoded::parse(bytes);
            return Ok(Self(
                pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect(),
            ));
        }
        Ok(Self(Map::new()))
    }

    /// The same with the parameters of the query; those of the body count first.
    pub(super) fn or_query(mut self, query: Option<&str>) -> Self {
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            self.0.entry(name.into_owned()).or_insert_with(|| Value::from(value.into_owned()));
        }
        self
    }

    /// A parameter as text; a list is joined by commas.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
            other => Some(other.to_string()),
        }
    }
}

fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<String, Refusal> {
    let text = Body::read(headers, bytes)?
        .get("body")
        .ok_or_else(|| Refusal::Parameter("body is missing".to_owned()))?;
    if text.trim().is_empty() {
        return Err(Refusal::Field("note", "can't be blank".to_owned()));
    }
    if text.chars().count() > LIMIT {
        return Err(Refusal::Field("body", format!("is too long (maximum is {LIMIT} characters)")));
    }
    let quick = |line: &str| {
        line.strip_prefix('/').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    if text.lines().any(quick) {
        return Err(Refusal::Unexpected(Unexpected::new("quick actions in a note")));
    }
    Ok(text)
}

fn find<'a>(request: &'a MergeRequest, id: &str) -> Result<&'a Note, Refusal> {
    let found = request.notes.iter().find(|note| note.id.to_string() == id);
    found.ok_or(Refusal::NotFound("Note"))
}

/// All notes, newest first unless asked otherwise.
pub(super) async fn list(asked: Asked) -> Result<Response, Refusal> {
    let query = asked.query();
    let state = asked.world.gitlab.lock();
    let request = asked.merge_request(&state)?;
    let mut notes: Vec<&Note> = request.notes.iter().collect();
    let invalid = |name: &str| Refusal::Parameter(format!("{name} does not have a valid value"));
    match query.get("order_by").unwrap_or("created_at") {
        "created_at" => notes.sort_by(|a, b| (&a.created_at, a.id).cmp(&(&b.created_at, b.id))),
        "updated_at" => notes.sort_by(|a, b| (&a.updated_at, a.id).cmp(&(&b.updated_at, b.id))),
        _ => return Err(invalid("order_by")),
    }
    match query.get("sort").unwrap_or("desc") {
        "desc" => notes.reverse(),
        "asc" => {}
        _ => return Err(invalid("sort")),
    }
    let views = asked.views(&state);
    let rows: Vec<Value> = notes.into_iter().map(|note| views.note(request, note)).collect();
    asked.answer(&rows)
}

/// One note.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.gitlab.lock();
    let request = asked.merge_request(&state)?;
    let views = asked.views(&state);
    Ok(Json(views.note(request, find(request, asked.path("note"))?)))
}

/// G13: everybody who sees the merge request may comment on it.
pub(super) async fn add(asked: Asked, bytes: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let now = stamp(asked.world.clock.now());
    let mut state = asked.world.gitlab.lock();
    let (user, project, iid) = {
        let (access, request) = asked.access(&state)?;
        (access.user, request.project, request.iid)
    };
    let body = read(&asked.headers, &bytes)?;
    let id = state.next_id();
    let request = state.merge_request_mut(project, iid).ok_or(Refusal::NotFound(""))?;
    request.notes_added += 1;
    request.updated_at.clone_from(&now);
    request.notes.push(Note {
        id,
        author: user,
        body,
        system: false,
        created_at: now.clone(),
        updated_at: now,
    });
    let request = state.merge_request(project, iid).ok_or(Refusal::NotFound(""))?;
    let views = asked.views(&state);
    Ok((StatusCode::CREATED, Json(views.note(request, find(request, &id.to_string())?))))
}

/// Changes one's own note; maintainers change any.
pub(super) async fn edit(asked: Asked, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let now = stamp(asked.world.clock.now());
    let mut state = asked.world.gitlab.lock();
    let (project, iid) = {
        let (access, request) = asked.access(&state)?;
        let found = find(request, asked.path("note"))?;
        if found.system || (found.author != access.user && access.level < AccessLevel::Maintainer) {
            return Err(Refusal::Forbidden);
        }
        (request.project, request.iid)
    };
    let body = read(&asked.headers, &bytes)?;
    let request = state.merge_request_mut(project, iid).ok_or(Refusal::NotFound(""))?;
    request.notes_edited += 1;
    for found in request.notes.iter_mut().filter(|found| found.id.to_string() == asked.path("note")) {
        body.clone_into(&mut found.body);
        now.clone_into(&mut found.updated_at);
    }
    let request = state.merge_request(project, iid).ok_or(Refusal::NotFound(""))?;
    let views = asked.views(&state);
    Ok(Json(views.note(request, find(request, asked.path("note"))?)))
}

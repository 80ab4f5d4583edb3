//! Merge requests (G3, G4, G16, G17) and their update.

use axum::{Json, body::Bytes, response::Response};
use serde_json::Value;

use super::{
    asked::Asked,
    model::{AccessLevel, MergeRequest, MergeRequestState},
    notes::Body,
    pagination::Query,
    refusal::Refusal,
    state::{State, stamp},
    views::Views,
};

fn invalid(name: &str) -> Refusal {
    Refusal::Parameter(format!("{name} does not have a valid value"))
}

/// Which requests a list shows, newest first unless asked otherwise.
fn select<'a>(
    query: &Query,
    requests: impl Iterator<Item = &'a MergeRequest>,
) -> Result<Vec<&'a MergeRequest>, Refusal> {
    let state = match query.get("state") {
        None | Some("all") => None,
        Some(name) => Some(MergeRequestState::parse(name).ok_or_else(|| invalid("state"))?),
    };
    let iids: Vec<u64> = query.all("iids[]").iter().filter_map(|iid| iid.parse().ok()).collect();
    let labels: Vec<&str> = query.get("labels").map(|text| text.split(',').collect()).unwrap_or_default();
    let search = query.get("search").map(str::to_lowercase);
    let fields = query.get("in").unwrap_or("title,description");
    let fits_search = |request: &MergeRequest| {
        search.as_ref().is_none_or(|text| {
            (fields.contains("title") && request.title.to_lowercase().contains(text))
                || (fields.contains("description") && request.description.to_lowercase().contains(text))
        })
    };
    let branch = |name: &str, actual: &str| query.get(name).is_none_or(|wanted| wanted == actual);
    let mut found: Vec<&MergeRequest> = requests
        .filter(|request| state.is_none_or(|wanted| request.state == wanted))
        .filter(|request| iids.is_empty() || iids.contains(&request.iid))
        .filter(|request| labels.iter().all(|label| request.labels.iter().any(|found| found == label)))
        .filter(|request| branch("source_branch", &request.source_branch))
        .filter(|request| branch("target_branch", &request.target_branch))
        .filter(|request| fits_search(request))
        .collect();
    match query.get("order_by").unwrap_or("created_at") {
        "created_at" => found.sort_by(|a, b| (&a.created_at, a.id).cmp(&(&b.created_at, b.id))),
        "updated_at" => found.sort_by(|a, b| (&a.updated_at, a.id).cmp(&(&b.updated_at, b.id))),
        "title" => found.sort_by(|a, b| a.title.cmp(&b.title)),
        _ => return Err(invalid("order_by")),
    }
    match query.get("sort").unwrap_or("desc") {
        "desc" => found.reverse(),
        "asc" => {}
        _ => return Err(invalid("sort")),
    }
    Ok(found)
}

/// G4, G16.
pub(super) async fn list(asked: Asked) -> Result<Response, Refusal> {
    let state = asked.world.gitlab.lock();
    let id = asked.project(&state)?.project.id;
    let of_project = state.merge_requests.iter().filter(|request| request.project == id);
    let found = select(&asked.query(), of_project)?;
    let views = asked.views(&state);
    let rows: Vec<Value> = found.into_iter().map(|request| views.merge_request(request)).collect();
    asked.answer(&rows)
}

/// G17: the caller's own ones unless `scope=all`.
pub(super) async fn list_everywhere(asked: Asked) -> Result<Response, Refusal> {
    let user = asked.caller.user()?;
    let query = asked.query();
    let state = asked.world.gitlab.lock();
    let sees = |request: &&MergeRequest| {
        state.projects.iter().any(|p| p.id == request.project && p.members.contains_key(&user))
    };
    let scope = query.get("scope").unwrap_or("created_by_me");
    let in_scope = |request: &&MergeRequest| scope == "all" || request.author == user;
    if !matches!(scope, "all" | "created_by_me") {
        return Err(invalid("scope"));
    }
    let found = select(&query, state.merge_requests.iter().filter(sees).filter(in_scope))?;
    let views = asked.views(&state);
    let rows: Vec<Value> = found.into_iter().map(|request| views.merge_request(request)).collect();
    asked.answer(&rows)
}

/// G3.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let mut state = asked.world.gitlab.lock();
    let request = asked.merge_request(&state)?;
    let (id, number) = (request.project, request.iid);
    let view = asked.views(&state).merge_request(request);
    // Reading one makes GitLab go on with its check.
    if let Some(request) = state.merge_request_mut(id, number) {
        request.checks_left = request.checks_left.saturating_sub(1);
    }
    Ok(Json(view))
}

const ATTRIBUTES: [&str; 6] =
    ["title", "description", "labels", "add_labels", "remove_labels", "state_event"];

/// Changes title, description, labels or state.
pub(super) async fn update(asked: Asked, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let now = stamp(asked.world.clock.now());
    let mut state = asked.world.gitlab.lock();
    let mut draft = {
        let (access, request) = asked.access(&state)?;
        if access.level < AccessLevel::Developer && request.author != access.user {
            return Err(Refusal::Forbidden);
        }
        request.clone()
    };
    let body = Body::read(&asked.headers, &bytes)?;
    if !ATTRIBUTES.iter().any(|name| body.get(name).is_some()) {
        return Err(Refusal::Parameter(format!(
            "{} are missing, at least one parameter must be provided",
            ATTRIBUTES.join(", ")
        )));
    }
    apply(&mut draft, &body)?;
    draft.updated_at = now;
    draft.updates += 1;
    Ok(Json(store(&mut state, draft, asked.world.url("/gitlab"))?))
}

fn store(state: &mut State, draft: MergeRequest, site: String) -> Result<Value, Refusal> {
    let (project, iid) = (draft.project, draft.iid);
    *state.merge_request_mut(project, iid).ok_or(Refusal::NotFound(""))? = draft;
    let request = state.merge_request(project, iid).ok_or(Refusal::NotFound(""))?;
    Ok(Views { state, site }.merge_request(request))
}

fn apply(draft: &mut MergeRequest, body: &Body) -> Result<(), Refusal> {
    if let Some(title) = body.get("title") {
        if title.trim().is_empty() {
            return Err(Refusal::Field("title", "can't be blank".to_owned()));
        }
        if title.chars().count() > 255 {
            return Err(Refusal::Field("title", "is too long (maximum is 255 characters)".to_owned()));
        }
        title.clone_into(&mut draft.title);
    }
    if let Some(description) = body.get("description") {
        description.clone_into(&mut draft.description);
    }
    let list = |name: &str| {
        body.get(name).map(|text| {
            text.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect::<Vec<_>>()
        })
    };
    if let Some(labels) = list("labels") {
        draft.labels = labels;
    }
    for label in list("add_labels").unwrap_or_default() {
        if !draft.labels.contains(&label) {
            draft.labels.push(label);
        }
    }
    let removed = list("remove_labels").unwrap_or_default();
    draft.labels.retain(|label| !removed.contains(label));
    match (body.get("state_event").as_deref(), draft.state) {
        (Some("close"), MergeRequestState::Opened) => draft.state = MergeRequestState::Closed,
        (Some("reopen"), MergeRequestState::Closed) => draft.state = MergeRequestState::Opened,
        (None | Some("close" | "reopen"), _) => {}
        (Some(_), _) => return Err(invalid("state_event")),
    }
    Ok(())
}

//! Jira's Basic authentication, limits and routes.

use std::time::Instant;

use axum::{
    Extension, Json, Router,
    extract::{Request, State as AxumState},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
    routing::{get, post, put},
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tower::ServiceExt as _;

use super::{
    comments, create, fields, histories, issues,
    model::Login,
    people, properties,
    refusal::Refusal,
    search,
    state::{BadToken, State},
    transitions,
};
use crate::{unexpected::unknown_route, world::Shared};

/// Version of the interface; it decides the form of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Texts are wiki markup.
    Two,
    /// Texts are Atlassian documents.
    Three,
}

/// The caller; `None` when anonymous.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Option<Login>);

const LOGIN_REASON: HeaderName = HeaderName::from_static("x-seraph-loginreason");

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new().fallback(front)
}

fn site() -> Router<Shared> {
    Router::new()
        .nest("/rest/api/2", api().layer(Extension(Version::Two)))
        .nest("/rest/api/latest", api().layer(Extension(Version::Two)))
        .nest("/rest/api/3", api().layer(Extension(Version::Three)))
        .fallback(unknown_route)
}

fn api() -> Router<Shared> {
    Router::new()
        .route("/serverInfo", get(people::server_info))
        .route("/myself", get(people::myself))
        .route("/mypermissions", get(people::permissions))
        .route("/user", get(people::user))
        .route("/user/search", get(people::search))
        .route("/field", get(fields::list))
        .route("/project/{key}", get(create::project))
        .route("/project/{key}/versions", get(create::versions))
        .route("/changelog/bulkfetch", post(histories::bulk))
        .route("/search", get(search::removed).post(search::removed))
        .route("/search/jql", get(search::by_query).post(search::by_body))
        .route("/issue", post(create::issue))
        .route("/issue/bulkfetch", post(issues::bulk))
        .route("/issue/{key}", get(issues::show).put(issues::edit))
        .route("/issue/{key}/assignee", put(transitions::assign))
        .route("/issue/{key}/transitions", get(transitions::list).post(transitions::perform))
        .route("/issue/{key}/comment", get(comments::list).post(comments::add))
        .route("/issue/{key}/comment/{id}", get(comments::show).put(comments::edit))
        .route("/issue/{key}/changelog", get(issues::changelog))
        .route("/issue/{key}/remotelink", get(issues::remote_links))
        .route("/issue/{key}/properties", get(properties::list))
        .route(
            "/issue/{key}/properties/{name}",
            get(properties::show).put(properties::set).delete(properties::remove),
        )
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

async fn front(AxumState(world): AxumState<Shared>, mut request: Request) -> Response {
    let (caller, reason) = {
        let mut state = world.jira.lock();
        if let Some(refused) = limit(&mut state) {
            return refused;
        }
        let anonymous = request.uri().path().ends_with("/serverInfo");
        let known = match authenticate(&state, &request) {
            Ok(login) => (Caller(login), None),
            Err(()) if anonymous || state.bad_token == BadToken::Anonymous => {
                (Caller(None), Some(HeaderValue::from_static("AUTHENTICATED_FAILED")))
            }
            Err(()) => return wrong_token(),
        };
        // Its key and its id are the same issue.
        let written = written_issue(&request)
            .map(|named| state.shown(named).map_or(named, |issue| issue.key.as_str()).to_owned());
        if let Some(Err(left)) = written.map(|issue| state.count_write(&issue, Instant::now())) {
            return too_many("jira-per-issue-on-write", left.as_secs_f64().ceil(), None);
        }
        known
    };
    request.extensions_mut().insert(caller);
    let mut response = match site().with_state(world).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if let Some(reason) = reason {
        response.headers_mut().insert(LOGIN_REASON, reason);
    }
    response
}

/// The login behind the `Authorization` header; `None` without one, an error for a wrong one.
fn authenticate(state: &State, request: &Request) -> Result<Option<Login>, ()> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(drop)?.strip_prefix("Basic ").ok_or(())?;
    let pair = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(())?;
    let (email, token) = pair.split_once(':').ok_or(())?;
    state
        .logins
        .iter()
        .find(|login| login.email.eq_ignore_ascii_case(email) && login.token == token)
        .cloned()
        .map(Some)
        .ok_or(())
}

fn wrong_token() -> Response {
    let mut response = Refusal::LogIn.into_response();
    let headers = response.headers_mut();
    headers.insert(LOGIN_REASON, HeaderValue::from_static("AUTHENTICATED_FAILED"));
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("OAuth realm=\"sandbox\""));
    response
}

fn limit(state: &mut State) -> Option<Response> {
    let limit = state.rate_limit.as_mut()?;
    if limit.allow > 0 {
        limit.allow -= 1;
        return None;
    }
    if limit.refuse == 0 {
        state.rate_limit = None;
        return None;
    }
    limit.refuse -= 1;
    Some(too_many("jira-burst-based", f64::from(limit.retry_after), Some(100)))
}

/// The answer to a request beyond a limit. The one on writes to an issue has no numbers of requests.
fn too_many(reason: &'static str, seconds: f64, most: Option<u32>) -> Response {
    let mut headers = vec![("retry-after", seconds.to_string()), ("ratelimit-reason", reason.to_owned())];
    if let Some(most) = most {
        headers.extend([("x-ratelimit-limit", most.to_string()), ("x-ratelimit-remaining", "0".to_owned())]);
    }
    let headers = AppendHeaders(headers);
    let body = Json(json!({"errorMessages": ["Rate limit exceeded."], "errors": {}}));
    (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response()
}

/// The issue that the request changes: its key or id, as its path names it.
fn written_issue(request: &Request) -> Option<&str> {
    let mut rest = request.uri().path().split("/issue/").skip(1);
    let issue = rest.next()?.split('/').next()?;
    let reads = [Method::GET, Method::HEAD].contains(request.method()) || issue == "bulkfetch";
    (!reads).then_some(issue)
}

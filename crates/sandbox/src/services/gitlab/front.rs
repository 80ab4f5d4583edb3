//! GitLab's token check, scopes, rate limit and routes.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State as AxumState},
    http::{HeaderName, HeaderValue, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use jiff::Timestamp;
use tower::ServiceExt as _;

use super::{
    approvals, commits, merge_requests, merging,
    model::Scope,
    notes, pipelines, projects,
    refusal::Refusal,
    repository,
    state::{RateLimit, State},
    users,
};
use crate::{unexpected::unknown_route, world::Shared};

/// Larger than the largest note in UTF-8.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Account id of the caller; `None` for anonymous ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller(pub(super) Option<u64>);

/// The caller's token.
#[derive(Clone, Debug)]
pub(super) struct Sent(pub(super) Option<String>);

impl Caller {
    /// For what needs an account.
    pub(super) fn user(self) -> Result<u64, Refusal> {
        self.0.ok_or(Refusal::Unauthorized)
    }
}

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new().fallback(front)
}

fn site() -> Router<Shared> {
    let request = Router::new()
        .route("/", get(merge_requests::show).put(merge_requests::update))
        .route("/changes", get(repository::changes))
        .route("/diffs", get(repository::diffs))
        .route("/notes", get(notes::list).post(notes::add))
        .route("/notes/{note}", get(notes::show).put(notes::edit))
        .route("/approvals", get(approvals::show))
        .route("/approve", post(approvals::approve))
        .route("/merge", put(merging::merge))
        .route("/unapprove", post(approvals::unapprove))
        .route("/pipelines", get(pipelines::of_merge_request));
    Router::new()
        .route("/api/v4/personal_access_tokens/self", get(users::token))
        .route("/api/v4/projects/{project}/approval_rules", get(projects::approval_rules))
        .route("/api/v4/user", get(users::me))
        .route("/api/v4/users", get(users::list))
        .route("/api/v4/users/{id}", get(users::show))
        .route("/api/v4/merge_requests", get(merge_requests::list_everywhere))
        .route("/api/v4/projects/{project}", get(projects::show))
        .route("/api/v4/projects/{project}/labels", get(projects::labels))
        .route("/api/v4/projects/{project}/merge_requests", get(merge_requests::list).post(merging::create))
        .nest("/api/v4/projects/{project}/merge_requests/{iid}", request)
        .route("/api/v4/projects/{project}/repository/branches", get(commits::list))
        .route("/api/v4/projects/{project}/repository/branches/{branch}", get(commits::show))
        .route("/api/v4/projects/{project}/repository/commits", post(commits::create))
        .route("/api/v4/projects/{project}/repository/compare", get(repository::compare))
        .route("/api/v4/projects/{project}/repository/files/{path}", get(repository::file))
        .route("/api/v4/projects/{project}/repository/files/{path}/raw", get(repository::raw_file))
        .route("/api/v4/projects/{project}/pipelines/{id}", get(pipelines::show))
        .route("/api/v4/projects/{project}/pipelines/{id}/jobs", get(pipelines::jobs))
        .route("/api/v4/projects/{project}/pipelines/{id}/bridges", get(pipelines::bridges))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

async fn front(AxumState(world): AxumState<Shared>, mut request: Request) -> Response {
    let now = world.clock.now();
    let (caller, limit) = {
        let mut state = world.gitlab.lock();
        let limit = count(&mut state.rate_limit, now);
        (authenticate(&state, &request, now), limit)
    };
    let mut response = if limit.observed > limit.per_minute {
        (
            StatusCode::TOO_MANY_REQUESTS,
            [("retry-after", (60 - now.as_second() % 60).to_string())],
            "Retry later\n",
        )
            .into_response()
    } else {
        match caller {
            Err(refusal) => refusal.into_response(),
            Ok((caller, sent)) => {
                request.extensions_mut().insert(caller);
                request.extensions_mut().insert(Sent(sent));
                match site().with_state(world).oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
        }
    };
    announce(&mut response, limit);
    response
}

fn count(limit: &mut RateLimit, now: Timestamp) -> RateLimit {
    let minute = now.as_second() / 60;
    if limit.minute != minute {
        limit.minute = minute;
        limit.observed = 0;
    }
    limit.observed = limit.observed.saturating_add(1);
    *limit
}

fn announce(response: &mut Response, limit: RateLimit) {
    let reset = (limit.minute + 1) * 60;
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    put("ratelimit-name", "throttle_authenticated_api".to_owned());
    put("ratelimit-limit", limit.per_minute.to_string());
    put("ratelimit-observed", limit.observed.to_string());
    put("ratelimit-remaining", limit.per_minute.saturating_sub(limit.observed).to_string());
    put("ratelimit-reset", reset.to_string());
    if let Ok(at) = Timestamp::from_second(reset) {
        put("ratelimit-resettime", at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    }
}

/// `PRIVATE-TOKEN: …` or `Authorization: Bearer …`. A token ends at the beginning of its last day (UTC).
fn authenticate(
    state: &State,
    request: &Request,
    now: Timestamp,
) -> Result<(Caller, Option<String>), Refusal> {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let bearer = || text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let Some(value) = text("private-token").or_else(bearer) else {
        return Ok((Caller(None), None));
    };
    let token = state.tokens.iter().find(|token| token.value == value).ok_or(Refusal::Unauthorized)?;
    let today = now.strftime("%Y-%m-%d").to_string();
    if token.expired || token.expires_at.as_ref().is_some_and(|day| *day <= today) {
        return Err(Refusal::Expired);
    }
    // Every token may look at itself, whatever its scopes.
    if request.uri().path() == "/api/v4/personal_access_tokens/self" && request.method() == Method::GET {
        return Ok((Caller(Some(token.user)), Some(token.value.clone())));
    }
    let own_account = request.uri().path() == "/api/v4/user";
    match token.scope {
        Scope::ReadApi if request.method() != Method::GET => Err(Refusal::Scope("api")),
        Scope::ReadUser if !own_account || request.method() != Method::GET => {
            Err(Refusal::Scope("api read_api"))
        }
        _ => Ok((Caller(Some(token.user)), Some(token.value.clone()))),
    }
}

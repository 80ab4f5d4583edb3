//! Accounts (G1, G15).

use axum::{
    Extension, Json,
    extract::{OriginalUri, Path, State as AxumState},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    front::Caller,
    model::User,
    pagination::{self, Query},
    refusal::Refusal,
    views::Views,
};
use crate::world::Shared;

/// G1.
pub(super) async fn me(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Refusal> {
    let id = caller.user()?;
    let state = world.gitlab.lock();
    let user = state.user(id).ok_or(Refusal::Unauthorized)?;
    let views = Views { state: &state, site: world.url("/gitlab") };
    let mut view = views.user(user);
    view["bot"] = json!(user.bot);
    view["email"] = json!(user.public_email.as_deref().unwrap_or("hidden@example.test"));
    Ok(Json(view))
}

/// G15: the text may stand anywhere in the name, the account name or the public address; newest first.
pub(super) async fn list(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Refusal> {
    caller.user().map_err(|_| Refusal::Forbidden)?;
    let query = Query::read(uri.query());
    let state = world.gitlab.lock();
    let views = Views { state: &state, site: world.url("/gitlab") };
    let has = |user: &User, text: &str| {
        let text = text.to_lowercase();
        [Some(&user.name), Some(&user.username), user.public_email.as_ref()]
            .into_iter()
            .flatten()
            .any(|value| value.to_lowercase().contains(&text))
    };
    let mut found: Vec<&User> = state
        .users
        .iter()
        .filter(|user| query.get("search").is_none_or(|text| has(user, text)))
        .filter(|user| query.get("username").is_none_or(|name| user.username.eq_ignore_ascii_case(name)))
        .filter(|user| query.get("active") != Some("true") || user.state == "active")
        .collect();
    found.sort_by_key(|user| std::cmp::Reverse(user.id));
    let rows: Vec<Value> = found.into_iter().map(|user| views.user(user)).collect();
    pagination::answer(&world.base_url, &uri, &rows)
}

/// One account.
pub(super) async fn show(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    caller.user().map_err(|_| Refusal::Forbidden)?;
    let id: u64 = id.parse().map_err(|_| Refusal::Parameter("id is invalid".to_owned()))?;
    let state = world.gitlab.lock();
    let views = Views { state: &state, site: world.url("/gitlab") };
    Ok(Json(views.user(state.user(id).ok_or(Refusal::NotFound("User"))?)))
}

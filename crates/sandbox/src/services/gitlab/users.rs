//! Accounts (G1, G15).

use axum::{Extension, Json, response::Response};
use serde_json::{Value, json};

use super::{asked::Asked, front::Sent, model::User, refusal::Refusal};

/// G1.
pub(super) async fn me(asked: Asked) -> Result<Json<Value>, Refusal> {
    let id = asked.caller.user()?;
    let state = asked.world.gitlab.lock();
    let user = state.user(id).ok_or(Refusal::Unauthorized)?;
    let views = asked.views(&state);
    let mut view = views.user(user);
    view["bot"] = json!(user.bot);
    view["email"] = json!(user.public_email.as_deref().unwrap_or("hidden@example.test"));
    Ok(Json(view))
}

/// The caller's token (`lib/api/personal_access_tokens/self_information.rb` of gitlabhq): one of another kind is refused.
pub(super) async fn token(
    asked: Asked,
    Extension(Sent(sent)): Extension<Sent>,
) -> Result<Json<Value>, Refusal> {
    let id = asked.caller.user()?;
    let state = asked.world.gitlab.lock();
    let place = state.tokens.iter().position(|token| Some(&token.value) == sent.as_ref());
    let (place, token) =
        place.and_then(|place| Some((place, state.tokens.get(place)?))).ok_or(Refusal::Unauthorized)?;
    if token.oauth {
        let words = "400 Bad request - This endpoint requires token type to be a personal access token";
        return Err(Refusal::Message(words.to_owned()));
    }
    Ok(Json(json!({
        "id": 70_000 + place, "name": "release tools", "revoked": false, "description": null,
        "created_at": "2026-01-08T09:10:11.120Z", "scopes": [token.scope.name()], "user_id": id,
        "last_used_at": "2026-07-01T10:11:12.345Z", "active": true, "expires_at": token.expires_at,
    })))
}

/// G15: the text may stand anywhere in the name, the account name or the public address; newest first.
pub(super) async fn list(asked: Asked) -> Result<Response, Refusal> {
    asked.caller.user().map_err(|_| Refusal::Forbidden)?;
    let query = asked.query();
    let state = asked.world.gitlab.lock();
    let views = asked.views(&state);
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
    asked.answer(&rows)
}

/// One account.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    asked.caller.user().map_err(|_| Refusal::Forbidden)?;
    let id: u64 = asked.path("id").parse().map_err(|_| Refusal::Parameter("id is invalid".to_owned()))?;
    let state = asked.world.gitlab.lock();
    let views = asked.views(&state);
    Ok(Json(views.user(state.user(id).ok_or(Refusal::NotFound("User"))?)))
}

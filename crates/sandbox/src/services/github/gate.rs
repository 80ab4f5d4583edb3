//! What GitHub does around every request: credentials, rate limits, conditional reads, headers.

use axum::{
    Extension,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    identity::{BadCredentials, Caller, Identity, token},
    reply::refuse,
};
use crate::world::Shared;

/// Middleware around all routes.
pub(super) async fn gate(Extension(world): Extension<Shared>, mut request: Request, next: Next) -> Response {
    let now = world.clock.epoch_seconds();
    let identity = match token(request.headers()) {
        Ok(None) => None,
        Ok(Some(token)) => match world.github.lock().tokens.get(&token) {
            Some(identity) => Some(identity.clone()),
            None => return refuse(StatusCode::UNAUTHORIZED, "Bad credentials"),
        },
        Err(BadCredentials) => return refuse(StatusCode::UNAUTHORIZED, "Bad credentials"),
    };
    let account = identity.as_ref().map(|identity| identity.login.clone());
    if identity.as_ref().and_then(|identity| identity.expires).is_some_and(|expires| expires <= now) {
        return refuse(StatusCode::UNAUTHORIZED, "Bad credentials");
    }
    let of_token = identity.as_ref().map(Identity::headers).unwrap_or_default();
    let counted = !request.uri().path().ends_with("/rate_limit");
    let wanted = request.headers().get(header::IF_NONE_MATCH).cloned();
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    let changes = !reads && !request.uri().path().ends_with("/graphql");

    let refusal = {
        let limits = &mut world.github.lock().limits;
        if counted && !limits.take(account.as_deref(), now) {
            let who =
                identity.as_ref().map_or_else(|| "127.0.0.1".to_owned(), |who| format!("user ID {}", who.id));
            Some(refuse(StatusCode::FORBIDDEN, &format!("API rate limit exceeded for {who}.")))
        } else if changes && account.as_deref().is_some_and(|account| !limits.take_write(account, now)) {
            let text =
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            let mut response = refuse(StatusCode::FORBIDDEN, text);
            if !limits.silent_about_waits {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            Some(response)
        } else {
            None
        }
    };
    let mut response = if let Some(refusal) = refusal {
        refusal
    } else if let Some(moved) = moved(&world, &request) {
        moved
    } else {
        request.extensions_mut().insert(Caller(identity));
        let response = next.run(request).await;
        if reads { conditional(wanted.as_ref(), response).await } else { response }
    };
    let limits = &mut world.github.lock().limits;
    if response.status() == StatusCode::NOT_MODIFIED && account.is_some() {
        limits.give_back(account.as_deref(), now);
    }
    limits.standing(account.as_deref(), now).write(response.headers_mut());
    for (name, value) in of_token {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert("x-github-media-type", HeaderValue::from_static("github.v3; format=json"));
    response.headers_mut().insert("server", HeaderValue::from_static("github.com"));
    response
}

/// What is sent to the old name of a repository leads to its number: 301 for a read, 307 for a change.
fn moved(world: &Shared, request: &Request) -> Option<Response> {
    let mut parts = request.uri().path().strip_prefix("/repos/")?.splitn(3, '/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let id = world.github.lock().renamed_to(owner, name)?;
    let rest = parts.next().map(|rest| format!("/{rest}")).unwrap_or_default();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let target = format!("{}/repositories/{id}{rest}{query}", world.url("/github"));
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    let (status, message) = if reads {
        (StatusCode::MOVED_PERMANENTLY, "Moved Permanently")
    } else {
        (StatusCode::TEMPORARY_REDIRECT, "Temporary Redirect")
    };
    let body = json!({
        "message": message,
        "url": target,
        "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects",
    });
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&target).ok()?);
    Some(response)
}

/// Gives an answer its entity tag, and answers 304 when the caller has it already.
async fn conditional(wanted: Option<&HeaderValue>, response: Response) -> Response {
    if response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let tag = format!("W/\"{:x}\"", Sha256::digest(&body));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60, s-maxage=60"));
    if wanted.and_then(|value| value.to_str().ok()).is_some_and(|wanted| names(wanted, &tag)) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::CONTENT_TYPE);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether `If-None-Match` names the tag; weak and strong spelling are the same to it.
pub(super) fn names(wanted: &str, tag: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    wanted.split(',').any(|candidate| candidate.trim() == "*" || plain(candidate) == plain(tag))
}

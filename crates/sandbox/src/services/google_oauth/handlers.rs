//! A signed statement becomes a token.

use std::collections::HashMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State as AxumState,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{error::ErrorStack, hash::MessageDigest, sign::Verifier};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;

use super::{
    TOKEN_PATH,
    key::ServiceKey,
    model::{Account, Spelling, State},
    refusal::oauth,
};
use crate::{unexpected::unknown_route, world::Shared};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The audience that Google's own libraries name, whatever address their key file leads to.
const PRODUCTION: &str = "https://oauth2.googleapis.com/token";
/// The longest that a statement may hold, in seconds.
const LONGEST: i64 = 3600;
/// How far a statement's time may lie ahead of ours, in seconds.
const SKEW: i64 = 300;

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/token", post(token))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

async fn token(AxumState(world): AxumState<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let form = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !form.starts_with("application/x-www-form-urlencoded") {
        return oauth("invalid_request", "Invalid content type: expected application/x-www-form-urlencoded");
    }
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    match form.get("grant_type").map(String::as_str) {
        Some(GRANT) => {}
        None => return oauth("invalid_request", "Required parameter is missing: grant_type"),
        Some(other) => {
            return oauth("unsupported_grant_type", &format!("Invalid grant_type: {other}"));
        }
    }
    let Some(assertion) = form.get("assertion") else {
        return oauth("invalid_request", "Required parameter is missing: assertion");
    };
    let mut state = world.google_oauth.lock();
    match check(&state, assertion, &world.url(TOKEN_PATH), state.now().as_second()) {
        Err((error, description)) => oauth(error, &description),
        Ok(claims) => {
            let scopes = claims.scope.split_whitespace().map(str::to_owned).collect();
            let (token, seconds) = state.issue(&claims.iss, scopes);
            Json(match state.spelling {
                Spelling::Plain => json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}),
                Spelling::Odd => json!({
                    "access_token": token, "expires_in": seconds.to_string(), "token_type": "Bearer", "id_token": "",
                    "refresh_token": null,
                }),
                Spelling::Short => json!({"access_token": token, "token_type": "Bearer"}),
            })
            .into_response()
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    #[serde(default)]
    scope: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// What a statement claims, when everything about it is right; otherwise Google's code and words.
pub(super) fn check(
    state: &State,
    assertion: &str,
    audience: &str,
    now: i64,
) -> Result<Claims, (&'static str, String)> {
    let grant = |words: &str| ("invalid_grant", words.to_owned());
    let malformed = || ("invalid_request", "Bad Request".to_owned());
    let parts: Vec<&str> = assertion.split('.').collect();
    let [head, body, signature] = parts.as_slice() else { return Err(malformed()) };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
    let header: Header = serde_json::from_slice(&decode(head)?).map_err(|_| malformed())?;
    let claims: Claims = serde_json::from_slice(&decode(body)?)
        .map_err(|_| grant("Invalid JWT: Required claims are missing or of another type."))?;
    let signature = decode(signature)?;
    let account = state.accounts.iter().find(|account: &&Account| account.email == claims.iss);
    let account = account.ok_or_else(|| grant("Invalid grant: account not found"))?;
    let signed = account.key.is_some_and(|key| {
        header.alg == "RS256"
            && header.kid.is_none_or(|id| id == key.id)
            && verify(key, format!("{head}.{body}").as_bytes(), &signature).unwrap_or(false)
    });
    if !signed {
        return Err(grant("Invalid JWT Signature."));
    }
    if claims.aud != audience && claims.aud != PRODUCTION {
        return Err(grant(&format!("Invalid JWT: Failed audience check. The right audience is {audience}")));
    }
    let short = claims.exp.saturating_sub(claims.iat) <= LONGEST && claims.exp > claims.iat;
    if !short || claims.exp <= now || claims.iat > now.saturating_add(SKEW) {
        return Err(grant(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your \
             iat and exp values in the JWT claim.",
        ));
    }
    let scopes: Vec<String> = claims.scope.split_whitespace().map(str::to_owned).collect();
    if !State::knows_scopes(&scopes) {
        let words = "Invalid OAuth scope or ID token audience provided.";
        return Err(("invalid_scope", words.to_owned()));
    }
    Ok(claims)
}

fn verify(key: &ServiceKey, text: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key.private)?;
    verifier.update(text)?;
    verifier.verify(signature)
}

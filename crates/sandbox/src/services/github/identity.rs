//! Who calls: tokens and the accounts behind them.

use axum::http::{HeaderMap, header};
use base64::{Engine, prelude::BASE64_STANDARD};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Number of the account.
    pub id: u64,
    /// Account name.
    pub login: String,
    /// Full name, the author's name of its commits.
    pub name: String,
    /// The author's address of its commits.
    pub email: String,
    /// Whether it may push to the repositories.
    pub may_push: bool,
}

impl Identity {
    /// An account with GitHub's private commit address.
    pub fn new(id: u64, login: &str, name: &str, may_push: bool) -> Self {
        Self {
            id,
            login: login.to_owned(),
            name: name.to_owned(),
            email: format!("{id}+{login}@users.noreply.example.test"),
            may_push,
        }
    }
}

/// Who made a request; `None` for a request without credentials.
#[derive(Clone, Debug)]
pub struct Caller(pub Option<Identity>);

/// An `Authorization` header that holds no token.
#[derive(Clone, Copy, Debug)]
pub struct BadCredentials;

/// The token of a request: `token …`, `Bearer …`, or the password of `Basic …`.
pub fn token(headers: &HeaderMap) -> Result<Option<String>, BadCredentials> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let (scheme, rest) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(BadCredentials)?;
    match scheme.to_ascii_lowercase().as_str() {
        "token" | "bearer" => Ok(Some(rest.trim().to_owned())),
        "basic" => {
            let decoded = BASE64_STANDARD.decode(rest.trim()).map_err(|_| BadCredentials)?;
            let decoded = String::from_utf8(decoded).map_err(|_| BadCredentials)?;
            let (_, password) = decoded.split_once(':').ok_or(BadCredentials)?;
            Ok(Some(password.to_owned()))
        }
        _ => Err(BadCredentials),
    }
}

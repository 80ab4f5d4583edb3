//! Who calls: tokens and the accounts behind them.

use axum::http::{HeaderMap, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

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
    /// The kind of its token.
    pub token: TokenKind,
    /// When the token expires, in seconds since 1970; `None` for never.
    pub expires: Option<i64>,
    /// The offset from UTC in which GitHub writes the expiry; `None` for the word `UTC`.
    pub expiry_offset: Option<&'static str>,
}

/// The kind of a token, which decides what GitHub says of its rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A classic one, whose scopes every answer names.
    Classic(Vec<String>),
    /// A fine-grained one, or one of an app: no answer names what it may do.
    FineGrained,
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
            token: TokenKind::Classic(vec!["repo".to_owned(), "workflow".to_owned()]),
            expires: None,
            expiry_offset: None,
        }
    }

    /// What an answer says of the token: the header's name and its value.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let TokenKind::Classic(scopes) = &self.token {
            headers.push(("x-oauth-scopes", scopes.join(", ")));
        }
        let expires = self.expires.and_then(|seconds| Timestamp::from_second(seconds).ok());
        if let Some(expires) = expires {
            let text = match self.expiry_offset {
                None => format!("{} UTC", expires.strftime("%Y-%m-%d %H:%M:%S")),
                Some(offset) => format!("{} {offset}", at(expires, offset).strftime("%Y-%m-%d %H:%M:%S")),
            };
            headers.push(("github-authentication-token-expiration", text));
        }
        headers
    }
}

/// The time at an offset such as `+0900`.
fn at(time: Timestamp, offset: &str) -> jiff::Zoned {
    let hours = offset.get(..3).and_then(|hours| hours.parse().ok()).unwrap_or_default();
    time.to_zoned(TimeZone::fixed(Offset::from_hours(hours).unwrap_or(Offset::UTC)))
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

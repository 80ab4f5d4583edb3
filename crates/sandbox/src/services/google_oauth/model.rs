//! Accounts, and the tokens that were given out.

use std::collections::HashMap;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{key::ServiceKey, refusal::refusal};
use crate::{services::Refused, world::Simulated};

/// How long a token is good for.
const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Scopes that there are.
const SCOPES: [&str; 9] = [
    "https://www.googleapis.com/auth/spreadsheets",
    "https://www.googleapis.com/auth/spreadsheets.readonly",
    "https://www.googleapis.com/auth/drive",
    "https://www.googleapis.com/auth/drive.readonly",
    "https://spreadsheets.google.com/feeds",
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/devstorage.read_only",
    "https://www.googleapis.com/auth/devstorage.read_write",
    "https://www.googleapis.com/auth/devstorage.full_control",
];

/// A service account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its address.
    pub email: String,
    /// Its key; nothing when it was deleted.
    pub key: Option<&'static ServiceKey>,
}

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The account's address.
    pub account: String,
    /// The scopes.
    pub scopes: Vec<String>,
    ends: Timestamp,
}

/// Ways of saying the same that token services differ in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// Google's today: the lifetime is a number.
    #[default]
    Plain,
    /// The lifetime is a text, and members that say nothing are there.
    Odd,
    /// Nothing is said of the lifetime, which RFC 6749 allows.
    Short,
}

/// Accounts and tokens.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// Which of the service's behaviors it shows.
    pub spelling: Spelling,
    /// The time by which statements and tokens are judged, for callers in simulated time. Programs sign in the time of
    /// their machine, which holds when this is not set.
    pub judged_at: Option<Timestamp>,
    tokens: HashMap<String, Grant>,
}

impl State {
    pub(super) fn now(&self) -> Timestamp {
        self.judged_at.unwrap_or_else(Timestamp::now)
    }

    /// Whether all of these are scopes, and there is one.
    pub(super) fn knows_scopes(scopes: &[String]) -> bool {
        !scopes.is_empty() && scopes.iter().all(|scope| SCOPES.contains(&scope.as_str()))
    }

    /// Gives out a token; with it, the seconds that it is good for.
    pub(crate) fn issue(&mut self, account: &str, scopes: Vec<String>) -> (String, i64) {
        let token = format!("ya29.c.sandbox{}", Uuid::new_v4().simple());
        let ends = self.now().saturating_add(LIFE).unwrap_or(Timestamp::MAX);
        self.tokens.insert(token.clone(), Grant { account: account.to_owned(), scopes, ends });
        (token, LIFE.as_secs() - 1)
    }

    /// Who sends these headers, when the token is good for one of `scopes`; otherwise what Google's services answer.
    pub fn authorize(&self, headers: &HeaderMap, scopes: &[&str]) -> Result<Grant, Refused> {
        let denied = |message: &str, reason: &str| {
            let details = json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com",
            });
            Refused::from(refusal(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message, Some(details)))
        };
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            let message = "Method doesn't allow unregistered callers (callers without established identity). Please \
                use API Key or other form of API consumer identity to call this API.";
            return Err(refusal(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message, None).into());
        };
        let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let grant = token.and_then(|token| self.tokens.get(token)).filter(|grant| grant.ends > self.now());
        let Some(grant) = grant else {
            let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
                cookie or other valid authentication credential. See \
                https://developers.google.com/identity/sign-in/web/devconsole-project.";
            let mut response = refusal(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message, None);
            let challenge = r#"Bearer realm="https://accounts.google.com/", error="invalid_token""#;
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            return Err(response.into());
        };
        if !grant.scopes.iter().any(|scope| scopes.contains(&scope.as_str())) {
            let message = "Request had insufficient authentication scopes.";
            return Err(denied(message, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"));
        }
        Ok(grant.clone())
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let accounts: Vec<&str> = self.accounts.iter().map(|account| account.email.as_str()).collect();
        json!({"accounts": accounts, "tokens": self.tokens.len()})
    }

    /// `revoke-tokens {}` ends every token; `delete-key {}` takes the key of every account away.
    fn change(&mut self, operation: &str, _body: &Value, _now: Timestamp) -> Result<Value, String> {
        match operation {
            "revoke-tokens" => self.tokens.clear(),
            "delete-key" => self.accounts.iter_mut().for_each(|account| account.key = None),
            _ => return Err("operations: revoke-tokens, delete-key".to_owned()),
        }
        Ok(json!({"done": operation}))
    }
}

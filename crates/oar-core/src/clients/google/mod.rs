//! Signing in to Google's services as a service account (RFC 7523; spec 04 §2.7).
//!
//! `google-cloud-auth`, Google's own library, reads the key and signs the assertion; the exchange of that
//! assertion for an access token goes through [`crate::http::Http`] like every other request.

mod key;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use self::key::Key;
use crate::clients::empty::{is_nothing, or_default};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join};
use crate::service::Service;

/// The operation that this module's errors name.
const OPERATION: &str = "sign in";

/// Lifetime of the signed assertion; Google accepts an hour at most.
const STATEMENT: SignedDuration = SignedDuration::from_mins(10);
/// Lifetime of a token whose answer names none: Google's are valid for an hour, and one that is refused
/// earlier is replaced.
const UNTOLD_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// A token that expires within this time is not used any more.
const RESERVE: SignedDuration = SignedDuration::from_mins(2);

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Reading and writing the spreadsheets that are shared with the account.
    Spreadsheets,
    /// Reading objects of Google Cloud Storage.
    StorageReadOnly,
}

impl Scope {
    /// The scope as the token service names it.
    fn uri(self) -> &'static str {
        match self {
            Self::Spreadsheets => "https://www.googleapis.com/auth/spreadsheets",
            Self::StorageReadOnly => "https://www.googleapis.com/auth/devstorage.read_only",
        }
    }
}

/// The file with a service account's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Where it is.
    pub path: PathBuf,
    /// The environment variable that named it, for messages.
    pub variable: &'static str,
}

/// A service account that sends requests. Cheap to clone; clones share the token.
///
/// The key file is read, and the token fetched, at the first request.
#[derive(Clone)]
pub struct ServiceAccount {
    inner: Arc<Inner>,
}

struct Inner {
    http: Http,
    token_service: Url,
    key_file: KeyFile,
    scope: Scope,
    session: Mutex<Session>,
}

/// The key and the token, once read and fetched.
#[derive(Default)]
struct Session {
    key: Option<Key>,
    token: Option<Token>,
}

struct Token {
    header: HeaderValue,
    ends: Timestamp,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServiceAccount")
            .field("token_service", &self.inner.token_service.as_str())
            .field("key_file", &self.inner.key_file)
            .field("scope", &self.inner.scope)
            .finish_non_exhaustive()
    }
}

impl ServiceAccount {
    /// The account of `key_file`, whose tokens for `scope` come from `token_service` (the base URL of
    /// [`Service::GoogleOauth`]).
    pub fn new(http: Http, token_service: Url, key_file: KeyFile, scope: Scope) -> Self {
        let session = Mutex::default();
        Self { inner: Arc::new(Inner { http, token_service, key_file, scope, session }) }
    }

    /// Sends `call` with the account's token.
    ///
    /// A token that the service refuses (401: it did not act) is replaced once.
    ///
    /// A Google Sheets quota is refilled every minute; its 429 usually does not say so (spec 01 §6.5).
    pub async fn send(&self, call: Call) -> Result<Reply, ServiceError> {
        let call = if self.inner.scope == Scope::Spreadsheets { call.minute_quota() } else { call };
        let token = self.token(None).await?;
        let reply = self.inner.http.send(call.clone().header(AUTHORIZATION, token.clone())).await?;
        if reply.failure_kind() != Some(ServiceErrorKind::Unauthorized) {
            return Ok(reply);
        }
        let fresh = self.token(Some(&token)).await?;
        self.inner.http.send(call.header(AUTHORIZATION, fresh)).await
    }

    /// The `Authorization` header of a token that is not `refused` and does not expire soon.
    ///
    /// Callers that need a token while one is being fetched wait for it.
    async fn token(&self, refused: Option<&HeaderValue>) -> Result<HeaderValue, ServiceError> {
        let inner = &*self.inner;
        let mut session = inner.session.lock().await;
        let now = inner.http.clock().now();
        if let Some(token) = &session.token
            && token.ends.duration_since(now) > RESERVE
            && Some(&token.header) != refused
        {
            return Ok(token.header.clone());
        }
        let key = match session.key.take() {
            Some(key) => key,
            None => Key::read(&inner.key_file).await?,
        };
        let token = inner.exchange(session.key.insert(key), now).await?;
        Ok(session.token.insert(token).header.clone())
    }
}

impl Inner {
    /// Fetches a token (one request).
    async fn exchange(&self, key: &Key, now: Timestamp) -> Result<Token, ServiceError> {
        let (from, until) = (now.as_second(), now.as_second() + STATEMENT.as_secs());
        let assertion = key.statement(self.scope, from, until).await?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", assertion.expose_secret())
            .finish();
        let url = join(&self.token_service, "token");
        let call = Call::new(Service::GoogleOauth, OPERATION, Method::POST, url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .body(body)
            // Safe to repeat: a second token does no harm.
            .read();
        let reply = self.http.send(call).await?.success(words).map_err(|error| self.refusal(error))?;
        // The parser's message may quote the token.
        let malformed = || reply.failure(ServiceErrorKind::Malformed, "not a token and its lifetime in JSON");
        let answer: Answer = serde_json::from_slice(&reply.body).map_err(|_| malformed())?;
        let life = answer.life().ok_or_else(malformed)?;
        if answer.access_token.trim().is_empty() {
            return Err(reply.failure(ServiceErrorKind::Malformed, "an answer without a token"));
        }
        let token = SecretString::from(answer.access_token);
        let mut header =
            HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| {
                reply.failure(ServiceErrorKind::Malformed, "the token is not allowed in a header")
            })?;
        header.set_sensitive(true);
        Ok(Token { header, ends: now.saturating_add(life).unwrap_or(now) })
    }

    /// A refusal of the token service, with a hint. It answers 400 to a wrong account, key or clock.
    fn refusal(&self, mut error: ServiceError) -> ServiceError {
        if matches!(error.kind, ServiceErrorKind::Rejected | ServiceErrorKind::Forbidden) {
            error.kind = ServiceErrorKind::Unauthorized;
        }
        if error.kind != ServiceErrorKind::Unauthorized {
            return error;
        }
        let variable = self.key_file.variable;
        let hint = if error.detail.contains("iat and exp") {
            "Set this machine's clock right: the token service finds the signed time wrong.".to_owned()
        } else if error.detail.starts_with("invalid_scope") {
            "Ask Google Cloud's administrators whether the service account may use this service.".to_owned()
        } else {
            format!(
                "The account or its key is not valid any more: put a new key of the service account into the file \
                 that {variable} names."
            )
        };
        error.with_hint(hint)
    }
}

/// The token service's answer. The lifetime may be missing (RFC 6749 §5.1 only recommends it) or be a string;
/// Google's own libraries accept both (golang/oauth2 `jwt/jwt.go`, google-auth-library-python
/// `google/oauth2/_client.py`).
#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "or_default")]
    access_token: String,
    #[serde(default)]
    expires_in: Value,
}

impl Answer {
    /// The token's lifetime; `None` when it cannot be read.
    fn life(&self) -> Option<SignedDuration> {
        let seconds = match &self.expires_in {
            nothing if is_nothing(nothing) => return Some(UNTOLD_LIFE),
            Value::Number(seconds) => seconds.as_i64()?,
            Value::String(seconds) => seconds.trim().parse().ok()?,
            _ => return None,
        };
        // No token lives longer than a day; the bound keeps the sum in range.
        Some(if seconds > 0 { SignedDuration::from_secs(seconds.min(86_400)) } else { UNTOLD_LIFE })
    }
}

/// The token service's error message: `invalid_grant: Invalid JWT Signature.`
fn words(reply: &Reply) -> String {
    let answer: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let word = |name: &str| answer.as_ref()?.get(name)?.as_str().filter(|word| !word.trim().is_empty());
    match (word("error"), word("error_description")) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error.to_owned(),
        _ => reply.words(),
    }
}

//! A call of a Slack method: its arguments, its token, and Slack's way to answer.

use std::borrow::Cow;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::state::{State, Token};
use crate::world::Shared;

/// Arguments and credentials of a call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) world: Shared,
    arguments: Map<String, Value>,
    token: Option<String>,
}

impl FromRequest<Shared> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, world: &Shared) -> Result<Self, Self::Rejection> {
        let (mut parts, body) = request.into_parts();
        let headers = HeaderMap::from_request_parts(&mut parts, world).await.unwrap_or_default();
        let mut arguments = form(parts.uri.query().unwrap_or_default().as_bytes());
        let body = Bytes::from_request(Request::from_parts(parts, body), world).await.unwrap_or_default();
        let kind =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let json = kind.starts_with("application/json");
        if json && !body.is_empty() {
            match serde_json::from_slice(&body) {
                Ok(Value::Object(fields)) => arguments.extend(fields),
                Ok(_) => return Err(refuse("json_not_object")),
                Err(_) => return Err(refuse("invalid_json")),
            }
        } else if !json {
            arguments.extend(form(&body));
        }
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .map(|token| token.trim().to_owned());
        // Slack takes a token among the arguments of a form, never of a JSON body.
        let argument =
            arguments.remove("token").filter(|_| !json).and_then(|value| value.as_str().map(str::to_owned));
        Ok(Self { world: Shared::clone(world), arguments, token: bearer.or(argument) })
    }
}

fn form(bytes: &[u8]) -> Map<String, Value> {
    url::form_urlencoded::parse(bytes)
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect()
}

impl Call {
    /// An argument as text; absent when empty. Numbers are taken as text, as Slack does.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.arguments.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// An argument as a yes or no.
    pub(super) fn flag(&self, name: &str) -> bool {
        match self.arguments.get(name) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => matches!(text.as_str(), "1" | "true" | "True"),
            _ => false,
        }
    }

    /// An argument that is an object, or the JSON text of one. `Err` when it is something else.
    pub(super) fn object(&self, name: &str) -> Result<Option<Value>, Refusal> {
        let value = match self.arguments.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
            Some(value) => value.clone(),
        };
        if value.is_object() { Ok(Some(value)) } else { Err(Refusal::new("invalid_metadata_format")) }
    }

    /// An argument that is JSON, or the text of some; what is neither stays a text.
    pub(super) fn json(&self, name: &str) -> Option<Value> {
        match self.arguments.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(serde_json::from_str(text).unwrap_or_else(|_| json!(text))),
            value => Some(value.clone()),
        }
    }

    /// Whether an argument is there at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.arguments.get(name).is_some_and(|value| !value.is_null())
    }

    /// The token of the `Authorization` header, or of a form.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Who calls, when the token has one of the scopes. Without scopes: anybody with a token.
    pub(super) fn allowed(&self, state: &State, scopes: &[&str]) -> Result<Token, Refusal> {
        let token = self.token.as_ref().ok_or_else(|| Refusal::new("not_authed"))?;
        let token = state.tokens.get(token).ok_or_else(|| Refusal::new("invalid_auth"))?;
        let has = |scope: &&str| token.scopes.iter().any(|owned| owned == *scope);
        if scopes.is_empty() || scopes.iter().any(has) {
            return Ok(token.clone());
        }
        Err(Refusal {
            error: "missing_scope".into(),
            more: Some(json!({"needed": scopes.join(","), "provided": token.scopes.join(",")})),
            retry_after: None,
        })
    }
}

/// A logical error: HTTP 200 with `ok: false`.
#[derive(Debug)]
pub(super) struct Refusal {
    error: Cow<'static, str>,
    more: Option<Value>,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(error: impl Into<Cow<'static, str>>) -> Self {
        Self { error: error.into(), more: None, retry_after: None }
    }

    /// The same refusal with more fields.
    pub(super) fn with(mut self, more: Value) -> Self {
        self.more = Some(more);
        self
    }

    /// 429.
    pub(super) fn rate_limited(seconds: u64) -> Self {
        Self { error: "ratelimited".into(), more: None, retry_after: Some(seconds) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"ok": false, "error": self.error});
        if let (Some(map), Some(Value::Object(more))) = (body.as_object_mut(), self.more) {
            map.extend(more);
        }
        match self.retry_after {
            None => Json(body).into_response(),
            Some(seconds) => {
                let wait = [(header::RETRY_AFTER, HeaderValue::from(seconds))];
                (StatusCode::TOO_MANY_REQUESTS, wait, Json(body)).into_response()
            }
        }
    }
}

fn refuse(error: &'static str) -> Response {
    Refusal::new(error).into_response()
}

/// A successful answer: the fields and `ok: true`.
pub(super) fn fine(mut fields: Value) -> Response {
    if let Some(map) = fields.as_object_mut() {
        map.insert("ok".to_owned(), Value::Bool(true));
    }
    Json(fields).into_response()
}

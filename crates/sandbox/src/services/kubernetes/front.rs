//! Refusals as the API server words them: objects of the kind `Status`.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::model::{Account, Kind};
use crate::{services::Refused, world::World};

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) kind: Kind,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl Target<'_> {
    fn resource(self) -> String {
        format!("{}.{}", self.kind.plural(), self.kind.group())
    }

    fn details(self) -> Value {
        json!({"name": self.name, "group": self.kind.group(), "kind": self.kind.plural()})
    }

    pub(super) fn refuse(self, status: StatusCode, reason: &str, message: &str) -> Response {
        self::status(status, reason, message, &self.details())
    }

    pub(super) fn not_found(self) -> Response {
        let message = format!("{} \"{}\" not found", self.resource(), self.name);
        self.refuse(StatusCode::NOT_FOUND, "NotFound", &message)
    }

    pub(super) fn exists(self) -> Response {
        let message = format!("{} \"{}\" already exists", self.resource(), self.name);
        self.refuse(StatusCode::CONFLICT, "AlreadyExists", &message)
    }

    pub(super) fn moved(self) -> Response {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to \
             the latest version and try again",
            self.resource(),
            self.name
        );
        self.refuse(StatusCode::CONFLICT, "Conflict", &message)
    }

    pub(super) fn invalid(self, problem: &str) -> Response {
        let message =
            format!("{}.{} \"{}\" is invalid: {problem}", self.kind.name(), self.kind.group(), self.name);
        self.refuse(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", &message)
    }
}

/// A request that cannot be read.
pub(super) fn bad_request(problem: &str) -> Response {
    status(StatusCode::BAD_REQUEST, "BadRequest", problem, &json!({}))
}

fn status(status: StatusCode, reason: &str, message: &str, details: &Value) -> Response {
    let mut body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status.as_u16(),
    });
    if details.as_object().is_some_and(|details| !details.is_empty()) {
        body["details"] = details.clone();
    }
    (status, Json(body)).into_response()
}

/// Checks the caller's token and rights.
pub(super) fn gate(
    world: &World,
    headers: &HeaderMap,
    verb: &str,
    target: Target<'_>,
) -> Result<Account, Refused> {
    let forbidden = |user: &str| {
        let Target { kind, namespace, name } = target;
        let (plural, group) = (kind.plural(), kind.group());
        let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        let message = format!(
            "{}{named} is forbidden: User \"{user}\" cannot {verb} resource \"{plural}\" in API group \"{group}\" in \
             the namespace \"{namespace}\"",
            target.resource()
        );
        Refused::from(target.refuse(StatusCode::FORBIDDEN, "Forbidden", &message))
    };
    let Some(value) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
        return Err(forbidden("system:anonymous"));
    };
    let token = value.strip_prefix("Bearer ").unwrap_or_default().trim();
    let account = world.kubernetes.lock().accounts.get(token).cloned();
    let Some(account) = account else {
        return Err(status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized", &json!({})).into());
    };
    let reads = matches!(verb, "get" | "list");
    if (reads && account.reads) || account.writes.contains(target.namespace) {
        Ok(account)
    } else {
        Err(forbidden(&account.name))
    }
}

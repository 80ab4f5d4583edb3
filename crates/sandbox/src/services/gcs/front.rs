//! Who asks, and how the service refuses.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{services::Refused, world::World};

/// What a token must be good for.
const SCOPES: [&str; 4] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/devstorage.read_only",
    "https://www.googleapis.com/auth/devstorage.read_write",
    "https://www.googleapis.com/auth/devstorage.full_control",
];

/// A refusal in the form of Google's JSON interfaces.
pub(super) fn refuse(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({"error": {
        "code": status.as_u16(),
        "message": message,
        "errors": [{"message": message, "domain": "global", "reason": reason}],
    }});
    (status, Json(body)).into_response()
}

/// Refuses callers who may not read `what` of the bucket.
pub(super) fn gate(world: &World, headers: &HeaderMap, what: &str, permission: &str) -> Result<(), Refused> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(value) = value else {
        let message = format!(
            "Anonymous caller does not have {permission} access to the Google Cloud Storage {what}. Permission \
             '{permission}' denied on resource (or it may not exist)."
        );
        return Err(challenge(refuse(StatusCode::UNAUTHORIZED, "required", &message)).into());
    };
    let token = value.strip_prefix("Bearer ").unwrap_or_default().trim();
    let grant = world.google_oauth.lock().authorize(headers, &SCOPES);
    let who = match grant {
        Ok(grant) => grant.account,
        Err(refusal) if refusal.status() == StatusCode::FORBIDDEN => {
            let message = "Request had insufficient authentication scopes.";
            return Err(refuse(StatusCode::FORBIDDEN, "insufficientPermissions", message).into());
        }
        // An unknown token.
        Err(_) => token.to_owned(),
    };
    let state = world.gcs.lock();
    let may_not_list = state.without_list.contains(&who) && permission == "storage.objects.list";
    if state.strangers.contains(&who) || may_not_list {
        let message = format!(
            "stranger@demo.example.test does not have {permission} access to the Google Cloud Storage {what}. \
             Permission '{permission}' denied on resource (or it may not exist)."
        );
        return Err(refuse(StatusCode::FORBIDDEN, "forbidden", &message).into());
    }
    if state.readers.contains(&who) {
        return Ok(());
    }
    Err(challenge(refuse(StatusCode::UNAUTHORIZED, "authError", "Invalid Credentials")).into())
}

fn challenge(mut response: Response) -> Response {
    let value = HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    response
}

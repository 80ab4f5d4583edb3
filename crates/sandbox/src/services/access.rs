//! The customer portal's advisory pages, under `/access`: a page is there once its advisory is published.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Path, State as AxumState},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    unexpected::unknown_route,
    world::{Shared, Simulated},
};

/// The portal.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// When each advisory (`RHSA-2026:1900`) is published; before, its page is missing.
    pub published: BTreeMap<String, Timestamp>,
}

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(crate::services::front_page))
        .route("/errata/{advisory}", get(page))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

async fn page(AxumState(world): AxumState<Shared>, Path(advisory): Path<String>) -> Response {
    let now = world.clock.now();
    let is_up = world.access.lock().published.get(&advisory).is_some_and(|at| *at <= now);
    if is_up {
        Html(format!("<html><head><title>{advisory} - Security Advisory</title></head></html>"))
            .into_response()
    } else {
        let page = "<html><head><title>Page not found</title></head></html>";
        (StatusCode::NOT_FOUND, Html(page)).into_response()
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let published: serde_json::Map<String, Value> =
            self.published.iter().map(|(name, at)| (name.clone(), json!(at.to_string()))).collect();
        json!({"published": published})
    }

    /// `publish {"advisory"}` at once, `withdraw {"advisory"}`.
    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        let advisory = body
            .get("advisory")
            .and_then(Value::as_str)
            .ok_or_else(|| format!("{operation} needs the text advisory"))?;
        match operation {
            "publish" => {
                self.published.insert(advisory.to_owned(), now);
            }
            "withdraw" => {
                self.published.remove(advisory).ok_or("no such advisory")?;
            }
            _ => return Err("operations: publish, withdraw".to_owned()),
        }
        Ok(json!({"done": operation}))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::services::testing::{call, world};

    #[tokio::test]
    async fn a_page_comes_up_when_its_time_has_come() {
        let world = world();
        let path = "/access/errata/RHSA-2026:1900";
        assert_eq!(call(&world, "GET", path, &[], "").await.status, 404);
        world.clock.advance(SignedDuration::from_hours(6));
        assert_eq!(call(&world, "GET", path, &[], "").await.status, 200);
        assert_eq!(call(&world, "GET", "/access/other", &[], "").await.status, 501);
    }
}

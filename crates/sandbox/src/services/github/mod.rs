//! GitHub, under `/github` and `/github-raw`.

use axum::Router;
use serde_json::{Value, json};

use crate::world::{Shared, Simulated};

/// What GitHub knows.
#[derive(Debug, Default)]
pub struct State {}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        json!({})
    }
}

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new().route("/rate_limit", axum::routing::get(async || axum::Json(json!({"resources": {}}))))
}

/// Files for everybody, without the prefix.
pub fn raw_router() -> Router<Shared> {
    Router::new()
}

//! The Errata Tool, under `/errata`.

use axum::Router;
use serde_json::{Value, json};

use crate::world::{Shared, Simulated};

/// What The Errata Tool knows.
#[derive(Debug, Default)]
pub struct State {}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        json!({})
    }
}

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
}

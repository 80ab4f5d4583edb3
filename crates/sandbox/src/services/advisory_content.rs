//! The host of advisory files, under `/advisory-content` (spec 03 §4.2, §13.4): files by path, without credentials.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::State as AxumState,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    unexpected::Unexpected,
    world::{Shared, Simulated},
};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// A text.
    Yaml(String),
    /// An HTML page instead of a file, as from a sign-in or an error.
    Page(String),
    /// It is elsewhere.
    Moved(String),
}

/// The files.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// By path below the host: `/group/advisories/-/raw/main/a.yaml`.
    pub files: BTreeMap<String, File>,
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        json!({"files": self.files.keys().collect::<Vec<_>>()})
    }
}

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new().fallback(file)
}

async fn file(AxumState(world): AxumState<Shared>, method: Method, uri: Uri) -> Response {
    if method != Method::GET {
        return Unexpected::new(format!("{method} {uri}")).into_response();
    }
    let state = world.advisory_content.lock();
    match state.files.get(uri.path()) {
        Some(File::Yaml(text)) => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text.clone()).into_response()
        }
        Some(File::Page(title)) => page(StatusCode::OK, title),
        Some(File::Moved(target)) => {
            (StatusCode::FOUND, [(header::LOCATION, target.clone())], "").into_response()
        }
        None => page(StatusCode::NOT_FOUND, "Not Found"),
    }
}

fn page(status: StatusCode, title: &str) -> Response {
    let body = format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head><body></body></html>\n");
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], body).into_response()
}

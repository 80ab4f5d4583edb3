//! The routes of the catalog.

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State as AxumState},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::model::{GradeWindow, Image, State};
use crate::{
    services::Refused,
    unexpected::{Unexpected, unknown_route},
    world::Shared,
};

/// Members of an image that can be requested.
const FIELDS: [&str; 7] =
    ["_id", "image_id", "architecture", "freshness_grades", "repositories", "_links", "deleted"];

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(crate::services::nothing_here))
        .route("/v1/images", get(images))
        .route("/v1/images/id/{id}/vulnerabilities", get(vulnerabilities))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

/// The routes of the public catalog that the programs use, without the prefix.
pub fn public_router() -> Router<Shared> {
    Router::new()
        .route("/", get(crate::services::nothing_here))
        .route("/v1/images", get(public_images))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

/// Page, size and the rest of a query.
pub(crate) struct Query {
    pub(crate) page: usize,
    pub(crate) page_size: usize,
    pub(crate) include: Vec<String>,
    pub(crate) filter: Option<String>,
}

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Refused> {
        let mut parsed = Self { page: 0, page_size: 100, include: Vec::new(), filter: None };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned() {
            match name.as_str() {
                "page" => {
                    parsed.page = value.parse().map_err(|_| refusal("page is not a number"))?;
                }
                "page_size" => {
                    parsed.page_size = value
                        .parse()
                        .ok()
                        .filter(|size| (1..=100).contains(size))
                        .ok_or_else(|| refusal("page_size must be between 1 and 100"))?;
                }
                "include" => parsed.include.extend(value.split(',').map(str::to_owned)),
                "filter" => parsed.filter = Some(value),
                _ => {
                    return Err(Unexpected::new(format!("query parameter {name}")).into());
                }
            }
        }
        Ok(parsed)
    }

    /// The requested page of `rows`.
    pub(crate) fn answer(&self, rows: &[Value]) -> Response {
        let page: Vec<&Value> = rows.iter().skip(self.page * self.page_size).take(self.page_size).collect();
        let mut answer = Map::new();
        answer.insert("data".to_owned(), json!(page));
        // The requested members also apply to the envelope: a list of members of `data` omits the others.
        for (name, value) in [("page", self.page), ("page_size", self.page_size), ("total", rows.len())] {
            if self.include.is_empty() || self.include.iter().any(|wanted| wanted == name) {
                answer.insert(name.to_owned(), json!(value));
            }
        }
        Json(Value::Object(answer)).into_response()
    }

    /// `row` with only the requested members.
    pub(crate) fn project(&self, row: Value) -> Result<Value, Refused> {
        let Value::Object(row) = row else { return Ok(row) };
        let mut wanted = Map::new();
        for path in &self.include {
            let Some(path) = path.strip_prefix("data.") else { continue };
            let field = path.split('.').next().unwrap_or_default();
            if !FIELDS.contains(&field) {
                return Err(Unexpected::new(format!("include of {path}")).into());
            }
            if let Some(value) = row.get(field) {
                wanted.insert(field.to_owned(), value.clone());
            }
        }
        Ok(Value::Object(if self.include.is_empty() { row } else { wanted }))
    }
}

/// The refusal that the real interface gives: a problem document.
pub(crate) fn refusal(detail: &str) -> Response {
    let body = json!({"detail": detail, "status": 400, "title": "Bad Request", "type": "about:blank"});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

pub(crate) fn not_found(detail: &str) -> Response {
    let body = json!({"detail": detail, "status": 404, "title": "Not Found", "type": "about:blank"});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// The digests of `image_id==X` or `image_id=in=(X,Y)`, and whether it was a list.
fn digests(filter: &str) -> Option<(Vec<&str>, bool)> {
    if let Some(one) = filter.strip_prefix("image_id==") {
        return Some((vec![one], false));
    }
    let list = filter.strip_prefix("image_id=in=(")?.strip_suffix(')')?;
    Some((list.split(',').collect(), true))
}

fn view(digest: &str, image: &Image) -> Value {
    let mut view = json!({
        "_id": image.id,
        "image_id": digest,
        "architecture": image.architecture,
        "deleted": image.deleted,
        "_links": {"vulnerabilities": {"href": format!("/v1/images/id/{}/vulnerabilities", image.id)}},
        "repositories": [{"registry": "registry.access.example.test", "repository": image.repository}],
    });
    if let Some(grades) = &image.grades {
        view["freshness_grades"] = grades.iter().map(GradeWindow::view).collect();
    }
    view
}

async fn images(AxumState(world): AxumState<Shared>, RawQuery(query): RawQuery) -> Result<Response, Refused> {
    find(&world.catalog.lock(), query.as_deref())
}

async fn public_images(
    AxumState(world): AxumState<Shared>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    find(&world.public_catalog.lock(), query.as_deref())
}

fn find(state: &State, query: Option<&str>) -> Result<Response, Refused> {
    let query = Query::parse(query)?;
    let filter = query.filter.as_deref().ok_or_else(|| Unexpected::new("images without a filter"))?;
    let (wanted, list) = digests(filter).ok_or_else(|| Unexpected::new(format!("filter {filter}")))?;
    if list && state.refuse_lists {
        return Err(refusal("unsupported operator =in= in the filter").into());
    }
    if wanted.iter().any(|digest| state.broken.iter().any(|broken| broken == digest)) {
        let error = Json(json!({"status": 500, "title": "Server Error"}));
        return Ok((StatusCode::INTERNAL_SERVER_ERROR, error).into_response());
    }
    if list && state.misreads_lists {
        return Ok(query.answer(&[]));
    }
    let left_out = |digest: &String| list && state.left_out_of_lists.contains(digest);
    let more = state.more_records.iter().map(|(digest, image)| (digest, image));
    let rows: Result<Vec<Value>, Refused> = state
        .images
        .iter()
        .chain(more)
        .filter(|(digest, _)| wanted.contains(&digest.as_str()) && !left_out(digest))
        .map(|(digest, image)| query.project(view(digest, image)))
        .collect();
    Ok(query.answer(&rows?))
}

async fn vulnerabilities(
    AxumState(world): AxumState<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let query = Query::parse(query.as_deref())?;
    let state = world.catalog.lock();
    let image = state.by_id(&id).ok_or_else(|| not_found("image not found"))?;
    Ok(query.answer(&image.vulnerabilities))
}

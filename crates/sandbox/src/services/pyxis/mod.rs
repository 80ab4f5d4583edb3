//! Pyxis by build, under `/pyxis` (spec 02 §3, §11.3).

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Path, RawQuery, State as AxumState},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::catalog::{GradeWindow, Query, not_found};
use super::{Refused, errata::is_initial_token};
use crate::{
    unexpected::unknown_route,
    world::{Shared, Simulated},
};

/// An architecture and its grades; `None` when the record has no such member. A record of amd64 may leave its architecture
/// out: an empty name is written as null.
pub type ArchitectureGrades = (String, Option<Vec<GradeWindow>>);

/// Builds by name-version-release, each with its architectures and their grades.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The builds.
    pub builds: BTreeMap<String, Vec<ArchitectureGrades>>,
    /// Only callers that sign in with a Kerberos ticket are answered.
    pub wants_ticket: bool,
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        json!({"builds": self.builds.keys().collect::<Vec<_>>()})
    }

    /// `set-grade {"nvr", "grade"}`, of every architecture.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        if operation != "set-grade" {
            return Err("operations: set-grade".to_owned());
        }
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        let grade = text("grade")?;
        for (_, grades) in self.builds.get_mut(text("nvr")?).ok_or("no such build")? {
            *grades = Some(vec![GradeWindow::since(grade, "2026-01-01T00:00:00+00:00")]);
        }
        Ok(json!({"done": operation}))
    }
}

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(crate::services::nothing_here))
        .route("/v1/images/nvr/{nvr}", get(build))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

async fn build(
    AxumState(world): AxumState<Shared>,
    Path(nvr): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let query = Query::parse(query.as_deref())?;
    let state = world.pyxis.lock();
    let ticket = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Negotiate "))
        .is_some_and(is_initial_token);
    if state.wants_ticket && !ticket {
        let page = "<html><head><title>401 Unauthorized</title></head></html>";
        let challenge = [(header::WWW_AUTHENTICATE, "Negotiate")];
        return Ok((StatusCode::UNAUTHORIZED, challenge, Html(page)).into_response());
    }
    let images = state.builds.get(&nvr).ok_or_else(|| not_found("no image of this build"))?;
    let rows: Result<Vec<Value>, Refused> = images
        .iter()
        .map(|(architecture, grades)| {
            let name = Some(architecture).filter(|name| !name.is_empty());
            let mut row = json!({"architecture": name, "deleted": false});
            if let Some(grades) = grades {
                row["freshness_grades"] = grades.iter().map(GradeWindow::view).collect();
            }
            query.project(row)
        })
        .collect();
    Ok(query.answer(&rows?))
}

#[cfg(test)]
mod tests {
    use crate::services::testing::{call, world};

    #[tokio::test]
    async fn grades_come_by_architecture_and_unknown_builds_are_404() {
        let world = world();
        let nvr = world.pyxis.lock().builds.keys().next().unwrap().clone();
        let path =
            format!("/pyxis/v1/images/nvr/{nvr}?include=data.freshness_grades&include=data.architecture");
        let answer = call(&world, "GET", &path, &[], "").await.json();
        assert_eq!(answer["data"][0]["architecture"], "amd64");
        assert!(answer["data"][0]["freshness_grades"][0]["grade"].is_string());
        assert_eq!(call(&world, "GET", "/pyxis/v1/images/nvr/none-1-1", &[], "").await.status, 404);
        world.pyxis.lock().wants_ticket = true;
        for authorization in [None, Some(("authorization", "Negotiate bm8="))] {
            let answer = call(&world, "GET", &path, authorization.as_slice(), "").await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Negotiate")));
        }
    }
}

//! The deck: one job as YAML, without login.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::{
    Router,
    extract::{RawQuery, State as AxumState},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use url::form_urlencoded;

use super::model::ProwJob;
use crate::{unexpected::unknown_route, world::Shared};

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(crate::services::front_page))
        .route("/prowjob", get(prow_job))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

async fn prow_job(AxumState(world): AxumState<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "prowjob");
    let Some((_, id)) = id.filter(|(_, id)| !id.is_empty()) else {
        return (StatusCode::BAD_REQUEST, "request did not provide the 'prowjob' query parameter\n")
            .into_response();
    };
    let now = world.clock.now();
    let base = world.url("/prow");
    let state = world.prow.lock();
    match state.find(&id, now) {
        _ if state.lookups_fail => {
            let inner = "Get \"https://172.30.0.1:443/apis/prow.k8s.io/v1/namespaces/ci/prowjobs\": context deadline exceeded";
            (StatusCode::NOT_FOUND, format!("ProwJob not found: {inner}\n")).into_response()
        }
        None => {
            let inner = format!("prowjobs.prow.k8s.io {id:?} not found");
            (StatusCode::NOT_FOUND, format!("ProwJob not found: {inner}\n")).into_response()
        }
        Some(job) => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], yaml(job, now, &base)).into_response()
        }
    }
}

/// A YAML scalar in double quotes, which JSON's are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn map(text: &mut String, indent: &str, name: &str, entries: &BTreeMap<String, String>) {
    if entries.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{indent}{name}:");
    for (key, value) in entries {
        let _ = writeln!(text, "{indent}  {}: {}", quoted(key), quoted(value));
    }
}

/// The object as the deck writes it: keys sorted, times quoted.
pub fn yaml(job: &ProwJob, now: Timestamp, base: &str) -> String {
    let mut text = String::from("apiVersion: prow.k8s.io/v1\nkind: ProwJob\nmetadata:\n");
    map(&mut text, "  ", "annotations", &job.annotations);
    let mut labels = job.labels.clone();
    labels.insert("prow.k8s.io/job".to_owned(), super::gangway::label(&job.job).to_owned());
    labels.insert("prow.k8s.io/type".to_owned(), "periodic".to_owned());
    map(&mut text, "  ", "labels", &labels);
    let stamp = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let _ = write!(
        text,
        "  name: {}\n  namespace: ci\nspec:\n  agent: kubernetes\n  cluster: build99\n  job: {}\n",
        job.id, job.job
    );
    text.push_str("  pod_spec:\n    containers:\n    - args:\n      - --gcs-upload-secret=/secrets/gcs\n");
    let _ = writeln!(text, "      - --target={}", job.target());
    if !job.envs.is_empty() {
        text.push_str("      env:\n");
        for (name, value) in &job.envs {
            let _ = write!(text, "      - name: {}\n        value: {}\n", quoted(name), quoted(value));
        }
    }
    text.push_str("      image: ci-operator:latest\n  report: true\n  type: periodic\nstatus:\n");
    let state = job.state_at(now);
    if job.has_page(now) {
        let _ = writeln!(text, "  build_id: {}", quoted(&job.build.to_string()));
    }
    if let Some(completed) = job.completed(now) {
        let _ = writeln!(text, "  completionTime: {}", quoted(&stamp(completed)));
    }
    let description = match state {
        super::JobState::Error => Some("Pod scheduling timeout."),
        super::JobState::Aborted => Some("Aborted by trigger plugin."),
        super::JobState::Failure => Some("Job failed."),
        super::JobState::Success => Some("Job succeeded."),
        _ => None,
    };
    if let Some(description) = description {
        let _ = writeln!(text, "  description: {description}");
    }
    if let Some(pending) = job.pending_since(now) {
        let _ = write!(text, "  pendingTime: {}\n  pod_name: {}\n", quoted(&stamp(pending)), job.id);
    }
    let _ = write!(text, "  startTime: {}\n  state: {}\n", quoted(&stamp(job.started)), state.name());
    if job.has_page(now) {
        let _ = writeln!(text, "  url: {}", job.page(base));
    }
    text
}

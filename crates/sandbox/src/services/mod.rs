//! The simulated services: one module each, with its state and its routes.

use axum::Router;

pub use self::refused::Refused;
use crate::{unexpected, world::Shared};

pub mod access;
pub mod advisory_content;
pub mod brew;
pub mod catalog;
pub mod errata;
pub mod gcs;
pub mod github;
pub mod gitlab;
pub mod google_oauth;
pub mod jenkins;
pub mod jira;
pub mod kubernetes;
pub mod mirror;
pub mod prow;
pub mod pyxis;
mod refused;
pub mod registry;
pub mod release_controller;
pub mod sheets;
pub mod slack;
#[cfg(test)]
pub(crate) mod testing;

/// Prefix of every service and the name it has in the log of requests and in fault rules.
pub const PREFIXES: [(&str, &str); 23] = [
    ("/github", "github"),
    ("/github-raw", "github-raw"),
    ("/errata", "errata"),
    ("/jira", "jira"),
    ("/gitlab", "gitlab"),
    ("/slack/api", "slack"),
    ("/release-controller", "release-controller"),
    ("/mirror", "mirror"),
    ("/catalog", "catalog"),
    ("/catalog-stage", "catalog-stage"),
    ("/pyxis", "pyxis"),
    ("/gangway", "gangway"),
    ("/prow", "prow"),
    ("/jenkins", "jenkins"),
    ("/advisory-content", "advisory-content"),
    ("/registry", "registry"),
    ("/access", "access"),
    ("/brewhub", "brewhub"),
    ("/brewroot", "brewroot"),
    ("/google-oauth", "google-oauth"),
    ("/sheets", "sheets"),
    ("/gcs", "gcs"),
    ("/kube", "kubernetes"),
];

/// All services under their prefixes.
pub fn router() -> Router<Shared> {
    Router::new()
        .nest("/github", github::router())
        .nest("/github-raw", github::raw_router())
        .nest("/errata", errata::router())
        .nest("/jira", jira::router())
        .nest("/gitlab", gitlab::router())
        .nest("/slack/api", slack::router())
        .nest("/release-controller", release_controller::router())
        .nest("/mirror", mirror::router())
        .nest("/catalog", catalog::public_router())
        .nest("/catalog-stage", catalog::router())
        .nest("/pyxis", pyxis::router())
        .nest("/gangway", prow::gangway_router())
        .nest("/prow", prow::router())
        .nest("/jenkins", jenkins::router())
        .route("/jenkins/", jenkins::first_page())
        .nest("/advisory-content", advisory_content::router())
        .nest("/registry", registry::router())
        .nest("/access", access::router())
        .nest("/brewhub", brew::hub_router())
        .route("/brewhub/", brew::hub())
        .nest("/brewroot", brew::root_router())
        .nest("/google-oauth", google_oauth::router())
        .nest("/sheets", sheets::router())
        .nest("/gcs", gcs::router())
        .nest("/kube", kubernetes::router())
        .fallback(unexpected::unknown_route)
}

/// The page at the address of a service that is asked without a login.
pub(crate) async fn front_page() -> axum::response::Html<&'static str> {
    axum::response::Html("<html><head><title>Welcome</title></head><body></body></html>")
}

/// The answer at the address of an interface that has nothing there.
pub(crate) async fn nothing_here() -> Refused {
    let body = axum::Json(serde_json::json!({"detail": "Not found"}));
    Refused::from(axum::response::IntoResponse::into_response((axum::http::StatusCode::NOT_FOUND, body)))
}

/// Which service a path belongs to, and the path inside it: `/jira/rest/api` is `jira`, `/rest/api`.
pub fn split(path: &str) -> (&'static str, &str) {
    for (prefix, name) in PREFIXES {
        match path.strip_prefix(prefix) {
            Some("") => return (name, "/"),
            Some(rest) if rest.starts_with('/') => return (name, rest),
            _ => {}
        }
    }
    ("unknown", path)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn prefixes_end_at_a_slash() {
        assert_eq!(split("/github/user"), ("github", "/user"));
        assert_eq!(split("/github-raw/a/b"), ("github-raw", "/a/b"));
        assert_eq!(split("/slack/api/auth.test"), ("slack", "/auth.test"));
        assert_eq!(split("/jira"), ("jira", "/"));
        assert_eq!(split("/jirax"), ("unknown", "/jirax"));
    }
}

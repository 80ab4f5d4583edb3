//! Which sandbox is meant: another one may have taken the port since a program was told where to go.
//!
//! Every address that a sandbox gives out begins with its own name, `http://127.0.0.1:8765/sandbox-1f0c2d3e`. A request
//! that names another sandbox is refused before any service sees it; one without a name, as people type them, is taken.

use axum::{
    Json,
    extract::Request,
    http::{StatusCode, Uri, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// How the first part of a path begins that names a sandbox.
const MARK: &str = "/sandbox-";
/// Where a request ends that is for another sandbox.
pub(crate) const ANOTHER: &str = "/_sandbox/another";

/// The name of one sandbox, as the first part of a path: `/sandbox-1f0c2d3e`.
#[derive(Clone, Debug)]
pub struct Identity(String);

impl Identity {
    /// One that no other sandbox has.
    pub(crate) fn new() -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        // Short, because people see it in addresses; two sandboxes on one port have the same one in one case of 2^32.
        Self(format!("{MARK}{}", id.get(..8).unwrap_or(&id)))
    }

    /// The part of a path that names this sandbox, with the slash before it.
    pub fn prefix(&self) -> &str {
        &self.0
    }

    /// The request as the services know it: without the name, or at [`ANOTHER`] when it names another sandbox.
    pub(crate) fn strip(&self, mut request: Request) -> Request {
        if let Some(path) = self.own_path(request.uri()) {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(path);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
        request
    }

    /// The path that replaces that of `uri`; `None` when it stays.
    fn own_path(&self, uri: &Uri) -> Option<PathAndQuery> {
        let whole = uri.path_and_query()?.as_str();
        let rest = whole.strip_prefix(MARK)?;
        let end = rest.find(['/', '?']).map_or(whole.len(), |end| end + MARK.len());
        let (name, rest) = whole.split_at_checked(end)?;
        if name != self.0 {
            return Some(PathAndQuery::from_static(ANOTHER));
        }
        let slash = if rest.starts_with('/') { "" } else { "/" };
        PathAndQuery::try_from(format!("{slash}{rest}")).ok()
    }
}

/// The answer to a request for another sandbox.
pub(crate) async fn another() -> Response {
    let message = "Another sandbox serves here now. The one that this address belongs to has ended.";
    (StatusCode::MISDIRECTED_REQUEST, Json(json!({"message": message}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_name_goes_and_another_name_leads_away() {
        let identity = Identity("/sandbox-ab".to_owned());
        let path = |uri: &str| identity.own_path(&uri.parse().unwrap()).map(|path| path.to_string());
        for (asked, expected) in [
            ("/sandbox-ab/jira/rest?a=/b", Some("/jira/rest?a=/b")),
            ("/sandbox-ab", Some("/")),
            ("/sandbox-ab?x=1", Some("/?x=1")),
            ("/sandbox-abc/jira", Some(ANOTHER)),
            ("/sandbox-/jira", Some(ANOTHER)),
            ("/jira/sandbox-ab", None),
            ("/", None),
        ] {
            assert_eq!(path(asked).as_deref(), expected, "{asked}");
        }
    }
}

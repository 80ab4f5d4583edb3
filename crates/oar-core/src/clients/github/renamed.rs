//! Renamed repositories: GitHub redirects requests for the old name (docs.github.com, "Best practices for
//! using the REST API").
//!
//! Reads follow the redirection, at this host only. A write is not sent again: people decide where state is
//! kept, so the error tells them the new name.

use std::sync::atomic::Ordering;

use http::Method;
use http::header::{HeaderValue, IF_NONE_MATCH, LOCATION};
use url::Url;

use super::model::RepositoryAnswer;
use super::transport::Purpose;
use super::{GithubClient, failure};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Reply, join};

/// How many redirections of one read are followed.
const REDIRECTIONS: usize = 3;

impl GithubClient {
    /// Reads `address` (relative to the base), following redirections; with an entity tag only when it has
    /// changed.
    pub(super) async fn get(
        &self,
        address: String,
        etag: Option<&str>,
        purpose: Purpose,
    ) -> Result<Reply, ServiceError> {
        let mut address = address;
        for _ in 0..REDIRECTIONS {
            let reply = self.get_once(&address, etag, purpose.clone()).await?;
            let Some(target) = target(&self.inner.base, &address, &reply) else { return Ok(reply) };
            if !self.inner.told_of_move.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "{}: GitHub leads to another name of the repository; reads follow, writes need the new name \
                     (OAR_STATE_REPO)",
                    purpose.subject
                );
            }
            address = target.map_err(|detail| reply.failure(ServiceErrorKind::Malformed, detail))?;
        }
        self.get_once(&address, etag, purpose).await
    }

    async fn get_once(
        &self,
        address: &str,
        etag: Option<&str>,
        purpose: Purpose,
    ) -> Result<Reply, ServiceError> {
        let mut request = http::Request::builder().method(Method::GET).uri(address);
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            request = request.header(IF_NONE_MATCH, etag);
        }
        self.send(request, None::<&()>, purpose).await
    }

    /// The error for an answer to a write; for a redirection it names the repository's new name.
    pub(super) async fn failed_write(&self, reply: &Reply) -> ServiceError {
        if !is_redirection(reply) {
            return failure::of_write(reply);
        }
        let name = self.new_name(reply).await;
        let detail = match &name {
            Some(name) => format!("the repository is {name} now"),
            None => "the repository has another name now".to_owned(),
        };
        reply.failure(ServiceErrorKind::Moved, detail).with_hint(format!(
            "Nothing was written. Set OAR_STATE_REPO to {}, and run the same command again.",
            name.as_deref().unwrap_or("its new name")
        ))
    }

    /// The name of the repository that a redirection leads to: `…/repositories/<id>/…`.
    async fn new_name(&self, reply: &Reply) -> Option<String> {
        let target = target(&self.inner.base, "/", reply)?.ok()?;
        let mut parts = target.trim_start_matches('/').split(['/', '?']);
        let address = match (parts.next()?, parts.next()?) {
            ("repositories", id) => format!("/repositories/{id}"),
            ("repos", owner) => format!("/repos/{owner}/{}", parts.next()?),
            _ => return None,
        };
        let purpose = Purpose { operation: "see a repository", subject: address.clone() };
        let found: RepositoryAnswer = self.get_once(&address, None, purpose).await.ok()?.json().ok()?;
        found.full_name.parse::<crate::ids::Repository>().ok().map(|name| name.to_string())
    }
}

fn is_redirection(reply: &Reply) -> bool {
    matches!(reply.status.as_u16(), 301 | 302 | 307 | 308)
}

/// The target of a redirection, relative to `base`; an error when it leads to another host.
fn target(base: &Url, address: &str, reply: &Reply) -> Option<Result<String, &'static str>> {
    if !is_redirection(reply) {
        return None;
    }
    let location = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    Some(location.ok_or("redirected to no address").and_then(|location| below(base, address, location)))
}

fn below(base: &Url, address: &str, location: &str) -> Result<String, &'static str> {
    let to = join(base, address).join(location).map_err(|_| "redirected to no address")?;
    let path = to.path().strip_prefix(base.path().trim_end_matches('/')).filter(|path| path.starts_with('/'));
    match path {
        Some(path) if to.origin() == base.origin() => {
            Ok(to.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
        }
        _ => Err("redirected to another host, which does not get our token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_same_host_below_the_base_are_followed() {
        let base = Url::parse("https://github.example.test/api/v3").unwrap();
        let at = |location: &str| below(&base, "/repos/a/b/contents/x?ref=m", location);
        assert_eq!(
            at("https://github.example.test/api/v3/repositories/7/contents/x?ref=m").unwrap(),
            "/repositories/7/contents/x?ref=m"
        );
        assert_eq!(at("/api/v3/repositories/7").unwrap(), "/repositories/7");
        for elsewhere in [
            "https://elsewhere.example.test/api/v3/repositories/7",
            "http://github.example.test/api/v3/repositories/7",
            "https://github.example.test:8443/api/v3/repositories/7",
            "https://github.example.test/login",
            "https://github.example.test/api/v30",
            "//elsewhere.example.test/api/v3/x",
            "https://",
        ] {
            assert!(at(elsewhere).is_err(), "{elsewhere}");
        }
    }
}

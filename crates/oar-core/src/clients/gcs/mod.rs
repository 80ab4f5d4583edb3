//! Google Cloud Storage, where Prow jobs leave their artifacts (spec 04 §2.7).
//!
//! An artifact is found with one request, never by listing a run's whole tree.

mod run;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use url::Url;

pub use run::{EndedRun, RunLocation};

use crate::clients::empty::null_is_default;
use crate::clients::google::ServiceAccount;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join, join_segments};
use crate::service::Service;

/// The bucket with the artifacts of QE's jobs.
pub const QE_BUCKET: &str = "qe-private-deck";
/// The largest artifact that is read, in bytes. Reports have a few hundred.
const LARGEST: usize = 1024 * 1024;
/// The largest page of a list, in bytes: a thousand objects with their metadata.
const LARGEST_LIST: usize = 8 * 1024 * 1024;
/// The most pages of a list that are read.
const PAGES: usize = 8;

/// The credentials of requests.
#[derive(Debug, Clone)]
enum Access {
    Account(ServiceAccount),
    Anonymous(Http),
}

/// Reads the objects of one bucket. Cheap to clone.
#[derive(Clone)]
pub struct GcsClient {
    access: Access,
    base: Arc<Url>,
    bucket: Arc<str>,
}

impl fmt::Debug for GcsClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GcsClient")
            .field("base", &self.base.as_str())
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// One page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default, deserialize_with = "null_is_default")]
    items: Vec<Item>,
    #[serde(default, deserialize_with = "null_is_default")]
    prefixes: Vec<String>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
}

/// A list, as far as it was read.
struct Listing {
    names: Vec<String>,
    folders: Vec<String>,
}

impl GcsClient {
    /// A client of the service at `base` for `bucket`, with a service account that may read it.
    pub fn new(account: ServiceAccount, base: Url, bucket: &str) -> Self {
        Self { access: Access::Account(account), base: Arc::new(base), bucket: bucket.into() }
    }

    /// A client without credentials, for public buckets and emulators.
    pub fn anonymous(http: Http, base: Url, bucket: &str) -> Self {
        Self { access: Access::Anonymous(http), base: Arc::new(base), bucket: bucket.into() }
    }

    /// The content of the object `name`, at most one megabyte; `None` when there is none.
    ///
    /// Without the right to list, the answer for an absent object is the same as for a forbidden one. That is
    /// an error, because the object may exist (spec 04 §2.7).
    pub async fn read(&self, name: &str) -> Result<Option<Bytes>, ServiceError> {
        let path = ["download", "storage", "v1", "b", &self.bucket, "o", name];
        let mut url = join_segments(&self.base, path);
        url.query_pairs_mut().append_pair("alt", "media");
        let call =
            Call::get(Service::Gcs, "read an artifact", url).about(self.subject(name)).body_limit(LARGEST);
        let reply = self.send(call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return self.absent(&reply).map(|()| None);
        }
        Ok(Some(self.good(reply)?.body))
    }

    /// The names below `prefix` that `wanted` accepts; `glob` is the same filter in the service's syntax.
    ///
    /// Usually one request. `None` when the service ignores `glob` and answers with everything.
    async fn matching(
        &self,
        prefix: &str,
        glob: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<Vec<String>>, ServiceError> {
        match self.list(&[("prefix", prefix), ("matchGlob", glob)]).await {
            Ok(listing) if listing.names.iter().all(|name| wanted(name)) => Ok(Some(listing.names)),
            Ok(_) => Ok(None),
            Err(error) if error.kind == ServiceErrorKind::Rejected || error.status == Some(501) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The folders directly below `prefix`, which ends with a slash.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>, ServiceError> {
        Ok(self.list(&[("prefix", prefix), ("delimiter", "/")]).await?.folders)
    }

    /// A list in at most [`PAGES`] pages; a longer one is an error, because its end would look like an absence.
    async fn list(&self, parameters: &[(&str, &str)]) -> Result<Listing, ServiceError> {
        let mut listing = Listing { names: Vec::new(), folders: Vec::new() };
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let mut url = join(&self.base, "storage/v1/b");
            url = join_segments(&url, [self.bucket.as_ref(), "o"]);
            url.query_pairs_mut().append_pair("projection", "noAcl").extend_pairs(parameters);
            if let Some(token) = &token {
                url.query_pairs_mut().append_pair("pageToken", token);
            }
            let prefix = parameters.first().map(|(_, prefix)| *prefix).unwrap_or_default();
            let call = Call::get(Service::Gcs, "list artifacts", url)
                .about(self.subject(prefix))
                .body_limit(LARGEST_LIST);
            let page: Page = self.good(self.send(call).await?)?.json()?;
            listing.names.extend(page.items.into_iter().map(|item| item.name));
            listing.folders.extend(page.prefixes);
            token = page.next_page_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(listing);
            }
        }
        let detail = format!("the list has more than {PAGES} pages");
        Err(ServiceError::new(Service::Gcs, "list artifacts", ServiceErrorKind::Malformed, detail))
    }

    async fn send(&self, call: Call) -> Result<Reply, ServiceError> {
        match &self.access {
            Access::Account(account) => account.send(call).await,
            Access::Anonymous(http) => http.send(call).await,
        }
    }

    /// Whether a 404 means that the object does not exist. A missing bucket is an error, and so is an answer
    /// that is not from the store, such as an empty one.
    ///
    /// The answer to a download of a missing object is `No such object: <bucket>/<name>` as plain text (see
    /// firebase-tools pull 3647 and cloud-storage-rs issue 56); all other errors are JSON objects.
    fn absent(&self, reply: &Reply) -> Result<(), ServiceError> {
        let words = words(reply);
        let lower = words.to_ascii_lowercase();
        if lower.contains("bucket does not exist") {
            let hint = format!("Check the endpoint of Google Cloud Storage and the bucket {}.", self.bucket);
            return Err(reply.failure(ServiceErrorKind::NotFound, words).with_hint(hint));
        }
        let own = serde_json::from_slice::<Refusal>(&reply.body)
            .is_ok_and(|refusal| refusal.error.code == Some(404))
            || lower.starts_with("no such object: ");
        if own { Ok(()) } else { Err(reply.failure(ServiceErrorKind::Unavailable, words)) }
    }

    fn good(&self, reply: Reply) -> Result<Reply, ServiceError> {
        let bucket = &self.bucket;
        reply.success(words).map_err(|error| match error.kind {
            ServiceErrorKind::Unauthorized => error.with_hint(
                "GCS_CRED_FILE names the key file of a service account; this one is no longer accepted.",
            ),
            ServiceErrorKind::Forbidden => error.with_hint(format!(
                "The account of GCS_CRED_FILE needs the rights storage.objects.get and storage.objects.list in the bucket \
                 {bucket}: without the latter an object that is not there is refused in the same way."
            )),
            _ => error,
        })
    }

    fn subject(&self, name: &str) -> String {
        format!("{name} in {}", self.bucket)
    }
}

/// A refusal in JSON.
#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    #[serde(default)]
    code: Option<u16>,
    message: String,
}

/// Google's error message.
fn words(reply: &Reply) -> String {
    serde_json::from_slice::<Refusal>(&reply.body)
        .map_or_else(|_| reply.words(), |refusal| refusal.error.message)
}

//! The advisory files that the Konflux release service writes, by the address in a shipment (spec 03 §4.2).
//!
//! The address comes from a file that many people can change, and it is fetched from inside the network. So
//! only configured origins are allowed, redirections are not followed, and no credentials are sent.

use std::sync::Arc;

use serde::Deserialize;

use crate::config::Origins;

use crate::clients::empty::{or_default, text};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply};
use crate::service::Service;

/// The largest advisory file, in bytes. Nine hundred images take less than one megabyte.
const FILE_LIMIT: usize = 8 * 1024 * 1024;
/// The most images in one advisory.
const IMAGES_LIMIT: usize = 10_000;

/// One image of an advisory: one component for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryImage {
    /// The component: `ose-4-19-demo-operator`.
    pub component: String,
    /// The architecture in Go's spelling: `amd64`.
    pub architecture: String,
    /// The image with its digest, `None` when the file names none.
    pub pull_spec: Option<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default, deserialize_with = "or_default")]
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default, deserialize_with = "or_default")]
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default, deserialize_with = "or_default")]
    images: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default, deserialize_with = "text")]
    component: Option<String>,
    #[serde(default, deserialize_with = "text")]
    architecture: Option<String>,
    #[serde(default, rename = "containerImage", deserialize_with = "text")]
    container_image: Option<String>,
}

/// Reads advisory files. Cheap to clone.
#[derive(Clone)]
pub struct AdvisoryContentClient {
    http: Http,
    origins: Arc<Origins>,
}

impl std::fmt::Debug for AdvisoryContentClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AdvisoryContentClient")
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

impl AdvisoryContentClient {
    /// A client that sends requests to `origins` only.
    pub fn new(http: Http, origins: Origins) -> Self {
        Self { http, origins: Arc::new(origins) }
    }

    /// Reads the images of the advisory file at `address`. A missing or empty list of images is an error,
    /// because the caller would check nothing.
    pub async fn images(&self, address: &str) -> Result<Vec<AdvisoryImage>, ServiceError> {
        let operation = "read an advisory file";
        let url = self.origins.resolve(address).map_err(|refused| {
            ServiceError::new(
                Service::AdvisoryContent,
                operation,
                ServiceErrorKind::Rejected,
                refused.to_string(),
            )
            .with_hint(
                "When this address is right, add its origin to `image_health.advisory_origins` of the configuration \
                 document (oarctl config edit).",
            )
        })?;
        let subject = url.path().trim_start_matches('/').to_owned();
        let reply =
            self.http.send(Call::get(Service::AdvisoryContent, operation, url).about(subject)).await?;
        let reply = reply.success(Reply::words)?;
        let malformed = |detail: String| reply.failure(ServiceErrorKind::Malformed, detail);
        if reply.body.len() > FILE_LIMIT {
            return Err(malformed(format!("larger than {FILE_LIMIT} bytes")));
        }
        let text = reply.text()?;
        if text.trim_start().starts_with('<') {
            return Err(malformed(format!("{} instead of an advisory file", reply.words())));
        }
        let file: File = crate::yaml::from_str(text)
            .map_err(|error| malformed(format!("not the YAML of an advisory: {error}")))?;
        let images = file.spec.and_then(|spec| spec.content).and_then(|content| content.images);
        let images = images.ok_or_else(|| {
            malformed("the advisory has no list `spec.content.images`, or an empty one".to_owned())
        })?;
        if images.len() > IMAGES_LIMIT {
            return Err(malformed(format!("the advisory has more than {IMAGES_LIMIT} images")));
        }
        Ok(images
            .into_iter()
            .map(|entry| AdvisoryImage {
                component: entry.component.unwrap_or_else(|| "unnamed component".to_owned()),
                architecture: entry.architecture.unwrap_or_else(|| "unknown".to_owned()),
                pull_spec: entry.container_image,
            })
            .collect())
    }
}

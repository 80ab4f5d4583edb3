//! The mirror that publishes release signatures (spec 01 §5.9).

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join};
use crate::ids::Digest;
use crate::service::Service;

/// The most signatures of one image that are read.
pub const SIGNATURES_LIMIT: u32 = 20;
/// The largest signature file, in bytes; a real one has less than a thousand.
const FILE_LIMIT: usize = 64 * 1024;

/// The signatures of an image that could be read.
#[derive(Debug, Default)]
pub struct Signatures {
    /// `signature-1`, `signature-2`, …
    pub files: Vec<Bytes>,
    /// Why reading stopped; `None` when the mirror has no more.
    pub failure: Option<ServiceError>,
}

/// Reads the signature mirror. Cheap to clone.
#[derive(Clone)]
pub struct MirrorClient {
    http: Http,
    base: Arc<Url>,
}

impl std::fmt::Debug for MirrorClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MirrorClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl MirrorClient {
    /// A client of the mirror whose signatures are below `base`: `<base>/sha256=<hex>/signature-1`.
    pub fn new(http: Http, base: Url) -> Self {
        Self { http, base: Arc::new(base) }
    }

    /// The web address of signature `number` of an image.
    pub fn address(&self, digest: &Digest, number: u32) -> Url {
        join(&self.base, &format!("sha256={}/signature-{number}", digest.hex()))
    }

    /// Reads signature `number` (from 1) of an image; `None` when the mirror answers 404. Any other status
    /// than 200 and 404 is an error (spec 01 §5.9).
    pub async fn signature(&self, digest: &Digest, number: u32) -> Result<Option<Bytes>, ServiceError> {
        let call = Call::get(Service::Mirror, "read a release signature", self.address(digest, number))
            .about(format!("signature-{number} of {digest}"));
        let reply = self.http.send(call).await?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let reply = reply.success(Reply::words)?;
        if reply.status != StatusCode::OK {
            let detail = format!("answered {} instead of a file", reply.status.as_u16());
            return Err(reply.failure(ServiceErrorKind::Malformed, detail));
        }
        // A signature is binary; this is a proxy's page or a sign-in page.
        if reply.body.trim_ascii_start().starts_with(b"<") {
            return Err(
                reply.failure(ServiceErrorKind::Malformed, format!("{} instead of a file", reply.words()))
            );
        }
        if reply.body.len() > FILE_LIMIT {
            let detail = format!("larger than {FILE_LIMIT} bytes, which no signature is");
            return Err(reply.failure(ServiceErrorKind::Malformed, detail));
        }
        Ok(Some(reply.body))
    }

    /// Reads all signatures of an image, `signature-1`, `signature-2`, … up to the first that is absent.
    pub async fn signatures(&self, digest: &Digest) -> Signatures {
        let mut found = Signatures::default();
        for number in 1..=SIGNATURES_LIMIT {
            match self.signature(digest, number).await {
                Ok(Some(file)) => found.files.push(file),
                Ok(None) => return found,
                Err(error) => {
                    found.failure = Some(error);
                    return found;
                }
            }
        }
        tracing::warn!("the mirror has more than {SIGNATURES_LIMIT} signatures; the rest is not read");
        found
    }
}

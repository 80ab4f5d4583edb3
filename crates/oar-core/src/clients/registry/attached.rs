//! Sigstore signatures that are stored beside an image, as cosign does with a key.
//!
//! Protocol: github.com/sigstore/cosign, `specs/SIGNATURE_SPEC.md`: a manifest with the tag
//! `sha256-<hex>.sig`. Each of its layers is one signed document, with the signature in an annotation.

use bytes::Bytes;
use futures::future::try_join_all;

use super::RegistryClient;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::{Digest, PullSpec};

/// The media type of a signed document.
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of a layer that holds the signature, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The largest signed document, in bytes.
const PAYLOAD_LIMIT: u64 = 64 * 1024;
/// The most signatures of one image that are read: ART makes two for each key and each promotion.
const LIMIT: usize = 24;

/// A signature beside an image. It is not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedSignature {
    /// The signed document.
    pub payload: Bytes,
    /// Its signature, in base64.
    pub signature: String,
}

impl AttachedSignature {
    /// The tag of the signatures of an image: `sha256-<hex>.sig`.
    pub fn tag(digest: &Digest) -> String {
        format!("sha256-{}.sig", digest.hex())
    }
}

impl RegistryClient {
    /// The signatures of the image `digest` in the repository of `spec`; empty when the registry reports that
    /// there are none.
    pub async fn attached(
        &self,
        spec: &PullSpec,
        digest: &Digest,
    ) -> Result<Vec<AttachedSignature>, ServiceError> {
        let tagged = spec.tagged(AttachedSignature::tag(digest));
        let document = match self.manifest(&tagged, "read the signatures of an image").await {
            Ok((_, document)) => document,
            Err(error) if error.kind == ServiceErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let signed: Vec<_> = document
            .layers
            .into_iter()
            .filter(|layer| layer.media_type == PAYLOAD_TYPE)
            .filter_map(|layer| Some((layer.annotations.get(SIGNATURE)?.clone(), layer)))
            .collect();
        if signed.len() > LIMIT {
            tracing::warn!("{tagged} has more than {LIMIT} signatures; only the newest are read");
        }
        // New signatures are appended.
        let newest = signed.into_iter().rev().take(LIMIT);
        let reads: Vec<_> = newest
            .map(|(signature, layer)| {
                let tagged = &tagged;
                async move {
                    let payload = self.blob(tagged, &layer, PAYLOAD_LIMIT).await?;
                    Ok::<_, ServiceError>(AttachedSignature { payload, signature })
                }
            })
            .collect();
        try_join_all(reads).await
    }
}

//! Signatures that lie beside an image: the Sigstore way of cosign with a key.
//!
//! Protocol: github.com/sigstore/cosign, `specs/SIGNATURE_SPEC.md`: a manifest under the tag `sha256-<hex>.sig`, each of
//! whose layers is one signed document with its signature in an annotation.

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

/// A signature beside an image. Nothing about it has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedSignature {
    /// The signed document.
    pub payload: Bytes,
    /// Its signature, in base64.
    pub signature: String,
}

impl AttachedSignature {
    /// The tag under which the signatures of an image lie: `sha256-<hex>.sig`.
    pub fn tag(digest: &Digest) -> String {
        format!("sha256-{}.sig", digest.hex())
    }
}

impl RegistryClient {
    /// The signatures of the image `digest` in the repository of `spec`; none where the registry says that there are none.
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
        // New signatures are put behind those that are there.
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

//! What an image is known by: the digests of its list and of its manifests, and its labels (spec 04 §9.2).

use std::collections::BTreeMap;

use super::model::ConfigDocument;
use super::{Descriptor, RegistryClient};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::{Digest, InvalidDigest, PullSpec};
use crate::service::Service;

/// The largest configuration of an image that is read, in bytes.
const CONFIG_LIMIT: u64 = 8 * 1024 * 1024;

/// What a pull spec names, without its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The digest of the list, when it is one.
    pub list: Option<Digest>,
    /// The digests of the manifests for the architecture: of a list those that it names for it, one for each way of
    /// packing; otherwise its own, whatever it is for.
    pub manifests: Vec<Digest>,
    /// The configuration, when it is known already.
    config: Option<Descriptor>,
}

impl RegistryClient {
    /// What `spec` names, for `architecture` in Go's spelling. One request.
    ///
    /// # Errors
    ///
    /// It cannot be read, or a list has nothing for the architecture.
    pub async fn look(&self, spec: &PullSpec, architecture: &str) -> Result<Look, ServiceError> {
        let operation = "read an image's manifest";
        let malformed = |detail: String| {
            ServiceError::new(Service::Registry, operation, ServiceErrorKind::Malformed, detail)
                .about(spec.to_string())
        };
        let (digest, document) = self.manifest(spec, operation).await?;
        let Some(entries) = document.manifests else {
            return Ok(Look { list: None, manifests: vec![digest], config: document.config });
        };
        let mut manifests = Vec::new();
        for entry in entries {
            if entry.is_for(architecture) {
                let digest =
                    entry.digest.parse().map_err(|error: InvalidDigest| malformed(error.to_string()))?;
                manifests.push(digest);
            }
        }
        if manifests.is_empty() {
            return Err(malformed(format!("the list has no image for {architecture}")));
        }
        Ok(Look { list: Some(digest), manifests, config: None })
    }

    /// The labels of an image that was looked at. One request, two of a list, and one more where the registry keeps
    /// blobs elsewhere.
    pub async fn labels(
        &self,
        spec: &PullSpec,
        look: &Look,
    ) -> Result<BTreeMap<String, String>, ServiceError> {
        let operation = "read an image's labels";
        let malformed = |detail: String| {
            ServiceError::new(Service::Registry, operation, ServiceErrorKind::Malformed, detail)
                .about(spec.to_string())
        };
        let config = match (&look.config, look.manifests.first()) {
            (Some(config), _) => Some(config.clone()),
            (None, Some(manifest)) => self.manifest(&spec.at(manifest.clone()), operation).await?.1.config,
            (None, None) => None,
        };
        let config = config.ok_or_else(|| malformed("it names no configuration".to_owned()))?;
        let text = self.blob(spec, &config, CONFIG_LIMIT).await?;
        let document: ConfigDocument = serde_json::from_slice(&text)
            .map_err(|error| malformed(format!("its configuration is not as expected: {error}")))?;
        let labels = document.config.map(|config| config.labels).unwrap_or_default();
        Ok(labels.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

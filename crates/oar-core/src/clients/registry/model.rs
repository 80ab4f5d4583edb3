//! Documents of an OCI registry.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::clients::empty::{or_default, text};
use crate::ids::{Digest, PullSpec};

/// Media types of manifests that are requested: OCI's and the older Docker ones.
pub(super) const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A manifest or a list of manifests, distinguished by their members.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    #[serde(rename = "mediaType", default, deserialize_with = "text")]
    pub(super) media_type: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) config: Option<Descriptor>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) layers: Vec<Descriptor>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) manifests: Option<Vec<Descriptor>>,
}

/// A reference to content in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Descriptor {
    /// Its media type.
    #[serde(rename = "mediaType", default, deserialize_with = "or_default")]
    pub media_type: String,
    /// Its digest, as the manifest writes it.
    pub digest: String,
    /// Its size in bytes.
    #[serde(default, deserialize_with = "or_default")]
    pub size: u64,
    /// Its platform; only in lists.
    #[serde(default, deserialize_with = "or_default")]
    pub platform: Option<Platform>,
    /// Its annotations.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Whether it is for Linux on `architecture`; a list need not name the system.
    pub(super) fn is_for(&self, architecture: &str) -> bool {
        self.platform.as_ref().is_some_and(|platform| {
            platform.architecture == architecture && matches!(platform.os.as_str(), "" | "linux")
        })
    }
}

/// The platform of an image in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// The architecture in Go's spelling: `amd64`.
    pub architecture: String,
    /// The operating system.
    #[serde(default, deserialize_with = "or_default")]
    pub os: String,
}

/// An image of one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The digest that the pull spec refers to: the list's, when it refers to a list.
    pub digest: Digest,
    /// The digest of the manifest of this architecture.
    pub manifest: Digest,
    /// Its configuration document.
    pub config: Option<Descriptor>,
    /// Its layers, from the bottom.
    pub layers: Vec<Descriptor>,
}

/// The metadata of a release payload (`release-manifests/release-metadata`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseMetadata {
    /// The digest of the payload.
    pub digest: Digest,
    /// The release's version.
    pub version: String,
    /// The URL of the advisory, if the payload names one.
    pub url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MetadataDocument {
    pub(super) version: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A release payload: what it says about itself, and the images of which the release consists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasePayload {
    /// What it says about itself.
    pub metadata: ReleaseMetadata,
    /// Its images, in its order.
    pub images: Vec<PayloadImage>,
}

/// An image of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadImage {
    /// Its name in the release: `cluster-version-operator`.
    pub name: String,
    /// Where it is; why that cannot be said, in words.
    pub spec: Result<PullSpec, String>,
}

/// `release-manifests/image-references` (spec 04 §9.3).
#[derive(Debug, Deserialize)]
pub(super) struct ImageReferences {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) spec: Option<StreamSpec>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamSpec {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) tags: Vec<StreamTag>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamTag {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    from: Option<StreamSource>,
}

#[derive(Debug, Deserialize)]
struct StreamSource {
    #[serde(default, deserialize_with = "or_default")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

impl From<StreamTag> for PayloadImage {
    fn from(tag: StreamTag) -> Self {
        let spec = match tag.from {
            Some(source) if source.kind == "DockerImage" => {
                source.name.parse().map_err(|error: crate::ids::InvalidReference| error.to_string())
            }
            Some(source) => Err(format!("it is a {} and not an image", source.kind)),
            None => Err("it names no image".to_owned()),
        };
        Self { name: tag.name, spec }
    }
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
pub(super) struct ConfigDocument {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) config: Option<ContainerConfig>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ContainerConfig {
    #[serde(rename = "Labels", default, deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, Option<String>>,
}

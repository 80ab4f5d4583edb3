//! What a release payload says about itself, read from its layers as `oc adm release info` does (spec 04 §9.3).

use super::RegistryClient;
use super::model::{ImageReferences, MetadataDocument, PayloadImage, ReleaseMetadata, ReleasePayload};
use super::payload;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::{Digest, PullSpec};
use crate::service::Service;

/// The largest layer that is fetched, in bytes. The one with a release's manifests has a few hundred kilobytes.
pub(super) const LAYER_LIMIT: u64 = 64 * 1024 * 1024;
/// How many layers are looked at, from the top.
const LAYERS: usize = 8;

impl RegistryClient {
    /// The version of the release payload `spec`, and the address of its advisory.
    pub async fn release_metadata(&self, spec: &PullSpec) -> Result<ReleaseMetadata, ServiceError> {
        let operation = "read a release payload's metadata";
        let (digest, [file]) = self.release_files(spec, operation, [payload::RELEASE_METADATA]).await?;
        metadata(digest, &file).map_err(|detail| malformed(spec, operation, detail))
    }

    /// The same, and the images of which the release consists.
    pub async fn release_payload(&self, spec: &PullSpec) -> Result<ReleasePayload, ServiceError> {
        let operation = "read a release payload's images";
        let names = [payload::RELEASE_METADATA, payload::IMAGE_REFERENCES];
        let (digest, [file, references]) = self.release_files(spec, operation, names).await?;
        let read = || -> Result<ReleasePayload, String> {
            let images = image_references(&references)
                .map_err(|problem| format!("{}: {problem}", payload::IMAGE_REFERENCES))?;
            Ok(ReleasePayload { metadata: metadata(digest, &file)?, images })
        };
        read().map_err(|detail| malformed(spec, operation, detail))
    }

    /// Files of a release payload, each from the topmost of its layers that has it.
    async fn release_files<const N: usize>(
        &self,
        spec: &PullSpec,
        operation: &'static str,
        names: [&'static str; N],
    ) -> Result<(Digest, [Vec<u8>; N]), ServiceError> {
        let fail = |detail: String| malformed(spec, operation, detail);
        let image = self.image(spec, "amd64").await?;
        let mut files: [Option<Vec<u8>>; N] = std::array::from_fn(|_| None);
        for descriptor in image.layers.iter().rev().take(LAYERS) {
            let layer = self.blob(spec, descriptor, LAYER_LIMIT).await?;
            let found = tokio::task::spawn_blocking(move || payload::files_of_layer(&layer, &names))
                .await
                .map_err(|error| fail(format!("a layer could not be unpacked: {error}")))?
                .map_err(|problem| fail(format!("layer {} cannot be read: {problem}", descriptor.digest)))?;
            for (file, found) in files.iter_mut().zip(found) {
                *file = file.take().or(found);
            }
            if files.iter().all(Option::is_some) {
                return Ok((image.digest, files.map(Option::unwrap_or_default)));
            }
        }
        let missing = names.iter().zip(&files).find(|(_, file)| file.is_none());
        Err(fail(format!(
            "none of its last {} layers holds {}: it is not a release payload",
            image.layers.len().min(LAYERS),
            missing.map_or("what a release has", |(name, _)| *name),
        )))
    }
}

fn malformed(spec: &PullSpec, operation: &'static str, detail: String) -> ServiceError {
    ServiceError::new(Service::Registry, operation, ServiceErrorKind::Malformed, detail)
        .about(spec.to_string())
}

fn metadata(digest: Digest, file: &[u8]) -> Result<ReleaseMetadata, String> {
    let document: MetadataDocument = serde_json::from_slice(file)
        .map_err(|error| format!("{} is not as expected: {error}", payload::RELEASE_METADATA))?;
    let url = document.metadata.as_ref().and_then(|metadata| metadata.get("url"));
    Ok(ReleaseMetadata {
        digest,
        version: document.version,
        url: url.and_then(serde_json::Value::as_str).map(str::to_owned),
    })
}

/// The images of a release: an `ImageStream` in JSON or YAML, each of whose tags names one.
pub(crate) fn image_references(file: &[u8]) -> Result<Vec<PayloadImage>, String> {
    let references: ImageReferences = if file.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice(file).map_err(|error| error.to_string())?
    } else {
        let text = std::str::from_utf8(file).map_err(|error| error.to_string())?;
        crate::yaml::from_str(text).map_err(|error| error.to_string())?
    };
    if references.kind != "ImageStream" {
        return Err("it is not an ImageStream".to_owned());
    }
    let tags = references.spec.map(|spec| spec.tags).unwrap_or_default();
    if tags.is_empty() {
        return Err("it names no image".to_owned());
    }
    Ok(tags.into_iter().map(PayloadImage::from).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_images_of_a_release_are_read_in_both_forms() {
        let digest = Digest::of(b"x");
        let spec = format!("quay.io/openshift-release-dev/ocp-v4.0-art-dev@{digest}");
        let tags = json!([
            {"name": "cli", "annotations": {"io.openshift.build.commit.id": "abc"},
             "from": {"kind": "DockerImage", "name": spec}, "generation": null, "referencePolicy": {"type": ""}},
            {"name": "odd", "from": {"kind": "ImageStreamTag", "name": "cli:latest"}},
            {"name": "none"},
            {"name": "broken", "from": {"kind": "DockerImage", "name": "no pull spec"}},
        ]);
        let stream = json!({"kind": "ImageStream", "apiVersion": "image.openshift.io/v1",
                            "metadata": {"name": "4.19.1"}, "spec": {"lookupPolicy": {"local": false}, "tags": tags}});
        let yaml = serde_yaml::to_string(&stream).unwrap();
        for text in [stream.to_string(), yaml] {
            let images = image_references(text.as_bytes()).unwrap();
            let found: Vec<(&str, bool)> =
                images.iter().map(|image| (image.name.as_str(), image.spec.is_ok())).collect();
            assert_eq!(found, [("cli", true), ("odd", false), ("none", false), ("broken", false)]);
            assert_eq!(images[0].spec.as_ref().unwrap().to_string(), spec);
        }
    }

    #[test]
    fn what_is_no_list_of_images_is_refused() {
        for (text, words) in [
            (r#"{"kind": "Pod"}"#, "not an ImageStream"),
            (r#"{"kind": "ImageStream"}"#, "names no image"),
            (r#"{"kind": "ImageStream", "spec": {"tags": null}}"#, "names no image"),
            (r#"{"kind": "ImageStream", "spec": {"tags": 7}}"#, "invalid type"),
            ("{", "EOF"),
        ] {
            let problem = image_references(text.as_bytes()).unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }
}

//! Repositories, manifests and blobs.

use std::{collections::BTreeMap, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::Simulated;

/// Media type of the manifests of release payloads.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// `sha256:…` of some content.
pub fn digest_of(content: &[u8]) -> String {
    let hex: Vec<String> = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

/// One repository.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// Manifests by digest.
    pub manifests: BTreeMap<String, Vec<u8>>,
    /// Digests by tag.
    pub tags: BTreeMap<String, String>,
}

/// The registry.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Repositories by path.
    pub repositories: BTreeMap<String, Repository>,
    /// Blobs of all repositories by digest.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// A release payload to be put into a repository.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The repository's path.
    pub repository: String,
    /// The tag that shall name it.
    pub tag: String,
    /// The version that it says it is.
    pub version: String,
    /// The metadata URL that it names.
    pub url: Option<String>,
}

impl State {
    /// Puts a small release payload there and answers its digest. Its layers: a base with nothing of interest, an
    /// older copy of the metadata as an upgrade of the base would leave it, the release's own manifests on top.
    pub fn put_payload(&mut self, payload: &Payload) -> String {
        let metadata = |version: &str, url: Option<&String>| {
            let mut extra = Map::new();
            if let Some(url) = url {
                extra.insert("url".to_owned(), json!(url));
            }
            json!({
                "kind": "cincinnati-metadata-v0",
                "version": version,
                "previous": [],
                "metadata": extra,
            })
            .to_string()
        };
        let references = json!({"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": {"name": payload.version}});
        let layers = [
            layer(&[("etc/os-release", "NAME=\"Sandbox\"\n")]),
            layer(&[("release-manifests/release-metadata", &metadata("0.0.1-snapshot", None))]),
            layer(&[
                ("release-manifests/image-references", &references.to_string()),
                ("release-manifests/release-metadata", &metadata(&payload.version, payload.url.as_ref())),
            ]),
        ];
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"io.openshift.release": payload.version}},
            "rootfs": {"type": "layers", "diff_ids": []},
        })
        .to_string()
        .into_bytes();
        let descriptor = |kind: &str, content: &[u8]| json!({"mediaType": kind, "size": content.len(), "digest": digest_of(content)});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIG_TYPE, &config),
            "layers": layers.iter().map(|layer| descriptor(LAYER_TYPE, layer)).collect::<Vec<_>>(),
        })
        .to_string()
        .into_bytes();
        for blob in layers.into_iter().chain([config]) {
            self.blobs.insert(digest_of(&blob), blob);
        }
        let digest = digest_of(&manifest);
        let repository = self.repositories.entry(payload.repository.clone()).or_default();
        repository.manifests.insert(digest.clone(), manifest);
        repository.tags.insert(payload.tag.clone(), digest.clone());
        digest
    }

    /// The digest that a tag names.
    pub fn digest(&self, repository: &str, tag: &str) -> Option<&str> {
        self.repositories.get(repository)?.tags.get(tag).map(String::as_str)
    }
}

/// A layer with these files: a gzip-compressed tar archive, the same bytes every time.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        // Writing to memory fails only for a name that does not fit, and these are ours.
        let _ = archive.append_data(&mut header, name, content.as_bytes());
    }
    archive
        .into_inner()
        .and_then(|mut encoder| {
            encoder.flush()?;
            encoder.finish()
        })
        .unwrap_or_default()
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let repositories: Map<String, Value> = self
            .repositories
            .iter()
            .map(|(name, repository)| (name.clone(), json!(repository.tags)))
            .collect();
        json!({"repositories": repositories, "blobs": self.blobs.len()})
    }

    /// `put-payload {"repository", "tag", "version", "url"}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        if operation != "put-payload" {
            return Err("operations: put-payload".to_owned());
        }
        let text = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        let digest = self.put_payload(&Payload {
            repository: text("repository")?,
            tag: text("tag")?,
            version: text("version")?,
            url: text("url").ok(),
        });
        Ok(json!({"digest": digest}))
    }
}

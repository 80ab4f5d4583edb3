//! Repositories, manifests and blobs.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::Simulated;

/// Media type of an index.
pub(super) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of OCI's manifests.
pub(super) const OCI_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const ZSTD_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// Media type of the document that a Sigstore signature signs.
const SIGNED_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of the manifests of release payloads.
pub(super) const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
pub(super) const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

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
    /// Which of the registry's behaviors it shows.
    pub spelling: Spelling,
    /// Repositories that only accounts may read.
    pub private: BTreeSet<String>,
    /// Passwords by account.
    pub accounts: BTreeMap<String, String>,
    /// Tokens that accounts exchange for others.
    pub identity_tokens: BTreeSet<String>,
}

/// Ways of saying the same that registries differ in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// quay.io's: one challenge, `token`.
    #[default]
    Plain,
    /// Several challenges in one header, `access_token` beside an empty `token`, members that are null instead of absent.
    Odd,
}

/// How the layers of a payload are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip alone, as release payloads are today.
    Gzip,
    /// zstd alone.
    Zstd,
    /// An index that names the same image twice for the same architecture: first with zstd, then with gzip.
    ZstdThenGzip,
    /// The same in the other order.
    GzipThenZstd,
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
        self.put_release(payload, &[])
    }

    /// The same for a release that consists of these images, by name and pull spec.
    pub fn put_release(&mut self, payload: &Payload, images: &[(String, String)]) -> String {
        let digest = self.put_image_of(payload, "amd64", images);
        let repository = self.repositories.entry(payload.repository.clone()).or_default();
        repository.tags.insert(payload.tag.clone(), digest.clone());
        digest
    }

    /// Puts the image of a payload for an architecture (`arm64`) there without a name, and answers its digest.
    pub fn put_image(&mut self, payload: &Payload, architecture: &str) -> String {
        self.put_image_of(payload, architecture, &[])
    }

    fn put_image_of(&mut self, payload: &Payload, architecture: &str, images: &[(String, String)]) -> String {
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
        let mut references = json!({"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": {"name": payload.version}});
        if !images.is_empty() {
            let tags: Vec<Value> = images
                .iter()
                .map(|(name, spec)| json!({"name": name, "from": {"kind": "DockerImage", "name": spec}, "generation": null}))
                .collect();
            references["spec"] = json!({"lookupPolicy": {"local": false}, "tags": tags});
        }
        let layers = [
            layer(&[("etc/os-release", "NAME=\"Sandbox\"\n")]),
            layer(&[("release-manifests/release-metadata", &metadata("0.0.1-snapshot", None))]),
            layer(&[
                ("release-manifests/image-references", &references.to_string()),
                ("release-manifests/release-metadata", &metadata(&payload.version, payload.url.as_ref())),
            ]),
        ];
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": {"io.openshift.release": payload.version, "name": payload.tag}},
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
        digest
    }

    /// Gives an image of a repository a name.
    pub fn tag(&mut self, repository: &str, tag: &str, digest: &str) {
        let repository = self.repositories.entry(repository.to_owned()).or_default();
        repository.tags.insert(tag.to_owned(), digest.to_owned());
    }

    /// The tag of an image, or of the index that names it; signatures have tags of their own, which do not count.
    pub fn tag_of(&self, repository: &str, digest: &str) -> Option<&str> {
        let repository = self.repositories.get(repository)?;
        let images = || repository.tags.iter().filter(|(tag, _)| !tag.starts_with("sha256-"));
        let names = |index: &str| {
            let index =
                repository.manifests.get(index).and_then(|text| serde_json::from_slice::<Value>(text).ok());
            let images = index.as_ref().and_then(|index| index.get("manifests")?.as_array());
            images.is_some_and(|images| {
                images.iter().any(|image| image.get("digest").and_then(Value::as_str) == Some(digest))
            })
        };
        images()
            .find(|(_, named)| *named == digest)
            .or_else(|| images().find(|(_, named)| names(named)))
            .map(|(tag, _)| tag.as_str())
    }

    /// Packs the payload of `tag` again, and returns its new digest; `None` when there is no such payload.
    pub fn repack(&mut self, repository: &str, tag: &str, packing: Packing) -> Option<String> {
        let gzip = self.digest(repository, tag)?.to_owned();
        let manifest = self.repositories.get(repository)?.manifests.get(&gzip)?;
        let mut manifest: Value = serde_json::from_slice(manifest).ok()?;
        let mut layers = Vec::new();
        for layer in manifest.get("layers")?.as_array()? {
            let content = self.blobs.get(layer.get("digest")?.as_str()?)?;
            let mut plain = Vec::new();
            GzDecoder::new(content.as_slice()).read_to_end(&mut plain).ok()?;
            let packed = zstd::encode_all(plain.as_slice(), 3).ok()?;
            layers.push(json!({"mediaType": ZSTD_TYPE, "size": packed.len(), "digest": digest_of(&packed)}));
            self.blobs.insert(digest_of(&packed), packed);
        }
        let members = manifest.as_object_mut()?;
        members.insert("mediaType".to_owned(), json!(OCI_TYPE));
        members.insert("layers".to_owned(), json!(layers));
        let zstd = self.put_manifest(repository, &manifest);
        let digest = match packing {
            Packing::Gzip => gzip,
            Packing::Zstd => zstd,
            Packing::ZstdThenGzip => self.put_index(repository, &[("amd64", &zstd), ("amd64", &gzip)]),
            Packing::GzipThenZstd => self.put_index(repository, &[("amd64", &gzip), ("amd64", &zstd)]),
        };
        self.repositories.get_mut(repository)?.tags.insert(tag.to_owned(), digest.clone());
        Some(digest)
    }

    /// Puts an index over images of the repository there, by architecture, and answers its digest.
    pub fn put_index(&mut self, repository: &str, images: &[(&str, &str)]) -> String {
        let manifests: Vec<Value> = images
            .iter()
            .map(|(architecture, digest)| {
                let size = self.repositories.get(repository).and_then(|found| found.manifests.get(*digest));
                json!({
                    "mediaType": OCI_TYPE,
                    "size": size.map_or(0, Vec::len),
                    "digest": digest,
                    "platform": {"architecture": architecture, "os": "linux"},
                })
            })
            .collect();
        self.put_manifest(
            repository,
            &json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}),
        )
    }

    pub(super) fn put_manifest(&mut self, repository: &str, manifest: &Value) -> String {
        let manifest = manifest.to_string().into_bytes();
        let digest = digest_of(&manifest);
        let repository = self.repositories.entry(repository.to_owned()).or_default();
        repository.manifests.insert(digest.clone(), manifest);
        digest
    }

    /// Puts signatures in the Sigstore way beside the image `digest`, in place of those that are there: signed documents
    /// with their signatures in base64.
    pub fn put_signatures(&mut self, repository: &str, digest: &str, signed: &[(Vec<u8>, String)]) {
        let config = b"{}".to_vec();
        let layers: Vec<Value> = signed
            .iter()
            .map(|(document, signature)| {
                json!({
                    "mediaType": SIGNED_TYPE,
                    "size": document.len(),
                    "digest": digest_of(document),
                    "annotations": {"dev.cosignproject.cosign/signature": signature},
                })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_TYPE,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(), "digest": digest_of(&config)},
            "layers": layers,
        });
        for blob in signed.iter().map(|(document, _)| document.clone()).chain([config]) {
            self.blobs.insert(digest_of(&blob), blob);
        }
        let manifest = self.put_manifest(repository, &manifest);
        let tag = format!("{}.sig", digest.replace(':', "-"));
        self.repositories.entry(repository.to_owned()).or_default().tags.insert(tag, manifest);
    }

    /// Whether it says nothing of a repository to whoever has no account: of a private one, and of one that is not there
    /// (quay/quay, `endpoints/v2/__init__.py`).
    pub(super) fn hides(&self, repository: &str) -> bool {
        self.private.contains(repository) || !self.repositories.contains_key(repository)
    }

    /// The digest that a tag names.
    pub fn digest(&self, repository: &str, tag: &str) -> Option<&str> {
        self.repositories.get(repository)?.tags.get(tag).map(String::as_str)
    }
}

/// A layer with these files: a gzip-compressed tar archive, the same bytes every time.
pub(super) fn layer(files: &[(&str, &str)]) -> Vec<u8> {
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

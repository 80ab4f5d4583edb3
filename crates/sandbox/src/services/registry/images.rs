//! Images of components, as a build system makes them: a list with an image for each architecture.

use serde_json::json;

use super::model::{CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, State, digest_of, layer};

/// The architectures of every component.
const ARCHITECTURES: [&str; 4] = ["amd64", "arm64", "ppc64le", "s390x"];

/// A build of a component.
#[derive(Clone, Debug)]
pub struct Built {
    /// The repository's path.
    pub repository: String,
    /// The package: the label `name`.
    pub name: String,
    /// The commit that it was built from: the label `vcs-ref`.
    pub commit: String,
    /// Which build of this commit it is: the label `release`.
    pub release: String,
}

/// The digests of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltDigests {
    /// Of the list.
    pub list: String,
    /// Of its image for amd64.
    pub amd64: String,
}

impl State {
    /// Puts a build into its repository.
    pub fn put_build(&mut self, built: &Built) -> BuiltDigests {
        let images: Vec<(&str, String)> =
            ARCHITECTURES.map(|architecture| (architecture, self.put_one(built, architecture))).into();
        let named: Vec<(&str, &str)> = images.iter().map(|(name, digest)| (*name, digest.as_str())).collect();
        let list = self.put_index(&built.repository, &named);
        let amd64 = images.into_iter().next().map(|(_, digest)| digest).unwrap_or_default();
        BuiltDigests { list, amd64 }
    }

    fn put_one(&mut self, built: &Built, architecture: &str) -> String {
        let content = layer(&[("etc/os-release", "NAME=\"Sandbox\"\n"), ("usr/bin/demo", &built.name)]);
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": {
                "name": format!("openshift/{}-rhel9", built.name),
                "version": "v4.19.0",
                "release": built.release,
                "vcs-ref": built.commit,
                "io.openshift.build.commit.id": built.commit,
            }},
            "rootfs": {"type": "layers", "diff_ids": []},
        })
        .to_string()
        .into_bytes();
        let descriptor = |kind: &str, content: &[u8]| json!({"mediaType": kind, "size": content.len(), "digest": digest_of(content)});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": descriptor(CONFIG_TYPE, &config),
            "layers": [descriptor(LAYER_TYPE, &content)],
        });
        for blob in [content, config] {
            self.blobs.insert(digest_of(&blob), blob);
        }
        self.put_manifest(&built.repository, &manifest)
    }

    /// Brings an image that is in one repository into another one as well, as a promotion does. Nothing happens where
    /// there is no such image.
    pub fn promote(&mut self, from: &str, digest: &str, to: &str) {
        let manifest = self.repositories.get(from).and_then(|repository| repository.manifests.get(digest));
        if let Some(manifest) = manifest.cloned() {
            let repository = self.repositories.entry(to.to_owned()).or_default();
            repository.manifests.insert(digest.to_owned(), manifest);
        }
    }
}

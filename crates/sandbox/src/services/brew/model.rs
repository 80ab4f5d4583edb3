//! Builds, what went into them, and their tags.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::world::Simulated;

/// One build that the hub knows.
#[derive(Clone, Debug, Default)]
pub struct BrewBuild {
    /// Names of its tags.
    pub tags: Vec<String>,
    /// What the content generator said about it; only for builds that have such a document.
    pub metadata: Option<Value>,
}

/// Hub and root, which have the same builds.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Builds by name-version-release.
    pub builds: BTreeMap<String, BrewBuild>,
    /// Whether the hub says that it is offline for maintenance.
    pub offline: bool,
}

impl State {
    /// Puts an operating system image there, made of `packages` (name-version-release of binary packages). Every other
    /// output says in its own way that it has no components, as RHCOS and other producers do.
    pub fn put_image(&mut self, nvr: &str, packages: &[&str]) {
        self.put_image_with(nvr, packages, &[]);
    }

    /// The same with `extensions`: packages that are not part of the image but can be added to it.
    pub fn put_image_with(&mut self, nvr: &str, packages: &[&str], extensions: &[&str]) {
        let (name, version, release) = split(nvr).unwrap_or((nvr, "", ""));
        let arch = name.rsplit_once('-').map_or("noarch", |(_, arch)| arch);
        let (packages, extensions) = (components(packages, arch), components(extensions, arch));
        let metadata = json!({
            "metadata_version": 0,
            "build": {"name": name, "version": version, "release": release},
            "buildroots": [{"id": 1, "components": ""}],
            "output": [
                {"type": "log", "filename": format!("{arch}.log"), "arch": "noarch"},
                {"type": "qcow2", "filename": "rhcos-qemu.qcow2.gz", "arch": arch, "components": ""},
                {"type": "iso", "filename": "rhcos-live.iso", "arch": arch, "components": null},
                {"type": "ova", "filename": "rhcos.ova", "arch": arch, "components": []},
                {"type": "json", "filename": "commitmeta.json", "arch": arch, "components": packages},
                {"type": "json", "filename": "extensions.json", "arch": arch, "components": extensions},
            ],
        });
        self.builds.insert(
            nvr.to_owned(),
            BrewBuild { tags: vec!["rhaos-rhcos-candidate".to_owned()], metadata: Some(metadata) },
        );
    }

    /// The tags of a build, to change them.
    pub fn tags_mut(&mut self, nvr: &str) -> &mut Vec<String> {
        &mut self.builds.entry(nvr.to_owned()).or_default().tags
    }
}

/// What a document says of packages; of none it says the empty text.
fn components(packages: &[&str], arch: &str) -> Value {
    if packages.is_empty() {
        return json!("");
    }
    let known = packages.iter().filter_map(|package| {
        let (name, version, release) = split(package)?;
        Some(json!({
            "type": "rpm", "name": name, "version": version, "release": release, "epoch": null, "arch": arch,
            "sigmd5": null, "sigpgp": null,
        }))
    });
    known.collect()
}

/// Name, version and release: the last two parts between hyphens are version and release.
pub(super) fn split(nvr: &str) -> Option<(&str, &str, &str)> {
    let (rest, release) = nvr.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some((name, version, release))
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let builds: Map<String, Value> =
            self.builds.iter().map(|(nvr, build)| (nvr.clone(), json!(build.tags))).collect();
        json!({"builds": builds, "offline": self.offline})
    }

    /// `tag {"build", "tag"}`, `untag {"build", "tag"}`, `offline {"offline": true}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        match operation {
            "tag" => self.tags_mut(&text("build")?).push(text("tag")?),
            "untag" => {
                let tag = text("tag")?;
                self.tags_mut(&text("build")?).retain(|known| *known != tag);
            }
            "offline" => self.offline = body.get("offline").and_then(Value::as_bool).unwrap_or(true),
            _ => return Err("operations: tag, untag, offline".to_owned()),
        }
        Ok(json!({"done": operation}))
    }
}

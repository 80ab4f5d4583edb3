//! Release payloads, and when the portal publishes their advisories.

use jiff::SignedDuration;

use super::{ERRATA_RELEASE, KONFLUX_RELEASE};
use crate::{
    services::{
        mirror::{REPOSITORY, sign_sigstore},
        registry::Payload,
    },
    world::World,
};

/// The repository of release payloads.
pub const PAYLOADS: &str = "openshift-release-dev/ocp-release";
/// The advisory whose page is the metadata URL of [`KONFLUX_RELEASE`].
pub const KONFLUX_METADATA: &str = "RHSA-2026:1900";
/// The advisory whose page is the metadata URL of [`ERRATA_RELEASE`].
pub const ERRATA_METADATA: &str = "RHBA-2026:1460";
/// How long after the start the page of [`KONFLUX_METADATA`] comes up.
pub const PUBLISHED_AFTER: SignedDuration = SignedDuration::from_hours(6);

/// Fills the registry and the portal, and tells the release controller the digests.
pub fn load(world: &World) {
    let now = world.clock.now();
    for (version, advisory, published) in [
        (KONFLUX_RELEASE, KONFLUX_METADATA, Some(now + PUBLISHED_AFTER)),
        (ERRATA_RELEASE, ERRATA_METADATA, Some(now)),
        // The release before, which is out: looking at the newest of the stream finds this.
        ("4.19.0", "RHSA-2026:1490", Some(now)),
        ("4.14.59", "RHBA-2026:1459", Some(now)),
    ] {
        let digest = world.registry.lock().put_payload(&Payload {
            repository: PAYLOADS.to_owned(),
            tag: format!("{version}-x86_64"),
            version: version.to_owned(),
            url: Some(format!("https://access.redhat.com/errata/{advisory}")),
        });
        if let Some(at) = published {
            world.access.lock().published.insert(advisory.to_owned(), at);
        }
        sign(world, &digest, &format!("{version}-x86_64"));
        if let Some(payload) = world.release_controller.lock().payload_mut("4-stable", version) {
            payload.digest = digest;
        }
    }
    other_architectures(world, KONFLUX_RELEASE, KONFLUX_METADATA);
}

/// The other payloads of a release: one for each architecture, and the list with an image for each.
fn other_architectures(world: &World, version: &str, advisory: &str) {
    let payload = |name: &str| Payload {
        repository: PAYLOADS.to_owned(),
        tag: format!("{version}-{name}"),
        version: version.to_owned(),
        url: Some(format!("https://access.redhat.com/errata/{advisory}")),
    };
    let mut signed = Vec::new();
    {
        let mut registry = world.registry.lock();
        for (name, architecture) in [("aarch64", "arm64"), ("ppc64le", "ppc64le"), ("s390x", "s390x")] {
            let payload = payload(name);
            let digest = registry.put_image(&payload, architecture);
            registry.tag(PAYLOADS, &payload.tag, &digest);
            signed.push((digest, payload.tag));
        }
        let list = payload("multi");
        let images: Vec<(&str, String)> = ["amd64", "arm64", "ppc64le", "s390x"]
            .map(|architecture| (architecture, registry.put_image(&list, architecture)))
            .into();
        let named: Vec<(&str, &str)> = images.iter().map(|(name, digest)| (*name, digest.as_str())).collect();
        let index = registry.put_index(PAYLOADS, &named);
        registry.tag(PAYLOADS, &list.tag, &index);
        signed.extend(images.into_iter().map(|(_, digest)| (digest, list.tag.clone())));
        signed.push((index, list.tag));
    }
    for (digest, tag) in signed {
        sign(world, &digest, &tag);
    }
}

/// Adds Sigstore signatures to an image like ART: one for its digest, one for its tag.
fn sign(world: &World, digest: &str, tag: &str) {
    let names = [format!("{REPOSITORY}@{digest}"), format!("{REPOSITORY}:{tag}")];
    let signed: Vec<(Vec<u8>, String)> =
        names.iter().filter_map(|name| sign_sigstore(digest, name).ok()).collect();
    world.registry.lock().put_signatures(PAYLOADS, digest, &signed);
}

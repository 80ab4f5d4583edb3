//! Release payloads, and when the portal publishes their advisories.

use std::fmt::Write as _;

use jiff::SignedDuration;
use serde_json::json;

use super::{ERRATA_RELEASE, KONFLUX_RELEASE, gitlab};
use crate::{
    credentials::{REGISTRY_IDENTITY_TOKEN, REGISTRY_PASSWORD, REGISTRY_USER},
    services::{
        catalog::Image,
        mirror::{REPOSITORY, sign_sigstore},
        registry::{Built, BuiltDigests, Payload, State},
    },
    world::{Simulated as _, World},
};

/// The repository of release payloads.
pub const PAYLOADS: &str = "openshift-release-dev/ocp-release";
/// The repository of the images of which releases consist.
pub const RELEASE_IMAGES: &str = "openshift-release-dev/ocp-v4.0-art-dev";
/// The repository of the images that shipments ship.
pub const SHIPPED_IMAGES: &str = "demo/art-images";
/// The repository of the catalogs that shipments ship.
pub const SHIPPED_CATALOGS: &str = "demo/art-fbc";
/// Where a file of a shipment has the digest of its component.
const PLACEHOLDER: &str = "$DIGEST";
/// The advisory whose page is the metadata URL of [`KONFLUX_RELEASE`].
pub const KONFLUX_METADATA: &str = "RHSA-2026:1900";
/// The advisory whose page is the metadata URL of [`ERRATA_RELEASE`].
pub const ERRATA_METADATA: &str = "RHBA-2026:1460";
/// How long after the start the page of [`KONFLUX_METADATA`] comes up.
pub const PUBLISHED_AFTER: SignedDuration = SignedDuration::from_hours(6);

/// Fills the registry and the portal, and tells the release controller the digests.
pub fn load(world: &World) {
    let now = world.clock.now();
    {
        let mut registry = world.registry.lock();
        registry.accounts.insert(REGISTRY_USER.to_owned(), REGISTRY_PASSWORD.to_owned());
        registry.identity_tokens.insert(REGISTRY_IDENTITY_TOKEN.to_owned());
        for component in COMPONENTS {
            registry.put_build(&build(component));
        }
    }
    let images = release_images(world);
    for (version, advisory, published) in [
        (KONFLUX_RELEASE, KONFLUX_METADATA, Some(now + PUBLISHED_AFTER)),
        (ERRATA_RELEASE, ERRATA_METADATA, Some(now)),
        // The release before, which is out: looking at the newest of the stream finds this.
        ("4.19.0", "RHSA-2026:1490", Some(now)),
        ("4.14.59", "RHBA-2026:1459", Some(now)),
    ] {
        let images: &[_] = if version == KONFLUX_RELEASE { &images } else { &[] };
        let digest = world.registry.lock().put_release(&payload(version, "x86_64", advisory), images);
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

fn payload(version: &str, architecture: &str, advisory: &str) -> Payload {
    Payload {
        repository: PAYLOADS.to_owned(),
        tag: format!("{version}-{architecture}"),
        version: version.to_owned(),
        url: Some(format!("https://access.redhat.com/errata/{advisory}")),
    }
}

/// The components of the four shipments.
const COMPONENTS: [&str; 4] =
    ["ose-4-19-demo-operator", "ose-4-19-demo-extras", "ose-4-19-demo-bundle", "fbc-4-19-demo-operator"];

/// The build of a component that is shipped.
pub fn build(component: &str) -> Built {
    let repository = if component.starts_with("fbc") { SHIPPED_CATALOGS } else { SHIPPED_IMAGES };
    Built {
        repository: repository.to_owned(),
        name: component.to_owned(),
        commit: commit(component),
        release: "202606240101.p0.g0123456.assembly.4.19.1.el9".to_owned(),
    }
}

/// A commit of its own for each name.
fn commit(name: &str) -> String {
    crate::services::registry::digest_of(name.as_bytes()).chars().skip(7).take(40).collect()
}

/// A file of a shipment with the digest of its component.
pub(super) fn with_digests(file: &str) -> String {
    let component = COMPONENTS.iter().find(|component| file.contains(&format!("name: {component}\n")));
    let digest = component.map(|component| State::default().put_build(&build(component)).list);
    file.replace(PLACEHOLDER, &digest.unwrap_or_default())
}

/// The images of which [`KONFLUX_RELEASE`] consists: one that is shipped, one that was released before, and two of the
/// operating system.
fn release_images(world: &World) -> Vec<(String, String)> {
    let mut registry = world.registry.lock();
    let shipped = registry.put_build(&build("ose-4-19-demo-operator"));
    let older = registry.put_build(&Built {
        release: "202605010101.p0.g0123456.assembly.4.19.0.el9".to_owned(),
        ..build("ose-4-19-demo-tools")
    });
    for digests in [&shipped, &older] {
        registry.promote(SHIPPED_IMAGES, &digests.amd64, RELEASE_IMAGES);
    }
    drop(registry);
    release_to_public(world, &older.amd64);
    vec![
        ("demo-operator".to_owned(), release_image(&shipped.amd64)),
        ("demo-tools".to_owned(), release_image(&older.amd64)),
        ("rhel-coreos".to_owned(), release_image(&older.list)),
        ("rhel-coreos-extensions".to_owned(), release_image(&older.list)),
    ]
}

/// The pull spec of an image of which a release consists.
pub fn release_image(digest: &str) -> String {
    format!("quay.io/{RELEASE_IMAGES}@{digest}")
}

/// Puts an image into the public catalog.
pub fn release_to_public(world: &World, digest: &str) {
    let mut catalog = world.public_catalog.lock();
    let id = format!("{:024x}", catalog.images.len() + 1);
    catalog.images.insert(
        digest.to_owned(),
        Image {
            id,
            architecture: "amd64".to_owned(),
            repository: "openshift4/demo-rhel9".to_owned(),
            deleted: false,
            grades: None,
            vulnerabilities: Vec::new(),
        },
    );
}

/// Gives [`KONFLUX_RELEASE`] other images, by name and pull spec.
pub fn consist_of(world: &World, images: &[(String, String)]) {
    let digest =
        world.registry.lock().put_release(&payload(KONFLUX_RELEASE, "x86_64", KONFLUX_METADATA), images);
    sign(world, &digest, &format!("{KONFLUX_RELEASE}-x86_64"));
    if let Some(payload) = world.release_controller.lock().payload_mut("4-stable", KONFLUX_RELEASE) {
        payload.digest = digest;
    }
}

/// Makes the shipment of images ship these components, by name and pull spec, in a new commit.
pub fn ship(world: &World, components: &[(String, String)]) {
    let mut list = String::new();
    for (name, spec) in components {
        let _ = write!(list, "        - name: {name}\n          containerImage: {spec}\n");
    }
    let file = include_str!("gitlab/image.yaml");
    let content = file
        .find("        - name:")
        .zip(file.find("    nvrs:"))
        .and_then(|(from, to)| Some(format!("{}{list}{}", file.get(..from)?, file.get(to..)?)));
    let body = json!({"project": gitlab::PROJECT, "branch": gitlab::BRANCH, "path": gitlab::IMAGE_FILE, "content": content});
    // The branch is there from the start.
    let _ = world.gitlab.lock().change("push", &body, world.clock.now());
}

/// Gives [`KONFLUX_RELEASE`] `count` images, each of which is one of its shipment. The digests of the builds are the
/// answer.
pub fn fill_release(world: &World, count: usize) -> Vec<BuiltDigests> {
    let names = names(count);
    let mut registry = world.registry.lock();
    let builds: Vec<BuiltDigests> = names.iter().map(|name| registry.put_build(&build(name))).collect();
    for digests in &builds {
        registry.promote(SHIPPED_IMAGES, &digests.amd64, RELEASE_IMAGES);
    }
    drop(registry);
    let images: Vec<(String, String)> = names
        .iter()
        .zip(&builds)
        .map(|(name, digests)| (name.replace("ose-4-19-", ""), release_image(&digests.amd64)))
        .collect();
    consist_of(world, &images);
    ship_builds(world, &names, &builds);
    builds
}

/// Ships another build of each of the first `count` components of [`fill_release`], from the same commit.
pub fn ship_rebuilt(world: &World, count: usize) {
    let names = names(count);
    let rebuilt = |name: &String| Built {
        release: "202606300101.p0.g0123456.assembly.4.19.1.el9".to_owned(),
        ..build(name)
    };
    let mut registry = world.registry.lock();
    let builds: Vec<BuiltDigests> = names.iter().map(|name| registry.put_build(&rebuilt(name))).collect();
    drop(registry);
    ship_builds(world, &names, &builds);
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("ose-4-19-demo-{number:03}")).collect()
}

fn ship_builds(world: &World, names: &[String], builds: &[BuiltDigests]) {
    let shipped: Vec<(String, String)> = names
        .iter()
        .zip(builds)
        .map(|(name, digests)| (name.clone(), format!("quay.io/{SHIPPED_IMAGES}@{}", digests.list)))
        .collect();
    ship(world, &shipped);
}

/// The other payloads of a release: one for each architecture, and the list with an image for each.
fn other_architectures(world: &World, version: &str, advisory: &str) {
    let payload = |name: &str| payload(version, name, advisory);
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

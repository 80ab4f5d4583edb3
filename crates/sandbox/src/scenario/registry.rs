//! Release payloads, and when the portal publishes their advisories.

use jiff::SignedDuration;

use super::{ERRATA_RELEASE, KONFLUX_RELEASE};
use crate::{services::registry::Payload, world::World};

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
        if let Some(payload) = world.release_controller.lock().payload_mut("4-stable", version) {
            payload.digest = digest;
        }
    }
}

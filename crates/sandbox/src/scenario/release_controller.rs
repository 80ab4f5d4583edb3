//! The release controller at the start of the two releases.

use sha2::{Digest as _, Sha256};

use super::{ERRATA_RELEASE, KONFLUX_RELEASE};
use crate::{
    services::release_controller::{Payload, Phase},
    world::World,
};

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.release_controller.lock();
    let fourth = ["4.20.1", "4.20.0", KONFLUX_RELEASE, "4.19.0", ERRATA_RELEASE, "4.14.59"];
    state.streams.insert("4-stable".to_owned(), fourth.map(|name| payload(name, Phase::Accepted)).into());
    let fifth = [
        payload("5.0.0-ec.4", Phase::Pending),
        payload("5.0.0-ec.3", Phase::Accepted),
        payload("5.0.0-ec.2", Phase::Accepted),
    ];
    state.streams.insert("5-stable".to_owned(), fifth.into());
}

fn payload(name: &str, phase: Phase) -> Payload {
    let digest: String =
        Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    Payload { name: name.to_owned(), phase, digest: format!("sha256:{digest}"), has_changelog: true }
}

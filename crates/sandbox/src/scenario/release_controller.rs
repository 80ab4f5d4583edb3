//! The release controllers at the start: stable and preview streams, and the nightlies of five minors.
//!
//! The newest nightly of 4.20 is one that nobody has recorded yet; everything else was seen before.

use super::{ERRATA_RELEASE, KONFLUX_RELEASE};
use crate::{
    services::release_controller::{Payload, Phase},
    world::World,
};

/// The nightly of 4.20 that has just been accepted.
pub const NEW_NIGHTLY: &str = "4.20.0-0.nightly-2026-07-02-091500";
/// The nightly of 4.20 before it, which is recorded.
pub const RECORDED_NIGHTLY: &str = "4.20.0-0.nightly-2026-07-01-161907";

/// Fills the service.
pub fn load(world: &World) {
    let accepted = Phase::Accepted;
    let fourth = [
        "4.21.2",
        "4.20.5",
        "4.21.1",
        "4.20.4",
        "4.20.1",
        "4.20.0",
        KONFLUX_RELEASE,
        "4.19.0",
        ERRATA_RELEASE,
        "4.14.59",
    ];
    let streams: [(&str, Vec<Payload>); 12] = [
        ("4-stable", fourth.map(|name| Payload::new(name, accepted)).into()),
        ("4-stable-arm64", ["4.20.5", "4.20.4"].map(|name| Payload::new(name, accepted)).into()),
        ("4-stable-multi", ["4.20.5", "4.20.4"].map(|name| Payload::new(name, accepted)).into()),
        (
            "5-stable",
            vec![
                Payload::new("5.0.0-ec.4", Phase::Pending),
                Payload::new("5.0.0-ec.3", accepted),
                Payload::new("5.0.0-ec.2", accepted),
            ],
        ),
        // The newest preview is of another minor than the one that has no stable release yet.
        (
            "4-dev-preview",
            ["4.23.0-ec.0", "4.22.0-ec.3", "4.22.0-ec.2"].map(|name| Payload::new(name, accepted)).into(),
        ),
        ("5-dev-preview", ["5.1.0-ec.0"].map(|name| Payload::new(name, accepted)).into()),
        (
            "4.20.0-0.nightly",
            vec![
                Payload::new("4.20.0-0.nightly-2026-07-02-113000", Phase::Ready),
                Payload::new(NEW_NIGHTLY, accepted),
                Payload::new("4.20.0-0.nightly-2026-07-02-031500", Phase::Rejected),
                Payload::new(RECORDED_NIGHTLY, accepted),
                Payload::new("4.20.0-0.nightly-2026-06-30-120500", accepted),
            ],
        ),
        ("4.21.0-0.nightly", vec![Payload::new("4.21.0-0.nightly-2026-07-01-080000", accepted)]),
        ("4.19.0-0.nightly", vec![Payload::new("4.19.0-0.nightly-2026-06-29-100000", accepted)]),
        ("5.0.0-0.nightly", vec![Payload::new("5.0.0-0.nightly-2026-07-01-070000", accepted)]),
        ("4.20.0-0.nightly-arm64", vec![Payload::new("4.20.0-0.nightly-arm64-2026-07-01-120000", accepted)]),
        ("4.20.0-0.nightly-multi", vec![Payload::new("4.20.0-0.nightly-multi-2026-07-01-130000", accepted)]),
    ];
    let mut state = world.release_controller.lock();
    for (name, payloads) in streams {
        state.streams.insert(name.to_owned(), payloads);
    }
}

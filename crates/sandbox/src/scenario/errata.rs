//! The Errata Tool at the start of the two releases.

use crate::world::World;

/// Fills the service.
pub fn load(world: &World) {
    let _ = world;
}

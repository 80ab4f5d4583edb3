//! Operating system images and their kernels.

use crate::world::World;

/// The kernel in the operating system images of both releases.
pub const KERNEL: &str = "kernel-5.14.0-570.12.1.el9_6";
/// The operating system image of the Konflux release's advisory.
pub const KONFLUX_IMAGE: &str = "rhcos-x86_64-4.19.9.6.20260629-0";
/// The operating system image of the Errata release's advisory.
pub const ERRATA_IMAGE: &str = "rhcos-x86_64-4.14.9.6.20260629-0";

/// Fills hub and root.
pub fn load(world: &World) {
    let mut state = world.brew.lock();
    for image in [KONFLUX_IMAGE, ERRATA_IMAGE] {
        state.put_image(image, &["bash-5.1.8-9.el9", KERNEL, "systemd-252-51.el9_6"]);
    }
    *state.tags_mut(KERNEL) = vec!["rhel-9.6.0-z".to_owned(), "rhel-9.6.0-z-candidate".to_owned()];
}

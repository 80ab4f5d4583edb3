//! Who may do what in the CI cluster. Its payload objects follow the release controllers' streams.

use crate::{credentials, services::kubernetes::Account, world::World};

/// The namespace in which our own leases are.
pub const LEASE_NAMESPACE: &str = "release-tools";

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.kubernetes.lock();
    let account = |name: &str, writes: &[&str]| Account {
        name: format!("system:serviceaccount:release-tools:{name}"),
        writes: writes.iter().map(|namespace| (*namespace).to_owned()).collect(),
        reads: true,
    };
    let namespaces = ["ocp", "ocp-arm64", "ocp-multi", "ocp-ppc64le", "ocp-s390x", LEASE_NAMESPACE];
    state.accounts.insert(credentials::KUBE_TOKEN.to_owned(), account("payload-modifier", &namespaces));
    state.accounts.insert(credentials::KUBE_TOKEN_READER.to_owned(), account("reader", &[]));
}

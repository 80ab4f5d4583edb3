//! The bucket of QE's artifacts, and who may read it.

use super::google::ACCOUNT;
use crate::{credentials, services::prow::QE_BUCKET, world::World};

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.gcs.lock();
    state.buckets = [QE_BUCKET, "test-platform-results"].map(str::to_owned).into();
    state.readers = [credentials::GCS_TOKEN, ACCOUNT].map(str::to_owned).into();
    state.strangers.insert(credentials::GCS_TOKEN_STRANGER.to_owned());
}

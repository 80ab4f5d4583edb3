//! Prow at the start of the two releases: what can be started, each with a run of long ago, and nothing that runs.

use super::records;
use crate::{credentials, services::prow::Token, world::World};

/// The job that compares a payload with its shipment.
pub const IMAGE_CONSISTENCY_JOB: &str = "periodic-ci-openshift-release-tests-main-image-consistency-check";

/// The job that tests payloads of a minor on stage.
pub fn stage_testing_job(minor: &str) -> String {
    format!("periodic-ci-openshift-openshift-tests-private-release-{minor}-stage-testing-e2e-aws-ipi")
}

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.prow.lock();
    for name in [IMAGE_CONSISTENCY_JOB, "periodic-ci-demo-main-other-check"] {
        state.know(name, "qe-private", true);
    }
    let stage_jobs = records::MINORS.iter().map(|minor| stage_testing_job(minor));
    for name in records::jobs().into_iter().chain(stage_jobs) {
        state.know(&name, "qe-private", true);
    }
    let token = |value: &str, tenants: &[&str]| Token {
        value: value.to_owned(),
        tenants: tenants.iter().map(|tenant| (*tenant).to_owned()).collect(),
    };
    state.tokens = vec![
        token(credentials::APITOKEN, &["qe-private"]),
        token(credentials::APITOKEN_OTHER_TENANT, &["somebody-else"]),
    ];
}

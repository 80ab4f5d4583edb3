//! Prow at the start of the two releases: what can be started, and nothing that runs.

use super::records;
use crate::{
    credentials,
    services::prow::{KnownJob, Token},
    world::World,
};

/// The job that compares a payload with its shipment.
pub const IMAGE_CONSISTENCY_JOB: &str = "periodic-ci-openshift-release-tests-main-image-consistency-check";

/// The job that tests payloads of a minor on stage.
pub fn stage_testing_job(minor: &str) -> String {
    format!("periodic-ci-openshift-openshift-tests-private-release-{minor}-stage-testing-e2e-aws-ipi")
}

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.prow.lock();
    let known = |name: &str| KnownJob { name: name.to_owned(), tenant: "qe-private".to_owned() };
    state.known = [IMAGE_CONSISTENCY_JOB, "periodic-ci-demo-main-other-check"].map(known).into();
    state.known.extend(records::jobs().iter().map(|name| known(name)));
    state.known.extend(records::MINORS.iter().map(|minor| known(&stage_testing_job(minor))));
    let token = |value: &str, tenants: &[&str]| Token {
        value: value.to_owned(),
        tenants: tenants.iter().map(|tenant| (*tenant).to_owned()).collect(),
    };
    state.tokens = vec![
        token(credentials::APITOKEN, &["qe-private"]),
        token(credentials::APITOKEN_OTHER_TENANT, &["somebody-else"]),
    ];
}

//! The Prow jobs that test a whole release: their names and variables (`interop-exact`, spec 03 §3.2, spec 04
//! §1.2).

use crate::version::YStream;

/// The variable with the payload for ART's stage test.
pub const STAGE_TEST_PAYLOAD: &str = "RELEASE_IMAGE_LATEST";
/// The variable with the payload for the consistency check.
pub const CONSISTENCY_PAYLOAD: &str = "MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL";
/// The variable with the number of the shipment merge request for the consistency check.
pub const CONSISTENCY_MERGE_REQUEST: &str = "MULTISTAGE_PARAM_OVERRIDE_MERGE_REQUEST_ID";

/// The job with which ART tests a release of `stream` on stage.
pub fn stage_test(stream: YStream) -> String {
    format!("periodic-ci-openshift-openshift-tests-private-release-{stream}-stage-testing-e2e-aws-ipi")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_test_has_the_name_that_art_gave_it() {
        assert_eq!(
            stage_test(YStream::new(4, 19)),
            "periodic-ci-openshift-openshift-tests-private-release-4.19-stage-testing-e2e-aws-ipi"
        );
    }
}

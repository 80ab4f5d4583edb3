//! ART's own stage test of a release: a Prow job, and the label that ART sets when the job succeeded (spec 03
//! §3.2).
//!
//! It is evidence for a person, who decides; it never becomes this task's result.

use futures::StreamExt;
use futures::stream::iter;

use super::ReleaseContext;
use super::external_job::ExpectedPayload;
use crate::clients::gangway::Execution;
use crate::clients::prow::{ProwJob, ProwState};
use crate::flow::outcome::Refusal;
use crate::operators::shipment::Shipment;
use crate::prow::release_jobs;

/// The label of a shipment whose stage test by ART has passed (`interop-exact`).
const LABEL: &str = "stage-testing-success";
/// The most jobs that are read, all at the same time.
const LOOKS: usize = 8;
const CANDIDATES: usize = 40;

/// ART's stage test of a payload, as far as it was found.
#[derive(Debug, Default)]
pub(super) struct ArtStageTest {
    /// The run of exactly this payload that passed or is running; a passed one takes precedence.
    run: Option<ProwJob>,
    /// Its web page.
    url: String,
    /// Why no runs, or not all runs, could be read.
    unseen: Option<String>,
}

impl ArtStageTest {
    /// Looks for runs of `payload` that passed or have not ended: one request to Gangway, and one to Prow for
    /// each of them. Failures are recorded, not returned, because this task's test does not depend on ART's.
    pub(super) async fn of(services: &ReleaseContext, payload: &ExpectedPayload) -> Self {
        let gangway = match services.clients().gangway_if_set() {
            Ok(Some(gangway)) => gangway,
            Ok(None) => return Self::unseen("APITOKEN is not set"),
            Err(error) => return Self::unseen(error.to_string()),
        };
        let name = release_jobs::stage_test(services.config().y_stream());
        let mut executions = match gangway.executions(&name).await {
            Ok(executions) => executions,
            Err(error) => return Self::unseen(error.to_string()),
        };
        executions.retain(|execution| {
            execution.state.is_none_or(|state| !state.is_final() || state == ProwState::Success)
        });
        executions.truncate(CANDIDATES);
        let prow = services.clients().prow();
        let read = |execution: Execution| {
            let prow = &prow;
            async move { (prow.job(&execution.id).await, execution.id) }
        };
        let mut jobs = iter(executions.into_iter().map(read)).buffered(LOOKS);
        let mut test = Self::default();
        while let Some((job, id)) = jobs.next().await {
            let job = match job {
                Ok(Some(job)) => job,
                Ok(None) => continue,
                Err(error) => {
                    test.unseen = Some(error.to_string());
                    continue;
                }
            };
            let ours = job
                .envs
                .get(release_jobs::STAGE_TEST_PAYLOAD)
                .is_some_and(|pull_spec| payload.is_release(pull_spec));
            let counts = job.state == ProwState::Success || !job.state.is_final();
            let better = test.run.is_none() || job.state == ProwState::Success;
            if ours && counts && better {
                test.url = job.url.clone().unwrap_or_else(|| prow.link(&id).to_string());
                test.run = Some(job);
            }
        }
        test
    }

    fn unseen(why: impl Into<String>) -> Self {
        Self { unseen: Some(why.into()), ..Self::default() }
    }

    /// The refusal that tells a person why a second test of the same payload may be unnecessary; otherwise a
    /// note if something could not be read.
    pub(super) fn speaks(
        &self,
        services: &ReleaseContext,
        shipment: &Shipment,
    ) -> Result<Option<String>, Refusal> {
        let release = services.config().release();
        let again = format!("start ours anyway with: oar -r {release} stage-testing --again");
        let record = |what: &str| {
            format!(
                "oar -r {release} task set stage-testing Pass --reason 'the stage test of ART passed: {what}'"
            )
        };
        let labelled = shipment.merge_request().labels.iter().any(|label| label == LABEL);
        let unseen =
            self.unseen.as_ref().map(|why| format!("runs of ART's stage test cannot be looked for: {why}"));
        let Some(run) = &self.run else {
            if !labelled {
                return Ok(unseen);
            }
            let why =
                unseen.unwrap_or_else(|| "Prow shows no run of exactly this payload any more".to_owned());
            let text = format!(
                "ART's own stage test passed, says the label {LABEL} of {}; {why}",
                shipment.reference()
            );
            let hint = format!(
                "Ask ART which payload it tested. When it was this one: {}; otherwise {again}",
                record("<its address>")
            );
            return Err(Refusal::blocked(text).with_hint(hint));
        };
        let url = &self.url;
        if run.state == ProwState::Success {
            let label = if labelled { "" } else { " (the label of the merge request is not set)" };
            let text = format!("ART's own stage test of exactly this payload passed{label}: {url}");
            let hint = format!("Look at it. When it is enough: {}; otherwise {again}", record(url));
            return Err(Refusal::blocked(text).with_hint(hint));
        }
        let text = format!("ART's own stage test of exactly this payload is {}: {url}", run.state.text());
        Err(Refusal::blocked(text)
            .with_hint(format!("Wait for its result and run the same command again, or {again}")))
    }
}

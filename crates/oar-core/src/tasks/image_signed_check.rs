//! `image-signed-check`: proves that the release's image is signed by a release key (spec 01 §5.9), in both flows.

use async_trait::async_trait;

use super::Services;
use crate::error::ErrorClass;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, TaskError, TaskOutcome};
use crate::flow::permit::WritePermit;
use crate::flow::task::Task;
use crate::operators::release_signature::{LOOKS, ReleaseSignature, SignatureReport};
use crate::statebox::{State, TaskName, TaskStatus};

/// Checks the signatures of the release of `services`.
pub struct ImageSignedCheck {
    services: Services,
    wait: bool,
}

impl ImageSignedCheck {
    /// The task. With `wait` it looks again for some minutes while there is nothing to check yet; otherwise it looks once.
    pub fn new(services: Services, wait: bool) -> Self {
        Self { services, wait }
    }
}

/// What the check found. It changes nothing, so its plan has no steps.
#[derive(Debug, Clone)]
pub struct Findings {
    report: SignatureReport,
}

impl Plan for Findings {
    fn summary(&self) -> PlanSummary {
        let mut notes = Vec::new();
        if let Some(digest) = &self.report.digest {
            let reference = self.report.references.first().map_or("the payload", String::as_str);
            notes.push(format!("{reference} is {digest}, by release controller and registry"));
        }
        notes.extend(self.report.lines());
        notes.extend(self.report.waits_for.clone());
        PlanSummary::new(Vec::new(), notes)
    }
}

#[async_trait]
impl Task for ImageSignedCheck {
    type Plan = Findings;

    fn name(&self) -> TaskName {
        TaskName::ImageSignedCheck
    }

    fn command(&self) -> String {
        if self.wait { "image-signed-check --wait".to_owned() } else { "image-signed-check".to_owned() }
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<Findings, TaskError> {
        let keys = self.services.release_keys()?;
        let (controller, registry, mirror) =
            (self.services.release_controller(), self.services.registry(), self.services.mirror());
        let check = ReleaseSignature {
            controller: &controller,
            registry: &registry,
            mirror: &mirror,
            keys: &keys,
            clock: self.services.clock(),
        };
        let looks = if self.wait { LOOKS } else { 1 };
        let findings = Findings { report: check.check(self.services.config().release(), looks).await? };
        let passed = state
            .and_then(|state| state.task(TaskName::ImageSignedCheck))
            .is_some_and(|view| view.status == TaskStatus::Pass);
        if passed && findings.report.good().is_none() {
            // Nothing to do would be a lie: what was proved once cannot be proved now.
            let now = findings.summary().notes.join("; ");
            return Err(Refusal::new(
                ErrorClass::Failed,
                format!("the signature was good before, and now: {now}"),
            )
            .with_hint("Ask ART who withdrew or changed the signature.")
            .into());
        }
        Ok(findings)
    }

    async fn apply(&self, plan: &Findings, _permit: &WritePermit) -> Result<TaskOutcome, TaskError> {
        let report = &plan.report;
        let data = serde_json::to_value(report).unwrap_or_default();
        let outcome = match (report.good(), &report.waits_for) {
            (Some(good), _) => {
                for line in report.lines().iter().filter(|line| line.contains(": WRONG: ")) {
                    tracing::warn!("the mirror holds a file that must not be there: {line}");
                }
                let key = good.verified.as_ref().map_or("a release key", |by| by.key.as_str());
                TaskOutcome::pass(Vec::new()).found(format!("{} is signed by the key {key}", good.file))
            }
            (None, Some(missing)) => TaskOutcome::in_progress(Vec::new(), missing.clone()),
            (None, None) => TaskOutcome::fail(
                Vec::new(),
                ErrorClass::Failed,
                format!("no good signature: {}", report.lines().join("; ")),
            ),
        };
        Ok(outcome.with_data(data))
    }
}

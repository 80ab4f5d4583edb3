//! `image-signed-check`: checks that the release's image is signed by a release key (spec 01 §5.9), in both
//! flows.

use async_trait::async_trait;

use super::ReleaseContext;
use crate::error::ErrorClass;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::operators::release_signature::{LOOKS, ReleaseSignature, SignatureReport, SignatureStatus};
use crate::permit::WritePermit;
use crate::statebox::{State, TaskName, TaskStatus};
use crate::version::Arch;

/// Checks the signatures of the release of `services`.
pub struct ImageSignedCheck {
    services: ReleaseContext,
    wait: bool,
    all: bool,
}

impl ImageSignedCheck {
    /// The task. With `wait` it repeats the check for some minutes while there is nothing to check yet;
    /// otherwise it checks once. With `all` it checks the payload of every architecture, the
    /// multi-architecture list and each of its images.
    pub fn new(services: ReleaseContext, wait: bool, all: bool) -> Self {
        Self { services, wait, all }
    }
}

/// The result of the check. The task changes nothing, so its plan has no steps.
#[derive(Debug, Clone)]
pub struct Findings {
    report: SignatureReport,
}

impl Plan for Findings {
    fn summary(&self) -> PlanSummary {
        let mut notes = Vec::new();
        let payload = &self.report.payload;
        if let Some(digest) = &payload.digest {
            let reference = payload.references.first().map_or("the payload", String::as_str);
            notes.push(format!("{reference} is {digest}, by release controller and registry"));
        }
        for image in &self.report.others {
            if let (Some(reference), Some(digest)) = (image.references.first(), &image.digest) {
                notes.push(format!("{}: {reference} has {digest}", image.architecture));
            }
        }
        notes.extend(self.report.lines());
        if let SignatureStatus::Waits(missing) = self.report.standing() {
            notes.push(missing);
        }
        PlanSummary::new(Vec::new(), notes)
    }
}

#[async_trait]
impl Task for ImageSignedCheck {
    type Plan = Findings;
    type Done = SignatureReport;

    fn name(&self) -> TaskName {
        TaskName::ImageSignedCheck
    }

    fn command(&self) -> String {
        let mut command = "image-signed-check".to_owned();
        for (is_set, option) in [(self.wait, " --wait"), (self.all, " --all-architectures")] {
            if is_set {
                command.push_str(option);
            }
        }
        command
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<Findings, TaskError> {
        let keys = self.services.release_keys()?;
        let clients = self.services.clients();
        let (controller, registry, mirror) =
            (clients.release_controller(Arch::Amd64)?, clients.registry(), clients.mirror());
        let check = ReleaseSignature {
            controller: &controller,
            registry: &registry,
            mirror: &mirror,
            keys: &keys,
            clock: clients.clock(),
        };
        let looks = if self.wait { LOOKS } else { 1 };
        let report = check.check(self.services.config().release(), self.all, looks).await?;
        if let SignatureStatus::Unknown(why) = report.standing() {
            return Err(unknown(&report, &why));
        }
        let findings = Findings { report };
        let passed = state
            .and_then(|state| state.task(TaskName::ImageSignedCheck))
            .is_some_and(|view| view.status == TaskStatus::Pass);
        if passed && findings.report.standing() != SignatureStatus::Signed {
            // Not "nothing to do": the earlier result cannot be confirmed now.
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

    async fn apply(
        &self,
        plan: &Findings,
        _permit: &WritePermit,
        _recorder: &Recorder,
    ) -> Result<TaskOutcome<SignatureReport>, TaskError> {
        let report = &plan.report;
        let done = report.clone();
        Ok(match report.standing() {
            SignatureStatus::Signed => {
                for line in report.alarming_lines() {
                    tracing::warn!("the mirror has a file that must not be there: {line}");
                }
                for gap in report.images().flat_map(|image| &image.gaps) {
                    tracing::warn!("not everything could be checked: {gap}");
                }
                for warning in &report.warnings {
                    tracing::warn!("{warning}");
                }
                let mut finding = report.finding();
                if !report.warnings.is_empty() {
                    finding = format!("{finding} (WARNING: {})", report.warnings.join("; "));
                }
                TaskOutcome::pass(done).found(finding)
            }
            SignatureStatus::Waits(missing) => TaskOutcome::in_progress(done, missing),
            SignatureStatus::NotSigned(mut why) => {
                if let Some(first) = why.first_mut() {
                    *first = format!("no good signature: {first}");
                }
                TaskOutcome::fail(done, ErrorClass::Failed, why)
            }
            SignatureStatus::Unknown(why) => return Err(unknown(report, &why)),
        })
    }
}

/// The error of a run that could not check. Running again may succeed, so it is no verdict about the release.
fn unknown(report: &SignatureReport, why: &str) -> TaskError {
    let refusal =
        Refusal::new(ErrorClass::Unavailable, format!("whether the release is signed is not known: {why}"));
    let hint = report.images().find_map(|image| image.hint.clone());
    refusal
        .with_hint(hint.unwrap_or_else(|| {
            "Run the same command again; --wait repeats the check for some minutes.".to_owned()
        }))
        .into()
}

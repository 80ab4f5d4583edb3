//! The kernel gate: a kernel that must not ship is tagged in Koji (spec 02 §4).

use std::collections::BTreeSet;

use futures::future::join_all;

use super::{Approval, Problem};
use crate::clients::errata::AdvisoryId;
use crate::error::{Classified as _, ErrorClass, ServiceErrorKind};

/// The tag of a kernel that must not ship (`interop-exact`).
const STOP_TAG: &str = "early-kernel-stop-ship";
/// How the builds of operating system images for x86 begin.
const IMAGE_PREFIX: &str = "rhcos-x86";
/// The kinds of advisories that may carry one.
const KINDS: [&str; 2] = ["image", "rhcos"];
const KERNEL: &str = "kernel";

/// What the gate found: problems, and what the reader should know.
#[derive(Debug, Default)]
pub(super) struct KernelFindings {
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
}

impl Approval<'_> {
    /// Looks at the kernel of every x86 image of every product version of the advisories that may carry one. What
    /// cannot be found out is a problem, never "no stop".
    pub(super) async fn kernels(&self, advisories: &[(String, AdvisoryId)]) -> KernelFindings {
        let mut findings = KernelFindings::default();
        let mut images = BTreeSet::new();
        let carriers: Vec<AdvisoryId> =
            advisories.iter().filter(|(kind, _)| KINDS.contains(&kind.as_str())).map(|(_, id)| *id).collect();
        let answers = join_all(carriers.iter().map(|id| self.errata.builds(*id))).await;
        for (id, answer) in carriers.iter().zip(answers) {
            match answer {
                Ok(builds) => {
                    images.extend(
                        builds.into_iter().map(|build| build.nvr).filter(|nvr| nvr.starts_with(IMAGE_PREFIX)),
                    );
                }
                Err(error) => findings
                    .problems
                    .push(Problem::unknown(format!("kernel of advisory {id}: {error}"), error.class())),
            }
        }
        if images.is_empty() && findings.problems.is_empty() {
            findings
                .notes
                .push("no advisory carries an x86 operating system image, so no kernel is looked at".into());
        }
        for result in join_all(images.iter().map(|image| self.kernel_of(image))).await {
            match result {
                Ok(note) => findings.notes.push(note),
                Err(problem) => findings.problems.push(problem),
            }
        }
        findings
    }

    async fn kernel_of(&self, image: &str) -> Result<String, Problem> {
        let unknown = |error: crate::error::ServiceError| {
            let class = match error.kind {
                ServiceErrorKind::NotFound => ErrorClass::Blocked,
                _ => error.class(),
            };
            Problem::unknown(format!("the kernel of {image} is unknown: {error}"), class)
        };
        let kernels = self.brewroot.components(image, KERNEL).await.map_err(unknown)?;
        if kernels.is_empty() {
            let text = format!("the kernel of {image} is unknown: its metadata names no package `{KERNEL}`");
            return Err(Problem::blocked(text));
        }
        let names: Vec<String> = kernels.iter().map(crate::clients::brewroot::Component::nvr).collect();
        for name in &names {
            let tags = self.koji.list_tags(name).await.map_err(unknown)?;
            if tags.iter().any(|tag| tag == STOP_TAG) {
                return Err(Problem::blocked(format!(
                    "{name} of {image} has the tag {STOP_TAG}: it must not ship"
                ))
                .then("ask ART for an image with another kernel"));
            }
        }
        Ok(format!("{} of {image} may ship", names.join(", ")))
    }
}

//! Whether the images of a release are signed by a release key (spec 01 §5.9).
//!
//! The digest is what the release controller says of exactly this release, and the registry must hold the
//! same under the release's tag. Then every signature that the mirror has for it is verified, and those in
//! the Sigstore way beside the image in its registry. One good one is enough, and a file that was changed is
//! reported whatever the others say. A failed check is unknown and never a verdict.

mod report;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join, join_all};

pub use report::{ImageReport, SignatureFinding, SignatureKind, SignatureReport, SignatureStatus};

use crate::clients::mirror::MirrorClient;
use crate::clients::registry::{AttachedSignature, RegistryClient};
use crate::clients::release_controller::ReleaseControllerClient;
use crate::clock::Clock;
use crate::error::{Classified as _, ErrorClass, ServiceError, ServiceErrorKind};
use crate::flow::outcome::{Refusal, TaskError};
use crate::flow::wait::Wait;
use crate::ids::{Digest, PullSpec};
use crate::service::Service;
use crate::signature::{ReleaseKeys, verify, verify_sigstore};
use crate::version::ReleaseVersion;

/// The repository of release payloads (interop-exact, spec 03 §1.3).
pub const REPOSITORY: &str = "quay.io/openshift-release-dev/ocp-release";
/// The suffix of the tag of the payload that is always checked.
const ARCHITECTURE: &str = "x86_64";
/// The other payloads of a release, one for each architecture (spec 01 §5.9).
const OTHER_ARCHITECTURES: [&str; 3] = ["aarch64", "ppc64le", "s390x"];
/// The list with an image for each architecture; each of them is signed, too.
const MULTI: &str = "multi";
/// The most checks, and the pause between them (spec 01 §5.9).
pub const LOOKS: u32 = 16;
/// The pause between two looks.
pub const PAUSE: Duration = Duration::from_secs(30);

/// Where images, and signatures beside them, are read.
#[async_trait]
pub trait PayloadRegistry: Send + Sync {
    /// The digest of what `reference` names.
    async fn payload_digest(&self, reference: &str) -> Result<Digest, ServiceError>;
    /// The digest of the list that `reference` names, and its images by architecture in Go's spelling.
    async fn payload_list(&self, reference: &str) -> Result<(Digest, Vec<(String, Digest)>), ServiceError>;
    /// The signatures in the Sigstore way of the image `digest` of [`REPOSITORY`].
    async fn attached_signatures(&self, digest: &Digest) -> Result<Vec<AttachedSignature>, ServiceError>;
}

#[async_trait]
impl PayloadRegistry for RegistryClient {
    async fn payload_digest(&self, reference: &str) -> Result<Digest, ServiceError> {
        self.digest(&spec(reference)?).await
    }

    async fn payload_list(&self, reference: &str) -> Result<(Digest, Vec<(String, Digest)>), ServiceError> {
        self.list(&spec(reference)?).await
    }

    async fn attached_signatures(&self, digest: &Digest) -> Result<Vec<AttachedSignature>, ServiceError> {
        self.attached(&spec(&format!("{REPOSITORY}@{digest}"))?, digest).await
    }
}

fn spec(reference: &str) -> Result<PullSpec, ServiceError> {
    reference.parse().map_err(|error: crate::ids::InvalidReference| {
        ServiceError::new(Service::Registry, "read an image", ServiceErrorKind::Rejected, error.to_string())
    })
}

/// Checks signatures with these clients.
#[derive(Clone, Copy)]
pub struct ReleaseSignature<'a> {
    /// Says which image the release is.
    pub controller: &'a ReleaseControllerClient,
    /// Holds the images.
    pub registry: &'a dyn PayloadRegistry,
    /// Holds the signatures.
    pub mirror: &'a MirrorClient,
    /// The keys that count.
    pub keys: &'a ReleaseKeys,
    /// The time.
    pub clock: &'a Clock,
}

impl ReleaseSignature<'_> {
    /// Looks up to `looks` times, with [`PAUSE`] in between, until there is a digest and a signature of it; with `all`,
    /// of every architecture's payload, of the multi-architecture list and of each of its images.
    ///
    /// Nothing there yet and a service that cannot be asked are no errors: [`SignatureReport::standing`] says so. Two
    /// digests that differ are an error at once.
    pub async fn check(
        &self,
        release: &ReleaseVersion,
        all: bool,
        looks: u32,
    ) -> Result<SignatureReport, TaskError> {
        let wait = Wait::new(self.clock);
        let mut report = self.look(release, all).await?;
        for _ in 1..looks.max(1) {
            let (SignatureStatus::Waits(missing) | SignatureStatus::Unknown(missing)) = report.standing()
            else {
                break;
            };
            tracing::info!("{missing}; looking again in {} s", PAUSE.as_secs());
            wait.pause(PAUSE).await;
            report = self.look(release, all).await?;
        }
        Ok(report)
    }

    async fn look(&self, release: &ReleaseVersion, all: bool) -> Result<SignatureReport, TaskError> {
        let others = async {
            if !all {
                return Vec::new();
            }
            let single = OTHER_ARCHITECTURES.iter().map(|architecture| self.other(release, architecture));
            let (mut images, multi) = join(join_all(single), self.multi(release)).await;
            images.extend(multi);
            images
        };
        let (payload, others) = join(self.payload(release), others).await;
        let mut report = SignatureReport { payload: payload?, others, warnings: Vec::new() };
        report.warnings = preview_warnings(release, &report);
        Ok(report)
    }

    /// The `x86_64` payload, whose digest the release controller has too.
    async fn payload(&self, release: &ReleaseVersion) -> Result<ImageReport, TaskError> {
        let tagged = format!("{REPOSITORY}:{release}-{ARCHITECTURE}");
        let mut report = ImageReport::new(ARCHITECTURE, tagged.clone());
        let (said, held) = join(self.controller.digest(release), self.registry.payload_digest(&tagged)).await;
        let said = match said {
            Ok(Some(said)) => Some(said),
            Ok(None) => {
                let missing = format!("the release controller does not know the digest of {release} yet");
                report.waits_for = Some(missing);
                return Ok(report);
            }
            Err(error) => {
                note_gap(&mut report, &error);
                None
            }
        };
        let held = held.inspect_err(|error| note_gap(&mut report, error));
        let (Some(digest), Ok(held)) = (said, held) else { return Ok(report) };
        if digest != held {
            return Err(Refusal::new(
                ErrorClass::Failed,
                format!("the release controller says that {release} is {digest}, but {tagged} is {held}"),
            )
            .with_hint("Ask ART: one of the two is not the payload that was released.")
            .into());
        }
        self.signatures(&mut report, digest).await;
        Ok(report)
    }

    /// The payload of another architecture.
    async fn other(&self, release: &ReleaseVersion, architecture: &str) -> ImageReport {
        let tagged = format!("{REPOSITORY}:{release}-{architecture}");
        let mut report = ImageReport::new(architecture, tagged.clone());
        match self.registry.payload_digest(&tagged).await {
            Ok(digest) => self.signatures(&mut report, digest).await,
            Err(error) => note_gap(&mut report, &error),
        }
        report
    }

    /// The multi-architecture list and its images, which are signed under the list's name (spec 01 §5.9).
    async fn multi(&self, release: &ReleaseVersion) -> Vec<ImageReport> {
        let tagged = format!("{REPOSITORY}:{release}-{MULTI}");
        let mut list = ImageReport::new(MULTI, tagged.clone());
        let (digest, children) = match self.registry.payload_list(&tagged).await {
            Ok(found) => found,
            Err(error) => {
                note_gap(&mut list, &error);
                return vec![list];
            }
        };
        let mut images = vec![(list, digest)];
        images.extend(children.into_iter().map(|(architecture, digest)| {
            (ImageReport::new(format!("{MULTI} for {architecture}"), tagged.clone()), digest)
        }));
        join_all(images.into_iter().map(|(mut report, digest)| async move {
            self.signatures(&mut report, digest).await;
            report
        }))
        .await
    }

    /// Reads and verifies every signature of `digest`.
    async fn signatures(&self, report: &mut ImageReport, digest: Digest) {
        report.references.push(format!("{REPOSITORY}@{digest}"));
        let sigstore = async {
            if self.keys.has_sigstore() {
                self.registry.attached_signatures(&digest).await
            } else {
                Ok(Vec::new())
            }
        };
        let (published, attached) = join(self.mirror.signatures(&digest), sigstore).await;
        let now = self.clock.now();
        for (file, number) in published.files.iter().zip(1_u32..) {
            let outcome = verify(file, self.keys, &digest, &report.references, now);
            report.signatures.push(SignatureFinding::openpgp(format!("signature-{number}"), outcome));
        }
        if let Some(error) = &published.failure {
            note_gap(report, error);
        } else if published.files.is_empty() {
            report.waits_for = Some(format!("the mirror has no signature of {digest} yet"));
        }
        match attached {
            Ok(attached) => {
                // cosign itself names the repository alone, which is enough where an image is meant by its digest.
                let mut references = report.references.clone();
                references.push(REPOSITORY.to_owned());
                let tag = AttachedSignature::tag(&digest);
                let mut found: Vec<SignatureFinding> = attached
                    .iter()
                    .map(|one| {
                        let outcome =
                            verify_sigstore(&one.payload, &one.signature, self.keys, &digest, &references);
                        SignatureFinding::sigstore(tag.clone(), outcome)
                    })
                    .collect();
                // ART signs each image under its digest and under its tag: one line says as much as two.
                found.dedup();
                report.signatures.extend(found);
            }
            Err(error) => note_gap(report, &error),
        }
        report.digest = Some(digest);
    }
}

/// Notes what could not be looked at. A service that answers with a refusal, with 404 or with something else than its
/// protocol's words has told nothing about the image.
fn note_gap(report: &mut ImageReport, error: &ServiceError) {
    report.gaps.push(error.to_string());
    report.hint = report.hint.take().or_else(|| error.hint());
}

/// A warning for each image of a release that only the key of previews has signed (spec 01 §5.9: `beta2` signs EC
/// builds, `redhatrelease2` all others).
fn preview_warnings(release: &ReleaseVersion, report: &SignatureReport) -> Vec<String> {
    if release.is_engineering_candidate() {
        return Vec::new();
    }
    let images = report.images().filter(|image| {
        let mut good = image.good().peekable();
        good.peek().is_some() && good.all(|finding| finding.verified.as_ref().is_some_and(|by| by.preview))
    });
    images
        .map(|image| {
            format!(
                "the {} payload of {release} is signed only by a key for previews (EC), although {release} is not a preview",
                image.architecture
            )
        })
        .collect()
}

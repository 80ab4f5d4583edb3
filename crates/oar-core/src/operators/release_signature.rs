//! Whether the image of a release is signed by a release key (spec 01 §5.9).
//!
//! The digest is what the release controller says of exactly this release, and the registry must hold the same under
//! the release's tag. Then every signature that the mirror has for it is verified; one good one is enough, and a file
//! that was changed is reported whatever the others say.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join;
use serde::Serialize;

use crate::clients::Digest;
use crate::clients::mirror::MirrorClient;
use crate::clients::registry::{PullSpec, RegistryClient};
use crate::clients::release_controller::ReleaseControllerClient;
use crate::clock::Clock;
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::signature::{ReleaseKeys, Verified, verify};
use crate::version::ReleaseVersion;

/// The repository of release payloads (interop-exact, spec 03 §1.3).
pub const REPOSITORY: &str = "quay.io/openshift-release-dev/ocp-release";
/// The suffix of the tag of the payload that is checked.
const ARCHITECTURE: &str = "x86_64";
/// How often is looked at most, and how long is waited in between (spec 01 §5.9).
pub const LOOKS: u32 = 16;
/// The pause between two looks.
pub const PAUSE: Duration = Duration::from_secs(30);

/// Where an image's digest is read from its manifest.
#[async_trait]
pub trait PayloadDigest: Send + Sync {
    /// The digest of what `reference` names.
    async fn payload_digest(&self, reference: &str) -> Result<Digest, TaskError>;
}

#[async_trait]
impl PayloadDigest for RegistryClient {
    async fn payload_digest(&self, reference: &str) -> Result<Digest, TaskError> {
        let spec: PullSpec = reference.parse()?;
        let digest = self.digest(&spec).await?;
        Ok(digest
            .as_str()
            .parse()
            .map_err(|error| Refusal::new(ErrorClass::Unavailable, format!("the image registry: {error}")))?)
    }
}

/// What was found out about one signature file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureFinding {
    /// The file: `signature-1`.
    pub file: String,
    /// By whom it is signed, when it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// What is wrong with it otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whether the fault is one that somebody has to look at: the file was changed, or is about another image.
    pub alarming: bool,
}

/// What was found out about a release's signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignatureReport {
    /// The image's digest, once it is known.
    pub digest: Option<Digest>,
    /// The names under which it may be signed.
    pub references: Vec<String>,
    /// Every file of the mirror.
    pub signatures: Vec<SignatureFinding>,
    /// What is not there yet.
    pub waits_for: Option<String>,
}

impl SignatureReport {
    /// The first good signature.
    pub fn good(&self) -> Option<&SignatureFinding> {
        self.signatures.iter().find(|finding| finding.verified.is_some())
    }

    /// One line for each file.
    pub fn lines(&self) -> Vec<String> {
        self.signatures
            .iter()
            .map(|finding| match (&finding.verified, &finding.fault) {
                (Some(by), _) => {
                    format!("{}: good, signed by the key {} ({})", finding.file, by.key, by.fingerprint)
                }
                (None, fault) => {
                    let mark = if finding.alarming { "WRONG" } else { "not usable" };
                    format!("{}: {mark}: {}", finding.file, fault.as_deref().unwrap_or("unknown"))
                }
            })
            .collect()
    }
}

/// Checks signatures with these clients.
#[derive(Clone, Copy)]
pub struct ReleaseSignature<'a> {
    /// Says which image the release is.
    pub controller: &'a ReleaseControllerClient,
    /// Holds the image.
    pub registry: &'a dyn PayloadDigest,
    /// Holds the signatures.
    pub mirror: &'a MirrorClient,
    /// The keys that count.
    pub keys: &'a ReleaseKeys,
    /// The time.
    pub clock: &'a Clock,
}

impl ReleaseSignature<'_> {
    /// Looks up to `looks` times, with [`PAUSE`] in between, until there is a digest and a signature of it.
    ///
    /// Nothing there yet is no error: [`SignatureReport::waits_for`] says what is missing. Two digests that differ are
    /// an error at once.
    pub async fn check(&self, release: &ReleaseVersion, looks: u32) -> Result<SignatureReport, TaskError> {
        let mut report = self.look(release).await?;
        for _ in 1..looks.max(1) {
            let Some(missing) = &report.waits_for else { break };
            tracing::info!("{missing}; looking again in {} s", PAUSE.as_secs());
            self.clock.sleep(PAUSE).await;
            report = self.look(release).await?;
        }
        Ok(report)
    }

    async fn look(&self, release: &ReleaseVersion) -> Result<SignatureReport, TaskError> {
        let tagged = format!("{REPOSITORY}:{release}-{ARCHITECTURE}");
        let mut report = SignatureReport {
            digest: None,
            references: vec![tagged.clone()],
            signatures: Vec::new(),
            waits_for: None,
        };
        let (said, held) = join(self.controller.digest(release), self.registry.payload_digest(&tagged)).await;
        let Some(digest) = said? else {
            report.waits_for =
                Some(format!("the release controller does not know the digest of {release} yet"));
            return Ok(report);
        };
        let held = held?;
        if digest != held {
            return Err(Refusal::new(
                ErrorClass::Failed,
                format!("the release controller says that {release} is {digest}, but {tagged} is {held}"),
            )
            .with_hint("Ask ART: one of the two is not the payload that was released.")
            .into());
        }
        report.references.push(format!("{REPOSITORY}@{digest}"));
        let files = self.mirror.signatures(&digest).await?;
        if files.is_empty() {
            report.waits_for = Some(format!("the mirror has no signature of {digest} yet"));
        }
        let now = self.clock.now();
        report.signatures = files
            .iter()
            .zip(1_u32..)
            .map(|(file, number)| {
                let name = format!("signature-{number}");
                match verify(file, self.keys, &digest, &report.references, now) {
                    Ok(verified) => SignatureFinding {
                        file: name,
                        verified: Some(verified),
                        fault: None,
                        alarming: false,
                    },
                    Err(fault) => SignatureFinding {
                        file: name,
                        verified: None,
                        alarming: fault.is_alarming(),
                        fault: Some(fault.to_string()),
                    },
                }
            })
            .collect();
        report.digest = Some(digest);
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use pgp::crypto::hash::HashAlgorithm;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::http::HttpSettings;
    use crate::http::tests::support::{NotingClock, stack};
    use crate::signature::tests::{armored, claim_of, keys_of, make_key, sign_with};

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    struct Held(&'static str);

    #[async_trait]
    impl PayloadDigest for Held {
        async fn payload_digest(&self, reference: &str) -> Result<Digest, TaskError> {
            assert_eq!(reference, "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64");
            Ok(self.0.parse().unwrap())
        }
    }

    /// A controller that knows the digest, and a mirror that has `file` from its look number `from` on.
    async fn services(file: &[u8], from: u64) -> MockServer {
        let server = MockServer::start().await;
        let release = serde_json::json!({"name": "4.19.1", "changeLogJson": {"to": {"digest": DIGEST}}});
        Mock::given(method("GET"))
            .and(path("/rc/api/v1/releasestream/4-stable/release/4.19.1"))
            .respond_with(ResponseTemplate::new(200).set_body_json(release))
            .mount(&server)
            .await;
        let first = format!("/mirror/{}/signature-1", DIGEST.replace(':', "="));
        if from > 0 {
            Mock::given(path(&first))
                .respond_with(ResponseTemplate::new(404))
                .up_to_n_times(from)
                .mount(&server)
                .await;
        }
        Mock::given(path(&first))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(file.to_vec()))
            .mount(&server)
            .await;
        server
    }

    async fn check(
        server: &MockServer,
        keys: &ReleaseKeys,
        held: &'static str,
        looks: u32,
    ) -> (Result<SignatureReport, TaskError>, std::sync::Arc<NotingClock>) {
        let (http, clock) = stack(HttpSettings::default());
        let url = |prefix: &str| format!("{}{prefix}", server.uri()).parse().unwrap();
        let (controller, mirror) = (
            ReleaseControllerClient::new(http.clone(), url("/rc")),
            MirrorClient::new(http.clone(), url("/mirror")),
        );
        let check = ReleaseSignature {
            controller: &controller,
            registry: &Held(held),
            mirror: &mirror,
            keys,
            clock: http.clock(),
        };
        (check.check(&"4.19.1".parse().unwrap(), looks).await, clock)
    }

    fn signed() -> (Vec<u8>, ReleaseKeys) {
        let key = make_key();
        let claim = claim_of(DIGEST, "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64");
        let file = sign_with(&key, &claim, HashAlgorithm::Sha256);
        (file, keys_of(&armored(&key)))
    }

    #[tokio::test]
    async fn the_wait_is_bounded_and_ends_with_the_first_signature() {
        let (file, keys) = signed();
        let server = services(&file, 2).await;
        let (report, clock) = check(&server, &keys, DIGEST, LOOKS).await;
        let report = report.unwrap();
        assert_eq!(report.signatures.len(), 1);
        assert_eq!(clock.waits(), [PAUSE; 2]);
        // The key is made now, and the test's clock stands in the past or the future: the file is judged, not missing.
        assert_eq!(report.waits_for, None);

        let server = services(&file, 100).await;
        let (report, clock) = check(&server, &keys, DIGEST, LOOKS).await;
        assert!(report.unwrap().waits_for.unwrap().contains("the mirror has no signature"));
        assert_eq!(clock.waits(), [PAUSE; 15]);

        let server = services(&file, 100).await;
        let (_, clock) = check(&server, &keys, DIGEST, 1).await;
        assert!(clock.waits().is_empty(), "without a wish to wait there is one look");
    }

    #[tokio::test]
    async fn two_digests_that_differ_are_an_error_at_once() {
        let (file, keys) = signed();
        let server = services(&file, 0).await;
        let other = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
        let (report, clock) = check(&server, &keys, other, LOOKS).await;
        let error = report.unwrap_err();
        assert!(error.inner().to_string().contains("the release controller says"), "{}", error.inner());
        assert!(clock.waits().is_empty());
    }
}

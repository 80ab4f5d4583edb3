//! What a release's signatures come to, with services that wait, refuse and disagree.

use pgp::crypto::hash::HashAlgorithm;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::ok;
use crate::http::HttpSettings;
use crate::http::tests::support::{NotingClock, stack};
use crate::signature::tests::{armored, claim_of, keys_of, make_key, sign_with};

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A registry that holds one image for `x86_64`, and a list whose image for arm64 is another one.
struct Held {
    digest: &'static str,
    attached: Option<AttachedSignature>,
    fails: bool,
}

impl Held {
    fn outage(&self) -> Result<(), ServiceError> {
        let outage = ServiceError::new(Service::Registry, "read", ServiceErrorKind::NotFound, "gone");
        if self.fails { Err(outage) } else { Ok(()) }
    }
}

#[async_trait]
impl PayloadRegistry for Held {
    async fn payload_digest(&self, reference: &str) -> Result<Digest, ServiceError> {
        self.outage()?;
        let digest =
            match reference.strip_prefix("quay.io/openshift-release-dev/ocp-release:4.19.1-").unwrap() {
                "x86_64" => self.digest.to_owned(),
                other => Digest::of(other.as_bytes()).to_string(),
            };
        Ok(digest.parse().unwrap())
    }

    async fn payload_list(&self, reference: &str) -> Result<(Digest, Vec<(String, Digest)>), ServiceError> {
        assert_eq!(reference, "quay.io/openshift-release-dev/ocp-release:4.19.1-multi");
        Ok((Digest::of(b"multi"), vec![("arm64".to_owned(), Digest::of(b"child"))]))
    }

    async fn attached_signatures(&self, _digest: &Digest) -> Result<Vec<AttachedSignature>, ServiceError> {
        self.outage()?;
        Ok(self.attached.iter().cloned().collect())
    }
}

fn held(digest: &'static str) -> Held {
    Held { digest, attached: None, fails: false }
}

/// A controller that knows the digest, and a mirror that has `file` from its look number `from` on.
async fn services(file: &[u8], from: u64) -> MockServer {
    let server = MockServer::start().await;
    let release = serde_json::json!({"name": "4.19.1", "changeLogJson": {"to": {"digest": DIGEST}}});
    Mock::given(method("GET"))
        .and(path("/rc/api/v1/releasestream/4-stable/release/4.19.1"))
        .respond_with(ok(release))
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
    held: &Held,
    looks: u32,
) -> (Result<SignatureReport, TaskError>, std::sync::Arc<NotingClock>) {
    check_release(server, keys, held, "4.19.1", false, looks).await
}

async fn check_release(
    server: &MockServer,
    keys: &ReleaseKeys,
    held: &Held,
    release: &str,
    all: bool,
    looks: u32,
) -> (Result<SignatureReport, TaskError>, std::sync::Arc<NotingClock>) {
    let (http, clock) = stack(HttpSettings { attempts: 1, ..HttpSettings::default() });
    let url = |prefix: &str| format!("{}{prefix}", server.uri()).parse().unwrap();
    let (controller, mirror) = (
        ReleaseControllerClient::new(http.clone(), url("/rc")),
        MirrorClient::new(http.clone(), url("/mirror")),
    );
    let check = ReleaseSignature {
        controller: &controller,
        registry: held,
        mirror: &mirror,
        keys,
        clock: http.clock(),
    };
    (check.check(&release.parse().unwrap(), all, looks).await, clock)
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
    let (report, clock) = check(&server, &keys, &held(DIGEST), LOOKS).await;
    let report = report.unwrap();
    assert_eq!(report.payload.signatures.len(), 1);
    assert_eq!(clock.waits(), [PAUSE; 2]);
    // The key is made now, and the test's clock stands in the past or the future: the file is judged, not missing.
    assert_eq!(report.payload.waits_for, None);

    let server = services(&file, 100).await;
    let (report, clock) = check(&server, &keys, &held(DIGEST), LOOKS).await;
    assert!(report.unwrap().payload.waits_for.unwrap().contains("the mirror has no signature"));
    assert_eq!(clock.waits(), [PAUSE; 15]);

    let server = services(&file, 100).await;
    let (_, clock) = check(&server, &keys, &held(DIGEST), 1).await;
    assert!(clock.waits().is_empty(), "without a wish to wait there is one look");
}

#[tokio::test]
async fn two_digests_that_differ_are_an_error_at_once() {
    let (file, keys) = signed();
    let server = services(&file, 0).await;
    let other = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    let (report, clock) = check(&server, &keys, &held(other), LOOKS).await;
    let error = report.unwrap_err();
    assert!(error.inner().to_string().contains("the release controller says"), "{}", error.inner());
    assert!(clock.waits().is_empty());
}

/// What the only image comes to when `answer` is all that `place` ever says.
async fn standing_when(place: &str, answer: ResponseTemplate) -> SignatureStatus {
    let (file, keys) = signed();
    let server = services(&file, 0).await;
    Mock::given(path(place)).respond_with(answer).with_priority(1).mount(&server).await;
    check(&server, &keys, &held(DIGEST), 1).await.0.unwrap().standing()
}

#[tokio::test]
async fn what_could_not_be_looked_at_is_unknown_and_never_a_verdict() {
    let controller = "/rc/api/v1/releasestream/4-stable/release/4.19.1";
    let mirror = format!("/mirror/{}/signature-1", DIGEST.replace(':', "="));
    let page = || ResponseTemplate::new(200).set_body_string("<html><title>Sign in</title></html>");
    let away = ResponseTemplate::new(302).insert_header("location", "https://sso.example.test/login");
    for place in [controller, mirror.as_str()] {
        for (name, answer) in [
            ("500", ResponseTemplate::new(500)),
            ("403", ResponseTemplate::new(403)),
            ("401", ResponseTemplate::new(401)),
            ("400", ResponseTemplate::new(400)),
            ("redirection", away.clone()),
            ("page", page()),
        ] {
            let standing = standing_when(place, answer).await;
            assert!(matches!(standing, SignatureStatus::Unknown(_)), "{place} {name}: {standing:?}");
        }
    }
    // The controller says 404 for its own failures, too (spec 04 §2.5); at the mirror it means that nothing is there yet.
    assert!(matches!(
        standing_when(controller, ResponseTemplate::new(404)).await,
        SignatureStatus::Unknown(_)
    ));
    assert!(matches!(standing_when(&mirror, ResponseTemplate::new(404)).await, SignatureStatus::Waits(_)));

    let (file, keys) = signed();
    let server = services(&file, 0).await;
    let gone = Held { fails: true, ..held(DIGEST) };
    let standing = check(&server, &keys, &gone, 1).await.0.unwrap().standing();
    assert!(matches!(standing, SignatureStatus::Unknown(_)), "{standing:?}");
}

#[tokio::test]
async fn an_outage_is_waited_out_when_waiting_is_wanted() {
    let (file, keys) = signed();
    let server = services(&file, 0).await;
    Mock::given(path("/rc/api/v1/releasestream/4-stable/release/4.19.1"))
        .respond_with(ResponseTemplate::new(500))
        .up_to_n_times(2)
        .with_priority(1)
        .mount(&server)
        .await;
    let (report, clock) = check(&server, &keys, &held(DIGEST), LOOKS).await;
    assert!(!matches!(report.unwrap().standing(), SignatureStatus::Unknown(_)));
    assert_eq!(clock.waits(), [PAUSE; 2]);
}

/// A key that is valid at the tests' time, which stands in the past.
fn old_key(name: &str) -> (pgp::composed::SignedSecretKey, ReleaseKeys) {
    let created = pgp::types::Timestamp::from_secs(1_735_689_600);
    let key = pgp::composed::SecretKeyParamsBuilder::default()
        .key_type(pgp::composed::KeyType::Ed25519Legacy)
        .can_sign(true)
        .can_certify(true)
        .created_at(created)
        .primary_user_id("Test <test@example.com>".to_owned())
        .build()
        .unwrap()
        .generate(rand_08::rngs::OsRng)
        .unwrap();
    let mut keys = ReleaseKeys::default();
    keys.add(name, &armored(&key)).unwrap();
    (key, keys)
}

fn finding(
    kind: SignatureKind,
    key: Option<(&str, bool)>,
    alarming: bool,
    unsupported: bool,
) -> SignatureFinding {
    SignatureFinding {
        file: "signature-1".to_owned(),
        kind,
        verified: key.map(|(key, preview)| crate::signature::Verified {
            key: key.to_owned(),
            fingerprint: "00".to_owned(),
            preview,
            made_at: None,
        }),
        fault: key.is_none().then(|| "a fault".to_owned()),
        alarming,
        unsupported,
    }
}

fn report(signatures: Vec<SignatureFinding>) -> SignatureReport {
    let payload = ImageReport { signatures, ..ImageReport::new("x86_64", REPOSITORY.to_owned()) };
    SignatureReport { payload, others: Vec::new(), warnings: Vec::new() }
}

#[test]
fn either_kind_of_signature_suffices_and_both_are_shown() {
    use SignatureKind::{Openpgp, Sigstore};
    let good = |kind| finding(kind, Some(("demo", false)), false, false);
    let bad = |kind| finding(kind, None, false, false);
    for signatures in [vec![good(Openpgp), bad(Sigstore)], vec![bad(Openpgp), good(Sigstore)]] {
        assert_eq!(report(signatures).standing(), SignatureStatus::Signed);
    }
    let both = report(vec![good(Openpgp), good(Sigstore)]);
    assert_eq!(
        both.finding(),
        "signature-1 is signed by the key demo, the image is signed by the Sigstore key demo"
    );
    assert_eq!(both.lines().len(), 2);
    assert!(matches!(report(vec![bad(Openpgp)]).standing(), SignatureStatus::NotSigned(_)));
    // What this program cannot judge is neither good nor bad.
    let old = finding(Openpgp, None, false, true);
    assert!(matches!(report(vec![old.clone()]).standing(), SignatureStatus::Unknown(_)));
    assert_eq!(report(vec![old, good(Openpgp)]).standing(), SignatureStatus::Signed);
    // A signature of somebody else beside the image is no reason to stop waiting; a changed file is.
    for (alarming, waits) in [(false, true), (true, false)] {
        let mut report = report(vec![finding(Sigstore, None, alarming, false)]);
        report.payload.waits_for = Some("nothing yet".to_owned());
        assert_eq!(matches!(report.standing(), SignatureStatus::Waits(_)), waits);
    }
}

#[test]
fn the_worst_image_decides() {
    let good = || finding(SignatureKind::Openpgp, Some(("demo", false)), false, false);
    let bad = || finding(SignatureKind::Openpgp, None, false, false);
    let with = |others: Vec<ImageReport>| SignatureReport { others, ..report(vec![good()]) };
    let image = |signatures, waits: bool, gap: bool| ImageReport {
        signatures,
        waits_for: waits.then(|| "nothing yet".to_owned()),
        gaps: if gap { vec!["an outage".to_owned()] } else { Vec::new() },
        ..ImageReport::new("s390x", REPOSITORY.to_owned())
    };
    let waits = image(Vec::new(), true, false);
    let unknown = image(Vec::new(), false, true);
    assert_eq!(with(vec![image(vec![good()], false, true)]).standing(), SignatureStatus::Signed);
    assert_eq!(with(vec![waits.clone()]).standing(), SignatureStatus::Waits("s390x: nothing yet".to_owned()));
    assert!(matches!(with(vec![waits.clone(), unknown.clone()]).standing(), SignatureStatus::Unknown(_)));
    let wrong = image(vec![bad()], false, false);
    assert!(matches!(with(vec![unknown, waits, wrong]).standing(), SignatureStatus::NotSigned(_)));
}

#[tokio::test]
async fn every_architecture_the_list_and_its_images_are_checked() {
    let (key, keys) = old_key("redhatrelease2");
    let server = MockServer::start().await;
    let release = serde_json::json!({"name": "4.19.1", "changeLogJson": {"to": {"digest": DIGEST}}});
    Mock::given(path("/rc/api/v1/releasestream/4-stable/release/4.19.1"))
        .respond_with(ok(release))
        .mount(&server)
        .await;
    let own = |name: &str| Digest::of(name.as_bytes()).to_string();
    let images = [
        ("x86_64", DIGEST.to_owned()),
        ("aarch64", own("aarch64")),
        ("ppc64le", own("ppc64le")),
        ("multi", own("multi")),
        ("multi", own("child")),
    ];
    for (tag, digest) in images {
        // A child of the list is signed under the list's own tag.
        let claim = claim_of(&digest, &format!("{REPOSITORY}:4.19.1-{tag}"));
        Mock::given(path(format!("/mirror/{}/signature-1", digest.replace(':', "="))))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(sign_with(
                &key,
                &claim,
                HashAlgorithm::Sha256,
            )))
            .mount(&server)
            .await;
    }
    let (found, _) = check_release(&server, &keys, &held(DIGEST), "4.19.1", true, 1).await;
    let found = found.unwrap();
    let names: Vec<&str> = found.images().map(|image| image.architecture.as_str()).collect();
    assert_eq!(names, ["x86_64", "aarch64", "ppc64le", "s390x", "multi", "multi for arm64"]);
    // The signatures are good but for their time: they are made now, and the tests' clock stands still.
    let judged = found.images().filter(|image| !image.signatures.is_empty()).count();
    assert_eq!(judged, 5, "{:?}", found.lines());
    let missing = found.images().find(|image| image.architecture == "s390x").unwrap();
    assert!(missing.waits_for.as_deref().unwrap().contains("the mirror has no signature"), "{missing:?}");

    let (found, _) = check(&server, &keys, &held(DIGEST), 1).await;
    assert!(found.unwrap().others.is_empty(), "only when it is asked for");
}

#[test]
fn a_release_that_only_the_key_of_previews_has_signed_is_warned_of() {
    use SignatureKind::{Openpgp, Sigstore};
    let by = |kind, key, preview| finding(kind, Some((key, preview)), false, false);
    let preview = || by(Openpgp, "beta2", true);
    for (release, signatures, warned) in [
        ("4.19.1", vec![preview()], true),
        ("4.22.0-rc.0", vec![preview()], true),
        ("5.0.0-ec.3", vec![preview()], false),
        ("4.19.1", vec![preview(), by(Openpgp, "redhatrelease2", false)], false),
        ("4.19.1", vec![preview(), by(Sigstore, "redhat-sigstore", false)], false),
        ("4.19.1", vec![finding(Openpgp, None, false, false)], false),
    ] {
        let warnings = preview_warnings(&release.parse().unwrap(), &report(signatures));
        assert_eq!(!warnings.is_empty(), warned, "{release}: {warnings:?}");
    }
    // The name that ART gives the key is enough to know it, whoever's it is.
    let (_, keys) = old_key("beta2");
    assert!(keys.describe().starts_with("beta2 ("));
}

//! `image-signed-check` on both flows: what it proves, each refusal in its own words, faults, budgets.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::path::PathBuf;

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run, root};
use sandbox::scenario::registry::PAYLOADS;
use sandbox::services::mirror::{REPOSITORY, sign, sign_sigstore};

const COMMAND: &[&str] = &["image-signed-check"];

fn digest(harness: &Harness, release: &str) -> String {
    let mut controller = harness.sandbox.world().release_controller.lock();
    controller.payload_mut("4-stable", release).unwrap().digest.clone()
}

fn reference(release: &str) -> String {
    format!("{REPOSITORY}:{release}-x86_64")
}

/// Puts `file` in the place of the signature `number` of the Konflux release.
fn put(harness: &Harness, number: u32, file: Option<Vec<u8>>) {
    let digest = digest(harness, KONFLUX);
    harness.sandbox.world().mirror.lock().files.insert((digest, number), file);
}

/// Takes the signatures beside the image of the Konflux release away.
fn without_sigstore(harness: &Harness) {
    let tag = format!("{}.sig", digest(harness, KONFLUX).replace(':', "-"));
    let mut registry = harness.sandbox.world().registry.lock();
    registry.repositories.get_mut(PAYLOADS).unwrap().tags.remove(&tag).unwrap();
}

fn good(harness: &Harness) -> Vec<u8> {
    sign(&digest(harness, KONFLUX), &reference(KONFLUX)).unwrap()
}

fn check(harness: &Harness) -> Run {
    harness.oar(KONFLUX, COMMAND)
}

/// The harness with `release_keys` of the configuration replaced.
fn with_keys(keys: &serde_json::Value) -> Harness {
    let harness = Harness::new();
    let text = std::fs::read_to_string(root().join("config/config_store.example.json")).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    document["release_keys"] = keys.clone();
    let (plain, encrypted) = (harness.home().join("plain.json"), harness.home().join("store.json"));
    std::fs::write(&plain, document.to_string()).unwrap();
    let paths = [plain.to_str().unwrap(), "-o", encrypted.to_str().unwrap()];
    harness.run("oarctl", ["config", "encrypt"].into_iter().chain(paths)).expect(0);
    let path = encrypted.to_str().unwrap().to_owned();
    harness.env("OAR_CONFIG", &path)
}

/// A key or a signature that GnuPG made for the library's tests.
fn by_gnupg(name: &str) -> PathBuf {
    root().join("crates/oar-core/src/signature/data").join(name)
}

#[test]
fn both_flows_are_proved_within_their_budgets_and_a_second_run_changes_nothing() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::new();
        let run = harness.oar(release, &["image-signed-check", "--output", "json"]).expect(0);
        let report = run.json();
        assert_eq!(report["status"], "Pass", "{report:#}");
        assert_eq!(report["data"]["digest"], digest(&harness, release));
        assert_eq!(
            report["finding"],
            "signature-1 is signed by the key sandbox, the image is signed by the Sigstore key sandbox-sigstore"
        );
        assert_eq!(report["nothing_to_do"], false, "it was looked at for the first time");
        assert_eq!(report["data"]["signatures"][0]["verified"]["key"], "sandbox");
        assert_eq!(report["data"]["signatures"][1]["verified"]["key"], "sandbox-sigstore");
        assert_eq!(report["data"]["signatures"][1]["kind"], "sigstore");
        assert!(
            run.stderr.contains("task [Image Signed Check] status is changed to [Pass]"),
            "{}",
            run.stderr
        );
        let count = harness.sandbox.requests().len();
        assert!(count <= 19, "{count} requests:\n{}", harness.request_lines());
        let state = harness.statebox(release).unwrap();
        assert!(state.contains("- name: image-signed-check\n  status: Pass\n"), "{state}");

        harness.sandbox.clear_requests();
        let again = harness.oar(release, COMMAND).expect(0);
        assert!(again.stdout.contains("nothing to do"), "{again:?}");
        assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
        assert_eq!(harness.statebox(release).unwrap(), state);
        harness.sandbox.assert_no_unexpected();
    }
}

#[test]
fn a_dry_run_checks_and_writes_nothing() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::new();
        let run = harness.oar(release, &["image-signed-check", "--dry-run"]).expect(0);
        assert!(run.stdout.contains("signature-1: good, signed by the key sandbox"), "{run:?}");
        assert!(harness.sandbox.writes().is_empty());
        assert_eq!(harness.statebox(release), None);
    }
}

#[test]
fn each_bad_signature_has_its_own_words() {
    type Case = (&'static str, fn(&Harness) -> Vec<u8>, &'static str);
    let cases: [Case; 6] = [
        ("empty", |_| Vec::new(), "the file is empty"),
        ("no message", |_| b"not found".to_vec(), "damaged or incomplete"),
        (
            "truncated",
            |harness| {
                let file = good(harness);
                file[..file.len() - 30].to_vec()
            },
            "damaged or incomplete",
        ),
        (
            "changed",
            |harness| {
                let mut file = good(harness);
                let place = file.windows(7).position(|window| window == b"sha256:").unwrap();
                file[place + 7] = if file[place + 7] == b'0' { b'1' } else { b'0' };
                file
            },
            "WRONG: the signature does not fit the content",
        ),
        (
            "another digest",
            |_| sign(&format!("sha256:{}", "0".repeat(64)), &reference(KONFLUX)).unwrap(),
            "WRONG: it is signed for another digest",
        ),
        (
            "another release",
            |harness| sign(&digest(harness, KONFLUX), &reference("4.19.12")).unwrap(),
            "it is signed for another reference",
        ),
    ];
    for (name, file, words) in cases {
        let harness = Harness::new();
        without_sigstore(&harness);
        let file = file(&harness);
        put(&harness, 1, Some(file));
        let run = check(&harness).expect(1);
        assert!(run.stderr.contains(words), "{name}: {}", run.stderr);
        let state = harness.statebox(KONFLUX).unwrap();
        assert!(state.contains("- name: image-signed-check\n  status: Fail\n"), "{name}: {state}");
        harness.sandbox.assert_no_unexpected();
    }
}

#[test]
fn one_good_signature_is_enough_and_a_changed_one_is_reported() {
    let harness = Harness::new();
    let mut changed = good(&harness);
    let place = changed.windows(7).position(|window| window == b"sha256:").unwrap();
    changed[place + 8] ^= 1;
    put(&harness, 1, Some(changed));
    let file = good(&harness);
    put(&harness, 2, Some(file));
    let run = check(&harness).expect(0);
    assert!(
        run.stderr.contains("WARNING: the mirror has a file that must not be there: signature-1"),
        "{run:?}"
    );
    assert!(run.stderr.contains("signature-2: good"), "{run:?}");
}

#[test]
fn another_key_and_an_expired_key_do_not_count() {
    let other = serde_json::json!({"other": by_gnupg("unit.asc").to_str().unwrap()});
    let harness = with_keys(&other);
    let run = check(&harness).expect(1);
    assert!(run.stderr.contains("it is signed by another key"), "{run:?}");

    let expired = std::fs::read_to_string(by_gnupg("expired.asc")).unwrap();
    let harness = with_keys(&serde_json::json!({"old": expired}));
    put(&harness, 1, Some(std::fs::read(by_gnupg("expired.sig")).unwrap()));
    let run = check(&harness).expect(1);
    assert!(run.stderr.contains("which expired at 2025-01-31T00:00:00Z"), "{run:?}");
}

#[test]
fn a_key_file_that_is_not_there_is_an_error() {
    let harness = with_keys(&serde_json::json!({"demo": "no-such-file.asc"}));
    let run = check(&harness).expect(3);
    assert!(run.stderr.contains("release_keys"), "{run:?}");
    assert!(harness.sandbox.requests().iter().all(|request| request.service != "mirror"));
}

#[test]
fn without_configured_keys_the_ones_of_the_program_count() {
    // They signed nothing in the sandbox, and say so by their names.
    let harness = with_keys(&serde_json::json!({}));
    let run = check(&harness).expect(1);
    for words in ["redhatrelease2 (567E347AD0044ADE55BA8A5F199E2F91FD431D51)", "beta2 (", "redhat-sigstore ("]
    {
        assert!(run.stderr.contains(words), "{words}: {run:?}");
    }
}

#[test]
fn a_key_is_taken_as_it_is_published() {
    let key = sandbox::services::mirror::PUBLIC_KEY;
    let published = format!("pub   256 2025-01-01\nuid   Sandbox release key\n\n{key}");
    let harness = with_keys(&serde_json::json!({"published": published}));
    let run = check(&harness).expect(0);
    assert!(run.stdout.contains("signed by the key published"), "{run:?}");
    assert!(!run.all().contains("Sigstore"), "without a key for it, it is not looked for: {run:?}");
    assert!(harness.sandbox.requests().iter().all(|request| !request.path.contains(".sig")));
}

#[test]
fn a_signature_beside_the_image_suffices_and_a_wrong_one_does_not_hurt() {
    let harness = Harness::new();
    put(&harness, 1, None);
    let run = check(&harness).expect(0);
    assert!(run.stdout.contains("the image is signed by the Sigstore key sandbox-sigstore"), "{run:?}");

    let harness = Harness::new();
    let (digest, other) = (digest(&harness, KONFLUX), format!("sha256:{}", "0".repeat(64)));
    let signed = sign_sigstore(&other, &reference(KONFLUX)).unwrap();
    harness.sandbox.world().registry.lock().put_signatures(PAYLOADS, &digest, &[signed]);
    let run = check(&harness).expect(0);
    assert!(run.stdout.contains("signature-1 is signed by the key sandbox"), "{run:?}");
    assert!(run.stderr.contains("WRONG: it is signed for another digest"), "{run:?}");
}

#[test]
fn all_architectures_are_checked_when_it_is_asked_for() {
    let harness = Harness::new();
    let command = &["image-signed-check", "--all-architectures", "--output", "json"];
    let report = harness.oar(KONFLUX, command).expect(0).json();
    let others = report["data"]["others"].as_array().unwrap();
    let names: Vec<&str> = others.iter().map(|image| image["architecture"].as_str().unwrap()).collect();
    let multi = ["multi for amd64", "multi for arm64", "multi for ppc64le", "multi for s390x"];
    assert_eq!(names, [&["aarch64", "ppc64le", "s390x", "multi"][..], &multi].concat());
    for image in others {
        assert_eq!(image["signatures"][0]["verified"]["key"], "sandbox", "{image:#}");
        assert_eq!(image["signatures"][1]["verified"]["key"], "sandbox-sigstore", "{image:#}");
    }
    harness.sandbox.assert_no_unexpected();

    // One image of the list is signed as something else: the release is not proved.
    let harness = Harness::new();
    let child = others[4]["digest"].as_str().unwrap().to_owned();
    let wrong = sign(&child, &reference(KONFLUX)).unwrap();
    harness.sandbox.world().mirror.lock().files.insert((child.clone(), 1), Some(wrong));
    let tag = format!("{}.sig", child.replace(':', "-"));
    harness
        .sandbox
        .world()
        .registry
        .lock()
        .repositories
        .get_mut(PAYLOADS)
        .unwrap()
        .tags
        .remove(&tag)
        .unwrap();
    let run = harness.oar(KONFLUX, &["image-signed-check", "--all-architectures"]).expect(1);
    assert!(
        run.stderr.contains("multi for amd64: signature-1: not usable: it is signed for another reference"),
        "{run:?}"
    );
    check(&Harness::new()).expect(0);
}

#[test]
fn a_release_that_only_the_key_of_previews_has_signed_is_warned_of() {
    let harness = with_keys(&serde_json::json!({"beta2": sandbox::services::mirror::PUBLIC_KEY}));
    let run = check(&harness).expect(0);
    assert!(run.all().contains("signed only by a key for previews (EC)"), "{run:?}");
}

#[test]
fn an_outage_is_no_verdict_and_the_task_keeps_its_status() {
    let page = "<html><head><title>Sign in</title></head></html>";
    let status = |code, body: Option<&str>, headers: &[(&str, &str)]| FaultKind::Status {
        code,
        body: body.map(str::to_owned),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    let away = [("location", "https://sso.example.test/login")];
    for (service, kind) in [
        ("release-controller", status(500, None, &[])),
        ("release-controller", status(404, None, &[])),
        ("release-controller", status(200, Some(page), &[])),
        ("release-controller", status(302, Some(""), &away)),
        ("registry", status(404, Some(page), &[])),
        ("registry", status(403, None, &[])),
        ("mirror", status(200, Some(page), &[])),
        ("mirror", status(403, Some(page), &[])),
    ] {
        let harness = Harness::new().env("OAR_HTTP_RETRY_DELAY", "1");
        without_sigstore(&harness);
        harness.oar(KONFLUX, &["create-test-report"]).expect(0);
        harness.sandbox.faults().add(Fault::on(service, kind.clone()).forever());
        let run = check(&harness).expect(4);
        assert!(run.stderr.contains("is signed is not known"), "{service} {kind:?}: {run:?}");
        let state = harness.statebox(KONFLUX).unwrap();
        assert!(!state.contains("status: Fail"), "{service} {kind:?}: {state}");
        harness.sandbox.faults().clear();
        check(&harness).expect(0);
    }
}

#[test]
fn nothing_at_the_mirror_yet_is_in_progress_and_passes_later() {
    let harness = Harness::new();
    without_sigstore(&harness);
    harness.sandbox.world().mirror.lock().empty = true;
    let run = harness.oar(KONFLUX, &["image-signed-check", "--output", "json"]).expect(0);
    assert_eq!(run.json()["status"], "In Progress", "{run:?}");
    assert!(run.all().contains("the mirror has no signature"), "{run:?}");
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("- name: image-signed-check\n  status: In Progress\n"), "{state}");
    harness.sandbox.world().mirror.lock().empty = false;
    check(&harness).expect(0);

    harness.sandbox.world().mirror.lock().empty = true;
    let run = check(&harness).expect(1);
    assert!(run.stderr.contains("the signature was good before"), "{run:?}");
}

#[test]
fn a_digest_that_is_not_there_yet_waits_and_two_that_differ_fail() {
    let harness = Harness::new();
    let set = |digest: &str| {
        let mut controller = harness.sandbox.world().release_controller.lock();
        digest.clone_into(&mut controller.payload_mut("4-stable", KONFLUX).unwrap().digest);
    };
    set("");
    let run = check(&harness).expect(0);
    assert!(run.all().contains("does not know the digest of 4.19.1 yet"), "{run:?}");
    set(&format!("sha256:{}", "0".repeat(64)));
    let run = check(&harness).expect(1);
    assert!(run.stderr.contains("the release controller says that 4.19.1 is sha256:000"), "{run:?}");
}

#[test]
fn a_fault_at_any_request_is_survived_or_reported_and_healed() {
    let plain = Harness::new();
    check(&plain).expect(0);
    let requests: std::collections::BTreeSet<_> = plain
        .sandbox
        .requests()
        .into_iter()
        .map(|request| (request.service, request.method, request.path))
        .filter(|(service, ..)| matches!(service.as_str(), "mirror" | "release-controller" | "registry"))
        .collect();
    assert!(requests.len() >= 4, "{requests:?}");
    let error = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    for (service, method, path) in requests {
        for kind in [error.clone(), FaultKind::DropBefore, FaultKind::Garbage, FaultKind::Truncate] {
            let harness = Harness::new().env("OAR_HTTP_RETRY_DELAY", "1");
            harness
                .sandbox
                .faults()
                .add(Fault::on(&service, kind.clone()).method(&method).path(&path).forever());
            let run = check(&harness);
            let context = format!("{service} {path} {kind:?}: {run:?}");
            // An answer that never came, or that is no answer, is no verdict.
            assert!([0, 4].contains(&run.code.unwrap_or(-1)), "{context}");
            let proved = run.code == Some(0) && run.stdout.contains("Pass");
            // A look for another signature decides nothing when one is good already; the digest decides.
            let decides =
                service == "release-controller" || path.ends_with("x86_64") || path.ends_with("/auth");
            assert!(!proved || !decides, "{context}");
            harness.sandbox.faults().clear();
            check(&harness).expect(0);
        }
    }
}

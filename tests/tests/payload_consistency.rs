//! `oarctl image-consistency-check`: the images of a payload and those of its shipment.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use end_to_end::{Fault, FaultKind, Harness, RecordedRequest, Run};
use sandbox::credentials::{REGISTRY_IDENTITY_TOKEN, REGISTRY_PASSWORD, REGISTRY_USER};
use sandbox::scenario::registry::{
    RELEASE_IMAGES, SHIPPED_IMAGES, build, consist_of, fill_release, release_image, release_to_public, ship,
};
use sandbox::services::gitlab::MergeRequestState;
use sandbox::services::registry::{Built, BuiltDigests, Spelling};
use serde_json::{Value, json};

const PAYLOAD: &str = "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64";
const COMMAND: [&str; 5] = ["image-consistency-check", "-p", PAYLOAD, "-m", "612"];

fn check(harness: &Harness) -> Run {
    harness.run("oarctl", COMMAND)
}

fn report(harness: &Harness, code: i32) -> Value {
    harness.run("oarctl", COMMAND.iter().chain(&["--output", "json"])).expect(code).json()
}

/// The finding on the image `name`.
fn image<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["images"].as_array().unwrap().iter().find(|image| image["name"] == name).unwrap()
}

/// Builds another image of the component and makes the release consist of it, too.
fn with_image(harness: &Harness, built: &Built) -> BuiltDigests {
    let world = harness.sandbox.world();
    let shipped = world.registry.lock().put_build(&build("ose-4-19-demo-operator"));
    let digests = {
        let mut registry = world.registry.lock();
        let digests = registry.put_build(built);
        registry.promote(SHIPPED_IMAGES, &digests.amd64, RELEASE_IMAGES);
        digests
    };
    let images = [
        ("demo-operator".to_owned(), release_image(&shipped.amd64)),
        ("demo-other".to_owned(), release_image(&digests.amd64)),
    ];
    consist_of(world, &images);
    digests
}

/// A build of the shipped component that is not shipped, from its commit or another one.
fn rebuilt(commit: Option<&str>) -> Built {
    let shipped = build("ose-4-19-demo-operator");
    Built {
        release: "202606300101.p0.g0123456.assembly.4.19.1.el9".to_owned(),
        commit: commit.map_or(shipped.commit, str::to_owned),
        ..shipped
    }
}

fn requests(harness: &Harness, service: &str) -> usize {
    harness.sandbox.requests().iter().filter(|request| request.service == service).count()
}

#[test]
fn a_number_that_no_merge_request_has_is_refused_with_an_example() {
    let harness = Harness::new();
    for number in ["-5", "0", "many"] {
        let run = harness.run("oarctl", ["image-consistency-check", "-p", PAYLOAD, "-m", number]).expect(2);
        assert!(run.stderr.contains("expected the number of a merge request, such as 612"), "{run:?}");
    }
    assert!(harness.sandbox.requests().is_empty());
}

#[test]
fn every_image_is_found_in_the_shipment_or_in_the_public_catalog() {
    let harness = Harness::new();
    let run = check(&harness).expect(0);
    assert_eq!(
        run.stdout,
        "4.19.1 and hybrid-platforms/art/ocp-shipment-data!612: consistent\n  \
         2 images: 1 in the shipment, 1 in the public catalog; 2 not checked\n"
    );
    let report = report(&harness, 0);
    assert_eq!((&report["consistent"], &report["version"]), (&json!(true), &json!("4.19.1")));
    assert_eq!(report["skipped"], json!(["rhel-coreos", "rhel-coreos-extensions"]));
    let operator = image(&report, "demo-operator");
    assert_eq!(
        (&operator["verdict"], &operator["found_in"], &operator["component"], &operator["by"]),
        (&json!("consistent"), &json!("shipment"), &json!("ose-4-19-demo-operator"), &json!("digest"))
    );
    assert_eq!(image(&report, "demo-tools")["found_in"], "catalog");
    assert_eq!(report["shipped"].as_array().unwrap().len(), 4);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_whole_release_costs_a_request_for_each_image_of_the_shipment() {
    let harness = Harness::new();
    fill_release(harness.sandbox.world(), 190);
    harness.sandbox.clear_requests();
    let report = report(&harness, 0);
    assert_eq!(report["counts"]["in_shipment"], 190);
    let names =
        report["images"].as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap().to_owned());
    let expected: Vec<String> = (0..190).map(|number| format!("demo-{number:03}")).collect();
    assert_eq!(names.collect::<Vec<_>>(), expected, "in the order of the payload");
    // The payload: challenge, token, manifest, layer, where the layer lies. The shipment: 190 images and three others in
    // two repositories, each with a challenge and a token.
    assert_eq!(requests(&harness, "registry"), 5 + 193 + 2 * 2, "{}", harness.request_lines());
    assert!(requests(&harness, "gitlab") <= 8, "{}", harness.request_lines());
    assert_eq!(requests(&harness, "catalog"), 0);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn an_image_that_stands_in_the_payload_twice_is_read_once() {
    let harness = Harness::new();
    let digests = with_image(&harness, &rebuilt(Some("ffffffffffffffffffffffffffffffffffffffff")));
    let image_of = |name: &str| (name.to_owned(), release_image(&digests.amd64));
    consist_of(harness.sandbox.world(), &["demo-one", "demo-other", "demo-third"].map(image_of));
    harness.sandbox.clear_requests();
    let report = report(&harness, 1);
    for name in ["demo-one", "demo-other", "demo-third"] {
        let found = image(&report, name);
        assert_eq!(
            (&found["verdict"], &found["facts"]["digest"]),
            (&json!("inconsistent"), &json!(digests.amd64))
        );
        assert_eq!(
            found["similar"][0]["component"], "ose-4-19-demo-operator",
            "its labels are known: {name}"
        );
    }
    // Beside the challenge, which is answered with a token.
    let read = |kind: &str| {
        let path = format!("/{RELEASE_IMAGES}/{kind}/");
        let is_read =
            |request: &&RecordedRequest| request.path.contains(&path) && request.status != Some(401);
        harness.sandbox.requests().iter().filter(is_read).count()
    };
    assert_eq!((read("manifests"), read("blobs")), (1, 1), "{}", harness.request_lines());
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_registry_that_is_busy_or_hangs_up_is_asked_again() {
    let harness = Harness::new();
    fill_release(harness.sandbox.world(), 40);
    harness.sandbox.world().registry.lock().spelling = Spelling::Odd;
    harness
        .sandbox
        .faults()
        .add(Fault::on("registry", FaultKind::RateLimited { retry_after: 1 }).skip(20).times(12));
    harness.sandbox.faults().add(Fault::on("registry", FaultKind::DropBefore).skip(30).times(3));
    let report = report(&harness, 0);
    assert_eq!(report["counts"]["in_shipment"], 40);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_list_in_the_payload_is_the_list_of_the_shipment() {
    let harness = Harness::new();
    let world = harness.sandbox.world();
    let shipped = world.registry.lock().put_build(&build("ose-4-19-demo-operator"));
    consist_of(world, &[("demo-operator".to_owned(), release_image(&shipped.list))]);
    let report = report(&harness, 0);
    assert_eq!(image(&report, "demo-operator")["by"], "list-digest");
    // Another list with the same image in it is found by that image.
    let other = {
        let mut registry = world.registry.lock();
        registry.promote(SHIPPED_IMAGES, &shipped.amd64, RELEASE_IMAGES);
        registry.put_index(RELEASE_IMAGES, &[("amd64", shipped.amd64.as_str())])
    };
    consist_of(world, &[("demo-operator".to_owned(), release_image(&other))]);
    assert_eq!(image(&self::report(&harness, 0), "demo-operator")["by"], "digest");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn the_same_commit_is_enough_and_is_told() {
    let harness = Harness::new();
    with_image(&harness, &rebuilt(None));
    let run = check(&harness).expect(0);
    assert_eq!(
        run.stdout,
        "4.19.1 and hybrid-platforms/art/ocp-shipment-data!612: consistent\n  \
         2 images: 2 in the shipment\n  \
         demo-other  same commit  built from the same commit as ose-4-19-demo-operator, with another digest\n"
    );
    assert_eq!(report(&harness, 0)["counts"]["by_vcs_ref"], 1);
}

#[test]
fn an_image_that_is_in_neither_is_shown_beside_what_is_shipped_instead() {
    let harness = Harness::new();
    let digests = with_image(&harness, &rebuilt(Some("ffffffffffffffffffffffffffffffffffffffff")));
    let run = check(&harness).expect(1);
    let told = run.stdout.replace(&digests.amd64, "<digest>");
    assert!(told.contains("inconsistent"), "{told}");
    assert!(told.contains(&format!("demo-other  not shipped  quay.io/{RELEASE_IMAGES}@<digest>")), "{told}");
    assert!(told.contains("vcs-ref ffffffffffffffffffffffffffffffffffffffff"), "{told}");
    assert!(
        told.contains("the shipment has ose-4-19-demo-operator quay.io/demo/art-images@sha256:"),
        "{told}"
    );
    let found = report(&harness, 1);
    assert_eq!(found["consistent"], false);
    let other = image(&found, "demo-other");
    assert_eq!(other["verdict"], "inconsistent");
    assert_eq!(other["similar"][0]["component"], "ose-4-19-demo-operator");
    assert_eq!(other["facts"]["digest"], json!(digests.amd64));
    // Released is good as well, and a removed record is no release.
    release_to_public(harness.sandbox.world(), &digests.amd64);
    assert_eq!(image(&report(&harness, 0), "demo-other")["found_in"], "catalog");
    harness.sandbox.world().public_catalog.lock().images.get_mut(&digests.amd64).unwrap().deleted = true;
    report(&harness, 1);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn what_cannot_be_read_is_unknown_and_never_a_verdict() {
    let harness = Harness::new();
    let digests = with_image(&harness, &rebuilt(Some("ffffffffffffffffffffffffffffffffffffffff")));
    let extras = harness.sandbox.world().registry.lock().put_build(&build("ose-4-19-demo-extras")).list;
    let broken = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    for (service, path) in [
        // A component: the image may be that one.
        ("registry", format!("*/manifests/{extras}")),
        // The image itself, first whole, then its labels.
        ("registry", format!("*/{RELEASE_IMAGES}/manifests/{}", digests.amd64)),
        ("registry", format!("*/{RELEASE_IMAGES}/blobs/*")),
        ("catalog", "*".to_owned()),
    ] {
        harness.sandbox.faults().clear();
        harness.sandbox.faults().add(Fault::on(service, broken.clone()).path(&path).forever());
        let run = check(&harness).expect(4);
        assert!(
            run.stdout.contains("unknown, because not everything could be read"),
            "{path}: {}",
            run.stdout
        );
        assert!(
            run.stderr.contains("error: ") && run.stderr.contains("could not be checked"),
            "{}",
            run.stderr
        );
        let report = report(&harness, 4);
        assert_eq!(report["consistent"], false);
        assert_eq!(image(&report, "demo-other")["verdict"], "unknown", "{path}");
        // What is found does not depend on what is not needed for it.
        assert_eq!(image(&report, "demo-operator")["verdict"], "consistent", "{path}");
    }
    harness.sandbox.faults().clear();
    report(&harness, 1);
}

#[test]
fn an_outage_of_what_no_verdict_needs_changes_nothing() {
    let harness = Harness::new();
    let extras = harness.sandbox.world().registry.lock().put_build(&build("ose-4-19-demo-extras")).list;
    let broken = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    harness
        .sandbox
        .faults()
        .add(Fault::on("registry", broken).path(&format!("*/manifests/{extras}")).forever());
    let report = report(&harness, 0);
    let problems = report["shipped"].as_array().unwrap().iter().filter(|image| image["problem"].is_string());
    assert_eq!(problems.count(), 1);
}

#[test]
fn a_shipment_that_is_not_whole_yet_is_unknown_for_what_it_lacks() {
    let harness = Harness::new();
    ship(harness.sandbox.world(), &[("ose-4-19-demo-operator".to_owned(), "nonsense".to_owned())]);
    let run = check(&harness).expect(4);
    assert!(run.all().contains("`nonsense` is not a pull spec"), "{}", run.all());
}

#[test]
fn a_merge_request_that_was_given_up_is_told() {
    let harness = Harness::new();
    let words = "the merge request was closed without a merge: ask ART";
    assert!(!check(&harness).expect(0).stderr.contains(words));
    for (state, is_told) in [(MergeRequestState::Closed, true), (MergeRequestState::Merged, false)] {
        let mut gitlab = harness.sandbox.world().gitlab.lock();
        gitlab.merge_requests.iter_mut().find(|request| request.iid == 612).unwrap().state = state;
        drop(gitlab);
        let run = check(&harness).expect(0);
        assert_eq!(run.stderr.contains(words), is_told, "{}", run.stderr);
        assert!(run.stdout.contains("consistent"), "{}", run.stdout);
    }
}

#[test]
fn a_payload_of_nothing_but_the_operating_system_is_unknown() {
    let harness = Harness::new();
    let world = harness.sandbox.world();
    let shipped = world.registry.lock().put_build(&build("ose-4-19-demo-operator"));
    consist_of(world, &[("rhel-coreos".to_owned(), release_image(&shipped.list))]);
    let run = check(&harness).expect(4);
    assert!(run.stdout.contains("unknown, because no image was checked"), "{}", run.stdout);
    assert!(run.stderr.contains("error: the payload has no image that is checked"), "{}", run.stderr);
}

#[test]
fn the_wrong_merge_request_or_payload_is_named() {
    let harness = Harness::new();
    let ask = |payload: &str, number: &str| {
        harness.run("oarctl", ["image-consistency-check", "--payload-url", payload, "--mr-id", number])
    };
    let other = ask(PAYLOAD, "613").expect(1);
    assert!(
        other.stderr.contains("the payload is 4.19.1 and the merge request ships 4.19.2"),
        "{}",
        other.stderr
    );
    assert!(ask(PAYLOAD, "99999").expect(4).stderr.contains("99999"));
    let absent = "quay.io/openshift-release-dev/ocp-release:4.19.77-x86_64";
    assert!(ask(absent, "612").expect(4).stderr.contains("4.19.77"));
    // Registries do not tell a repository that is not there from a private one.
    let misspelt = ask("quay.io/openshift-release-dev/ocp-relase:4.19.1-x86_64", "612").expect(3);
    assert!(misspelt.stderr.contains("for a repository that does not exist"), "{}", misspelt.stderr);
    for (payload, number) in
        [("nonsense", "612"), (PAYLOAD, "0"), (PAYLOAD, "-1"), (PAYLOAD, "x"), (PAYLOAD, "99999999999")]
    {
        ask(payload, number).expect(2);
    }
    let without = Harness::new().env("GITLAB_TOKEN", "");
    assert!(check(&without).expect(3).stderr.contains("GITLAB_TOKEN"));
}

#[test]
fn private_images_are_read_with_the_logins_of_podman_and_docker() {
    let private = || {
        let harness = Harness::new();
        harness.sandbox.world().registry.lock().private.insert(SHIPPED_IMAGES.to_owned());
        harness
    };
    let harness = private();
    let refused = check(&harness).expect(4);
    assert!(refused.stdout.contains("UNAUTHORIZED"), "{}", refused.stdout);
    assert!(refused.stdout.contains("Log in with `podman login quay.io`"), "{}", refused.stdout);
    let registry = harness.sandbox.base_url().replace("http://", "");
    let account = STANDARD.encode(format!("{REGISTRY_USER}:{REGISTRY_PASSWORD}"));
    let entry = |registry: &str, entry: Value| json!({"auths": {registry: entry}}).to_string();
    let put = |harness: &Harness, path: &str, text: &str| {
        let path = harness.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    // Where docker has them, for this repository alone.
    let repository = format!("{registry}/{SHIPPED_IMAGES}");
    put(&harness, ".docker/config.json", &entry(&repository, json!({"auth": account})));
    check(&harness).expect(0);
    // podman's own, with a wrong password, come first: a refused login is told, and no other one tried.
    let wrong = STANDARD.encode(format!("{REGISTRY_USER}:wrong-password"));
    put(&harness, ".config/containers/auth.json", &entry(&registry, json!({"auth": wrong})));
    let refused = check(&harness).expect(3);
    assert!(refused.stderr.contains("Invalid username or password"), "{}", refused.stderr);
    assert!(!refused.all().contains("wrong-password") && !refused.all().contains(&wrong));
    // A file that is named takes the place of all others; this one has an identity token.
    let named =
        put(&harness, "named.json", &entry(&registry, json!({"identitytoken": REGISTRY_IDENTITY_TOKEN})));
    let harness = harness.env("REGISTRY_AUTH_FILE", &named);
    check(&harness).expect(0);

    // A helper, in the directory of the session.
    let harness = private();
    let registry = harness.sandbox.base_url().replace("http://", "");
    let tools = harness.tools();
    std::fs::create_dir_all(&tools).unwrap();
    let helper = tools.join("docker-credential-demo");
    let answer = json!({"Username": REGISTRY_USER, "Secret": REGISTRY_PASSWORD});
    std::fs::write(
        &helper,
        format!("#!/bin/sh\nread -r name\n[ \"$1 $name\" = \"get {registry}\" ] && echo '{answer}'\n"),
    )
    .unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let helpers = json!({"credHelpers": {registry: "demo"}}).to_string();
    put(&harness, "runtime/containers/auth.json", &helpers);
    let runtime = harness.home().join("runtime").display().to_string();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let harness = harness.env("XDG_RUNTIME_DIR", &runtime).env("PATH", &path);
    check(&harness).expect(0);
    // All other readers of registries use the same logins.
    harness.sandbox.world().registry.lock().private.insert("openshift-release-dev/ocp-release".to_owned());
    harness.oar("4.19.1", &["create-test-report"]).expect(0);
    harness.oar("4.19.1", &["image-signed-check"]).expect(0);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_helper_without_an_answer_leaves_private_images_unknown() {
    let harness = Harness::new();
    harness.sandbox.world().registry.lock().private.insert(SHIPPED_IMAGES.to_owned());
    let registry = harness.sandbox.base_url().replace("http://", "");
    let tools = harness.tools();
    std::fs::create_dir_all(&tools).unwrap();
    let helper = tools.join("docker-credential-broken");
    std::fs::write(&helper, "#!/bin/sh\necho planted-secret\nexit 7\n").unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = harness.home().join("auth.json");
    std::fs::write(&file, json!({"credHelpers": {registry: "broken"}}).to_string()).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let harness = harness.env("REGISTRY_AUTH_FILE", &file.display().to_string()).env("PATH", &path);
    let run = check(&harness).expect(4);
    assert!(run.stdout.contains("unknown, because not everything could be read"), "{}", run.stdout);
    assert_eq!(run.stderr.matches("docker-credential-broken failed").count(), 1, "{}", run.stderr);
    assert!(!run.all().contains("planted-secret"), "{}", run.all());
}

#[test]
fn logins_that_cannot_be_read_are_warned_of_and_hide_nothing_public() {
    let harness = Harness::new();
    let file = harness.home().join("auth.json");
    std::fs::write(&file, "{\"auths\": {").unwrap();
    let harness = harness.env("REGISTRY_AUTH_FILE", &file.display().to_string());
    let run = check(&harness).expect(0);
    let warnings = run.stderr.matches("auth.json: it is not JSON").count();
    assert_eq!(warnings, 1, "{}", run.stderr);
}

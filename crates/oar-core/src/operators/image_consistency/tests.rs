use super::*;
use crate::clients::registry::PayloadImage;
use crate::operators::shipment::ShipmentFile;

const DIGEST: &str = "sha256:0f1d58d5b2c4a4b4f9a4b1bb3c5e2f9e6d7c8b9a0f1e2d3c4b5a69788796a5b4";

fn image(spec: &str) -> PayloadImage {
    PayloadImage { name: "demo".to_owned(), spec: spec.parse().map_err(|_| "no pull spec".to_owned()) }
}

fn shipped(components: &str) -> ShippedImages {
    let text = format!("shipment:\n  snapshot:\n    spec:\n      components:\n{components}");
    ShippedImages::of(&[ShipmentFile::new("a/4.19.1.image.yaml", text)])
}

fn report(images: Vec<ImageFinding>) -> ConsistencyReport {
    let text = str::to_owned;
    ConsistencyReport::new(text("p"), text("4.19.1"), text("g!1"), images, Vec::new(), Vec::new(), Vec::new())
}

#[test]
fn the_operating_system_is_not_checked() {
    for skipped in [
        "machine-os-content",
        "rhel-coreos",
        "rhel-coreos-8",
        "rhel-coreos-10",
        "rhel-coreos-extensions",
        "rhel-coreos-9-extensions",
    ] {
        assert!(is_of_the_system(skipped), "{skipped}");
    }
    for checked in [
        "rhel-coreos-abc",
        "machine-os",
        "stream-coreos",
        "machine-os-content-x",
        "xrhel-coreos",
        "rhel-coreos-",
        "rhel-coreos\n",
        "",
    ] {
        assert!(!is_of_the_system(checked), "{checked}");
    }
}

#[test]
fn the_title_of_the_merge_request_must_name_the_payloads_release() {
    for (title, version) in [
        ("Shipment for 4.19.1", "4.19.1"),
        ("Draft: shipment FOR 4.19.1 (ship date: 2026-Jul-07)", "4.19.1"),
        ("Shipment for 4.22.0-rc.0 (ship date: 2026-Jul-07)", "4.22.0-rc.0"),
    ] {
        require_same_release(title, version).unwrap();
    }
    for (title, version, words) in [
        ("Shipment for 4.19.10", "4.19.1", "ships 4.19.10"),
        ("Shipment for 4.19.1-rc.1", "4.19.1", "ships 4.19.1-rc.1"),
        ("Shipment for 4.19.1", "4.19.1-rc.1", "ships 4.19.1"),
        ("Shipment for 4.19", "4.19.1", "names no release"),
        ("Fix the pipeline", "4.19.1", "names no release"),
        ("", "4.19.1", "names no release"),
    ] {
        let refusal = require_same_release(title, version).unwrap_err();
        assert!(refusal.to_string().contains(words), "{title}: {refusal}");
    }
}

#[test]
fn components_that_are_the_same_image_are_read_once() {
    let one = format!("quay.io/demo/art-images@{DIGEST}");
    let other = format!("quay.io/demo/other@{DIGEST}");
    let found = shipped(&format!(
        "        - {{name: a, containerImage: '{one}'}}\n        - {{name: b, containerImage: '{other}'}}\n        \
         - {{name: a, containerImage: '{one}'}}\n        - {{name: c, containerImage: 'quay.io/demo/c:1'}}\n"
    ));
    assert_eq!(found.len(), 2);
    let images = found.into_images();
    assert_eq!(images[0].components, ["a", "b"]);
    assert_eq!(images[0].pull_spec, one);
}

#[test]
fn what_is_not_known_of_the_shipment_makes_unknown_what_is_not_found_in_it() {
    let spec = format!("quay.io/demo/x@{DIGEST}");
    let whole = shipped(&format!("        - {{name: a, containerImage: 'quay.io/demo/a@{DIGEST}'}}\n"));
    let verdict = |shipped: &ShippedImages| shipped.finding(Candidate::new(image(&spec))).verdict;
    assert_eq!(verdict(&whole), Verdict::Inconsistent { similar: Vec::new() });
    let without_image = shipped("        - name: a\n");
    assert_eq!(verdict(&without_image), Verdict::Inconsistent { similar: Vec::new() });
    assert!(without_image.notes()[0].contains("names no image"));
    let no_snapshot = ShippedImages::of(&[ShipmentFile::new("a.yaml", "shipment:\n")]);
    let broken = ShippedImages::of(&[ShipmentFile::new("a.yaml", "[")]);
    let no_spec = shipped("        - {name: a, containerImage: nonsense}\n");
    for (shipped, words) in
        [(no_snapshot, "no snapshot yet"), (broken, "not valid YAML"), (no_spec, "not a pull spec")]
    {
        let Verdict::Unknown { why } = verdict(&shipped) else { panic!("{words}") };
        assert!(why.contains(words), "{why}");
        // What is found is found, whatever else is not known.
        let mut candidate = Candidate::new(image(&spec));
        candidate.found = Some(FoundIn::Catalog);
        assert_eq!(shipped.finding(candidate).verdict, Verdict::Consistent(FoundIn::Catalog));
    }
    let unusable = whole.finding(Candidate::new(image("nonsense")));
    assert_eq!(unusable.verdict, Verdict::Unknown { why: "no pull spec".to_owned() });
}

#[test]
fn a_difference_decides_before_what_is_unknown_and_nothing_is_no_verdict() {
    let finding = |verdict: Verdict| ImageFinding {
        name: "demo".to_owned(),
        pull_spec: None,
        facts: ImageFacts::default(),
        verdict,
    };
    let good = || finding(Verdict::Consistent(FoundIn::Catalog));
    let unknown = || finding(Verdict::Unknown { why: "x".to_owned() });
    let bad = || finding(Verdict::Inconsistent { similar: Vec::new() });
    for (images, class) in [
        (vec![good(), good()], None),
        (vec![good(), unknown()], Some(ErrorClass::Unavailable)),
        (vec![unknown(), bad(), good()], Some(ErrorClass::Failed)),
        (vec![], Some(ErrorClass::Unavailable)),
    ] {
        let report = report(images);
        assert_eq!(report.class(), class);
        assert_eq!(report.consistent, class.is_none());
    }
}

#[test]
fn of_several_images_from_one_commit_that_of_the_same_name_is_named() {
    let labels = |name: &str, commit: &str| -> BTreeMap<String, String> {
        [("name", name), ("vcs-ref", commit)].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    };
    let mut found = shipped(
        "        - {name: a, containerImage: 'quay.io/demo/a:1'}\n        \
         - {name: b, containerImage: 'quay.io/demo/b:1'}\n",
    );
    found.set_labels(0, labels("one", "abc"));
    found.set_labels(1, labels("two", "abc"));
    let component = |name: &str, commit: &str| match found.with_commit(&labels(name, commit)) {
        Some(FoundIn::Shipment { component, by: MatchedBy::VcsRef }) => Some(component),
        _ => None,
    };
    assert_eq!(component("two", "abc").as_deref(), Some("b"));
    assert_eq!(component("three", "abc").as_deref(), Some("a"));
    assert_eq!(component("two", "abd"), None);
    // Labels that say nothing are never equal.
    found.set_labels(0, labels("one", " "));
    assert_eq!(found.with_commit(&labels("one", " ")), None);
    assert_eq!(found.with_commit(&BTreeMap::new()), None);
}

#[tokio::test]
async fn images_are_looked_at_in_parallel_and_never_too_many_at_once() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (under_way, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let look = async |number: usize| {
        let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        under_way.fetch_sub(1, Ordering::SeqCst);
        number
    };
    let found = at_once((0..100).map(look).collect()).await;
    assert_eq!(found, (0..100).collect::<Vec<_>>(), "in their order");
    assert_eq!(most.load(Ordering::SeqCst), 16);
}

//! The images of the two releases: advisory files, grades, signatures' mirror.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{ERRATA_ADVISORIES, KONFLUX_RELEASE};
use crate::{
    services::{
        advisory_content::File,
        catalog::{GradeWindow, Image},
    },
    world::World,
};

/// Where the stage advisory of the Konflux release's images is, below its host.
pub const ADVISORY_PATH: &str = "/demo/advisories/-/raw/main/2026/90001/advisory.yaml";
/// The stage advisories of its other shipments, with the numbers of their images.
const OTHER_ADVISORIES: [(&str, std::ops::Range<usize>); 2] = [
    ("/demo/advisories/-/raw/main/2026/90002/advisory.yaml", 10_000..10_004),
    ("/demo/advisories/-/raw/main/2026/90003/advisory.yaml", 10_004..10_008),
];
/// How many images these two have.
const OTHER_IMAGES: usize = 8;
/// Architectures of every component.
pub const ARCHITECTURES: [&str; 4] = ["amd64", "arm64", "ppc64le", "s390x"];
/// How many images the shipment of images has at the start, all of them healthy.
pub const IMAGES: usize = 24;
const LONG_AGO: &str = "2026-01-01T00:00:00+00:00";

/// Fills the services.
pub fn load(world: &World) {
    fill_release(world, IMAGES + OTHER_IMAGES);
    builds(world);
}

/// Gives all shipments of the release `count` healthy images together.
pub fn fill_release(world: &World, count: usize) {
    fill(world, count.saturating_sub(OTHER_IMAGES));
    for (path, numbers) in OTHER_ADVISORIES {
        put(world, path, numbers);
    }
}

/// Gives the shipment of images `count` healthy ones, four architectures of each component, and takes every other image
/// away.
pub fn fill(world: &World, count: usize) {
    world.catalog.lock().images.clear();
    put(world, ADVISORY_PATH, 0..count);
}

/// Puts healthy images with these numbers into the catalog and into a stage advisory.
fn put(world: &World, path: &str, numbers: std::ops::Range<usize>) {
    let mut yaml = String::from("spec:\n  content:\n    images:\n");
    let mut catalog = world.catalog.lock();
    for number in numbers {
        let (component, architecture) = (name(number), ARCHITECTURES[number % ARCHITECTURES.len()]);
        let digest = digest(number);
        let repository = format!("openshift4/{component}-rhel9");
        let _ = write!(
            yaml,
            "    - component: {component}\n      architecture: {architecture}\n      \
             containerImage: registry.example.test/{repository}@{digest}\n      \
             repository: registry.example.test/{repository}\n      tags: [v{KONFLUX_RELEASE}]\n"
        );
        catalog.images.insert(
            digest,
            Image {
                id: format!("{number:024x}"),
                architecture: architecture.to_owned(),
                repository,
                deleted: false,
                grades: Some(vec![
                    GradeWindow {
                        end: Some("2026-06-01T00:00:00+00:00".to_owned()),
                        ..GradeWindow::since("B", LONG_AGO)
                    },
                    GradeWindow::since("A", "2026-06-01T00:00:00+00:00"),
                ]),
                vulnerabilities: vec![json!({
                    "_id": format!("v{number}"),
                    "cve_id": format!("CVE-2026-{}", 10_000 + number % 7),
                    "severity": "Important",
                    "advisory_type": "RHSA",
                    "affected_packages": [{"name": "demo-libs", "version": "3.2.2-6.el9"}],
                    "packages": [{"rpm_nvra": ["demo-libs-3.2.2-7.el9.x86_64"], "srpm_nevra": "demo-1:3.2.2-7.el9.src"}],
                })],
            },
        );
    }
    world.advisory_content.lock().files.insert(path.to_owned(), File::Yaml(yaml));
}

/// The component of image `number`.
pub fn name(number: usize) -> String {
    format!("ose-4-19-demo-{:03}", number / ARCHITECTURES.len())
}

/// The digest of image `number`.
pub fn digest(number: usize) -> String {
    let hash = Sha256::digest(format!("image {number}"));
    let hex: Vec<String> = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{}", hex.concat())
}

/// The builds of the Errata release's advisories with containers, all of them healthy.
fn builds(world: &World) {
    let errata = world.errata.lock();
    let mut pyxis = world.pyxis.lock();
    for (impetus, id) in ERRATA_ADVISORIES {
        if matches!(impetus, "rpm" | "rhcos") {
            continue;
        }
        let Some(advisory) = u32::try_from(id).ok().and_then(|id| errata.advisories.get(&id)) else {
            continue;
        };
        for build in &advisory.builds {
            let grades = || Some(vec![GradeWindow::since("A", LONG_AGO)]);
            let images = ["amd64", "arm64"].map(|architecture| (architecture.to_owned(), grades()));
            pyxis.builds.insert(build.nvr.clone(), images.into());
        }
    }
}

//! The kernel gate: a kernel that must not ship is tagged in Koji (spec 02 §4).

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::preconditions::{ReadAdvisory, unread};
use super::{Approval, Problem};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::Nvr;

const KERNEL: &str = "kernel";
/// How the builds of operating system images begin: node images `rhcos-<arch>` and base images, one per architecture.
const IMAGE_PREFIX: &str = "rhcos-";
/// The kinds of advisories that may carry one.
const KINDS: [&str; 2] = [super::IMAGE, super::RHCOS];

/// Whether advisories of the kind `impetus` may carry operating system images.
pub(super) fn may_carry_images(impetus: &str) -> bool {
    KINDS.contains(&impetus)
}

/// Packages of operating system images, and the tag that their builds must not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRule {
    /// The names of the packages, such as `kernel` and `kernel-rt`.
    pub packages: Vec<String>,
    /// The tag.
    pub tag: String,
}

/// What the gate found: problems, and what the reader should know.
#[derive(Debug, Default)]
pub(super) struct KernelFindings {
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
}

/// A build of a package, and the images that it is in.
type Builds = BTreeMap<Nvr, BTreeSet<Nvr>>;

impl Approval<'_> {
    /// Looks at the packages of `rules` in every operating system image, of whatever architecture, of the advisories
    /// that may carry one. What cannot be found out is a problem, never "no stop".
    pub(super) async fn kernels(
        &self,
        advisories: &[&ReadAdvisory],
        rules: &Result<Vec<StopRule>, Problem>,
    ) -> KernelFindings {
        let mut findings = KernelFindings::default();
        let rules = match rules {
            Ok(rules) => rules,
            Err(problem) => {
                findings.problems.push(problem.clone());
                return findings;
            }
        };
        let images = images(advisories, &mut findings);
        if images.is_empty() && findings.problems.is_empty() {
            let note = "no advisory carries an operating system image, so no kernel is checked";
            findings.notes.push(note.to_owned());
        }
        let read = join_all(images.iter().map(|image| self.packages_of(image, rules))).await;
        let mut builds: Vec<Builds> = rules.iter().map(|_| Builds::new()).collect();
        for (image, packages) in images.iter().zip(read) {
            match packages {
                Ok(found) => {
                    for (builds, found) in builds.iter_mut().zip(found) {
                        for build in found {
                            builds.entry(build).or_default().insert(image.clone());
                        }
                    }
                }
                Err(problem) => findings.problems.push(problem),
            }
        }
        let looks = rules.iter().zip(&builds).map(|(rule, builds)| async move {
            join_all(builds.keys().map(|build| self.may_ship(build, rule))).await
        });
        for ((rule, builds), looked) in rules.iter().zip(&builds).zip(join_all(looks).await) {
            for ((build, images), looked) in builds.iter().zip(looked) {
                let images = images.iter().map(Nvr::to_string).collect::<Vec<_>>().join(", ");
                match looked {
                    Ok(true) => findings.notes.push(format!("{build} of {images} may ship")),
                    Ok(false) => findings.problems.push(
                        Problem::blocked(format!(
                            "{} of {images} has the tag {}: it must not ship",
                            build, rule.tag
                        ))
                        .then("ask ART for an image with another one"),
                    ),
                    Err(error) => findings
                        .problems
                        .push(unread(format!("whether {build} of {images} may ship"), &error)),
                }
            }
        }
        findings
    }

    /// The builds of the packages of each rule in one image, each once. One without any of them is a problem.
    async fn packages_of(&self, image: &Nvr, rules: &[StopRule]) -> Result<Vec<Vec<Nvr>>, Problem> {
        let names: Vec<&str> = rules.iter().flat_map(|rule| &rule.packages).map(String::as_str).collect();
        let found = self.brewroot.components(image, &names).await;
        let found = found.map_err(|error| unread(format!("the kernel of {image} is unknown"), &error))?;
        rules
            .iter()
            .map(|rule| {
                let ours: Vec<Nvr> =
                    found.iter().filter(|build| rule.packages.contains(&build.name)).cloned().collect();
                if ours.is_empty() {
                    return Err(Problem::blocked(format!(
                        "the kernel of {image} is unknown: its metadata names no package `{}`",
                        rule.packages.join("`, `")
                    ))
                    .then("ask ART what the image is made of"));
                }
                Ok(ours)
            })
            .collect()
    }

    /// Whether the build of a package does not have the rule's tag.
    async fn may_ship(&self, package: &Nvr, rule: &StopRule) -> Result<bool, ServiceError> {
        let tags = match self.koji.list_tags(package).await {
            // Since RHEL 9.3 the real-time kernel comes out of the kernel's build, which carries the tag then.
            Err(error) if error.kind == ServiceErrorKind::NotFound && package.name != KERNEL => {
                let build = Nvr { name: KERNEL.to_owned(), ..package.clone() };
                self.koji.list_tags(&build).await?
            }
            tags => tags?,
        };
        Ok(!tags.contains(&rule.tag))
    }
}

/// Whether a build is an operating system image: ART judges by the beginning of the whole name, version and release.
fn is_image(build: &Nvr) -> bool {
    build.to_string().starts_with(IMAGE_PREFIX)
}

/// The operating system images of the advisories.
fn images(advisories: &[&ReadAdvisory], findings: &mut KernelFindings) -> BTreeSet<Nvr> {
    let mut images = BTreeSet::new();
    for ReadAdvisory { impetus, id, builds, .. } in advisories {
        match builds {
            None => {}
            Some(Ok(builds)) => {
                let builds = builds.iter().map(|build| &build.nvr);
                let found: Vec<&Nvr> = builds.filter(|build| is_image(build)).collect();
                if found.is_empty() && impetus == super::RHCOS {
                    findings.problems.push(
                        Problem::blocked(format!("advisory {id} ({impetus}) has no operating system image"))
                            .then("ask ART to attach its builds"),
                    );
                }
                images.extend(found.into_iter().cloned());
            }
            Some(Err(problem)) => findings.problems.push(problem.clone()),
        }
    }
    images
}

//! Whether a release's images are healthy by the container catalog, in both flows (spec 03 §4, spec 02 §2.12).
//!
//! Every image has one of three verdicts: healthy, unhealthy, unknown. An image that could not be looked up is unknown,
//! never one of the other two, and a release with something unknown or with no image at all does not pass.

mod advisories;
mod cache;
mod grade;
mod policy;
mod publish;
mod report;
mod vulnerabilities;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::future::join_all;

pub use advisories::{AdvisoryGrades, AdvisoryToCheck, ContainerGrade};
pub use cache::GradeCache;
pub use grade::{Grade, GradeDrop, InvalidGrade, coming_drop, effective};
pub use policy::{Accepts, HealthPolicy, Waiver};
pub use publish::NoteTarget;
pub use report::{
    ComingDrop, Conclusion, Counts, HealthFacts, HealthReport, ImageResult, ImageToCheck, Unknown, Verdict,
};

use crate::clients::advisory_content::AdvisoryContentClient;
use crate::clients::catalog::{CatalogClient, CatalogImage};
use crate::clients::pyxis::PyxisClient;
use crate::clock::Clock;
use crate::error::ServiceError;
use crate::ids::Digest;

/// The most images whose vulnerabilities are read: one of each unhealthy component, the worst first.
const VULNERABLE_LIMIT: usize = 300;

/// Checks the health of images with these clients.
#[derive(Debug, Clone)]
pub struct ImageHealth {
    /// The staging catalog, for Konflux releases.
    pub catalog: CatalogClient,
    /// Advisory files, for Konflux releases.
    pub advisory_content: AdvisoryContentClient,
    /// Pyxis by build, for Errata releases.
    pub pyxis: PyxisClient,
    /// What is accepted although it is not healthy.
    pub policy: HealthPolicy,
    /// Grades that were read a short time ago; `None` asks always.
    pub cache: Option<GradeCache>,
    /// The time.
    pub clock: Clock,
}

/// One file of a shipment: its path, and the address of its stage advisory, when it names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentAdvisory {
    /// The file's path in the shipment repository, for messages.
    pub file: String,
    /// `shipment.environments.stage.advisory.internal_url`.
    pub address: Option<String>,
}

impl ImageHealth {
    /// Checks the images of all stage advisories of a shipment. Files of the operator index (`.fbc.` in the path)
    /// have no advisory and are left out by the caller or here.
    ///
    /// A file without an address, or whose advisory cannot be read, is a gap: the rest is checked, and the conclusion
    /// is not better than incomplete.
    pub async fn check_shipment(&self, files: &[ShipmentAdvisory]) -> HealthReport {
        let files: Vec<&ShipmentAdvisory> =
            files.iter().filter(|file| !file.file.to_ascii_lowercase().contains(".fbc.")).collect();
        let read = join_all(files.iter().map(|file| async move {
            match &file.address {
                None => Err(format!("{} names no stage advisory", file.file)),
                Some(address) => self
                    .advisory_content
                    .images(address)
                    .await
                    .map_err(|error| format!("the stage advisory of {}: {error}", file.file)),
            }
        }))
        .await;
        let (mut images, mut gaps) = (Vec::new(), Vec::new());
        for (file, answer) in files.iter().zip(read) {
            match answer {
                Ok(found) => images.extend(found.into_iter().filter_map(|image| {
                    let Some(pull_spec) = image.pull_spec else {
                        gaps.push(format!("{} in {} names no image", image.component, file.file));
                        return None;
                    };
                    Some(ImageToCheck {
                        component: image.component,
                        architecture: image.architecture,
                        pull_spec,
                    })
                })),
                Err(gap) => gaps.push(gap),
            }
        }
        let mut report = self.check(&images).await;
        report.gaps.splice(0..0, gaps);
        report
    }

    /// Checks images by their digests at the catalog, all at the same time within the client's limit, and reads the
    /// vulnerabilities of the unhealthy ones.
    pub async fn check(&self, images: &[ImageToCheck]) -> HealthReport {
        let images: BTreeSet<&ImageToCheck> = images.iter().collect();
        let digests: BTreeSet<Digest> =
            images.iter().filter_map(|image| Digest::of_pull_spec(&image.pull_spec)).collect();
        let answers = self.look_up(digests).await;
        let now = self.clock.now();
        let results: Vec<ImageResult> = images
            .into_iter()
            .map(|image| {
                let verdict = match Digest::of_pull_spec(&image.pull_spec) {
                    None => Err(Unknown::NotChecked(
                        "its pull spec holds no digest (`…@sha256:…`), so it cannot be looked up".to_owned(),
                    )),
                    Some(digest) => match answers.get(&digest) {
                        Some(Ok(found)) if found.records == 0 && found.removed > 0 => {
                            Err(Unknown::Ungraded("the catalog has only a removed record of it".to_owned()))
                        }
                        Some(Ok(found)) if found.records == 0 => {
                            Err(Unknown::Ungraded("the catalog does not know it".to_owned()))
                        }
                        Some(Ok(found)) => effective(&found.grades, now).map_err(Unknown::Ungraded),
                        Some(Err(error)) => Err(Unknown::NotChecked(error.to_string())),
                        None => Err(Unknown::NotChecked("it was not asked for".to_owned())),
                    },
                };
                self.result(image.clone(), verdict)
            })
            .collect();
        let mut report = self.report(results);
        report.drops = self.drops(&report.images, &answers);
        self.add_vulnerabilities(&mut report, &answers).await;
        report
    }

    /// The healthy images whose grade drops soon, the first one first.
    fn drops(
        &self,
        images: &[ImageResult],
        answers: &HashMap<Digest, Result<CatalogImage, Arc<ServiceError>>>,
    ) -> Vec<ComingDrop> {
        let now = self.clock.now();
        let drop = |result: &ImageResult| {
            let known = answers.get(&Digest::of_pull_spec(&result.image.pull_spec)?)?.as_ref().ok()?;
            let drop = coming_drop(&known.grades, now, self.policy.warn_days)?;
            Some(ComingDrop { image: result.image.clone(), drop })
        };
        let mut drops: Vec<ComingDrop> = images.iter().filter_map(drop).collect();
        drops.sort_by(|one, other| (one.drop.at, &one.image).cmp(&(other.drop.at, &other.image)));
        drops
    }

    async fn look_up(
        &self,
        mut digests: BTreeSet<Digest>,
    ) -> HashMap<Digest, Result<CatalogImage, Arc<ServiceError>>> {
        let mut answers = HashMap::with_capacity(digests.len());
        if let Some(cache) = &self.cache {
            let known = cache.read(&digests, self.clock.now());
            digests.retain(|digest| !known.contains_key(digest));
            answers.extend(known.into_iter().map(|(digest, image)| (digest, Ok(image))));
        }
        let fresh = self.catalog.images(&digests).await;
        if let Some(cache) = &self.cache {
            let now = self.clock.now();
            let healthy = fresh.iter().filter_map(|(digest, image)| {
                let image = image.as_ref().ok()?;
                effective(&image.grades, now).ok().filter(|grade| grade.is_healthy()).map(|_| (digest, image))
            });
            cache.write(healthy, now);
        }
        answers.extend(fresh);
        answers
    }

    fn result(&self, image: ImageToCheck, verdict: Result<Grade, Unknown>) -> ImageResult {
        let now = self.clock.now();
        let waiver = |found| self.policy.waiver(&image.component, found, now).cloned();
        let verdict = match verdict {
            Ok(grade) if grade.is_healthy() => Verdict::Healthy { grade },
            Ok(grade) => Verdict::Unhealthy { grade, waiver: waiver(Some(grade)) },
            Err(unknown @ Unknown::Ungraded(_)) => Verdict::Unknown { unknown, waiver: waiver(None) },
            Err(unknown) => Verdict::Unknown { unknown, waiver: None },
        };
        ImageResult { image, verdict }
    }

    fn report(&self, images: Vec<ImageResult>) -> HealthReport {
        let ended = self.policy.ended(self.clock.now());
        HealthReport {
            images,
            notes: ended
                .map(|waiver| format!("the waiver of {} ended on {}", waiver.component, waiver.until))
                .collect(),
            unhealthy_allowed: self.policy.unhealthy_allowed,
            warn_days: self.policy.warn_days,
            ..HealthReport::default()
        }
    }

    /// The architectures of a component are made from the same packages, so one of them is read: the worst grade,
    /// amd64 where it is among the worst.
    async fn add_vulnerabilities(
        &self,
        report: &mut HealthReport,
        answers: &HashMap<Digest, Result<CatalogImage, Arc<ServiceError>>>,
    ) {
        let mut chosen: BTreeMap<&str, (std::cmp::Reverse<Grade>, bool, &ImageResult)> = BTreeMap::new();
        for result in &report.images {
            let Verdict::Unhealthy { grade, .. } = &result.verdict else { continue };
            let rank = (std::cmp::Reverse(*grade), result.image.architecture != "amd64", result);
            let best = chosen.entry(result.image.component.as_str()).or_insert(rank);
            if (rank.0, rank.1) < (best.0, best.1) {
                *best = rank;
            }
        }
        let mut chosen: Vec<_> = chosen.into_values().collect();
        chosen.sort_by_key(|(grade, _, result)| (*grade, result.image.component.clone()));
        let total = chosen.len();
        chosen.truncate(VULNERABLE_LIMIT);
        let mut gaps = Vec::new();
        if total > VULNERABLE_LIMIT {
            gaps.push(format!(
                "vulnerabilities were read for {VULNERABLE_LIMIT} of {total} unhealthy components"
            ));
        }
        let images: Vec<(&str, &CatalogImage)> = chosen
            .iter()
            .filter_map(|(_, _, result)| {
                let digest = Digest::of_pull_spec(&result.image.pull_spec)?;
                Some((result.image.component.as_str(), answers.get(&digest)?.as_ref().ok()?))
            })
            .collect();
        let only: Vec<&CatalogImage> = images.iter().map(|(_, image)| *image).collect();
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for ((component, _), answer) in images.iter().zip(self.catalog.vulnerabilities_of(&only).await) {
            match answer {
                Ok(vulnerabilities) => found.extend(vulnerabilities),
                Err(error) => failed.push(format!("vulnerabilities of {component}: {error}")),
            }
        }
        if failed.len() > 3 {
            let more = failed.len() - 3;
            failed.truncate(3);
            failed.push(format!("vulnerabilities of {more} more components could not be read"));
        }
        gaps.append(&mut failed);
        report.vulnerabilities = vulnerabilities::rows(found);
        report.vulnerability_gaps = gaps;
    }
}

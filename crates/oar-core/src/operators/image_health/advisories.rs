//! The Errata flow: grades of advisories, and of the builds of those that are not healthy (spec 02 §2.12).

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::future::join_all;

use super::report::{HealthReport, ImageResult, ImageToCheck, Unknown};
use super::{Grade, ImageHealth, effective};
use crate::clients::errata::{AdvisoryId, ErrataClient};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::Nvr;

/// What an advisory's container page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerGrade {
    /// The grade of all its containers together.
    Graded(Grade),
    /// It holds containers, and the page shows no grade that can be read.
    Ungraded,
    /// It holds no containers.
    NoContainers,
}

/// Errata Tool's data about the containers of advisories.
#[async_trait]
pub trait AdvisoryGrades: Send + Sync {
    /// The grade on the advisory's container page (E-16).
    async fn container_grade(&self, advisory: AdvisoryId) -> Result<ContainerGrade, ServiceError>;
    /// The advisory's builds (E-15).
    async fn builds_of(&self, advisory: AdvisoryId) -> Result<Vec<Nvr>, ServiceError>;
}

#[async_trait]
impl AdvisoryGrades for ErrataClient {
    async fn container_grade(&self, advisory: AdvisoryId) -> Result<ContainerGrade, ServiceError> {
        Ok(match ErrataClient::container_grade(self, advisory).await? {
            None => ContainerGrade::NoContainers,
            Some(letter) => Grade::of_letter(letter).map_or(ContainerGrade::Ungraded, ContainerGrade::Graded),
        })
    }

    async fn builds_of(&self, advisory: AdvisoryId) -> Result<Vec<Nvr>, ServiceError> {
        // A build may be listed once for each product version.
        let builds: BTreeSet<Nvr> = self.builds(advisory).await?.into_iter().map(|build| build.nvr).collect();
        Ok(builds.into_iter().collect())
    }
}

/// An advisory whose containers are to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryToCheck {
    /// Its kind: `image`, `extras`, `rpm`.
    pub impetus: String,
    /// Its number.
    pub id: AdvisoryId,
}

impl AdvisoryToCheck {
    fn subject(&self) -> String {
        format!("advisory {} ({})", self.id, self.impetus)
    }
}

/// What one advisory adds to the report.
enum Finding {
    Images(Vec<(ImageToCheck, Result<Grade, Unknown>)>),
    NoContainers,
}

impl ImageHealth {
    /// Checks the advisories of an Errata release. Advisories of packages hold no containers and are left out; one
    /// without containers is not applicable, and never an error (spec 02 §10 E21).
    ///
    /// A healthy advisory is one healthy entry. Of any other, each build and architecture is an entry of its own. An
    /// advisory that cannot be read is unknown and hides none of the others.
    pub async fn check_advisories(
        &self,
        advisories: &[AdvisoryToCheck],
        errata: &dyn AdvisoryGrades,
    ) -> HealthReport {
        let with_containers: Vec<&AdvisoryToCheck> = advisories
            .iter()
            .filter(|advisory| !matches!(advisory.impetus.as_str(), "rpm" | "microshift"))
            .collect();
        let looks = with_containers.iter().map(|advisory| self.advisory(advisory, errata));
        let findings: Vec<Finding> = join_all(looks).await;
        let (mut results, mut notes) = (Vec::<ImageResult>::new(), Vec::new());
        let mut belongs = Vec::new();
        for (advisory, finding) in with_containers.iter().zip(findings) {
            match finding {
                Finding::NoContainers => notes.push(format!("{} holds no containers", advisory.subject())),
                Finding::Images(images) => {
                    belongs.push((advisory.id, images.iter().map(|(image, _)| image.clone()).collect()));
                    results.extend(images.into_iter().map(|(image, verdict)| self.result(image, verdict)));
                }
            }
        }
        results.sort_by(|a, b| a.image.cmp(&b.image));
        let mut report = self.report(results);
        // Not one advisory at all is not the same as none with containers.
        report.not_applicable = !advisories.is_empty();
        report.notes.splice(0..0, notes);
        report.advisories = belongs;
        report
    }

    async fn advisory(&self, advisory: &AdvisoryToCheck, errata: &dyn AdvisoryGrades) -> Finding {
        let whole = |verdict| {
            let image = ImageToCheck {
                component: advisory.subject(),
                architecture: String::new(),
                pull_spec: String::new(),
            };
            Finding::Images(vec![(image, verdict)])
        };
        let grade = match errata.container_grade(advisory.id).await {
            Err(error) => return whole(Err(Unknown::NotChecked(error.to_string()))),
            Ok(ContainerGrade::NoContainers) => return Finding::NoContainers,
            Ok(ContainerGrade::Graded(grade)) if grade.is_healthy() => return whole(Ok(grade)),
            Ok(ContainerGrade::Graded(grade)) => Some(grade),
            Ok(ContainerGrade::Ungraded) => None,
        };
        let builds = match errata.builds_of(advisory.id).await {
            Err(error) => return whole(Err(Unknown::NotChecked(error.to_string()))),
            Ok(builds) => builds,
        };
        let entries = join_all(builds.iter().map(|nvr| self.build(nvr))).await;
        let entries: Vec<_> = entries.into_iter().flatten().collect();
        // The builds explain the advisory's grade; when they do not, the advisory's own grade stands.
        let explained =
            entries.iter().any(|(_, verdict)| !matches!(verdict, Ok(grade) if grade.is_healthy()));
        if explained {
            return Finding::Images(entries);
        }
        match grade {
            Some(grade) => whole(Ok(grade)),
            None => whole(Err(Unknown::Ungraded("its container page shows no grade".to_owned()))),
        }
    }

    async fn build(&self, nvr: &Nvr) -> Vec<(ImageToCheck, Result<Grade, Unknown>)> {
        let entry = |architecture: &str, verdict| {
            let image = ImageToCheck {
                component: nvr.name.clone(),
                architecture: architecture.to_owned(),
                pull_spec: nvr.to_string(),
            };
            (image, verdict)
        };
        let now = self.clock.now();
        match self.pyxis.grades_of_build(nvr).await {
            Err(error) if error.kind == ServiceErrorKind::NotFound => {
                vec![entry("", Err(Unknown::Ungraded(format!("Pyxis does not know the build {nvr}"))))]
            }
            Err(error) => vec![entry("", Err(Unknown::NotChecked(error.to_string())))],
            Ok(found) if found.is_empty() => {
                vec![entry("", Err(Unknown::Ungraded(format!("Pyxis has no image of the build {nvr}"))))]
            }
            Ok(found) => found
                .iter()
                .map(|one| entry(&one.architecture, effective(&one.grades, now).map_err(Unknown::Ungraded)))
                .collect(),
        }
    }
}

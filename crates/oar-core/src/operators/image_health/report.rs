//! What was found out about a release's images.

use std::fmt;
use std::fmt::Write as _;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use super::grade::{Grade, GradeDrop};
use super::policy::Waiver;
use crate::clients::errata::AdvisoryId;
use crate::error::ErrorClass;
use crate::notify::{ImageHealthNote, ImageRow, VulnerabilityRow};

/// One image to be checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct ImageToCheck {
    /// The component; in Errata releases the build.
    pub component: String,
    /// The architecture in Go's spelling; empty when all are meant.
    pub architecture: String,
    /// The image with its digest; empty in Errata releases, which know builds.
    pub pull_spec: String,
}

/// Why the grade of an image is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", content = "why", rename_all = "snake_case")]
pub enum Unknown {
    /// The catalog answered and has no usable grade: an image gets one some minutes or hours after it was registered
    /// (spec 03 §4.3).
    Ungraded(String),
    /// The catalog could not be asked. Running again may help.
    NotChecked(String),
}

impl Unknown {
    /// The reason in words.
    pub fn why(&self) -> &str {
        match self {
            Self::Ungraded(why) | Self::NotChecked(why) => why,
        }
    }
}

/// What is known of one image: one of three, never two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "health", rename_all = "snake_case")]
pub enum Verdict {
    /// Grade A or B.
    Healthy {
        /// The grade.
        grade: Grade,
    },
    /// Grade C or worse.
    Unhealthy {
        /// The grade.
        grade: Grade,
        /// The decision that it may ship nevertheless.
        #[serde(skip_serializing_if = "Option::is_none")]
        waiver: Option<Waiver>,
    },
    /// Not known.
    Unknown {
        /// Why.
        #[serde(flatten)]
        unknown: Unknown,
        /// The decision that it may ship nevertheless.
        #[serde(skip_serializing_if = "Option::is_none")]
        waiver: Option<Waiver>,
    },
}

/// An image and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageResult {
    /// The image.
    #[serde(flatten)]
    pub image: ImageToCheck,
    /// What is known of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// A healthy image whose grade will drop by its schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ComingDrop {
    /// The image.
    #[serde(flatten)]
    pub image: ImageToCheck,
    /// What will happen.
    #[serde(flatten)]
    pub drop: GradeDrop,
}

impl fmt::Display for ComingDrop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, drop } = self;
        let day = drop.at.to_zoned(TimeZone::UTC).date();
        write!(formatter, "{} ({}) ", image.component, image.architecture)?;
        match drop.grade {
            Some(grade) => write!(formatter, "drops to {grade} on {day}"),
            None => write!(formatter, "has no grade from {day} on"),
        }
    }
}

/// What the findings mean for the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Every image was checked, and no more are unhealthy than is allowed.
    Healthy,
    /// More images are unhealthy than is allowed.
    Unhealthy,
    /// Not everything could be checked, or nothing was there to check. Never a Pass.
    Incomplete,
    /// There is nothing with images in this release (an Errata release whose advisories hold no containers).
    NotApplicable,
}

/// How many images ended where. `healthy + unhealthy + unknown` is `scanned`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// All images.
    pub scanned: usize,
    /// Grade A or B.
    pub healthy: usize,
    /// Grade C or worse, waived or not.
    pub unhealthy: usize,
    /// Not known, waived or not.
    pub unknown: usize,
    /// Those among the unhealthy and the unknown that a waiver accepts.
    pub waived: usize,
}

/// How many images [`HealthFacts`] lists at most.
const FACTS: usize = 1000;

/// The health of a release's images, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthFacts {
    /// What the findings mean for the release.
    pub conclusion: Conclusion,
    /// How many images ended where.
    pub counts: Counts,
    /// How many unhealthy images are allowed.
    pub unhealthy_allowed: usize,
    /// The images that are not healthy.
    pub not_healthy: Vec<ImageResult>,
    /// Why images could not be checked.
    pub gaps: Vec<String>,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// The number of days before a drop of a grade in which it is reported.
    pub warn_days: u16,
    /// Healthy images whose grade drops within that time.
    pub drops: Vec<ComingDrop>,
}

/// What was found out about a release's images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// Every image, in the order of component, architecture, pull spec.
    pub images: Vec<ImageResult>,
    /// What kept images from being looked at at all: an advisory file that could not be read.
    pub gaps: Vec<String>,
    /// What the reader should know: advisories without containers, ended waivers.
    pub notes: Vec<String>,
    /// Healthy images whose grade drops soon, the first one first; they change no verdict. Always empty for an Errata
    /// release, whose advisories show the grade of today alone.
    pub drops: Vec<ComingDrop>,
    /// What soon is, in days.
    pub warn_days: u16,
    /// The vulnerabilities of unhealthy images, the worst first.
    pub vulnerabilities: Vec<VulnerabilityRow>,
    /// What keeps the table of vulnerabilities from being whole.
    pub vulnerability_gaps: Vec<String>,
    /// How many unhealthy images are allowed.
    pub unhealthy_allowed: usize,
    /// Whether there is nothing with images at all.
    pub not_applicable: bool,
    /// Which of the images belong to which advisory of an Errata release.
    #[serde(skip)]
    pub advisories: Vec<(AdvisoryId, Vec<ImageToCheck>)>,
}

impl HealthReport {
    /// How many images ended where.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { scanned: self.images.len(), ..Counts::default() };
        for result in &self.images {
            match &result.verdict {
                Verdict::Healthy { .. } => counts.healthy += 1,
                Verdict::Unhealthy { waiver, .. } => {
                    counts.unhealthy += 1;
                    counts.waived += usize::from(waiver.is_some());
                }
                Verdict::Unknown { waiver, .. } => {
                    counts.unknown += 1;
                    counts.waived += usize::from(waiver.is_some());
                }
            }
        }
        counts
    }

    /// What the findings mean for the release.
    pub fn conclusion(&self) -> Conclusion {
        let unhealthy = self
            .images
            .iter()
            .filter(|result| matches!(result.verdict, Verdict::Unhealthy { waiver: None, .. }))
            .count();
        if unhealthy > self.unhealthy_allowed {
            return Conclusion::Unhealthy;
        }
        if self.not_applicable && self.images.is_empty() && self.gaps.is_empty() {
            return Conclusion::NotApplicable;
        }
        if self.images.is_empty() || !self.gaps.is_empty() || self.open_unknown().next().is_some() {
            return Conclusion::Incomplete;
        }
        Conclusion::Healthy
    }

    fn open_unknown(&self) -> impl Iterator<Item = &Unknown> {
        self.images.iter().filter_map(|result| match &result.verdict {
            Verdict::Unknown { unknown, waiver: None } => Some(unknown),
            _ => None,
        })
    }

    /// The images that are unhealthy and not waived, the worst first.
    pub fn unhealthy(&self) -> Vec<(&ImageToCheck, Grade)> {
        let mut unhealthy: Vec<(&ImageToCheck, Grade)> = self
            .images
            .iter()
            .filter_map(|result| match &result.verdict {
                Verdict::Unhealthy { grade, waiver: None } => Some((&result.image, *grade)),
                _ => None,
            })
            .collect();
        unhealthy.sort_by_key(|(_, grade)| std::cmp::Reverse(*grade));
        unhealthy
    }

    /// The class of a conclusion that is no Pass: Failed (exit 1) when images are unhealthy, Unavailable (exit 4) when
    /// something is not known; `None` for a Pass. What is not known is no finding.
    pub fn class(&self) -> Option<ErrorClass> {
        match self.conclusion() {
            Conclusion::Healthy | Conclusion::NotApplicable => None,
            Conclusion::Unhealthy => Some(ErrorClass::Failed),
            Conclusion::Incomplete => Some(ErrorClass::Unavailable),
        }
    }

    /// The findings in one sentence, with the first reasons of what is not known.
    pub fn summary(&self) -> String {
        self.findings().join("; ")
    }

    /// The parts of the [summary](Self::summary).
    pub fn findings(&self) -> Vec<String> {
        let counts = self.counts();
        let mut text = match self.conclusion() {
            Conclusion::NotApplicable => {
                return vec!["no advisory of this release holds containers".to_owned()];
            }
            Conclusion::Incomplete if counts.scanned == 0 && self.gaps.is_empty() => {
                return vec!["not one image was checked, which proves nothing".to_owned()];
            }
            Conclusion::Healthy => "image health is good".to_owned(),
            Conclusion::Unhealthy => "unhealthy images".to_owned(),
            Conclusion::Incomplete => "image health is not known completely".to_owned(),
        };
        let _ = write!(
            text,
            ": {} scanned, {} healthy, {} unhealthy, {} unknown",
            counts.scanned, counts.healthy, counts.unhealthy, counts.unknown
        );
        if counts.waived > 0 {
            let _ = write!(text, ", {} of them waived", counts.waived);
        }
        if self.unhealthy_allowed > 0 {
            let _ = write!(text, " (allowed unhealthy: {})", self.unhealthy_allowed);
        }
        let mut findings = vec![text];
        findings.extend(self.gaps.iter().take(3).cloned());
        findings.extend(
            self.open_unknown().next().map(|unknown| format!("unknown, for example: {}", unknown.why())),
        );
        findings.extend(self.drops.first().map(|first| {
            format!(
                "{} of the healthy images will not be healthy in {} days, the first: {first}",
                self.drops.len(),
                self.warn_days
            )
        }));
        findings
    }

    /// The counts and the images that are not healthy, for programs; bounded.
    pub fn facts(&self) -> HealthFacts {
        let not_healthy =
            self.images.iter().filter(|result| !matches!(result.verdict, Verdict::Healthy { .. }));
        HealthFacts {
            conclusion: self.conclusion(),
            counts: self.counts(),
            unhealthy_allowed: self.unhealthy_allowed,
            not_healthy: not_healthy.take(FACTS).cloned().collect(),
            gaps: self.gaps.clone(),
            notes: self.notes.clone(),
            warn_days: self.warn_days,
            drops: self.drops.iter().take(FACTS).cloned().collect(),
        }
    }

    /// The note on the shipment merge request.
    pub fn note(&self, release: &str) -> String {
        let rows = self.images.iter().filter_map(|result| {
            let (grade, waiver) = match &result.verdict {
                Verdict::Healthy { .. } => return None,
                Verdict::Unhealthy { grade, waiver } => (Some(grade.letter()), waiver),
                Verdict::Unknown { waiver, .. } => (None, waiver),
            };
            Some(ImageRow {
                component: result.image.component.clone(),
                architecture: result.image.architecture.clone(),
                grade,
                pull_spec: result.image.pull_spec.clone(),
                waived: waiver.as_ref().map(|waiver| format!("{}: {}", waiver.who, waiver.why)),
            })
        });
        let counts = self.counts();
        ImageHealthNote {
            release,
            scanned: counts.scanned,
            healthy: counts.healthy,
            unhealthy: counts.unhealthy,
            unknown: counts.unknown,
            waived: counts.waived,
            allowed: self.unhealthy_allowed,
            complete: self.conclusion() != Conclusion::Incomplete,
            rows: rows.collect(),
            drops: self.drops.iter().map(ToString::to_string).collect(),
            warn_days: self.warn_days,
            vulnerabilities: &self.vulnerabilities,
            gaps: self.gaps.iter().chain(&self.vulnerability_gaps).map(String::as_str).collect(),
        }
        .text()
    }
}

//! The result of comparing a payload with its shipment.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::shipped::label;
use crate::clients::registry::Look;
use crate::error::ErrorClass;
use crate::ids::Digest;

/// How an image of the payload was found in the shipment; the strongest evidence first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MatchedBy {
    /// Both are the same list of images.
    ListDigest,
    /// Both are the same image.
    Digest,
    /// Both were built from the same commit, which need not make them the same image.
    VcsRef,
}

impl fmt::Display for MatchedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ListDigest => "list digest",
            Self::Digest => "digest",
            Self::VcsRef => "vcs-ref",
        })
    }
}

/// Where an image was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "found_in", rename_all = "kebab-case")]
pub enum FoundIn {
    /// In the shipment.
    Shipment {
        /// The component's name.
        component: String,
        /// How it was found.
        by: MatchedBy,
    },
    /// In the public catalog: it was released before.
    Catalog,
}

/// Digests and labels of an image, as far as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageFacts {
    /// The digest of its list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_digest: Option<Digest>,
    /// The digest of its manifest for amd64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The label `vcs-ref`: the commit that it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcs_ref: Option<String>,
    /// The label `io.openshift.build.commit.id`: the commit of the component's own source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The label `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The labels `version` and `release`, with a hyphen between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl ImageFacts {
    pub(super) fn of(look: Option<&Look>, labels: Option<&BTreeMap<String, String>>) -> Self {
        let text = |name: &str| labels.and_then(|labels| label(labels, name)).map(str::to_owned);
        Self {
            list_digest: look.and_then(|look| look.list.clone()),
            digest: look.and_then(|look| look.manifests.first().cloned()),
            vcs_ref: text("vcs-ref"),
            commit: text("io.openshift.build.commit.id"),
            name: text("name"),
            tag: text("version")
                .zip(text("release"))
                .map(|(version, release)| format!("{version}-{release}")),
        }
    }
}

/// An image of the shipment that has the name of one that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Similar {
    /// The component's name.
    pub component: String,
    /// Its pull spec.
    pub pull_spec: String,
    /// Its digests and labels.
    #[serde(flatten)]
    pub facts: ImageFacts,
}

/// The verdict on one image of the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It is in the shipment or in the public catalog.
    Consistent(FoundIn),
    /// It is neither in the shipment nor in the public catalog; everything could be read.
    Inconsistent {
        /// Images of the shipment that have the same name.
        similar: Vec<Similar>,
    },
    /// Something that the verdict needs could not be read.
    Unknown {
        /// What, and why.
        why: String,
    },
}

/// An image of the payload and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageFinding {
    /// Its name in the payload.
    pub name: String,
    /// Its pull spec; null when the payload has no usable one.
    pub pull_spec: Option<String>,
    /// Its digests and labels.
    pub facts: ImageFacts,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// An image of the shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShippedImage {
    /// The components that are this image.
    pub components: Vec<String>,
    /// Its pull spec, the first of several.
    pub pull_spec: String,
    /// Its digests and labels.
    pub facts: ImageFacts,
    /// Why something about it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How many images of the payload have which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// All that were checked.
    pub checked: usize,
    /// Found in the shipment, including those found by `vcs-ref`.
    pub in_shipment: usize,
    /// Of these, found by `vcs-ref` alone.
    pub by_vcs_ref: usize,
    /// Found in the public catalog.
    pub in_catalog: usize,
    /// Found in neither.
    pub inconsistent: usize,
    /// With an unknown verdict.
    pub unknown: usize,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConsistencyReport {
    /// The payload's pull spec.
    pub payload: String,
    /// The release.
    pub version: String,
    /// The shipment's merge request.
    pub merge_request: String,
    /// Whether every image was found.
    pub consistent: bool,
    /// How many images have which verdict.
    pub counts: Counts,
    /// The images of the payload, in its order.
    pub images: Vec<ImageFinding>,
    /// Images of the operating system, which are not checked.
    pub skipped: Vec<String>,
    /// The images of the shipment.
    pub shipped: Vec<ShippedImage>,
    /// Notes about the shipment.
    pub notes: Vec<String>,
}

impl ConsistencyReport {
    pub(super) fn new(
        payload: String,
        version: String,
        merge_request: String,
        images: Vec<ImageFinding>,
        of_the_system: Vec<String>,
        shipped: Vec<ShippedImage>,
        notes: Vec<String>,
    ) -> Self {
        let mut counts = Counts { checked: images.len(), ..Counts::default() };
        for image in &images {
            match &image.verdict {
                Verdict::Consistent(FoundIn::Shipment { by, .. }) => {
                    counts.in_shipment += 1;
                    counts.by_vcs_ref += usize::from(*by == MatchedBy::VcsRef);
                }
                Verdict::Consistent(FoundIn::Catalog) => counts.in_catalog += 1,
                Verdict::Inconsistent { .. } => counts.inconsistent += 1,
                Verdict::Unknown { .. } => counts.unknown += 1,
            }
        }
        let mut report = Self {
            payload,
            version,
            merge_request,
            consistent: false,
            counts,
            images,
            skipped: of_the_system,
            shipped,
            notes,
        };
        report.consistent = report.class().is_none();
        report
    }

    /// The class of the exit code; `None` is success. An inconsistent image decides before an unknown one. A payload
    /// without any image to check is unknown.
    pub fn class(&self) -> Option<ErrorClass> {
        match self.counts {
            Counts { inconsistent: 1.., .. } => Some(ErrorClass::Failed),
            Counts { unknown: 1.., .. } | Counts { checked: 0, .. } => Some(ErrorClass::Unavailable),
            _ => None,
        }
    }
}

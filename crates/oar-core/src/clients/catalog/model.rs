//! What the catalog answers. Every part may be absent or odd: one such record never hides the others.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clients::empty::{flag, list, or_default};
use crate::ids::Digest;

/// A page of a list. `total` is missing after an `include` of members of `data` alone (spec 03 §4.3).
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(crate) struct Page<T> {
    #[serde(default, deserialize_with = "list")]
    pub(crate) data: Vec<T>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) total: Option<usize>,
}

/// A grade and its time, as the catalog writes it; [`crate::operators::image_health`] decides what it means.
///
/// The grades of an image are a schedule that is made in advance: each holds from its start to its end, and later ones
/// lie in the future (spec 02 §3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct FreshnessGrade {
    /// `A` to `F`; null in odd records.
    #[serde(default, deserialize_with = "text")]
    pub grade: Option<String>,
    /// From when it holds.
    #[serde(default, deserialize_with = "text")]
    pub start_date: Option<String>,
    /// Until when it holds; absent or null without end.
    #[serde(default, deserialize_with = "text")]
    pub end_date: Option<String>,
}

/// One record of an image.
#[derive(Deserialize)]
pub(super) struct ImageRecord {
    #[serde(default, deserialize_with = "text")]
    image_id: Option<String>,
    /// Whether the record was removed, so that it says nothing of today (spec 02 §3).
    #[serde(default, deserialize_with = "flag")]
    pub(super) deleted: bool,
    #[serde(default, deserialize_with = "grades")]
    freshness_grades: Vec<FreshnessGrade>,
    #[serde(default, deserialize_with = "or_default", rename = "_links")]
    links: Option<Links>,
}

#[derive(Deserialize)]
struct Links {
    #[serde(default, deserialize_with = "or_default")]
    vulnerabilities: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "text")]
    href: Option<String>,
}

/// The grades of a record. One that is null is an entry without anything, which makes the grade unknown.
pub(crate) fn grades<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<FreshnessGrade>, D::Error> {
    let entries: Vec<Option<FreshnessGrade>> = list(deserializer)?;
    Ok(entries.into_iter().map(Option::unwrap_or_default).collect())
}

impl ImageRecord {
    /// The manifest digest of one architecture; the oldest records write it without the algorithm (spec 03 §4.3).
    pub(super) fn digest(&self) -> Option<Digest> {
        let id = self.image_id.as_deref()?.trim();
        id.parse().or_else(|_| format!("sha256:{id}").parse()).ok()
    }
}

/// What the catalog knows of one digest; empty when it has no record of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogImage {
    /// How many records it has of this digest, removed ones not counted: a digest may have several (spec 02 §3).
    pub records: usize,
    /// How many removed records it has.
    pub removed: usize,
    /// The grades of all of them.
    pub grades: Vec<FreshnessGrade>,
    /// Where the vulnerabilities are, below the interface's root.
    pub vulnerabilities: Option<String>,
}

impl CatalogImage {
    pub(super) fn add(&mut self, record: ImageRecord) {
        if record.deleted {
            self.removed += 1;
            return;
        }
        self.records += 1;
        self.grades.extend(record.freshness_grades);
        let link = record.links.and_then(|links| links.vulnerabilities).and_then(|link| link.href);
        self.vulnerabilities = self.vulnerabilities.take().or(link);
    }
}

#[derive(Deserialize)]
pub(super) struct VulnerabilityRecord {
    #[serde(default, deserialize_with = "text")]
    cve_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    severity: Option<String>,
    #[serde(default, deserialize_with = "list")]
    packages: Vec<Fix>,
    #[serde(default, deserialize_with = "list")]
    affected_packages: Vec<AffectedPackage>,
}

#[derive(Deserialize)]
struct Fix {
    #[serde(default)]
    srpm_nevra: Value,
}

#[derive(Deserialize)]
struct AffectedPackage {
    #[serde(default, deserialize_with = "text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    version: Option<String>,
}

/// A vulnerability of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vulnerability {
    /// `CVE-2027-1`.
    pub cve: Option<String>,
    /// `Critical`, `Important`, `Moderate`, `Low`, or another word.
    pub severity: Option<String>,
    /// Name and version of each package that has it.
    pub affected: Vec<(String, String)>,
    /// The source packages in which it is fixed.
    pub fixed_in: Vec<String>,
}

impl From<VulnerabilityRecord> for Vulnerability {
    fn from(record: VulnerabilityRecord) -> Self {
        let fixed_in = record.packages.into_iter().flat_map(|fix| texts(fix.srpm_nevra));
        let affected = record
            .affected_packages
            .into_iter()
            .filter_map(|package| Some((package.name?, package.version.unwrap_or_default())));
        Self {
            cve: record.cve_id,
            severity: record.severity,
            affected: affected.collect(),
            fixed_in: fixed_in.collect(),
        }
    }
}

/// `srpm_nevra` is a text or a list of texts (spec 03 §4.3).
fn texts(value: Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => vec![text],
        Value::Array(items) => items.into_iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A text; nothing and anything else count as absent, so that one odd member hides no record.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    })
}

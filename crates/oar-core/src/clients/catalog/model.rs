//! What the catalogue answers. Every part may be absent or odd: one such record never hides the others.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::clients::Digest;

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    pub(super) total: Option<usize>,
}

/// A grade and its time, as the catalogue writes it; [`crate::operators::image_health`] decides what it means.
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
    #[serde(default)]
    freshness_grades: Option<Vec<FreshnessGrade>>,
    #[serde(default, rename = "_links")]
    links: Option<Links>,
}

#[derive(Deserialize)]
struct Links {
    #[serde(default)]
    vulnerabilities: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "text")]
    href: Option<String>,
}

impl ImageRecord {
    pub(super) fn digest(&self) -> Option<Digest> {
        self.image_id.as_deref()?.parse().ok()
    }
}

/// What the catalogue knows of one digest; empty when it has no record of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogImage {
    /// How many records it has of this digest.
    pub records: usize,
    /// The grades of all of them.
    pub grades: Vec<FreshnessGrade>,
    /// Where the vulnerabilities are, below the interface's root.
    pub vulnerabilities: Option<String>,
}

impl CatalogImage {
    pub(super) fn add(&mut self, record: ImageRecord) {
        self.records += 1;
        self.grades.extend(record.freshness_grades.unwrap_or_default());
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
    #[serde(default)]
    packages: Option<Vec<Fix>>,
    #[serde(default)]
    affected_packages: Option<Vec<AffectedPackage>>,
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
        let fixed_in = record.packages.unwrap_or_default().into_iter().flat_map(|fix| texts(fix.srpm_nevra));
        let affected = record
            .affected_packages
            .unwrap_or_default()
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

/// A text; null and anything else count as absent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

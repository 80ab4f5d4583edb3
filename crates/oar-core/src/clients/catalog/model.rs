//! The catalog's answers. Any member may be absent or malformed; one such record never hides the others.

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

/// A grade and its period, as the catalog writes them; [`crate::operators::image_health`] evaluates them.
///
/// The grades of an image are a schedule made in advance: each is valid from its start to its end, and later
/// ones are in the future (spec 02 §3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct FreshnessGrade {
    /// `A` to `F`; null in some records.
    #[serde(default, deserialize_with = "text")]
    pub grade: Option<String>,
    /// Start of its validity.
    #[serde(default, deserialize_with = "text")]
    pub start_date: Option<String>,
    /// End of its validity; absent or null when it has no end.
    #[serde(default, deserialize_with = "text")]
    pub end_date: Option<String>,
}

/// One record of an image.
#[derive(Deserialize)]
pub(super) struct ImageRecord {
    #[serde(default, deserialize_with = "text")]
    image_id: Option<String>,
    /// Whether the record was removed and no longer counts (spec 02 §3).
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

/// The grades of a record. A null entry becomes an empty grade, which makes the image's grade unknown.
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

/// The catalog's records of one digest, merged; empty when it has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogImage {
    /// Number of records of this digest, without removed ones. A digest may have several (spec 02 §3).
    pub records: usize,
    /// Number of removed records.
    pub removed: usize,
    /// The grades of all records that are not removed.
    pub grades: Vec<FreshnessGrade>,
    /// Path of the vulnerabilities, relative to the API's root.
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
    /// Name and version of each affected package.
    pub affected: Vec<(String, String)>,
    /// The source packages that fix it.
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

/// `srpm_nevra` is a string or a list of strings (spec 03 §4.3).
fn texts(value: Value) -> Vec<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => vec![text],
        Value::Array(items) => items.into_iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A string. Any other value counts as absent, so that one malformed member does not hide the record.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    })
}

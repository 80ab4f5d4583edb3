//! What a release takes from its assembly, as types.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use url::Url;

use super::node::Node;
use super::{Assembly, BuildDataError};

/// The kind of an advisory within a release: `rpm`, `rhcos`, `microshift`, `image`, `extras`, `metadata`,
/// `prerelease`; ART may add others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Impetus(String);

impl Impetus {
    /// The kind of the `MicroShift` advisory, which most tasks leave alone (spec 01 §5.0).
    pub const MICROSHIFT: &'static str = "microshift";

    /// The kind's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Impetus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The advisories of a release, in the order of the build data.
pub type Advisories = IndexMap<Impetus, u64>;

/// The planned date of a release, which keeps the spelling of the build data: `2025-Jan-07`, `2026-MAY-14`,
/// `2026-Feb-3` (spec 01 §2.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseDate {
    text: String,
    date: Date,
}

impl ReleaseDate {
    /// The day.
    pub fn date(&self) -> Date {
        self.date
    }

    /// The date as the build data writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ReleaseDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for ReleaseDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// A text that is not a release date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a day as `YYYY-Mon-DD` (for example 2025-Jan-07)")]
pub struct ParseReleaseDateError;

impl FromStr for ReleaseDate {
    type Err = ParseReleaseDateError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        const MONTHS: [&str; 12] =
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let parts: Vec<&str> = input.split('-').collect();
        let [year, month, day] = parts.as_slice() else { return Err(ParseReleaseDateError) };
        let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
            (lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(())
        };
        let month = month.to_ascii_lowercase();
        let date = || {
            digits(year, 4..=4).and_then(|()| digits(day, 1..=2))?;
            let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == month)?.1;
            Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()
        };
        Ok(Self { text: input.to_owned(), date: date().ok_or(ParseReleaseDateError)? })
    }
}

/// The address of a shipment merge request (spec 01 §4.5, spec 03 §3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentUrl {
    text: String,
    host: String,
    project: String,
    iid: u64,
}

impl ShipmentUrl {
    /// The address as the build data writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host that the address names. Calls go to the configured GitLab, not there.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path of the project: `group/sub/project`.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The number of the merge request within its project.
    pub fn iid(&self) -> u64 {
        self.iid
    }
}

impl fmt::Display for ShipmentUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for ShipmentUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// A text that is not the address of a merge request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address of a merge request (for example https://gitlab.example.com/group/project/-/merge_requests/12)"
)]
pub struct ParseShipmentUrlError;

impl FromStr for ShipmentUrl {
    type Err = ParseShipmentUrlError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let text = input.trim();
        let url = Url::parse(text).map_err(|_| ParseShipmentUrlError)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ParseShipmentUrlError)?;
        let credentials = !url.username().is_empty() || url.password().is_some();
        if !["http", "https"].contains(&url.scheme()) || credentials {
            return Err(ParseShipmentUrlError);
        }
        let (project, rest) = url.path().split_once("/-/merge_requests/").ok_or(ParseShipmentUrlError)?;
        let project = project.trim_matches('/');
        let number = rest.split('/').next().unwrap_or_default();
        let iid = Some(number)
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|number| number.parse().ok())
            .filter(|iid| *iid > 0)
            .ok_or(ParseShipmentUrlError)?;
        if project.is_empty() {
            return Err(ParseShipmentUrlError);
        }
        Ok(Self { text: text.to_owned(), host: host.to_owned(), project: project.to_owned(), iid })
    }
}

/// What the build data says about one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// The advisories by kind; empty when there are none.
    pub advisories: Advisories,
    /// The key of ART's Jira ticket: `ART-1`.
    pub jira_ticket: Option<String>,
    /// The nightly of each architecture that becomes the release (architectures in Red Hat's spelling: `x86_64`).
    pub candidate_builds: IndexMap<String, String>,
    /// The planned date.
    pub release_date: Option<ReleaseDate>,
    /// The shipment merge request. A `shipment` without `url` has none: it names nothing that could be worked on.
    pub shipment_mr: Option<ShipmentUrl>,
}

impl ReleaseFacts {
    /// What `assembly` says; every value that is there is checked.
    pub fn of(assembly: &Assembly<'_>) -> Result<Self, BuildDataError> {
        Ok(Self {
            advisories: advisories(assembly)?,
            jira_ticket: jira_ticket(assembly)?,
            candidate_builds: candidate_builds(assembly)?,
            release_date: parsed(assembly, "release_date")?,
            shipment_mr: shipment_mr(assembly)?,
        })
    }
}

/// A wrong value of `assembly`, in the entry that holds it.
fn shape(holder: &str, field: String, found: &Node, expected: impl Into<String>) -> BuildDataError {
    BuildDataError::Shape {
        assembly: holder.into(),
        field,
        found: found.describe(),
        expected: expected.into(),
    }
}

/// A mapping with the name of the entry that holds it.
type Held<'a> = (&'a str, &'a IndexMap<String, Node>);

/// The mapping at `section.key` with its entry's name; nothing when it is absent.
fn mapping<'a>(
    assembly: &Assembly<'a>,
    section: &str,
    key: &str,
    expected: &str,
) -> Result<Option<Held<'a>>, BuildDataError> {
    match assembly.value(section, key)? {
        None => Ok(None),
        Some((holder, Node::Map(entries))) => Ok(Some((holder, entries))),
        Some((holder, other)) => Err(shape(holder, format!("{section}.{key}"), other, expected)),
    }
}

fn advisories(assembly: &Assembly<'_>) -> Result<Advisories, BuildDataError> {
    const EXPECTED: &str = "a mapping of advisory kinds to ids (for example rpm: 100001)";
    let Some((holder, entries)) = mapping(assembly, "group", "advisories", EXPECTED)? else {
        return Ok(Advisories::new());
    };
    let mut advisories = Advisories::new();
    for (kind, id) in entries.iter().filter(|(_, id)| **id != Node::Null) {
        let number = match id {
            Node::Integer(number) => u64::try_from(*number).ok(),
            Node::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        let field = format!("group.advisories.{kind}");
        let expected = if *id == Node::Integer(-1) {
            "the id of an advisory (-1 says that ART has yet to create it)"
        } else {
            "the id of an advisory (for example 100001)"
        };
        let number = number.filter(|number| *number > 0).ok_or_else(|| shape(holder, field, id, expected))?;
        advisories.insert(Impetus(kind.clone()), number);
    }
    Ok(advisories)
}

fn candidate_builds(assembly: &Assembly<'_>) -> Result<IndexMap<String, String>, BuildDataError> {
    const EXPECTED: &str =
        "a mapping of architectures to builds (for example x86_64: 4.19.0-0.nightly-2025-01-01-000000)";
    let Some((holder, entries)) = mapping(assembly, "basis", "reference_releases", EXPECTED)? else {
        return Ok(IndexMap::new());
    };
    let mut builds = IndexMap::new();
    for (architecture, build) in entries.iter().filter(|(_, build)| **build != Node::Null) {
        match build {
            Node::Text(name) if !name.trim().is_empty() => {
                builds.insert(architecture.clone(), name.trim().to_owned());
            }
            other => {
                let field = format!("basis.reference_releases.{architecture}");
                return Err(shape(holder, field, other, "the name of a build"));
            }
        }
    }
    Ok(builds)
}

/// The text at `group.<key>` read as `T`, whose error says what was expected; an empty text counts as absent.
fn parsed<T: FromStr<Err: fmt::Display>>(
    assembly: &Assembly<'_>,
    key: &str,
) -> Result<Option<T>, BuildDataError> {
    const EXPECTED: &str = "a text";
    match assembly.value("group", key)? {
        None => Ok(None),
        Some((_, Node::Text(text))) if text.trim().is_empty() => Ok(None),
        Some((holder, node @ Node::Text(text))) => match text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(shape(holder, format!("group.{key}"), node, error.to_string())),
        },
        Some((holder, other)) => Err(shape(holder, format!("group.{key}"), other, EXPECTED)),
    }
}

fn jira_ticket(assembly: &Assembly<'_>) -> Result<Option<String>, BuildDataError> {
    Ok(parsed::<JiraKey>(assembly, "release_jira")?.map(|key| key.0))
}

struct JiraKey(String);

impl FromStr for JiraKey {
    type Err = &'static str;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let good = input.split_once('-').is_some_and(|(project, number)| {
            project.starts_with(|first: char| first.is_ascii_uppercase())
                && project
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if good { Ok(Self(input.to_owned())) } else { Err("the key of a Jira issue (for example ART-1)") }
    }
}

fn shipment_mr(assembly: &Assembly<'_>) -> Result<Option<ShipmentUrl>, BuildDataError> {
    const EXPECTED: &str = "a mapping with the merge request's `url`";
    let Some((holder, shipment)) = mapping(assembly, "group", "shipment", EXPECTED)? else { return Ok(None) };
    match shipment.get("url") {
        None | Some(Node::Null) => Ok(None),
        Some(Node::Text(text)) if text.trim().is_empty() => Ok(None),
        Some(node) => {
            let text = if let Node::Text(text) = node { text.as_str() } else { "" };
            let wrong = |error: ParseShipmentUrlError| {
                shape(holder, "group.shipment.url".into(), node, error.to_string())
            };
            text.parse().map(Some).map_err(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BuildData;
    use super::*;

    fn facts(yaml: &str, name: &str) -> Result<ReleaseFacts, BuildDataError> {
        let data = BuildData::parse(yaml).unwrap();
        ReleaseFacts::of(&data.assembly(name)?.unwrap())
    }

    const STREAM: &str = "
releases:
  4.19.7:
    assembly:
      type: standard
      basis:
        time: '2025-01-01T00:00:00+00:00'
        reference_releases: {x86_64: 4.19.0-0.nightly-2025-01-01-000000, s390x: null}
      group:
        advisories: {rpm: 100001, rhcos: 100002, microshift: '100003'}
        release_jira: ART-1
        release_date: 2025-Jan-07
        shipment:
          advisories: [{kind: image, live_id: 1}, {kind: fbc}]
          env: stage
          url: https://gitlab.example.com/group/sub/project/-/merge_requests/12
        upgrades: 4.18.1,4.18.2
      members: {images: [], rpms: []}
  4.19.8:
    assembly:
      basis: {assembly: 4.19.7, 'reference_releases!': {}}
      group:
        advisories!: {image: 100009}
        release_jira: ART-2
  ec.5:
    assembly:
      basis: {brew_event: 1, reference_releases: {x86_64: nightly}}
      group:
        advisories: {rpm: 100001, prerelease: 100004}
        shipment: {advisories: [{kind: image}], env: stage}
  stream: {assembly: {type: stream, permits: [{code: '*'}]}}
";

    #[test]
    fn every_fact_is_read() {
        let facts = facts(STREAM, "4.19.7").unwrap();
        let advisories: Vec<_> = facts.advisories.iter().map(|(kind, id)| (kind.as_str(), *id)).collect();
        assert_eq!(advisories, [("rpm", 100_001), ("rhcos", 100_002), ("microshift", 100_003)]);
        assert_eq!(facts.jira_ticket.as_deref(), Some("ART-1"));
        assert_eq!(facts.candidate_builds["x86_64"], "4.19.0-0.nightly-2025-01-01-000000");
        assert_eq!(facts.candidate_builds.len(), 1);
        assert_eq!(facts.release_date.unwrap().date(), jiff::civil::date(2025, 1, 7));
        let shipment = facts.shipment_mr.unwrap();
        assert_eq!(
            (shipment.host(), shipment.project(), shipment.iid()),
            ("gitlab.example.com", "group/sub/project", 12)
        );
    }

    #[test]
    fn a_child_replaces_and_inherits() {
        let facts = facts(STREAM, "4.19.8").unwrap();
        assert_eq!(facts.advisories.len(), 1);
        assert!(facts.candidate_builds.is_empty());
        assert_eq!(facts.jira_ticket.as_deref(), Some("ART-2"));
        assert_eq!(facts.shipment_mr.unwrap().iid(), 12);
        assert_eq!(facts.release_date.unwrap().as_str(), "2025-Jan-07");
    }

    #[test]
    fn a_shipment_without_url_is_no_shipment_and_absent_facts_are_none() {
        assert_eq!(facts(STREAM, "ec.5").unwrap().shipment_mr, None);
        let stream = facts(STREAM, "stream").unwrap();
        assert!(stream.advisories.is_empty() && stream.candidate_builds.is_empty());
        assert_eq!((stream.jira_ticket, stream.release_date, stream.shipment_mr), (None, None, None));
    }

    #[test]
    fn wrong_values_name_entry_field_and_expectation() {
        for (group, words) in [
            ("advisories: [1]", "`a`: `group.advisories` is a list, expected a mapping of advisory kinds"),
            (
                "advisories: {rpm: x}",
                "`group.advisories.rpm` is the text `x`, expected the id of an advisory",
            ),
            (
                "advisories: {rpm: -1}",
                "is the number -1, expected the id of an advisory (-1 says that ART has yet",
            ),
            ("advisories: {rpm: 1.5}", "is the number 1.5"),
            ("advisories: {rpm: 0}", "is the number 0"),
            ("advisories: {rpm: ''}", "is the text ``"),
            ("release_jira: 7", "`group.release_jira` is the number 7, expected a text"),
            ("release_jira: TBD", "expected the key of a Jira issue (for example ART-1)"),
            (
                "release_date: 2025-13-01",
                "`group.release_date` is the text `2025-13-01`, expected a day as `YYYY-Mon-DD`",
            ),
            ("shipment: https://example.com", "`group.shipment` is the text"),
            (
                "shipment: {url: [x]}",
                "`group.shipment.url` is a list, expected the address of a merge request",
            ),
            (
                "shipment: {url: 'https://gitlab.example.com/x'}",
                "expected the address of a merge request (for example",
            ),
        ] {
            let yaml = format!("releases: {{a: {{assembly: {{group: {{{group}}}}}}}}}");
            let error = facts(&yaml, "a").unwrap_err().to_string();
            assert!(error.contains(words), "{group}: {error}");
        }
        let yaml = "releases: {a: {assembly: {basis: {reference_releases: {x86_64: 4.19}}}}}";
        assert!(
            facts(yaml, "a")
                .unwrap_err()
                .to_string()
                .contains("`basis.reference_releases.x86_64` is the number")
        );
    }

    #[test]
    fn an_inherited_wrong_value_names_the_parent() {
        let yaml =
            "releases: {a: {assembly: {basis: {assembly: b}}}, b: {assembly: {group: {release_date: soon}}}}";
        assert!(facts(yaml, "a").unwrap_err().to_string().starts_with("`b`: `group.release_date`"));
    }

    #[test]
    fn dates_are_read_in_every_spelling_that_occurs() {
        for (text, date) in [
            ("2025-Jan-07", (2025, 1, 7)),
            ("2026-MAY-14", (2026, 5, 14)),
            ("2026-Feb-3", (2026, 2, 3)),
            ("2024-feb-29", (2024, 2, 29)),
        ] {
            let parsed: ReleaseDate = text.parse().unwrap();
            assert_eq!(parsed.date(), jiff::civil::date(date.0, date.1, date.2));
            assert_eq!(parsed.to_string(), text);
        }
        for bad in [
            "",
            "2025-01-07",
            "2025-Feb-30",
            "25-Jan-07",
            "2025-Jan-007",
            "2025-Jan-+7",
            "2025-Jan-07-1",
            "2025-Sept-01",
        ] {
            assert!(bad.parse::<ReleaseDate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn merge_request_addresses_are_taken_apart() {
        for good in [
            "https://gitlab.example.com/g/p/-/merge_requests/12",
            "https://gitlab.example.com/g/p/-/merge_requests/12/diffs",
            "https://gitlab.example.com//g/p/-/merge_requests/12/",
            "https://gitlab.example.com/g/p/-/merge_requests/12#note_1",
        ] {
            let url: ShipmentUrl = good.parse().unwrap();
            assert_eq!((url.project(), url.iid(), url.as_str()), ("g/p", 12, good));
        }
        for bad in [
            "",
            "gitlab.example.com/g/p/-/merge_requests/12",
            "https:///g/p",
            "https://gitlab.example.com/-/merge_requests/12",
            "https://gitlab.example.com/g/p/-/merge_requests/",
            "https://gitlab.example.com/g/p/-/merge_requests/x",
            "https://gitlab.example.com/g/p/-/merge_requests/0",
            "https://gitlab.example.com/g/p/merge_requests/12",
            "https://user:word@gitlab.example.com/g/p/-/merge_requests/12",
            "ssh://gitlab.example.com/g/p/-/merge_requests/12",
        ] {
            assert!(bad.parse::<ShipmentUrl>().is_err(), "{bad}");
        }
    }
}

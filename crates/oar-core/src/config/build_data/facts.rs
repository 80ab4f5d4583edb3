//! The facts of a release in its assembly, as types.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use url::Url;

use super::merge::{Content, Merged};
use super::node::Node;
use super::{Assembly, BuildDataError};
use crate::ids::{AdvisoryId, IssueKey};
use crate::version::ReleaseVersion;

/// The kind of an advisory within a release: `rpm`, `rhcos`, `microshift`, `image`, `extras`, `metadata`,
/// `prerelease`; ART may add others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
pub struct Impetus(String);

impl Impetus {
    /// The kind of the `MicroShift` advisory, which most tasks do not touch (spec 01 §5.0).
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
pub type Advisories = IndexMap<Impetus, AdvisoryId>;

/// The planned date of a release, in the spelling of the build data: `2025-Jan-07`, `2026-MAY-14`,
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
#[error("a date as `YYYY-Mon-DD` (for example 2025-Jan-07)")]
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
            // No year 0: neither the Python tooling nor a calendar has one.
            (*year != "0000").then_some(())?;
            digits(year, 4..=4).and_then(|()| digits(day, 1..=2))?;
            let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == month)?.1;
            Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()
        };
        Ok(Self { text: input.to_owned(), date: date().ok_or(ParseReleaseDateError)? })
    }
}

/// The longest address of a merge request that is read, in bytes.
pub(crate) const ADDRESS_LIMIT: usize = 2048;

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

    /// The host in the address. Requests go to the configured GitLab, not to this host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path of the project: `group/sub/project`.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The path of the project at the GitLab at `base`: one below a path has that path before the project in its web addresses, but
    /// not in its API.
    pub fn project_at(&self, base: &Url) -> &str {
        let prefix = base.path().trim_matches('/');
        let below = self.project.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
        below.filter(|_| !prefix.is_empty()).unwrap_or(&self.project)
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
        if text.len() > ADDRESS_LIMIT {
            return Err(ParseShipmentUrlError);
        }
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
        // A query may hold a token, and neither it nor a fragment says which merge request is meant.
        let text = text.split(['?', '#']).next().unwrap_or_default();
        Ok(Self { text: text.to_owned(), host: host.to_owned(), project: project.to_owned(), iid })
    }
}

/// A kind of image that a shipment ships, and its live advisory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ShipmentKind {
    /// `image`, `extras`, `metadata`, `fbc`, `prerelease`; ART may add others.
    pub kind: String,
    /// The number of its live advisory; `None` until ART has it.
    pub live_id: Option<u64>,
}

/// Something that ART has announced with a placeholder or without its address, and has not created yet (spec
/// 01 §1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// An advisory of this kind, whose id is below one.
    Advisory(Impetus),
    /// The Jira ticket: `ART-0`.
    Ticket,
    /// The shipment merge request: a `shipment` without `url`.
    Shipment,
}

impl Pending {
    /// Its name in `oar metadata` and in the StateBox.
    pub fn key(&self) -> String {
        match self {
            Self::Advisory(impetus) => format!("advisory_ids.{impetus}"),
            Self::Ticket => "jira_ticket".to_owned(),
            Self::Shipment => Self::SHIPMENT.to_owned(),
        }
    }

    /// [`Pending::key`] of the shipment merge request.
    pub const SHIPMENT: &'static str = "shipment_mr";
}

impl fmt::Display for Pending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advisory(impetus) => write!(formatter, "the {impetus} advisory"),
            Self::Ticket => formatter.write_str("the ART ticket"),
            Self::Shipment => formatter.write_str("the shipment merge request"),
        }
    }
}

impl Serialize for Pending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key())
    }
}

/// An identifier that the release has only by inheritance from another z-stream release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct InheritedId {
    /// Its field: `advisory_ids.rpm`, `jira_ticket`, `shipment_mr`, `candidate_builds.x86_64`.
    pub field: String,
    /// The value.
    pub value: String,
    /// The release that it belongs to.
    pub origin: String,
}

impl fmt::Display for InheritedId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} of {}", self.field, self.value, self.origin)
    }
}

/// What the build data says about one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ReleaseFacts {
    /// The advisories by kind; empty when there are none.
    pub advisories: Advisories,
    /// The key of ART's Jira ticket: `ART-1`.
    pub jira_ticket: Option<IssueKey>,
    /// The nightly of each architecture that becomes the release (architectures in Red Hat's spelling: `x86_64`).
    pub candidate_builds: IndexMap<String, String>,
    /// The planned date.
    pub release_date: Option<ReleaseDate>,
    /// The shipment merge request.
    pub shipment_mr: Option<ShipmentUrl>,
    /// What the shipment ships, in the order of the build data; empty without a shipment.
    pub shipment_kinds: Vec<ShipmentKind>,
    /// What ART has announced and not created yet.
    pub pending: Vec<Pending>,
    /// Identifiers that belong to another release. The other fields do not contain them.
    pub not_ours: Vec<InheritedId>,
}

impl ReleaseFacts {
    /// Reads the facts from `assembly` and checks every value.
    pub fn of(assembly: &Assembly<'_>) -> Result<Self, BuildDataError> {
        let mut facts = Self {
            advisories: Advisories::new(),
            jira_ticket: None,
            candidate_builds: IndexMap::new(),
            release_date: parsed(assembly, "release_date")?.map(|(date, _)| date),
            shipment_mr: None,
            shipment_kinds: Vec::new(),
            pending: Vec::new(),
            not_ours: Vec::new(),
        };
        facts.take_advisories(assembly)?;
        facts.take_ticket(assembly)?;
        facts.take_builds(assembly)?;
        facts.take_shipment(assembly)?;
        Ok(facts)
    }

    /// Whether the release ships by a shipment; its merge request may not exist yet.
    pub fn has_shipment(&self) -> bool {
        self.shipment_mr.is_some()
            || self.pending.contains(&Pending::Shipment)
            || self.not_ours.iter().any(|foreign| foreign.field == Pending::SHIPMENT)
    }

    /// Whether the value from `origin` is the release's own. Otherwise it is recorded in `not_ours`.
    fn is_ours(&mut self, assembly: &Assembly<'_>, origin: &str, field: String, value: &str) -> bool {
        let foreign = origin != assembly.name()
            && origin.parse().is_ok_and(|release: ReleaseVersion| !release.is_prerelease());
        if foreign {
            self.not_ours.push(InheritedId { field, value: value.to_owned(), origin: origin.to_owned() });
        }
        !foreign
    }

    fn take_advisories(&mut self, assembly: &Assembly<'_>) -> Result<(), BuildDataError> {
        const EXPECTED: &str = "a mapping of advisory kinds to ids (for example rpm: 100001)";
        let advisories = mapping("group.advisories", assembly.group("advisories"), EXPECTED)?;
        for (kind, id) in advisories.into_iter().flatten() {
            let number = match &id.content {
                Content::Plain(Node::Null) => continue,
                Content::Plain(Node::Integer(number)) => i64::try_from(*number).ok(),
                Content::Plain(Node::Text(text)) if text.trim().is_empty() => continue,
                Content::Plain(Node::Text(text)) => text.trim().parse().ok(),
                _ => None,
            };
            let field = || format!("group.advisories.{kind}");
            let expected = "the id of an advisory (for example 100001)";
            let number = number.ok_or_else(|| shape(field(), id, expected))?;
            let impetus = Impetus((*kind).to_owned());
            match u64::try_from(number) {
                Ok(number) if number > 0 => {
                    let field = format!("advisory_ids.{impetus}");
                    if self.is_ours(assembly, id.origin, field, &number.to_string()) {
                        self.advisories.insert(impetus, AdvisoryId::new(number));
                    }
                }
                _ => self.pending.push(Pending::Advisory(impetus)),
            }
        }
        Ok(())
    }

    fn take_ticket(&mut self, assembly: &Assembly<'_>) -> Result<(), BuildDataError> {
        match parsed(assembly, "release_jira")? {
            Some((Ticket::Placeholder, _)) => self.pending.push(Pending::Ticket),
            Some((Ticket::Issue(key), origin))
                if self.is_ours(assembly, origin, Pending::Ticket.key(), key.as_str()) =>
            {
                self.jira_ticket = Some(key);
            }
            None | Some((Ticket::Issue(_), _)) => {}
        }
        Ok(())
    }

    fn take_builds(&mut self, assembly: &Assembly<'_>) -> Result<(), BuildDataError> {
        const EXPECTED: &str =
            "a mapping of architectures to builds (for example x86_64: 4.19.0-0.nightly-2025-01-01-000000)";
        let builds = mapping("basis.reference_releases", assembly.basis("reference_releases"), EXPECTED)?;
        for (architecture, build) in builds.into_iter().flatten() {
            if build.is_nothing() {
                continue;
            }
            let Some(name) = build.text() else {
                let field = format!("basis.reference_releases.{architecture}");
                return Err(shape(field, build, "the name of a build"));
            };
            if self.is_ours(assembly, build.origin, format!("candidate_builds.{architecture}"), name) {
                self.candidate_builds.insert((*architecture).to_owned(), name.to_owned());
            }
        }
        Ok(())
    }

    fn take_shipment(&mut self, assembly: &Assembly<'_>) -> Result<(), BuildDataError> {
        const EXPECTED: &str = "a mapping with the merge request's `url`";
        let Some(shipment) = assembly.group("shipment").filter(|shipment| !shipment.is_nothing()) else {
            return Ok(());
        };
        mapping("group.shipment", Some(shipment), EXPECTED)?;
        self.shipment_kinds = shipment_kinds(shipment)?;
        let Some(url) = shipment.get("url").filter(|url| !url.is_nothing()) else {
            self.pending.push(Pending::Shipment);
            return Ok(());
        };
        let wrong = |error: ParseShipmentUrlError| shape("group.shipment.url".into(), url, error.to_string());
        let parsed: ShipmentUrl = url.text().unwrap_or_default().parse().map_err(wrong)?;
        if self.is_ours(assembly, url.origin, Pending::SHIPMENT.to_owned(), parsed.as_str()) {
            self.shipment_mr = Some(parsed);
        }
        Ok(())
    }
}

/// The kinds in `shipment.advisories`; a live id of 0 or less means that there is none yet.
fn shipment_kinds(shipment: &Merged<'_>) -> Result<Vec<ShipmentKind>, BuildDataError> {
    let Some(list) = shipment.get("advisories").filter(|list| !list.is_nothing()) else {
        return Ok(Vec::new());
    };
    let Content::List(items) = &list.content else {
        let expected = "a list of kinds (for example `- kind: image`)";
        return Err(shape("group.shipment.advisories".into(), list, expected));
    };
    let mut kinds: IndexMap<&str, Option<u64>> = IndexMap::new();
    for item in items {
        let Some(kind) = item.get("kind").and_then(Merged::text).filter(|kind| !kind.is_empty()) else {
            return Err(shape(
                "group.shipment.advisories".into(),
                item,
                "a mapping with `kind` (for example image)",
            ));
        };
        let live_id = match item.get("live_id").map(|id| &id.content) {
            Some(Content::Plain(Node::Integer(number))) => u64::try_from(*number).ok().filter(|id| *id > 0),
            Some(Content::Plain(Node::Text(text))) => text.trim().parse().ok().filter(|id| *id > 0),
            _ => None,
        };
        // A kind that the child repeats replaces the parent's.
        kinds.insert(kind, live_id);
    }
    let kind = |(kind, live_id): (&str, _)| ShipmentKind { kind: kind.to_owned(), live_id };
    Ok(kinds.into_iter().map(kind).collect())
}

/// The error for a wrong value, with the entry that contains it.
fn shape(field: String, found: &Merged<'_>, expected: impl Into<String>) -> BuildDataError {
    BuildDataError::ValueFormat {
        assembly: found.origin.into(),
        field,
        found: found.describe(),
        expected: expected.into(),
    }
}

/// The entries of a mapping; `None` when the value is absent or empty.
fn mapping<'v, 'a>(
    field: &str,
    value: Option<&'v Merged<'a>>,
    expected: &str,
) -> Result<Option<&'v IndexMap<&'a str, Merged<'a>>>, BuildDataError> {
    match value {
        None => Ok(None),
        Some(Merged { content: Content::Map(entries), .. }) => Ok(Some(entries)),
        Some(nothing) if nothing.is_nothing() => Ok(None),
        Some(other) => Err(shape(field.to_owned(), other, expected)),
    }
}

/// The text at `group.<key>` parsed as `T`, whose error says what was expected, with the entry that contains
/// it; an empty value counts as absent.
fn parsed<'a, T: FromStr<Err: fmt::Display>>(
    assembly: &Assembly<'a>,
    key: &str,
) -> Result<Option<(T, &'a str)>, BuildDataError> {
    let field = || format!("group.{key}");
    match assembly.group(key) {
        None => Ok(None),
        Some(value) if value.is_nothing() => Ok(None),
        Some(value) => match value.text() {
            None => Err(shape(field(), value, "a text")),
            Some(text) => match text.parse() {
                Ok(parsed) => Ok(Some((parsed, value.origin))),
                Err(error) => Err(shape(field(), value, error.to_string())),
            },
        },
    }
}

/// The Jira ticket of the release.
enum Ticket {
    Issue(IssueKey),
    /// A key with the number 0, which ART writes until the ticket exists.
    Placeholder,
}

impl FromStr for Ticket {
    type Err = &'static str;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let project = input.trim_end_matches('0');
        let ticket = if project.ends_with('-') && project != input {
            // The project of a placeholder is checked like that of any other key.
            format!("{project}1").parse().map(|_: IssueKey| Self::Placeholder)
        } else {
            input.parse().map(Self::Issue)
        };
        ticket.map_err(|_| "the key of a Jira issue (for example ART-1)")
    }
}

crate::schema::text_schema!(
    ReleaseDate,
    "ReleaseDate",
    "A date as the build data writes it",
    ["2026-Jul-07"]
);
crate::schema::text_schema!(
    ShipmentUrl,
    "ShipmentUrl",
    "The address of a shipment merge request",
    ["https://gitlab.example.com/group/project/-/merge_requests/12"]
);
crate::schema::text_schema!(
    Pending,
    "Pending",
    "A field of the build data that ART has announced and not filled in yet",
    ["jira_ticket", "shipment_mr", "advisory_ids.rpm"]
);

#[cfg(test)]
mod tests;

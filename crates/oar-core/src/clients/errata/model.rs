//! Errata Tool's terms as types.

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use crate::clients::empty::{self, or_default};
use crate::email::EmailAddress;
use crate::ids::{AdvisoryId, InvalidIssueKey, IssueKey};

/// The page of an advisory on the Errata Tool at `base_web` (`interop-exact`: `<base>/advisory/<id>`, spec 02 §2.1).
pub fn advisory_link(base_web: &Url, id: AdvisoryId) -> String {
    format!("{}/advisory/{id}", base_web.as_str().trim_end_matches('/'))
}

/// Defines an enum of literals that other programs share, with a variant for unknown ones.
macro_rules! literals {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $literal:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A literal that this program does not know, as the service writes it.
            Unknown(String),
        }

        impl $name {
            /// The literal as the service writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $literal,)+
                    Self::Unknown(literal) => literal,
                }
            }
        }

        impl From<&str> for $name {
            fn from(literal: &str) -> Self {
                match literal {
                    $($literal => Self::$variant,)+
                    other => Self::Unknown(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer).map(|literal| Self::from(literal.as_str()))
            }
        }
    };
}

pub(super) use literals;

literals! {
    /// The state of an advisory (`interop-exact`, spec 02 §2.7).
    AdvisoryState {
        /// Builds and files are still being attached.
        NewFiles = "NEW_FILES",
        /// Under test.
        Qe = "QE",
        /// Approved by QE, waiting for the push.
        RelPrep = "REL_PREP",
        /// Ready to be pushed live.
        PushReady = "PUSH_READY",
        /// Being pushed live.
        InPush = "IN_PUSH",
        /// Published.
        ShippedLive = "SHIPPED_LIVE",
        /// Dropped: it will not ship.
        DroppedNoShip = "DROPPED_NO_SHIP",
    }
}

impl AdvisoryState {
    /// Whether Errata Tool allows ordinary bugs to be removed from an advisory in this state (spec 02 §2.5).
    /// Older servers refuse it in `QE` too, and say why.
    pub fn allows_bug_removal(&self) -> bool {
        matches!(self, Self::NewFiles | Self::Qe)
    }
}

literals! {
    /// The type of an advisory.
    AdvisoryKind {
        /// Bug fixes.
        Bugfix = "RHBA",
        /// Enhancements.
        Enhancement = "RHEA",
        /// Security fixes.
        Security = "RHSA",
    }
}

/// An advisory as E-2 shows it (spec 02 §2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// Its number.
    pub id: AdvisoryId,
    /// Its type.
    pub kind: AdvisoryKind,
    /// Its state.
    pub state: AdvisoryState,
    /// When its state last changed. An advisory in QE entered QE at that time, so earlier pushes were of
    /// other builds.
    pub state_since: Option<Timestamp>,
    /// Its public name, such as `RHSA-2026:169293-02`; absent before it has one.
    pub full_name: Option<String>,
    /// Its one-line summary.
    pub synopsis: String,
    /// Whether it carries no builds.
    pub text_only: bool,
    /// What it ships: `rpm`, `docker`.
    pub content_types: Vec<String>,
    /// Whether docs approval is requested. Approving clears it (spec 02 §2.11).
    pub text_ready: bool,
    /// Whether docs are approved.
    pub doc_complete: bool,
    /// The state of product security's approval; only an RHSA has another one than
    /// [`SecurityApproval::NotRequested`].
    pub security_approval: SecurityApproval,
    /// Advisories that must be pushed before this one. Empty when the answer does not name any: Errata Tool
    /// itself refuses a push whose dependencies are missing.
    pub blocking: Vec<AdvisoryId>,
    /// The Jira issues that it fixes.
    pub jira_issues: Vec<IssueKey>,
    /// The Bugzilla bugs that it fixes.
    pub bugs: Vec<u64>,
    /// The CVEs that it fixes.
    pub cves: Vec<String>,
}

impl Advisory {
    /// Whether it was dropped, so that QE has nothing left to do.
    pub fn is_dropped(&self) -> bool {
        self.state == AdvisoryState::DroppedNoShip
    }
}

/// The state of product security's approval of an advisory (spec 02 §2.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityApproval {
    /// Not requested, or lost by a change of the issue list.
    NotRequested,
    /// Requested.
    Requested,
    /// Approved.
    Approved,
}

/// Who is responsible for an advisory, as E-1 shows it (spec 02 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    /// The QE owner; absent when nobody is assigned or the service names no address.
    pub qe_owner: Option<EmailAddress>,
    /// The package owner.
    pub package_owner: Option<EmailAddress>,
    /// The QE group.
    pub qe_group: Option<String>,
}

/// The answer of E-2. Every recorded answer has the four sections, even for an advisory without bugs and
/// issues (spec 02 §2.3; recordings in red-hat-storage/errata-tool). So an answer that lacks one was cut off,
/// and does not mean an advisory without issues.
#[derive(Deserialize)]
pub(super) struct ErratumAnswer {
    errata: IndexMap<String, ErratumRecord>,
    #[serde(deserialize_with = "or_default")]
    content: Option<ContentRecord>,
    #[serde(deserialize_with = "or_default")]
    bugs: Option<BugsRecord>,
    #[serde(deserialize_with = "or_default")]
    jira_issues: Option<JiraIssuesRecord>,
}

#[derive(Deserialize)]
struct ContentRecord {
    #[serde(default, deserialize_with = "or_default")]
    content: Option<TextRecord>,
}

#[derive(Deserialize)]
struct TextRecord {
    #[serde(default, deserialize_with = "or_default")]
    cve: Option<String>,
}

#[derive(Deserialize)]
struct BugsRecord {
    #[serde(deserialize_with = "or_default")]
    bugs: Vec<BugEntry>,
}

#[derive(Deserialize)]
struct BugEntry {
    bug: BugRecord,
}

#[derive(Deserialize)]
struct BugRecord {
    id: u64,
}

#[derive(Deserialize)]
struct JiraIssuesRecord {
    /// The keys of all issues. An issue that Errata Tool has no copy of yet is listed here only, not in the
    /// section below.
    #[serde(default, deserialize_with = "or_default")]
    idsfixed: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    jira_issues: Vec<JiraIssueEntry>,
}

impl JiraIssuesRecord {
    /// Every issue of the advisory, without duplicates.
    fn keys(self) -> Result<Vec<IssueKey>, String> {
        let copies = self.jira_issues.into_iter().map(|entry| entry.jira_issue.key);
        let keys: IndexSet<IssueKey> = copies
            .chain(self.idsfixed)
            .map(|key| key.parse().map_err(|error: InvalidIssueKey| error.to_string()))
            .collect::<Result<_, _>>()?;
        Ok(keys.into_iter().collect())
    }
}

#[derive(Deserialize)]
struct JiraIssueEntry {
    jira_issue: JiraIssueRecord,
}

#[derive(Deserialize)]
struct JiraIssueRecord {
    key: String,
}

/// A flag that one view writes as 0 or 1 and the other as a boolean (spec 02 §2.3); absent or null is unset.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(untagged)]
enum Flag {
    Boolean(bool),
    Number(u64),
    #[default]
    Unset,
}

impl Flag {
    fn is_set(self) -> bool {
        matches!(self, Self::Boolean(true) | Self::Number(1..))
    }
}

#[derive(Deserialize)]
struct ErratumRecord {
    id: u64,
    status: AdvisoryState,
    #[serde(default, deserialize_with = "empty::text")]
    status_updated_at: Option<String>,
    #[serde(default)]
    fulladvisory: Option<String>,
    #[serde(default)]
    synopsis: Option<String>,
    #[serde(default)]
    text_only: Flag,
    #[serde(default, deserialize_with = "or_default")]
    content_types: Vec<String>,
    #[serde(default)]
    text_ready: Flag,
    #[serde(default)]
    doc_complete: Flag,
    #[serde(default)]
    security_approved: Flag,
    #[serde(default, deserialize_with = "or_default")]
    blocking_advisories: Vec<u64>,
}

impl ErratumAnswer {
    /// The advisory, when the answer holds exactly one and it is the one asked for.
    pub(super) fn advisory(self, asked: AdvisoryId) -> Result<Advisory, String> {
        let count = self.errata.len();
        let mut records = self.errata.into_iter();
        let (Some((kind, record)), None) = (records.next(), records.next()) else {
            return Err(format!("expected one advisory under `errata`, found {count}"));
        };
        if record.id != asked.number() {
            return Err(format!("asked for advisory {asked}, got {}", record.id));
        }
        let jira_issues = self.jira_issues.map_or_else(|| Ok(Vec::new()), JiraIssuesRecord::keys)?;
        let text = self.content.and_then(|content| content.content);
        let cves = text.and_then(|text| text.cve).unwrap_or_default();
        Ok(Advisory {
            id: asked,
            kind: AdvisoryKind::from(kind.to_uppercase().as_str()),
            state: record.status,
            // A time that cannot be read counts as unknown.
            state_since: record.status_updated_at.and_then(|time| time.parse().ok()),
            full_name: record.fulladvisory,
            synopsis: record.synopsis.unwrap_or_default(),
            text_only: record.text_only.is_set(),
            content_types: record.content_types,
            text_ready: record.text_ready.is_set(),
            doc_complete: record.doc_complete.is_set(),
            security_approval: match record.security_approved {
                Flag::Unset => SecurityApproval::NotRequested,
                flag if flag.is_set() => SecurityApproval::Approved,
                _ => SecurityApproval::Requested,
            },
            blocking: record.blocking_advisories.into_iter().map(AdvisoryId::new).collect(),
            jira_issues,
            bugs: self
                .bugs
                .map(|list| list.bugs)
                .unwrap_or_default()
                .iter()
                .map(|entry| entry.bug.id)
                .collect(),
            cves: cves.split_whitespace().map(str::to_owned).collect(),
        })
    }
}

/// The answer of E-1.
#[derive(Deserialize)]
pub(super) struct PeopleAnswer {
    people: PeopleRecord,
}

#[derive(Deserialize)]
struct PeopleRecord {
    #[serde(default)]
    assigned_to: Option<String>,
    #[serde(default)]
    package_owner: Option<String>,
    #[serde(default)]
    qe_group: Option<String>,
}

impl From<PeopleAnswer> for People {
    fn from(answer: PeopleAnswer) -> Self {
        // A placeholder that is no address (such as a group's name) counts as nobody.
        let address = |text: Option<String>| text.and_then(|text| text.parse().ok());
        Self {
            qe_owner: address(answer.people.assigned_to),
            package_owner: address(answer.people.package_owner),
            qe_group: answer.people.qe_group.filter(|name| !name.trim().is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_kinds_survive_also_when_unknown() {
        for literal in
            ["NEW_FILES", "QE", "REL_PREP", "PUSH_READY", "IN_PUSH", "SHIPPED_LIVE", "DROPPED_NO_SHIP"]
        {
            let state = AdvisoryState::from(literal);
            assert!(!matches!(state, AdvisoryState::Unknown(_)), "{literal}");
            assert_eq!(state.as_str(), literal);
        }
        assert_eq!(AdvisoryState::from("ON_HOLD").to_string(), "ON_HOLD");
        assert_eq!(AdvisoryKind::from("RHSA"), AdvisoryKind::Security);
        assert_eq!(AdvisoryKind::from("RHXX"), AdvisoryKind::Unknown("RHXX".to_owned()));
    }

    #[test]
    fn links_keep_a_path_prefix() {
        let id = AdvisoryId::new(7);
        assert_eq!(id.link(), "https://errata.devel.redhat.com/advisory/7");
        for base in ["http://127.0.0.1:8765/errata", "http://127.0.0.1:8765/errata/"] {
            assert_eq!(advisory_link(&base.parse().unwrap(), id), "http://127.0.0.1:8765/errata/advisory/7");
        }
    }
}

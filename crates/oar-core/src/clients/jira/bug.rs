//! A bug of a release, and the classification by its fields (spec 02 §5.3, §5.4).

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::model::{Account, Issue};
use crate::clients::empty::is_nothing;
use crate::email::EmailAddress;
use crate::ids::IssueKey;

const QA_CONTACT: &str = "customfield_10470";
const RELEASE_BLOCKER: &str = "customfield_10847";
const SEVERITY: &str = "customfield_10840";
const CASES_COUNTER: &str = "customfield_10978";
const CASES_LINKS: &str = "customfield_10979";

/// Labels of issues that only product security removes from an advisory (spec 02 §2.5). Errata Tool's own
/// list is not public; for other labels that it protects it refuses the removal.
const SECURITY_LABELS: [&str; 2] = ["Security", "SecurityTracking"];

/// The person who verifies a bug.
#[derive(Clone, Default)]
pub struct QaContact {
    /// The display name, if Jira shows one.
    pub name: Option<String>,
    /// The address, if the user shows it.
    pub email: Option<EmailAddress>,
    /// Whether the account can still be used.
    pub active: bool,
}

impl fmt::Debug for QaContact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("QaContact").field("active", &self.active).finish_non_exhaustive()
    }
}

/// A bug with the fields that decide whether it may be dropped. Jira may leave out a field or answer null
/// (spec 02 §10 J7).
#[derive(Debug, Clone)]
pub struct Bug {
    /// The key that the release uses.
    pub key: IssueKey,
    /// Other keys of the same bug: its present key if it was moved, and others that the release uses.
    pub other_keys: BTreeSet<IssueKey>,
    /// Its title; empty when Jira gives none.
    pub summary: String,
    /// The name of its status; `None` when Jira gives none.
    pub status: Option<String>,
    /// Its priority.
    pub priority: Option<String>,
    /// The value of the field Severity, which is not the priority: `Critical`, `Important`, `Moderate`.
    pub severity: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// The value of the field Release Blocker.
    pub release_blocker: Option<String>,
    /// Whether a customer case is linked to it.
    pub has_customer_case: bool,
    /// The QA contact; `None` when the field is empty.
    pub qa_contact: Option<QaContact>,
}

impl Bug {
    /// The fields that must be requested to read a bug.
    pub const FIELDS: [&'static str; 9] = [
        "summary",
        "status",
        "priority",
        "labels",
        QA_CONTACT,
        SEVERITY,
        RELEASE_BLOCKER,
        CASES_COUNTER,
        CASES_LINKS,
    ];

    /// Reads the bug from an issue that was requested with [`Bug::FIELDS`].
    pub fn of(issue: &Issue) -> Self {
        let qa_contact = issue.field(QA_CONTACT).and_then(|value| Account::deserialize(value).ok());
        let choice = |field: &str| {
            let value = issue.field(field).and_then(|value| value.get("value")).and_then(Value::as_str);
            value.map(str::to_owned)
        };
        Self {
            key: issue.key.clone(),
            other_keys: issue.other_keys.clone(),
            summary: issue.summary().unwrap_or_default().to_owned(),
            status: issue.status().map(str::to_owned),
            priority: issue.priority().map(str::to_owned),
            labels: issue.labels().into_iter().map(str::to_owned).collect(),
            // Values that were migrated from the old server may begin with an image.
            severity: choice(SEVERITY)
                .and_then(|value| value.split_whitespace().next_back().map(str::to_owned)),
            release_blocker: choice(RELEASE_BLOCKER),
            // The values are opaque on Jira Cloud: any value that is not empty counts as a case.
            has_customer_case: [CASES_COUNTER, CASES_LINKS]
                .iter()
                .any(|field| issue.field(field).is_some_and(|value| !says_none(value))),
            qa_contact: qa_contact.map(|account| QaContact {
                email: account.email(),
                active: account.active,
                name: account.display_name,
            }),
        }
    }

    /// Whether `key` is one of the keys of this bug.
    pub fn has_key(&self, key: &IssueKey) -> bool {
        self.key == *key || self.other_keys.contains(key)
    }

    fn is_in(&self, statuses: &[&str]) -> bool {
        self.status.as_deref().is_some_and(|status| statuses.contains(&status))
    }

    /// Whether QE has nothing left to do: Verified, Closed or Release Pending.
    pub fn is_finished(&self) -> bool {
        self.is_in(&["Verified", "Closed", "Release Pending"])
    }

    /// Whether its status is `ON_QA`: it waits for QE.
    pub fn is_on_qa(&self) -> bool {
        self.is_in(&["ON_QA"])
    }

    /// Whether it is Verified or Closed.
    pub fn is_verified(&self) -> bool {
        self.is_in(&["Verified", "Closed"])
    }

    /// Whether it tracks a vulnerability.
    pub fn is_cve_tracker(&self) -> bool {
        self.summary.starts_with("CVE") || self.labels.iter().any(|label| label.starts_with("CVE"))
    }

    /// Whether only product security removes it from an advisory.
    pub fn is_security_labelled(&self) -> bool {
        self.labels.iter().any(|label| SECURITY_LABELS.iter().any(|known| known.eq_ignore_ascii_case(label)))
    }

    /// Whether the release should not ship without it. The Python tooling ignores the severity; here a bug of
    /// critical severity is never dropped without being named, whatever its priority.
    pub fn is_critical(&self) -> bool {
        matches!(self.priority.as_deref(), Some("Critical" | "Blocker"))
            || self.severity.as_deref() == Some("Critical")
            || self.labels.iter().any(|label| label == "TestBlocker")
            || matches!(self.release_blocker.as_deref(), Some("Approved" | "Proposed"))
    }

    /// Whether a person must agree before it is dropped. The severity in Jira is only one of the reasons.
    pub fn needs_agreement_to_drop(&self) -> bool {
        self.is_cve_tracker() || self.is_critical() || self.has_customer_case
    }

    /// Whether the QA contact is asked if it can be dropped (`--confirm-droppable`).
    pub fn must_be_confirmed(&self) -> bool {
        !self.is_verified() && self.needs_agreement_to_drop()
    }

    /// Whether the QA contact's manager is notified (`--notify-managers`).
    pub fn is_unverified_cve(&self) -> bool {
        self.is_on_qa() && self.is_cve_tracker()
    }

    /// Whether it may be dropped from the release: not finished and not a CVE tracker, whatever its status
    /// and severity.
    ///
    /// The caller decides whether a bug of high severity is dropped without a confirmation (spec 02 §10 E17).
    pub fn is_droppable(&self) -> bool {
        !self.is_finished() && !self.is_cve_tracker()
    }
}

/// Whether a field that counts or lists cases means "none"; a count may be a string.
fn says_none(value: &Value) -> bool {
    is_nothing(value) || matches!(value.as_str().map(str::trim), Some("0" | "0.0"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bug(fields: &Value) -> Bug {
        let issue = serde_json::from_value(json!({"key": "OCPBUGS-60001", "fields": fields})).unwrap();
        Bug::of(&issue)
    }

    fn with(status: &str, priority: &str, more: &Value) -> Bug {
        let mut fields = json!({
            "summary": "made up", "status": {"name": status}, "priority": {"name": priority}, "labels": [],
            CASES_COUNTER: null, CASES_LINKS: null, RELEASE_BLOCKER: null, QA_CONTACT: null,
        });
        for (name, value) in more.as_object().unwrap() {
            fields[name] = value.clone();
        }
        bug(&fields)
    }

    #[test]
    fn severity_follows_the_vectors_of_the_reference() {
        let high = [
            with("ON_QA", "Blocker", &json!({})),
            with("New", "Blocker", &json!({})),
            with("ON_QA", "Critical", &json!({})),
            with("ON_QA", "Major", &json!({"labels": ["CVE_2026"]})),
            with("ON_QA", "Major", &json!({"labels": ["TestBlocker"]})),
            with("ON_QA", "Major", &json!({"summary": "CVE-2026-1 made up"})),
            with("ON_QA", "Major", &json!({RELEASE_BLOCKER: {"value": "Proposed"}})),
            with("ON_QA", "Major", &json!({RELEASE_BLOCKER: {"value": "Approved"}})),
            with("ON_QA", "Major", &json!({CASES_COUNTER: "b3BhcXVl"})),
            with("ON_QA", "Major", &json!({CASES_LINKS: "b3BhcXVl"})),
            with("ON_QA", "Major", &json!({SEVERITY: {"value": "Critical"}})),
            with("ON_QA", "Major", &json!({SEVERITY: {"value": "<img alt=\"\" src=\"x.png\"> Critical"}})),
        ];
        for bug in high {
            assert!(bug.needs_agreement_to_drop() && bug.must_be_confirmed(), "{bug:?}");
        }
        let low = with("ON_QA", "Major", &json!({RELEASE_BLOCKER: {"value": "Rejected"}}));
        assert!(!low.needs_agreement_to_drop() && !low.must_be_confirmed() && low.is_droppable());
        for severity in [json!(null), json!({}), json!({"value": "Important"})] {
            let low = with("ON_QA", "Major", &json!({SEVERITY: severity}));
            assert!(!low.is_critical(), "severity is not priority: {low:?}");
        }
        for nothing in [json!(null), json!(""), json!("0"), json!(0), json!(0.0), json!([]), json!({})] {
            let bug = with("ON_QA", "Major", &json!({CASES_COUNTER: nothing, CASES_LINKS: nothing}));
            assert!(!bug.has_customer_case, "{nothing}");
        }
        let closed = with("Closed", "Critical", &json!({}));
        assert!(!closed.must_be_confirmed() && !closed.is_droppable());
    }

    #[test]
    fn statuses_decide_who_is_told() {
        for (status, finished, verified) in [
            ("ON_QA", false, false),
            ("Verified", true, true),
            ("Closed", true, true),
            ("Release Pending", true, false),
            ("In Progress", false, false),
        ] {
            let bug = with(status, "Major", &json!({}));
            assert_eq!((bug.is_finished(), bug.is_verified()), (finished, verified), "{status}");
            assert_eq!(bug.is_droppable(), !finished, "{status}");
        }
        let cve = json!({"labels": ["CVE-2026-1"]});
        assert!(with("ON_QA", "Major", &cve).is_unverified_cve());
        assert!(!with("New", "Major", &cve).is_unverified_cve());
        assert!(!with("ON_QA", "Major", &cve).is_droppable());
    }

    #[test]
    fn nulls_and_absent_fields_are_ordinary() {
        let names = ["summary", "status", "priority", "labels", QA_CONTACT, RELEASE_BLOCKER];
        for fields in [json!({}), names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect()] {
            let bug = bug(&fields);
            assert_eq!((bug.status.as_deref(), bug.priority.as_deref()), (None, None));
            assert!(bug.qa_contact.is_none() && !bug.is_finished() && !bug.needs_agreement_to_drop());
        }
        let hidden = with("ON_QA", "Major", &json!({QA_CONTACT: {"accountId": "1", "displayName": "Q"}}));
        let contact = hidden.qa_contact.unwrap();
        assert!(contact.email.is_none() && contact.active);
        assert_eq!(contact.name.as_deref(), Some("Q"));
        let gone = json!({"accountId": "1", "emailAddress": "q@example.com", "active": false});
        let gone = with("ON_QA", "Major", &json!({QA_CONTACT: gone}));
        assert!(!gone.qa_contact.as_ref().unwrap().active);
        assert!(!format!("{gone:?}").contains("q@example.com"));
    }
}

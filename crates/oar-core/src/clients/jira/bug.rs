//! A bug of a release, and what its fields make of it (spec 02 §5.3, §5.4).

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

/// Labels of issues that only product security takes out of an advisory (spec 02 §2.5). Errata Tool's own setting is not
/// public; an issue with another label that it protects is refused by it.
const SECURITY_LABELS: [&str; 2] = ["Security", "SecurityTracking"];

/// Who verifies a bug.
#[derive(Clone, Default)]
pub struct QaContact {
    /// The name that people see, where Jira shows one.
    pub name: Option<String>,
    /// The address, where the user shows it.
    pub email: Option<EmailAddress>,
    /// Whether the account can still be used.
    pub active: bool,
}

impl fmt::Debug for QaContact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("QaContact").field("active", &self.active).finish_non_exhaustive()
    }
}

/// A bug with what decides about it. Fields that Jira leaves out or answers with null are ordinary (spec 02 §10 J7).
#[derive(Debug, Clone)]
pub struct Bug {
    /// The key by which the release names it.
    pub key: IssueKey,
    /// Other keys of the same bug: the one that it has since it was moved, and others that the release names.
    pub other_keys: BTreeSet<IssueKey>,
    /// Its title; empty when Jira gives none.
    pub summary: String,
    /// The name of its status; `None` when Jira gives none.
    pub status: Option<String>,
    /// Its priority.
    pub priority: Option<String>,
    /// The value of the field Severity, which is another one than the priority: `Critical`, `Important`, `Moderate`.
    pub severity: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// The value of the field Release Blocker.
    pub release_blocker: Option<String>,
    /// Whether a customer's case is linked to it.
    pub has_customer_case: bool,
    /// Who verifies it; `None` when nobody is named.
    pub qa_contact: Option<QaContact>,
}

impl Bug {
    /// The fields that a read must ask for.
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

    /// The bug in an issue that was read with [`Bug::FIELDS`].
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
            // Values that came from the old server may begin with an image.
            severity: choice(SEVERITY)
                .and_then(|value| value.split_whitespace().next_back().map(str::to_owned)),
            release_blocker: choice(RELEASE_BLOCKER),
            // The values are opaque on Cloud: whatever is not nothing is a case.
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

    /// Whether it waits for QE.
    pub fn is_on_qa(&self) -> bool {
        self.is_in(&["ON_QA"])
    }

    /// Whether QE has verified it, or it was closed.
    pub fn is_verified(&self) -> bool {
        self.is_in(&["Verified", "Closed"])
    }

    /// Whether it tracks a vulnerability.
    pub fn is_cve_tracker(&self) -> bool {
        self.summary.starts_with("CVE") || self.labels.iter().any(|label| label.starts_with("CVE"))
    }

    /// Whether only product security takes it out of an advisory.
    pub fn is_security_labelled(&self) -> bool {
        self.labels.iter().any(|label| SECURITY_LABELS.iter().any(|known| known.eq_ignore_ascii_case(label)))
    }

    /// Whether the release should not go out without it. The Python reference does not look at the severity; a bug whose
    /// severity is critical is not dropped here without being named, whatever its priority.
    pub fn is_critical(&self) -> bool {
        matches!(self.priority.as_deref(), Some("Critical" | "Blocker"))
            || self.severity.as_deref() == Some("Critical")
            || self.labels.iter().any(|label| label == "TestBlocker")
            || matches!(self.release_blocker.as_deref(), Some("Approved" | "Proposed"))
    }

    /// Whether somebody has to agree before it is dropped: the issue's severity in Jira is only one of the reasons.
    pub fn needs_agreement_to_drop(&self) -> bool {
        self.is_cve_tracker() || self.is_critical() || self.has_customer_case
    }

    /// Whether the QA contact is asked if it can be dropped (`--confirm-droppable`).
    pub fn must_be_confirmed(&self) -> bool {
        !self.is_verified() && self.needs_agreement_to_drop()
    }

    /// Whether the QA contact's manager is told (`--notify-managers`).
    pub fn is_unverified_cve(&self) -> bool {
        self.is_on_qa() && self.is_cve_tracker()
    }

    /// Whether it may leave the release: not finished and not a CVE tracker, at any status and severity.
    ///
    /// Whether a bug of high severity leaves without being confirmed is the caller's decision (spec 02 §10 E17).
    pub fn is_droppable(&self) -> bool {
        !self.is_finished() && !self.is_cve_tracker()
    }
}

/// Whether a field that counts or lists cases says that there is none; a count may be written as a text.
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

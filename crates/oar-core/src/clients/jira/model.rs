//! Jira's terms as types. Users, priorities and addresses may be null or hidden (spec 02 §5.3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::email::EmailAddress;
use crate::ids::IssueKey;

/// The opaque id of an account on Jira Cloud.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// The account with this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as Jira writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of an issue on one Jira site. It does not change when the key does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(transparent)]
pub struct IssueId(String);

impl IssueId {
    /// The number as Jira writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A user in an issue or a search. `Debug` does not show the address.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The account's id.
    #[serde(rename = "accountId")]
    pub id: AccountId,
    /// The display name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Whether the account can still be used; Jira leaves it out for accounts that can.
    #[serde(default = "yes", deserialize_with = "yes_when_null")]
    pub active: bool,
    /// `atlassian`, `app`, `customer` or `unknown` (spec 02 §5.2).
    #[serde(default, rename = "accountType")]
    kind: Option<String>,
    /// The address as the answer has it; absent, null or empty when the user hides it.
    #[serde(default)]
    pub(super) email_address: Option<String>,
}

fn yes() -> bool {
    true
}

fn yes_when_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(deserializer)?.unwrap_or(true))
}

impl Account {
    /// The account's address, when it is visible and valid.
    pub fn email(&self) -> Option<EmailAddress> {
        EmailAddress::from_service(self.email_address.as_deref()?).ok()
    }

    /// Whether the account shows no address, so that its owner cannot be determined.
    pub(super) fn hides_address(&self) -> bool {
        self.email_address.as_deref().is_none_or(|address| address.trim().is_empty())
    }

    /// Whether it belongs to a person who works in Jira, and not to an application, a service desk customer
    /// or a deleted user.
    pub fn is_person(&self) -> bool {
        self.kind.as_deref().is_none_or(|kind| kind == "atlassian") && self.id.as_str() != "unknown"
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Account")
            .field("id", &self.id)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// A subtask as its parent lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtask {
    /// Its key.
    pub key: IssueKey,
    /// Its title.
    pub summary: String,
    /// The name of its status, if the parent shows it.
    pub status: Option<String>,
}

/// An issue with the requested fields.
#[derive(Debug, Clone, Deserialize)]
pub struct Issue {
    /// Its key: the requested one ([`JiraClient::issues`](super::JiraClient::issues)), otherwise the present
    /// one. They differ when the issue was moved to another project.
    pub key: IssueKey,
    /// Other keys of the same issue: its present key, and others by which it was requested.
    #[serde(skip)]
    pub other_keys: BTreeSet<IssueKey>,
    /// Its number, which does not change when the key does.
    #[serde(default)]
    id: Option<IssueId>,
    #[serde(default, deserialize_with = "crate::clients::empty::or_default")]
    fields: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "crate::clients::empty::or_default")]
    properties: BTreeMap<String, Value>,
}

impl Issue {
    /// Identifies the issue, whatever key it was requested by.
    pub(super) fn identity(&self) -> &str {
        self.id.as_ref().map_or(self.key.as_str(), IssueId::as_str)
    }

    /// Its number; every answer has it.
    pub fn id(&self) -> Option<&IssueId> {
        self.id.as_ref()
    }

    /// Whether the answer has `field`, even if it is null.
    pub fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// A field's value in the answer; `None` when it was not requested or is null.
    pub fn field(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// The property `name`, where properties were asked for.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties.get(name)
    }

    /// The reporter; `None` also when there is none.
    pub fn reporter(&self) -> Option<Account> {
        Account::deserialize(self.field("reporter")?).ok()
    }

    /// The title.
    pub fn summary(&self) -> Option<&str> {
        self.field("summary")?.as_str()
    }

    /// The name of the status.
    pub fn status(&self) -> Option<&str> {
        self.field("status")?.get("name")?.as_str()
    }

    /// The name of the priority.
    pub fn priority(&self) -> Option<&str> {
        self.field("priority")?.get("name")?.as_str()
    }

    /// The assignee; `None` also when nobody is assigned.
    pub fn assignee(&self) -> Option<Account> {
        Account::deserialize(self.field("assignee")?).ok()
    }

    /// The labels.
    pub fn labels(&self) -> Vec<&str> {
        self.field("labels")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// The subtasks in the answer; `Err` names the one that cannot be read.
    pub(super) fn subtasks(&self) -> Result<Vec<Subtask>, String> {
        #[derive(Deserialize)]
        struct Entry {
            key: IssueKey,
            fields: Fields,
        }
        #[derive(Deserialize)]
        struct Fields {
            summary: String,
            #[serde(default)]
            status: Option<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        // A ticket without subtasks has an empty list, or the field is hidden from the screen; without any field it
        // is not known.
        if self.fields.is_empty() {
            return Err("it has no `fields`".to_owned());
        }
        let Some(list) = self.field("subtasks") else { return Ok(Vec::new()) };
        let entries = list.as_array().ok_or("`subtasks` is not a list")?;
        entries
            .iter()
            .enumerate()
            .map(|(position, entry)| {
                let entry = Entry::deserialize(entry)
                    .map_err(|error| format!("subtask number {}: {error}", position + 1))?;
                Ok(Subtask {
                    key: entry.key,
                    summary: entry.fields.summary,
                    status: entry.fields.status.map(|status| status.name),
                })
            })
            .collect()
    }
}

/// A change of status that an issue allows now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Transition {
    /// Its id, which differs between workflows.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The status that it leads to, if Jira names it.
    #[serde(default)]
    pub to: Option<TransitionTarget>,
}

/// The status that a [`Transition`] leads to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TransitionTarget {
    /// The name of the status.
    pub name: String,
}

impl Transition {
    /// Whether it leads to the status `name` or has this name itself, ignoring case.
    pub fn leads_to(&self, name: &str) -> bool {
        self.to.as_ref().is_some_and(|to| same(&to.name, name)) || same(&self.name, name)
    }
}

/// Whether two names are equal, ignoring case and surrounding white space.
pub(super) fn same(left: &str, right: &str) -> bool {
    left.trim().to_lowercase() == right.trim().to_lowercase()
}

//! The field list (spec 02 §5.3, §11.5).

use axum::{Extension, Json};
use serde_json::{Value, json};

use super::{front::Caller, refusal::Refusal};

/// A custom field and what its values are.
pub(super) struct CustomField {
    /// `customfield_10470`.
    pub(super) id: &'static str,
    /// Name.
    pub(super) name: &'static str,
    /// Kind of value.
    pub(super) kind: Kind,
}

/// Kinds of custom fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One account or null.
    Person,
    /// A list of accounts or null.
    People,
    /// One of these words or null.
    Choice(&'static [&'static str]),
    /// A list of versions or null.
    Versions,
    /// Written by an application only.
    Opaque,
}

/// The custom fields.
pub(super) const CUSTOM: [CustomField; 7] = [
    CustomField {
        id: "customfield_10840",
        name: "Severity",
        kind: Kind::Choice(&["Critical", "Important", "Moderate", "Low", "Informational"]),
    },
    CustomField { id: "customfield_10470", name: "QA Contact", kind: Kind::Person },
    CustomField { id: "customfield_10482", name: "Need Info From", kind: Kind::People },
    CustomField {
        id: "customfield_10847",
        name: "Release Blocker",
        kind: Kind::Choice(&["None", "Rejected", "Proposed", "Approved"]),
    },
    CustomField { id: "customfield_10855", name: "Target Version", kind: Kind::Versions },
    CustomField { id: "customfield_10978", name: "SFDC Cases Counter", kind: Kind::Opaque },
    CustomField { id: "customfield_10979", name: "SFDC Cases Links", kind: Kind::Opaque },
];

/// System fields: id, name, type, type of the items.
const SYSTEM: [(&str, &str, &str, Option<&str>); 16] = [
    ("summary", "Summary", "string", None),
    ("description", "Description", "string", None),
    ("status", "Status", "status", None),
    ("priority", "Priority", "priority", None),
    ("labels", "Labels", "array", Some("string")),
    ("assignee", "Assignee", "user", None),
    ("reporter", "Reporter", "user", None),
    ("issuetype", "Issue Type", "issuetype", None),
    ("project", "Project", "project", None),
    ("parent", "Parent", "issuelink", None),
    ("subtasks", "Sub-tasks", "array", Some("issuelinks")),
    ("comment", "Comment", "comments-page", None),
    ("created", "Created", "datetime", None),
    ("updated", "Updated", "datetime", None),
    ("resolution", "Resolution", "resolution", None),
    ("issuelinks", "Linked Issues", "array", Some("issuelinks")),
];

/// The id of the field with this name in changelogs: system fields are named by their id there.
pub(super) fn id_of(name: &str) -> &str {
    CUSTOM.iter().find(|field| field.name == name).map_or(name, |field| field.id)
}

/// The custom field with this id.
pub(super) fn custom(id: &str) -> Option<&'static CustomField> {
    CUSTOM.iter().find(|field| field.id == id)
}

/// `GET /field`; anonymous callers see it too.
pub(super) async fn list(Extension(_caller): Extension<Caller>) -> Result<Json<Value>, Refusal> {
    let mut fields = Vec::new();
    for (id, name, kind, items) in SYSTEM {
        let mut schema = json!({"type": kind, "system": id});
        if let Some(items) = items {
            schema["items"] = json!(items);
        }
        fields.push(json!({
            "id": id, "key": id, "name": name, "custom": false, "orderable": true, "navigable": true,
            "searchable": true, "clauseNames": [id], "schema": schema,
        }));
    }
    for field in &CUSTOM {
        let number = field.id.trim_start_matches("customfield_");
        let (kind, items, custom) = match field.kind {
            Kind::Person => ("user", None, "userpicker"),
            Kind::People => ("array", Some("user"), "multiuserpicker"),
            Kind::Choice(_) => ("option", None, "select"),
            Kind::Versions => ("array", Some("version"), "multiversion"),
            Kind::Opaque => ("string", None, "textfield"),
        };
        let mut schema = json!({
            "type": kind,
            "custom": format!("com.atlassian.jira.plugin.system.customfieldtypes:{custom}"),
            "customId": number.parse::<u64>().unwrap_or_default(),
        });
        if let Some(items) = items {
            schema["items"] = json!(items);
        }
        fields.push(json!({
            "id": field.id, "key": field.id, "name": field.name, "custom": true, "orderable": true,
            "navigable": true, "searchable": true,
            "clauseNames": [format!("cf[{number}]"), field.name, format!("{}[{kind}]", field.name)],
            "schema": schema,
        }));
    }
    Ok(Json(Value::Array(fields)))
}

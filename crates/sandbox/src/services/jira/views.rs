//! What the interface answers about issues and people.

use serde_json::{Map, Value, json};

use super::{
    front::Version,
    model::{Account, ChangelogEntry, Comment, Issue},
    state::State,
    text,
};

/// Comments inside an issue are so many; older ones are left out (spec 05 §3.1, 3).
const EMBEDDED_COMMENTS: usize = 20;
/// The most entries of the changelog inside an issue (spec 02 §5.8).
const EMBEDDED_CHANGES: usize = 40;

/// Builds answers from a state for one version of the interface.
pub(super) struct Views<'a> {
    /// The records.
    pub(super) state: &'a State,
    /// Form of texts and links.
    pub(super) version: Version,
    /// `http://127.0.0.1:8765/jira`.
    pub(super) site: String,
}

/// Which fields the caller wants.
pub(super) struct Wanted(Option<Vec<String>>);

impl Wanted {
    /// From `fields` parameters; all without one.
    pub(super) fn all_or(names: Vec<String>) -> Self {
        Self((!names.is_empty()).then_some(names))
    }

    /// Exactly these.
    pub(super) fn only(names: Vec<String>) -> Self {
        Self(Some(names))
    }

    fn has(&self, field: &str) -> bool {
        let Some(names) = &self.0 else { return true };
        let minus = |name: &String| name.strip_prefix('-') == Some(field);
        let listed = names.iter().any(|name| name == "*all" || name == "*navigable" || name == field);
        let only_minus = !names.is_empty() && names.iter().all(|name| name.starts_with('-'));
        (listed || only_minus) && !names.iter().any(minus)
    }
}

impl Views<'_> {
    fn api(&self) -> String {
        let version = match self.version {
            Version::Two => "2",
            Version::Three => "3",
        };
        format!("{}/rest/api/{version}", self.site)
    }

    /// A person; without the e-mail address when it is hidden.
    pub(super) fn account(&self, account: &Account) -> Value {
        let mut view = json!({
            "self": format!("{}/user?accountId={}", self.api(), account.account_id),
            "accountId": account.account_id,
            "accountType": account.account_type,
            "avatarUrls": {},
            "displayName": account.display_name,
            "active": account.active,
            "timeZone": "Etc/UTC",
        });
        if !account.email_hidden {
            view["emailAddress"] = json!(account.email);
        }
        view
    }

    fn person(&self, account_id: Option<&str>) -> Value {
        let Some(account) = account_id.and_then(|id| self.state.account(id)) else { return Value::Null };
        let mut view = self.account(account);
        // In a search a hidden address is left out, in an issue it may be null: both occur.
        if account.email_hidden {
            view["emailAddress"] = Value::Null;
        }
        view
    }

    /// Replaces `{"accountId": …}` by the whole person.
    fn with_people(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.with_people(item)).collect(),
            Value::Object(object) => match object.get("accountId").and_then(Value::as_str) {
                Some(id) => self.person(Some(id)),
                None => value.clone(),
            },
            other => other.clone(),
        }
    }

    /// A status with its category.
    pub(super) fn status(&self, project: &str, name: &str) -> Value {
        let Some(status) = self.state.status(project, name) else { return Value::Null };
        let (id, label) = match status.category.as_str() {
            "new" => (2, "To Do"),
            "done" => (3, "Done"),
            _ => (4, "In Progress"),
        };
        json!({
            "self": format!("{}/status/{}", self.api(), status.id),
            "description": "",
            "name": status.name,
            "id": status.id,
            "statusCategory": {"id": id, "key": status.category, "name": label},
        })
    }

    fn short_fields(&self, issue: &Issue) -> Value {
        json!({
            "summary": issue.summary,
            "status": self.status(&issue.project, &issue.status),
            "priority": issue.priority.as_ref().map(|name| json!({"name": name})),
            "issuetype": issue_type(&issue.issue_type),
        })
    }

    fn link(&self, issue: &Issue) -> String {
        format!("{}/issue/{}", self.api(), issue.id)
    }

    /// What a parent says about a subtask, and a subtask about its parent: four fields only.
    fn relative(&self, issue: &Issue) -> Value {
        json!({
            "id": issue.id.to_string(), "key": issue.key, "self": self.link(issue),
            "fields": self.short_fields(issue),
        })
    }

    /// An issue with the wanted fields.
    pub(super) fn issue(&self, issue: &Issue, wanted: &Wanted, with_changelog: bool) -> Value {
        let mut view = json!({
            "expand": "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
            "id": issue.id.to_string(),
            "self": self.link(issue),
            "key": issue.key,
        });
        if with_changelog {
            let newest: Vec<Value> =
                issue.changelog.iter().rev().take(EMBEDDED_CHANGES).map(|entry| self.change(entry)).collect();
            view["changelog"] = json!({
                "startAt": 0, "maxResults": newest.len(), "total": issue.changelog.len(), "histories": newest,
            });
        }
        let fields: Map<String, Value> =
            self.fields(issue).into_iter().filter(|(name, _)| wanted.has(name)).collect();
        view["fields"] = Value::Object(fields);
        view
    }

    fn fields(&self, issue: &Issue) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        if let Value::Object(short) = self.short_fields(issue) {
            for (name, value) in short {
                put(&name, value);
            }
        }
        let description = issue.description.as_ref().map(|body| text::show(self.version, body));
        put("description", description.unwrap_or_default());
        put("labels", json!(issue.labels));
        put("assignee", self.person(issue.assignee.as_deref()));
        put("reporter", self.person(issue.reporter.as_deref()));
        put("created", json!(issue.created));
        put("updated", json!(issue.updated));
        put("issuelinks", json!([]));
        if let Some(project) = self.state.project(&issue.project) {
            put("project", json!({"id": project.id, "key": project.key, "name": project.name}));
        }
        let done = self.state.status(&issue.project, &issue.status).is_some_and(|s| s.category == "done");
        put("resolution", if done { json!({"name": "Done"}) } else { Value::Null });
        if let Some(parent) = issue.parent.as_ref().and_then(|key| self.state.issue(key)) {
            put("parent", self.relative(parent));
        }
        let subtasks = self.state.subtasks(&issue.key).into_iter().filter(|subtask| !subtask.hidden);
        put("subtasks", subtasks.map(|subtask| self.relative(subtask)).collect());
        let older = issue.comments.len().saturating_sub(EMBEDDED_COMMENTS);
        let comments: Vec<Value> =
            issue.comments.iter().skip(older).map(|c| self.comment(issue, c)).collect();
        let mut page = json!({
            "comments": comments, "self": format!("{}/comment", self.link(issue)),
            "maxResults": comments.len(), "startAt": 0,
        });
        if !self.state.hides_totals {
            page["total"] = json!(issue.comments.len());
        }
        put("comment", page);
        for field in &super::fields::CUSTOM {
            let value = issue.custom.get(field.id).map_or(Value::Null, |value| self.with_people(value));
            put(field.id, value);
        }
        fields
    }

    /// One comment.
    pub(super) fn comment(&self, issue: &Issue, comment: &Comment) -> Value {
        json!({
            "self": format!("{}/comment/{}", self.link(issue), comment.id),
            "id": comment.id.to_string(),
            "author": self.person(Some(&comment.author)),
            "updateAuthor": self.person(Some(&comment.author)),
            "body": text::show(self.version, &comment.body),
            "created": comment.created,
            "updated": comment.updated,
            "jsdPublic": true,
        })
    }

    /// One entry of a changelog.
    pub(super) fn change(&self, entry: &ChangelogEntry) -> Value {
        let items: Vec<Value> = entry
            .items
            .iter()
            .map(|item| {
                json!({
                    "field": item.field, "fieldtype": "jira", "fieldId": super::fields::id_of(&item.field),
                    "from": item.from.0, "fromString": item.from.1, "to": item.to.0, "toString": item.to.1,
                })
            })
            .collect();
        json!({
            "id": entry.id.to_string(), "author": self.person(Some(&entry.author)), "created": entry.created,
            "items": items,
        })
    }
}

/// A type of issues.
pub(super) fn issue_type(name: &str) -> Value {
    json!({"name": name, "subtask": name.starts_with("Sub-"), "hierarchyLevel": if name.starts_with("Sub-") { -1 } else { 0 }})
}

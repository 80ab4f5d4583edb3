//! What an edit does to an issue: `fields` sets, `update` adds and removes (spec 02 §5.2 J-8).

use serde_json::{Map, Value, json};

use super::{
    fields::{self, Kind},
    front::Version,
    model::{ChangelogItem, Issue},
    refusal::Refusal,
    state::State,
    text,
};

const PRIORITIES: [&str; 6] = ["Blocker", "Critical", "Major", "Normal", "Minor", "Undefined"];

/// An edit that was found to be possible.
pub(super) struct Edit {
    /// The issue after it.
    pub(super) draft: Issue,
    /// Ids of the fields that it carried.
    pub(super) fields: Vec<String>,
    /// Comments to add.
    pub(super) comments: Vec<String>,
}

/// Checks the whole body; all problems are reported by field.
pub(super) fn read(state: &State, before: &Issue, version: Version, body: &Value) -> Result<Edit, Refusal> {
    let empty = Map::new();
    let member = |name: &str| body.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let (set, update) = (member("fields"), member("update"));
    if set.is_empty() && update.is_empty() {
        return Err(Refusal::Bad("one of 'fields' or 'update' required".to_owned()));
    }
    let mut edit = Edit { draft: before.clone(), fields: Vec::new(), comments: Vec::new() };
    let mut errors = Vec::new();
    let mut note = |result: Result<(), Refusal>| match result {
        Err(Refusal::Fields(found)) => errors.extend(found),
        Err(other) => errors.push(("issue".to_owned(), format!("{other:?}"))),
        Ok(()) => {}
    };
    for (field, value) in set {
        if update.contains_key(field) {
            note(Err(Refusal::field(
                field,
                format!("Field '{field}' cannot appear in both 'fields' and 'update'"),
            )));
            continue;
        }
        edit.fields.push(field.clone());
        note(assign(state, &mut edit.draft, version, field, value));
    }
    for (field, operations) in update {
        edit.fields.push(field.clone());
        for operation in operations.as_array().into_iter().flatten() {
            note(operate(state, &mut edit, version, field, operation));
        }
    }
    if errors.is_empty() { Ok(edit) } else { Err(Refusal::Fields(errors)) }
}

/// `{"set"|"add"|"remove": value}` on one field.
fn operate(
    state: &State,
    edit: &mut Edit,
    version: Version,
    field: &str,
    operation: &Value,
) -> Result<(), Refusal> {
    let bad = |message: &str| Refusal::field(field, message);
    let (name, value) =
        operation.as_object().and_then(|object| object.iter().next()).ok_or_else(|| bad("no operation"))?;
    if field == "comment" && name == "add" {
        let body = value.get("body").ok_or_else(|| bad("Comment body can not be empty!"))?;
        edit.comments.push(text::read(version, "comment", body)?);
        return Ok(());
    }
    if name == "set" {
        return assign(state, &mut edit.draft, version, field, value);
    }
    let current = if field == "labels" {
        json!(edit.draft.labels)
    } else {
        edit.draft.custom.get(field).cloned().unwrap_or_else(|| json!([]))
    };
    let is_list = field == "labels"
        || fields::custom(field).is_some_and(|custom| matches!(custom.kind, Kind::People | Kind::Versions));
    let mut items = match current {
        Value::Array(items) if is_list => items,
        Value::Null if is_list => Vec::new(),
        _ => return Err(bad(&format!("Field does not support operation '{name}'"))),
    };
    match name.as_str() {
        "add" if items.contains(value) => {}
        "add" => items.push(value.clone()),
        "remove" => items.retain(|item| item != value),
        other => return Err(bad(&format!("Field does not support operation '{other}'"))),
    }
    assign(state, &mut edit.draft, version, field, &Value::Array(items))
}

/// Sets one field, as editing and creating do.
pub(super) fn assign(
    state: &State,
    draft: &mut Issue,
    version: Version,
    field: &str,
    value: &Value,
) -> Result<(), Refusal> {
    let bad = |message: String| Refusal::field(field, message);
    match field {
        "summary" => {
            let summary = value.as_str().filter(|text| !text.trim().is_empty() && !text.contains('\n'));
            summary
                .ok_or_else(|| bad("You must specify a summary of the issue.".to_owned()))?
                .clone_into(&mut draft.summary);
        }
        "description" if value.is_null() => draft.description = None,
        "description" => draft.description = Some(text::read(version, field, value)?),
        "labels" => {
            let labels = value.as_array().and_then(|items| {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
            });
            draft.labels =
                labels.ok_or_else(|| bad("Operation value must be a list of strings".to_owned()))?;
            if let Some(label) = draft.labels.iter().find(|label| label.contains(char::is_whitespace)) {
                return Err(bad(format!("The label '{label}' contains spaces which is invalid.")));
            }
        }
        "priority" => {
            let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
            if !PRIORITIES.contains(&name) {
                return Err(bad("The priority selected is invalid.".to_owned()));
            }
            draft.priority = Some(name.to_owned());
        }
        "assignee" => draft.assignee = person(state, field, value)?,
        "reporter" => draft.reporter = person(state, field, value)?,
        _ => {
            let unknown = || {
                bad(format!(
                    "Field '{field}' cannot be set. It is not on the appropriate screen, or unknown."
                ))
            };
            let custom = fields::custom(field).ok_or_else(unknown)?;
            let value = match custom.kind {
                Kind::Opaque => return Err(unknown()),
                _ if value.is_null() => Value::Null,
                Kind::Person => {
                    person(state, field, value)?.map_or(Value::Null, |id| json!({"accountId": id}))
                }
                Kind::People => {
                    let people = value.as_array().ok_or_else(|| bad("data was not an array".to_owned()))?;
                    let ids: Result<Vec<_>, _> =
                        people.iter().map(|item| person(state, field, item)).collect();
                    ids?.into_iter().flatten().map(|id| json!({"accountId": id})).collect()
                }
                Kind::Choice(choices) => {
                    let word = value.get("value").and_then(Value::as_str).unwrap_or_default();
                    if !choices.contains(&word) {
                        return Err(bad(format!("Option value '{word}' is not valid")));
                    }
                    json!({"value": word})
                }
                Kind::Versions => {
                    let named = value.as_array().is_some_and(|items| {
                        items.iter().all(|item| item.get("name").is_some_and(Value::is_string))
                    });
                    if !named {
                        return Err(bad("expected a list of objects with a name".to_owned()));
                    }
                    value.clone()
                }
            };
            draft.custom.insert(field.to_owned(), value);
        }
    }
    Ok(())
}

/// The account that `{"accountId": …}` names; nobody for null. Names and e-mail addresses are refused.
pub(super) fn person(state: &State, field: &str, value: &Value) -> Result<Option<String>, Refusal> {
    let id = match value {
        Value::Null => return Ok(None),
        Value::Object(object) => match object.get("accountId").or_else(|| object.get("id")) {
            Some(Value::Null) => return Ok(None),
            Some(Value::String(id)) => id,
            _ => {
                return Err(Refusal::Bad(
                    "'accountId' must be the only user identifying query parameter in GDPR strict mode."
                        .to_owned(),
                ));
            }
        },
        _ => return Err(Refusal::field(field, "data was not an object")),
    };
    let account = state
        .account(id)
        .filter(|account| account.active)
        .ok_or_else(|| Refusal::field(field, format!("User '{id}' does not exist.")))?;
    if field == "assignee" && !account.assignable {
        return Err(Refusal::field(field, format!("User '{id}' cannot be assigned issues.")));
    }
    Ok(Some(account.account_id.clone()))
}

/// A changelog item of an assignment.
pub(super) fn assignment(state: &State, before: Option<&str>, after: Option<&str>) -> ChangelogItem {
    let shown = |id: Option<&str>| {
        let name = id.and_then(|id| state.account(id)).map(|account| account.display_name.clone());
        (id.map(str::to_owned), name)
    };
    ChangelogItem { field: "assignee".to_owned(), from: shown(before), to: shown(after) }
}

/// What differs between two versions of an issue.
pub(super) fn changes(state: &State, before: &Issue, after: &Issue) -> Vec<ChangelogItem> {
    let plain = |field: &str, from: Option<String>, to: Option<String>| ChangelogItem {
        field: field.to_owned(),
        from: (None, from),
        to: (None, to),
    };
    let mut items = vec![
        plain("summary", Some(before.summary.clone()), Some(after.summary.clone())),
        plain("description", before.description.clone(), after.description.clone()),
        plain("labels", Some(before.labels.join(" ")), Some(after.labels.join(" "))),
        plain("priority", before.priority.clone(), after.priority.clone()),
        plain("reporter", before.reporter.clone(), after.reporter.clone()),
        assignment(state, before.assignee.as_deref(), after.assignee.as_deref()),
    ];
    for field in &fields::CUSTOM {
        let shown = |issue: &Issue| issue.custom.get(field.id).filter(|v| !v.is_null()).map(Value::to_string);
        items.push(plain(field.name, shown(before), shown(after)));
    }
    items
}

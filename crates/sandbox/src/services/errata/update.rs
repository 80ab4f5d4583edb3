//! E-6: a `PUT` overwrites what it carries and nothing else (spec 02 §2.5, §2.11).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::{
    model::{Advisory, AdvisoryState, AdvisoryType, Role},
    refusal::Refusal,
    state::State,
};

const IMPACTS: [&str; 5] = ["None", "Low", "Moderate", "Important", "Critical"];

/// Applies all fields, or none.
pub(super) fn update(
    state: &mut State,
    id: u32,
    caller: &str,
    fields: &[(String, Option<String>)],
) -> Result<(), Refusal> {
    let before = state.advisory(id).ok_or_else(|| Refusal::NotFound(format!("Errata with id {id}")))?;
    if fields.is_empty() {
        return Err(Refusal::MissingParameter("advisory".to_owned()));
    }
    let mut draft = before.clone();
    let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in fields {
        if let Err(message) = set(state, &mut draft, caller, name, value.as_deref().unwrap_or_default()) {
            errors.entry(name.clone()).or_default().push(message);
        }
    }
    if !errors.is_empty() {
        return Err(Refusal::Invalid(errors));
    }
    super::issues::form(state, &draft)?;
    let issues_changed = as_set(&before.jira_issues) != as_set(&draft.jira_issues)
        || as_set(&before.bugs) != as_set(&draft.bugs);
    if issues_changed && draft.security_approved == Some(true) {
        draft.security_approved = None;
    }
    // Asking documentation to approve withdraws an approval that stands.
    if draft.text_ready && !before.text_ready {
        draft.doc_complete = false;
    }
    for (name, _) in fields {
        let changed = shown(before, name) != shown(&draft, name);
        let count = draft.edits.entry(name.clone()).or_default();
        count.sent += 1;
        count.changed += u32::from(changed);
    }
    state.advisories.insert(id, draft);
    Ok(())
}

fn as_set<T: Ord + Clone>(items: &[T]) -> BTreeSet<T> {
    items.iter().cloned().collect()
}

fn set(state: &State, draft: &mut Advisory, caller: &str, name: &str, value: &str) -> Result<(), String> {
    let text = || {
        if value.trim().is_empty() { Err("can't be blank".to_owned()) } else { Ok(value.to_owned()) }
    };
    let person = || match state.user(value) {
        Some(user) => Ok(user),
        None => Err(format!("{value} is not a valid errata tool user")),
    };
    match name {
        "assigned_to_email" => draft.assigned_to.clone_from(&person()?.email),
        "package_owner_email" => draft.package_owner.clone_from(&person()?.email),
        "manager_email" => draft.manager_id = person()?.id,
        "quality_responsibility_name" => draft.qe_group = text()?,
        "errata_type" => {
            draft.kind =
                AdvisoryType::parse(value).ok_or_else(|| format!("{value} is no type of advisory"))?;
        }
        "text_only" => draft.text_only = boolean(value)?,
        "text_only_cpe" => draft.text_only_cpe = Some(value.to_owned()).filter(|cpe| !cpe.is_empty()),
        "publish_date_override" => {
            draft.publish_date_override = if value.is_empty() { None } else { Some(date(value)?) };
        }
        "cve" => value.clone_into(&mut draft.cve),
        "security_impact" => {
            if !IMPACTS.contains(&value) {
                return Err(format!("{value} is not included in the list"));
            }
            draft.security_impact = Some(value.to_owned());
        }
        "synopsis" => without_severity(&text()?).clone_into(&mut draft.synopsis),
        "topic" => draft.topic = text()?,
        "description" => draft.description = text()?,
        "solution" => draft.solution = text()?,
        "idsfixed" => (draft.bugs, draft.jira_issues) = issues(state, draft.id, value)?,
        "text_ready" => draft.text_ready = boolean(value)?,
        "security_approved" => draft.security_approved = security_approval(state, draft, caller, value)?,
        _ => return Err("unknown attribute".to_owned()),
    }
    Ok(())
}

/// Attached bugs and Jira issues after `idsfixed`, which replaces both lists.
fn issues(state: &State, id: u32, value: &str) -> Result<(Vec<u32>, Vec<String>), String> {
    let (mut bugs, mut keys) = (Vec::new(), Vec::new());
    for word in value.split_whitespace() {
        let bug = word.strip_prefix("bz:").unwrap_or(word);
        let key = word.strip_prefix("jira:").unwrap_or(word);
        if let Ok(bug) = bug.parse() {
            bugs.push(bug);
        } else if is_key(key) {
            keys.push(key.to_owned());
        } else {
            return Err(format!("{word} is not a bug or Jira issue"));
        }
    }
    for key in &keys {
        attachable(state, id, key)?;
    }
    Ok((bugs, keys))
}

/// An issue belongs to one active advisory only, but for security advisories.
pub(super) fn attachable(state: &State, id: u32, key: &str) -> Result<(), String> {
    if state.advisory(id).is_some_and(super::issues::shares_issues) {
        return Ok(());
    }
    let other = state.advisories.values().find(|other| {
        other.id != id && other.state.is_active() && other.jira_issues.iter().any(|k| k == key)
    });
    other.map_or(Ok(()), |other| Err(format!("Jira issue {key} is filed already in {}", other.full_name())))
}

/// Whether a word is a Jira issue key.
pub(super) fn is_key(word: &str) -> bool {
    word.rsplit_once('-').is_some_and(|(project, number)| {
        project.starts_with(|c: char| c.is_ascii_uppercase())
            && project.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
            && !number.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
    })
}

/// Product security's approval: not requested, requested, approved, and back (spec 02 §2.11).
fn security_approval(
    state: &State,
    draft: &Advisory,
    caller: &str,
    value: &str,
) -> Result<Option<bool>, String> {
    let wanted = if value.is_empty() { None } else { Some(boolean(value)?) };
    if draft.kind != AdvisoryType::Rhsa {
        return Err("is only for RHSA".to_owned());
    }
    let may_approve = state.user(caller).is_some_and(|user| user.roles.contains(&Role::Secalert));
    let open = matches!(draft.state, AdvisoryState::Qe | AdvisoryState::RelPrep | AdvisoryState::PushReady);
    match (draft.security_approved, wanted) {
        (from, to) if from == to => Ok(to),
        (None, Some(false)) if open => Ok(wanted),
        (Some(false), Some(true)) if may_approve => Ok(wanted),
        (Some(true), None) => Ok(None),
        _ => Err("this change of the approval is not allowed".to_owned()),
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{value} is not a boolean")),
    }
}

/// `2026-Jul-07` or `2026-07-07` as `2026-07-07`.
fn date(value: &str) -> Result<String, String> {
    let day = value.get(..10).filter(|_| value.contains('T')).unwrap_or(value);
    Date::strptime("%Y-%b-%d", day)
        .or_else(|_| Date::strptime("%Y-%m-%d", day))
        .map(|date| date.to_string())
        .map_err(|_| format!("{value} is not a date"))
}

fn without_severity(synopsis: &str) -> &str {
    ["Low: ", "Moderate: ", "Important: ", "Critical: "]
        .iter()
        .find_map(|severity| synopsis.strip_prefix(severity))
        .unwrap_or(synopsis)
}

/// A field's value in a form that can be compared.
fn shown(advisory: &Advisory, name: &str) -> String {
    match name {
        "assigned_to_email" => advisory.assigned_to.clone(),
        "package_owner_email" => advisory.package_owner.clone(),
        "manager_email" => advisory.manager_id.to_string(),
        "quality_responsibility_name" => advisory.qe_group.clone(),
        "errata_type" => advisory.kind.name().to_owned(),
        "text_only" => advisory.text_only.to_string(),
        "text_only_cpe" => format!("{:?}", advisory.text_only_cpe),
        "publish_date_override" => format!("{:?}", advisory.publish_date_override),
        "cve" => advisory.cve.clone(),
        "security_impact" => format!("{:?}", advisory.security_impact),
        "synopsis" => advisory.synopsis.clone(),
        "topic" => advisory.topic.clone(),
        "description" => advisory.description.clone(),
        "solution" => advisory.solution.clone(),
        "idsfixed" => format!("{:?} {:?}", as_set(&advisory.bugs), as_set(&advisory.jira_issues)),
        "text_ready" => advisory.text_ready.to_string(),
        _ => format!("{:?}", advisory.security_approved),
    }
}

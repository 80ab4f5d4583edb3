//! Projects (G2), and what the caller may do in one.

use axum::{Json, response::Response};
use serde_json::{Value, json};

use super::{
    asked::Asked,
    front::Caller,
    model::{AccessLevel, Project},
    refusal::Refusal,
    state::State,
};

/// A project that the caller sees, with the caller's level in it.
#[derive(Debug)]
pub(super) struct Access<'a> {
    pub(super) project: &'a Project,
    pub(super) user: u64,
    pub(super) level: AccessLevel,
}

/// The project with this id or path. One that the caller may not see does not exist for them.
pub(super) fn find<'a>(state: &'a State, caller: Caller, name: &str) -> Result<Access<'a>, Refusal> {
    let id: Option<u64> = name.parse().ok();
    let same = |project: &&Project| Some(project.id) == id || project.path.eq_ignore_ascii_case(name);
    let project = state.projects.iter().find(same).ok_or(Refusal::NotFound("Project"))?;
    let user = caller.0.ok_or(Refusal::NotFound("Project"))?;
    let level = project.members.get(&user).ok_or(Refusal::NotFound("Project"))?;
    Ok(Access { project, user, level: *level })
}

/// G2.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.gitlab.lock();
    let access = asked.project(&state)?;
    let mut view = asked.views(&state).project(access.project);
    view["permissions"] = json!({
        "project_access": {"access_level": access.level.number(), "notification_level": 3},
        "group_access": null,
    });
    Ok(Json(view))
}

/// The project's rules of approval; absent where the server's plan has none.
pub(super) async fn approval_rules(asked: Asked) -> Result<Response, Refusal> {
    let state = asked.world.gitlab.lock();
    let access = asked.project(&state)?;
    let rules = access.project.approval_rules.as_ref().ok_or(Refusal::NotFound(""))?;
    let views = asked.views(&state);
    let rows: Vec<Value> = rules
        .iter()
        .zip(1u64..)
        .map(|(rule, id)| {
            let people: Vec<Value> =
                rule.eligible.iter().filter_map(|id| state.user(*id)).map(|user| views.user(user)).collect();
            // Without people it is the rule that everybody may satisfy.
            let kind = if people.is_empty() { "any_approver" } else { "regular" };
            json!({
                "id": id, "name": rule.name, "rule_type": kind, "eligible_approvers": people,
                "approvals_required": rule.required, "users": people, "groups": [],
                "contains_hidden_groups": false, "protected_branches": [],
                "applies_to_all_protected_branches": false,
            })
        })
        .collect();
    asked.answer(&rows)
}

/// The project's labels.
pub(super) async fn labels(asked: Asked) -> Result<Response, Refusal> {
    let state = asked.world.gitlab.lock();
    let access = asked.project(&state)?;
    let rows: Vec<Value> = access
        .project
        .labels
        .iter()
        .zip(1u32..)
        .map(|((name, color), id)| {
            json!({
                "id": id, "name": name, "color": color, "text_color": "#FFFFFF", "description": null,
                "is_project_label": true,
            })
        })
        .collect();
    asked.answer(&rows)
}

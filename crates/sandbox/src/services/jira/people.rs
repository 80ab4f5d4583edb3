//! The server, the caller, and the search for people (J-1, J-4).

use axum::{Json, extract::State as AxumState};
use serde_json::{Value, json};

use super::{
    asked::Asked,
    issues::{page, value},
    model::{Account, Right},
    refusal::Refusal,
};
use crate::world::Shared;

const GONE_PARAMETER: &str = "The query parameter 'username' is not supported in GDPR strict mode.";

/// J-1: answered to everybody.
pub(super) async fn server_info(AxumState(world): AxumState<Shared>) -> Json<Value> {
    Json(json!({
        "baseUrl": world.url("/jira"), "displayUrl": world.url("/jira"), "version": "1001.0.0-SNAPSHOT",
        "versionNumbers": [1001, 0, 0], "deploymentType": "Cloud", "buildNumber": 100_300,
        "serverTitle": "Jira", "defaultLocale": {"locale": "en_US"},
    }))
}

/// The caller.
pub(super) async fn myself(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.jira.lock();
    let views = asked.views(&state);
    let account = state.account(&asked.login.account_id).ok_or(Refusal::LogIn)?;
    let mut view = views.account(account);
    // One's own address is never hidden.
    view["emailAddress"] = json!(account.email);
    Ok(Json(view))
}

/// The permissions by their keys, and the right that each stands for; `None` for what every login has.
const PERMISSIONS: [(&str, &str, Option<Right>); 6] = [
    ("BROWSE_PROJECTS", "Browse Projects", None),
    ("CREATE_ISSUES", "Create Issues", Some(Right::Create)),
    ("EDIT_ISSUES", "Edit Issues", Some(Right::Edit)),
    ("ASSIGN_ISSUES", "Assign Issues", Some(Right::Assign)),
    ("TRANSITION_ISSUES", "Transition Issues", Some(Right::Transition)),
    ("ADD_COMMENTS", "Add Comments", Some(Right::Comment)),
];

/// What the caller may do in a project; the parameter `permissions` must name each permission.
pub(super) async fn permissions(asked: Asked) -> Result<Json<Value>, Refusal> {
    let query = asked.query.as_deref();
    let named = value(query, "permissions").unwrap_or_default();
    let named: Vec<&str> = named.split(',').filter(|key| !key.is_empty()).collect();
    if named.is_empty() {
        return Err(Refusal::Bad("The 'permissions' query parameter is required.".to_owned()));
    }
    if let Some(key) = value(query, "projectKey") {
        let state = asked.world.jira.lock();
        let missing = || Refusal::NotFound(format!("No project could be found with key '{key}'."));
        state.project(&key).ok_or_else(missing)?;
    }
    let mut all = serde_json::Map::new();
    for (key, id) in named.into_iter().zip(10..) {
        let known = PERMISSIONS.iter().find(|(known, ..)| *known == key);
        let (_, name, right) =
            known.ok_or_else(|| Refusal::Bad(format!("Unrecognized permission: {key}")))?;
        let has = right.is_none_or(|right| asked.login.rights.contains(&right));
        let row = json!({
            "id": format!("{id}"), "key": key, "name": name, "type": "PROJECT", "description": "",
            "havePermission": has,
        });
        all.insert(key.to_owned(), row);
    }
    Ok(Json(json!({"permissions": all})))
}

/// One account by its id.
pub(super) async fn user(asked: Asked) -> Result<Json<Value>, Refusal> {
    let id =
        value(asked.query.as_deref(), "accountId").ok_or_else(|| Refusal::Bad(GONE_PARAMETER.to_owned()))?;
    let state = asked.world.jira.lock();
    let views = asked.views(&state);
    let missing = || {
        Refusal::NotFound("Specified user does not exist or you do not have required permissions".to_owned())
    };
    Ok(Json(views.account(state.account(&id).ok_or_else(missing)?)))
}

/// J-4: accounts of which a word of the name or of the e-mail address begins with the text.
pub(super) async fn search(asked: Asked) -> Result<Json<Value>, Refusal> {
    let query = asked.query.as_deref();
    if value(query, "username").is_some() {
        return Err(Refusal::Bad(GONE_PARAMETER.to_owned()));
    }
    let text = value(query, "query").ok_or_else(|| {
        Refusal::Bad("Neither the query parameter nor the accountId parameter is present".to_owned())
    })?;
    let (start, length) = page(query, 50, 1000)?;
    // Without the right the result is empty, as if there were no such person.
    if !asked.login.rights.contains(&Right::BrowseUsers) {
        return Ok(Json(json!([])));
    }
    let inactive_too = value(query, "includeInactive").is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
    let state = asked.world.jira.lock();
    let views = asked.views(&state);
    let found = state
        .accounts
        .iter()
        .filter(|account| (account.active || inactive_too) && fits(account, &text))
        .skip(start)
        .take(length)
        .map(|account| views.account(account));
    Ok(Json(found.collect()))
}

/// A hidden address is found only by the whole of it.
fn fits(account: &Account, text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let email = account.email.to_lowercase();
    let name = account.display_name.to_lowercase();
    if text.is_empty() {
        return true;
    }
    let begins = |whole: &str, separators: &[char]| {
        whole.starts_with(&text)
            || whole
                .match_indices(separators)
                .any(|(at, mark)| whole.get(at + mark.len()..).is_some_and(|rest| rest.starts_with(&text)))
    };
    let by_email = if account.email_hidden { email == text } else { begins(&email, &['@', '.', '-', '_']) };
    by_email || begins(&name, &[' '])
}

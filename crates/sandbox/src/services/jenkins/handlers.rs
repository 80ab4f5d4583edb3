//! What Jenkins answers.

use axum::{
    Json,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    front::{Ask, CRUMB_FIELD, crumb, page},
    model::{Account, Crumbs, Item, State, Visible},
    tree, views,
};
use crate::unexpected::Unexpected;

/// The answer; nothing for what is not simulated.
pub(super) fn answer(
    state: &mut State,
    account: Option<&Account>,
    ask: &Ask,
    base: &str,
    now: Timestamp,
) -> Option<Response> {
    let parts: Vec<&str> = ask.parts.iter().map(String::as_str).collect();
    let get = ask.method == Method::GET;
    match parts.as_slice() {
        [] if get => Some(page(StatusCode::OK, "Dashboard")),
        ["api", "json"] if get => {
            Some(document(ask, json!({"_class": "hudson.model.Hudson", "url": format!("{base}/")})))
        }
        ["me", "api", "json"] if get => Some(match account {
            Some(account) => document(ask, json!({"id": account.user, "fullName": account.user})),
            None => page(StatusCode::FORBIDDEN, "anonymous"),
        }),
        ["crumbIssuer", "api", "json"] if get => Some(match (state.crumbs, account) {
            (Crumbs::Off, _) | (_, None) => page(StatusCode::NOT_FOUND, "Not Found"),
            (_, Some(account)) => {
                let session = format!("JSESSIONID=session-of-{}; Path=/; HttpOnly", account.user);
                let body = json!({
                    "_class": "hudson.security.csrf.DefaultCrumbIssuer",
                    "crumb": crumb(account),
                    "crumbRequestField": CRUMB_FIELD,
                });
                ([(header::SET_COOKIE, session)], Json(body)).into_response()
            }
        }),
        ["queue", "api", "json"] if get => Some(document(ask, views::queue(state, base, now))),
        ["queue", "item", number, "api", "json"] if get => {
            let item = number.parse().ok().and_then(|id: u64| state.items.iter().find(|item| item.id == id));
            let readable = |item: &&Item| {
                state.jobs.iter().any(|job| job.path == item.job && job.visible == Visible::Whole)
            };
            Some(match item.filter(readable) {
                Some(item) => document(ask, views::item(state, item, base, now)),
                None => page(StatusCode::NOT_FOUND, "Not Found"),
            })
        }
        // An item has no page.
        ["queue", "item", _] if get => Some(page(StatusCode::NOT_FOUND, "Not Found")),
        ["queue", "cancelItem"] if ask.method == Method::POST => {
            let id: Option<u64> = parameter(&ask.query, "id").and_then(|id| id.parse().ok());
            let item = state.items.iter_mut().find(|item| Some(item.id) == id && item.left.is_none())?;
            item.cancelled = true;
            Some(StatusCode::NO_CONTENT.into_response())
        }
        ["job", ..] => job(state, account, ask, &parts, base, now),
        _ => None,
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

/// A document, with the fields that `tree` asks for.
fn document(ask: &Ask, value: Value) -> Response {
    for (name, _) in form_urlencoded::parse(ask.query.as_bytes()) {
        if !matches!(name.as_ref(), "depth" | "tree") {
            return Unexpected::new(format!("parameter {name}")).into_response();
        }
    }
    match parameter(&ask.query, "tree") {
        None => Json(value).into_response(),
        Some(text) => match tree::parse(&text) {
            Ok(tree) => Json(tree::select(&value, &tree)).into_response(),
            Err(error) => page(StatusCode::BAD_REQUEST, &error),
        },
    }
}

fn job(
    state: &mut State,
    account: Option<&Account>,
    ask: &Ask,
    parts: &[&str],
    base: &str,
    now: Timestamp,
) -> Option<Response> {
    let mut names = Vec::new();
    let mut rest = parts;
    while let ["job", name, tail @ ..] = rest {
        names.push(*name);
        rest = tail;
    }
    let path = names.join("/");
    if !state.jobs.iter().any(|job| job.path == path) {
        let folder = state.jobs.iter().any(|job| job.path.starts_with(&format!("{path}/")));
        return Some(match (folder, rest) {
            (true, ["api", "json"]) => document(
                ask,
                json!({"_class": "com.cloudbees.hudson.plugins.folder.Folder", "name": names.last()}),
            ),
            _ => page(StatusCode::NOT_FOUND, "Not Found"),
        });
    }
    match state.jobs.iter().find(|job| job.path == path)?.visible {
        Visible::Whole => {}
        Visible::Name => {
            return Some(page(StatusCode::FORBIDDEN, "rlead is missing the Job/Read permission"));
        }
        Visible::Nothing => return Some(page(StatusCode::NOT_FOUND, "Not Found")),
    }
    match rest {
        ["buildWithParameters"] if ask.method == Method::POST => {
            Some(build_with_parameters(state, account, ask, &path, base, now))
        }
        ["build"] if ask.method == Method::POST => {
            let takes = state.jobs.iter().any(|job| job.path == path && !job.parameters.is_empty());
            // Jenkins wants the other path for a job with parameters.
            takes.then(|| page(StatusCode::BAD_REQUEST, "Nothing is submitted"))
        }
        ["api", "json"] if ask.method == Method::GET => {
            let job = state.jobs.iter().find(|job| job.path == path)?;
            Some(document(ask, views::job(state, job, base, now)))
        }
        [number, "api", "json"] if ask.method == Method::GET => {
            let job = state.jobs.iter().find(|job| job.path == path)?;
            let number: u64 = number.parse().ok()?;
            Some(match job.builds.iter().find(|build| build.number == number) {
                Some(build) => document(ask, views::build(job, build, base, now)),
                None => page(StatusCode::NOT_FOUND, "Not Found"),
            })
        }
        _ => None,
    }
}

fn build_with_parameters(
    state: &mut State,
    account: Option<&Account>,
    ask: &Ask,
    path: &str,
    base: &str,
    now: Timestamp,
) -> Response {
    if !account.is_some_and(|account| account.may_build) {
        return page(StatusCode::FORBIDDEN, "rlead is missing the Job/Build permission");
    }
    let Some(job) = state.job_mut(path) else { return page(StatusCode::NOT_FOUND, "Not Found") };
    if job.parameters.is_empty() {
        return page(StatusCode::BAD_REQUEST, "is not parameterized but got parameters");
    }
    if job.disabled {
        return page(StatusCode::CONFLICT, &format!("{path} is not buildable"));
    }
    let form = ask.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let form = form.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let body = if form { String::from_utf8_lossy(&ask.body).into_owned() } else { String::new() };
    let given: Vec<(String, String)> = form_urlencoded::parse(ask.query.as_bytes())
        .chain(form_urlencoded::parse(body.as_bytes()))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    // An uncaught exception of Jenkins.
    let oops =
        || page(StatusCode::INTERNAL_SERVER_ERROR, "Oops! A problem occurred while processing the request.");
    let twice = |name: &String| given.iter().filter(|(given, _)| given == name).count() > 1;
    let unlisted = |(name, choices): (&String, &Vec<String>)| {
        given.iter().any(|(given, value)| given == name && !choices.contains(value))
    };
    if job.parameters.iter().any(|(name, _)| twice(name)) || job.choices.iter().any(unlisted) {
        return oops();
    }
    // Parameters that the job does not define are dropped; absent ones get their defaults.
    let parameters: Vec<(String, Value)> = job
        .parameters
        .iter()
        .map(|(name, default)| {
            let value = given.iter().find(|(given, _)| given == name).map(|(_, value)| match default {
                Value::Bool(_) => Value::Bool(value == "true"),
                _ => Value::String(value.clone()),
            });
            (name.clone(), value.unwrap_or_else(|| default.clone()))
        })
        .collect();
    let located = |status: StatusCode, path: String| {
        (status, [(header::LOCATION, format!("{base}{path}"))]).into_response()
    };
    if state.vetoes {
        let job = path.split('/').flat_map(|part| ["/job/", part]).collect::<String>();
        return located(StatusCode::FOUND, format!("{job}/"));
    }
    if let Some(item) = state.waiting(path, &parameters) {
        return located(StatusCode::SEE_OTHER, format!("/queue/item/{item}/"));
    }
    let item = state.enqueue(path, parameters, now);
    located(StatusCode::CREATED, format!("/queue/item/{item}/"))
}

//! The routes, with the scenario's data.

mod people;
mod properties;
mod reading;
mod searching;
mod writing;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{
    credentials::{JIRA_TOKEN, JIRA_USERNAME},
    scenario::jira::READER,
    services::testing::{Answer, call},
    world::Shared,
};

fn basic((email, token): (&str, &str)) -> String {
    format!("Basic {}", STANDARD.encode(format!("{email}:{token}")))
}

async fn send_as(world: &Shared, login: (&str, &str), method: &str, path: &str, body: &str) -> Answer {
    let headers = [("authorization", &*basic(login)), ("content-type", "application/json")];
    call(world, method, &format!("/jira/rest/api/{path}"), &headers, body.to_owned()).await
}

async fn send(world: &Shared, method: &str, path: &str, body: &str) -> Answer {
    send_as(world, (JIRA_USERNAME, JIRA_TOKEN), method, path, body).await
}

async fn get(world: &Shared, path: &str) -> Answer {
    send(world, "GET", path, "").await
}

async fn send_as_reader(world: &Shared, method: &str, path: &str, body: &str) -> Answer {
    send_as(world, READER, method, path, body).await
}

fn assert_no_issue(answer: &Answer) {
    assert_eq!(answer.status, 404, "{answer:?}");
    let expected = serde_json::json!({
        "errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}
    });
    assert_eq!(answer.json(), expected);
}

//! The routes, with the scenario's data.

mod access;
mod notes;
mod reading;
mod requests;
mod writing;

use crate::{
    credentials::GITLAB_TOKEN,
    services::testing::{Answer, call},
    world::Shared,
};

const REQUEST: &str = "projects/5150/merge_requests/612";

async fn send_as(world: &Shared, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
    let headers = [("private-token", token), ("content-type", kind)];
    call(world, method, &format!("/gitlab/api/v4/{path}"), &headers, body.to_owned()).await
}

async fn send(world: &Shared, method: &str, path: &str, body: &str) -> Answer {
    send_as(world, GITLAB_TOKEN, method, path, body).await
}

async fn get(world: &Shared, path: &str) -> Answer {
    send(world, "GET", path, "").await
}

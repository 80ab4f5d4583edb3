//! The control interface under `/_sandbox`, for shell users and other processes.
//!
//! | Request | Effect |
//! |---|---|
//! | `GET /_sandbox/requests` | all requests |
//! | `DELETE /_sandbox/requests` | clear them |
//! | `GET /_sandbox/faults`, `POST`, `DELETE` | the active rules; add one; remove all |
//! | `POST /_sandbox/seed` `{"seed": 7}` | seed of the rates |
//! | `GET /_sandbox/clock`, `POST` `{"advance_seconds": 60}` | the time |
//! | `POST /_sandbox/latency` `{"ms": 20}` | delay every answer by this time |
//! | `GET /_sandbox/unexpected`, `DELETE` | requests that no service supports |
//! | `GET /_sandbox/environment` | the environment of a product process |
//! | `POST /_sandbox/stop` | stop the sandbox, if it runs in its own process |
//! | `GET /_sandbox/actions`, `POST` `{"release": "4.19.1", "action": "art-ships"}` | actions of other parties ([`Action`]) |
//! | `POST /_sandbox/elliott` | a call of the simulated elliott ([`elliott`]) |
//! | `GET /_sandbox/state/<service>` | the service's state as JSON |
//! | `POST /_sandbox/state/<service>/<operation>` | a change, as the service's module documents |

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{elliott, faults::Fault, scenario::parties::Action, unexpected, world::Shared};

/// The control interface, with its prefix.
pub fn router(environment: Vec<(String, String)>) -> Router<Shared> {
    let environment: serde_json::Map<String, Value> =
        environment.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    Router::new()
        .route("/_sandbox/requests", get(requests).delete(clear_requests))
        .route("/_sandbox/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/_sandbox/seed", post(seed))
        .route("/_sandbox/clock", get(clock).post(advance))
        .route("/_sandbox/latency", post(latency))
        .route("/_sandbox/unexpected", get(unexpected_requests).delete(clear_unexpected))
        .route("/_sandbox/environment", get(async || Json(environment)))
        .route("/_sandbox/actions", get(actions).post(do_action))
        .route("/_sandbox/stop", post(stop))
        .route("/_sandbox/elliott", post(call_elliott))
        .route("/_sandbox/state/{service}", get(state))
        .route("/_sandbox/state/{service}/{operation}", post(change))
        .route("/_sandbox/{*rest}", get(unexpected::unknown_route))
}

async fn requests(State(world): State<Shared>) -> impl IntoResponse {
    Json(world.requests.all())
}

async fn clear_requests(State(world): State<Shared>) -> StatusCode {
    world.requests.clear();
    StatusCode::NO_CONTENT
}

async fn faults(State(world): State<Shared>) -> impl IntoResponse {
    Json(world.faults.list())
}

async fn add_fault(State(world): State<Shared>, Json(fault): Json<Fault>) -> Response {
    match fault.check() {
        Ok(()) => (StatusCode::CREATED, Json(json!({"id": world.faults.add(fault)}))).into_response(),
        Err(problem) => refused(StatusCode::BAD_REQUEST, &problem),
    }
}

async fn clear_faults(State(world): State<Shared>) -> StatusCode {
    world.faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    seed: u64,
}

async fn seed(State(world): State<Shared>, Json(Seed { seed }): Json<Seed>) -> StatusCode {
    world.faults.seed(seed);
    StatusCode::NO_CONTENT
}

async fn clock(State(world): State<Shared>) -> Json<Value> {
    Json(json!({"now": world.clock.now().to_string()}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

async fn advance(State(world): State<Shared>, Json(Advance { advance_seconds }): Json<Advance>) -> Response {
    match world.clock.try_advance(SignedDuration::from_secs(advance_seconds)) {
        Ok(()) => Json(json!({"now": world.clock.now().to_string()})).into_response(),
        Err(problem) => refused(StatusCode::BAD_REQUEST, &problem.to_string()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    ms: u64,
}

async fn latency(State(world): State<Shared>, Json(Latency { ms }): Json<Latency>) -> StatusCode {
    world.set_latency(Duration::from_millis(ms));
    StatusCode::NO_CONTENT
}

async fn unexpected_requests(State(world): State<Shared>) -> impl IntoResponse {
    Json(world.unexpected.all())
}

async fn clear_unexpected(State(world): State<Shared>) -> StatusCode {
    world.unexpected.clear();
    StatusCode::NO_CONTENT
}

async fn actions() -> Json<Value> {
    let all: serde_json::Map<String, Value> =
        Action::ALL.iter().map(|action| (action.name().to_owned(), json!(action.about()))).collect();
    Json(Value::Object(all))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionRequest {
    release: String,
    action: String,
}

async fn do_action(State(world): State<Shared>, Json(asked): Json<ActionRequest>) -> Response {
    let Some(action) = Action::parse(&asked.action) else {
        let names: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
        let words = format!("no action {}; there are {}", asked.action, names.join(", "));
        return refused(StatusCode::NOT_FOUND, &words);
    };
    match action.carry_out(&world, &asked.release) {
        Ok(done) => Json(json!({"done": done})).into_response(),
        Err(why) => refused(StatusCode::CONFLICT, &why),
    }
}

async fn stop(State(world): State<Shared>) -> Response {
    if world.stop.ask() {
        Json(json!({"stopping": true})).into_response()
    } else {
        refused(StatusCode::CONFLICT, "this sandbox ends with the command that it runs")
    }
}

async fn call_elliott(State(world): State<Shared>, Json(call): Json<elliott::Call>) -> Json<elliott::Ended> {
    Json(elliott::call(&world, &call))
}

async fn state(State(world): State<Shared>, Path(service): Path<String>) -> Response {
    match world.with_service(&service, |state| state.snapshot()) {
        Some(snapshot) => Json(snapshot).into_response(),
        None => refused(StatusCode::NOT_FOUND, &format!("no service {service}")),
    }
}

async fn change(
    State(world): State<Shared>,
    Path((service, operation)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Response {
    let now = world.clock.now();
    match world.with_service(&service, |state| state.change(&operation, &body, now)) {
        Some(Ok(answer)) => Json(answer).into_response(),
        Some(Err(problem)) => refused(StatusCode::BAD_REQUEST, &problem),
        None => refused(StatusCode::NOT_FOUND, &format!("no service {service}")),
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"message": message}))).into_response()
}

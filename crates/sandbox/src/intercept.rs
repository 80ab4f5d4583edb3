//! Middleware around every service: records requests and applies faults.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, Response as HttpResponse, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::json;

use crate::{
    connection::Connection,
    faults::FaultKind,
    requests::{BODY_EXCERPT, RecordedRequest},
    services,
    unexpected::{Meant, Unexpected, UnexpectedRequest},
    world::{Shared, World},
};

/// Largest request body that is accepted, in bytes.
const BODY_LIMIT: usize = 32 * 1024 * 1024;
/// How long a hanging request hangs; longer than any client waits.
const HANG: Duration = Duration::from_mins(15);

/// Marks a request whose answer shall be the previous version of what it reads.
#[derive(Clone, Copy, Debug)]
pub struct StaleRead;

/// The middleware around all services.
pub async fn intercept(
    State(world): State<Shared>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (service, path) = services::split(parts.uri.path());
    let (method, path) = (parts.method.to_string(), path.to_owned());
    let seq = world.requests.begin(RecordedRequest {
        seq: 0,
        service: service.to_owned(),
        method: method.clone(),
        path: path.clone(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        status: None,
        at: world.clock.now(),
        body_excerpt: excerpt(&body),
        acted: false,
        fault: None,
        connection: connection.number,
    });
    if !world.latency().is_zero() {
        tokio::time::sleep(world.latency()).await;
    }
    let fault = world.faults.pick(service, &method, &path);
    if let Some(kind) = &fault {
        world.requests.change(seq, |record| record.fault = Some(name(kind)));
    }

    let mut request = Request::from_parts(parts, Body::from(body));
    // For middleware of the services, which has no access to the router's state.
    request.extensions_mut().insert(Shared::clone(&world));
    let response = if let Some(answer) = before(fault.as_ref(), &connection).await {
        answer
    } else {
        if fault == Some(FaultKind::StaleRead) {
            request.extensions_mut().insert(StaleRead);
        }
        world.requests.change(seq, |record| record.acted = true);
        let response = next.run(request).await;
        remember_unexpected(&world, seq, service, &method, &path, response)
    };
    let mut response = after(fault.as_ref(), &connection, response).await;
    if !matches!(
        fault,
        Some(FaultKind::DropBefore | FaultKind::DropAfter | FaultKind::Hang | FaultKind::HangAfter)
    ) {
        let status = response.status().as_u16();
        world.requests.change(seq, |record| record.status = Some(status));
    }
    if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&world.clock.now())
        && let Ok(date) = HeaderValue::from_str(&date)
    {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// The answer of a fault instead of the service's; `None` when the service runs.
async fn before(fault: Option<&FaultKind>, connection: &Connection) -> Option<Response> {
    match fault? {
        FaultKind::Status { code, body, headers } => Some(status(*code, body.as_deref(), headers)),
        FaultKind::RateLimited { retry_after } => {
            Some(limited(StatusCode::TOO_MANY_REQUESTS, *retry_after, "Too many requests"))
        }
        FaultKind::SecondaryRateLimit { retry_after } => Some(limited(
            StatusCode::FORBIDDEN,
            *retry_after,
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        )),
        FaultKind::BusyBranch => Some(busy_branch()),
        FaultKind::Garbage => Some(
            ([(header::CONTENT_TYPE, "application/json")], "<html><p>Hello from a proxy").into_response(),
        ),
        FaultKind::DropBefore => {
            connection.cut();
            Some(StatusCode::OK.into_response())
        }
        FaultKind::Hang => {
            tokio::time::sleep(HANG).await;
            connection.cut();
            Some(StatusCode::OK.into_response())
        }
        FaultKind::Slow { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            None
        }
        FaultKind::DropAfter | FaultKind::HangAfter | FaultKind::StaleRead | FaultKind::Truncate => None,
    }
}

/// What a fault does to the answer of a service that ran.
async fn after(fault: Option<&FaultKind>, connection: &Connection, response: Response) -> Response {
    match fault {
        Some(FaultKind::DropAfter) => {
            connection.cut();
            response
        }
        Some(FaultKind::HangAfter) => {
            tokio::time::sleep(HANG).await;
            connection.cut();
            response
        }
        Some(FaultKind::Truncate) => truncate(response).await,
        _ => response,
    }
}

/// Half of the body with the length of the whole, then a broken connection.
async fn truncate(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    // Headers and the first half go out before the error, or the client would see no answer at all.
    let broken = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "truncated by a fault of the sandbox"))
    };
    let chunks = stream::iter([Ok(half)]).chain(stream::once(broken));
    HttpResponse::from_parts(parts, Body::from_stream(chunks))
}

fn status(code: u16, body: Option<&str>, headers: &[(String, String)]) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let default = json!({"message": format!("A fault of the sandbox: {code}")}).to_string();
    let body = body.map_or(default, str::to_owned);
    let kind = if body.starts_with(['{', '[']) { "application/json" } else { "text/html" };
    let mut response = (code, [(header::CONTENT_TYPE, kind)], body).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn limited(code: StatusCode, retry_after: u64, message: &str) -> Response {
    let body =
        axum::Json(json!({"message": message, "documentation_url": "https://docs.example.test/rate-limits"}));
    (code, [(header::RETRY_AFTER, HeaderValue::from(retry_after))], body).into_response()
}

fn busy_branch() -> Response {
    let body = json!({
        "message": "is at 0000000000000000000000000000000000000001 but expected 0000000000000000000000000000000000000002",
        "documentation_url": "https://docs.example.test/contents",
        "status": "409",
    });
    (StatusCode::CONFLICT, axum::Json(body)).into_response()
}

/// Records an answer that means "not simulated", and turns a known path with an unknown method into one.
fn remember_unexpected(
    world: &World,
    seq: u64,
    service: &str,
    method: &str,
    path: &str,
    response: Response,
) -> Response {
    let is_meant = response.extensions().get::<Meant>().is_some();
    let response = if response.status() == StatusCode::METHOD_NOT_ALLOWED && !is_meant {
        Unexpected::new(format!("{method} on {path}")).into_response()
    } else {
        response
    };
    if let Some(Unexpected(reason)) = response.extensions().get::<Unexpected>() {
        world.unexpected.add(UnexpectedRequest {
            seq,
            service: service.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            reason: reason.clone(),
        });
    }
    response
}

fn excerpt(body: &Bytes) -> String {
    String::from_utf8_lossy(body.get(..BODY_EXCERPT).unwrap_or(body)).into_owned()
}

/// The fault's name in the log of requests: `drop_after`.
fn name(kind: &FaultKind) -> String {
    serde_json::to_value(kind)
        .ok()
        .and_then(|value| value.get("type")?.as_str().map(str::to_owned))
        .unwrap_or_default()
}

//! Requests that the transport refuses: which status, which words, what next.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

/// Why a request or a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    Host,
    Origin,
    NoToken,
    WrongToken,
    ExpiredToken,
    NarrowToken,
    ForeignSession,
    LargeBody,
    SlowBody,
    BrokenBody,
    Rate,
    Queue,
    Streams,
    Sessions,
    Connections,
    Stopping,
}

impl Reason {
    pub(super) const ALL: [Self; 16] = [
        Self::Host,
        Self::Origin,
        Self::NoToken,
        Self::WrongToken,
        Self::ExpiredToken,
        Self::NarrowToken,
        Self::ForeignSession,
        Self::LargeBody,
        Self::SlowBody,
        Self::BrokenBody,
        Self::Rate,
        Self::Queue,
        Self::Streams,
        Self::Sessions,
        Self::Connections,
        Self::Stopping,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::NoToken => "no-token",
            Self::WrongToken => "wrong-token",
            Self::ExpiredToken => "expired-token",
            Self::NarrowToken => "narrow-token",
            Self::ForeignSession => "foreign-session",
            Self::LargeBody => "large-body",
            Self::SlowBody => "slow-body",
            Self::BrokenBody => "broken-body",
            Self::Rate => "rate",
            Self::Queue => "queue",
            Self::Streams => "streams",
            Self::Sessions => "sessions",
            Self::Connections => "connections",
            Self::Stopping => "stopping",
        }
    }

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Origin | Self::NarrowToken => StatusCode::FORBIDDEN,
            Self::NoToken | Self::WrongToken | Self::ExpiredToken => StatusCode::UNAUTHORIZED,
            Self::ForeignSession => StatusCode::NOT_FOUND,
            Self::LargeBody => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Rate | Self::Queue | Self::Streams | Self::Sessions => StatusCode::TOO_MANY_REQUESTS,
            Self::Connections | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What is wrong, and what to do next.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Host => (
                "this name of the server is not accepted",
                "Call the server at its own address; a proxy's name is given with --host.",
            ),
            Self::Origin => (
                "pages of this origin may not call the server",
                "Name the origin with --origin if it is yours.",
            ),
            Self::NoToken => ("the request has no token", "Send `Authorization: Bearer <token>`."),
            Self::WrongToken => ("the token is not known", "Ask the owner of the server for a token."),
            Self::ExpiredToken => ("the token has expired", "Ask the owner of the server for a new token."),
            Self::NarrowToken => {
                ("the token does not give access to this tool", "Ask the owner of the server for the scope.")
            }
            // As for a session that does not exist.
            Self::ForeignSession => ("there is no such session", "Open a new session with `initialize`."),
            Self::LargeBody => ("the body of the request is too large", "Send less in one request."),
            Self::SlowBody => {
                ("the body of the request did not arrive in time", "Send it again in one piece.")
            }
            Self::BrokenBody => ("the body of the request could not be read", "Send it again."),
            Self::Rate => ("this caller sends too many requests", "Wait, then send it again."),
            Self::Queue => (
                "too many calls of this caller run and wait",
                "Wait until one has ended, then send it again.",
            ),
            Self::Streams => ("this caller has too many open streams", "Close one, then try again."),
            Self::Sessions => (
                "too many sessions are open",
                "End sessions that are no longer needed with DELETE, or wait until they expire.",
            ),
            Self::Connections => ("too many connections are open", "Wait, then connect again."),
            Self::Stopping => ("the server is stopping", "Wait until it runs again, then send it again."),
        }
    }
}

/// A refused request.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(super) reason: Reason,
    /// The id of the JSON-RPC request.
    id: Box<Value>,
    retry_after: Option<Duration>,
    challenge: Option<String>,
    /// Who sent it, as far as that is known.
    pub(super) caller: Option<String>,
    /// The tool that it calls, as far as that is known.
    pub(super) tool: Option<String>,
}

impl Refusal {
    pub(super) fn new(reason: Reason) -> Self {
        Self {
            reason,
            id: Box::new(Value::Null),
            retry_after: None,
            challenge: None,
            caller: None,
            tool: None,
        }
    }

    /// The same for the request with this id.
    pub(super) fn of(mut self, id: Option<&Value>) -> Self {
        if let Some(id) = id.filter(|id| id.is_string() || id.is_number()) {
            *self.id = id.clone();
        }
        self
    }

    /// The same for a request of this caller.
    pub(super) fn of_caller(mut self, caller: &str) -> Self {
        self.caller = Some(caller.to_owned());
        self
    }

    /// The same for a call of this tool.
    pub(super) fn calling(mut self, tool: Option<&str>) -> Self {
        self.tool = tool.map(str::to_owned);
        self
    }

    pub(super) fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// The same with a challenge (RFC 6750).
    pub(super) fn challenge(mut self, challenge: String) -> Self {
        self.challenge = Some(challenge);
        self
    }

    pub(super) fn into_response(self) -> Response {
        let status = self.reason.status();
        let (what, next) = self.reason.words();
        // The status as the code: JSON-RPC reserves only numbers from -32768 to -32000.
        let body = json!({
            "jsonrpc": "2.0",
            "id": self.id,
            "error": {
                "code": status.as_u16(),
                "message": what,
                "data": {"reason": self.reason.name(), "next": next},
            },
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(time) = self.retry_after {
            // Rounded up: a client that waits for 0 s asks again at once.
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(challenge) = self.challenge.and_then(|challenge| HeaderValue::from_str(&challenge).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if matches!(self.reason, Reason::LargeBody | Reason::SlowBody | Reason::BrokenBody | Reason::Stopping)
        {
            // The rest of the body is not read.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

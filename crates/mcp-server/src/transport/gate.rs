//! What a request has to pass before the protocol sees it: names, token, body, limits, session.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::LengthLimitError;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::ServerState;
use super::authorisation;
use super::connections::{OfConnection, holding};
use super::limits::{CallerLimits, Turn};
use super::refusal::{Reason, Refusal};
use super::sessions::{InUse, Place, Sessions};
use crate::audit::{Audit, RefusedEntry};
use crate::caller::Caller;
use crate::settings::Settings;

/// The headers in which requests of the current revision name the method, and the tool of a call.
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
/// The header with the id of a session.
const SESSION: &str = "mcp-session-id";
/// How soon a client may try again when the server stops.
const RESTARTED: Duration = Duration::from_secs(5);

/// What stands before the endpoint of the protocol.
pub(super) struct Gate {
    pub(super) settings: Arc<Settings>,
    pub(super) state: ServerState,
    pub(super) limits: CallerLimits,
    pub(super) audit: Audit,
    pub(super) sessions: Arc<Sessions>,
    /// The address of the description of the protected resource.
    pub(super) metadata: String,
    /// Cancelled when no new call may begin.
    pub(super) stopping: CancellationToken,
}

/// The parts of a message that decide how it is treated. The protocol reads it again, wholly.
#[derive(Debug, Default, Deserialize)]
struct Message {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    params: Option<Params>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Params {
    Named { name: String },
    Other(IgnoredAny),
}

/// How a request is treated.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// It takes the place of a call.
    Call,
    /// It takes the place of a call, and may open a session.
    Opening,
    /// It stays open for notifications.
    Stream,
    /// It belongs to a call that runs: an answer of the client, a notification, the end of a session. It must not wait
    /// for that call.
    Passing,
}

impl Message {
    fn of(body: &[u8]) -> Self {
        // What cannot be read is treated as a call; the protocol refuses it.
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            method: Some(String::new()),
            id: Some(Value::Null),
            params: None,
        })
    }

    fn kind(&self) -> Kind {
        match (&self.method, &self.id) {
            (Some(method), Some(_)) => match method.as_str() {
                "initialize" => Kind::Opening,
                "subscriptions/listen" => Kind::Stream,
                _ => Kind::Call,
            },
            (Some(_), None) | (None, _) => Kind::Passing,
        }
    }

    /// The tool that it calls.
    fn tool(&self) -> Option<&str> {
        match (self.method.as_deref(), &self.params) {
            (Some("tools/call"), Some(Params::Named { name })) => Some(name),
            _ => None,
        }
    }
}

/// A request that may pass, and what it holds.
struct Admitted {
    request: Request,
    turn: Option<Turn>,
    place: Option<Place>,
    in_use: Option<InUse>,
}

/// Lets a request pass to the protocol, or refuses it.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<OfConnection>().cloned();
    let claimed = gate.claimed_tool(request.headers());
    let refused = |refusal: &Refusal| gate.refused(refusal, connection.as_ref(), claimed.as_deref());
    let Admitted { request, turn, place, in_use } = match gate.admit(request, connection.as_ref()).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            refused(&refusal);
            return refusal.into_response();
        }
    };
    let caller = request.extensions().get::<Arc<Caller>>().map(|caller| caller.name.clone());
    let response = Sessions::with_place(place, next.run(request)).await;
    if response.status() == StatusCode::FORBIDDEN {
        // The protocol library checks both names again.
        let refusal = Refusal::new(Reason::Origin);
        refused(&match &caller {
            Some(caller) => refusal.of_caller(caller),
            None => refusal,
        });
    }
    holding(response, (turn, in_use))
}

impl Gate {
    /// Counts a refusal, and writes its line into the audit log.
    fn refused(&self, refusal: &Refusal, connection: Option<&OfConnection>, claimed: Option<&str>) {
        self.state.metrics.refused(refusal.reason);
        self.audit.refused(&RefusedEntry {
            caller: refusal.caller.as_deref(),
            tool: refusal.tool.as_deref().and_then(|tool| self.known_tool(tool)).or(claimed),
            reason: refusal.reason.name(),
            status: refusal.reason.status().as_u16(),
            from: connection.map(|connection| connection.peer),
        });
    }

    /// The tool that a call of the current revision names in its headers.
    fn claimed_tool(&self, headers: &HeaderMap) -> Option<String> {
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let name = value(NAME).filter(|_| value(METHOD) == Some("tools/call"))?;
        self.known_tool(name).map(str::to_owned)
    }

    /// `name`, where it is that of a tool: whatever else a request names is not written down.
    fn known_tool<'a>(&self, name: &'a str) -> Option<&'a str> {
        (self.state.access)(name).map(|_| name)
    }

    async fn admit(&self, request: Request, connection: Option<&OfConnection>) -> Result<Admitted, Refusal> {
        // The names first: a page of a stranger must not use up the limits of the caller whose browser shows it.
        self.check_names(request.uri(), request.headers())?;
        let now = self.state.clock.now();
        let caller = authorisation::caller(&self.settings, request.headers(), &self.metadata, now)?;
        if let Some(connection) = connection {
            connection.authenticated();
        }
        let name = caller.name.clone();
        self.admit_of(request, caller).await.map_err(|refusal| refusal.of_caller(&name))
    }

    async fn admit_of(&self, request: Request, caller: Arc<Caller>) -> Result<Admitted, Refusal> {
        self.limits.request(&caller.name)?;
        self.check_session(request.method(), request.headers(), &caller)?;
        let (mut request, message, kind) = self.read(request, &caller).await?;
        let with_id = |refusal: Refusal| refusal.of(message.id.as_ref()).calling(message.tool());
        self.check_access(&message, &caller).map_err(with_id)?;
        let turn = match kind {
            Kind::Call | Kind::Opening => Some(self.limits.call(&caller.name).await.map_err(with_id)?),
            Kind::Stream => Some(self.limits.stream(&caller.name).map_err(with_id)?),
            Kind::Passing => None,
        };
        // After the wait for its turn, so that none begins that waited when the server was told to stop.
        if turn.is_some() && self.stopping.is_cancelled() {
            return Err(with_id(Refusal::new(Reason::Stopping).retry_after(RESTARTED)));
        }
        let place = match kind {
            Kind::Opening => Some(self.place(&caller.name).await.map_err(with_id)?),
            Kind::Call | Kind::Stream | Kind::Passing => None,
        };
        let id = request.headers().get(SESSION).and_then(|id| id.to_str().ok());
        let in_use = id.and_then(|id| self.sessions.used(id));
        request.extensions_mut().insert(caller);
        Ok(Admitted { request, turn, place, in_use })
    }

    /// A place for a new session, if need be that of one which its caller has abandoned.
    async fn place(&self, caller: &str) -> Result<Place, Refusal> {
        match self.limits.session(caller) {
            Err(refusal) if self.sessions.close_abandoned(caller).await => {
                self.limits.session(caller).map_err(|_| refusal)
            }
            place => place,
        }
    }

    fn check_names(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if host_of(&self.settings, uri, headers).is_none() {
            return Err(Refusal::new(Reason::Host));
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            if !self.settings.origins.iter().any(|allowed| allowed.matches(origin)) {
                return Err(Refusal::new(Reason::Origin));
            }
        }
        Ok(())
    }

    fn check_session(&self, method: &Method, headers: &HeaderMap, caller: &Caller) -> Result<(), Refusal> {
        let mut ids = headers.get_all(SESSION).iter().filter_map(|id| id.to_str().ok());
        let is_refused = |id: &str| match self.sessions.owned_by(id, &caller.name) {
            Some(is_own) => !is_own,
            // The protocol library refuses others itself, but accepts the end of a session that does not exist: the
            // difference would tell which sessions exist.
            None => *method == Method::DELETE,
        };
        if ids.any(is_refused) {
            return Err(Refusal::new(Reason::ForeignSession));
        }
        Ok(())
    }

    fn check_access(&self, message: &Message, caller: &Caller) -> Result<(), Refusal> {
        match message.tool().and_then(|tool| (self.state.access)(tool)) {
            Some(access) => authorisation::check_access(caller, access, &self.metadata),
            // The handler answers for tools that do not exist.
            None => Ok(()),
        }
    }

    /// Reads the body within its limits.
    async fn read(&self, request: Request, caller: &Caller) -> Result<(Request, Message, Kind), Refusal> {
        match *request.method() {
            Method::POST => {}
            Method::GET => return Ok((request, Message::default(), Kind::Stream)),
            _ => return Ok((request, Message::default(), Kind::Passing)),
        }
        let limits = &self.settings.limits;
        let (parts, body) = request.into_parts();
        let length =
            parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > limits.body) {
            return Err(Refusal::new(Reason::LargeBody));
        }
        let _reading = self.limits.reading(&caller.name).await?;
        let body: Bytes = match tokio::time::timeout(limits.body_time, to_bytes(body, limits.body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                let is_large = std::error::Error::source(&error)
                    .is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
                return Err(Refusal::new(if is_large { Reason::LargeBody } else { Reason::BrokenBody }));
            }
            Err(_) => return Err(Refusal::new(Reason::SlowBody)),
        };
        let message = Message::of(&body);
        let kind = message.kind();
        Ok((Request::from_parts(parts, Body::from(body)), message, kind))
    }
}

/// The host that a request names, unless it is none of ours.
pub(crate) fn host_of(settings: &Settings, uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(HOST).iter();
    // HTTP/2 names it in the address.
    let host: Option<Authority> = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().and_then(|host| host.parse().ok()),
        (None, None) => uri.authority().cloned(),
        _ => None,
    };
    host.filter(|host| settings.hosts.iter().any(|allowed| is_host(host, allowed)))
}

/// Whether `host` is `allowed`, a name with or without a port.
fn is_host(host: &Authority, allowed: &str) -> bool {
    if host.as_str().contains('@') {
        return false;
    }
    let bare = |name: &str| name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if bare(host.host()) == bare(allowed) {
        return true;
    }
    allowed.parse::<Authority>().is_ok_and(|allowed| {
        allowed.port_u16().is_some()
            && allowed.port_u16() == host.port_u16()
            && bare(allowed.host()) == bare(host.host())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        for (body, kind) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#, Kind::Call),
            (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, Kind::Opening),
            (r#"{"jsonrpc":"2.0","id":"a","method":"subscriptions/listen"}"#, Kind::Stream),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
                Kind::Passing,
            ),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#, Kind::Passing),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#, Kind::Passing),
            // What is no message may wait its turn.
            ("", Kind::Call),
            ("[1, 2]", Kind::Call),
            (r#"{"method": 5}"#, Kind::Call),
            (r#"{"id":1,"method":"ping","method":"initialize"}"#, Kind::Call),
        ] {
            assert_eq!(Message::of(body.as_bytes()).kind(), kind, "{body}");
        }
    }

    #[test]
    fn only_calls_of_tools_name_a_tool() {
        let tool = |body: &str| Message::of(body.as_bytes()).tool().map(str::to_owned);
        assert_eq!(
            tool(r#"{"id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}"#),
            Some("x".into())
        );
        assert_eq!(tool(r#"{"id":1,"method":"prompts/get","params":{"name":"x"}}"#), None);
        assert_eq!(tool(r#"{"id":1,"method":"tools/call","params":{"name":["x"]}}"#), None);
        assert_eq!(tool(r#"{"id":1,"method":"tools/call"}"#), None);
    }

    #[test]
    fn hosts_are_compared_by_name_and_by_port_where_one_is_given() {
        let host = |text: &str| text.parse::<Authority>().unwrap();
        for (sent, allowed, expected) in [
            ("localhost:8000", "localhost", true),
            ("LOCALHOST", "localhost", true),
            ("[::1]:8000", "::1", true),
            ("mcp.example.com:8443", "mcp.example.com:8443", true),
            ("mcp.example.com:8444", "mcp.example.com:8443", false),
            ("mcp.example.com", "mcp.example.com:8443", false),
            ("localhost.evil.example", "localhost", false),
            ("evil.example", "localhost", false),
            ("localhost@evil.example", "localhost", false),
            ("evil@localhost", "localhost", false),
        ] {
            assert_eq!(is_host(&host(sent), allowed), expected, "{sent} {allowed}");
        }
    }
}

//! Attacks on the transport, each against a server with a small handler. The client is written by hand, so that it can
//! misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oar_core::flow::interrupt::{InterruptSender, Signal};
use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::*;
use crate::caller::{Access, AccessScope, Caller};
use crate::settings::tests::{configured, local_options};
use crate::settings::{Limits, ServerOptions};
use oar_core::config::McpCaller;

/// A bound for everything that must happen.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A handler with two tools: `who` answers with the caller's name, `wait` answers when it is told to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Echo {
    go: CancellationToken,
    begun: Arc<AtomicUsize>,
    cancelled: Arc<AtomicUsize>,
}

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name == "wait" {
            self.begun.fetch_add(1, Ordering::SeqCst);
            tokio::select! {
                () = self.go.cancelled() => {}
                () = context.ct.cancelled() => { self.cancelled.fetch_add(1, Ordering::SeqCst); }
            }
        }
        let parts = context.extensions.get::<http::request::Parts>();
        let caller = parts.and_then(|parts| parts.extensions.get::<Arc<Caller>>());
        let name = caller.map_or("nobody", |caller| caller.name.as_str());
        Ok(CallToolResult::success(vec![ContentBlock::text(format!("called by {name}"))]).into())
    }
}

struct Healthy;

#[async_trait]
impl HealthSource for Healthy {
    async fn check(&self) -> Result<HealthReport, String> {
        Ok(health::tests::healthy())
    }
}

struct Running {
    address: SocketAddr,
    state: ServerState,
    handler: Echo,
    stop: InterruptSender,
    task: JoinHandle<()>,
}

async fn start(options: ServerOptions, callers: &[McpCaller]) -> Running {
    let settings = Arc::new(Settings::new(&options, callers, |_| true).unwrap());
    let scope = |tool: &str| (tool == "wait").then_some(Access::With(AccessScope::Write));
    let state = ServerState::new(Arc::new(Healthy), scope, "1.2.3", Clock::system(), Redactor::default());
    let server = Server::bind(settings, state.clone()).await.unwrap();
    let address = server.address();
    let (stop, interrupt) = Interrupt::channel();
    let handler = Echo::default();
    let shared = handler.clone();
    let task = tokio::spawn(server.run(move || shared.clone(), interrupt));
    Running { address, state, handler, stop, task }
}

async fn local(limits: Limits) -> Running {
    start(ServerOptions { limits, ..local_options() }, &[]).await
}

fn two_callers() -> [McpCaller; 2] {
    let all = ["release:read", "release:write"];
    [configured("ci", "token-ci", &all), configured("bot", "token-bot", &all)]
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn parsed(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

impl Running {
    /// A request as it is on the wire. `headers` come first, so that they replace those that it has otherwise.
    fn wire(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut lines = vec![format!("{method} {path} HTTP/1.1")];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let own = [
            ("Host", self.address.to_string()),
            ("Connection", "close".to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("Content-Length", body.len().to_string()),
        ];
        let is_given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        lines.extend(
            own.iter().filter(|(name, _)| !is_given(name)).map(|(name, value)| format!("{name}: {value}")),
        );
        format!("{}\r\n\r\n{body}", lines.join("\r\n"))
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `bytes` and reads until the server closes the connection.
    async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut read = Vec::new();
        // A server that refuses a body may reset the connection after its answer.
        let _ =
            timeout(ANSWER_LIMIT, stream.read_to_end(&mut read)).await.expect("the server did not answer");
        parsed(&read)
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.raw(self.wire(method, path, headers, body).as_bytes()).await
    }

    /// A call of the current revision, as it is on the wire.
    fn call_wire(&self, tool: &str, headers: &[(&str, &str)]) -> String {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
            "name": tool, "arguments": {},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }});
        let own = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
        let headers: Vec<(&str, &str)> = headers.iter().copied().chain(own).collect();
        self.wire("POST", "/mcp", &headers, &body.to_string())
    }

    async fn call(&self, tool: &str, headers: &[(&str, &str)]) -> Answer {
        self.raw(self.call_wire(tool, headers).as_bytes()).await
    }

    /// Starts a call of `wait` and keeps its connection.
    async fn waiting_call(&self, number: usize) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(self.call_wire("wait", &[]).as_bytes()).await.unwrap();
        until(|| self.handler.begun.load(Ordering::SeqCst) == number).await;
        stream
    }

    async fn initialize(&self, headers: &[(&str, &str)]) -> Answer {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
        }});
        self.send("POST", "/mcp", headers, &body.to_string()).await
    }

    /// A session of the older revisions: its id.
    async fn session(&self, headers: &[(&str, &str)]) -> String {
        let answer = self.initialize(headers).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.header("mcp-session-id").unwrap().to_owned();
        let headers: Vec<(&str, &str)> =
            headers.iter().copied().chain([("Mcp-Session-Id", id.as_str())]).collect();
        let body = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let answer = self.send("POST", "/mcp", &headers, &body.to_string()).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        id
    }

    fn refused(&self, reason: &str) -> u64 {
        let text = self.state.metrics.text().unwrap();
        let start = format!("release_tests_mcp_refused_total{{reason=\"{reason}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }

    fn gauge(&self, name: &str) -> i64 {
        let text = self.state.metrics.text().unwrap();
        let start = format!("release_tests_mcp_{name} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < ANSWER_LIMIT, "it did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the server closes the connection; what it sent before.
async fn closed(mut stream: TcpStream) -> Answer {
    let mut read = Vec::new();
    let _ = timeout(ANSWER_LIMIT, stream.read_to_end(&mut read)).await.expect("the connection stays open");
    parsed(&read)
}

/// Limits with short times.
fn quick() -> Limits {
    Limits {
        head_time: Duration::from_millis(500),
        body_time: Duration::from_millis(500),
        idle_time: Duration::from_millis(500),
        ..Limits::default()
    }
}

#[tokio::test]
async fn both_eras_reach_the_handler_with_their_caller() {
    let server = local(Limits::default()).await;
    let answer = server.call("who", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    assert!(answer.body.contains("called by local"), "{answer:?}");
    let session = server.session(&[]).await;
    let body = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "who"}});
    let headers = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-11-25")];
    let answer = server.send("POST", "/mcp", &headers, &body.to_string()).await;
    assert!(answer.status == 200 && answer.body.contains("called by local"), "{answer:?}");
    assert_eq!(server.gauge("sessions"), 1);
}

#[tokio::test]
async fn a_page_whose_name_was_rebound_to_the_server_is_refused() {
    let server = local(Limits::default()).await;
    let port = server.address.port();
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "localhost.evil.example",
        "",
        "127.0.0.1@evil.example",
    ] {
        let answer = server.call("who", &[("Host", host)]).await;
        assert!(matches!(answer.status, 400 | 403), "{host}: {answer:?}");
        assert!(!answer.body.contains("called by"), "{answer:?}");
    }
    assert!(server.refused("host") >= 3);
    for host in ["localhost", &format!("localhost:{port}"), &format!("[::1]:{port}")] {
        assert_eq!(server.call("who", &[("Host", host)]).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_foreign_origin_alone_is_refused() {
    let options = ServerOptions { origins: vec!["https://tools.example.com".into()], ..local_options() };
    let server = start(options, &[]).await;
    let allowed = server.call("who", &[("Origin", "https://tools.example.com")]).await;
    assert_eq!(allowed.status, 200, "{allowed:?}");
    let own = format!("http://{}", server.address);
    for origin in
        ["https://evil.example", "null", "http://tools.example.com", "https://tools.example.com:444", &own]
    {
        let answer = server.call("who", &[("Origin", origin)]).await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
    }
    let two = [("Origin", "https://tools.example.com"), ("Origin", "https://evil.example")];
    assert_eq!(server.call("who", &two).await.status, 403);
    assert_eq!(server.refused("origin"), 6);
    // Without a list, every origin is foreign.
    let server = local(Limits::default()).await;
    assert_eq!(server.call("who", &[("Origin", "https://tools.example.com")]).await.status, 403);
}

#[tokio::test]
async fn foreign_pages_do_not_use_up_the_limits_of_the_caller() {
    let limits = Limits { requests_per_minute: 3.try_into().unwrap(), ..Limits::default() };
    let server = local(limits).await;
    for _ in 0..10 {
        assert_eq!(server.call("who", &[("Origin", "https://evil.example")]).await.status, 403);
    }
    assert_eq!(server.call("who", &[]).await.status, 200);
}

#[tokio::test]
async fn tokens_that_are_missing_wrong_expired_or_too_narrow_are_refused_each_in_its_way() {
    let mut old = configured("old", "token-old", &["release:read"]);
    old.expires = Some("2020-01-01".parse().unwrap());
    let callers = [configured("ci", "token-ci", &["release:read"]), old];
    let server = start(local_options(), &callers).await;
    let metadata = format!("http://{}/.well-known/oauth-protected-resource/mcp", server.address);
    for (token, error, reason) in [
        (None, None, "no-token"),
        (Some("Bearer token-c"), Some("invalid_token"), "wrong-token"),
        (Some("Bearer token-old"), Some("invalid_token"), "expired-token"),
    ] {
        let headers: Vec<(&str, &str)> = token.map(|token| ("Authorization", token)).into_iter().collect();
        for answer in [server.call("who", &headers).await, server.send("GET", "/mcp", &headers, "").await] {
            assert_eq!(answer.status, 401, "{answer:?}");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer "), "{challenge}");
            assert!(challenge.contains(&format!("resource_metadata=\"{metadata}\"")), "{challenge}");
            assert!(challenge.contains("scope=\"release:read release:write"), "{challenge}");
            assert_eq!(challenge.contains("error="), error.is_some(), "{challenge}");
            assert!(error.is_none_or(|error| challenge.contains(error)), "{challenge}");
        }
        assert_eq!(server.refused(reason), 2);
    }
    let good = [("Authorization", "Bearer token-ci")];
    let answer = server.call("who", &good).await;
    assert!(answer.status == 200 && answer.body.contains("called by ci"), "{answer:?}");
    let narrow = server.call("wait", &good).await;
    assert_eq!(narrow.status, 403, "{narrow:?}");
    let challenge = narrow.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"release:write\""), "{challenge}");
    let body: Value = serde_json::from_str(&narrow.body).unwrap();
    assert_eq!((&body["id"], &body["error"]["data"]["reason"]), (&json!(7), &json!("narrow-token")));
    assert_eq!(server.handler.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let server = local(Limits { body: 10_000, ..Limits::default() }).await;
    let declared = server.wire("POST", "/mcp", &[("Content-Length", "10001")], "");
    assert_eq!(server.raw(declared.as_bytes()).await.status, 413);
    let huge = server.wire("POST", "/mcp", &[("Content-Length", "99999999999999999999999999")], "");
    assert!(matches!(server.raw(huge.as_bytes()).await.status, 400 | 413));
    // Without a length, it is counted.
    let mut chunked =
        server.wire("POST", "/mcp", &[("Transfer-Encoding", "chunked"), ("Content-Length", "")], "");
    chunked = chunked.replace("Content-Length: \r\n", "");
    chunked.push_str("1000\r\n");
    chunked.push_str(&"x".repeat(0x1000));
    let mut stream = server.connect().await;
    stream.write_all(chunked.as_bytes()).await.unwrap();
    for _ in 0..3 {
        // The server may have closed the connection already.
        let _ = stream.write_all(format!("\r\n1000\r\n{}", "x".repeat(0x1000)).as_bytes()).await;
    }
    assert_eq!(closed(stream).await.status, 413);
    assert!(server.refused("large-body") >= 2);
    let head = format!("{}X-Large: {}\r\n\r\n", "GET /livez HTTP/1.1\r\nHost: x\r\n", "x".repeat(100_000));
    assert_eq!(server.raw(head.as_bytes()).await.status, 431);
}

#[tokio::test]
async fn slow_clients_lose_their_connection() {
    let server = local(quick()).await;
    // Nothing at all.
    assert_eq!(closed(server.connect().await).await.head, "");
    // Half a head, continued byte by byte.
    let mut stream = server.connect().await;
    stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n").await.unwrap();
    let dripping = async {
        while stream.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(ANSWER_LIMIT, dripping).await.expect("a head may take forever");
    // Half a body.
    let half = server.wire("POST", "/mcp", &[("Content-Length", "100")], "{\"jsonrpc\"");
    let answer = server.raw(half.as_bytes()).await;
    assert_eq!(answer.status, 408, "{answer:?}");
    assert_eq!(server.refused("slow-body"), 1);
    // A page, and then nothing; and then half a head.
    for rest in ["", "GET /livez HT"] {
        let mut stream = server.connect().await;
        let request = server.wire("GET", "/livez", &[("Connection", "keep-alive")], "");
        stream.write_all(format!("{request}{rest}").as_bytes()).await.unwrap();
        assert_eq!(closed(stream).await.status, 200);
    }
    until(|| server.gauge("connections") == 0).await;
}

#[tokio::test]
async fn a_call_that_runs_long_is_not_taken_for_an_idle_connection() {
    let server = local(quick()).await;
    let stream = server.waiting_call(1).await;
    tokio::time::sleep(quick().idle_time * 4).await;
    server.handler.go.cancel();
    let answer = closed(stream).await;
    assert!(answer.status == 200 && answer.body.contains("called by local"), "{answer:?}");
    assert_eq!(server.handler.cancelled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn connections_are_capped_and_those_that_nobody_knows_give_way() {
    let limits = Limits { connections: 50, ..Limits::default() };
    let server = start(ServerOptions { limits, ..local_options() }, &two_callers()).await;
    // Some say nothing, some have asked for a page or shown a wrong token, and keep their connection.
    let (page, wrong) = (
        server.wire("GET", "/livez", &[("Connection", "keep-alive")], ""),
        server.call_wire("who", &[("Connection", "keep-alive"), ("Authorization", "Bearer token-x")]),
    );
    let mut streams = Vec::new();
    for number in 0..300 {
        let mut stream = server.connect().await;
        match number % 3 {
            0 => {}
            // One that gave way already.
            1 => drop(stream.write_all(page.as_bytes()).await),
            _ => drop(stream.write_all(wrong.as_bytes()).await),
        }
        streams.push(stream);
    }
    until(|| server.refused("connections") == 250).await;
    until(|| server.gauge("connections") == 50).await;
    let known = ("Authorization", "Bearer token-ci");
    let mut kept = server.connect().await;
    let call = server.call_wire("who", &[("Connection", "keep-alive"), known]);
    kept.write_all(call.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    timeout(ANSWER_LIMIT, kept.read_exact(&mut begin)).await.unwrap().unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200", "whoever has a token is served");
    // The oldest are closed, and the one of a known caller is not, however many come after it.
    for stream in streams.drain(..250) {
        closed(stream).await;
    }
    for _ in 0..100 {
        streams.push(server.connect().await);
    }
    until(|| server.refused("connections") == 351).await;
    kept.write_all(server.call_wire("who", &[known]).as_bytes()).await.unwrap();
    let answer = closed(kept).await;
    assert!(answer.head.contains("called by ci") || answer.body.contains("called by ci"), "{answer:?}");
    drop(streams);
    until(|| server.gauge("connections") == 0).await;
    assert_eq!(server.call("who", &[known]).await.status, 200);
}

#[tokio::test]
async fn when_all_connections_are_of_known_callers_another_one_is_closed() {
    let server = local(Limits { connections: 2, ..Limits::default() }).await;
    let first = server.waiting_call(1).await;
    let second = server.waiting_call(2).await;
    assert_eq!(closed(server.connect().await).await.head, "");
    server.handler.go.cancel();
    for stream in [first, second] {
        assert_eq!(closed(stream).await.status, 200);
    }
    until(|| server.gauge("connections") == 0).await;
    assert_eq!(server.call("who", &[]).await.status, 200);
}

#[tokio::test]
async fn a_session_belongs_to_the_caller_that_opened_it() {
    let server = start(local_options(), &two_callers()).await;
    let (ci, bot) = (("Authorization", "Bearer token-ci"), ("Authorization", "Bearer token-bot"));
    let session = server.session(&[ci]).await;
    let body =
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "who"}}).to_string();
    let of = |token, id| [token, ("Mcp-Session-Id", id), ("MCP-Protocol-Version", "2025-11-25")];
    for method in ["POST", "GET", "DELETE"] {
        let body = if method == "POST" { body.as_str() } else { "" };
        let foreign = server.send(method, "/mcp", &of(bot, &session), body).await;
        let unknown = server.send(method, "/mcp", &of(bot, "no-such-session"), body).await;
        assert_eq!((foreign.status, unknown.status), (404, 404), "{method}: {foreign:?} {unknown:?}");
    }
    assert_eq!(server.refused("foreign-session"), 4);
    let own = server.send("POST", "/mcp", &of(ci, &session), &body).await;
    assert!(own.status == 200 && own.body.contains("called by ci"), "{own:?}");
}

#[tokio::test]
async fn sessions_are_capped_per_caller_and_in_all() {
    let limits = Limits { sessions: 2, all_sessions: 3, ..Limits::default() };
    let server = start(ServerOptions { limits, ..local_options() }, &two_callers()).await;
    let (ci, bot) = (("Authorization", "Bearer token-ci"), ("Authorization", "Bearer token-bot"));
    let first = server.session(&[ci]).await;
    server.session(&[ci]).await;
    let refused = server.initialize(&[ci]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")), "{refused:?}");
    assert!(refused.body.contains("too many sessions are open"), "{refused:?}");
    server.session(&[bot]).await;
    assert_eq!(server.initialize(&[bot]).await.status, 429);
    assert_eq!((server.gauge("sessions"), server.refused("sessions")), (3, 2));
    // One that is ended makes room, and calls of the current revision need none.
    let ended = server.send("DELETE", "/mcp", &[ci, ("Mcp-Session-Id", &first)], "").await;
    assert_eq!(ended.status, 202, "{ended:?}");
    until(|| server.gauge("sessions") == 2).await;
    server.session(&[bot]).await;
    assert_eq!(server.call("who", &[ci]).await.status, 200);
    // A handshake that fails leaves no session.
    let before = server.gauge("sessions");
    let wrong = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": 5}});
    assert_ne!(server.send("POST", "/mcp", &[ci], &wrong.to_string()).await.status, 200);
    assert_eq!(server.gauge("sessions"), before);
}

#[tokio::test]
async fn requests_are_limited_in_rate_per_caller() {
    let limits = Limits { requests_per_minute: 3.try_into().unwrap(), ..Limits::default() };
    let server = start(ServerOptions { limits, ..local_options() }, &two_callers()).await;
    let ci = [("Authorization", "Bearer token-ci")];
    for _ in 0..3 {
        assert_eq!(server.call("who", &ci).await.status, 200);
    }
    let refused = server.call("who", &ci).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds), "{seconds}");
    let body: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((&body["error"]["code"], &body["error"]["data"]["reason"]), (&json!(429), &json!("rate")));
    assert_eq!(server.call("who", &[("Authorization", "Bearer token-bot")]).await.status, 200);
}

#[tokio::test]
async fn calls_wait_for_their_turn_up_to_a_bound_and_answers_pass_them() {
    let limits = Limits { calls: 1, queue: 1, ..Limits::default() };
    let server = local(limits).await;
    let running = server.waiting_call(1).await;
    let mut queued = server.connect().await;
    queued.write_all(server.call_wire("who", &[]).as_bytes()).await.unwrap();
    let refused = async {
        loop {
            let answer = timeout(Duration::from_millis(500), server.call("who", &[])).await;
            if let Ok(answer) = answer {
                break answer;
            }
        }
    };
    let refused = timeout(ANSWER_LIMIT, refused).await.unwrap();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{refused:?}");
    assert!(server.refused("queue") >= 1);
    // A notification belongs to a call that runs, so it does not wait for it.
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}});
    let passing = timeout(ANSWER_LIMIT, server.send("POST", "/mcp", &[], &cancelled.to_string())).await;
    assert!(passing.is_ok_and(|answer| answer.status != 429));
    server.handler.go.cancel();
    assert_eq!(closed(running).await.status, 200);
    assert_eq!(closed(queued).await.status, 200);
}

#[tokio::test]
async fn a_caller_that_is_gone_frees_its_turn() {
    let limits = Limits { calls: 1, queue: 0, ..Limits::default() };
    let server = local(limits).await;
    for number in 1..=3 {
        drop(server.waiting_call(number).await);
        until(|| server.handler.cancelled.load(Ordering::SeqCst) == number).await;
        until(|| server.gauge("connections") == 0).await;
    }
    assert_eq!(server.call("who", &[]).await.status, 200);
}

#[tokio::test]
async fn bodies_that_are_read_at_the_same_time_are_bounded() {
    let limits = Limits { calls: 1, queue: 1, queue_time: Duration::from_millis(200), ..Limits::default() };
    let server = local(limits).await;
    let half = server.wire("POST", "/mcp", &[("Content-Length", "100000")], "{");
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = server.connect().await;
        stream.write_all(half.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    // Two are read; the others are refused.
    until(|| server.refused("queue") == 3).await;
    drop(streams);
    until(|| server.gauge("connections") == 0).await;
    assert_eq!(server.call("who", &[]).await.status, 200);
}

#[tokio::test]
async fn a_stream_of_notifications_takes_no_call_s_turn_and_is_capped() {
    let limits = Limits { calls: 1, queue: 0, sessions: 2, ..Limits::default() };
    let server = local(limits).await;
    let (first, second) = (server.session(&[]).await, server.session(&[]).await);
    let mut streams = Vec::new();
    for session in [&first, &second] {
        let mut stream = server.connect().await;
        let request = server.wire("GET", "/mcp", &[("Mcp-Session-Id", session)], "");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        timeout(ANSWER_LIMIT, stream.read_exact(&mut start)).await.unwrap().unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        streams.push(stream);
    }
    let third = server.send("GET", "/mcp", &[("Mcp-Session-Id", &first)], "").await;
    assert_eq!(third.status, 429, "{third:?}");
    assert_eq!(server.call("who", &[]).await.status, 200);
}

#[tokio::test]
async fn running_calls_end_when_the_server_stops_and_nothing_new_begins() {
    let server = local(Limits::default()).await;
    assert_eq!(server.send("GET", "/readyz", &[], "").await.status, 200);
    let mut idle = server.connect().await;
    idle.write_all(server.wire("GET", "/livez", &[("Connection", "keep-alive")], "").as_bytes())
        .await
        .unwrap();
    let running = server.waiting_call(1).await;
    server.stop.send(Signal::Terminate);
    // The idle connection ends, and no other one is accepted.
    assert_eq!(closed(idle).await.status, 200);
    let address = server.address;
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(ANSWER_LIMIT, refused).await.expect("the server still accepts connections");
    assert!(!server.task.is_finished(), "a call still runs");
    server.handler.go.cancel();
    let answer = closed(running).await;
    assert!(answer.status == 200 && answer.body.contains("called by local"), "{answer:?}");
    timeout(ANSWER_LIMIT, server.task).await.unwrap().unwrap();
    assert_eq!(server.handler.cancelled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn calls_and_streams_that_do_not_end_are_ended_when_the_server_stops() {
    let limits = Limits { drain_time: Duration::from_millis(300), ..Limits::default() };
    let server = local(limits).await;
    let session = server.session(&[]).await;
    let mut stream = server.connect().await;
    let request = server.wire("GET", "/mcp", &[("Mcp-Session-Id", &session)], "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let running = server.waiting_call(1).await;
    server.stop.send(Signal::Terminate);
    timeout(ANSWER_LIMIT, server.task).await.unwrap().unwrap();
    assert_ne!(closed(running).await.status, 200);
    closed(stream).await;
    let cancelled = server.handler.cancelled;
    until(|| cancelled.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn only_the_exact_path_is_the_protocol_s() {
    let server = local(Limits::default()).await;
    for path in ["/mcp/anything", "/mcp/", "/", "/sse", "/mcp/../mcp", "//mcp", "/MCP", "/mcp%2f"] {
        let answer = server.send("POST", path, &[], "{}").await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn health_metrics_and_metadata_need_no_token() {
    let server = start(local_options(), &two_callers()).await;
    let health = server.send("GET", "/health", &[("Host", "10.1.2.3")], "").await;
    assert_eq!(health.status, 200);
    let document: Value = serde_json::from_str(&health.body).unwrap();
    assert_eq!((&document["status"], &document["version"]), (&json!("healthy"), &json!("1.2.3")));
    assert_eq!(server.send("GET", "/livez", &[], "").await.status, 200);
    let ready = server.send("GET", "/readyz", &[], "").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ok\n"), "the environment has been looked at");
    let metrics = server.send("GET", "/metrics", &[], "").await;
    assert!(metrics.body.contains("release_tests_mcp_requests_total{status=\"200\"} 3"), "{metrics:?}");
    assert!(!metrics.body.contains("token-"), "{metrics:?}");
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let metadata = server.send("GET", path, &[], "").await;
        let document: Value = serde_json::from_str(&metadata.body).unwrap();
        assert_eq!(document["resource"], json!(format!("http://{}/mcp", server.address)));
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
        assert!(document["scopes_supported"].as_array().unwrap().contains(&json!("release:critical")));
    }
}

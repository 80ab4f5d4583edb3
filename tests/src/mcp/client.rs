//! A client of both eras: JSON-RPC over one connection, with everything that came beside the answer.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::wire::{Connection, Events, Head, Reply};

/// The revision of the modern era.
pub const MODERN: &str = "2026-07-28";
/// The newest revision of the legacy era.
pub const LEGACY: &str = "2025-11-25";
/// The path of MCP.
pub const PATH: &str = "/mcp";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// Each request says everything about itself.
    Modern,
    /// A handshake, then a session.
    Legacy,
}

impl Era {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Modern, Self::Legacy];
}

/// What came of a request.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The message with the result or the error; null when there was none.
    pub message: Value,
    /// Messages without an answer that came before it.
    pub notifications: Vec<Value>,
    /// What the server asked on the way.
    pub asked: Vec<Value>,
    /// The size of the message in bytes.
    pub size: usize,
    /// Whether it is what `get_run` said of a call that took long.
    pub is_followed: bool,
}

impl Answer {
    /// The result.
    ///
    /// # Panics
    /// When it was refused.
    #[track_caller]
    pub fn result(&self) -> &Value {
        assert!(self.message.get("result").is_some(), "no result: {self:#?}");
        &self.message["result"]
    }

    /// The number of the error.
    pub fn error(&self) -> Option<i64> {
        self.message.pointer("/error/code").and_then(Value::as_i64)
    }

    /// Whether the tool says that it failed.
    pub fn is_error(&self) -> bool {
        self.message.pointer("/result/isError").and_then(Value::as_bool).unwrap_or_default()
    }

    /// The texts of the result, one after the other.
    pub fn text(&self) -> String {
        let blocks = self.message.pointer("/result/content").and_then(Value::as_array);
        let texts = blocks.into_iter().flatten().filter_map(|block| block.get("text")?.as_str());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The document among the texts of the result, whatever warning stands beside it.
    pub fn document(&self) -> Value {
        let blocks = self.message.pointer("/result/content").and_then(Value::as_array);
        let mut texts = blocks.into_iter().flatten().filter_map(|block| block.get("text")?.as_str());
        texts.find_map(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// The structured result.
    pub fn structured(&self) -> Option<&Value> {
        self.message.pointer("/result/structuredContent")
    }
}

/// A client of the server.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    era: Era,
    token: Option<String>,
    connection: Option<Connection>,
    session: Option<String>,
    next: u64,
    /// What it answers to whatever the server asks its user; without it the client cannot ask anybody.
    elicited: Option<Value>,
    /// More headers of each request.
    headers: Vec<(String, String)>,
}

impl Client {
    /// A client that has not said anything yet.
    pub fn new(address: SocketAddr, era: Era, token: Option<&str>) -> Self {
        Self {
            address,
            era,
            token: token.map(str::to_owned),
            connection: None,
            session: None,
            next: 0,
            elicited: None,
            headers: Vec::new(),
        }
    }

    /// The same, whose user answers `answer` to everything.
    #[must_use]
    pub fn elicits(mut self, answer: Value) -> Self {
        self.elicited = Some(answer);
        self
    }

    /// The same, which sends this header as well.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the handshake of the legacy era; nothing in the modern one.
    ///
    /// # Panics
    /// When the server does not take it.
    #[must_use]
    pub fn connected(mut self) -> Self {
        if self.era == Era::Legacy {
            let answer = self.initialize();
            assert_eq!(answer.status, 200, "{answer:#?}");
        }
        self
    }

    /// The handshake of the legacy era.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn initialize(&mut self) -> Answer {
        let parameters = json!({
            "protocolVersion": LEGACY,
            "capabilities": self.capabilities(),
            "clientInfo": {"name": "end-to-end", "version": "1"},
        });
        let answer = self.request("initialize", parameters);
        if answer.status == 200 {
            self.notify("notifications/initialized", &json!({}));
        }
        answer
    }

    /// The session of the legacy era.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Uses the session of somebody else.
    pub fn steal(&mut self, session: &str) {
        self.session = Some(session.to_owned());
    }

    fn capabilities(&self) -> Value {
        if self.elicited.is_some() { json!({"elicitation": {"form": {}}}) } else { json!({}) }
    }

    /// The message for `method` as this client writes it.
    pub fn message(&mut self, method: &str, mut parameters: Value) -> Value {
        self.next += 1;
        if self.era == Era::Modern {
            let capabilities = self.capabilities();
            let meta = &mut parameters["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
            meta["io.modelcontextprotocol/clientCapabilities"] = capabilities;
            meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "end-to-end", "version": "1"});
        }
        json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": parameters})
    }

    /// The headers that go with `message`.
    pub fn headers(&self, message: &Value) -> Vec<(String, String)> {
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Accept".to_owned(), "application/json, text/event-stream".to_owned()),
        ];
        headers.extend(self.headers.iter().cloned());
        if let Some(token) = &self.token {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        let method = message["method"].as_str().unwrap_or_default();
        match self.era {
            Era::Modern => {
                headers.push(("MCP-Protocol-Version".to_owned(), MODERN.to_owned()));
                headers.push(("Mcp-Method".to_owned(), method.to_owned()));
                let member = match method {
                    "tools/call" | "prompts/get" => "name",
                    "resources/read" => "uri",
                    _ => "",
                };
                if let Some(name) = message["params"][member].as_str() {
                    headers.push(("Mcp-Name".to_owned(), encoded(name)));
                }
            }
            Era::Legacy if method != "initialize" => {
                headers.push(("MCP-Protocol-Version".to_owned(), LEGACY.to_owned()));
                if let Some(session) = &self.session {
                    headers.push(("Mcp-Session-Id".to_owned(), session.clone()));
                }
            }
            Era::Legacy => {}
        }
        headers
    }

    fn connection(&mut self) -> io::Result<&mut Connection> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(self.address)?);
        }
        self.connection.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn send(&mut self, message: &Value) -> io::Result<Head> {
        let headers = self.headers(message);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = message.to_string();
        let connection = self.connection()?;
        connection.send("POST", PATH, &headers, &body)?;
        connection.head()
    }

    /// Sends it on the connection that is open, or, when the server has closed that one meanwhile, on a new one.
    fn send_again(&mut self, message: &Value) -> io::Result<Head> {
        let is_new = self.connection.is_none();
        match self.send(message) {
            Err(_) if !is_new => {
                self.connection = None;
                self.send(message)
            }
            sent => sent,
        }
    }

    /// Says something that has no answer.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn notify(&mut self, method: &str, parameters: &Value) -> u16 {
        let mut message = self.message(method, parameters.clone());
        if let Some(members) = message.as_object_mut() {
            members.remove("id");
        }
        self.post(&message).unwrap_or_else(|error| panic!("{method}: {error}")).head.status
    }

    fn post(&mut self, message: &Value) -> io::Result<Reply> {
        let head = self.send_again(message)?;
        let body = self.connection()?.body()?;
        Ok(Reply { head, body })
    }

    /// Asks and waits for the answer. Whatever the server asks its user is answered, where this client can.
    ///
    /// # Panics
    /// When the connection breaks.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "callers write the parameters in place")]
    pub fn request(&mut self, method: &str, parameters: Value) -> Answer {
        self.try_request(method, &parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Asks and waits for the answer.
    pub fn try_request(&mut self, method: &str, parameters: &Value) -> io::Result<Answer> {
        let message = self.message(method, parameters.clone());
        let mut answer = self.exchange(&message)?;
        for _ in 0..5 {
            let result = &answer.message["result"];
            if result["resultType"] != "input_required" {
                break;
            }
            let Some(elicited) = self.elicited.clone() else { break };
            let requests = result["inputRequests"].as_object().cloned().unwrap_or_default();
            let responses: serde_json::Map<String, Value> =
                requests.keys().map(|key| (key.clone(), elicited.clone())).collect();
            let mut again = parameters.clone();
            again["inputResponses"] = responses.into();
            if let Some(state) = result.get("requestState") {
                again["requestState"] = state.clone();
            }
            let asked = requests.into_iter().map(|(_, request)| request);
            let asked: Vec<Value> = answer.asked.drain(..).chain(asked).collect();
            let message = self.message(method, again);
            answer = self.exchange(&message)?;
            answer.asked.splice(0..0, asked);
        }
        Ok(answer)
    }

    fn exchange(&mut self, message: &Value) -> io::Result<Answer> {
        let head = self.send_again(message)?;
        if let Some(session) = head.header("mcp-session-id") {
            self.session = Some(session.to_owned());
        }
        let mut answer = Answer { status: head.status, ..Answer::default() };
        if !head.is_stream() {
            let body = self.connection()?.body()?;
            answer.size = body.len();
            answer.message = serde_json::from_str(&body).unwrap_or(Value::Null);
            return Ok(answer);
        }
        let mut events = Events::default();
        loop {
            let Some(part) = self.connection()?.part()? else { return Ok(answer) };
            for data in events.add(&part) {
                let Ok(value) = serde_json::from_str::<Value>(&data) else { continue };
                match (value.get("method").is_some(), value.get("id").is_some()) {
                    (true, true) => {
                        self.respond(&value)?;
                        answer.asked.push(value);
                    }
                    (true, false) => answer.notifications.push(value),
                    _ => {
                        answer.size = data.len();
                        answer.message = value;
                    }
                }
            }
        }
    }

    /// Answers what the server asks in the middle of a legacy call, on a connection of its own.
    fn respond(&self, asked: &Value) -> io::Result<()> {
        let id = &asked["id"];
        let answer = match (asked["method"].as_str(), &self.elicited) {
            (Some("elicitation/create"), Some(elicited)) => {
                json!({"jsonrpc": "2.0", "id": id, "result": elicited})
            }
            (Some("ping"), _) => json!({"jsonrpc": "2.0", "id": id, "result": {}}),
            _ => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "not known"}}),
        };
        let headers = self.headers(&answer);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let reply = Connection::open(self.address)?.ask("POST", PATH, &headers, &answer.to_string())?;
        assert_eq!(reply.head.status, 202, "{reply:?}");
        Ok(())
    }

    /// Calls a tool.
    ///
    /// # Panics
    /// When the connection breaks.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "callers write the arguments in place")]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Calls a tool, and follows its run until it has ended: a call that takes long answers with the run's id.
    ///
    /// # Panics
    /// When the connection breaks or the run does not end.
    #[track_caller]
    pub fn call_to_its_end(&mut self, tool: &str, arguments: Value) -> Answer {
        let mut answer = self.call(tool, arguments);
        for _ in 0..12 {
            let Some(run) = run_id(&answer) else { return answer };
            answer = self.call("get_run", json!({"run_id": run}));
            answer.is_followed = true;
        }
        panic!("{tool} does not end: {answer:#?}")
    }

    /// The tools that the server offers.
    ///
    /// # Panics
    /// When it does not list them.
    #[track_caller]
    pub fn tools(&mut self) -> Vec<Value> {
        let (mut tools, mut cursor) = (Vec::new(), None::<Value>);
        loop {
            let parameters = cursor.map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
            let answer = self.request("tools/list", parameters);
            let result = answer.result();
            tools.extend(result["tools"].as_array().cloned().unwrap_or_default());
            cursor = result.get("nextCursor").cloned();
            if cursor.is_none() {
                return tools;
            }
        }
    }

    /// Their names.
    #[track_caller]
    pub fn tool_names(&mut self) -> Vec<String> {
        let name = |tool: &Value| tool["name"].as_str().unwrap_or_default().to_owned();
        self.tools().iter().map(name).collect()
    }

    /// Sends a request and does not wait: the connection, on which the answer comes, and the request's id.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn begin(&mut self, method: &str, parameters: Value) -> (Connection, Value) {
        let message = self.message(method, parameters);
        let headers = self.headers(&message);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let sent = Connection::open(self.address).and_then(|mut connection| {
            connection.send("POST", PATH, &headers, &message.to_string())?;
            Ok(connection)
        });
        (sent.unwrap_or_else(|error| panic!("{method}: {error}")), message["id"].clone())
    }

    /// The stream of a session of the legacy era, on which the server says what nobody asked for.
    ///
    /// # Panics
    /// When there is none.
    pub fn stream(&self) -> Stream {
        let headers = self.headers(&json!({"method": ""}));
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let stream = Connection::open(self.address).and_then(|mut connection| {
            connection.send("GET", PATH, &headers, "")?;
            Stream::of(connection)
        });
        stream.unwrap_or_else(|error| panic!("the stream of a session: {error}"))
    }

    /// Ends the session of the legacy era.
    ///
    /// # Panics
    /// When the connection breaks.
    pub fn end(mut self) -> u16 {
        let headers = self.headers(&json!({"method": ""}));
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.connection = None;
        let reply = Connection::open(self.address)
            .and_then(|mut connection| connection.ask("DELETE", PATH, &headers, ""));
        reply.unwrap_or_else(|error| panic!("the end of a session: {error}")).head.status
    }
}

/// The messages of an answer that is a stream, one after the other.
#[derive(Debug)]
pub struct Stream {
    connection: Connection,
    head: Head,
    events: Events,
    queue: VecDeque<Value>,
}

impl Stream {
    /// The stream that the answer on `connection` is.
    pub fn of(mut connection: Connection) -> io::Result<Self> {
        let head = connection.head()?;
        Ok(Self { connection, head, events: Events::default(), queue: VecDeque::new() })
    }

    /// Status and headers.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next message that `is_it`; waits at most `limit` for each part.
    pub fn until(&mut self, limit: Duration, is_it: impl Fn(&Value) -> bool) -> io::Result<Value> {
        self.connection.limit(limit)?;
        loop {
            while let Some(value) = self.queue.pop_front() {
                if is_it(&value) {
                    return Ok(value);
                }
            }
            let part = self.connection.part()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if !self.head.is_stream() {
                self.queue.extend(serde_json::from_slice::<Value>(&part).ok());
            }
            let values = self.events.add(&part).into_iter();
            self.queue.extend(values.filter_map(|data| serde_json::from_str(&data).ok()));
        }
    }

    /// Closes the connection in the middle.
    pub fn close(self) {
        self.connection.close();
    }
}

/// A name as a header holds it.
fn encoded(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| (0x21..0x7f).contains(&byte)) && !name.starts_with("=?");
    if is_plain { name.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(name)) }
}

/// The id of a run that goes on: a call that takes long answers with it, and so does whoever follows it.
pub fn run_id(answer: &Answer) -> Option<String> {
    if answer.structured().is_some_and(|result| result["state"] == "running") {
        return answer.structured()?["run_id"].as_str().map(str::to_owned);
    }
    let text = answer.text();
    let (_, rest) = text.split_once("\nrun_id: ")?;
    text.contains(" still runs ").then(|| rest.lines().next().unwrap_or_default().to_owned())
}

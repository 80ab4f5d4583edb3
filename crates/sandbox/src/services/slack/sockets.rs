//! What Slack knows of an app's sockets: addresses for one use, open sockets, and deliveries until they are acknowledged
//! (spec 05 §4.6).

use std::collections::HashMap;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

/// Open sockets that an app may have.
pub const MOST_SOCKETS: usize = 10;

/// What a socket is told to do.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Send this text.
    Send(String),
    /// End the WebSocket with the closing handshake.
    Close,
    /// End the TCP connection without a word.
    Cut,
    /// Neither read nor write any more, and leave the TCP connection open.
    Freeze,
}

/// An open socket.
#[derive(Clone, Debug)]
struct Socket {
    number: u64,
    orders: UnboundedSender<Order>,
    is_frozen: bool,
}

/// What became of one delivery.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// The envelope's id, another one each time.
    pub envelope_id: String,
    /// The event's id, the same each time.
    pub event_id: Option<String>,
    /// How often it was delivered before.
    pub retry_attempt: usize,
    /// The socket that it went to.
    pub socket: u64,
    /// Whether that socket acknowledged it in time.
    pub acknowledged: bool,
}

/// An event that is not acknowledged yet.
#[derive(Clone, Debug)]
struct Waiting {
    payload: Value,
    event_id: String,
    /// The envelope and the socket of the last delivery; none while there was no socket.
    last: Option<(String, u64)>,
    attempts: usize,
    due: Timestamp,
}

/// The Socket Mode of the one app.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// App-level tokens and their scopes.
    pub app_tokens: IndexMap<String, Vec<String>>,
    /// Whether Socket Mode is turned on.
    pub enabled: bool,
    /// How long an address may be used.
    pub address_lifetime: SignedDuration,
    /// How long an acknowledgement may take.
    pub acknowledged_within: SignedDuration,
    /// The pauses before an event that nobody acknowledged is delivered again.
    pub redelivered_after: Vec<SignedDuration>,
    /// How long a frozen socket still counts as open.
    pub frozen_for: SignedDuration,
    /// Whether the TCP connection stays open after the closing handshake, as with Slack.
    pub lingers: bool,
    /// Everything that was delivered.
    pub deliveries: Vec<Delivery>,
    /// Events that were not acknowledged, however often they were delivered.
    pub given_up: Vec<String>,
    addresses: HashMap<String, Timestamp>,
    open: Vec<Socket>,
    waiting: Vec<Waiting>,
    count: u64,
    turn: usize,
    /// Whether a socket was ever open: before, nobody subscribes to events.
    is_used: bool,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            app_tokens: IndexMap::new(),
            enabled: true,
            address_lifetime: SignedDuration::from_secs(30),
            acknowledged_within: SignedDuration::from_secs(3),
            // What is documented for deliveries over HTTP, and one more: for sockets nothing is, and ten minutes are what an app
            // has to be ready for.
            redelivered_after: [0, 60, 300, 220].map(SignedDuration::from_secs).to_vec(),
            frozen_for: SignedDuration::from_mins(2),
            lingers: true,
            deliveries: Vec::new(),
            given_up: Vec::new(),
            addresses: HashMap::new(),
            open: Vec::new(),
            waiting: Vec::new(),
            count: 0,
            turn: 0,
            is_used: false,
        }
    }
}

impl Sockets {
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A ticket for one socket.
    pub(super) fn ticket(&mut self, now: Timestamp) -> String {
        let ticket = format!("ticket-{:04}-{}", self.number(), uuid::Uuid::new_v4().simple());
        let until = now.saturating_add(self.address_lifetime).unwrap_or(now);
        self.addresses.insert(ticket.clone(), until);
        ticket
    }

    /// Uses a ticket up; false when there is no such ticket any more.
    pub(super) fn take_ticket(&mut self, ticket: &str, now: Timestamp) -> bool {
        self.addresses.remove(ticket).is_some_and(|until| now <= until)
    }

    /// A new socket; or the reason with which it is ended at once.
    pub(super) fn opened(&mut self, orders: UnboundedSender<Order>) -> Result<(u64, Value), Value> {
        self.is_used = true;
        if !self.enabled {
            return Err(disconnect("link_disabled"));
        }
        if self.open.len() >= MOST_SOCKETS {
            return Err(disconnect("too_many_websockets"));
        }
        let number = self.number();
        self.open.push(Socket { number, orders, is_frozen: false });
        let hello = json!({
            "type": "hello",
            "num_connections": self.open.len(),
            "debug_info": {"host": format!("applink-{number}"), "build_number": 1, "approximate_connection_time": 18_060},
            "connection_info": {"app_id": super::methods::APP},
        });
        Ok((number, hello))
    }

    /// A socket is gone. What it did not acknowledge is delivered again when its time comes.
    pub(super) fn closed(&mut self, number: u64) {
        self.open.retain(|socket| socket.number != number);
    }

    /// The numbers of the open sockets.
    pub fn open_sockets(&self) -> Vec<u64> {
        self.open.iter().map(|socket| socket.number).collect()
    }

    /// Somebody who subscribes to events is told one. Without a socket it is tried again later.
    pub(super) fn event(&mut self, event: Option<Value>, now: Timestamp) -> Option<String> {
        if !self.is_used {
            return None;
        }
        let event_id = format!("Ev{:08}", self.number());
        let kind = if event.is_some() { "event_callback" } else { "app_rate_limited" };
        let mut payload = json!({
            "team_id": super::methods::TEAM, "api_app_id": super::methods::APP, "type": kind,
        });
        if let (Some(members), Some(event)) = (payload.as_object_mut(), event) {
            members.insert("event".to_owned(), event);
            members.insert("event_id".to_owned(), json!(event_id));
            members.insert("event_time".to_owned(), json!(now.as_second()));
        }
        let waiting = Waiting { payload, event_id: event_id.clone(), last: None, attempts: 0, due: now };
        self.waiting.push(waiting);
        self.deliver_due(now);
        Some(event_id)
    }

    /// A click goes to a socket once; false when there is none, and the person sees an error.
    pub(super) fn click(&mut self, payload: &Value) -> bool {
        let envelope_id = uuid::Uuid::new_v4().to_string();
        let envelope = json!({
            "type": "interactive", "envelope_id": envelope_id, "payload": payload, "accepts_response_payload": true,
        });
        let Some(socket) = self.send(&envelope) else { return false };
        self.deliveries.push(Delivery {
            envelope_id,
            event_id: None,
            retry_attempt: 0,
            socket,
            acknowledged: false,
        });
        true
    }

    /// Delivers what is due: new events, and those that nobody acknowledged in time.
    pub(super) fn deliver_due(&mut self, now: Timestamp) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            if waiting.due > now {
                self.waiting.push(waiting);
                continue;
            }
            let attempt = waiting.attempts;
            if attempt > self.redelivered_after.len() {
                self.given_up.push(waiting.event_id);
                continue;
            }
            waiting.last = self.deliver(&waiting, attempt);
            waiting.attempts += 1;
            let pause = self.redelivered_after.get(attempt).copied().unwrap_or_default();
            waiting.due = now.saturating_add(self.acknowledged_within + pause).unwrap_or(now);
            self.waiting.push(waiting);
        }
    }

    fn deliver(&mut self, waiting: &Waiting, attempt: usize) -> Option<(String, u64)> {
        let envelope_id = uuid::Uuid::new_v4().to_string();
        let mut envelope = json!({
            "type": "events_api", "envelope_id": envelope_id, "payload": waiting.payload,
            "accepts_response_payload": false, "retry_attempt": attempt, "retry_reason": "",
        });
        if let (Some(members), true) = (envelope.as_object_mut(), attempt > 0) {
            members.insert("retry_reason".to_owned(), json!("timeout"));
        }
        let socket = self.send(&envelope)?;
        self.deliveries.push(Delivery {
            envelope_id: envelope_id.clone(),
            event_id: Some(waiting.event_id.clone()),
            retry_attempt: attempt,
            socket,
            acknowledged: false,
        });
        Some((envelope_id, socket))
    }

    /// Sends to any one of the open sockets, a frozen one included: Slack does not know that it is. The number of the socket.
    fn send(&mut self, envelope: &Value) -> Option<u64> {
        let count = self.open.len();
        for _ in 0..count {
            self.turn = self.turn.wrapping_add(1);
            let Some(socket) = self.open.get(self.turn % count) else { continue };
            if socket.orders.send(Order::Send(envelope.to_string())).is_ok() {
                return Some(socket.number);
            }
        }
        None
    }

    /// Takes an acknowledgement that came on a socket. One for an envelope that went to another socket counts for nothing.
    pub(super) fn acknowledge(&mut self, socket: u64, text: &str) {
        let Ok(answer) = serde_json::from_str::<Value>(text) else { return };
        let Some(id) = answer.get("envelope_id").and_then(Value::as_str) else { return };
        let of_socket = |delivery: &&mut Delivery| delivery.envelope_id == id && delivery.socket == socket;
        let Some(delivery) = self.deliveries.iter_mut().rev().find(of_socket) else { return };
        delivery.acknowledged = true;
        self.waiting.retain(|waiting| waiting.last != Some((id.to_owned(), socket)));
    }

    /// How many events wait to be acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.waiting.len()
    }

    /// A change that the control interface asks for: see the table in [`super`].
    pub(super) fn change(&mut self, body: &Value) -> Result<Value, String> {
        let flag = |name: &str| body.get(name).and_then(Value::as_bool);
        let seconds =
            |value: &Value| value.as_f64().and_then(|value| SignedDuration::try_from_secs_f64(value).ok());
        if let Some(enabled) = flag("enabled") {
            self.enabled = enabled;
        }
        if let Some(lingers) = flag("lingers") {
            self.lingers = lingers;
        }
        if let Some(lifetime) = body.get("address_seconds") {
            self.address_lifetime = seconds(lifetime).ok_or("address_seconds is no number of seconds")?;
        }
        if let Some(limit) = body.get("acknowledged_within") {
            self.acknowledged_within = seconds(limit).ok_or("acknowledged_within is no number of seconds")?;
        }
        if let Some(length) = body.get("frozen_for") {
            self.frozen_for = seconds(length).ok_or("frozen_for is no number of seconds")?;
        }
        if let Some(pauses) = body.get("redelivered_after") {
            let pauses = pauses.as_array().and_then(|pauses| pauses.iter().map(seconds).collect());
            self.redelivered_after = pauses.ok_or("redelivered_after is no list of seconds")?;
        }
        if let Some(reason) = body.get("disconnect").and_then(Value::as_str) {
            self.order_all(&Order::Send(disconnect(reason).to_string()));
        }
        for (name, order) in [("close", Order::Close), ("cut", Order::Cut), ("freeze", Order::Freeze)] {
            if flag(name) == Some(true) {
                self.order_all(&order);
            }
        }
        // Without what was delivered: it grows with every event.
        Ok(json!({
            "open": self.open_sockets(), "enabled": self.enabled, "unacknowledged": self.unacknowledged(),
        }))
    }

    fn order_all(&mut self, order: &Order) {
        for socket in self.open.iter_mut().filter(|socket| !socket.is_frozen) {
            // It fails only for a socket that is just ending.
            let _ = socket.orders.send(order.clone());
            socket.is_frozen |= matches!(order, Order::Freeze);
        }
        if matches!(order, Order::Close | Order::Cut) {
            self.open.retain(|socket| socket.is_frozen);
        }
    }

    /// The state as the control interface shows it.
    pub(super) fn shown(&self) -> Value {
        json!({
            "open": self.open_sockets(), "enabled": self.enabled, "deliveries": self.deliveries,
            "unacknowledged": self.unacknowledged(), "given_up": self.given_up,
        })
    }
}

fn disconnect(reason: &str) -> Value {
    json!({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-0"}})
}

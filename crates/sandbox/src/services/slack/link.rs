//! `apps.connections.open`, and the WebSocket at the address that it gives out.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::call::{Call, Refusal, fine};
use super::sockets::Order;
use crate::world::Shared;

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_millis(20);
/// Slack's own pings.
const PING: Duration = Duration::from_secs(5);
/// How long the TCP connection stays open after the closing handshake; longer than any client waits.
const LINGER: Duration = Duration::from_mins(2);

/// `apps.connections.open`: the address of one socket. The app-level token stands in the header.
pub(super) async fn open(call: Call) -> Result<Response, Refusal> {
    let now = call.world.clock.now();
    let mut slack = call.world.slack.lock();
    let token = call.bearer().ok_or_else(|| Refusal::new("not_authed"))?;
    if slack.tokens.contains_key(token) {
        return Err(Refusal::new("not_allowed_token_type"));
    }
    let scopes = slack.sockets.app_tokens.get(token).ok_or_else(|| Refusal::new("invalid_auth"))?;
    if !scopes.iter().any(|scope| scope == "connections:write") {
        let provided = scopes.join(",");
        return Err(
            Refusal::new("missing_scope").with(json!({"needed": "connections:write", "provided": provided}))
        );
    }
    let ticket = slack.sockets.ticket(now);
    let address = call.world.url("/slack/api/link").replacen("http", "ws", 1);
    Ok(fine(json!({"url": format!("{address}?ticket={ticket}&app_id={}", super::methods::APP)})))
}

/// What leads to a socket.
#[derive(Deserialize)]
pub(super) struct Ticket {
    ticket: Option<String>,
}

/// The WebSocket.
pub(super) async fn link(
    State(world): State<Shared>,
    Query(ticket): Query<Ticket>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let now = world.clock.now();
    let ticket = ticket.ticket.unwrap_or_default();
    if !world.slack.lock().sockets.take_ticket(&ticket, now) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    upgrade.on_upgrade(move |socket| serve(world, socket))
}

/// How a socket ended.
enum End {
    /// We close it.
    Close,
    /// The client closed it, with the handshake.
    Closed,
    /// The TCP connection ends without a word.
    Cut,
    /// The TCP connection stays open, and nothing happens on it.
    Frozen,
}

async fn serve(world: Shared, mut socket: WebSocket) {
    // It lives as long as the socket counts as open: a frozen one still takes what is sent to it.
    let (sender, mut orders) = unbounded_channel();
    let opened = world.slack.lock().sockets.opened(sender);
    let (number, hello) = match opened {
        Ok(opened) => opened,
        Err(disconnect) => {
            let _ = socket.send(Message::text(disconnect.to_string())).await;
            let _ = socket.send(Message::Close(None)).await;
            return;
        }
    };
    let end = if send(&mut socket, &hello).await {
        work(&world, &mut socket, number, &mut orders).await
    } else {
        End::Cut
    };
    if matches!(end, End::Frozen) {
        // Slack does not know: it still delivers there.
        let length = world.slack.lock().sockets.frozen_for;
        tokio::time::sleep(Duration::try_from(length).unwrap_or_default()).await;
    }
    world.slack.lock().sockets.closed(number);
    let lingers = world.slack.lock().sockets.lingers;
    if matches!(end, End::Close) {
        let _ = socket.send(Message::Close(None)).await;
    }
    if matches!(end, End::Close | End::Closed) && lingers {
        // The closing handshake ends here; nobody closes the TCP connection.
        while let Some(Ok(_)) = socket.recv().await {}
        tokio::time::sleep(LINGER).await;
    }
}

async fn work(
    world: &Shared,
    socket: &mut WebSocket,
    number: u64,
    orders: &mut UnboundedReceiver<Order>,
) -> End {
    let mut look = tokio::time::interval(LOOK);
    let mut ping = tokio::time::interval(PING);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Send(text)) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        return End::Cut;
                    }
                }
                Some(Order::Close) => return End::Close,
                // The state went back to an earlier one, in which there is no such socket.
                Some(Order::Cut) | None => return End::Cut,
                Some(Order::Freeze) => return End::Frozen,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    world.slack.lock().sockets.acknowledge(number, text.as_str());
                }
                Some(Ok(Message::Close(_))) => return End::Closed,
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return End::Cut,
            },
            _ = look.tick() => {
                let now = world.clock.now();
                world.slack.lock().sockets.deliver_due(now);
            }
            _ = ping.tick() => {
                if socket.send(Message::Ping(axum::body::Bytes::from_static(b"sandbox"))).await.is_err() {
                    return End::Cut;
                }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, value: &Value) -> bool {
    socket.send(Message::text(value.to_string())).await.is_ok()
}

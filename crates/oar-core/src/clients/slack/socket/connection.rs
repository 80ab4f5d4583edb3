//! One WebSocket to Slack: opened, kept alive, read, acknowledged, closed.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use futures::{SinkExt, StreamExt};
use http::Method;
use http::header::{
    CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::Upgraded;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use url::Url;

use super::frame::{DisconnectReason, Envelope, Frame};
use super::{OPERATION, SocketSettings, Told, What};
use crate::clock::Clock;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http};
use crate::service::Service;

/// The largest message that is read. Slack's largest events, a message of 40,000 characters with its blocks, have less.
const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// Opens the WebSocket at `url`, which Slack gave out for one use. The path is not shown anywhere: who has it, has the app's
/// events.
pub(super) async fn open(http: &Http, url: &Url) -> Result<WebSocketStream<Upgraded>, ServiceError> {
    let failed = |kind, words: &str| ServiceError::new(Service::Slack, OPERATION, kind, words.to_owned());
    let mut address = url.clone();
    let scheme = match url.scheme() {
        "wss" => "https",
        "ws" => "http",
        _ => return Err(failed(ServiceErrorKind::Malformed, "the address of the socket is no `wss` URL")),
    };
    if address.set_scheme(scheme).is_err() {
        return Err(failed(ServiceErrorKind::Malformed, "the address of the socket cannot be used"));
    }
    let key = base64::engine::general_purpose::STANDARD.encode(rand::random::<[u8; 16]>());
    let key_value = HeaderValue::from_str(&key)
        .map_err(|_| failed(ServiceErrorKind::Rejected, "the key of the socket is no header"))?;
    let call = Call::new(Service::Slack, OPERATION, Method::GET, address)
        .header(CONNECTION, HeaderValue::from_static("Upgrade"))
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
        .header(SEC_WEBSOCKET_KEY, key_value);
    let upgrade = http.upgrade(call).await?;
    // RFC 6455 §4.1: only who speaks the protocol knows this answer.
    let accepted = upgrade.headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(failed(
            ServiceErrorKind::Malformed,
            "what answered does not speak the WebSocket protocol",
        ));
    }
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT))
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(256 * 1024);
    Ok(WebSocketStream::from_raw_socket(upgrade.connection, Role::Client, Some(limits)).await)
}

/// What a WebSocket runs over.
pub(super) trait Connection: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection for S {}

/// An event that there is no room for is not acknowledged.
fn left_with_slack() {
    tracing::warn!("too much is waiting to be handled: Slack is left to deliver an event again");
}

/// A connection at work, in a task of its own.
pub(super) struct Work {
    pub(super) number: u64,
    pub(super) clock: Clock,
    pub(super) settings: SocketSettings,
    pub(super) told: mpsc::Sender<Told>,
    pub(super) close: oneshot::Receiver<()>,
}

/// How reading ended.
enum Ended {
    /// We were asked to close.
    Asked,
    /// The other side closed, or the connection broke; the words.
    Gone(String),
}

impl Work {
    /// Reads until the connection ends, and says why. Every envelope is acknowledged on this connection before anybody works
    /// on it.
    pub(super) async fn run<S: Connection>(mut self, mut stream: WebSocketStream<S>) {
        let mut owed = VecDeque::new();
        let ended = self.read(&mut stream, &mut owed).await;
        for what in owed {
            self.tell(what).await;
        }
        match ended {
            Ended::Asked => {
                self.end(&mut stream).await;
                self.tell(What::Closed("it was replaced".to_owned())).await;
            }
            Ended::Gone(why) => {
                // Slack leaves the TCP connection open after the closing handshake; dropping the stream closes it.
                self.tell(What::Closed(why)).await;
            }
        }
    }

    /// Reads. What cannot be told yet, because nobody takes it, is `owed`: a connection is kept alive, and found dead, meanwhile.
    async fn read<S: Connection>(
        &mut self,
        stream: &mut WebSocketStream<S>,
        owed: &mut VecDeque<What>,
    ) -> Ended {
        let clock = self.clock.clone();
        let SocketSettings { ping, silence, hello, .. } = self.settings;
        let (mut is_ready, mut is_leaving) = (false, false);
        let mut next_ping = Box::pin(clock.sleep(ping));
        let mut silent = Box::pin(clock.sleep(hello));
        loop {
            let message = tokio::select! {
                _ = &mut self.close => return Ended::Asked,
                Ok(place) = self.told.reserve(), if !owed.is_empty() => {
                    if let Some(what) = owed.pop_front() {
                        place.send(Told { connection: self.number, what });
                    }
                    continue;
                }
                message = stream.next() => message,
                () = &mut next_ping => {
                    // A half-open connection takes pings until its buffers are full, and answers none.
                    if let Some(end) = self.send(stream, Message::Ping(bytes::Bytes::new())).await {
                        return end;
                    }
                    next_ping = Box::pin(clock.sleep(ping));
                    continue;
                }
                () = &mut silent => {
                    let what = if is_ready { "nothing came" } else { "no `hello` came" };
                    let limit = if is_ready { silence } else { hello };
                    return Ended::Gone(format!("{what} within {} s", limit.as_secs_f64()));
                }
            };
            let text = match message {
                None => return Ended::Gone("the connection ended".to_owned()),
                Some(Err(error)) => return Ended::Gone(error.to_string()),
                Some(Ok(Message::Close(_))) => return Ended::Gone("Slack closed the connection".to_owned()),
                Some(Ok(Message::Text(text))) => Some(text),
                // The library answers pings; nothing that Slack sends is binary.
                Some(Ok(_)) => None,
            };
            if is_ready {
                silent = Box::pin(clock.sleep(silence));
            }
            let Some(text) = text else { continue };
            match Frame::parse(text.as_str()) {
                Frame::Hello(sockets) => {
                    silent = Box::pin(clock.sleep(silence));
                    if !std::mem::replace(&mut is_ready, true) {
                        owed.push_back(What::Ready(sockets));
                    }
                }
                Frame::Disconnect(DisconnectReason::Refresh) => {
                    if !std::mem::replace(&mut is_leaving, true) {
                        owed.push_back(What::Disconnect(DisconnectReason::Refresh));
                    }
                }
                Frame::Disconnect(reason) => {
                    owed.push_back(What::Disconnect(reason));
                    return Ended::Asked;
                }
                Frame::Envelope(envelope) => {
                    self.pay(owed);
                    if !owed.is_empty() {
                        left_with_slack();
                    } else if let Some(end) = self.take(stream, envelope).await {
                        return end;
                    }
                }
                Frame::Unknown => tracing::debug!("Slack sent a frame that is not known"),
            }
        }
    }

    /// Tells what is owed, as far as there is room: before the envelopes that came after it.
    fn pay(&self, owed: &mut VecDeque<What>) {
        while !owed.is_empty()
            && let Ok(place) = self.told.try_reserve()
            && let Some(what) = owed.pop_front()
        {
            place.send(Told { connection: self.number, what });
        }
    }

    /// Acknowledges and hands on. When there is no room for it, it is not acknowledged: Slack delivers it again later.
    async fn take<S: Connection>(
        &mut self,
        stream: &mut WebSocketStream<S>,
        envelope: Envelope,
    ) -> Option<Ended> {
        let told = self.told.clone();
        let Ok(place) = told.try_reserve() else {
            left_with_slack();
            return None;
        };
        let end = self.send(stream, Message::text(envelope.acknowledgement())).await;
        // Handled also when the acknowledgement was lost: the next delivery is recognised.
        place.send(Told { connection: self.number, what: What::Envelope(envelope) });
        end
    }

    async fn send<S: Connection>(&self, stream: &mut WebSocketStream<S>, message: Message) -> Option<Ended> {
        let limit = self.settings.send;
        match within(&self.clock, limit, stream.send(message)).await {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(Ended::Gone(error.to_string())),
            None => Some(Ended::Gone(format!("nothing could be sent within {} s", limit.as_secs_f64()))),
        }
    }

    /// The closing handshake, for a limited time.
    async fn end<S: Connection>(&self, stream: &mut WebSocketStream<S>) {
        let handshake = async {
            stream.close(None).await?;
            while let Some(message) = stream.next().await {
                message?;
            }
            Ok::<_, tokio_tungstenite::tungstenite::Error>(())
        };
        if let Some(Err(error)) = within(&self.clock, self.settings.close, handshake).await {
            tracing::debug!("a socket was not closed in order: {error}");
        }
    }

    async fn tell(&self, what: What) {
        // Nobody listens any more when the program ends.
        let _ = self.told.send(Told { connection: self.number, what }).await;
    }
}

/// The outcome of `work`, unless it takes longer than `limit`.
async fn within<T>(clock: &Clock, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        outcome = work => Some(outcome),
        () = clock.sleep(limit) => None,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    /// A connection whose channel has room for `room` notes, its other side, and who listens.
    async fn connected(
        room: usize,
    ) -> (WebSocketStream<DuplexStream>, mpsc::Sender<Told>, mpsc::Receiver<Told>, JoinHandle<()>) {
        let (ours, theirs) = duplex(64 * 1024);
        let stream = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
        let slack = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        let (sender, told) = mpsc::channel(room);
        let (keep, close) = oneshot::channel();
        let settings = SocketSettings::default();
        let work = Work { number: 1, clock: Clock::system(), settings, told: sender.clone(), close };
        let task = tokio::spawn(async move {
            let _keep = keep;
            work.run(stream).await;
        });
        (slack, sender, told, task)
    }

    const HELLO: &str = r#"{"type": "hello", "num_connections": 1}"#;

    fn full(sender: &mpsc::Sender<Told>) {
        while sender.try_send(Told { connection: 0, what: What::Closed(String::new()) }).is_ok() {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_notes_nobody_takes_is_kept_alive() {
        let (mut slack, sender, mut told, _task) = connected(1).await;
        full(&sender);
        slack.send(Message::text(HELLO)).await.unwrap();
        let event = r#"{"type": "events_api", "envelope_id": "1", "payload": {"type": "event_callback", "event": {}}}"#;
        slack.send(Message::text(event)).await.unwrap();
        for _ in 0..5 {
            assert!(matches!(slack.next().await, Some(Ok(Message::Ping(_)))), "it is not acknowledged");
        }
        assert!(matches!(told.recv().await.unwrap().what, What::Closed(_)));
        assert!(matches!(told.recv().await.unwrap().what, What::Ready(Some(1))));
        slack.send(Message::text(event)).await.unwrap();
        assert!(matches!(told.recv().await.unwrap().what, What::Envelope(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_silent_ends_whoever_takes_its_notes() {
        let (mut slack, sender, mut told, task) = connected(1).await;
        full(&sender);
        slack.send(Message::text(HELLO)).await.unwrap();
        // The other side answers no ping, because nobody reads there.
        tokio::time::sleep(SocketSettings::default().silence * 2).await;
        assert!(told.recv().now_or_never().is_some());
        assert!(matches!(told.recv().await.unwrap().what, What::Ready(Some(1))));
        let What::Closed(why) = told.recv().await.unwrap().what else { panic!("it does not end") };
        assert_eq!(why, "nothing came within 30 s");
        task.await.unwrap();
    }
}

//! Slack's Socket Mode: events and clicks over a WebSocket that we open (spec 05 §4.6).
//!
//! slack-morphism's own Socket Mode knows no proxy and no private authority, closes a connection before it has the next one,
//! and acknowledges after the callback. Here the WebSocket runs over a connection of [`Http`]; the library asks for its
//! address.
//!
//! Slack gives each envelope to any one of the app's sockets. Only the replica that works may have one open.

mod connection;
mod frame;
mod pause;

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use slack_morphism::api::{SlackApiAppsConnectionOpenRequest, SlackApiAppsConnectionOpenResponse};
use slack_morphism::{SlackApiToken, SlackApiTokenValue};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use url::Url;

#[cfg(test)]
pub(crate) use frame::Frame;
pub use frame::{DisconnectReason, Envelope, EnvelopeKind};

use super::connector::Connector;
use super::failure;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Http, Repeat};
use connection::Work;
use pause::Pauses;

/// The most envelopes and notes that wait to be handled. What comes beyond is not acknowledged, so Slack keeps it.
const WAITING: usize = 256;
/// From this time on a connection was of use: pauses begin anew.
const OF_USE: Duration = Duration::from_mins(1);
const OPERATION: &str = "open a socket";

/// The limits of a connection. The defaults are right for production; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct SocketSettings {
    /// How often we send a ping.
    pub ping: Duration,
    /// How long nothing at all may come, not even the answer to a ping, before a connection is dead. Half-open connections
    /// stay silent for hours.
    pub silence: Duration,
    /// How long Slack may take from the upgrade to its `hello`.
    pub hello: Duration,
    /// How long one message may take to be sent.
    pub send: Duration,
    /// How long the closing handshake may take: Slack leaves the TCP connection open after it.
    pub close: Duration,
    /// How long to wait at least before an address is asked for again.
    pub between: Duration,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            hello: Duration::from_secs(15),
            send: Duration::from_secs(10),
            close: Duration::from_secs(1),
            between: Pauses::SHORTEST,
        }
    }
}

/// What a connection tells.
struct Told {
    connection: u64,
    what: What,
}

enum What {
    /// Slack said hello; how many sockets the app has.
    Ready(Option<u64>),
    Envelope(Envelope),
    Disconnect(DisconnectReason),
    /// It could not be opened.
    Failed(ServiceError),
    /// It ended; why.
    Closed(String),
}

/// A connection, from the decision to open it until its end.
struct Connection {
    /// Ends it when it is sent or dropped.
    close: Option<oneshot::Sender<()>>,
    /// When Slack said hello.
    ready: Option<jiff::Timestamp>,
    /// Another one takes its place.
    is_leaving: bool,
}

/// The sockets of an app: one, and two while the first is replaced.
///
/// Dropped, it ends all connections without the closing handshake; [`SlackSockets::close`] ends them in order.
pub struct SlackSockets {
    http: Http,
    base: Url,
    token: SecretString,
    settings: SocketSettings,
    connections: BTreeMap<u64, Connection>,
    tasks: JoinSet<()>,
    sender: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    pauses: Pauses,
    next_number: u64,
    /// The pause before the next connection.
    pause: Duration,
}

impl std::fmt::Debug for SlackSockets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SlackSockets").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl SlackSockets {
    /// The sockets of the app with this app-level token (`xapp-…`, scope `connections:write`). Nothing is opened before
    /// [`SlackSockets::next`] is called.
    pub fn new(http: Http, base: Url, token: SecretString, settings: SocketSettings) -> Self {
        let (sender, told) = mpsc::channel(WAITING);
        Self {
            http,
            base,
            token,
            settings,
            connections: BTreeMap::new(),
            tasks: JoinSet::new(),
            sender,
            told,
            pauses: Pauses::default(),
            next_number: 1,
            pause: Duration::ZERO,
        }
    }

    /// Whether Slack would open a socket for the token. None is opened: it would take events away from others.
    ///
    /// # Errors
    ///
    /// Slack refuses, or does not answer.
    pub async fn check(&self) -> Result<(), ServiceError> {
        address(self.http.clone(), self.base.clone(), self.token.clone()).await.map(drop)
    }

    /// Whether a connection is ready.
    pub fn is_connected(&self) -> bool {
        self.connections.values().any(|connection| connection.ready.is_some())
    }

    /// The next envelope, acknowledged already. Connections are opened, replaced and opened again as needed. It may be
    /// cancelled at any time without a loss.
    ///
    /// # Errors
    ///
    /// Slack refuses the token for good. Everything that may pass is waited for and logged.
    pub async fn next(&mut self) -> Result<Envelope, ServiceError> {
        loop {
            if !self.connections.values().any(|connection| !connection.is_leaving) {
                self.open();
            }
            while self.tasks.try_join_next().is_some() {}
            // The sender in `self` keeps the channel open.
            let Some(Told { connection, what }) = self.told.recv().await else { continue };
            match what {
                What::Envelope(envelope) => return Ok(envelope),
                What::Ready(sockets) => self.ready(connection, sockets),
                What::Disconnect(reason) => self.disconnect(connection, reason),
                What::Failed(error) => self.failed(connection, error)?,
                What::Closed(why) => self.closed(connection, &why),
            }
        }
    }

    /// Ends all connections with the closing handshake. What arrived before is still to be had from
    /// [`SlackSockets::rest`].
    pub async fn close(&mut self) {
        self.connections.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    /// The envelopes that were acknowledged and not taken before [`SlackSockets::close`].
    pub fn rest(&mut self) -> Vec<Envelope> {
        let mut rest = Vec::new();
        while let Ok(told) = self.told.try_recv() {
            if let What::Envelope(envelope) = told.what {
                rest.push(envelope);
            }
        }
        rest
    }

    fn open(&mut self) {
        let number = self.next_number;
        self.next_number += 1;
        let (close, closing) = oneshot::channel();
        let connection = Connection { close: Some(close), ready: None, is_leaving: false };
        self.connections.insert(number, connection);
        let pause = std::mem::replace(&mut self.pause, self.settings.between);
        let clock = self.http.clock().clone();
        let work = Work {
            number,
            clock: clock.clone(),
            settings: self.settings,
            told: self.sender.clone(),
            close: closing,
        };
        let opening = opening(self.http.clone(), self.base.clone(), self.token.clone());
        self.tasks.spawn(async move {
            let mut work = work;
            let opened = async {
                if !pause.is_zero() {
                    clock.sleep(pause).await;
                }
                opening.await
            };
            let opened = tokio::select! {
                opened = opened => opened,
                _ = &mut work.close => return,
            };
            match opened {
                Ok(stream) => work.run(stream).await,
                Err(error) => {
                    let _ = work.told.send(Told { connection: number, what: What::Failed(error) }).await;
                }
            }
        });
    }

    fn ready(&mut self, number: u64, sockets: Option<u64>) {
        let now = self.http.clock().now();
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.ready = Some(now);
            tracing::info!(
                "Slack's socket {number} is ready; the app has {} open",
                sockets.map_or_else(|| "some".to_owned(), |count| count.to_string())
            );
        }
        // It took the place of those that are leaving.
        for connection in self.connections.values_mut().filter(|connection| connection.is_leaving) {
            drop(connection.close.take());
        }
    }

    fn disconnect(&mut self, number: u64, reason: DisconnectReason) {
        match reason {
            DisconnectReason::Refresh => {
                // Until the next one is ready it may still deliver; `next` opens it.
                if let Some(connection) = self.connections.get_mut(&number) {
                    connection.is_leaving = true;
                }
            }
            DisconnectReason::LinkDisabled | DisconnectReason::TooManySockets => {
                let why = match reason {
                    DisconnectReason::LinkDisabled => "Socket Mode is turned off for the app",
                    _ => "the app has as many sockets as it may have",
                };
                self.connections.remove(&number);
                self.pause = self.pauses.after_refusal().max(self.settings.between);
                tracing::warn!(
                    "Slack refuses a socket: {why}. The next attempt is in {} s",
                    self.pause.as_secs()
                );
            }
        }
    }

    fn failed(&mut self, number: u64, error: ServiceError) -> Result<(), ServiceError> {
        self.connections.remove(&number);
        self.pause = match error.kind {
            ServiceErrorKind::MissingCredential
            | ServiceErrorKind::Unauthorized
            | ServiceErrorKind::Forbidden => return Err(error),
            ServiceErrorKind::RateLimited => self.pauses.after_refusal(),
            _ => self.pauses.after_failure(),
        }
        .max(self.settings.between);
        tracing::warn!("no socket to Slack: {error}. The next attempt is in {} s", self.pause.as_secs());
        Ok(())
    }

    fn closed(&mut self, number: u64, why: &str) {
        let Some(connection) = self.connections.remove(&number) else { return };
        if connection.is_leaving {
            return;
        }
        let now = self.http.clock().now();
        let lasted = connection.ready.and_then(|ready| Duration::try_from(now.duration_since(ready)).ok());
        if lasted.is_some_and(|lasted| lasted >= OF_USE) {
            self.pauses.reset();
        }
        self.pause = self.pauses.after_failure().min(Pauses::LONGEST).max(self.settings.between);
        if lasted.is_some() {
            // An end without notice is normal; the first pause is as short as it may be.
            tracing::info!("Slack's socket {number} ended: {why}");
        } else {
            tracing::warn!("Slack's socket {number} ended before it was ready: {why}");
        }
    }
}

/// Asks for an address and opens a WebSocket there.
async fn opening(
    http: Http,
    base: Url,
    token: SecretString,
) -> Result<tokio_tungstenite::WebSocketStream<reqwest::Upgraded>, ServiceError> {
    let url = address(http.clone(), base, token).await?;
    connection::open(&http, &url).await
}

/// The address of one socket.
async fn address(http: Http, base: Url, token: SecretString) -> Result<Url, ServiceError> {
    let connector = Connector {
        http,
        base: base.clone(),
        operation: OPERATION,
        subject: None,
        // An address that nobody uses is void soon.
        repeat: Repeat::Safe,
        barrier: None,
    };
    let token = SlackApiToken::new(SlackApiTokenValue(token.expose_secret().trim().to_owned()));
    let client = slack_morphism::SlackClient::new(connector);
    let answer: SlackApiAppsConnectionOpenResponse = client
        .open_session(&token)
        .apps_connections_open(&SlackApiAppsConnectionOpenRequest {})
        .await
        .map_err(|error| of_app_token(failure::of_library(error, &client.http_api.connector)))?;
    let url = answer.url.0;
    if url.scheme() != "wss" && base.scheme() == "https" {
        let words = "Slack named a socket without TLS".to_owned();
        return Err(ServiceError::new(
            crate::service::Service::Slack,
            OPERATION,
            ServiceErrorKind::Malformed,
            words,
        ));
    }
    Ok(url)
}

/// The next step for the token that opens sockets, which is another one than that of the Web API.
fn of_app_token(error: ServiceError) -> ServiceError {
    match error.kind {
        ServiceErrorKind::Unauthorized => error.with_hint(
            "SLACK_APP_TOKEN is wrong, expired or revoked; set the app-level token (`xapp-…`) of the Slack app.",
        ),
        ServiceErrorKind::Forbidden => error.with_hint(
            "Set SLACK_APP_TOKEN to an app-level token (`xapp-…`) with the scope `connections:write`; the bot's token \
             opens no socket.",
        ),
        _ => error,
    }
}

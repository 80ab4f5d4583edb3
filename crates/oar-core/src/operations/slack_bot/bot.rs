//! The bot: connects, hears, and keeps everything going that it has begun.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use serde::Serialize;

use super::catch_up::{catch_up, learn};
use super::consent::Tools;
use super::desk::Desk;
use super::notebook::Notebook;
use super::order::CommandLines;
use super::progress::EditTurns;
use super::questions::close_questions;
use crate::agents::bot::{Addressee, IncomingClick, IncomingMessage, Permissions};
use crate::clients::Clients;
use crate::clients::slack::UserId;
use crate::clients::slack::socket::{Envelope, EnvelopeKind, SlackSockets};
use crate::config::ConfigError;
use crate::error::{ErrorClass, ServiceError, ServiceErrorKind};
use crate::failures::Failures;
use crate::flow::interrupt::Interrupt;
use crate::flow::outcome::TaskError;
use crate::permit::WritePermit;
use crate::service::Service;
use crate::tasks::shared_store;

/// The programs whose commands it runs.
const PROGRAMS: &[&str] = &["oar", "oarctl", "job", "jobctl"];
/// What is handled at the same time. What comes beyond waits at the socket, and then with Slack.
const MOST_TASKS: usize = 512;
/// After so many periods it looks for questions that nobody answered in time, or that were answered elsewhere.
const QUESTION_PERIODS: u64 = 4;
/// How long one round waits for its socket.
const TO_CONNECT: Duration = Duration::from_secs(15);
/// How often it looks whether its socket is open.
const TICK: Duration = Duration::from_millis(100);
/// How long one round listens at least, from the moment when its socket is open.
const TO_LISTEN: Duration = Duration::from_secs(1);
/// How long commands may write down where they stopped.
const TO_STOP: Duration = Duration::from_millis(1500);

/// The Slack bot of one replica. Only the one that works has a socket open.
pub struct SlackBot {
    pub(super) clients: Clients,
    pub(super) desk: Rc<Desk>,
    sockets: Option<SlackSockets>,
    tasks: Tasks,
    periods: u64,
}

impl std::fmt::Debug for SlackBot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SlackBot").field("at_work", &self.sockets.is_some()).finish_non_exhaustive()
    }
}

/// What one round did.
#[derive(Debug, Serialize)]
pub struct Round {
    /// Messages that were taken: each was answered, or is among the problems.
    pub messages: usize,
    /// What could not be done; the next round tries what may be tried again.
    pub problems: Failures,
}

impl SlackBot {
    /// The bot with these clients; it asks Slack who it is.
    ///
    /// # Errors
    ///
    /// Something is not configured, or Slack does not answer.
    pub async fn new(
        clients: &Clients,
        lines: Box<dyn CommandLines>,
        permit: WritePermit,
    ) -> Result<Self, TaskError> {
        let permissions = Permissions::of_document(clients.settings().document()?)?;
        // Both tokens are needed; a missing one is told at the start.
        drop(clients.slack_sockets()?);
        let slack = clients.slack()?;
        let bot = own_account(&slack).await?;
        let store = shared_store(clients)?;
        let clock = clients.clock().clone();
        let tools = Tools {
            slack,
            notebook: Notebook::new(store, clock.clone()),
            clock,
            redactor: clients.http().redactor().clone(),
            permit,
            edits: EditTurns::default(),
        };
        let addressee = Addressee { bot: Some(bot), programs: PROGRAMS };
        Ok(Self {
            clients: clients.clone(),
            desk: Rc::new(Desk::new(Arc::new(tools), lines, permissions, addressee)),
            sockets: None,
            tasks: FuturesUnordered::new(),
            periods: 0,
        })
    }

    /// Whether it can run commands: it stands by, or knows which ones ran before.
    pub fn is_ready(&self) -> bool {
        self.sockets.is_none() || self.desk.has_learned()
    }

    /// Works as the one replica for this long; a call that follows goes on where this one ended.
    ///
    /// # Errors
    ///
    /// Slack refuses the token of the app for good. The bot cannot work then.
    pub async fn serve(&mut self, period: Duration, stop: &Interrupt) -> Result<(), TaskError> {
        let end = self.desk.tools.clock.sleep(period);
        tokio::pin!(end);
        // The call ends when the bot is ready, so that it is asked for it.
        let was_ready = self.is_ready();
        // The sockets stay in their place: a task that panics must not take them, and what they were given, along.
        let sockets = match &mut self.sockets {
            Some(sockets) => sockets,
            none => {
                *none = Some(begin(&self.clients, &self.desk, &self.tasks, false)?);
                // Whether it is ready is asked between two calls.
                return Ok(());
            }
        };
        let served = loop {
            let has_room = has_room(&self.desk, &self.tasks);
            tokio::select! {
                _ = stop.wait() => break Ok(()),
                () = &mut end => break Ok(()),
                () = self.desk.until_learned(), if !was_ready => break Ok(()),
                Some(()) = self.tasks.next(), if !self.tasks.is_empty() => {}
                envelope = sockets.next(), if has_room => match envelope {
                    Ok(envelope) => hear(&self.desk, &self.tasks, &envelope),
                    Err(error) => break Err(error.into()),
                },
            }
        };
        self.periods += 1;
        if served.is_ok() && stop.signal().is_none() && self.periods.is_multiple_of(QUESTION_PERIODS) {
            self.look_at_questions();
        }
        served
    }

    fn look_at_questions(&self) {
        let (desk, clients) = (Rc::clone(&self.desk), self.clients.clone());
        self.tasks.push(Box::pin(async move { close_questions(&desk, &clients).await }));
    }

    /// Works as the one replica until everything is done that waits: commands that another instance left, messages that nobody
    /// handled, and what Slack delivers meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`SlackBot::serve`].
    pub async fn serve_once(&mut self, stop: &Interrupt) -> Result<Round, TaskError> {
        let clock = self.desk.tools.clock.clone();
        let mut sockets = begin(&self.clients, &self.desk, &self.tasks, true)?;
        self.look_at_questions();
        let (begun, mut open_since) = (clock.now(), None);
        let is_over = |since: Timestamp, length: Duration| {
            Duration::try_from(clock.now().duration_since(since)).is_ok_and(|passed| passed >= length)
        };
        let (mut listens, mut refused) = (true, None);
        while listens || !self.tasks.is_empty() {
            let has_room = has_room(&self.desk, &self.tasks);
            tokio::select! {
                _ = stop.wait() => break,
                Some(()) = self.tasks.next(), if !self.tasks.is_empty() => {}
                envelope = sockets.next(), if has_room => match envelope {
                    Ok(envelope) => hear(&self.desk, &self.tasks, &envelope),
                    Err(error) => {
                        refused = Some(error);
                        break;
                    }
                },
                () = clock.sleep(TICK), if listens => {
                    if sockets.is_connected() {
                        listens = !is_over(*open_since.get_or_insert_with(|| clock.now()), TO_LISTEN);
                    } else if is_over(begun, TO_CONNECT) {
                        listens = false;
                        let words = "no socket to Slack could be opened: only what stands in the channels was answered";
                        self.desk.failed(words, ErrorClass::Unavailable);
                    }
                }
            }
        }
        self.sockets = Some(sockets);
        self.stand_by().await;
        if let Some(error) = refused {
            return Err(error.into());
        }
        let (messages, problems) = self.desk.done();
        Ok(Round { messages, problems })
    }

    /// Stops: another replica works now, or the process ends. Commands write down where they stopped; what they cannot say in
    /// their threads any more, the next replica says.
    pub async fn stand_by(&mut self) {
        let Some(mut sockets) = self.sockets.take() else { return };
        self.desk.stop_all();
        let clock = self.desk.tools.clock.clone();
        let finish = async {
            {
                let closed = sockets.close();
                tokio::pin!(closed);
                loop {
                    tokio::select! {
                        () = &mut closed => break,
                        Some(()) = self.tasks.next(), if !self.tasks.is_empty() => {}
                    }
                }
            }
            for envelope in sockets.rest() {
                hear(&self.desk, &self.tasks, &envelope);
            }
            while self.tasks.next().await.is_some() {}
        };
        tokio::select! {
            () = finish => {}
            () = clock.sleep(TO_STOP) => tracing::warn!("some commands did not answer in time; the next bot says so"),
        }
        self.tasks.clear();
    }
}

type Tasks = FuturesUnordered<LocalBoxFuture<'static, ()>>;

/// Becomes the replica that works.
fn begin(
    clients: &Clients,
    desk: &Rc<Desk>,
    tasks: &Tasks,
    is_brief: bool,
) -> Result<SlackSockets, ConfigError> {
    let sockets = clients.slack_sockets()?;
    desk.begin(is_brief);
    let learns = Rc::clone(desk);
    tasks.push(Box::pin(async move { learn(&learns).await }));
    let caught_up = Rc::clone(desk);
    tasks.push(Box::pin(async move { catch_up(&caught_up).await }));
    Ok(sockets)
}

/// Whether more may be taken from the socket. Answers that Slack did not take keep nobody waiting.
fn has_room(desk: &Desk, tasks: &Tasks) -> bool {
    tasks.len().saturating_sub(desk.sent_later()) < MOST_TASKS
}

/// An envelope, which is acknowledged already.
fn hear(desk: &Rc<Desk>, tasks: &Tasks, envelope: &Envelope) {
    let desk = Rc::clone(desk);
    match (&envelope.kind, envelope.content.as_deref()) {
        (EnvelopeKind::Event, Some(event)) => match IncomingMessage::of_event(event) {
            Ok(Ok(message)) => tasks.push(Box::pin(desk.hear(message, envelope.retry > 0))),
            Ok(Err(ignored)) => tracing::debug!("an event is ignored: {ignored:?}"),
            Err(error) => tracing::warn!("{error}"),
        },
        (EnvelopeKind::Event, None) => {
            let kind = envelope.payload_kind.as_deref().unwrap_or("unknown");
            tracing::warn!("Slack tells of no event, but {kind}: events may be missing");
        }
        (EnvelopeKind::Interactive, Some(payload)) => {
            if let Some(click) = IncomingClick::of_payload(payload) {
                tasks.push(Box::pin(desk.click(click)));
            } else {
                tracing::debug!("a click on something else");
            }
        }
        (EnvelopeKind::Interactive, None) | (EnvelopeKind::Other(_), _) => {
            tracing::debug!("an envelope of no use: {:?}", envelope.kind);
        }
    }
}

async fn own_account(slack: &crate::clients::slack::SlackClient) -> Result<UserId, ServiceError> {
    slack.own_account().await?.ok_or_else(|| {
        let words = "Slack does not say who the bot is".to_owned();
        ServiceError::new(Service::Slack, "ask who the bot is", ServiceErrorKind::Malformed, words)
    })
}

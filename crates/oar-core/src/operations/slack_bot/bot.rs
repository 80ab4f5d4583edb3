//! The bot: connects, hears, and keeps everything going that it has begun.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::consent::Tools;
use super::desk::{AGAIN, Desk};
use super::notebook::Notebook;
use super::order::CommandLines;
use super::thread::CommandThread;
use crate::agents::bot::{Addressee, IncomingClick, IncomingMessage, Permissions, RunningCommand};
use crate::clients::Clients;
use crate::clients::slack::UserId;
use crate::clients::slack::socket::{Envelope, EnvelopeKind, SlackSockets};
use crate::config::ConfigError;
use crate::error::{Classified as _, ErrorClass, ServiceError, ServiceErrorKind};
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
/// How far back it looks for messages that were acknowledged and never handled, which a kill leaves: as long as Slack delivers
/// again.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(10);
/// How old a thread may be in which such messages are looked for.
const THREADS_BACK: SignedDuration = SignedDuration::from_hours(24);
/// After so many periods it looks for questions that nobody answered.
const EXPIRY_PERIODS: u64 = 4;
/// How long one round waits for its socket.
const TO_CONNECT: Duration = Duration::from_secs(15);
/// How often it looks whether its socket is open.
const TICK: Duration = Duration::from_millis(100);
/// How long one round listens at least, from the moment when its socket is open.
const TO_LISTEN: Duration = Duration::from_secs(1);
/// How long commands may write down where they stopped.
const TO_STOP: Duration = Duration::from_millis(1500);
/// What stands at a question that nobody answered.
pub(super) const EXPIRED: &str =
    "Nobody answered within 24 hours; nothing was sent. Write the command again to see its plan of now.";

/// The Slack bot of one replica. Only the one that works has a socket open.
pub struct SlackBot {
    clients: Clients,
    desk: Rc<Desk>,
    sockets: Option<SlackSockets>,
    tasks: Tasks,
    periods: u64,
}

impl std::fmt::Debug for SlackBot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SlackBot").field("at_work", &self.sockets.is_some()).finish_non_exhaustive()
    }
}

/// What can be said before anything is done.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// The channels in which somebody may give commands.
    pub channels: Vec<String>,
    /// Groups of the permissions whose members are not known, and why: nobody may do anything because of them.
    pub unknown_groups: Vec<(String, String)>,
    /// Commands that did not end.
    pub interrupted: usize,
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

    /// Checks everything that can be checked without a socket, which would take events away from the replica that works.
    ///
    /// # Errors
    ///
    /// What the bot remembers cannot be read.
    pub async fn check(&self) -> Result<Readiness, TaskError> {
        let memory = self.desk.tools.notebook.read().await?;
        let mut unknown_groups = Vec::new();
        for group in self.desk.permissions.all_groups() {
            if let Err(error) = self.desk.tools.slack.group_members(group).await {
                unknown_groups.push((group.to_owned(), error.to_string()));
            }
        }
        Ok(Readiness {
            channels: self.desk.permissions.channels().map(str::to_owned).collect(),
            unknown_groups,
            interrupted: memory.interrupted(&self.desk.instance()).len(),
        })
    }

    /// Works as the one replica for this long; a call that follows goes on where this one ended.
    ///
    /// # Errors
    ///
    /// Slack refuses the token of the app for good. The bot cannot work then.
    pub async fn serve(&mut self, period: Duration, stop: &Interrupt) -> Result<(), TaskError> {
        let end = self.desk.tools.clock.sleep(period);
        tokio::pin!(end);
        // The sockets stay in their place: a task that panics must not take them, and what they were given, along.
        let sockets = match &mut self.sockets {
            Some(sockets) => sockets,
            none => none.insert(begin(&self.clients, &self.desk, &self.tasks)?),
        };
        let served = loop {
            let has_room = self.tasks.len() < MOST_TASKS;
            tokio::select! {
                _ = stop.wait() => break Ok(()),
                () = &mut end => break Ok(()),
                Some(()) = self.tasks.next(), if !self.tasks.is_empty() => {}
                envelope = sockets.next(), if has_room => match envelope {
                    Ok(envelope) => hear(&self.desk, &self.tasks, &envelope),
                    Err(error) => break Err(error.into()),
                },
            }
        };
        self.periods += 1;
        if served.is_ok() && stop.signal().is_none() && self.periods.is_multiple_of(EXPIRY_PERIODS) {
            let desk = Rc::clone(&self.desk);
            self.tasks.push(Box::pin(async move { expire(&desk).await }));
        }
        served
    }

    /// Works as the one replica until everything is done that waits: commands that another instance left, messages that nobody
    /// handled, and what Slack delivers meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`SlackBot::serve`].
    pub async fn serve_once(&mut self, stop: &Interrupt) -> Result<Round, TaskError> {
        let clock = self.desk.tools.clock.clone();
        let mut sockets = begin(&self.clients, &self.desk, &self.tasks)?;
        let expired = Rc::clone(&self.desk);
        self.tasks.push(Box::pin(async move { expire(&expired).await }));
        let (begun, mut open_since) = (clock.now(), None);
        let is_over = |since: Timestamp, length: Duration| {
            Duration::try_from(clock.now().duration_since(since)).is_ok_and(|passed| passed >= length)
        };
        let (mut listens, mut refused) = (true, None);
        while listens || !self.tasks.is_empty() {
            let has_room = self.tasks.len() < MOST_TASKS;
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
fn begin(clients: &Clients, desk: &Rc<Desk>, tasks: &Tasks) -> Result<SlackSockets, ConfigError> {
    let sockets = clients.slack_sockets()?;
    desk.begin();
    let told = Rc::clone(desk);
    tasks.push(Box::pin(async move { tell_interrupted(&told).await }));
    let caught_up = Rc::clone(desk);
    tasks.push(Box::pin(async move { catch_up(&caught_up).await }));
    Ok(sockets)
}

/// An envelope, which is acknowledged already.
fn hear(desk: &Rc<Desk>, tasks: &Tasks, envelope: &Envelope) {
    let desk = Rc::clone(desk);
    match (&envelope.kind, envelope.content.as_deref()) {
        (EnvelopeKind::Event, Some(event)) => match IncomingMessage::of_event(event) {
            Ok(Ok(message)) => tasks.push(Box::pin(desk.hear(message))),
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

/// Says in the threads of commands that another instance began that it is gone; where Slack or the store fails, a few times.
async fn tell_interrupted(desk: &Desk) {
    let instance = desk.instance();
    for pause in AGAIN.into_iter().map(Some).chain([None]) {
        if tell_all_interrupted(desk, &instance).await {
            return;
        }
        let Some(pause) = pause else { break };
        desk.tools.clock.sleep(pause).await;
    }
    let words = "who gave some interrupted commands was not told; the next start tries again";
    desk.failed(words, ErrorClass::Unavailable);
}

/// The same once; whether nothing is left to say.
async fn tell_all_interrupted(desk: &Desk, instance: &str) -> bool {
    let tools = &desk.tools;
    let interrupted = match tools.notebook.read().await {
        Ok(memory) => memory.interrupted(instance),
        Err(error) => {
            tracing::error!("which commands were interrupted is not known: {error}");
            return false;
        }
    };
    let mut all = true;
    for run in interrupted {
        let message = of_run(&run);
        let thread = CommandThread { slack: &tools.slack, command: &message, since: run.since };
        let text = format!(
            "The bot was restarted while `{}` ran, so its result is not known here. `oar status` shows how far it came; \
             write the command again to go on.",
            crate::clients::slack::escape(&run.words)
        );
        let told = if thread.is_answered().await {
            // Only that it has ended was not written down any more.
            Ok(())
        } else {
            thread.post_once(&text, "interrupted", &tools.permit).await
        };
        if let Err(error) = told {
            tracing::error!("{}: nobody was told that it was interrupted: {error}", run.command);
            let oldest = tools.now().checked_sub(THREADS_BACK).unwrap_or(Timestamp::MIN);
            // Its channel may be gone for good.
            if run.since >= oldest {
                all = false;
                continue;
            }
        }
        let ended = tools
            .notebook
            .change("Slack bot: an interrupted command was told", &tools.permit, |memory| {
                memory.end(&run.command);
            })
            .await;
        if let Err(error) = ended {
            tracing::error!("{}: {error}", run.command);
            all = false;
        }
    }
    all
}

fn of_run(run: &RunningCommand) -> IncomingMessage {
    IncomingMessage {
        key: run.command.clone(),
        user: UserId(String::new()),
        text: run.words.clone(),
        thread: Some(run.thread.clone()),
        client_id: None,
    }
}

/// Handles the messages that an instance before this one acknowledged, and was killed before it handled them: Slack does not
/// deliver them again.
async fn catch_up(desk: &Rc<Desk>) {
    let now = desk.tools.now();
    let channels = desk.permissions.channels().map(|channel| catch_up_in(desk, channel, now));
    futures::future::join_all(channels).await;
}

async fn catch_up_in(desk: &Rc<Desk>, channel: &str, now: Timestamp) {
    let back = |by: SignedDuration| now.checked_sub(by).unwrap_or(Timestamp::MIN);
    for pause in AGAIN.into_iter().map(Some).chain([None]) {
        match desk.tools.slack.messages_since(channel, back(LOOK_BACK), back(THREADS_BACK)).await {
            Ok(messages) => {
                let not_taken = desk.not_taken(&messages);
                let lost = messages
                    .iter()
                    .filter_map(|message| IncomingMessage::of_event(&message.to_string()).ok()?.ok())
                    .filter(|message| !not_taken.contains(&message.key.to_string()))
                    .map(|message| Rc::clone(desk).hear(message));
                futures::future::join_all(lost).await;
                return;
            }
            Err(error) => {
                let text = format!("what was written in {channel} while no bot worked is not known: {error}");
                let Some(pause) = pause else { return desk.failed(&text, error.class()) };
                tracing::warn!("{text}");
                desk.tools.clock.sleep(pause).await;
            }
        }
    }
}

/// Takes the buttons away from questions that nobody answered in time.
async fn expire(desk: &Desk) {
    let tools = &desk.tools;
    let now = tools.now();
    let expired = match tools.notebook.read().await {
        Ok(memory) => memory.expired(now),
        Err(error) => return desk.failed(&format!("open questions are not known: {error}"), error.class()),
    };
    for open in expired {
        if open.question.answered.is_none() {
            tools.close(&open.question.command.channel, open.message.as_deref(), EXPIRED).await;
        }
        let id = open.question.id;
        let forgotten = tools
            .notebook
            .change("Slack bot: a plan was not answered", &tools.permit, |memory| memory.settle(&id))
            .await;
        if let Err(error) = forgotten {
            tracing::warn!("an expired question stays remembered: {error}");
        }
    }
}

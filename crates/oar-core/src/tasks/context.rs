//! The context of a task of one release.

use async_trait::async_trait;
use jiff::Timestamp;

use super::open_statebox;
use crate::clients::Clients;
use crate::clients::slack::SlackClient;
use crate::config::{ConfigError, ConfigStore, Pending};
use crate::flow::runner::Deliver;
use crate::notify::outbox::{Delivery, PreviousSend, deliver};
use crate::notify::{Message, ReleaseThread};
use crate::operators::approval::{PayloadLook, payload_look};
use crate::operators::worksheet::ReleaseWorksheet;
use crate::permit::WritePermit;
use crate::statebox::{Metadata, State, StateBox};
use crate::version::ReleaseVersion;

/// The note when the y-stream has a spreadsheet, but no worksheet can be looked up.
pub(super) const NO_KEY_FILE: &str = "no worksheet is looked for: GCP_SA_FILE is not set";

/// One release: its build data, the location of its state, and the clients. Cheap to clone.
#[derive(Clone)]
pub struct ReleaseContext {
    clients: Clients,
    config: ConfigStore,
    slack: SlackClient,
    /// The Slack thread for messages to its channel.
    thread: Option<ReleaseThread>,
}

impl ReleaseContext {
    /// The context of `release`, whose build data is downloaded (one request).
    ///
    /// # Errors
    ///
    /// A setting is wrong, or the build data is missing, wrong, or gives the release identifiers of another one.
    pub async fn open(clients: Clients, release: &ReleaseVersion) -> Result<Self, ConfigError> {
        let config = clients.settings().release(release, clients.http()).await?;
        Self::new(clients, config)
    }

    /// The context of the release of `config`. `clients` must be made from the same settings.
    ///
    /// # Errors
    ///
    /// A setting is wrong, or the build data gives the release identifiers of another one.
    pub fn new(clients: Clients, config: ConfigStore) -> Result<Self, ConfigError> {
        config.check_ours()?;
        let slack = clients.slack()?;
        Ok(Self { clients, config, slack, thread: None })
    }

    /// The same context with the present build data (one request).
    pub async fn again(&self) -> Result<Self, ConfigError> {
        let context = Self::open(self.clients.clone(), self.config.release()).await?;
        Ok(context.in_thread(self.thread.clone()))
    }

    /// The same context, with messages to the channel of `thread` posted in that thread.
    #[must_use]
    pub fn in_thread(mut self, thread: Option<ReleaseThread>) -> Self {
        self.thread = thread;
        self
    }

    /// The Slack thread for messages to its channel.
    pub fn thread(&self) -> Option<&ReleaseThread> {
        self.thread.as_ref()
    }

    /// The clients, which do not depend on the release.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The release's configuration.
    pub fn config(&self) -> &ConfigStore {
        &self.config
    }

    /// The release's StateBox, opened anew; nothing is read yet.
    pub fn statebox(&self) -> Result<StateBox, ConfigError> {
        open_statebox(&self.clients, self.config.release())
    }

    /// The release's worksheet; `None` when the y-stream has no spreadsheet or no key file is set.
    pub fn worksheet(&self) -> Result<Option<ReleaseWorksheet>, ConfigError> {
        let spreadsheet = self.config.report_template()?;
        let (Some(spreadsheet), Some(client)) = (spreadsheet, self.clients.sheets()?) else {
            return Ok(None);
        };
        let release = self.config.release().to_string();
        Ok(Some(ReleaseWorksheet::new(client, spreadsheet, &release, self.config.flow())))
    }

    /// Reads the payload of the release; it starts when it is polled.
    pub(super) fn payload_look(&self) -> PayloadLook {
        payload_look(self.clients.registry(), self.config.release().clone())
    }

    /// Slack. Without a token its calls fail; that is never an error of the task.
    pub fn slack(&self) -> &SlackClient {
        &self.slack
    }

    /// The state of a release that has no StateBox file yet (spec 01 §2.2).
    pub fn initial_state(&self) -> State {
        State::new(self.config.release(), &self.metadata(), self.now())
    }

    /// The facts of the build data in the StateBox's format.
    pub fn metadata(&self) -> Metadata {
        let config = &self.config;
        let advisory_ids = config
            .advisories()
            .iter()
            .map(|(impetus, id)| (impetus.as_str().to_owned(), id.number()))
            .collect();
        Metadata {
            jira_ticket: config.jira_ticket().map(ToString::to_string),
            advisory_ids,
            release_date: config.release_date().map(|date| date.as_str().to_owned()),
            candidate_builds: config.candidate_builds().clone(),
            shipment_mr: config.shipment_mr().map(|url| url.as_str().to_owned()),
            pending: config.pending().iter().map(Pending::key).collect(),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clients.clock().now()
    }
}

#[async_trait]
impl Deliver for ReleaseContext {
    async fn deliver(&self, message: &Message, earlier: PreviousSend, permit: &WritePermit) -> Delivery {
        let message = match &self.thread {
            Some(thread) => thread.take(message.clone(), &self.slack).await,
            None => message.clone(),
        };
        deliver(&self.slack, self.clients.clock(), &message, earlier, permit).await
    }
}

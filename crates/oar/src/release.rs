use cli_support::{CliError, Session};
use oar_core::clients::Clients;
use oar_core::config::{ConfigStore, Settings};
use oar_core::statebox::{State, StateBox, StateBoxError};
use oar_core::tasks::{ReleaseContext, open_statebox, open_statebox_to_create};
use oar_core::version::ReleaseVersion;

/// One release as the commands see it: settings first, everything that costs a request only when it is asked for.
pub(crate) struct Release {
    pub(crate) session: Session,
    pub(crate) version: ReleaseVersion,
    clients: Clients,
}

impl Release {
    pub(crate) fn new(version: ReleaseVersion, session: Session) -> Result<Self, CliError> {
        let clients = session.clients()?;
        clients.settings().versions().check(&version)?;
        Ok(Self { session, version, clients })
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.clients.settings()
    }

    /// The release's configuration (one request).
    pub(crate) async fn config(&self) -> Result<ConfigStore, CliError> {
        Ok(self.settings().release(&self.version, self.clients.http()).await?)
    }

    /// What the release's tasks work with (one request, for the configuration).
    pub(crate) async fn services(&self) -> Result<ReleaseContext, CliError> {
        Ok(ReleaseContext::open(self.clients.clone(), &self.version).await?)
    }

    /// The same and the state, read at the same time, because different services answer (two requests).
    pub(crate) async fn services_and_state(
        &self,
        statebox: &StateBox,
    ) -> (Result<ReleaseContext, CliError>, Result<Option<State>, StateBoxError>) {
        futures::future::join(self.services(), statebox.find()).await
    }

    /// The release's state; nothing is read yet.
    pub(crate) fn statebox(&self) -> Result<StateBox, CliError> {
        Ok(open_statebox(&self.clients, &self.version)?)
    }

    /// The release's StateBox, for a command that creates it when it is absent.
    pub(crate) fn statebox_to_create(&self) -> Result<StateBox, CliError> {
        Ok(open_statebox_to_create(&self.clients, &self.version)?)
    }

    /// Who runs the command, as the history records it.
    pub(crate) fn user(&self) -> &str {
        self.settings().user().unwrap_or("unknown")
    }
}

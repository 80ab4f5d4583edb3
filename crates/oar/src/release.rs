use std::sync::Arc;

use cli_support::{CliError, Session};
use oar_core::clients::github::{GithubClient, Repository};
use oar_core::config::{ConfigStore, Credential, Settings, StateLocation};
use oar_core::error::ErrorClass;
use oar_core::http::Http;
use oar_core::service::Service;
use oar_core::statebox::store::Store;
use oar_core::statebox::store::github::GithubStore;
use oar_core::statebox::store::local::LocalStore;
use oar_core::statebox::{State, StateBox, StateBoxError};
use oar_core::tasks::Services;
use oar_core::version::ReleaseVersion;

/// One release as the commands see it: settings first, everything that costs a request only when it is asked for.
pub(crate) struct Release {
    pub(crate) session: Session,
    pub(crate) version: ReleaseVersion,
    pub(crate) settings: Settings,
    http: Http,
}

impl Release {
    pub(crate) fn new(version: ReleaseVersion, session: Session) -> Result<Self, CliError> {
        let settings = Settings::load(&session.environment)?;
        settings.versions().check(&version)?;
        let http = Http::new(settings.http().clone(), session.clock.clone(), session.redactor.clone())
            .map_err(|error| CliError::new(ErrorClass::Configuration, error.to_string()))?;
        Ok(Self { session, version, settings, http })
    }

    /// The release's configuration (one request).
    pub(crate) async fn config(&self) -> Result<ConfigStore, CliError> {
        Ok(self.settings.release(&self.version, &self.http).await?)
    }

    /// The clients of the release's tasks (one request, for the configuration).
    pub(crate) async fn services(&self) -> Result<Services, CliError> {
        Ok(Services::new(self.config().await?, self.http.clone())?)
    }

    /// The clients and the state, read at the same time, because different services answer (two requests).
    pub(crate) async fn services_and_state(
        &self,
        statebox: &StateBox,
    ) -> (Result<Services, CliError>, Result<Option<State>, StateBoxError>) {
        futures::future::join(self.services(), statebox.find()).await
    }

    /// The release's state; nothing is read yet.
    pub(crate) fn statebox(&self) -> Result<StateBox, CliError> {
        let state = self.settings.state();
        let store: Arc<dyn Store> = match &state.location {
            StateLocation::Local(folder) => Arc::new(LocalStore::new(folder, self.session.clock.clone())),
            StateLocation::Github => {
                let token = self.settings.credentials().require(Credential::GithubToken)?;
                let endpoints = self.settings.endpoints();
                let api = endpoints.base(Service::GithubApi).clone();
                let web = endpoints.base(Service::GithubWeb).clone();
                let repository: Repository = state.repository.parse().map_err(|error| {
                    CliError::new(ErrorClass::Configuration, format!("OAR_STATE_REPO: {error}"))
                })?;
                let client = GithubClient::new(self.http.clone(), api, Some(token));
                Arc::new(GithubStore::new(client, repository, state.branch.clone(), web))
            }
        };
        Ok(StateBox::new(
            self.version.clone(),
            store,
            self.session.clock.clone(),
            self.session.redactor.clone(),
        ))
    }

    /// Who runs the command, as the history records it.
    pub(crate) fn user(&self) -> &str {
        self.settings.user().unwrap_or("unknown")
    }
}

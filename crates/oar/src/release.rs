use cli_support::{CliError, Session};
use futures::future::{Either, select};
use oar_core::config::{ConfigStore, Settings};
use oar_core::http::Http;
use oar_core::operators::approval::PayloadLook;
use oar_core::statebox::{State, StateBox, StateBoxError};
use oar_core::tasks::{Services, open_statebox, open_statebox_to_create};
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
        let http = Http::new(settings.http().clone(), session.clock.clone(), session.redactor.clone())?;
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

    /// The same; `early` goes on meanwhile, because it needs neither.
    pub(crate) async fn services_and_state_beside(
        &self,
        statebox: &StateBox,
        early: PayloadLook,
    ) -> (Result<Services, CliError>, Result<Option<State>, StateBoxError>) {
        match select(Box::pin(self.services_and_state(statebox)), early).await {
            Either::Left((loaded, _)) => loaded,
            Either::Right((_, loading)) => loading.await,
        }
    }

    /// A look at the release's payload, which begins when it is polled.
    pub(crate) fn payload_look(&self) -> PayloadLook {
        Services::early_payload_look(&self.settings, &self.version, &self.http)
    }

    /// The release's state; nothing is read yet.
    pub(crate) fn statebox(&self) -> Result<StateBox, CliError> {
        let Session { clock, redactor, .. } = &self.session;
        Ok(open_statebox(&self.settings, &self.version, &self.http, clock, redactor)?)
    }

    /// The release's StateBox, for a command that creates it when it is absent.
    pub(crate) fn statebox_to_create(&self) -> Result<StateBox, CliError> {
        let Session { clock, redactor, .. } = &self.session;
        Ok(open_statebox_to_create(&self.settings, &self.version, &self.http, clock, redactor)?)
    }

    /// Who runs the command, as the history records it.
    pub(crate) fn user(&self) -> &str {
        self.settings.user().unwrap_or("unknown")
    }
}

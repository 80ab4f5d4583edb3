//! The clients of one call. A credential is asked for only when the client that needs it is made.

use cli_support::{CliError, Session};
use oar_core::clients::gangway::GangwayClient;
use oar_core::clients::github::{GithubFolder, InvalidRepository, Repository};
use oar_core::clients::prow::ProwClient;
use oar_core::clients::release_controller::ReleaseControllerClient;
use oar_core::config::{Credential, Document, JobSettings, Settings};
use oar_core::error::ErrorClass;
use oar_core::http::Http;
use oar_core::prow_services::ProwServices;
use oar_core::service::Service;
use oar_core::store::github::GithubStore;
use oar_core::version::Arch;

/// Makes clients that share one HTTP stack.
pub(crate) struct Clients(ProwServices);

impl Clients {
    pub(crate) fn new(session: &Session) -> Result<Self, CliError> {
        let settings = Settings::load(&session.environment)?;
        let http = Http::new(settings.http().clone(), session.clock.clone(), session.redactor.clone())?;
        Ok(Self(ProwServices::new(settings, http)?))
    }

    /// The external jobs' names: the document's, or the defaults where there is no document, as in Prow's own jobs.
    pub(crate) fn jobs(&self) -> Result<JobSettings, CliError> {
        match self.0.settings().document() {
            Ok(document) => Ok(document.jobs()?),
            Err(_) => Ok(Document::default().jobs()?),
        }
    }

    /// Fails unless all of these credentials are there, before anything is done that needs one later.
    pub(crate) fn require(&self, credentials: impl IntoIterator<Item = Credential>) -> Result<(), CliError> {
        Ok(self.0.settings().credentials().require_all(credentials)?)
    }

    pub(crate) fn prow(&self) -> ProwClient {
        self.0.prow()
    }

    pub(crate) fn gangway(&self) -> Result<GangwayClient, CliError> {
        Ok(self.0.gangway()?)
    }

    pub(crate) fn release_controller(&self, arch: Arch) -> Result<ReleaseControllerClient, CliError> {
        Ok(self.0.release_controller(arch.text())?)
    }

    /// A folder of another repository, with the cache of what was read before.
    pub(crate) fn folder(
        &self,
        repository: Repository,
        branch: &str,
        folder: &str,
    ) -> Result<GithubFolder, CliError> {
        Ok(self.0.folder_of(repository, branch, folder)?)
    }

    /// The branch of the records.
    pub(crate) fn records(&self) -> Result<GithubStore, CliError> {
        let settings = self.0.settings();
        let state = settings.state();
        let repository = state.repository.parse().map_err(|error: InvalidRepository| {
            CliError::new(ErrorClass::Configuration, error.to_string())
        })?;
        let web = settings.endpoints().base(Service::GithubWeb).clone();
        Ok(GithubStore::new(self.0.github()?, repository, state.record_branch.clone(), web))
    }
}

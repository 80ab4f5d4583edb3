//! How the clients of everything around Prow jobs are made from the settings.

use std::time::Duration;

use secrecy::ExposeSecret;

use crate::clients::gangway::GangwayClient;
use crate::clients::gcs::{GcsClient, QE_BUCKET};
use crate::clients::github::{GithubClient, GithubFolder, InvalidRepository, ObjectCache, Repository};
use crate::clients::google::{KeyFile, Scope, ServiceAccount};
use crate::clients::kube::{AccessError, ClusterAccess, KubeClient, LeaseHolder, ServiceAccountFiles};
use crate::clients::prow::ProwClient;
use crate::clients::release_controller::ReleaseControllerClient;
use crate::clients::slack::SlackClient;
use crate::config::{ConfigError, Credential, ProwSettings, Settings, TriggerForm};
use crate::error::{Classified, ErrorClass};
use crate::http::Http;
use crate::service::Service;

/// The branch with the test job registries.
const REGISTRY_BRANCH: &str = "main";
/// The folder of registries and of record files.
const FOLDER: &str = "_releases";

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A setting or a credential is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The cluster cannot be reached at all.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The repository is none.
    #[error(transparent)]
    Repository(#[from] InvalidRepository),
    /// Nothing says how the cluster is reached.
    #[error("there is no login for the cluster that holds the release payloads")]
    NoCluster,
}

impl Classified for SetupError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Config(error) => error.class(),
            Self::Access(error) => error.class(),
            Self::Repository(_) | Self::NoCluster => ErrorClass::Configuration,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Access(error) => error.hint(),
            Self::Repository(_) => Some("Check OAR_STATE_REPO.".to_owned()),
            Self::NoCluster => {
                Some("Set OAR_KUBE_TOKEN to a token for the cluster, or log in with a kubeconfig.".to_owned())
            }
        }
    }
}

/// The clients of everything around Prow jobs. A credential is asked for only when the client that needs it is made.
#[derive(Debug, Clone)]
pub struct ProwServices {
    settings: Settings,
    prow: ProwSettings,
    http: Http,
}

impl ProwServices {
    /// Clients that share `http`.
    pub fn new(settings: Settings, http: Http) -> Result<Self, ConfigError> {
        let prow = settings.prow()?;
        Ok(Self { settings, prow, http })
    }

    /// The clock that all clients wait by.
    pub fn clock(&self) -> &crate::clock::Clock {
        self.http.clock()
    }

    /// How long the start of a job is left to the program that recorded it.
    pub fn intent_lease(&self) -> Duration {
        self.prow.intent_lease
    }

    /// The settings that the clients are made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gangway; an error without its token.
    pub fn gangway(&self) -> Result<GangwayClient, ConfigError> {
        let token = self.settings.credentials().require(Credential::GangwayToken)?;
        // The production jobs have no configuration document; the form then is the usual one.
        let form: TriggerForm = match (self.prow.gangway_form, self.settings.document()) {
            (Some(form), _) => form,
            (None, Ok(document)) => document.jobs()?.gangway.parse().unwrap_or_default(),
            (None, Err(_)) => TriggerForm::default(),
        };
        let client = GangwayClient::new(self.http.clone(), self.base(Service::Gangway), token, form);
        Ok(client.paced(self.prow.gangway))
    }

    /// Prow's deck, which needs no login.
    pub fn prow(&self) -> ProwClient {
        ProwClient::new(self.http.clone(), self.base(Service::Prow))
    }

    /// The release controller of an architecture in Go's spelling: `amd64`, `arm64`, ….
    pub fn release_controller(&self, architecture: &str) -> Result<ReleaseControllerClient, ConfigError> {
        let base = self.settings.endpoints().release_controller(architecture)?;
        Ok(ReleaseControllerClient::new(self.http.clone(), base))
    }

    /// GitHub.
    pub fn github(&self) -> Result<GithubClient, ConfigError> {
        let token = self.settings.credentials().require(Credential::GithubToken)?;
        Ok(GithubClient::new(self.http.clone(), self.base(Service::GithubApi), Some(token)))
    }

    /// The record files.
    pub fn records(&self) -> Result<GithubFolder, SetupError> {
        self.folder(&self.settings.state().record_branch)
    }

    /// The test job registries.
    pub fn registries(&self) -> Result<GithubFolder, SetupError> {
        self.folder(REGISTRY_BRANCH)
    }

    fn folder(&self, branch: &str) -> Result<GithubFolder, SetupError> {
        let repository: Repository = self.settings.state().repository.parse()?;
        Ok(self.folder_of(repository, branch, FOLDER)?)
    }

    /// A folder of a repository on GitHub; what was read of it before is not fetched again.
    pub fn folder_of(
        &self,
        repository: Repository,
        branch: &str,
        folder: &str,
    ) -> Result<GithubFolder, ConfigError> {
        let cache = self.prow.cache.clone().map(|folder| ObjectCache::at(folder.join("github")));
        Ok(GithubFolder::new(self.github()?, repository, branch, folder, cache))
    }

    /// The artifacts of QE's jobs; an error without the key file of an account that may read them.
    pub fn artifacts(&self) -> Result<GcsClient, ConfigError> {
        let path = self.settings.credentials().require(Credential::ArtifactsAccountFile)?;
        let file = KeyFile { path: path.expose_secret().into(), variable: self.prow.artifacts_variable };
        let token_service = self.base(Service::GoogleOauth);
        let account = ServiceAccount::new(self.http.clone(), token_service, file, Scope::StorageReadOnly);
        Ok(GcsClient::new(account, self.base(Service::Gcs), QE_BUCKET))
    }

    /// The cluster that holds the release payloads, by what is there first: a token (`OAR_KUBE_TOKEN`) for the endpoint
    /// of Kubernetes, which has a default; the kubeconfig; the account of the pod.
    ///
    /// With a replaced endpoint only the token counts: no other login belongs to that address.
    pub async fn cluster(&self) -> Result<KubeClient, SetupError> {
        if let Some(access) = self.token_access()? {
            return Ok(KubeClient::new(&self.http, access)?);
        }
        if self.settings.endpoints().replacement(Service::Kube).is_some() {
            return Err(SetupError::NoCluster);
        }
        let access = match ClusterAccess::of_kubeconfig(&self.prow.kubeconfig).await? {
            Some(access) => access,
            None => self.pod_access()?.ok_or(SetupError::NoCluster)?,
        };
        Ok(KubeClient::new(&self.http, access)?)
    }

    /// A contender for the lease `name` in the cluster that this process runs in; `None` outside of a cluster, where a
    /// lock file serves.
    ///
    /// With a replaced endpoint of Kubernetes and a namespace for leases the lease is there, with `OAR_KUBE_TOKEN`.
    pub fn lease(
        &self,
        name: &str,
        identity: &str,
        duration: Duration,
    ) -> Result<Option<LeaseHolder>, SetupError> {
        let replaced = self.settings.endpoints().replacement(Service::Kube).is_some();
        let namespace = self.prow.lease_namespace.clone();
        let (access, namespace) = match (self.token_access()?.filter(|_| replaced), namespace) {
            (Some(access), Some(namespace)) => (access, namespace),
            (_, namespace) => match self.pod_access()? {
                None => return Ok(None),
                Some(access) => {
                    let own = || ServiceAccountFiles::default().namespace();
                    (access, namespace.map_or_else(own, Ok)?)
                }
            },
        };
        let client = KubeClient::new(&self.http, access)?;
        Ok(Some(LeaseHolder::new(client, namespace, name, identity, duration)))
    }

    /// Slack. Without a token its calls fail.
    pub fn slack(&self) -> Result<SlackClient, ConfigError> {
        let token = self.settings.credentials().optional(Credential::SlackBotToken)?;
        Ok(SlackClient::new(self.http.clone(), self.base(Service::Slack), token))
    }

    fn token_access(&self) -> Result<Option<ClusterAccess>, SetupError> {
        let token = self.settings.credentials().optional(Credential::ClusterToken)?;
        Ok(match token {
            Some(token) => {
                Some(ClusterAccess::with_token(self.settings.endpoints().base(Service::Kube), &token)?)
            }
            None => None,
        })
    }

    fn pod_access(&self) -> Result<Option<ClusterAccess>, SetupError> {
        let Some(address) = &self.prow.in_cluster else { return Ok(None) };
        let files = ServiceAccountFiles::default();
        Ok(Some(ClusterAccess::in_cluster(&address.host, &address.port, &files)?))
    }

    fn base(&self, service: Service) -> url::Url {
        self.settings.endpoints().base(service).clone()
    }
}

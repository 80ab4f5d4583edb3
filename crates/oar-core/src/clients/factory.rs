//! Makes the clients of all services.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::access::AccessClient;
use super::advisory_content::AdvisoryContentClient;
use super::brewroot::BrewrootClient;
use super::catalog::CatalogClient;
use super::elliott::ElliottProcess;
use super::errata::ErrataClient;
use super::gangway::GangwayClient;
use super::gcs::{GcsClient, QE_BUCKET};
use super::github::{GithubClient, GithubFolder, ObjectCache};
use super::gitlab::GitlabClient;
use super::google::{KeyFile, Scope, ServiceAccount};
use super::jenkins::JenkinsClient;
use super::jira::{JiraClient, WriteSpacing};
use super::kerberos::{Abandoned, Negotiate};
use super::koji::KojiClient;
use super::kube::{AccessError, ClusterAccess, KubeClient, LeaseHolder, ServiceAccountFiles};
use super::ldap::{LdapClient, LdapSettings};
use super::mirror::MirrorClient;
use super::prow::ProwClient;
use super::pyxis::PyxisClient;
use super::reach::{self, Reached};
use super::recent::Recent;
use super::registry::RegistryClient;
use super::release_controller::ReleaseControllerClient;
use super::sheets::SheetsClient;
use super::slack::SlackClient;
use super::slack::socket::{SlackSockets, SocketSettings};
use crate::clock::Clock;
use crate::config::environment::GCP_SA_FILE;
use crate::config::{ConfigError, Credential, Origins, ProwSettings, Settings, TriggerForm, keys};
use crate::error::{ErrorClass, ServiceError, classified};
use crate::http::{Http, HttpSetupError};
use crate::ids::Repository;
use crate::service::Service;
use crate::version::{Arch, YStream};

/// The branch with the test job registries.
const REGISTRY_BRANCH: &str = "main";
/// The folder of registries and of record files.
const RELEASES: &str = "_releases";
/// The proxy for Red Hat's staging catalog (spec 03 §1.3). It is not used when another catalog is configured.
const CATALOG_PROXY: &str = "http://squid.corp.redhat.com:3128";

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A setting or a credential is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP stack cannot be set up for it.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
    /// The credentials cannot be sent.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The cluster cannot be reached.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No setting says how the cluster is reached.
    #[error("there is no login for the cluster with the release payloads")]
    NoCluster,
    /// The configured origins of advisory files are not valid addresses.
    #[error("{0}")]
    Origins(String),
}

classified! {
    ClientError through Config Http Service Access;
    class {
        Self::NoCluster | Self::Origins(_) => ErrorClass::Configuration,
    }
    hint {
        Self::NoCluster => {
            Some("Set OAR_KUBE_TOKEN to a token for the cluster, or log in with a kubeconfig.".to_owned())
        }
        Self::Origins(_) => None,
    }
}

/// Makes the clients of all services from the settings. They share one HTTP stack and its limits. Cheap to clone.
///
/// A client is made on request. A missing credential or a wrong setting is an error only of the method whose
/// client needs it.
#[derive(Clone)]
pub struct Clients {
    settings: Settings,
    http: Http,
    kept: Arc<Kept>,
}

/// Clients that are made once, because they cache answers (Slack users, a Google token) or pace their
/// requests (Gangway), the pace of writes to Jira, what was read a moment ago, and the threads in which the Kerberos library hangs.
#[derive(Default)]
struct Kept {
    slack: OnceLock<SlackClient>,
    spreadsheets: OnceLock<ServiceAccount>,
    artifacts: OnceLock<ServiceAccount>,
    gangway: OnceLock<GangwayClient>,
    jira_writes: Arc<WriteSpacing>,
    recent: Recent,
    abandoned: Abandoned,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Clients that share `http`.
    pub fn new(settings: Settings, http: Http) -> Self {
        Self { settings, http, kept: Arc::default() }
    }

    /// The settings that the clients are made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The HTTP stack that all clients share.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// The clock that all clients use.
    pub fn clock(&self) -> &Clock {
        self.http.clock()
    }

    /// Errata Tool, with the Kerberos ticket of this process.
    pub fn errata(&self) -> ErrataClient {
        ErrataClient::new(self.http.clone(), self.base(Service::Errata), self.ticket(Service::Errata))
    }

    /// Jira.
    pub fn jira(&self) -> Result<JiraClient, ClientError> {
        let user = self.require(Credential::JiraUsername)?;
        let token = self.require(Credential::JiraToken)?;
        let client = JiraClient::new(self.http.clone(), self.base(Service::Jira), &user, &token)?;
        Ok(client.spaced_by(Arc::clone(&self.kept.jira_writes)))
    }

    /// The company directory; it connects at the first look-up.
    pub fn directory(&self) -> LdapClient {
        let settings = LdapSettings {
            url: self.base(Service::Ldap),
            timeout: self.http.timeout(),
            ca_bundle: self.settings.http().ca_bundle.clone(),
        };
        LdapClient::new(settings, self.http.activity())
    }

    /// elliott, as a program on this machine.
    pub fn elliott(&self) -> Result<ElliottProcess, ConfigError> {
        let settings = self.settings.elliott()?;
        let redactor = self.http.redactor().clone();
        let elliott = ElliottProcess::new(settings.program, settings.limit, settings.environment, redactor);
        Ok(elliott.counted_by(self.http.activity()))
    }

    /// GitLab.
    pub fn gitlab(&self) -> Result<GitlabClient, ConfigError> {
        let token = self.require(Credential::GitlabToken)?;
        Ok(GitlabClient::new(self.http.clone(), self.base(Service::Gitlab), Some(token)))
    }

    /// The customer portal, anonymously.
    pub fn access(&self) -> AccessClient {
        AccessClient::new(self.http.clone(), self.base(Service::Access))
    }

    /// Koji's hub, anonymously.
    pub fn koji(&self) -> KojiClient {
        KojiClient::new(self.http.clone(), self.base(Service::Brewhub))
    }

    /// Koji's download root, anonymously.
    pub fn brewroot(&self) -> BrewrootClient {
        BrewrootClient::new(self.http.clone(), self.base(Service::Brewroot))
    }

    /// Image registries, with the logins of podman and docker where there are some.
    pub fn registry(&self) -> RegistryClient {
        let replacement = self.settings.endpoints().replacement(Service::Registry).cloned();
        RegistryClient::new(self.http.clone(), replacement).with_logins(self.settings.registry_login_files())
    }

    /// The signature mirror.
    pub fn mirror(&self) -> MirrorClient {
        MirrorClient::new(self.http.clone(), self.base(Service::Mirror))
    }

    /// Red Hat's staging catalog, through its proxy.
    pub fn catalog(&self) -> Result<CatalogClient, ClientError> {
        let http = match self.catalog_proxy()? {
            None => self.http.clone(),
            Some(proxy) => self.http.through(&proxy)?,
        };
        let concurrency = self.settings.catalog_concurrency()?;
        Ok(CatalogClient::new(http, self.base(Service::CatalogStage), concurrency))
    }

    /// Red Hat's public catalog.
    pub fn public_catalog(&self) -> Result<CatalogClient, ConfigError> {
        let concurrency = self.settings.catalog_concurrency()?;
        Ok(CatalogClient::new(self.http.clone(), self.base(Service::Catalog), concurrency).public())
    }

    fn catalog_proxy(&self) -> Result<Option<Url>, ConfigError> {
        let key = &keys::CATALOG_PROXY;
        let proxy = match self.settings.document()?.checked(key, &[])? {
            Some("none") => return Ok(None),
            Some(text) => text,
            None if self.settings.endpoints().replacement(Service::CatalogStage).is_some() => {
                return Ok(None);
            }
            None => CATALOG_PROXY,
        };
        Url::parse(proxy).map(Some).map_err(|_| key.unusable(&[], "is not a URL".to_owned()))
    }

    /// The advisory files of the Konflux release service.
    pub fn advisory_content(&self) -> Result<AdvisoryContentClient, ClientError> {
        let configured = self.settings.document()?.checked(&keys::ADVISORY_ORIGINS, &[])?;
        let replacement = self.settings.endpoints().replacement(Service::AdvisoryContent);
        let origins =
            Origins::new(configured, replacement).map_err(|error| ClientError::Origins(error.to_string()))?;
        Ok(AdvisoryContentClient::new(self.http.clone(), origins))
    }

    /// Pyxis by build, which gets the Kerberos ticket of this process when it demands one.
    pub fn pyxis(&self) -> Result<PyxisClient, ConfigError> {
        let concurrency = self.settings.catalog_concurrency()?;
        let client = PyxisClient::new(self.http.clone(), self.base(Service::Pyxis), concurrency);
        Ok(client.signing_in(self.ticket(Service::Pyxis)))
    }

    /// Jenkins.
    pub fn jenkins(&self) -> Result<JenkinsClient, ConfigError> {
        let user = self.require(Credential::JenkinsUser)?;
        let token = self.require(Credential::JenkinsToken)?;
        Ok(JenkinsClient::new(self.http.clone(), self.base(Service::Jenkins), user, token))
    }

    /// Google Sheets; `None` when no key file is named.
    pub fn sheets(&self) -> Result<Option<SheetsClient>, ConfigError> {
        let Some(path) = self.optional(Credential::GoogleServiceAccountFile)? else { return Ok(None) };
        let account = || self.google(&path, GCP_SA_FILE.name, Scope::Spreadsheets);
        let account = self.kept.spreadsheets.get_or_init(account).clone();
        Ok(Some(SheetsClient::new(account, self.base(Service::GoogleSheets))))
    }

    /// The sockets of the Slack app; nothing is opened yet.
    pub fn slack_sockets(&self) -> Result<SlackSockets, ConfigError> {
        let token = self.settings.credentials().require(Credential::SlackAppToken)?;
        let base = self.base(Service::Slack);
        Ok(SlackSockets::new(self.http.clone(), base, token, SocketSettings::default()))
    }

    /// Slack. Without a token its calls fail.
    pub fn slack(&self) -> Result<SlackClient, ConfigError> {
        if let Some(slack) = self.kept.slack.get() {
            return Ok(slack.clone());
        }
        let token = self.optional(Credential::SlackBotToken)?;
        // Colleagues have addresses in the domain of the Jira account.
        let colleague = self.optional(Credential::JiraUsername)?;
        let domain =
            colleague.and_then(|address| Some(address.expose_secret().trim().split_once('@')?.1.to_owned()));
        let slack = SlackClient::new(self.http.clone(), self.base(Service::Slack), token).of_domain(domain);
        Ok(self.kept.slack.get_or_init(|| slack).clone())
    }

    /// Prow's deck, which needs no login.
    pub fn prow(&self) -> ProwClient {
        ProwClient::new(self.http.clone(), self.base(Service::Prow))
    }

    /// Gangway; an error without its token.
    pub fn gangway(&self) -> Result<GangwayClient, ConfigError> {
        self.paced_gangway(self.require(Credential::GangwayToken)?)
    }

    /// Gangway; `None` without its token.
    pub fn gangway_if_set(&self) -> Result<Option<GangwayClient>, ConfigError> {
        self.optional(Credential::GangwayToken)?.map(|token| self.paced_gangway(token)).transpose()
    }

    /// One client for all callers, which paces their requests.
    fn paced_gangway(&self, token: SecretString) -> Result<GangwayClient, ConfigError> {
        if let Some(gangway) = self.kept.gangway.get() {
            return Ok(gangway.clone());
        }
        let gangway = self.gangway_with(token)?;
        Ok(self.kept.gangway.get_or_init(|| gangway).clone())
    }

    fn gangway_with(&self, token: SecretString) -> Result<GangwayClient, ConfigError> {
        let ProwSettings { gangway: limit, gangway_form, .. } = self.settings.prow()?;
        // The production jobs have no configuration document; they use the default form.
        let form: TriggerForm = match (gangway_form, self.settings.document()) {
            (Some(form), _) => *form,
            (None, Ok(document)) => document.jobs()?.gangway,
            (None, Err(_)) => TriggerForm::default(),
        };
        Ok(GangwayClient::new(self.http.clone(), self.base(Service::Gangway), token, form, *limit))
    }

    /// The release controller of an architecture.
    pub fn release_controller(&self, arch: Arch) -> Result<ReleaseControllerClient, ConfigError> {
        let base = self.settings.endpoints().release_controller(arch)?;
        Ok(ReleaseControllerClient::new(self.http.clone(), base))
    }

    /// GitHub.
    pub fn github(&self) -> Result<GithubClient, ConfigError> {
        let token = self.require(Credential::GithubToken)?;
        Ok(GithubClient::new(self.http.clone(), self.base(Service::GithubApi), Some(token)))
    }

    /// The record files.
    pub fn records(&self) -> Result<GithubFolder, ConfigError> {
        let state = self.settings.state();
        self.folder(state.repository.clone(), &state.record_branch, RELEASES)
    }

    /// What was read in the last seconds and serves for a pass over many releases.
    pub fn recent(&self) -> &Recent {
        &self.kept.recent
    }

    /// The test job registries.
    pub fn registries(&self) -> Result<GithubFolder, ConfigError> {
        self.folder(self.settings.state().repository.clone(), REGISTRY_BRANCH, RELEASES)
    }

    /// A folder of a repository on GitHub; contents that were read before come from the cache.
    pub fn folder(
        &self,
        repository: Repository,
        branch: &str,
        folder: &str,
    ) -> Result<GithubFolder, ConfigError> {
        let cache = self.settings.cache_home();
        let cache = cache.map(|folder| ObjectCache::at(folder.join("github")));
        Ok(GithubFolder::new(self.github()?, repository, branch, folder, cache))
    }

    /// The artifacts of QE's jobs; an error without the key file of an account that may read them.
    pub fn artifacts(&self) -> Result<GcsClient, ConfigError> {
        Ok(self.artifacts_of(&self.require(Credential::ArtifactsAccountFile)?))
    }

    /// Like [`Clients::artifacts`], but `None` without the key file.
    pub fn artifacts_if_set(&self) -> Result<Option<GcsClient>, ConfigError> {
        Ok(self.optional(Credential::ArtifactsAccountFile)?.map(|path| self.artifacts_of(&path)))
    }

    fn artifacts_of(&self, path: &SecretString) -> GcsClient {
        let variable = Credential::ArtifactsAccountFile.variable().name;
        let account = || self.google(path, variable, Scope::StorageReadOnly);
        let account = self.kept.artifacts.get_or_init(account).clone();
        GcsClient::new(account, self.base(Service::Gcs), QE_BUCKET)
    }

    /// The cluster that holds the release payloads. The first of these that is set counts: a token
    /// (`OAR_KUBE_TOKEN`) for the Kubernetes endpoint, which has a default; the kubeconfig; the pod's service
    /// account.
    ///
    /// With a replaced endpoint only the token counts, because no other login belongs to that address.
    pub async fn cluster(&self) -> Result<KubeClient, ClientError> {
        if let Some(access) = self.token_access()? {
            return Ok(KubeClient::new(&self.http, access)?);
        }
        if self.settings.endpoints().replacement(Service::Kube).is_some() {
            return Err(ClientError::NoCluster);
        }
        let access = match ClusterAccess::of_kubeconfig(&self.settings.prow()?.kubeconfig).await? {
            Some(access) => access,
            None => self.pod_access()?.ok_or(ClientError::NoCluster)?,
        };
        Ok(KubeClient::new(&self.http, access)?)
    }

    /// A contender for the lease `name` in the cluster that this process runs in; `None` outside a cluster,
    /// where a lock file is used instead.
    ///
    /// With a replaced Kubernetes endpoint and a namespace for leases, the lease is at that endpoint and
    /// `OAR_KUBE_TOKEN` signs in.
    pub fn lease(
        &self,
        name: &str,
        identity: &str,
        duration: Duration,
    ) -> Result<Option<LeaseHolder>, ClientError> {
        let replaced = self.settings.endpoints().replacement(Service::Kube).is_some();
        let namespace = self.settings.prow()?.lease_namespace.clone();
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
        let client = KubeClient::new(&self.http.uncounted()?, access)?;
        Ok(Some(LeaseHolder::new(client, namespace, name, identity, duration)))
    }

    fn token_access(&self) -> Result<Option<ClusterAccess>, ClientError> {
        let base = self.settings.endpoints().base(Service::Kube);
        let token = self.optional(Credential::ClusterToken)?;
        Ok(token.map(|token| ClusterAccess::with_token(base, &token)).transpose()?)
    }

    fn pod_access(&self) -> Result<Option<ClusterAccess>, ClientError> {
        let Some(address) = &self.settings.prow()?.in_cluster else { return Ok(None) };
        let files = ServiceAccountFiles::default();
        Ok(Some(ClusterAccess::in_cluster(&address.host, &address.port, &files)?))
    }

    /// Checks that there is a Kerberos ticket that has not expired, within `limit`.
    pub async fn check_ticket(&self, limit: Duration) -> Result<(), ServiceError> {
        self.ticket_lifetime(limit).await.map(drop)
    }

    /// How long the Kerberos ticket is still valid, found within `limit`. One that has expired is an error.
    pub async fn ticket_lifetime(&self, limit: Duration) -> Result<Duration, ServiceError> {
        self.negotiate(Service::Errata).time_limit(limit).ticket_lifetime().await
    }

    /// Checks within `limit` that the ticket opens Errata Tool: that the Kerberos server knows that service.
    pub async fn check_errata_ticket(&self, limit: Duration) -> Result<(), ServiceError> {
        self.negotiate(Service::Errata).time_limit(limit).check(&self.base(Service::Errata)).await
    }

    /// The same clients for looks that must end soon ([`Http::hurried`]).
    pub fn hurried(&self, timeout: Duration) -> Result<Self, ClientError> {
        Ok(Self::new(self.settings.clone(), self.http.hurried(timeout)?))
    }

    /// Looks whether the host of `service` answers at all, within some seconds. The staging catalog is asked through its proxy.
    pub async fn reach(&self, service: Service) -> Result<Reached, ClientError> {
        let address = match service {
            Service::ReleaseController => self.settings.endpoints().release_controller(Arch::Amd64)?,
            service => self.base(service),
        };
        let proxy = if service == Service::CatalogStage { self.catalog_proxy()? } else { None };
        let http = match proxy {
            Some(proxy) => self.http.through(&proxy)?,
            None => self.http.clone(),
        };
        Ok(reach::reach(&http, service, address).await?)
    }

    /// Looks whether the host with ART's build data answers, at the address of a y-stream's.
    pub async fn reach_build_data(&self, stream: YStream) -> Result<Reached, ClientError> {
        let address = self.settings.endpoints().build_data(stream)?;
        Ok(reach::reach(&self.http, Service::GithubRaw, address).await?)
    }

    fn ticket(&self, service: Service) -> Arc<Negotiate> {
        Arc::new(self.negotiate(service))
    }

    fn negotiate(&self, service: Service) -> Negotiate {
        Negotiate::new(service)
            .sharing(&self.kept.abandoned)
            .cache_setting(self.settings.kerberos_cache())
            .configuration_setting(self.settings.kerberos_configuration())
    }

    /// The Google account whose key file is at `path`, which `variable` names.
    fn google(&self, path: &SecretString, variable: &'static str, scope: Scope) -> ServiceAccount {
        let file = KeyFile { path: path.expose_secret().into(), variable };
        ServiceAccount::new(self.http.clone(), self.base(Service::GoogleOauth), file, scope)
    }

    fn base(&self, service: Service) -> Url {
        self.settings.endpoints().base(service).clone()
    }

    fn require(&self, credential: Credential) -> Result<SecretString, ConfigError> {
        self.settings.credentials().require(credential)
    }

    fn optional(&self, credential: Credential) -> Result<Option<SecretString>, ConfigError> {
        self.settings.credentials().optional(credential)
    }
}

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::clients::access::AccessClient;
use crate::clients::brewroot::BrewrootClient;
use crate::clients::elliott::ElliottProcess;
use crate::clients::errata::ErrataClient;
use crate::clients::gangway::GangwayClient;
use crate::clients::gitlab::GitlabClient;
use crate::clients::google::{KeyFile, Scope, ServiceAccount};
use crate::clients::jenkins::JenkinsClient;
use crate::clients::jira::JiraClient;
use crate::clients::kerberos::Negotiate;
use crate::clients::koji::KojiClient;
use crate::clients::ldap::{LdapClient, LdapSettings};
use crate::clients::prow::ProwClient;
use crate::clients::registry::RegistryClient;
use crate::clients::sheets::SheetsClient;
use crate::clients::slack::SlackClient;
use crate::config::environment::GCP_SA_FILE;
use crate::config::{ConfigError, ConfigStore, Credential, Pending, Settings, TriggerForm};
use crate::flow::outcome::TaskError;
use crate::flow::runner::Deliver;
use crate::http::Http;
use crate::notify::outbox::{Delivery, Earlier, deliver};
use crate::notify::{Message, ReleaseThread};
use crate::operators::approval::{PayloadLook, payload_look};
use crate::operators::worksheet::ReleaseWorksheet;
use crate::permit::WritePermit;
use crate::service::Service;
use crate::statebox::{Metadata, State};
use crate::version::ReleaseVersion;

/// Why no worksheet is looked for although the y-stream has a spreadsheet.
pub(super) const NO_KEY_FILE: &str = "no worksheet is looked for: GCP_SA_FILE is not set";

/// The clients of one release's task, made from its configuration. A credential is asked for only when the client
/// that needs it is made.
#[derive(Clone)]
pub struct Services {
    config: ConfigStore,
    http: Http,
    slack: SlackClient,
    /// The Google account, when its key file is named; kept, because it holds the token.
    google: Option<ServiceAccount>,
    /// The thread that messages to its channel go into.
    thread: Option<ReleaseThread>,
}

impl Services {
    /// Clients that share `http`.
    ///
    /// # Errors
    ///
    /// A setting is wrong, or the build data gives the release identifiers of another one.
    pub fn new(config: ConfigStore, http: Http) -> Result<Self, ConfigError> {
        config.check_ours()?;
        let settings = config.settings();
        let token = settings.credentials().optional(Credential::SlackBotToken)?;
        // Colleagues have addresses of the domain that the account in Jira has.
        let colleague = settings.credentials().optional(Credential::JiraUsername)?;
        let domain =
            colleague.and_then(|address| Some(address.expose_secret().trim().split_once('@')?.1.to_owned()));
        let slack = SlackClient::new(http.clone(), settings.endpoints().base(Service::Slack).clone(), token)
            .of_domain(domain);
        let key_file = settings.credentials().optional(Credential::GoogleServiceAccountFile)?;
        let google = key_file.map(|path| {
            let path = path.expose_secret().into();
            let file = KeyFile { path, variable: GCP_SA_FILE.name };
            let base = settings.endpoints().base(Service::GoogleOauth).clone();
            ServiceAccount::new(http.clone(), base, file, Scope::Spreadsheets)
        });
        let thread = ReleaseThread::of(config.settings().environment());
        Ok(Self { config, http, slack, google, thread })
    }

    /// The same clients, whose messages go into `thread` where they go to its channel.
    #[must_use]
    pub fn in_thread(mut self, thread: Option<ReleaseThread>) -> Self {
        self.thread = thread;
        self
    }

    /// The thread that messages to its channel go into.
    pub fn thread(&self) -> Option<&ReleaseThread> {
        self.thread.as_ref()
    }

    /// The clock that all clients wait by.
    pub(super) fn clock(&self) -> &crate::clock::Clock {
        self.http.clock()
    }

    /// The HTTP stack that all clients share.
    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// The release's configuration.
    pub fn config(&self) -> &ConfigStore {
        &self.config
    }

    /// Errata Tool, with the Kerberos ticket of this process.
    pub fn errata(&self) -> ErrataClient {
        let cache = self.config.settings().kerberos_cache();
        let authorize = Arc::new(Negotiate::new(Service::Errata).cache_setting(cache));
        ErrataClient::new(self.http.clone(), self.base(Service::Errata), authorize)
    }

    /// Jira.
    pub fn jira(&self) -> Result<JiraClient, TaskError> {
        let credentials = self.config.settings().credentials();
        let user = credentials.require(Credential::JiraUsername)?;
        let token = credentials.require(Credential::JiraToken)?;
        Ok(JiraClient::new(self.http.clone(), self.base(Service::Jira), &user, &token)?)
    }

    /// The company directory; it is asked at the first look-up.
    pub fn directory(&self) -> LdapClient {
        let http = self.config.settings().http();
        LdapClient::new(LdapSettings {
            url: self.base(Service::Ldap),
            timeout: http.timeout,
            ca_bundle: http.ca_bundle.clone(),
        })
    }

    /// elliott, as a program on this machine.
    pub fn elliott(&self) -> Result<ElliottProcess, ConfigError> {
        let settings = self.config.settings().elliott()?;
        let redactor = self.http.redactor().clone();
        Ok(ElliottProcess::new(settings.program, settings.limit, settings.environment, redactor))
    }

    /// GitLab.
    pub fn gitlab(&self) -> Result<GitlabClient, ConfigError> {
        let token = self.config.settings().credentials().require(Credential::GitlabToken)?;
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

    /// Image registries, anonymously.
    pub fn registry(&self) -> RegistryClient {
        registry(self.config.settings(), &self.http)
    }

    /// A look at the payload of the release, which begins when it is polled.
    pub(super) fn payload_look(&self) -> PayloadLook {
        Self::early_payload_look(self.config.settings(), self.config.release(), &self.http)
    }

    /// The same for a release whose build data is not read yet.
    pub(crate) fn early_payload_look(
        settings: &Settings,
        release: &ReleaseVersion,
        http: &Http,
    ) -> PayloadLook {
        payload_look(registry(settings, http), release.clone())
    }

    /// Prow's deck.
    pub fn prow(&self) -> ProwClient {
        ProwClient::new(self.http.clone(), self.base(Service::Prow))
    }

    /// Gangway; `None` without a credential.
    pub fn gangway(&self) -> Result<Option<GangwayClient>, ConfigError> {
        let token = self.config.settings().credentials().optional(Credential::GangwayToken)?;
        // The document's check has looked at the form.
        let form: TriggerForm = self.config.jobs()?.gangway.parse().unwrap_or_default();
        let base = self.base(Service::Gangway);
        let limit = self.config.settings().prow()?.gangway;
        Ok(token.map(|token| GangwayClient::new(self.http.clone(), base, token, form).paced(limit)))
    }

    /// Jenkins.
    pub fn jenkins(&self) -> Result<JenkinsClient, ConfigError> {
        let credentials = self.config.settings().credentials();
        let user = credentials.require(Credential::JenkinsUser)?;
        let token = credentials.require(Credential::JenkinsToken)?;
        Ok(JenkinsClient::new(self.http.clone(), self.base(Service::Jenkins), user, token))
    }

    /// Where the release's worksheet is looked for; `None` when the y-stream has no spreadsheet or no key file is named.
    pub fn worksheet(&self) -> Result<Option<ReleaseWorksheet>, ConfigError> {
        let spreadsheet = self.config.report_template()?;
        let (Some(spreadsheet), Some(account)) = (spreadsheet, &self.google) else { return Ok(None) };
        let client = SheetsClient::new(account.clone(), self.base(Service::GoogleSheets));
        let release = self.config.release().to_string();
        Ok(Some(ReleaseWorksheet::new(client, spreadsheet, &release, self.config.flow())))
    }

    /// Slack. Without a token its calls fail; that is never an error of the task.
    pub fn slack(&self) -> &SlackClient {
        &self.slack
    }

    /// The state of a release that has no StateBox file yet (spec 01 §2.2).
    pub fn initial_state(&self) -> State {
        State::new(self.config.release(), &self.metadata(), self.now())
    }

    /// What the build data says, in the form in which the StateBox has it.
    pub fn metadata(&self) -> Metadata {
        let config = &self.config;
        let advisory_ids =
            config.advisories().iter().map(|(impetus, id)| (impetus.as_str().to_owned(), *id)).collect();
        Metadata {
            jira_ticket: config.jira_ticket().map(str::to_owned),
            advisory_ids,
            release_date: config.release_date().map(|date| date.as_str().to_owned()),
            candidate_builds: config.candidate_builds().clone(),
            shipment_mr: config.shipment_mr().map(|url| url.as_str().to_owned()),
            pending: config.pending().iter().map(Pending::key).collect(),
        }
    }

    /// The same clients with the build data as it is now (one request).
    pub async fn again(&self) -> Result<Self, ConfigError> {
        let config = self.config.settings().release(self.config.release(), &self.http).await?;
        config.check_ours()?;
        Ok(Self { config, ..self.clone() })
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.http.clock().now()
    }

    fn base(&self, service: Service) -> url::Url {
        self.config.settings().endpoints().base(service).clone()
    }
}

fn registry(settings: &Settings, http: &Http) -> RegistryClient {
    RegistryClient::new(http.clone(), settings.endpoints().replacement(Service::Registry).cloned())
}

#[async_trait]
impl Deliver for Services {
    async fn deliver(&self, message: &Message, earlier: Earlier, permit: &WritePermit) -> Delivery {
        let message = match &self.thread {
            Some(thread) => thread.take(message.clone(), &self.slack).await,
            None => message.clone(),
        };
        deliver(&self.slack, self.http.clock(), &message, earlier, permit).await
    }
}

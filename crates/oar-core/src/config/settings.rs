//! Everything that a command knows before its first request: document, endpoints, credentials, state, limits.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::credentials::Credentials;
use super::document::Document;
use super::elliott::ElliottSettings;
use super::endpoints::Endpoints;
use super::environment::{self, Environment, Variable};
use super::error::ConfigError;
use super::files;
use super::location::{DocumentState, find_document};
use super::mcp::McpCaller;
use super::network;
use super::notificator::NotificatorSettings;
use super::prow::ProwSettings;
use super::state::StateSettings;
use super::store::{BuildDataFile, ConfigStore};
use super::versions::SupportedVersions;
use super::wait::WaitPolicy;
use crate::http::{Http, HttpSettings};
use crate::redact::Redactor;
use crate::version::{ReleaseVersion, YStream};

/// The GitLab project to which ART brings the shipments (spec 03 §1.3).
const SHIPMENT_PROJECT: &str = "hybrid-platforms/art/ocp-shipment-data";

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `2026-07-02T06:55:57Z: INFO: message`.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// The format set by `OAR_LOG_FORMAT`. It is needed before the other settings, so it is read separately.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.get(&environment::OAR_LOG_FORMAT) {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(other) => Err(bad(&environment::OAR_LOG_FORMAT, not(other), "`text` or `json`")),
        }
    }
}

#[derive(Debug)]
struct Inner {
    environment: Environment,
    document: DocumentState,
    endpoints: Endpoints,
    credentials: Credentials,
    versions: SupportedVersions,
    state: StateSettings,
    http: HttpSettings,
    user: Option<String>,
    prow: OnceLock<ProwSettings>,
    wait: OnceLock<WaitPolicy>,
}

/// Everything that a command knows before its first request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Settings {
    inner: Arc<Inner>,
}

impl Settings {
    /// Reads the environment and, when `OAR_JWK` is set, the configuration document. No request is sent.
    ///
    /// Commands that need nothing from the document work without the key; [`Settings::document`] returns the
    /// error then.
    pub fn load(environment: &Environment) -> Result<Self, ConfigError> {
        Self::of_document_state(environment, DocumentState::read(environment)?)
    }

    /// The same for whoever examines the configuration: a document that cannot be opened is an error only of what needs it.
    pub fn load_to_examine(environment: &Environment) -> Result<Self, ConfigError> {
        let document = DocumentState::read(environment);
        Self::of_document_state(
            environment,
            document.unwrap_or_else(|error| DocumentState::Closed(error.to_string())),
        )
    }

    fn of_document_state(environment: &Environment, document: DocumentState) -> Result<Self, ConfigError> {
        environment.check_names()?;
        let found = find_document(environment).ok();
        let inner = Inner {
            endpoints: Endpoints::new(environment, document.document().ok())?,
            credentials: Credentials::new(environment.clone()),
            versions: SupportedVersions::beside(document.path().or(found.as_deref()))?,
            state: StateSettings::of(environment)?,
            http: network::http(environment)?,
            user: user(environment),
            prow: OnceLock::new(),
            wait: OnceLock::new(),
            environment: environment.clone(),
            document,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The settings of an operation that only reads what it is given: what the environment configures is not looked at,
    /// so that a damaged configuration does not keep anybody from checking a file.
    ///
    /// # Errors
    ///
    /// A default is invalid, which is a defect.
    pub fn local(environment: &Environment) -> Result<Self, ConfigError> {
        let bare = environment.without_settings();
        let inner = Inner {
            document: DocumentState::read(&bare)?,
            endpoints: Endpoints::new(&bare, None)?,
            credentials: Credentials::new(bare.clone()),
            versions: SupportedVersions::beside(None)?,
            state: StateSettings::of(&bare)?,
            http: HttpSettings::default(),
            user: user(environment),
            prow: OnceLock::new(),
            wait: OnceLock::new(),
            environment: bare,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The configuration document, or an error that says why it was not read.
    pub fn document(&self) -> Result<&Document, ConfigError> {
        self.inner.document.document()
    }

    /// How the Jira notificator works: what the document says, or the defaults without its key.
    pub fn notificator(&self) -> Result<NotificatorSettings, ConfigError> {
        self.of_document(NotificatorSettings::of)
    }

    /// Who may call the MCP server with a token. A document that cannot be read is an error: it may name callers, and without
    /// any the server would ask nobody for a token.
    pub fn mcp_callers(&self) -> Result<Vec<McpCaller>, ConfigError> {
        self.document()?.mcp_callers()
    }

    /// Whether jobs that cost money need a person's consent when a model starts them.
    pub fn mcp_paid_jobs_ask(&self) -> Result<bool, ConfigError> {
        self.document()?.mcp_paid_jobs_ask()
    }

    /// What the document says, or the default where its key is not set.
    fn of_document<T: Default>(
        &self,
        read: impl FnOnce(&Document) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        match self.document() {
            Ok(document) => read(document),
            Err(ConfigError::MissingVariable { .. }) => Ok(T::default()),
            Err(error) => Err(error),
        }
    }

    /// The file that the document was read from.
    pub fn document_path(&self) -> Option<&Path> {
        self.inner.document.path()
    }

    /// The base URLs of all services.
    pub fn endpoints(&self) -> &Endpoints {
        &self.inner.endpoints
    }

    /// The credentials, read when they are needed.
    pub fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    /// The supported y-streams.
    pub fn versions(&self) -> &SupportedVersions {
        &self.inner.versions
    }

    /// Where state is kept.
    pub fn state(&self) -> &StateSettings {
        &self.inner.state
    }

    /// The limits of the HTTP stack.
    pub fn http(&self) -> &HttpSettings {
        &self.inner.http
    }

    /// The name that the history records for the user who ran a task; never an address.
    pub fn user(&self) -> Option<&str> {
        self.inner.user.as_deref()
    }

    /// How elliott is run; a wrong setting is an error only of commands that run it.
    pub fn elliott(&self) -> Result<ElliottSettings, ConfigError> {
        ElliottSettings::of(&self.inner.environment)
    }

    /// The value of `KRB5CCNAME`, the cache of Kerberos tickets, for hints.
    pub fn kerberos_cache(&self) -> Option<String> {
        self.inner.environment.get(&environment::KRB5CCNAME).map(str::to_owned)
    }

    /// The value of `KRB5_CONFIG`, the files that configure the Kerberos library.
    pub fn kerberos_configuration(&self) -> Option<String> {
        self.inner.environment.raw("KRB5_CONFIG").map(str::to_owned)
    }

    /// The most requests at the same time to the container catalog.
    pub fn catalog_concurrency(&self) -> Result<usize, ConfigError> {
        network::catalog_concurrency(&self.inner.environment)
    }

    /// The programs' cache directory, which may be deleted at any time; `None` without a home directory.
    pub fn cache_home(&self) -> Option<PathBuf> {
        self.inner.environment.cache_home()
    }

    /// The files with logins to image registries, in the order in which they are read.
    pub fn registry_login_files(&self) -> Vec<PathBuf> {
        self.inner.environment.registry_login_files()
    }

    /// The path of the GitLab project with the shipments: that of the configuration document where there is one that
    /// names it.
    pub fn shipment_project(&self) -> Result<&str, ConfigError> {
        let named = match self.document() {
            Ok(document) => document.shipment_project()?,
            // The job that compares a payload with its shipment has no document.
            Err(_) => None,
        };
        Ok(named.unwrap_or(SHIPMENT_PROJECT))
    }

    /// The settings for Prow jobs; a wrong one is an error only of commands that use them.
    pub fn prow(&self) -> Result<&ProwSettings, ConfigError> {
        if let Some(prow) = self.inner.prow.get() {
            return Ok(prow);
        }
        let prow = ProwSettings::of(&self.inner.environment)?;
        Ok(self.inner.prow.get_or_init(|| prow))
    }

    /// How a task waits for an external event; a wrong setting is an error only of commands that may wait.
    pub fn wait_policy(&self) -> Result<WaitPolicy, ConfigError> {
        if let Some(policy) = self.inner.wait.get() {
            return Ok(*policy);
        }
        let policy = WaitPolicy::of(&self.inner.environment)?;
        Ok(*self.inner.wait.get_or_init(|| policy))
    }

    /// The environment that these settings were read from.
    pub fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// A redactor that knows every secret of this process.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.inner.credentials.secrets())
    }

    /// Downloads the build data (one request) and reads the facts of `release`.
    pub async fn release(&self, release: &ReleaseVersion, http: &Http) -> Result<ConfigStore, ConfigError> {
        ConfigStore::download(self.clone(), release, http).await
    }

    /// The build data of a y-stream (one request), conditionally when it is known.
    pub async fn build_data(
        &self,
        stream: YStream,
        known: Option<&BuildDataFile>,
        http: &Http,
    ) -> Result<BuildDataFile, ConfigError> {
        BuildDataFile::download(self, stream, known, http).await
    }

    /// A release of build data that was read before.
    pub fn release_in(
        &self,
        release: &ReleaseVersion,
        file: &BuildDataFile,
    ) -> Result<ConfigStore, ConfigError> {
        ConfigStore::of_file(self.clone(), release, file)
    }
}

/// The release that `OAR_RELEASE` names.
pub fn default_release(environment: &Environment) -> Result<Option<ReleaseVersion>, ConfigError> {
    let variable = &environment::OAR_RELEASE;
    let Some(text) = environment.get(variable).map(str::trim) else { return Ok(None) };
    let release = text.parse().map_err(|_| bad(variable, not(text), "a release (for example 4.19.1)"));
    release.map(Some)
}

/// Refuses a key file that cannot be read. Its content is checked at the sign-in.
pub(super) fn key_file(environment: &Environment, variable: &'static Variable) -> Result<(), ConfigError> {
    let Some(path) = environment.get(variable).map(str::trim) else { return Ok(()) };
    let read = files::read_regular("the key file", Path::new(path), 1024 * 1024);
    read.map(drop).map_err(|error| bad(variable, error.to_string(), "the path of a file that can be read"))
}

fn user(environment: &Environment) -> Option<String> {
    let own = environment.get(&environment::OAR_USER);
    let name = own.or_else(|| environment.get("USER")).or_else(|| environment.get("LOGNAME"));
    let name = name.or_else(|| environment.account())?;
    let local_part = name.split('@').next().unwrap_or_default().trim();
    let name: String = local_part.chars().filter(|letter| !letter.is_control()).take(64).collect();
    (!name.is_empty()).then_some(name)
}

/// A value that cannot be used, shortened.
pub(super) fn not(value: &str) -> String {
    let short: String = value.chars().take(80).collect();
    format!("`{}` cannot be used", short.escape_debug())
}

/// The error of a variable whose value cannot be used.
pub(super) fn bad(variable: &Variable, problem: String, expected: &str) -> ConfigError {
    ConfigError::BadVariable { name: variable.name.into(), problem, expected: expected.into() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::jwe::{self, Key};
    use crate::service::Service;
    use crate::version::YStream;

    pub(in crate::config) const KEY: &str = "oar-demo-key-16b";

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().copied())
    }

    pub(in crate::config) fn write_document(directory: &Path, plain: &str) -> PathBuf {
        let path = directory.join("config/config_store.json");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let key = Key::new(KEY.to_owned().into()).unwrap();
        std::fs::write(&path, jwe::encrypt(plain, &key).unwrap()).unwrap();
        path
    }

    #[test]
    fn without_a_key_everything_but_the_document_works() {
        let directory = tempfile::tempdir().unwrap();
        write_document(directory.path(), r#"{"jira_server": "https://jira.example.com"}"#);
        let without = Settings::load(&environment(&[]).with_working_directory(directory.path())).unwrap();
        assert_eq!(without.state().repository.to_string(), "openshift/release-tests");
        let error = without.document().unwrap_err().to_string();
        assert!(error.contains("OAR_JWK is not set"), "{error}");
        let with = Settings::load(&environment(&[("OAR_JWK", KEY)]).with_working_directory(directory.path()))
            .unwrap();
        assert!(with.document().is_ok());
        assert_eq!(with.endpoints().base(Service::Jira).as_str(), "https://jira.example.com/");
    }

    #[test]
    fn the_recorded_user_is_never_an_address() {
        let name = |pairs: &[(&str, &str)]| user(&environment(pairs));
        assert_eq!(name(&[("OAR_USER", "demo-lead@example.com")]).as_deref(), Some("demo-lead"));
        assert_eq!(name(&[("USER", "builder"), ("LOGNAME", "other")]).as_deref(), Some("builder"));
        assert_eq!(name(&[("LOGNAME", "other")]).as_deref(), Some("other"));
        assert_eq!(name(&[("OAR_USER", "@example.com")]), None);
        assert_eq!(name(&[]), None);
        // A cron job or a container often has no USER.
        let bare = environment(&[]).with_account("builder");
        assert_eq!(user(&bare).as_deref(), Some("builder"));
        assert_eq!(user(&environment(&[("USER", "lead")]).with_account("builder")).as_deref(), Some("lead"));
    }

    #[test]
    fn the_log_format_is_one_of_two() {
        let format = |value: &str| LogFormat::of(&environment(&[("OAR_LOG_FORMAT", value)]));
        assert_eq!(format("").unwrap(), LogFormat::Text);
        assert_eq!(format("json").unwrap(), LogFormat::Json);
        assert!(format("xml").unwrap_err().to_string().contains("`text` or `json`"));
    }

    #[test]
    fn the_project_of_the_shipments_is_the_one_that_the_document_names() {
        let project = |pairs: &[(&str, &str)], plain: &str| {
            let directory = tempfile::tempdir().unwrap();
            write_document(directory.path(), plain);
            let environment = environment(pairs).with_working_directory(directory.path());
            Settings::load(&environment).unwrap().shipment_project().map(str::to_owned)
        };
        let named = r#"{"shipment": {"project": "group/shipments"}}"#;
        assert_eq!(project(&[("OAR_JWK", KEY)], named).unwrap(), "group/shipments");
        assert_eq!(project(&[("OAR_JWK", KEY)], "{}").unwrap(), SHIPMENT_PROJECT);
        assert_eq!(project(&[], named).unwrap(), SHIPMENT_PROJECT);
        assert!(project(&[("OAR_JWK", KEY)], r#"{"shipment": {"project": "no project"}}"#).is_err());
    }

    #[test]
    fn the_owner_comes_from_the_document() {
        let directory = tempfile::tempdir().unwrap();
        write_document(directory.path(), r#"{"owners": {"default": "lead@example.com"}}"#);
        let settings =
            Settings::load(&environment(&[("OAR_JWK", KEY)]).with_working_directory(directory.path()))
                .unwrap();
        assert_eq!(settings.document().unwrap().owner(YStream::new(4, 19)).unwrap().local_part(), "lead");
        assert!(!format!("{settings:?}").contains("lead@example.com"));
    }
}

//! Everything that a command knows before its first request: document, endpoints, credentials, state, limits.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use secrecy::ExposeSecret;

use super::credentials::Credentials;
use super::document::Document;
use super::elliott::ElliottSettings;
use super::endpoints::Endpoints;
use super::environment::{self, Environment, Variable};
use super::error::ConfigError;
use super::files;
use super::jwe::{self, Key};
use super::prow::ProwSettings;
use super::store::ConfigStore;
use super::versions::SupportedVersions;
use crate::http::{Http, HttpSettings};
use crate::ids::Repository;
use crate::redact::Redactor;
use crate::version::ReleaseVersion;

/// How many requests run at the same time against the catalog when nothing else is configured.
pub const PYXIS_CONCURRENCY: usize = 16;

/// Where the document is looked for below a directory.
const DOCUMENT: &str = "config/config_store.json";
/// Where `make install` puts shared files, seen from the program's directory.
const SHARED: &str = "../share/release-tests";
/// How many directories upward the document is looked for.
const UPWARD: usize = 32;

/// Where StateBox files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateLocation {
    /// A branch of a GitHub repository.
    Github,
    /// A directory.
    Local(PathBuf),
}

/// The settings of the StateBox and of the test records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSettings {
    /// Where StateBox files are kept.
    pub location: StateLocation,
    /// The GitHub repository.
    pub repository: Repository,
    /// The branch of the StateBox files.
    pub branch: String,
    /// The branch of the test records.
    pub record_branch: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `2026-07-02T06:55:57Z: INFO: message`.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// The form that `OAR_LOG_FORMAT` asks for. Needed before anything else, so it stands alone.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        match environment.get(&environment::OAR_LOG_FORMAT) {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(other) => Err(bad(&environment::OAR_LOG_FORMAT, not(other), "`text` or `json`")),
        }
    }
}

/// Whether the document was read.
#[derive(Debug, Clone)]
enum DocumentState {
    Read(PathBuf, Document),
    NoKey,
    NotFound(Vec<PathBuf>),
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
}

/// Everything that a command knows before its first request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Settings {
    inner: Arc<Inner>,
}

impl Settings {
    /// Reads the environment and, when `OAR_JWK` is set, the configuration document. No request is sent.
    ///
    /// Commands that need nothing from the document work without the key; [`Settings::document`] is the error then.
    pub fn load(environment: &Environment) -> Result<Self, ConfigError> {
        environment.check_names()?;
        let document = read_document(environment)?;
        let (path, content) = match &document {
            DocumentState::Read(path, content) => (Some(path.as_path()), Some(content)),
            DocumentState::NoKey | DocumentState::NotFound(_) => (None, None),
        };
        let found = find_document(environment).ok();
        let inner = Inner {
            endpoints: Endpoints::new(environment, content)?,
            credentials: Credentials::new(environment.clone()),
            versions: SupportedVersions::beside(path.or(found.as_deref()))?,
            state: state(environment)?,
            http: http(environment)?,
            user: user(environment),
            prow: OnceLock::new(),
            environment: environment.clone(),
            document,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The configuration document, or an error that says why it was not read.
    pub fn document(&self) -> Result<&Document, ConfigError> {
        match &self.inner.document {
            DocumentState::Read(_, document) => Ok(document),
            DocumentState::NoKey => Err(ConfigError::MissingVariable {
                name: environment::OAR_JWK.name,
                purpose: environment::OAR_JWK.purpose,
            }),
            DocumentState::NotFound(searched) => {
                Err(ConfigError::DocumentNotFound { searched: searched.clone() })
            }
        }
    }

    /// The file that the document was read from.
    pub fn document_path(&self) -> Option<&Path> {
        match &self.inner.document {
            DocumentState::Read(path, _) => Some(path),
            DocumentState::NoKey | DocumentState::NotFound(_) => None,
        }
    }

    /// The base URLs of all services.
    pub fn endpoints(&self) -> &Endpoints {
        &self.inner.endpoints
    }

    /// The credentials, read when they are asked for.
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

    /// The name that the history records as the one who ran a task; never an address.
    pub fn user(&self) -> Option<&str> {
        self.inner.user.as_deref()
    }

    /// How elliott is run; a setting of it that is wrong is an error of the command that runs it.
    pub fn elliott(&self) -> Result<ElliottSettings, ConfigError> {
        ElliottSettings::of(&self.inner.environment)
    }

    /// The value of `KRB5CCNAME`: the cache of Kerberos tickets that hints name.
    pub fn kerberos_cache(&self) -> Option<String> {
        self.inner.environment.get(&environment::KRB5CCNAME).map(str::to_owned)
    }

    /// How many requests run at the same time against the container catalog.
    pub fn catalog_concurrency(&self) -> Result<usize, ConfigError> {
        catalog_concurrency(&self.inner.environment)
    }

    /// `oar` in the user's cache directory; `None` without a home.
    pub fn cache_directory(&self) -> Option<PathBuf> {
        let absolute = |name: &str| {
            self.inner.environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(base.join("oar"))
    }

    /// What concerns Prow jobs; a setting of it that is wrong is an error of the command that needs one of them.
    pub fn prow(&self) -> Result<&ProwSettings, ConfigError> {
        if let Some(prow) = self.inner.prow.get() {
            return Ok(prow);
        }
        let prow = ProwSettings::of(&self.inner.environment)?;
        Ok(self.inner.prow.get_or_init(|| prow))
    }

    /// The environment that these settings were read from.
    pub fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// A redactor that knows every secret of this process.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.inner.credentials.secrets())
    }

    /// Downloads the build data of `release` (one request) and takes from it what it says about the release.
    pub async fn release(&self, release: &ReleaseVersion, http: &Http) -> Result<ConfigStore, ConfigError> {
        ConfigStore::download(self.clone(), release, http).await
    }
}

/// Where the configuration document is: `OAR_CONFIG`, otherwise `config/config_store.json` beside the installed
/// program, otherwise in the working directory or the nearest directory above it.
pub fn find_document(environment: &Environment) -> Result<PathBuf, ConfigError> {
    if let Some(path) = environment.get(&environment::OAR_CONFIG) {
        return Ok(PathBuf::from(path));
    }
    let mut searched = Vec::new();
    if let Some(directory) = environment.program().and_then(Path::parent) {
        searched.push(directory.join(DOCUMENT));
        searched.push(directory.join(SHARED).join(DOCUMENT));
    }
    if let Some(directory) = environment.working_directory() {
        searched.extend(directory.ancestors().take(UPWARD).map(|directory| directory.join(DOCUMENT)));
    }
    let found = searched.iter().find(|path| path.is_file()).cloned();
    found.ok_or(ConfigError::DocumentNotFound { searched })
}

/// Reads and decrypts the document at `path`.
pub fn open_document(path: &Path, key: &Key) -> Result<secrecy::SecretString, ConfigError> {
    let limit = jwe::SIZE_LIMIT as u64 + 1024;
    let encrypted = files::read_text("the configuration document", path, limit)?;
    jwe::decrypt(&encrypted, key).map_err(|source| ConfigError::Encrypted { path: path.into(), source })
}

fn read_document(environment: &Environment) -> Result<DocumentState, ConfigError> {
    let path = match find_document(environment) {
        Ok(path) => path,
        Err(ConfigError::DocumentNotFound { searched }) => return Ok(DocumentState::NotFound(searched)),
        Err(error) => return Err(error),
    };
    let key = match Key::of(environment) {
        Ok(key) => key,
        Err(ConfigError::MissingVariable { .. }) => return Ok(DocumentState::NoKey),
        Err(error) => return Err(error),
    };
    let plain = open_document(&path, &key)?;
    Ok(DocumentState::Read(path, Document::parse(plain.expose_secret())?))
}

pub(super) fn state(environment: &Environment) -> Result<StateSettings, ConfigError> {
    const EXPECTED: &str = "`github` or `local:<directory>` (for example local:/srv/statebox)";
    let location = match environment.get(&environment::OAR_STATE) {
        None | Some("github") => StateLocation::Github,
        Some(text) => match text.strip_prefix("local:") {
            Some(directory) if !directory.is_empty() => {
                let working_directory = environment.working_directory().unwrap_or(Path::new(""));
                StateLocation::Local(working_directory.join(directory))
            }
            _ => return Err(bad(&environment::OAR_STATE, not(text), EXPECTED)),
        },
    };
    let repository = or_default(environment, &environment::OAR_STATE_REPO);
    let repository: Repository = repository.parse().map_err(|_| {
        let expected = "an owner and a name (for example openshift/release-tests)";
        bad(&environment::OAR_STATE_REPO, not(&repository), expected)
    })?;
    Ok(StateSettings {
        location,
        repository,
        branch: branch(environment, &environment::OAR_STATE_BRANCH)?,
        record_branch: branch(environment, &environment::OAR_RECORD_BRANCH)?,
    })
}

/// A branch name, by the part of git's rules that keeps it from meaning something else in a URL.
fn branch(environment: &Environment, variable: &'static Variable) -> Result<String, ConfigError> {
    let name = or_default(environment, variable);
    let good = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("//");
    if good {
        Ok(name)
    } else {
        Err(bad(variable, not(&name), "the name of a branch (for example z-stream)"))
    }
}

pub(super) fn http(environment: &Environment) -> Result<HttpSettings, ConfigError> {
    let mut settings = HttpSettings::default();
    if let Some(text) = environment.get(&environment::OAR_HTTP_TIMEOUT) {
        let seconds = text.trim().parse::<f64>().ok().filter(|seconds| (0.001..=3600.0).contains(seconds));
        let seconds = seconds.ok_or_else(|| {
            bad(
                &environment::OAR_HTTP_TIMEOUT,
                not(text),
                "seconds from 0.001 to 3600 (for example 30 or 2.5)",
            )
        })?;
        settings.timeout = Duration::from_secs_f64(seconds);
        settings.connect_timeout = settings.connect_timeout.min(settings.timeout);
    }
    if let Some(text) = environment.get(&environment::OAR_HTTP_RETRY_DELAY) {
        let milliseconds = text.trim().parse::<u64>().ok().filter(|delay| *delay <= 60_000);
        let milliseconds = milliseconds.ok_or_else(|| {
            let expected = "milliseconds from 0 to 60000 (for example 250)";
            bad(&environment::OAR_HTTP_RETRY_DELAY, not(text), expected)
        })?;
        settings.retry_delay = Duration::from_millis(milliseconds);
    }
    if let Some(path) = environment.get(&environment::OAR_CA_BUNDLE) {
        let path = Path::new(path);
        settings.ca_bundle = Some(ca_bundle(path)?);
    }
    Ok(settings)
}

/// The certificates of private authorities; each is looked at, because the TLS library would only say that it cannot be
/// set up.
fn ca_bundle(path: &Path) -> Result<Vec<u8>, ConfigError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let unusable = |problem: String| {
        let expected =
            "the path of a file of PEM certificates (for example /etc/pki/tls/certs/ca-bundle.crt)";
        bad(&environment::OAR_CA_BUNDLE, format!("{} {problem}", path.display()), expected)
    };
    let bundle = files::read("the CA bundle", path, 16 * 1024 * 1024).map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        unusable(format!("cannot be read: {why}"))
    })?;
    let text = String::from_utf8_lossy(&bundle);
    let mut blocks = text.split(BEGIN).skip(1).peekable();
    if blocks.peek().is_none() {
        return Err(unusable("holds no certificate".to_owned()));
    }
    for (index, block) in blocks.enumerate() {
        let number = index + 1;
        let Some((body, _)) = block.split_once(END) else {
            return Err(unusable(format!("is damaged: its certificate {number} has no end")));
        };
        native_tls::Certificate::from_pem(format!("{BEGIN}{body}{END}\n").as_bytes())
            .map_err(|_| unusable(format!("is damaged: its certificate {number} is none")))?;
    }
    if let Err(why) = trusted(&bundle) {
        return Err(unusable(format!("holds a damaged certificate ({why})")));
    }
    Ok(bundle)
}

/// Whether the TLS library takes all certificates of a bundle; otherwise why not.
fn trusted(bundle: &[u8]) -> Result<(), String> {
    let why = |error: reqwest::Error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        cause.to_string()
    };
    let mut builder = reqwest::Client::builder();
    let certificates = reqwest::Certificate::from_pem_bundle(bundle).map_err(why)?;
    if certificates.is_empty() {
        return Err("none is complete".to_owned());
    }
    for certificate in certificates {
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map(drop).map_err(why)
}

/// The release that `OAR_RELEASE` names.
pub fn default_release(environment: &Environment) -> Result<Option<ReleaseVersion>, ConfigError> {
    let variable = &environment::OAR_RELEASE;
    let Some(text) = environment.get(variable).map(str::trim) else { return Ok(None) };
    let release = text.parse().map_err(|_| bad(variable, not(text), "a release (for example 4.19.1)"));
    release.map(Some)
}

/// How many requests run at the same time against the container catalog.
pub(super) fn catalog_concurrency(environment: &Environment) -> Result<usize, ConfigError> {
    let variable = &environment::OAR_PYXIS_CONCURRENCY;
    let text = environment.get_or_default(variable);
    let count = text.trim().parse().ok().filter(|count| (1..=PYXIS_CONCURRENCY).contains(count));
    count.ok_or_else(|| {
        let expected = format!("a number from 1 to {PYXIS_CONCURRENCY} (for example 16)");
        bad(variable, not(text), &expected)
    })
}

/// Refuses a key file that cannot be read. What is in it is looked at by who signs in with it.
pub(super) fn key_file(environment: &Environment, variable: &'static Variable) -> Result<(), ConfigError> {
    let Some(path) = environment.get(variable).map(str::trim) else { return Ok(()) };
    let read = files::read("the key file", Path::new(path), 1024 * 1024);
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

fn or_default(environment: &Environment, variable: &Variable) -> String {
    environment.get(variable).or(variable.default).unwrap_or_default().trim().to_owned()
}

fn not(value: &str) -> String {
    let short: String = value.chars().take(80).collect();
    format!("`{}` cannot be used", short.escape_debug())
}

fn bad(variable: &Variable, problem: String, expected: &str) -> ConfigError {
    ConfigError::BadVariable { name: variable.name.into(), problem, expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;
    use crate::version::YStream;

    const KEY: &str = "oar-demo-key-16b";

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().copied())
    }

    fn write_document(directory: &Path, plain: &str) -> PathBuf {
        let path = directory.join(DOCUMENT);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let key = Key::new(KEY.to_owned().into()).unwrap();
        std::fs::write(&path, jwe::encrypt(plain, &key).unwrap()).unwrap();
        path
    }

    #[test]
    fn the_document_is_found_beside_the_program_then_upward_from_the_working_directory() {
        let directory = tempfile::tempdir().unwrap();
        let (installed, tree) = (directory.path().join("installed"), directory.path().join("tree"));
        let deep = tree.join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let in_tree = write_document(&tree, "{}");
        let start = environment(&[]).with_program(installed.join("oar")).with_working_directory(&deep);
        assert_eq!(find_document(&start).unwrap(), in_tree);
        let beside = write_document(&installed, "{}");
        assert_eq!(find_document(&start).unwrap(), beside);
        let named = environment(&[("OAR_CONFIG", "/made/up.json")]).with_working_directory(&deep);
        assert_eq!(find_document(&named).unwrap(), PathBuf::from("/made/up.json"));
        let nowhere = environment(&[]).with_working_directory(directory.path().join("other"));
        let error = find_document(&nowhere).unwrap_err().to_string();
        assert!(error.contains("other/config/config_store.json"), "{error}");
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
    fn a_wrong_key_a_missing_file_and_plain_json_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = write_document(directory.path(), "{}");
        let load = |key: &str, path: &Path| {
            Settings::load(&environment(&[("OAR_JWK", key), ("OAR_CONFIG", path.to_str().unwrap())]))
        };
        let text = |result: Result<Settings, ConfigError>| result.unwrap_err().to_string();
        assert!(
            text(load("another-key-16by", &path)).contains("OAR_JWK is not the key it was encrypted with")
        );
        assert!(text(load("short", &path)).contains("must be exactly 16 bytes long, it has 5"));
        assert!(text(load(KEY, &directory.path().join("gone"))).contains("gone"));
        std::fs::write(&path, "{}").unwrap();
        assert!(text(load(KEY, &path)).contains("plain JSON"));
    }

    #[test]
    fn the_state_settings_have_defaults_and_are_checked() {
        let defaults = state(&environment(&[])).unwrap();
        assert_eq!(defaults.location, StateLocation::Github);
        assert_eq!((defaults.branch.as_str(), defaults.record_branch.as_str()), ("z-stream", "record"));
        let local = environment(&[("OAR_STATE", "local:box")]).with_working_directory("/srv");
        assert_eq!(state(&local).unwrap().location, StateLocation::Local("/srv/box".into()));
        for (name, value) in [
            ("OAR_STATE", "local:"),
            ("OAR_STATE", "gitlab"),
            ("OAR_STATE_REPO", "release-tests"),
            ("OAR_STATE_REPO", "a/b/c"),
            ("OAR_STATE_REPO", "a/.."),
            ("OAR_STATE_BRANCH", "a..b"),
            ("OAR_STATE_BRANCH", "a b"),
            ("OAR_RECORD_BRANCH", "-x"),
        ] {
            let error = state(&environment(&[(name, value)])).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains("for example"), "{error}");
        }
    }

    #[test]
    fn http_limits_are_read_and_checked() {
        let settings =
            http(&environment(&[("OAR_HTTP_TIMEOUT", "2.5"), ("OAR_HTTP_RETRY_DELAY", "5")])).unwrap();
        assert_eq!(settings.timeout, Duration::from_millis(2500));
        assert_eq!(settings.connect_timeout, Duration::from_millis(2500));
        assert_eq!(settings.retry_delay, Duration::from_millis(5));
        for (name, value) in [
            ("OAR_HTTP_TIMEOUT", "0"),
            ("OAR_HTTP_TIMEOUT", "-1"),
            ("OAR_HTTP_TIMEOUT", "NaN"),
            ("OAR_HTTP_TIMEOUT", "inf"),
            ("OAR_HTTP_TIMEOUT", "30s"),
            ("OAR_HTTP_RETRY_DELAY", "1.5"),
            ("OAR_HTTP_RETRY_DELAY", "999999999"),
        ] {
            let error = http(&environment(&[(name, value)])).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn a_ca_bundle_that_is_unreadable_or_damaged_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let load = || http(&environment(&[("OAR_CA_BUNDLE", path.to_str().unwrap())]));
        let refusal = || load().unwrap_err().to_string();
        assert!(
            refusal().starts_with("OAR_CA_BUNDLE: ")
                && refusal().contains("ca.pem cannot be read: No such file")
        );
        let certificate = certificate();
        let (cut, _) = certificate.split_at(certificate.len() / 2);
        for (text, expected) in [
            ("not PEM", "holds no certificate"),
            (cut, "is damaged: its certificate 1 has no end"),
            (
                &format!("{certificate}{}", certificate.replacen("MII", "MIJ", 1)),
                "is damaged: its certificate 2 is none",
            ),
            (
                "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
                "is damaged: its certificate 1 is none",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(refusal().contains(expected), "{}", refusal());
        }
        std::fs::write(&path, format!("# two\n{certificate}\n{certificate}")).unwrap();
        assert!(load().unwrap().ca_bundle.is_some());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(refusal().contains("cannot be read: Is a directory"), "{}", refusal());
    }

    /// A made-up authority's certificate.
    fn certificate() -> String {
        use openssl::{asn1::Asn1Time, ec, hash::MessageDigest, nid::Nid, pkey::PKey, x509};
        let group = ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(ec::EcKey::generate(&group).unwrap()).unwrap();
        let mut name = x509::X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "authority.example.test").unwrap();
        let name = name.build();
        let mut builder = x509::X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(9).unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        String::from_utf8(builder.build().to_pem().unwrap()).unwrap()
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
    fn the_table_names_the_limits_that_apply() {
        let table = |variable: &Variable| (variable.name, variable.default.unwrap());
        let named = [table(&environment::OAR_HTTP_TIMEOUT), table(&environment::OAR_HTTP_RETRY_DELAY)];
        let (named, used) = (http(&environment(&named)).unwrap(), http(&environment(&[])).unwrap());
        assert_eq!((named.timeout, named.retry_delay), (used.timeout, used.retry_delay));
        assert_eq!(catalog_concurrency(&environment(&[])).unwrap(), PYXIS_CONCURRENCY);
    }

    #[test]
    fn the_log_format_is_one_of_two() {
        let format = |value: &str| LogFormat::of(&environment(&[("OAR_LOG_FORMAT", value)]));
        assert_eq!(format("").unwrap(), LogFormat::Text);
        assert_eq!(format("json").unwrap(), LogFormat::Json);
        assert!(format("xml").unwrap_err().to_string().contains("`text` or `json`"));
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

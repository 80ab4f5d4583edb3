//! The environment: the only place in the library that reads it, and the table of all variables.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::endpoints::default_base;
use super::error::ConfigError;
use crate::service::Service;

/// One variable that the programs read, as the documentation shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its content, worded to follow "it holds".
    pub purpose: &'static str,
    /// Which commands need it.
    pub needed_by: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// The default when it is not set.
    pub default: Option<&'static str>,
}

impl AsRef<str> for Variable {
    fn as_ref(&self) -> &str {
        self.name
    }
}

impl Variable {
    const fn new(name: &'static str, purpose: &'static str, needed_by: &'static str) -> Self {
        Self { name, purpose, needed_by, secret: false, default: None }
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }
}

macro_rules! variables {
    ($($constant:ident = $variable:expr;)*) => {
        $(
            #[doc = concat!("The variable `", stringify!($constant), "` of the table.")]
            pub const $constant: Variable = $variable;
        )*

        /// Every variable but the endpoints, in the order of the documentation.
        pub const VARIABLES: &[Variable] = &[$($constant),*];
    };
}

variables! {
    OAR_CONFIG = Variable::new("OAR_CONFIG", "the path of the encrypted configuration document", "optional")
        .or("config/config_store.json beside the installed program or in the working tree");
    OAR_JWK = Variable::new(
        "OAR_JWK",
        "the key of the configuration document: 16 bytes of text, not encoded",
        "every command that reads the configuration document",
    ).secret();
    OAR_RELEASE = Variable::new(
        "OAR_RELEASE",
        "the release for commands of `oar` without `-r`, for example 4.19.1",
        "optional",
    );
    OAR_STATE = Variable::new("OAR_STATE", "where the StateBox files are kept: `github` or `local:<directory>`", "optional")
        .or("github");
    OAR_STATE_REPO = Variable::new("OAR_STATE_REPO", "the GitHub repository of the StateBoxes", "optional")
        .or("openshift/release-tests");
    OAR_STATE_BRANCH = Variable::new("OAR_STATE_BRANCH", "the branch of the StateBoxes", "optional")
        .or("z-stream");
    OAR_RECORD_BRANCH = Variable::new("OAR_RECORD_BRANCH", "the branch of the test records", "optional")
        .or("record");
    OAR_LOG_FORMAT = Variable::new("OAR_LOG_FORMAT", "the format of log lines: `text` or `json`", "optional").or("text");
    OAR_CA_BUNDLE = Variable::new(
        "OAR_CA_BUNDLE",
        "the path of a PEM file with certificate authorities to trust in addition to the system's",
        "optional",
    );
    HTTPS_PROXY = Variable::new(
        "HTTPS_PROXY",
        "the address of the proxy for https requests; `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count as well, each \
         also in lower case",
        "optional",
    );
    OAR_HTTP_TIMEOUT = Variable::new(
        "OAR_HTTP_TIMEOUT",
        "the time limit of one attempt of a request, in seconds",
        "optional",
    ).or("30");
    OAR_HTTP_RETRY_DELAY = Variable::new(
        "OAR_HTTP_RETRY_DELAY",
        "the delay before the first retry of a request, in milliseconds",
        "optional",
    ).or("250");
    OAR_PYXIS_CONCURRENCY = Variable::new(
        "OAR_PYXIS_CONCURRENCY",
        "the number of concurrent requests to the container catalog, from 1 to 16",
        "optional",
    ).or("16");
    OAR_WAIT_INTERVAL = Variable::new(
        "OAR_WAIT_INTERVAL",
        "the time between two checks of a waiting task, in seconds",
        "optional",
    ).or("1800");
    OAR_WAIT_LIMIT = Variable::new(
        "OAR_WAIT_LIMIT",
        "how long a task waits before people are asked to decide, in seconds",
        "optional",
    ).or("172800");
    OAR_WAIT_LEASE = Variable::new(
        "OAR_WAIT_LEASE",
        "the time after which another process takes over a wait whose check is overdue, in seconds",
        "optional",
    ).or("600");
    OAR_AGENT_WATCHDOG = Variable::new(
        "OAR_AGENT_WATCHDOG",
        "the time without progress after which `oarctl agents run` restarts an agent, in seconds",
        "optional",
    ).or("45");
    OAR_USER = Variable::new("OAR_USER", "the name that the history records for the user who ran a task", "optional")
        .or("the login name");
    KRB5CCNAME = Variable::new(
        "KRB5CCNAME",
        "the cache of the Kerberos ticket for Errata Tool",
        "optional",
    ).or("the cache that `kinit` uses");
    JIRA_USERNAME = Variable::new(
        "JIRA_USERNAME",
        "the address of the Jira Cloud account that JIRA_TOKEN belongs to",
        "commands that read or change Jira issues",
    );
    JIRA_TOKEN = Variable::new(
        "JIRA_TOKEN",
        "the API token of the Jira Cloud account",
        "commands that read or change Jira issues",
    ).secret();
    JIRA_EMAIL = Variable::new(
        "JIRA_EMAIL",
        "the address with which elliott signs in to Jira",
        "check-cve-tracker-bug",
    ).or("the value of JIRA_USERNAME");
    GITHUB_TOKEN = Variable::new(
        "GITHUB_TOKEN",
        "a GitHub token that may read and write the StateBox repository",
        "commands that read or write StateBoxes or test records on GitHub",
    ).secret();
    GITLAB_TOKEN = Variable::new(
        "GITLAB_TOKEN",
        "a GitLab personal access token with the `api` scope",
        "commands on the shipment merge request of a Konflux release",
    ).secret();
    SLACK_BOT_TOKEN = Variable::new(
        "SLACK_BOT_TOKEN",
        "the bot token (`xoxb-…`) with which messages are sent",
        "commands that send notifications",
    ).secret();
    SLACK_APP_TOKEN = Variable::new(
        "SLACK_APP_TOKEN",
        "the app-level token (`xapp-…`) of the Slack bot",
        "the Slack bot",
    ).secret();
    OAR_SLACK_CHANNEL = Variable::new(
        "OAR_SLACK_CHANNEL",
        "the id of the channel whose thread gets the messages to that channel",
        "optional",
    );
    OAR_SLACK_THREAD = Variable::new(
        "OAR_SLACK_THREAD",
        "the `ts` of the first message of that thread",
        "optional",
    );
    JENKINS_USER = Variable::new("JENKINS_USER", "the Jenkins user that JENKINS_TOKEN belongs to", "stage-testing");
    JENKINS_TOKEN = Variable::new("JENKINS_TOKEN", "the API token of the Jenkins user", "stage-testing").secret();
    APITOKEN = Variable::new(
        "APITOKEN",
        "the bearer token with which Prow jobs are started through Gangway",
        "image-consistency-check, the job commands that start Prow jobs, jobctl",
    ).secret();
    OAR_ELLIOTT = Variable::new(
        "OAR_ELLIOTT",
        "the path of ART's program elliott, or its name in `PATH`",
        "check-cve-tracker-bug",
    ).or("elliott");
    OAR_ELLIOTT_TIMEOUT = Variable::new(
        "OAR_ELLIOTT_TIMEOUT",
        "the time limit of one run of elliott, in seconds",
        "optional",
    ).or("600");
    GCP_SA_FILE = Variable::new(
        "GCP_SA_FILE",
        "the path of the key file of a Google service account",
        "commands that read or write a release's worksheet",
    );
    GCS_CRED_FILE = Variable::new(
        "GCS_CRED_FILE",
        "the path of the key file of a Google service account that may read the artifacts of Prow jobs",
        "jobctl start-aggregator",
    );
    OAR_KUBE_TOKEN = Variable::new(
        "OAR_KUBE_TOKEN",
        "the bearer token for the cluster with the release payloads",
        "optional",
    ).secret().or("the login of the kubeconfig");
    KUBECONFIG = Variable::new(
        "KUBECONFIG",
        "the paths of kubeconfig files, colon-separated",
        "optional",
    ).or("~/.kube/config");
    OAR_LEASE_NAMESPACE = Variable::new(
        "OAR_LEASE_NAMESPACE",
        "the namespace of the leases for leader election among replicas",
        "optional",
    ).or("that of the pod");
    OAR_GANGWAY_LIMIT = Variable::new(
        "OAR_GANGWAY_LIMIT",
        "the limit of requests to Gangway: `<per minute>/<at once>`",
        "optional",
    ).or("20/10");
    OAR_GANGWAY_FORM = Variable::new(
        "OAR_GANGWAY_FORM",
        "how the name of a job is sent to Gangway: `path` or `body`; overrides `jobs.gangway` of the document",
        "optional",
    ).or("path");
    XDG_CACHE_HOME = Variable::new(
        "XDG_CACHE_HOME",
        "the directory of caches: contents read from GitHub, grades of images, plans of the engine, and the most recently used releases; it \
         may be deleted at any time",
        "optional",
    ).or("~/.cache");
    OAR_INTENT_LEASE = Variable::new(
        "OAR_INTENT_LEASE",
        "the time in seconds (120 to 86400) in which only the program that recorded the start of a job may start it, and \
         only the one that announced a comment of jira-notificator or a message of drive may write it; 0 only if no other \
         program does that",
        "optional",
    ).or("600");
    REGISTRY_AUTH_FILE = Variable::new(
        "REGISTRY_AUTH_FILE",
        "the path of the file with logins to image registries, in place of those where podman and docker keep them",
        "optional",
    ).or("containers/auth.json in XDG_RUNTIME_DIR and ~/.config, then ~/.docker/config.json");
    DOCKER_CONFIG = Variable::new(
        "DOCKER_CONFIG",
        "the directory of docker's config.json, which may hold logins to image registries",
        "optional",
    ).or("~/.docker");
    XDG_RUNTIME_DIR = Variable::new(
        "XDG_RUNTIME_DIR",
        "the directory of podman's logins to image registries, and of lock files where `~/.local/state` cannot be \
         written",
        "optional",
    );
}

/// Variables of the project that are not settings: of the sandbox, of tests on real files, of shell
/// completion.
const ELSEWHERE: [&str; 3] = ["OAR_SANDBOX", "OAR_SAMPLES", "OAR_COMPLETE"];
/// The most letters in which a misspelt name differs.
const CLOSE: usize = 2;
/// The longest name that is compared.
const LONGEST_NAME: usize = 100;

/// The name of the variable that replaces the base URL of `service`.
pub fn endpoint_variable(service: Service) -> String {
    format!("OAR_ENDPOINT_{}", service.key())
}

/// The reference of all variables, endpoints included, as a Markdown table for the documentation.
pub fn reference() -> String {
    let mut text = String::from("| Variable | Holds | Needed by | Default |\n|---|---|---|---|\n");
    let mut row = |name: &str, purpose: &str, needed_by: &str, secret: bool, default: Option<&str>| {
        let secret = if secret { " (secret)" } else { "" };
        let default = default.unwrap_or("none");
        text.extend(["| `", name, "` | ", purpose, secret, " | ", needed_by, " | ", default, " |\n"]);
    };
    for variable in VARIABLES {
        row(variable.name, variable.purpose, variable.needed_by, variable.secret, variable.default);
    }
    for service in Service::ALL {
        let purpose = format!("the base URL of {service}; it may have a path prefix");
        let default = format!("`{}`, unless the configuration document replaces it", default_base(service));
        row(&endpoint_variable(service), &purpose, "optional", false, Some(&default));
    }
    text
}

/// The environment of a process: its variables, its program file and its working directory.
///
/// Tests and servers build one from values; only a program's start reads the real one.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    program: Option<PathBuf>,
    working_directory: Option<PathBuf>,
    account: Option<String>,
    user_id: Option<u32>,
    /// Why a credential of the service manager cannot be read.
    unreadable: Option<String>,
}

/// The largest credential that is read from a file, in bytes: a service manager gives 1 MB in all.
const LARGEST_CREDENTIAL: u64 = 1024 * 1024;

impl Environment {
    /// The environment of this process. Values that are not UTF-8 count as not set. A variable of ours that is not set, and is
    /// a file in the directory of credentials that a service manager gives (`CREDENTIALS_DIRECTORY`), has that file's text.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        let values =
            std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        Self {
            values,
            program: std::env::current_exe().ok(),
            working_directory: std::env::current_dir().ok(),
            account: nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name),
            user_id: Some(nix::unistd::getuid().as_raw()),
            unreadable: None,
        }
        .with_credentials()
    }

    fn with_credentials(mut self) -> Self {
        let folder =
            self.get("CREDENTIALS_DIRECTORY").map(PathBuf::from).filter(|folder| folder.is_absolute());
        let Some(folder) = folder else { return self };
        let unset: Vec<_> = VARIABLES.iter().filter(|variable| self.get(variable).is_none()).collect();
        for variable in unset {
            let file = folder.join(variable.name);
            match super::files::read_text("the credential", &file, LARGEST_CREDENTIAL) {
                Ok(text) => {
                    self.values.insert(variable.name.to_owned(), text.trim_end().to_owned());
                }
                Err(ConfigError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                // `check_names` tells it, before anything is done: "not set" may have a meaning.
                Err(error) => {
                    self.unreadable.get_or_insert_with(|| error.to_string());
                }
            }
        }
        self
    }

    /// The name of the account that the process runs as, as the system knows it.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The same environment, with the account `name`.
    #[must_use]
    pub fn with_account(mut self, name: impl Into<String>) -> Self {
        self.account = Some(name.into());
        self
    }

    /// The directory of the programs' state files: `$XDG_STATE_HOME/release-tests`, by default
    /// `~/.local/state/release-tests`.
    pub fn state_home(&self) -> Option<PathBuf> {
        let absolute = |path: &&str| Path::new(path).is_absolute();
        let base = match self.get("XDG_STATE_HOME").filter(absolute) {
            Some(path) => PathBuf::from(path),
            None => Path::new(self.get("HOME").filter(absolute)?).join(".local/state"),
        };
        Some(base.join("release-tests"))
    }

    /// The programs' cache directory, which may be deleted at any time: `$XDG_CACHE_HOME/release-tests`, by
    /// default `~/.cache/release-tests`.
    pub fn cache_home(&self) -> Option<PathBuf> {
        // The XDG specification says to ignore relative paths.
        let absolute = |path: &&str| Path::new(path).is_absolute();
        let base = match self.get(&XDG_CACHE_HOME).filter(absolute) {
            Some(path) => PathBuf::from(path),
            None => Path::new(self.get("HOME").filter(absolute)?).join(".cache"),
        };
        Some(base.join("release-tests"))
    }

    /// Where this user's programs on this machine find each other's lock files, which other users cannot lock; the best
    /// place first. The home comes before `$XDG_RUNTIME_DIR`, because a cron job has the same home as a login, and no `$XDG_RUNTIME_DIR`.
    pub fn lock_directories(&self) -> Vec<PathBuf> {
        let absolute = |path: &str| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
        let home = self.get("HOME").and_then(absolute).map(|home| home.join(".local/state"));
        let runtime = self.get(&XDG_RUNTIME_DIR).and_then(absolute);
        home.into_iter().chain(runtime).map(|base| base.join("release-tests")).collect()
    }

    /// The same process without any variable but those of the account.
    #[must_use]
    pub fn without_settings(&self) -> Self {
        let kept = |name: &str| matches!(name, "HOME" | "USER" | "LOGNAME");
        let values = self.values.iter().filter(|(name, _)| kept(name));
        Self { values: values.map(|(name, value)| (name.clone(), value.clone())).collect(), ..self.clone() }
    }

    /// The files in which podman and docker keep logins to image registries, in the order in which podman reads them
    /// (spec 04 §9.4). A file that is named takes the place of all others.
    pub fn registry_login_files(&self) -> Vec<PathBuf> {
        if let Some(path) = self.get(&REGISTRY_AUTH_FILE).map(str::trim).filter(|path| !path.is_empty()) {
            return vec![PathBuf::from(path)];
        }
        let absolute = |path: &str| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
        let home = self.get("HOME").and_then(absolute);
        let runtime = match self.get(&XDG_RUNTIME_DIR).and_then(absolute) {
            Some(runtime) => Some(runtime.join("containers/auth.json")),
            None => self.user_id.map(|id| PathBuf::from(format!("/run/containers/{id}/auth.json"))),
        };
        let below_home = |path: &str| Some(home.as_ref()?.join(path));
        let configured = self.get("XDG_CONFIG_HOME").and_then(absolute).or_else(|| below_home(".config"));
        let docker = self.get(&DOCKER_CONFIG).map(PathBuf::from).or_else(|| below_home(".docker"));
        let files = [
            runtime,
            configured.map(|folder| folder.join("containers/auth.json")),
            docker.map(|folder| folder.join("config.json")),
            below_home(".dockercfg"),
        ];
        files.into_iter().flatten().collect()
    }

    /// The folder of temporary files.
    pub fn temporary(&self) -> PathBuf {
        PathBuf::from(self.get("TMPDIR").filter(|path| !path.is_empty()).unwrap_or("/tmp"))
    }

    /// An environment with only these variables, without a program file and a working directory.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self {
            values: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            program: None,
            working_directory: None,
            account: None,
            user_id: None,
            unreadable: None,
        }
    }

    /// The same environment, with these variables set.
    #[must_use]
    pub fn with_values<N: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.values.extend(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// The same environment, started from the program file `program`.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// The same environment, started in `directory`.
    #[must_use]
    pub fn with_working_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.working_directory = Some(directory.into());
        self
    }

    /// The value of a variable, given as a [`Variable`] or by name; an empty value counts as not set (spec 01
    /// §1.6).
    pub fn get<V: AsRef<str> + ?Sized>(&self, variable: &V) -> Option<&str> {
        self.values.get(variable.as_ref()).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The unchanged value of a variable, even if it is empty: for variables that libraries read themselves.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of a variable of the table, or the default that the table gives.
    pub(super) fn get_or_default<'a>(&'a self, variable: &'a Variable) -> &'a str {
        self.get(variable).or(variable.default).unwrap_or_default()
    }

    /// The Slack thread that asked for a command: the channel's id, and the `ts` of its first message.
    pub fn slack_thread(&self) -> Option<(&str, &str)> {
        let channel = self.get(&OAR_SLACK_CHANNEL)?.trim();
        let ts = self.get(&OAR_SLACK_THREAD)?.trim();
        (!channel.is_empty() && !ts.is_empty()).then_some((channel, ts))
    }

    /// Refuses variables whose names look like the project's and are unknown: the default would apply
    /// instead, which is production. Other variables are ignored. Refuses credentials of the service manager that cannot be
    /// read, too: they would count as not set.
    pub fn check_names(&self) -> Result<(), ConfigError> {
        if let Some(problem) = &self.unreadable {
            return Err(ConfigError::Credential { problem: problem.clone() });
        }
        let known: Vec<String> = VARIABLES
            .iter()
            .map(|variable| variable.name.to_owned())
            .chain(Service::ALL.into_iter().map(endpoint_variable))
            .collect();
        let mut unknown = Vec::new();
        for name in self.values.keys().filter(|name| name.starts_with("OAR_") && self.get(*name).is_some()) {
            if name.len() > LONGEST_NAME || known.contains(name) || ELSEWHERE.contains(&name.as_str()) {
                continue;
            }
            let distance = |other: &&String| strsim::osa_distance(name, other);
            let Some(close) = known.iter().min_by_key(distance) else { continue };
            if name.starts_with("OAR_ENDPOINT") || distance(&close) <= CLOSE {
                unknown.push((name.clone(), close.clone()));
            }
        }
        if unknown.is_empty() { Ok(()) } else { Err(ConfigError::UnknownVariables { variables: unknown }) }
    }

    /// The variables whose names `keep` accepts, for a child process.
    pub fn select(&self, keep: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let kept = self.values.iter().filter(|(name, _)| keep(name));
        kept.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Every secret value, for a redactor.
    pub fn secrets(&self) -> Vec<SecretString> {
        VARIABLES
            .iter()
            .filter(|variable| variable.secret)
            .filter_map(|variable| self.get(variable).map(str::trim))
            .filter(|value| !value.is_empty())
            .map(SecretString::from)
            .collect()
    }

    /// The program file, links resolved.
    pub fn program(&self) -> Option<&Path> {
        self.program.as_deref()
    }

    /// The directory in which the program was started.
    pub fn working_directory(&self) -> Option<&Path> {
        self.working_directory.as_deref()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("program", &self.program)
            .field("working_directory", &self.working_directory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

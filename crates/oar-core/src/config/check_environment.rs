//! Checks everything that the programs read from their environment, before a command needs it.

use super::check::{Problem, Severity};
use super::credentials::{Credential, Credentials};
use super::elliott::ElliottSettings;
use super::environment::Environment;
use super::error::ConfigError;
use super::network;
use super::prow::ProwSettings;
use super::settings::{self, LogFormat};
use super::state::StateSettings;
use super::wait::WaitPolicy;

/// The credentials of the environment.
const CREDENTIALS: [Credential; 12] = [
    Credential::GithubToken,
    Credential::GitlabToken,
    Credential::JiraUsername,
    Credential::JiraToken,
    Credential::SlackBotToken,
    Credential::SlackAppToken,
    Credential::JenkinsUser,
    Credential::JenkinsToken,
    Credential::GangwayToken,
    Credential::GoogleServiceAccountFile,
    Credential::ArtifactsAccountFile,
    Credential::ClusterToken,
];

/// Everything in `environment` that a program would refuse, found by the code that refuses it. A variable
/// that is not set is no problem, because not every command needs it.
pub fn check_environment(environment: &Environment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut take = |result: Result<(), ConfigError>| problems.extend(result.err().map(problem));
    take(environment.check_names());
    take(LogFormat::of(environment).map(drop));
    take(settings::default_release(environment).map(drop));
    take(StateSettings::of(environment).map(drop));
    take(network::http(environment).map(drop));
    take(WaitPolicy::of(environment).map(drop));
    take(super::agents::agent_watchdog(environment).map(drop));
    take(ElliottSettings::of(environment).map(drop));
    take(ProwSettings::of(environment).map(drop));
    take(network::catalog_concurrency(environment).map(drop));
    take(super::endpoints::Endpoints::new(environment, None).map(drop));
    let credentials = Credentials::new(environment.clone());
    for credential in CREDENTIALS {
        take(credentials.optional(credential).map(drop));
    }
    for credential in [Credential::GoogleServiceAccountFile, Credential::ArtifactsAccountFile] {
        take(settings::key_file(environment, credential.variable()));
    }
    problems
}

fn problem(error: ConfigError) -> Problem {
    let (path, message) = match error {
        ConfigError::BadVariable { name, problem, expected } => {
            (name, format!("{problem}; expected {expected}"))
        }
        ConfigError::BadEndpoint { setting, problem, expected } => {
            (setting, format!("{problem}; expected {expected}"))
        }
        other => (String::new(), other.to_string()),
    };
    Problem { path, message, severity: Severity::Error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(pairs: &[(&str, &str)]) -> Vec<String> {
        let environment = Environment::from_pairs(pairs.iter().copied());
        check_environment(&environment).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn everything_that_a_command_would_refuse_is_found() {
        const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(problems(&[]).is_empty());
        for (name, bad, good) in [
            ("OAR_LOG_FORMAT", "xml", "json"),
            ("OAR_RELEASE", "4.19", "4.19.1"),
            ("OAR_STATE", "locale:x", "local:x"),
            ("OAR_STATE_REPO", "x", "a/b"),
            ("OAR_STATE_BRANCH", "/x", "x"),
            ("OAR_RECORD_BRANCH", "a..b", "x"),
            ("OAR_HTTP_TIMEOUT", "0", "30"),
            ("HTTPS_PROXY", ":::", "http://proxy.example.com:3128"),
            ("OAR_HTTP_RETRY_DELAY", "x", "0"),
            ("OAR_WAIT_INTERVAL", "0", "60"),
            ("OAR_ELLIOTT_TIMEOUT", "0", "60"),
            ("OAR_GANGWAY_LIMIT", "20", "20/10"),
            ("OAR_GANGWAY_FORM", "query", "body"),
            ("OAR_INTENT_LEASE", "1", "0"),
            ("OAR_LEASE_NAMESPACE", "A B", "a-b"),
            ("OAR_PYXIS_CONCURRENCY", "17", "16"),
            ("OAR_ENDPOINT_JIRA", "jira", "https://jira.example.com"),
            ("GITLAB_TOKEN", "a\nb", "a"),
            ("GCP_SA_FILE", "/no/such/file", FILE),
            ("GCS_CRED_FILE", "/no/such/file", FILE),
        ] {
            assert_eq!(problems(&[(name, bad)]), [name], "{bad}");
            assert!(problems(&[(name, good)]).is_empty(), "{name}: {good}");
        }
        assert_eq!(
            problems(&[("OAR_WAIT_LIMIT", "x"), ("OAR_STATE", "x")]).len(),
            2,
            "all are named at once"
        );
        assert_eq!(problems(&[("OAR_STAT", "github")]), [""]);
    }
}

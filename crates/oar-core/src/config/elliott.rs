//! How elliott is run: the program, its time limit, and the environment variables that it gets.

use std::path::PathBuf;
use std::time::Duration;

use super::environment::{self, Environment};
use super::error::ConfigError;

/// Variables that elliott gets when they are set: paths of programs and certificates, credentials for
/// Kerberos, Jira and GitLab, and network settings. No others are passed on.
const PASSED_ON: [&str; 30] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "KRB5CCNAME",
    "KRB5_CONFIG",
    "KRB5_KTNAME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "JIRA_EMAIL",
    "JIRA_USERNAME",
    "JIRA_TOKEN",
    "JIRA_SERVER_URL",
    "GITLAB_TOKEN",
    "GIT_SSL_CAINFO",
    "KONFLUX_SA_KUBECONFIG",
];

/// Prefixes of variables that are passed on as well.
const PASSED_ON_BY_PREFIX: [&str; 4] = ["LC_", "XDG_", "PYTHON", "ELLIOTT_"];

/// How elliott is run.
#[derive(Clone)]
pub struct ElliottSettings {
    /// The program: a path, or a name that is looked up in `PATH`.
    pub program: PathBuf,
    /// Time limit of one run.
    pub limit: Duration,
    /// Its whole environment. It has `JIRA_EMAIL` unless `JIRA_USERNAME` is missing too.
    pub environment: Vec<(String, String)>,
}

impl std::fmt::Debug for ElliottSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ElliottSettings")
            .field("program", &self.program)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl ElliottSettings {
    pub(super) fn of(environment: &Environment) -> Result<Self, ConfigError> {
        let program = environment.get_or_default(&environment::OAR_ELLIOTT);
        let text = environment.get_or_default(&environment::OAR_ELLIOTT_TIMEOUT);
        let seconds = text.trim().parse::<f64>().ok().filter(|seconds| (1.0..=86_400.0).contains(seconds));
        let seconds = seconds.ok_or_else(|| ConfigError::BadVariable {
            name: environment::OAR_ELLIOTT_TIMEOUT.name.into(),
            problem: format!("`{text}` is not a time limit"),
            expected: "seconds from 1 to 86400 (for example 600)".into(),
        })?;
        let mut passed_on = environment.select(|name| {
            PASSED_ON.contains(&name) || PASSED_ON_BY_PREFIX.iter().any(|prefix| name.starts_with(prefix))
        });
        // elliott signs in with JIRA_EMAIL, and finds nothing without it (spec 02 §7).
        passed_on.retain(|(name, _)| name != "JIRA_EMAIL");
        let account = environment
            .get(&environment::JIRA_EMAIL)
            .or_else(|| environment.get(&environment::JIRA_USERNAME));
        passed_on.extend(account.map(|account| ("JIRA_EMAIL".to_owned(), account.trim().to_owned())));
        Ok(Self { program: program.into(), limit: Duration::from_secs_f64(seconds), environment: passed_on })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<ElliottSettings, ConfigError> {
        ElliottSettings::of(&Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn elliott_sees_what_it_needs_and_none_of_our_other_secrets() {
        let settings = settings(&[
            ("PATH", "/bin"),
            ("JIRA_USERNAME", "bot@example.com"),
            ("JIRA_TOKEN", "t"),
            ("SLACK_BOT_TOKEN", "planted"),
            ("OAR_JWK", "planted"),
            ("GITHUB_TOKEN", "planted"),
            ("LC_ALL", "C"),
        ])
        .unwrap();
        let names: Vec<&str> = settings.environment.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["JIRA_TOKEN", "JIRA_USERNAME", "LC_ALL", "PATH", "JIRA_EMAIL"]);
        assert_eq!((settings.program, settings.limit.as_secs()), ("elliott".into(), 600));
    }

    #[test]
    fn its_own_account_comes_first() {
        let pairs = [("JIRA_USERNAME", "a@example.com"), ("JIRA_EMAIL", "b@example.com")];
        let settings = settings(&pairs).unwrap();
        assert!(settings.environment.contains(&("JIRA_EMAIL".to_owned(), "b@example.com".to_owned())));
        assert!(!format!("{settings:?}").contains("b@example.com"));
    }

    #[test]
    fn the_time_limit_is_checked() {
        assert_eq!(settings(&[("OAR_ELLIOTT_TIMEOUT", "90")]).unwrap().limit.as_secs(), 90);
        for text in ["0", "-1", "soon", "NaN", "1000000"] {
            let error = settings(&[("OAR_ELLIOTT_TIMEOUT", text)]).unwrap_err();
            assert!(error.to_string().contains("OAR_ELLIOTT_TIMEOUT"), "{error}");
        }
    }
}

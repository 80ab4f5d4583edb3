//! Credentials, read when they are needed.

use secrecy::SecretString;

use super::environment::{self, Environment, Variable};
use super::error::ConfigError;

/// A credential, or a part of one, in an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The GitHub token.
    GithubToken,
    /// The GitLab personal access token.
    GitlabToken,
    /// The address of the Jira account.
    JiraUsername,
    /// The API token of the Jira account.
    JiraToken,
    /// The Slack bot's token.
    SlackBotToken,
    /// The Slack bot's app-level token.
    SlackAppToken,
    /// The Jenkins user.
    JenkinsUser,
    /// The API token of the Jenkins user.
    JenkinsToken,
    /// The bearer token for Gangway.
    GangwayToken,
    /// The path of the Google service account's key file.
    GoogleServiceAccountFile,
    /// The path of the key file of the account that reads the artifacts of Prow jobs.
    ArtifactsAccountFile,
    /// The bearer token for the cluster that holds the release payloads.
    ClusterToken,
}

impl Credential {
    /// Its environment variable.
    pub fn variable(self) -> &'static Variable {
        match self {
            Self::GithubToken => &environment::GITHUB_TOKEN,
            Self::GitlabToken => &environment::GITLAB_TOKEN,
            Self::JiraUsername => &environment::JIRA_USERNAME,
            Self::JiraToken => &environment::JIRA_TOKEN,
            Self::SlackBotToken => &environment::SLACK_BOT_TOKEN,
            Self::SlackAppToken => &environment::SLACK_APP_TOKEN,
            Self::JenkinsUser => &environment::JENKINS_USER,
            Self::JenkinsToken => &environment::JENKINS_TOKEN,
            Self::GangwayToken => &environment::APITOKEN,
            Self::GoogleServiceAccountFile => &environment::GCP_SA_FILE,
            Self::ArtifactsAccountFile => &environment::GCS_CRED_FILE,
            Self::ClusterToken => &environment::OAR_KUBE_TOKEN,
        }
    }
}

/// The credentials of one process.
#[derive(Debug, Clone)]
pub struct Credentials {
    environment: Environment,
}

impl Credentials {
    pub(super) fn new(environment: Environment) -> Self {
        Self { environment }
    }

    /// The credential, or an error that names its variable and its purpose.
    ///
    /// Surrounding white space is removed; a value that is not allowed in a header is refused.
    pub fn require(&self, credential: Credential) -> Result<SecretString, ConfigError> {
        let variable = credential.variable();
        self.optional(credential)?
            .ok_or(ConfigError::MissingVariable { name: variable.name, purpose: variable.purpose })
    }

    /// Fails unless all of them are set. The error names all missing ones, so that a person can set them at
    /// once.
    pub fn require_all(&self, credentials: impl IntoIterator<Item = Credential>) -> Result<(), ConfigError> {
        let mut missing = Vec::new();
        for credential in credentials {
            if self.optional(credential)?.is_none() {
                missing.push(credential);
            }
        }
        match missing.as_slice() {
            [] => Ok(()),
            [only] => self.require(*only).map(drop),
            several => {
                let variables = several.iter().map(|credential| credential.variable()).collect();
                Err(ConfigError::MissingVariables { variables })
            }
        }
    }

    /// The credential, when its variable is set.
    pub fn optional(&self, credential: Credential) -> Result<Option<SecretString>, ConfigError> {
        let variable = credential.variable();
        let value = self.environment.get(variable).map(str::trim).unwrap_or_default();
        if value.chars().any(char::is_control) {
            return Err(ConfigError::BadVariable {
                name: variable.name.into(),
                problem: "the value contains a line break or another control character".into(),
                expected: format!("{} on one line", variable.purpose),
            });
        }
        Ok((!value.is_empty()).then(|| SecretString::from(value)))
    }

    /// Every secret value of the environment, for a redactor.
    pub fn secrets(&self) -> Vec<SecretString> {
        self.environment.secrets()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Classified, ErrorClass};
    use secrecy::ExposeSecret;

    fn credentials(pairs: &[(&str, &str)]) -> Credentials {
        Credentials::new(Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn a_missing_credential_names_its_variable_and_purpose() {
        for (credential, name) in [
            (Credential::GithubToken, "GITHUB_TOKEN"),
            (Credential::GitlabToken, "GITLAB_TOKEN"),
            (Credential::JiraUsername, "JIRA_USERNAME"),
            (Credential::JiraToken, "JIRA_TOKEN"),
            (Credential::SlackBotToken, "SLACK_BOT_TOKEN"),
            (Credential::SlackAppToken, "SLACK_APP_TOKEN"),
            (Credential::JenkinsUser, "JENKINS_USER"),
            (Credential::JenkinsToken, "JENKINS_TOKEN"),
            (Credential::GangwayToken, "APITOKEN"),
            (Credential::GoogleServiceAccountFile, "GCP_SA_FILE"),
            (Credential::ArtifactsAccountFile, "GCS_CRED_FILE"),
            (Credential::ClusterToken, "OAR_KUBE_TOKEN"),
        ] {
            let error = credentials(&[]).require(credential).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{name} is not set: it holds {}", credential.variable().purpose)
            );
            assert_eq!(error.class(), ErrorClass::Configuration);
            let set = credentials(&[(name, " value-1 \n")]);
            assert_eq!(set.require(credential).unwrap().expose_secret(), "value-1");
        }
    }

    #[test]
    fn all_that_are_missing_are_named_at_once() {
        use Credential::{ArtifactsAccountFile, GangwayToken, GithubToken};
        let wanted = [GithubToken, GangwayToken, ArtifactsAccountFile];
        let error = credentials(&[("APITOKEN", " ")]).require_all(wanted).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Missing required environment variables: GITHUB_TOKEN, APITOKEN, GCS_CRED_FILE"
        );
        assert_eq!(error.class(), ErrorClass::Configuration);
        let hint = error.hint().unwrap();
        assert!(wanted.iter().all(|one| hint.contains(one.variable().purpose)), "{hint}");
        let some = credentials(&[("APITOKEN", "token-1"), ("GCS_CRED_FILE", "key.json")]);
        let error = some.require_all(wanted).unwrap_err().to_string();
        assert!(error.starts_with("GITHUB_TOKEN is not set: it holds "), "{error}");
        let all = [("APITOKEN", "a"), ("GCS_CRED_FILE", "b"), ("GITHUB_TOKEN", "c")];
        assert!(credentials(&all).require_all(wanted).is_ok());
    }

    #[test]
    fn a_line_break_inside_is_refused_without_showing_the_value() {
        let error = credentials(&[("GITLAB_TOKEN", "glpat-first\nglpat-second")])
            .require(Credential::GitlabToken)
            .unwrap_err()
            .to_string();
        assert!(error.contains("GITLAB_TOKEN") && !error.contains("glpat"), "{error}");
    }

    #[test]
    fn all_secrets_are_known_to_the_redactor_and_nothing_else() {
        let all = credentials(&[
            ("OAR_JWK", "oar-demo-key-16b"),
            ("JIRA_TOKEN", "token-1"),
            ("JIRA_USERNAME", "lead@example.com"),
            ("OAR_STATE", "github"),
        ]);
        let secrets = all.secrets();
        let values: Vec<_> = secrets.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(values, ["oar-demo-key-16b", "token-1"]);
    }
}

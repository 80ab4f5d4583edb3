//! The names of the external systems.

use std::fmt;

/// An external system, as named in errors, logs and endpoint settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// GitHub's REST API, which holds the StateBox.
    GithubApi,
    /// GitHub's raw file host, which holds the build data.
    GithubRaw,
    /// GitHub's web pages, for links only.
    GithubWeb,
    /// Errata Tool.
    Errata,
    /// Jira Cloud.
    Jira,
    /// The GitLab instance of the shipment repository.
    Gitlab,
    /// Jenkins.
    Jenkins,
    /// Slack's Web API.
    Slack,
    /// Gangway, which starts Prow jobs.
    Gangway,
    /// Prow's deck, which shows the state of jobs.
    Prow,
    /// The release controller; its base may contain `{arch}`.
    ReleaseController,
    /// The mirror that publishes release signatures.
    Mirror,
    /// access.redhat.com.
    Access,
    /// Pyxis, the container catalog's API.
    Pyxis,
    /// The container catalog.
    Catalog,
    /// The staging container catalog.
    CatalogStage,
    /// The host of Konflux advisory files.
    AdvisoryContent,
    /// Koji's hub (XML-RPC).
    Brewhub,
    /// Koji's download root.
    Brewroot,
    /// The company directory.
    Ldap,
    /// Google's token service.
    GoogleOauth,
    /// Google Sheets.
    GoogleSheets,
    /// Google Cloud Storage.
    Gcs,
    /// The image registry; replaces the host of every pull spec when set.
    Registry,
    /// The cluster that holds release payload objects.
    Kube,
}

impl Service {
    /// Every service, in the order of the documentation.
    pub const ALL: [Self; 25] = [
        Self::GithubApi,
        Self::GithubRaw,
        Self::GithubWeb,
        Self::Errata,
        Self::Jira,
        Self::Gitlab,
        Self::Jenkins,
        Self::Slack,
        Self::Gangway,
        Self::Prow,
        Self::ReleaseController,
        Self::Mirror,
        Self::Access,
        Self::Pyxis,
        Self::Catalog,
        Self::CatalogStage,
        Self::AdvisoryContent,
        Self::Brewhub,
        Self::Brewroot,
        Self::Ldap,
        Self::GoogleOauth,
        Self::GoogleSheets,
        Self::Gcs,
        Self::Registry,
        Self::Kube,
    ];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::GithubApi => "GitHub",
            Self::GithubRaw => "GitHub raw files",
            Self::GithubWeb => "GitHub web",
            Self::Errata => "Errata Tool",
            Self::Jira => "Jira",
            Self::Gitlab => "GitLab",
            Self::Jenkins => "Jenkins",
            Self::Slack => "Slack",
            Self::Gangway => "Gangway",
            Self::Prow => "Prow",
            Self::ReleaseController => "release controller",
            Self::Mirror => "signature mirror",
            Self::Access => "access.redhat.com",
            Self::Pyxis => "Pyxis",
            Self::Catalog => "container catalog",
            Self::CatalogStage => "staging container catalog",
            Self::AdvisoryContent => "advisory content",
            Self::Brewhub => "brewhub",
            Self::Brewroot => "brewroot",
            Self::Ldap => "LDAP",
            Self::GoogleOauth => "Google sign-in",
            Self::GoogleSheets => "Google Sheets",
            Self::Gcs => "Google Cloud Storage",
            Self::Registry => "image registry",
            Self::Kube => "Kubernetes",
        }
    }

    /// The key of this service's base URL: `endpoints.<key>` in the configuration document in lower case,
    /// `OAR_ENDPOINT_<KEY>` in the environment.
    pub fn key(self) -> &'static str {
        match self {
            Self::GithubApi => "GITHUB_API",
            Self::GithubRaw => "GITHUB_RAW",
            Self::GithubWeb => "GITHUB_WEB",
            Self::Errata => "ERRATA",
            Self::Jira => "JIRA",
            Self::Gitlab => "GITLAB",
            Self::Jenkins => "JENKINS",
            Self::Slack => "SLACK",
            Self::Gangway => "GANGWAY",
            Self::Prow => "PROW",
            Self::ReleaseController => "RELEASE_CONTROLLER",
            Self::Mirror => "MIRROR",
            Self::Access => "ACCESS",
            Self::Pyxis => "PYXIS",
            Self::Catalog => "CATALOG",
            Self::CatalogStage => "CATALOG_STAGE",
            Self::AdvisoryContent => "ADVISORY_CONTENT",
            Self::Brewhub => "BREWHUB",
            Self::Brewroot => "BREWROOT",
            Self::Ldap => "LDAP",
            Self::GoogleOauth => "GOOGLE_OAUTH",
            Self::GoogleSheets => "GOOGLE_SHEETS",
            Self::Gcs => "GCS",
            Self::Registry => "REGISTRY",
            Self::Kube => "KUBE",
        }
    }
}

impl Service {
    /// Where its credential is set, for people; `None` for a service without credentials.
    pub fn credential(self) -> Option<&'static str> {
        Some(match self {
            Self::GithubApi => "GITHUB_TOKEN",
            Self::Errata => "the Kerberos ticket (`kinit`)",
            Self::Jira => "JIRA_USERNAME and JIRA_TOKEN",
            Self::Gitlab => "GITLAB_TOKEN",
            Self::Jenkins => "JENKINS_USER and JENKINS_TOKEN",
            Self::Slack => "SLACK_BOT_TOKEN",
            Self::Gangway => "APITOKEN",
            Self::GoogleOauth | Self::GoogleSheets => "GCP_SA_FILE",
            Self::Gcs => "GCS_CRED_FILE",
            Self::Registry => "the registry login (`podman login`)",
            Self::Kube => "OAR_KUBE_TOKEN, or the login of the kubeconfig",
            Self::GithubRaw
            | Self::GithubWeb
            | Self::Prow
            | Self::ReleaseController
            | Self::Mirror
            | Self::Access
            | Self::Pyxis
            | Self::Catalog
            | Self::CatalogStage
            | Self::AdvisoryContent
            | Self::Brewhub
            | Self::Brewroot
            | Self::Ldap => return None,
        })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

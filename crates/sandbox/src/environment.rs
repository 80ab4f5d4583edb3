//! The environment with which a product process uses the sandbox instead of the real services.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::credentials;

/// The encrypted configuration document, relative to an installation or a working tree.
const CONFIGURATION: &str = "config/config_store.json";

/// Endpoint variables of the simulated services and their prefixes.
const ENDPOINTS: [(&str, &str); 23] = [
    ("GITHUB_API", "/github"),
    ("GITHUB_RAW", "/github-raw"),
    ("ERRATA", "/errata"),
    ("JIRA", "/jira"),
    ("GITLAB", "/gitlab"),
    ("SLACK", "/slack/api"),
    ("RELEASE_CONTROLLER", "/release-controller/{arch}"),
    ("MIRROR", "/mirror"),
    ("CATALOG", "/catalog"),
    ("CATALOG_STAGE", "/catalog-stage"),
    ("PYXIS", "/pyxis"),
    ("GANGWAY", "/gangway"),
    ("PROW", "/prow"),
    ("JENKINS", "/jenkins"),
    ("ADVISORY_CONTENT", "/advisory-content"),
    ("REGISTRY", "/registry"),
    ("ACCESS", "/access"),
    ("BREWHUB", "/brewhub"),
    ("BREWROOT", "/brewroot"),
    ("GOOGLE_OAUTH", "/google-oauth"),
    ("GOOGLE_SHEETS", "/sheets"),
    ("GCS", "/gcs"),
    ("KUBE", "/kube"),
];

/// Endpoints and credentials. `configuration` is the path of the encrypted configuration document, `google_key` that
/// of the service account's key file, `kerberos` what Kerberos needs.
pub(crate) fn environment(
    base_url: &str,
    configuration: Option<&str>,
    google_key: &str,
    kerberos: &[(String, String)],
) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = ENDPOINTS
        .iter()
        .map(|(name, prefix)| (format!("OAR_ENDPOINT_{name}"), format!("{base_url}{prefix}")))
        .collect();
    variables.push(("OAR_ENDPOINT_LDAP".to_owned(), "ldap://127.0.0.1:9".to_owned()));
    if let Some(path) = configuration {
        variables.push(("OAR_CONFIG".to_owned(), path.to_owned()));
    }
    let host = base_url.trim_start_matches("http://").split(':').next().unwrap_or_default();
    let direct = format!("127.0.0.1,localhost,{host}");
    for (name, value) in [
        ("OAR_JWK", credentials::JWK),
        ("GITHUB_TOKEN", credentials::GITHUB_TOKEN),
        ("JIRA_USERNAME", credentials::JIRA_USERNAME),
        ("JIRA_TOKEN", credentials::JIRA_TOKEN),
        ("GITLAB_TOKEN", credentials::GITLAB_TOKEN),
        ("SLACK_BOT_TOKEN", credentials::SLACK_BOT_TOKEN),
        ("SLACK_APP_TOKEN", credentials::SLACK_APP_TOKEN),
        ("APITOKEN", credentials::APITOKEN),
        ("JENKINS_USER", credentials::JENKINS_USER),
        ("JENKINS_TOKEN", credentials::JENKINS_TOKEN),
        ("GCP_SA_FILE", google_key),
        ("GCS_CRED_FILE", google_key),
        ("OAR_KUBE_TOKEN", credentials::KUBE_TOKEN),
        // The user in the history, because the login name in a container is not useful.
        ("OAR_USER", credentials::USER),
        ("NO_PROXY", &direct),
        ("no_proxy", &direct),
    ] {
        variables.push((name.to_owned(), value.to_owned()));
    }
    variables.extend_from_slice(kerberos);
    variables
}

/// The encrypted configuration document of the installation or the working tree: beside the running program,
/// above it, or above the current directory; the first that exists.
pub fn find_configuration() -> Option<PathBuf> {
    let program = env::current_exe().ok();
    let current = env::current_dir().ok();
    let above = |path: Option<PathBuf>| {
        path.map(|path| path.ancestors().map(Path::to_owned).collect::<Vec<PathBuf>>()).unwrap_or_default()
    };
    above(program)
        .into_iter()
        .chain(above(current))
        .map(|path| path.join(CONFIGURATION))
        .find(|path| path.is_file())
}

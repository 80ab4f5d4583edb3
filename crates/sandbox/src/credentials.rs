//! The made-up credentials that the services accept. They open nothing but the sandbox.

/// The name that a history gets, in place of the login name.
pub const USER: &str = "robin";
/// GitHub token of the first release lead; may push.
pub const GITHUB_TOKEN: &str = "ghp_sandboxleadsandboxleadsandboxlead0000";
/// GitHub token of the second release lead; may push.
pub const GITHUB_TOKEN_SECOND: &str = "ghp_sandboxotherleadsandboxotherlead0000";
/// GitHub token of somebody who may only read.
pub const GITHUB_TOKEN_READER: &str = "ghp_sandboxreadersandboxreaderreader0000";
/// Jira account.
pub const JIRA_USERNAME: &str = "demo-lead@example.com";
/// Jira API token of [`JIRA_USERNAME`].
pub const JIRA_TOKEN: &str = "sandbox-jira-token";
/// GitLab personal access token.
pub const GITLAB_TOKEN: &str = "glpat-sandboxsandbox0000";
/// Slack bot token with every scope the programs need.
pub const SLACK_BOT_TOKEN: &str = "xoxb-0000000000-sandbox";
/// Slack bot token without `channels:history`, `users:read.email` and `usergroups:read`.
pub const SLACK_BOT_TOKEN_NARROW: &str = "xoxb-0000000001-sandbox";
/// Slack app-level token that opens sockets.
pub const SLACK_APP_TOKEN: &str = "xapp-1-A0000SANDB-sandbox";
/// Key of the demonstration's encrypted configuration document (the raw 16 bytes that `OAR_JWK` holds).
pub const JWK: &str = "oar-demo-key-16b";
/// Bearer token for Gangway.
pub const APITOKEN: &str = "sha256~sandbox-apitoken-00000000";
/// Bearer token whose owner may start none of our jobs.
pub const APITOKEN_OTHER_TENANT: &str = "sha256~sandbox-apitoken-00000001";
/// Jenkins account.
pub const JENKINS_USER: &str = "rlead";
/// Jenkins API token of [`JENKINS_USER`].
pub const JENKINS_TOKEN: &str = "11sandboxjenkinsapitoken0000000000";
/// Bearer token that may read the bucket of QE's artifacts.
pub const GCS_TOKEN: &str = "ya29.sandbox-artifacts-reader-000000";
/// Bearer token of somebody who may not.
pub const GCS_TOKEN_STRANGER: &str = "ya29.sandbox-artifacts-stranger-0000";
/// Bearer token for the CI cluster that may label release payloads and hold leases.
pub const KUBE_TOKEN: &str = "sha256~sandbox-kube-modifier-0000000";
/// Account of the registry that may pull private images.
pub const REGISTRY_USER: &str = "demo+puller";
/// Password of [`REGISTRY_USER`].
pub const REGISTRY_PASSWORD: &str = "sandbox-registry-password-0000000";
/// Identity token of [`REGISTRY_USER`], which is exchanged for others.
pub const REGISTRY_IDENTITY_TOKEN: &str = "sandbox-registry-identity-00000000";
/// Bearer token for the CI cluster that may only read.
pub const KUBE_TOKEN_READER: &str = "sha256~sandbox-kube-reader-000000000";

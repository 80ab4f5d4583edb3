//! Whether everything that a release needs is there, looked at before the first effect. Nothing here writes.
//!
//! The checks run at the same time, each with a limit. One that could not look is unknown, and never ok.

mod finding;
mod github;
mod gitlab;
mod hosts;
mod jira;
mod jobs;
mod local;
mod slack;

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::OnceCell;

pub use finding::{Finding, FindingVerdict};
pub use slack::{ScopeNeed, add_missing_scopes, channel_problem, class_of_named};

use crate::clients::{ClientError, Clients};
use crate::config::{ConfigStore, Flow};
use crate::error::ErrorClass;
use crate::failures::gravest;
use crate::version::ReleaseVersion;

/// How long a check may take; all run at the same time.
const LIMIT: Duration = Duration::from_secs(9);
/// How long one attempt of a request may take: two of them are less than the limit of a check.
const REQUEST_LIMIT: Duration = Duration::from_secs(4);

/// For what everything must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One release.
    Release(ReleaseVersion),
    /// All releases, and the agents that work on them.
    Releases,
    /// The tests of builds.
    Builds,
}

/// What the checks found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// Whether nothing that is needed is missing; null when a check that matters could not look.
    pub ready: Option<bool>,
    /// When it was looked.
    pub checked_at: String,
    /// What was found, in the order of the checks.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// The class that decides the exit code: what is missing before what could not be looked at.
    pub fn class(&self) -> Option<ErrorClass> {
        gravest(self.findings.iter().filter_map(Finding::class))
    }

    /// How many findings have this verdict and are needed.
    pub fn count(&self, verdict: FindingVerdict) -> usize {
        self.findings.iter().filter(|finding| finding.needed && finding.verdict == verdict).count()
    }
}

/// What the checks share.
struct Examination<'a> {
    clients: &'a Clients,
    subject: &'a Subject,
    config: OnceCell<Result<ConfigStore, Finding>>,
}

impl Examination<'_> {
    /// The release's build data; `None` without a release, or when it could not be read, which is a finding by itself.
    async fn config(&self) -> Option<&ConfigStore> {
        self.read_config().await?.as_ref().ok()
    }

    async fn read_config(&self) -> Option<&Result<ConfigStore, Finding>> {
        let Subject::Release(release) = self.subject else { return None };
        let read = || async {
            let settings = self.clients.settings();
            let read = settings.release(release, self.clients.http()).await;
            read.map_err(|error| Finding::of_error(hosts::BUILD_DATA, &error))
        };
        Some(self.config.get_or_init(read).await)
    }

    /// Whether the release ships only by advisories; `false` when that is not known, as nearly all have a shipment.
    async fn is_errata_flow(&self) -> bool {
        self.config().await.is_some_and(|config| config.flow() == Flow::Errata)
    }

    fn is_about_builds(&self) -> bool {
        *self.subject == Subject::Builds
    }
}

/// A check: the names of what it finds, and the work.
type Check<'a> = (&'static [&'static str], BoxFuture<'a, Vec<Finding>>);

/// Looks at everything that `subject` needs, in less than ten seconds.
///
/// # Errors
///
/// The HTTP stack cannot be set up.
pub async fn examine(clients: &Clients, subject: &Subject) -> Result<Diagnosis, ClientError> {
    let hurried = clients.hurried(REQUEST_LIMIT)?;
    let at = Examination { clients: &hurried, subject, config: OnceCell::new() };
    let mut checks: Vec<Check<'_>> = vec![
        (&[local::KEY, local::DOCUMENT], std::future::ready(local::document(&at)).boxed()),
        (&[local::ENVIRONMENT], std::future::ready(local::environment(&at)).boxed()),
        (&[github::TOKEN, github::REPOSITORY], github::check(&at).boxed()),
    ];
    if at.is_about_builds() {
        checks.push((&[jobs::GANGWAY], jobs::gangway(&at).boxed()));
        checks.push((&[jobs::ARTIFACTS], jobs::artifacts(&at).boxed()));
        checks.push((&[jobs::CLUSTER], jobs::cluster(&at).boxed()));
    } else {
        checks.push((&[hosts::BUILD_DATA], hosts::build_data(&at).boxed()));
        checks.push((&[local::TICKET, local::ERRATA], local::kerberos(&at).boxed()));
        checks.push((&[gitlab::TOKEN, gitlab::PROJECT, gitlab::APPROVAL], gitlab::check(&at).boxed()));
        checks.push((&[jira::TOKEN, jira::PROJECTS], jira::check(&at).boxed()));
        checks.push((&[slack::TOKEN, slack::CHANNELS, slack::GROUPS], slack::check(&at).boxed()));
        checks.push((&[jobs::JENKINS], jobs::jenkins(&at).boxed()));
        checks.push((&[jobs::GANGWAY], jobs::gangway(&at).boxed()));
        checks.push((&[local::ELLIOTT], local::elliott(&at).boxed()));
        checks.push((&[jobs::SPREADSHEET], jobs::spreadsheet(&at).boxed()));
        checks.push((&[hosts::REGISTRY], hosts::registry(&at).boxed()));
        if *subject == Subject::Releases {
            checks.push((&[slack::APP_TOKEN], std::future::ready(slack::app_token(&at)).boxed()));
            checks.push((&[hosts::DIRECTORY], hosts::directory(&at).boxed()));
        }
    }
    checks.push((&[hosts::HOSTS, hosts::CLOCK], hosts::check(&at).boxed()));
    let findings = join_all(checks.into_iter().map(|(names, work)| bounded(names, work, LIMIT))).await;
    let findings: Vec<Finding> = findings.into_iter().flatten().collect();
    let mut diagnosis = Diagnosis { ready: None, checked_at: clients.clock().stamp(), findings };
    diagnosis.ready = match diagnosis.class() {
        None => Some(true),
        Some(ErrorClass::Unavailable) => None,
        Some(_) => Some(false),
    };
    Ok(diagnosis)
}

/// What `work` finds; all of it is unknown when it takes longer than `limit`.
async fn bounded(names: &[&'static str], work: BoxFuture<'_, Vec<Finding>>, limit: Duration) -> Vec<Finding> {
    match tokio::time::timeout(limit, work).await {
        Ok(findings) => findings,
        Err(_) => names
            .iter()
            .map(|name| {
                let text = format!("the check did not end within {} s", limit.as_secs());
                Finding::unknown(
                    name,
                    text,
                    "Check the network (VPN, proxy), then run the same command again.",
                )
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_unknown_for_everything_that_it_looks_at() {
        let hangs = std::future::pending().boxed();
        let found = bounded(&["a", "b"], hangs, LIMIT).await;
        let verdicts: Vec<_> = found.iter().map(|one| (one.check, one.verdict)).collect();
        assert_eq!(verdicts, [("a", FindingVerdict::Unknown), ("b", FindingVerdict::Unknown)]);
        assert!(found.iter().all(|one| one.class() == Some(ErrorClass::Unavailable)));
        assert!(LIMIT < Duration::from_secs(10));
    }

    #[test]
    fn what_is_missing_decides_before_what_is_unknown() {
        let of =
            |findings: Vec<Finding>| Diagnosis { ready: None, checked_at: String::new(), findings }.class();
        let (missing, unknown) = (Finding::missing("a", "x", ""), Finding::unknown("b", "x", ""));
        assert_eq!(of(vec![unknown.clone(), missing]), Some(ErrorClass::Configuration));
        assert_eq!(of(vec![unknown]), Some(ErrorClass::Unavailable));
        assert_eq!(of(vec![Finding::ok("a", "x"), Finding::untold("b", "x", "")]), None);
    }
}

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
pub use local::document_problems;
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
    /// What every release needs, whichever it is.
    NoRelease,
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

    /// How many findings decide the exit code by this class.
    pub fn count(&self, class: ErrorClass) -> usize {
        self.findings.iter().filter(|finding| finding.class() == Some(class)).count()
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
        self.config().await;
        self.is_known_errata_flow()
    }

    /// The same, by what has been read by now.
    fn is_known_errata_flow(&self) -> bool {
        let read = self.config.get().and_then(|read| read.as_ref().ok());
        read.is_some_and(|config| config.flow() == Flow::Errata)
    }

    fn is_about_builds(&self) -> bool {
        *self.subject == Subject::Builds
    }
}

/// A check.
struct Check<'a> {
    /// The names of what it finds.
    names: &'static [&'static str],
    work: BoxFuture<'a, Vec<Finding>>,
    /// Whether what it looks at is needed; asked when it did not end.
    needed: fn(&Examination<'_>) -> bool,
}

impl<'a> Check<'a> {
    fn new(names: &'static [&'static str], work: impl Future<Output = Vec<Finding>> + Send + 'a) -> Self {
        Self { names, work: work.boxed(), needed: |_| true }
    }

    /// The same check of something that is needed only as `needed` says.
    fn needed_if(mut self, needed: fn(&Examination<'_>) -> bool) -> Self {
        self.needed = needed;
        self
    }

    fn optional(self) -> Self {
        self.needed_if(|_| false)
    }
}

/// Looks at everything that `subject` needs, in less than ten seconds.
///
/// # Errors
///
/// The HTTP stack cannot be set up.
pub async fn examine(clients: &Clients, subject: &Subject) -> Result<Diagnosis, ClientError> {
    let hurried = clients.hurried(REQUEST_LIMIT)?;
    let began = clients.clock().now();
    let at = Examination { clients: &hurried, subject, config: OnceCell::new() };
    let checks = checks(&at);
    let findings = join_all(checks.into_iter().map(|check| bounded(check, &at, LIMIT))).await;
    let mut findings: Vec<Finding> = findings.into_iter().flatten().collect();
    // Only now is it known which hosts were asked.
    findings.extend(hosts::certificates(&hurried.http().certificates().ends(began), clients.clock().now()));
    let mut diagnosis = Diagnosis { ready: None, checked_at: clients.clock().stamp(), findings };
    diagnosis.ready = match diagnosis.class() {
        None => Some(true),
        Some(ErrorClass::Unavailable) => None,
        Some(_) => Some(false),
    };
    Ok(diagnosis)
}

/// What is looked at for the subject.
fn checks<'a>(at: &'a Examination<'a>) -> Vec<Check<'a>> {
    let mut checks = vec![
        Check::new(&[local::KEY, local::DOCUMENT], std::future::ready(local::document(at))),
        Check::new(&[local::ENVIRONMENT], std::future::ready(local::environment(at))),
        Check::new(&[github::TOKEN, github::REPOSITORY], github::check(at)).needed_if(github::is_needed),
    ];
    if at.is_about_builds() {
        checks.push(Check::new(&[jobs::GANGWAY], jobs::gangway(at)));
        checks.push(Check::new(&[jobs::ARTIFACTS], jobs::artifacts(at)));
        checks.push(Check::new(&[jobs::CLUSTER], jobs::cluster(at)));
    } else {
        let has_shipment = |at: &Examination<'_>| !at.is_known_errata_flow();
        if matches!(at.subject, Subject::Release(_) | Subject::NoRelease) {
            checks.push(Check::new(&[hosts::BUILD_DATA], hosts::build_data(at)));
        }
        checks.push(Check::new(&[local::TICKET, local::ERRATA], local::kerberos(at)));
        let gitlab = &[gitlab::TOKEN, gitlab::PROJECT, gitlab::APPROVAL];
        checks.push(Check::new(gitlab, gitlab::check(at)).needed_if(has_shipment));
        checks.push(Check::new(&[jira::TOKEN, jira::PROJECTS], jira::check(at)));
        checks.push(Check::new(&[slack::TOKEN, slack::CHANNELS, slack::GROUPS], slack::check(at)));
        checks.push(Check::new(&[jobs::JENKINS], jobs::jenkins(at)));
        checks.push(Check::new(&[jobs::GANGWAY], jobs::gangway(at)).needed_if(has_shipment));
        checks.push(Check::new(&[local::ELLIOTT], local::elliott(at)));
        let spreadsheet = Check::new(&[jobs::SPREADSHEET], jobs::spreadsheet(at));
        checks.push(spreadsheet.needed_if(jobs::needs_spreadsheet));
        checks.push(Check::new(&[hosts::REGISTRY], hosts::registry(at)));
        if *at.subject == Subject::Releases {
            checks.push(Check::new(&[github::RECORDS], github::records(at)).optional());
            checks.push(Check::new(&[jira::BUGS], jira::bugs(at)).optional());
            checks.push(Check::new(&[slack::BOT_SCOPES], slack::bot_scopes(at)).optional());
            checks.push(Check::new(&[slack::APP_TOKEN], std::future::ready(slack::app_token(at))).optional());
            checks.push(Check::new(&[hosts::DIRECTORY], hosts::directory(at)).optional());
        }
    }
    checks.push(Check::new(&[hosts::HOSTS, hosts::CLOCK], hosts::check(at)));
    checks
}

/// What `check` finds; all of it is unknown when it takes longer than `limit`.
async fn bounded(check: Check<'_>, at: &Examination<'_>, limit: Duration) -> Vec<Finding> {
    let Check { names, work, needed } = check;
    match tokio::time::timeout(limit, work).await {
        Ok(findings) => findings,
        Err(_) => names
            .iter()
            .map(|name| {
                let text = format!("the check did not end within {} s", limit.as_secs());
                let next = "Check the network (VPN, proxy), then run the same command again.";
                Finding::unknown(name, text, next).needed_if(needed(at))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::{Environment, Settings};
    use crate::http::Http;
    use crate::redact::Redactor;

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_unknown_for_everything_that_it_looks_at() {
        let settings = Settings::load(&Environment::from_pairs([("OAR_JWK", "")])).unwrap();
        let http = Http::new(settings.http().clone(), Clock::system(), Redactor::default()).unwrap();
        let clients = Clients::new(settings, http);
        let at = Examination { clients: &clients, subject: &Subject::Releases, config: OnceCell::new() };
        let hangs = || Check::new(&["a", "b"], std::future::pending());
        let found = bounded(hangs(), &at, LIMIT).await;
        let verdicts: Vec<_> = found.iter().map(|one| (one.check, one.verdict)).collect();
        assert_eq!(verdicts, [("a", FindingVerdict::Unknown), ("b", FindingVerdict::Unknown)]);
        assert!(found.iter().all(|one| one.class() == Some(ErrorClass::Unavailable)));
        assert!(LIMIT < Duration::from_secs(10));
        let found = bounded(hangs().optional(), &at, LIMIT).await;
        assert!(found.iter().all(|one| one.verdict == FindingVerdict::Unknown && one.class().is_none()));
    }

    #[test]
    fn what_is_missing_decides_before_what_is_unknown() {
        let of =
            |findings: Vec<Finding>| Diagnosis { ready: None, checked_at: String::new(), findings }.class();
        let (missing, unknown) = (Finding::missing("a", "x", ""), Finding::unknown("b", "x", ""));
        assert_eq!(of(vec![unknown.clone(), missing]), Some(ErrorClass::Configuration));
        assert_eq!(of(vec![unknown]), Some(ErrorClass::Unavailable));
        assert_eq!(of(vec![Finding::ok("a", "x"), Finding::untold("b", "x", "")]), None);
        let findings = vec![Finding::unknown("a", "x", ""), Finding::untold("b", "x", "")];
        let diagnosis = Diagnosis { ready: None, checked_at: String::new(), findings };
        assert_eq!(diagnosis.count(ErrorClass::Unavailable), 1, "what nobody tells does not decide");
    }
}

//! Everything the services know, shared by all handlers.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    clock::{Clock, ClockStart},
    faults::Faults,
    requests::RequestLog,
    services::{
        access, advisory_content, brew, catalog, errata, gcs, github, gitlab, google_oauth, jenkins, jira,
        kubernetes, mirror, prow, pyxis, registry, release_controller, sheets, slack,
    },
    stop::Stop,
    unexpected::UnexpectedLog,
};

/// What every handler gets as axum state.
pub type Shared = Arc<World>;

/// The state of one service behind its own lock. Handlers do not hold it across an await.
#[derive(Debug, Default)]
pub struct Module<T>(Mutex<T>);

impl<T> Module<T> {
    /// Exclusive access to the state.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the control interface needs from each service.
pub trait Simulated {
    /// The state as the control interface shows it.
    fn snapshot(&self) -> Value;

    /// A change that the control interface asks for. `now` is the sandbox's present instant. The error text
    /// says which operations there are or what is wrong with the body.
    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        let _ = (body, now);
        Err(format!("no operation {operation} on this service"))
    }
}

/// All services and what they share.
#[derive(Debug)]
pub struct World {
    /// Where the services are, without a slash at the end: `http://127.31.9.4:8765`, an address that only this sandbox has.
    pub base_url: String,
    /// The time in all services.
    pub clock: Clock,
    /// Everything that was asked.
    pub requests: RequestLog,
    /// What goes wrong on demand.
    pub faults: Faults,
    /// What no service knows.
    pub unexpected: UnexpectedLog,
    /// Whether it shall end.
    pub stop: Stop,
    pub(crate) latency: AtomicU64,
    /// Repositories, branches, files, build data.
    pub github: Module<github::State>,
    /// Channels, users, groups, messages.
    pub slack: Module<slack::State>,
    /// Advisories.
    pub errata: Module<errata::State>,
    /// Issues.
    pub jira: Module<jira::State>,
    /// Projects and merge requests.
    pub gitlab: Module<gitlab::State>,
    /// Release streams and payloads.
    pub release_controller: Module<release_controller::State>,
    /// Release signatures.
    pub mirror: Module<mirror::State>,
    /// The staging container catalog.
    pub catalog: Module<catalog::State>,
    /// The public container catalog.
    pub public_catalog: Module<catalog::State>,
    /// Jobs, queue and builds of Jenkins.
    pub jenkins: Module<jenkins::State>,
    /// Prow jobs, and who may start them through Gangway.
    pub prow: Module<prow::State>,
    /// Grades by build.
    pub pyxis: Module<pyxis::State>,
    /// Advisory files.
    pub advisory_content: Module<advisory_content::State>,
    /// Images.
    pub registry: Module<registry::State>,
    /// Advisory pages.
    pub access: Module<access::State>,
    /// Koji builds.
    pub brew: Module<brew::State>,
    /// Google's service accounts and their tokens.
    pub google_oauth: Module<google_oauth::State>,
    /// Google's spreadsheets.
    pub sheets: Module<sheets::State>,
    /// Artifacts of Prow jobs.
    pub gcs: Module<gcs::State>,
    /// Release payload objects and leases.
    pub kubernetes: Module<kubernetes::State>,
}

impl World {
    /// Empty services under `base_url`.
    pub fn new(base_url: String, clock: ClockStart) -> Self {
        Self {
            base_url,
            clock: Clock::new(clock),
            requests: RequestLog::default(),
            faults: Faults::default(),
            unexpected: UnexpectedLog::default(),
            stop: Stop::default(),
            latency: AtomicU64::new(0),
            github: Module::default(),
            slack: Module::default(),
            errata: Module::default(),
            jira: Module::default(),
            gitlab: Module::default(),
            release_controller: Module::default(),
            mirror: Module::default(),
            catalog: Module::default(),
            public_catalog: Module::default(),
            jenkins: Module::default(),
            prow: Module::default(),
            pyxis: Module::default(),
            advisory_content: Module::default(),
            registry: Module::default(),
            access: Module::default(),
            brew: Module::default(),
            google_oauth: Module::default(),
            sheets: Module::default(),
            gcs: Module::default(),
            kubernetes: Module::default(),
        }
    }

    /// Every answer waits this long.
    pub fn set_latency(&self, latency: Duration) {
        self.latency.store(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// How long every answer waits.
    pub fn latency(&self) -> Duration {
        Duration::from_millis(self.latency.load(Ordering::SeqCst))
    }

    /// The address of a service: `/jira` gives `http://127.0.0.1:8765/jira`.
    pub fn url(&self, prefix: &str) -> String {
        format!("{}{prefix}", self.base_url)
    }

    /// Runs `f` on the state of the service with this name; `None` when there is no such service.
    pub fn with_service<R>(&self, service: &str, f: impl FnOnce(&mut dyn Simulated) -> R) -> Option<R> {
        Some(match service {
            "github" => f(&mut *self.github.lock()),
            "slack" => f(&mut *self.slack.lock()),
            "errata" => f(&mut *self.errata.lock()),
            "jira" => f(&mut *self.jira.lock()),
            "gitlab" => f(&mut *self.gitlab.lock()),
            "release-controller" => f(&mut *self.release_controller.lock()),
            "mirror" => f(&mut *self.mirror.lock()),
            "catalog" => f(&mut *self.public_catalog.lock()),
            "catalog-stage" => f(&mut *self.catalog.lock()),
            "jenkins" => f(&mut *self.jenkins.lock()),
            "prow" | "gangway" => f(&mut *self.prow.lock()),
            "pyxis" => f(&mut *self.pyxis.lock()),
            "advisory-content" => f(&mut *self.advisory_content.lock()),
            "registry" => f(&mut *self.registry.lock()),
            "access" => f(&mut *self.access.lock()),
            "brewhub" | "brewroot" => f(&mut *self.brew.lock()),
            "google-oauth" => f(&mut *self.google_oauth.lock()),
            "sheets" => f(&mut *self.sheets.lock()),
            "gcs" => f(&mut *self.gcs.lock()),
            "kubernetes" => f(&mut *self.kubernetes.lock()),
            _ => return None,
        })
    }
}

//! The services of one call, made from the environment.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use cli_support::{CliError, Session};
use jiff::SignedDuration;
use oar_core::clients::github::InvalidRepository;
use oar_core::clients::kube::LeaseHolder;
use oar_core::clients::prow::ProwClient;
use oar_core::clock::Clock;
use oar_core::config::{Credential, Settings};
use oar_core::error::{Classified, ErrorClass};
use oar_core::http::Http;
use oar_core::prow::live::{LiveArtifacts, LiveBuilds, LiveJobs, LivePayloads, LiveRecords, LiveRegistries};
use oar_core::prow::names::{self, ResultName};
use oar_core::prow::outcome::Policy;
use oar_core::prow::record::ResultFile;
use oar_core::prow::world::{Records as _, World};
use oar_core::prow_services::ProwServices;
use oar_core::service::Service;
use oar_core::statebox::store::github::GithubStore;
use oar_core::version::Arch;

use crate::commands::failure;

/// The services.
pub(crate) struct Setup {
    services: ProwServices,
    builds: LiveBuilds,
    jobs: LiveJobs,
    records: LiveRecords,
    registries: LiveRegistries,
    clock: Clock,
    runtime: PathBuf,
}

impl Setup {
    pub(crate) fn new(session: &Session) -> Result<Self, CliError> {
        let settings = Settings::load(&session.environment)?;
        let http = Http::new(settings.http().clone(), session.clock.clone(), session.redactor.clone())
            .map_err(|error| CliError::new(ErrorClass::Configuration, error.to_string()))?;
        let runtime = session
            .environment
            .get(&oar_core::config::environment::XDG_RUNTIME_DIR)
            .map_or_else(std::env::temp_dir, PathBuf::from);
        let services = ProwServices::new(settings, http)?;
        let settings = services.settings();
        let mut controllers = HashMap::new();
        for arch in Arch::ALL {
            controllers.insert(arch, services.release_controller(arch.text())?);
        }
        let token = settings.credentials().optional(Credential::GangwayToken)?;
        let gangway = token.map(|_| services.gangway()).transpose()?;
        let state = settings.state();
        let repository = state.repository.parse().map_err(|error: InvalidRepository| {
            CliError::new(ErrorClass::Configuration, error.to_string())
        })?;
        let web = settings.endpoints().base(Service::GithubWeb).clone();
        let store = GithubStore::new(services.github()?, repository, state.record_branch.clone(), web);
        let folder = services.records().map_err(|error| failure(&error))?;
        let registries = services.registries().map_err(|error| failure(&error))?;
        Ok(Self {
            builds: LiveBuilds::new(controllers),
            jobs: LiveJobs { gangway, prow: services.prow() },
            records: LiveRecords::new(folder, store),
            registries: LiveRegistries::new(registries),
            clock: session.clock.clone(),
            runtime,
            services,
        })
    }

    /// Everything together.
    pub(crate) fn world(&self) -> World<'_> {
        World {
            builds: &self.builds,
            jobs: &self.jobs,
            records: &self.records,
            registries: &self.registries,
            clock: &self.clock,
            patience: SignedDuration::try_from(self.services.intent_lease()).unwrap_or(SignedDuration::MAX),
        }
    }

    /// How long the aggregator waits for what.
    pub(crate) fn policy(&self) -> Policy {
        Policy { intent_patience: self.services.intent_lease(), ..Policy::default() }
    }

    /// Forgets what one pass has read, so that the next one sees what changed.
    pub(crate) async fn refresh(&self) {
        self.registries.forget().await;
    }

    /// Fails without a token for Gangway, before anything is done that needs one later.
    pub(crate) fn require_gangway(&self) -> Result<(), CliError> {
        self.services.settings().credentials().require(Credential::GangwayToken)?;
        Ok(())
    }

    pub(crate) fn prow(&self) -> ProwClient {
        self.services.prow()
    }

    /// The artifacts of runs.
    pub(crate) fn artifacts(&self) -> Result<LiveArtifacts, CliError> {
        Ok(LiveArtifacts::new(self.services.artifacts()?))
    }

    /// The payload objects; `None` when nothing says how their cluster is reached.
    pub(crate) async fn payloads(&self) -> Result<LivePayloads, CliError> {
        self.services.cluster().await.map(LivePayloads::new).map_err(|error| failure(&error))
    }

    /// A contender for the lease that decides which replica works; `None` outside of a cluster.
    pub(crate) fn lease(
        &self,
        name: &str,
        identity: &str,
        duration: Duration,
    ) -> Result<Option<LeaseHolder>, CliError> {
        self.services.lease(name, identity, duration).map_err(|error| failure(&error))
    }

    /// Where lock files are.
    pub(crate) fn runtime_directory(&self) -> PathBuf {
        self.runtime.join("release-tests")
    }

    /// The record called `name`.
    pub(crate) async fn record(&self, name: &ResultName) -> Result<ResultFile, CliError> {
        let stored = self.records.store().read(&names::path(name)).await.map_err(|error| failure(&error))?;
        let stored = stored.ok_or_else(|| {
            failure(&oar_core::prow::change::ChangeError::Absent(name.clone()) as &dyn Classified)
        })?;
        ResultFile::parse(name, stored.text.as_bytes())
            .map_err(|problems| CliError::new(ErrorClass::Failed, problems.to_string()))
    }
}

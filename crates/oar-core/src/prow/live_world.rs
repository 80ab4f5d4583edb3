//! The real services, made from the settings.

use std::collections::HashMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::live::{LiveArtifacts, LiveBuilds, LiveJobs, LivePayloads, LiveRecords, LiveRegistries};
use super::outcome::Policy;
use super::world::World;
use crate::clients::{ClientError, Clients};
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::service::Service;
use crate::store::github::GithubStore;
use crate::version::{Arch, YStream};

/// The real builds, jobs, records and registries, for one pass; the next one makes a new value. Without a
/// token for Gangway nothing can be started.
#[derive(Debug)]
pub struct LiveWorld {
    clients: Clients,
    builds: LiveBuilds,
    jobs: LiveJobs,
    records: LiveRecords,
    registries: LiveRegistries,
    clock: Clock,
    intent_lease: Duration,
}

impl LiveWorld {
    /// The services behind `clients`. No request is sent yet.
    ///
    /// # Errors
    ///
    /// A setting is wrong, or GitHub's token is missing.
    pub fn new(clients: Clients) -> Result<Self, ConfigError> {
        let mut controllers = HashMap::new();
        for arch in Arch::ALL {
            controllers.insert(arch, clients.release_controller(arch)?);
        }
        Ok(Self {
            builds: LiveBuilds::new(controllers),
            jobs: LiveJobs { gangway: clients.gangway_if_set()?, prow: clients.prow() },
            records: LiveRecords::new(clients.records()?, record_store(&clients)?),
            registries: LiveRegistries::new(clients.registries()?),
            clock: clients.clock().clone(),
            intent_lease: clients.settings().prow()?.intent_lease,
            clients,
        })
    }

    /// The clients that it was made from.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The world for the controller and the aggregator.
    pub fn world(&self) -> World<'_> {
        World {
            builds: &self.builds,
            jobs: &self.jobs,
            records: &self.records,
            registries: &self.registries,
            clock: &self.clock,
            intent_lease: SignedDuration::try_from(self.intent_lease).unwrap_or(SignedDuration::MAX),
        }
    }

    /// The aggregator's time limits.
    pub fn policy(&self) -> Policy {
        Policy::with_intent_lease(self.intent_lease)
    }

    /// Refuses releases that are not supported, by the same list as the other programs.
    pub fn require_supported(&self, releases: impl IntoIterator<Item = YStream>) -> Result<(), ConfigError> {
        let versions = self.clients.settings().versions();
        releases.into_iter().try_for_each(|release| versions.check_stream(release))
    }

    /// The artifacts of runs; `None` when no account for reading them is set.
    pub fn artifacts(&self) -> Result<Option<LiveArtifacts>, ConfigError> {
        Ok(self.clients.artifacts_if_set()?.map(LiveArtifacts::new))
    }

    /// The payload objects; an error when no setting says how their cluster is reached.
    pub async fn payloads(&self) -> Result<LivePayloads, ClientError> {
        self.clients.cluster().await.map(LivePayloads::new)
    }
}

/// The store of single record files.
pub(in crate::prow) fn record_store(clients: &Clients) -> Result<GithubStore, ConfigError> {
    let state = clients.settings().state();
    let web = clients.settings().endpoints().base(Service::GithubWeb).clone();
    Ok(GithubStore::new(clients.github()?, state.repository.clone(), state.record_branch.clone(), web))
}

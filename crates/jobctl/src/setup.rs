//! The services of one call, made from the environment.

use std::collections::HashMap;
use std::time::Duration;

use agent::Leases;
use cli_support::{CliError, Session};
use jiff::SignedDuration;
use oar_core::clients::github::InvalidRepository;
use oar_core::clients::kube::LeaseHolder;
use oar_core::clients::prow::ProwClient;
use oar_core::clock::Clock;
use oar_core::config::{Credential, Credentials, Settings};
use oar_core::error::{Classified, ErrorClass};
use oar_core::http::Http;
use oar_core::prow::live::{LiveArtifacts, LiveBuilds, LiveJobs, LivePayloads, LiveRecords, LiveRegistries};
use oar_core::prow::names::{self, ResultName};
use oar_core::prow::outcome::Policy;
use oar_core::prow::record::ResultFile;
use oar_core::prow::world::{Records as _, World};
use oar_core::prow_services::{ProwServices, SetupError};
use oar_core::service::Service;
use oar_core::store::github::GithubStore;
use oar_core::version::{Arch, YStream};

use crate::commands::failure;

/// The services.
pub(crate) struct Setup {
    services: ProwServices,
    builds: LiveBuilds,
    jobs: LiveJobs,
    records: LiveRecords,
    registries: LiveRegistries,
    clock: Clock,
}

/// Fails when one of the credentials is not set, and names all that are not (spec 04 §1.3).
fn require(credentials: &Credentials, needed: &[Credential]) -> Result<(), CliError> {
    let mut missing = Vec::new();
    for credential in needed {
        if credentials.optional(*credential)?.is_none() {
            missing.push(credential.variable());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|variable| variable.name).collect();
    let purposes: Vec<String> =
        missing.iter().map(|variable| format!("{} to {}", variable.name, variable.purpose)).collect();
    Err(CliError::new(
        ErrorClass::Configuration,
        format!("Missing required environment variables: {}", names.join(", ")),
    )
    .with_hint(format!("Set {}.", purposes.join("; "))))
}

impl Setup {
    /// The services of a command that needs these credentials besides GitHub's.
    pub(crate) fn new(session: &Session, needed: &[Credential]) -> Result<Self, CliError> {
        let settings = Settings::load(&session.environment)?;
        require(settings.credentials(), &[&[Credential::GithubToken], needed].concat())?;
        let http = Http::new(settings.http().clone(), session.clock.clone(), session.redactor.clone())?;
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
            services,
        })
    }

    /// Refuses releases that the other programs refuse: the supported ones are one list.
    pub(crate) fn require_supported(
        &self,
        releases: impl IntoIterator<Item = YStream>,
    ) -> Result<(), CliError> {
        let versions = self.services.settings().versions();
        Ok(releases.into_iter().try_for_each(|release| versions.check_stream(release))?)
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

    pub(crate) fn prow(&self) -> ProwClient {
        self.services.prow()
    }

    /// The artifacts of runs; `None` when no account is named that may read them.
    pub(crate) fn artifacts(&self) -> Result<Option<LiveArtifacts>, CliError> {
        let account = self.services.settings().credentials().optional(Credential::ArtifactsAccountFile)?;
        Ok(account.map(|_| self.services.artifacts()).transpose()?.map(LiveArtifacts::new))
    }

    /// The payload objects; an error when nothing says how their cluster is reached.
    pub(crate) async fn payloads(&self) -> Result<LivePayloads, SetupError> {
        self.services.cluster().await.map(LivePayloads::new)
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

impl Leases for Setup {
    fn lease(&self, name: &str, identity: &str, duration: Duration) -> Result<Option<LeaseHolder>, CliError> {
        self.services.lease(name, identity, duration).map_err(|error| failure(&error))
    }
}

#[cfg(test)]
mod tests {
    use cli_support::ExitCode;
    use oar_core::config::Environment;

    use super::*;

    #[test]
    fn all_missing_credentials_are_named_at_once() {
        let needed = [Credential::GithubToken, Credential::GangwayToken, Credential::ArtifactsAccountFile];
        for (set, expected) in [
            (&[("GITHUB_TOKEN", "a"), ("APITOKEN", "b"), ("GCS_CRED_FILE", "/c")][..], None),
            (&[("GITHUB_TOKEN", "a")], Some("APITOKEN, GCS_CRED_FILE")),
            (&[("APITOKEN", " ")], Some("GITHUB_TOKEN, APITOKEN, GCS_CRED_FILE")),
        ] {
            let settings = Settings::load(&Environment::from_pairs(set.iter().copied())).unwrap();
            let error = require(settings.credentials(), &needed).err();
            let message = error.as_ref().map(|error| error.message.clone());
            let words = expected.map(|names| format!("Missing required environment variables: {names}"));
            assert_eq!(message, words);
            assert!(error.is_none_or(|error| error.code == ExitCode::Configuration && error.hint.is_some()));
        }
    }
}

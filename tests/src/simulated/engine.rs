//! The engine in this process, and the commands of people.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::sync::Arc;

use async_trait::async_trait;
use oar_core::clients::Clients;
use oar_core::config::Environment;
use oar_core::flow::consent::{Consent, Question};
use oar_core::flow::interrupt::Interrupt;
use oar_core::flow::outcome::{Refusal, TaskError};
use oar_core::operations::advance::Advanced;
use oar_core::operations::drive::{Drive, DriveOnce, Passed};
use oar_core::operations::oarctl::drive::DriveReleases;
use oar_core::operations::{Call, NoConsent, Program, perform, row};
use oar_core::permit::WritePermit;
use oar_core::version::ReleaseVersion;
use sandbox::Sandbox;
use serde_json::Value;

use crate::Harness;
use crate::in_process::{clients, clock, environment};

/// A process that drives a release.
#[derive(Debug)]
pub(super) struct Engine {
    sandbox: Sandbox,
    environment: Environment,
    clients: Clients,
}

/// A person who agrees.
#[derive(Debug)]
struct Yes;

#[async_trait]
impl Consent for Yes {
    async fn ask(&self, _question: Question<'_>) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Engine {
    pub(super) fn start(harness: &Harness) -> Self {
        let (environment, sandbox) = (environment(harness), harness.sandbox.clone());
        let clients = clients(&environment, clock(&sandbox));
        Self { sandbox, environment, clients }
    }

    /// Ends this process and starts another one.
    pub(super) fn restart(&mut self) {
        self.clients = clients(&self.environment, clock(&self.sandbox));
    }

    fn call(&self, release: &ReleaseVersion, consent: Arc<dyn Consent>) -> Call {
        let (_, interrupt) = Interrupt::channel();
        let call = Call::new(self.clients.clone(), interrupt).about(release.clone()).unwrap();
        call.permitted(WritePermit::granted_by_user_interface(), consent)
    }

    /// One pass over the release.
    pub(super) async fn pass(&self, release: &ReleaseVersion) -> Result<Advanced, String> {
        match perform(DriveOnce::default(), &self.call(release, Arc::new(NoConsent))).await {
            Ok(Passed::Advanced(advanced)) => Ok(*advanced),
            Ok(Passed::Plan(_)) => Err("a pass is no plan".to_owned()),
            Err(error) => Err(error.inner().to_string()),
        }
    }

    /// One pass over all releases, as the timer makes it; with what stands where in `release` afterwards.
    pub(super) async fn pass_over_all(&self, release: &ReleaseVersion) -> Result<Advanced, String> {
        let call = self.call(release, Arc::new(NoConsent));
        let in_words = |error: TaskError| error.inner().to_string();
        let answer = perform(DriveReleases::default(), &call).await.map_err(in_words)?;
        let plan = perform(Drive::default(), &call).await.map_err(in_words)?;
        let name = release.to_string();
        let row = answer.rows.into_iter().find(|row| row.release == name);
        let row = row.unwrap_or_else(|| panic!("{name} is not among the active releases"));
        let (runs, told, warnings) = (row.runs, row.told, row.problems);
        Ok(Advanced { release: name, runs, told, warnings, plan, signal: None })
    }

    /// A command that a person gives; the result or the problem, in words.
    pub(super) async fn command(
        &self,
        release: &ReleaseVersion,
        command: &str,
        arguments: Value,
    ) -> Result<String, String> {
        let call = self.call(release, Arc::new(Yes)).by("lead");
        let row = row(Program::Oar, command).unwrap_or_else(|| panic!("no command {command}"));
        match row.perform(arguments, &call).await {
            Ok(outcome) => match outcome.class {
                None => Ok(outcome.document.to_string()),
                Some(class) => Err(format!("{class:?}: {}", outcome.document)),
            },
            Err(error) => Err(error.inner().to_string()),
        }
    }
}

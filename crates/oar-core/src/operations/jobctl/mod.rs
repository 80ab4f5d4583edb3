//! The operations of `jobctl`: tests of builds and their acceptance. The work is in [`crate::prow`].

pub mod promote_test_results;
pub mod show;
pub mod start_aggregator;
pub mod start_controller;
pub mod trigger_jobs_for_build;
pub mod update_retried_job_run;
pub mod verify;

use crate::clients::Clients;
use crate::config::{Credential, Credentials};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::prow::LiveWorld;
use crate::version::Arch;

/// The architecture of what names none.
fn amd64() -> Arch {
    Arch::Amd64
}

/// The services of an operation that only reads.
fn live_world(clients: &Clients) -> Result<LiveWorld, TaskError> {
    live_world_to_change(clients, true, &[])
}

/// The services of an operation that, unless it is a dry run, needs these credentials besides GitHub's.
fn live_world_to_change(
    clients: &Clients,
    dry_run: bool,
    needed: &[Credential],
) -> Result<LiveWorld, TaskError> {
    require(clients.settings().credentials(), if dry_run { &[] } else { needed })?;
    Ok(LiveWorld::new(clients.clone())?)
}

/// Fails when GitHub's token or one of the credentials is not set, and names all that are not (spec 04 §1.3).
fn require(credentials: &Credentials, needed: &[Credential]) -> Result<(), TaskError> {
    let mut missing = Vec::new();
    for credential in [&[Credential::GithubToken], needed].concat() {
        if credentials.optional(credential)?.is_none() {
            missing.push(credential.variable());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|variable| variable.name).collect();
    let purposes: Vec<String> =
        missing.iter().map(|variable| format!("{} to {}", variable.name, variable.purpose)).collect();
    Err(Refusal::new(
        ErrorClass::Configuration,
        format!("Missing required environment variables: {}", names.join(", ")),
    )
    .with_hint(format!("Set {}.", purposes.join("; ")))
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Settings};

    #[test]
    fn all_missing_credentials_are_named_at_once() {
        let needed = [Credential::GangwayToken, Credential::ArtifactsAccountFile];
        for (set, expected) in [
            (&[("GITHUB_TOKEN", "a"), ("APITOKEN", "b"), ("GCS_CRED_FILE", "/c")][..], None),
            (&[("GITHUB_TOKEN", "a")], Some("APITOKEN, GCS_CRED_FILE")),
            (&[("APITOKEN", " ")], Some("GITHUB_TOKEN, APITOKEN, GCS_CRED_FILE")),
        ] {
            let settings = Settings::load(&Environment::from_pairs(set.iter().copied())).unwrap();
            let error = require(settings.credentials(), &needed).err();
            let message = error.as_ref().map(|error| error.inner().to_string());
            let words = expected.map(|names| format!("Missing required environment variables: {names}"));
            assert_eq!(message, words);
            assert!(error.is_none_or(|error| {
                error.inner().class() == ErrorClass::Configuration && error.inner().hint().is_some()
            }));
        }
    }
}

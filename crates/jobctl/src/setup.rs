//! What a command works with, made from the environment.

use cli_support::{CliError, Session};
use oar_core::config::{Credential, Credentials};
use oar_core::error::ErrorClass;
use oar_core::prow::LiveWorld;

/// The services of a command that needs these credentials besides GitHub's; all that are not set are named at once
/// (spec 04 §1.3).
pub(crate) fn live_world(session: &Session, needed: &[Credential]) -> Result<LiveWorld, CliError> {
    let clients = session.clients()?;
    require(clients.settings().credentials(), &[&[Credential::GithubToken], needed].concat())?;
    Ok(LiveWorld::new(clients)?)
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

#[cfg(test)]
mod tests {
    use cli_support::ExitCode;
    use oar_core::config::{Environment, Settings};

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

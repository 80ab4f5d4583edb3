//! What a command works with, made from the environment.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use cli_support::{CliError, Session};
use oar_core::config::environment::XDG_RUNTIME_DIR;
use oar_core::config::{Credential, Credentials, Environment};
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

/// The directory of this user's lock files: others must not be able to hold them.
fn lock_directory(environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: &str| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let runtime = environment.get(&XDG_RUNTIME_DIR).and_then(absolute);
    let state = || Some(environment.get("HOME").and_then(absolute)?.join(".local/state"));
    Some(runtime.or_else(state)?.join("release-tests"))
}

/// Where lock files are, for nobody else; an error when the environment names no directory of this user.
pub(crate) fn make_lock_directory(environment: &Environment) -> Result<PathBuf, CliError> {
    let failed = |words: String| {
        CliError::new(ErrorClass::Configuration, words).with_hint(
            "Set XDG_RUNTIME_DIR to a directory in which this user may write; the lock file keeps two programs from \
             doing the same work.",
        )
    };
    let Some(directory) = lock_directory(environment) else {
        return Err(failed("there is no directory for the lock file".to_owned()));
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
    made.map_err(|error| failed(format!("cannot make {}: {error}", directory.display())))?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use cli_support::ExitCode;
    use oar_core::config::Settings;

    use super::*;

    #[test]
    fn lock_files_are_in_a_directory_of_the_user_alone() {
        for (pairs, directory) in [
            (
                &[("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/home/lead")][..],
                Some("/run/user/7/release-tests"),
            ),
            (&[("HOME", "/home/lead")], Some("/home/lead/.local/state/release-tests")),
            (
                &[("XDG_RUNTIME_DIR", "run"), ("HOME", "/home/lead")],
                Some("/home/lead/.local/state/release-tests"),
            ),
            (&[], None),
        ] {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(lock_directory(&environment), directory.map(PathBuf::from), "{pairs:?}");
        }
    }

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

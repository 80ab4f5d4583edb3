use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use oar_core::config::jwe::{self, JweError, Key};
use oar_core::config::{ConfigError, Document, SupportedVersions};
use oar_core::operators::doctor::document_problems;
use secrecy::ExposeSecret;

use super::input;
use crate::private;

/// Encrypt a plain document with the key in `OAR_JWK`
///
/// The document must be a JSON object that is not encrypted yet. Problems that `config check` would find are
/// shown as warnings. The result has no line break at its end, because the Python tooling does not accept
/// one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plain document; `-` for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Write to this file instead of standard output
    #[arg(short, long = "out", value_name = "OUT")]
    out: Option<PathBuf>,
    /// Do everything except writing the file of --out
    #[arg(long, requires = "out")]
    dry_run: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let key = Key::of(&session.environment)?;
    let plain = input::text_of(&args.input)?;
    if jwe::is_encrypted(plain.expose_secret()) {
        return Err(ConfigError::from(JweError::AlreadyEncrypted).into());
    }
    Document::parse(plain.expose_secret())?;
    let versions = SupportedVersions::beside(args.out.as_deref())?;
    let directory = args.out.as_deref().map(input::directory_of);
    let now = session.clock.now();
    for problem in document_problems(plain.expose_secret(), &versions, directory, now) {
        session.ui.warn(format!("{}: {}", problem.path, problem.message));
    }
    let encrypted = jwe::encrypt(plain.expose_secret(), &key).map_err(ConfigError::from)?;
    match &args.out {
        None if session.ui.is_json() => session.ui.json(&serde_json::json!({ "encrypted": encrypted })),
        None => session.ui.raw(encrypted),
        Some(path) => input::written(path, args.dry_run, session, || {
            private::replace(path, encrypted.as_bytes(), 0o644)
        })?,
    }
    Ok(ExitCode::Done)
}

use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use secrecy::ExposeSecret;

use super::input;
use crate::private;

/// Decrypt a document with the key in `OAR_JWK`
///
/// The plain document contains people's addresses: a file written with --out can be read by its owner only.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The encrypted document; `-` for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Write to this file (mode 0600) instead of standard output
    #[arg(short, long = "out", value_name = "OUT")]
    out: Option<PathBuf>,
    /// Do everything except writing the file of --out
    #[arg(long, requires = "out")]
    dry_run: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let encrypted = input::text_of(&args.input)?;
    let plain = input::decrypted(&encrypted, &args.input, session)?;
    match &args.out {
        // The document is JSON itself.
        None => session.ui.raw(plain.expose_secret()),
        Some(path) => input::written(path, args.dry_run, session, || {
            private::replace_private(path, plain.expose_secret().as_bytes())
        })?,
    }
    Ok(ExitCode::Done)
}

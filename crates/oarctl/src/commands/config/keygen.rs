use cli_support::{ExitCode, Session};
use oar_core::config::jwe::Key;
use secrecy::ExposeSecret;

/// Print a new key for `OAR_JWK`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) fn run(session: &Session) -> ExitCode {
    let key = Key::generate();
    session.ui.json(&serde_json::json!({ "key": key.text().expose_secret() }));
    session.ui.text(key.text().expose_secret());
    session.ui.note(
        "Keep the key in a password manager. Set OAR_JWK to it, then encrypt the document with \
         `oarctl config encrypt`.",
    );
    ExitCode::Done
}

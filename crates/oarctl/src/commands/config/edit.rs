use std::path::Path;

use cli_support::{CliError, ExitCode, Session};
use oar_core::config::jwe::{self, Key};
use oar_core::config::{ConfigError, Severity, SupportedVersions, check_document, find_document};
use oar_core::error::ErrorClass;
use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};

use super::{check, input};
use crate::editor::{self, Editor};
use crate::private::{self, PrivateDirectory};

/// Edit the document in your editor
///
/// Opens `VISUAL`, otherwise `EDITOR`, otherwise vi on a private temporary copy, checks the result, encrypts it with `OAR_JWK`
/// and replaces the document in one step. The copy is overwritten and removed, whatever happens. With errors in the
/// result nothing is written; on a terminal you can edit again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do everything but replace the document
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    // An interruption must not end the process before the copy is wiped.
    let _hold = session.interrupt.hold();
    let key = Key::of(&session.environment)?;
    let path = find_document(&session.environment)?;
    let versions = SupportedVersions::beside(Some(&path))?;
    let editor = Editor::of(&session.environment)?;
    let encrypted = input::text_of(&path)?;
    let plain = input::decrypted(&encrypted, &path, session)?;
    let presented = presentable(&plain);
    let places = ["XDG_RUNTIME_DIR"].iter().filter_map(|name| session.environment.get(*name));
    let places: Vec<_> = places.chain(["/dev/shm"]).map(Into::into).collect();
    let private = PrivateDirectory::create(&places).map_err(|error| no_copy(&error))?;
    let outcome = async {
        let copy =
            private.write("config_store.json", presented.expose_secret()).map_err(|error| no_copy(&error))?;
        loop {
            if let Some(code) = let_edit(&editor, &copy, session).await? {
                return Ok((code, None));
            }
            let edited = input::text_of(&copy)?;
            if edited.expose_secret() == presented.expose_secret() {
                return Ok((ExitCode::Done, None));
            }
            let problems = check_document(edited.expose_secret(), &versions);
            for problem in &problems {
                session.ui.note(check::line(problem));
            }
            if !problems.iter().any(|problem| problem.severity == Severity::Error) {
                return Ok((ExitCode::Done, Some(edited)));
            }
            if !session.ui.is_interactive() || !wants_to_edit_again(session).await? {
                return Err(CliError::new(
                    ErrorClass::Configuration,
                    "the edited document has errors; nothing was written",
                ));
            }
        }
    }
    .await;
    let wiped = private.wipe();
    let (code, edited) = outcome?;
    wiped.map_err(|error| {
        CliError::new(
            ErrorClass::Failed,
            format!("cannot remove the temporary copy of the document: {error}"),
        )
    })?;
    match edited {
        None if code == ExitCode::Done => session.ui.note("No change; nothing was written."),
        None => session.ui.note("Stopped; nothing was written."),
        Some(_) if args.dry_run => session.ui.note(format!("Would write {}.", path.display())),
        Some(edited) => {
            store(&path, &encrypted, &edited, &key)?;
            session.ui.note(format!("Wrote {}.", path.display()));
        }
    }
    Ok(code)
}

/// The text as people edit it: a document on one line is laid out.
fn presentable(plain: &SecretString) -> SecretString {
    let text = plain.expose_secret();
    if text.trim().contains('\n') {
        return plain.clone();
    }
    let laid_out = serde_json::from_str::<serde_json::Value>(text).map(|value| format!("{value:#}\n"));
    laid_out.map_or_else(|_| plain.clone(), SecretString::from)
}

/// Runs the editor to its end. A code means that the user wants to stop.
async fn let_edit(editor: &Editor, copy: &Path, session: &Session) -> Result<Option<ExitCode>, CliError> {
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| CliError::new(ErrorClass::Failed, format!("cannot listen for signals: {error}")))?;
    // Editors have their own use for Ctrl-C.
    let _shield = session.interrupt.shield();
    let mut child = editor.start(copy)?;
    let code = tokio::select! {
        status = child.wait() => {
            let status = status.map_err(|error| {
                CliError::new(ErrorClass::Failed, format!("cannot wait for the editor: {error}"))
            })?;
            return if status.success() { Ok(None) } else { Err(editor::failure(status)) };
        }
        signal = session.interrupt.wait() => ExitCode::from(signal),
        _ = hangup.recv() => ExitCode::Terminated,
    };
    editor::stop(&mut child).await;
    Ok(Some(code))
}

async fn wants_to_edit_again(session: &Session) -> Result<bool, CliError> {
    session.ui.note("Edit again? [Y/n]");
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|length| (length, answer))
    });
    tokio::select! {
        answer = answer => match answer {
            Ok(Ok((length, answer))) => Ok(length > 0 && !answer.trim().to_ascii_lowercase().starts_with('n')),
            _ => Ok(false),
        },
        _ = session.interrupt.wait() => Ok(false),
    }
}

/// Writes the edited document unless somebody else changed the file in the meantime.
fn store(path: &Path, before: &SecretString, edited: &SecretString, key: &Key) -> Result<(), CliError> {
    let encrypted = jwe::encrypt(edited.expose_secret(), key).map_err(ConfigError::from)?;
    if input::text_of(path)?.expose_secret() != before.expose_secret() {
        let message = format!("{} was changed while you were editing; nothing was written", path.display());
        return Err(
            CliError::new(ErrorClass::Conflict, message).with_hint("Edit again, on the changed document.")
        );
    }
    private::replace(path, encrypted.as_bytes(), 0o644).map_err(|error| input::not_written(path, &error))
}

fn no_copy(error: &std::io::Error) -> CliError {
    CliError::new(ErrorClass::Configuration, format!("cannot make a private temporary copy: {error}"))
}

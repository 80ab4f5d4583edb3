use std::fmt;
use std::path::{Path, PathBuf};

use cli_support::{CliError, ExitCode, Session};
use oar_core::config::jwe::{self, Key};
use oar_core::config::{ConfigError, Problem, Severity, SupportedVersions, find_document};
use oar_core::error::ErrorClass;
use oar_core::operators::doctor::document_problems;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::{check, input};
use crate::editor::{self, Editor};
use crate::private::{self, PrivateDirectory};

/// Edit the document in your editor
///
/// Opens `VISUAL`, otherwise `EDITOR`, otherwise vi on a private temporary copy, checks the result, encrypts
/// it with `OAR_JWK` and replaces the document atomically. The copy is always overwritten and removed, after a
/// kill by the next run. While the editor runs, Ctrl-C is the editor's. If the result has errors, nothing is written: on a terminal the editor opens again, with the errors as comments
/// above the document. Edits that could not be saved are kept in a file that only you can read, which is
/// named.
///
/// When `OAR_CONFIG` names a file that does not exist, the editor opens with an example document, and the
/// file is created if you change it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do everything except replacing the document
    #[arg(long)]
    dry_run: bool,
}

/// The initial content of a new document: made-up values for every key.
const EXAMPLE: &str = include_str!("../../../../../config/config_store.example.json");

/// The JSON output of `edit`, unless it fails.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    /// `written`, `would_write`, `unchanged`, `stopped`.
    result: &'static str,
    /// The warnings about the document that was written or would be.
    problems: Vec<Problem>,
    /// The file with the user's edits, when nothing was written.
    kept: Option<String>,
}

pub(super) async fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    // An interruption must not end the process before the copy is wiped.
    let _hold = session.interrupt.hold();
    let key = Key::of(&session.environment)?;
    let path = find_document(&session.environment)?;
    let versions = SupportedVersions::beside(Some(&path))?;
    let editor = Editor::of(&session.environment)?;
    editor.check(session.ui.is_interactive())?;
    let before = if is_absent(&path) { None } else { Some(input::text_of(&path)?) };
    let presented = if let Some(encrypted) = &before {
        presentable(&input::decrypted(encrypted, &path, session)?)
    } else {
        session.ui.note(format!(
            "{} does not exist. The editor opens with an example; nothing is written unless you change it.",
            path.display()
        ));
        SecretString::from(EXAMPLE)
    };
    let places = ["XDG_RUNTIME_DIR"].iter().filter_map(|name| session.environment.get(*name));
    let places: Vec<_> = places.chain(["/dev/shm"]).map(Into::into).collect();
    let temporary = session.environment.temporary();
    for left in private::remove_leftovers(&places, &temporary) {
        session.ui.warn(format!("removed {}, which an earlier run that was killed had left", left.display()));
    }
    let private = PrivateDirectory::create(&places, &temporary).map_err(|error| no_copy(&error))?;
    let mut problems = Vec::new();
    let outcome = async {
        let copy =
            private.write("config_store.json", presented.expose_secret()).map_err(|error| no_copy(&error))?;
        loop {
            let ended = let_edit(&editor, &copy, session).await;
            let edited = match input::text_of(&copy) {
                Ok(edited) => SecretString::from(without_comments(edited.expose_secret())),
                // A failed editor's error takes precedence.
                Err(error) => return Err(Unwritten { error: ended.err().unwrap_or(error), typed: None }),
            };
            let is_changed = edited.expose_secret() != presented.expose_secret();
            let typed = || is_changed.then(|| edited.clone());
            match ended {
                Err(error) => return Err(Unwritten { error, typed: typed() }),
                Ok(Some(code)) => return Ok((code, typed())),
                Ok(None) if !is_changed => return Ok((ExitCode::Done, None)),
                Ok(None) => {}
            }
            let directory = Some(input::directory_of(&path));
            problems = document_problems(edited.expose_secret(), &versions, directory, session.clock.now());
            for problem in &problems {
                session.ui.note(check::line(problem));
            }
            if !problems.iter().any(|problem| problem.severity == Severity::Error) {
                return Ok((ExitCode::Done, Some(edited)));
            }
            if !session.ui.is_interactive() || !wants_to_edit_again(session).await? {
                let error = CliError::new(
                    ErrorClass::Configuration,
                    "the edited document has errors; nothing was written",
                );
                return Err(Unwritten { error, typed: typed() });
            }
            let text = format!("{}{}", comments(&problems), edited.expose_secret());
            std::fs::write(&copy, text).map_err(|error| no_copy(&error))?;
        }
    }
    .await;
    let wiped = private.wipe();
    let kept = |typed: &SecretString| Kept::of(typed, &path, session);
    let (code, edited) = outcome.map_err(|unwritten| unwritten.kept_by(kept))?;
    wiped.map_err(|error| {
        CliError::new(
            ErrorClass::Failed,
            format!("cannot remove the temporary copy of the document: {error}"),
        )
    })?;
    let mut report =
        Report { file: path.display().to_string(), result: "unchanged", problems: Vec::new(), kept: None };
    if code != ExitCode::Done {
        report.result = "stopped";
        let typed = edited.as_ref().map(kept);
        session.ui.note(match &typed {
            Some(typed) => format!("Stopped; nothing was written. {typed}"),
            None => "Stopped; nothing was written.".to_owned(),
        });
        report.kept = typed.and_then(Kept::place);
    } else if let Some(edited) = edited {
        report.problems = problems;
        if args.dry_run {
            report.result = "would_write";
            session.ui.note(format!("Would write {}.", path.display()));
        } else {
            store(&path, before.as_ref(), &edited, &key)
                .map_err(|error| Unwritten { error, typed: Some(edited) }.kept_by(kept))?;
            report.result = "written";
            session.ui.note(format!("Wrote {}.", path.display()));
        }
    } else {
        session.ui.note("No change; nothing was written.");
    }
    session.ui.json(&report);
    Ok(code)
}

/// Why nothing was written, and the user's edits.
struct Unwritten {
    error: CliError,
    typed: Option<SecretString>,
}

impl From<CliError> for Unwritten {
    fn from(error: CliError) -> Self {
        Self { error, typed: None }
    }
}

impl Unwritten {
    /// The error, with the file in which the edits are kept.
    fn kept_by(self, keep: impl Fn(&SecretString) -> Kept) -> CliError {
        let Some(typed) = self.typed else { return self.error };
        let place = keep(&typed).to_string();
        let hint = match &self.error.hint {
            Some(hint) => format!("{place} {hint}"),
            None => place,
        };
        self.error.with_hint(hint)
    }
}

/// The file in which the edits are kept, or why they could not be kept.
struct Kept {
    path: PathBuf,
    document: PathBuf,
    written: std::io::Result<()>,
}

impl Kept {
    /// Keeps the edits in a file that only the user can read. They contain people's addresses, so the file is
    /// with the user's own files, not beside the document.
    fn of(typed: &SecretString, document: &Path, session: &Session) -> Self {
        let state = session.environment.state_home();
        let folder = state.unwrap_or_else(|| input::directory_of(document).to_owned());
        let name = format!("config-edit-{}-{}.json", session.clock.now().as_second(), std::process::id());
        let path = folder.join(name);
        let written = private::keep(&path, typed.expose_secret());
        Self { path, document: document.to_owned(), written }
    }

    /// The file, if there is one.
    fn place(self) -> Option<String> {
        self.written.ok().map(|()| self.path.display().to_string())
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, document) = (self.path.display(), self.document.display());
        match &self.written {
            Ok(()) => write!(
                formatter,
                "What you typed is kept in {path}, which only you can read. Correct it there, then: oarctl config encrypt \
                 {path} -o {document}; and remove it."
            ),
            Err(error) => write!(formatter, "What you typed could not be kept in {path}: {error}."),
        }
    }
}

/// The problems as comment lines, which are removed again when the text is read.
fn comments(problems: &[Problem]) -> String {
    let mut lines =
        vec!["# Nothing was written yet. Correct what follows; these lines are left out.".to_owned()];
    lines.extend(problems.iter().map(|problem| {
        let text = match problem.path.as_str() {
            "" => problem.message.clone(),
            path => format!("{path}: {}", problem.message),
        };
        format!("# {}: {}", problem.severity, text.split_whitespace().collect::<Vec<_>>().join(" "))
    }));
    lines.push(String::new());
    lines.join("\n")
}

/// The text without the comments above the document.
fn without_comments(text: &str) -> String {
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    text.split_inclusive('\n').skip_while(is_comment).collect()
}

/// The text for editing: a document on one line is formatted.
fn presentable(plain: &SecretString) -> SecretString {
    let text = plain.expose_secret();
    if text.trim().contains('\n') {
        return plain.clone();
    }
    let laid_out = serde_json::from_str::<serde_json::Value>(text).map(|value| format!("{value:#}\n"));
    laid_out.map_or_else(|_| plain.clone(), SecretString::from)
}

/// Runs the editor to its end. An exit code means that the user wants to stop.
async fn let_edit(editor: &Editor, copy: &Path, session: &Session) -> Result<Option<ExitCode>, CliError> {
    // Editors have their own use for Ctrl-C.
    let _shield = session.interrupt.foreground_child();
    let mut child = editor.start(copy)?;
    let code = tokio::select! {
        status = child.wait() => {
            let status = status.map_err(|error| {
                CliError::new(ErrorClass::Failed, format!("cannot wait for the editor: {error}"))
            })?;
            return if status.success() { Ok(None) } else { Err(editor::failure(status)) };
        }
        signal = session.interrupt.wait() => ExitCode::from(signal),
    };
    editor::stop(&mut child).await;
    Ok(Some(code))
}

async fn wants_to_edit_again(session: &Session) -> Result<bool, CliError> {
    session.ui.note("Edit again, with the errors as comments? [Y/n]");
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

/// Whether nothing exists at `path`; if that cannot be checked, something counts as existing.
fn is_absent(path: &Path) -> bool {
    path.try_exists().is_ok_and(|exists| !exists)
}

/// Writes the edited document unless somebody else changed the file in the meantime.
fn store(
    path: &Path,
    before: Option<&SecretString>,
    edited: &SecretString,
    key: &Key,
) -> Result<(), CliError> {
    let encrypted = jwe::encrypt(edited.expose_secret(), key).map_err(ConfigError::from)?;
    let is_as_before = match before {
        Some(before) => input::text_of(path)?.expose_secret() == before.expose_secret(),
        None => is_absent(path),
    };
    if !is_as_before {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stand_as_comments_above_the_document_and_go_again() {
        let problem = |path: &str, message: &str| Problem {
            path: path.to_owned(),
            message: message.to_owned(),
            severity: Severity::Error,
        };
        let text = comments(&[problem("owners.default", "is missing"), problem("", "line 1\ncolumn 2")]);
        assert!(text.contains("\n# error: owners.default: is missing\n# error: line 1 column 2\n"), "{text}");
        assert_eq!(without_comments(&format!("{text}{{\n  # inside\n}}\n")), "{\n  # inside\n}\n");
        assert_eq!(without_comments("{}\n"), "{}\n");
    }
}

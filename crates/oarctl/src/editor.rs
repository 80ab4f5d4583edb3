//! The user's editor, run without a shell.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use cli_support::CliError;
use oar_core::config::{Environment, environment};
use oar_core::error::ErrorClass;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long an editor may take to end after it is told to.
const GRACE: Duration = Duration::from_secs(1);
const DEFAULT: &str = "vi";

/// An editor's program and arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Editor {
    words: Vec<String>,
    variable: &'static str,
    is_default: bool,
}

impl Editor {
    /// The editor of `VISUAL`, otherwise of `EDITOR`, otherwise `vi`. The value is split into words by the
    /// shell's quoting rules, without any other expansion.
    pub(crate) fn of(environment: &Environment) -> Result<Self, CliError> {
        let set = |variable: &'static str| environment.get(variable).map(|value| (variable, value));
        let named = set("VISUAL").or_else(|| set("EDITOR"));
        let is_default = named.is_none();
        let (variable, value) = named.unwrap_or(("EDITOR", DEFAULT));
        match shlex::split(value) {
            Some(words) if !words.is_empty() => Ok(Self { words, variable, is_default }),
            _ => Err(CliError::new(
                ErrorClass::Configuration,
                format!("{variable} is not a command: a quote is not closed, or it is blank"),
            )
            .with_hint(format!("Set {variable} to an editor, for example `{DEFAULT}` or `code --wait`."))),
        }
    }

    /// Refuses the default editor where there is no terminal, because it would wait for keys that nobody can type. One
    /// that the user named may be a script.
    pub(crate) fn check(&self, has_terminal: bool) -> Result<(), CliError> {
        if has_terminal || !self.is_default {
            return Ok(());
        }
        let words = format!("there is no terminal for the editor `{DEFAULT}`");
        Err(CliError::usage(words)
            .with_hint("Run it in a terminal, or set EDITOR to a program that needs none."))
    }

    /// Starts the editor on `path`, without the secrets of the environment.
    pub(crate) fn start(&self, path: &Path) -> Result<Child, CliError> {
        let (program, arguments) = self
            .words
            .split_first()
            .map_or((DEFAULT, &[][..]), |(program, arguments)| (program.as_str(), arguments));
        let mut command = Command::new(program);
        command.args(arguments).arg(path).kill_on_drop(true);
        for variable in environment::VARIABLES.iter().filter(|variable| variable.secret) {
            command.env_remove(variable.name);
        }
        command.spawn().map_err(|error| {
            CliError::new(ErrorClass::Configuration, format!("cannot start the editor `{program}`: {error}"))
                .with_hint(format!("Set {} to an editor that is installed.", self.variable))
        })
    }
}

/// Terminates a running editor, so that it can restore the terminal, and kills it if it does not end.
pub(crate) async fn stop(editor: &mut Child) {
    if let Some(id) =
        editor.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
    {
        // It may have ended in the meantime.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
    if timeout(GRACE, editor.wait()).await.is_err() {
        let _ = editor.kill().await;
    }
}

/// The error of a failed editor; its text is not used.
pub(crate) fn failure(status: ExitStatus) -> CliError {
    CliError::new(ErrorClass::Failed, format!("the editor failed ({status}); nothing was written"))
        .with_hint("Run the same command again; VISUAL or EDITOR names another editor.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cli_support::ExitCode;

    fn editor(pairs: &[(&str, &str)]) -> Result<Vec<String>, CliError> {
        Editor::of(&Environment::from_pairs(pairs.iter().copied())).map(|editor| editor.words)
    }

    #[test]
    fn visual_comes_before_editor_and_words_are_split_as_a_shell_does() {
        assert_eq!(editor(&[("VISUAL", "code --wait"), ("EDITOR", "nano")]).unwrap(), ["code", "--wait"]);
        assert_eq!(
            editor(&[("EDITOR", "'/opt/my editor' -a \"b c\"")]).unwrap(),
            ["/opt/my editor", "-a", "b c"]
        );
        assert_eq!(editor(&[]).unwrap(), ["vi"]);
        let check = |pairs: &[(&str, &str)], has_terminal| {
            Editor::of(&Environment::from_pairs(pairs.iter().copied())).unwrap().check(has_terminal).is_ok()
        };
        assert!(check(&[], true) && !check(&[], false));
        assert!(check(&[("EDITOR", "vi")], false), "whoever names it may have a terminal elsewhere");
        assert_eq!(editor(&[("EDITOR", "vi; rm -rf $HOME")]).unwrap(), ["vi;", "rm", "-rf", "$HOME"]);
        assert!(failure(ExitStatus::default()).hint.is_some());
        for bad in ["'", "   "] {
            assert_eq!(editor(&[("EDITOR", bad)]).unwrap_err().code, ExitCode::Configuration);
        }
    }
}

//! Shell completion: the answer to a shell's request, and the values of options.
//!
//! A shell's script (`release-tests completions`) runs the program with [`VARIABLE`] set and the words so
//! far; the answer comes from the same definition as the help.

use std::ffi::OsString;
use std::io::Write as _;

use clap_complete::ArgValueCandidates;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;
use oar_core::config::{Environment, RecentReleases, SupportedVersions, find_document};
use oar_core::operations::consent::CriticalTask;
use oar_core::statebox::{NodeName, TaskName, TaskStatus, Verdict};

use crate::{CliError, ExitCode, OutputFormat, Ui};

/// The variable with the name of the requesting shell.
pub const VARIABLE: &str = "OAR_COMPLETE";

/// The script with which `shell` gets completions from the program `name` in `PATH`.
pub fn script(shell: &str, name: &str) -> Result<String, CliError> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(shell) else {
        let known: Vec<&str> = shells.names().collect();
        return Err(CliError::usage(format!(
            "`{shell}` is not a supported shell; expected one of {}",
            known.join(", ")
        )));
    };
    let mut script = Vec::new();
    let written = shell.write_registration(VARIABLE, name, name, name, &mut script);
    written.map_err(|error| CliError::usage(format!("no script for {}: {error}", shell.name())))?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Answers a shell's request for completions of the words after `--`; `None` when there is no such request.
///
/// The scripts put `--` first, where no command has it, so that a variable that is set by mistake does not
/// disable commands.
pub(crate) fn answer(
    definition: impl FnOnce() -> clap::Command,
    arguments: &[OsString],
    environment: &Environment,
    ui: impl Fn(OutputFormat) -> Ui,
) -> Option<ExitCode> {
    let shells = Shells::builtins();
    let shell = shells.completer(environment.get(VARIABLE)?)?;
    let [_, separator, words @ ..] = arguments else { return None };
    if separator != "--" || words.is_empty() {
        return None;
    }
    let mut answer = Vec::new();
    // A line that cannot be completed has no completions; a message would appear in the middle of it.
    let _ =
        shell.write_complete(&mut definition(), words.to_vec(), environment.working_directory(), &mut answer);
    // Not with the `Ui`, which removes characters that some shells need between the candidates.
    let written = std::io::stdout().write_all(&answer).and_then(|()| std::io::stdout().flush());
    Some(ui(OutputFormat::Text).settled(ExitCode::Done, written))
}

/// The most recently used releases.
pub fn releases() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let recent = RecentReleases::of(&Environment::of_process());
        let releases = recent.map(|recent| recent.list()).unwrap_or_default();
        // The latest first, not in alphabetical order.
        let candidates = releases.iter().enumerate();
        candidates
            .map(|(place, release)| CompletionCandidate::new(release.to_string()).display_order(Some(place)))
            .collect()
    })
}

/// The supported y-streams.
pub fn y_streams() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let document = find_document(&Environment::of_process()).ok();
        let versions =
            SupportedVersions::beside(document.as_deref()).or_else(|_| SupportedVersions::built_in());
        let streams = versions.iter().flat_map(|versions| versions.streams().iter().rev()).enumerate();
        streams
            .map(|(place, stream)| CompletionCandidate::new(stream.to_string()).display_order(Some(place)))
            .collect()
    })
}

/// The names of tasks.
pub fn tasks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| TaskName::ALL.map(|task| CompletionCandidate::new(task.id())).into())
}

/// The names of the tasks whose plans need consent.
pub fn critical_tasks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        CriticalTask::all().map(|task| CompletionCandidate::new(task.command())).collect()
    })
}

/// The names of a release's tasks and checkpoints.
pub fn nodes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| NodeName::all().map(|node| CompletionCandidate::new(node.id())).collect())
}

/// What may be decided about a node.
pub fn verdicts() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Verdict::ALL.map(|verdict| CompletionCandidate::new(verdict.text())).into())
}

/// The statuses of tasks, as one word each.
pub fn statuses() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let word = |status: TaskStatus| status.text().to_lowercase().replace(' ', "-");
        TaskStatus::ALL.map(|status| CompletionCandidate::new(word(status))).into()
    })
}

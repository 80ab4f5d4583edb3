//! `oarctl check-test-results`: tells of rejected builds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, Ui, count};
use oar_core::clients::github::Repository;
use oar_core::error::ErrorClass;
use oar_core::files::read_text;
use oar_core::notify::short_hash;
use oar_core::operations::oarctl::check_test_results::{Answer, CheckTestResults, Told};
use oar_core::operations::{Observer, Part, perform};

/// The largest file of notified builds that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The room for what one pass adds to the file, in bytes.
const ROOM: u64 = 64 * 1024;
/// How long a pass waits for another program that uses the file.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often it looks whether the file is free.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The most characters of the repository and the branch that an agent's name begins with.
const LONGEST_WORDS: usize = 100;

/// Tell a channel of builds whose test results were rejected
///
/// Checks the test result files of nightly builds. Reports a rejected build once, and once more if it is accepted later. The
/// file of notified builds has the format of the Python tooling, which may use the same file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Repository with the test result files, such as openshift/release-tests
    #[arg(long, value_name = "OWNER/NAME")]
    repo_name: Repository,
    /// Slack channel that is told, such as #qe
    #[arg(long, value_name = "CHANNEL")]
    slack_channel: String,
    /// File of notified builds; created if it does not exist
    #[arg(long, value_name = "FILE", default_value = "notified_files.txt")]
    notified_file_path: PathBuf,
    /// How many rejected builds a first run reports, the last by name; the others count as reported
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = count, allow_negative_numbers = true)]
    limit: usize,
    /// Folder of the test result files
    #[arg(long, value_name = "FOLDER", default_value = "_releases")]
    path: String,
    /// Branch of the test result files
    #[arg(long, value_name = "BRANCH", default_value = "record")]
    branch: String,
    /// Look at stable builds as well
    #[arg(long)]
    include_stable: bool,
    /// Print what would be told without telling it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    schedule: Schedule,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let clients = session.clients()?;
    let (scope, about) = (scope(&args), about(&args));
    let Args {
        repo_name,
        slack_channel,
        notified_file_path,
        limit,
        path,
        branch,
        include_stable,
        dry_run,
        schedule,
    } = args;
    let checker = CheckTestResults {
        repo_name: repo_name.to_string(),
        slack_channel,
        notified: None,
        limit,
        path,
        branch,
        include_stable,
        dry_run,
    };
    checker.check(&clients).map_err(|error| CliError::of_task(&error))?;
    let activity = clients.http().activity();
    let agent = Agent {
        program: "oarctl",
        role: "result-checker",
        scope: &scope,
        about: &about,
        parts: &[],
        dry_run,
        // Two that tell a channel at the same moment would not see each other's message.
        one_at_a_time: true,
        leases: &clients,
        activity: activity.clone(),
    };
    // Boxed, because the future of all clients is too large for a caller's stack.
    Box::pin(schedule.run(session, agent, || async {
        let mut pass = Pass::default();
        let file = NotifiedFile::of(&notified_file_path);
        let opened = async {
            // Held to the end of the pass: what another program tells meanwhile would be lost.
            let lock = if dry_run {
                None
            } else {
                // A wait with an end, which the watchdog may be shorter than.
                let _waits = activity.begin();
                Some(file.lock(session).await?)
            };
            Ok::<_, CliError>((lock, file.read()?))
        };
        let (_lock, notified) = match opened.await {
            Ok(opened) => opened,
            Err(error) => {
                let held = error.code == ExitCode::Conflict;
                let class = if held { ErrorClass::Conflict } else { ErrorClass::Configuration };
                pass.add_problem(error.message.clone(), class);
                session.ui.fail(&error);
                return pass;
            }
        };
        let keeper = Arc::new(Keeper { ui: session.ui.clone(), file, failed: Mutex::default() });
        let call = session.call_with(clients.clone(), false).observed_by(keeper.clone());
        match perform(CheckTestResults { notified, ..checker.clone() }, &call).await {
            Ok(answer) => {
                if !dry_run {
                    keeper.write(&answer.notified);
                }
                show(&session.ui, &answer);
                for (text, class, _) in answer.problems.iter() {
                    pass.add_problem(text, class);
                }
                session.ui.json(&answer);
            }
            Err(error) => {
                session.ui.fail(&CliError::of_task(&error));
                pass.add_problem(error.inner().to_string(), error.inner().class());
            }
        }
        if let Some(error) = keeper.failed() {
            session.ui.explain(&error);
            pass.add_problem(error.message, ErrorClass::Configuration);
        }
        pass
    }))
    .await
}

/// What distinguishes this checker from others: one that tells another channel, or keeps another file, does other work. It is
/// part of a Lease's name, which Kubernetes takes in lower case only.
fn scope(args: &Args) -> String {
    let Args { repo_name, branch, path, slack_channel, include_stable, notified_file_path, .. } = args;
    let file = std::path::absolute(notified_file_path).unwrap_or_else(|_| notified_file_path.clone());
    let repository = repo_name.to_string();
    let (file, stable) = (file.display().to_string(), include_stable.to_string());
    let facts = [&repository, branch, path, slack_channel, &stable, &file];
    let good = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    let words = format!("{repository}-{branch}").to_ascii_lowercase().replace(|letter| !good(letter), "-");
    let words: String = words.chars().take(LONGEST_WORDS).collect();
    format!("{}-{}", words.trim_end_matches(['-', '.']), short_hash(facts.map(String::as_str)))
}

/// What this checker does, for `oarctl agents list`: its name shows the channel and the file only as a hash.
fn about(args: &Args) -> String {
    let Args { path, slack_channel, include_stable, notified_file_path, .. } = args;
    let file = std::path::absolute(notified_file_path).unwrap_or_else(|_| notified_file_path.clone());
    let stable = if *include_stable { ", stable builds as well" } else { "" };
    format!("tells {slack_channel} of {path}, notified builds in {}{stable}", file.display())
}

/// The file of notified builds.
#[derive(Debug)]
struct NotifiedFile {
    /// As it was given.
    name: PathBuf,
    /// Where it really is: what replaces it must not replace a link to it.
    target: PathBuf,
}

impl NotifiedFile {
    fn of(path: &Path) -> Self {
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Self { name: path.to_owned(), target }
    }

    fn folder(&self) -> &Path {
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }

    /// Takes the lock beside the file, and makes sure that the file can be replaced by a longer one: otherwise nothing of what
    /// is told could be remembered. A full disk takes an empty file.
    async fn lock(&self, session: &Session) -> Result<File, CliError> {
        let failed = |error: std::io::Error| self.not_written(&error);
        self.try_to_write().map_err(failed)?;
        let mut path = self.target.clone().into_os_string();
        path.push(".lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let mut waited = Duration::ZERO;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if waited >= LONGEST_WAIT => {
                    let words = format!("another program has been using {} for a while", self.name.display());
                    return Err(CliError::new(ErrorClass::Conflict, words)
                        .with_hint("Nothing was done; the next pass tries again."));
                }
                Err(TryLockError::WouldBlock) => session.clock.sleep(LOOK_AGAIN).await,
            }
            waited += LOOK_AGAIN;
        }
    }

    /// Writes as much as the file may hold after this pass to a file that goes again.
    fn try_to_write(&self) -> std::io::Result<()> {
        let present = std::fs::metadata(&self.target).map_or(0, |present| present.len());
        let mut file = tempfile::NamedTempFile::new_in(self.folder())?;
        std::io::copy(&mut std::io::repeat(b'\n').take(present.min(LARGEST) + ROOM), &mut file)?;
        // Some file systems find out only now.
        file.as_file().sync_all()
    }

    /// The text of the file; `None` when it does not exist.
    fn read(&self) -> Result<Option<String>, CliError> {
        match read_text(&self.target, LARGEST) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => {
                let words = format!("the file of notified builds {}: {error}", self.name.display());
                Err(CliError::new(ErrorClass::Configuration, words)
                    .with_hint("Name another file with --notified-file-path, or let this user read it."))
            }
        }
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(self.folder())?;
        file.write_all(text.as_bytes())?;
        if let Ok(present) = std::fs::metadata(&self.target) {
            file.as_file().set_permissions(present.permissions())?;
        }
        file.persist(&self.target)?;
        Ok(())
    }

    fn not_written(&self, error: &std::io::Error) -> CliError {
        let words = format!("cannot write the notified builds to {}: {error}", self.name.display());
        CliError::new(ErrorClass::Configuration, words).with_hint(
            "Let this user write the file and its folder, and make room on that disk. No message is repeated: the channel is \
             searched first.",
        )
    }
}

/// Writes the file whenever something was told, so that a run that is killed tells nothing again.
#[derive(Debug)]
struct Keeper {
    ui: Ui,
    file: NotifiedFile,
    failed: Mutex<Option<CliError>>,
}

impl Keeper {
    fn write(&self, text: &str) {
        if let Err(error) = self.file.write(text) {
            let error = self.file.not_written(&error);
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn failed(&self) -> Option<CliError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Observer for Keeper {
    fn note(&self, text: &str) {
        self.ui.note(text);
    }

    fn warn(&self, text: &str) {
        self.ui.warn(text);
    }

    fn part(&self, part: Part<'_>) {
        if let Part::Notified(notified) = part {
            self.write(&notified.text());
        }
    }
}

fn show(ui: &Ui, answer: &Answer) {
    for row in &answer.builds {
        let result = match row.result {
            Told::Sent => "told",
            Told::SentBefore => "told before",
            Told::WouldSend if row.standing == "accepted" => "would be told if its rejection was",
            Told::WouldSend => "would be told",
            Told::NotTold => "not told, and counts as told: a first run reports no more than --limit",
            Told::NeverTold => "not told: its rejection was not told here in the last 30 days",
            Told::Error => continue,
        };
        ui.text(format!("{}: {}; {result}", row.file, row.standing));
    }
    for (text, class, hint) in answer.problems.iter() {
        let hint = hint.map(str::to_owned);
        ui.explain(&CliError { hint, ..CliError::new(class, text) });
    }
    ui.text(summary(answer));
}

fn summary(answer: &Answer) -> String {
    let Answer { checked, .. } = answer;
    if answer.stopped {
        return format!("ended before it was done: {checked} test result files, and not all were checked");
    }
    format!("{checked} test result files checked")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn a_pass_that_was_stopped_does_not_look_like_a_whole_one() {
        let whole = Answer { checked: 14, ..Answer::default() };
        assert_eq!(summary(&whole), "14 test result files checked");
        let stopped = Answer { stopped: true, ..whole };
        assert!(summary(&stopped).starts_with("ended before it was done: 14 test result files"));
    }

    fn scope_of(repository: &str, more: &[&str]) -> String {
        let fixed = ["x", "--repo-name", repository, "--slack-channel", "#qe"];
        scope(&Command::parse_from(fixed.iter().chain(more)).args)
    }

    #[test]
    fn an_agents_name_is_one_that_kubernetes_takes() {
        for (repository, branch) in [("Owner/Name", "record"), ("o/n_", "_x_"), ("o/n", &*"ü".repeat(300))] {
            let name = scope_of(repository, &["--branch", branch]);
            let good = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
            assert!(name.len() < 150 && name.starts_with(good) && name.ends_with(good), "{name}");
            assert!(name.chars().all(|letter| good(letter) || letter == '.' || letter == '-'), "{name}");
        }
    }

    #[test]
    fn one_that_does_other_work_has_another_name() {
        let same = scope_of("o/n", &["--limit", "3"]);
        assert_eq!(same, scope_of("o/n", &[]));
        for more in [
            ["--branch", "other"],
            ["--path", "other"],
            ["--slack-channel", "#other"],
            ["--notified-file-path", "other"],
            ["--include-stable", "--once"],
        ] {
            let args = ["x", "--repo-name", "o/n"];
            let channel = ["--slack-channel", "#qe"];
            let channel = if more.contains(&"--slack-channel") { &[][..] } else { &channel };
            let other = Command::parse_from(args.iter().chain(channel).chain(&more)).args;
            assert_ne!(same, scope(&other), "{more:?}");
        }
    }
}

//! `oarctl check-test-results`: tells of rejected builds.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, Ui};
use oar_core::clients::github::Repository;
use oar_core::error::ErrorClass;
use oar_core::operations::oarctl::check_test_results::{Answer, CheckTestResults, Told};
use oar_core::operations::{Observer, Part, perform};

/// The largest file of notified builds that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

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
    /// How many rejected builds the first run reports; older ones count as reported
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
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
    let clients = session.clients()?;
    let good = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    let scope = format!("{repo_name}-{branch}").replace(|letter| !good(letter), "-");
    let agent = Agent {
        program: "oarctl",
        role: "result-checker",
        scope: &scope,
        dry_run,
        // Two would write one file.
        one_at_a_time: true,
        leases: &clients,
        activity: clients.http().activity(),
    };
    schedule
        .run(session, agent, || async {
            let mut pass = Pass::default();
            let notified = match read(&notified_file_path) {
                Ok(notified) => notified,
                Err(error) => {
                    pass.add_problem(error.message.clone(), ErrorClass::Configuration);
                    session.ui.fail(&error);
                    return pass;
                }
            };
            let checker = CheckTestResults {
                repo_name: repo_name.to_string(),
                slack_channel: slack_channel.clone(),
                notified,
                limit,
                path: path.clone(),
                branch: branch.clone(),
                include_stable,
                dry_run,
            };
            let keeper = Arc::new(Keeper {
                ui: session.ui.clone(),
                file: notified_file_path.clone(),
                failed: Mutex::default(),
            });
            let call = session.call_with(clients.clone(), false).observed_by(keeper.clone());
            match perform(checker, &call).await {
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
        })
        .await
}

/// The text of the file; `None` when it does not exist.
fn read(path: &Path) -> Result<Option<String>, CliError> {
    let failed = |why: String| {
        CliError::new(ErrorClass::Configuration, format!("cannot read {}: {why}", path.display()))
            .with_hint("Name another file with --notified-file-path, or let this user read it.")
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(data) if data.len() > LARGEST => return Err(failed(format!("it has more than {LARGEST} bytes"))),
        _ => {}
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Writes the file whenever something was told, so that a run that is killed tells nothing again.
#[derive(Debug)]
struct Keeper {
    ui: Ui,
    file: PathBuf,
    failed: Mutex<Option<CliError>>,
}

impl Keeper {
    fn write(&self, text: &str) {
        let attempt = || -> std::io::Result<()> {
            let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            file.write_all(text.as_bytes())?;
            file.persist(&self.file)?;
            Ok(())
        };
        if let Err(error) = attempt() {
            let words = format!("cannot write the notified builds to {}: {error}", self.file.display());
            let error = CliError::new(ErrorClass::Configuration, words).with_hint(
                "Let this user write the file and its folder. No message is repeated: the channel is searched first.",
            );
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
            Told::WouldSend => "would be told",
            Told::NotTold => "not told: the first run reports only the newest builds",
            Told::Error => continue,
        };
        ui.text(format!("{}: {}; {result}", row.file, row.standing));
    }
    for (text, class, hint) in answer.problems.iter() {
        let hint = hint.map(str::to_owned);
        ui.explain(&CliError { hint, ..CliError::new(class, text) });
    }
    ui.text(format!("{} test result files checked", answer.checked));
}

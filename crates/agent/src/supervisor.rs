//! Several agents under one supervisor: each a process, restarted when it ends or hangs.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use cli_support::{CliError, ExitCode, Session};
use futures::FutureExt as _;
use futures::future::{FusedFuture as _, join_all};
use jiff::Timestamp;
use oar_core::clock::stamp;
use oar_core::error::ErrorClass;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::record::{Problem, read, records_folder, supervised_file, write};
use crate::service_manager::ServiceManager;

/// The pause before an agent is started again; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// An agent that ran for so long begins with the first pause again.
const STEADY: Duration = Duration::from_mins(10);
/// How long an agent may take to start.
const TO_START: Duration = Duration::from_secs(50);
/// How often it is looked whether an agent gave a sign of life.
const LOOK: Duration = Duration::from_secs(1);
/// How long agents get to stop: less than this program gets itself.
const TO_STOP: Duration = Duration::from_millis(1_400);
/// How long what an agent wrote last is waited for after its end: a process that it left behind may hold the stream open.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// The longest line of an agent's output that is passed on, in bytes.
const LONGEST_LINE: u64 = 16 * 1024;

/// An agent that is to be kept running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervised {
    /// Its name in the configuration document.
    pub name: String,
    /// The program and its arguments: `oarctl start-release-detector --all`.
    pub command: Vec<String>,
    /// A pass is made every so many seconds.
    pub every: u64,
}

impl Supervised {
    /// The option that tells the agent its name, which may begin with a dash.
    fn option(&self) -> String {
        format!("--supervised={}", self.name)
    }

    /// This program again, as the agent.
    fn start(&self, session: &Session, more: &[&str]) -> Result<Command, CliError> {
        let program = session.environment.program().ok_or_else(|| {
            CliError::new(ErrorClass::Failed, "no agent can be started: the program's file is unknown")
        })?;
        let (name, arguments) = self.command.split_first().map_or(("", &[][..]), |(name, rest)| (name, rest));
        let mut command = Command::new(program);
        if program.file_stem().is_none_or(|stem| stem != name) {
            // The multi-call program takes its name from the first argument.
            command.arg(name);
        }
        command
            .args(arguments)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        command.kill_on_drop(true);
        // A signal for this program's group (Ctrl-C) reaches the agent once, from here: the second one would end it at once.
        command.process_group(0);
        Ok(command)
    }
}

/// What is known of a supervised agent's process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SupervisedRecord {
    /// The process that runs now.
    pub pid: Option<u32>,
    /// How often it was started by this supervisor.
    pub starts: u32,
    /// How its last process ended.
    pub last_end: Option<Problem>,
    /// When it is started again.
    pub next_start: Option<Timestamp>,
}

/// What the supervisor on this machine knows of the agent `name`; `None` when it was never supervised here.
pub fn supervised_record(session: &Session, name: &str) -> Option<SupervisedRecord> {
    read(&supervised_file(&records_folder(session)?, name))
}

/// Checks the arguments and credentials of `agent` by its own command line; nothing is done.
///
/// # Errors
///
/// It would not start; in its own words.
pub async fn check(session: &Session, agent: &Supervised) -> Result<(), CliError> {
    let every = agent.every.to_string();
    let name = agent.option();
    let mut command = agent.start(session, &["--interval", &every, &name, "--check-only"])?;
    command.stdin(Stdio::null());
    let output = timeout(TO_START, command.output()).await.map_err(|_| {
        let words = format!(
            "agents.{}.run cannot be checked: it did not end within {} s",
            agent.name,
            TO_START.as_secs()
        );
        CliError::new(ErrorClass::Unavailable, words)
    })?;
    let output = output.map_err(|error| not_started(agent, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let words = format!("agents.{}.run cannot be started: {}", agent.name, why(&text));
    // The next step after wrong arguments speaks of another command line.
    let next = text.lines().find_map(|line| line.trim().strip_prefix("next: "));
    let hint = match next.filter(|_| output.status.code() != Some(i32::from(ExitCode::Usage.number()))) {
        Some(next) => next.to_owned(),
        None => format!(
            "Correct it in the configuration document (`oarctl config edit`); `{} --help` lists the options (for example \
             `oarctl start-release-detector --all`).",
            agent.command.iter().take(2).map(String::as_str).collect::<Vec<_>>().join(" ")
        ),
    };
    Err(CliError::new(ErrorClass::Configuration, words).with_hint(hint))
}

/// Why a program ended, from what it wrote: its error without the next step, which speaks of another command line.
fn why(said: &str) -> String {
    let all = || said.lines().map(str::trim);
    let error = all().position(|line| line.starts_with("error: ")).unwrap_or_default();
    let lines = all().skip(error).skip_while(|line| line.is_empty());
    let words: Vec<&str> = lines.take_while(|line| !line.is_empty() && !line.starts_with("next: ")).collect();
    let words = words.join(" ");
    let words = words.strip_prefix("error: ").unwrap_or(&words);
    if words.is_empty() { "it ended without a word".to_owned() } else { words.to_owned() }
}

fn not_started(agent: &Supervised, error: &std::io::Error) -> CliError {
    CliError::new(ErrorClass::Failed, format!("the agent {} cannot be started: {error}", agent.name))
}

/// Keeps `agents` running until the program is told to stop. One that ends, or gives no sign of life for `watchdog`, is
/// started again after a pause that grows; the others do not notice.
///
/// # Errors
///
/// There is no place for the sockets by which agents give signs of life.
pub async fn supervise(
    session: &Session,
    agents: Vec<Supervised>,
    watchdog: Duration,
) -> Result<ExitCode, CliError> {
    let _hold = session.interrupt.hold();
    let folder = tempfile::Builder::new().prefix("agents-").tempdir_in(session.environment.temporary());
    let folder = folder.map_err(|error| {
        CliError::new(ErrorClass::Configuration, format!("cannot make a folder for sockets: {error}"))
            .with_hint("Set TMPDIR to a directory in which this user may write.")
    })?;
    let manager = ServiceManager::of(&session.environment);
    let (keepers, first_starts): (Vec<_>, Vec<_>) = agents
        .into_iter()
        .enumerate()
        .map(|(place, agent)| {
            let (begun, first_start) = oneshot::channel();
            let keeper = Keeper {
                file: records_folder(session).map(|folder| supervised_file(&folder, &agent.name)),
                socket: folder.path().join(format!("{place}.sock")),
                record: SupervisedRecord::default(),
                begun: Some(begun),
                session,
                watchdog,
                agent,
            };
            (keeper, first_start)
        })
        .unzip();
    let all = join_all(keepers.into_iter().map(Keeper::keep));
    let lives = async {
        join_all(first_starts).await;
        manager.ready("agents are started");
        loop {
            manager.lives();
            let every = manager.sign_of_life_every().unwrap_or(LOOK);
            session.clock.sleep(every.min(LOOK)).await;
        }
    };
    tokio::select! {
        _ = all => {}
        () = lives => {}
    }
    manager.stopping();
    close(folder);
    Ok(ExitCode::Done)
}

fn close(folder: TempDir) {
    if let Err(error) = folder.close() {
        tracing::debug!("the folder of sockets stays: {error}");
    }
}

/// How a process of an agent came to its end.
enum End {
    /// The supervisor was told to stop.
    Stopped,
    /// It ended by itself, or could not be started.
    Ended(String),
    /// It gave no sign of life and was ended.
    Hung,
}

/// Keeps one agent running.
struct Keeper<'a> {
    session: &'a Session,
    agent: Supervised,
    watchdog: Duration,
    socket: PathBuf,
    file: Option<PathBuf>,
    record: SupervisedRecord,
    /// Gone when the agent was started for the first time, or could not be.
    begun: Option<oneshot::Sender<()>>,
}

/// The pauses before an agent is started again.
#[derive(Debug, Default)]
struct Pauses {
    ends: u32,
}

impl Pauses {
    /// The pause after a process that ran for so long.
    fn after(&mut self, ran: Duration) -> Duration {
        if ran >= STEADY {
            self.ends = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.ends));
        self.ends = self.ends.saturating_add(1);
        pause.min(LONGEST_PAUSE)
    }
}

impl Keeper<'_> {
    async fn keep(mut self) {
        let clock = &self.session.clock;
        let mut pauses = Pauses::default();
        loop {
            let started = Instant::now();
            let end = self.run_once().await;
            let text = match end {
                End::Stopped => {
                    self.record.pid = None;
                    return self.note();
                }
                End::Ended(how) => how,
                End::Hung => format!("it gave no sign of life for {} s", self.watchdog.as_secs()),
            };
            let now = clock.now();
            let pause = pauses.after(started.elapsed());
            let next = now.saturating_add(pause).unwrap_or(now);
            let name = &self.agent.name;
            self.session.ui.problem(format!("{name}: {text}; it is started again at {}", stamp(next)));
            self.record.pid = None;
            self.record.last_end = Some(Problem { at: now, text });
            self.record.next_start = Some(next);
            self.note();
            self.begun = None;
            tokio::select! {
                () = clock.sleep(pause) => {}
                _ = self.session.interrupt.wait() => {
                    self.record.next_start = None;
                    return self.note();
                }
            }
        }
    }

    /// Starts the agent and stays until its end.
    async fn run_once(&mut self) -> End {
        // The last process's socket must not receive for this one.
        let _ = std::fs::remove_file(&self.socket);
        let socket = match UnixDatagram::bind(&self.socket) {
            Ok(socket) => socket,
            Err(error) => return End::Ended(format!("its socket cannot be made: {error}")),
        };
        let every = self.agent.every.to_string();
        let name = self.agent.option();
        let more = ["--interval", &every, &name];
        let started =
            self.agent.start(self.session, &more).map_err(|error| error.message).and_then(|mut command| {
                command.env("NOTIFY_SOCKET", &self.socket);
                command.env("WATCHDOG_USEC", self.watchdog.as_micros().to_string());
                command.spawn().map_err(|error| error.to_string())
            });
        let mut child = match started {
            Ok(child) => child,
            Err(why) => return End::Ended(format!("it cannot be started: {why}")),
        };
        self.record.pid = child.id();
        self.record.starts = self.record.starts.saturating_add(1);
        self.record.next_start = None;
        self.note();
        self.begun = None;
        let output = (child.stdout.take(), child.stderr.take());
        // The agent ends when this end of its standard input is closed, however that comes about.
        let standard_input = child.stdin.take();
        let output = async { tokio::join!(self.pass_on(output.0), self.pass_on(output.1)) }.fuse();
        let watch = self.watch(&mut child, &socket);
        tokio::pin!(output, watch);
        let end = tokio::select! {
            end = &mut watch => end,
            // The streams may end before the process does.
            _ = &mut output => watch.await,
        };
        if !output.is_terminated() {
            let _ = timeout(LAST_WORDS, &mut output).await;
        }
        drop(standard_input);
        end
    }

    async fn watch(&self, child: &mut Child, socket: &UnixDatagram) -> End {
        let clock = &self.session.clock;
        // Not by the wall clock, which may be set meanwhile.
        let mut last = Instant::now();
        let mut limit = self.watchdog.max(TO_START);
        let mut message = [0; 1024];
        loop {
            tokio::select! {
                // What came while this program itself got no turn is read before it is judged.
                biased;
                _ = self.session.interrupt.wait() => {
                    stop(child).await;
                    return End::Stopped;
                }
                ended = child.wait() => return End::Ended(match ended {
                    Ok(status) => format!("it ended with {status}"),
                    Err(error) => format!("its end is not known: {error}"),
                }),
                received = socket.recv(&mut message) => {
                    let length = received.unwrap_or_default();
                    let text = String::from_utf8_lossy(message.get(..length).unwrap_or_default());
                    if text.lines().any(|line| line == "READY=1") {
                        limit = self.watchdog;
                        last = Instant::now();
                    }
                    if text.lines().any(|line| line == "WATCHDOG=1") {
                        last = Instant::now();
                    }
                }
                () = clock.sleep(LOOK) => {
                    if last.elapsed() > limit {
                        let _ = child.kill().await;
                        return End::Hung;
                    }
                }
            }
        }
    }

    /// Passes on what the agent writes, line by line, each with the agent's name.
    async fn pass_on(&self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(stream) = stream else { return };
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match (&mut stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = String::from_utf8_lossy(&line);
            self.session.ui.note(format!("{}: {}", self.agent.name, line.trim_end()));
        }
    }

    fn note(&self) {
        if let Some(file) = &self.file {
            write(file, &self.record);
        }
    }
}

/// Asks a process to stop, and ends it when it does not.
async fn stop(child: &mut Child) {
    let process = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(process) = process {
        let _ = kill_process(process, Signal::TERM);
    }
    if timeout(TO_STOP, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// Waits until the supervisor of this process has ended: standard input is its, and ends with it.
pub(crate) async fn orphaned() {
    let (ended, end) = oneshot::channel();
    let waiting = std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    });
    if waiting.is_err() || end.await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes_and_begin_anew_after_a_steady_run() {
        let mut pauses = Pauses::default();
        let (short, nearly) = (Duration::from_secs(1), Duration::from_secs(599));
        let seconds: Vec<u64> = (0..11).map(|_| pauses.after(short).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pauses.after(nearly), LONGEST_PAUSE, "it did not run for long enough");
        assert_eq!(pauses.after(STEADY), FIRST_PAUSE);
        assert_eq!(pauses.after(short), FIRST_PAUSE * 2);
    }

    #[test]
    fn why_a_program_ended_is_its_error_whole_and_without_the_next_step() {
        for (said, expected) in [
            ("error: no y-stream\n  next: give one\n", "no y-stream"),
            ("warning: odd\nerror: no y-stream\n", "no y-stream"),
            (
                "error: missing arguments:\n  --release <X.Y>\n\nUsage: jobctl\n",
                "missing arguments: --release <X.Y>",
            ),
            ("\nthread panicked\n", "thread panicked"),
            ("", "it ended without a word"),
        ] {
            assert_eq!(why(said), expected, "{said:?}");
        }
    }
}

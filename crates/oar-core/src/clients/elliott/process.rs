//! Runs elliott with a given environment, a time limit and an output limit, and cleans up after it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::log::{Log, OmittedTrackers};
use super::{Answer, BuildSystem, ElliottError, FindTrackers, arguments, parse};
use crate::redact::Redactor;
use crate::version::ReleaseVersion;

/// The most bytes that are read of standard output: a thousand times what a release needs.
const OUTPUT_LIMIT: usize = 4 * 1024 * 1024;

/// How many lines of the log's end an error shows, and how many characters.
const SHOWN_LINES: usize = 5;
const SHOWN_CHARACTERS: usize = 600;

/// The option that prints the version (`interop-exact`), and how many characters of it are shown.
const VERSION: &str = "--version";
const SHOWN_VERSION: usize = 80;

/// How long a stopped elliott may take to clean up before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// elliott as a program on this machine.
pub struct ElliottProcess {
    program: PathBuf,
    limit: Duration,
    environment: Vec<(OsString, OsString)>,
    redactor: Redactor,
}

impl ElliottProcess {
    /// `program` (a path, or a name that is looked up in `PATH`), stopped after `limit`. It gets
    /// `environment` and no other variables; its messages are redacted by `redactor`.
    pub fn new<N: Into<OsString>, V: Into<OsString>>(
        program: impl Into<PathBuf>,
        limit: Duration,
        environment: impl IntoIterator<Item = (N, V)>,
        redactor: Redactor,
    ) -> Self {
        let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { program: program.into(), limit, environment, redactor }
    }

    fn start(&self, release: &ReleaseVersion, system: BuildSystem) -> Result<Group, ElliottError> {
        // Without an account elliott finds nothing and prints an empty answer.
        if !self.environment.iter().any(|(name, value)| name == "JIRA_EMAIL" && !value.is_empty()) {
            return Err(ElliottError::NoAccount);
        }
        self.spawn(arguments(release, system))
    }

    /// The version that elliott says it has, found within `limit`.
    pub async fn version(&self, limit: Duration) -> Result<String, ElliottError> {
        let mut group = self.spawn([VERSION.to_owned()])?;
        let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
        let work = async {
            let ended = Box::pin(async {
                let (output, log) = tokio::join!(all(stdout), Log::read(stderr));
                Ok::<_, io::Error>((output?, log, group.child.wait().await?))
            });
            ended.await.map_err(|error| ElliottError::NoVersion { words: error.to_string() })
        };
        let Ok(ended) = tokio::time::timeout(limit, work).await else {
            group.stop().await;
            let words = format!("it was not finished after {} s, and was stopped", limit.as_secs());
            return Err(ElliottError::NoVersion { words });
        };
        let (output, log, status) = ended?;
        group.ended = true;
        if !status.success() {
            return Err(ElliottError::NoVersion { words: format!("{status}: {}", self.words(&log.tail)) });
        }
        let output = String::from_utf8_lossy(output.as_deref().unwrap_or_default()).into_owned();
        let line = self.redactor.redact(output.lines().next().unwrap_or_default().trim()).into_owned();
        let version: String = line.chars().take(SHOWN_VERSION).collect();
        if version.is_empty() {
            return Err(ElliottError::NoVersion { words: "it printed nothing".to_owned() });
        }
        Ok(version)
    }

    fn spawn(&self, arguments: impl IntoIterator<Item = String>) -> Result<Group, ElliottError> {
        let child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A process group of its own: elliott starts git and other programs, which must end with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        match child {
            Ok(child) => Ok(Group::of(child)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ElliottError::NotInstalled { program: self.program.clone() })
            }
            Err(source) => Err(ElliottError::NotStarted { program: self.program.clone(), source }),
        }
    }

    /// The message, redacted.
    fn shown(&self, complaint: OmittedTrackers) -> OmittedTrackers {
        let words = self.redactor.redact(&complaint.words).into_owned();
        let is_long = words.chars().count() > SHOWN_CHARACTERS;
        let words = words.chars().take(SHOWN_CHARACTERS).chain(is_long.then_some('…')).collect();
        OmittedTrackers { words, ..complaint }
    }

    /// The last lines of the log, joined into one line.
    fn words(&self, log: &[u8]) -> String {
        let text = String::from_utf8_lossy(log);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
        let words = self.redactor.redact(&last.join(" | ")).into_owned();
        let surplus = words.chars().count().saturating_sub(SHOWN_CHARACTERS);
        match (words.is_empty(), surplus) {
            (true, _) => "it said nothing about the reason".to_owned(),
            (false, 0) => words,
            (false, _) => ['…'].into_iter().chain(words.chars().skip(surplus)).collect(),
        }
    }
}

#[async_trait]
impl FindTrackers for ElliottProcess {
    async fn find(&self, release: &ReleaseVersion, system: BuildSystem) -> Result<Answer, ElliottError> {
        let mut group = self.start(release, system)?;
        let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
        let work = async {
            let ended = Box::pin(async {
                let (output, log) = tokio::join!(all(stdout), Log::read(stderr));
                Ok::<_, io::Error>((output?, log, group.child.wait().await?))
            });
            ended.await.map_err(|source| ElliottError::Unreadable { system, source })
        };
        let Ok(ended) = tokio::time::timeout(self.limit, work).await else {
            group.stop().await;
            return Err(ElliottError::TimedOut { system, limit: self.limit });
        };
        let (output, log, status) = ended?;
        group.ended = true;
        let left_out: Vec<OmittedTrackers> =
            log.omitted.into_iter().map(|complaint| self.shown(complaint)).collect();
        if !status.success() {
            // Trackers that elliott cannot assign are a finding, not an outage.
            if !left_out.is_empty() {
                return Err(ElliottError::Refused { system, omitted: left_out });
            }
            return Err(ElliottError::Failed {
                system,
                status: status.to_string(),
                words: self.words(&log.tail),
            });
        }
        let output = output.ok_or(ElliottError::TooLarge { system, limit: OUTPUT_LIMIT })?;
        let trackers = parse(system, &output).map_err(|error| match error {
            ElliottError::Malformed { system, detail } => {
                ElliottError::Malformed { system, detail: self.redactor.redact(&detail).into_owned() }
            }
            other => other,
        })?;
        Ok(Answer { trackers, left_out })
    }
}

/// A running program and all processes that it started. They end when this value is dropped.
struct Group {
    child: Child,
    id: Option<Pid>,
    ended: bool,
}

impl Group {
    fn of(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, id, ended: false }
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // It fails when the group has ended already, which is the aim.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Asks the group to end, then kills what is left of it.
    async fn stop(&mut self) {
        self.signal(Signal::TERM);
        // The rest of the group is killed in any case.
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.signal(Signal::KILL);
        self.ended = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The run was interrupted: there is no time for a graceful end.
        if !self.ended {
            self.signal(Signal::KILL);
        }
    }
}

/// The whole content of the stream; `None` when it exceeds the limit. It is read to its end, so that the
/// writer does not block.
async fn all(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Option<Vec<u8>>> {
    let Some(mut stream) = stream else { return Ok(Some(Vec::new())) };
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 8192];
    let mut is_too_much = false;
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok((!is_too_much).then_some(kept));
        }
        is_too_much |= kept.len() + count > OUTPUT_LIMIT;
        if !is_too_much {
            kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::error::{Classified, ErrorClass};

    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("elliott");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn elliott(program: PathBuf, limit: Duration) -> ElliottProcess {
        let path = std::env::var("PATH").unwrap();
        let environment = [("PATH", path.as_str()), ("JIRA_EMAIL", "bot@example.com")];
        let redactor = Redactor::new(["planted-secret".to_owned().into()]);
        ElliottProcess::new(program, limit, environment, redactor)
    }

    async fn run(script: &str) -> Result<Answer, ElliottError> {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), script);
        elliott(program, Duration::from_secs(20)).find(&"4.19.1".parse().unwrap(), BuildSystem::Brew).await
    }

    #[tokio::test]
    async fn the_version_is_the_first_line_and_whatever_does_not_tell_it_is_an_error() {
        let version = async |script: &str, limit| {
            let folder = tempfile::tempdir().unwrap();
            let program = program(folder.path(), script);
            elliott(program, Duration::from_secs(20)).version(limit).await
        };
        let limit = Duration::from_secs(20);
        let told = r#"test "$*" = --version || exit 2; echo "Elliott v2.1.0"; echo "Python v3.11.9""#;
        assert_eq!(version(told, limit).await.unwrap(), "Elliott v2.1.0");
        for (script, limit, words) in [
            ("echo 'No such option: planted-secret' >&2; exit 2", limit, "exit status: 2"),
            ("true", limit, "printed nothing"),
            ("sleep 60", Duration::from_millis(300), "was stopped"),
        ] {
            let error = version(script, limit).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert!(!error.to_string().contains("planted"), "{error}");
            assert_eq!(error.class(), ErrorClass::Unavailable);
        }
    }

    #[tokio::test]
    async fn the_answer_is_standard_output_and_the_log_is_not() {
        let answer = run(r#"echo "INFO looking" >&2; echo '{"rpm": ["OCPBUGS-1"]}'"#).await.unwrap();
        assert_eq!((answer.trackers["rpm"].len(), answer.left_out.len()), (1, 0));
    }

    #[tokio::test]
    async fn trackers_that_it_leaves_out_come_with_the_answer_and_are_a_finding_when_it_refuses() {
        let says = r#"echo "WARNING Bug(s) ['OCPBUGS-7'] look like CVE trackers, but really are not." >&2"#;
        let answer = run(&format!("{says}; echo '{{}}'")).await.unwrap();
        assert!(answer.left_out[0].words.starts_with("Bug(s) ['OCPBUGS-7']"), "{answer:?}");
        let refused = run(&format!("{says}; echo planted-secret >&2; exit 1")).await.unwrap_err();
        assert!(matches!(refused, ElliottError::Refused { .. }), "{refused}");
        assert_eq!(refused.class(), ErrorClass::Failed);
        assert!(refused.to_string().contains("OCPBUGS-7") && refused.hint().is_some(), "{refused}");
        let outage = run(
            "echo 'No attached builds found in shipment advisories for image tracker bugs: []' >&2; exit 1",
        );
        assert_eq!(outage.await.unwrap_err().class(), ErrorClass::Unavailable, "no tracker is named");
    }

    #[tokio::test]
    async fn it_sees_only_the_environment_it_is_given() {
        let script = r#"test "$(env | grep -cv '^PWD=\|^_=\|^SHLVL=')" = 2 && echo '{}'"#;
        assert!(run(script).await.unwrap().trackers.is_empty());
    }

    #[tokio::test]
    async fn a_failure_shows_the_end_of_the_log_without_secrets() {
        let error = run("seq 1 5000 >&2; echo 'no access for planted-secret and me@example.com' >&2; exit 3")
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("5000 | no access for"), "{text}");
        assert!(!text.contains("planted") && !text.contains("me@example.com"), "{text}");
        assert_eq!(error.class(), ErrorClass::Unavailable);
        let silent = run("exit 1").await.unwrap_err();
        assert!(silent.to_string().contains("said nothing"), "{silent}");
    }

    #[tokio::test]
    async fn silence_and_floods_are_errors() {
        assert!(matches!(run("exit 0").await.unwrap_err(), ElliottError::Empty { .. }));
        let flood = run("head -c 5000000 /dev/zero").await.unwrap_err();
        assert!(matches!(flood, ElliottError::TooLarge { .. }), "{flood}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_stopped_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let script =
            format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; echo $$ >> {0}; wait", pids.display());
        let elliott = elliott(program(folder.path(), &script), Duration::from_secs(4));
        let error = elliott.find(&"4.19.1".parse().unwrap(), BuildSystem::Konflux).await.unwrap_err();
        assert!(matches!(error, ElliottError::TimedOut { .. }), "{error}");
        assert_gone(&pids);
    }

    #[tokio::test]
    async fn an_interrupted_run_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let script =
            format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; echo $$ >> {0}; wait", pids.display());
        let elliott = elliott(program(folder.path(), &script), Duration::from_mins(1));
        let release = "4.19.1".parse().unwrap();
        let started = async {
            while std::fs::read_to_string(&pids).map_or(0, |text| text.lines().count()) < 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            outcome = elliott.find(&release, BuildSystem::Brew) => panic!("it ended: {outcome:?}"),
            () = started => {}
        }
        assert_gone(&pids);
    }

    /// Every process of the file has ended; an ended one that nobody has waited for yet counts as such.
    fn assert_gone(pids: &Path) {
        let is_alive = |pid: &str| {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = state.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
            !matches!(state, None | Some(None | Some('Z' | 'X')))
        };
        let text = std::fs::read_to_string(pids).unwrap();
        assert_eq!(text.lines().count(), 2);
        for pid in text.lines() {
            for _ in 0..1000 {
                if !is_alive(pid) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(!is_alive(pid), "process {pid} is still there");
        }
    }

    #[tokio::test]
    async fn a_missing_program_or_account_is_a_matter_of_configuration() {
        let release = "4.19.1".parse().unwrap();
        let missing = elliott("/nonexistent/elliott".into(), Duration::from_secs(5));
        let error = missing.find(&release, BuildSystem::Brew).await.unwrap_err();
        assert!(error.to_string().contains("/nonexistent/elliott"), "{error}");
        assert!(error.hint().unwrap().contains("OAR_ELLIOTT"));
        let nobody = ElliottProcess::new("/bin/true", GRACE, [("JIRA_EMAIL", "")], Redactor::default());
        let error = nobody.find(&release, BuildSystem::Brew).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
    }
}

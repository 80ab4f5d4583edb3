//! Runs elliott with a given environment, a time limit and an output limit, and cleans up after it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Command;

use super::log::{Log, OmittedTrackers};
use super::{Answer, BuildSystem, ElliottError, FindTrackers, arguments, parse};
use crate::clients::program::{Group, all};
use crate::http::Activity;
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
    activity: Activity,
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
        Self { program: program.into(), limit, environment, redactor, activity: Activity::default() }
    }

    /// A run counts in `activity`, as a request does: it ends within the limit, so who waits for it does not hang.
    #[must_use]
    pub fn counted_by(self, activity: Activity) -> Self {
        Self { activity, ..self }
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
                let (output, log) = tokio::join!(all(stdout, OUTPUT_LIMIT), Log::read(stderr));
                Ok::<_, io::Error>((output?, log, group.child.wait().await?))
            });
            ended.await.map_err(|error| ElliottError::NoVersion { words: error.to_string() })
        };
        let Ok(ended) = tokio::time::timeout(limit, work).await else {
            group.stop(GRACE).await;
            let words = format!("it was not finished after {} s, and was stopped", limit.as_secs());
            return Err(ElliottError::NoVersion { words });
        };
        let (output, log, status) = ended?;
        group.has_ended();
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
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // elliott starts git and other programs, which must end with it.
        match Group::start(&mut command) {
            Ok(group) => Ok(group),
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
        let _under_way = self.activity.begin();
        let mut group = self.start(release, system)?;
        let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
        let work = async {
            let ended = Box::pin(async {
                let (output, log) = tokio::join!(all(stdout, OUTPUT_LIMIT), Log::read(stderr));
                Ok::<_, io::Error>((output?, log, group.child.wait().await?))
            });
            ended.await.map_err(|source| ElliottError::Unreadable { system, source })
        };
        let Ok(ended) = tokio::time::timeout(self.limit, work).await else {
            group.stop(GRACE).await;
            return Err(ElliottError::TimedOut { system, limit: self.limit });
        };
        let (output, log, status) = ended?;
        group.has_ended();
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::clients::testing::assert_gone;
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
    async fn a_run_counts_as_activity_until_it_ends() {
        let (folder, activity) = (tempfile::tempdir().unwrap(), Activity::default());
        let gate = folder.path().join("gate");
        let script = format!("while [ ! -e {} ]; do sleep 0.02; done; echo '[]'", gate.display());
        let elliott = elliott(program(folder.path(), &script), Duration::from_secs(20));
        let elliott = elliott.counted_by(activity.clone());
        let release = "4.19.1".parse().unwrap();
        let look = async {
            // It may give up, so that a run that is not counted fails below.
            for _ in 0..2_000 {
                if activity.under_way() > 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            std::fs::write(&gate, "").unwrap();
        };
        let _ = tokio::join!(elliott.find(&release, BuildSystem::Brew), look);
        assert_eq!((activity.under_way(), activity.begun()), (0, 1));
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
        assert_gone(&pids, 2);
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
        assert_gone(&pids, 2);
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

//! The harness: the real programs, a sandbox of their own, and an environment that holds nothing else.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::panic, reason = "a harness that cannot do its work fails the test")]

pub mod approval;
pub mod dashboard;
pub mod directory;
pub mod effects;
pub mod elliott;
pub mod in_process;
pub mod many_releases;
pub mod matrix;
pub mod mcp;
pub mod simulated;
pub mod slack_bot;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sandbox::services::prow::ProwJob;
pub use sandbox::{Fault, FaultKind, Options, RecordedRequest, Sandbox, Snapshot};
use tempfile::TempDir;

/// The Konflux release of the scenario.
pub const KONFLUX: &str = "4.19.1";
/// The Errata release of the scenario.
pub const ERRATA: &str = "4.14.60";
/// The release lead of the scenario.
pub const LEAD: &str = "demo-lead@example.com";
/// Another release lead of the scenario.
pub const SECOND_LEAD: &str = "second-lead@example.com";

/// The longest that one program may run in a test.
const LIMIT: Duration = Duration::from_mins(2);

/// The top of the working tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The multi-call program that this build made.
///
/// # Panics
/// When it was not built.
pub fn release_tests() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap_or_default();
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program = folder.join("release-tests");
    assert!(
        program.exists(),
        "{} is missing: build the programs first (`cargo build --workspace --bins`)",
        program.display()
    );
    program
}

/// How one program ended.
#[derive(Debug, Clone)]
pub struct Run {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is not one JSON document.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self:#?}"))
    }

    /// This run, which ended with `code`.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "most callers only want the check")]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Both outputs.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

/// A sandbox and the programs that talk to it.
#[derive(Debug)]
pub struct Harness {
    /// The simulated services.
    pub sandbox: Sandbox,
    folder: TempDir,
    extra: Vec<(String, String)>,
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// A fresh sandbox with the scenario of the two releases.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// A sandbox started with `options`.
    ///
    /// # Panics
    /// When the sandbox cannot start.
    pub fn with(mut options: Options) -> Self {
        options.configuration.get_or_insert_with(|| root().join("config/config_store.json"));
        let harness = Self {
            sandbox: Sandbox::start(&options).unwrap_or_else(|error| panic!("no sandbox: {error}")),
            folder: TempDir::new().unwrap_or_else(|error| panic!("no temporary folder: {error}")),
            // Short waits: a test's faults are meant to be over at once.
            extra: vec![
                ("OAR_HTTP_TIMEOUT".to_owned(), "5".to_owned()),
                ("OAR_HTTP_RETRY_DELAY".to_owned(), "5".to_owned()),
                ("OAR_USER".to_owned(), "tester".to_owned()),
            ],
        };
        harness.make_home();
        harness
    }

    /// One in which the StateBox of `release` was made.
    pub fn announced(release: &str) -> Self {
        let harness = Self::new();
        harness.oar(release, &["create-test-report"]).expect(0);
        harness
    }

    /// The same with the advisories on staging, and no request remembered.
    pub fn on_staging(release: &str) -> Self {
        let harness = Self::announced(release);
        harness.pass(release, "push-to-cdn-staging");
        harness.sandbox.clear_requests();
        harness
    }

    /// A fresh sandbox in which the pages of Prow jobs appear immediately, so that tests do not wait for
    /// them.
    pub fn with_prompt_pages() -> Self {
        let harness = Self::new();
        harness.sandbox.world().prow.lock().pace.pending_after = jiff::SignedDuration::ZERO;
        harness
    }

    /// Every Prow job that was started so far.
    pub fn prow_jobs(&self) -> Vec<ProwJob> {
        self.sandbox.world().prow.lock().jobs.clone()
    }

    /// Goes back to `snapshot`, with an empty home. What [`Harness::tools`] holds stays.
    ///
    /// # Panics
    /// When the home cannot be emptied.
    pub fn reset(&self, snapshot: &Snapshot) {
        self.sandbox.world().restore(snapshot);
        std::fs::remove_dir_all(self.home()).unwrap_or_else(|error| panic!("the home stays: {error}"));
        self.make_home();
    }

    fn make_home(&self) {
        std::fs::create_dir_all(self.home()).unwrap_or_else(|error| panic!("no home: {error}"));
    }

    /// Sets a variable for every program that is started from now on.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.extra.retain(|(known, _)| known != name);
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same sandbox with a configuration document that differs from the example as `change` says.
    ///
    /// # Panics
    /// When the document cannot be written.
    #[must_use]
    pub fn with_document(self, change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let text = std::fs::read_to_string(root().join("config/config_store.example.json"));
        let text = text.unwrap_or_else(|error| panic!("no example of the document: {error}"));
        let mut document: serde_json::Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("the example: {error}"));
        change(&mut document);
        let [plain, encrypted] = ["plain.json", "store.json"].map(|name| self.tools().join(name));
        std::fs::create_dir_all(self.tools())
            .and_then(|()| std::fs::write(&plain, document.to_string()))
            .unwrap_or_else(|error| panic!("no document: {error}"));
        let [plain, encrypted] = [plain, encrypted].map(|path| path.to_string_lossy().into_owned());
        self.run("oarctl", ["config", "encrypt", &plain, "-o", &encrypted]).expect(0);
        self.env("OAR_CONFIG", &encrypted)
    }

    /// The home directory of the programs, used by this harness only.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A folder of this test's own that [`Harness::reset`] leaves alone.
    pub fn tools(&self) -> PathBuf {
        self.folder.path().join("tools")
    }

    /// `program` with `arguments`, ready to start: nothing of the caller's environment but the search path.
    pub fn command(&self, program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(release_tests());
        command.arg(program).args(arguments);
        self.at_home(command)
    }

    /// Bash with `script`, ready to start in the same environment.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        self.at_home(command)
    }

    fn at_home(&self, mut command: Command) -> Command {
        command.env_clear().current_dir(self.home());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home());
        command.envs(self.sandbox.environment()).envs(self.extra.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `program` to its end.
    pub fn run(&self, program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        finish(self.command(program, arguments))
    }

    /// Runs `oar -r <release> …` to its end.
    pub fn oar(&self, release: &str, arguments: &[&str]) -> Run {
        self.run("oar", ["-r", release].into_iter().chain(arguments.iter().copied()))
    }

    /// Says by hand that `task` of `release` has passed.
    ///
    /// # Panics
    /// When the command fails.
    pub fn pass(&self, release: &str, task: &str) {
        self.oar(release, &["task", "set", task, "Pass", "--reason", "done by hand"]).expect(0);
    }

    /// The StateBox file of `release` as GitHub has it.
    pub fn statebox(&self, release: &str) -> Option<String> {
        let stream: Vec<&str> = release.splitn(3, '.').take(2).collect();
        let path = format!("_releases/{}/statebox/{release}.yaml", stream.join("."));
        self.sandbox.world().github.lock().text("openshift/release-tests", "z-stream", &path)
    }

    /// The files of the tests of builds as GitHub has them, by name.
    pub fn records(&self) -> BTreeMap<String, String> {
        const REPOSITORY: &str = "openshift/release-tests";
        const BRANCH: &str = "record";
        let github = self.sandbox.world().github.lock();
        let paths = github.paths(REPOSITORY, BRANCH).into_iter();
        let named = paths.filter_map(|path| {
            Some((path.rsplit('/').next()?.to_owned(), github.text(REPOSITORY, BRANCH, &path)?))
        });
        named.collect()
    }

    /// Makes `text` the StateBox file of `release`, as another program would.
    ///
    /// # Panics
    /// When the sandbox has no such repository.
    pub fn put_statebox(&self, release: &str, text: &str) {
        let stream: Vec<&str> = release.splitn(3, '.').take(2).collect();
        let path = format!("_releases/{}/statebox/{release}.yaml", stream.join("."));
        let now = self.sandbox.clock().now();
        let mut github = self.sandbox.world().github.lock();
        github
            .put("openshift/release-tests", "z-stream", &path, text.to_owned(), "by another program", now)
            .unwrap_or_else(|error| panic!("no StateBox: {error}"));
    }

    /// The requests so far, as lines, for messages of failed assertions.
    pub fn request_lines(&self) -> String {
        lines_of(&self.sandbox.requests())
    }
}

/// Requests as lines, for messages of failed assertions.
pub fn lines_of(requests: &[RecordedRequest]) -> String {
    let lines: Vec<String> = requests
        .iter()
        .map(|request| format!("{:?} {}?{}", request.status, request.line(), request.query))
        .collect();
    lines.join("\n")
}

/// A change for [`Harness::with_document`]: `oarctl drive` carries waits on and tells people what is open; every step is theirs.
pub fn only_waits(document: &mut serde_json::Value) {
    let steps = oar_core::flow::nodes::names().map(|step| (step.to_owned(), "never".into()));
    document["drive"] = serde_json::Value::Object(steps.into_iter().collect());
}

/// Starts `command` and waits for its end, at most two minutes.
///
/// # Panics
/// When it cannot start or does not end.
pub fn finish(mut command: Command) -> Run {
    let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    wait(child)
}

/// Waits for the end of `child`, at most two minutes.
///
/// # Panics
/// When it does not end.
pub fn wait(mut child: Child) -> Run {
    let read = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                // A stream that breaks ends the text here; the assertions see what came.
                let _ = stream.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>));
    let stderr = read(child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>));
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(2)),
            outcome => {
                // The panic below reports the failure, even if the child cannot be killed.
                let _ = child.kill();
                panic!("the program did not end: {outcome:?}");
            }
        }
    };
    Run {
        code: status.code(),
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    }
}

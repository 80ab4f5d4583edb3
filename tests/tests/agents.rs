//! `oarctl agents`: several agents under one supervisor, and what is known of each.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use end_to_end::{Fault, FaultKind, Harness, KONFLUX, LEAD};
use end_to_end::{elliott, slack_bot};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use sandbox::scenario::records::UPGRADE_JOB;
use sandbox::scenario::release_controller::NEW_NIGHTLY;
use sandbox::services::kubernetes::Kind;
use sandbox::services::release_controller::Phase;
use serde_json::{Value, json};

/// A sandbox in which 4.19.1 is announced, with these agents in the configuration document.
fn with_agents(agents: &Value) -> Harness {
    let harness = Harness::new();
    {
        let mut controller = harness.sandbox.world().release_controller.lock();
        let tags = controller.streams.get_mut("4-stable").unwrap();
        tags.iter_mut().filter(|tag| tag.name == KONFLUX).for_each(|tag| tag.phase = Phase::Ready);
    }
    harness.with_document(|document| document["agents"] = agents.clone())
}

const CHECKER: &str = "oarctl check-test-results --repo-name openshift/release-tests";

fn two_detectors() -> Value {
    json!({
        "konflux": {"run": "oarctl start-release-detector -r 4.19", "every": "1"},
        "errata": {"run": "oarctl start-release-detector -r 4.14", "every": "1"},
    })
}

fn list(harness: &Harness) -> Value {
    harness.run("oarctl", ["agents", "list", "--output", "json"]).expect(0).json()
}

fn pid(list: &Value, place: usize) -> i32 {
    list[place]["supervised"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default()
}

/// Waits until the list is as it should be; it is read again and again, at most for a minute.
#[track_caller]
fn until(harness: &Harness, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let list = list(harness);
        if is_so(&list) {
            return list;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{what}: {list:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The supervisor, which ends with the test.
struct Supervisor(Option<Child>);

impl Supervisor {
    fn start(harness: &Harness) -> Self {
        Self::with_watchdog(harness, "8")
    }

    fn with_watchdog(harness: &Harness, seconds: &str) -> Self {
        let mut command: Command = harness.command("oarctl", ["agents", "run"]);
        // A group of its own, as a terminal makes one: what is at its keyboard is sent to the whole group.
        command.env("OAR_AGENT_WATCHDOG", seconds).process_group(0);
        Self(Some(command.spawn().unwrap()))
    }

    /// A program that is no supervisor, but ends with the test, too.
    fn of(harness: &Harness, command: &[&str]) -> Self {
        Self(Some(harness.command("oarctl", command).spawn().unwrap()))
    }

    fn pid(&self) -> u32 {
        self.0.as_ref().unwrap().id()
    }

    fn signal_group(&self, signal: Signal) {
        let id = self.0.as_ref().unwrap().id();
        killpg(Pid::from_raw(i32::try_from(id).unwrap()), signal).unwrap();
    }

    fn signal(&self, signal: Signal) {
        let id = self.0.as_ref().unwrap().id();
        kill(Pid::from_raw(i32::try_from(id).unwrap()), signal).unwrap();
    }

    fn ended(mut self) -> end_to_end::Run {
        end_to_end::wait(self.0.take().unwrap())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn both_passed(list: &Value) -> bool {
    list.as_array().unwrap().iter().all(|row| !row["last_pass_ended"].is_null() && pid_of(row) != 0)
}

fn pid_of(row: &Value) -> i64 {
    row["supervised"]["pid"].as_i64().unwrap_or_default()
}

fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

#[test]
fn agents_run_side_by_side_and_are_listed_with_their_passes() {
    let harness = with_agents(&two_detectors());
    let row = list(&harness);
    assert!(
        row[0]["last_pass"].is_null() && row[0]["run"] == "oarctl start-release-detector -r 4.19",
        "{row:#}"
    );
    let supervisor = Supervisor::start(&harness);
    let found = until(&harness, "two passes", both_passed);
    assert_eq!((&found[0]["name"], &found[1]["name"]), (&json!("konflux"), &json!("errata")));
    assert!(harness.statebox(KONFLUX).is_some());
    let text = harness.run("oarctl", ["agents", "list"]).expect(0).stdout;
    assert!(
        text.starts_with("konflux: oarctl start-release-detector -r 4.19 every 1 s\n  last pass: 2"),
        "{text}"
    );
    assert!(text.contains("  last problem: none\n"), "{text}");
    supervisor.signal(Signal::SIGTERM);
    let run = supervisor.ended().expect(143);
    assert!(run.stderr.contains("konflux: 4.19: new release"), "{run:?}");
    for place in [0, 1] {
        assert!(!is_alive(pid(&found, place)), "an agent has outlived its supervisor");
    }
    assert_eq!((&found[0]["running"], &found[0]["repeats"]), (&json!(true), &json!(true)));
    let rows = list(&harness);
    for row in rows.as_array().unwrap() {
        assert_eq!((&row["running"], &row["next_pass"]), (&json!(false), &json!(null)), "{rows:#}");
    }
    let text = harness.run("oarctl", ["agents", "list"]).expect(0).stdout;
    assert_eq!(text.matches("  next pass: none; it is not running\n").count(), 2, "{text}");
}

#[test]
fn agents_are_asked_to_stop_once_also_by_a_signal_for_all() {
    let mut agents = two_detectors();
    for name in ["konflux", "errata"] {
        agents[name]["run"] = format!("{} -v", agents[name]["run"].as_str().unwrap()).into();
    }
    let harness = with_agents(&agents);
    let supervisor = Supervisor::start(&harness);
    until(&harness, "two passes", both_passed);
    // A pass that goes on gets its second for what it is at; a second signal would end it at once.
    harness.sandbox.faults().add(Fault::anywhere(FaultKind::Slow { ms: 4_000 }).forever());
    let at_a_pass = |row: &Value| row["last_pass_ended"].is_null() && row["running"] == true;
    until(&harness, "two at a pass", |list| list.as_array().unwrap().iter().all(at_a_pass));
    supervisor.signal_group(Signal::SIGINT);
    let run = supervisor.ended().expect(130);
    for name in ["konflux", "errata"] {
        let stopped = |line: &str| line.starts_with(&format!("{name}: ")) && line.ends_with("stopped");
        assert!(run.stderr.lines().any(stopped), "{name}: {run:?}");
    }
    let text = harness.run("oarctl", ["agents", "list"]).expect(0).stdout;
    assert_eq!(text.matches("Z, ended before it was done\n").count(), 2, "{text}");
}

#[test]
fn an_agent_that_is_killed_is_no_longer_said_to_make_passes() {
    let harness = Harness::new();
    let single = ["start-release-detector", "-r", "4.20"];
    harness.run("oarctl", single).expect(0);
    let mut agent = harness
        .command("oarctl", ["start-release-detector", "-r", "4.20", "--interval", "3600"])
        .spawn()
        .unwrap();
    let found = until(&harness, "a pass", |list| !list[0]["next_pass"].is_null());
    assert_eq!(found[0]["running"], true);
    agent.kill().unwrap();
    agent.wait().unwrap();
    let text = harness.run("oarctl", ["agents", "list"]).expect(0).stdout;
    assert!(text.contains("  next pass: none; it is not running\n"), "{text}");
    harness.run("oarctl", single).expect(0);
    let text = harness.run("oarctl", ["agents", "list"]).expect(0).stdout;
    assert!(text.contains("  next pass: not planned\n"), "{text}");
}

#[test]
fn what_an_agent_says_at_its_end_is_passed_on() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let command = format!("oarctl start-release-detector -r 4.20 --listen {address}");
    let harness = with_agents(&json!({"x": {"run": command, "every": "600"}}));
    let supervisor = Supervisor::start(&harness);
    let ended_again = |list: &Value| {
        list[0]["supervised"]["starts"].as_u64() >= Some(4) && list[0]["supervised"]["pid"].is_null()
    };
    let found = until(&harness, "the end of the fourth start", ended_again);
    assert!(!found[0]["supervised"]["next_start"].is_null(), "{found:#}");
    supervisor.signal(Signal::SIGTERM);
    let run = supervisor.ended().expect(143);
    let count = |words: &str| {
        run.stderr.lines().filter(|line| line.starts_with("x: ") && line.contains(words)).count()
    };
    let starts = usize::try_from(found[0]["supervised"]["starts"].as_u64().unwrap()).unwrap();
    assert_eq!(count(&format!("cannot listen at {address}")), starts, "{run:?}");
    assert_eq!(run.stderr.matches("it ended with exit status: 3").count(), starts, "{run:?}");
    assert!(list(&harness)[0]["supervised"]["next_start"].is_null());
}

#[test]
fn an_agent_that_is_killed_or_hangs_is_started_again_and_the_others_are_left_alone() {
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let harness = with_agents(&two_detectors());
        let supervisor = Supervisor::start(&harness);
        let before = until(&harness, "two passes", both_passed);
        kill(Pid::from_raw(pid(&before, 0)), signal).unwrap();
        let after = until(&harness, "a restart", |list| {
            list[0]["supervised"]["starts"] == 2 && pid(list, 0) != 0 && both_passed(list)
        });
        assert_ne!(pid(&after, 0), pid(&before, 0));
        assert_eq!(pid(&after, 1), pid(&before, 1), "{signal}: {after:#}");
        let why = after[0]["supervised"]["last_end"]["text"].as_str().unwrap().to_owned();
        let expected = if signal == Signal::SIGKILL { "signal: 9" } else { "no sign of life for 8 s" };
        assert!(why.contains(expected), "{why}");
        assert!(!is_alive(pid(&before, 0)), "the hung process is gone");
        supervisor.signal(Signal::SIGTERM);
        supervisor.ended().expect(143);
    }
}

#[test]
fn agents_end_with_their_supervisor_however_that_ends() {
    let harness = with_agents(&two_detectors());
    let supervisor = Supervisor::start(&harness);
    let found = until(&harness, "two passes", both_passed);
    supervisor.signal(Signal::SIGKILL);
    drop(supervisor);
    let started = Instant::now();
    while [0, 1].into_iter().any(|place| is_alive(pid(&found, place))) {
        assert!(started.elapsed() < Duration::from_secs(30), "an agent lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_wrong_in_the_document_is_said_before_anything_starts() {
    for (agent, words) in [
        (json!({"run": "oarctl start-detector --all", "every": "600"}), "agents.x.run"),
        (json!({"run": "oarctl start-release-detector --al", "every": "600"}), "--al"),
        (json!({"run": "oarctl start-release-detector", "every": "600"}), "no y-stream"),
        (json!({"run": "jobctl start-controller", "every": "600"}), "--release"),
        (json!({"run": "oarctl start-release-detector --all", "every": "soon"}), "agents.x.every"),
        (json!({"run": "oarctl start-release-detector --all"}), "agents.x.every"),
        (json!({"run": "oarctl start-release-detector --all --check-only", "every": "600"}), "--check-only"),
        (json!({"run": "oarctl start-release-detector --all --help", "every": "600"}), "--help"),
        (json!({"run": format!("{CHECKER} --slack-channel '#qe-demo'"), "every": "600"}), "quotes"),
        (json!({"run": format!("{CHECKER} --slack-channel #qe-demo"), "every": "600"}), "SLACK_BOT_TOKEN"),
    ] {
        let harness = with_agents(&json!({"x": agent})).env("SLACK_BOT_TOKEN", "");
        harness.sandbox.clear_requests();
        let run = harness.run("oarctl", ["agents", "run"]).expect(3);
        assert!(run.stderr.contains(words), "{agent}: {run:?}");
        // A credential stands in no document.
        let next = if words == "SLACK_BOT_TOKEN" { "next: Set SLACK_BOT_TOKEN" } else { "for example" };
        assert!(run.stderr.contains(next), "{agent}: {run:?}");
        assert!(harness.sandbox.requests().is_empty(), "{agent}");
    }
    let harness = Harness::new();
    let run = harness.run("oarctl", ["agents", "run"]).expect(3);
    assert!(run.stderr.contains("no agent is configured") && run.stderr.contains("for example"), "{run:?}");
    let harness = with_agents(&two_detectors());
    let run = harness.run("oarctl", ["agents", "run", "--only", "nope"]).expect(2);
    assert!(run.stderr.contains("there are: konflux, errata") && run.stderr.contains("  next: "), "{run:?}");
    let harness = with_agents(&json!({"x": {"run": "oarctl slack-bot", "every": "600"}}));
    for (command, code) in [(["agents", "run"], 3), (["config", "check"], 1)] {
        let run = harness.run("oarctl", command).expect(code);
        assert!(run.all().contains("agents.x.every") && run.all().contains("from 1 to 30"), "{run:?}");
    }
    let harness = with_agents(&json!({"x": {"run": "oar status", "every": "0"}}));
    let run = harness.run("oarctl", ["config", "check"]).expect(1);
    assert!(run.all().contains("agents.x.run") && run.all().contains("agents.x.every"), "{run:?}");
}

#[test]
fn two_agents_that_keep_each_other_from_work_are_refused() {
    let harness = with_agents(&json!({
        "x": {"run": "oarctl start-release-detector --all", "every": "600"},
        "y": {"run": "oarctl start-release-detector -r 4.20", "every": "600"},
    }));
    harness.sandbox.clear_requests();
    for (command, code) in [(["agents", "run"], 3), (["agents", "list"], 3), (["config", "check"], 1)] {
        let run = harness.run("oarctl", command).expect(code);
        let all = run.all();
        assert!(all.contains("agents.y.run") && all.contains("looks at 4.20, as agents.x does"), "{run:?}");
    }
    assert!(harness.sandbox.requests().is_empty());
}

#[test]
fn what_cron_starts_is_listed_with_its_last_problem() {
    let harness = Harness::new();
    harness.run("oarctl", ["start-release-detector", "-r", "4.18"]).expect(4);
    harness.run("oarctl", ["start-release-detector", "-r", "4.20"]).expect(0);
    harness.run("oarctl", ["start-release-detector", "-r", "4.14", "--dry-run"]).expect(0);
    let rows = list(&harness);
    assert_eq!(rows.as_array().unwrap().len(), 2, "a dry run leaves no record: {rows:#}");
    assert_eq!(rows[0]["name"], "oarctl-release-detector-4.18");
    assert_eq!((&rows[0]["problems"], &rows[1]["problems"]), (&json!(1), &json!(0)));
    assert!(rows[0]["last_problem"]["text"].as_str().unwrap().contains("4.18.z.yaml"), "{rows:#}");
    let text = harness.run("oarctl", ["agents", "list"]).expect(0).stdout;
    assert!(text.contains(", 1 problem\n"), "{text}");
}

#[test]
fn a_next_pass_that_was_not_begun_in_time_is_overdue() {
    // The configured agents do not run.
    let harness = with_agents(&two_detectors());
    let command = ["start-release-detector", "-r", "4.20", "--interval", "3600"];
    let _agent = Supervisor(Some(harness.command("oarctl", command).spawn().unwrap()));
    until(&harness, "a pass", |list| !list[2]["next_pass"].is_null());
    let name = "oarctl-release-detector-4.20.json";
    let path = harness.home().join(".local/state/release-tests/agents").join(name);
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    record["next_pass"] = json!("2026-01-02T03:04:05Z");
    std::fs::write(&path, record.to_string()).unwrap();
    let text = harness.run("oarctl", ["agents", "list"]).expect(0).stdout;
    assert!(text.contains("  next pass: 2026-01-02T03:04:05Z, overdue\n"), "{text}");
}

#[test]
fn what_is_no_record_is_left_out_and_not_waited_for() {
    let harness = Harness::new();
    harness.run("oarctl", ["start-release-detector", "-r", "4.20"]).expect(0);
    let folder = harness.home().join(".local/state/release-tests/agents");
    std::fs::write(folder.join("nameless.json"), r#"{"x": 1}"#).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("fifo.json")).status().unwrap().success());
    let rows = list(&harness);
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows:#}");
    assert_eq!(rows[0]["name"], "oarctl-release-detector-4.20");
}

#[test]
fn a_document_that_cannot_be_read_is_not_one_without_agents() {
    let list = ["agents", "list"];
    let harness = Harness::new();
    harness.run("oarctl", ["start-release-detector", "-r", "4.20"]).expect(0);
    let gone = harness.home().join("gone.json").display().to_string();
    for (name, value) in [("OAR_CONFIG", gone.as_str()), ("OAR_STAT", "1"), ("OAR_AGENT_WATCHDOG", "soon")] {
        let mut command = harness.command("oarctl", list);
        command.env(name, value);
        let run = end_to_end::finish(command).expect(3);
        assert!(run.stderr.contains(if name == "OAR_CONFIG" { "gone.json" } else { name }), "{run:?}");
        assert!(!run.stdout.contains("last pass"), "{run:?}");
    }
    // A machine on which cron starts the agents may have no document for this user.
    let mut command = harness.command("oarctl", list);
    command.env_remove("OAR_JWK");
    let run = end_to_end::finish(command).expect(0);
    assert!(run.stdout.contains("oarctl-release-detector-4.20"), "{run:?}");
    assert!(run.stderr.contains("are not listed: ") && run.stderr.contains("OAR_JWK"), "{run:?}");
}

#[test]
fn the_last_problem_of_jobctl_s_agents_has_words() {
    let harness = Harness::new();
    harness.sandbox.world().gcs.lock().clutter = 0;
    let now = harness.sandbox.clock().now();
    let damaged = |path: &str| {
        let mut github = harness.sandbox.world().github.lock();
        github.put("openshift/release-tests", "record", path, "{".to_owned(), "by hand", now).unwrap();
    };
    damaged("_releases/ocp-latest-4.20-stable-amd64.json");
    harness.run("jobctl", ["start-controller", "-r", "4.20"]).expect(1);
    let record = format!("_releases/ocp-test-result-{NEW_NIGHTLY}-amd64.json");
    damaged(&record);
    harness.run("jobctl", ["start-aggregator"]).expect(1);
    let rows = list(&harness);
    let problem = |name: &str| {
        let row = rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
        row["last_problem"]["text"].as_str().unwrap().to_owned()
    };
    let text = problem("jobctl-controller-nightly-amd64-4.20");
    assert!(text.contains(UPGRADE_JOB) && text.contains("ocp-latest-4.20-stable-amd64.json"), "{text}");
    let text = problem("jobctl-aggregator-amd64");
    assert!(text.contains(NEW_NIGHTLY), "{text}");
}

/// A service manager that listens.
struct Manager {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
    told: Vec<String>,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self { folder, socket, told: Vec::new() }
    }

    fn address(&self) -> PathBuf {
        self.folder.path().join("notify")
    }

    /// Starts a program that is to give a sign of life every two seconds.
    fn start(&self, harness: &Harness, command: &[&str]) -> Supervisor {
        let mut command = harness.command("oarctl", command);
        command.env("NOTIFY_SOCKET", self.address()).env("WATCHDOG_USEC", "2000000");
        Supervisor(Some(command.spawn().unwrap()))
    }

    /// The next message.
    fn next(&mut self) -> &str {
        let mut buffer = [0; 1024];
        let length = self.socket.recv(&mut buffer).unwrap();
        self.told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        self.told.last().unwrap()
    }

    /// Waits for a line that begins like this.
    fn until(&mut self, line: &str) {
        let is_it = |message: &str| message.lines().any(|found| found.starts_with(line));
        if self.told.iter().any(|message| is_it(message)) {
            return;
        }
        while !is_it(self.next()) {}
    }
}

#[test]
fn a_service_manager_is_told_that_an_agent_is_ready_lives_and_stops() {
    let harness = Harness::new();
    let mut manager = Manager::new();
    let agent = manager.start(&harness, &["start-release-detector", "-r", "4.20", "--interval", "3600"]);
    manager.until("READY=1");
    manager.until("STATUS=last pass: 0 problems");
    manager.until("WATCHDOG=1");
    agent.signal(Signal::SIGTERM);
    manager.until("STOPPING=1");
    agent.ended().expect(143);
}

#[test]
fn a_service_manager_is_told_that_the_supervisor_is_ready_when_its_agents_are_started() {
    let mut agents = two_detectors();
    agents["errata"]["every"] = "3600".into();
    let harness = with_agents(&agents);
    let mut manager = Manager::new();
    let supervisor = manager.start(&harness, &["agents", "run"]);
    manager.until("READY=1");
    let found = list(&harness);
    for place in [0, 1] {
        let pid = pid(&found, place);
        assert!(is_alive(pid), "{found:#}");
        let variables = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let variables: Vec<_> =
            variables.split(|byte| *byte == 0).map(|variable| String::from_utf8_lossy(variable)).collect();
        let socket = variables.iter().find_map(|variable| variable.strip_prefix("NOTIFY_SOCKET=")).unwrap();
        assert_ne!(socket, manager.address().to_str().unwrap(), "an agent would speak for its supervisor");
        assert!(!variables.iter().any(|variable| variable == "WATCHDOG_USEC=2000000"), "{variables:?}");
    }
    manager.until("WATCHDOG=1");
    supervisor.signal(Signal::SIGTERM);
    manager.until("STOPPING=1");
    supervisor.ended().expect(143);
}

#[test]
fn a_bot_for_which_nobody_has_work_is_left_alone_and_one_that_hangs_is_not() {
    let agents = json!({
        "bot": {"run": "oarctl slack-bot", "every": "15"},
        "detector": {"run": "oarctl start-release-detector -r 4.20", "every": "1"},
    });
    let harness = with_agents(&agents);
    let supervisor = Supervisor::with_watchdog(&harness, "4");
    let sockets = || harness.sandbox.world().slack.lock().sockets.open_sockets().len();
    let before = until(&harness, "a socket", |list| sockets() == 1 && both_begun(list));
    // More than twice the watchdog's time, as the bot's neighbour counts it.
    let mut passes = BTreeSet::new();
    let after = loop {
        let now = until(&harness, "the detector's passes", |list| !list[1]["last_pass"].is_null());
        passes.insert(now[1]["last_pass"].to_string());
        if passes.len() > 8 {
            break now;
        }
    };
    assert_eq!(pid(&after, 0), pid(&before, 0), "{after:#}");
    assert_eq!(after[0]["supervised"]["starts"], 1, "{after:#}");
    kill(Pid::from_raw(pid(&after, 0)), Signal::SIGSTOP).unwrap();
    let after = until(&harness, "a restart", |list| list[0]["supervised"]["starts"] == 2);
    assert_eq!(after[0]["supervised"]["last_end"]["text"], "it gave no sign of life for 4 s");
    supervisor.signal(Signal::SIGTERM);
    supervisor.ended().expect(143);
}

#[test]
fn an_agent_that_waits_for_elliott_longer_than_the_watchdog_is_left_alone() {
    let (harness, elliott) =
        elliott::install(with_agents(&json!({"drive": {"run": "oarctl drive", "every": "1"}})));
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    std::fs::write(elliott.join("konflux.sh"), "sleep 10; touch \"$here/ended\"").unwrap();
    let supervisor = Supervisor::with_watchdog(&harness, "4");
    let list = until(&harness, "elliott has answered", |_| elliott.join("ended").exists());
    assert_eq!(list[0]["supervised"]["starts"], 1, "{list:#}");
    let calls = std::fs::read_to_string(elliott.join("calls")).unwrap();
    assert_eq!(calls.lines().filter(|line| *line == "konflux").count(), 1, "{calls}");
    supervisor.signal(Signal::SIGTERM);
    supervisor.ended().expect(143);
}

fn both_begun(list: &Value) -> bool {
    list.as_array().unwrap().iter().all(|row| !row["last_pass"].is_null() && pid_of(row) != 0)
}

#[test]
fn a_checker_that_waits_for_the_file_of_another_program_lives() {
    let harness = Harness::new();
    let file = harness.home().join("notified_files.txt");
    let lock = std::fs::File::create(harness.home().join("notified_files.txt.lock")).unwrap();
    lock.lock().unwrap();
    let mut manager = Manager::new();
    let file = file.to_str().unwrap();
    let mut command: Vec<&str> = CHECKER.split(' ').skip(1).collect();
    command.extend(["--slack-channel", "#qe-demo", "--notified-file-path", file, "--interval", "3600"]);
    let agent = manager.start(&harness, &command);
    manager.until("STATUS=at a pass");
    manager.told.clear();
    for _ in 0..6 {
        assert_eq!(manager.next(), "WATCHDOG=1");
    }
    drop(lock);
    manager.until("STATUS=last pass: 0 problems");
    agent.signal(Signal::SIGTERM);
    agent.ended().expect(143);
}

/// The Lease `name`: the process that holds it, and when it was renewed.
fn lease(harness: &Harness, name: &str) -> Option<(u32, String)> {
    let kubernetes = harness.sandbox.world().kubernetes.lock();
    let lease = kubernetes.objects.get(&(Kind::Lease, "release-tools".to_owned(), name.to_owned()))?;
    let spec = &lease.rest["spec"];
    let holder = spec["holderIdentity"].as_str().unwrap_or_default();
    let pid = holder.split('/').nth(1).and_then(|pid| pid.parse().ok())?;
    Some((pid, spec["renewTime"].as_str().unwrap_or_default().to_owned()))
}

#[test]
fn in_a_cluster_one_replica_works_and_another_one_follows_it() {
    let detect = ["start-release-detector", "-r", "4.20"];
    for (role, command) in [("release-detector-4.20", &detect[..]), ("slack-bot-slack", &["slack-bot"])] {
        let harness = Harness::announced(KONFLUX).env("OAR_LEASE_NAMESPACE", "release-tools");
        let harness = slack_bot::with_permissions(harness);
        let name = format!("oarctl-{role}");
        let dry = [command, &["--dry-run"]].concat();
        harness.run("oarctl", &dry).expect(0);
        assert_eq!(lease(&harness, &name), None, "a dry run takes no lease");

        let repeated = [command, &["--interval", "1"]].concat();
        let one = Supervisor::of(&harness, &repeated);
        let sockets = || harness.sandbox.world().slack.lock().sockets.open_sockets().len();
        let is_bot = command == ["slack-bot"];
        let works = |replica: &Supervisor| {
            let holds = lease(&harness, &name).is_some_and(|(holder, _)| holder == replica.pid());
            holds && (!is_bot || sockets() == 1)
        };
        until_so("the first one works", || works(&one));
        let mut manager = Manager::new();
        let other = manager.start(&harness, &repeated);
        manager.until("STATUS=stands by");
        assert!(works(&one), "{:?}", lease(&harness, &name));
        let single = [command, &["--once"]].concat();
        let run = harness.run("oarctl", &single).expect(5);
        assert!(run.stderr.contains(&format!("another instance of {name} is running")), "{run:?}");

        one.signal(Signal::SIGTERM);
        one.ended().expect(143);
        until_so("the other one works", || works(&other));
        manager.until("STATUS=at a pass");
        other.signal(Signal::SIGTERM);
        other.ended().expect(143);
        assert_eq!(lease(&harness, &name), None, "it is given back");
        assert_eq!(sockets(), 0);
    }
}

/// Waits for something that certainly comes; the limit only ends a test that fails.
#[track_caller]
fn until_so(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_mins(1), "it never came to it that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_lease_is_renewed_while_a_pass_goes_on() {
    let harness = Harness::new().env("OAR_LEASE_NAMESPACE", "release-tools").env("OAR_HTTP_TIMEOUT", "50");
    let slow = Fault::on("github", FaultKind::Slow { ms: 45_000 }).forever();
    harness.sandbox.faults().add(slow);
    let agent = Supervisor::of(&harness, &["start-release-detector", "-r", "4.20", "--interval", "1"]);
    let name = "oarctl-release-detector-4.20";
    let record = harness.home().join(format!(".local/state/release-tests/agents/{name}.json"));
    until_so("there is a record", || record.exists());
    let begun = until(&harness, "a pass", |list| !list[0]["last_pass"].is_null());
    let (holder, renewed) = lease(&harness, name).unwrap();
    assert_eq!(holder, agent.pid());
    until_so("the lease is renewed", || lease(&harness, name).is_some_and(|(_, at)| at > renewed));
    let now = list(&harness);
    assert_eq!((&now[0]["last_pass"], &now[0]["last_pass_ended"]), (&begun[0]["last_pass"], &Value::Null));
}

#[test]
fn a_drive_by_its_old_name_is_kept_running_like_every_agent() {
    let agents = json!({"waits": {"run": "oarctl tick", "every": "1"}});
    let (harness, _) = elliott::install(with_agents(&agents));
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let supervisor = Supervisor::start(&harness);
    let found = until(&harness, "a pass", both_passed);
    assert_eq!((&found[0]["run"], &found[0]["problems"]), (&json!("oarctl tick"), &json!(0)), "{found:#}");
    supervisor.signal(Signal::SIGTERM);
    let run = supervisor.ended().expect(143);
    assert!(run.stderr.contains("waits: 4.19.1: "), "{run:?}");

    let harness = with_agents(&agents);
    let mut command = harness.command("oarctl", ["agents", "run"]);
    command.env_remove("GITHUB_TOKEN");
    let run = end_to_end::finish(command).expect(3);
    assert!(run.stderr.contains("agents.waits.run") && run.stderr.contains("GITHUB_TOKEN"), "{run:?}");
}

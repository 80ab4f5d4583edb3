//! What is proved of every command in every flow.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Kind, Prepared, Scenario, pool, sample};
use crate::effects::Effects;
use crate::{Fault, FaultKind, LEAD, RecordedRequest, Run, SECOND_LEAD, finish, wait};

/// The exit codes that the documentation knows for a run that was not interrupted.
const DOCUMENTED: [i32; 6] = [0, 1, 3, 4, 5, 6];

/// A request that goes wrong once, or for ever.
#[derive(Debug, Clone)]
struct Trouble {
    kind: FaultKind,
    forever: bool,
}

impl Trouble {
    fn once(kind: FaultKind) -> Self {
        Self { kind, forever: false }
    }

    fn forever(kind: FaultKind) -> Self {
        Self { kind, forever: true }
    }
}

fn status(code: u16) -> FaultKind {
    FaultKind::Status { code, body: None, headers: Vec::new() }
}

/// Every way in which `request` can go wrong.
fn troubles(request: &RecordedRequest) -> Vec<Trouble> {
    let mut troubles = vec![
        Trouble::once(status(500)),
        Trouble::once(FaultKind::DropAfter),
        Trouble::forever(status(500)),
        Trouble::once(FaultKind::Garbage),
        Trouble::once(FaultKind::RateLimited { retry_after: 0 }),
        Trouble::once(FaultKind::HangAfter),
        Trouble::forever(FaultKind::DropBefore),
        Trouble::once(FaultKind::Truncate),
        Trouble::once(FaultKind::DropBefore),
        Trouble::forever(FaultKind::DropAfter),
        Trouble::once(FaultKind::Hang),
        Trouble::forever(FaultKind::Garbage),
    ];
    if request.service == "access" {
        // Whatever page is answered there, it is up.
        troubles.retain(|trouble| trouble.kind != FaultKind::Garbage);
    }
    if request.service == "github" && request.is_write() {
        troubles.push(Trouble::once(FaultKind::BusyBranch));
        troubles.push(Trouble::once(FaultKind::SecondaryRateLimit { retry_after: 0 }));
    }
    if request.service == "github" && !request.is_write() {
        troubles.push(Trouble::once(FaultKind::StaleRead));
    }
    troubles
}

/// One request of a run goes wrong.
struct FaultCase {
    fault: Fault,
    /// Whether it ends by a time-out, which is short then.
    hangs: bool,
    is_on_write: bool,
}

/// Every request of `requests` goes wrong in every way.
fn fault_cases(requests: &[RecordedRequest]) -> Vec<FaultCase> {
    let of_request = |request: &RecordedRequest| {
        let (service, method, path) = (&request.service, &request.method, &request.path);
        let case = |trouble: Trouble| {
            let hangs = matches!(trouble.kind, FaultKind::Hang | FaultKind::HangAfter);
            let fault = Fault::on(service, trouble.kind).method(method).path(path);
            let fault = if trouble.forever { fault.forever() } else { fault };
            FaultCase { fault, hangs, is_on_write: request.is_write() }
        };
        troubles(request).into_iter().map(case).collect::<Vec<_>>()
    };
    requests.iter().flat_map(of_request).collect()
}

/// Requests go wrong: nothing panics, the exit code is documented, no effect happens twice, and the next run ends as one
/// that nothing disturbed.
///
/// # Panics
/// When that is not so.
pub fn faults(scenario: &Scenario) {
    let world = scenario.prepared(Duration::ZERO);
    let expected = world.undisturbed();
    let cases = fault_cases(&world.distinct_requests());
    assert_eq!(cases.is_empty(), scenario.requests == 0, "only what is local asks nobody");
    let cases = sample::cases(scenario, cases, |case| {
        (std::mem::discriminant(&case.fault.kind), case.fault.forever, case.is_on_write)
    });
    pool::each(scenario, cases, |world, FaultCase { fault, hangs, .. }| {
        let context = format!("{} with {fault:?}", scenario.name);
        world.harness.sandbox.faults().add(fault);
        let mut command = world.command(&[], &[]);
        command.env("OAR_HTTP_RETRY_DELAY", "1");
        if hangs {
            command.env("OAR_HTTP_TIMEOUT", "0.5");
        }
        let run = finish(command);
        assert_survived(&run, scenario, &context);
        world.harness.sandbox.faults().clear();
        let context = format!("{context}\n{run:#?}\n{}", world.harness.request_lines());
        Effects::of(&world.harness).without_trouble(&context).assert_none_twice(&expected, &context);
        assert_healed(world, &expected, &context);
    });
}

pub(super) fn assert_survived(run: &Run, scenario: &Scenario, context: &str) {
    let text = run.all();
    assert!(!text.contains("panicked") && !text.contains("internal error"), "{context}\n{text}");
    let code = run.code.unwrap_or(-1);
    assert!(DOCUMENTED.contains(&code), "exit {code}: {context}\n{text}");
    if code != 0 && code != scenario.code {
        // A command that shows a list reports the problem in the list.
        let lists = matches!(scenario.kind, Kind::Look | Kind::CarriesOn(..));
        let said = if lists { &text } else { &run.stderr };
        assert!(said.contains("error: "), "{context}\n{text}");
    }
}

pub(super) fn assert_healed(world: &Prepared<'_>, expected: &Effects, context: &str) {
    let again = world.resume();
    let context = format!("{context}\nand then\n{again:#?}");
    assert_eq!(again.code, Some(world.scenario.code), "{context}");
    let effects = Effects::of(&world.harness).without_trouble(&context);
    effects.assert_same(expected, &context);
    world.assert_done(&effects);
}

/// The program is killed after each of its requests: the next run ends in the same state with each effect once.
///
/// # Panics
/// When that is not so.
pub fn kills(scenario: &Scenario) {
    let world = scenario.prepared(Duration::ZERO);
    let expected = world.undisturbed();
    let requests = world.harness.sandbox.requests();
    // After a read, and after a write: requests that run side by side may change places.
    let cases = sample::cases(scenario, (0..).zip(&requests).collect(), |(_, request)| request.is_write());
    let cases = cases.into_iter().map(|(after, _)| after).collect();
    pool::each(scenario, cases, |world, after: u64| {
        let sandbox = &world.harness.sandbox;
        sandbox.faults().add(Fault::anywhere(FaultKind::HangAfter).skip(after));
        let mut child = world.command(&[], &[]).spawn().unwrap();
        let started = Instant::now();
        let hit = || sandbox.requests().iter().any(|request| request.fault.is_some() && request.acted);
        // A run that needed fewer requests this time has ended; the second one is checked anyway.
        while !hit() && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_mins(1), "request {after} never came");
            std::thread::sleep(Duration::from_millis(2));
        }
        // Requests that run beside the one that hangs get their answers.
        std::thread::sleep(Duration::from_millis(30));
        match kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL) {
            // It has ended already.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => panic!("{}: {error}", scenario.name),
        }
        let killed = wait(child);
        sandbox.faults().clear();
        let context = format!(
            "{} killed after request {after}\n{killed:#?}\n{}",
            scenario.name,
            world.harness.request_lines()
        );
        Effects::of(&world.harness).without_trouble(&context).assert_none_twice(&expected, &context);
        assert_healed(world, &expected, &context);
    });
}

/// How long the request waits during which the release is held: longer than a run goes by an earlier look.
const LONGER_THAN_A_LOOK: Duration = Duration::from_millis(5_600);
/// How long a run takes that is held at a random moment.
const SLOW_RUN: Duration = Duration::from_secs(18);
/// The latency by which the rounds of a run are counted.
const COUNTED_BY: Duration = Duration::from_millis(50);
/// How many random moments are tried with `OAR_TEST_DEEP` for all commands of a list together.
const RANDOM_MOMENTS: usize = 10_000;
/// How many runs go on at the same time that do nothing but wait.
const SLOW_RUNS: usize = 24;
/// How long the other requests that were under way then have to end.
const UNDER_WAY: Duration = Duration::from_millis(1_500);
/// How much of a slow run is left at least when the hold must have been read.
const LEFT: Duration = Duration::from_secs(1);
/// The part of a slow run that one request takes at most: a longer one would have no answer in time.
const PARTS_AT_LEAST: f64 = 4.0;
/// How many requests of `hold` wait for the one before.
const REQUESTS_OF_HOLD: u32 = 2;

/// Why the release is held.
const REASON: &str = "stop everything";

/// When the release is held.
enum Moment {
    /// While this request waits.
    AtRequest(u64),
    /// So long after the start of a run whose requests all take this long.
    After { start: Duration, latency: Duration },
}

/// How many runs were held at random moments, and how many of them the hold met: they say so, or still went on when it must have
/// been read. The others had ended before, and prove nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct HeldRuns {
    /// How many there were.
    pub all: usize,
    /// How many the hold met.
    pub met: usize,
}

impl HeldRuns {
    /// Whether the hold met half of them at least.
    pub fn are_most(self) -> bool {
        self.met * 2 >= self.all
    }
}

impl std::iter::Sum for HeldRuns {
    fn sum<I: Iterator<Item = Self>>(runs: I) -> Self {
        runs.fold(Self::default(), |sum, runs| Self { all: sum.all + runs.all, met: sum.met + runs.met })
    }
}

/// The release is held while one of the requests waits, or at any other moment: nothing begins from then on, the run says why, and
/// the next one finishes with each effect once when the hold is withdrawn. So many requests are tried and one random moment; with
/// `OAR_TEST_DEEP` every request, and of the random moments the part of a list of `commands` commands. The runs of the random
/// moments are counted.
///
/// # Panics
/// When that is not so.
pub fn held(scenario: &Scenario, moments: u64, commands: usize) -> HeldRuns {
    let world = scenario.prepared(Duration::ZERO);
    let started = Instant::now();
    let expected = world.undisturbed();
    let at_once = started.elapsed();
    let count = world.harness.sandbox.requests().len() as u64;
    world.reset();
    world.harness.sandbox.set_latency(COUNTED_BY);
    let started = Instant::now();
    world.run().expect(scenario.code);
    let rounds = started.elapsed().saturating_sub(at_once).as_secs_f64() / COUNTED_BY.as_secs_f64();
    let latency = SLOW_RUN.div_f64(rounds.max(PARTS_AT_LEAST));
    drop(world);
    let mut numbers = sample::Numbers::named(&format!("{} held", scenario.name));
    let is_deep = sample::is_deep();
    let at_requests: Vec<u64> =
        if is_deep { (0..count).collect() } else { (0..moments).map(|_| numbers.below(count)).collect() };
    let all = if is_deep { RANDOM_MOMENTS.div_ceil(commands) } else { 1 };
    // What passes between the start of `hold` and the moment from which on nothing may begin.
    let until_read = latency * REQUESTS_OF_HOLD + LONGER_THAN_A_LOOK + UNDER_WAY;
    let longest = u64::try_from(SLOW_RUN.saturating_sub(until_read + LEFT).as_millis()).unwrap();
    let mut cases: Vec<Moment> = at_requests.into_iter().map(Moment::AtRequest).collect();
    cases.extend((0..all).map(|_| {
        let start = Duration::from_millis(numbers.below(longest));
        Moment::After { start, latency }
    }));
    let workers = if is_deep { SLOW_RUNS } else { cases.len() };
    let met = AtomicUsize::new(0);
    pool::each_by(workers, scenario, cases, |world, moment| {
        let is_met = held_at(world, &moment, &expected);
        if is_met && matches!(moment, Moment::After { .. }) {
            met.fetch_add(1, Ordering::SeqCst);
        }
    });
    let runs = HeldRuns { all, met: met.into_inner() };
    assert!(!is_deep || runs.are_most(), "{}: {runs:?}", scenario.name);
    runs
}

/// Holds the release at this moment of a run; whether the hold met it.
fn held_at(world: &Prepared<'_>, moment: &Moment, expected: &Effects) -> bool {
    let (scenario, sandbox) = (world.scenario, &world.harness.sandbox);
    let mut command = world.command(&[], &[]);
    // A request that waits so long is no request without an answer.
    command.env("OAR_HTTP_TIMEOUT", "20");
    let hold = || world.harness.oar(scenario.release, &["hold", "--reason", REASON]).expect(0);
    let (mut child, when) = match moment {
        Moment::AtRequest(after) => {
            let slow = FaultKind::Slow { ms: u64::try_from(LONGER_THAN_A_LOOK.as_millis()).unwrap() };
            sandbox.faults().add(Fault::anywhere(slow).skip(*after));
            let mut child = command.spawn().unwrap();
            let started = Instant::now();
            let waits = || sandbox.requests().iter().any(|request| request.fault.is_some());
            while !waits() && child.try_wait().unwrap().is_none() {
                assert!(started.elapsed() < Duration::from_mins(1), "request {after} never came");
                std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(UNDER_WAY);
            hold();
            (child, format!("at request {after}"))
        }
        Moment::After { start, latency } => {
            sandbox.set_latency(*latency);
            let child = command.spawn().unwrap();
            std::thread::sleep(*start);
            hold();
            // Until then the run may go by a look before the hold.
            std::thread::sleep(LONGER_THAN_A_LOOK + UNDER_WAY);
            (child, format!("after {start:?}, with {latency:?} for each request"))
        }
    };
    let goes_on = child.try_wait().unwrap().is_none();
    let before = sandbox.requests().len();
    let run = wait(child);
    let context = format!("{} held {when}\n{run:#?}\n{}", scenario.name, world.harness.request_lines());
    let begun: Vec<String> = sandbox.requests()[before..]
        .iter()
        .filter(|request| is_change(request) && request.service != "github")
        .map(RecordedRequest::line)
        .collect();
    assert!(begun.is_empty(), "begun while it was held: {begun:#?}\n{context}");
    if run.code != Some(scenario.code) {
        assert_eq!(run.code, Some(6), "{context}");
        for words in [REASON, "hold --withdraw"] {
            assert!(run.stderr.contains(words), "{context}");
        }
    }
    sandbox.faults().clear();
    sandbox.set_latency(Duration::ZERO);
    world.harness.oar(scenario.release, &["hold", "--withdraw"]).expect(0);
    assert_healed(world, expected, &context);
    goes_on || run.all().contains(REASON)
}

/// A dry run writes nothing; a run keeps to its budget, answers in JSON when asked, and does what it should; a second
/// one changes nothing.
///
/// # Panics
/// When that is not so.
pub fn runs(scenario: &Scenario) {
    let world = scenario.prepared(Duration::ZERO);
    let harness = &world.harness;
    let start = (harness.statebox(scenario.release), Effects::of(harness));
    let unchanged = |what: &str, run: &Run| {
        let writes = harness.sandbox.writes();
        let writes: Vec<String> =
            writes.iter().filter(|write| is_change(write)).map(RecordedRequest::line).collect();
        assert!(writes.is_empty(), "{what} wrote: {writes:#?}\n{run:#?}");
    };
    if !matches!(scenario.kind, Kind::Look | Kind::CarriesOn(..)) {
        let run = world.run_with(&[], &["--dry-run"]);
        let refused = matches!(scenario.kind, Kind::Refused(_));
        assert_eq!(run.code == Some(0), !refused, "{run:#?}");
        unchanged("a dry run", &run);
        assert_eq!((harness.statebox(scenario.release), Effects::of(harness)), start, "{run:#?}");
    }

    world.reset();
    let expected = world.undisturbed();
    let requests = harness.sandbox.requests();
    let count = requests.len();
    assert!(count <= scenario.requests, "{count} requests:\n{}", harness.request_lines());
    if let Some(reference) = scenario.reference.filter(|reference| *reference > 20) {
        // The reference has no holds, so the one request that looks for them is not compared.
        let looks = requests.iter().any(|request| request.path.ends_with("/_releases/holds.yaml"));
        let compared = scenario.requests - usize::from(looks);
        assert!(compared * 3 <= reference, "{compared} is more than a third");
    }

    let state = harness.statebox(scenario.release);
    harness.sandbox.clear_requests();
    let again = world.run().expect(scenario.code);
    unchanged("a second run", &again);
    assert_eq!(harness.statebox(scenario.release), state, "{again:#?}");
    Effects::of(harness).assert_same(&expected, &format!("{again:#?}"));

    world.reset();
    let run = world.run_with(&[], &["--output", "json"]).expect(scenario.code);
    let document = run.json();
    if matches!(scenario.kind, Kind::Task(..) | Kind::Refused(_)) {
        assert_eq!(document["exit_code"], scenario.code, "{document:#}");
    }
    if let Kind::Task(_, status) = scenario.kind {
        assert_eq!(document["status"], status, "{document:#}");
    }
    if let Kind::Refused(words) = scenario.kind {
        assert!(run.all().contains(words), "{run:#?}");
        unchanged("a refused run", &run);
        assert_eq!((harness.statebox(scenario.release), Effects::of(harness)), start, "{run:#?}");
    }
    if scenario.kind == Kind::Look {
        unchanged("a look", &run);
    }
    Effects::of(harness).assert_same(&expected, "with --output json");
}

/// Reads by POST are no changes: Jira's searches, XML-RPC, and signing in.
fn is_change(request: &RecordedRequest) -> bool {
    request.is_write() && !matches!(request.service.as_str(), "brewhub" | "google-oauth")
}

/// Planted tokens and addresses are in no output, state, message, note, comment or address, neither when all
/// is well nor when services throw them back.
///
/// # Panics
/// When that is not so.
pub fn secrets(scenario: &Scenario) {
    let codes = [400, 401, 403, 404, 422, 500];
    let world = scenario.prepared(Duration::ZERO);
    let mut texts = Vec::new();
    for more in [&["-v"][..], &["-v", "--output", "json"]] {
        texts.push(world.run_with(more, &[]).expect(scenario.code).all());
    }
    if !matches!(scenario.kind, Kind::Look | Kind::CarriesOn(..)) {
        world.reset();
        texts.push(world.run_with(&["-v"], &["--dry-run"]).all());
    }
    world.reset();
    world.run();
    let mut services: Vec<String> =
        world.distinct_requests().into_iter().map(|request| request.service).collect();
    services.sort_unstable();
    services.dedup();
    texts.extend(left_behind(&world));
    assert_clean(&world, &texts);

    // Every service throws them back with two of the codes, the next one with the two after these.
    let cases = services.iter().enumerate().flat_map(|(index, service)| {
        [2 * index, 2 * index + 1].map(|place| (service.clone(), codes[place % codes.len()]))
    });
    let cases = sample::cases(scenario, cases.collect(), |(_, code)| *code);
    pool::each(scenario, cases, |world, (service, code)| {
        let echoed = planted(world).join(" | ");
        let body = serde_json::json!({
            "message": echoed, "error": echoed, "errorMessages": [echoed], "errors": echoed,
        });
        let kind = FaultKind::Status { code, body: Some(body.to_string()), headers: Vec::new() };
        world.harness.sandbox.faults().add(Fault::on(&service, kind).forever());
        let run = world.run_with(&["-v"], &[]);
        assert_survived(&run, scenario, &format!("{} with {code} of {service}", scenario.name));
        let mut texts = vec![run.all()];
        texts.extend(left_behind(world));
        assert_clean(world, &texts);
    });
}

/// What must stand nowhere: every token, and the addresses of the people.
///
/// `metadata` shows the owner's address.
fn planted(world: &Prepared<'_>) -> Vec<String> {
    let secret = |name: &str| name.ends_with("TOKEN") || name == "OAR_JWK" || name == "JIRA_USERNAME";
    let environment = world.harness.sandbox.environment().into_iter();
    let mut values: Vec<String> =
        environment.filter(|(name, _)| secret(name)).map(|(_, value)| value).collect();
    assert!(values.len() >= 7, "{}", values.len());
    values.extend([LEAD, SECOND_LEAD, "bot@example.com", "qcontact@example.com"].map(str::to_owned));
    if world.scenario.command == ["metadata"] {
        values.retain(|value| value != LEAD);
    }
    values
}

fn assert_clean(world: &Prepared<'_>, texts: &[String]) {
    for value in planted(world) {
        for text in texts {
            assert!(!text.contains(&value), "a secret or an address stands in:\n{text}");
        }
    }
}

/// What people and other programs can read afterwards.
fn left_behind(world: &Prepared<'_>) -> Vec<String> {
    let harness = &world.harness;
    let mut texts: Vec<String> = harness.statebox(world.scenario.release).into_iter().collect();
    texts.extend(harness.records().into_values());
    texts.extend(bot_memories(world));
    texts.extend(local_files(&harness.home(), &["notified_files.txt"]));
    texts.extend(local_files(&harness.home().join(AGENTS), &[]));
    for job in &harness.sandbox.world().prow.lock().jobs {
        texts.push(format!("{:?} {:?} {:?}", job.envs, job.labels, job.annotations));
    }
    for message in &harness.sandbox.world().slack.lock().messages {
        texts.push(message.text.clone());
        texts.extend(message.blocks.as_ref().map(ToString::to_string));
        texts.extend(message.metadata.as_ref().map(ToString::to_string));
    }
    for file in harness.sandbox.world().slack.lock().files.values() {
        texts.extend(file.content.clone());
    }
    for issue in harness.sandbox.world().jira.lock().issues.values() {
        texts.extend(issue.comments.iter().map(|comment| comment.body.clone()));
        texts.extend(issue.description.clone());
        texts.extend(issue.properties.values().map(ToString::to_string));
    }
    for request in &harness.sandbox.world().gitlab.lock().merge_requests {
        texts.extend(request.notes.iter().map(|note| note.body.clone()));
        texts.push(request.description.clone());
    }
    for request in harness.sandbox.requests() {
        let mut address = format!("{}?{}", request.path, request.query);
        if request.path.contains("user") {
            // Looking somebody up by the address is what these requests are for.
            address = address.replace("%40example.com", "");
        }
        texts.push(address.replace("%40", "@"));
        if request.service == "github" && request.method == "PUT" {
            // The content is the StateBox, in another coding; the message of the commit is readable.
            texts.push(request.body_excerpt);
        }
    }
    texts
}

/// Where agents leave what became of their passes, below the home.
const AGENTS: &str = ".local/state/release-tests/agents";

/// What the Slack bot remembered, now and in every commit before.
fn bot_memories(world: &Prepared<'_>) -> Vec<String> {
    const MEMORY: &str = "_releases/slack-bot.json";
    let github = world.harness.sandbox.world().github.lock();
    github.versions("openshift/release-tests", "z-stream", MEMORY)
}

/// The content of the files of a folder: of those with these names, or of all.
fn local_files(folder: &Path, names: &[&str]) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let wanted = entries.filter(|entry| {
        let is_named = names.iter().any(|name| entry.file_name() == *name);
        entry.path().is_file() && (names.is_empty() || is_named)
    });
    wanted.map(|entry| String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned()).collect()
}

/// What agents leave is among what [`secrets`] looks at.
///
/// # Panics
/// When it is not.
pub fn looks_at_what_agents_leave() {
    for (name, left) in [
        ("slack_bot", &["\"handled\":{", "\"runs\":[{"][..]),
        ("jira_notificator", &["\"last_pass\"", "\"by\":"]),
        ("check_test_results", &["\"last_pass\"", "ocp-test-result-4.20.0-0.nightly-"]),
    ] {
        let scenario = super::scenario(name);
        let world = scenario.prepared(Duration::ZERO);
        world.run().expect(scenario.code);
        let texts = left_behind(&world);
        for words in left {
            assert!(texts.iter().any(|text| text.contains(words)), "{name}: {words} in {texts:#?}");
        }
    }
}

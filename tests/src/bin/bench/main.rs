//! Requests and timings, printed as tables: start-up, every command in both flows at 0 and 20 ms per request, the
//! StateBox dialect, image health, the images of a whole payload, a pass over all records, a pass of the engine over fourteen
//! releases, a pass of the Jira notificator, the MCP server under load, the dashboard, the lead time of simulated releases.
//! `commands`, `image-health`, `image-consistency`, `pass`, `drive`, `notificator`, `mcp`, `dashboard` and `lead-time` as argument
//! print that table alone; `commands TEXT` measures only the lines whose name or flow holds the text, and `requests TEXT` prints what such a line
//! asks for, and in which round.
//!
//! The critical path of a command in rounds is what its requests cost that wait for each other: the time that 20 ms per
//! request add, divided by 20 ms.
//!
//! Timings are for reading, never for passing or failing a test. Run it with `make bench`.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::format_push_string,
    reason = "a program of one page that prints a table"
)]

mod dashboard;
mod lead_time;
mod mcp;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use end_to_end::directory::{Directory, Person};
use end_to_end::{Harness, Options, Sandbox, finish, many_releases, matrix, release_tests};
use nix::sys::resource::{UsageWho, getrusage};
use oar_core::clients::advisory_content::AdvisoryContentClient;
use oar_core::clients::catalog::CatalogClient;
use oar_core::clients::pyxis::PyxisClient;
use oar_core::clock::Clock;
use oar_core::config::{Origins, PYXIS_CONCURRENCY};
use oar_core::http::{Http, HttpSettings};
use oar_core::operators::image_health::{HealthPolicy, ImageHealth, ShipmentAdvisory};
use oar_core::redact::Redactor;
use oar_core::statebox::State;

fn main() {
    if let Ok(base) = std::env::var(CHILD) {
        if let Err(error) = check_images(&base) {
            println!("failed: {error}");
        }
        return;
    }
    if std::env::var_os(MEASURED).is_some() {
        measured_child();
        return;
    }
    if std::env::args().any(|argument| argument == "pass") {
        passes();
        return;
    }
    if std::env::args().any(|argument| argument == "notificator") {
        notificator();
        return;
    }
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next().unwrap_or_default()) {
        (Some("commands"), text) => return commands(&text),
        (Some("requests"), text) => return requests(&text),
        (Some("lead-time"), _) => return lead_time::measure(),
        (Some("drive"), _) => return drive(),
        (Some("dashboard"), _) => return dashboard::measure(&std::env::args().skip(2).collect::<Vec<_>>()),
        (Some("mcp"), _) => return mcp::measure(&std::env::args().skip(2).collect::<Vec<_>>()),
        _ => {}
    }
    if std::env::args().any(|argument| argument == "image-consistency") {
        image_consistency();
        return;
    }
    if std::env::args().any(|argument| argument == "image-health") {
        if let Err(error) = image_health() {
            println!("image health: not measured: {error}");
        }
        return;
    }
    println!("{:<58} {:>9} {:>9} {:>9}", "", "minimum", "median", "maximum");
    // First, while this process is small: the kernel counts the parent's memory into a child's peak.
    row("oar --help (ms)", &times(40, || run_help(&["oar", "--help"])));
    row(
        "oar -r 4.19.1 take-ownership --help (ms)",
        &times(40, || {
            run_help(&["oar", "-r", "4.19.1", "take-ownership", "--help"]);
        }),
    );
    match getrusage(UsageWho::RUSAGE_CHILDREN) {
        Ok(usage) => println!("{:<58} {:>9.1} MB", "peak memory of --help", mebibytes(usage.max_rss())),
        Err(error) => println!("peak memory of --help: not measured: {error}"),
    }
    commands("");
    dialect();
    passes();
    drive();
    image_consistency();
    notificator();
    mcp::measure(&[]);
    dashboard::measure(&[]);
    lead_time::measure();
    if let Err(error) = image_health() {
        println!("image health: not measured: {error}");
    }
}

/// How long the images of a whole payload take: all of them are shipped; none of them is shipped by its digest, so that
/// every label is read.
fn image_consistency() {
    const IMAGES: usize = 190;
    const REFERENCE: &str = "the Python tooling: 387 requests, 12,500 ms";
    for rebuilt in [false, true] {
        let harness = Harness::new();
        let world = harness.sandbox.world();
        sandbox::scenario::registry::fill_release(world, IMAGES);
        if rebuilt {
            sandbox::scenario::registry::ship_rebuilt(world, IMAGES);
        }
        harness.sandbox.set_latency(Duration::from_millis(u64::from(LATENCY)));
        let payload = "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64";
        let samples = times(3, || {
            harness.sandbox.clear_requests();
            harness.run("oarctl", ["image-consistency-check", "-p", payload, "-m", "612"]).expect(0);
        });
        let requests = harness.sandbox.requests().len();
        let how = if rebuilt { "by commit" } else { "by digest" };
        row(&format!("{IMAGES} images {how}, {LATENCY} ms/request, {requests} requests (ms)"), &samples);
    }
    println!("  the goal: 2,000 ms for images that are found by digest; {REFERENCE}");
}

/// A pass of the engine over fourteen active releases in which nothing has changed.
fn drive() {
    let harness = many_releases::fourteen();
    for _ in 0..2 {
        harness.run("oarctl", ["drive"]).expect(0);
    }
    harness.sandbox.set_latency(Duration::from_millis(u64::from(LATENCY)));
    let samples = times(5, || {
        harness.sandbox.clear_requests();
        harness.run("oarctl", ["drive"]).expect(0);
    });
    let requests = harness.sandbox.requests().len();
    row(&format!("drive, 14 releases, {LATENCY} ms/request, {requests} requests (ms)"), &samples);
    println!("  the budget: 2,000 ms");
}

/// The latency at which the critical path is measured, in milliseconds.
const LATENCY: u32 = 20;

/// Every command in every flow whose name or flow holds `text`: the requests of a run and of a second one, how long a
/// run takes, and its critical path in rounds.
fn commands(text: &str) {
    println!(
        "\n{:<42} {:<8} {:>8} {:>6} {:>9} {:>11} {:>11} {:>7}",
        "command, median of three runs", "flow", "requests", "again", "reference", "0 ms", "20 ms", "rounds"
    );
    for scenario in matrix::table().into_iter().filter(|scenario| is_wanted(scenario, text)) {
        let (mut counts, mut medians) = ((0, 0), Vec::new());
        for latency in [0, u64::from(LATENCY)] {
            let world = scenario.prepared(Duration::from_millis(latency));
            let mut samples = times(3, || {
                world.reset();
                world.run().expect(scenario.code);
            });
            samples.sort_by(f64::total_cmp);
            medians.push(samples.get(1).copied().unwrap_or(f64::NAN));
            counts.0 = world.harness.sandbox.requests().len();
            world.harness.sandbox.clear_requests();
            world.run().expect(scenario.code);
            counts.1 = world.harness.sandbox.requests().len();
        }
        let reference = scenario.reference.map_or_else(|| "-".to_owned(), |count| count.to_string());
        print!("{:<42} {:<8} {:>8} {:>6} {reference:>9}", scenario.name, scenario.flow(), counts.0, counts.1);
        for value in &medians {
            print!(" {value:>8.0} ms");
        }
        let rounds = match medians.as_slice() {
            [without, with] => (with - without) / f64::from(LATENCY),
            _ => f64::NAN,
        };
        println!(" {rounds:>7.1}");
    }
    println!();
}

/// Whether a command in its flow is one of those that `text` names.
fn is_wanted(scenario: &matrix::Scenario, text: &str) -> bool {
    let text = text.replace('-', "_").to_lowercase();
    format!("{} {}", scenario.name, scenario.flow()).to_lowercase().contains(&text)
}

/// The requests of one run of every command whose name or flow holds `text`, each with the round in which it came. At so
/// slow a service the program's own time does not count.
fn requests(text: &str) {
    const SLOW: Duration = Duration::from_millis(200);
    for scenario in matrix::table().into_iter().filter(|scenario| is_wanted(scenario, text)) {
        println!("\n{}, {}", scenario.name, scenario.flow());
        let world = scenario.prepared(SLOW);
        let done = std::sync::atomic::AtomicBool::new(false);
        let arrivals = std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut arrivals = Vec::new();
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    arrivals.resize(world.harness.sandbox.requests().len(), Instant::now());
                    std::thread::sleep(Duration::from_millis(1));
                }
                arrivals
            });
            let run = world.run();
            done.store(true, std::sync::atomic::Ordering::SeqCst);
            run.expect(scenario.code);
            watch.join().unwrap_or_default()
        });
        let Some(first) = arrivals.first() else { continue };
        for (request, came) in world.harness.sandbox.requests().iter().zip(&arrivals) {
            let rounds = came.duration_since(*first).as_secs_f64() / SLOW.as_secs_f64();
            let status = request.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            println!("{rounds:>6.2} {status:>4} {}", request.line());
        }
    }
}

/// 860 images of one release with 100 ms per answer, in lists and one by one; every one of them a new process, so that
/// the peak memory is its own.
fn image_health() -> Result<(), Box<dyn std::error::Error>> {
    const IMAGES: usize = 860;
    for lists in [true, false] {
        let sandbox = Sandbox::start(&Options { latency: Duration::from_millis(100), ..Options::default() })?;
        sandbox::scenario::catalog::fill(sandbox.world(), IMAGES);
        sandbox.world().catalog.lock().refuse_lists = !lists;
        let started = Instant::now();
        let child = Command::new(std::env::current_exe()?).env(CHILD, sandbox.base_url()).output()?;
        let elapsed = started.elapsed().as_secs_f64() * 1000.0;
        let said = String::from_utf8_lossy(&child.stdout);
        let how = if lists { "in lists" } else { "one by one" };
        let requests = sandbox.requests().len();
        row(
            &format!("health of {IMAGES} images {how}, 100 ms/request, {requests} requests (ms)"),
            &[elapsed],
        );
        println!("  {}", said.trim());
    }
    Ok(())
}

/// Set for the child that checks images: the sandbox's address.
const CHILD: &str = "OAR_BENCH_IMAGE_HEALTH";

/// Checks the images of the sandbox at `base` and prints what came out and the peak memory of this process.
fn check_images(base: &str) -> Result<(), Box<dyn std::error::Error>> {
    let url = |prefix: &str| format!("{base}{prefix}").parse::<url::Url>();
    let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default())?;
    let content = url("/advisory-content")?;
    let health = ImageHealth {
        catalog: CatalogClient::new(http.clone(), url("/catalog-stage")?, PYXIS_CONCURRENCY),
        advisory_content: AdvisoryContentClient::new(http.clone(), Origins::new(None, Some(&content))?),
        pyxis: PyxisClient::new(http, url("/pyxis")?, PYXIS_CONCURRENCY),
        policy: HealthPolicy::default(),
        cache: None,
        clock: Clock::system(),
    };
    let files = [ShipmentAdvisory {
        file: "image.yaml".to_owned(),
        address: Some(format!("{content}{}", sandbox::scenario::catalog::ADVISORY_PATH)),
    }];
    let report = tokio::runtime::Runtime::new()?.block_on(health.check_shipment(&files));
    let memory = getrusage(UsageWho::RUSAGE_SELF)?.max_rss();
    println!("{}; peak memory {:.1} MB", report.summary(), mebibytes(memory));
    Ok(())
}

/// A pass of the Jira notificator over two hundred bugs, with every row of its table and 20 ms for each answer. Managers are
/// looked up in a real directory.
fn notificator() {
    let people: Vec<(String, String)> = (0..6)
        .map(|number| (format!("contact{number}"), format!("contact-{number}@example.com")))
        .chain([("lead".to_owned(), "second-lead@example.com".to_owned())])
        .collect();
    let mails: Vec<[&str; 1]> = people.iter().map(|(_, mail)| [mail.as_str()]).collect();
    let mut entries: Vec<Person<'_>> =
        people.iter().zip(&mails).map(|((uid, _), mail)| Person::new(uid, mail, &["boss"])).collect();
    entries.push(Person::new("boss", &["demo-lead@example.com"], &[]));
    let directory = Directory::start(&entries);
    let harness = directory.asked_by(Harness::new());
    sandbox::scenario::notificator::load(harness.sandbox.world(), jiff::Timestamp::now());
    harness.sandbox.clear_requests();
    harness.sandbox.set_latency(Duration::from_millis(LATENCY.into()));
    let started = Instant::now();
    let run = harness.run("oarctl", ["jira-notificator"]).expect(0);
    let seconds = started.elapsed().as_secs_f64();
    let requests = harness.sandbox.requests().len();
    println!("jira-notificator, 200 bugs at {LATENCY} ms: {seconds:.2} s, {requests} requests");
    println!("{}", run.stdout.lines().last().unwrap_or_default());
    println!("  the goal: 340 requests, 5 s; the Python tooling: 1,022 requests, 75 s");
}

/// Passes of the aggregator over 530 records at 20 ms per request: with everything to be read for the first time, and
/// then with nothing new, while ten builds are tested and while none is.
fn passes() {
    for open in [10, 0] {
        let harness = Harness::with(Options { latency: Duration::from_millis(20), ..Options::default() });
        sandbox::scenario::records::grow(harness.sandbox.world(), 530, open);
        pass(&harness, &format!("530 records, {open} open: the first pass, empty cache"), 1);
        pass(&harness, &format!("530 records, {open} open: a pass, nothing new"), 7);
    }
}

/// Requests, times and peak memory of one `jobctl start-aggregator`, run `count` times.
fn pass(harness: &Harness, name: &str, count: usize) {
    let mut peak = 0.0_f64;
    harness.sandbox.clear_requests();
    let samples = times(count, || {
        let wanted = harness.command("jobctl", ["start-aggregator"]);
        let Ok(own) = std::env::current_exe() else { return };
        let mut command = Command::new(own);
        command.arg(wanted.get_program()).args(wanted.get_args()).env_clear();
        command.envs(wanted.get_envs().filter_map(|(name, value)| Some((name, value?)))).env(MEASURED, "1");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
        let run = finish(command).expect(0);
        peak = peak.max(run.stdout.lines().last().and_then(|line| line.parse().ok()).unwrap_or(f64::NAN));
    });
    let requests = harness.sandbox.requests();
    let github = requests.iter().filter(|request| request.service == "github").count() / count;
    let others = requests.len() / count - github;
    row(&format!("{name} (ms)"), &samples);
    println!("  {github} requests to GitHub, {others} to others; peak memory {peak:.1} MB");
}

/// Set for the child that runs a program and says its peak memory: a small process, as the kernel counts the parent's
/// memory into a child's peak.
const MEASURED: &str = "OAR_BENCH_MEASURED";

fn measured_child() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else { return };
    let status = Command::new(program).args(arguments).env_remove(MEASURED).status();
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(f64::NAN, |usage| mebibytes(usage.max_rss()));
    println!("\n{peak}");
    if !status.is_ok_and(|status| status.success()) {
        std::process::exit(1);
    }
}

fn dialect() {
    let text = large_state();
    let state = State::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let size = text.len() / 1024;
    row(
        &format!("StateBox of {size} KB: parse and check (ms)"),
        &times(200, || {
            std::hint::black_box(State::parse(&text).is_ok());
        }),
    );
    row(
        &format!("StateBox of {size} KB: write (ms)"),
        &times(200, || {
            std::hint::black_box(state.to_yaml().len());
        }),
    );
}

/// A made-up file as large as the largest real one.
fn large_state() -> String {
    let mut text = String::from(
        "schema_version: '1.0'\nrelease: 4.14.60\ncreated_at: '2026-07-01T10:00:00Z'\n\
         updated_at: '2026-07-02T10:00:00Z'\nmetadata:\n  jira_ticket: ART-14600\n  advisory_ids:\n    rpm: 140001\n\
         \x20 release_date: 2026-Jul-09\n  candidate_builds: {}\n  shipment_mr: null\ntasks:\n",
    );
    for name in ["take-ownership", "stage-testing", "image-signed-check", "change-advisory-status"] {
        text += &format!(
            "- name: {name}\n  status: Pass\n  started_at: '2026-07-01T10:00:00Z'\n  \
             completed_at: '2026-07-01T10:00:09Z'\n  result: |-\n"
        );
        for line in 0..110 {
            text += &format!(
                "    2026-07-01T10:00:00Z: INFO: advisory 140001 line {line}: nothing to be done, looked again later\n"
            );
        }
    }
    text.push_str("issues: []\n");
    text
}

fn run_help(arguments: &[&str]) {
    let status = Command::new(release_tests())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{arguments:?} failed");
}

fn times(count: usize, mut work: impl FnMut()) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect()
}

fn row(name: &str, values: &[f64]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    println!(
        "{name:<58} {:>9.2} {:>9.2} {:>9.2}",
        at(0),
        at(sorted.len() / 2),
        at(sorted.len().saturating_sub(1))
    );
}

fn mebibytes(kibibytes: i64) -> f64 {
    f64::from(i32::try_from(kibibytes).unwrap_or(i32::MAX)) / 1024.0
}

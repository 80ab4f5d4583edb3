//! Two weeks of all agents in one process, in simulated time: the detector every ten minutes; the notificator, the result
//! checker, controller, aggregator, and drive every hour; the Slack bot all the time. The process ends at random requests and is
//! started anew, while releases are announced, people work on their bugs, and give the bot commands. Every step of a release is
//! left to people, so drive tells what is open and runs nothing: what it runs is shown by whole releases (`tests/simulated`).
//!
//! Agents and sandbox share one clock, which stands still during the passes and is moved between them. Two days here, with a
//! seed that is printed (`OAR_TEST_SEED` repeats it as far as what happens; requests that are sent at the same moment may
//! arrive in another order); two weeks with `make test-deep`.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod agents;
mod bugs;
mod conversation;
mod releases;

use agents::{Ended, Process, resident};
use bugs::{Bugs, PEOPLE};
use conversation::Conversation;
use end_to_end::directory::Directory;
use end_to_end::in_process::end_at;
use end_to_end::matrix::sample::{Numbers, is_deep};
use end_to_end::{Harness, Options, only_waits, slack_bot};
use jiff::{SignedDuration, Timestamp};
use releases::Releases;
use sandbox::clock::ClockStart;
use sandbox::world::World;

/// A Thursday.
const START: Timestamp = Timestamp::constant(1_782_990_000, 0);
const STEP: SignedDuration = SignedDuration::from_mins(10);
const STEPS_A_DAY: i32 = 144;
/// After this time nobody holds a bug for a process that ended.
const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// A process that was started anew ends again so often at most.
const MOST_RESTARTS: u32 = 3;
/// How much the process may grow in the second half, in MiB, although what the sandbox itself keeps is trimmed each day: a little
/// for what it still keeps (messages, comments, changes of bugs), and for how memory is cut up.
const MOST_GROWTH: u64 = 12;
/// Commits of each branch that the sandbox still knows after a day.
const COMMITS_KEPT: usize = 50;

/// Takes away what the sandbox keeps and nobody asks for any more.
fn trim(world: &World) {
    world.github.lock().keep_newest(COMMITS_KEPT);
    let mut slack = world.slack.lock();
    slack.sockets.deliveries = Vec::new();
    slack.sockets.given_up = Vec::new();
}

#[tokio::test]
async fn whatever_ends_the_process_everything_is_done_once_and_in_time() {
    let mut numbers = Numbers::named("fortnight");
    let (days, bugs) = if is_deep() { (14, 45) } else { (2, 18) };
    let directory = Directory::start(&PEOPLE);
    let options = Options { clock: ClockStart::Frozen(START), ..Options::default() };
    let harness = directory.asked_by(Harness::with(options));
    let permissions = slack_bot::permissions(&harness);
    let harness = harness.with_document(|document| {
        document["slack_bot"] = permissions;
        only_waits(document);
    });
    let harness = harness.env("OAR_INTENT_LEASE", &LEASE.as_secs().to_string());
    let (world, clock) = (harness.sandbox.world(), harness.sandbox.clock());
    let mut bugs = Bugs::load(world, bugs, START, &mut numbers);
    let mut releases = Releases::start(&harness, START);
    let mut talk = Conversation::default();
    let mut process = Process::start(&harness);
    let (mut restarts, mut half) = (0, None);
    let move_to = |time: Timestamp| {
        let rest = time.duration_since(clock.now());
        if rest.is_positive() {
            clock.advance(rest);
        }
    };
    for step in 1..=days * STEPS_A_DAY {
        let (end, hourly) = (START + STEP * step, step % 6 == 0);
        move_to(end - SignedDuration::from_mins(1 + i64::try_from(numbers.below(4)).unwrap()));
        bugs.live(world, clock.now(), &mut numbers);
        releases.live(&harness, clock.now(), &mut numbers);
        talk.live(&harness, &mut numbers);
        move_to(end);
        let mut left = MOST_RESTARTS;
        loop {
            let ends = left > 0 && numbers.below(if hourly { 2 } else { 8 }) == 0;
            let fault = ends.then(|| end_at(&mut numbers));
            let ended = process.passes(&harness, hourly, &talk, fault).await;
            let whole = matches!(ended, Ended::Whole(_));
            if hourly {
                bugs.compare(world, clock.now(), whole);
            }
            releases.nothing_twice(&harness);
            talk.nothing_twice(&harness);
            if let Ended::Whole(problems) = ended {
                assert!(problems.is_empty(), "at {}: {problems:#?}", clock.now());
                break;
            }
            (left, restarts) = (left - 1, restarts + 1);
            clock.advance(LEASE + SignedDuration::from_secs(1));
        }
        releases.all_begun(&harness);
        if hourly {
            releases.all_told(&harness);
        }
        harness.sandbox.clear_requests();
        if step % STEPS_A_DAY == 0 {
            releases.note_commits(&harness);
            trim(world);
            // The bot looks back for a day.
            talk.forget_before(&harness, end - SignedDuration::from_hours(48));
            if step == days * STEPS_A_DAY / 2 {
                half = Some(resident());
            }
            let messages = world.slack.lock().messages.len();
            println!("day {}: {} MiB, {messages} messages", step / STEPS_A_DAY, resident());
        }
    }
    // The claims of processes that ended are over.
    clock.advance(STEP * 2);
    let last = process.passes(&harness, false, &talk, None).await;
    assert!(matches!(last, Ended::Whole(problems) if problems.is_empty()));
    let (half, late) = (half.unwrap(), resident());
    let (done, said) = (releases.finish(&harness), talk.finish(&harness));
    println!(
        "{days} days, {restarts} restarts: {done}; {said}; {:?}; {half} MiB, then {late} MiB",
        bugs.seen
    );
    assert!(late <= half + MOST_GROWTH, "{half} MiB at half of the time, then {late} MiB");
    assert!(restarts > days * 4, "{restarts} restarts");
    if is_deep() {
        for what in
            ["QaContact", "TeamLead", "Manager", "Assignee", "Reporter"].map(|kind| format!("told {kind}"))
        {
            assert!(bugs.seen.contains_key(&what), "{what}: {:?}", bugs.seen);
        }
        for what in ["label added", "label removed", "answered", "ASSIGNED", "Verified", "ON_QA"] {
            assert!(bugs.seen.contains_key(what), "{what}: {:?}", bugs.seen);
        }
    }
    harness.sandbox.assert_no_unexpected();
}

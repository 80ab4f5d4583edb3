//! A command twice at the same moment, with varied timing and faults: every effect happens once.

use std::time::Duration;

use super::proofs::{assert_healed, assert_survived};
use super::sample::{self, Numbers};
use super::{Prepared, Scenario, pool};
use crate::effects::Effects;
use crate::{Fault, FaultKind, wait};

/// How many meetings of two runs a normal test run tries.
const SAMPLE: u64 = 5;
/// How many `make test-deep` tries.
const DEEP: u64 = 100;

/// How two runs meet.
#[derive(Debug, Clone)]
struct Meeting {
    /// How long the second one starts after the first.
    delay: Duration,
    /// How long each service takes to answer.
    latency: Duration,
    /// What goes wrong on the way.
    fault: Option<Fault>,
}

impl Meeting {
    /// The first one is the plainest: both at the same moment, and nothing goes wrong.
    fn of(number: u64, numbers: &mut Numbers) -> Self {
        let latency = Duration::from_millis(5 + numbers.below(30));
        if number == 0 {
            return Self { delay: Duration::ZERO, latency, fault: None };
        }
        // Up to about as long as a run takes.
        let delay = Duration::from_millis(numbers.below(40 * latency.as_millis().try_into().unwrap_or(1)));
        let state = |kind| Fault::on("github", kind).path("/repos/*/contents/*").rate(0.2);
        let fault = match numbers.below(7) {
            0 => Some(state(FaultKind::BusyBranch).method("PUT")),
            1 => Some(state(FaultKind::DropAfter).method("PUT")),
            2 => Some(state(FaultKind::StaleRead).method("GET")),
            3 => Some(Fault::anywhere(FaultKind::DropAfter).skip(numbers.below(60))),
            4 => Some(
                Fault::anywhere(FaultKind::Status { code: 500, body: None, headers: Vec::new() })
                    .skip(numbers.below(60)),
            ),
            _ => None,
        };
        Self { delay, latency, fault }
    }
}

/// Two runs of the command meet, again and again: no effect happens twice, the second run reports the first,
/// and the next run finds everything done as by one run.
///
/// # Panics
/// When that is not so.
pub fn two_at_once(scenario: &Scenario) {
    let mut numbers = Numbers::named(scenario.name);
    let world = scenario.prepared(Duration::ZERO);
    let expected = world.undisturbed();
    let count = if sample::is_deep() { DEEP } else { SAMPLE };
    let meetings = (0..count).map(|number| Meeting::of(number, &mut numbers)).collect();
    pool::each(scenario, meetings, |world, meeting| meet(world, &meeting, &expected));
}

fn meet(world: &Prepared<'_>, meeting: &Meeting, expected: &Effects) {
    let (scenario, sandbox) = (world.scenario, &world.harness.sandbox);
    sandbox.set_latency(meeting.latency);
    sandbox.faults().seed(meeting.delay.as_millis().try_into().unwrap_or(1));
    if let Some(fault) = &meeting.fault {
        sandbox.faults().add(fault.clone());
    }
    let start = || {
        let mut command = world.command(&[], &[]);
        command.env("OAR_HTTP_RETRY_DELAY", "1");
        // Both programs live, so neither may take over what the other one is about to start.
        command.env_remove("OAR_INTENT_LEASE");
        command.spawn().unwrap()
    };
    let first = start();
    std::thread::sleep(meeting.delay);
    let second = start();
    let runs = [wait(first), wait(second)];
    sandbox.faults().clear();
    sandbox.set_latency(Duration::ZERO);
    let context = format!("{} with {meeting:?}\n{runs:#?}\n{}", scenario.name, world.harness.request_lines());
    for run in &runs {
        assert_survived(run, scenario, &context);
    }
    if meeting.fault.is_none() {
        for run in &runs {
            assert!([scenario.code, 5].contains(&run.code.unwrap_or(-1)), "{context}");
        }
        assert!(runs.iter().any(|run| run.code == Some(scenario.code)), "{context}");
    }
    Effects::of(&world.harness).without_trouble(&context).assert_none_twice(expected, &context);
    assert_healed(world, expected, &context);
}

//! Whole releases in simulated time, from announced to shipped, driven by the engine alone: clean ones, drawn ones with what
//! goes wrong in real releases, and real ones. Five seeds here, fifty with `make test-deep`; `OAR_TEST_SEED` runs one alone.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::panic, reason = "tests say what they expect by failing")]

mod effects;
mod questions;

use end_to_end::effects::Effects;
use end_to_end::in_process::with_tickets;
use end_to_end::matrix::sample::is_deep;
use end_to_end::simulated::course::{Course, Event};
use end_to_end::simulated::enabling::{APPROVAL, APPROVAL_LOOKS, approval_opens};
use end_to_end::simulated::{Case, Done, Policy, Simulation, TIMER, run_all};
use end_to_end::{ERRATA, KONFLUX};
use jiff::{SignedDuration, Timestamp};
use oar_core::operations::advance::RunResult;
use oar_core::statebox::Share;

/// Everything of a simulation that explains a failure.
fn told(simulation: &Simulation) -> String {
    let shown = |done: &Done| {
        format!("{} {:#} {} {:?} {:?}", done.at, done.delay, done.node, done.result, done.detail)
    };
    let done: Vec<String> = simulation.done.iter().chain(&simulation.seen).map(shown).collect();
    format!(
        "{}: {:#?}\n{}\n{:#?}\n{:#?}\n{:#?}\n{}",
        simulation.course.name,
        simulation.course.events,
        done.join("\n"),
        simulation.asked(),
        simulation.said(),
        simulation.problems,
        simulation.harness.statebox(simulation.course.release).unwrap_or_default()
    )
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What was done or found done, or a consent that was asked for, with the moment from which on that was possible. What was not
/// allowed or had been done before is no work, and nor is a look at the page of the approval that found nothing: passes in which
/// nothing else can happen are left out.
fn work(simulation: &Simulation) -> Vec<(Timestamp, &Done)> {
    let possible = |done: &'_ Done| done.at - done.delay;
    let mut all: Vec<(Timestamp, &Done)> =
        simulation.seen.iter().map(|seen| (possible(seen), seen)).collect();
    for done in &simulation.done {
        let is_approval = done.node == APPROVAL.id();
        let found_nothing = is_approval && done.result == RunResult::Running;
        if matches!(done.result, RunResult::Nothing | RunResult::Held) || found_nothing {
            continue;
        }
        // A person begins it; the engine looks at it less often.
        let own = if is_approval { APPROVAL_LOOKS } else { SignedDuration::ZERO };
        all.push((possible(done) + own.min(done.delay), done));
    }
    all
}

/// What can be done is done, what is done is seen, and a consent is asked for, at the next tick of the timer, in 99 of 100 cases; and
/// nobody is ever waited for who is not told.
fn is_in_time(simulation: &Simulation) {
    let work = work(simulation);
    let mut delays: Vec<SignedDuration> =
        work.iter().map(|(possible, done)| done.at.duration_since(*possible)).collect();
    delays.sort_unstable();
    let most = delays.len() * 99 / 100;
    let late = delays.get(most.min(delays.len().saturating_sub(1))).copied().unwrap_or_default();
    assert!(late <= TIMER, "{late:#}\n{}", told(simulation));
    let nobody = simulation.shares.of(Share::Nobody);
    assert!(nobody.is_zero(), "{nobody:#} {:?}\n{}", simulation.idle, told(simulation));
}

/// A pass that nothing disturbed left nothing undone that could be done before it, and nobody waited for whom nobody looks. An
/// engine with trouble is later: by the passes that were disturbed, and by what they left behind.
fn leaves_nothing(simulation: &Simulation, context: &str) {
    for (possible, done) in work(simulation) {
        // What a pass did that was killed is not known here; the list of bugs is looked at once a day.
        let daily = if done.node == "update-bug-list" { DAY } else { SignedDuration::ZERO };
        let possible = possible + daily.min(done.delay);
        // What could not be read for a while is seen once more: the first time counts.
        let mut before = simulation.seen.iter().filter(|seen| seen.at < done.at);
        if before.any(|seen| seen.node == done.node && seen.result == done.result) {
            continue;
        }
        let mut passes = simulation.undisturbed.iter();
        let missed = passes.find(|pass| possible < **pass && **pass < done.at);
        assert!(missed.is_none(), "possible at {possible}, not done at {missed:?}: {done:#?}\n{context}");
    }
    let mut idle = simulation.idle.iter();
    let idle = idle.find(|(at, _)| simulation.undisturbed.contains(at));
    assert!(idle.is_none(), "nobody looks: {idle:?}\n{context}");
}

/// A release in which nothing disturbs the engine: it is on time, asks what the policy and the course say, tells everything it
/// asks, and does everything once.
fn is_well(simulation: &Simulation, policy: Policy) {
    is_in_time(simulation);
    questions::are_those_of(simulation, policy);
    questions::are_told(simulation);
    effects::are_those_of(simulation);
    assert!(simulation.problems.is_empty(), "{}", told(simulation));
    simulation.harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_clean_release_is_shipped_and_asks_three_questions_at_most() {
    with_tickets("a_clean_release_is_shipped_and_asks_three_questions_at_most", || {
        let courses = [KONFLUX, ERRATA].map(|release| Case::new(Course::clean(release), Policy::Recommended));
        for simulation in run_all(courses.to_vec()) {
            println!("{}", told(&simulation));
            println!("{} passes, {:#?}", simulation.passes.len(), simulation.shares);
            is_well(&simulation, Policy::Recommended);
            assert!(simulation.asked().len() <= 3, "{}", told(&simulation));
        }
    });
}

#[test]
fn with_the_shipped_policy_people_are_asked_before_each_step_that_costs_or_cannot_be_undone() {
    with_tickets(
        "with_the_shipped_policy_people_are_asked_before_each_step_that_costs_or_cannot_be_undone",
        || {
            let courses = [KONFLUX, ERRATA].map(|release| Case::new(Course::clean(release), Policy::Shipped));
            for simulation in run_all(courses.to_vec()) {
                is_well(&simulation, Policy::Shipped);
            }
        },
    );
}

/// From when on every pass is made: from the first StateBox on, or around the approval.
fn ticks_from(course: &Course) -> Timestamp {
    let page = course.events.iter().find(|(_, event)| *event == Event::Published).map(|(at, _)| *at);
    let approval = page.unwrap_or(approval_opens(course.release));
    if is_deep() {
        course.announced + SignedDuration::from_mins(4)
    } else {
        approval - SignedDuration::from_mins(40)
    }
}

#[test]
fn a_pass_over_all_releases_every_two_minutes_has_no_other_effects() {
    with_tickets("a_pass_over_all_releases_every_two_minutes_has_no_other_effects", || {
        let mut cases = Vec::new();
        for release in [KONFLUX, ERRATA] {
            let mut course = Course::clean(release);
            course.shipping = SignedDuration::from_mins(50);
            let from = ticks_from(&course);
            cases.push(Case::new(course.clone(), Policy::Recommended));
            cases.push(Case::new(course, Policy::Recommended).at_every_tick(from));
        }
        for pair in run_all(cases).chunks(2) {
            let [jumping, ticking] = pair else { panic!("two of each release") };
            let context = told(ticking);
            assert!(ticking.passes.len() > jumping.passes.len() + 15, "{}: {context}", ticking.passes.len());
            is_well(ticking, Policy::Recommended);
            Effects::of(&ticking.harness).assert_same(&Effects::of(&jumping.harness), &context);
        }
    });
}

fn seeds() -> Vec<u64> {
    let one = std::env::var("OAR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    one.map_or_else(|| (1..=if is_deep() { 50 } else { 5 }).collect(), |seed| vec![seed])
}

#[test]
fn whatever_happens_a_release_is_shipped_with_the_same_effects() {
    with_tickets("whatever_happens_a_release_is_shipped_with_the_same_effects", || {
        let mut cases = Vec::new();
        for seed in seeds() {
            let calm = Case::new(Course::drawn(seed), Policy::Recommended);
            cases.extend([calm.clone(), calm.troubled(seed)]);
        }
        let (mut trouble, mut undisturbed) = ([0; 3], 0);
        for pair in run_all(cases).chunks(2) {
            let [calm, troubled] = pair else { panic!("two of each seed") };
            println!("{}: {:?}", calm.course.name, troubled.trouble());
            for (sum, count) in trouble.iter_mut().zip(troubled.trouble()) {
                *sum += count;
            }
            is_well(calm, Policy::Recommended);
            let context = told(troubled);
            effects::are_the_same(troubled, calm, &context);
            questions::are_the_same(troubled, calm, &context);
            leaves_nothing(troubled, &context);
            undisturbed += troubled.undisturbed.len();
            troubled.harness.sandbox.assert_no_unexpected();
        }
        assert!(trouble.iter().all(|count| *count > 0), "kills, faults, meetings: {trouble:?}");
        assert!(undisturbed > 0, "no pass of an engine with trouble was undisturbed");
    });
}

#[test]
fn what_is_rare_and_hard_is_no_different() {
    with_tickets("what_is_rare_and_hard_is_no_different", || {
        let cases = Course::hard().into_iter().map(|course| Case::new(course, Policy::Recommended));
        for simulation in run_all(cases.collect()) {
            println!("{}", simulation.course.name);
            is_well(&simulation, Policy::Recommended);
        }
    });
}

#[test]
fn real_releases_are_shipped() {
    with_tickets("real_releases_are_shipped", || {
        let replayed = Course::replayed();
        let count = if is_deep() { replayed.len() } else { 2 };
        let courses = replayed.into_iter().take(count);
        let cases = courses.map(|course| Case::new(course, Policy::Recommended)).collect();
        for simulation in run_all(cases) {
            let whole = simulation.shares.whole();
            println!("{}: {:.1} h", simulation.course.name, whole.as_secs_f64() / 3600.0);
            is_well(&simulation, Policy::Recommended);
        }
    });
}

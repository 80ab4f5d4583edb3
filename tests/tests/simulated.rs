//! Whole releases in simulated time, from announced to shipped, driven by the engine alone: clean ones, drawn ones with what
//! goes wrong in real releases, and real ones. Five seeds here, fifty with `make test-deep`; `OAR_TEST_SEED` runs one alone.

use end_to_end::effects::Effects;
use end_to_end::in_process::with_tickets;
use end_to_end::matrix::sample::is_deep;
use end_to_end::simulated::course::{Course, Event, Record};
use end_to_end::simulated::{Asked, Done, Policy, Simulation, TIMER, run_all};
use end_to_end::{ERRATA, KONFLUX};
use jiff::SignedDuration;
use oar_core::operations::advance::RunResult;
use oar_core::statebox::Share;

/// The question whether a step is run that the policy leaves to people.
const RUN_IT: &str = "it can be run now: run it?";
/// The question whether paid jobs are started.
const START_JOBS: &str = "the jobs on stage can be started now: start them?";
/// The question whether a build is accepted.
const ACCEPT: &str = "accept them?";
/// The time between two looks at what an approval waits for.
const APPROVAL_LOOKS: SignedDuration = SignedDuration::from_mins(30);

/// Everything of a simulation that explains a failure.
fn told(simulation: &Simulation) -> String {
    let done: Vec<String> = simulation
        .done
        .iter()
        .map(|done| format!("{} {:#} {} {:?} {:?}", done.at, done.delay, done.node, done.result, done.detail))
        .collect();
    format!(
        "{}: {:#?}\n{}\n{:#?}\n{:#?}\n{:#?}",
        simulation.course.name,
        simulation.course.events,
        done.join("\n"),
        simulation.asked(),
        simulation.said(),
        simulation.problems
    )
}

/// What the engine did, without what was not allowed or had been done before, and without looks at the page of the approval
/// that found nothing: passes in which nothing else can happen are left out.
fn effective(simulation: &Simulation) -> impl Iterator<Item = &Done> {
    simulation.done.iter().filter(|done| {
        let found_nothing = done.node == "change-advisory-status" && done.result == RunResult::Running;
        !matches!(done.result, RunResult::Nothing | RunResult::Held) && !found_nothing
    })
}

/// What can be done is done at the next tick of the timer, in 99 of 100 cases; and nobody is ever waited for who is not told.
fn is_in_time(simulation: &Simulation) {
    let mut delays: Vec<SignedDuration> = effective(simulation)
        .map(|done| {
            let own =
                if done.node == "change-advisory-status" { APPROVAL_LOOKS } else { SignedDuration::ZERO };
            done.delay - own.min(done.delay)
        })
        .collect();
    delays.sort_unstable();
    let most = delays.len() * 99 / 100;
    let late = delays.get(most.min(delays.len().saturating_sub(1))).copied().unwrap_or_default();
    assert!(late <= TIMER, "{late:#}\n{}", told(simulation));
    assert_eq!(simulation.shares.of(Share::Nobody), SignedDuration::ZERO, "{}", told(simulation));
}

fn nodes(asked: &[Asked], question: &str) -> Vec<&'static str> {
    asked.iter().filter(|asked| asked.question == question).map(|asked| asked.node).collect()
}

/// People are asked what the policy leaves to them, and whether a build is accepted that is not.
fn asks_what_it_should(simulation: &Simulation, policy: Policy) {
    let mut consents = nodes(simulation.asked(), RUN_IT);
    consents.sort_unstable();
    let mut expected = vec!["change-advisory-status"];
    // When every bug is done before the jobs on stage have ended, none is dropped.
    expected.extend(consents.iter().copied().filter(|node| *node == "drop-bugs").take(1));
    if policy == Policy::Shipped {
        expected.push("push-to-cdn-staging");
    }
    expected.sort_unstable();
    assert_eq!(consents, expected, "{}", told(simulation));
    // The jobs on stage are one question.
    let jobs = nodes(simulation.asked(), START_JOBS).len();
    assert_eq!(jobs, usize::from(policy == Policy::Shipped), "{}", told(simulation));
    let bad = |event: &Event, of_candidate: bool| match event {
        Event::Candidate(record) => of_candidate && *record == Record::Rejected,
        Event::Tests(record) => !of_candidate && *record == Record::Rejected,
        _ => false,
    };
    for (node, of_candidate) in [("analyze-candidate-build", true), ("analyze-promoted-build", false)] {
        let is_bad = simulation.course.events.iter().any(|(_, event)| bad(event, of_candidate));
        let asked = simulation.asked().iter();
        let is_asked = asked.into_iter().any(|asked| asked.node == node && asked.question.contains(ACCEPT));
        assert!(is_bad || !is_asked, "{node}\n{}", told(simulation));
    }
}

#[test]
fn a_clean_release_is_shipped_and_asks_three_questions_at_most() {
    with_tickets("a_clean_release_is_shipped_and_asks_three_questions_at_most", || {
        let courses = [KONFLUX, ERRATA].map(|release| (Course::clean(release), Policy::Recommended, None));
        for simulation in run_all(courses.to_vec()) {
            println!("{}", told(&simulation));
            println!("{} passes, {:#?}", simulation.passes.len(), simulation.shares);
            is_in_time(&simulation);
            assert!(simulation.asked().len() <= 3, "{}", told(&simulation));
            simulation.harness.sandbox.assert_no_unexpected();
        }
    });
}

#[test]
fn with_the_shipped_policy_people_are_asked_before_each_step_that_costs_or_cannot_be_undone() {
    with_tickets(
        "with_the_shipped_policy_people_are_asked_before_each_step_that_costs_or_cannot_be_undone",
        || {
            let courses = [KONFLUX, ERRATA].map(|release| (Course::clean(release), Policy::Shipped, None));
            for simulation in run_all(courses.to_vec()) {
                is_in_time(&simulation);
                asks_what_it_should(&simulation, Policy::Shipped);
            }
        },
    );
}

fn seeds() -> Vec<u64> {
    let one = std::env::var("OAR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    one.map_or_else(|| (1..=if is_deep() { 50 } else { 5 }).collect(), |seed| vec![seed])
}

/// Takes out of `effects` what depends on when somebody looked: that an advisory was not ready yet when the release was taken, and
/// what people were told. Nothing of that is said twice, and no issue stays open.
fn without_moments(mut effects: Effects, context: &str) -> Effects {
    effects.counts.retain(|what, count| {
        let is_message = what.starts_with("message ");
        assert!(!is_message || *count == 1 || !what.contains("/drive/"), "{what}: {count} times\n{context}");
        !is_message
    });
    effects.facts.retain(|what, value| {
        let is_issue = what.contains(" issue `");
        assert!(
            !is_issue || value == "resolved" || what.contains("not available"),
            "{what}: {value}\n{context}"
        );
        !is_issue
    });
    effects
}

#[test]
fn whatever_happens_a_release_is_shipped_with_the_same_effects() {
    with_tickets("whatever_happens_a_release_is_shipped_with_the_same_effects", || {
        let mut simulations = Vec::new();
        for seed in seeds() {
            for trouble in [None, Some(seed)] {
                simulations.push((Course::drawn(seed), Policy::Recommended, trouble));
            }
        }
        let ended = run_all(simulations);
        for pair in ended.chunks(2) {
            let [calm, troubled] = pair else { continue };
            println!("{}: {:?}", calm.course.name, troubled.trouble());
            is_in_time(calm);
            asks_what_it_should(calm, Policy::Recommended);
            let context = told(troubled);
            let effects = |of: &Simulation| {
                without_moments(Effects::of(&of.harness).without_trouble(&context), &context)
            };
            effects(troubled).assert_same(&effects(calm), &context);
        }
    });
}

#[test]
fn real_releases_are_shipped() {
    with_tickets("real_releases_are_shipped", || {
        let replayed = Course::replayed();
        let count = if is_deep() { replayed.len() } else { 2 };
        let courses = replayed.into_iter().take(count);
        let courses = courses.map(|course| (course, Policy::Recommended, None)).collect();
        for simulation in run_all(courses) {
            is_in_time(&simulation);
            let whole = simulation.shares.whole();
            println!("{}: {:.1} h", simulation.course.name, whole.as_secs_f64() / 3600.0);
        }
    });
}

//! Whether people are asked what they must be asked, nothing else, and are told it.

use std::collections::BTreeSet;

use end_to_end::ERRATA;
use end_to_end::simulated::course::{Event, Record};
use end_to_end::simulated::enabling::is_overdue;
use end_to_end::simulated::{Asked, Policy, RUN_IT, Simulation, TIMER};
use jiff::Timestamp;
use oar_core::flow::nodes::ROWS;
use sandbox::services::prow::JobState;
use sandbox::services::release_controller::Phase;

use super::told;

/// The question whether paid jobs are started.
const START_JOBS: &str = "the jobs on stage can be started now: start them?";
/// The question whether a build is accepted.
const ACCEPT: &str = "accept them?";
/// A consent that the shipped policy wants: the node that asks for it.
const PUSH: &str = "push-to-cdn-staging";
/// The metadata advisory is pushed when the images that block it are on staging: that is a second plan, and a second consent.
const PUSHES_OF_ERRATA: usize = 2;

fn asked<'a>(simulation: &'a Simulation, node: &str, question: &str) -> Option<&'a Asked> {
    simulation.asked().iter().find(|asked| asked.node == node && asked.question.contains(question))
}

/// What the record of a build says, one after the other.
fn verdicts(simulation: &Simulation, of_candidate: bool) -> Vec<Record> {
    let events = simulation.course.events.iter();
    let of_build = events.filter_map(|(_, event)| match event {
        Event::Candidate(record) if of_candidate => Some(*record),
        Event::Tests(record) if !of_candidate => Some(*record),
        _ => None,
    });
    of_build.collect()
}

/// The reason for which a release of this course may ask something, if there is one.
fn reason(simulation: &Simulation, policy: Policy, asked: &Asked) -> Option<&'static str> {
    let course = &simulation.course;
    let has = |wanted: Event| course.events.iter().any(|(_, event)| *event == wanted);
    let is_rejected = |of_candidate| verdicts(simulation, of_candidate).contains(&Record::Rejected);
    let says = |words: &str| asked.question.contains(words);
    let is_shipped = policy == Policy::Shipped;
    let fails = |node: &str| match node {
        "stage-testing" => course.stage.iter().any(|(end, _)| *end != "SUCCESS"),
        "image-consistency-check" => course.consistency.iter().any(|(end, _)| *end != JobState::Success),
        _ => false,
    };
    // What is looked at takes so long before anybody asks.
    let is_over =
        ROWS.iter().filter(|row| row.node.id() == asked.node).filter_map(|row| row.deadline).any(
            |deadline| says(deadline.then) && asked.at.duration_since(course.announced) >= deadline.after,
        );
    match (asked.node, asked.question.as_str()) {
        ("change-advisory-status", RUN_IT) => Some("an approval is a person's"),
        ("drop-bugs", RUN_IT) => Some("bugs are dropped by a person"),
        (PUSH, RUN_IT) if is_shipped => Some("the policy leaves pushes to people"),
        (_, START_JOBS) if is_shipped => Some("the policy leaves paid jobs to people"),
        ("analyze-candidate-build", _) if says(ACCEPT) && is_rejected(true) => Some("it is rejected"),
        ("analyze-promoted-build", _) if says(ACCEPT) && is_rejected(false) => Some("it is rejected"),
        ("accepted", _) if says("analyze-promoted-build decides") && is_rejected(false) => {
            Some("it is rejected")
        }
        ("analyze-promoted-build", _) if says("since then tests changed") && is_rejected(false) => {
            Some("its verdict was taken back")
        }
        ("promotion", _) if says("is Rejected") && has(Event::Promotion(Phase::Rejected)) => {
            Some("the controller rejected it")
        }
        (_, _) if says("Advisories in NEW_FILES") && !advisories_are_ready_at_once(simulation) => {
            Some("ART has not finished the files")
        }
        (PUSH, _) if says("NEW_FILES") && !advisories_are_ready_at_once(simulation) => {
            Some("ART has not finished the files")
        }
        ("stage-release", _) if says("failed") && has(Event::StageRelease("failed")) => {
            Some("the stage release failed")
        }
        ("image-consistency-check", _) if course.release == ERRATA && says("which Prow job") => {
            Some("ART starts this job")
        }
        (node, _) if says("it failed") && fails(node) => Some("its job failed"),
        (_, _) if asked.is_about_changed_data() && has(Event::AdvisoryReplaced) => {
            Some("ART ships something else")
        }
        ("analyze-promoted-build" | "analyze-candidate-build", _)
            if says("it was decided to wait") && course.decisions.contains(&"wait") =>
        {
            Some("people wanted to wait")
        }
        (_, _)
            if (says("is rejected: nothing new starts") || says("is Fail: the build is rejected"))
                && course.decisions.contains(&"reject") =>
        {
            Some("people have rejected it")
        }
        ("change-advisory-status", _) if says("was not there by its deadline") => {
            let page = course.events.iter().find(|(_, event)| *event == Event::Published);
            page.filter(|(at, _)| is_overdue(course.release, *at)).map(|_| "the page is late")
        }
        _ => is_over.then_some("its time is over"),
    }
}

fn advisories_are_ready_at_once(simulation: &Simulation) -> bool {
    let ready = simulation.course.events.iter().find(|(_, event)| *event == Event::AdvisoriesReady);
    ready.is_some_and(|(at, _)| *at <= simulation.course.announced)
}

fn consents(simulation: &Simulation, question: &str) -> Vec<&'static str> {
    let asked = simulation.asked().iter().filter(|asked| asked.question == question);
    let mut nodes: Vec<&str> = asked.map(|asked| asked.node).collect();
    nodes.sort_unstable();
    nodes
}

/// People are asked what the policy leaves to them, whether a build is accepted that is not, and what the course gives a reason
/// for; nothing begins before the answer.
pub(crate) fn are_those_of(simulation: &Simulation, policy: Policy) {
    let context = told(simulation);
    for asked in simulation.asked() {
        let reason = reason(simulation, policy, asked);
        assert!(reason.is_some(), "asked without a reason: {asked:#?}\n{context}");
        let most = match asked.node {
            // An advisory that follows another one to staging is in the plan after that.
            PUSH if simulation.course.release == ERRATA => 2,
            _ if asked.is_consent() => 1,
            _ => usize::MAX,
        };
        assert!(asked.answered.len() <= most, "asked again: {asked:#?}\n{context}");
    }
    let found = consents(simulation, RUN_IT);
    let mut expected = vec!["change-advisory-status"];
    // When every bug is done before the jobs on stage have ended, none is dropped.
    expected.extend(found.iter().copied().filter(|node| *node == "drop-bugs").take(1));
    if policy == Policy::Shipped {
        expected.push(PUSH);
    }
    expected.sort_unstable();
    assert_eq!(found, expected, "{context}");
    // The jobs on stage are one question.
    let jobs = consents(simulation, START_JOBS).len();
    assert_eq!(jobs, usize::from(policy == Policy::Shipped), "{context}");
    for asked in simulation.asked().iter().filter(|asked| asked.is_consent()) {
        let plans =
            if asked.node == PUSH && simulation.course.release == ERRATA { PUSHES_OF_ERRATA } else { 1 };
        assert_eq!(asked.answered.len(), plans, "{asked:#?}\n{context}");
    }
    for (node, of_candidate) in [("analyze-candidate-build", true), ("analyze-promoted-build", false)] {
        let is_end =
            |record: &&Record| matches!(record, Record::Accepted | Record::Rejected | Record::ByHand);
        let first = verdicts(simulation, of_candidate).iter().find(is_end).copied();
        let is_asked = asked(simulation, node, ACCEPT).is_some();
        assert!(first != Some(Record::Rejected) || is_asked, "{node} was not asked\n{context}");
    }
    if policy == Policy::Shipped {
        nothing_begins_before_the_answer(simulation, &context);
    }
}

fn nothing_begins_before_the_answer(simulation: &Simulation, context: &str) {
    let world = simulation.harness.sandbox.world();
    let answered = |node: &str, question: &str| -> Timestamp {
        let asked = simulation
            .asked()
            .iter()
            .find(|asked| asked.question == question && (question == START_JOBS || asked.node == node));
        *asked.and_then(|asked| asked.answered.first()).unwrap_or_else(|| panic!("{node}\n{context}"))
    };
    let pushes: Vec<Timestamp> = {
        let errata = world.errata.lock();
        errata
            .advisories
            .values()
            .flat_map(|advisory| &advisory.push_jobs)
            .filter_map(|job| job.made)
            .collect()
    };
    let builds: Vec<Timestamp> =
        world.jenkins.lock().jobs.iter().flat_map(|job| &job.builds).map(|build| build.started).collect();
    let mut jobs: Vec<Timestamp> = world.prow.lock().jobs.iter().map(|job| job.started).collect();
    if simulation.course.release == ERRATA {
        // ART's own.
        jobs.clear();
    }
    for (what, begun, allowed) in [
        ("a push", pushes, answered(PUSH, RUN_IT)),
        ("a job", [builds, jobs].concat(), answered("", START_JOBS)),
    ] {
        // The scenario has older ones.
        let begun: Vec<Timestamp> =
            begun.into_iter().filter(|at| *at >= simulation.course.announced).collect();
        assert!(!begun.is_empty(), "{what} never began\n{context}");
        let early: Vec<&Timestamp> = begun.iter().filter(|at| **at < allowed).collect();
        assert!(early.is_empty(), "{what} began at {early:?}, before {allowed}\n{context}");
    }
}

/// Each question stands in Slack from the pass on that asks it, once for each time that it was asked anew.
pub(crate) fn are_told(simulation: &Simulation) {
    for asked in simulation.asked() {
        let messages = simulation.told(asked);
        let is_told = |(told, asked): (&Timestamp, &Timestamp)| {
            let after = told.duration_since(*asked);
            !after.is_negative() && after <= TIMER
        };
        let is_once = messages.len() == asked.anew.len();
        let in_time = messages.iter().zip(&asked.anew).all(is_told);
        assert!(is_once && in_time, "{asked:#?} was told at {messages:?}\n{}", told(simulation));
    }
}

/// What depends on the moment at which somebody looked, or on the trouble.
fn depends_on_the_moment(asked: &Asked) -> bool {
    let is_overdue = || {
        let rows = ROWS.iter().filter(|row| row.node.id() == asked.node);
        rows.filter_map(|row| row.deadline).any(|deadline| asked.question.contains(deadline.then))
    };
    asked.question.contains("NEW_FILES")
        || asked.question.starts_with("several runs in a row came to no verdict")
        || is_overdue()
}

/// The engine with trouble asks what the other one asks.
pub(crate) fn are_the_same(troubled: &Simulation, calm: &Simulation, context: &str) {
    let questions = |of: &Simulation| -> BTreeSet<String> {
        let asked = of.asked().iter().filter(|asked| !depends_on_the_moment(asked));
        asked.map(|asked| format!("{}: {}", asked.node, asked.question)).collect()
    };
    assert_eq!(questions(troubled), questions(calm), "{context}");
}

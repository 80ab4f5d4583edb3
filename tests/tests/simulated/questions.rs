//! Whether people are asked what they must be asked, nothing else, and are told it.

use std::collections::BTreeSet;

use end_to_end::simulated::course::{Event, Record};
use end_to_end::simulated::enabling::is_overdue;
use end_to_end::simulated::{Asked, Policy, RUN_IT, Simulation, TIMER};
use end_to_end::{ERRATA, RecordedRequest};
use jiff::{SignedDuration, Timestamp};
use oar_core::flow::nodes::{Node, ROWS};
use oar_core::statebox::TaskName;
use sandbox::services::prow::JobState;
use sandbox::services::release_controller::Phase;

use super::effects::is_of_the_approval;
use super::told;

/// The question whether paid jobs are started.
const START_JOBS: &str = "the jobs on stage can be started now: start them?";
/// The question whether a build is accepted.
const ACCEPT: &str = "accept them?";
/// A consent that the shipped policy wants: the node that asks for it.
const PUSH: &str = "push-to-cdn-staging";
/// Steps that only a person lets begin, whatever the policy.
const DROP: &str = "drop-bugs";
const APPROVAL: &str = "change-advisory-status";
/// So long a list of bugs counts as what stands in Jira.
const LIST_AGE: SignedDuration = SignedDuration::from_hours(24);

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
        (APPROVAL, RUN_IT) => Some("an approval is a person's"),
        (DROP, RUN_IT) => Some("bugs are dropped by a person"),
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
        (APPROVAL, _) if says("was not there by its deadline") => {
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
        let most = if asked.is_consent() { 1 } else { usize::MAX };
        assert!(asked.answered.len() <= most, "asked again: {asked:#?}\n{context}");
    }
    let found = consents(simulation, RUN_IT);
    let mut expected = vec![APPROVAL];
    expected.extend(asked(simulation, DROP, RUN_IT).map(|asked| asked.node));
    bugs_are_asked_about_when_some_are_open(simulation, &context);
    if policy == Policy::Shipped {
        expected.push(PUSH);
    }
    expected.sort_unstable();
    assert_eq!(found, expected, "{context}");
    // The jobs on stage are one question.
    let jobs = consents(simulation, START_JOBS).len();
    assert_eq!(jobs, usize::from(policy == Policy::Shipped), "{context}");
    for asked in simulation.asked().iter().filter(|asked| asked.is_consent()) {
        // An advisory that follows another one to staging is in the same consent.
        assert_eq!(asked.answered.len(), 1, "{asked:#?}\n{context}");
    }
    for (node, of_candidate) in [("analyze-candidate-build", true), ("analyze-promoted-build", false)] {
        let is_end =
            |record: &&Record| matches!(record, Record::Accepted | Record::Rejected | Record::ByHand);
        let first = verdicts(simulation, of_candidate).iter().find(is_end).copied();
        let is_asked = asked(simulation, node, ACCEPT).is_some();
        assert!(first != Some(Record::Rejected) || is_asked, "{node} was not asked\n{context}");
    }
    nothing_irrevocable_begins_before_the_answer(simulation, &context);
    if policy == Policy::Shipped {
        nothing_begins_before_the_answer(simulation, &context);
    }
}

/// When every bug is done before the checks on stage have ended, none is dropped.
fn bugs_are_asked_about_when_some_are_open(simulation: &Simulation, context: &str) {
    let verified = simulation.course.events.iter().find(|(_, event)| *event == Event::BugsVerified);
    let verified = verified.map(|(at, _)| *at);
    let checks = [TaskName::ImageConsistencyCheck, TaskName::StageTesting];
    let ready = checks.iter().filter_map(|task| simulation.settled(Node::Task(*task))).max();
    match asked(simulation, DROP, RUN_IT) {
        Some(asked) => {
            let is_known_late = verified.is_none_or(|verified| asked.at <= verified + LIST_AGE + TIMER);
            assert!(is_known_late, "all bugs are verified since {verified:?}: {asked:#?}\n{context}");
            let is_open = |answered: &Timestamp| verified.is_none_or(|verified| *answered < verified);
            let is_to_drop = asked.answered.first().is_some_and(is_open);
            let dropped = simulation.first(drops);
            assert!(!is_to_drop || dropped.is_some(), "no bug was dropped: {asked:#?}\n{context}");
        }
        None => assert!(
            verified.is_some() && verified <= ready,
            "nobody was asked about bugs that were verified at {verified:?}, ready at {ready:?}\n{context}"
        ),
    }
}

/// What takes bugs out of a release.
fn drops(request: &RecordedRequest) -> bool {
    let of_advisory = request.service == "errata" && request.path.ends_with("/remove_jira_issue");
    let of_shipment = request.service == "gitlab" && request.path.ends_with("/repository/commits");
    request.method == "POST" && (of_advisory || of_shipment)
}

/// Nothing that only people allow began before somebody had answered: by what arrived at the services.
fn nothing_irrevocable_begins_before_the_answer(simulation: &Simulation, context: &str) {
    let dropped = simulation.first(drops);
    for (node, begun) in [(DROP, dropped), (APPROVAL, simulation.first(is_of_the_approval))] {
        let answered = asked(simulation, node, RUN_IT).and_then(|asked| asked.answered.first()).copied();
        let is_allowed = begun.is_none() || (answered.is_some() && begun >= answered);
        assert!(is_allowed, "{node} began at {begun:?}, answered at {answered:?}\n{context}");
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
    let pushes: Vec<Timestamp> = world
        .errata
        .lock()
        .advisories
        .values()
        .flat_map(|advisory| &advisory.push_jobs)
        .filter_map(|job| job.made)
        .collect();
    let builds: Vec<Timestamp> =
        world.jenkins.lock().jobs.iter().flat_map(|job| &job.builds).map(|build| build.started).collect();
    let mut jobs: Vec<Timestamp> = world.prow.lock().jobs.iter().map(|job| job.started).collect();
    if simulation.course.release == ERRATA {
        // ART's own.
        jobs.clear();
    }
    let all = [
        ("a push", pushes, answered(PUSH, RUN_IT)),
        ("a job", [builds, jobs].concat(), answered("", START_JOBS)),
    ];
    for (what, begun, allowed) in all {
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

/// The words of a question without what is another one in each run, whatever happens: the time of a decision, and the number of a
/// job, which the services draw.
fn without_names_of_one_run(question: &str) -> String {
    let is_drawn = |word: &str| {
        let word = word.trim_matches(|character: char| !character.is_ascii_alphanumeric());
        let is_number = word.len() == 36 && word.bytes().filter(|byte| *byte == b'-').count() == 4;
        is_number || word.parse::<Timestamp>().is_ok()
    };
    question.split(' ').filter(|word| !is_drawn(word)).collect::<Vec<_>>().join(" ")
}

/// The engine with trouble asks what the other one asks; what a pass asked that nothing disturbed was told, and nothing began before
/// an answer that needs one.
pub(crate) fn are_the_same(troubled: &Simulation, calm: &Simulation, context: &str) {
    let questions = |of: &Simulation| -> BTreeSet<String> {
        let asked = of.asked().iter().filter(|asked| !depends_on_the_moment(asked));
        asked.map(|asked| format!("{}: {}", asked.node, without_names_of_one_run(&asked.question))).collect()
    };
    assert_eq!(questions(troubled), questions(calm), "{context}");
    for asked in troubled.asked().iter().filter(|asked| asked.undisturbed) {
        assert!(!troubled.told(asked).is_empty(), "nobody was told {asked:#?}\n{context}");
    }
    nothing_irrevocable_begins_before_the_answer(troubled, context);
}

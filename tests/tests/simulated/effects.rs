//! Whether everything of a release was done once, in its time, and the same whatever happened to the engine.

use end_to_end::effects::Effects;
use end_to_end::simulated::course::Event;
use end_to_end::simulated::enabling::approval_opens;
use end_to_end::simulated::{REPLACEMENT, Simulation, advisories};
use end_to_end::{ERRATA, RecordedRequest};
use jiff::SignedDuration;
use oar_core::flow::nodes::ROWS;
use sandbox::services::errata::AdvisoryState;

use super::told;

/// Where advisories are pushed to.
const STAGING: [&str; 2] = ["cdn_stage", "cdn_docker_stage"];

/// What approves the shipment.
fn approves(request: &RecordedRequest) -> bool {
    request.service == "gitlab" && request.method == "POST" && request.path.ends_with("/approve")
}

/// What moves an advisory on after the approval.
fn moves_on(request: &RecordedRequest) -> bool {
    let moves = request.service == "errata" && request.path.ends_with("/change_state");
    moves && request.body_excerpt.contains("REL_PREP")
}

/// Whether the request is a part of the approval of a release.
pub(crate) fn is_of_the_approval(request: &RecordedRequest) -> bool {
    approves(request) || moves_on(request)
}

/// The approval began on its day, and advisories moved when the page was up: by what arrived at the services.
fn are_not_early(simulation: &Simulation, context: &str) {
    let course = &simulation.course;
    let opens = approval_opens(course.release);
    let page = course.events.iter().find(|(_, event)| *event == Event::Published).map(|(at, _)| *at);
    let moved = simulation.first(moves_on);
    let is_late_enough = moved >= Some(opens) && moved >= page;
    assert!(is_late_enough, "moved at {moved:?}, the approval opens at {opens}, page: {page:?}\n{context}");
    if course.release != ERRATA {
        let approved = simulation.first(approves);
        assert!(approved >= Some(opens), "approved at {approved:?}, before {opens}\n{context}");
    }
}

/// What the course says was done was done, as often as it says, and the approval not before its day.
pub(crate) fn are_those_of(simulation: &Simulation) {
    let (course, context) = (&simulation.course, told(simulation));
    let effects = Effects::of(&simulation.harness);
    let has = |wanted: Event| course.events.iter().any(|(_, event)| *event == wanted);
    let replaced = has(Event::AdvisoryReplaced);
    for (place, id) in
        advisories(course.release).into_iter().chain(replaced.then_some(REPLACEMENT)).enumerate()
    {
        let prefix = format!("advisory {id} pushed to ");
        let pushes =
            effects.counts.iter().filter_map(|(what, count)| Some((what.strip_prefix(&prefix)?, *count)));
        let pushes: Vec<(&str, usize)> = pushes.collect();
        let moved = effects.sum(&format!("advisory {id} moved from QE to REL_PREP"));
        let state =
            simulation.harness.sandbox.world().errata.lock().advisory(id).map(|advisory| advisory.state);
        if state == Some(AdvisoryState::DroppedNoShip) {
            // ART took it out of the release: in the scenario, or after it was pushed.
            let was_in = place == 0 && replaced;
            assert!((pushes.is_empty() || was_in) && moved == 0, "advisory {id} {pushes:?}\n{context}");
            continue;
        }
        let expected = if place == 0 && course.push_fails { 2 } else { 1 };
        let are_right = pushes.iter().all(|(target, count)| STAGING.contains(target) && *count == expected);
        assert!(are_right && !pushes.is_empty(), "advisory {id} {pushes:?}\n{context}");
        assert_eq!(moved, 1, "advisory {id}\n{context}");
    }
    // The scenario has older builds and jobs.
    let of_release = |prefix: &str| -> usize {
        let own = effects
            .counts
            .iter()
            .filter(|(what, _)| what.starts_with(prefix) && what.contains(&format!(":{}-", course.release)));
        own.map(|(_, count)| count).sum()
    };
    let builds = of_release("Jenkins build of ");
    assert_eq!(builds, course.stage.len(), "builds on stage {:?}\n{context}", effects.counts);
    let jobs = if course.release == ERRATA { 1 } else { course.consistency.len() };
    assert_eq!(of_release("Prow job "), jobs, "Prow jobs {:?}\n{context}", effects.counts);
    let approvals = effects.counts.iter().filter(|(what, _)| what.ends_with(" approval"));
    let approvals: usize = approvals.map(|(_, count)| count).sum();
    assert_eq!(approvals, usize::from(course.release != ERRATA), "approvals\n{context}");
    are_not_early(simulation, &context);
}

/// How often a question may stand in Slack, and how far apart: one about a job that takes too long, once for each such job.
fn allowed(simulation: &Simulation, said: &[String]) -> (usize, SignedDuration) {
    let course = &simulation.course;
    let took = |node: &str| -> Vec<SignedDuration> {
        match node {
            "stage-testing" => course.stage.iter().map(|(_, took)| *took).collect(),
            _ => course.consistency.iter().map(|(_, took)| *took).collect(),
        }
    };
    let late = ["stage-testing", "image-consistency-check"].into_iter().find_map(|node| {
        let limit = ROWS.iter().find(|row| row.node.id() == node)?.deadline?;
        let is_it = |text: &String| text.contains(&format!(" *{node}*: ")) && text.contains(limit.then);
        let jobs = took(node).iter().filter(|took| **took > limit.after).count();
        (said.iter().all(is_it) && jobs > 1).then_some((jobs, limit.after))
    });
    late.unwrap_or((1, SignedDuration::ZERO))
}

/// Takes out what depends on when somebody looked: whether an advisory was ready when the release was taken, and which
/// mornings something was open. What the engine says of its own is compared as questions.
fn comparable(simulation: &Simulation, context: &str) -> (Effects, Effects) {
    let mut effects = Effects::of(&simulation.harness).without_trouble(context);
    let mut messages = Effects::default();
    effects.counts.retain(|what, count| {
        let is_message = what.starts_with("message ");
        let of_engine = is_message && what.contains("/drive/");
        let key = what.trim_start_matches("message ").split(' ').next().unwrap_or_default();
        if of_engine {
            let (said, key) = (simulation.messages(key), key);
            let is_question = !key.contains("/summary-") && !key.ends_with("-again");
            let (most, apart) =
                if is_question { allowed(simulation, &said) } else { (1, SignedDuration::ZERO) };
            let at: Vec<i64> = said.iter().filter_map(|text| text.split('.').next()?.parse().ok()).collect();
            let are_apart = at.windows(2).all(|pair| pair[1] - pair[0] >= apart.as_secs());
            let is_right = at.len() == *count && *count <= most && are_apart;
            assert!(is_right, "{what}: {count} times: {said:#?}\n{context}");
        }
        if is_message && !of_engine {
            messages.counts.insert(what.clone(), *count);
        }
        !is_message
    });
    effects.facts.retain(|what, value| {
        let is_issue = what.contains(" issue `");
        assert!(
            !is_issue || value == "resolved" || what.contains("not available"),
            "{what}: {value}\n{context}"
        );
        !(is_issue && what.contains("NEW_FILES"))
    });
    (effects, messages)
}

/// The engine with trouble has the effects of the other one, to the last fact, none of them too early, and says the same as often.
pub(crate) fn are_the_same(troubled: &Simulation, calm: &Simulation, context: &str) {
    let ((mut found, said), (expected, most)) = (comparable(troubled, context), comparable(calm, context));
    let [kills, ..] = troubled.trouble();
    for (what, count) in found.counts.iter_mut().filter(|(what, _)| what.contains(" consent to ")) {
        // What a run that was killed had used is never valid again: a person is asked once more.
        let usual = expected.counts.get(what).copied().unwrap_or_default();
        assert!((usual..=usual + kills).contains(count), "{what}: {count} times, {kills} kills\n{context}");
        *count = usual;
    }
    found.assert_same(&expected, context);
    said.assert_same(&most, context);
    are_not_early(troubled, context);
}

//! The people who answer the engine's questions, by the commands that it shows them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use oar_core::drive::plan::{DrivePlan, Request};
use oar_core::version::ReleaseVersion;
use sandbox::scenario::parties::CONSISTENCY_JOB_ID;
use sandbox::services::errata::AdvisoryState;
use sandbox::world::World;
use serde_json::{Value, json};

use super::engine::Engine;
use crate::LEAD;

/// So often the same question is answered at most: more often means that the shown command does not answer it.
const MOST_ANSWERS: usize = 3;
/// After this time somebody looks again at what stands in the way.
const LOOKS_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// A question that people were asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The first node.
    pub node: &'static str,
    /// The question.
    pub question: String,
    /// The commands that answer it.
    pub commands: Vec<String>,
    /// When it was asked first.
    pub at: Timestamp,
    /// When it was answered, and how often.
    pub answered: Vec<Timestamp>,
    /// Until when it was asked.
    pub until: Option<Timestamp>,
}

/// What `consent` says of a plan without steps.
const NOTHING_TO_DO: &str = "\"outcome\":\"nothing_to_do\"";

/// The people of a release.
#[derive(Debug)]
pub(super) struct People {
    delays: Vec<SignedDuration>,
    drawn: usize,
    /// The questions, in the order in which they were asked first.
    pub(super) asked: Vec<Asked>,
    /// When which question is answered.
    planned: BTreeMap<(Timestamp, usize), Request>,
    /// What came of answers.
    pub(super) said: Vec<String>,
}

impl People {
    pub(super) fn new(delays: Vec<SignedDuration>) -> Self {
        Self { delays, drawn: 0, asked: Vec::new(), planned: BTreeMap::new(), said: Vec::new() }
    }

    /// Hears what the plan asks now.
    pub(super) fn hear(&mut self, plan: &DrivePlan, now: Timestamp) {
        for asked in self.asked.iter_mut().filter(|asked| asked.until.is_none()) {
            if !plan.people.iter().any(|request| is(asked, request)) {
                asked.until = Some(now);
            }
        }
        for request in &plan.people {
            let known = self.asked.iter_mut().position(|asked| is(asked, request));
            let place = known.unwrap_or_else(|| {
                let node = request.nodes.first().map_or("", |node| node.id());
                let (question, commands) = (request.question.clone(), request.commands.clone());
                let (answered, until) = (Vec::new(), None);
                self.asked.push(Asked { node, question, commands, at: now, answered, until });
                self.asked.len() - 1
            });
            if let Some(asked) = self.asked.get_mut(place) {
                asked.until = None;
            }
            if self.planned.keys().all(|(_, planned)| *planned != place) {
                let delay = self.delays.get(self.drawn).or(self.delays.last());
                self.drawn += 1;
                let delay = delay.copied().unwrap_or(LOOKS_AGAIN);
                self.planned.insert((now + delay, place), request.clone());
            }
        }
    }

    /// When the next question is answered.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.planned.keys().next().map(|(at, _)| *at)
    }

    /// Gives the answer that is due now, if its question is still asked.
    pub(super) async fn answer(
        &mut self,
        world: &World,
        engine: &Engine,
        release: &ReleaseVersion,
        now: Timestamp,
    ) {
        let Some(entry) = self.planned.first_entry().filter(|entry| entry.key().0 <= now) else { return };
        let ((_, place), request) = entry.remove_entry();
        let Some(asked) = self.asked.get_mut(place).filter(|asked| asked.until.is_none()) else { return };
        let answers: Option<Vec<_>> =
            request.commands.iter().map(|line| answer_of(world, &request, line)).collect();
        let Some(answers) = answers.filter(|answers| !answers.is_empty()) else {
            self.planned.insert((now + LOOKS_AGAIN, place), request);
            return;
        };
        asked.answered.push(now);
        for (command, arguments) in answers {
            let mut given = engine.command(release, command, arguments.clone()).await;
            if given.as_ref().is_ok_and(|given| given.contains(NOTHING_TO_DO)) {
                // The task needs no consent then, and is run.
                given = engine.command(release, asked.node, json!({})).await;
            }
            self.said.push(format!("{now} {command} {arguments} -> {given:?}"));
        }
        assert!(
            asked.answered.len() <= MOST_ANSWERS,
            "the shown command does not answer it: {asked:#?}\n{:#?}",
            self.said
        );
    }
}

fn is(asked: &Asked, request: &Request) -> bool {
    let same_node = request.nodes.first().is_some_and(|node| node.id() == asked.node);
    (same_node || request.is_about_jobs()) && asked.question == request.question
}

/// The command that a person gives for a question that names the command `line`, with its arguments; `None` as long as there is
/// nothing to say.
fn answer_of(world: &World, request: &Request, line: &str) -> Option<(&'static str, Value)> {
    let words: Vec<&str> = line.split(' ').skip(3).collect();
    let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
    Some(match *words.first()? {
        "consent" => ("consent", json!({ "task": words.get(1)? })),
        "decide" => (
            "decide",
            json!({ "node": words.get(1)?, "verdict": "accept", "reason": "all failures are known" }),
        ),
        "task" => {
            ("task set", json!({ "name": words.get(2)?, "status": "Pass", "reason": "it counts further" }))
        }
        "issue" => {
            let unready = |state| state == AdvisoryState::NewFiles;
            if world.errata.lock().advisories.values().any(|advisory| unready(advisory.state)) {
                return None;
            }
            ("issue resolve", json!({ "text": request.question, "resolution": "it is over" }))
        }
        "take-ownership" => ("take-ownership", json!({ "email": LEAD })),
        "image-consistency-check" if after("-i").is_some() => {
            let is_there = world.prow.lock().jobs.iter().any(|job| job.id == CONSISTENCY_JOB_ID);
            if !is_there {
                return None;
            }
            ("image-consistency-check", json!({ "job_id": CONSISTENCY_JOB_ID }))
        }
        "image-consistency-check" => ("image-consistency-check", json!({})),
        "stage-testing" => ("stage-testing", json!({})),
        "add-qe-approval" => ("add-qe-approval", json!({})),
        "drop-bugs" => ("drop-bugs", json!({})),
        "push-to-cdn-staging" => ("push-to-cdn-staging", json!({})),
        "change-advisory-status" => {
            ("change-advisory-status", json!({ "early": words.contains(&"--early") }))
        }
        other => panic!("nobody knows the answer `{other}`: {request:#?}"),
    })
}

//! The people who answer the engine's questions, by the commands that it shows them.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;

use jiff::{SignedDuration, Timestamp};
use oar_core::drive::plan::{DrivePlan, Request};
use oar_core::drive::verdict::Verdict;
use oar_core::flow::nodes::Node;
use oar_core::statebox::TaskName;
use oar_core::version::ReleaseVersion;
use sandbox::scenario::parties::CONSISTENCY_JOB_ID;
use sandbox::services::errata::AdvisoryState;
use sandbox::world::World;
use serde_json::{Value, json};

use super::course::{ACCEPT, Course};
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
    /// All nodes that waited for the answer.
    pub nodes: Vec<Node>,
    /// The question, as it was asked first.
    pub question: String,
    /// What makes it the same question, whatever its words are by now.
    topic: String,
    /// The commands that answer it.
    pub commands: Vec<String>,
    /// When it was asked first.
    pub at: Timestamp,
    /// When it was to be told: at first, and when it was asked once more after its step had got on.
    pub anew: Vec<Timestamp>,
    /// When it was answered, and how often.
    pub answered: Vec<Timestamp>,
    /// Until when it was asked.
    pub until: Option<Timestamp>,
    /// Whether a pass asked it that nothing disturbed.
    pub undisturbed: bool,
    got_on: bool,
    about_jobs: bool,
}

/// The question whether a step is run that the policy leaves to people.
pub const RUN_IT: &str = "it can be run now: run it?";

impl Asked {
    /// Whether it asks for the consent to a step, or to several jobs.
    pub fn is_consent(&self) -> bool {
        self.about_jobs || self.question == RUN_IT
    }

    /// Whether it asks what becomes of a verdict when ART ships something else than was judged.
    pub fn is_about_changed_data(&self) -> bool {
        CHANGED_DATA.iter().any(|words| self.question.contains(words))
    }

    /// Whether it asks for the start of paid jobs.
    pub fn is_about_jobs(&self) -> bool {
        self.about_jobs
    }
}

/// What is said of a verdict when ART ships something else than was judged.
const CHANGED_DATA: [&str; 2] = ["since then ART changed the build data", "since then advisories changed"];
/// What a command says of a run without work, which leaves its task as it was.
const NO_WORK: &str = "\"nothing_to_do\":true";

/// What an answer makes possible.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) nodes: Vec<Node>,
    /// Whether it was that nobody decides for a day.
    pub(super) waits: bool,
}

/// The people of a release.
#[derive(Debug)]
pub(super) struct People {
    delays: Vec<SignedDuration>,
    drawn: usize,
    decisions: Vec<&'static str>,
    decided: usize,
    /// The questions, in the order in which they were asked first.
    pub(super) asked: Vec<Asked>,
    /// When which question is answered.
    planned: BTreeMap<(Timestamp, usize), Request>,
    /// What came of answers.
    pub(super) said: Vec<String>,
}

impl People {
    pub(super) fn new(course: &Course) -> Self {
        let (delays, decisions) = (course.answers.clone(), course.decisions.clone());
        Self {
            delays,
            drawn: 0,
            decisions,
            decided: 0,
            asked: Vec::new(),
            planned: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// Hears what the plan of a pass asks now.
    pub(super) fn hear(&mut self, plan: &DrivePlan, now: Timestamp, undisturbed: bool) {
        for asked in &mut self.asked {
            if plan.people.iter().any(|request| is(asked, request)) {
                continue;
            }
            asked.until.get_or_insert(now);
            let mut nodes = plan.nodes.iter().filter(|plan| plan.node.id() == asked.node);
            asked.got_on |= nodes.any(|plan| {
                plan.verdict.is_settled() || matches!(plan.verdict, Verdict::Running { .. } | Verdict::Ready)
            });
        }
        for request in &plan.people {
            let known = self.asked.iter_mut().position(|asked| is(asked, request));
            let place = known.unwrap_or_else(|| {
                self.asked.push(Asked {
                    node: request.nodes.first().map_or("", |node| node.id()),
                    nodes: Vec::new(),
                    question: request.question.clone(),
                    topic: topic(request).to_owned(),
                    commands: request.commands.clone(),
                    at: now,
                    anew: vec![now],
                    answered: Vec::new(),
                    until: None,
                    undisturbed: false,
                    got_on: false,
                    about_jobs: request.is_about_jobs(),
                });
                self.asked.len() - 1
            });
            if let Some(asked) = self.asked.get_mut(place) {
                asked.until = None;
                asked.undisturbed |= undisturbed;
                if std::mem::take(&mut asked.got_on) {
                    asked.anew.push(now);
                }
                asked.nodes.extend(
                    request
                        .nodes
                        .iter()
                        .filter(|node| !asked.nodes.contains(node))
                        .copied()
                        .collect::<Vec<_>>(),
                );
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

    /// Gives the answer that is due now, if its question is still asked; the nodes that it makes possible.
    pub(super) async fn answer(
        &mut self,
        world: &World,
        engine: &Engine,
        release: &ReleaseVersion,
        now: Timestamp,
    ) -> Answer {
        let due = self.planned.first_entry().filter(|entry| entry.key().0 <= now);
        let Some(((_, place), request)) = due.map(OccupiedEntry::remove_entry) else {
            return Answer::default();
        };
        let Some(asked) = self.asked.get_mut(place).filter(|asked| asked.until.is_none()) else {
            return Answer::default();
        };
        let answers: Option<Vec<_>> =
            request.commands.iter().map(|line| answer_of(world, &request, line)).collect();
        let Some(answers) = answers.filter(|answers| !answers.is_empty()) else {
            self.planned.insert((now + LOOKS_AGAIN, place), request);
            return Answer::default();
        };
        asked.answered.push(now);
        let mut waits = false;
        for (command, mut arguments) in answers {
            if command == "decide" {
                let decision = self.decisions.get(self.decided).or(self.decisions.last());
                arguments["verdict"] = decision.copied().unwrap_or(ACCEPT).into();
                waits |= arguments["verdict"] == "wait";
                self.decided += 1;
            }
            let mut given = engine.command(release, command, arguments.clone()).await;
            let next = given.as_ref().ok().and_then(|given| next_command(given));
            if let Some(next) = next.filter(|_| command == "consent") {
                given = engine.command(release, &next, json!({})).await;
            }
            if command == "take-ownership" && given.as_ref().is_ok_and(|given| given.contains(NO_WORK)) {
                let still = json!({ "name": command, "status": "Pass", "reason": "it has its owner" });
                given = engine.command(release, "task set", still).await;
            }
            self.said.push(format!("{now} {command} {arguments} -> {given:?}"));
        }
        assert!(
            asked.answered.len() <= MOST_ANSWERS,
            "the shown command does not answer it: {asked:#?}\n{:#?}",
            self.said
        );
        Answer { nodes: asked.nodes.clone(), waits }
    }
}

/// The command that an answer names as the next one, without the release.
fn next_command(given: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(given).ok()?;
    answer["next"].as_str()?.split(' ').nth(3).map(str::to_owned)
}

fn topic(request: &Request) -> &str {
    request.topic.unwrap_or(&request.question)
}

fn is(asked: &Asked, request: &Request) -> bool {
    let same_node = request.nodes.first().is_some_and(|node| node.id() == asked.node);
    (same_node || request.is_about_jobs()) && asked.topic == topic(request)
}

/// The command that a person gives for a question that names the command `line`, with its arguments; `None` as long as there is
/// nothing to say.
fn answer_of(world: &World, request: &Request, line: &str) -> Option<(&'static str, Value)> {
    let words: Vec<&str> = line.split(' ').skip(3).collect();
    let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
    if words.contains(&"--accept-metadata") {
        let task: TaskName = words.first()?.parse().ok()?;
        let mut arguments = json!({ "accept_metadata": true });
        if task == TaskName::TakeOwnership {
            arguments["email"] = LEAD.into();
        }
        return Some((task.id(), arguments));
    }
    Some(match *words.first()? {
        "consent" => ("consent", json!({ "task": words.get(1)? })),
        "decide" => (
            "decide",
            json!({ "node": words.get(1)?, "verdict": ACCEPT, "reason": "all failures are known" }),
        ),
        "task" => {
            let is_of_another = CHANGED_DATA.iter().any(|words| request.question.contains(words));
            let status = if is_of_another { "Not Started" } else { "Pass" };
            let task = words.get(2)?;
            if is_of_another && *task == "take-ownership" {
                return Some(("take-ownership", json!({ "email": LEAD, "accept_metadata": true })));
            }
            ("task set", json!({ "name": task, "status": status, "reason": "seen", "force": is_of_another }))
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

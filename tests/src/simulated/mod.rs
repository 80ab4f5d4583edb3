//! A whole release in simulated time: other parties, people and the engine share one clock with the sandbox. It stands still
//! during a pass of the engine, and jumps to the next multiple of two minutes at which something is due.
//!
//! A pass at a moment between two of these would find what the last one found: neither the world nor anything that depends on
//! time alone has changed. (A look that is due only because the last one is some minutes ago finds the same again.)
#![expect(clippy::unwrap_used, clippy::panic, reason = "a simulation that cannot go on fails the test")]

pub mod course;
mod drawn;
mod engine;
mod parties;
mod people;
mod replayed;
pub mod shares;
mod trouble;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use course::{Course, Event};
use engine::Engine;
use jiff::{SignedDuration, Timestamp};
use oar_core::drive::plan::DrivePlan;
use oar_core::drive::verdict::{Act, NodePlan, ToDo, Verdict};
use oar_core::flow::nodes::{Node, ROWS};
use oar_core::operations::advance::{Advanced, RunResult};
use oar_core::statebox::TaskName;
use parties::Parties;
pub use people::Asked;
use people::People;
use sandbox::clock::ClockStart;
use shares::Shares;
use trouble::{Ended, Engines};

use crate::elliott;
use crate::{Harness, Options, root};

/// How often the engine's timer starts it.
pub const TIMER: SignedDuration = SignedDuration::from_mins(2);
/// A pass is made at least so often, also when nothing is due.
const HEARTBEAT: SignedDuration = SignedDuration::from_hours(6);
/// After midnight the summary of a working day is told.
const MORNING: SignedDuration = SignedDuration::from_hours(7);
/// A release that takes longer than this is stuck.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many simulations run at the same time.
const AT_ONCE: usize = 2;

/// What the engine may do by itself in a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// What is shipped.
    Shipped,
    /// What the documentation recommends: it starts pushes to staging and jobs.
    Recommended,
}

/// Something that the engine did.
#[derive(Debug, Clone)]
pub struct Done {
    /// When.
    pub at: Timestamp,
    /// How long before that it became possible.
    pub delay: SignedDuration,
    /// The step.
    pub node: &'static str,
    /// How it ended.
    pub result: RunResult,
    /// What was said of it.
    pub detail: Option<String>,
}

/// A release from announced to shipped.
#[derive(Debug)]
pub struct Simulation {
    /// The sandbox and what belongs to it.
    pub harness: Harness,
    /// What others do.
    pub course: Course,
    parties: Parties,
    people: People,
    /// The machine of the people.
    desk: Engine,
    engines: Engines,
    events: BTreeMap<(Timestamp, usize), Event>,
    numbered: usize,
    /// The last moment at which anything became possible.
    possible: Timestamp,
    /// What the engine did.
    pub done: Vec<Done>,
    /// The moments of its passes.
    pub passes: Vec<Timestamp>,
    /// Where the time from the StateBox to the approval went.
    pub shares: Shares,
    /// What did not work in passes, beside their runs.
    pub problems: Vec<String>,
    /// When it was approved.
    pub approved: Option<Timestamp>,
    ships: Option<Timestamp>,
    /// The moments of the last plan at which time alone makes something possible.
    dues: Vec<Timestamp>,
}

/// The next multiple of the timer's interval.
fn on_timer(time: Timestamp) -> Timestamp {
    let interval = TIMER.as_secs();
    let second = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    let count = second.div_euclid(interval) + i64::from(second.rem_euclid(interval) > 0);
    Timestamp::from_second(count * interval).unwrap()
}

impl Simulation {
    /// A sandbox in which `course` begins; with a seed of the trouble that the engine has, if it has any.
    pub fn new(course: Course, policy: Policy, trouble: Option<u64>) -> Self {
        let before = course.announced - SignedDuration::from_mins(7);
        let options = Options {
            clock: ClockStart::Frozen(before),
            configuration: Some(root().join("config/config_store.json")),
            ..Options::default()
        };
        let harness = Harness::with(options).with_document(|document| {
            document["owners"]["4.14"] = crate::LEAD.into();
            if policy == Policy::Recommended {
                document["drive"] = serde_json::json!({
                    "push-to-cdn-staging": "auto", "image-consistency-check": "auto", "stage-testing": "auto",
                });
            }
        });
        let (harness, _) = elliott::install(harness);
        let parties = Parties::begin(harness.sandbox.world(), &course);
        let (desk, engines) = (Engine::start(&harness), Engines::start(&harness, trouble));
        let people = People::new(course.answers.clone());
        let events: BTreeMap<_, _> =
            course.events.iter().enumerate().map(|(number, (at, event))| ((*at, number), *event)).collect();
        let numbered = events.len();
        Self {
            harness,
            possible: course.announced,
            course,
            parties,
            people,
            desk,
            engines,
            events,
            numbered,
            done: Vec::new(),
            passes: Vec::new(),
            shares: Shares::default(),
            problems: Vec::new(),
            approved: None,
            ships: None,
            dues: Vec::new(),
        }
    }

    /// The questions that people were asked.
    pub fn asked(&self) -> &[Asked] {
        &self.people.asked
    }

    /// What people said to the questions, and what came of it.
    pub fn said(&self) -> &[String] {
        &self.people.said
    }

    /// How often an engine was killed, in how many passes services failed, and in how many two engines met.
    pub fn trouble(&self) -> [usize; 3] {
        [self.engines.kills, self.engines.faults, self.engines.meetings]
    }

    fn now(&self) -> Timestamp {
        self.harness.sandbox.clock().now()
    }

    fn move_to(&self, time: Timestamp) {
        let rest = time.duration_since(self.now());
        if rest.is_positive() {
            self.harness.sandbox.clock().advance(rest);
        }
    }

    /// Lets everything happen that others do until `time`.
    async fn live(&mut self, time: Timestamp) {
        loop {
            let event = self.events.keys().next().map(|(at, _)| *at);
            let next = [event, self.people.next(), self.ships].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= time) else { break };
            self.move_to(at);
            if event == Some(at) {
                let (_, event) = self.events.pop_first().unwrap();
                self.parties.carry_out(self.harness.sandbox.world(), event);
                self.possible = at;
            } else if self.ships == Some(at) {
                self.ships = None;
                if let Err(why) = self.parties.ship(self.harness.sandbox.world()) {
                    self.problems.push(format!("{at}: ART cannot ship: {why}"));
                    self.ships = Some(at + SignedDuration::from_hours(1));
                }
                self.possible = at;
            } else {
                let world = self.harness.sandbox.world();
                self.people.answer(world, &self.desk, &self.course.version(), at).await;
                self.possible = at;
            }
            self.plan_pushes();
        }
        let ends = parties::ends(self.harness.sandbox.world());
        self.move_to(time);
        if let Some(end) = ends.into_iter().filter(|end| *end <= time).max() {
            self.possible = self.possible.max(end);
        }
    }

    fn plan_pushes(&mut self) {
        for (at, event) in self.parties.new_pushes(self.harness.sandbox.world()) {
            self.numbered += 1;
            self.events.insert((at, self.numbered), event);
        }
    }

    /// Takes the release from announced to shipped.
    ///
    /// # Panics
    /// When it does not get there, or the engine finds a defect in its plan.
    pub async fn run(&mut self) {
        let mut time = on_timer(self.course.announced);
        loop {
            self.live(time).await;
            let advanced = self.pass().await;
            self.plan_pushes();
            time = match advanced {
                Some(advanced) if self.take(&advanced, time) => break,
                Some(advanced) => {
                    self.dues = advanced.plan.nodes.iter().flat_map(|node| timed(node, time)).collect();
                    self.next(&advanced, time)
                }
                None => time + TIMER,
            };
            assert!(time.duration_since(self.course.announced) < LONGEST, "{}: stuck", self.course.name);
        }
    }

    /// Takes note of what a pass left; whether the release is shipped.
    fn take(&mut self, advanced: &Advanced, time: Timestamp) -> bool {
        let plan = &advanced.plan;
        if has_acted(advanced) {
            self.possible = time;
        }
        assert!(plan.defects.is_empty(), "{time}: {:#?}", plan.defects);
        self.people.hear(plan, time);
        let approved = is_done(plan, Node::Task(TaskName::ChangeAdvisoryStatus));
        if approved && self.approved.is_none() {
            self.approved = Some(time);
            self.shares.ended(time);
            self.ships = Some(time + self.course.shipping);
        }
        if self.approved.is_none() && is_done(plan, Node::Task(TaskName::CreateTestReport)) {
            self.shares.passed(plan, time);
        }
        let is_late = time.duration_since(self.course.announced) > LONGEST - HEARTBEAT * 2;
        assert!(
            !is_late,
            "{} is stuck:\n{}\n{:#?}\n{:#?}",
            self.course.name,
            shown(plan),
            self.people.asked,
            self.people.said
        );
        is_done(plan, Node::Shipped)
    }

    /// A pass; `None` when no engine came to its end.
    async fn pass(&mut self) -> Option<Advanced> {
        let at = self.now();
        self.passes.push(at);
        // Google compares the times of tokens with this clock.
        self.harness.sandbox.world().google_oauth.lock().judged_at = Some(at);
        let version = self.course.version();
        let Ended::Whole(ended) = self.engines.pass(&version).await else { return None };
        let due = self.dues.iter().copied().filter(|due| *due <= at).max();
        let delay = at.duration_since(due.max(Some(self.possible)).unwrap_or(at));
        let mut last = None;
        for advanced in ended {
            let advanced = match advanced {
                Ok(advanced) => advanced,
                Err(problem) => {
                    self.problems.push(format!("{at}: {problem}"));
                    continue;
                }
            };
            for run in &advanced.runs {
                let (node, result, detail) = (run.node.id(), run.result, run.detail.clone());
                self.done.push(Done { at, delay, node, result, detail });
            }
            self.problems.extend(advanced.warnings.iter().map(|warning| format!("{at}: {warning}")));
            last = Some(advanced);
        }
        last
    }

    /// When the next pass may find anything new.
    fn next(&self, advanced: &Advanced, time: Timestamp) -> Timestamp {
        let others = self
            .events
            .keys()
            .map(|(at, _)| *at)
            .chain(self.people.next())
            .chain(self.ships)
            .chain(parties::ends(self.harness.sandbox.world()))
            .min();
        let own = has_acted(advanced).then(|| time + TIMER);
        let morning = next_morning(time);
        let due = advanced.plan.nodes.iter().flat_map(|node| due(node, time, others)).min();
        let next =
            [others, own, due, Some(morning), Some(time + HEARTBEAT)].into_iter().flatten().min().unwrap();
        on_timer(next.max(time + SignedDuration::from_secs(1)))
    }
}

/// When people are told next what is still open.
fn next_morning(time: Timestamp) -> Timestamp {
    let day = 24 * 60 * 60;
    let morning = time.as_second().div_euclid(day) * day + MORNING.as_secs();
    let next = if morning > time.as_second() { morning } else { morning + day };
    Timestamp::from_second(next).unwrap()
}

fn has_acted(advanced: &Advanced) -> bool {
    advanced.runs.iter().any(|run| run.result != RunResult::Nothing)
}

/// The moments after `time` at which time alone changes what is said of the node.
fn timed(node: &NodePlan, time: Timestamp) -> Vec<Timestamp> {
    let mut moments: Vec<Timestamp> = node.deadline.iter().filter_map(|text| text.parse().ok()).collect();
    let is_repeated = |look: Timestamp| ROWS.iter().any(|row| time + row.poll == look);
    let is_run = matches!(node.to_do, ToDo::Run { .. } | ToDo::Consent { .. });
    let acts = is_run && matches!(node.verdict, Verdict::Ready | Verdict::Failed { .. });
    moments.extend(node.look_at.filter(|look| node.act != Act::CarryOn && (acts || !is_repeated(*look))));
    moments.retain(|moment| *moment > time);
    moments
}

/// The same with the looks at what an approval waits for, of which only the last one before something else happens counts.
fn due(node: &NodePlan, time: Timestamp, others: Option<Timestamp>) -> Vec<Timestamp> {
    let mut moments = timed(node, time);
    if node.act == Act::CarryOn
        && let Some(look) = node.look_at
    {
        moments.push(last_before(look, node.node.row().poll, others));
    }
    moments.retain(|moment| *moment > time);
    moments
}

/// Of the looks that begin with `first` and are repeated, the last one before anything else happens.
fn last_before(first: Timestamp, every: SignedDuration, others: Option<Timestamp>) -> Timestamp {
    let Some(others) = others else { return first };
    let rest = others.duration_since(first).as_secs();
    let count = rest.max(0) / every.as_secs();
    first + SignedDuration::from_secs(count * every.as_secs())
}

fn is_done(plan: &DrivePlan, node: Node) -> bool {
    plan.nodes.iter().any(|plan| plan.node == node && plan.verdict == Verdict::Done)
}

/// The nodes of a plan that are not done.
fn shown(plan: &DrivePlan) -> String {
    let open = plan.nodes.iter().filter(|node| !node.verdict.is_settled());
    let lines =
        open.map(|node| format!("{}: {:?} {:?} {:?}", node.node, node.verdict, node.note, node.to_do));
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs simulations, two at the same time; they come back in their order.
///
/// # Panics
/// When one of them does.
pub fn run_all(simulations: Vec<(Course, Policy, Option<u64>)>) -> Vec<Simulation> {
    let waiting: Mutex<VecDeque<_>> = Mutex::new(simulations.into_iter().enumerate().collect());
    let ended = Mutex::new(BTreeMap::new());
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let next = || waiting.lock().unwrap().pop_front();
        while let Some((place, (course, policy, trouble))) = next() {
            let mut simulation = Simulation::new(course, policy, trouble);
            runtime.block_on(simulation.run());
            ended.lock().unwrap().insert(place, simulation);
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        for other in others {
            other.join().unwrap();
        }
    });
    ended.into_inner().unwrap().into_values().collect()
}

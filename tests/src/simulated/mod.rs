//! A whole release in simulated time: other parties, people and the engine share one clock with the sandbox. It stands still
//! during a pass of the engine, and jumps to the next multiple of two minutes after something has happened or at which something
//! is due, and to the morning; a pass is made every six hours at least.
//!
//! A pass at a moment between two of these would find what the last one found: neither the world nor anything that depends on
//! time alone has changed. (A look that is due only because the last one is some minutes ago finds the same again, so such
//! looks are left out.) An effect that is repeated at every look would not be seen: [`Case::at_every_tick`] makes every pass, with
//! all releases at once as the timer does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a simulation that cannot go on fails the test")]

pub mod course;
mod drawn;
pub mod enabling;
mod engine;
mod parties;
mod people;
mod replayed;
pub mod shares;
mod trouble;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use course::{Course, Event};
use enabling::{APPROVAL, Moments, enabled_by};
use engine::Engine;
use jiff::{SignedDuration, Timestamp};
use oar_core::clients::slack::escape;
use oar_core::drive::plan::DrivePlan;
use oar_core::drive::verdict::{Act, NodePlan, ToDo, Verdict};
use oar_core::flow::nodes::{Node, ROWS};
use oar_core::operations::advance::{Advanced, Ran, RunResult};
use oar_core::statebox::{Share, TaskName};
use parties::Parties;
pub use parties::{REPLACEMENT, advisories};
use people::People;
pub use people::{Asked, RUN_IT};
use sandbox::clock::ClockStart;
use shares::{Shares, Whose};
use trouble::Engines;

use crate::elliott;
use crate::{Harness, Options, RecordedRequest, root};

/// How often the engine's timer starts it.
pub const TIMER: SignedDuration = SignedDuration::from_mins(2);
/// A pass is made at least so often, also when nothing is due.
const HEARTBEAT: SignedDuration = SignedDuration::from_hours(6);
/// After midnight the summary of a working day is told.
const MORNING: SignedDuration = SignedDuration::from_hours(7);
/// A release that takes longer than this is stuck.
const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How much of a question a message shows, in characters.
const SHOWN: usize = 600;

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

/// A simulation to be run.
#[derive(Debug, Clone)]
pub struct Case {
    course: Course,
    policy: Policy,
    trouble: Option<u64>,
    every_tick_from: Option<Timestamp>,
}

impl Case {
    /// The release takes `course`, and nothing disturbs the engine.
    pub fn new(course: Course, policy: Policy) -> Self {
        Self { course, policy, trouble: None, every_tick_from: None }
    }

    /// The same with an engine that has the trouble of this seed.
    #[must_use]
    pub fn troubled(mut self, seed: u64) -> Self {
        self.trouble = Some(seed);
        self
    }

    /// The same with a pass over all releases every two minutes from `time` on.
    #[must_use]
    pub fn at_every_tick(mut self, time: Timestamp) -> Self {
        self.every_tick_from = Some(time);
        self
    }
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
    every_tick_from: Option<Timestamp>,
    /// When what became possible.
    moments: Moments,
    /// What the engine did.
    pub done: Vec<Done>,
    /// The checkpoints that it found done, and the consents that it asked for.
    pub seen: Vec<Done>,
    /// The moments of its passes.
    pub passes: Vec<Timestamp>,
    /// Those of them that nothing disturbed, and nothing shortly before.
    pub undisturbed: Vec<Timestamp>,
    /// Where the time from the StateBox to the approval went.
    pub shares: Shares,
    /// After which passes nobody was at it or waited for anything, and which node could go on.
    pub idle: Vec<(Timestamp, &'static str)>,
    /// What did not work in passes, beside their runs.
    pub problems: Vec<String>,
    /// When it was approved.
    pub approved: Option<Timestamp>,
    ships: Option<Timestamp>,
}

/// The next multiple of the timer's interval.
fn on_timer(time: Timestamp) -> Timestamp {
    let interval = TIMER.as_secs();
    let second = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    let count = second.div_euclid(interval) + i64::from(second.rem_euclid(interval) > 0);
    Timestamp::from_second(count * interval).unwrap()
}

impl Simulation {
    /// A sandbox in which the course of `case` begins.
    pub fn new(case: Case) -> Self {
        let Case { course, policy, trouble, every_tick_from } = case;
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
        let people = People::new(&course);
        let events: BTreeMap<_, _> =
            course.events.iter().enumerate().map(|(number, (at, event))| ((*at, number), *event)).collect();
        let numbered = events.len();
        Self {
            harness,
            moments: Moments::new(course.release, course.announced),
            every_tick_from,
            course,
            parties,
            people,
            desk,
            engines,
            events,
            numbered,
            done: Vec::new(),
            seen: Vec::new(),
            passes: Vec::new(),
            undisturbed: Vec::new(),
            shares: Shares::default(),
            idle: Vec::new(),
            problems: Vec::new(),
            approved: None,
            ships: None,
        }
    }

    /// The questions that people were asked.
    pub fn asked(&self) -> &[Asked] {
        &self.people.asked
    }

    /// When people were told a question in the thread of the release. That its time is over, and the summary of a morning, say
    /// it once more; these do not count.
    ///
    /// # Panics
    /// When a message has a time that is none.
    pub fn told(&self, asked: &Asked) -> Vec<Timestamp> {
        let shown: String = asked.question.chars().take(SHOWN).collect();
        let is_it = |text: &str| {
            let steps = text.lines().find_map(|line| line.split_once('*')?.1.split_once("*: "));
            // Of several jobs one may be started first.
            let is_of_step =
                |steps: &str| steps.split(", ").next() == Some(asked.node) || asked.is_about_jobs();
            steps.is_some_and(|(steps, said)| is_of_step(steps) && said.starts_with(&escape(&shown)))
        };
        let prefix = format!("{}/drive/", self.course.release);
        let slack = self.harness.sandbox.world().slack.lock();
        let questions = slack.messages.iter().filter(|message| {
            let key =
                message.metadata.as_ref().and_then(|metadata| metadata["event_payload"]["key"].as_str());
            let key = key.and_then(|key| key.strip_prefix(&prefix));
            key.is_some_and(|key| !key.starts_with("summary-") && !key.ends_with("-again"))
        });
        let at = |ts: &str| Some(Timestamp::from_second(ts.split('.').next()?.parse().ok()?).unwrap());
        questions.filter(|message| is_it(&message.text)).filter_map(|message| at(&message.ts)).collect()
    }

    /// The messages of this key, each with its time stamp.
    pub fn messages(&self, key: &str) -> Vec<String> {
        let slack = self.harness.sandbox.world().slack.lock();
        let of_key = slack.messages.iter().filter(|message| {
            message.metadata.as_ref().is_some_and(|metadata| metadata["event_payload"]["key"] == key)
        });
        of_key.map(|message| format!("{}: {}", message.ts, message.text)).collect()
    }

    /// What people said to the questions, and what came of it.
    pub fn said(&self) -> &[String] {
        &self.people.said
    }

    /// When the first request arrived that is one of these; those that a fault answered did nothing.
    pub fn first(&self, is_one: impl Fn(&RecordedRequest) -> bool) -> Option<Timestamp> {
        let requests = self.harness.sandbox.requests();
        requests.iter().filter(|request| request.acted && is_one(request)).map(|request| request.at).min()
    }

    /// Since when a step is done, or not needed.
    pub fn settled(&self, node: Node) -> Option<Timestamp> {
        self.moments.settled_at(node)
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
        let ends = parties::ends(self.harness.sandbox.world());
        loop {
            let event = self.events.keys().next().map(|(at, _)| *at);
            let next = [event, self.people.next(), self.ships].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= time) else { break };
            self.move_to(at);
            if event == Some(at) {
                let (_, event) = self.events.pop_first().unwrap();
                self.parties.carry_out(self.harness.sandbox.world(), event);
                self.moments.happened(enabled_by(event), at);
            } else if self.ships == Some(at) {
                self.ships = None;
                if let Err(why) = self.parties.ship(self.harness.sandbox.world()) {
                    self.problems.push(format!("{at}: ART cannot ship: {why}"));
                    self.ships = Some(at + SignedDuration::from_hours(1));
                }
                self.moments.happened(&[Node::Shipped], at);
            } else {
                let world = self.harness.sandbox.world();
                let answer = self.people.answer(world, &self.desk, &self.course.version(), at).await;
                self.moments.answered(&answer.nodes, answer.waits, at);
            }
            self.plan_pushes();
        }
        self.move_to(time);
        for (end, node) in ends.into_iter().filter(|(end, _)| *end <= time) {
            self.moments.happened(&[node], end);
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
                Some(advanced) => self.next(&advanced, time),
                None => time + TIMER,
            };
            assert!(time.duration_since(self.course.announced) < LONGEST, "{}: stuck", self.course.name);
        }
    }

    /// Takes note of what a pass left; whether the release is shipped.
    fn take(&mut self, advanced: &Advanced, time: Timestamp) -> bool {
        let plan = &advanced.plan;
        assert!(plan.defects.is_empty(), "{time}: {:#?}", plan.defects);
        self.people.hear(plan, time, self.engines.are_undisturbed(time));
        let new =
            self.people.asked.iter().filter(|asked| asked.is_consent() && asked.anew.last() == Some(&time));
        for asked in new {
            let since = asked.nodes.iter().map(|node| self.moments.possible_since(*node, time)).min();
            let delay = time.duration_since(since.unwrap_or(time));
            let detail = Some(asked.question.clone());
            self.seen.push(Done { at: time, delay, node: asked.node, result: RunResult::Blocked, detail });
        }
        let approved = is_done(plan, APPROVAL);
        if approved && self.approved.is_none() {
            self.approved = Some(time);
            self.shares.ended(time);
            self.ships = Some(time + self.course.shipping);
        }
        if self.approved.is_none() && is_done(plan, Node::Task(TaskName::CreateTestReport)) {
            let whose = self.whose(plan, time);
            self.shares.passed(whose, time);
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

    /// Whose the time is after a pass that left this plan.
    fn whose(&mut self, plan: &DrivePlan, time: Timestamp) -> Whose {
        let events = self
            .events
            .iter()
            .flat_map(|((at, _), event)| enabled_by(*event).iter().map(move |node| (*at, *node)));
        let coming: Vec<_> = events.chain(parties::ends(self.harness.sandbox.world())).collect();
        // A look at what another system does is not what it waits for.
        let goes_on = plan.now.iter().any(|run| !run.only_looks) || !plan.defects.is_empty();
        match self.moments.awaited(plan, &coming, time) {
            // It can go on, and the next pass comes.
            _ if goes_on => Whose { share: Share::Tools, until: Some(time) },
            _ if !plan.people.is_empty() => Whose { share: Share::Person, until: None },
            Ok(until) => Whose { share: Share::Systems, until: Some(until) },
            Err(node) => {
                self.idle.push((time, node.map_or("no node", Node::id)));
                Whose { share: Share::Nobody, until: None }
            }
        }
    }

    /// A pass; `None` when no engine came to its end.
    async fn pass(&mut self) -> Option<Advanced> {
        let at = self.now();
        self.passes.push(at);
        // Google compares the times of tokens with this clock.
        self.harness.sandbox.world().google_oauth.lock().judged_at = Some(at);
        let version = self.course.version();
        let is_of_the_timer = self.every_tick_from.is_some_and(|from| from <= at);
        let mut last: Option<Advanced> = None;
        for ended in self.engines.pass(&version, is_of_the_timer).await {
            match ended {
                Ok(mut advanced) => {
                    if let Some(before) = last {
                        advanced.runs.splice(0..0, before.runs);
                        advanced.warnings.splice(0..0, before.warnings);
                    }
                    last = Some(advanced);
                }
                Err(problem) => self.problems.push(format!("{at}: {problem}")),
            }
        }
        let advanced = last?;
        if self.engines.are_undisturbed(at) {
            self.undisturbed.push(at);
        }
        self.problems.extend(advanced.warnings.iter().map(|warning| format!("{at}: {warning}")));
        for node in self.moments.saw(&advanced.plan, at) {
            let delay = at.duration_since(self.moments.possible_since(node, at));
            self.seen.push(Done { at, delay, node: node.id(), result: RunResult::Done, detail: None });
        }
        for run in &advanced.runs {
            let delay = at.duration_since(self.moments.possible_since(run.node, at));
            let (node, result, detail) = (run.node.id(), run.result, run.detail.clone());
            self.done.push(Done { at, delay, node, result, detail });
            self.moments.ran(run, at);
        }
        Some(advanced)
    }

    /// When the next pass may find anything new.
    fn next(&self, advanced: &Advanced, time: Timestamp) -> Timestamp {
        let others = self
            .events
            .keys()
            .map(|(at, _)| *at)
            .chain(self.people.next())
            .chain(self.ships)
            .chain(parties::ends(self.harness.sandbox.world()).into_iter().map(|(end, _)| end))
            .min();
        if self.every_tick_from.is_some_and(|from| from <= time) {
            return time + TIMER;
        }
        let own = has_acted(advanced).then(|| time + TIMER);
        let morning = next_morning(time);
        let from = self.every_tick_from.filter(|from| *from > time);
        let nodes = &advanced.plan.nodes;
        // Whatever comes after the approval names its look.
        let look = nodes.iter().filter(|node| node.act == Act::CarryOn).find_map(|node| node.look_at);
        let repeats = |node: &&NodePlan| node.act != Act::CarryOn && look.is_some() && node.look_at == look;
        // When the page is up the next look finds it, whatever else is to come.
        let page = self.events.values().any(|event| *event == Event::Published);
        let skips = others.filter(|_| page);
        let due = nodes.iter().filter(|node| !repeats(node)).flat_map(|node| due(node, time, skips)).min();
        let date = self.moments.next_date(time);
        let next = [others, own, due, date, from, Some(morning), Some(time + HEARTBEAT)]
            .into_iter()
            .flatten()
            .min()
            .unwrap();
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

/// Whether the pass has changed anything: a look at the page of the approval that finds nothing does not.
fn has_acted(advanced: &Advanced) -> bool {
    let looks = |run: &Ran| run.node == APPROVAL && run.result == RunResult::Running;
    advanced.runs.iter().any(|run| run.result != RunResult::Nothing && !looks(run))
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
pub fn run_all(cases: Vec<Case>) -> Vec<Simulation> {
    let waiting: Mutex<VecDeque<_>> = Mutex::new(cases.into_iter().enumerate().collect());
    let ended = Mutex::new(BTreeMap::new());
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let next = || waiting.lock().unwrap().pop_front();
        while let Some((place, case)) = next() {
            let mut simulation = Simulation::new(case);
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

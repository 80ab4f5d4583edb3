//! The plan of a release: facts looked up as far as they are needed, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::evaluate::{Input, approval_opens, evaluate, is_konflux, lacking};
use super::facts::{Fact, FactKey, Facts, Seen, Standing, Tests, Unknown};
use super::kept::Kept;
use super::look::Looker;
use super::verdict::{Act, NodePlan, ToDo, Verdict};
use crate::clients::Clients;
use crate::clock::stamp;
use crate::config::{DrivePolicy, Flow};
use crate::error::ErrorClass;
use crate::flow::holder;
use crate::flow::nodes::{Cost, Node, Who, unknown_limits, unknown_steps};
use crate::flow::outcome::Refusal;
use crate::statebox::{State, TaskName};
use crate::version::ReleaseVersion;

/// What stands where in a release, what can be done now, what waits, and who must act.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct DrivePlan {
    /// The release.
    pub release: String,
    /// Its flow; `None` while nobody knows.
    pub flow: Option<&'static str>,
    /// Where its state is.
    pub statebox: String,
    /// When the plan was made.
    pub at: String,
    /// Whether it was made from the state alone.
    pub offline: bool,
    /// What holds the release, or why that is not known: nothing begins before it is over.
    pub held: Vec<String>,
    /// How many of the nodes that the release needs are done, or not needed.
    pub done: usize,
    /// How many there are.
    pub total: usize,
    /// What the engine would run now.
    pub now: Vec<PlannedRun>,
    /// What people are asked.
    pub people: Vec<Request>,
    /// When to look next, at the earliest.
    pub next_look: Option<String>,
    /// Every node, in the order of the table.
    pub nodes: Vec<NodePlan>,
    /// The facts that were read.
    pub facts: Vec<FactRead>,
    /// The facts that are missing.
    pub unknown: Vec<FactUnknown>,
    /// Nodes that are not done, and have neither a next look nor a person: defects of this program.
    pub defects: Vec<String>,
}

/// Something that the engine would run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PlannedRun {
    /// The node.
    pub node: Node,
    /// The command that does the same.
    pub command: String,
    /// Whether it only looks at, or records, what is there.
    pub only_looks: bool,
    /// How the engine does it.
    #[serde(skip)]
    pub act: Act,
}

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Request {
    /// Who.
    pub who: Who,
    /// The nodes that wait for the answer.
    pub nodes: Vec<Node>,
    /// What is asked.
    pub question: String,
    /// The answers.
    pub choices: Vec<String>,
    /// The commands that answer: none, when nothing can be answered by a command; several, when the question is about several
    /// steps.
    pub commands: Vec<String>,
    /// When people are told once more: the deadline of the step, otherwise the day from which the release may be approved.
    pub deadline: Option<String>,
    /// What is asked about, where the words of the question change while it stays the same.
    #[serde(skip)]
    pub topic: Option<String>,
    /// Whether the question says "it" of its step, in words of this program.
    #[serde(skip)]
    pub says_it: bool,
}

/// A fact that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FactRead {
    /// The fact.
    pub fact: FactKey,
    /// Where.
    pub address: String,
    /// When.
    pub at: String,
    /// How long ago, in seconds.
    pub age: i64,
}

/// A fact that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FactUnknown {
    /// The fact.
    pub fact: FactKey,
    /// Why.
    pub why: String,
    /// The nodes that need it now.
    pub nodes: Vec<Node>,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// It is shown.
    Shown,
    /// It is acted on, and people are told: what may be an old answer is read again first.
    ActedOn,
}

/// How often an answer is read again that may be an old one, and after which pause.
const STALE_LOOKS: usize = 2;
/// How often it is read again at most, while the answers differ.
const MOST_LOOKS: usize = 5;
const STALE_PAUSE: Duration = Duration::from_secs(1);

/// The plan of `release` from its state and from the services, with the facts that it rests on: only what is needed now is
/// read. Steps that were `refused` in this pass are blocked by the reason.
pub async fn plan(
    clients: &Clients,
    release: &ReleaseVersion,
    state: Option<&State>,
    location: &str,
    policy: &DrivePolicy,
    refused: &BTreeMap<Node, String>,
    care: Care,
) -> (DrivePlan, Facts) {
    let looker = Looker::new(clients, release, state);
    let mut facts = Facts { refused: refused.clone(), ..Facts::default() };
    // Whatever is read of a release needs its build data, and each round needs at least one fact more.
    let mut keys = BTreeSet::from([FactKey::BuildData]);
    // Whoever is shown a plan sees how it is now.
    let home = clients.settings().cache_home().filter(|_| care == Care::ActedOn);
    let kept = state.zip(home).map(|(state, home)| Kept::new(&home, release, state, location));
    let mut looks_again = None;
    let mut changed = BTreeSet::new();
    for _ in 0..=FactKey::ALL.len() + MOST_LOOKS {
        if let Some(kept) = &kept {
            kept.fill(&mut keys, &mut facts, clients.clock().now());
        }
        let before = revisions(&facts, &keys);
        // What is not read in this round stays as doubtful as it was.
        changed.retain(|key| !keys.contains(key));
        looker.look(keys.clone(), &mut facts).await;
        if let Some(kept) = &kept {
            kept.keep(&keys, &facts);
        }
        if looks_again.is_some() {
            let is_other = |key: &FactKey| {
                let now = revision(&facts, *key);
                before.get(key).is_some_and(|before| now.is_some_and(|now| now != *before))
            };
            changed.extend(before.keys().copied().filter(is_other));
        }
        let now = clients.clock().now();
        let nodes = evaluate(Input { release, state, location, facts: &facts, policy, now, ended });
        keys = lacking(&nodes, &facts).into_iter().collect();
        if keys.is_empty() && care == Care::ActedOn {
            let looks = looks_again.unwrap_or(0);
            // What has just changed is believed when it is read the same twice.
            keys.clone_from(&changed);
            if looks < STALE_LOOKS {
                keys.extend(doubtful(&nodes, &facts, state));
            }
            if looks == MOST_LOOKS {
                keys.clear();
                for key in std::mem::take(&mut changed) {
                    facts.set_unknown(key, contradicted(now));
                }
            }
            if !keys.is_empty() {
                looks_again = Some(looks + 1);
                clients.clock().sleep(clients.clock().jittered(STALE_PAUSE)).await;
            }
        }
        if keys.is_empty() {
            break;
        }
    }
    let now = clients.clock().now();
    let plan = assemble(Input { release, state, location, facts: &facts, policy, now, ended }, false);
    (plan, facts)
}

/// The records of tests about which people would be asked, or an issue made, because one is absent or says something else
/// than before: GitHub may have answered with an older state of its branch. What people were told already was read again then.
fn doubtful(nodes: &[NodePlan], facts: &Facts, state: Option<&State>) -> Vec<FactKey> {
    let open = state.map(State::open_questions).unwrap_or_default();
    let is_told = |plan: &NodePlan| {
        open.iter().any(|asked| asked.told.is_some() && asked.node.as_deref() == Some(plan.node.id()))
    };
    let asks = |plan: &NodePlan| {
        (matches!(plan.verdict, Verdict::Asks { .. }) && !is_told(plan)) || matches!(plan.act, Act::Issue(_))
    };
    let rests_on = |plan: &NodePlan, seen: &Seen<Tests>| {
        plan.evidence.iter().any(|evidence| evidence.address == seen.address)
    };
    let build = Node::Task(TaskName::AnalyzePromotedBuild);
    let is_stale = |plan: &&NodePlan| plan.node == build && plan.stale.is_some() && !is_told(plan);
    let records = [(FactKey::Tests, &facts.tests), (FactKey::CandidateTests, &facts.candidate_tests)];
    let is_doubtful = |(key, fact): &(FactKey, &Fact<Tests>)| {
        let Fact::Known(seen) = fact else { return false };
        let asked = nodes.iter().any(|plan| asks(plan) && rests_on(plan, seen));
        asked || (*key == FactKey::Tests && nodes.iter().any(|plan| is_stale(&plan)))
    };
    records.into_iter().filter(is_doubtful).map(|(key, _)| key).collect()
}

/// The revision of a record of tests that was read.
fn revision(facts: &Facts, key: FactKey) -> Option<String> {
    let fact = match key {
        FactKey::Tests => &facts.tests,
        FactKey::CandidateTests => &facts.candidate_tests,
        _ => return None,
    };
    match fact.value()? {
        Tests::Absent => Some("absent".to_owned()),
        Tests::Record { blob, .. } => Some(blob.clone()),
    }
}

fn revisions(facts: &Facts, keys: &BTreeSet<FactKey>) -> BTreeMap<FactKey, String> {
    keys.iter().filter_map(|key| Some((*key, revision(facts, *key)?))).collect()
}

/// What is said of a record of which GitHub shows different states in turn.
fn contradicted(at: Timestamp) -> Unknown {
    let why = "GitHub shows different states of it in turn".to_owned();
    Unknown { why, hint: None, class: ErrorClass::Unavailable, at }
}

/// Whether a process that has claimed something is certain to have ended.
pub fn ended(process: &str) -> bool {
    holder::has_ended(process) == Some(true)
}

/// The plan of `release` from its state alone.
pub fn offline(release: &ReleaseVersion, state: &State, location: &str, now: Timestamp) -> DrivePlan {
    let (facts, policy) = (Facts::default(), DrivePolicy::default());
    assemble(
        Input {
            release,
            state: Some(state),
            location,
            facts: &facts,
            policy: &policy,
            now,
            ended: |_| false,
        },
        true,
    )
}

/// Refuses a policy with names that are no nodes, or with a limit of a node that has none.
///
/// # Errors
///
/// A name is no node's, or the node has no limit that can be set.
pub fn check_policy(policy: &DrivePolicy) -> Result<(), Refusal> {
    let steps = unknown_steps(policy.steps.keys().map(String::as_str));
    let limits = unknown_limits(policy.limits.keys().map(String::as_str));
    match steps.into_iter().chain(limits).next() {
        None => Ok(()),
        Some((key, problem)) => {
            let words = format!("the configuration document's `{key}` {problem}");
            Err(Refusal::new(ErrorClass::Configuration, words)
                .with_hint("`oarctl doctor` checks the whole document."))
        }
    }
}

/// What follows from `input`, put together.
pub fn assemble(input: Input<'_>, offline: bool) -> DrivePlan {
    let nodes = evaluate(input);
    let needed = || nodes.iter().filter(|plan| plan.node.row().required);
    let flow = is_konflux(input).map(|konflux| if konflux { Flow::Konflux } else { Flow::Errata }.as_str());
    DrivePlan {
        release: input.release.to_string(),
        flow,
        statebox: input.location.to_owned(),
        at: stamp(input.now),
        offline,
        held: Vec::new(),
        done: needed().filter(|plan| plan.verdict.is_settled()).count(),
        total: needed().count(),
        now: nodes.iter().filter_map(|plan| planned_run(plan, input.now)).collect(),
        people: requests(&nodes, approval_opens(input)),
        next_look: nodes.iter().filter_map(|plan| plan.look_at).min().map(stamp),
        facts: facts_read(input),
        unknown: facts_unknown(input, &nodes, offline),
        defects: nodes.iter().filter_map(defect).collect(),
        nodes,
    }
}

fn planned_run(plan: &NodePlan, now: Timestamp) -> Option<PlannedRun> {
    let ToDo::Run { command, only_looks } = &plan.to_do else { return None };
    // A look that is not due yet is none.
    let is_due = plan.look_at.is_none_or(|at| at <= now);
    is_due.then(|| PlannedRun {
        node: plan.node,
        command: command.clone(),
        only_looks: *only_looks,
        act: plan.act.clone(),
    })
}

/// What people are asked, each question once: a blocker stands in the way of several nodes.
fn requests(nodes: &[NodePlan], approval_opens: Option<Timestamp>) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for mut request in nodes.iter().filter_map(request) {
        request.deadline = request.deadline.or_else(|| approval_opens.map(stamp));
        let same = |known: &&mut Request| {
            known.question == request.question
                && (request.is_about_jobs()
                    || (request.choices.is_empty() && known.commands == request.commands))
        };
        match requests.iter_mut().find(same) {
            Some(known) => {
                known.nodes.extend(request.nodes);
                known.commands.extend(request.commands);
                known.commands.dedup();
            }
            None => requests.push(request),
        }
    }
    requests
}

/// The question about paid jobs that can be started, which is one for all of them.
pub const START_JOBS: &str = "the jobs on stage can be started now: start them?";

impl Request {
    /// Whether it asks for the start of paid jobs.
    pub fn is_about_jobs(&self) -> bool {
        self.question == START_JOBS
    }
}

fn request(plan: &NodePlan) -> Option<Request> {
    let who = plan.person?;
    let (question, choices, command) = match (&plan.verdict, &plan.to_do) {
        (Verdict::Asks { question, choices }, to_do) => {
            let command = match to_do {
                ToDo::Answer { command } => command.clone(),
                _ => None,
            };
            (question.clone(), choices.clone(), command)
        }
        (Verdict::Blocked { by, .. }, ToDo::Answer { command }) => (by.clone(), Vec::new(), command.clone()),
        (Verdict::Blocked { by, .. }, _) => (by.clone(), Vec::new(), None),
        (Verdict::Failed { why, .. }, ToDo::Consent { command } | ToDo::ByHand { command }) => {
            (format!("it failed: {why}: run it again?"), yes_no(), Some(command.clone()))
        }
        (Verdict::Failed { why, .. }, to_do) => {
            let command = match to_do {
                ToDo::Answer { command } => command.clone(),
                _ => None,
            };
            (format!("it failed, and is not tried again by itself: {why}"), Vec::new(), command)
        }
        (_, ToDo::Consent { command }) if plan.node.row().cost == Cost::Paid => {
            (START_JOBS.to_owned(), yes_no(), Some(command.clone()))
        }
        (_, ToDo::Consent { command }) => {
            ("it can be run now: run it?".to_owned(), yes_no(), Some(command.clone()))
        }
        (_, ToDo::ByHand { command }) => {
            ("it can be run now, by a person alone".to_owned(), Vec::new(), Some(command.clone()))
        }
        // Whoever is asked about what comes first is asked there.
        _ => return None,
    };
    let (commands, deadline) = (command.into_iter().collect(), plan.deadline.clone());
    let says_it = match (&plan.verdict, &plan.to_do) {
        // These have their own words, or those of others.
        (Verdict::Asks { .. } | Verdict::Blocked { .. }, _) => false,
        (Verdict::Failed { .. }, _) => true,
        _ => question != START_JOBS,
    };
    Some(Request {
        who,
        nodes: vec![plan.node],
        question,
        choices,
        commands,
        deadline,
        topic: plan.topic.clone(),
        says_it,
    })
}

fn yes_no() -> Vec<String> {
    ["yes", "not yet"].map(str::to_owned).to_vec()
}

/// A node that nobody would ever look at again.
fn defect(plan: &NodePlan) -> Option<String> {
    let forgotten = !plan.verdict.is_settled() && plan.next_look.is_none() && plan.person.is_none();
    forgotten.then(|| {
        format!("{} is {}, and has neither a next look nor a person", plan.node, plan.verdict.name())
    })
}

fn facts_read(input: Input<'_>) -> Vec<FactRead> {
    let read = |fact: FactKey| match input.facts.standing(fact) {
        Standing::Known(address, at) => {
            let age = input.now.duration_since(at).as_secs();
            Some(FactRead { fact, address, at: stamp(at), age })
        }
        Standing::NotLooked | Standing::Unknown(_) => None,
    };
    FactKey::ALL.into_iter().filter_map(read).collect()
}

fn facts_unknown(input: Input<'_>, nodes: &[NodePlan], offline: bool) -> Vec<FactUnknown> {
    let mut found = Vec::new();
    for fact in FactKey::ALL {
        let lacking = |plan: &&NodePlan| plan.lacks.as_ref().is_some_and(|lack| lack.fact == fact);
        let needed: Vec<Node> = nodes.iter().filter(lacking).map(|plan| plan.node).collect();
        let why = match input.facts.standing(fact) {
            Standing::Known(..) => continue,
            Standing::NotLooked if needed.is_empty() => continue,
            Standing::NotLooked if offline => {
                "not looked at: the plan is made from the state alone".to_owned()
            }
            Standing::NotLooked => "not looked at".to_owned(),
            Standing::Unknown(unknown) => unknown.why,
        };
        found.push(FactUnknown { fact, why, nodes: needed });
    }
    found
}

//! What the pages show: made from the views of the core, the same that the commands print, and written as JSON too.

pub(super) mod builds;
pub(super) mod lead_time;
pub(super) mod overview;
pub(super) mod picture;
pub(super) mod release;

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use oar_core::drive::plan::{DrivePlan, Request};
use oar_core::drive::verdict::{NodePlan, Verdict};
use oar_core::flow::nodes::{Edge, Keeps, Need, Node, Who};
use oar_core::statebox::{Asked, State, TaskStatus, TaskView};
use oar_core::tasks::active_releases::{Concern, ConcernRow, ReleaseRow, Standing};
use oar_core::tasks::status::HeldRow;
use serde::Serialize;

use super::seen::Known;
use super::text::{Command, Link, Shower, Text, Time, Words};

/// How something stands: always a sign, a word and a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tone {
    /// Done, accepted, passed.
    Done,
    /// Somebody or something works on it.
    Running,
    /// It can be done now.
    Ready,
    /// Something must happen first.
    Waiting,
    /// It is not known.
    Unknown,
    /// Something stands in the way.
    Blocked,
    /// A person must decide.
    Asks,
    /// It failed.
    Failed,
    /// Its verdict rests on something that has changed.
    Stale,
    /// It does not apply.
    None,
}

impl Tone {
    pub(super) fn of(plan: &NodePlan) -> Self {
        match &plan.verdict {
            _ if plan.stale.is_some() => Self::Stale,
            Verdict::Done => Self::Done,
            Verdict::Running { .. } => Self::Running,
            Verdict::Ready => Self::Ready,
            Verdict::Waiting { unknown: true, .. } => Self::Unknown,
            Verdict::Waiting { .. } => Self::Waiting,
            Verdict::Blocked { .. } => Self::Blocked,
            Verdict::Asks { .. } => Self::Asks,
            Verdict::Failed { .. } => Self::Failed,
            Verdict::NotApplicable { .. } => Self::None,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Unknown => "unknown",
            Self::Blocked => "blocked",
            Self::Asks => "asks",
            Self::Failed => "failed",
            Self::Stale => "stale",
            Self::None => "none",
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Done => "✓",
            Self::Running => "▶",
            Self::Ready => "●",
            Self::Waiting => "…",
            Self::Unknown => "⁇",
            Self::Blocked => "■",
            Self::Asks => "?",
            Self::Failed => "✗",
            Self::Stale => "↻",
            Self::None => "–",
        }
    }

    /// The word of a node.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "not needed",
            tone => tone.class(),
        }
    }

    fn badge(self, word: impl Into<String>) -> Badge {
        Badge { tone: self, word: word.into() }
    }
}

/// A sign, a word and a colour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Template)]
#[template(
    ext = "html",
    source = "<span class=\"badge {{ tone.class() }}\"><span class=\"sign\" aria-hidden=\"true\">{{ tone.sign() }}</span>{{ \
              word }}</span>"
)]
pub(super) struct Badge {
    tone: Tone,
    word: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    pub(super) fn new(tone: Tone, word: impl Into<String>) -> Self {
        tone.badge(word)
    }

    pub(super) fn of_node(tone: Tone) -> Self {
        tone.badge(tone.word())
    }

    pub(super) fn of_standing(standing: Standing) -> Self {
        match standing {
            Standing::Unknown => Tone::Unknown.badge("unknown"),
            Standing::Blocked => Tone::Blocked.badge("blocked"),
            Standing::InProgress => Tone::Running.badge("in progress"),
            Standing::NotStarted => Tone::Waiting.badge("not started"),
            Standing::Complete => Tone::Done.badge("complete"),
            Standing::Shipped => Tone::Done.badge("shipped"),
        }
    }
}

/// Something that stands in the way of a release, or is noted about it.
#[derive(Debug, Serialize)]
pub(super) struct ConcernItem {
    pub(super) badge: Badge,
    pub(super) text: Words,
}

impl ConcernItem {
    fn new(row: &ConcernRow, shower: &Shower) -> Self {
        let badge = match row.kind {
            Concern::Unknown => Tone::Unknown.badge("unknown"),
            Concern::Held => Tone::Stale.badge("held"),
            Concern::Blocker => Tone::Blocked.badge("blocker"),
            Concern::TaskFailed => Tone::Failed.badge("task failed"),
            Concern::NonBlocking => Tone::Waiting.badge("noted"),
        };
        Self { badge, text: shower.words(&row.text) }
    }

    pub(super) fn all(row: &ReleaseRow, shower: &Shower) -> Vec<Self> {
        row.concerns.iter().map(|concern| Self::new(concern, shower)).collect()
    }
}

/// Why nothing begins.
#[derive(Debug, Serialize)]
pub(super) struct HeldItem {
    pub(super) reason: Text,
    pub(super) next: Option<Command>,
}

impl HeldItem {
    pub(super) fn new(row: &HeldRow, shower: &Shower) -> Self {
        Self { reason: shower.text(&row.reason), next: row.next.as_deref().map(|next| shower.command(next)) }
    }
}

/// Something that could not be found out, since when.
#[derive(Debug, Serialize)]
pub(super) struct ProblemItem {
    pub(super) what: &'static str,
    pub(super) why: Text,
    pub(super) next: Option<Text>,
    pub(super) since: Time,
}

/// Something that waits for a person.
#[derive(Debug, Serialize)]
pub(super) struct PersonItem {
    /// The releases that wait for the same answer.
    pub(super) releases: Vec<String>,
    pub(super) who: &'static str,
    #[serde(skip)]
    pub(super) who_key: &'static str,
    pub(super) nodes: Vec<&'static str>,
    pub(super) question: Text,
    pub(super) choices: Vec<Words>,
    pub(super) commands: Vec<Command>,
    /// Where the question comes from.
    pub(super) links: Vec<Link>,
    #[serde(flatten)]
    pub(super) since: Option<Since>,
    /// Until when one of the steps may take.
    pub(super) deadline: Option<Time>,
    /// Whether that is over.
    pub(super) overdue: bool,
    /// When people are told once more.
    pub(super) told_again: Option<Time>,
    /// Whether the StateBox has changed since this was found, so that it may be answered already.
    pub(super) outdated: bool,
}

/// A moment that is recorded of a wait.
#[derive(Debug, Serialize)]
pub(super) struct Since {
    #[serde(rename = "since")]
    pub(super) at: Time,
    #[serde(rename = "since_is")]
    pub(super) is: Bound,
}

/// What a recorded moment says of when a wait began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    /// It began then.
    Exact,
    /// It goes on at least since then: people were told then.
    AtLeast,
    /// It cannot have begun before: what comes first was done then.
    AtTheEarliest,
}

impl Bound {
    /// What stands before the moment.
    fn words(self) -> &'static str {
        match self {
            Self::Exact => "since",
            Self::AtLeast => "since at least",
            Self::AtTheEarliest => "not before",
        }
    }
}

/// How many links and steps one question shows.
const LINKS: usize = 4;
const STEPS: usize = 4;

impl PersonItem {
    fn new(plan: &DrivePlan, state: &State, request: &Request, shower: &Shower) -> Self {
        let nodes = || plan.nodes.iter().filter(|node| request.nodes.contains(&node.node));
        let since = since_of(plan, state, request);
        let mut links: Vec<Link> = Vec::new();
        for evidence in nodes().flat_map(|node| &node.evidence) {
            let link = shower.link(&evidence.address);
            if link.is_link() && !links.contains(&link) && links.len() < LINKS {
                links.push(link);
            }
        }
        let deadline = nodes().filter_map(|node| node.deadline.as_deref()?.parse::<Timestamp>().ok()).min();
        let told_again = request.deadline.as_deref().map(|at| shower.time(at));
        Self {
            releases: vec![plan.release.clone()],
            who: request.who.words(),
            who_key: who_key(request.who),
            nodes: request.nodes.iter().map(|node| node.id()).collect(),
            question: shower.text(&named_question(request)),
            choices: request.choices.iter().map(|choice| shower.words(choice)).collect(),
            commands: request.commands.iter().map(|command| shower.command(command)).collect(),
            links,
            since: since.map(|(at, is)| Since { at: shower.moment(at), is }),
            overdue: deadline.is_some_and(|at| at <= shower.now()),
            deadline: deadline.map(|at| shower.moment(at)),
            told_again: told_again.filter(|at| !at.is_over()),
            outdated: false,
        }
    }

    /// The first steps that it is about; a general blocker is about nearly all.
    fn steps(&self) -> String {
        steps(&self.nodes)
    }

    /// The questions of a release.
    pub(super) fn all(known: &Known, shower: &Shower) -> Vec<Self> {
        let Some((plan, state)) = known.shown_plan().zip(known.state().ok()) else { return Vec::new() };
        // What is read again and again has changed when it cannot be read.
        let outdated = known.is_outdated() || known.problem.is_some();
        let item = |request| Self { outdated, ..Self::new(plan, state, request, shower) };
        plan.people.iter().map(item).collect()
    }

    /// The questions of many releases in the order in which they are shown: what is missing for many is asked once; what is
    /// late stands first, then what has waited longest, and what only the program lacks at the end.
    pub(super) fn sorted(items: Vec<Self>) -> Vec<Self> {
        let mut sorted: Vec<Self> = Vec::new();
        for item in items {
            let same = |known: &&mut Self| {
                known.commands.is_empty()
                    && item.commands.is_empty()
                    && (known.who_key, &known.question) == (item.who_key, &item.question)
            };
            match sorted.iter_mut().find(same) {
                Some(known) => known.join(item),
                None => sorted.push(item),
            }
        }
        let operator = who_key(Who::Operator);
        sorted.sort_by_key(|item| {
            let since = item.since.as_ref().and_then(|since| since.at.at());
            (item.who_key == operator, !item.overdue, since.is_none(), since)
        });
        sorted
    }

    fn join(&mut self, other: Self) {
        self.releases.extend(other.releases);
        let new: Vec<&str> = other.nodes.into_iter().filter(|node| !self.nodes.contains(node)).collect();
        self.nodes.extend(new);
        self.overdue |= other.overdue;
        self.outdated |= other.outdated;
        let at = |time: &Option<Time>| time.as_ref().and_then(Time::at);
        let since = |since: &Option<Since>| since.as_ref().and_then(|since| since.at.at());
        if since(&self.since).is_none_or(|own| since(&other.since).is_some_and(|at| at < own)) {
            self.since = other.since;
        }
        let times = [(&mut self.deadline, other.deadline), (&mut self.told_again, other.told_again)];
        for (own, other) in times {
            if at(own).is_none_or(|own| at(&other).is_some_and(|at| at < own)) {
                *own = other;
            }
        }
    }
}

fn steps(nodes: &[&str]) -> String {
    let names = nodes.iter().take(STEPS).copied().collect::<Vec<_>>().join(", ");
    match nodes.len().saturating_sub(STEPS) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// The question with the name of its step where the plan, beside whose steps it stands, only says "it".
fn named_question(request: &Request) -> String {
    let nodes: Vec<&str> = request.nodes.iter().map(|node| node.id()).collect();
    match request.question.strip_prefix("it ").filter(|_| request.says_it) {
        Some(rest) => format!("{} {rest}", steps(&nodes)),
        None => request.question.clone(),
    }
}

/// Since when a question is open, as far as that is recorded.
fn since_of(plan: &DrivePlan, state: &State, request: &Request) -> Option<(Timestamp, Bound)> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let nodes = || plan.nodes.iter().filter(|node| request.nodes.contains(&node.node));
    let now = time(&plan.at);
    let exact = nodes().filter_map(|node| {
        let deadline = time(node.deadline.as_deref().unwrap_or_default());
        match &node.verdict {
            _ if node.stale.is_some() => None,
            // Nobody was asked while it could be waited for.
            Verdict::Asks { .. } if deadline.is_some_and(|at| now.is_some_and(|now| at <= now)) => deadline,
            _ => time(node.since.as_deref()?),
        }
    });
    if let Some(since) = exact.min() {
        return Some((since, Bound::Exact));
    }
    let is_about = |asked: &Asked| {
        asked.node.as_deref().is_some_and(|node| request.nodes.iter().any(|known| known.id() == node))
    };
    let asked = state.open_questions().into_iter().filter(is_about);
    if let Some(told) = asked.filter_map(|asked| time(&asked.since)).min() {
        return Some((told, Bound::AtLeast));
    }
    let tasks = state.tasks();
    // What is stale was done then, and has changed since.
    let earliest: Option<Vec<Timestamp>> = nodes()
        .filter(|node| node.stale.is_some() || node.verdict == Verdict::Ready)
        .map(|node| match &node.stale {
            Some(_) => time(node.since.as_deref()?),
            None => earliest(plan, state, &tasks, node.node),
        })
        .collect();
    Some((earliest?.into_iter().min()?, Bound::AtTheEarliest))
}

/// When the last of the tasks for which the engine waits before `node` was done; `None` where something else comes first, or a time is not
/// recorded.
fn earliest(plan: &DrivePlan, state: &State, tasks: &[TaskView], node: Node) -> Option<Timestamp> {
    let is_needed = |earlier: Node| {
        let plan = plan.nodes.iter().find(|plan| plan.node == earlier);
        plan.is_some_and(|plan| !matches!(plan.verdict, Verdict::NotApplicable { .. }))
    };
    let is_kept = |edge: &&Edge| edge.keeps != Keeps::Usual && is_needed(edge.node);
    let edges = node.row().after.iter().filter(is_kept);
    let mut last: Timestamp = state.created_at()?.parse().ok()?;
    for edge in edges {
        let task = edge.node.task()?;
        let view = tasks.iter().find(|view| view.task == Some(task))?;
        let is_met = match edge.need {
            Need::Verdict => matches!(view.status, TaskStatus::Pass | TaskStatus::Fail),
            Need::Done => view.status == TaskStatus::Pass,
        };
        last = last.max(view.completed_at.as_deref().filter(|_| is_met)?.parse().ok()?);
    }
    Some(last)
}

/// Whose turn it is, in one word.
pub(super) fn who_word(who: Who) -> &'static str {
    match who {
        Who::Owner => "owner",
        Who::Leads => "leads",
        Who::Art => "ART",
        Who::ProductSecurity => "security",
        Who::Operator => "operator",
    }
}

/// Whose turn it is, in an address.
pub(super) fn who_key(who: Who) -> &'static str {
    match who {
        Who::Owner => "owner",
        Who::Leads => "leads",
        Who::Art => "art",
        Who::ProductSecurity => "product_security",
        Who::Operator => "operator",
    }
}

/// What a verdict says, in words.
pub(super) fn verdict_words(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Done | Verdict::Ready => None,
        Verdict::Running { what } | Verdict::Waiting { what, .. } => Some(what),
        Verdict::Blocked { by, .. } => Some(by),
        Verdict::Asks { question, .. } => Some(question),
        Verdict::Failed { why, .. } | Verdict::NotApplicable { why } => Some(why),
    }
}

//! The page `/`: what waits for people, then every active release with every step.

use std::collections::BTreeSet;

use askama::Template;
use askama::filters::HtmlSafe;
use oar_core::flow::nodes::{Who, names};
use oar_core::tasks::active_releases::{Concern, ReleaseRow, Standing, sort};
use oar_core::version::YStream;
use serde::Serialize;

use super::{Badge, ConcernItem, HeldItem, PersonItem, ProblemItem, Tone, verdict_words, who_key, who_word};
use crate::dashboard::seen::{Known, Seen};
use crate::dashboard::text::{Shower, Text, Time, Words};

/// What the address asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::dashboard) struct Filter {
    y: Option<YStream>,
    state: Option<Shown>,
    who: Option<Who>,
}

/// The releases that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Standing(Standing),
    Overdue,
    Held,
    Asks,
}

const STATES: [(&str, &str, Shown); 9] = [
    ("blocked", "blocked", Shown::Standing(Standing::Blocked)),
    ("overdue", "overdue", Shown::Overdue),
    ("asks", "waits for people", Shown::Asks),
    ("held", "held", Shown::Held),
    ("in_progress", "in progress", Shown::Standing(Standing::InProgress)),
    ("not_started", "not started", Shown::Standing(Standing::NotStarted)),
    ("complete", "complete", Shown::Standing(Standing::Complete)),
    ("shipped", "shipped", Shown::Standing(Standing::Shipped)),
    ("unknown", "unknown", Shown::Standing(Standing::Unknown)),
];
const PEOPLE: [Who; 5] = [Who::Owner, Who::Leads, Who::Art, Who::ProductSecurity, Who::Operator];

impl Filter {
    /// The filter in the query of an address; what it does not know is no filter, but a mistake.
    pub(in crate::dashboard) fn parse(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            // The form sends what is not chosen as well.
            if value.is_empty() {
                continue;
            }
            let wrong = |known: &str| {
                let (name, value) = (name.chars().take(40).collect::<String>(), value.chars().take(80));
                let value: String = value.collect();
                format!("`{name}={value}` is not known; {known}")
            };
            match name.as_ref() {
                "y" => {
                    let stream = value.parse().map_err(|_| wrong("`y` is a minor version, such as 4.19"))?;
                    filter.y = Some(stream);
                }
                "state" => {
                    let known = STATES.iter().find(|(key, ..)| *key == value);
                    let names: Vec<&str> = STATES.iter().map(|(key, ..)| *key).collect();
                    let (.., shown) =
                        known.ok_or_else(|| wrong(&format!("`state` is one of {}", names.join(", "))))?;
                    filter.state = Some(*shown);
                }
                "who" => {
                    let known = PEOPLE.into_iter().find(|who| who_key(*who) == value);
                    let names = PEOPLE.map(who_key).join(", ");
                    filter.who = Some(known.ok_or_else(|| wrong(&format!("`who` is one of {names}")))?);
                }
                _ => return Err(wrong("an address can have `y`, `state` and `who`")),
            }
        }
        Ok(filter)
    }

    /// The query of the filter, in one spelling.
    pub(in crate::dashboard) fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(y) = self.y {
            query.append_pair("y", &y.to_string());
        }
        if let Some((key, ..)) = STATES.iter().find(|(.., shown)| Some(*shown) == self.state) {
            query.append_pair("state", key);
        }
        if let Some(who) = self.who {
            query.append_pair("who", who_key(who));
        }
        query.finish()
    }
}

/// A choice of the form.
#[derive(Debug, Serialize)]
pub(in crate::dashboard) struct Choice {
    value: String,
    words: String,
    chosen: bool,
}

/// The overview.
#[derive(Debug, Serialize, Template)]
#[template(path = "overview.html")]
pub(in crate::dashboard) struct Overview {
    /// Where the releases' states are.
    source: Words,
    /// When they were read last.
    read: Option<Time>,
    problem: Option<ProblemItem>,
    /// Why nothing begins for any release.
    held: Vec<HeldItem>,
    /// How many releases are like that, whatever the address asks for.
    counts: Counts,
    waits_for_people: Vec<PersonItem>,
    /// Of how many releases, of those that are shown, it is not known for certain whether they wait for people.
    partly_unknown: usize,
    steps: Vec<&'static str>,
    releases: Vec<Row>,
    /// How many there are, whatever the address asks for.
    total: usize,
    #[serde(skip)]
    streams: Vec<Choice>,
    #[serde(skip)]
    states: Vec<Choice>,
    #[serde(skip)]
    people: Vec<Choice>,
    #[serde(skip)]
    filtered: bool,
    /// Whether one of them all may wait for people without this being known.
    #[serde(skip)]
    is_unsure: bool,
}

impl HtmlSafe for Overview {}

/// How many releases are like that.
#[derive(Debug, Default, Serialize)]
struct Counts {
    blocked: usize,
    overdue: usize,
    waits_for_people: usize,
    held: usize,
    unknown: usize,
}

impl Counts {
    fn add(&mut self, row: &ReleaseRow, asked: &[PersonItem]) {
        let is_held = row.concerns.iter().any(|one| one.kind == Concern::Held);
        self.blocked += usize::from(row.status == Standing::Blocked);
        self.overdue += usize::from(row.overdue);
        self.waits_for_people += usize::from(!asked.is_empty());
        self.held += usize::from(is_held);
        self.unknown += usize::from(row.status == Standing::Unknown);
    }
}

/// One release.
#[derive(Debug, Serialize)]
struct Row {
    release: String,
    standing: Badge,
    flow: Option<&'static str>,
    date: Option<String>,
    countdown: String,
    overdue: bool,
    done: usize,
    total: usize,
    concerns: Vec<ConcernItem>,
    steps: Vec<Cell>,
    /// When the services were asked.
    asked: Option<Time>,
    /// Why they could not be asked.
    problem: Option<Text>,
    /// Whether the StateBox has changed since.
    outdated: bool,
}

/// One step of a release.
#[derive(Debug, Serialize)]
struct Cell {
    step: &'static str,
    state: Tone,
    since: Option<Time>,
    who: Option<&'static str>,
    what: Option<Words>,
}

impl Cell {
    /// Whether somebody looking at a small screen needs it.
    fn is_settled(&self) -> bool {
        matches!(self.state, Tone::Done | Tone::None)
    }
}

impl Row {
    fn new(row: &ReleaseRow, known: &Known, shower: &Shower) -> Self {
        let plan = known.shown_plan();
        let cells = names().into_iter().map(|step| {
            let node = plan.and_then(|plan| plan.nodes.iter().find(|node| node.node.id() == step));
            Cell {
                step,
                state: match (node, plan) {
                    (Some(node), _) => Tone::of(node),
                    // The other flow has it.
                    (None, Some(_)) => Tone::None,
                    (None, None) => Tone::Unknown,
                },
                since: node.and_then(|node| node.since.as_deref()).map(|since| shower.time(since)),
                who: node.and_then(|node| node.person).map(who_word),
                what: node.and_then(|node| verdict_words(&node.verdict)).map(|what| shower.words(what)),
            }
        });
        Self {
            release: row.release.to_string(),
            standing: Badge::of_standing(row.status),
            flow: plan.and_then(|plan| plan.flow),
            date: row.date.clone(),
            countdown: row.countdown(),
            overdue: row.overdue,
            done: plan.map_or(0, |plan| plan.done),
            total: plan.map_or(0, |plan| plan.total),
            concerns: ConcernItem::all(row, shower),
            steps: cells.collect(),
            asked: known.plan.asked().map(|plan| shower.time(&plan.at)),
            problem: known.plan.problem.as_ref().map(|problem| shower.text(&problem.why)),
            outdated: known.is_outdated(),
        }
    }
}

impl Overview {
    pub(in crate::dashboard) fn new(
        seen: &Seen,
        source: &str,
        filter: &Filter,
        problem: Option<ProblemItem>,
        shower: &Shower,
    ) -> Self {
        let known = seen.releases.iter();
        let mut rows: Vec<ReleaseRow> =
            known.map(|(release, known)| known.row(release, shower.now())).collect();
        sort(&mut rows);
        let mut streams: BTreeSet<YStream> = BTreeSet::new();
        let mut counts = Counts::default();
        let (mut releases, mut waits, total) = (Vec::new(), Vec::new(), rows.len());
        let (mut partly_unknown, unasked) = (0, filter.unasked());
        let mut is_unsure = problem.is_some();
        for row in &rows {
            streams.insert(row.release.y_stream());
            let Some(known) = seen.releases.get(&row.release) else { continue };
            let asked = PersonItem::all(known, shower);
            counts.add(row, &asked);
            let is_partly_unknown = known.is_partly_unknown();
            is_unsure |= is_partly_unknown;
            partly_unknown += usize::from(is_partly_unknown && unasked.takes(row, &asked));
            if !filter.takes(row, &asked) {
                continue;
            }
            releases.push(Row::new(row, known, shower));
            let is_asked = |item: &PersonItem| filter.who.is_none_or(|who| who_key(who) == item.who_key);
            waits.extend(asked.into_iter().filter(is_asked));
        }
        let waits = PersonItem::sorted(waits);
        let choice = |value: &str, words: &str, chosen| Choice {
            value: value.to_owned(),
            words: words.to_owned(),
            chosen,
        };
        if let Some(y) = filter.y {
            streams.insert(y);
        }
        Self {
            source: shower.words(source),
            read: seen.looked.map(|at| shower.moment(at)),
            problem,
            held: seen.held.iter().map(|held| HeldItem::new(held, shower)).collect(),
            counts,
            waits_for_people: waits,
            partly_unknown,
            steps: names().to_vec(),
            releases,
            total,
            streams: streams
                .into_iter()
                .rev()
                .map(|y| choice(&y.to_string(), &y.to_string(), filter.y == Some(y)))
                .collect(),
            states: STATES
                .iter()
                .map(|(key, words, shown)| choice(key, words, filter.state == Some(*shown)))
                .collect(),
            people: PEOPLE
                .into_iter()
                .map(|who| choice(who_key(who), who.words(), filter.who == Some(who)))
                .collect(),
            filtered: *filter != Filter::default(),
            is_unsure,
        }
    }
}

impl Filter {
    /// The same without what asks for the questions of a release, which may not be known.
    fn unasked(&self) -> Self {
        Self { y: self.y, state: self.state.filter(|state| *state != Shown::Asks), who: None }
    }

    fn takes(&self, row: &ReleaseRow, asked: &[PersonItem]) -> bool {
        let is_held = || row.concerns.iter().any(|one| one.kind == Concern::Held);
        let state = match self.state {
            None => true,
            Some(Shown::Standing(standing)) => row.status == standing,
            Some(Shown::Overdue) => row.overdue,
            Some(Shown::Held) => is_held(),
            Some(Shown::Asks) => !asked.is_empty(),
        };
        let who = self.who.is_none_or(|who| asked.iter().any(|item| item.who_key == who_key(who)));
        state && who && self.y.is_none_or(|y| row.release.y_stream() == y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_its_query_and_a_mistake_is_named() {
        for query in ["", "y=4.19", "state=blocked", "y=4.19&state=overdue&who=leads"] {
            assert_eq!(Filter::parse(query).unwrap().query(), query);
        }
        assert_eq!(Filter::parse("y=&state=").unwrap(), Filter::default());
        for (query, says) in
            [("y=x", "minor version"), ("state=red", "blocked, overdue"), ("who=me", "owner"), ("a=b", "`y`")]
        {
            let error = Filter::parse(query).unwrap_err();
            assert!(error.contains(says), "{query}: {error}");
        }
    }
}

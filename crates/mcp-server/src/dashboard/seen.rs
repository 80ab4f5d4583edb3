//! What was seen: each release with its plan, and the builds under test; and which pages show something else after a change.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oar_core::drive::plan::{DrivePlan, offline};
use oar_core::drive::verdict::Verdict;
use oar_core::error::Classified;
use oar_core::flow::nodes::Node;
use oar_core::operations::jobctl::show::{Recorded, Unusable};
use oar_core::prow::names::ResultName;
use oar_core::prow::view::BuildView;
use oar_core::statebox::State;
use oar_core::tasks::active_releases::{Concern, ConcernRow, ReleaseRow, Standing};
use oar_core::tasks::statebox_files::ReadFile;
use oar_core::tasks::status::HeldRow;
use oar_core::version::ReleaseVersion;
use serde_json::Value;

/// How old a plan becomes, and how soon one is made again when its next look is due, or when it could not be made.
const PLAN_AGE: SignedDuration = SignedDuration::from_mins(5);
const PLAN_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// A problem that is found again goes on, unless nobody has looked for so long.
const GAP: SignedDuration = SignedDuration::from_mins(10);

/// What could not be found out, since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) why: String,
    pub(super) next: Option<String>,
    pub(super) since: Timestamp,
}

impl Problem {
    pub(super) fn new(why: impl Into<String>, since: Timestamp) -> Self {
        Self { why: why.into(), next: None, since }
    }

    pub(super) fn of(error: &(impl Classified + ?Sized), since: Timestamp) -> Self {
        Self { next: error.hint(), ..Self::new(error.to_string(), since) }
    }

    /// The same problem, which began when `before` did, if somebody looked in between: `tried` is when that was last.
    pub(super) fn after(self, before: Option<&Self>, tried: Option<Timestamp>) -> Self {
        let goes_on = tried.is_some_and(|at| self.since.duration_since(at) < GAP);
        let since = before.filter(|_| goes_on).map_or(self.since, |before| before.since);
        Self { since, ..self }
    }
}

/// What is known of a release's plan.
#[derive(Debug, Clone, Default)]
pub(super) struct PlanOf {
    /// The last one that was made with the services.
    plan: Option<Arc<DrivePlan>>,
    /// The revision of the StateBox file for which it was made.
    revision: String,
    /// When making one ended last, well or not, and for which revision.
    tried: Option<(Timestamp, String)>,
    /// Why it could not be made.
    pub(super) problem: Option<Problem>,
}

impl PlanOf {
    /// The last plan for which the services were asked.
    pub(super) fn asked(&self) -> Option<&DrivePlan> {
        self.plan.as_deref()
    }

    /// When making one ended last.
    pub(super) fn tried(&self) -> Option<Timestamp> {
        self.tried.as_ref().map(|(at, _)| *at)
    }
}

/// One release.
#[derive(Debug, Clone)]
pub(super) struct Known {
    read: Result<Arc<ReadFile>, String>,
    /// When it was read.
    pub(super) at: Timestamp,
    /// Why the file cannot be read now; what was read before stays.
    pub(super) problem: Option<Problem>,
    /// The plan from the state alone.
    alone: Option<Arc<DrivePlan>>,
    pub(super) plan: PlanOf,
}

impl Known {
    /// What is known once the file of `release` was `read`, or could not be; `tried` is when it was tried before.
    pub(super) fn after(
        before: Option<&Self>,
        release: &ReleaseVersion,
        read: Result<ReadFile, String>,
        location: &str,
        (tried, now): (Option<Timestamp>, Timestamp),
    ) -> Self {
        let plan = || before.map(|known| known.plan.clone()).unwrap_or_default();
        let read = match read {
            Ok(read) => read,
            Err(why) => {
                return match before.filter(|before| before.read.is_ok()) {
                    Some(before) => {
                        let problem = Problem::new(why, now).after(before.problem.as_ref(), tried);
                        Self { problem: Some(problem), ..before.clone() }
                    }
                    None => Self { read: Err(why), at: now, problem: None, alone: None, plan: plan() },
                };
            }
        };
        // One copy of the state, however often it is read.
        let same = before.and_then(|before| before.read.as_ref().ok());
        let same = same.filter(|before| before.stored.revision == read.stored.revision).cloned();
        let read = same.unwrap_or_else(|| Arc::new(read));
        let alone = offline(release, &read.state, location, now);
        Self { read: Ok(read), at: now, problem: None, alone: Some(Arc::new(alone)), plan: plan() }
    }

    /// Its state, or why that cannot be read.
    pub(super) fn state(&self) -> Result<&State, &str> {
        self.read.as_ref().map(|read| &read.state).map_err(String::as_str)
    }

    /// The revision of the StateBox file.
    pub(super) fn revision(&self) -> &str {
        self.read.as_ref().map(|read| read.stored.revision.as_str()).unwrap_or_default()
    }

    fn shown(&self) -> Option<&Arc<DrivePlan>> {
        self.plan.plan.as_ref().or(self.alone.as_ref())
    }

    /// The plan that is shown: with the services, or, as long as they were not asked, of the state alone.
    pub(super) fn shown_plan(&self) -> Option<&DrivePlan> {
        self.shown().map(Arc::as_ref)
    }

    /// Whether the StateBox has changed since the plan was made.
    pub(super) fn is_outdated(&self) -> bool {
        self.plan.plan.is_some() && self.plan.revision != self.revision()
    }

    /// Whether somebody may be waited for without this being known.
    pub(super) fn is_partly_unknown(&self) -> bool {
        let is_unknown = |plan: &DrivePlan| {
            let mut nodes = plan.nodes.iter();
            nodes.any(|node| matches!(node.verdict, Verdict::Waiting { unknown: true, .. }))
        };
        self.read.is_err()
            || self.problem.is_some()
            || self.plan.problem.is_some()
            || self.is_outdated()
            || self.plan.asked().is_none_or(is_unknown)
    }

    /// Whether the services say that the release has shipped; the error says why that cannot be determined.
    fn shipped(&self) -> Option<Result<bool, &str>> {
        let node = self.plan.asked()?.nodes.iter().find(|node| node.node == Node::Shipped)?;
        Some(match (&node.verdict, &node.lacks) {
            (Verdict::Done, _) => Ok(true),
            (Verdict::Waiting { unknown: true, what }, lack) => {
                Err(lack.as_ref().map_or(what.as_str(), |lack| lack.why.as_str()))
            }
            _ => Ok(false),
        })
    }

    /// How it stands at `now`, as `oar releases` says it.
    pub(super) fn row(&self, release: &ReleaseVersion, now: Timestamp) -> ReleaseRow {
        let mut row = match self.state() {
            Ok(state) => ReleaseRow::of(release, state, now),
            Err(why) => ReleaseRow::unknown(release, why),
        };
        if row.status == Standing::Complete
            && let Some(shipped) = self.shipped()
        {
            row.ask_shipped(shipped);
        }
        if let Some(problem) = &self.problem {
            row.status = Standing::Unknown;
            let words = format!("the StateBox cannot be read now: {}", problem.why);
            row.concerns.insert(0, ConcernRow::new(Concern::Unknown, &words));
        }
        row
    }

    /// Whether a plan is to be made.
    pub(super) fn is_plan_due(&self, now: Timestamp) -> bool {
        let Some((tried, revision)) = &self.plan.tried else { return self.read.is_ok() };
        let age = now.duration_since(*tried);
        let next_look =
            self.plan.asked().and_then(|plan| plan.next_look.as_deref()?.parse::<Timestamp>().ok());
        let is_again =
            age >= PLAN_AGAIN && (self.plan.problem.is_some() || next_look.is_some_and(|at| at <= now));
        self.read.is_ok() && (revision != self.revision() || is_again || age >= PLAN_AGE)
    }

    /// Takes the plan that was made for `revision`, or why there is none.
    pub(super) fn planned(
        &mut self,
        revision: String,
        plan: Result<Arc<DrivePlan>, Problem>,
        now: Timestamp,
    ) {
        let tried = Some((now, revision.clone()));
        match plan {
            Ok(plan) => self.plan = PlanOf { plan: Some(plan), revision, tried, problem: None },
            Err(problem) => {
                let problem = problem.after(self.plan.problem.as_ref(), self.plan.tried());
                self.plan.problem = Some(problem);
                self.plan.tried = tried;
            }
        }
    }
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Counts the changes.
    pub(super) version: u64,
    /// Of the last change of a StateBox file.
    pub(super) states: u64,
    /// When the files were looked at last, in vain or not.
    pub(super) tried: Option<Timestamp>,
    /// When they were read last.
    pub(super) looked: Option<Timestamp>,
    /// Why they cannot be read.
    pub(super) problem: Option<Problem>,
    pub(super) held: Vec<HeldRow>,
    pub(super) releases: BTreeMap<ReleaseVersion, Arc<Known>>,
    pub(super) builds: Builds,
}

/// The builds under test.
#[derive(Debug, Clone, Default)]
pub(super) struct Builds {
    pub(super) tried: Option<Timestamp>,
    /// When it was found which builds have a record.
    pub(super) looked: Option<Timestamp>,
    /// Why that cannot be found.
    pub(super) problem: Option<Problem>,
    pub(super) recorded: Arc<Vec<BuildSeen>>,
}

/// A build that has a record.
#[derive(Debug, Clone)]
pub(super) struct BuildSeen {
    pub(super) name: ResultName,
    /// What that says, or why it cannot be used.
    pub(super) view: Result<Arc<BuildView>, Unusable>,
    /// When it was read.
    pub(super) at: Timestamp,
    /// Why it cannot be read now; what was read before stays.
    pub(super) problem: Option<Problem>,
}

impl BuildSeen {
    /// What is known of a build once its record was read at `now`, or could not be.
    fn after(before: &Builds, (name, view): Recorded, now: Timestamp) -> Self {
        match (view.map(Arc::new), before.build(&name)) {
            (Err(Unusable::Unread(why)), Some(old)) if old.view.is_ok() => {
                let problem = Problem::new(why, now).after(old.problem.as_ref(), before.tried);
                Self { problem: Some(problem), ..old.clone() }
            }
            (view, _) => Self { name, view, at: now, problem: None },
        }
    }

    /// What is shown of it, apart from the moment of looking.
    fn shown(&self) -> (Result<String, Unusable>, Option<&Problem>) {
        let view = self.view.as_ref().map_err(Unusable::clone);
        let text =
            view.map(|view| serde_json::to_string(view.as_ref()).unwrap_or_else(|error| error.to_string()));
        (text, self.problem.as_ref())
    }
}

/// Why a record cannot be used, in words that follow its name.
pub(super) fn unusable_words(why: &Unusable) -> String {
    match why {
        Unusable::Unread(why) => format!("could not be read: {why}"),
        Unusable::Damaged(why) => format!("cannot be used: {why}"),
    }
}

impl Builds {
    /// What is known once the records were read at `now`: of one that could not be read, what was read `before`.
    pub(super) fn after(before: &Self, recorded: Vec<Recorded>, now: Timestamp) -> Self {
        let recorded = recorded.into_iter().map(|recorded| BuildSeen::after(before, recorded, now));
        Self { tried: Some(now), looked: Some(now), problem: None, recorded: Arc::new(recorded.collect()) }
    }

    /// What is known of one build; `None` when it is not among these.
    pub(super) fn build(&self, name: &ResultName) -> Option<&BuildSeen> {
        self.recorded.iter().find(|known| known.name == *name)
    }

    /// The builds of which something else is shown than `before`; those that have come or gone as well.
    fn differing<'a>(&'a self, before: &'a Self) -> Vec<&'a ResultName> {
        if Arc::ptr_eq(&self.recorded, &before.recorded) {
            return Vec::new();
        }
        let is_new =
            |known: &&'a BuildSeen| before.build(&known.name).map(BuildSeen::shown) != Some(known.shown());
        let is_gone = |known: &&'a BuildSeen| self.build(&known.name).is_none();
        let new = self.recorded.iter().filter(is_new);
        new.chain(before.recorded.iter().filter(is_gone)).map(|known| &known.name).collect()
    }
}

impl Seen {
    /// The pages that show something else than `before`, apart from the moment of looking.
    pub(super) fn pages_that_differ(&self, before: &Self) -> Vec<String> {
        let page = |release: &ReleaseVersion| format!("/releases/{release}");
        let mut pages = Vec::new();
        let everywhere = held_texts(before) != held_texts(self) || before.problem != self.problem;
        for (release, known) in &self.releases {
            let old = before.releases.get(release);
            if everywhere || old.is_none_or(|old| differs(release, old, known)) {
                pages.push(page(release));
            }
        }
        pages
            .extend(before.releases.keys().filter(|release| !self.releases.contains_key(*release)).map(page));
        if !pages.is_empty() || everywhere || before.looked.is_none() != self.looked.is_none() {
            pages.push("/".to_owned());
        }
        if self.has_other_states(before) {
            pages.push("/lead-time".to_owned());
        }
        let (new, old) = (&self.builds, &before.builds);
        let is_other = new.problem != old.problem || new.looked.is_none() != old.looked.is_none();
        let differing = new.differing(old);
        if is_other || !differing.is_empty() {
            pages.push("/builds".to_owned());
        }
        let all = new.recorded.iter().map(|known| &known.name).filter(|_| is_other);
        pages.extend(differing.into_iter().chain(all).map(|name| format!("/builds/{}", name.build)));
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    /// Whether a StateBox file has changed, come or gone.
    pub(super) fn has_other_states(&self, before: &Self) -> bool {
        let revisions = |seen: &Self| -> Vec<(ReleaseVersion, String)> {
            let known = seen.releases.iter();
            known.map(|(release, known)| (release.clone(), known.revision().to_owned())).collect()
        };
        revisions(before) != revisions(self)
    }
}

fn held_texts(seen: &Seen) -> Vec<&str> {
    seen.held.iter().map(|held| held.reason.as_str()).collect()
}

/// Whether the pages of a release show something else than before, apart from the moment of looking: each as it stood when it
/// was looked at.
fn differs(release: &ReleaseVersion, old: &Arc<Known>, new: &Arc<Known>) -> bool {
    !Arc::ptr_eq(old, new)
        && (old.revision() != new.revision()
            || old.problem != new.problem
            || old.plan.problem != new.plan.problem
            || old.is_outdated() != new.is_outdated()
            || old.row(release, old.at) != new.row(release, new.at)
            || plans_differ(old.shown(), new.shown()))
}

fn plans_differ(old: Option<&Arc<DrivePlan>>, new: Option<&Arc<DrivePlan>>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) if Arc::ptr_eq(old, new) => false,
        (old, new) => timeless(old) != timeless(new),
    }
}

/// A plan without the times of the looks.
fn timeless(plan: Option<&Arc<DrivePlan>>) -> Option<Value> {
    let mut value = serde_json::to_value(plan?.as_ref()).ok()?;
    forget_times(&mut value);
    Some(value)
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(forget_times),
        Value::Object(fields) => {
            fields.retain(|name, _| !matches!(name.as_str(), "at" | "age"));
            fields.values_mut().for_each(forget_times);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;

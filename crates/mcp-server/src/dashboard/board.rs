//! What the pages are about, looked up once for everybody who looks: as long as somebody does, one task reads the StateBox
//! files when they change, and asks the services for the plan of each active release now and then.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join;
use jiff::{SignedDuration, Timestamp};
use oar_core::clock::Clock;
use oar_core::drive::plan::{DrivePlan, offline};
use oar_core::flow::interrupt::Interrupt;
use oar_core::flow::outcome::TaskError;
use oar_core::operations::Call;
use oar_core::operations::jobctl::show::{Recorded, newest};
use oar_core::statebox::State;
use oar_core::tasks::active_releases::ReleaseRow;
use oar_core::tasks::holds::reasons_for_all;
use oar_core::tasks::open_statebox;
use oar_core::tasks::statebox_files::ReadFile;
use oar_core::tasks::status::HeldRow;
use oar_core::version::ReleaseVersion;
use serde_json::Value;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::content::Content;

/// How long after the last page or viewer the looks go on.
const LINGER: SignedDuration = SignedDuration::from_mins(2);
/// How often everything is looked at that changes with the time alone.
const LOOK: SignedDuration = SignedDuration::from_secs(60);
/// How old a plan becomes, and how soon one is made again when its next look is due, or when it could not be made.
const PLAN_AGE: SignedDuration = SignedDuration::from_mins(5);
const PLAN_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// How many plans are made at the same time; others who ask for plans have as many places.
const PLANS: usize = 2;
/// How long the task sleeps at most.
const NAP: Duration = Duration::from_secs(5);
/// How many changes a viewer may be behind.
const BEHIND: usize = 64;
/// How many records of each kind of builds are shown.
const BUILDS: usize = 6;
/// How long one look may take.
const LOOK_LIMIT: Duration = Duration::from_mins(1);

/// What could not be found out, since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) why: String,
    pub(super) next: Option<String>,
    pub(super) since: Timestamp,
}

impl Problem {
    pub(super) fn of(error: &TaskError, since: Timestamp) -> Self {
        Self { why: error.inner().to_string(), next: error.inner().hint(), since }
    }

    /// The same problem, which began when `before` did.
    fn after(self, before: Option<&Self>) -> Self {
        let since = before.map_or(self.since, |before| before.since);
        Self { since, ..self }
    }
}

/// What is known of a release's plan.
#[derive(Debug, Clone, Default)]
pub(super) struct PlanOf {
    /// The last one that was made with the services.
    plan: Option<Arc<DrivePlan>>,
    /// The revision of the StateBox file when it was made.
    revision: String,
    /// When it was tried last.
    tried: Option<Timestamp>,
    /// Why it could not be made.
    pub(super) problem: Option<Problem>,
}

impl PlanOf {
    /// The last plan for which the services were asked.
    pub(super) fn asked(&self) -> Option<&DrivePlan> {
        self.plan.as_deref()
    }
}

/// One release.
#[derive(Debug, Clone)]
pub(super) struct Known {
    read: Result<Arc<ReadFile>, String>,
    /// When it was read.
    pub(super) at: Timestamp,
    /// The plan from the state alone.
    alone: Option<Arc<DrivePlan>>,
    pub(super) plan: PlanOf,
}

impl Known {
    /// Its state, or why that cannot be read.
    pub(super) fn state(&self) -> Result<&State, &str> {
        self.read.as_ref().map(|read| &read.state).map_err(String::as_str)
    }

    fn revision(&self) -> &str {
        self.read.as_ref().map(|read| read.stored.revision.as_str()).unwrap_or_default()
    }

    /// The plan that is shown: with the services, or, as long as they were not asked, of the state alone.
    pub(super) fn shown_plan(&self) -> Option<&DrivePlan> {
        self.plan.asked().or(self.alone.as_deref())
    }

    /// A release that is not looked at again and again.
    pub(super) fn once(release: &ReleaseVersion, read: ReadFile, location: &str, now: Timestamp) -> Self {
        let alone = offline(release, &read.state, location, now);
        Self { read: Ok(Arc::new(read)), at: now, alone: Some(Arc::new(alone)), plan: PlanOf::default() }
    }
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Counts the changes.
    pub(super) version: u64,
    /// When the files were looked at last.
    pub(super) looked: Option<Timestamp>,
    /// Why they cannot be looked at.
    pub(super) problem: Option<Problem>,
    pub(super) held: Vec<HeldRow>,
    pub(super) releases: BTreeMap<ReleaseVersion, Arc<Known>>,
    pub(super) builds: Builds,
}

/// The builds under test.
#[derive(Debug, Clone, Default)]
pub(super) struct Builds {
    pub(super) looked: Option<Timestamp>,
    pub(super) problem: Option<Problem>,
    pub(super) recorded: Arc<Vec<Recorded>>,
}

/// What changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) version: u64,
    /// The pages that show something else now.
    pub(super) pages: Vec<String>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Board(Arc<Inner>);

struct Inner {
    content: Content,
    stop: CancellationToken,
    seen: watch::Sender<Arc<Seen>>,
    live: broadcast::Sender<Arc<Changed>>,
    wanted: Mutex<Wanted>,
    /// Wakes the looks when somebody wants what was not looked at so far.
    wake: Notify,
}

/// What somebody looks at.
#[derive(Debug, Default)]
struct Wanted {
    is_kept: bool,
    last: Option<Timestamp>,
    builds: Option<Timestamp>,
}

impl fmt::Debug for Board {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Board").finish_non_exhaustive()
    }
}

/// What somebody looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Releases,
    Builds,
}

impl Board {
    pub(super) fn new(content: Content, stop: CancellationToken) -> Self {
        let (seen, _) = watch::channel(Arc::default());
        let (live, _) = broadcast::channel(BEHIND);
        Self(Arc::new(Inner { content, stop, seen, live, wanted: Mutex::default(), wake: Notify::new() }))
    }

    pub(super) fn content(&self) -> &Content {
        &self.0.content
    }

    pub(super) fn clock(&self) -> &Clock {
        self.0.content.documents().clients().clock()
    }

    /// What was seen last.
    pub(super) fn seen(&self) -> Arc<Seen> {
        Arc::clone(&self.0.seen.borrow())
    }

    /// Hears of changes from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Changed>> {
        self.0.live.subscribe()
    }

    /// Tells the viewers of a change.
    #[cfg(test)]
    pub(super) fn tell(&self, changed: Changed) {
        // An error means that nobody listens.
        let _ = self.0.live.send(Arc::new(changed));
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        // Its fields are changed one by one and each is right by itself, so a panic elsewhere does no harm.
        self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody looks: the looks go on, or begin again.
    pub(super) fn want(&self, wants: Wants) {
        let now = self.clock().now();
        let mut wanted = self.wanted();
        wanted.last = Some(now);
        if wants == Wants::Builds {
            let before = wanted.builds.replace(now);
            if before.is_none_or(|at| now.duration_since(at) >= LINGER) {
                self.0.wake.notify_one();
            }
        }
        if !wanted.is_kept && !self.0.stop.is_cancelled() {
            wanted.is_kept = true;
            let board = self.clone();
            tokio::spawn(async move { board.keep().await });
        }
    }

    /// What was seen last; before the first look, or after a pause, waits for the next one, but not longer than `patience`.
    pub(super) async fn fresh(&self, wants: Wants, patience: Duration) -> Arc<Seen> {
        self.want(wants);
        let mut seen = self.0.seen.subscribe();
        let now = self.clock().now();
        let is_fresh = |seen: &Arc<Seen>| {
            let (looked, problem) = match wants {
                Wants::Releases => (seen.looked, &seen.problem),
                Wants::Builds => (seen.builds.looked, &seen.builds.problem),
            };
            problem.is_some() || looked.is_some_and(|at| now.duration_since(at) < LINGER)
        };
        // Whoever waited in vain is shown what there is, with its age.
        let _ = tokio::time::timeout(patience, seen.wait_for(is_fresh)).await;
        self.seen()
    }

    /// Looks as long as somebody wants it.
    async fn keep(&self) {
        let _panicked = Panicked(self);
        let mut files = self.content().changes().listen();
        let mut plans = JoinSet::new();
        let mut look_at = self.clock().now();
        loop {
            if look_at <= self.clock().now() {
                self.look().await;
                look_at = self.clock().now() + LOOK;
            }
            while plans.len() < PLANS
                && let Some((release, revision)) = self.due_plan()
            {
                let content = self.content().clone();
                plans.spawn(async move {
                    let plan = content.plan_of(&release).await;
                    (release, revision, plan)
                });
            }
            tokio::select! {
                biased;
                () = self.0.stop.cancelled() => return,
                change = files.next() => match change {
                    Some(_) => look_at = self.clock().now(),
                    None => return,
                },
                // A panic in one of them was reported where it happened; the release is tried again later.
                Some(made) = plans.join_next(), if !plans.is_empty() => {
                    if let Ok((release, revision, plan)) = made {
                        self.planned(&release, revision, plan);
                    }
                }
                () = self.0.wake.notified() => look_at = self.clock().now(),
                () = self.clock().sleep(NAP) => {}
            }
            let mut wanted = self.wanted();
            let is_recent =
                |at: Option<Timestamp>| at.is_some_and(|at| self.clock().now().duration_since(at) < LINGER);
            if !is_recent(wanted.last) && self.0.live.receiver_count() == 0 {
                wanted.is_kept = false;
                return;
            }
        }
    }

    /// Reads what has changed.
    async fn look(&self) {
        let clients = self.content().documents().clients();
        let files = self.content().documents().files();
        let builds = {
            let now = self.clock().now();
            self.wanted().builds.is_some_and(|at| now.duration_since(at) < LINGER)
        };
        let looked = tokio::time::timeout(LOOK_LIMIT, async {
            let releases = join(files.unfinished_states(), reasons_for_all(clients));
            let records = async {
                if !builds {
                    return None;
                }
                let (_stop, interrupt) = Interrupt::channel();
                Some(newest(&Call::new(clients.clone(), interrupt), BUILDS).await)
            };
            join(releases, records).await
        });
        let looked = looked.await;
        let now = self.clock().now();
        let before = self.seen();
        let mut seen = Seen::clone(&before);
        if let Ok(((states, held), records)) = looked {
            seen.held = held.into_iter().map(HeldRow::from).collect();
            match states {
                Ok(states) => {
                    seen.looked = Some(now);
                    seen.problem = None;
                    seen.releases = states
                        .into_iter()
                        .map(|(release, read)| {
                            let known = self.known(&release, read, before.releases.get(&release), now);
                            (release, known)
                        })
                        .collect();
                }
                Err(error) => {
                    seen.problem = Some(Problem::of(&error, now).after(before.problem.as_ref()));
                }
            }
            match records {
                None => {}
                Some(Ok(recorded)) => {
                    seen.builds = Builds { looked: Some(now), problem: None, recorded: Arc::new(recorded) };
                }
                Some(Err(error)) => {
                    let problem = Problem::of(&error, now).after(before.builds.problem.as_ref());
                    seen.builds.problem = Some(problem);
                }
            }
        } else {
            let why = format!("the look took longer than {} s", LOOK_LIMIT.as_secs());
            let problem = Problem { why, next: None, since: now };
            seen.problem = Some(problem.after(before.problem.as_ref()));
        }
        self.show(&before, seen);
    }

    fn known(
        &self,
        release: &ReleaseVersion,
        read: Result<ReadFile, String>,
        before: Option<&Arc<Known>>,
        now: Timestamp,
    ) -> Arc<Known> {
        let revision = read.as_ref().map(|read| read.stored.revision.as_str()).unwrap_or_default();
        let same = before.filter(|before| read.is_ok() && before.revision() == revision);
        let read = match (same, read) {
            // One copy of the state, however often it is read.
            (Some(before), _) => before.read.clone(),
            (None, read) => read.map(Arc::new),
        };
        let location = open_statebox(self.content().documents().clients(), release)
            .map(|statebox| statebox.location())
            .unwrap_or_default();
        let alone = read.as_ref().ok().map(|read| Arc::new(offline(release, &read.state, &location, now)));
        Arc::new(Known {
            read,
            at: now,
            alone,
            plan: before.map(|known| known.plan.clone()).unwrap_or_default(),
        })
    }

    /// The release whose plan is due most, and the revision of its file; it counts as tried.
    fn due_plan(&self) -> Option<(ReleaseVersion, String)> {
        let now = self.clock().now();
        let seen = self.seen();
        let due = |(_, known): &(&ReleaseVersion, &Arc<Known>)| {
            let plan = &known.plan;
            let Some(tried) = plan.tried else { return known.read.is_ok() };
            let age = now.duration_since(tried);
            let next_look =
                plan.asked().and_then(|plan| plan.next_look.as_deref()?.parse::<Timestamp>().ok());
            let is_changed = plan.revision != known.revision();
            let is_again =
                age >= PLAN_AGAIN && (plan.problem.is_some() || next_look.is_some_and(|at| at <= now));
            known.read.is_ok() && (is_changed || is_again || age >= PLAN_AGE)
        };
        let (release, known) = seen.releases.iter().filter(due).min_by_key(|(_, known)| known.plan.tried)?;
        let (release, revision) = (release.clone(), known.revision().to_owned());
        self.change(&release, |known| {
            known.plan.tried = Some(now);
            known.plan.revision.clone_from(&revision);
        });
        Some((release, revision))
    }

    /// Changes what is known of a release, which nobody sees yet.
    fn change(&self, release: &ReleaseVersion, change: impl FnOnce(&mut Known)) {
        self.0.seen.send_modify(|seen| {
            if let Some(known) = Arc::make_mut(seen).releases.get_mut(release) {
                change(Arc::make_mut(known));
            }
        });
    }

    fn planned(&self, release: &ReleaseVersion, revision: String, plan: Result<DrivePlan, TaskError>) {
        let now = self.clock().now();
        let before = self.seen();
        let mut seen = Seen::clone(&before);
        let Some(known) = seen.releases.get_mut(release) else { return };
        let known = Arc::make_mut(known);
        match plan {
            Ok(plan) => {
                known.plan = PlanOf { plan: Some(Arc::new(plan)), revision, tried: Some(now), problem: None };
            }
            Err(error) => {
                let problem = Problem::of(&error, now).after(known.plan.problem.as_ref());
                known.plan.problem = Some(problem);
            }
        }
        self.show(&before, seen);
    }

    /// Shows `seen`, and tells the viewers which pages have changed since `before`.
    fn show(&self, before: &Seen, mut seen: Seen) {
        let now = self.clock().now();
        let mut pages = Vec::new();
        let everywhere = held_texts(before) != held_texts(&seen) || before.problem != seen.problem;
        for (release, known) in &seen.releases {
            let old = before.releases.get(release);
            if everywhere || old.is_none_or(|old| differs(release, old, known, now)) {
                pages.push(format!("/releases/{release}"));
            }
        }
        let gone = before.releases.keys().filter(|release| !seen.releases.contains_key(*release));
        pages.extend(gone.map(|release| format!("/releases/{release}")));
        if !pages.is_empty() || everywhere || before.looked.is_none() {
            pages.push("/".to_owned());
            pages.push("/lead-time".to_owned());
        }
        if builds_text(&before.builds) != builds_text(&seen.builds) {
            pages.push("/builds".to_owned());
        }
        if !pages.is_empty() {
            seen.version = before.version + 1;
        }
        let version = seen.version;
        self.0.seen.send_replace(Arc::new(seen));
        if !pages.is_empty() {
            // An error means that nobody listens.
            let _ = self.0.live.send(Arc::new(Changed { version, pages }));
        }
    }
}

fn held_texts(seen: &Seen) -> Vec<&str> {
    seen.held.iter().map(|held| held.reason.as_str()).collect()
}

/// What is shown of builds, to be compared.
fn builds_text(builds: &Builds) -> (Option<&Problem>, Option<String>) {
    let views: Vec<_> = builds.recorded.iter().map(|(_, view)| view).collect();
    (builds.problem.as_ref(), builds.looked.and(serde_json::to_string(&views).ok()))
}

/// Whether the pages of a release show something else than before, apart from the moment of looking.
fn differs(release: &ReleaseVersion, old: &Known, new: &Known, now: Timestamp) -> bool {
    let row =
        |known: &Known| known.state().map(|state| ReleaseRow::of(release, state, now)).map_err(str::to_owned);
    old.revision() != new.revision()
        || old.plan.problem != new.plan.problem
        || row(old) != row(new)
        || old.at.as_second() / 86_400 != new.at.as_second() / 86_400
        || timeless(old.shown_plan()) != timeless(new.shown_plan())
}

/// A plan without the times of the looks.
fn timeless(plan: Option<&DrivePlan>) -> Option<Value> {
    let mut value = serde_json::to_value(plan?).ok()?;
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

/// Lets the next page begin the looks again after a panic.
struct Panicked<'a>(&'a Board);

impl Drop for Panicked<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.wanted().is_kept = false;
        }
    }
}

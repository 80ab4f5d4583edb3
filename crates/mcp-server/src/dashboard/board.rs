//! What the pages are about, looked up once for everybody who looks: as long as somebody does, one task reads the StateBox
//! files when they change, and asks the services for the plan of each active release now and then.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join;
use jiff::{SignedDuration, Timestamp};
use oar_core::clock::Clock;
use oar_core::drive::plan::DrivePlan;
use oar_core::flow::interrupt::Interrupt;
use oar_core::flow::outcome::TaskError;
use oar_core::operations::Call;
use oar_core::operations::jobctl::show::{Recorded, newest};
use oar_core::tasks::holds::reasons_for_all;
use oar_core::tasks::open_statebox;
use oar_core::tasks::statebox_files::ReadFile;
use oar_core::tasks::status::HeldRow;
use oar_core::version::ReleaseVersion;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::seen::{Builds, Known, Problem, Seen};
use crate::content::Content;

/// How long after the last page or viewer the looks go on.
const LINGER: SignedDuration = SignedDuration::from_mins(2);
/// How often everything is looked at that changes with the time alone.
const LOOK: SignedDuration = SignedDuration::from_secs(60);
/// How many plans are made at the same time; others who ask for plans have as many places.
const PLANS: usize = 2;
/// How long the task sleeps at most.
const NAP: Duration = Duration::from_secs(5);
/// How many changes a viewer may be behind.
const BEHIND: usize = 64;
/// How many records of each kind of builds are shown.
const BUILDS: usize = 6;
/// How long one look at files or records may take.
const LOOK_LIMIT: Duration = Duration::from_mins(1);

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
        // Above every version of a process before, so that pages that stayed open notice that this is another one.
        let began = content.documents().clients().clock().now().as_millisecond();
        let version = u64::try_from(began).unwrap_or_default();
        let (seen, _) = watch::channel(Arc::new(Seen { version, ..Seen::default() }));
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
            let tried = match wants {
                Wants::Releases => seen.tried,
                Wants::Builds => seen.builds.tried,
            };
            tried.is_some_and(|at| now.duration_since(at) < LINGER)
        };
        // Whoever waited in vain is shown what there is, with its age.
        let _ = tokio::time::timeout(patience, seen.wait_for(is_fresh)).await;
        self.seen()
    }

    /// Looks as long as somebody wants it.
    async fn keep(&self) {
        let _panicked = Panicked(self);
        let mut changes = self.content().changes().listen();
        let mut works = Works::default();
        let (mut files_at, mut records_at) = (self.clock().now(), self.clock().now());
        loop {
            let now = self.clock().now();
            if files_at <= now && works.begin(Work::Files, self.clone().files()) {
                files_at = now + LOOK;
            }
            let wants_builds = self.wanted().builds.is_some_and(|at| now.duration_since(at) < LINGER);
            if wants_builds && records_at <= now && works.begin(Work::Records, self.clone().records()) {
                records_at = now + LOOK;
            }
            while works.plans() < PLANS
                && let Some((release, revision)) = self.due_plan(&works)
            {
                let plan = self.clone().plan(release.clone(), revision);
                works.begin(Work::Plan(release), plan);
            }
            tokio::select! {
                biased;
                () = self.0.stop.cancelled() => return,
                change = changes.next() => match change {
                    Some(_) => files_at = self.clock().now(),
                    None => return,
                },
                Some(ended) = works.ended() => self.take(ended),
                () = self.0.wake.notified() => records_at = self.clock().now(),
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

    /// What comes of `work`, whose panic may not end the looks.
    async fn caught<T>(&self, work: impl Future<Output = T> + Send) -> Result<T, Problem> {
        // What it has changed by then is not used any more. Where it happened it was reported.
        let caught = AssertUnwindSafe(work).catch_unwind().await;
        caught.map_err(|_| Problem::new("a defect of this server, which its log names", self.clock().now()))
    }

    /// The same of a look, which may not take long either.
    async fn limited<T>(&self, look: impl Future<Output = T> + Send) -> Result<T, Problem> {
        let looked = self.caught(tokio::time::timeout(LOOK_LIMIT, look)).await?;
        looked.map_err(|_| {
            let why = format!("the look took longer than {} s", LOOK_LIMIT.as_secs());
            Problem::new(why, self.clock().now())
        })
    }

    fn problem(&self, error: &TaskError) -> Problem {
        Problem::of(error.inner(), self.clock().now())
    }

    /// Reads the StateBox files that have changed, and what holds every release.
    async fn files(self) -> Ended {
        let documents = self.content().documents();
        let read = join(documents.files().unfinished_states(), reasons_for_all(documents.clients()));
        match self.limited(read).await {
            Ok((states, held)) => {
                let held = held.into_iter().map(HeldRow::from).collect();
                Ended::Files(states.map_err(|error| self.problem(&error)), Some(held))
            }
            Err(problem) => Ended::Files(Err(problem), None),
        }
    }

    /// Reads the records of builds that have changed.
    async fn records(self) -> Ended {
        let (_stop, interrupt) = Interrupt::channel();
        let call = Call::new(self.content().documents().clients().clone(), interrupt);
        let read = self.limited(newest(&call, BUILDS)).await;
        Ended::Records(read.and_then(|read| read.map_err(|error| self.problem(&error))))
    }

    /// Makes the plan of a release.
    async fn plan(self, release: ReleaseVersion, revision: String) -> Ended {
        // It has a limit of its own.
        let made = self.caught(self.content().plan_of(&release)).await;
        let plan = made.and_then(|made| made.map(Arc::new).map_err(|error| self.problem(&error)));
        Ended::Plan { release, revision, plan }
    }

    /// The release whose plan is due most, and the revision of its file.
    fn due_plan(&self, works: &Works) -> Option<(ReleaseVersion, String)> {
        let now = self.clock().now();
        let seen = self.seen();
        let due = seen.releases.iter().filter(|(release, known)| {
            known.is_plan_due(now) && !works.goes_on(&Work::Plan((*release).clone()))
        });
        let (release, known) = due.min_by_key(|(_, known)| known.plan.tried())?;
        Some((release.clone(), known.revision().to_owned()))
    }

    /// Takes what was found, and shows it.
    fn take(&self, ended: Ended) {
        let now = self.clock().now();
        let mut seen = Seen::clone(&self.seen());
        match ended {
            Ended::Files(states, held) => {
                seen.held = held.unwrap_or(seen.held);
                match states {
                    Ok(states) => {
                        let states = states.into_iter();
                        let known = states.map(|(release, read)| {
                            let location = self.location(&release);
                            let before = seen.releases.get(&release).map(Arc::as_ref);
                            let known = Known::after(before, &release, read, &location, (seen.tried, now));
                            (release, Arc::new(known))
                        });
                        seen.releases = known.collect();
                        seen.looked = Some(now);
                        seen.problem = None;
                    }
                    Err(problem) => seen.problem = Some(problem.after(seen.problem.as_ref(), seen.tried)),
                }
                seen.tried = Some(now);
            }
            Ended::Records(Ok(recorded)) => {
                seen.builds = Builds::after(&seen.builds, recorded, now);
            }
            Ended::Records(Err(problem)) => {
                let builds = &mut seen.builds;
                builds.problem = Some(problem.after(builds.problem.as_ref(), builds.tried));
                builds.tried = Some(now);
            }
            Ended::Plan { release, revision, plan } => {
                let Some(known) = seen.releases.get_mut(&release) else { return };
                Arc::make_mut(known).planned(revision, plan, now);
            }
        }
        self.show(seen);
    }

    /// Where the StateBox file of a release is, for people.
    pub(super) fn location(&self, release: &ReleaseVersion) -> String {
        open_statebox(self.content().documents().clients(), release)
            .map(|statebox| statebox.location())
            .unwrap_or_default()
    }

    /// Shows `seen`, and tells the viewers which pages have changed.
    fn show(&self, mut seen: Seen) {
        let before = self.seen();
        let pages = seen.pages_that_differ(&before);
        if !pages.is_empty() {
            seen.version = before.version + 1;
        }
        if seen.has_other_states(&before) {
            seen.states = seen.version;
        }
        let version = seen.version;
        self.0.seen.send_replace(Arc::new(seen));
        if !pages.is_empty() {
            // An error means that nobody listens.
            let _ = self.0.live.send(Arc::new(Changed { version, pages }));
        }
    }
}

/// What goes on beside each other, each at most once at a time, so that nothing waits for something slower.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Work {
    Files,
    Records,
    Plan(ReleaseVersion),
}

/// The states of the releases that are shown, or why one cannot be read.
type States = Vec<(ReleaseVersion, Result<ReadFile, String>)>;

/// What came of it.
enum Ended {
    Files(Result<States, Problem>, Option<Vec<HeldRow>>),
    Records(Result<Vec<Recorded>, Problem>),
    Plan { release: ReleaseVersion, revision: String, plan: Result<Arc<DrivePlan>, Problem> },
}

/// The work that goes on; it ends with this.
#[derive(Default)]
struct Works {
    tasks: JoinSet<Ended>,
    running: HashMap<Id, Work>,
}

impl Works {
    fn goes_on(&self, work: &Work) -> bool {
        self.running.values().any(|running| running == work)
    }

    /// How many plans are being made.
    fn plans(&self) -> usize {
        self.running.values().filter(|work| matches!(work, Work::Plan(_))).count()
    }

    /// Begins `work`, unless it goes on already.
    fn begin(&mut self, work: Work, task: impl Future<Output = Ended> + Send + 'static) -> bool {
        let begins = !self.goes_on(&work);
        if begins {
            self.running.insert(self.tasks.spawn(task).id(), work);
        }
        begins
    }

    /// Waits for the end of the next one; `None` when nothing goes on.
    async fn ended(&mut self) -> Option<Ended> {
        loop {
            match self.tasks.join_next_with_id().await? {
                Ok((id, ended)) => {
                    self.running.remove(&id);
                    return Some(ended);
                }
                // It begins again when its time comes.
                Err(error) => self.running.remove(&error.id()),
            };
        }
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

//! Whether an agent makes progress. A pass that does nothing and waits for nothing hangs; only its end, or a request, shows
//! that it lives. Between passes the loop itself is the sign.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use oar_core::clock::Clock;
use oar_core::http::Activity;
use tokio::time::Instant;

use crate::service_manager::ServiceManager;

/// How often it is looked whether there was progress.
const LOOK: Duration = Duration::from_secs(5);
/// How often work that waits for something to do shows that its task is not blocked.
const TURN: Duration = Duration::from_millis(500);
/// An agent without progress for so long is not alive.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);

/// What an agent is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It has not found out yet whose turn it is.
    Starting,
    /// It waits for its next pass, or for its turn.
    Waiting,
    /// It makes a pass.
    Passing,
    /// It was told to stop.
    Stopping,
}

impl Phase {
    fn of(number: u8) -> Self {
        [Self::Starting, Self::Waiting, Self::Passing]
            .into_iter()
            .find(|phase| *phase as u8 == number)
            .unwrap_or(Self::Stopping)
    }
}

/// Measures how long ago something was. The wall clock cannot: it may be set meanwhile.
#[derive(Debug)]
pub(crate) struct Since {
    start: Instant,
    /// When it was last, in milliseconds since the start.
    last: AtomicU64,
}

impl Since {
    /// It is now.
    pub(crate) fn now() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }

    /// It is now again.
    pub(crate) fn again(&self) {
        let passed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(passed, Ordering::SeqCst);
    }

    /// How long ago it was last.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::SeqCst)))
    }
}

/// What is known of an agent's progress. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    activity: Activity,
    phase: AtomicU8,
    /// Whether it lacks something without which it does not do its work.
    is_held_up: AtomicBool,
    /// How many requests had begun at the last look.
    seen: AtomicU64,
    /// How often it began something else, and how often at the last look.
    steps: AtomicU64,
    seen_steps: AtomicU64,
    /// When there was progress last.
    last: Since,
}

impl Progress {
    pub(crate) fn new(clock: Clock, activity: Activity) -> Self {
        Self(Arc::new(Inner {
            last: Since::now(),
            seen: AtomicU64::new(activity.begun()),
            steps: AtomicU64::new(0),
            seen_steps: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Starting as u8),
            is_held_up: AtomicBool::new(false),
            clock,
            activity,
        }))
    }

    /// The agent is at something else now, which is progress.
    pub(crate) fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::SeqCst);
        self.step();
    }

    fn step(&self) {
        self.0.steps.fetch_add(1, Ordering::SeqCst);
        self.0.last.again();
    }

    /// Runs `work`, which may wait for something to do for as long as `period`. Meanwhile each turn of its task is progress: a
    /// task that blocks has no turn, and work that does not come back at the end of the period has none either.
    pub(crate) async fn serving<T>(&self, period: Duration, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let mut waited = Duration::ZERO;
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.0.clock.sleep(TURN), if waited < period => {
                    waited += TURN;
                    self.step();
                }
            }
        }
    }

    fn phase(&self) -> Phase {
        Phase::of(self.0.phase.load(Ordering::SeqCst))
    }

    /// Looks whether there was progress since the last look.
    pub(crate) fn look(&self) -> bool {
        let begun = self.0.activity.begun();
        let requested = self.0.seen.swap(begun, Ordering::SeqCst) != begun || self.0.activity.under_way() > 0;
        // Work that never pauses is at a pass whenever it is looked at.
        let steps = self.0.steps.load(Ordering::SeqCst);
        let stepped = self.0.seen_steps.swap(steps, Ordering::SeqCst) != steps;
        let progress = self.phase() == Phase::Waiting || requested || stepped;
        if progress {
            self.0.last.again();
        }
        progress
    }

    /// How long there was no progress, when that is too long.
    pub(crate) fn hangs_for(&self) -> Option<Duration> {
        Some(self.0.last.elapsed()).filter(|silent| *silent > LONGEST_SILENCE)
    }

    /// Whether the agent lacks something without which it does not do its work. It lives all the same.
    pub(crate) fn hold_up(&self, is_held_up: bool) {
        self.0.is_held_up.store(is_held_up, Ordering::SeqCst);
    }

    /// Whether the agent knows whose turn it is, has what it needs, and goes on.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.phase(), Phase::Waiting | Phase::Passing) && !self.0.is_held_up.load(Ordering::SeqCst)
    }

    /// Looks again and again, and tells the service manager that the agent lives as long as it does.
    pub(crate) async fn watch(&self, manager: &ServiceManager) {
        // Progress may come right after a look: so it is looked twice for each sign of life that is due.
        let every = manager.sign_of_life_every().map_or(LOOK, |every| (every / 2).min(LOOK));
        loop {
            if self.look() {
                manager.lives();
            }
            self.0.clock.sleep(every).await;
        }
    }
}

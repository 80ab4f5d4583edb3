//! The schedule of passes: one, or one at every interval until the program is told to stop.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use cli_support::{CliError, ExitCode, Session};
use futures::FutureExt as _;
use oar_core::clock::Clock;
use oar_core::error::ErrorClass;
use oar_core::flow::wait::{Next, Wait};
use oar_core::http::Activity;
use tokio::time::Instant;

use crate::leader::{Leader, Leadership, Leases, STANDBY_INTERVAL};
use crate::metrics::Metrics;
use crate::pass::Pass;
use crate::progress::{Phase, Progress};
use crate::record::Recorder;
use crate::service_manager::ServiceManager;

/// How long a pass may continue after the program was told to stop. The next run does what it leaves undone.
const GRACE: Duration = Duration::from_secs(1);
/// The part of an interval by which a pause may be shorter or longer, so that many agents do not act at the same time.
const JITTER: f64 = 0.1;
/// What hangs is to be restarted within this time.
const TO_RESTART: Duration = Duration::from_mins(1);
/// The part of it that the looks take: the last progress is seen at the next look of [`Progress::watch`], then come the look and
/// the first pause of the supervisor, and the start of the process.
const TO_NOTICE: Duration = Duration::from_secs(8);
/// The shortest period of a service.
const SHORTEST_PERIOD: Duration = Duration::from_secs(2);

/// The options for an agent's schedule.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Schedule {
    /// Make one pass and end; the default
    #[arg(long, conflicts_with = "interval")]
    once: bool,
    /// Make passes until stopped, with about this pause between them, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: Option<u64>,
    /// With --interval: serve /healthz, /livez, /readyz and /metrics at this address, such as 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS", requires = "interval")]
    listen: Option<SocketAddr>,
    /// The name under which `oarctl agents run` supervises the agent
    #[arg(long, value_name = "NAME", hide = true)]
    supervised: Option<String>,
    /// End before the first pass: only the arguments and the credentials are checked
    #[arg(long, hide = true)]
    check_only: bool,
}

impl Schedule {
    /// Whether only the arguments and credentials are to be checked.
    pub fn is_check_only(&self) -> bool {
        self.check_only
    }
}

/// The options of an agent that works all the time, and looks at every interval whether it is still its turn.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Service {
    /// Do what waits now, and end
    #[arg(long, conflicts_with_all = ["interval", "listen"])]
    once: bool,
    /// How often it looks which replica works, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=30))]
    interval: u64,
    /// Serve /healthz, /livez, /readyz and /metrics at this address, such as 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The name under which `oarctl agents run` supervises the agent
    #[arg(long, value_name = "NAME", hide = true)]
    supervised: Option<String>,
    /// End before it begins: only the arguments and the credentials are checked
    #[arg(long, hide = true)]
    check_only: bool,
}

/// What an agent does all the time.
pub trait Work {
    /// Works for this long as the replica whose turn it is, and comes back then: work that stays away hangs. What it has begun
    /// goes on in the next call.
    fn serve(&mut self, period: Duration) -> impl Future<Output = Pass>;

    /// Does what waits now, as the replica whose turn it is, and leaves nothing running.
    fn serve_once(&mut self) -> impl Future<Output = Pass>;

    /// Another replica works now, or the program ends.
    fn stand_by(&mut self) -> impl Future<Output = ()>;

    /// Whether it can never work; then the program ends.
    fn is_over(&self) -> bool;

    /// Whether it has what it needs: `/readyz` says so after each period.
    fn is_ready(&self) -> bool;
}

impl Service {
    /// Whether only the arguments and credentials are to be checked.
    pub fn is_check_only(&self) -> bool {
        self.check_only
    }

    /// Works until the program is told to stop, or the work is over; with `--once` until what waits is done.
    ///
    /// # Errors
    ///
    /// As for [`Schedule::run`].
    pub async fn run(
        self,
        session: &Session,
        agent: Agent<'_>,
        work: &mut impl Work,
    ) -> Result<ExitCode, CliError> {
        if self.check_only {
            return Ok(ExitCode::Done);
        }
        let _hold = session.interrupt.hold();
        let Self { once, interval, listen, supervised, .. } = self;
        let schedule = Schedule { listen, supervised, ..Schedule::default() };
        if once {
            let code = schedule.once(session, &agent, work.serve_once()).await;
            work.stand_by().await;
            return code;
        }
        let interval = period(Duration::from_secs(interval), &ServiceManager::of(&session.environment));
        schedule.repeat(session, &agent, interval, &mut Serving { work, interval }).await
    }
}

/// How long a service works before it looks whether it is still its turn. Work that hangs in a period is noticed at its end,
/// and the service is restarted when the time limit of the watchdog has passed after that.
fn period(interval: Duration, manager: &ServiceManager) -> Duration {
    let left = manager.watchdog().map(|watchdog| TO_RESTART.saturating_sub(TO_NOTICE + watchdog));
    let left = left.map(|left| left.max(SHORTEST_PERIOD));
    left.map_or(interval, |left| interval.min(left))
}

/// The pause before the next pass.
fn pause_of(interval: Duration, clock: &Clock) -> Duration {
    interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * clock.random())
}

/// How passes are made at every interval.
trait Passes {
    /// How long a pass may wait for something to do, which takes the interval itself: then the next one follows at once, and all
    /// are one as long as nothing goes wrong. `None` for passes with pauses between them.
    fn period(&self) -> Option<Duration>;

    fn pass(&mut self) -> impl Future<Output = Pass>;

    fn stand_by(&mut self) -> impl Future<Output = ()>;

    fn is_over(&self) -> bool;

    fn is_ready(&self) -> bool;
}

struct Calls<P>(P);

impl<P: FnMut() -> F, F: Future<Output = Pass>> Passes for Calls<P> {
    fn period(&self) -> Option<Duration> {
        None
    }

    fn pass(&mut self) -> impl Future<Output = Pass> {
        (self.0)()
    }

    async fn stand_by(&mut self) {}

    fn is_over(&self) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        true
    }
}

struct Serving<'a, W> {
    work: &'a mut W,
    interval: Duration,
}

impl<W: Work> Passes for Serving<'_, W> {
    fn period(&self) -> Option<Duration> {
        Some(self.interval)
    }

    fn pass(&mut self) -> impl Future<Output = Pass> {
        self.work.serve(self.interval)
    }

    fn stand_by(&mut self) -> impl Future<Output = ()> {
        self.work.stand_by()
    }

    fn is_over(&self) -> bool {
        self.work.is_over()
    }

    fn is_ready(&self) -> bool {
        self.work.is_ready()
    }
}

/// An agent, as its replicas and its metrics name it.
#[derive(Clone)]
pub struct Agent<'a> {
    /// The program, which begins the names of its metrics: `jobctl`.
    pub program: &'static str,
    /// What it does there: `controller`.
    pub role: &'static str,
    /// What it does it for. Of the agents with the same role and scope one is active, and the others are on
    /// standby.
    pub scope: &'a str,
    /// What it does, for people who see its name in a list; empty where the name says it.
    pub about: &'a str,
    /// The parts of its work that may be part of another scope as well: each has a lock of its own, and one that shares none of
    /// them may be active at the same time. Without parts the lock has the agent's name.
    pub parts: &'a [String],
    /// Whether its passes change nothing. Then it takes no lease, leaves no record and does not affect other replicas.
    pub dry_run: bool,
    /// Whether a single pass takes the lease, too, because two at the same time could do something twice.
    pub one_at_a_time: bool,
    /// The leases for leader election in a cluster.
    pub leases: &'a dyn Leases,
    /// Shows whether its passes have requests under way.
    pub activity: Activity,
}

impl Agent<'_> {
    /// Its name, which its lease has too.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}-{}", self.program, self.role, self.scope)
    }

    /// The names of its locks, in the order in which they are taken.
    pub(crate) fn locks(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.parts.iter().map(|part| format!("{}-{}-{part}", self.program, self.role)).collect();
        names.sort();
        names.dedup();
        if names.is_empty() { vec![self.name()] } else { names }
    }
}

impl Schedule {
    /// Makes one pass, or one at every interval until the program is told to stop.
    ///
    /// The exit code of one pass is that of its gravest problem. An agent that was told to stop ends with the code of
    /// the signal ([`cli_support::run()`]): 129, 130 or 143. With an interval, a pass that panics counts as a pass with a
    /// problem.
    ///
    /// # Errors
    ///
    /// The address of `--listen` cannot be used, leader election cannot be set up, or another program is at the single pass that
    /// only one may make.
    pub async fn run<F>(
        self,
        session: &Session,
        agent: Agent<'_>,
        mut pass: impl FnMut() -> F,
    ) -> Result<ExitCode, CliError>
    where
        F: Future<Output = Pass>,
    {
        if self.check_only {
            return Ok(ExitCode::Done);
        }
        let _hold = session.interrupt.hold();
        match self.interval {
            None => self.once(session, &agent, async { pass().await }).await,
            Some(seconds) => {
                self.repeat(session, &agent, Duration::from_secs(seconds), &mut Calls(pass)).await
            }
        }
    }

    async fn once(
        &self,
        session: &Session,
        agent: &Agent<'_>,
        pass: impl Future<Output = Pass>,
    ) -> Result<ExitCode, CliError> {
        let alone = agent.dry_run || !agent.one_at_a_time;
        let mut leader = if alone { Leader::alone() } else { Leader::of(session, agent)? };
        match leader.turn().await {
            Leadership::Ours => {}
            Leadership::Theirs => {
                let name = leader.theirs().map_or_else(|| agent.name(), str::to_owned);
                let words = format!("another instance of {name} is running; nothing was done");
                let hint = "It does the same work. To run this one instead, stop the other instance first.";
                return Err(CliError::new(ErrorClass::Conflict, words).with_hint(hint));
            }
            Leadership::Failed => {
                let words =
                    format!("cannot determine whether another instance of {} is running", agent.name());
                return Err(CliError::new(ErrorClass::Unavailable, words));
            }
        }
        let mut recorder = Recorder::of(session, agent, self.supervised.as_deref(), false);
        recorder.begins(session.clock.now());
        let work = async {
            let done = leader.during(session, pass).await;
            recorder.ended(&done, session.clock.now(), None, session);
            done.class().map_or(ExitCode::Done, ExitCode::from)
        };
        let code = if alone {
            work.await
        } else {
            tokio::select! {
                code = work => code,
                // The signal decides the exit code.
                () = stopped(session) => ExitCode::Done,
            }
        };
        leader.give_up().await;
        Ok(code)
    }

    async fn repeat<P: Passes>(
        &self,
        session: &Session,
        agent: &Agent<'_>,
        interval: Duration,
        work: &mut P,
    ) -> Result<ExitCode, CliError> {
        let manager = ServiceManager::of(&session.environment);
        let progress = Progress::new(session.clock.clone(), agent.activity.clone());
        let metrics = Metrics::new(agent, interval, session.clock.clone(), progress.clone());
        let server = match self.listen {
            Some(address) => Some(metrics.serve(address).await?),
            None => None,
        };
        let mut leader = if agent.dry_run { Leader::alone() } else { Leader::of(session, agent)? };
        let mut recorder = Recorder::of(session, agent, self.supervised.as_deref(), true);
        let period = work.period();
        if period.is_none() {
            tracing::info!("a pass every {} s", interval.as_secs());
        }
        let passes = async {
            let mut told = false;
            // When the pass that goes on began.
            let mut begun = None;
            loop {
                let turn = leader.turn().await;
                metrics.turn(turn);
                progress.enter(Phase::Waiting);
                if !std::mem::replace(&mut told, true) {
                    manager.ready("started");
                }
                let leads = turn == Leadership::Ours;
                recorder.stands_by(turn == Leadership::Theirs);
                let pause =
                    if leads { pause_of(interval, &session.clock) } else { interval.min(STANDBY_INTERVAL) };
                if leads {
                    let started = *begun.get_or_insert_with(|| {
                        let now = session.clock.now();
                        recorder.begins(now);
                        manager.status("at a pass");
                        now
                    });
                    let worked = Instant::now();
                    progress.enter(Phase::Passing);
                    let pass = AssertUnwindSafe(work.pass()).catch_unwind();
                    let pass = within(&progress, period, pass);
                    let done = tokio::select! {
                        done = leader.during(session, pass) => done.unwrap_or_else(|_| panicked()),
                        () = stopped(session) => break,
                    };
                    progress.enter(Phase::Waiting);
                    progress.hold_up(!work.is_ready());
                    let is_last = work.is_over() || session.interrupt.signal().is_some();
                    if period.is_some() && done.class().is_none() && !is_last {
                        metrics.goes_on();
                        continue;
                    }
                    begun = None;
                    let ended = session.clock.now();
                    metrics.passed(&done, ended.duration_since(started));
                    let next = ended.saturating_add(pause).ok();
                    recorder.ended(&done, ended, next, session);
                    manager.status(&format!(
                        "last pass: {}",
                        cli_support::counted(done.problem_count(), "problem")
                    ));
                    if is_last {
                        break;
                    }
                    // One that ended early with a problem must not be repeated at once.
                    if period.is_some_and(|period| worked.elapsed() >= period) {
                        continue;
                    }
                } else {
                    if let Some(started) = begun.take() {
                        let (done, ended) = (Pass::default(), session.clock.now());
                        metrics.passed(&done, ended.duration_since(started));
                        recorder.ended(&done, ended, None, session);
                    }
                    manager.status("stands by");
                    work.stand_by().await;
                    progress.hold_up(false);
                }
                let wait = Wait::new(&session.clock).unless_stopped(&session.interrupt);
                if leader.during(session, wait.pause(pause)).await != Next::Look {
                    break;
                }
            }
        };
        // The supervisor's end is the end of the agent; nobody else would restart or stop it.
        tokio::select! {
            () = passes => {}
            () = progress.watch(&manager) => {}
            () = crate::supervisor::orphaned(), if self.supervised.is_some() => {
                tracing::warn!("the supervisor has ended, so this agent ends too");
            }
        }
        progress.enter(Phase::Stopping);
        manager.stopping();
        recorder.stops();
        // Before another one gets its turn.
        work.stand_by().await;
        leader.give_up().await;
        if let Some(server) = server {
            server.stop().await;
        }
        tracing::info!("stopped");
        Ok(ExitCode::Done)
    }
}

/// What a pass comes to that panicked; the panic's own words are in the log.
fn panicked() -> Pass {
    let mut pass = Pass::default();
    tracing::error!("the pass panicked; the next one is made as usual");
    pass.add_problem("the pass panicked", ErrorClass::Failed);
    pass
}

/// Waits until the program is told to stop, and then for [`GRACE`].
async fn stopped(session: &Session) {
    session.interrupt.wait().await;
    session.clock.sleep(GRACE).await;
}

/// A pass; one that takes a period itself shows that it lives only that long.
async fn within<T>(progress: &Progress, period: Option<Duration>, pass: impl Future<Output = T>) -> T {
    match period {
        Some(period) => progress.serving(period, pass).await,
        None => pass.await,
    }
}

#[cfg(test)]
mod tests;

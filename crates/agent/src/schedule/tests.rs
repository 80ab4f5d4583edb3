//! A schedule in simulated time, with a service manager that listens.

use std::cell::{Cell, RefCell};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::{Arc, Mutex};

use cli_support::{OutputFormat, Ui};
use futures::future::{BoxFuture, LocalBoxFuture};
use jiff::{SignedDuration, Timestamp};
use oar_core::clients::kube::LeaseHolder;
use oar_core::clock::ClockSource;
use oar_core::config::Environment;
use oar_core::flow::interrupt::{Interrupt, InterruptSender, Signal};
use oar_core::redact::Redactor;
use tokio::time::Instant;

use super::*;

/// What the service manager was told, each with the second at which it was read.
#[derive(Default)]
struct Told(Mutex<Vec<(f64, String)>>);

/// Simulated time; at each pause it reads what the service manager was told, which has little room.
struct Simulated {
    start: Instant,
    socket: UnixDatagram,
    told: Arc<Told>,
    random: f64,
}

impl Simulated {
    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn read(&self) {
        let mut buffer = [0; 1024];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.told.0.lock().unwrap().push((self.seconds(), text));
        }
    }
}

impl ClockSource for Simulated {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_783_004_400).unwrap();
        start + SignedDuration::try_from(self.start.elapsed()).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.read();
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> f64 {
        self.random
    }
}

struct NoCluster;

impl Leases for NoCluster {
    fn lease(&self, _: &str, _: &str, _: Duration) -> Result<Option<LeaseHolder>, CliError> {
        Ok(None)
    }
}

/// An agent's process: its session, who stops it, and what it told.
struct Scene {
    _folder: tempfile::TempDir,
    session: Session,
    stop: InterruptSender,
    told: Arc<Told>,
    start: Instant,
}

impl Scene {
    fn with(watchdog: u64, random: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (told, start) = (Arc::<Told>::default(), Instant::now());
        let source = Simulated { start, socket, told: Arc::clone(&told), random };
        let (stop, interrupt) = Interrupt::channel();
        let environment = environment(&path, watchdog);
        let redactor = Redactor::default();
        let session = Session {
            ui: Ui::new(OutputFormat::Text, redactor.clone()),
            environment,
            clock: Clock::new(Arc::new(source)),
            redactor,
            interrupt,
            command_lines: &[],
            behalf: None,
        };
        Self { _folder: folder, session, stop, told, start }
    }

    /// Lets an agent work for so many seconds, and stops it.
    async fn run(&self, seconds: u64, work: LocalBoxFuture<'_, Result<ExitCode, CliError>>) {
        let over = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            self.stop.send(Signal::Terminate);
        };
        let (ended, ()) = tokio::join!(work, over);
        assert_eq!(ended.unwrap(), ExitCode::Done);
        // What was told last.
        self.session.clock.sleep(Duration::ZERO).await;
    }

    /// The seconds at which it was told this.
    fn times(&self, words: &str) -> Vec<f64> {
        let told = self.told.0.lock().unwrap();
        told.iter().filter(|(_, text)| text.contains(words)).map(|(at, _)| *at).collect()
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

fn environment(socket: &Path, watchdog: u64) -> Environment {
    let micros = (watchdog * 1_000_000).to_string();
    Environment::from_pairs([("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", micros.as_str())])
}

fn agent(leases: &NoCluster) -> Agent<'_> {
    Agent {
        program: "oarctl",
        role: "demo",
        scope: "",
        about: "",
        parts: &[],
        dry_run: true,
        one_at_a_time: false,
        leases,
        activity: Activity::default(),
    }
}

fn every(seconds: u64) -> Schedule {
    Schedule { interval: Some(seconds), ..Schedule::default() }
}

fn service(interval: u64) -> Service {
    Service { interval, ..Service::default() }
}

/// A service for which nobody has work.
struct Idle<'a> {
    clock: &'a Clock,
    interrupt: &'a Interrupt,
    /// From this period on it does not come back.
    hangs_in: Option<u32>,
    periods: u32,
}

impl<'a> Idle<'a> {
    fn new(scene: &'a Scene, hangs_in: Option<u32>) -> Self {
        let Session { clock, interrupt, .. } = &scene.session;
        Self { clock, interrupt, hangs_in, periods: 0 }
    }
}

impl Work for Idle<'_> {
    async fn serve(&mut self, period: Duration) -> Pass {
        self.periods += 1;
        if self.hangs_in == Some(self.periods) {
            std::future::pending::<()>().await;
        }
        tokio::select! {
            _ = self.interrupt.wait() => {}
            () = self.clock.sleep(period) => {}
        }
        Pass::default()
    }

    async fn serve_once(&mut self) -> Pass {
        Pass::default()
    }

    async fn stand_by(&mut self) {}

    fn is_over(&self) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waits_for_work_lives_however_short_the_watchdog() {
    for (interval, watchdog) in [(15, 2), (15, 8), (30, 50)] {
        let scene = Scene::with(watchdog, 0.5);
        let mut work = Idle::new(&scene, None);
        let service = service(interval).run(&scene.session, agent(&NoCluster), &mut work);
        scene.run(120, service.boxed_local()).await;
        let lives = scene.times("WATCHDOG=1");
        assert!(lives.first().is_some_and(|first| *first < 6.0), "{lives:?}");
        assert!(lives.last().is_some_and(|last| *last > 118.0 - 5.0), "{lives:?}");
        let gaps = lives.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = gaps.fold(0.0, f64::max);
        assert!(longest < f64::from(u32::try_from(watchdog).unwrap()), "{watchdog}: {longest}");
        assert_eq!(scene.times("STATUS=at a pass").len(), 1, "all periods are one pass");
        assert_eq!(scene.times("STATUS=last pass").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_come_back_is_noticed_within_a_minute() {
    for (interval, watchdog) in [(15_u32, 2_u32), (15, 45), (30, 50)] {
        let scene = Scene::with(watchdog.into(), 0.5);
        let mut work = Idle::new(&scene, Some(3));
        let service = service(interval.into()).run(&scene.session, agent(&NoCluster), &mut work);
        scene.run(300, service.boxed_local()).await;
        let last = scene.times("WATCHDOG=1").last().copied().unwrap();
        let period = f64::from(interval.min(60 - 8 - watchdog));
        let hangs_since = 2.0 * period;
        assert!(last >= hangs_since, "{watchdog}: {last}");
        // The supervisor looks every second, and starts it again after one.
        assert!(last + f64::from(watchdog) + 2.0 <= hangs_since + 60.0, "{watchdog}: {last}");
        assert!(last <= hangs_since + period + 5.0, "{watchdog}: {last}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_neither_asks_nor_ends_gives_no_sign_of_life() {
    let scene = Scene::with(8, 0.5);
    let schedule = every(600);
    let passes = schedule.run(&scene.session, agent(&NoCluster), std::future::pending::<Pass>);
    scene.run(300, passes.boxed_local()).await;
    assert_eq!(scene.times("READY=1").len(), 1);
    let last = scene.times("WATCHDOG=1").last().copied().unwrap_or_default();
    assert!(last <= 4.0, "its beginning is the last progress: {last}");
}

#[tokio::test(start_paused = true)]
async fn after_a_pass_that_panics_the_next_one_is_made() {
    let scene = Scene::with(45, 0.5);
    let passes = Cell::new(0);
    let pass = || {
        passes.set(passes.get() + 1);
        let first = passes.get() == 1;
        async move {
            assert!(!first, "the first pass fails");
            Pass::default()
        }
    };
    scene.run(25, every(10).run(&scene.session, agent(&NoCluster), pass).boxed_local()).await;
    assert_eq!(passes.get(), 3);
    assert_eq!(scene.times("STATUS=last pass: 1 problem").len(), 1);
    assert_eq!(scene.times("STATUS=last pass: 0 problems").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn pauses_are_the_interval_more_or_less_and_no_pass_begins_in_another() {
    for (random, pause) in [(0.0, 90.0), (0.5, 100.0), (1.0, 110.0)] {
        let scene = Scene::with(45, random);
        let times = RefCell::new(Vec::new());
        // Every other pass takes longer than the interval.
        let pass = || {
            let number = times.borrow().len();
            times.borrow_mut().push((scene.seconds(), None));
            let (times, scene) = (&times, &scene);
            async move {
                let length = if number.is_multiple_of(2) { 1 } else { 250 };
                tokio::time::sleep(Duration::from_secs(length)).await;
                times.borrow_mut()[number].1 = Some(scene.seconds());
                Pass::default()
            }
        };
        scene.run(1_500, every(100).run(&scene.session, agent(&NoCluster), pass).boxed_local()).await;
        let times = times.into_inner();
        assert!(times.len() >= 6, "{times:?}");
        for pair in times.windows(2) {
            let (ended, next) = (pair[0].1.unwrap(), pair[1].0);
            assert!((next - ended - pause).abs() < 0.1, "{random}: {ended} {next}");
        }
    }
}

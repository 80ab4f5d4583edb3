//! The clients around Prow jobs against the sandbox, made from the settings as the programs make them.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use agent::{Agent, Pass, Schedule};
use clap::Parser as _;
use cli_support::{OutputFormat, Session, Ui};
use futures::future::{BoxFuture, join_all};
use jiff::{SignedDuration, Timestamp};
use oar_core::clients::Clients;
use oar_core::clients::gcs::RunLocation;
use oar_core::clients::kube::{LeaseState, PayloadOutcome, QE_LABEL};
use oar_core::clients::prow::ProwState;
use oar_core::clients::release_controller::{Phase, StreamName};
use oar_core::clock::{Clock, ClockSource};
use oar_core::config::{Environment, Settings};
use oar_core::error::ServiceErrorKind;
use oar_core::flow::interrupt::Interrupt;
use oar_core::http::{Http, HttpSettings};
use oar_core::permit::WritePermit;
use oar_core::prow::runs::{RunIntent, Runs, StartedRun};
use oar_core::redact::Redactor;
use oar_core::tasks::ReleaseContext;
use oar_core::version::{Arch, YStream};
use sandbox::clock::ClockStart;
use sandbox::scenario::records::{NIGHTLY_JOB, UPGRADE_JOB, fill};
use sandbox::scenario::release_controller::NEW_NIGHTLY;
use sandbox::services::google_oauth::Spelling;
use sandbox::services::prow::JobState;
use sandbox::{Fault, FaultKind, Options, Sandbox};
use tempfile::TempDir;

const START: &str = "2026-07-02T12:00:00Z";
const MINOR: YStream = YStream::new(4, 20);

/// A clock that is one with the sandbox's: whoever sleeps moves the time of both.
struct Shared {
    sandbox: Sandbox,
    slept: AtomicI64,
}

impl ClockSource for Shared {
    fn now(&self) -> Timestamp {
        self.sandbox.clock().now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let duration = SignedDuration::try_from(duration).unwrap();
        self.slept.fetch_add(i64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
        self.sandbox.clock().advance(duration);
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> f64 {
        0.5
    }
}

struct Scene {
    sandbox: Sandbox,
    services: Clients,
    /// The same with the machine's clock, by which Google's sign-in goes.
    signed_in: Clients,
    clock: Arc<Shared>,
    permit: WritePermit,
    _home: TempDir,
}

fn scene() -> Scene {
    scene_with(&[])
}

fn scene_with(extra: &[(&str, &str)]) -> Scene {
    let start: Timestamp = START.parse().unwrap();
    let sandbox =
        Sandbox::start(&Options { clock: ClockStart::Frozen(start), ..Options::default() }).unwrap();
    let home = TempDir::new().unwrap();
    let mut pairs = sandbox.environment();
    pairs.retain(|(name, _)| name != "OAR_CONFIG" && name != "OAR_JWK");
    pairs.push(("HOME".to_owned(), home.path().display().to_string()));
    pairs.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let settings = Settings::load(&Environment::from_pairs(pairs)).unwrap();
    let clock = Arc::new(Shared { sandbox: sandbox.clone(), slept: AtomicI64::new(0) });
    let limits = HttpSettings { timeout: Duration::from_secs(5), ..HttpSettings::default() };
    let services = |clock: Clock| {
        let http = Http::new(limits.clone(), clock, Redactor::default()).unwrap();
        Clients::new(settings.clone(), http)
    };
    let (signed_in, services) = (services(Clock::system()), services(Clock::new(clock.clone())));
    let permit = WritePermit::granted_by_user_interface();
    Scene { sandbox, services, signed_in, clock, permit, _home: home }
}

impl Scene {
    fn intent(&self, key: &str, job: &str) -> RunIntent {
        RunIntent {
            key: key.into(),
            job: job.into(),
            envs: [("RELEASE_IMAGE_LATEST".to_owned(), "registry.example.test/r:1".to_owned())].into(),
            since: self.sandbox.clock().now(),
            until: None,
            may_be_started: false,
            others: Vec::new(),
        }
    }

    async fn start(&self, intent: &RunIntent) -> Result<StartedRun, oar_core::error::ServiceError> {
        Runs::new(&self.services.gangway().unwrap(), &self.services.prow())
            .start_once(intent, &self.permit)
            .await
    }

    fn started(&self) -> usize {
        self.sandbox.world().prow.lock().jobs.len()
    }

    /// Requests to GitHub since the last call.
    fn github_requests(&self) -> usize {
        let requests = self.sandbox.requests();
        self.sandbox.clear_requests();
        requests.iter().filter(|request| request.service == "github").count()
    }
}

#[tokio::test]
async fn the_newest_builds_of_streams() {
    let scene = scene();
    let controller = scene.services.release_controller(Arch::Amd64).unwrap();
    let nightly = controller.latest_nightly(MINOR, Arch::Amd64).await.unwrap().unwrap();
    assert_eq!(nightly.tag.name, NEW_NIGHTLY);
    assert!(nightly.body.starts_with("{\n  \"name\"") && nightly.body.ends_with("}\n"));
    assert_eq!(controller.latest_stable(MINOR, Arch::Amd64).await.unwrap().unwrap().tag.name, "4.20.5");
    // The newest preview of all is one of 4.23.
    let preview = controller.latest_stable(YStream::new(4, 22), Arch::Amd64).await.unwrap().unwrap();
    assert_eq!(preview.tag.name, "4.22.0-ec.3");
    assert_eq!(controller.latest_stable(YStream::new(4, 2), Arch::Amd64).await.unwrap(), None);
    let tags = controller.tags(&StreamName::nightly(MINOR, Arch::Amd64)).await.unwrap().unwrap();
    assert_eq!(tags.iter().filter(|tag| tag.phase == Phase::Rejected).count(), 1);
    let arm = scene.services.release_controller(Arch::Arm64).unwrap();
    let build = arm.latest_stable(MINOR, Arch::Arm64).await.unwrap().unwrap();
    assert!(build.tag.pull_spec.ends_with(":4.20.5-aarch64"), "{build:?}");
    scene.sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn six_jobs_start_within_gangway_s_limit() {
    let scene = scene();
    scene.sandbox.world().prow.lock().limit.burst = 1.0;
    for number in 0..6 {
        let started = scene.start(&scene.intent(&format!("key-{number}"), NIGHTLY_JOB)).await.unwrap();
        assert!(matches!(started, StartedRun::New { .. }));
    }
    assert_eq!(scene.started(), 6);
    let refused = scene.sandbox.requests().iter().filter(|request| request.status == Some(429)).count();
    assert!(refused > 0 && scene.clock.slept.load(Ordering::SeqCst) >= 7_000, "Retry-After was waited for");
}

#[tokio::test]
async fn a_pace_of_our_own_is_never_refused() {
    let scene = scene_with(&[("OAR_GANGWAY_LIMIT", "18/8")]);
    let gangway = scene.services.gangway().unwrap();
    for number in 0..25 {
        let intent = scene.intent(&format!("key-{number}"), NIGHTLY_JOB);
        Runs::new(&gangway, &scene.services.prow()).start_once(&intent, &scene.permit).await.unwrap();
    }
    assert_eq!(scene.started(), 25);
    assert!(scene.sandbox.requests().iter().all(|request| request.status == Some(200)));
}

#[tokio::test]
async fn the_pace_counts_for_the_tasks_of_a_release_too() {
    let start: Timestamp = START.parse().unwrap();
    let sandbox =
        Sandbox::start(&Options { clock: ClockStart::Frozen(start), ..Options::default() }).unwrap();
    let home = TempDir::new().unwrap();
    let mut pairs = sandbox.environment();
    pairs.push(("HOME".to_owned(), home.path().display().to_string()));
    pairs.push(("OAR_GANGWAY_LIMIT".to_owned(), "6/0".to_owned()));
    let settings = Settings::load(&Environment::from_pairs(pairs)).unwrap();
    let clock = Arc::new(Shared { sandbox: sandbox.clone(), slept: AtomicI64::new(0) });
    let limits = HttpSettings { timeout: Duration::from_secs(5), ..HttpSettings::default() };
    let http = Http::new(limits, Clock::new(clock.clone()), Redactor::default()).unwrap();
    let config = settings.release(&"4.19.1".parse().unwrap(), &http).await.unwrap();
    let release = ReleaseContext::new(Clients::new(settings, http), config).unwrap();
    let gangway = release.clients().gangway_if_set().unwrap().unwrap();
    let before = clock.slept.load(Ordering::SeqCst);
    for _ in 0..4 {
        gangway.executions(NIGHTLY_JOB).await.unwrap();
    }
    // Six a minute and none ahead: every one after the first waits ten seconds.
    assert_eq!(clock.slept.load(Ordering::SeqCst) - before, 30_000);
}

#[tokio::test]
async fn a_run_whose_answer_was_lost_is_found_by_its_key() {
    let lost = |kind| Fault::on("gangway", kind).method("POST");
    for kind in [FaultKind::DropAfter, FaultKind::Truncate] {
        let scene = scene();
        scene.sandbox.faults().add(lost(kind));
        // It becomes visible only some seconds later.
        scene.sandbox.world().prow.lock().pace.visible_after = SignedDuration::from_secs(5);
        let first = scene.start(&scene.intent("key-1", NIGHTLY_JOB)).await.unwrap();
        let second = scene.start(&scene.intent("key-2", NIGHTLY_JOB)).await.unwrap();
        assert!(
            matches!((&first, &second), (StartedRun::Found { .. }, StartedRun::New { .. })),
            "{first:?} {second:?}"
        );
        assert_eq!(scene.started(), 2);
        // Another process, which knows only what was recorded before the start.
        let again = RunIntent { may_be_started: true, ..scene.intent("key-2", NIGHTLY_JOB) };
        scene.sandbox.clock().advance(SignedDuration::from_secs(60));
        assert_eq!(scene.start(&again).await.unwrap().id(), second.id());
        assert_eq!(scene.started(), 2);
    }
}

#[tokio::test]
async fn an_unknown_job_and_a_foreign_tenant_start_nothing() {
    let scene = scene();
    let error = scene.start(&scene.intent("key", "periodic-nobody-knows")).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ServiceErrorKind::NotFound, Some(500)));
    let posts = scene.sandbox.requests().into_iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 1);
    scene.sandbox.world().prow.lock().tokens[0].tenants.clear();
    let error = scene.start(&scene.intent("key", NIGHTLY_JOB)).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Forbidden);
    assert_eq!(scene.started(), 0);
}

#[tokio::test]
async fn a_token_is_used_however_its_lifetime_is_written() {
    for spelling in [Spelling::Plain, Spelling::Odd, Spelling::Short] {
        let scene = scene();
        scene.sandbox.world().google_oauth.lock().spelling = spelling;
        let artifacts = scene.signed_in.artifacts().unwrap();
        let page =
            "https://deck.example.test/view/gs/qe-private-deck/logs/periodic-ci-demo/2099999999999999999";
        let location = RunLocation::of_page(page).unwrap();
        for _ in 0..2 {
            assert_eq!(artifacts.qe_report(&location).await.unwrap(), None, "{spelling:?}");
        }
        let asked = scene.sandbox.requests().into_iter().filter(|request| request.service == "google-oauth");
        assert_eq!(asked.count(), 1, "{spelling:?}");
        scene.sandbox.assert_no_unexpected();
    }
}

#[tokio::test]
async fn a_run_its_report_and_its_end_after_prow_forgot_it() {
    let scene = scene();
    let duration = SignedDuration::from_hours(5);
    for job in [NIGHTLY_JOB, UPGRADE_JOB] {
        scene.sandbox.world().prow.lock().script(job, JobState::Failure, duration);
    }
    let run = scene.start(&scene.intent("key-1", NIGHTLY_JOB)).await.unwrap();
    let upgrade = scene.start(&scene.intent("key-2", UPGRADE_JOB)).await.unwrap();
    scene.sandbox.clock().advance(duration);
    let ids = [run.id().to_owned(), "unknown".to_owned(), upgrade.id().to_owned()];
    let read = scene.services.prow().jobs(&ids).await;
    let jobs: Vec<_> = read.into_iter().map(Result::unwrap).collect();
    let job = jobs[0].clone().unwrap();
    assert_eq!((job.state, jobs[1].is_none()), (ProwState::Failure, true));
    let location = RunLocation::of_page(job.url.as_deref().unwrap()).unwrap();
    assert_eq!(location.job, NIGHTLY_JOB);

    let artifacts = scene.signed_in.artifacts().unwrap();
    scene.sandbox.clear_requests();
    let report = artifacts.qe_report(&location).await.unwrap().unwrap();
    assert!(report.contains("failures: 1"), "{report}");
    let upgrade = RunLocation::of_page(jobs[2].as_ref().unwrap().url.as_deref().unwrap()).unwrap();
    assert_eq!(artifacts.qe_report(&upgrade).await.unwrap(), None, "upgrades have none");
    let lines: Vec<String> = scene.sandbox.requests().iter().map(sandbox::RecordedRequest::line).collect();
    assert_eq!(
        lines.iter().filter(|line| line.contains(" gcs ")).count(),
        3,
        "no tree is listed: {lines:#?}"
    );
    assert_eq!(lines.len(), 4, "one sign-in: {lines:#?}");

    // A day later, with a newer run of the job: only the artifacts know.
    scene.sandbox.clock().advance(SignedDuration::from_hours(30));
    scene.start(&scene.intent("key-3", NIGHTLY_JOB)).await.unwrap();
    assert_eq!(scene.services.prow().job(&job.id).await.unwrap(), None);
    let ended = artifacts.ended_run(&location, &job.id).await.unwrap().unwrap();
    assert_eq!(ended.state, ProwState::Failure);
    assert_eq!((Some(ended.completed), ended.started), (job.completed, job.started));
    assert_eq!(artifacts.ended_run(&location, "another-run").await.unwrap(), None);
    scene.sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn the_end_of_a_pod_that_was_replaced_is_not_the_run_s() {
    let scene = scene();
    scene.sandbox.world().prow.lock().script(NIGHTLY_JOB, JobState::Success, SignedDuration::from_hours(5));
    let run = scene.start(&scene.intent("key-1", NIGHTLY_JOB)).await.unwrap();
    scene.sandbox.clock().advance(SignedDuration::from_hours(1));
    let page = |job: Option<oar_core::clients::prow::ProwJob>| {
        RunLocation::of_page(&job.unwrap().url.unwrap()).unwrap()
    };
    let before = page(scene.services.prow().job(run.id()).await.unwrap());
    scene.sandbox.world().prow.lock().jobs[0].replace_pod();
    let after = page(scene.services.prow().job(run.id()).await.unwrap());
    assert_ne!(before, after, "another number and folder");
    scene.sandbox.clock().advance(SignedDuration::from_hours(5));
    let artifacts = scene.signed_in.artifacts().unwrap();
    let folder = format!("logs/{}/{}/finished.json", before.job, before.run);
    assert!(artifacts.read(&folder).await.unwrap().is_some(), "the pod left its failure");
    assert_eq!(artifacts.ended_run(&before, run.id()).await.unwrap(), None);
    let ended = artifacts.ended_run(&after, run.id()).await.unwrap().unwrap();
    assert_eq!(ended.state, ProwState::Success);
    scene.sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn what_nobody_could_see_is_not_started_again() {
    for (lists_nothing, lookups_fail) in [(true, false), (false, true)] {
        let scene = scene();
        let again = RunIntent { may_be_started: true, ..scene.intent("key-1", NIGHTLY_JOB) };
        scene.start(&scene.intent("key-1", NIGHTLY_JOB)).await.unwrap();
        {
            let mut prow = scene.sandbox.world().prow.lock();
            (prow.lists_nothing, prow.lookups_fail) = (lists_nothing, lookups_fail);
        }
        scene.start(&again).await.unwrap_err();
        assert_eq!(scene.started(), 1);
        {
            let mut prow = scene.sandbox.world().prow.lock();
            (prow.lists_nothing, prow.lookups_fail) = (false, false);
        }
        assert!(matches!(scene.start(&again).await.unwrap(), StartedRun::Found { .. }));
    }
    // A job that ran before shows that the look worked.
    let scene = scene();
    let left = RunIntent { may_be_started: true, ..scene.intent("key-1", NIGHTLY_JOB) };
    assert!(matches!(scene.start(&left).await.unwrap(), StartedRun::New { .. }));
    scene.sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn a_payload_is_labelled_exactly_once() {
    let scene = scene();
    let cluster = scene.services.cluster().await.unwrap();
    let accept = async |build: &str| {
        cluster.accept_payload(Arch::Amd64, &build.parse().unwrap(), &scene.permit).await.unwrap()
    };
    scene.sandbox.faults().add(Fault::on("kubernetes", FaultKind::DropAfter).method("PATCH"));
    assert_eq!(accept(NEW_NIGHTLY).await, PayloadOutcome::Labelled, "also when the answer is lost");
    assert_eq!(accept(NEW_NIGHTLY).await, PayloadOutcome::AlreadyLabelled);
    let patches = scene.sandbox.writes().iter().filter(|request| request.service == "kubernetes").count();
    assert_eq!(patches, 1);
    scene.sandbox.world().kubernetes.lock().label("ocp", "4.20.4", QE_LABEL, "Rejected").unwrap();
    assert_eq!(accept("4.20.4").await, PayloadOutcome::HasOther("Rejected".to_owned()));
    assert_eq!(accept("4.20.0-0.nightly-2026-01-01-000000").await, PayloadOutcome::Absent);
    let labelled: Vec<_> = cluster.labelled_payloads(Arch::Amd64).await.unwrap().into_iter().collect();
    assert_eq!(labelled, [NEW_NIGHTLY, "4.20.4"], "whatever their label says");
    assert!(cluster.labelled_payloads(Arch::Arm64).await.unwrap().is_empty());
    let label = cluster.payload_label(Arch::Arm64, &"4.20.5".parse().unwrap()).await.unwrap();
    assert_eq!(label, Some(None));
    scene.sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn one_of_many_replicas_has_the_lease_and_another_inherits_it() {
    let scene = scene_with(&[("OAR_LEASE_NAMESPACE", "release-tools")]);
    let holder = |name: &str| {
        let lease = scene.services.lease("controller", name, Duration::from_mins(1)).unwrap();
        lease.unwrap()
    };
    let replicas: Vec<_> = (0..8).map(|number| holder(&format!("replica-{number}"))).collect();
    let states = join_all(replicas.iter().map(|replica| replica.acquire(&scene.permit))).await;
    let ours: Vec<usize> = states
        .iter()
        .enumerate()
        .filter(|(_, state)| matches!(state, Ok(LeaseState::Ours)))
        .map(|(place, _)| place)
        .collect();
    assert_eq!(ours.len(), 1, "{states:?}");
    let (first, second) = (&replicas[ours[0]], &replicas[(ours[0] + 1) % 8]);
    let advance = |seconds| scene.sandbox.clock().advance(SignedDuration::from_secs(seconds));
    for _ in 0..4 {
        advance(40);
        assert_eq!(first.acquire(&scene.permit).await.unwrap(), LeaseState::Ours);
        assert!(matches!(second.acquire(&scene.permit).await.unwrap(), LeaseState::Theirs { .. }));
    }
    advance(61);
    assert_eq!(second.acquire(&scene.permit).await.unwrap(), LeaseState::Ours, "the first is silent");
    assert!(matches!(first.acquire(&scene.permit).await.unwrap(), LeaseState::Theirs { .. }));
    second.release(&scene.permit).await.unwrap();
    assert_eq!(first.acquire(&scene.permit).await.unwrap(), LeaseState::Ours);
    let activity = scene.services.http().activity();
    assert_eq!(activity.begun(), 0, "a renewal beside the work must not hide that the work hangs");
    scene.sandbox.assert_no_unexpected();
}

/// A clock on which the time passes twenty times as fast.
struct Fast(std::time::Instant);

impl ClockSource for Fast {
    fn now(&self) -> Timestamp {
        let start: Timestamp = START.parse().unwrap();
        start + SignedDuration::try_from(self.0.elapsed() * 20).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration / 20))
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// The options of an agent's command.
#[derive(clap::Parser)]
struct Repeated {
    #[command(flatten)]
    schedule: Schedule,
}

#[tokio::test]
async fn a_pass_that_hangs_gives_no_sign_of_life_though_its_lease_is_renewed() {
    let scene = scene_with(&[("OAR_LEASE_NAMESPACE", "release-tools")]);
    let manager = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(manager.path().join("notify")).unwrap();
    socket.set_nonblocking(true).unwrap();
    let told = || {
        let (mut buffer, mut told) = ([0; 1024], Vec::new());
        while let Ok(length) = socket.recv(&mut buffer) {
            told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        told
    };
    let environment = Environment::from_pairs([
        ("NOTIFY_SOCKET".to_owned(), manager.path().join("notify").display().to_string()),
        ("WATCHDOG_USEC".to_owned(), "8000000".to_owned()),
        ("HOME".to_owned(), manager.path().display().to_string()),
    ]);
    let (stop, interrupt) = Interrupt::channel();
    let redactor = Redactor::default();
    let session = Session {
        ui: Ui::new(OutputFormat::Text, redactor.clone()),
        environment,
        clock: Clock::new(Arc::new(Fast(std::time::Instant::now()))),
        redactor,
        interrupt,
        command_lines: &[],
        behalf: None,
    };
    let agent = Agent {
        program: "oarctl",
        role: "demo",
        scope: "",
        about: "",
        parts: &[],
        dry_run: false,
        one_at_a_time: false,
        leases: &scene.signed_in,
        activity: scene.signed_in.http().activity(),
    };
    let Repeated { schedule } = Repeated::parse_from(["demo", "--interval", "600"]);
    let passes = schedule.run(&session, agent, std::future::pending::<Pass>);
    let renewals = || {
        let requests = scene.sandbox.writes().into_iter();
        requests.filter(|request| request.path.contains("/leases/")).count()
    };
    let renewed = async |more: usize| {
        let before = renewals();
        for _ in 0..2_400 {
            if renewals() >= before + more {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the lease is not renewed");
    };
    let look = async {
        renewed(1).await;
        let begun = told();
        assert!(begun.iter().any(|message| message.contains("WATCHDOG=1")), "{begun:?}");
        renewed(1).await;
        told();
        renewed(3).await;
        let later = told();
        assert!(!later.iter().any(|message| message.contains("WATCHDOG=1")), "{later:?}");
    };
    tokio::select! {
        ended = passes => panic!("it ended: {ended:?}"),
        () = look => {}
    }
    drop(stop);
    scene.sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn outside_of_a_cluster_there_is_no_lease() {
    let scene = scene();
    assert!(scene.services.lease("controller", "me", Duration::from_mins(1)).unwrap().is_none());
}

#[tokio::test]
async fn an_idle_pass_over_530_files_takes_two_requests() {
    let scene = scene();
    fill(scene.sandbox.world(), 510);
    let records = scene.services.records().unwrap();
    let registries = scene.services.registries().unwrap();
    let pass = async || {
        let mut files = 0;
        for folder in [&records, &registries] {
            let tree = folder.list().await.unwrap().unwrap();
            let read = folder.read(&tree.entries).await;
            files += read.into_iter().filter(|file| file.as_ref().unwrap().text.starts_with('{')).count();
        }
        files
    };
    let files = pass().await;
    assert!(files >= 530, "{files}");
    let cold = scene.github_requests();
    assert!(cold <= 40, "{cold} requests to read everything for the first time");
    assert_eq!(pass().await, files);
    assert_eq!(scene.github_requests(), 2);
    let free = scene
        .sandbox
        .world()
        .github
        .lock()
        .limits
        .standing(Some("rlead"), START.parse::<Timestamp>().unwrap().as_second());

    // One file changes: the tree again, and that file.
    let name = "ocp-test-result-4.20.4-amd64.json";
    let file = records.read_now(name).await.unwrap().unwrap();
    let text = file.text.replace("\"accepted\": true", "\"accepted\": false");
    records.write(name, &text, Some(&file.sha), "update file content", &scene.permit).await.unwrap();
    scene.github_requests();
    assert_eq!(pass().await, files);
    assert_eq!(scene.github_requests(), 2, "what we wrote ourselves is known");
    let stale = records.write(name, &file.text, Some(&file.sha), "update file content", &scene.permit).await;
    assert_eq!(stale.unwrap_err().kind, ServiceErrorKind::Conflict);
    let now = records.read_now(name).await.unwrap().unwrap();
    records.remove(name, &now.sha, "delete file", &scene.permit).await.unwrap();
    assert_eq!(records.read_now(name).await.unwrap(), None);
    assert_eq!(pass().await, files - 1);
    assert!(free.used < 700, "{free:?}");
    scene.sandbox.assert_no_unexpected();
}

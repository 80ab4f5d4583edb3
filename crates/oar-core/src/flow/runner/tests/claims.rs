//! Two runs of one task at the same moment.

use futures::future::BoxFuture;
use futures::{FutureExt as _, future::join};

use super::*;
use crate::flow::holder;
use crate::statebox::{TaskClaim, TaskView};
use crate::store::memory::SteppingClock;

const TASK: TaskName = TaskName::TakeOwnership;

/// A task whose one effect can be counted. Whoever finds it done has nothing to do.
struct Once<'a> {
    done: &'a AtomicUsize,
    /// What happens while the plan is made, once.
    meanwhile: Mutex<Option<BoxFuture<'a, ()>>>,
    /// Whether it never ends once it has begun.
    hangs: bool,
    /// Whether applying it changes nothing outside, but people are told.
    only_tells: bool,
    planned: AtomicUsize,
}

impl<'a> Once<'a> {
    fn new(done: &'a AtomicUsize) -> Self {
        Self {
            done,
            meanwhile: Mutex::default(),
            hangs: false,
            only_tells: false,
            planned: AtomicUsize::new(0),
        }
    }
}

struct OncePlan {
    steps: usize,
    acts: bool,
}

impl Plan for OncePlan {
    fn summary(&self) -> PlanSummary {
        PlanSummary::new(vec![Step::new("do", "it"); self.steps], Vec::new())
    }

    fn acts(&self) -> bool {
        self.acts
    }
}

#[async_trait]
impl Task for Once<'_> {
    type Plan = OncePlan;
    type Done = ();

    fn name(&self) -> TaskName {
        TASK
    }

    fn command(&self) -> String {
        "take-ownership".to_owned()
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(fresh())
    }

    async fn plan(&self, _state: Option<&State>) -> Result<OncePlan, TaskError> {
        self.planned.fetch_add(1, Ordering::SeqCst);
        let steps = usize::from(self.done.load(Ordering::SeqCst) == 0);
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        Ok(OncePlan { steps, acts: !self.only_tells })
    }

    async fn apply(
        &self,
        plan: &OncePlan,
        _permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<()>, TaskError> {
        self.done.fetch_add(plan.steps, Ordering::SeqCst);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        plan.summary().steps.into_iter().for_each(|step| recorder.did(step));
        Ok(TaskOutcome::pass(()))
    }

    async fn notifications(&self, _plan: &OncePlan, _outcome: &TaskOutcome<()>) -> Vec<Message> {
        vec![Message::new("4.19.1/demo", "#demo", "done")]
    }
}

/// Another process that works on the same file.
fn beside(bench: &Bench) -> Bench {
    let store = Arc::clone(&bench.store);
    let statebox =
        StateBox::new(release(), Arc::clone(&store) as _, bench.clock.clone(), Redactor::default());
    Bench { store, statebox, clock: bench.clock.clone() }
}

async fn run(bench: &Bench, task: &Once<'_>, channel: &Channel) -> Report<()> {
    let (_sender, interrupt) = Interrupt::channel();
    let permit = WritePermit::granted_by_user_interface();
    bench.runner(channel, &interrupt).run(task, Mode::Apply(&permit), bench.statebox.find().await).await
}

/// A bench whose time passes when somebody sleeps.
fn stepping() -> (Bench, Arc<SteppingClock>) {
    let (clock, source) = SteppingClock::start();
    let store = Arc::new(MemoryStore::with(&fresh().to_yaml()));
    let statebox = StateBox::new(release(), Arc::clone(&store) as _, clock.clone(), Redactor::default());
    (Bench { store, statebox, clock }, source)
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came");
}

fn claim(run: &str, since: &str, until: &str, process: Option<&str>) -> TaskClaim {
    TaskClaim {
        run: run.to_owned(),
        by: "robin".to_owned(),
        process: process.map(str::to_owned),
        since: since.parse().unwrap(),
        lease_until: until.parse().unwrap(),
    }
}

async fn put_claim(bench: &Bench, claim: &TaskClaim) {
    let permit = WritePermit::granted_by_user_interface();
    let put = |state: &mut State| state.claim_task(TASK, claim, |_| true);
    bench.statebox.update(&permit, "claim", put).await.unwrap();
}

#[tokio::test]
async fn of_two_runs_at_the_same_moment_one_acts_and_the_other_says_who_is_at_it() {
    let (one, channel, done) = (Bench::new(), Channel::working(), AtomicUsize::new(0));
    let (two, second) = (beside(&one), Once::new(&done));
    let first = Once { hangs: true, ..Once::new(&done) };
    let (sender, interrupt) = Interrupt::channel();
    let permit = WritePermit::granted_by_user_interface();
    let loaded = one.statebox.find().await;
    let runner = one.runner(&channel, &interrupt);
    let (_, other) = join(runner.run(&first, Mode::Apply(&permit), loaded), async {
        until(|| done.load(Ordering::SeqCst) == 1).await;
        let other = run(&two, &second, &channel).await;
        sender.send(Signal::Interrupt);
        other
    })
    .await;
    assert_eq!((other.class, other.refused), (Some(ErrorClass::Conflict), true));
    assert_eq!(other.held.as_ref().unwrap().by, "tester");
    let reason = other.reason.unwrap().text;
    assert!(reason.contains("tester runs take-ownership since") && reason.contains("until"), "{reason}");
    assert_eq!(done.load(Ordering::SeqCst), 1);
    let task = one.task();
    assert_eq!((task.history.len(), task.claim), (1, None), "the claim goes with its run");
    assert!(!other.log.contains("status is changed"), "{}", other.log);
}

#[tokio::test]
async fn however_two_runs_meet_the_effect_and_the_message_happen_once() {
    for ahead in 0..60 {
        let (one, channel, done) = (Bench::new(), Channel::working(), AtomicUsize::new(0));
        let (two, first, second) = (beside(&one), Once::new(&done), Once::new(&done));
        let late = async {
            for _ in 0..ahead {
                tokio::task::yield_now().await;
            }
            run(&two, &second, &channel).await
        };
        let (a, b) = join(run(&one, &first, &channel), late).await;
        assert_eq!((done.load(Ordering::SeqCst), channel.asked().len()), (1, 1), "{ahead}: {a:?} {b:?}");
        for report in [&a, &b] {
            let good = report.status == Some(TaskStatus::Pass) && report.class.is_none();
            assert!(good || report.class == Some(ErrorClass::Conflict), "{ahead}: {report:?}");
        }
        assert_eq!((one.task().history.len(), one.task().claim), (1, None), "{ahead}");
    }
}

#[tokio::test]
async fn a_plan_from_before_somebody_elses_run_is_made_again() {
    let (one, channel, done) = (Bench::new(), Channel::working(), AtomicUsize::new(0));
    let (two, faster) = (beside(&one), Once::new(&done));
    let slower = Once::new(&done);
    *slower.meanwhile.lock().unwrap() = Some(
        async {
            assert_eq!(run(&two, &faster, &channel).await.status, Some(TaskStatus::Pass));
        }
        .boxed(),
    );
    let report = run(&one, &slower, &channel).await;
    assert!(report.nothing_to_do, "{report:?}");
    assert_eq!((done.load(Ordering::SeqCst), channel.asked().len()), (1, 1));
    assert_eq!(slower.planned.load(Ordering::SeqCst), 2);
    assert_eq!(one.task().history.len(), 1);
}

#[tokio::test]
async fn what_only_tells_people_claims_the_task_before_it_speaks() {
    for ahead in 0..30 {
        let (one, channel, done) = (Bench::new(), Channel::working(), AtomicUsize::new(0));
        let two = beside(&one);
        let new = || Once { only_tells: true, ..Once::new(&done) };
        let (first, second) = (new(), new());
        let late = async {
            for _ in 0..ahead {
                tokio::task::yield_now().await;
            }
            run(&two, &second, &channel).await
        };
        let (a, b) = join(run(&one, &first, &channel), late).await;
        assert_eq!(channel.asked().len(), 1, "{ahead}: {a:?} {b:?}");
    }
}

#[tokio::test]
async fn a_dead_holder_is_taken_over_and_a_living_one_is_not() {
    let own = holder::current().unwrap();
    let (place, _) = own.split_once('.').unwrap();
    let ended = format!("{place}.4194999.1");
    for (until, process, free) in [
        ("2027-01-01T00:00:00Z", None, false),
        ("2027-01-01T00:00:00Z", Some("elsewhere.1.1"), false),
        ("2027-01-01T00:00:00Z", Some(own.as_str()), false),
        ("2027-01-01T00:00:00Z", Some(ended.as_str()), true),
        ("2026-07-01T00:00:00Z", Some("elsewhere.1.1"), true),
        ("2026-07-01T00:00:00Z", None, true),
    ] {
        let ((bench, _), channel, done) = (stepping(), Channel::working(), AtomicUsize::new(0));
        put_claim(&bench, &claim("dead", "2026-06-30T10:00:00Z", until, process)).await;
        let report = run(&bench, &Once::new(&done), &channel).await;
        assert_eq!(report.class.is_none(), free, "{until} {process:?} {report:?}");
        assert_eq!(done.load(Ordering::SeqCst), usize::from(free));
        if !free {
            let text = report.reason.unwrap().text;
            assert!(text.contains("robin runs take-ownership") && text.contains(until), "{text}");
        }
    }
}

/// Runs a task that hangs, and `other` beside it, until the run ends.
async fn hanging<F: Future<Output = ()>>(bench: &Bench, done: &AtomicUsize, other: F) -> Report<()> {
    let (task, channel) = (Once { hangs: true, ..Once::new(done) }, Channel::working());
    let (report, ()) = join(run(bench, &task, &channel), other).await;
    report
}

fn stored(bench: &Bench) -> TaskView {
    State::parse(&bench.store.text().unwrap()).unwrap().task(TASK).unwrap()
}

#[tokio::test]
async fn a_run_renews_its_claim_and_stops_when_somebody_took_it_over() {
    let ((bench, _), done) = (stepping(), AtomicUsize::new(0));
    let other = beside(&bench);
    let report = hanging(&bench, &done, async {
        until(|| done.load(Ordering::SeqCst) == 1).await;
        let first = stored(&bench).claim.unwrap().lease_until;
        until(|| stored(&bench).claim.unwrap().lease_until > first).await;
        // Another machine's clock says that the lease has run out.
        let permit = WritePermit::granted_by_user_interface();
        let taken = claim("other", "2028-01-01T00:00:00Z", "2028-01-01T00:10:00Z", None);
        let take = |state: &mut State| state.claim_task(TASK, &taken, |_| true);
        other.statebox.update(&permit, "take over", take).await.unwrap();
    })
    .await;
    assert_eq!((report.class, report.unknown), (Some(ErrorClass::Conflict), true));
    assert!(report.reason.unwrap().text.contains("robin has taken take-ownership over"));
    assert_eq!(stored(&bench).claim.unwrap().run, "other", "the claim of the other run stays");
}

#[tokio::test]
async fn a_claim_that_another_program_wrote_over_is_made_again() {
    let ((bench, _), done) = (stepping(), AtomicUsize::new(0));
    let (other, before) = (beside(&bench), bench.store.text().unwrap());
    let (sender, interrupt) = Interrupt::channel();
    let (task, channel) = (Once { hangs: true, ..Once::new(&done) }, Channel::working());
    let permit = WritePermit::granted_by_user_interface();
    let loaded = bench.statebox.find().await;
    let runner = bench.runner(&channel, &interrupt);
    let (report, ()) = join(runner.run(&task, Mode::Apply(&permit), loaded), async {
        until(|| done.load(Ordering::SeqCst) == 1).await;
        // The Python reference writes the tasks as it read them.
        other.store.replace(&before);
        until(|| {
            let state = State::parse(&other.store.text().unwrap()).unwrap();
            state.claim(TASK).is_some()
        })
        .await;
        sender.send(Signal::Terminate);
    })
    .await;
    assert_eq!(report.signal, Some(Signal::Terminate));
    let task = stored(&bench);
    assert_eq!(task.history.len(), 1, "the run stands in the history again");
    assert_eq!((task.history[0].outcome, task.claim), (Some(RunOutcome::Interrupted), None));
}

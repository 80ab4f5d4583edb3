use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod claims;

use super::*;
use std::sync::Mutex;

use crate::clients::slack::Posted;
use crate::error::ErrorClass;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::flow::consent::Question;
use crate::flow::interrupt::Signal;
use crate::flow::outcome::{Plan, PlanSummary, Reason, Refusal, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Completion;
use crate::permit::WritePermit;
use crate::redact::Redactor;
use crate::service::Service;
use crate::statebox::{
    Change, Metadata, NotificationState, ReasonClass, RunEnd, RunOutcome, RunStart, StateError,
};
use crate::store::memory::MemoryStore;

/// What the task of these tests does when it is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Pass,
    Fail,
    Panic,
    Hang,
    /// Makes one of its changes and never ends.
    Half,
    CannotPlan,
    /// Finds what it looks for.
    Finds,
    /// Has no credential when it is applied.
    NoTicket,
    /// Starts something that goes on outside.
    Begin,
    /// Sees that it still goes on.
    Look,
    /// Cannot even record what it intends.
    Overtaken,
    /// Passes, has something left that fails, and tells two channels at the same time.
    CannotFinish,
    /// Acts in any case, and has a last look left; it finds out whether the task was claimed then.
    LooksLast,
    /// The same, but the last look fails.
    CannotLookLast,
}

struct Demo {
    behaviour: Behaviour,
    steps: usize,
    applied: AtomicUsize,
    tells_of_failure: bool,
    carried_on: bool,
    /// How often the last look was made.
    completed: AtomicUsize,
}

impl Demo {
    fn new(behaviour: Behaviour, steps: usize) -> Self {
        Self {
            behaviour,
            steps,
            applied: AtomicUsize::new(0),
            tells_of_failure: false,
            carried_on: false,
            completed: AtomicUsize::new(0),
        }
    }
}

struct DemoPlan(usize, Behaviour);

impl Plan for DemoPlan {
    fn summary(&self) -> PlanSummary {
        let steps = (0..self.0).map(|number| Step::new("change", format!("thing {number}"))).collect();
        PlanSummary::new(steps, Vec::new())
    }

    fn certainly_acts(&self) -> bool {
        matches!(self.1, Behaviour::LooksLast | Behaviour::CannotLookLast)
    }
}

fn release() -> crate::version::ReleaseVersion {
    "4.19.1".parse().unwrap()
}

fn fresh() -> State {
    State::new(&release(), &Metadata::default(), "2026-07-01T10:00:00Z".parse().unwrap())
}

#[async_trait]
impl Task for Demo {
    type Plan = DemoPlan;
    type Done = ();

    fn name(&self) -> TaskName {
        TaskName::TakeOwnership
    }

    fn command(&self) -> String {
        "take-ownership".to_owned()
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(fresh())
    }

    async fn plan(&self, _state: Option<&State>) -> Result<DemoPlan, TaskError> {
        if self.behaviour == Behaviour::CannotPlan {
            return Err(
                ServiceError::new(Service::Errata, "read", ServiceErrorKind::Unavailable, "down").into()
            );
        }
        Ok(DemoPlan(self.steps, self.behaviour))
    }

    fn is_carried_on(&self) -> bool {
        self.carried_on
    }

    async fn complete(&self, plan: &DemoPlan) -> Result<Completion<DemoPlan>, TaskError> {
        self.completed.fetch_add(1, Ordering::SeqCst);
        match plan.1 {
            Behaviour::CannotLookLast => {
                let kind = ServiceErrorKind::Unavailable;
                Err(ServiceError::new(Service::Access, "look", kind, "no answer").into())
            }
            _ => Ok(Box::new(|_| ())),
        }
    }

    async fn finish(
        &self,
        plan: &DemoPlan,
        outcome: TaskOutcome<()>,
        _permit: &WritePermit,
        _recorder: &Recorder,
    ) -> Result<TaskOutcome<()>, TaskError> {
        match plan.1 {
            Behaviour::CannotFinish => Ok(outcome.failed(ErrorClass::Failed, "the last thing failed")),
            _ => Ok(outcome),
        }
    }

    fn intend(&self, plan: &DemoPlan, _state: &mut State) -> Result<Change, StateError> {
        match plan.1 {
            Behaviour::Overtaken => {
                Err(StateError::JobTaken { task: TaskName::TakeOwnership, by: Some("another".to_owned()) })
            }
            _ => Ok(Change::Unchanged),
        }
    }

    fn standing(&self, plan: &DemoPlan) -> Option<TaskOutcome<()>> {
        let waits = TaskOutcome::of(TaskStatus::InProgress, ());
        (plan.1 == Behaviour::Look).then(|| waits.because(ReasonClass::Precondition, "it still runs"))
    }

    async fn apply(
        &self,
        plan: &DemoPlan,
        _permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<()>, TaskError> {
        self.applied.fetch_add(1, Ordering::SeqCst);
        let do_all = || plan.summary().steps.into_iter().for_each(|step| recorder.did(step));
        match self.behaviour {
            Behaviour::Pass
            | Behaviour::CannotPlan
            | Behaviour::CannotFinish
            | Behaviour::LooksLast
            | Behaviour::CannotLookLast => {
                do_all();
                Ok(TaskOutcome::pass(()))
            }
            Behaviour::Fail => {
                let mut outcome = TaskOutcome::pass(());
                outcome.status = TaskStatus::Fail;
                outcome.class = Some(ErrorClass::Unavailable);
                outcome.reason = Some(Reason::new(ReasonClass::Infrastructure, "half of it failed"));
                Ok(outcome)
            }
            Behaviour::Finds => Ok(TaskOutcome::fail((), ErrorClass::Failed, "it is missing")),
            Behaviour::NoTicket => {
                let kind = ServiceErrorKind::MissingCredential;
                Err(ServiceError::new(Service::Errata, "change owner", kind, "the ticket has expired").into())
            }
            Behaviour::Panic => panic!("a defect"),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Half => {
                recorder.did(Step::new("change", "thing 0"));
                std::future::pending().await
            }
            Behaviour::Begin => {
                do_all();
                Ok(TaskOutcome::of(TaskStatus::InProgress, ()))
            }
            Behaviour::Look => Ok(TaskOutcome::of(TaskStatus::InProgress, ())),
            Behaviour::Overtaken => panic!("nothing may be done"),
        }
    }

    fn tells(&self, outcome: &TaskOutcome<()>) -> bool {
        self.tells_of_failure || outcome.status != TaskStatus::Fail
    }

    async fn notifications(&self, _plan: &DemoPlan, _outcome: &TaskOutcome<()>) -> Vec<Message> {
        let mut messages = vec![Message::new("4.19.1/demo", "#demo", "done")];
        if self.behaviour == Behaviour::CannotFinish {
            messages.push(Message::new("4.19.1/other", "#other", "done"));
            messages.push(Message::new("4.19.1/more", "#demo", "more"));
        }
        messages
    }
}

/// Remembers what it was given and answers as planned.
struct Channel {
    answer: Delivery,
    asked: std::sync::Mutex<Vec<(String, PreviousSend)>>,
}

impl Channel {
    fn new(answer: Delivery) -> Self {
        Self { answer, asked: std::sync::Mutex::default() }
    }

    fn working() -> Self {
        Self::new(Delivery::Sent(Posted { channel: "C0AAA".to_owned(), ts: "1.5".to_owned() }))
    }

    fn asked(&self) -> Vec<(String, PreviousSend)> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Deliver for Channel {
    async fn deliver(&self, message: &Message, earlier: PreviousSend, _permit: &WritePermit) -> Delivery {
        self.asked.lock().unwrap().push((message.key.clone(), earlier));
        self.answer.clone()
    }
}

struct Bench {
    store: Arc<MemoryStore>,
    statebox: StateBox,
    clock: Clock,
}

impl Bench {
    fn new() -> Self {
        let clock = Clock::system();
        let store = Arc::new(MemoryStore::with(&fresh().to_yaml()));
        let statebox = StateBox::new(release(), Arc::clone(&store) as _, clock.clone(), Redactor::default());
        Self { store, statebox, clock }
    }

    async fn run(&self, task: &Demo, channel: &Channel) -> Report<()> {
        let (_sender, interrupt) = Interrupt::channel();
        self.run_until(task, channel, &interrupt).await
    }

    async fn run_until(&self, task: &Demo, channel: &Channel, interrupt: &Interrupt) -> Report<()> {
        let permit = WritePermit::granted_by_user_interface();
        self.runner(channel, interrupt).run(task, Mode::Apply(&permit), self.statebox.find().await).await
    }

    fn runner<'a>(&'a self, channel: &'a Channel, interrupt: &'a Interrupt) -> Runner<'a> {
        Runner { statebox: &self.statebox, clock: &self.clock, interrupt, deliver: channel, user: "tester" }
    }

    fn state(&self) -> State {
        State::parse(&self.store.text().unwrap()).unwrap()
    }

    fn task(&self) -> crate::statebox::TaskView {
        self.state().task(TaskName::TakeOwnership).unwrap()
    }
}

#[tokio::test]
async fn a_pass_is_recorded_with_its_run_and_its_message() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let report = bench.run(&Demo::new(Behaviour::Pass, 2), &channel).await;
    assert_eq!((report.status, report.class, report.changed), (Some(TaskStatus::Pass), None, true));
    let task = bench.task();
    assert_eq!((task.status, task.history.len()), (TaskStatus::Pass, 1));
    assert_eq!(task.history[0].outcome, Some(RunOutcome::Pass));
    assert_eq!(task.history[0].by.as_deref(), Some("tester"));
    assert_eq!(task.history[0].notifications[0].state, NotificationState::Sent);
    assert_eq!(channel.asked().len(), 1);
    assert_eq!(channel.asked()[0].1, PreviousSend::NotSent);
    assert_eq!(bench.store.requests(), (1, 2), "one read, the start and the end");
}

#[tokio::test]
async fn nothing_to_do_writes_nothing_and_tells_nobody() {
    let (bench, channel) = (Bench::new(), Channel::working());
    bench.run(&Demo::new(Behaviour::Pass, 1), &channel).await;
    let (before, told) = (bench.store.text(), channel.asked().len());
    let task = Demo::new(Behaviour::Pass, 0);
    let report = bench.run(&task, &channel).await;
    assert_eq!((report.status, report.changed), (Some(TaskStatus::Pass), false));
    assert_eq!((bench.store.text(), channel.asked().len()), (before, told));
    assert_eq!(task.applied.into_inner(), 0);
}

#[tokio::test]
async fn a_dry_run_records_nothing_whatever_happens() {
    for behaviour in [Behaviour::Pass, Behaviour::CannotPlan] {
        let (bench, channel) = (Bench::new(), Channel::working());
        let (_sender, interrupt) = Interrupt::channel();
        let task = Demo::new(behaviour, 2);
        let report =
            bench.runner(&channel, &interrupt).run(&task, Mode::DryRun, bench.statebox.find().await).await;
        assert!(report.dry_run);
        assert_eq!(report.class.is_some(), behaviour == Behaviour::CannotPlan);
        assert_eq!((bench.store.requests().1, task.applied.into_inner()), (0, 0));
    }
}

#[tokio::test]
async fn every_bad_end_is_recorded_with_its_class() {
    use RunOutcome::{Fail, Unknown};
    let infrastructure = ReasonClass::Infrastructure;
    for (behaviour, class, outcome, reason, text) in [
        (Behaviour::Fail, ErrorClass::Unavailable, Unknown, infrastructure, "half of it failed"),
        (Behaviour::Panic, ErrorClass::Failed, Fail, ReasonClass::Tool, "a defect"),
        (Behaviour::CannotPlan, ErrorClass::Unavailable, Unknown, infrastructure, "down"),
        (Behaviour::NoTicket, ErrorClass::Configuration, Unknown, ReasonClass::Precondition, "expired"),
    ] {
        let (bench, channel) = (Bench::new(), Channel::working());
        let report = bench.run(&Demo::new(behaviour, 1), &channel).await;
        let status = if outcome == Unknown { TaskStatus::NotStarted } else { TaskStatus::Fail };
        assert_eq!((report.status, report.class), (Some(status), Some(class)), "{text}");
        assert_eq!(report.unknown, outcome == Unknown);
        let task = bench.task();
        assert_eq!((task.status, task.history.len()), (status, 1));
        let run = &task.history[0];
        assert_eq!((run.outcome, run.class), (Some(outcome), Some(reason)));
        assert!(run.reason.as_ref().unwrap().contains(text), "{run:?}");
        assert!(channel.asked().is_empty(), "nobody is told of a success that is none");
    }
}

/// The end of a run that left `status` behind.
fn left(status: TaskStatus) -> RunEnd {
    let at = "2026-07-01T10:00:00Z".parse().unwrap();
    RunEnd {
        run: RunStart {
            id: "earlier".to_owned(),
            started: at,
            by: "tester".to_owned(),
            command: "take-ownership".to_owned(),
            force: false,
        },
        finished: at,
        outcome: status.into(),
        status: Some(status),
        class: None,
        reason: None,
        result: Some("why it is so".to_owned()),
        notifications: Vec::new(),
        links: Vec::new(),
        done: Vec::new(),
    }
}

#[tokio::test]
async fn an_outage_leaves_the_task_as_it_was_and_writes_no_fail_into_the_log() {
    for before in TaskStatus::ALL {
        for behaviour in [Behaviour::Fail, Behaviour::CannotPlan, Behaviour::NoTicket] {
            let (bench, channel) = (Bench::new(), Channel::working());
            let permit = WritePermit::granted_by_user_interface();
            let end = left(before);
            let record = |state: &mut State| Ok(state.finish_run(TaskName::TakeOwnership, &end));
            bench.statebox.update(&permit, "earlier", record).await.unwrap();
            let was = bench.task();
            let report = bench.run(&Demo::new(behaviour, 1), &channel).await;
            let task = bench.task();
            assert_eq!(
                (task.status, &task.started_at, &task.completed_at, &task.result),
                (was.status, &was.started_at, &was.completed_at, &was.result),
                "{before}"
            );
            assert_eq!((report.status, task.claim), (Some(before), None));
            let last = task.history.last().unwrap();
            assert_eq!((task.history.len(), last.outcome), (2, Some(RunOutcome::Unknown)));
            assert!(!bench.store.text().unwrap().contains("before:"), "{}", bench.store.text().unwrap());
            assert!(!report.log.contains("[Fail]"), "{}", report.log);
        }
    }
}

#[tokio::test]
async fn an_interruption_ends_the_work_and_is_recorded() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let (sender, interrupt) = Interrupt::channel();
    let task = Demo::new(Behaviour::Hang, 1);
    let (report, ()) = tokio::join!(bench.run_until(&task, &channel, &interrupt), async {
        while task.applied.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        sender.send(Signal::Terminate);
    });
    assert_eq!(report.signal, Some(Signal::Terminate));
    assert_eq!(bench.task().status, TaskStatus::NotStarted, "an interruption is no verdict");
    let run = &bench.task().history[0];
    assert_eq!((run.outcome, run.class), (Some(RunOutcome::Interrupted), Some(ReasonClass::Interrupted)));
    assert!(run.reason.as_ref().unwrap().contains("SIGTERM"));
    assert!(!interrupt.is_held(), "the program may stop now");
}

#[tokio::test]
async fn what_was_done_before_an_interruption_is_told_and_stored() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let (sender, interrupt) = Interrupt::channel();
    let task = Demo::new(Behaviour::Half, 2);
    let (report, ()) = tokio::join!(bench.run_until(&task, &channel, &interrupt), async {
        while task.applied.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        sender.send(Signal::Interrupt);
    });
    assert_eq!((report.done.len(), report.changed, report.plan.steps.len()), (1, true, 2));
    assert_eq!(bench.task().history[0].done, ["change thing 0"]);
    // A run that came to its end has its log, and no list beside it.
    bench.run(&Demo::new(Behaviour::Pass, 1), &channel).await;
    assert!(bench.task().history[1].done.is_empty());
}

#[tokio::test]
async fn a_failing_repeat_never_takes_a_pass_back() {
    let (bench, channel) = (Bench::new(), Channel::working());
    bench.run(&Demo::new(Behaviour::Pass, 1), &channel).await;
    bench.run(&Demo::new(Behaviour::CannotPlan, 1), &channel).await;
    let task = bench.task();
    assert_eq!(task.status, TaskStatus::Pass);
    assert_eq!(task.history.len(), 2, "the failed run is in the history all the same");
}

#[tokio::test]
async fn a_slack_failure_leaves_the_task_passed_and_is_made_good_by_the_next_run() {
    let bench = Bench::new();
    let report =
        bench.run(&Demo::new(Behaviour::Pass, 1), &Channel::new(Delivery::Pending("down".into()))).await;
    assert_eq!((report.status, report.class, report.warnings.len()), (Some(TaskStatus::Pass), None, 1));
    let working = Channel::working();
    bench.run(&Demo::new(Behaviour::Pass, 0), &working).await;
    assert_eq!(working.asked().len(), 1);
    assert_eq!(working.asked()[0].1, PreviousSend::NotSent, "it certainly was not sent");
    bench.run(&Demo::new(Behaviour::Pass, 0), &working).await;
    assert_eq!(working.asked().len(), 1, "nothing is owed any more");
}

#[tokio::test]
async fn a_check_that_found_something_says_so_once() {
    let (bench, channel) = (Bench::new(), Channel::working());
    for _ in 0..3 {
        let task = Demo { tells_of_failure: true, ..Demo::new(Behaviour::Finds, 1) };
        assert_eq!(bench.run(&task, &channel).await.status, Some(TaskStatus::Fail));
    }
    assert_eq!(channel.asked().len(), 1);
    // When all was well in between, the next finding is a new one.
    bench.run(&Demo::new(Behaviour::Pass, 1), &channel).await;
    let told = channel.asked().len();
    let task = Demo { tells_of_failure: true, ..Demo::new(Behaviour::Finds, 1) };
    bench.run(&task, &channel).await;
    assert_eq!(channel.asked().len(), told + 1);
}

#[tokio::test]
async fn a_kept_message_is_tried_once_per_run_and_its_task_does_not_say_it_again() {
    let bench = Bench::new();
    bench.run(&Demo::new(Behaviour::Pass, 1), &Channel::new(Delivery::Unclear("no answer".into()))).await;
    let kept = bench.state().kept_messages();
    assert_eq!((kept.len(), kept[0].notification.text.as_deref()), (1, Some("done")));
    let silent = Channel::new(Delivery::Unclear("still none".into()));
    let report = bench.run(&Demo::new(Behaviour::Pass, 0), &silent).await;
    assert_eq!((silent.asked().len(), report.earlier_notifications.len(), report.warnings.len()), (1, 1, 1));
    assert!(matches!(silent.asked()[0].1, PreviousSend::PerhapsSince(_)), "it may stand there");
    let working = Channel::working();
    let report = bench.run(&Demo::new(Behaviour::Pass, 0), &working).await;
    assert_eq!(report.earlier_notifications[0].state, NotificationState::Sent);
    assert_eq!((working.asked().len(), bench.state().kept_messages()), (1, Vec::new()));
    bench.run(&Demo::new(Behaviour::Pass, 0), &working).await;
    assert_eq!(working.asked().len(), 1);
}

#[tokio::test]
async fn a_kept_message_is_sent_also_before_a_run_that_fails() {
    let bench = Bench::new();
    bench.run(&Demo::new(Behaviour::Pass, 1), &Channel::new(Delivery::Unclear("no answer".into()))).await;
    let working = Channel::working();
    let report = bench.run(&Demo::new(Behaviour::CannotPlan, 0), &working).await;
    assert_eq!(report.earlier_notifications[0].state, NotificationState::Sent);
    assert_eq!((working.asked().len(), bench.state().kept_messages()), (1, Vec::new()));
}

#[tokio::test]
async fn a_lost_run_may_have_told_people_so_the_same_key_is_looked_for() {
    let bench = Bench::new();
    let (permit, channel) = (WritePermit::granted_by_user_interface(), Channel::working());
    let lost = RunStart {
        id: "lost".to_owned(),
        started: "2026-07-01T10:00:00Z".parse().unwrap(),
        by: "tester".to_owned(),
        command: "take-ownership".to_owned(),
        force: false,
    };
    bench
        .statebox
        .update(&permit, "start", |state| Ok(state.start_run(TaskName::TakeOwnership, &lost)))
        .await
        .unwrap();
    // A run that fails in between does not make the lost one forgotten.
    bench.run(&Demo::new(Behaviour::CannotPlan, 1), &channel).await;
    bench.run(&Demo::new(Behaviour::Pass, 0), &channel).await;
    assert_eq!(channel.asked(), [("4.19.1/demo/lost".to_owned(), PreviousSend::PerhapsSince(lost.started))]);
    assert_eq!(bench.task().status, TaskStatus::Pass);
}

#[tokio::test]
async fn an_open_blocker_of_the_task_refuses_it_before_anything_happens() {
    let bench = Bench::new();
    let permit = WritePermit::granted_by_user_interface();
    let issue = crate::statebox::NewIssue {
        text: "the bot has no access".to_owned(),
        blocker: true,
        related_tasks: vec![TaskName::TakeOwnership],
        at: "2026-07-01T10:00:00Z".parse().unwrap(),
    };
    bench.statebox.update(&permit, "block", |state| state.add_issue(&issue)).await.unwrap();
    let (before, task) = (bench.store.text(), Demo::new(Behaviour::Pass, 1));
    let report = bench.run(&task, &Channel::working()).await;
    assert_eq!(report.class, Some(ErrorClass::Blocked));
    assert!(report.reason.unwrap().text.contains("the bot has no access"));
    assert_eq!((bench.store.text(), task.applied.into_inner()), (before, 0));
}

/// Answers every question in one way and counts them.
#[derive(Debug)]
struct Answer {
    agrees: bool,
    asked: AtomicUsize,
}

impl Answer {
    fn new(agrees: bool) -> Self {
        Self { agrees, asked: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Consent for Answer {
    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        assert!(!question.plan.steps.is_empty());
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.agrees { Ok(()) } else { Err(Refusal::blocked("not consented to")) }
    }
}

#[tokio::test]
async fn a_critical_task_is_done_only_with_consent_and_asks_once() {
    for agrees in [true, false] {
        let (bench, channel, answer) = (Bench::new(), Channel::working(), Answer::new(agrees));
        let (before, task) = (bench.store.text(), Demo::new(Behaviour::Pass, 2));
        let (_sender, interrupt) = Interrupt::channel();
        let permit = WritePermit::granted_by_user_interface();
        let loaded = bench.statebox.find().await;
        let report = bench.runner(&channel, &interrupt).run(&task, Mode::Ask(&permit, &answer), loaded).await;
        assert_eq!(answer.asked.into_inner(), 1);
        assert_eq!(task.applied.into_inner(), usize::from(agrees));
        assert_eq!(report.plan.steps.len(), 2, "a program that cannot answer reads the plan");
        if agrees {
            assert_eq!(report.status, Some(TaskStatus::Pass));
        } else {
            assert_eq!((report.status, report.class), (None, Some(ErrorClass::Blocked)));
            assert_eq!((bench.store.text(), channel.asked().len()), (before, 0));
        }
    }
}

#[tokio::test]
async fn an_empty_plan_of_a_critical_task_asks_nothing() {
    let (bench, channel, answer) = (Bench::new(), Channel::working(), Answer::new(false));
    let (_sender, interrupt) = Interrupt::channel();
    let permit = WritePermit::granted_by_user_interface();
    let loaded = bench.statebox.find().await;
    let task = Demo::new(Behaviour::Pass, 0);
    let report = bench.runner(&channel, &interrupt).run(&task, Mode::Ask(&permit, &answer), loaded).await;
    assert_eq!((report.status, answer.asked.into_inner()), (Some(TaskStatus::Pass), 0));
}

/// A user who is asked and never answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Consent for Silent {
    async fn ask(&self, _question: Question<'_>) -> Result<(), Refusal> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn leaving_at_the_question_leaves_no_trace() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let (before, task) = (bench.store.text(), Demo::new(Behaviour::Pass, 1));
    let (sender, interrupt) = Interrupt::channel();
    let permit = WritePermit::granted_by_user_interface();
    let loaded = bench.statebox.find().await;
    let runner = bench.runner(&channel, &interrupt);
    let (report, ()) = tokio::join!(runner.run(&task, Mode::Ask(&permit, &Silent), loaded), async {
        tokio::task::yield_now().await;
        sender.send(Signal::Interrupt);
    });
    assert_eq!((report.signal, report.status), (Some(Signal::Interrupt), None));
    assert_eq!((bench.store.text(), task.applied.into_inner()), (before, 0));
}

#[tokio::test]
async fn what_goes_on_outside_is_told_once_and_a_look_at_it_writes_nothing() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let report = bench.run(&Demo::new(Behaviour::Begin, 1), &channel).await;
    assert_eq!((report.status, report.class), (Some(TaskStatus::InProgress), None));
    assert_eq!((bench.task().status, channel.asked().len()), (TaskStatus::InProgress, 1));
    let before = bench.store.text();
    let look = Demo::new(Behaviour::Look, 0);
    let report = bench.run(&look, &channel).await;
    assert_eq!((report.status, report.class), (Some(TaskStatus::InProgress), None));
    assert_eq!(report.reason.unwrap().text, "it still runs");
    assert_eq!((bench.store.text(), look.applied.into_inner()), (before, 0));
    // The same message is not sent again, however often the matter goes on.
    bench.run(&Demo::new(Behaviour::Begin, 1), &channel).await;
    assert_eq!(channel.asked().len(), 1);
    assert_eq!(bench.task().history.len(), 2);
}

#[tokio::test]
async fn a_message_about_what_goes_on_is_made_good_by_the_next_look() {
    let bench = Bench::new();
    bench.run(&Demo::new(Behaviour::Begin, 1), &Channel::new(Delivery::Pending("down".into()))).await;
    let working = Channel::working();
    bench.run(&Demo::new(Behaviour::Look, 0), &working).await;
    assert_eq!(working.asked().len(), 1);
    let before = bench.store.text();
    bench.run(&Demo::new(Behaviour::Look, 0), &working).await;
    assert_eq!((working.asked().len(), bench.store.text()), (1, before), "nothing is owed any more");
}

#[tokio::test]
async fn what_is_left_when_people_are_told_decides_over_the_outcome() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let report = bench.run(&Demo::new(Behaviour::CannotFinish, 1), &channel).await;
    assert_eq!((report.status, report.class), (Some(TaskStatus::Fail), Some(ErrorClass::Failed)));
    assert_eq!(report.done.len(), 1);
    let told = |key: &str| channel.asked().iter().position(|(asked, _)| asked.starts_with(key));
    assert!(told("4.19.1/demo") < told("4.19.1/more") && told("4.19.1/other").is_some());
    let view = bench.task();
    assert_eq!(view.status, TaskStatus::Fail);
    let keys: Vec<&str> =
        view.history[0].notifications.iter().map(|record| record.channel.as_str()).collect();
    assert_eq!(keys, ["#demo", "#other", "#demo"], "in the order of the messages");
    // The next run finishes, and nobody is told again.
    let report = bench.run(&Demo::new(Behaviour::Pass, 1), &channel).await;
    assert_eq!((report.status, channel.asked().len()), (Some(TaskStatus::Pass), 3));
}

#[tokio::test]
async fn the_last_look_is_made_while_the_task_is_claimed_and_before_anything_is_done() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let task = Demo::new(Behaviour::LooksLast, 1);
    assert_eq!(bench.run(&task, &channel).await.status, Some(TaskStatus::Pass));
    assert_eq!((task.completed.into_inner(), task.applied.into_inner()), (1, 1));

    let bench = Bench::new();
    let task = Demo::new(Behaviour::CannotLookLast, 1);
    let report = bench.run(&task, &channel).await;
    assert_eq!((report.unknown, report.class), (true, Some(ErrorClass::Unavailable)));
    assert_eq!((task.completed.into_inner(), task.applied.into_inner()), (1, 0));
    let view = bench.task();
    assert_eq!((view.status, view.history[0].outcome), (TaskStatus::NotStarted, Some(RunOutcome::Unknown)));
    assert!(view.history[0].finished.is_some());
    assert!(bench.state().claim(TaskName::TakeOwnership).is_none(), "the claim is given up");

    // Whoever is shown the plan is shown all of it; nothing is claimed then.
    let bench = Bench::new();
    let before = bench.store.text();
    let task = Demo::new(Behaviour::CannotLookLast, 1);
    let (_sender, interrupt) = Interrupt::channel();
    let permit = WritePermit::granted_by_user_interface();
    let answer = Answer::new(true);
    for mode in [Mode::DryRun, Mode::Ask(&permit, &answer)] {
        let loaded = bench.statebox.find().await;
        let report = bench.runner(&channel, &interrupt).run(&task, mode, loaded).await;
        assert_eq!(report.class, Some(ErrorClass::Unavailable));
        if matches!(mode, Mode::DryRun) {
            assert_eq!(bench.store.text(), before);
        }
    }
    assert_eq!((task.applied.into_inner(), answer.asked.into_inner()), (0, 0));
}

#[tokio::test]
async fn a_run_that_could_not_begin_is_recorded_by_whoever_carries_the_task_on() {
    for carried_on in [false, true] {
        let bench = Bench::new();
        let before = bench.store.text();
        let task = Demo { carried_on, ..Demo::new(Behaviour::CannotPlan, 1) };
        let report = bench.run(&task, &Channel::working()).await;
        assert_eq!((report.refused, report.class), (carried_on, Some(ErrorClass::Unavailable)));
        assert_eq!(bench.store.text() == before, carried_on);
    }
}

#[tokio::test]
async fn whoever_was_overtaken_does_nothing_and_records_nothing() {
    let bench = Bench::new();
    let before = bench.store.text();
    let report = bench.run(&Demo::new(Behaviour::Overtaken, 1), &Channel::working()).await;
    assert_eq!((report.class, report.status), (Some(ErrorClass::Conflict), Some(TaskStatus::NotStarted)));
    assert!(report.reason.unwrap().text.contains("another has started a job meanwhile"));
    assert_eq!(bench.store.text(), before);
}

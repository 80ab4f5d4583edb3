use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod claims;
mod consent;
mod endings;
mod held;
mod messages;
mod phases;

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
    /// Asks the permit before each change, as clients do, and gives up at the first refusal.
    Asks,
    /// The same, and goes on with the next change.
    AsksOn,
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
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<()>, TaskError> {
        self.applied.fetch_add(1, Ordering::SeqCst);
        if matches!(self.behaviour, Behaviour::Asks | Behaviour::AsksOn) {
            let mut failures = crate::failures::Failures::default();
            for step in plan.summary().steps {
                let refused = match permit.begin().await {
                    Ok(()) => {
                        recorder.did(step);
                        continue;
                    }
                    Err(closed) => closed,
                };
                let kind = ServiceErrorKind::Held;
                let error = ServiceError::new(Service::Errata, "begin a change", kind, refused.text);
                if self.behaviour == Behaviour::Asks {
                    return Err(error.into());
                }
                failures.add(&error);
            }
            return Ok(TaskOutcome::pass(()).with_failures(&failures));
        }
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
            Behaviour::Overtaken | Behaviour::Asks | Behaviour::AsksOn => panic!("nothing may be done"),
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

    async fn run_with(&self, task: &Demo, channel: &Channel, permit: &WritePermit) -> Report<()> {
        let (_sender, interrupt) = Interrupt::channel();
        let loaded = self.statebox.find().await;
        self.runner(channel, &interrupt).run(task, Mode::Apply(permit), loaded).await
    }

    fn runner<'a>(&'a self, channel: &'a Channel, interrupt: &'a Interrupt) -> Runner<'a> {
        Runner {
            statebox: &self.statebox,
            clock: &self.clock,
            interrupt,
            deliver: channel,
            user: "tester",
            id: None,
        }
    }

    fn state(&self) -> State {
        State::parse(&self.store.text().unwrap()).unwrap()
    }

    fn task(&self) -> crate::statebox::TaskView {
        self.state().task(TaskName::TakeOwnership).unwrap()
    }
}

//! Who is asked before a critical task, and what happens then.

use super::*;

/// Answers every question in one way and counts them.
#[derive(Debug)]
pub(super) struct Answer {
    agrees: bool,
    pub(super) asked: AtomicUsize,
}

impl Answer {
    pub(super) fn new(agrees: bool) -> Self {
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
async fn a_run_that_only_asks_asks_as_a_run_would_and_leaves_no_trace() {
    for (behaviour, steps, asked) in [
        (Behaviour::Pass, 2, 1),
        (Behaviour::Pass, 0, 0),
        (Behaviour::Look, 1, 0),
        (Behaviour::CannotPlan, 1, 0),
    ] {
        for agrees in [true, false] {
            let (bench, channel, answer) = (Bench::new(), Channel::working(), Answer::new(agrees));
            if behaviour == Behaviour::Pass {
                bench.owe_a_message().await;
            }
            let (before, task) = (bench.store.text(), Demo::new(behaviour, steps));
            let (_sender, interrupt) = Interrupt::channel();
            let loaded = bench.statebox.find().await;
            let report = bench.runner(&channel, &interrupt).run(&task, Mode::AskOnly(&answer), loaded).await;
            assert_eq!(answer.asked.into_inner(), asked, "{steps} steps");
            let refused = behaviour == Behaviour::CannotPlan || asked > 0 && !agrees;
            assert_eq!((report.class.is_some(), report.dry_run), (refused, true));
            assert_eq!((bench.store.text(), channel.asked().len()), (before, 0));
            assert_eq!(task.applied.into_inner(), 0);
        }
    }
}

impl Bench {
    /// An earlier run passed and could not tell anybody.
    async fn owe_a_message(&self) {
        let lost = Channel::new(Delivery::Pending("Slack is down".to_owned()));
        let report = self.run(&Demo::new(Behaviour::Pass, 1), &lost).await;
        assert!(!lost.asked().is_empty() && report.status == Some(TaskStatus::Pass));
    }
}

//! How a run ends, and what is recorded of it.

use super::*;

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
async fn a_repeat_that_fails_after_a_pass_is_a_failure_of_its_own_and_changes_no_status() {
    let (bench, channel) = (Bench::new(), Channel::working());
    bench.run(&Demo::new(Behaviour::Pass, 1), &channel).await;
    let passed = bench.task();
    let report = bench.run(&Demo::new(Behaviour::Finds, 1), &channel).await;
    assert_eq!((report.status, report.class), (Some(TaskStatus::Pass), Some(ErrorClass::Failed)));
    let task = bench.task();
    assert_eq!((task.status, task.history.len()), (TaskStatus::Pass, 2));
    assert_eq!(task.history[1].outcome, Some(RunOutcome::Fail));
    assert_eq!((task.result, task.completed_at), (passed.result, passed.completed_at));
}

impl Bench {
    /// A bench on which nobody made the StateBox yet.
    fn empty() -> Self {
        let clock = Clock::system();
        let store = Arc::new(MemoryStore::default());
        let statebox = StateBox::new(release(), Arc::clone(&store) as _, clock.clone(), Redactor::default());
        Self { store, statebox, clock }
    }
}

const CREATED: &str = "there was no StateBox";

#[tokio::test]
async fn a_run_that_makes_the_statebox_says_so_however_it_ends() {
    for behaviour in [Behaviour::Pass, Behaviour::Fail, Behaviour::LooksLast, Behaviour::CannotPlan] {
        let (bench, channel) = (Bench::empty(), Channel::working());
        let report = bench.run(&Demo::new(behaviour, 1), &channel).await;
        let created = bench.store.text().is_some();
        let said = report.warnings.iter().filter(|warning| warning.contains(CREATED)).count();
        assert_eq!(said, usize::from(created), "created {created}: {:?}", report.warnings);
        assert!(created || behaviour == Behaviour::CannotPlan);
    }
}

#[tokio::test]
async fn a_statebox_that_somebody_made_in_the_meantime_is_not_claimed_as_made_here() {
    let (bench, channel) = (Bench::empty(), Channel::working());
    let (_sender, interrupt) = Interrupt::channel();
    let permit = WritePermit::granted_by_user_interface();
    let absent = bench.statebox.find().await;
    bench.store.replace(&fresh().to_yaml());
    let task = Demo::new(Behaviour::Pass, 1);
    let report = bench.runner(&channel, &interrupt).run(&task, Mode::Apply(&permit), absent).await;
    assert_eq!(report.status, Some(TaskStatus::Pass), "{report:?}");
    assert!(!report.warnings.iter().any(|warning| warning.contains(CREATED)), "{:?}", report.warnings);
}

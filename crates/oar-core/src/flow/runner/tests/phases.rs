//! What a run does before and while it acts, and when it does not act at all.

use super::consent::Answer;
use super::*;

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

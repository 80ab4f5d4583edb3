//! Whom a run tells, once, and what it owes from earlier runs.

use super::*;

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

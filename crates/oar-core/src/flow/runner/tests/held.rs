//! A release that is held: before a run, while it is claimed, and at any moment of its changes.

use super::*;
use crate::clock::Moment;
use crate::permit::{Closed, Gate};
use crate::statebox::{DecisionKind, NewDecision, Subject};

fn closed() -> Closed {
    let hint = Some("When it may go on: oar -r 4.19.1 hold --withdraw".to_owned());
    Closed { class: ErrorClass::Blocked, text: "4.19.1 is held by lead".to_owned(), hint }
}

/// Lets so many effects begin, and none after that.
#[derive(Debug)]
struct ClosesAfter {
    left: AtomicUsize,
    refused: AtomicUsize,
    with: Closed,
}

impl ClosesAfter {
    fn new(passes: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(passes), refused: AtomicUsize::new(0), with: closed() })
    }

    fn permit(self: &Arc<Self>) -> WritePermit {
        WritePermit::granted_by_user_interface().behind(Arc::<Self>::clone(self))
    }
}

#[async_trait]
impl Gate for ClosesAfter {
    async fn open(&self) -> Result<(), Closed> {
        let take = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            Ok(())
        } else {
            self.refused.fetch_add(1, Ordering::SeqCst);
            Err(self.with.clone())
        }
    }
}

/// How often a run asks before its first change: before and after consent.
const BEFORE: usize = 2;

#[tokio::test]
async fn a_held_release_is_refused_before_anything_is_claimed_and_leaves_no_trace() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let before = bench.store.text();
    let task = Demo::new(Behaviour::Asks, 2);
    let report = bench.run_with(&task, &channel, &ClosesAfter::new(0).permit()).await;
    assert_eq!((report.class, report.refused), (Some(ErrorClass::Blocked), true));
    assert_eq!(report.reason.unwrap(), Reason::new(ReasonClass::Held, "4.19.1 is held by lead"));
    assert_eq!(report.hint.as_deref(), Some("When it may go on: oar -r 4.19.1 hold --withdraw"));
    assert_eq!((bench.store.text(), task.applied.into_inner(), channel.asked().len()), (before, 0, 0));
}

#[tokio::test]
async fn what_has_nothing_to_change_is_done_while_the_release_is_held() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let report =
        bench.run_with(&Demo::new(Behaviour::Asks, 0), &channel, &ClosesAfter::new(0).permit()).await;
    assert_eq!((report.status, report.class), (Some(TaskStatus::Pass), None));
    assert_eq!(bench.task().status, TaskStatus::Pass);
}

#[tokio::test]
async fn a_hold_that_is_recorded_while_a_run_plans_is_seen_by_its_claim() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let loaded = bench.statebox.find().await;
    let mut state = bench.state();
    let hold = NewDecision {
        id: "h".to_owned(),
        subject: Subject::Hold { until: Some("2099-12-31".parse::<Moment>().unwrap()) },
        by: "lead".to_owned(),
        at: "2026-07-01T10:00:00Z".parse().unwrap(),
        reason: "a defect".to_owned(),
    };
    assert!(state.decide(&hold).is_changed());
    bench.store.replace(&state.to_yaml());
    let (_sender, interrupt) = Interrupt::channel();
    let permit = WritePermit::granted_by_user_interface();
    let task = Demo::new(Behaviour::Asks, 2);
    let runner = bench.runner(&channel, &interrupt);
    let report = runner.run(&task, Mode::Apply(&permit), loaded).await;
    assert_eq!((report.class, report.refused), (Some(ErrorClass::Blocked), true));
    let words = "4.19.1 is held by lead since 2026-07-01T10:00:00Z until 2099-12-31: a defect";
    assert_eq!(report.reason.unwrap(), Reason::new(ReasonClass::Held, words));
    assert_eq!((task.applied.into_inner(), channel.asked().len()), (0, 0));
    assert_eq!(bench.store.text().unwrap(), state.to_yaml());
    let _ =
        state.withdraw_decisions(DecisionKind::Hold, None, "lead", "2026-07-01T11:00:00Z".parse().unwrap());
    bench.store.replace(&state.to_yaml());
    let report = bench.run(&Demo::new(Behaviour::Asks, 2), &channel).await;
    assert_eq!((report.status, report.class), (Some(TaskStatus::Pass), None));
}

#[tokio::test]
async fn held_at_any_moment_no_effect_begins_any_more_and_the_next_run_finishes() {
    for behaviour in [Behaviour::Asks, Behaviour::AsksOn] {
        for steps in 1..12_usize {
            for passes in 0..=steps + BEFORE {
                let (bench, channel) = (Bench::new(), Channel::working());
                let gate = ClosesAfter::new(passes);
                let report = bench.run_with(&Demo::new(behaviour, steps), &channel, &gate.permit()).await;
                let done = passes.saturating_sub(BEFORE);
                let context = format!("{steps} steps, closed after {passes}");
                assert_eq!(report.done.len(), done, "{context}");
                if done == steps {
                    assert_eq!((report.status, report.class), (Some(TaskStatus::Pass), None), "{context}");
                    continue;
                }
                assert_eq!(report.class, Some(ErrorClass::Blocked), "{context}");
                assert_eq!(report.reason.unwrap().class, ReasonClass::Held, "{context}");
                assert_eq!(report.status, Some(TaskStatus::NotStarted), "{context}: a hold is no verdict");
                assert!(channel.asked().is_empty(), "{context}");
                if passes >= BEFORE {
                    let task = bench.task();
                    assert_eq!(task.status, TaskStatus::NotStarted, "{context}");
                    assert_eq!(task.history[0].outcome, Some(RunOutcome::Unknown), "{context}");
                    assert_eq!(task.history[0].class, Some(ReasonClass::Held), "{context}");
                    assert!(task.claim.is_none(), "{context}");
                }
                let report = bench.run(&Demo::new(Behaviour::Asks, steps - done), &channel).await;
                assert_eq!((report.status, report.class), (Some(TaskStatus::Pass), None), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_hold_that_cannot_be_read_is_unknown_and_nothing_begins() {
    let (bench, channel) = (Bench::new(), Channel::working());
    let with = Closed { class: ErrorClass::Unavailable, text: "GitHub is down".to_owned(), hint: None };
    for passes in [0, BEFORE + 1] {
        let gate = Arc::new(ClosesAfter {
            left: AtomicUsize::new(passes),
            refused: AtomicUsize::new(0),
            with: with.clone(),
        });
        let report = bench.run_with(&Demo::new(Behaviour::Asks, 3), &channel, &gate.permit()).await;
        assert_eq!(
            (report.class, report.done.len()),
            (Some(ErrorClass::Unavailable), passes.saturating_sub(BEFORE))
        );
        assert!(report.unknown && report.status == Some(TaskStatus::NotStarted));
        assert_eq!(gate.refused.load(Ordering::SeqCst), 1);
    }
}

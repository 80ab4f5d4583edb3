//! What the Python reference's saves removed is seen, put back and told once.

use std::sync::Arc;

use super::super::{
    ANOTHER_PROGRAM, DecisionKind, Job, JobSystem, Loss, NewConsent, NewDecision, NewIssue, NewWait,
    StateBox, Subject, TaskClaim,
};
use super::*;
use crate::permit::WritePermit;
use crate::redact::Redactor;
use crate::store::Change;
use crate::store::memory::{MemoryStore, SteppingClock};

const TASK: TaskName = TaskName::ImageConsistencyCheck;

struct Bench {
    store: Arc<MemoryStore>,
    statebox: StateBox,
    _folder: tempfile::TempDir,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (store, statebox) = opened(folder.path(), "https://api.github.example");
    Bench { store, statebox, _folder: folder }
}

/// A StateBox of 4.19.1 at `service`, whose copies are below `folder`.
fn opened(folder: &std::path::Path, service: &str) -> (Arc<MemoryStore>, StateBox) {
    let (clock, _) = SteppingClock::start();
    let store = Arc::new(MemoryStore::with(&fresh().to_yaml()));
    let release = "4.19.1".parse().unwrap();
    let statebox = StateBox::new(release, Arc::clone(&store) as _, clock, Redactor::default());
    (store, statebox.with_copy_in(folder, service))
}

impl Bench {
    async fn update(&self, change: impl Fn(&mut State) -> Change + Send + Sync) {
        let permit = WritePermit::granted_by_user_interface();
        self.statebox.update(&permit, "change", |state| Ok(change(state))).await.unwrap();
    }

    fn text(&self) -> String {
        self.store.text().unwrap()
    }

    /// The merge of the reference (spec 01 §2.8): the tasks of `local` as it read them, all else as it is now.
    fn merge(&self, local: &str) {
        let (now, local) = (State::parse(&self.text()).unwrap(), State::parse(local).unwrap());
        let mut root = now.root.clone();
        root.set("tasks", local.root.get("tasks").unwrap().clone());
        self.store.replace(&super::super::yaml::emit(&super::super::yaml::Node::mapping(root)));
    }

    async fn load(&self) -> State {
        self.statebox.load().await.unwrap()
    }

    /// Any write of ours puts everything back; then nothing is left to be told.
    async fn put_back(&self) -> State {
        self.update(|_| Change::Unchanged).await;
        let state = self.load().await;
        assert_eq!(state.losses(), []);
        assert_eq!(State::parse(&self.text()).unwrap(), state);
        state
    }
}

fn pass(id: &str, started: &str, ended: &str, result: &str) -> RunEnd {
    end(&start(id, started), ended, TaskStatus::Pass, Some(result))
}

#[tokio::test]
async fn two_sandboxes_of_one_home_share_neither_the_copy_nor_the_ends_that_could_not_be_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let permit = WritePermit::granted_by_user_interface();
    let (_, first) = opened(folder.path(), "http://127.31.9.4:8765/github");
    let (_, second) = opened(folder.path(), "http://127.8.0.2:8765/github");
    let run = pass("run-1", "10:05:00", "10:06:00", "all well");
    first.update(&permit, "change", |state| Ok(state.finish_run(TASK, &run))).await.unwrap();
    assert!(first.keep_end(TASK, &pass("run-2", "10:07:00", "10:08:00", "stopped")));
    let elsewhere = second.load().await.unwrap();
    assert_eq!(elsewhere.losses(), []);
    assert!(elsewhere.task(TASK).is_none_or(|task| task.history.is_empty()), "{elsewhere:?}");
    let (_, again) = opened(folder.path(), "http://127.31.9.4:8765/github");
    let losses = again.load().await.unwrap();
    assert_ne!(losses.losses(), [], "the same service has both");
}

#[tokio::test]
async fn a_run_that_a_merge_removed_is_restored_with_its_status_and_told_once() {
    let bench = bench();
    let before = bench.text();
    bench.update(|state| state.finish_run(TASK, &pass("run-1", "10:05:00", "10:06:00", "all well"))).await;
    let ours = bench.load().await;
    for whole in [false, true] {
        if whole {
            bench.store.replace(&before);
        } else {
            bench.merge(&before);
        }
        assert!(!bench.text().contains("- id: run-1"), "{}", bench.text());
        let seen = bench.load().await;
        assert_eq!(seen.task(TASK), ours.task(TASK), "whole file: {whole}");
        let told: Vec<String> = seen.losses().iter().map(ToString::to_string).collect();
        assert!(
            told[0].contains("the run of image-consistency-check by lead of 2026-07-02T10:05:00Z"),
            "{told:?}"
        );
        assert!(told.iter().any(|line| line.contains("it is Pass again")), "{told:?}");
        assert_eq!(bench.put_back().await.task(TASK), ours.task(TASK));
    }
}

#[tokio::test]
async fn another_machine_restores_from_the_ledger_alone() {
    let bench = bench();
    let before = bench.text();
    bench.update(|state| state.finish_run(TASK, &pass("run-1", "10:05:00", "10:06:00", "all well"))).await;
    bench.merge(&before);
    let (clock, _) = SteppingClock::start();
    let elsewhere =
        StateBox::new("4.19.1".parse().unwrap(), Arc::clone(&bench.store) as _, clock, Redactor::default());
    let task = elsewhere.load().await.unwrap().task(TASK).unwrap();
    assert_eq!((task.status, task.history.len()), (TaskStatus::Pass, 1));
    assert_eq!(task.history[0].by.as_deref(), Some("lead"));
}

/// The same store seen from another machine, which has no copy.
fn elsewhere(bench: &Bench) -> StateBox {
    let (clock, _) = SteppingClock::start();
    StateBox::new("4.19.1".parse().unwrap(), Arc::clone(&bench.store) as _, clock, Redactor::default())
}

#[tokio::test]
async fn another_machine_finds_a_lost_result_in_the_earlier_versions_of_the_file() {
    let bench = bench();
    let before = bench.text();
    let long = format!("{}\nthe end\n", "a line of the log\n".repeat(500));
    bench.update(|state| state.finish_run(TASK, &pass("run-1", "10:05:00", "10:06:00", &long))).await;
    let ours = bench.load().await.task(TASK).unwrap();
    bench.merge(&before);
    bench.store.replace(&bench.text().replacen("updated_at: ", "noted: by somebody\nupdated_at: ", 1));
    let elsewhere = elsewhere(&bench);
    let seen = elsewhere.load().await.unwrap();
    assert_eq!(seen.task(TASK).unwrap().result, ours.result);
    assert!(seen.losses().iter().all(|loss| !matches!(loss, Loss::Result { .. })), "{:?}", seen.losses());
    let permit = WritePermit::granted_by_user_interface();
    elsewhere.update(&permit, "change", |_| Ok(Change::Unchanged)).await.unwrap();
    assert_eq!(State::parse(&bench.text()).unwrap().task(TASK).unwrap().result, ours.result);
    // Whoever writes without a look before finds it, too.
    bench.merge(&before);
    let third = self::elsewhere(&bench);
    third.update(&permit, "change", |_| Ok(Change::Unchanged)).await.unwrap();
    assert_eq!(State::parse(&bench.text()).unwrap().task(TASK).unwrap().result, ours.result);
    let looks = bench.store.looks_back();
    assert_eq!(elsewhere.load().await.unwrap().losses(), []);
    assert_eq!((looks, bench.store.looks_back()), (2, 2), "only when something is lost");
}

#[tokio::test]
async fn a_result_that_cannot_be_found_again_is_said_and_costs_nothing_else() {
    let bench = bench();
    let before = bench.text();
    bench.update(|state| state.finish_run(TASK, &pass("run-1", "10:05:00", "10:06:00", "all well"))).await;
    bench.merge(&before);
    bench.store.forget_earlier();
    let elsewhere = elsewhere(&bench);
    for _ in 0..3 {
        let seen = elsewhere.load().await.unwrap();
        let task = seen.task(TASK).unwrap();
        assert_eq!((task.status, task.result, task.history.len()), (TaskStatus::Pass, None, 1));
        assert!(seen.losses().contains(&Loss::Result { task: TASK }), "{:?}", seen.losses());
    }
    assert_eq!(bench.store.looks_back(), 1, "the same file is looked back from once");
    let permit = WritePermit::granted_by_user_interface();
    elsewhere.update(&permit, "change", |_| Ok(Change::Unchanged)).await.unwrap();
    assert_eq!(elsewhere.load().await.unwrap().losses(), [], "told once");
    // The writer's own machine has it.
    assert_eq!(bench.load().await.task(TASK).unwrap().result, None, "what was written since counts");
}

#[tokio::test]
async fn a_pass_by_somebody_else_counts_and_is_not_credited_to_our_run() {
    let bench = bench();
    let run = start("run-1", "10:05:00");
    bench.update(|state| state.finish_run(TASK, &end(&run, "10:06:00", TaskStatus::Fail, Some("no")))).await;
    let theirs = bench
        .text()
        .replacen("status: Fail", "status: Pass", 1)
        .replacen("completed_at: '2026-07-02T10:06:00Z'", "completed_at: '2026-07-02T11:00:00Z'", 1)
        .replacen("result: 'no'", "result: it is good", 1);
    bench.merge(&theirs);
    let seen = bench.load().await;
    let (from, to) = ("Fail".to_owned(), "Pass".to_owned());
    assert_eq!(seen.losses(), [Loss::OtherStatus { task: TASK, from, to }]);
    let task = seen.task(TASK).unwrap();
    assert_eq!((task.status, task.result.as_deref()), (TaskStatus::Pass, Some("it is good")));
    let last = task.last_run().unwrap();
    assert_eq!((last.by.as_deref(), last.outcome), (Some(ANOTHER_PROGRAM), Some(RunOutcome::Pass)));
    assert_eq!(bench.put_back().await.task(TASK).unwrap().history.len(), 2);
}

#[tokio::test]
async fn a_later_change_of_somebody_else_stands_and_our_lost_run_comes_back_beside_it() {
    let bench = bench();
    let before = bench.text();
    bench.update(|state| state.finish_run(TASK, &pass("run-1", "10:05:00", "10:06:00", "all well"))).await;
    let entry = format!(
        "tasks:\n- name: {TASK}\n  status: Fail\n  started_at: '2026-07-02T12:00:00Z'\n  completed_at: \
         '2026-07-02T12:05:00Z'\n  result: bad\n"
    );
    bench.merge(&before.replace("tasks: []\n", &entry));
    let task = bench.load().await.task(TASK).unwrap();
    assert_eq!((task.status, task.result.as_deref()), (TaskStatus::Fail, Some("bad")));
    let ids: Vec<&str> = task.history.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["run-1", "other-2026-07-02T12:05:00Z"]);
}

#[tokio::test]
async fn a_lost_wait_job_and_marker_are_restored_and_one_that_came_back_from_the_dead_goes() {
    let bench = bench();
    let run = start("run-1", "10:05:00");
    bench
        .update(|state| {
            let result = Some("a log");
            state.finish_run(TASK, &end(&run, "10:06:00", TaskStatus::InProgress, result))
        })
        .await;
    let early = bench.text();
    let job = Job { id: Some("0b8e7c1a-1111".into()), ..Job::new(JobSystem::Prow, "periodic-demo") };
    let wait = NewWait {
        condition: "the page".into(),
        since: at("10:06:00"),
        until: at("12:06:00"),
        next_check: at("10:36:00"),
    };
    bench.update(|state| state.set_job(TASK, Some(&job)).or(state.begin_wait(TASK, &wait))).await;
    bench.merge(&early);
    let seen = bench.load().await;
    let task = seen.task(TASK).unwrap();
    assert_eq!(
        (task.job.as_ref(), task.wait.map(|wait| wait.condition)),
        (Some(&job), Some("the page".into()))
    );
    let line = "Triggered image consistency check Prow job: 0b8e7c1a-1111";
    assert_eq!(task.result.as_deref(), Some(format!("a log\n{line}").as_str()));
    bench.put_back().await;
    let waiting = bench.text();
    bench.update(|state| state.end_wait(TASK, "lead").unwrap()).await;
    bench.merge(&waiting);
    assert!(bench.load().await.wait(TASK).is_none(), "a wait that ended stays so");
}

#[tokio::test]
async fn a_claim_that_was_written_over_still_holds() {
    let bench = bench();
    let early = bench.text();
    let claim = TaskClaim {
        run: "run-1".into(),
        by: "lead".into(),
        process: None,
        since: at("15:00:00"),
        lease_until: at("23:00:00"),
    };
    bench
        .update(|state| {
            let started = state.start_run(TASK, &start("run-1", "15:00:00"));
            started.or(state.claim_task(TASK, &claim, |_| false).unwrap())
        })
        .await;
    bench.merge(&early);
    let seen = bench.load().await;
    assert_eq!(seen.claim(TASK).unwrap().run, "run-1");
    assert_eq!(seen.task(TASK).unwrap().status, TaskStatus::InProgress);
}

fn consent(id: &str) -> NewConsent {
    let (plan, command) = ("0".repeat(64), "image-consistency-check".to_owned());
    NewConsent { id: id.to_owned(), command, plan, by: "lead".to_owned(), at: at("10:00:00") }
}

#[tokio::test]
async fn a_consent_that_was_written_over_is_restored_and_a_used_one_never_becomes_valid_again() {
    for (whole, has_run) in [(false, false), (false, true), (true, false), (true, true)] {
        let bench = bench();
        if has_run {
            let run = pass("run-1", "09:05:00", "09:06:00", "all well");
            bench.update(|state| state.finish_run(TASK, &run)).await;
        }
        let restore = |text: &str| {
            if whole { bench.store.replace(text) } else { bench.merge(text) }
        };
        let before = bench.text();
        bench.update(|state| state.record_consent(TASK, &consent("a"))).await;
        let given = bench.load().await;
        restore(&before);
        let seen = bench.load().await;
        assert_eq!(seen.consents(TASK), given.consents(TASK), "whole file: {whole}, a run: {has_run}");
        assert_eq!(seen.losses(), [Loss::Field { task: TASK, field: "consents" }]);
        assert_eq!(bench.put_back().await.consents(TASK), given.consents(TASK));

        let unused = bench.text();
        bench.update(|state| state.use_consent(TASK, "0".repeat(64), "run-2", at("11:00:00")).unwrap()).await;
        restore(&unused);
        let mut seen = bench.load().await;
        assert_eq!(seen.consents(TASK)[0].run.as_deref(), Some("run-2"));
        assert!(seen.use_consent(TASK, "0".repeat(64), "run-3", at("12:00:00")).is_err());
        bench.put_back().await;
    }
}

#[tokio::test]
async fn of_a_task_without_runs_only_the_consents_are_noted() {
    let bench = bench();
    bench.update(|state| state.record_consent(TASK, &consent("a"))).await;
    // A person adds a waiver, and the reference begins the task.
    let by_hand = bench.text().replace("  status: Not Started\n", "  status: In Progress\n").replace(
        "  consents:\n",
        "  waiver:\n    by: lead\n    reason: it is down\n    at: '2026-07-02T12:00:00Z'\n  consents:\n",
    );
    bench.store.replace(&by_hand);
    let seen = bench.load().await;
    let task = seen.task(TASK).unwrap();
    assert_eq!((seen.losses(), task.status, task.history.len()), (&[][..], TaskStatus::InProgress, 0));
    assert!(task.waiver.is_some());
}

#[tokio::test]
async fn what_nobody_wrote_over_is_left_alone() {
    let bench = bench();
    bench.update(|state| state.finish_run(TASK, &pass("run-1", "10:05:00", "10:06:00", "all well"))).await;
    let (text, state) = (bench.text(), bench.load().await);
    assert_eq!(state.losses(), []);
    bench.update(|_| Change::Unchanged).await;
    assert_eq!(bench.text(), text, "nothing is written");
    // A file that was made anew is another one, whatever this machine remembers.
    let anew = State::new(&"4.19.1".parse().unwrap(), &metadata(), at("18:00:00")).to_yaml();
    bench.store.replace(&anew);
    assert_eq!(bench.load().await.losses(), []);
}

fn issue(text: &str, at: &str) -> NewIssue {
    let at = format!("2026-07-02T{at}Z").parse().unwrap();
    NewIssue { text: text.to_owned(), blocker: true, related_tasks: vec![TASK], at }
}

#[tokio::test]
async fn a_blocker_that_a_whole_files_save_took_away_stands_again() {
    let bench = bench();
    let before = bench.text();
    bench.update(|state| state.add_issue(&issue("stop: bad rpm", "10:05:00")).unwrap()).await;
    bench.store.replace(&before);
    let seen = bench.load().await;
    assert!(seen.task_blocker(TASK).is_some());
    assert_eq!(seen.losses(), [Loss::Issue { text: "stop: bad rpm".to_owned() }]);
    let state = bench.put_back().await;
    assert_eq!(state.task_blocker(TASK).unwrap().issue, "stop: bad rpm");
}

#[tokio::test]
async fn a_resolution_that_was_written_over_is_told_and_opens_nothing() {
    let bench = bench();
    bench.update(|state| state.add_issue(&issue("stage is down", "10:05:00")).unwrap()).await;
    let open = bench.text();
    let at = "2026-07-02T11:00:00Z".parse().unwrap();
    bench.update(|state| state.resolve_issue("stage is down", "it is up", at).unwrap()).await;
    bench.store.replace(&open);
    let seen = bench.load().await;
    assert!(seen.task_blocker(TASK).is_some(), "a gate stays closed");
    let told = Loss::Resolution { text: "stage is down".to_owned(), resolution: "it is up".to_owned() };
    assert_eq!(seen.losses(), [told]);
    assert!(bench.put_back().await.task_blocker(TASK).is_some());
}

#[tokio::test]
async fn an_issue_that_another_machine_reworded_or_reported_anew_does_not_come_back() {
    let bench = bench();
    bench.update(|state| state.add_issue(&issue("a: 1 missing", "10:05:00")).unwrap()).await;
    let permit = WritePermit::granted_by_user_interface();
    let reword = |state: &mut State| state.reword_issue("a: 1 missing", "a: 2 missing");
    elsewhere(&bench).update(&permit, "reword", reword).await.unwrap();
    let state = bench.load().await;
    assert_eq!((state.issues().len(), state.losses()), (1, [].as_slice()));
}

#[tokio::test]
async fn a_lost_blocker_is_seen_beside_another_issue_of_the_same_second() {
    let bench = bench();
    let note = NewIssue { blocker: false, ..issue("disk full on the mirror", "10:05:00") };
    bench.update(|state| state.add_issue(&note).unwrap()).await;
    let before = bench.text();
    bench.update(|state| state.add_issue(&issue("stop: bad rpm", "10:05:00")).unwrap()).await;
    bench.store.replace(&before);
    let lost = [Loss::Issue { text: "stop: bad rpm".to_owned() }];
    assert_eq!(bench.load().await.losses(), lost, "beside one that was there before");
    // The other program read the file before and adds its own.
    bench.store.replace(&before.replace("disk full on the mirror", "waiting for a person's answer"));
    let seen = bench.load().await;
    assert!(seen.losses().contains(&lost[0]), "{:?}", seen.losses());
}

#[tokio::test]
async fn a_decision_that_another_program_wrote_over_is_put_back_and_stays_taken_back() {
    let bench = bench();
    let before = bench.text();
    let hold = NewDecision {
        id: "h".into(),
        subject: Subject::Hold { until: None },
        by: "lead".into(),
        at: at("11:00:00"),
        reason: "a defect".into(),
    };
    bench.update(|state| state.decide(&hold)).await;
    let with_hold = bench.text();
    // A merge keeps it; the whole file as it was read before loses it.
    bench.merge(&before);
    assert_eq!(bench.load().await.holds(at("12:00:00")).len(), 1);
    bench.store.replace(&before);
    let state = bench.load().await;
    assert_eq!(state.holds(at("12:00:00")).len(), 1);
    let told = "another program had written over a decision: restored: held by lead at 2026-07-02T11:00:00Z: a defect";
    assert_eq!(state.losses().iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
    bench.put_back().await;
    let withdraw =
        |state: &mut State| state.withdraw_decisions(DecisionKind::Hold, None, "lead", at("13:00:00"));
    bench.update(withdraw).await;
    bench.store.replace(&with_hold);
    let state = bench.load().await;
    assert_eq!(state.holds(at("14:00:00")).len(), 0, "what was taken back does not count again");
    assert_eq!(state.losses().len(), 1, "{:?}", state.losses());
    bench.put_back().await;
}

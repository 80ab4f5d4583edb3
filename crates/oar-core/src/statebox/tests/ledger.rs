//! What the Python reference's saves removed is seen, put back and told once.

use std::sync::Arc;

use super::super::{ANOTHER_PROGRAM, Job, JobSystem, Loss, NewWait, StateBox, TaskClaim};
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
    let (clock, _) = SteppingClock::start();
    let store = Arc::new(MemoryStore::with(&fresh().to_yaml()));
    let folder = tempfile::tempdir().unwrap();
    let statebox =
        StateBox::new("4.19.1".parse().unwrap(), Arc::clone(&store) as _, clock, Redactor::default())
            .with_copy_in(folder.path());
    Bench { store, statebox, _folder: folder }
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

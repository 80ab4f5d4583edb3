//! A job that was started and not recorded, because the engine was killed in between: the next pass finds it in the other system
//! and follows it; of several a person names one. There is never a second one.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use end_to_end::{Fault, FaultKind, Harness, KONFLUX, wait};
use jiff::SignedDuration;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::scenario::jenkins::STAGE_JOB;
use sandbox::services::jenkins::Build;
use serde_json::Value;

/// The requests that start a job.
const STARTS: [(&str, &str); 2] =
    [("image-consistency-check", "/v1/executions"), ("stage-testing", "/build")];

/// A release whose jobs on stage can be started, which the policy leaves to the engine for `task` alone.
fn staged(task: &'static str) -> Harness {
    let harness =
        Harness::new().with_document(|document| document["drive"] = serde_json::json!({task: "auto"}));
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    for task in ["take-ownership", "check-cve-tracker-bug", "push-to-cdn-staging"] {
        harness.pass(KONFLUX, task);
    }
    harness
}

/// The builds of the stage pipeline for the release, those in the queue included.
fn builds(harness: &Harness) -> usize {
    let is_ours = |parameters: &[(String, Value)]| {
        let mut parameters = parameters.iter();
        let payload = format!(":{KONFLUX}-x86_64");
        parameters.any(|(_, value)| value.as_str().is_some_and(|value| value.ends_with(&payload)))
    };
    let mut jenkins = harness.sandbox.world().jenkins.lock();
    jenkins.advance(harness.sandbox.clock().now());
    let waiting =
        jenkins.items.iter().filter(|item| item.left.is_none() && is_ours(&item.parameters)).count();
    let builds = jenkins.jobs.iter().flat_map(|job| &job.builds);
    waiting + builds.filter(|build| is_ours(&build.parameters)).count()
}

fn started(harness: &Harness, task: &str) -> usize {
    if task == "stage-testing" { builds(harness) } else { harness.prow_jobs().len() }
}

/// A pass of the engine that is killed when its request to start a job has had its effect and gets no answer.
fn killed_after_the_start(harness: &Harness, path: &str) {
    let sandbox = &harness.sandbox;
    sandbox.faults().add(Fault::anywhere(FaultKind::HangAfter).method("POST").path(&format!("*{path}*")));
    let child = harness.command("oarctl", ["drive", "--release", KONFLUX]).spawn().unwrap();
    let begun = Instant::now();
    let hit = || sandbox.requests().iter().any(|request| request.fault.is_some() && request.acted);
    while !hit() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no job was started\n{}", harness.request_lines());
        std::thread::sleep(Duration::from_millis(2));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    let _ = wait(child);
    sandbox.faults().clear();
}

/// The job in the StateBox: whether its intent and its id are recorded.
fn recorded(harness: &Harness, task: &str) -> (bool, bool) {
    let state: Value = serde_yaml::from_str(&harness.statebox(KONFLUX).unwrap()).unwrap();
    let tasks = state["tasks"].as_array().unwrap();
    let job = &tasks.iter().find(|row| row["name"] == task).unwrap()["job"];
    (job["intent"].is_object(), !job["id"].is_null())
}

/// One pass; what it ran for `task`, and what is asked about it.
fn pass(harness: &Harness, task: &str) -> (Option<Value>, Option<Value>) {
    let pass = harness.oar(KONFLUX, &["drive", "--once", "--output", "json"]).expect(0).json();
    let of = |rows: &Value, is: &dyn Fn(&Value) -> bool| {
        rows.as_array().unwrap().iter().find(|row| is(row)).cloned()
    };
    let run = of(&pass["runs"], &|run| run["node"] == task);
    let asked = of(&pass["plan"]["people"], &|request| request["nodes"][0] == task);
    (run, asked)
}

#[test]
fn a_job_whose_start_was_not_recorded_is_found_and_followed_and_there_is_no_second_one() {
    for (task, path) in STARTS {
        let harness = staged(task);
        killed_after_the_start(&harness, path);
        assert_eq!(recorded(&harness, task), (true, false), "{task}: the intent is recorded, and no id");
        assert_eq!(started(&harness, task), 1, "{task}: {}", harness.request_lines());
        let (run, asked) = pass(&harness, task);
        assert_eq!(run.unwrap()["result"], "running", "{task}: it is followed");
        assert!(asked.is_none(), "{asked:?}");
        harness.sandbox.clock().advance(SignedDuration::from_hours(5));
        // The queue item becomes a build, whose end is recorded then.
        for _ in 0..2 {
            pass(&harness, task);
        }
        assert!(recorded(&harness, task).1, "{task}: {}", harness.statebox(KONFLUX).unwrap());
        let status = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
        let row =
            status["tasks"].as_array().unwrap().iter().find(|row| row["name"] == task).cloned().unwrap();
        assert_eq!(row["status"], "Pass", "{row:#}");
        assert_eq!(started(&harness, task), 1, "{task}: {}", harness.request_lines());
        harness.sandbox.assert_no_unexpected();
    }
}

#[test]
fn of_two_builds_that_may_be_the_one_a_person_names_one() {
    let task = "stage-testing";
    let harness = staged(task);
    killed_after_the_start(&harness, "/build");
    harness.sandbox.clock().advance(SignedDuration::from_mins(1));
    assert_eq!(builds(&harness), 1);
    // Somebody starts the same by hand meanwhile.
    let [ours, other] = {
        let mut jenkins = harness.sandbox.world().jenkins.lock();
        let job = jenkins.jobs.iter_mut().find(|job| job.path == STAGE_JOB).unwrap();
        let ours = job.builds.last().unwrap().clone();
        let other = Build { number: ours.number + 1, item: None, ..ours.clone() };
        job.next = other.number + 1;
        job.builds.push(other.clone());
        [ours.number, other.number]
    };
    for _ in 0..2 {
        let (run, asked) = pass(&harness, task);
        assert!(run.is_none(), "nothing is followed or started: {run:?}");
        let asked = asked.unwrap();
        let question = asked["question"].as_str().unwrap();
        assert!(question.contains("which one is it?"), "{question}");
        assert!([ours, other].iter().all(|number| question.contains(&number.to_string())), "{question}");
        assert_eq!(asked["commands"][0], format!("oar -r {KONFLUX} stage-testing -n BUILD"));
    }
    let refused = harness.oar(KONFLUX, &["stage-testing"]).expect(6);
    assert!(refused.stderr.contains("several jobs may be the one that was started"), "{refused:?}");
    assert_eq!(builds(&harness), 2, "no third one");
    harness.oar(KONFLUX, &["stage-testing", "-n", &ours.to_string()]).expect(0);
    let (_, asked) = pass(&harness, task);
    assert!(asked.is_none(), "{asked:?}");
    assert_eq!((recorded(&harness, task).1, builds(&harness)), (true, 2));
}

use super::super::*;
use super::{at, fresh};
use crate::error::{Classified, ErrorClass};

const TASK: TaskName = TaskName::StageTesting;

fn intent(key: &str) -> Job {
    let parameters = [("VERSION", "4.19"), ("PULL_SPEC", "registry.example.test/release:4.19.1-x86_64")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Job {
        intent: Some(JobIntent {
            by: Some("lead".into()),
            ..JobIntent::new(key, at("10:00:00"), parameters.into_iter().collect())
        }),
        ..Job::new(JobSystem::Jenkins, "folder/Stage")
    }
}

fn job(state: &State) -> Option<Job> {
    state.task(TASK).and_then(|view| view.job)
}

#[test]
fn an_intent_becomes_a_job_in_the_style_of_the_file() {
    let mut state = fresh();
    let intended = intent("key-1");
    for expected in [Change::Changed, Change::Unchanged] {
        assert_eq!(state.intend_job(TASK, None, &intended).unwrap(), expected);
    }
    let triggered = Job {
        id: Some("1702".into()),
        queue_item: Some("4411".into()),
        url: Some("https://ci.example.test/job/folder/job/Stage/1702/".into()),
        triggered_at: Some("2026-07-02T10:00:03Z".into()),
        ..intended.clone()
    };
    for expected in [Change::Changed, Change::Unchanged] {
        assert_eq!(state.update_job(TASK, Some(&intended), &triggered), expected);
    }
    let text = state.to_yaml();
    let tasks = text.split_once("tasks:\n").unwrap().1;
    insta::assert_snapshot!(tasks, @r"
    - name: stage-testing
      status: Not Started
      started_at: null
      completed_at: null
      result: null
      job:
        system: jenkins
        name: folder/Stage
        intent:
          key: key-1
          at: '2026-07-02T10:00:00Z'
          by: lead
          parameters:
            VERSION: '4.19'
            PULL_SPEC: registry.example.test/release:4.19.1-x86_64
        id: '1702'
        queue_item: '4411'
        url: https://ci.example.test/job/folder/job/Stage/1702/
        triggered_at: '2026-07-02T10:00:03Z'
    issues: []
    ");
    assert_eq!(job(&State::parse(&text).unwrap()), Some(triggered));
}

#[test]
fn an_intent_is_refused_when_somebody_else_was_faster() {
    let mut state = fresh();
    let theirs = intent("theirs");
    let _ = state.intend_job(TASK, None, &theirs).unwrap();
    let error = state.intend_job(TASK, None, &intent("ours")).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
    assert!(error.to_string().contains("lead has started a job meanwhile"), "{error}");
    // Seen and given up: ours takes its place, but not once it has an id.
    let known = Job { id: Some("7".into()), ..theirs.clone() };
    let _ = state.update_job(TASK, Some(&theirs), &known);
    assert!(state.intend_job(TASK, Some(&theirs), &intent("ours")).is_err());
    assert_eq!(state.intend_job(TASK, Some(&known), &intent("ours")).unwrap(), Change::Changed);
    // Whoever still believes in the old job does not write over the new one.
    assert_eq!(state.update_job(TASK, Some(&theirs), &known), Change::Unchanged);
    assert_eq!(job(&state), Some(intent("ours")));
}

#[test]
fn unknown_keys_of_the_same_job_stay_and_stale_facts_go() {
    let mut state = fresh();
    let known = Job { id: Some("7".into()), state: Some("pending".into()), ..intent("key") };
    let _ = state.set_job(TASK, Some(&known));
    let text = state.to_yaml().replace("    id: '7'\n", "    id: '7'\n    cluster: build99\n");
    let mut state = State::parse(&text).unwrap();
    let _ = state.set_job(TASK, Some(&Job { state: None, ..known.clone() }));
    assert!(state.to_yaml().contains("    cluster: build99\n") && !state.to_yaml().contains("pending"));
    let _ = state.set_job(TASK, Some(&intent("another")));
    assert!(!state.to_yaml().contains("cluster"), "{}", state.to_yaml());
}

#[test]
fn the_check_knows_jobs() {
    let mut state = fresh();
    let _ = state.set_job(TASK, Some(&Job { id: Some("7".into()), ..intent("key") }));
    let good = state.to_yaml();
    assert!(check::validate_text(&good, None).is_empty(), "{}", check::validate_text(&good, None));
    for (from, to, words) in [
        ("    system: jenkins\n", "    system: travis\n", "`travis` is not a system of jobs"),
        ("    system: jenkins\n", "", "tasks[0].job.system"),
        ("      key: key\n", "", "tasks[0].job.intent.key"),
        ("      at: '2026-07-02T10:00:00Z'\n", "      at: soon\n", "`soon` is not a time"),
    ] {
        let found = check::validate_text(&good.replace(from, to), None).to_string();
        assert!(found.contains(words), "{words}: {found}");
    }
    let mut state = fresh();
    let _ = state.set_job(TASK, Some(&Job::new(JobSystem::Prow, "periodic-x")));
    let found = check::validate_text(&state.to_yaml(), None).to_string();
    assert!(found.contains("needs an id, a queue_item or an intent"), "{found}");
}

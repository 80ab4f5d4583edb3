//! What the operations change, and what they keep.

use super::*;

#[test]
fn a_run_is_recorded_as_the_reference_records_it() {
    let mut file = started();
    let run = id(1);
    assert!(file.record_run(INSTALL, &seen(INSTALL, &run, ProwState::Pending)).unwrap().is_changed());
    assert!(!file.record_run(INSTALL, &seen(INSTALL, &run, ProwState::Pending)).unwrap().is_changed());
    assert!(file.record_run(INSTALL, &seen(INSTALL, &run, ProwState::Success)).unwrap().is_changed());
    let summary = Map::of([("suite", Map::of([("total", 3u64.into())]).into())]);
    assert!(file.record_summary(INSTALL, "run-1", &summary).unwrap().is_changed());
    assert!(!file.record_summary(INSTALL, "run-1", &Map::default()).unwrap().is_changed());
    let job = file.document.get("result").unwrap().as_list().unwrap()[0].to_text();
    insta::assert_snapshot!(job, @r#"
    {
      "jobName": "periodic-ci-demo-4.99-install",
      "firstJob": {
        "jobStartTime": "2026-01-01T01:00:00Z",
        "jobID": "run-1",
        "jobURL": "https://deck.example.test/view/gs/demo/logs/periodic-ci-demo-4.99-install/run-1",
        "jobState": "success",
        "jobCompletionTime": "2026-01-01T04:00:00Z",
        "testResultSummary": {
          "suite": {
            "total": 3
          }
        }
      },
      "retriedJobs": []
    }
    "#);
}

#[test]
fn what_was_read_is_not_taken_back() {
    let mut file = started();
    let run = id(1);
    let mut mid_change = seen(INSTALL, &run, ProwState::Pending);
    mid_change.completed = Some(time(4));
    let _ = file.record_run(INSTALL, &mid_change).unwrap();
    let first = |file: &ResultFile| {
        let entry = file.entries(INSTALL).next().unwrap().first().unwrap();
        (entry.stage(), entry.completed().is_some(), entry.needs_read(), entry.url().is_some())
    };
    assert_eq!(first(&file), (Stage::Open, false, true, true), "read in mid-change: read again");
    assert!(!file.to_text().contains("jobCompletionTime"), "the Python tooling would take it for the end");
    let mut without_time = seen(INSTALL, &run, ProwState::Failure);
    (without_time.completed, without_time.url) = (None, None);
    let _ = file.record_run(INSTALL, &without_time).unwrap();
    assert_eq!(first(&file), (Stage::Ended(ProwState::Failure), false, true, true), "the address stays");
    let _ = file.record_run(INSTALL, &seen(INSTALL, &run, ProwState::Failure)).unwrap();
    assert_eq!(first(&file), (Stage::Ended(ProwState::Failure), true, false, true));
    let _ = file.record_run(INSTALL, &without_time).unwrap();
    assert_eq!(first(&file), (Stage::Ended(ProwState::Failure), true, false, true), "and the time");
    for later in [ProwState::Pending, ProwState::Success] {
        assert!(!file.record_run(INSTALL, &seen(INSTALL, &run, later)).unwrap().is_changed());
    }
    let mut file = started();
    let _ = file.record_run(INSTALL, &without_time).unwrap();
    assert_eq!(
        first(&file),
        (Stage::Ended(ProwState::Failure), false, true, false),
        "ended without a time: read again"
    );
    let _ = file.record_run(INSTALL, &mid_change).unwrap();
    assert_eq!(first(&file), (Stage::Ended(ProwState::Failure), true, false, true));
}

#[test]
fn what_the_python_tooling_froze_in_mid_change_is_thawed() {
    let run = r#"{"jobID": "run-1", "jobState": "pending", "jobCompletionTime": "2026-01-01T04:00:00Z"}"#;
    let text = format!(
        r#"{{"result": [{{"jobName": "{INSTALL}", "firstJob": {run}}}], "build": {{"name": "4.99.1"}}}}"#
    );
    let mut file = ResultFile::parse(&name(), text.as_bytes()).unwrap();
    let mut open = seen(INSTALL, &id(1), ProwState::Pending);
    open.completed = Some(time(4));
    assert!(file.record_run(INSTALL, &open).unwrap().is_changed());
    let completed = |file: &ResultFile| {
        let run = file.entries(INSTALL).next().unwrap().first().unwrap();
        run.completed().map(std::borrow::Cow::into_owned)
    };
    assert_eq!(completed(&file), None);
    let _ = file.record_run(INSTALL, &seen(INSTALL, &id(1), ProwState::Success)).unwrap();
    assert_eq!(completed(&file).unwrap(), "2026-01-01T04:00:00Z");
}

#[test]
fn a_run_tells_since_when_it_is_known_until_prow_does() {
    let key = Intent::at(time(3));
    let mut file = ResultFile::create(name(), build(), &[(TestJob::required(INSTALL), key)], time(3));
    let _ = file.record_id(INSTALL, key, &id(1)).unwrap();
    let first = |file: &ResultFile| file.document.get("result").unwrap().as_list().unwrap()[0].to_text();
    insta::assert_snapshot!(first(&file), @r#"
    {
      "jobName": "periodic-ci-demo-4.99-install",
      "firstJob": {
        "jobID": "run-1",
        "knownSince": "2026-01-01T03:00:00Z"
      }
    }
    "#);
    assert_eq!(file.known_since(INSTALL, "run-1"), Some(time(3)));
    let _ = file.record_run(INSTALL, &seen(INSTALL, &id(1), ProwState::Failure)).unwrap();
    assert!(!file.to_text().contains("knownSince"));
    assert_eq!(file.known_since(INSTALL, "run-1"), Some(time(1)), "what Prow says");
    let _ = file.replace_run(INSTALL, "run-1", &id(2), time(300)).unwrap();
    let _ = file.replace_run(INSTALL, "run-1", &id(2), time(301)).unwrap();
    assert_eq!(file.known_since(INSTALL, "run-2"), Some(time(300)));
    assert!(!file.record_known(INSTALL, "run-2", time(400)).unwrap().is_changed());

    let mut python = by_python(&started());
    assert_eq!(python.known_since(INSTALL, "run-1"), None, "of the others nothing follows");
    assert!(python.record_known(INSTALL, "run-1", time(5)).unwrap().is_changed());
    assert!(!python.record_known(INSTALL, "run-1", time(6)).unwrap().is_changed());
    assert_eq!(python.known_since(INSTALL, "run-1"), Some(time(5)));
    assert!(python.record_known(INSTALL, "run-9", time(5)).is_err());
    let _ = python.record_lost(INSTALL, "run-1", time(60)).unwrap();
    assert!(!python.to_text().contains("knownSince"));
}

#[test]
fn a_run_without_a_report_is_noted_once_and_only_after_its_end() {
    let mut file = started();
    assert!(!file.record_no_report(INSTALL, "run-1").unwrap().is_changed(), "it has not ended");
    let mut file = failed();
    assert!(file.record_no_report(INSTALL, "run-1").unwrap().is_changed());
    assert!(!file.record_no_report(INSTALL, "run-1").unwrap().is_changed());
    assert!(stored(&file).entries(INSTALL).next().unwrap().first().unwrap().is_without_report());
    let mut file = failed();
    let _ = file.record_summary(INSTALL, "run-1", &Map::default()).unwrap();
    assert!(!file.record_no_report(INSTALL, "run-1").unwrap().is_changed());
    assert!(file.record_no_report(INSTALL, "run-9").is_err());
}

#[test]
fn a_run_of_another_job_is_not_taken_for_evidence() {
    let mut file = started();
    let error = file.record_run(INSTALL, &seen(UPGRADE, &id(1), ProwState::Success)).unwrap_err();
    assert!(error.to_string().contains("but is one of periodic-ci-demo-4.99-upgrade"), "{error}");
    let error = file.record_run(INSTALL, &seen(INSTALL, &id(2), ProwState::Success)).unwrap_err();
    assert!(error.to_string().contains("no run `run-2`; it has run-1"), "{error}");
    assert!(stored(&started()).to_text() == file.to_text());
}

#[test]
fn keys_stand_in_the_order_of_the_references_operations() {
    let with = ["result", "build", "started_with"];
    let ordered = |file: &ResultFile, more: &[&str]| assert_eq!(keys(file), [&with, more].concat());
    let mut file = started();
    assert!(file.complete(false).is_changed() && !file.complete(false).is_changed());
    ordered(&file, &["aggregated", "accepted"]);
    assert!(file.promote().is_changed() && !file.promote().is_changed());
    ordered(&file, &["aggregated", "accepted", "manual_promotion"]);
    assert!(!file.is_aggregated() && file.accepted() == Some(false));
    let _ = file.complete(false);
    assert!(file.promote().is_changed() && !file.promote().is_changed(), "the label is looked after again");
    ordered(&file, &["aggregated", "accepted", "manual_promotion"]);
    assert!(!file.is_aggregated());
    let _ = file.replace_run(INSTALL, "run-1", &id(7), time(6)).unwrap();
    ordered(&file, &["manual_promotion"]);
    let _ = file.complete(true);
    ordered(&file, &["manual_promotion", "aggregated", "accepted"]);

    let mut file = started();
    let _ = file.promote();
    ordered(&file, &["aggregated", "manual_promotion"]);
    let _ = file.complete(true);
    ordered(&file, &["aggregated", "manual_promotion", "accepted"]);
}

#[test]
fn a_run_is_replaced_wherever_it_stands_and_a_slip_changes_nothing() {
    let mut file = failed();
    file.intend_retries(INSTALL, 2, &[intent(3), intent(4)], time(5)).unwrap();
    let _ = file.record_id(INSTALL, intent(3), &id(3)).unwrap();
    let _ = file.record_id(INSTALL, intent(4), &id(4)).unwrap();
    let _ = file.complete(false);
    let before = file.to_text();
    for (job, current, new, words) in [
        ("periodic-ci-nosuch", "run-3", 9, "has no job `periodic-ci-nosuch`; it has periodic-ci-demo"),
        (INSTALL, "run-8", 9, "no run `run-8`; it has run-1, run-3, run-4"),
        (UPGRADE, "run-3", 9, "no run `run-3`; it has run-2"),
        (INSTALL, "run-3", 2, "the run `run-2` is in"),
        (INSTALL, "run-3", 4, "the run `run-4` is in"),
    ] {
        let error = file.replace_run(job, current, &id(new), time(6)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(file.to_text(), before);
    }
    assert_eq!(
        file.replace_run(INSTALL, "run-4", &id(9), time(6)).unwrap(),
        (Change::Changed, Place::Retried(1))
    );
    assert_eq!(file.accepted(), None);
    let after = file.to_text();
    assert_eq!(
        file.replace_run(INSTALL, "run-4", &id(9), time(6)).unwrap(),
        (Change::Unchanged, Place::Retried(1))
    );
    assert_eq!(file.to_text(), after);
    assert_eq!(
        file.replace_run(INSTALL, "run-1", &id(10), time(6)).unwrap(),
        (Change::Changed, Place::First)
    );
}

#[test]
fn missing_jobs_are_added_once_and_open_the_file_again() {
    let extra = TestJob { optional: true, ..TestJob::required("periodic-ci-demo-4.99-extra") };
    let mut file = started();
    let _ = file.complete(true);
    let jobs = [(TestJob::required(INSTALL), intent(20)), (extra.clone(), intent(21))];
    assert_eq!(file.intend_first_runs(&jobs, time(5)), [(extra.clone(), intent(21))]);
    assert_eq!((file.is_aggregated(), file.accepted()), (false, None));
    assert_eq!(file.started_with().unwrap().jobs.last(), Some(&extra));
    let after = file.to_text();
    assert_eq!(file.intend_first_runs(&jobs, time(6)), [(extra.clone(), intent(21))], "applied again");
    assert_eq!(file.intend_first_runs(&[(extra, intent(22))], time(6)), [], "somebody else's");
    assert_eq!(file.to_text(), after);
}

#[test]
fn an_entry_without_a_run_is_started_and_not_read() {
    for run in
        ["", r#""firstJob": {}, "#, r#""firstJob": {"jobID": ""}, "#, r#""firstJob": {"jobID": null}, "#]
    {
        let text = format!(
            r#"{{"result": [{{"jobName": "{INSTALL}", {run}"x": 1}}], "build": {{"name": "4.99.1"}}}}"#
        );
        let mut file = ResultFile::parse(&name(), text.as_bytes()).unwrap();
        assert!(file.jobs().next().unwrap().first().is_none());
        let job = TestJob::required(INSTALL);
        assert_eq!(file.intend_first_runs(&[(job.clone(), intent(1))], time(0)), [(job, intent(1))]);
        assert_eq!(file.jobs().count(), 1);
        assert_eq!(file.jobs().next().unwrap().first().unwrap().stage(), Stage::Intended(intent(1)));
    }
}

#[test]
fn retries_are_intended_up_to_the_wanted_number_by_however_many() {
    let mut file = failed();
    assert_eq!(
        file.intend_retries(INSTALL, 2, &[intent(3), intent(4)], time(5)).unwrap(),
        [intent(3), intent(4)]
    );
    let after = file.to_text();
    assert_eq!(
        file.intend_retries(INSTALL, 2, &[intent(3), intent(4)], time(5)).unwrap(),
        [intent(3), intent(4)]
    );
    assert_eq!(file.intend_retries(INSTALL, 2, &[intent(5), intent(6)], time(5)).unwrap(), []);
    assert_eq!(file.to_text(), after);
    assert_eq!(file.intend_retries(INSTALL, 4, &[intent(5)], time(5)).unwrap(), [intent(5)]);
    assert!(file.intend_retries("periodic-ci-nosuch", 2, &[intent(9)], time(5)).is_err());
    assert_eq!(
        file.intend_retries(UPGRADE, 2, &[intent(9)], time(5)).unwrap(),
        [],
        "its first run has not failed"
    );
}

#[test]
fn entries_that_repeat_a_job_are_all_brought_to_their_end() {
    let run = r#"{"jobID": "run-1", "jobState": "failure", "jobCompletionTime": "2026-01-01T04:00:00Z"}"#;
    let text = format!(
        r#"{{"result": [{{"jobName": "{INSTALL}", "firstJob": {run}}}, {{"jobName": "{INSTALL}", "firstJob": {run}}},
            {{"jobName": "{INSTALL}"}}], "build": {{"name": "4.99.1"}}}}"#
    );
    let mut file = ResultFile::parse(&name(), text.as_bytes()).unwrap();
    let intents = |from: u128| [intent(from), intent(from + 1)];
    assert_eq!(file.intend_retries(INSTALL, 2, &intents(10), time(5)).unwrap(), intents(10));
    assert_eq!(file.intend_retries(INSTALL, 2, &intents(20), time(5)).unwrap(), intents(20));
    assert_eq!(file.intend_retries(INSTALL, 2, &intents(10), time(5)).unwrap(), intents(10));
    assert_eq!(file.intend_retries(INSTALL, 2, &intents(30), time(5)).unwrap(), []);
    let job = TestJob::required(INSTALL);
    assert_eq!(file.intend_first_runs(&[(job.clone(), intent(40))], time(5)), [(job.clone(), intent(40))]);
    assert_eq!(file.intend_first_runs(&[(job, intent(41))], time(5)), []);
    assert_eq!(file.jobs().map(|job| job.runs().count()).collect::<Vec<_>>(), [3, 3, 1]);
}

#[test]
fn an_intent_is_settled_by_whoever_holds_it() {
    let mut file = started();
    let _ = file.intend_restart(&TestJob::required(INSTALL), intent(5), time(6));
    assert!(!file.intend_restart(&TestJob::required(INSTALL), intent(5), time(7)).is_changed());
    assert!(file.renew_intent(INSTALL, intent(5), intent(6)).unwrap().is_changed());
    assert!(!file.renew_intent(INSTALL, intent(5), intent(6)).unwrap().is_changed());
    let since = |file: &ResultFile| file.entries(INSTALL).next().unwrap().first().unwrap().intended_since();
    assert_eq!(since(&file), Some(time(6)), "the time of the first attempt stays");
    let error = file.record_id(INSTALL, intent(5), &id(5)).unwrap_err();
    assert!(error.to_string().contains("has no run `intent-"), "{error}");
    assert!(file.record_id(INSTALL, intent(6), &id(5)).unwrap().is_changed());
    assert!(!file.record_id(INSTALL, intent(6), &id(5)).unwrap().is_changed());
    assert_eq!(since(&file), None);
}

#[test]
fn a_lost_run_ends_in_error_and_an_ended_one_stays() {
    let mut file = started();
    let _ = file.record_run(UPGRADE, &seen(UPGRADE, &id(2), ProwState::Success)).unwrap();
    assert!(file.record_lost(INSTALL, "run-1", time(40)).unwrap().is_changed());
    assert!(!file.record_lost(INSTALL, "run-1", time(41)).unwrap().is_changed());
    assert!(!file.record_lost(UPGRADE, "run-2", time(41)).unwrap().is_changed());
    let run = file.entries(INSTALL).next().unwrap().first().unwrap();
    assert_eq!(
        (run.stage(), run.completed().unwrap().into_owned()),
        (Stage::Ended(ProwState::Error), "2026-01-02T16:00:00Z".to_owned())
    );
    assert!(file.record_lost(INSTALL, "run-9", time(41)).is_err());
}

#[test]
fn an_intent_tells_its_time() {
    let intent = Intent::at(time(3));
    assert_eq!(intent.recorded(), Some(time(3)));
    assert_eq!(Intent::of_id(&intent.to_string()), Some(intent));
    let lease = std::time::Duration::from_hours(1);
    assert!(intent.is_fresh(time(3), lease) && !intent.is_fresh(time(4), lease));
    assert_eq!(super::tests::intent(1).recorded(), None);
    assert!(!super::tests::intent(1).is_fresh(time(0), lease));
    assert_eq!(Intent::of_id("intent-"), None);
    assert!(intent.to_string().parse::<RunId>().is_err() && "".parse::<RunId>().is_err());
}

#[test]
fn an_intent_under_which_nothing_was_sent_says_so_until_it_is_taken_over() {
    let mut file = started();
    let (old, new) = (Intent::at(time(1)), Intent::at(time(2)));
    assert!(file.intend_restart(&TestJob::required(INSTALL), old, time(1)).is_changed());
    let unsent = |file: &ResultFile| file.entries(INSTALL).next().unwrap().first().unwrap().is_unsent();
    assert!(!unsent(&file));
    assert!(file.record_unsent(INSTALL, old).unwrap().is_changed());
    assert!(!file.record_unsent(INSTALL, old).unwrap().is_changed());
    assert!(unsent(&file) && file.record_unsent(INSTALL, new).is_err());
    assert!(file.renew_intent(INSTALL, old, new).unwrap().is_changed());
    assert!(!unsent(&file), "it is sent under the new one");
    assert!(file.record_unsent(INSTALL, new).unwrap().is_changed());
    assert!(file.record_id(INSTALL, new, &"run-7".parse().unwrap()).unwrap().is_changed());
    assert!(!unsent(&file) && !file.to_text().contains("intentUnsent"));
}

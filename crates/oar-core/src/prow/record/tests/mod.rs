mod changes;
mod properties;

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::clients::prow::ProwState;
use crate::prow::json::{Map, Value};
use crate::prow::names::{LatestName, ResultName};
use crate::prow::registry::TestJob;
use crate::store::Change;

pub(crate) use properties::files;

pub(crate) const INSTALL: &str = "periodic-ci-demo-4.99-install";
pub(crate) const UPGRADE: &str = "periodic-ci-demo-4.99-upgrade";

pub(crate) fn name() -> ResultName {
    "ocp-test-result-4.99.1-amd64.json".parse().unwrap()
}

pub(crate) fn build() -> Build {
    Build::new(
        "4.99.1".parse().unwrap(),
        "Accepted",
        "quay.io/openshift-release-dev/ocp-release:4.99.1-x86_64",
        "https://artifacts.example.test/4.99.1",
    )
}

pub(crate) fn intent(number: u128) -> Intent {
    Intent::new(Uuid::from_u128(number))
}

pub(crate) fn time(hour: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + hour * 3600).unwrap()
}

pub(crate) fn id(number: u128) -> RunId {
    format!("run-{number}").parse().unwrap()
}

pub(crate) fn seen(job: &str, id: &RunId, state: ProwState) -> Observation {
    Observation {
        id: id.to_string(),
        job: job.to_owned(),
        state,
        url: Some(format!("https://deck.example.test/view/gs/demo/logs/{job}/{id}")),
        started: Some(time(1)),
        completed: state.is_final().then(|| time(4)),
    }
}

/// A file in which both jobs were started, as runs 1 and 2.
pub(crate) fn started() -> ResultFile {
    let upgrade = TestJob { upgrade: true, ..TestJob::required(UPGRADE) };
    let jobs = [(TestJob::required(INSTALL), intent(1)), (upgrade, intent(2))];
    let mut file = ResultFile::create(name(), build(), &jobs, time(0));
    for (number, job) in [(1, INSTALL), (2, UPGRADE)] {
        assert!(file.record_id(job, intent(number), &id(number)).unwrap().is_changed());
    }
    file
}

/// The same when the first run of the first job failed.
pub(crate) fn failed() -> ResultFile {
    let mut file = started();
    assert!(file.record_run(INSTALL, &seen(INSTALL, &id(1), ProwState::Failure)).unwrap().is_changed());
    file
}

/// The file as another process reads it.
pub(crate) fn stored(file: &ResultFile) -> ResultFile {
    ResultFile::parse(file.name(), file.to_text().as_bytes()).unwrap()
}

/// A file of the Python tooling, without what this program adds.
pub(crate) fn by_python(file: &ResultFile) -> ResultFile {
    let mut file = stored(file);
    file.document.remove("started_with");
    let entries = file.document.get_mut("result").unwrap().as_list_mut().unwrap();
    for (_, value) in entries.iter_mut().flat_map(|entry| entry.as_map_mut().unwrap().iter_mut()) {
        let one = std::slice::from_mut(value);
        for run in one.iter_mut().filter_map(Value::as_map_mut) {
            run.remove("knownSince");
        }
        for run in one[0].as_list_mut().into_iter().flatten().filter_map(Value::as_map_mut) {
            run.remove("knownSince");
        }
    }
    stored(&file)
}

fn keys(file: &ResultFile) -> Vec<String> {
    file.document.iter().map(|(key, _)| key.get().into_owned()).collect()
}

#[test]
fn a_new_file_holds_an_intent_per_job_and_what_it_was_started_with() {
    let upgrade = TestJob { upgrade: true, retries: 4, ..TestJob::required(UPGRADE) };
    let jobs = [(TestJob::required(INSTALL), intent(1)), (upgrade, intent(2))];
    let file = ResultFile::create(name(), build(), &jobs, time(0));
    insta::assert_snapshot!(file.to_text(), @r#"
    {
      "result": [
        {
          "jobName": "periodic-ci-demo-4.99-install",
          "firstJob": {
            "jobID": "intent-00000000-0000-0000-0000-000000000001",
            "intentSince": "2026-01-01T00:00:00Z"
          }
        },
        {
          "jobName": "periodic-ci-demo-4.99-upgrade",
          "firstJob": {
            "jobID": "intent-00000000-0000-0000-0000-000000000002",
            "intentSince": "2026-01-01T00:00:00Z"
          }
        }
      ],
      "build": {
        "name": "4.99.1",
        "phase": "Accepted",
        "pullSpec": "quay.io/openshift-release-dev/ocp-release:4.99.1-x86_64",
        "downloadURL": "https://artifacts.example.test/4.99.1"
      },
      "started_with": {
        "at": "2026-01-01T00:00:00Z",
        "jobs": [
          {
            "prowJob": "periodic-ci-demo-4.99-install"
          },
          {
            "prowJob": "periodic-ci-demo-4.99-upgrade",
            "upgrade": true,
            "retries": 4
          }
        ]
      }
    }
    "#);
    assert!(file.changed_text().is_some() && stored(&file).changed_text().is_none());
    assert_eq!(stored(&file).started_with().unwrap().jobs, jobs.map(|(job, _)| job));
}

#[test]
fn a_file_that_would_decide_wrongly_is_refused_by_place() {
    let entry =
        |more: &str| format!(r#"{{"result": [{{"jobName": "a", {more}}}], "build": {{"name": "4.99.1"}}}}"#);
    for (text, place, words) in [
        ("[]".to_owned(), "", "a map was expected"),
        ("{\"result\": []".to_owned(), "", "line 1, column 14"),
        (r#"{"result": [], "result": []}"#.to_owned(), "", "occurs twice"),
        (r#"{"build": {"name": "4.99.1"}}"#.to_owned(), "result", "missing"),
        (r#"{"result": []}"#.to_owned(), "build", "missing"),
        (r#"{"result": [], "build": {"name": "4.99.2"}}"#.to_owned(), "build.name", "another build, 4.99.2"),
        (r#"{"result": [], "build": {"name": 1}}"#.to_owned(), "build", "`name` is a number"),
        (r#"{"result": [{}], "build": {"name": "4.99.1"}}"#.to_owned(), "result[0].jobName", "expected"),
        (
            r#"{"result": [], "build": {"name": "4.99.1"}, "accepted": "yes"}"#.to_owned(),
            "accepted",
            "not a string",
        ),
        (
            r#"{"result": [], "build": {"name": "4.99.1"}, "started_with": {}}"#.to_owned(),
            "started_with.jobs",
            "list",
        ),
        (entry(r#""firstJob": []"#), "result[0].firstJob", "not a list"),
        (entry(r#""firstJob": {"jobID": 1}"#), "result[0].firstJob.jobID", "not a number"),
        (entry(r#""retriedJobs": {}"#), "result[0].retriedJobs", "not a map"),
        (entry(r#""retriedJobs": [1]"#), "result[0].retriedJobs[0]", "not a number"),
    ] {
        let problems = ResultFile::parse(&name(), text.as_bytes()).unwrap_err();
        assert!(
            problems.iter().any(|problem| problem.place == place && problem.message.contains(words)),
            "{text}: {problems}"
        );
    }
    let problems = ResultFile::parse(&name(), b"\xff").unwrap_err().to_string();
    assert_eq!(problems, "ocp-test-result-4.99.1-amd64.json: it is not UTF-8 text (byte 0)");
}

#[test]
fn null_is_as_good_as_nothing() {
    let text = r#"{"result": [{"jobName": "a", "firstJob": null, "retriedJobs": null}], "build": {"name": "4.99.1",
        "phase": null, "pullSpec": null}, "aggregated": null, "accepted": null, "started_with": null}"#;
    let mut file = ResultFile::parse(&name(), text.as_bytes()).unwrap();
    assert!(!file.is_aggregated() && file.accepted().is_none() && file.started_with().is_none());
    assert!(file.jobs().all(|job| job.runs().next().is_none()));
    assert!(file.complete(true).is_changed());
    assert!(
        file.to_text().contains("\"retriedJobs\": []"),
        "the Python tooling reads a list: {}",
        file.to_text()
    );
    let empty = r#"{"result": null, "build": {"name": "4.99.1"}}"#;
    let mut file = ResultFile::parse(&name(), empty.as_bytes()).unwrap();
    let job = (TestJob::required("a"), intent(1));
    assert_eq!(file.intend_first_runs(&[job], time(1)).len(), 1);
    assert_eq!(file.jobs().count(), 1);
}

#[test]
fn the_form_of_a_file_edited_by_hand_is_told_and_no_reason_to_write() {
    let text = started().to_text();
    for (written, form) in [
        (text.clone(), Form::Exact),
        (format!("{text}\n"), Form::FinalNewline),
        (format!("{text}\n\n"), Form::Other { line: text.lines().count() + 1 }),
        (text.replacen("  \"build\"", "\t\"build\"", 1), Form::Other { line: 18 }),
        (text.replace('\n', "\r\n"), Form::Other { line: text.lines().count() + 1 }),
    ] {
        let file = ResultFile::parse(&name(), written.as_bytes()).unwrap();
        assert_eq!((file.form(), file.changed_text()), (form, None), "{written:?}");
    }
}

#[test]
fn a_latest_file_is_the_answer_to_the_byte() {
    let name: LatestName = "ocp-latest-4.99-stable-amd64.json".parse().unwrap();
    let body =
        format!("{}\n", build().document().to_text().replace("Accepted\"", "Accepted\", \"new\": 1.50"));
    let latest = LatestFile::parse(name, &body).unwrap();
    assert_eq!((latest.text(), latest.build().name.to_string().as_str()), (body.as_str(), "4.99.1"));
    for bad in
        ["", "[]", "{}", r#"{"name": "x", "phase": "Accepted", "pullSpec": "y"}"#, r#"{"name": "4.99.1"}"#]
    {
        assert!(LatestFile::parse(name, bad).is_err(), "{bad}");
    }
}

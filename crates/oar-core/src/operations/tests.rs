use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::{Environment, Settings};
use crate::error::ErrorClass;
use crate::flow::interrupt::Interrupt;
use crate::http::Http;
use crate::permit::WritePermit;
use crate::redact::Redactor;

/// A call whose requests would go nowhere, and which may only read.
fn call() -> Call {
    let environment = Environment::from_pairs([("OAR_JWK", ""), ("USER", "somebody")]);
    let settings = Settings::load(&environment).unwrap();
    let http = Http::new(settings.http().clone(), Clock::system(), Redactor::default()).unwrap();
    let (_, interrupt) = Interrupt::channel();
    Call::new(Clients::new(settings, http), interrupt)
}

/// Only a user interface knows whether somebody asked in a thread: a server has many callers and one environment.
#[test]
fn a_call_belongs_to_no_thread_of_its_environment() {
    let environment = Environment::from_pairs([("OAR_SLACK_CHANNEL", "C0AAA"), ("OAR_SLACK_THREAD", "1.5")]);
    let settings = Settings::load(&environment).unwrap();
    let http = Http::new(settings.http().clone(), Clock::system(), Redactor::default()).unwrap();
    let call = Call::new(Clients::new(settings, http), Interrupt::channel().1);
    assert_eq!(call.thread(), None);
    let thread = crate::notify::ReleaseThread::of(&environment);
    assert!(thread.is_some());
    let call = call.in_thread(thread.clone()).about("4.19.1".parse().unwrap()).unwrap();
    let part = call.part_about(call.release().unwrap()).unwrap();
    assert_eq!((call.thread(), part.thread()), (thread.as_ref(), thread.as_ref()));
}

#[test]
fn every_row_has_a_name_of_its_own_and_schemas_of_objects() {
    let ids: BTreeSet<String> = TABLE.iter().map(|row| row.about.id()).collect();
    assert_eq!(ids.len(), TABLE.len());
    for row in TABLE {
        let id = row.about.id();
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{id}");
        assert!(!row.about.summary.ends_with('.'), "{id}");
        assert!(row.about.hints.iter().all(|hint| hint.ends_with('.')), "{id}");
        let arguments = row.arguments();
        assert_eq!(arguments.get("type"), Some(&json!("object")), "{id}");
        for (name, property) in
            arguments.pointer("/properties").and_then(Value::as_object).into_iter().flatten()
        {
            let described = property.get("description").is_some() || property.get("$ref").is_some();
            assert!(described, "{id}: {name} has no description");
        }
        let answer = row.answer();
        let described =
            ["properties", "anyOf", "oneOf", "items"].iter().any(|key| answer.get(*key).is_some());
        assert!(described, "{id}: {}", serde_json::to_string(&answer).unwrap());
    }
}

#[test]
fn an_option_selects_the_operation_of_a_command() {
    let of = |given: &[&str]| {
        let found = row_of_line(Program::Oar, "drive", |option| given.contains(&option)).unwrap();
        (found.about.id(), found.about.effect)
    };
    for given in [&[][..], &["plan"], &["dry-run"]] {
        assert_eq!(of(given), ("oar_drive".to_owned(), Effect::Reads), "{given:?}");
    }
    assert_eq!(of(&["dry-run", "once"]), ("oar_drive_once".to_owned(), Effect::Writes));
    assert!(row_of_line(Program::Oar, "drive --once", |_| true).is_none());
    assert!(row_of_line(Program::Oar, "drop-bugs", |_| true).is_some());
}

#[test]
fn the_pause_of_a_wait_is_the_one_that_is_described() {
    assert_eq!(task_run::LONGEST_PAUSE, Duration::from_mins(5));
    let described = |row: &&Row| {
        serde_json::to_string(&row.arguments()).unwrap().contains("check again every five minutes")
    };
    assert_eq!(TABLE.iter().filter(described).count(), 3);
}

#[test]
fn what_changes_something_can_be_tried_without_doing_it() {
    for row in TABLE.iter().filter(|row| row.about.effect != Effect::Reads) {
        assert!(row.has_dry_run(), "{}", row.about.id());
        assert_ne!(row.about.interruption, Interruption::Anywhere, "{}", row.about.id());
    }
}

#[tokio::test]
async fn arguments_that_an_operation_does_not_have_are_refused_by_name() {
    for row in TABLE {
        let error = row.perform(json!({ "no_such": 1 }), &call()).await.unwrap_err();
        assert_eq!(error.inner().class(), ErrorClass::Usage, "{}", row.about.id());
        assert!(error.inner().to_string().contains("`no_such`"), "{}", error.inner());
    }
    let row = row(Program::Oar, "take-ownership").unwrap();
    for bad in [json!({}), json!({ "email": "nobody" }), json!({ "email": 3 })] {
        let error = row.perform(bad.clone(), &call()).await.unwrap_err();
        assert_eq!(error.inner().class(), ErrorClass::Usage, "{bad}");
        assert!(!error.inner().to_string().contains("nobody"), "{}", error.inner());
    }
}

#[tokio::test]
async fn a_call_about_no_release_says_what_is_missing() {
    for row in TABLE.iter().filter(|row| row.about.scope == Scope::Release) {
        let arguments = match row.about.command {
            "take-ownership" => json!({ "email": "lead@example.com" }),
            "task set" => json!({ "name": "drop-bugs", "status": "Pass", "reason": "tried" }),
            "log" | "consent" => json!({ "task": "drop-bugs" }),
            "decide" => json!({ "node": "promotion", "verdict": "accept", "reason": "x" }),
            "waive" => json!({ "task": "drop-bugs", "reason": "x" }),
            "hold" => json!({ "reason": "x" }),
            "issue add" => json!({ "text": "x" }),
            "issue resolve" => json!({ "text": "x", "resolution": "y" }),
            _ => json!({}),
        };
        let error = row.perform(arguments, &call()).await.unwrap_err();
        assert_eq!(error.inner().class(), ErrorClass::Usage, "{}: {}", row.about.id(), error.inner());
        assert!(error.inner().hint().unwrap().contains("4.19.1"), "{}", row.about.id());
    }
}

#[tokio::test]
async fn a_caller_without_permit_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("local:{}", folder.path().display());
    let environment = Environment::from_pairs([("OAR_STATE", state.as_str()), ("USER", "somebody")]);
    let settings = Settings::load(&environment).unwrap();
    let http = Http::new(settings.http().clone(), Clock::system(), Redactor::default()).unwrap();
    let release: crate::version::ReleaseVersion = "4.19.1".parse().unwrap();
    let file = folder.path().join("_releases/4.19/statebox/4.19.1.yaml");
    let text =
        crate::statebox::State::new(&release, &crate::statebox::Metadata::default(), http.clock().now())
            .to_yaml();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, &text).unwrap();
    let (_, interrupt) = Interrupt::channel();
    let call = Call::new(Clients::new(settings, http), interrupt).about(release).unwrap();
    let row = row(Program::Oar, "issue add").unwrap();
    let tried = row.perform(json!({ "text": "a bug", "dry_run": true }), &call).await.unwrap();
    assert_eq!((tried.document["dry_run"].clone(), tried.class), (json!(true), None));
    let error = row.perform(json!({ "text": "a bug" }), &call).await.unwrap_err();
    assert_eq!(error.inner().class(), ErrorClass::Blocked, "{}", error.inner());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// An operation that logs, and goes on until it is stopped, or for ever.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Endless {
    /// Whether it does not listen
    deaf: bool,
}

#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
struct Stopped {}

impl Conclusion for Stopped {}

impl Operation for Endless {
    const ABOUT: About = About::look("endless", "Go on until it is stopped");
    type Answer = Stopped;

    async fn run(self, call: &Call) -> Result<Stopped, TaskError> {
        crate::flow::log::record(crate::flow::log::Level::Info, "it goes on");
        if self.deaf {
            call.resumed_by("Call it again with the key 7.".to_owned());
            std::future::pending::<()>().await;
        }
        call.interrupt().wait().await;
        Ok(Stopped {})
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_in_its_time_and_keeps_its_log_to_itself() {
    let (first, second) =
        (call().limited_to(Duration::from_mins(1)), call().limited_to(Duration::from_mins(1)));
    let answer = perform(Endless { deaf: false }, &first).await;
    assert!(answer.is_ok());
    let error = perform(Endless { deaf: true }, &second).await.unwrap_err();
    assert_eq!(error.inner().class(), ErrorClass::Unavailable);
    assert_eq!(error.inner().hint().as_deref(), Some("Call it again with the key 7."));
    assert_eq!((first.log().as_str(), second.log().as_str()), ("it goes on", "it goes on"));
}

/// Hears the ids of the runs that were started.
#[derive(Debug, Default)]
struct Runs(Mutex<Vec<String>>);

impl Observer for Runs {
    fn note(&self, _: &str) {}

    fn warn(&self, _: &str) {}

    fn part(&self, part: Part<'_>) {
        if let Part::Started(run) = part {
            self.0.lock().unwrap().push(run.id.clone());
        }
    }
}

#[tokio::test]
async fn jobs_that_are_started_at_once_are_told_to_their_own_callers_and_need_a_permit() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(|request: &wiremock::Request| {
            let job = request.url.path_segments().and_then(Iterator::last).unwrap_or_default();
            let answer = json!({ "id": format!("run-of-{job}"), "job_name": job, "job_status": "TRIGGERED" });
            ResponseTemplate::new(200).set_body_json(answer)
        })
        .mount(&server)
        .await;
    let uri = server.uri();
    let environment =
        Environment::from_pairs([("OAR_ENDPOINT_GANGWAY", uri.as_str()), ("APITOKEN", "token")]);
    let settings = Settings::load(&environment).unwrap();
    let http = Http::new(settings.http().clone(), Clock::system(), Redactor::default()).unwrap();
    let clients = Clients::new(settings, http);
    let call = || Call::new(clients.clone(), Interrupt::channel().1);
    let (one, other) = (Arc::new(Runs::default()), Arc::new(Runs::default()));
    let permitted = |observer: &Arc<Runs>| {
        let permit = WritePermit::granted_by_user_interface();
        call().permitted(permit, Arc::new(NoConsent)).observed_by(Arc::<Runs>::clone(observer))
    };
    let row = row(Program::Job, "run").unwrap();
    let arguments = |job: &str| json!({ "job": format!("periodic-ci-{job}"), "no_wait": true });

    let refused = row.perform(arguments("a"), &call()).await.unwrap_err();
    assert_eq!(refused.inner().class(), ErrorClass::Blocked, "{}", refused.inner());
    let mut tried = arguments("a");
    tried["dry_run"] = json!(true);
    let plan = row.perform(tried, &call()).await.unwrap();
    assert_eq!(plan.document["job"], "periodic-ci-a");
    assert!(server.received_requests().await.unwrap().is_empty());

    let (first, second) = (permitted(&one), permitted(&other));
    let both = join(row.perform(arguments("a"), &first), row.perform(arguments("b"), &second)).await;
    assert_eq!(both.0.unwrap().document["jobID"], "run-of-periodic-ci-a");
    assert_eq!(both.1.unwrap().document["jobID"], "run-of-periodic-ci-b");
    assert_eq!(*one.0.lock().unwrap(), ["run-of-periodic-ci-a"]);
    assert_eq!(*other.0.lock().unwrap(), ["run-of-periodic-ci-b"]);
    assert!(first.resumption().unwrap().contains("--key") && first.resumption() != second.resumption());
}

#[tokio::test]
async fn an_operation_on_files_is_handed_what_they_hold() {
    let row = row(Program::Oarctl, "statebox validate").unwrap();
    let files = json!({ "files": [{ "name": "a/4.19.1.yaml", "content": "release: 4.19.2\ntasks: []\n" }] });
    let outcome = row.perform(files, &call()).await.unwrap();
    assert_eq!(
        (outcome.class, &outcome.document["files"][0]["valid"]),
        (Some(ErrorClass::Failed), &json!(false))
    );
    let row = super::row(Program::Jobctl, "show").unwrap();
    let record = json!({ "record": { "name": "a/ocp-test-result-4.20.1-amd64.json", "content": "{" } });
    let error = row.perform(record, &call()).await.unwrap_err();
    assert_eq!(error.inner().class(), ErrorClass::Failed, "{}", error.inner());
    for neither in [json!({}), json!({ "build": "4.20.1", "record": { "name": "x", "content": "" } })] {
        assert_eq!(row.perform(neither, &call()).await.unwrap_err().inner().class(), ErrorClass::Usage);
    }
}

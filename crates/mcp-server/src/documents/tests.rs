use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use oar_core::clients::Clients;
use oar_core::clock::Clock;
use oar_core::config::{Environment, Settings};
use oar_core::flow::interrupt::Interrupt;
use oar_core::http::{Http, HttpSettings};
use oar_core::operations::{Call, NoConsent};
use oar_core::permit::WritePermit;
use oar_core::redact::Redactor;
use oar_core::statebox::{ManualStatus, Metadata, NewIssue, State, TaskName, TaskStatus};
use serde_json::{Value, json};

use super::*;
use crate::cache::tests::{Counted, Still, release};

pub(crate) const SECRET: &str = "glpat-planted-value-of-a-test";

/// A folder of StateBox files, and what answers about it.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) source: Arc<Counted>,
    pub(crate) documents: Documents,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = format!("local:{}", folder.path().display());
        Self::with_state(folder, &state)
    }

    pub(crate) fn with_state(folder: tempfile::TempDir, state: &str) -> Self {
        // Nothing listens there.
        let nowhere = "http://127.0.0.1:9";
        let environment = Environment::from_pairs([
            ("OAR_STATE", state),
            ("USER", "somebody"),
            ("GITHUB_TOKEN", "t0ken-of-a-test"),
            ("OAR_ENDPOINT_GITHUB_API", nowhere),
            ("OAR_ENDPOINT_ERRATA", nowhere),
        ]);
        let settings = Settings::load(&environment).unwrap();
        let clock = Clock::new(Still::new());
        let http = HttpSettings { attempts: 1, ..settings.http().clone() };
        let redactor = Redactor::new([SECRET.to_owned().into()]);
        let http = Http::new(http, clock.clone(), redactor).unwrap();
        let clients = Clients::new(settings, http);
        let source = Counted::new();
        let cache = Cache::new(Arc::<Counted>::clone(&source), clock);
        Self { folder, source, documents: Documents::new(clients, cache) }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let release = release(name);
        let path = format!("_releases/{}/statebox/{release}.yaml", release.y_stream());
        Path::new(self.folder.path()).join(path)
    }

    pub(crate) fn write(&self, name: &str, state: &State) {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, state.to_yaml()).unwrap();
    }

    fn state(&self, name: &str) -> State {
        State::parse(&std::fs::read_to_string(self.file(name)).unwrap()).unwrap()
    }

    async fn answer(&self, tool: DocumentTool, arguments: Value) -> DocumentAnswer {
        let arguments = Arguments(arguments.as_object().unwrap().clone());
        let call = Call::new(self.documents.clients().clone(), Interrupt::channel().1)
            .by("mcp:tester")
            .permitted(WritePermit::granted_by_user_interface(), Arc::new(NoConsent));
        let call = match arguments.0.get("release").and_then(Value::as_str) {
            Some(text) => call.about(release(text)).unwrap(),
            None => call,
        };
        self.documents.answer(tool, &arguments, call).await
    }

    async fn succeeds(&self, tool: DocumentTool, arguments: Value) -> Value {
        let answer = self.answer(tool, arguments).await;
        assert!(answer.ok, "{}", answer.document);
        answer.document
    }

    async fn fails(&self, tool: DocumentTool, arguments: Value) -> Value {
        let answer = self.answer(tool, arguments).await;
        assert!(!answer.ok, "{}", answer.document);
        assert!(answer.document["error"].is_string(), "{}", answer.document);
        answer.document
    }
}

pub(crate) fn new_state(name: &str) -> State {
    let metadata = Metadata { jira_ticket: Some("ART-1".into()), ..Metadata::default() };
    State::new(&release(name), &metadata, "2026-07-01T10:00:00Z".parse().unwrap())
}

pub(crate) fn set(state: &mut State, task: TaskName, status: TaskStatus, result: &str) {
    let manual = ManualStatus {
        id: format!("run-of-{task}"),
        at: "2026-07-01T11:00:00Z".parse().unwrap(),
        by: "tester".into(),
        status,
        reason: "a test".into(),
        result: Some(result.into()),
        force: false,
    };
    let _ = state.set_task(task, &manual).unwrap();
}

fn keys(document: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn metadata_has_its_keys_and_comes_from_the_cache() {
    let world = World::new();
    let arguments = json!({"release": "4.19.1"});
    let document = world.succeeds(DocumentTool::ReleaseMetadata, arguments.clone()).await;
    let expected = json!({
        "release": "4.19.1", "advisories": {"rpm": 100_001}, "jira_ticket": "ART-1", "candidate_builds": {},
        "shipment_mr": "", "release_date": "",
    });
    assert_eq!(document, expected);
    world.succeeds(DocumentTool::ReleaseMetadata, arguments).await;
    assert_eq!(world.source.reads.load(Ordering::SeqCst), 1);
    let document = world.fails(DocumentTool::ReleaseMetadata, json!({"release": "4.19.99"})).await;
    assert_eq!(keys(&document), ["error", "next", "release"]);
}

#[tokio::test]
async fn a_shipment_that_cannot_be_seen_is_a_failure_and_no_verdict() {
    let world = World::new();
    let document = world.fails(DocumentTool::IsShipped, json!({"release": "4.19.1"})).await;
    assert_eq!((&document["shipped"], &document["details"]), (&json!(false), &json!({})));
    assert_eq!(document.get("flow_type"), None);
    assert!(document["error"].as_str().unwrap().contains("is not known"), "{document}");
    world.source.fails.store(true, Ordering::SeqCst);
    let document = world.fails(DocumentTool::IsShipped, json!({"release": "4.20.1"})).await;
    assert!(document["error"].as_str().unwrap().contains("down"), "{document}");
}

#[tokio::test]
async fn the_status_is_the_whole_state_and_says_what_comes_next() {
    let world = World::new();
    let mut state = new_state("4.19.1");
    let log = "2026-07-01T11:00:00Z: INFO: a line of the log\n".repeat(200);
    set(&mut state, TaskName::TakeOwnership, TaskStatus::Pass, &log);
    set(&mut state, TaskName::CheckCveTrackerBug, TaskStatus::Fail, &format!("{log}the last line {SECRET}"));
    world.write("4.19.1", &state);
    let answer = world.answer(DocumentTool::ReleaseStatus, json!({"release": "4.19.1"})).await;
    assert!(answer.ok && answer.untrusted);
    let document = answer.document;
    let expected =
        ["created_at", "issues", "metadata", "next", "release", "schema_version", "tasks", "updated_at"];
    assert_eq!(keys(&document), expected);
    let metadata = ["advisory_ids", "candidate_builds", "jira_ticket", "release_date", "shipment_mr"];
    assert_eq!(keys(&document["metadata"]), metadata);
    let passed = &document["tasks"][0];
    assert_eq!(keys(passed), ["completed_at", "name", "result", "started_at", "status"]);
    assert_eq!((&passed["name"], &passed["status"]), (&json!("take-ownership"), &json!("Pass")));
    let failed = &document["tasks"][1];
    let result = failed["result"].as_str().unwrap();
    assert!(result.contains("bytes left out; read release://4.19.1/log/check-cve-tracker-bug\n"), "{result}");
    assert!(result.contains("the last line") && result.len() < 1100, "{result}");
    assert!(failed["waits"].as_str().unwrap().starts_with("failed"), "{failed}");
    assert!(document["next"].as_array().unwrap().contains(&json!("check-cve-tracker-bug")), "{document}");
    assert!(!document.to_string().contains(SECRET), "{document}");
    assert!(document.to_string().len() < 4096, "{}", document.to_string().len());
}

#[tokio::test]
async fn a_status_is_bounded_whatever_the_file_holds() {
    let world = World::new();
    let mut state = new_state("4.19.1");
    let log = "2026-07-01T11:00:00Z: ERROR: a long line of the log\n".repeat(300);
    for task in TaskName::ALL {
        set(&mut state, task, TaskStatus::Fail, &log);
    }
    for number in 0..200 {
        let issue = NewIssue {
            text: format!("{number} {}", "x".repeat(900)),
            blocker: false,
            related_tasks: Vec::new(),
            at: "2026-07-01T11:00:00Z".parse().unwrap(),
        };
        let _ = state.add_issue(&issue).unwrap();
    }
    world.write("4.19.1", &state);
    let document = world.succeeds(DocumentTool::ReleaseStatus, json!({"release": "4.19.1"})).await;
    assert!(document.to_string().len() <= bounds::LIMIT, "{}", document.to_string().len());
    assert!(document["left_out"].as_u64().unwrap() > 100, "{document}");
    assert_eq!(document["tasks"].as_array().unwrap().len(), 13);
    let document = world.succeeds(DocumentTool::GetIssues, json!({"release": "4.19.1"})).await;
    assert!(document.to_string().len() <= bounds::LIMIT);
    assert_eq!(document["count"], 200);
    let shown = document["issues"].as_array().unwrap();
    assert_eq!(shown.len() as u64 + document["left_out"].as_u64().unwrap(), 200);
    assert!(shown.last().unwrap()["issue"].as_str().unwrap().starts_with("199 "));
}

#[tokio::test]
async fn only_an_absent_file_is_an_old_release() {
    let world = World::new();
    let expected = ["error", "next", "overall_status", "release", "source", "tasks"];
    let absent = world.fails(DocumentTool::ReleaseStatus, json!({"release": "4.19.1"})).await;
    assert_eq!(keys(&absent), expected);
    let outage = World::with_state(tempfile::tempdir().unwrap(), "github");
    let document = outage.fails(DocumentTool::ReleaseStatus, json!({"release": "4.19.1"})).await;
    assert_eq!((&document["source"], &document["overall_status"]), (&json!("error"), &json!("Unknown")));
    assert_eq!(document["tasks"], json!({}));
    assert_eq!(outage.source.reads.load(Ordering::SeqCst), 0, "no worksheet is looked for");
    std::fs::create_dir_all(world.file("4.19.2").parent().unwrap()).unwrap();
    std::fs::write(world.file("4.19.2"), "tasks: 3\n").unwrap();
    let document = world.fails(DocumentTool::ReleaseStatus, json!({"release": "4.19.2"})).await;
    assert!(document["error"].as_str().unwrap().contains("cannot be used"), "{document}");
}

#[tokio::test]
async fn a_status_is_set_once_with_its_result() {
    let world = World::new();
    world.write("4.19.1", &new_state("4.19.1"));
    let arguments = json!({
        "release": "4.19.1", "task_name": "analyze-candidate-build", "status": "Pass",
        "result": "x".repeat(250),
    });
    let document = world.succeeds(DocumentTool::UpdateTaskStatus, arguments.clone()).await;
    let expected = [
        "message",
        "release",
        "result_length",
        "result_preview",
        "status",
        "success",
        "task",
        "updated_systems",
    ];
    let shown: Vec<&str> = keys(&document).into_iter().filter(|key| *key != "warning").collect();
    assert_eq!(shown, expected);
    assert_eq!(document["updated_systems"], json!(["StateBox"]));
    assert_eq!(document["result_length"], 250);
    assert_eq!(document["result_preview"].as_str().unwrap().len(), 203);
    let task = world.state("4.19.1").task(TaskName::AnalyzeCandidateBuild).unwrap();
    assert_eq!((task.status, task.result.unwrap().len()), (TaskStatus::Pass, 250));
    assert_eq!(task.history[0].by.as_deref(), Some("mcp:tester"));
    let before = std::fs::read_to_string(world.file("4.19.1")).unwrap();
    let again = world.fails(DocumentTool::UpdateTaskStatus, arguments).await;
    assert!(again["error"].as_str().unwrap().starts_with("nothing was changed"), "{again}");
    assert_eq!(keys(&again), ["error", "next", "release", "status", "success", "task"]);
    for (task, status, words) in [
        ("analyze-candidate-build", "Fail", "has passed"),
        ("stage-testing", "Not Started", "not a status"),
        ("stage-testing", "Done", "not a status"),
        ("drop-bugs", "Pass", "not a task of the workflow"),
        ("stage-tseting", "Pass", "did you mean `stage-testing`"),
    ] {
        let arguments = json!({"release": "4.19.1", "task_name": task, "status": status, "result": null});
        let document = world.fails(DocumentTool::UpdateTaskStatus, arguments).await;
        assert!(document["error"].as_str().unwrap().contains(words), "{document}");
        assert_eq!(document["success"], false);
    }
    assert_eq!(std::fs::read_to_string(world.file("4.19.1")).unwrap(), before);
    let absent = json!({"release": "4.19.2", "task_name": "stage-testing", "status": "Pass"});
    let document = world.fails(DocumentTool::UpdateTaskStatus, absent).await;
    assert!(document["error"].is_string() && !world.file("4.19.2").exists());
}

#[tokio::test]
async fn issues_are_added_listed_and_resolved() {
    let world = World::new();
    world.write("4.19.1", &new_state("4.19.1"));
    let add =
        |issue: &str, tasks: Value| json!({"release": "4.19.1", "issue": issue, "related_tasks": tasks});
    let document = world
        .succeeds(
            DocumentTool::AddIssue,
            add("the image is wrong", json!("stage-testing, image-signed-check")),
        )
        .await;
    assert_eq!(keys(&document), ["issue", "message", "release", "success"]);
    let issue = &document["issue"];
    let issue_keys =
        ["blocker", "issue", "related_tasks", "reported_at", "reported_by", "resolution", "resolved"];
    assert_eq!(keys(issue), issue_keys);
    assert_eq!((&issue["blocker"], &issue["reported_by"]), (&json!(true), &json!("mcp:tester")));
    assert_eq!(issue["related_tasks"], json!(["stage-testing", "image-signed-check"]));
    let again =
        world.succeeds(DocumentTool::AddIssue, add("The image is wrong", json!("stage-testing"))).await;
    assert!(again["message"].as_str().unwrap().contains("nothing was changed"), "{again}");
    assert_eq!(again["issue"], *issue);
    let second = world.fails(DocumentTool::AddIssue, add("another", json!("stage-testing"))).await;
    assert_eq!(keys(&second), ["error", "next", "release", "success"]);
    let long = world.fails(DocumentTool::AddIssue, add(&"x".repeat(1001), Value::Null)).await;
    assert!(long["error"].as_str().unwrap().contains("1001 characters"), "{long}");
    let wrong = world.fails(DocumentTool::AddIssue, add("y", json!("stage-tests"))).await;
    assert!(wrong["error"].as_str().unwrap().contains("did you mean"), "{wrong}");
    for odd in [",", "stage-testing,", " , stage-testing", "stage-testing,,drop-bugs"] {
        let wrong = world.fails(DocumentTool::AddIssue, add("y", json!(odd))).await;
        assert!(wrong["error"].as_str().unwrap().contains("without a name beside it"), "{wrong}");
    }

    let blocker = json!({"release": "4.19.1", "task_name": "stage-testing"});
    let document = world.succeeds(DocumentTool::GetTaskBlocker, blocker.clone()).await;
    assert_eq!(keys(&document), ["blocked", "blocker", "release", "success", "task_name"]);
    assert_eq!((&document["blocked"], &document["blocker"]), (&json!(true), issue));
    let listed = world
        .succeeds(
            DocumentTool::GetIssues,
            json!({"release": "4.19.1", "unresolved_only": true, "task_name": null}),
        )
        .await;
    assert_eq!(keys(&listed), ["count", "filters", "issues", "release", "success"]);
    assert_eq!(
        listed["filters"],
        json!({"unresolved_only": true, "blockers_only": false, "task_name": null})
    );

    let resolve = json!({"release": "4.19.1", "issue": "image is", "resolution": "it was rebuilt"});
    let document = world.succeeds(DocumentTool::ResolveIssue, resolve).await;
    assert_eq!(keys(&document), ["issue", "message", "release", "success"]);
    assert_eq!(document["issue"]["resolution"], "it was rebuilt");
    assert!(document["issue"]["resolved_at"].is_string());
    assert_eq!(document["issue"]["resolved_by"], "mcp:tester");
    let document = world.succeeds(DocumentTool::GetTaskBlocker, blocker).await;
    assert_eq!((&document["blocked"], &document["blocker"]), (&json!(false), &Value::Null));
    let none = json!({"release": "4.19.1", "issue": "no such", "resolution": "x"});
    let document = world.fails(DocumentTool::ResolveIssue, none).await;
    assert_eq!(keys(&document), ["error", "release", "success"]);
}

#[tokio::test]
async fn failures_of_issues_have_their_keys() {
    let world = World::new();
    let absent = json!({"release": "4.19.1", "task_name": "stage-testing", "issue": "x", "resolution": "y"});
    let listed = world.fails(DocumentTool::GetIssues, absent.clone()).await;
    assert_eq!(keys(&listed), ["count", "error", "filters", "issues", "next", "release", "success"]);
    assert_eq!((&listed["count"], &listed["issues"]), (&json!(0), &json!([])));
    let blocker = world.fails(DocumentTool::GetTaskBlocker, absent.clone()).await;
    let expected = ["blocked", "blocker", "error", "next", "release", "success", "task_name"];
    assert_eq!(keys(&blocker), expected);
    for tool in [DocumentTool::AddIssue, DocumentTool::ResolveIssue] {
        let document = world.fails(tool, absent.clone()).await;
        assert_eq!(keys(&document), ["error", "next", "release", "success"]);
        assert!(!world.file("4.19.1").exists(), "no state is made by the way");
    }
}

#[tokio::test]
async fn a_blocker_of_the_whole_release_blocks_each_task() {
    let world = World::new();
    world.write("4.19.1", &new_state("4.19.1"));
    world.succeeds(DocumentTool::AddIssue, json!({"release": "4.19.1", "issue": "all stop"})).await;
    let arguments = json!({"release": "4.19.1", "task_name": "take-ownership"});
    let document = world.succeeds(DocumentTool::GetTaskBlocker, arguments).await;
    assert_eq!((&document["blocked"], &document["blocker"]["issue"]), (&json!(true), &json!("all stop")));
}

#[tokio::test]
async fn active_releases_are_listed_and_an_outage_is_a_failure() {
    let world = World::new();
    world.write("4.19.1", &new_state("4.19.1"));
    let document = world.succeeds(DocumentTool::ActiveReleases, json!({})).await;
    assert_eq!(document, json!({"releases": ["4.19.1"]}));
    let outage = World::with_state(tempfile::tempdir().unwrap(), "github");
    let document = outage.fails(DocumentTool::ActiveReleases, json!({})).await;
    assert_eq!(document["releases"], json!([]));
}

#[tokio::test]
async fn the_cache_is_warmed_and_dropped_and_failures_are_told() {
    let world = World::new();
    let document = world.succeeds(DocumentTool::CacheWarm, json!({"releases": "4.19.1, 4.19.2"})).await;
    let expected =
        json!({"success": true, "message": "2 releases are cached", "releases": ["4.19.1", "4.19.2"]});
    assert_eq!(document, expected);
    let document = world.fails(DocumentTool::CacheWarm, json!({"releases": "4.19.1,4.19.77"})).await;
    assert_eq!(document["success"], false);
    let words = document["error"].as_str().unwrap();
    assert!(words.contains("4.19.77") && words.ends_with("cached: 4.19.1"), "{words}");
    for wrong in ["", " , ", "4.19", "../x"] {
        let document = world.fails(DocumentTool::CacheWarm, json!({"releases": wrong})).await;
        assert_eq!(document["success"], false);
    }
    let statistics = world.succeeds(DocumentTool::CacheStats, json!({})).await;
    let expected = ["cache_size", "entries", "max_size", "metrics", "ttl_human", "ttl_seconds"];
    assert_eq!(keys(&statistics), expected);
    let document = world.succeeds(DocumentTool::CacheInvalidate, json!({"release": "4.19.1"})).await;
    assert_eq!(keys(&document), ["message", "release", "success"]);
    let document = world.succeeds(DocumentTool::CacheInvalidate, json!({"release": "4.19.50"})).await;
    assert!(document["message"].as_str().unwrap().contains("was not cached"), "{document}");
    let document = world.succeeds(DocumentTool::CacheInvalidate, json!({"release": null})).await;
    assert_eq!(
        (&document["release"], &document["message"]),
        (&json!("all"), &json!("1 release is no longer cached"))
    );
}

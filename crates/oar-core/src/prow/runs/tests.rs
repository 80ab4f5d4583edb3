use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::gangway::tests::{Hurry, started};
use crate::clients::testing::{count, ok, permit};
use crate::clock::Clock;
use crate::config::{RateLimit, TriggerForm};
use crate::http::{Http, HttpSettings};
use crate::redact::Redactor;

const START: &str = "2026-07-02T12:00:00Z";
/// A run that was there long before.
const OLD: (&str, Option<&str>, &str, &str) = ("old", Some("key-0"), "p:0", "2026-06-01T12:00:00Z");
/// Shortly after it.
const NOW: &str = "2026-07-02T12:00:05Z";

fn intent(may_be_started: bool) -> RunIntent {
    RunIntent {
        key: "key-1".into(),
        job: "periodic-demo".into(),
        envs: [("RELEASE_IMAGE_LATEST".to_owned(), "p:1".to_owned())].into(),
        since: START.parse().unwrap(),
        until: None,
        may_be_started,
        others: vec!["other".into()],
    }
}

struct Scene {
    server: MockServer,
    gangway: GangwayClient,
    prow: crate::clients::prow::ProwClient,
}

impl Scene {
    fn runs(&self) -> Runs<'_> {
        Runs::new(&self.gangway, &self.prow)
    }

    async fn new() -> Self {
        Self::waiting(1).await
    }

    /// A scene with this number of attempts per request.
    async fn waiting(attempts: usize) -> Self {
        let server = MockServer::start().await;
        let settings = HttpSettings { attempts, ..HttpSettings::default() };
        let http =
            Http::new(settings, Clock::new(std::sync::Arc::new(Hurry::default())), Redactor::default())
                .unwrap();
        let base = |path: &str| format!("{}/{path}", server.uri()).parse().unwrap();
        let limit = RateLimit { per_minute: 20, burst: 10 };
        let gangway =
            GangwayClient::new(http.clone(), base("gangway"), "t0ken".into(), TriggerForm::JobInPath, limit);
        Mock::given(path("/deck/prowjob"))
            .respond_with(|request: &wiremock::Request| {
                let id = request.url.query_pairs().next().map(|(_, id)| id.into_owned()).unwrap_or_default();
                let words = format!("ProwJob not found: prowjobs.prow.k8s.io \"{id}\" not found\n");
                ResponseTemplate::new(404).set_body_string(words)
            })
            .with_priority(200)
            .mount(&server)
            .await;
        let prow = crate::clients::prow::ProwClient::new(http, base("deck"));
        Self { server, gangway, prow }
    }

    /// The answers to the attempts to start, one after the other.
    async fn starts(&self, answers: Vec<ResponseTemplate>) {
        for (place, answer) in answers.into_iter().enumerate() {
            Mock::given(method("POST"))
                .respond_with(answer)
                .up_to_n_times(1)
                .with_priority(u8::try_from(place).unwrap() + 1)
                .mount(&self.server)
                .await;
        }
    }

    /// What Gangway lists: id and state.
    async fn lists(&self, rows: &[(&str, &str)]) {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(id, state)| json!({"id": id, "job_name": "periodic-demo", "job_status": state}))
            .collect();
        Mock::given(method("GET"))
            .and(path("/gangway/v1/executions"))
            .respond_with(ok(json!({"job_execution": rows})))
            .mount(&self.server)
            .await;
    }

    /// What Prow shows: id, annotation, the variables, and when it started.
    async fn shows(&self, id: &str, key: Option<&str>, envs: &[(&str, &str)], started: &str) {
        let annotations = match key {
            Some(key) => json!({INTENT_ANNOTATION: key}),
            None => json!({}),
        };
        let envs: Vec<Value> =
            envs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let job = json!({
            "metadata": {"name": id, "annotations": annotations},
            "spec": {"job": "periodic-demo", "pod_spec": {"containers": [{"env": envs}]}},
            "status": {"state": "pending", "startTime": started},
        });
        Mock::given(method("GET"))
            .and(path("/deck/prowjob"))
            .and(query_param("prowjob", id))
            .respond_with(ResponseTemplate::new(200).set_body_string(job.to_string()))
            .mount(&self.server)
            .await;
    }

    /// The executions that Gangway lists and Prow shows: id, annotation, the image, and when it started.
    async fn lists_and_shows(&self, runs: &[(&str, Option<&str>, &str, &str)]) {
        self.lists(&runs.iter().map(|(id, ..)| (*id, "PENDING")).collect::<Vec<_>>()).await;
        for (id, key, image, started) in runs {
            self.shows(id, *key, &[("PATH", "/bin"), ("RELEASE_IMAGE_LATEST", image)], started).await;
        }
    }

    /// Looking for runs fails, as often as this.
    async fn hides(&self, times: u64) {
        Mock::given(method("GET"))
            .and(path("/gangway/v1/executions"))
            .respond_with(ResponseTemplate::new(401))
            .up_to_n_times(times)
            .with_priority(1)
            .mount(&self.server)
            .await;
    }

    async fn find(&self, intent: &RunIntent) -> Result<Option<String>, ServiceErrorKind> {
        let found = self.runs().find_run(intent).await;
        found.map(|job| job.map(|job| job.id)).map_err(|error| error.kind)
    }

    async fn start_once(&self, intent: &RunIntent) -> Result<StartedRun, ServiceError> {
        self.runs().start_once(intent, &permit()).await
    }

    async fn posts(&self) -> Vec<Value> {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .iter()
            .filter(|request| request.method == "POST")
            .map(|request| request.body_json().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_new_intent_is_one_request_with_its_key() {
    let scene = Scene::new().await;
    scene.starts(vec![started()]).await;
    assert_eq!(scene.start_once(&intent(false)).await.unwrap(), StartedRun::New { id: "0b8e".into() });
    let bodies = scene.posts().await;
    assert_eq!(bodies[0]["pod_spec_options"]["annotations"], json!({INTENT_ANNOTATION: "key-1"}));
    assert_eq!(count(&scene.server).await, 1);
}

#[tokio::test]
async fn an_intent_of_an_earlier_process_is_looked_for_first() {
    let scene = Scene::new().await;
    scene.starts(vec![started()]).await;
    scene.lists_and_shows(&[("a", Some("key-0"), "p:1", NOW), ("b", Some("key-1"), "p:1", NOW)]).await;
    assert_eq!(scene.start_once(&intent(true)).await.unwrap(), StartedRun::Found { id: "b".into() });
    assert!(scene.posts().await.is_empty());
    let scene = Scene::new().await;
    scene.starts(vec![started()]).await;
    scene.lists_and_shows(&[("a", Some("key-0"), "p:1", NOW)]).await;
    assert_eq!(scene.start_once(&intent(true)).await.unwrap(), StartedRun::New { id: "0b8e".into() });
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_not_repeated() {
    let scene = Scene::new().await;
    scene.starts(vec![ResponseTemplate::new(504), started()]).await;
    scene.lists_and_shows(&[("b", Some("key-1"), "p:1", NOW)]).await;
    assert_eq!(scene.start_once(&intent(false)).await.unwrap(), StartedRun::Found { id: "b".into() });
    assert_eq!(scene.posts().await.len(), 1);

    // Not found: only a gateway's refusal is repeated, and only once.
    for (answers, posts, kind) in [
        (vec![ResponseTemplate::new(504), started()], 1, Some(ServiceErrorKind::Unclear)),
        (vec![ResponseTemplate::new(500), started()], 1, Some(ServiceErrorKind::Unclear)),
        (vec![ResponseTemplate::new(502), started()], 2, None),
        (
            vec![ResponseTemplate::new(502), ResponseTemplate::new(503), started()],
            2,
            Some(ServiceErrorKind::Unclear),
        ),
        (vec![ResponseTemplate::new(403), started()], 1, Some(ServiceErrorKind::Forbidden)),
    ] {
        let scene = Scene::new().await;
        scene.starts(answers).await;
        scene.lists_and_shows(&[OLD]).await;
        let outcome = scene.start_once(&intent(false)).await;
        assert_eq!((scene.posts().await.len(), outcome.err().map(|error| error.kind)), (posts, kind));
    }
}

#[tokio::test]
async fn a_lost_answer_stays_unclear_when_nobody_can_look() {
    for (answer, looks) in [(504, 9), (502, 9), (504, 2)] {
        let scene = Scene::new().await;
        scene.starts(vec![ResponseTemplate::new(answer), started()]).await;
        scene.hides(looks).await;
        scene.lists_and_shows(&[("b", Some("key-1"), "p:1", NOW)]).await;
        let outcome = scene.start_once(&intent(false)).await;
        assert_eq!(scene.posts().await.len(), 1, "what may run is not started again");
        if looks == 2 {
            assert_eq!(outcome.unwrap(), StartedRun::Found { id: "b".into() }, "the third look saw it");
            continue;
        }
        let error = outcome.unwrap_err();
        assert_eq!((error.kind, error.status), (ServiceErrorKind::Unclear, Some(answer)));
        let words = error.to_string();
        assert!(
            words.contains("whether it runs cannot be seen") && words.contains("list executions"),
            "{words}"
        );
        assert!(words.contains("HTTP 401") && error.hint.unwrap().contains("may run"), "{words}");
    }
}

#[tokio::test]
async fn a_second_attempt_that_is_refused_leaves_the_first_one_unclear() {
    let scene = Scene::new().await;
    scene.starts(vec![ResponseTemplate::new(502), ResponseTemplate::new(403)]).await;
    scene.lists_and_shows(&[OLD]).await;
    let error = scene.start_once(&intent(false)).await.unwrap_err();
    assert_eq!((error.kind, error.status), (ServiceErrorKind::Unclear, Some(502)));
    assert!(error.to_string().contains("HTTP 403"), "{error}");
}

#[tokio::test]
async fn a_run_that_is_listed_and_not_shown_may_be_the_one() {
    for (state, starts) in
        [("PENDING", false), ("SCHEDULING", false), ("", false), ("SUCCESS", true), ("ERROR", true)]
    {
        let scene = Scene::new().await;
        scene.starts(vec![started()]).await;
        scene.lists(&[("a", state), ("other", "PENDING")]).await;
        let outcome = scene.start_once(&intent(true)).await;
        assert_eq!((outcome.is_ok(), scene.posts().await.len()), (starts, usize::from(starts)), "{state}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("Gangway lists a, and Prow does not show it"), "{error}");
        }
    }
}

#[tokio::test]
async fn an_empty_list_proves_nothing() {
    let lists = [
        json!({}),
        json!({"job_execution": []}),
        json!({"job_execution": null}),
        json!({"job_execution": [{"id": null}]}),
    ];
    for list in lists {
        // A run that may have been started before is not started now, and a gateway's refusal is not
        // repeated.
        for (may_be_started, posts) in [(true, 0), (false, 1)] {
            let scene = Scene::new().await;
            scene.starts(vec![ResponseTemplate::new(502), started()]).await;
            let answer = ok(&list);
            Mock::given(path("/gangway/v1/executions")).respond_with(answer).mount(&scene.server).await;
            let error = scene.start_once(&intent(may_be_started)).await.unwrap_err();
            assert_eq!((error.kind, scene.posts().await.len()), (ServiceErrorKind::Unclear, posts), "{list}");
            assert!(error.to_string().contains("lists no run of it at all"), "{error}");
        }
        // A caller that has not started anything yet may continue.
        let scene = Scene::new().await;
        let answer = ok(&list);
        Mock::given(path("/gangway/v1/executions")).respond_with(answer).mount(&scene.server).await;
        let found = scene.runs().runs_under_way(&intent(false), AdoptableRuns::Any).await.unwrap();
        assert_eq!(found.len(), 0);
    }
    // Another job's run shows that the look-up worked: Prow keeps the newest run of every job that ever ran.
    let scene = Scene::new().await;
    scene.starts(vec![started()]).await;
    let list =
        json!({"job_execution": [{"id": "x", "job_name": "periodic-demo-2", "job_status": "SUCCESS"}]});
    let answer = ok(&list);
    Mock::given(path("/gangway/v1/executions")).respond_with(answer).mount(&scene.server).await;
    assert!(matches!(scene.start_once(&intent(true)).await.unwrap(), StartedRun::New { .. }));
}

#[tokio::test]
async fn an_outage_of_the_deck_proves_nothing() {
    for state in ["SUCCESS", "PENDING"] {
        let scene = Scene::new().await;
        scene.starts(vec![started()]).await;
        scene.lists(&[("a", state)]).await;
        let outage = "ProwJob not found: the server was unable to return a response in the time allotted";
        let answer = ResponseTemplate::new(404).set_body_string(outage);
        Mock::given(path("/deck/prowjob")).respond_with(answer).mount(&scene.server).await;
        let error = scene.start_once(&intent(true)).await.unwrap_err();
        assert_eq!((error.kind, scene.posts().await.len()), (ServiceErrorKind::Unavailable, 0), "{state}");
    }
}

#[tokio::test]
async fn an_unknown_job_is_known_as_one_and_nothing_is_looked_for() {
    let scene = Scene::new().await;
    let words = json!({"code": 2, "message": "failed to find associated periodic job \"periodic-demo\"", "details": []});
    scene.starts(vec![ResponseTemplate::new(500).set_body_json(words)]).await;
    let error = scene.start_once(&intent(false)).await.unwrap_err();
    assert_eq!((error.kind, count(&scene.server).await), (ServiceErrorKind::NotFound, 1));
    assert!(error.hint.unwrap().contains("check its name"));
}

#[tokio::test]
async fn a_run_of_others_under_way_with_our_parameters_stands_for_ours() {
    let early = "2026-07-02T03:00:00Z";
    for (runs, any, without_key) in [
        (vec![("a", None, "p:1", early)], Some("a"), Some("a")),
        (vec![("a", Some("key-9"), "p:1", early)], Some("a"), None),
        (vec![("a", None, "p:2", early), ("other", None, "p:1", early)], None, None),
        (vec![("a", None, "p:1", early), ("b", Some("key-1"), "p:1", NOW)], Some("b"), Some("b")),
    ] {
        for (strangers, found) in [(AdoptableRuns::Any, any), (AdoptableRuns::WithoutKey, without_key)] {
            let scene = Scene::new().await;
            scene.starts(vec![started()]).await;
            scene.lists_and_shows(&runs).await;
            let permit = permit();
            let outcome =
                scene.runs().start_unless_under_way(&intent(false), strangers, &permit).await.unwrap();
            let expected = match found {
                Some(id) => StartedRun::Found { id: id.to_owned() },
                None => StartedRun::New { id: "0b8e".to_owned() },
            };
            assert_eq!(outcome, expected, "{runs:?}");
        }
    }
    // One that has ended is not running, and without variables the purpose of a run is unknown.
    let scene = Scene::new().await;
    scene.lists(&[("a", "PENDING"), ("b", "SUCCESS")]).await;
    scene.shows("a", None, &[("RELEASE_IMAGE_LATEST", "p:1")], early).await;
    let ask = async |intent: &RunIntent| {
        let runs = scene.runs().runs_under_way(intent, AdoptableRuns::Any).await.unwrap();
        runs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(ask(&intent(false)).await, ["a"]);
    assert!(ask(&RunIntent { envs: IndexMap::new(), ..intent(false) }).await.is_empty());
}

#[tokio::test]
async fn nothing_is_started_when_the_intent_may_be_another_program_s() {
    let second = jiff::SignedDuration::from_secs(1);
    let start: Timestamp = START.parse().unwrap();
    let until = |until| RunIntent { until: Some(until), ..intent(false) };
    let scene = Scene::new().await;
    scene.starts(vec![started()]).await;
    let error = scene.start_once(&until(start - second)).await.unwrap_err();
    assert_eq!((error.kind, scene.posts().await.len()), (ServiceErrorKind::Unavailable, 0));
    scene.start_once(&until(start + second)).await.unwrap();
    assert_eq!(scene.posts().await.len(), 1);
    // The rate limit asks for a longer pause than the time that is left.
    let scene = Scene::waiting(4).await;
    scene.starts(vec![ResponseTemplate::new(429).insert_header("retry-after", "7"), started()]).await;
    let error = scene.start_once(&until(start + second)).await.unwrap_err();
    assert_eq!((error.kind, scene.posts().await.len()), (ServiceErrorKind::RateLimited, 1));
    scene.start_once(&until(start + second * 30)).await.unwrap();
}

#[tokio::test]
async fn where_annotations_are_dropped_variables_and_time_decide() {
    const IMAGE: &str = "RELEASE_IMAGE_LATEST";
    let early = "2026-07-02T10:00:00Z";
    for (runs, found) in [
        (vec![("a", None, "p:1", NOW)], Some("a")),
        (vec![("a", None, "p:2", NOW), ("b", None, "p:1", early), ("other", None, "p:1", NOW)], None),
        // Another run has a key: this server keeps them, and the intended run would have one.
        (vec![("a", None, "p:1", NOW), ("b", Some("key-0"), "p:2", early)], None),
    ] {
        let scene = Scene::new().await;
        scene.lists_and_shows(&runs).await;
        assert_eq!(scene.find(&intent(true)).await, Ok(found.map(str::to_owned)), "{runs:?}");
    }
    // Exactly the same variables; others are the job's own.
    for (envs, found) in [
        (vec![(IMAGE, "p:1"), ("CLUSTER", "build01")], true),
        (vec![(IMAGE, "p:1"), ("RELEASE_IMAGE_TARGET", "p:2")], false),
        (vec![(IMAGE, "p:1"), ("MULTISTAGE_PARAM_OVERRIDE_X", "1")], false),
        (vec![("RELEASE_IMAGE_TARGET", "p:1")], false),
    ] {
        let scene = Scene::new().await;
        scene.lists(&[("a", "PENDING")]).await;
        scene.shows("a", None, &envs, NOW).await;
        assert_eq!(scene.find(&intent(true)).await.unwrap().is_some(), found, "{envs:?}");
    }
    // A run that cannot be read may be the intended one.
    let scene = Scene::new().await;
    scene.lists(&[("a", "PENDING"), ("b", "PENDING")]).await;
    Mock::given(path("/deck/prowjob")).respond_with(ResponseTemplate::new(503)).mount(&scene.server).await;
    assert!(scene.start_once(&intent(true)).await.is_err());
    assert!(scene.posts().await.is_empty());
}

#[tokio::test]
async fn without_variables_no_stranger_is_taken_for_ours_and_none_is_started_beside() {
    let bare = RunIntent { envs: IndexMap::new(), ..intent(true) };
    let early = "2026-07-02T10:00:00Z";
    for (runs, found) in [
        (vec![("a", Some("key-1"), "p:1", NOW)], Ok(Some("a".to_owned()))),
        (vec![("a", None, "p:1", early), ("other", None, "p:1", NOW)], Ok(None)),
        (vec![("a", None, "p:1", NOW)], Err(ServiceErrorKind::Unclear)),
        (vec![("a", None, "p:1", NOW), ("b", Some("key-0"), "p:1", early)], Ok(None)),
    ] {
        let scene = Scene::new().await;
        scene.lists_and_shows(&runs).await;
        assert_eq!(scene.find(&bare).await, found, "{runs:?}");
    }
    let scene = Scene::new().await;
    scene.starts(vec![started()]).await;
    scene.lists_and_shows(&[("a", None, "p:1", NOW)]).await;
    let error = scene.start_once(&bare).await.unwrap_err();
    assert!(error.to_string().contains("a may be this run or somebody else's"), "{error}");
    assert!(scene.posts().await.is_empty());
}

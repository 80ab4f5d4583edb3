//! Reading advisories, and answers that are not accepted.

use serde_json::Value;
use wiremock::matchers::query_param;

use super::*;
use crate::ids::IssueKey;

fn id() -> AdvisoryId {
    AdvisoryId::new(ID)
}

async fn advisory(record: Value) -> Result<Advisory, ServiceError> {
    let server = MockServer::start().await;
    let answer = answer_with("rhba", &record);
    mount(&server, "GET", API, ok(answer)).await;
    client(&server).erratum(id()).await
}

#[tokio::test]
async fn flags_are_read_in_every_form_the_service_writes() {
    for (value, approval) in [
        (json!(null), SecurityApproval::NotRequested),
        (json!(false), SecurityApproval::Requested),
        (json!(0), SecurityApproval::Requested),
        (json!(true), SecurityApproval::Approved),
        (json!(1), SecurityApproval::Approved),
    ] {
        let record = json!({"id": ID, "status": "QE", "security_approved": value, "doc_complete": value});
        let read = advisory(record).await.unwrap();
        assert_eq!(read.security_approval, approval);
        assert_eq!(read.doc_complete, approval == SecurityApproval::Approved);
    }
    let bare = advisory(json!({"id": ID, "status": "QE"})).await.unwrap();
    assert_eq!(bare.security_approval, SecurityApproval::NotRequested);
    assert!(bare.blocking.is_empty() && bare.jira_issues.is_empty() && !bare.text_ready);
    assert!(advisory(json!({"id": ID, "status": "QE", "doc_complete": "yes"})).await.is_err());
}

#[tokio::test]
async fn an_answer_without_one_of_its_sections_is_not_an_advisory_without_issues() {
    let whole = answer_with("rhba", &json!({"id": ID, "status": "QE"}));
    let read = async |answer: &Value| {
        let server = MockServer::start().await;
        mount(&server, "GET", API, ResponseTemplate::new(200).set_body_json(answer)).await;
        client(&server).erratum(id()).await
    };
    assert!(read(&whole).await.unwrap().jira_issues.is_empty());
    for section in ["errata", "content", "bugs", "jira_issues"] {
        let mut cut = whole.clone();
        cut.as_object_mut().unwrap().remove(section);
        let error = read(&cut).await.unwrap_err();
        assert!(error.to_string().contains(section), "{section}: {error}");
    }
    for list in ["bugs", "jira_issues"] {
        let mut cut = whole.clone();
        cut[list].as_object_mut().unwrap().remove(list);
        let error = read(&cut).await.unwrap_err();
        assert!(error.to_string().contains(list), "{list}: {error}");
    }
}

#[tokio::test]
async fn issues_that_errata_tool_has_no_copy_of_yet_count() {
    let server = MockServer::start().await;
    let mut answer = answer_with("rhba", &json!({"id": ID, "status": "QE"}));
    answer["jira_issues"] = json!({
        "idsfixed": ["OCPBUGS-1", "OCPBUGS-2"], "to_fetch": ["OCPBUGS-2"],
        "jira_issues": [{"jira_issue": {"key": "OCPBUGS-1", "status": "ON_QA"}}],
    });
    mount(&server, "GET", API, ResponseTemplate::new(200).set_body_json(answer)).await;
    let advisory = client(&server).erratum(id()).await.unwrap();
    let keys: Vec<&str> = advisory.jira_issues.iter().map(IssueKey::as_str).collect();
    assert_eq!(keys, ["OCPBUGS-1", "OCPBUGS-2"]);
}

#[tokio::test]
async fn push_jobs_of_unknown_status_keep_their_word() {
    let server = MockServer::start().await;
    let jobs = json!([
        {"id": 151_001, "status": "ON_HOLD", "target": {"id": 10, "name": "cdn_stage"}, "log": "…"},
        {"id": 151_002, "status": "COMPLETE", "target": {"name": "cdn"}},
    ]);
    mount(&server, "GET", &format!("{API}/push"), ok(jobs)).await;
    let push = StagePush::of(&client(&server).push_jobs(id()).await.unwrap(), None);
    assert_eq!((push.verdict(), push.to_string().as_str()), (Verdict::Unknown, "cdn_stage ON_HOLD"));
    assert_eq!(client(&server).push_jobs(id()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn builds_are_listed_with_their_product_version() {
    let server = MockServer::start().await;
    let answer = json!({
        "OSE-4.14-RHEL-8": {"name": "OSE-4.14-RHEL-8", "description": "…", "builds": [
            {"rhcos-x86_64-4.14-0": {"nvr": "rhcos-x86_64-4.14-0", "id": 1}}, {"other-1-1": {"nvr": "other-1-1"}},
        ]},
        "OSE-4.14-RHEL-9": {"name": "OSE-4.14-RHEL-9", "description": "…", "builds": []},
    });
    mount(&server, "GET", &format!("{API}/builds"), ok(answer)).await;
    let builds = client(&server).builds(id()).await.unwrap();
    let nvrs: Vec<String> = builds.iter().map(|build| build.nvr.to_string()).collect();
    assert_eq!(nvrs, ["rhcos-x86_64-4.14-0", "other-1-1"]);
    assert!(builds.iter().all(|build| build.product_version == "OSE-4.14-RHEL-8"));
}

fn tests_page(ids: std::ops::Range<u64>) -> ResponseTemplate {
    let data: Vec<Value> = ids
        .map(|id| {
            json!({"id": id, "type": "external_tests", "attributes": {"status": "PASSED", "active": true},
                   "relationships": {"brew_build": {"id": 1, "nvr": format!("ose-{id}-1")}}})
        })
        .collect();
    ok(json!({ "data": data }))
}

#[tokio::test]
async fn external_tests_of_all_pages_are_read_and_no_request_is_wasted() {
    for (pages, count, requests) in [
        (vec![0..99, 0..0], 99, 1),
        (vec![0..0, 0..0], 0, 1),
        // A service that ignores the page size has more after a page of 100.
        (vec![0..100, 100..130], 130, 2),
        (vec![0..1000, 999..1500, 1500..1500], 1500, 3),
    ] {
        let server = MockServer::start().await;
        for (page, ids) in (1..).zip(pages) {
            Mock::given(path("/errata/api/v1/external_tests/"))
                .and(query_param("filter[errata_id]", ID.to_string()))
                .and(query_param("filter[test_type]", "greenwave_cvp"))
                .and(query_param("filter[active]", "true"))
                .and(query_param("page[number]", page.to_string()))
                .respond_with(tests_page(ids.clone()))
                .mount(&server)
                .await;
        }
        let tests = client(&server).external_tests(id(), "greenwave_cvp").await.unwrap();
        assert_eq!((tests.len(), methods(&server).await.len()), (count, requests));
        assert!(tests.iter().all(|test| test.status.is_good() && test.nvr.is_some()));
    }
}

#[tokio::test]
async fn a_list_of_tests_without_an_end_is_given_up() {
    let server = MockServer::start().await;
    Mock::given(path("/errata/api/v1/external_tests/")).respond_with(tests_page(0..100)).mount(&server).await;
    let error = client(&server).external_tests(id(), "greenwave_cvp").await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed);
    assert_eq!(methods(&server).await.len(), 50);
}

#[test]
fn what_errata_tool_counts_as_good_is_good() {
    for (status, good) in [
        ("PASSED", true),
        ("WAIVED", true),
        ("INELIGIBLE", true),
        ("INFO", false),
        ("ERROR", false),
        ("FAILED", false),
        ("NEEDS_INSPECTION", false),
        ("PENDING", false),
        ("QUEUED_FOR_TEST", false),
        ("RUNNING", false),
        ("SOMETHING_NEW", false),
    ] {
        assert_eq!(TestStatus::from(status).is_good(), good, "{status}");
    }
    assert_eq!(TestStatus::from("ERROR"), TestStatus::Error);
    assert!(!TestStatus::Error.is_unfinished() && !TestStatus::Info.is_unfinished());
}

#[tokio::test]
async fn every_spelling_of_nothing_is_nothing() {
    for nothing in [json!(null), json!(""), json!([]), json!({})] {
        let server = MockServer::start().await;
        let erratum = json!({
            "errata": {"rhba": {
                "id": ID, "status": "QE", "fulladvisory": null, "synopsis": null, "content_types": nothing,
                "blocking_advisories": nothing,
            }},
            "content": {"content": nothing}, "bugs": {"bugs": nothing}, "jira_issues": nothing,
        });
        let people = json!({"people": {"assigned_to": null, "qe_group": ""}});
        let tests = json!({"data": [
            {"id": 1, "attributes": {"status": "PASSED"}, "relationships": nothing},
            {"id": 2, "attributes": {"status": "PASSED"}, "relationships": {"brew_build": nothing}},
        ]});
        for (at, answer) in [
            (API.to_owned(), erratum),
            (format!("/errata/advisory/{ID}.json"), people),
            (format!("{API}/builds"), nothing.clone()),
            ("/errata/api/v1/external_tests/".to_owned(), tests),
            (format!("{API}/security_alerts"), json!({"alerts": {"blocking": false, "alerts": nothing}})),
        ] {
            mount(&server, "GET", &at, ok(answer)).await;
        }
        let errata = client(&server);
        let advisory = errata.erratum(id()).await.unwrap();
        assert!(advisory.jira_issues.is_empty() && advisory.blocking.is_empty() && advisory.cves.is_empty());
        let people = errata.people(id()).await.unwrap();
        assert!(people.qe_owner.is_none() && people.qe_group.is_none());
        assert!(errata.builds(id()).await.unwrap().is_empty(), "{nothing}");
        let tests = errata.external_tests(id(), "greenwave_cvp").await.unwrap();
        assert!(tests.len() == 2 && tests.iter().all(|test| test.nvr.is_none()));
        assert!(errata.security_alerts(id()).await.unwrap().alerts.is_empty());
    }
}

#[tokio::test]
async fn alerts_that_do_not_say_whether_they_block_are_an_error() {
    let path = format!("{API}/security_alerts/refresh");
    for (body, expected) in [
        (json!({"alerts": {"blocking": true, "alerts": [{"id": 5, "text": "not fixed"}]}}), Some(true)),
        (json!({"alerts": {"blocking": false, "alerts": []}}), Some(false)),
        (json!({"alerts": {"alerts": []}}), None),
        (json!({"alerts": {}}), None),
        (json!({"alerts": {"blocking": null}}), None),
        (json!({}), None),
    ] {
        let server = MockServer::start().await;
        mount(&server, "POST", &path, ok(&body)).await;
        let answer = client(&server).refresh_security_alerts(id(), &permit()).await;
        match (answer, expected) {
            (Ok(alerts), Some(blocking)) => {
                assert_eq!(alerts.blocking, blocking);
                assert_eq!(alerts.alerts.len(), usize::from(blocking));
            }
            (Err(error), None) => assert_eq!(error.kind, ServiceErrorKind::Malformed),
            (answer, _) => panic!("{body}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_grade_is_a_letter_and_its_absence_is_told_from_not_knowing() {
    let page = "/errata/errata/container/169293";
    let html = |text: &str| ResponseTemplate::new(200).set_body_string(format!("<html>{text}</html>"));
    let leads_to = |to: &str| ResponseTemplate::new(303).insert_header("location", to);
    for (answer, expected) in [
        (html("<h2>Docker Container Content - B</h2>"), Ok(Some('B'))),
        (html("Docker Container Content - ?"), Err(ServiceErrorKind::Malformed)),
        (html("something else"), Err(ServiceErrorKind::Malformed)),
        (leads_to("/errata/advisory/169293"), Ok(None)),
        (leads_to("https://login.example.test/"), Err(ServiceErrorKind::Malformed)),
        (ResponseTemplate::new(404), Err(ServiceErrorKind::NotFound)),
    ] {
        let server = MockServer::start().await;
        Mock::given(path(page)).and(header("accept", "text/html")).respond_with(answer).mount(&server).await;
        assert_eq!(client(&server).container_grade(id()).await.map_err(|error| error.kind), expected);
    }
}

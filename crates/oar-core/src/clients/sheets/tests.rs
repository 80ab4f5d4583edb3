use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use tempfile::TempDir;
use wiremock::matchers::{body_json, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::google::{KeyFile, Scope};
use crate::clients::testing::{ok, permit};
use crate::error::{Classified, ErrorClass};
use crate::http::HttpSettings;
use crate::http::tests::support::{NotingClock, stack};

struct Place {
    server: MockServer,
    client: SheetsClient,
    clock: Arc<NotingClock>,
    _folder: TempDir,
}

async fn place() -> Place {
    let server = MockServer::start().await;
    let folder = TempDir::new().unwrap();
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let pem = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    let file = KeyFile { path: folder.path().join("key.json"), variable: "GCP_SA_FILE" };
    let key = json!({
        "type": "service_account", "project_id": "oar", "private_key_id": "k1", "private_key": pem,
        "client_email": "reports@oar.example.test", "token_uri": "https://token.example.test/token",
    });
    std::fs::write(&file.path, key.to_string()).unwrap();
    let token = json!({"access_token": "token-1", "expires_in": 3599, "token_type": "Bearer"});
    Mock::given(path("/oauth/token")).respond_with(ok(token)).mount(&server).await;
    let base = |prefix: &str| format!("{}{prefix}", server.uri()).parse().unwrap();
    let (http, clock) = stack(HttpSettings::default());
    let account = ServiceAccount::new(http, base("/oauth"), file, Scope::Spreadsheets);
    let client = SheetsClient::new(account, base("/sheets"));
    Place { server, client, clock, _folder: folder }
}

fn sheet() -> Worksheet {
    Worksheet { spreadsheet: "1Sheet_A-b".to_owned(), title: "it's".to_owned(), url: String::new() }
}

#[tokio::test]
async fn a_quota_of_a_minute_is_waited_for_when_google_names_no_time() {
    let place = place().await;
    let exhausted =
        json!({"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}});
    Mock::given(path("/sheets/v4/spreadsheets/1Sheet_A-b"))
        .respond_with(ResponseTemplate::new(429).set_body_json(exhausted))
        .up_to_n_times(3)
        .mount(&place.server)
        .await;
    Mock::given(path("/sheets/v4/spreadsheets/1Sheet_A-b"))
        .respond_with(ok(json!({"sheets": []})))
        .mount(&place.server)
        .await;
    assert_eq!(place.client.worksheet("1Sheet_A-b", "4.14.60").await.unwrap(), None);
    let waited: std::time::Duration = place.clock.waits().iter().sum();
    assert!((60..=90).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn every_spelling_of_nothing_is_read() {
    let place = place().await;
    let answers = [
        json!({}),
        json!({"spreadsheetUrl": null, "sheets": null}),
        json!({"sheets": [{"properties": null}, {}, {"properties": {"title": null, "sheetId": null}}]}),
    ];
    for answer in answers {
        place.server.reset().await;
        let token = json!({"access_token": "token-1", "expires_in": 3599});
        Mock::given(path("/oauth/token")).respond_with(ok(token)).mount(&place.server).await;
        Mock::given(method("GET")).respond_with(ok(answer.clone())).mount(&place.server).await;
        assert_eq!(place.client.worksheet("1Sheet_A-b", "4.14.60").await.unwrap(), None, "{answer}");
    }
    place.server.reset().await;
    let ranges = json!({"valueRanges": [{}, {"values": null}, {"values": [null, [], ["a", null, 1]]}]});
    Mock::given(method("GET")).respond_with(ok(ranges)).mount(&place.server).await;
    let rows = place.client.read(&sheet(), &["A1", "B1", "C1:C3"]).await.unwrap();
    let last = vec![vec![], vec![], vec!["a".to_owned(), String::new(), "1".to_owned()]];
    assert_eq!(rows, [vec![], vec![], last]);
}

#[tokio::test]
async fn a_worksheet_is_found_by_its_exact_title() {
    let place = place().await;
    let answer = json!({
        "spreadsheetUrl": "https://docs.example.test/d/1Sheet_A-b/edit",
        "sheets": [
            {"properties": {"title": "template"}},
            {"properties": {"sheetId": 7, "title": "4.14.6"}},
            {"properties": {"sheetId": 8, "title": "4.14.60"}},
        ],
    });
    Mock::given(method("GET"))
        .and(path("/sheets/v4/spreadsheets/1Sheet_A-b"))
        .respond_with(ok(answer))
        .mount(&place.server)
        .await;
    let found = place.client.worksheet("1Sheet_A-b", "4.14.60").await.unwrap().unwrap();
    assert_eq!(found.url, "https://docs.example.test/d/1Sheet_A-b/edit#gid=8");
    assert_eq!(place.client.worksheet("1Sheet_A-b", "4.14.61").await.unwrap(), None);
}

#[tokio::test]
async fn all_blocks_are_read_and_written_with_one_request_each() {
    let place = place().await;
    let ranges = json!({"valueRanges": [{"values": [["Green"], [], [3, null, true]]}, {}]});
    Mock::given(path("/sheets/v4/spreadsheets/1Sheet_A-b/values:batchGet"))
        .and(query_param("ranges", "'it''s'!B1:B19"))
        .respond_with(ok(ranges))
        .mount(&place.server)
        .await;
    let blocks = place.client.read(&sheet(), &["B1:B19", "C8:E"]).await.unwrap();
    assert_eq!(blocks, [vec![vec!["Green"], vec![], vec!["3", "", "true"]], vec![]]);
    assert_eq!(place.client.read(&sheet(), &["B1:B19"]).await.unwrap_err().kind, ServiceErrorKind::Malformed);

    Mock::given(method("POST"))
        .and(path("/sheets/v4/spreadsheets/1Sheet_A-b/values:batchUpdate"))
        .and(body_json(json!({
            "valueInputOption": "USER_ENTERED",
            "data": [{"range": "'it''s'!B9", "values": [["Pass"]]}],
        })))
        .respond_with(ok(json!({"spreadsheetId": "1Sheet_A-b"})))
        .expect(1)
        .up_to_n_times(1)
        .mount(&place.server)
        .await;
    let permit = permit();
    let writes = [CellWrite::one("B9", "Pass")];
    place.client.write(&sheet(), &writes, &permit).await.unwrap();
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&place.server).await;
    let unclear = place.client.write(&sheet(), &writes, &permit).await.unwrap_err();
    assert_eq!(unclear.kind, ServiceErrorKind::Unclear, "an answer that is not of a write");
    place.client.write(&sheet(), &[], &permit).await.unwrap();
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (status, words, class, hint) in [
        (403, "The caller does not have permission", ErrorClass::Configuration, "Share the spreadsheet"),
        (404, "Requested entity was not found.", ErrorClass::Unavailable, "report_templates"),
        (400, "Unable to parse range: 'x'!A1", ErrorClass::Unavailable, ""),
    ] {
        let place = place().await;
        let body = json!({"error": {"code": status, "message": words, "status": "X"}});
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .expect(1)
            .mount(&place.server)
            .await;
        let error = place.client.worksheet("1Sheet_A-b", "4.14.60").await.unwrap_err();
        assert_eq!(error.class(), class);
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{error:?}");
    }
}

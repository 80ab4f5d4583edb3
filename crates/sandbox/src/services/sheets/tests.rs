use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    scenario::{google::ACCOUNT, sheets::SPREADSHEET},
    services::testing::{Answer, call, world},
    world::Shared,
};

struct Google {
    world: Shared,
    token: String,
}

impl Google {
    fn new() -> Self {
        Self::with_scope("https://www.googleapis.com/auth/spreadsheets")
    }

    fn with_scope(scope: &str) -> Self {
        let world = world();
        let (token, _) = world.google_oauth.lock().issue(ACCOUNT, vec![scope.to_owned()]);
        world
            .sheets
            .lock()
            .spreadsheets
            .get_mut(SPREADSHEET)
            .unwrap()
            .duplicate("template", "4.14.60")
            .unwrap();
        Self { world, token }
    }

    async fn ask(&self, method: &str, rest: &str, body: Option<Value>) -> Answer {
        let path = format!("/sheets/v4/spreadsheets/{SPREADSHEET}{rest}");
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        call(&self.world, method, &path, &headers, body.map(|body| body.to_string()).unwrap_or_default())
            .await
    }

    fn change(&self, operation: &str, body: &Value) {
        let now = Timestamp::now();
        self.world.with_service("sheets", |service| service.change(operation, body, now)).unwrap().unwrap();
    }
}

fn error(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    (answer.status, text("status"), text("message"))
}

#[tokio::test]
async fn cells_are_written_as_typed_and_read_as_shown() {
    let google = Google::new();
    let link = "=HYPERLINK(\"https://jira.example.test/browse/OCPBUGS-1\",\"OCPBUGS-1\")";
    let body = json!({"valueInputOption": "USER_ENTERED", "data": [
        {"range": "'4.14.60'!C8:E9", "values": [[link, "'=q", "ON_QA"], ["b", null, ""]]},
        {"range": "'4.14.60'!B9", "values": [["Pass"]]},
    ]});
    let answer = google.ask("POST", "/values:batchUpdate", Some(body)).await;
    assert_eq!((answer.status, &answer.json()["totalUpdatedCells"]), (200, &json!(6)), "{answer:?}");
    let answer =
        google.ask("GET", "/values:batchGet?ranges='4.14.60'!C8:E&ranges='4.14.60'!B8:B10", None).await;
    assert_eq!(
        answer.json()["valueRanges"],
        json!([
            {"range": "'4.14.60'!C8:E1000", "majorDimension": "ROWS", "values": [["OCPBUGS-1", "=q", "ON_QA"], ["b"]]},
            {"range": "'4.14.60'!B8:B10", "majorDimension": "ROWS",
             "values": [["Not Started"], ["Pass"], ["Not Started"]]},
        ])
    );
    let answer = google.ask("GET", "/values/'4.14.60'!C8?valueRenderOption=FORMULA", None).await;
    assert_eq!(answer.json()["values"][0][0], link);
    let answer = google.ask("GET", "/values/'4.14.60'!H8:H?majorDimension=COLUMNS", None).await;
    assert_eq!(answer.json().get("values"), None);
}

#[tokio::test]
async fn sheets_are_found_copied_renamed_and_deleted() {
    let google = Google::new();
    let list = async || {
        let answer = google.ask("GET", "?fields=spreadsheetUrl,sheets.properties(sheetId,title)", None).await;
        answer.json()["sheets"].as_array().unwrap().clone()
    };
    let sheets = list().await;
    assert_eq!(sheets[0]["properties"], json!({"sheetId": 0, "title": "template"}));
    let copy =
        json!({"duplicateSheet": {"sourceSheetId": 0, "newSheetName": "4.14.61", "insertSheetIndex": 1}});
    let answer = google.ask("POST", ":batchUpdate", Some(json!({"requests": [copy]}))).await;
    let id = answer.json()["replies"][0]["duplicateSheet"]["properties"]["sheetId"].clone();
    assert_eq!(list().await[1]["properties"], json!({"sheetId": id, "title": "4.14.61"}));
    let again = google.ask("POST", ":batchUpdate", Some(json!({"requests": [copy]}))).await;
    assert!(error(&again).2.contains("already exists"), "{again:?}");
    let both = json!({"requests": [{"deleteSheet": {"sheetId": id}}, {"deleteSheet": {"sheetId": 77}}]});
    assert_eq!(google.ask("POST", ":batchUpdate", Some(both)).await.status, 400);
    assert_eq!(list().await.len(), sheets.len() + 1, "all or nothing");
    let delete = json!({"requests": [{"deleteSheet": {"sheetId": id}}]});
    assert_eq!(google.ask("POST", ":batchUpdate", Some(delete)).await.status, 200);
    assert_eq!(list().await, sheets);
}

#[tokio::test]
async fn what_sheets_refuses() {
    let google = Google::new();
    let (status, name, words) = error(&google.ask("GET", "/values/'4.14.99'!A1", None).await);
    assert_eq!((status, name.as_str()), (400, "INVALID_ARGUMENT"));
    assert_eq!(words, "Unable to parse range: '4.14.99'!A1");
    let body =
        json!({"valueInputOption": "RAW", "data": [{"range": "'4.14.60'!C8:E8", "values": [["a"], ["b"]]}]});
    let (status, _, words) = error(&google.ask("POST", "/values:batchUpdate", Some(body)).await);
    assert_eq!(status, 400);
    assert_eq!(words, "Requested writing within range ['4.14.60'!C8:E8], but tried writing to row [9]");
    let answer = google.ask("PUT", "/values/'4.14.60'!C8", Some(json!({"values": [["a"]]}))).await;
    assert!(error(&answer).2.contains("valueInputOption"), "{answer:?}");
    let path = "/sheets/v4/spreadsheets/1OtherOtherOtherOther";
    let authorization = format!("Bearer {}", google.token);
    let other = call(&google.world, "GET", path, &[("authorization", &authorization)], "").await;
    assert_eq!(error(&other).1, "NOT_FOUND");
    assert_eq!(
        call(&google.world, "GET", path, &[("authorization", "Bearer ya29.other")], "").await.status,
        401
    );

    let write = || json!({"valueInputOption": "RAW", "data": [{"range": "'4.14.60'!C8", "values": [["a"]]}]});
    google.change("read-only", &json!({"spreadsheet": SPREADSHEET}));
    assert_eq!(google.ask("GET", "", None).await.status, 200);
    assert_eq!(error(&google.ask("POST", "/values:batchUpdate", Some(write())).await).1, "PERMISSION_DENIED");
    google.change("unshare", &json!({"spreadsheet": SPREADSHEET}));
    assert_eq!(error(&google.ask("GET", "", None).await).2, "The caller does not have permission");

    let google = Google::with_scope("https://www.googleapis.com/auth/spreadsheets.readonly");
    assert_eq!(google.ask("GET", "", None).await.status, 200);
    let refused = google.ask("POST", "/values:batchUpdate", Some(write())).await;
    assert!(error(&refused).2.contains("scopes"), "{refused:?}");

    let google = Google::new();
    google.change("set-quota", &json!({"per_minute": 1}));
    assert_eq!(google.ask("GET", "", None).await.status, 200);
    let (status, name, words) = error(&google.ask("GET", "", None).await);
    assert_eq!((status, name.as_str()), (429, "RESOURCE_EXHAUSTED"));
    assert!(words.contains("'Read requests per minute per user'"), "{words}");
    assert_eq!(google.ask("POST", "/values:batchUpdate", Some(write())).await.status, 200);
    google.world.clock.advance(jiff::SignedDuration::from_mins(1));
    assert_eq!(google.ask("GET", "", None).await.status, 200);
}

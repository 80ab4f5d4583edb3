use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request};

use super::*;
use crate::clients::testing::{base, count, http, ok};

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn digests(names: &[&str]) -> BTreeSet<Digest> {
    names.iter().map(|name| digest(name)).collect()
}

fn record(name: &str, grade: &str) -> Value {
    json!({
        "image_id": digest(name).as_str(),
        "deleted": false,
        "freshness_grades": [{"grade": grade, "start_date": "2026-01-01T00:00:00+00:00", "end_date": null}],
    })
}

/// A catalog that answers with `answer` of the filter.
async fn catalog(answer: impl Fn(&str) -> Value + Send + Sync + 'static) -> MockServer {
    let server = MockServer::start().await;
    let respond = move |request: &Request| {
        let filter = request.url.query_pairs().find(|(name, _)| name == "filter").unwrap().1.into_owned();
        ok(answer(&filter))
    };
    Mock::given(method("GET")).respond_with(respond).mount(&server).await;
    server
}

fn client(server: &MockServer) -> CatalogClient {
    CatalogClient::new(http(5), base(server, ""), 4)
}

/// The first grade of each image in the order of `names`; `?` without a record.
async fn grades(server: &MockServer, names: &[&str]) -> String {
    let found = client(server).images(&digests(names)).await;
    names
        .iter()
        .map(|name| {
            let image = found[&digest(name)].as_ref().unwrap();
            image.grades.first().and_then(|entry| entry.grade.clone()).unwrap_or_else(|| "?".to_owned())
        })
        .collect()
}

#[tokio::test]
async fn what_a_list_leaves_out_is_asked_for_alone() {
    // The list names one of three; another is found alone, the third is really not known.
    let server = catalog(|filter| {
        let list = filter.starts_with("image_id=in=");
        let alone = |name: &str| filter == format!("image_id=={}", digest(name));
        match () {
            () if list => json!({"data": [record("a", "A")]}),
            () if alone("b") => json!({"data": [record("b", "B")], "total": 1}),
            () => json!({"data": [], "total": 0}),
        }
    })
    .await;
    assert_eq!(grades(&server, &["a", "b", "c"]).await, "AB?");
    assert_eq!(count(&server).await, 1 + 2);
}

#[tokio::test]
async fn a_list_in_which_nothing_is_found_is_a_fault_of_the_question() {
    let server = catalog(|filter| {
        if filter.starts_with("image_id=in=") {
            return json!({"data": []});
        }
        json!({"data": [record("a", "A"), record("b", "B")]})
    })
    .await;
    let client = client(&server);
    let found = client.images(&digests(&["a", "b"])).await;
    assert!(found.values().all(|image| image.as_ref().unwrap().records == 1));
    // Only the record of the digest that was asked for is taken, and lists are not asked for any more.
    client.images(&digests(&["a", "b"])).await;
    let lists = server.received_requests().await.unwrap();
    assert_eq!(lists.iter().filter(|request| request.url.query().unwrap().contains("=in=")).count(), 1);
}

#[tokio::test]
async fn removed_records_do_not_count_and_all_others_do() {
    let server = catalog(|_| {
        let mut removed = record("a", "F");
        removed["deleted"] = json!(true);
        let mut old = record("a", "B");
        // The oldest records write the digest without its algorithm.
        old["image_id"] = json!(digest("a").hex());
        json!({"data": [removed, old, record("a", "C")]})
    })
    .await;
    let found = client(&server).images(&digests(&["a"])).await;
    let image = found[&digest("a")].as_ref().unwrap();
    assert_eq!((image.records, image.removed), (2, 1));
    let letters: Vec<&str> = image.grades.iter().filter_map(|entry| entry.grade.as_deref()).collect();
    assert_eq!(letters, ["B", "C"]);
}

#[tokio::test]
async fn nothing_is_read_in_every_spelling_and_no_list_is_an_error() {
    for nothing in [json!(null), json!(""), json!([]), json!({}), json!(0)] {
        let spelling = nothing.clone();
        let server = catalog(move |_| {
            let mut record = record("a", "A");
            for member in ["freshness_grades", "_links", "deleted"] {
                record[member] = spelling.clone();
            }
            json!({"data": [record], "total": spelling})
        })
        .await;
        assert_eq!(grades(&server, &["a"]).await, "?", "{nothing}");
        let spelling = nothing.clone();
        let server = catalog(move |_| json!({"data": spelling})).await;
        assert_eq!(grades(&server, &["a"]).await, "?", "{nothing}");
    }
    for odd in [json!({}), json!([]), json!({"message": "sign in"}), json!({"data": "sign in"})] {
        let server = catalog(move |_| odd.clone()).await;
        let found = client(&server).images(&digests(&["a"])).await;
        assert_eq!(found[&digest("a")].as_ref().unwrap_err().kind, ServiceErrorKind::Malformed);
    }
}

#[tokio::test]
async fn a_list_without_a_total_ends_with_a_page_that_is_not_full() {
    for total in [json!(null), json!(0), json!(150)] {
        let server = MockServer::start().await;
        let respond = move |request: &Request| {
            let page = request.url.query_pairs().find(|(name, _)| name == "page").unwrap().1.into_owned();
            let count = if page == "0" { 100 } else { 50 };
            let rows: Vec<Value> = (0..count).map(|_| record("a", "A")).collect();
            ok(json!({"data": rows, "total": total}))
        };
        Mock::given(method("GET")).respond_with(respond).mount(&server).await;
        let found = client(&server).images(&digests(&["a"])).await;
        assert_eq!(found[&digest("a")].as_ref().unwrap().records, 150);
        assert_eq!(count(&server).await, 2);
    }
}

//! What GitHub answers, refusals first.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{STATE_REPOSITORY, git};
use crate::{
    credentials::{GITHUB_TOKEN, GITHUB_TOKEN_READER, GITHUB_TOKEN_SECOND},
    faults::{Fault, FaultKind},
    sandbox::Sandbox,
    testing::{Answer, ask, start},
};

const FILE: &str = "/github/repos/openshift/release-tests/contents/_releases/4.19/statebox/4.19.1.yaml";
const PATH: &str = "_releases/4.19/statebox/4.19.1.yaml";

async fn put(sandbox: &Sandbox, token: &str, body: &Value) -> Answer {
    ask(sandbox, "PUT", FILE).bearer(token).json(body).send().await
}

async fn read(sandbox: &Sandbox) -> Answer {
    ask(sandbox, "GET", &format!("{FILE}?ref=z-stream")).bearer(GITHUB_TOKEN).send().await
}

fn body(text: &str, sha: Option<&str>) -> Value {
    let mut body =
        json!({"message": "Update", "content": BASE64_STANDARD.encode(text), "branch": "z-stream"});
    if let Some(sha) = sha {
        body["sha"] = json!(sha);
    }
    body
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_is_created_read_and_updated() {
    let sandbox = start();
    assert_eq!(read(&sandbox).await.status, 404);
    let created = put(&sandbox, GITHUB_TOKEN, &body("one\n", None)).await;
    assert_eq!(created.status, 201);
    let sha = git::blob_id(b"one\n");
    assert_eq!(created.json()["content"]["sha"], json!(sha));
    let answer = read(&sandbox).await;
    assert_eq!(
        (answer.json()["sha"].clone(), answer.json()["encoding"].clone()),
        (json!(sha), json!("base64"))
    );
    assert_eq!(answer.json()["content"], json!("b25lCg==\n"));

    let updated = put(&sandbox, GITHUB_TOKEN_SECOND, &body("two\n", Some(&sha))).await;
    assert_eq!(updated.status, 200);
    assert_eq!(updated.json()["commit"]["author"]["name"], json!("Sam Lead"));
    let commits = sandbox.world().github.lock().commits(STATE_REPOSITORY, "z-stream");
    let authors: Vec<&str> = commits.iter().map(|commit| commit.author.login.as_str()).collect();
    assert_eq!(authors[..2], ["slead", "rlead"]);
    assert!(authors[2..].iter().all(|author| *author == "sandbox"), "{authors:?}");
    let text = sandbox.world().github.lock().text(STATE_REPOSITORY, "z-stream", PATH);
    assert_eq!(text.as_deref(), Some("two\n"));
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn refused_writes_change_nothing() {
    let sandbox = start();
    put(&sandbox, GITHUB_TOKEN, &body("one\n", None)).await;
    let commits = || sandbox.world().github.lock().commits(STATE_REPOSITORY, "z-stream").len();
    let before = commits();
    let sha = git::blob_id(b"one\n");
    let other = git::blob_id(b"other");
    let mut bad_content = body("x", Some(&sha));
    bad_content["content"] = json!("!!!");
    let mut no_message = body("x", Some(&sha));
    no_message["message"] = Value::Null;
    let mut no_content = body("x", Some(&sha));
    no_content.as_object_mut().unwrap().remove("content");
    let mut no_branch = body("x", Some(&sha));
    no_branch["branch"] = json!("nowhere");
    let supplied = |field: &str| format!("Invalid request.\n\n\"{field}\" wasn't supplied.");
    for (token, request, status, text) in [
        ("nobody", body("x", Some(&sha)), 401, "Bad credentials".to_owned()),
        (GITHUB_TOKEN_READER, body("x", Some(&sha)), 404, "Not Found".to_owned()),
        (GITHUB_TOKEN, body("x", None), 422, supplied("sha")),
        (GITHUB_TOKEN, body("x", Some(&other)), 409, format!("{PATH} does not match {other}")),
        (GITHUB_TOKEN, bad_content, 422, "content is not valid Base64".to_owned()),
        (GITHUB_TOKEN, no_message, 422, supplied("message")),
        (GITHUB_TOKEN, no_content, 422, supplied("content")),
        (GITHUB_TOKEN, no_branch, 404, "Branch nowhere not found".to_owned()),
        (GITHUB_TOKEN, json!([1]), 400, "Problems parsing JSON".to_owned()),
    ] {
        let answer = put(&sandbox, token, &request).await;
        assert_eq!((answer.status, message(&answer)), (status, text), "{request}");
    }
    let anonymous = ask(&sandbox, "PUT", FILE).json(&body("x", Some(&sha))).send().await;
    assert_eq!(anonymous.status, 401);
    let nowhere = "/github/repos/openshift/nothing/contents/a";
    assert_eq!(
        ask(&sandbox, "PUT", nowhere).bearer(GITHUB_TOKEN).json(&body("x", None)).send().await.status,
        404
    );
    let inside = format!("{FILE}/below");
    assert_eq!(
        ask(&sandbox, "PUT", &inside).bearer(GITHUB_TOKEN).json(&body("x", None)).send().await.status,
        422
    );
    assert_eq!(sandbox.world().github.lock().text(STATE_REPOSITORY, "z-stream", PATH).unwrap(), "one\n");
    assert_eq!(commits(), before);
}

#[tokio::test]
async fn a_file_is_removed() {
    let sandbox = start();
    put(&sandbox, GITHUB_TOKEN, &body("one\n", None)).await;
    let sha = git::blob_id(b"one\n");
    let remove = |body: Value| ask(&sandbox, "DELETE", FILE).bearer(GITHUB_TOKEN).json(&body).send();
    assert_eq!(remove(json!({"message": "x", "branch": "z-stream"})).await.status, 422);
    assert_eq!(remove(json!({"message": "x", "branch": "z-stream", "sha": "0"})).await.status, 409);
    let removed = remove(json!({"message": "x", "branch": "z-stream", "sha": sha})).await;
    assert_eq!((removed.status, removed.json()["content"].clone()), (200, Value::Null));
    assert_eq!(remove(json!({"message": "x", "branch": "z-stream", "sha": sha})).await.status, 404);
    assert_eq!(read(&sandbox).await.status, 404);
}

#[tokio::test]
async fn conditional_reads_cost_nothing() {
    let sandbox = start();
    put(&sandbox, GITHUB_TOKEN, &body("one\n", None)).await;
    let first = read(&sandbox).await;
    let tag = first.header("etag").unwrap().to_owned();
    let used = first.header("x-ratelimit-used").unwrap().to_owned();
    let get = |tag: String| {
        ask(&sandbox, "GET", &format!("{FILE}?ref=z-stream"))
            .bearer(GITHUB_TOKEN)
            .header("if-none-match", &tag)
            .send()
    };
    let second = get(tag.clone()).await;
    assert_eq!((second.status, second.text.as_str(), second.header("etag")), (304, "", Some(tag.as_str())));
    assert_eq!(second.header("x-ratelimit-used"), Some(used.as_str()));
    put(&sandbox, GITHUB_TOKEN, &body("two\n", Some(&git::blob_id(b"one\n")))).await;
    assert_eq!(get(tag).await.status, 200);
}

#[tokio::test]
async fn raw_media_type_large_files_and_directories() {
    let sandbox = start();
    let now = sandbox.clock().now();
    let large = "x".repeat(1024 * 1024 + 1);
    {
        let mut github = sandbox.world().github.lock();
        github.put(STATE_REPOSITORY, "main", "big.txt", large.clone(), "Big", now).unwrap();
        github.put(STATE_REPOSITORY, "main", "d/e f.txt", "small", "Small", now).unwrap();
    }
    let contents = "/github/repos/openshift/release-tests/contents";
    let get = |path: &str| ask(&sandbox, "GET", &format!("{contents}{path}")).bearer(GITHUB_TOKEN);
    let listed = get("/big.txt").send().await.json();
    assert_eq!((listed["content"].clone(), listed["encoding"].clone()), (json!(""), json!("none")));
    assert_eq!(listed["size"], json!(large.len()));
    let raw = get("/big.txt").header("accept", "application/vnd.github.raw+json").send().await;
    assert_eq!(raw.text.len(), large.len());
    let root = get("").send().await.json();
    let names: Vec<(&str, &str)> = root
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["name"].as_str().unwrap(), entry["type"].as_str().unwrap()))
        .collect();
    assert_eq!(names, [("_releases", "dir"), ("big.txt", "file"), ("d", "dir")]);
    let below = get("/d?ref=main").send().await.json();
    assert_eq!(below[0]["path"], json!("d/e f.txt"));
    assert_eq!(get("/d/e%20f.txt").send().await.json()["size"], json!(5));
    let unknown = get("/d?ref=nothing").send().await;
    assert_eq!((unknown.status, message(&unknown)), (404, "No commit found for the ref nothing".to_owned()));
}

#[tokio::test]
async fn a_stale_read_shows_the_version_before() {
    let sandbox = start();
    put(&sandbox, GITHUB_TOKEN, &body("one\n", None)).await;
    let first = git::blob_id(b"one\n");
    let stale = || sandbox.faults().add(Fault::on("github", FaultKind::StaleRead).method("GET"));
    stale();
    assert_eq!(read(&sandbox).await.status, 404, "before the file was made there was none");
    put(&sandbox, GITHUB_TOKEN, &body("two\n", Some(&first))).await;
    stale();
    assert_eq!(read(&sandbox).await.json()["sha"], json!(first));
    assert_eq!(read(&sandbox).await.json()["sha"], json!(git::blob_id(b"two\n")));
    let answer = put(&sandbox, GITHUB_TOKEN, &body("three\n", Some(&first))).await;
    assert_eq!(answer.status, 409);
}

#[tokio::test]
async fn rate_limits() {
    let sandbox = start();
    sandbox.world().github.lock().limits.authenticated = 2;
    for _ in 0..2 {
        assert_eq!(ask(&sandbox, "GET", "/github/user").bearer(GITHUB_TOKEN).send().await.status, 200);
    }
    let refused = ask(&sandbox, "GET", "/github/user").bearer(GITHUB_TOKEN).send().await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (403, Some("0")));
    assert!(message(&refused).starts_with("API rate limit exceeded for user ID 11."));
    let free = ask(&sandbox, "GET", "/github/rate_limit").bearer(GITHUB_TOKEN).send().await;
    assert_eq!(free.json()["resources"]["core"]["remaining"], json!(0));
    sandbox.clock().advance(jiff::SignedDuration::from_secs(3601));
    assert_eq!(ask(&sandbox, "GET", "/github/user").bearer(GITHUB_TOKEN).send().await.status, 200);
    assert_eq!(ask(&sandbox, "GET", "/github/user").send().await.status, 401);
}

#[tokio::test]
async fn too_many_changes_meet_the_secondary_limit() {
    let sandbox = start();
    sandbox.world().github.lock().limits.writes_per_minute = Some(1);
    assert_eq!(put(&sandbox, GITHUB_TOKEN, &body("one\n", None)).await.status, 201);
    let refused = put(&sandbox, GITHUB_TOKEN, &body("two\n", Some(&git::blob_id(b"one\n")))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (403, Some("60")));
    assert!(message(&refused).contains("secondary rate limit"));
    sandbox.clock().advance(jiff::SignedDuration::from_secs(61));
    assert_eq!(put(&sandbox, GITHUB_TOKEN, &body("two\n", Some(&git::blob_id(b"one\n")))).await.status, 200);
}

#[tokio::test]
async fn trees_blobs_branches_references_and_commits() {
    let sandbox = start();
    put(&sandbox, GITHUB_TOKEN, &body("one\n", None)).await;
    let base = "/github/repos/openshift/release-tests";
    let get = |path: &str| ask(&sandbox, "GET", &format!("{base}{path}")).bearer(GITHUB_TOKEN).send();
    let tree = get("/git/trees/z-stream?recursive=1").await.json();
    let paths: Vec<&str> =
        tree["tree"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert_eq!(paths[..2], ["_releases", "_releases/4.14"], "folders come before what is in them");
    let folder = ["_releases/4.19", "_releases/4.19/4.19.z.yaml", "_releases/4.19/statebox", PATH];
    assert!(paths.windows(4).any(|found| found == folder), "{paths:?}");
    assert_eq!(get("/git/trees/z-stream:_releases/4.19").await.json()["tree"][1]["path"], json!("statebox"));
    assert_eq!(get("/git/trees/nothing").await.status, 404);
    let blob = get(&format!("/git/blobs/{}", git::blob_id(b"one\n"))).await.json();
    assert_eq!(blob["content"], json!("b25lCg==\n"));
    let head = get("/branches/z-stream").await.json()["commit"]["sha"].clone();
    assert_eq!(get("/git/ref/heads/z-stream").await.json()["object"]["sha"], head);
    assert_eq!(get("/branches/nothing").await.status, 404);
    assert_eq!(get("/git/ref/heads/nothing").await.status, 404);
    let commits = get(&format!("/commits?sha=z-stream&path={PATH}")).await;
    assert_eq!(commits.json().as_array().unwrap().len(), 1, "the first commit does not touch the file");
    assert_eq!(commits.json()[0]["sha"], head);
    let page = get("/commits?sha=z-stream&per_page=1").await;
    assert!(page.header("link").unwrap().contains("page=2>; rel=\"next\""), "{:?}", page.header("link"));
    let commit = get(&format!("/commits/{}", head.as_str().unwrap())).await.json();
    assert_eq!(commit["files"][0]["status"], json!("added"));
    assert_eq!(get("").await.json()["permissions"]["push"], json!(true));
    assert_eq!(ask(&sandbox, "GET", "/github/repos/openshift/nothing").send().await.status, 404);

    let make = |name: &str, sha: &Value| {
        let body = json!({"ref": format!("refs/heads/{name}"), "sha": sha});
        ask(&sandbox, "POST", &format!("{base}/git/refs")).bearer(GITHUB_TOKEN).json(&body).send()
    };
    assert_eq!(make("work/one", &head).await.status, 201);
    assert_eq!(make("work/one", &head).await.status, 422);
    assert_eq!(make("two", &json!("0")).await.status, 422);
    assert_eq!(get("/branches/work/one").await.json()["commit"]["sha"], head);
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn build_data_for_everybody() {
    let sandbox = start();
    let path = "/github-raw/openshift-eng/ocp-build-data/openshift-4.19/releases.yml";
    let answer = ask(&sandbox, "GET", path).send().await;
    assert_eq!(answer.status, 200);
    let data: serde_yaml::Value = serde_yaml::from_str(&answer.text).unwrap();
    let url = data["releases"]["4.19.1"]["assembly"]["group"]["shipment"]["url"].as_str().unwrap();
    assert_eq!(url, crate::scenario::shipment_url(sandbox.world()));
    let tag = answer.header("etag").unwrap();
    assert_eq!(ask(&sandbox, "GET", path).header("if-none-match", tag).send().await.status, 304);
    let missing = ask(&sandbox, "GET", "/github-raw/openshift-eng/ocp-build-data/openshift-9.9/releases.yml")
        .send()
        .await;
    assert_eq!((missing.status, missing.text.as_str()), (404, "404: Not Found"));
    let long = path.replace("openshift-4.19/", "refs/heads/openshift-4.19/");
    assert_eq!(ask(&sandbox, "GET", &long).send().await.status, 200);
}

#[tokio::test]
async fn the_control_interface_writes_and_shows_files() {
    let sandbox = start();
    let file = json!({"branch": "z-stream", "path": "a.txt", "content": "hello"});
    assert_eq!(ask(&sandbox, "POST", "/_sandbox/state/github/file").json(&file).send().await.status, 200);
    let state = ask(&sandbox, "GET", "/_sandbox/state/github").send().await.json();
    assert_eq!(state[STATE_REPOSITORY]["z-stream"]["files"]["a.txt"]["text"], json!("hello"));
    let nowhere = json!({"repository": "a/b", "branch": "x", "path": "a.txt", "content": "hello"});
    assert_eq!(ask(&sandbox, "POST", "/_sandbox/state/github/file").json(&nowhere).send().await.status, 400);
}

#[tokio::test]
async fn only_the_newest_commits_are_kept_when_it_is_asked_for() {
    let sandbox = start();
    let now = sandbox.clock().now();
    {
        let mut github = sandbox.world().github.lock();
        let paths = github.paths(STATE_REPOSITORY, "z-stream");
        for number in 0..5 {
            let text = format!("{number}\n");
            github.put(STATE_REPOSITORY, "z-stream", "deep/down/a.txt", text, "by a test", now).unwrap();
        }
        let versions =
            |github: &super::State| github.versions(STATE_REPOSITORY, "z-stream", "deep/down/a.txt");
        assert_eq!(versions(&github), ["4\n", "3\n", "2\n", "1\n", "0\n"]);
        github.keep_newest(2);
        assert_eq!(versions(&github), ["4\n", "3\n"]);
        assert_eq!(github.commits(STATE_REPOSITORY, "z-stream").len(), 2);
        for path in &paths {
            assert!(github.text(STATE_REPOSITORY, "z-stream", path).is_some(), "{path}");
        }
        github.put(STATE_REPOSITORY, "z-stream", "deep/down/a.txt", "5\n", "by a test", now).unwrap();
        assert_eq!(versions(&github), ["5\n", "4\n", "3\n"]);
    }
    // The trees are there as well.
    let path = "/github/repos/openshift/release-tests/contents/deep/down?ref=z-stream";
    let listed = ask(&sandbox, "GET", path).bearer(GITHUB_TOKEN).send().await;
    assert_eq!((listed.status, listed.json()[0]["name"].clone()), (200, json!("a.txt")));
}

#[tokio::test]
async fn several_files_become_one_commit() {
    let sandbox = start();
    let base = "/github/repos/openshift/release-tests/git";
    let post = |path: &str, body: Value| {
        ask(&sandbox, "POST", &format!("{base}/{path}")).bearer(GITHUB_TOKEN).json(&body).send()
    };
    let head = ask(&sandbox, "GET", &format!("{base}/ref/heads/record"))
        .bearer(GITHUB_TOKEN)
        .send()
        .await
        .json()["object"]["sha"]
        .clone();
    let commit = ask(&sandbox, "GET", &format!("{base}/commits/{}", head.as_str().unwrap()))
        .bearer(GITHUB_TOKEN)
        .send()
        .await
        .json();
    let blob = post("blobs", json!({"content": "b25lCg==", "encoding": "base64"})).await;
    assert_eq!((blob.status, blob.json()["sha"].clone()), (201, json!(git::blob_id(b"one\n"))));
    let entry =
        |path: &str| json!({"path": path, "mode": "100644", "type": "blob", "sha": git::blob_id(b"one\n")});
    let gone = json!({"path": "_releases/ocp-latest-4.20-stable-amd64.json", "mode": "100644", "type": "blob", "sha": null});
    let tree = post(
        "trees",
        json!({"base_tree": commit["tree"]["sha"], "tree": [entry("_releases/a.json"), entry("_releases/b.json"), gone]}),
    )
    .await;
    assert_eq!(tree.status, 201, "{tree:?}");
    let made =
        post("commits", json!({"message": "Two", "tree": tree.json()["sha"], "parents": [head]})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let side =
        post("commits", json!({"message": "Side", "tree": tree.json()["sha"], "parents": [head]})).await;
    let advance = |sha: Value, force: bool| {
        let body = json!({"sha": sha, "force": force});
        ask(&sandbox, "PATCH", &format!("{base}/refs/heads/record")).bearer(GITHUB_TOKEN).json(&body).send()
    };
    assert_eq!(advance(made.json()["sha"].clone(), false).await.status, 200);
    let late = advance(side.json()["sha"].clone(), false).await;
    assert_eq!((late.status, message(&late)), (422, "Update is not a fast forward".to_owned()));
    let github = sandbox.world().github.lock();
    let text = |path: &str| github.text(STATE_REPOSITORY, "record", path);
    assert_eq!(text("_releases/a.json").as_deref(), Some("one\n"));
    assert_eq!(text("_releases/ocp-latest-4.20-stable-amd64.json"), None);
    assert_eq!(github.commits(STATE_REPOSITORY, "record")[0].message, "Two");
}

#[tokio::test]
async fn a_long_folder_is_cut_in_the_listing_and_whole_in_the_tree() {
    let sandbox = start();
    crate::scenario::records::fill(sandbox.world(), 1_100);
    let get = |path: &str| {
        ask(&sandbox, "GET", &format!("/github/repos/openshift/release-tests/{path}")).bearer(GITHUB_TOKEN)
    };
    let listed = get("contents/_releases?ref=record").send().await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1_000);
    let tree = get("git/trees/record:_releases").send().await;
    assert_eq!(tree.json()["truncated"], json!(false));
    assert_eq!(tree.json()["tree"].as_array().unwrap().len(), 1_120);
    let again =
        get("git/trees/record:_releases").header("if-none-match", tree.header("etag").unwrap()).send().await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn labels_of_pull_requests_come_by_graphql_and_a_partial_answer_says_what_is_missing() {
    let sandbox = start();
    let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    {
        let mut github = sandbox.world().github.lock();
        let pulls = [(1, labels(&["verified", "lgtm"])), (2, labels(&[]))];
        github.pull_requests.insert("openshift/demo".to_owned(), pulls.into_iter().collect());
    }
    let part = |alias: &str, name: &str, number: u64| {
        format!(
            "{alias}:repository(owner:\"openshift\",name:\"{name}\"){{pullRequest(number:{number}){{\
             labels(first:1){{totalCount nodes{{name}}}}}}}}"
        )
    };
    let query = ["a", "b", "c", "d"].iter().zip([("demo", 1), ("demo", 2), ("demo", 9), ("absent", 1)]);
    let query: String = query.map(|(alias, (name, number))| part(alias, name, number)).collect();
    let query = json!({ "query": format!("query{{{query}}}") });
    let send =
        async || ask(&sandbox, "POST", "/github/graphql").bearer(GITHUB_TOKEN).json(&query).send().await;
    let answer = send().await.json();
    let found = json!({"pullRequest": {"labels": {"totalCount": 2, "nodes": [{"name": "verified"}]}}});
    assert_eq!(answer["data"]["a"], found);
    assert_eq!(answer["data"]["b"]["pullRequest"]["labels"]["totalCount"], 0);
    assert_eq!((&answer["data"]["c"]["pullRequest"], &answer["data"]["d"]), (&Value::Null, &Value::Null));
    let problems: Vec<(&Value, &Value)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (&error["type"], &error["path"][0]))
        .collect();
    assert_eq!(problems, [(&json!("NOT_FOUND"), &json!("c")), (&json!("NOT_FOUND"), &json!("d"))]);
    sandbox.world().github.lock().graphql_limit = Some(1);
    let cut = send().await.json();
    assert!(cut["data"]["b"].is_null() && cut["errors"][0]["type"] == "RESOURCE_LIMITS_EXCEEDED", "{cut}");
    let query = [part("a", "demo", 1), part("b", "demo", 2_147_483_648)].concat();
    let query = json!({ "query": format!("query{{{query}}}") });
    let refused = ask(&sandbox, "POST", "/github/graphql").bearer(GITHUB_TOKEN).json(&query).send().await;
    assert_eq!((refused.status, refused.json().get("data")), (200, None), "a number of 32 bits");
    let words = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(words.contains("has an invalid value (2147483648)"), "{words}");
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn answers_name_the_scopes_of_classic_tokens_alone_and_the_end_of_a_token() {
    use crate::world::Simulated as _;

    let sandbox = start();
    let world = sandbox.world();
    let change = |body: Value| {
        let now = world.clock.now();
        world.github.lock().change("token", &body, now).unwrap();
    };
    let repository = async || {
        ask(&sandbox, "GET", "/github/repos/openshift/release-tests").bearer(GITHUB_TOKEN).send().await
    };
    let end = "github-authentication-token-expiration";
    let answer = repository().await;
    assert_eq!((answer.header("x-oauth-scopes"), answer.header(end)), (Some("repo, workflow"), None));
    let expires = 4_000_000_000_i64;
    change(json!({"token": GITHUB_TOKEN, "scopes": null, "expires": expires}));
    let answer = repository().await;
    assert_eq!(
        (answer.header("x-oauth-scopes"), answer.header(end)),
        (None, Some("2096-10-02 07:06:40 UTC"))
    );
    world.github.lock().tokens[GITHUB_TOKEN].expiry_offset = Some("+0900");
    assert_eq!(repository().await.header(end), Some("2096-10-02 16:06:40 +0900"));
    change(json!({"token": GITHUB_TOKEN, "expires": 1}));
    assert_eq!(repository().await.status, 401);
}

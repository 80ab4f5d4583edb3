use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, count, http, ok, permit};

const BASE: &str = "/github/repos/example/records";
const TREE: &str = "/github/repos/example/records/git/trees/record:_releases";

fn folder(server: &MockServer, cache: Option<&std::path::Path>) -> GithubFolder {
    let client = GithubClient::new(http(1), base(server, "/github"), Some("t0ken".into()));
    let repository = "example/records".parse().unwrap();
    GithubFolder::new(client, repository, "record", "_releases", cache.map(ObjectCache::at))
}

fn git_tree(files: &[(&str, &str)]) -> Value {
    let entries: Vec<Value> = files
        .iter()
        .map(|(name, text)| {
            json!({"path": name, "mode": "100644", "type": "blob", "sha": blob_id(text.as_bytes()), "size": text.len()})
        })
        .collect();
    let mut body = Vec::new();
    for (name, text) in files {
        body.extend_from_slice(format!("100644 {name}\0").as_bytes());
        let sha = blob_id(text.as_bytes());
        body.extend((0..20).map(|place| u8::from_str_radix(&sha[2 * place..2 * place + 2], 16).unwrap()));
    }
    let sha = {
        use sha1::{Digest as _, Sha1};
        let mut hash = Sha1::new();
        hash.update(format!("tree {}\0", body.len()));
        hash.update(&body);
        format!("{:x}", hash.finalize())
    };
    json!({"sha": sha, "url": "https://x.test", "tree": entries, "truncated": false})
}

async fn serve(server: &MockServer, files: &[(&str, &str)]) {
    Mock::given(method("GET"))
        .and(path(TREE))
        .and(header("if-none-match", "W/\"1\""))
        .respond_with(ResponseTemplate::new(304))
        .mount(server)
        .await;
    Mock::given(method("GET"))
        .and(path(TREE))
        .respond_with(
            ResponseTemplate::new(200).insert_header("etag", "W/\"1\"").set_body_json(git_tree(files)),
        )
        .with_priority(9)
        .mount(server)
        .await;
    for (_, text) in files {
        blob(server, &blob_id(text.as_bytes()), text).await;
    }
}

async fn blob(server: &MockServer, sha: &str, text: &str) {
    let content = base64::engine::general_purpose::STANDARD.encode(text);
    Mock::given(method("GET"))
        .and(path(format!("{BASE}/git/blobs/{sha}")))
        .respond_with(ok(json!({"content": content, "encoding": "base64"})))
        .mount(server)
        .await;
}

async fn texts(folder: &GithubFolder) -> Vec<String> {
    let tree = folder.list().await.unwrap().unwrap();
    folder.read(&tree.entries).await.into_iter().map(|file| file.unwrap().text).collect()
}

#[tokio::test]
async fn an_unchanged_folder_takes_one_request() {
    let server = MockServer::start().await;
    let files = [("a.json", "one"), ("b.json", "two"), ("c.json", "one")];
    serve(&server, &files).await;
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(texts(&folder(&server, Some(cache.path()))).await, ["one", "two", "one"]);
    let first = count(&server).await;
    assert!((3..=4).contains(&first), "the tree and its contents: {first}");
    // Another process.
    assert_eq!(texts(&folder(&server, Some(cache.path()))).await, ["one", "two", "one"]);
    assert_eq!(count(&server).await, first + 1);
}

#[tokio::test]
async fn a_damaged_or_missing_cache_only_costs_requests() {
    let server = MockServer::start().await;
    serve(&server, &[("a.json", "one")]).await;
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(texts(&folder(&server, Some(cache.path()))).await, ["one"]);
    let mut open = vec![cache.path().to_path_buf()];
    let mut damaged = 0;
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                std::fs::write(entry.path(), "garbage").unwrap();
                damaged += 1;
            }
        }
    }
    assert_eq!(damaged, 2, "a folder and a content");
    assert_eq!(texts(&folder(&server, Some(cache.path()))).await, ["one"]);
    assert_eq!(texts(&folder(&server, None)).await, ["one"]);
}

#[tokio::test]
async fn a_file_that_is_no_text_is_named_as_what_to_correct() {
    let server = MockServer::start().await;
    let cache = tempfile::tempdir().unwrap();
    ObjectCache::at(cache.path()).keep_blob(&[0xff]);
    let entry = json!({"path": "a.json", "mode": "100644", "sha": blob_id(&[0xff]), "size": 1});
    let entry: TreeEntry = serde_json::from_value(entry).unwrap();
    let error = folder(&server, Some(cache.path())).read(&[entry]).await.remove(0).unwrap_err();
    let hint = crate::error::Classified::hint(&error).unwrap();
    assert_eq!(hint, "Correct _releases/a.json on record of example/records.");
}

#[tokio::test]
async fn what_git_s_names_do_not_fit_is_refused() {
    let server = MockServer::start().await;
    let mut tree = git_tree(&[("a.json", "one")]);
    tree["tree"][0]["path"] = json!("b.json");
    Mock::given(path(TREE)).respond_with(ok(tree)).mount(&server).await;
    assert_eq!(folder(&server, None).list().await.unwrap_err().kind, ServiceErrorKind::Malformed);

    let server = MockServer::start().await;
    let mut tree = git_tree(&[("a.json", "one")]);
    tree["truncated"] = json!(true);
    Mock::given(path(TREE)).respond_with(ok(tree)).mount(&server).await;
    assert_eq!(folder(&server, None).list().await.unwrap_err().kind, ServiceErrorKind::Malformed);

    // One content does not match its hash: the others are read.
    let server = MockServer::start().await;
    serve(&server, &[("b.json", "two")]).await;
    blob(&server, &blob_id(b"one"), "another").await;
    let entries: Vec<TreeEntry> =
        serde_json::from_value(git_tree(&[("a.json", "one"), ("b.json", "two")])["tree"].clone()).unwrap();
    let read = folder(&server, None).read(&entries).await;
    assert_eq!(read[0].as_ref().unwrap_err().kind, ServiceErrorKind::Malformed);
    assert_eq!(read[1].as_ref().unwrap().text, "two");
}

#[tokio::test]
async fn an_absent_folder_is_told_from_a_hidden_branch() {
    let server = MockServer::start().await;
    let missing = ResponseTemplate::new(404).set_body_json(json!({"message": "Not Found"}));
    Mock::given(path(TREE)).respond_with(missing.clone()).mount(&server).await;
    Mock::given(path(format!("{BASE}/git/ref/heads/record")))
        .respond_with(ok(json!({})))
        .mount(&server)
        .await;
    assert_eq!(folder(&server, None).list().await.unwrap(), None);
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(missing).mount(&server).await;
    assert_eq!(folder(&server, None).list().await.unwrap_err().kind, ServiceErrorKind::NotFound);
}

#[tokio::test]
async fn files_are_written_and_removed_with_their_revision() {
    let server = MockServer::start().await;
    let file = format!("{BASE}/contents/_releases/a.json");
    Mock::given(method("PUT"))
        .and(path(&file))
        .respond_with(ok(json!({"content": {"sha": blob_id(b"new")}})))
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .and(path(&file))
        .respond_with(ok(json!({"content": null})))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .respond_with(ResponseTemplate::new(409).set_body_json(json!({"message": "a.json does not match"})))
        .mount(&server)
        .await;
    let permit = permit();
    let cache = tempfile::tempdir().unwrap();
    let folder = folder(&server, Some(cache.path()));
    let sha = folder.write("a.json", "new", Some("old"), "update file content", &permit).await.unwrap();
    assert!(GithubFolder::is_revision("new", &sha));
    let entry = serde_json::from_value(git_tree(&[("a.json", "new")])["tree"][0].clone()).unwrap();
    assert_eq!(folder.read(&[entry]).await[0].as_ref().unwrap().text, "new", "what was written is known");
    folder.remove("a.json", &sha, "delete file", &permit).await.unwrap();
    let error = folder.remove("a.json", &sha, "delete file", &permit).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Conflict);
    let requests = server.received_requests().await.unwrap();
    let body: Value = requests[1].body_json().unwrap();
    assert_eq!(body, json!({"message": "delete file", "sha": sha, "branch": "record"}));
}

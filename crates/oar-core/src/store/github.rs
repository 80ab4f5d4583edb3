//! State files on a branch of a GitHub repository (spec 01 §2.1, §2.9).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use url::Url;

use super::{EARLIER_VERSIONS, Revision, Store, StoreError, Stored, Wanted};
use crate::clients::github::{Contents, GithubClient, NOT_TEXT, Repository};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// The most files that are remembered for conditional reads. Beyond it all are dropped, because a command
/// reads only a few.
const REMEMBERED: usize = 64;

/// Stores files in a GitHub repository: a read is one `GET` (two when the file is absent), a write is one
/// `PUT` and one commit.
///
/// Files are remembered with their entity tags, so that reading an unchanged file again transfers no body and
/// does not count towards the rate limit.
#[derive(Debug)]
pub struct GithubStore {
    client: GithubClient,
    repository: Repository,
    branch: String,
    web: Url,
    believes_absence: bool,
    remembered: Mutex<HashMap<String, Remembered>>,
}

#[derive(Debug, Clone)]
struct Remembered {
    etag: String,
    stored: Stored,
}

impl GithubStore {
    /// A store on `branch` of `repository`; `web` is the base of GitHub's web pages, for links.
    pub fn new(client: GithubClient, repository: Repository, branch: impl Into<String>, web: Url) -> Self {
        Self {
            client,
            repository,
            branch: branch.into(),
            web,
            believes_absence: false,
            remembered: Mutex::default(),
        }
    }

    /// The same store for a caller that creates absent files: the write shows whether the branch exists, so a
    /// read does not check it.
    #[must_use]
    pub fn without_branch_check(mut self) -> Self {
        self.believes_absence = true;
        self
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        // Every change of the map is one call, so a panic elsewhere cannot leave it inconsistent.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, path: &str, etag: Option<String>, stored: &Stored) {
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        match etag {
            Some(etag) => {
                remembered.insert(path.to_owned(), Remembered { etag, stored: stored.clone() });
            }
            None => {
                remembered.remove(path);
            }
        }
    }
}

#[async_trait]
impl Store for GithubStore {
    async fn read(&self, path: &str) -> Result<Option<Stored>, StoreError> {
        check(path)?;
        let remembered = self.remembered().get(path).cloned();
        let etag = remembered.as_ref().map(|remembered| remembered.etag.as_str());
        let Self { client, repository, branch, .. } = self;
        let contents = if self.believes_absence {
            client.contents_on_known_branch(repository, path, branch, etag).await
        } else {
            client.contents(repository, path, branch, etag).await
        };
        let contents = contents.map_err(|error| {
            if error.kind == ServiceErrorKind::Malformed && error.detail == NOT_TEXT {
                StoreError::NotText { path: path.to_owned() }
            } else {
                error.into()
            }
        })?;
        match contents {
            Contents::Found(file) => {
                let stored = Stored { text: file.text, revision: Revision::new(file.sha) };
                self.remember(path, file.etag, &stored);
                Ok(Some(stored))
            }
            Contents::Unchanged => Ok(remembered.map(|remembered| remembered.stored)),
            Contents::Absent => {
                self.remembered().remove(path);
                Ok(None)
            }
        }
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        check(folder)?;
        Ok(self.client.files(&self.repository, folder, &self.branch).await?)
    }

    async fn earlier(&self, path: &str, wanted: Wanted<'_>) -> Result<Option<String>, StoreError> {
        check(path)?;
        let Self { client, repository, branch, .. } = self;
        for commit in client.commits_of(repository, path, branch, EARLIER_VERSIONS).await? {
            // A version that is not text, or is too large, is not the wanted one.
            let read = client.contents_on_known_branch(repository, path, &commit.sha, None).await;
            match read {
                Ok(Contents::Found(file)) if wanted(&file.text) => return Ok(Some(file.text)),
                Ok(_) => {}
                Err(error) if error.kind == ServiceErrorKind::Malformed => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    async fn write(
        &self,
        path: &str,
        text: &str,
        expected: Option<&Revision>,
        message: &str,
        permit: &WritePermit,
    ) -> Result<Revision, StoreError> {
        check(path)?;
        // Whatever the result of the write, the next read must fetch the file.
        self.remembered().remove(path);
        let expected = expected.map(Revision::as_str);
        self.client
            .put_contents(&self.repository, path, &self.branch, text, expected, message, permit)
            .await
            .map(Revision::new)
            .map_err(|error| of_write(path, error))
    }

    /// The file's web page: the link in messages (interop-exact, spec 01 §2.1).
    fn describe(&self, path: &str) -> String {
        let web = self.web.as_str().trim_end_matches('/');
        format!("{web}/{}/blob/{}/{path}", self.repository, self.branch)
    }
}

fn of_write(path: &str, error: ServiceError) -> StoreError {
    match error.kind {
        ServiceErrorKind::Conflict => StoreError::Conflict { path: path.to_owned() },
        ServiceErrorKind::Unclear => StoreError::Unclear(error),
        _ => StoreError::Service(error),
    }
}

fn check(path: &str) -> Result<(), StoreError> {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
    if path.split('/').all(part) { Ok(()) } else { Err(StoreError::InvalidPath { path: path.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{header, header_exists, method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{base, http, ok, permit};

    const FILE: &str = "_releases/4.19/statebox/4.19.1.yaml";
    const CONTENTS: &str = "/repos/example/states/contents/_releases/4.19/statebox/4.19.1.yaml";

    fn store(server: &MockServer) -> GithubStore {
        let client = GithubClient::new(http(1), base(server, ""), Some("t0ken".into()));
        let web = Url::parse("https://github.example.test/").unwrap();
        GithubStore::new(client, "example/states".parse().unwrap(), "z-stream", web)
    }

    fn file(sha: &str) -> ResponseTemplate {
        ResponseTemplate::new(200)
            .insert_header("etag", format!("\"{sha}\""))
            .set_body_json(json!({"encoding": "base64", "content": "YTogMQo=", "sha": sha}))
    }

    async fn write(store: &GithubStore, expected: Option<&str>) -> Result<Revision, StoreError> {
        let permit = permit();
        store.write(FILE, "a: 2\n", expected.map(Revision::new).as_ref(), "change", &permit).await
    }

    #[tokio::test]
    async fn reading_again_asks_whether_it_changed() {
        let server = MockServer::start().await;
        Mock::given(header("if-none-match", "\"s1\""))
            .respond_with(ResponseTemplate::new(304))
            .expect(1)
            .mount(&server)
            .await;
        Mock::given(path(CONTENTS)).respond_with(file("s1")).expect(1).mount(&server).await;
        let store = store(&server);
        let first = store.read(FILE).await.unwrap().unwrap();
        assert_eq!((first.text.as_str(), first.revision.as_str()), ("a: 1\n", "s1"));
        assert_eq!(store.read(FILE).await.unwrap().unwrap(), first);
    }

    #[tokio::test]
    async fn a_write_carries_the_revision_and_forgets_what_was_read() {
        let server = MockServer::start().await;
        Mock::given(header_exists("if-none-match"))
            .respond_with(ResponseTemplate::new(304))
            .expect(0)
            .mount(&server)
            .await;
        Mock::given(method("GET")).respond_with(file("s1")).expect(2).mount(&server).await;
        Mock::given(method("PUT"))
            .respond_with(ok(json!({"content": {"sha": "s2"}})))
            .expect(1)
            .mount(&server)
            .await;
        let store = store(&server);
        store.read(FILE).await.unwrap();
        assert_eq!(write(&store, Some("s1")).await.unwrap().as_str(), "s2");
        store.read(FILE).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&requests[1].body).unwrap();
        assert_eq!(body["sha"], "s1");
    }

    #[tokio::test]
    async fn an_absent_file_is_none_and_a_hidden_branch_is_an_error() {
        for (status, absent) in [(200, true), (404, false)] {
            let server = MockServer::start().await;
            Mock::given(path(CONTENTS))
                .respond_with(ResponseTemplate::new(404))
                .expect(1)
                .mount(&server)
                .await;
            Mock::given(path("/repos/example/states/git/ref/heads/z-stream"))
                .respond_with(ResponseTemplate::new(status))
                .expect(1)
                .mount(&server)
                .await;
            let read = store(&server).read(FILE).await;
            assert_eq!(matches!(read, Ok(None)), absent, "{read:?}");
            assert_eq!(matches!(read, Err(StoreError::Service(_))), !absent, "{read:?}");
        }
    }

    #[tokio::test]
    async fn earlier_versions_are_read_from_the_branch_s_commits_until_one_is_wanted() {
        let server = MockServer::start().await;
        let commits: Vec<_> = ["c4", "c3", "c2", "c1"].iter().map(|sha| json!({"sha": sha})).collect();
        Mock::given(path("/repos/example/states/commits"))
            .and(query_param("path", FILE))
            .and(query_param("sha", "z-stream"))
            .and(query_param("per_page", "10"))
            .respond_with(ok(commits))
            .expect(2)
            .mount(&server)
            .await;
        let at = |commit: &'static str, answer: ResponseTemplate, times: u64| {
            Mock::given(path(CONTENTS)).and(query_param("ref", commit)).respond_with(answer).expect(times)
        };
        let text = |text: &str| {
            let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
            ResponseTemplate::new(200)
                .set_body_json(json!({"encoding": "base64", "content": content, "sha": "s"}))
        };
        at("c4", text("a: 4\n"), 2).mount(&server).await;
        // Removed there, and created again.
        at("c3", ResponseTemplate::new(404), 2).mount(&server).await;
        at("c2", text("a: 2\n"), 2).mount(&server).await;
        at("c1", text("a: 1\n"), 1).mount(&server).await;
        let store = store(&server);
        assert_eq!(store.earlier(FILE, &|text| text == "a: 2\n").await.unwrap().as_deref(), Some("a: 2\n"));
        assert_eq!(store.earlier(FILE, &|_| false).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_folder_is_listed_and_an_absent_one_is_empty() {
        let server = MockServer::start().await;
        let entry = |name: &str, kind: &str| json!({"name": name, "type": kind, "sha": "s1"});
        let entries = json!([entry("b.yaml", "file"), entry("a.yaml", "file"), entry("old", "dir")]);
        Mock::given(path("/repos/example/states/contents/_releases/4.19/statebox"))
            .respond_with(ok(entries))
            .mount(&server)
            .await;
        Mock::given(path("/repos/example/states/git/ref/heads/z-stream"))
            .respond_with(ResponseTemplate::new(200))
            .mount(&server)
            .await;
        let store = store(&server);
        assert_eq!(store.list("_releases/4.19/statebox").await.unwrap(), ["a.yaml", "b.yaml"]);
        assert!(store.list("_releases/4.18/statebox").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn conflicts_and_unclear_writes_are_told_apart() {
        let twin = json!({"message": "Invalid request.\n\n\"sha\" wasn't supplied."});
        for (status, body, kind) in [
            (409, json!({"message": "does not match"}), "conflict"),
            (422, twin, "conflict"),
            (502, json!({}), "unclear"),
            (403, json!({"message": "Resource not accessible"}), "service"),
        ] {
            let server = MockServer::start().await;
            let answer = ResponseTemplate::new(status).set_body_json(body);
            Mock::given(method("PUT")).respond_with(answer).expect(1).mount(&server).await;
            let error = write(&store(&server), None).await.unwrap_err();
            let found = match error {
                StoreError::Conflict { .. } => "conflict",
                StoreError::Unclear(_) => "unclear",
                StoreError::Service(_) => "service",
                _ => "other",
            };
            assert_eq!(found, kind, "{status}");
        }
    }

    #[tokio::test]
    async fn a_path_cannot_leave_the_repository() {
        let server = MockServer::start().await;
        let store = store(&server);
        for path in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b"] {
            assert!(matches!(store.read(path).await, Err(StoreError::InvalidPath { .. })), "{path}");
        }
        assert!(server.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_description_is_the_link_that_messages_carry() {
        let server = MockServer::start().await;
        assert_eq!(
            store(&server).describe(FILE),
            "https://github.example.test/example/states/blob/z-stream/_releases/4.19/statebox/4.19.1.yaml"
        );
    }
}

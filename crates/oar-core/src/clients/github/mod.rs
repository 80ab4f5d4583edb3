//! GitHub's REST API, as far as state and record files need it (spec 01 §2.9).
//!
//! Requests are made by octocrab and travel over [`Http`]: one `GET` per read, one `PUT` per write.

mod batch;
mod cache;
mod failure;
mod folder;
#[cfg(test)]
mod folder_tests;
mod model;
mod pull_requests;
mod renamed;
mod standing;
mod tree;

#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use http::header::ETAG;
use http::{Method, StatusCode};
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

pub use crate::ids::{InvalidRepository, Repository};
pub use cache::ObjectCache;
pub use folder::{FolderFile, GithubFolder};
use model::{CommitAnswer, ContentsAnswer, ContentsWrite, FolderEntry, WriteAnswer};
pub use model::{Contents, FileCommit, FileContent};
pub use pull_requests::{Labels, PullRequest};
pub use standing::{Expiry, RepositoryStanding, TokenRights};
pub use tree::{FolderTree, Tree, TreeEntry, blob_id};

use super::transport::{self, Purpose, Transport};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Http, Reply};
use crate::permit::WritePermit;
use crate::service::Service;

/// Characters that are not escaped in a path segment or a query value.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Reads and writes files of GitHub repositories. Cheap to clone.
#[derive(Clone)]
pub struct GithubClient {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    base: Url,
    token: Option<SecretString>,
    // Made at the first call, because octocrab's builder needs a running runtime.
    octocrab: OnceLock<Octocrab>,
    // Whether the user was told that a repository has another name now.
    told_of_move: AtomicBool,
}

impl std::fmt::Debug for GithubClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("GithubClient")
            .field("transport", &self.inner.transport)
            .finish_non_exhaustive()
    }
}

impl GithubClient {
    /// A client of the API at `base`, which may carry a path prefix.
    ///
    /// Without a token every call fails with [`ServiceErrorKind::MissingCredential`]: GitHub serves anonymous
    /// callers so few requests that a release day would not last.
    pub fn new(http: Http, base: Url, token: Option<SecretString>) -> Self {
        let token = token
            .map(|token| SecretString::from(token.expose_secret().trim()))
            .filter(|token| !token.expose_secret().is_empty());
        Self {
            inner: Arc::new(Inner {
                transport: Transport::new(http, Service::GithubApi)
                    .below(base.clone())
                    .refusal_wait(failure::limit_wait),
                base,
                token,
                octocrab: OnceLock::new(),
                told_of_move: AtomicBool::new(false),
            }),
        }
    }

    /// Reads the text file `path` on `branch`.
    ///
    /// With the entity tag of an earlier answer the read is conditional: for an unchanged file it does not
    /// count towards the rate limit and has no body. When GitHub answers 404, one more request distinguishes
    /// an absent file from a branch that the token cannot see; the latter is an error, never
    /// [`Contents::Absent`] (spec 01 §8 S15).
    pub async fn contents(
        &self,
        repository: &Repository,
        path: &str,
        branch: &str,
        etag: Option<&str>,
    ) -> Result<Contents, ServiceError> {
        let contents = self.contents_on_known_branch(repository, path, branch, etag).await?;
        if matches!(contents, Contents::Absent) {
            self.require_branch(repository, branch).await?;
        }
        Ok(contents)
    }

    /// Like [`GithubClient::contents`], in one request: an absent branch looks like an absent file. For
    /// callers whose next request detects that.
    pub async fn contents_on_known_branch(
        &self,
        repository: &Repository,
        path: &str,
        branch: &str,
        etag: Option<&str>,
    ) -> Result<Contents, ServiceError> {
        let purpose =
            Purpose { operation: "read a file", subject: format!("{path} on {branch} of {repository}") };
        let address = format!("{}?ref={}", contents_path(repository, path), encoded(branch));
        let reply = self.get(address, etag, purpose).await?;
        match reply.status {
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Contents::Unchanged),
            StatusCode::NOT_FOUND => Ok(Contents::Absent),
            StatusCode::OK => Ok(Contents::Found(self.file_content(repository, &reply).await?)),
            _ => Err(failure::of(&reply)),
        }
    }

    /// The names of the files in the folder `path` on `branch`, in alphabetical order; none when there is no such
    /// folder. GitHub lists a thousand at most.
    pub async fn files(
        &self,
        repository: &Repository,
        path: &str,
        branch: &str,
    ) -> Result<Vec<String>, ServiceError> {
        let purpose =
            Purpose { operation: "list a folder", subject: format!("{path} on {branch} of {repository}") };
        let address = format!("{}?ref={}", contents_path(repository, path), encoded(branch));
        let reply = self.get(address, None, purpose).await?;
        match reply.status {
            StatusCode::NOT_FOUND => {
                self.require_branch(repository, branch).await?;
                Ok(Vec::new())
            }
            StatusCode::OK => {
                let entries: Vec<FolderEntry> = reply.json()?;
                let files = entries.into_iter().filter(|entry| entry.kind == "file");
                let mut names: Vec<String> = files.map(|entry| entry.name).collect();
                names.sort();
                Ok(names)
            }
            _ => Err(failure::of(&reply)),
        }
    }

    /// The newest commits of `branch` that changed the file `path`, newest first, at most `most`. One
    /// request.
    pub async fn commits_of(
        &self,
        repository: &Repository,
        path: &str,
        branch: &str,
        most: u8,
    ) -> Result<Vec<FileCommit>, ServiceError> {
        let subject = format!("{path} on {branch} of {repository}");
        let address = format!(
            "/repos/{}/{}/commits?path={}&sha={}&per_page={most}",
            encoded(repository.owner()),
            encoded(repository.name()),
            encoded(path),
            encoded(branch)
        );
        let reply = self.get(address, None, Purpose { operation: "list a file's commits", subject }).await?;
        match reply.status {
            StatusCode::OK => {
                let commits: Vec<CommitAnswer> = reply.json()?;
                Ok(commits.into_iter().take(usize::from(most)).map(FileCommit::from).collect())
            }
            _ => Err(failure::of(&reply)),
        }
    }

    /// Writes the text file `path` on `branch` as one commit and returns the file's new SHA.
    ///
    /// `sha` is the revision that was read, `None` to create the file. The error is
    /// [`ServiceErrorKind::Conflict`] when the file has changed since it was read (or the branch changes at
    /// that moment), and [`ServiceErrorKind::Unclear`] when the commit may or may not exist: the caller reads
    /// the file before it writes again.
    #[expect(clippy::too_many_arguments, reason = "the fields of one commit, each of another meaning")]
    pub async fn put_contents(
        &self,
        repository: &Repository,
        path: &str,
        branch: &str,
        text: &str,
        sha: Option<&str>,
        message: &str,
        _permit: &WritePermit,
    ) -> Result<String, ServiceError> {
        let purpose =
            Purpose { operation: "write a file", subject: format!("{path} on {branch} of {repository}") };
        let body = ContentsWrite {
            message,
            content: base64::engine::general_purpose::STANDARD.encode(text),
            sha,
            branch,
        };
        let request = http::Request::builder().method(Method::PUT).uri(contents_path(repository, path));
        let reply =
            self.send(request, Some(&body), purpose).await.map_err(failure::unclear_when_malformed)?;
        match reply.status {
            StatusCode::OK | StatusCode::CREATED => {
                let answer: WriteAnswer = reply.json().map_err(failure::unclear_when_malformed)?;
                Ok(answer.content.sha)
            }
            _ => Err(self.failed_write(&reply).await),
        }
    }

    /// Fails unless the branch exists and the token may read it.
    pub async fn require_branch(&self, repository: &Repository, branch: &str) -> Result<(), ServiceError> {
        let purpose = Purpose { operation: "see the branch", subject: format!("{branch} of {repository}") };
        let branch_path = branch.split('/').map(encoded).collect::<Vec<_>>().join("/");
        let address = format!(
            "/repos/{}/{}/git/ref/heads/{branch_path}",
            encoded(repository.owner()),
            encoded(repository.name())
        );
        let reply = self.get(address, None, purpose).await?;
        match reply.status {
            StatusCode::OK => Ok(()),
            // 409: the repository has no commit yet.
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Err(reply
                .failure(ServiceErrorKind::NotFound, failure::message(&reply))
                .with_hint(format!(
                    "Check that the branch {branch} of {repository} exists and that the token in GITHUB_TOKEN \
                     may read it: GitHub answers 404 for a repository that a token cannot see.",
                ))),
            _ => Err(failure::of(&reply)),
        }
    }

    /// The text of a file from the answer to a contents read. For a file of more than 1 MB the answer has no
    /// content, which is then read by its SHA.
    async fn file_content(
        &self,
        repository: &Repository,
        reply: &Reply,
    ) -> Result<FileContent, ServiceError> {
        let answer: ContentsAnswer = reply.json()?;
        let malformed = |detail: &str| reply.failure(ServiceErrorKind::Malformed, detail);
        let bytes = match answer.encoding.as_deref() {
            Some("base64") => {
                let mut content = answer.content.ok_or_else(|| malformed("the answer has no content"))?;
                content.retain(|c| !c.is_ascii_whitespace());
                base64::engine::general_purpose::STANDARD
                    .decode(content)
                    .map_err(|_| malformed("the content is not base64"))?
            }
            Some("none") => self.blob(repository, &answer.sha).await?,
            _ => return Err(malformed("the content has an encoding that GitHub does not document")),
        };
        let text = String::from_utf8(bytes).map_err(|_| malformed(NOT_TEXT))?;
        let etag = reply.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        Ok(FileContent { text, sha: answer.sha, etag })
    }

    async fn send<B: Serialize>(
        &self,
        request: http::request::Builder,
        body: Option<&B>,
        purpose: Purpose,
    ) -> Result<Reply, ServiceError> {
        let Some(token) = &self.inner.token else {
            return Err(purpose
                .error(Service::GithubApi, ServiceErrorKind::MissingCredential, "GITHUB_TOKEN is not set")
                .with_hint(
                    "Set GITHUB_TOKEN to a token that may read and write the contents of the repository that holds \
                     the release state.",
                ));
        };
        let octocrab = self.octocrab(token);
        let request = octocrab
            .build_request(
                request
                    .extension(purpose.clone())
                    .header(http::header::ACCEPT, "application/vnd.github+json"),
                body,
            )
            .map_err(|error| failure::of_library(error, &purpose))?;
        let mut response =
            octocrab.execute(request).await.map_err(|error| failure::of_library(error, &purpose))?;
        response.extensions_mut().remove::<Reply>().ok_or_else(|| {
            purpose.error(
                Service::GithubApi,
                ServiceErrorKind::Malformed,
                "the answer was lost inside the program",
            )
        })
    }

    fn octocrab(&self, token: &SecretString) -> &Octocrab {
        self.inner.octocrab.get_or_init(|| {
            let Ok(octocrab) = OctocrabBuilder::new_empty()
                .with_service(self.inner.transport.clone())
                .with_auth(AuthState::AccessToken { token: token.clone() })
                .build();
            octocrab
        })
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn contents_path(repository: &Repository, path: &str) -> String {
    let path = path.split('/').map(encoded).collect::<Vec<_>>().join("/");
    format!("/repos/{}/{}/contents/{path}", encoded(repository.owner()), encoded(repository.name()))
}

/// The error for a file that is not text.
pub(crate) const NOT_TEXT: &str = "the file is not UTF-8 text";

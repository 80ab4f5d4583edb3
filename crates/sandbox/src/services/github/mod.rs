//! GitHub: the REST interface under `/github`, files for everybody under `/github-raw`.
//!
//! Everything is in memory with git's own object names, so a client may compute them. Refusals are those of
//! spec 01 §2.9: 401 for unknown tokens, 404 for repositories that the caller may not change, 409 for a sha
//! that is not the file's, 422 for a missing sha or bad Base64.
//!
//! Changes through the control interface (`POST /_sandbox/state/github/<operation>`):
//!
//! | Operation | Body |
//! |---|---|
//! | `file` | `{"repository", "branch", "path", "content", "message"}`; `repository` defaults to `openshift/release-tests`; without `content` the file is removed |
//! | `limits` | `{"authenticated", "anonymous", "writes_per_minute", "silent_about_waits"}`, each optional |
//! | `rename` | `{"repository", "to"}`; `repository` as above |
//! | `token` | `{"token", "scopes", "expires"}`: a list of scopes makes it a classic one, null a fine-grained one; `expires` in seconds since 1970, null for never |

use std::collections::BTreeMap;

use axum::{
    Extension, Router,
    extract::Request,
    http::Extensions,
    middleware,
    response::Response,
    routing::{any, get, post},
};
use bytes::Bytes;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use self::{
    identity::{Identity, TokenKind},
    limits::Limits,
    repository::{Commit, Repository},
};
use crate::world::{Shared, Simulated};

mod asked;
mod contents;
mod data;
mod database;
mod gate;
pub mod git;
mod graphql;
pub mod identity;
pub mod limits;
mod raw;
mod reply;
pub mod repository;

/// The repository with StateBox and record files.
pub const STATE_REPOSITORY: &str = "openshift/release-tests";
/// The repository with build data.
pub const BUILD_DATA_REPOSITORY: &str = "openshift-eng/ocp-build-data";

/// Files above this size are named but not shown by the control interface.
const SHOWN_LIMIT: usize = 64 * 1024;

/// What GitHub knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Tokens and their accounts.
    pub tokens: IndexMap<String, Identity>,
    /// Rate limits.
    pub limits: Limits,
    /// Labels of pull requests by number, by repository as `owner/name`. A repository that stands here exists.
    pub pull_requests: BTreeMap<String, BTreeMap<u64, Vec<String>>>,
    /// How many repositories one GraphQL query may ask for before the rest is left out as too heavy.
    pub graphql_limit: Option<usize>,
    repositories: IndexMap<String, Repository>,
    /// Earlier names of repositories in lower case, and their numbers.
    renamed: IndexMap<String, u64>,
}

impl State {
    /// A repository by owner and name, in any case of letters.
    pub fn repository(&self, owner: &str, name: &str) -> Option<&Repository> {
        self.repositories.get(&format!("{owner}/{name}").to_lowercase())
    }

    /// The same, to change it.
    pub fn repository_mut(&mut self, owner: &str, name: &str) -> Option<&mut Repository> {
        self.repositories.get_mut(&format!("{owner}/{name}").to_lowercase())
    }

    /// Gives a repository another name. What is sent to the old one leads there from now on.
    ///
    /// # Errors
    /// There is no such repository.
    pub fn rename(&mut self, full_name: &str, to: &str) -> Result<(), String> {
        let (owner, name) = to.split_once('/').ok_or_else(|| format!("{to} is not owner and name"))?;
        let mut repository = self
            .repositories
            .shift_remove(&full_name.to_lowercase())
            .ok_or_else(|| format!("no repository {full_name}"))?;
        owner.clone_into(&mut repository.owner);
        name.clone_into(&mut repository.name);
        self.renamed.insert(full_name.to_lowercase(), repository.id);
        self.renamed.shift_remove(&to.to_lowercase());
        self.repositories.insert(to.to_lowercase(), repository);
        Ok(())
    }

    /// The number of the repository that once had this name.
    fn renamed_to(&self, owner: &str, name: &str) -> Option<u64> {
        self.renamed.get(&format!("{owner}/{name}").to_lowercase()).copied()
    }

    /// The full name of the repository with this number.
    fn name_of(&self, id: u64) -> Option<String> {
        self.repositories.values().find(|repository| repository.id == id).map(Repository::full_name)
    }

    /// A new repository with empty branches; the first one is the default.
    pub fn add_repository(&mut self, full_name: &str, branches: &[&str], now: Timestamp) {
        let (owner, name) = full_name.split_once('/').unwrap_or((full_name, full_name));
        let id = 100 + u64::try_from(self.repositories.len()).unwrap_or(0);
        let mut repository = Repository::new(id, owner, name, branches.first().unwrap_or(&"main"));
        for branch in branches {
            repository.create_branch(branch, None, &sandbox(), now);
        }
        self.repositories.insert(full_name.to_lowercase(), repository);
    }

    /// Commits a file as the sandbox itself, whatever it held; makes the branch where it does not exist.
    pub fn put(
        &mut self,
        full_name: &str,
        branch: &str,
        path: &str,
        content: impl Into<Bytes>,
        message: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let repository = self.named(full_name)?;
        if repository.head(branch).is_none() {
            repository.create_branch(branch, None, &sandbox(), now);
        }
        repository.write(branch, path, Some(content.into()), message, &sandbox(), now).map(|_| ())
    }

    /// Commits many files in one commit as the sandbox itself.
    pub fn put_all(
        &mut self,
        full_name: &str,
        branch: &str,
        files: Vec<(String, String)>,
        message: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let repository = self.named(full_name)?;
        let changes = files.into_iter().map(|(path, text)| (path, Some(Bytes::from(text)))).collect();
        repository.write_all(branch, changes, message, &sandbox(), now).map(|_| ())
    }

    /// Removes a file as the sandbox itself.
    pub fn remove(
        &mut self,
        full_name: &str,
        branch: &str,
        path: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let message = format!("Delete {path}");
        self.named(full_name)?.write(branch, path, None, &message, &sandbox(), now).map(|_| ())
    }

    fn named(&mut self, full_name: &str) -> Result<&mut Repository, String> {
        self.repositories
            .get_mut(&full_name.to_lowercase())
            .ok_or_else(|| format!("no repository {full_name}"))
    }

    /// The text of a file at the head of a branch.
    pub fn text(&self, full_name: &str, branch: &str, path: &str) -> Option<String> {
        let repository = self.repositories.get(&full_name.to_lowercase())?;
        let (_, content) = repository.file(repository.head(branch)?, path)?;
        Some(String::from_utf8_lossy(content).into_owned())
    }

    /// Forgets all but the newest `count` commits of each branch, for whoever watches how much memory is used.
    pub fn keep_newest(&mut self, count: usize) {
        for repository in self.repositories.values_mut() {
            repository.keep_newest(count);
        }
    }

    /// The texts that a file had in the commits of a branch, each once, the newest first.
    pub fn versions(&self, full_name: &str, branch: &str, path: &str) -> Vec<String> {
        let Some(repository) = self.repositories.get(&full_name.to_lowercase()) else { return Vec::new() };
        let Some(head) = repository.head(branch) else { return Vec::new() };
        let mut texts: Vec<String> = Vec::new();
        for commit in repository.history(head) {
            let Some((_, content)) = repository.file(&commit, path) else { continue };
            let text = String::from_utf8_lossy(content).into_owned();
            if texts.last() != Some(&text) {
                texts.push(text);
            }
        }
        texts
    }

    /// The paths of all files of a branch.
    pub fn paths(&self, full_name: &str, branch: &str) -> Vec<String> {
        let repository = self.repositories.get(&full_name.to_lowercase());
        let head = repository.and_then(|repository| repository.head(branch));
        head.map(|head| head.files.keys().cloned().collect()).unwrap_or_default()
    }

    /// The commits of a branch, newest first.
    pub fn commits(&self, full_name: &str, branch: &str) -> Vec<Commit> {
        let Some(repository) = self.repositories.get(&full_name.to_lowercase()) else { return Vec::new() };
        let head = repository.head(branch);
        head.map(|head| repository.history(head).iter().map(|commit| Commit::clone(commit)).collect())
            .unwrap_or_default()
    }
}

/// The author of what the sandbox itself commits.
fn sandbox() -> Identity {
    Identity::new(1, "sandbox", "Sandbox", true)
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let repositories: Map<String, Value> = self
            .repositories
            .values()
            .map(|repository| {
                let branches: Map<String, Value> = repository
                    .branches
                    .keys()
                    .filter_map(|branch| {
                        Some((branch.clone(), branch_snapshot(repository, repository.head(branch)?)))
                    })
                    .collect();
                (repository.full_name(), Value::Object(branches))
            })
            .collect();
        Value::Object(repositories)
    }

    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let need = |field: &str| text(field).ok_or_else(|| format!("{operation} needs the text {field}"));
        match operation {
            "file" => {
                let repository = text("repository").unwrap_or(STATE_REPOSITORY);
                let (branch, path) = (need("branch")?, need("path")?);
                match text("content") {
                    Some(content) => {
                        let message =
                            text("message").unwrap_or("Change a file through the control interface");
                        self.put(repository, branch, path, content.to_owned(), message, now)?;
                    }
                    None => self.remove(repository, branch, path, now)?,
                }
                Ok(json!({"path": path}))
            }
            "limits" => {
                let number = |field: &str| body.get(field).and_then(Value::as_u64);
                self.limits.authenticated = number("authenticated").unwrap_or(self.limits.authenticated);
                self.limits.anonymous = number("anonymous").unwrap_or(self.limits.anonymous);
                if let Some(silent) = body.get("silent_about_waits").and_then(Value::as_bool) {
                    self.limits.silent_about_waits = silent;
                }
                if let Some(limit) = number("writes_per_minute") {
                    self.limits.writes_per_minute = usize::try_from(limit).ok();
                }
                Ok(json!({}))
            }
            "rename" => {
                let repository = text("repository").unwrap_or(STATE_REPOSITORY);
                self.rename(repository, need("to")?)?;
                Ok(json!({"to": need("to")?}))
            }
            "token" => {
                let identity = self.tokens.get_mut(need("token")?).ok_or("no such token")?;
                if let Some(scopes) = body.get("scopes") {
                    let names = scopes
                        .as_array()
                        .map(|scopes| scopes.iter().filter_map(Value::as_str).map(str::to_owned).collect());
                    identity.token = names.map_or(TokenKind::FineGrained, TokenKind::Classic);
                }
                if let Some(expires) = body.get("expires") {
                    identity.expires = expires.as_i64();
                }
                Ok(json!({}))
            }
            _ => Err(format!("no operation {operation}; there are file, limits, rename and token")),
        }
    }
}

fn branch_snapshot(repository: &Repository, head: &std::sync::Arc<Commit>) -> Value {
    let files: Map<String, Value> = head
        .files
        .iter()
        .map(|(path, sha)| {
            let content = repository.blob(sha).filter(|content| content.len() <= SHOWN_LIMIT);
            let shown = content.map(|content| String::from_utf8_lossy(content).into_owned());
            (path.clone(), json!({"sha": sha, "text": shown}))
        })
        .collect();
    let commits: Vec<Value> = repository
        .history(head)
        .iter()
        .map(|commit| json!({"sha": commit.sha, "author": commit.author.login, "message": commit.message}))
        .collect();
    json!({"head": head.sha, "files": files, "commits": commits})
}

/// Routes of the REST interface, without the prefix.
pub fn router() -> Router<Shared> {
    routes()
        .route("/repositories/{id}", any(by_number))
        .route("/repositories/{id}/{*rest}", any(by_number))
        .layer(middleware::from_fn(gate::gate))
}

/// A repository by its number: where requests to an old name are led.
async fn by_number(Extension(world): Extension<Shared>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches("/repositories/").to_owned();
    let (id, rest) =
        path.split_once('/').map_or((path.as_str(), String::new()), |(id, rest)| (id, format!("/{rest}")));
    let name = id.parse().ok().and_then(|id| world.github.lock().name_of(id));
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri = name.and_then(|name| format!("/repos/{name}{rest}{query}").parse().ok());
    let Some(uri) = uri else { return reply::not_found() };
    let (parts, body) = request.into_parts();
    // A new request: the parameters of this route must not reach the other one.
    let mut inner = Request::new(body);
    *inner.method_mut() = parts.method;
    *inner.uri_mut() = uri;
    *inner.headers_mut() = parts.headers;
    for_inner::<Shared>(&parts.extensions, &mut inner);
    for_inner::<identity::Caller>(&parts.extensions, &mut inner);
    for_inner::<crate::intercept::StaleRead>(&parts.extensions, &mut inner);
    let Ok(response) = routes().with_state(world).oneshot(inner).await;
    response
}

fn for_inner<T: Clone + Send + Sync + 'static>(from: &Extensions, request: &mut Request) {
    if let Some(value) = from.get::<T>() {
        request.extensions_mut().insert(value.clone());
    }
}

fn routes() -> Router<Shared> {
    Router::new()
        .route("/rate_limit", get(data::rate_limit))
        .route("/graphql", post(graphql::answer))
        .route("/user", get(data::user))
        .route("/users/{login}", get(data::account))
        .route("/repos/{owner}/{repo}", get(data::repository))
        .route("/repos/{owner}/{repo}/contents", get(contents::root))
        .route("/repos/{owner}/{repo}/contents/", get(contents::root))
        .route(
            "/repos/{owner}/{repo}/contents/{*path}",
            get(contents::read).put(contents::write).delete(contents::remove),
        )
        .route("/repos/{owner}/{repo}/branches", get(data::branches))
        .route("/repos/{owner}/{repo}/branches/{*branch}", get(data::branch))
        .route("/repos/{owner}/{repo}/commits", get(data::commits))
        .route("/repos/{owner}/{repo}/commits/{*reference}", get(data::commit))
        .route("/repos/{owner}/{repo}/git/refs", post(data::create_reference))
        .route(
            "/repos/{owner}/{repo}/git/refs/{*reference}",
            get(data::read_reference).patch(database::move_reference),
        )
        .route("/repos/{owner}/{repo}/git/trees", post(database::create_tree))
        .route("/repos/{owner}/{repo}/git/blobs", post(database::create_blob))
        .route("/repos/{owner}/{repo}/git/commits", post(database::create_commit))
        .route("/repos/{owner}/{repo}/git/ref/{*reference}", get(data::read_reference))
        .route("/repos/{owner}/{repo}/git/matching-refs/{*prefix}", get(data::matching))
        .route("/repos/{owner}/{repo}/git/trees/{*tree}", get(data::tree))
        .route("/repos/{owner}/{repo}/git/blobs/{sha}", get(data::blob))
        .route("/repos/{owner}/{repo}/git/commits/{sha}", get(data::git_commit))
}

/// Files for everybody, without the prefix.
pub fn raw_router() -> Router<Shared> {
    Router::new().route("/{owner}/{repo}/{*rest}", get(raw::file))
}

#[cfg(test)]
mod tests;

//! Projects, their branches, files and commits, over the API and without git.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gitlab::api::projects::Project as ProjectEndpoint;
use gitlab::api::projects::repository::branches::Branches;
use gitlab::api::projects::repository::commits::{
    CommitAction, CommitActionType, CompareCommits, CreateCommit,
};
use gitlab::api::projects::repository::files::{Encoding, File as FileEndpoint};
use serde::Deserialize;

use super::review::ChangedFile;
use super::{GitlabClient, pages, query, unbuildable};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// The most branches that one search looks through.
const BRANCHES_LIMIT: usize = 200;

/// The largest file that is read, in bytes.
const FILE_LIMIT: usize = 4 * 1024 * 1024;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// Its number.
    pub id: u64,
    /// Its path with all groups.
    pub path_with_namespace: String,
    /// The project that it was forked from.
    #[serde(default)]
    pub forked_from_project: Option<ForkedFrom>,
    /// The rights of the token's owner in it.
    #[serde(default, deserialize_with = "empty::or_default")]
    permissions: Permissions,
}

/// GitLab shows the memberships of the project and of the group above it, and none of groups further up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Permissions {
    #[serde(default)]
    project_access: Option<Membership>,
    #[serde(default)]
    group_access: Option<Membership>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Membership {
    access_level: u64,
}

impl Project {
    /// The number of the role that the token's owner has, of what GitLab shows: 20 for reporters, 30 for developers, 40
    /// for maintainers. `None` when it shows no membership: there may be one of a group further up.
    pub fn access_level(&self) -> Option<u64> {
        let Permissions { project_access, group_access } = &self.permissions;
        [project_access, group_access].into_iter().flatten().map(|membership| membership.access_level).max()
    }
}

/// The project that another one was forked from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ForkedFrom {
    /// Its number.
    pub id: u64,
}

/// A branch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// Its newest commit.
    pub commit: Commit,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Commit {
    /// Its name.
    pub id: String,
    /// Hashes of its parents.
    #[serde(default, deserialize_with = "empty::list")]
    pub parent_ids: Vec<String>,
    /// Its message.
    #[serde(default)]
    pub message: String,
}

/// What a commit is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitBase<'a> {
    /// A commit, in this or another project of the same fork network: the branch is created from it.
    NewBranch {
        /// Number of the project that has the commit.
        project: u64,
        /// The commit.
        sha: &'a str,
    },
    /// The branch exists; the commit is added to it.
    Branch,
}

/// A new commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit<'a> {
    /// Number of the project that gets it.
    pub project: u64,
    /// The branch that gets it.
    pub branch: &'a str,
    /// What it is based on.
    pub base: CommitBase<'a>,
    /// Its message.
    pub message: &'a str,
    /// Existing files by path, with their new contents.
    pub files: &'a [(String, String)],
}

/// What differs between two commits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comparison {
    /// The files that differ.
    pub diffs: Vec<ChangedFile>,
    /// Whether GitLab gave up before it had compared everything, so that files may be missing; `None` when it does not say.
    #[serde(default)]
    pub compare_timeout: Option<bool>,
}

#[derive(Deserialize)]
struct FileAnswer {
    content: String,
    encoding: String,
}

impl GitlabClient {
    /// Reads a project by its path.
    pub async fn project(&self, path: &str) -> Result<Project, ServiceError> {
        let operation = self.read("read a project", path.to_owned());
        let endpoint = ProjectEndpoint::builder()
            .project(path)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await
    }

    /// Reads a text file of a project as it stands at a commit or branch.
    pub async fn file(&self, project: u64, path: &str, reference: &str) -> Result<String, ServiceError> {
        let operation = self.read("read a file", format!("{path} at {reference}"));
        let endpoint = FileEndpoint::builder()
            .project(project)
            .file_path(path)
            .ref_(reference)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        let answer: FileAnswer = query(endpoint, &operation).await?;
        let malformed = |detail: String| operation.error(ServiceErrorKind::Malformed, detail);
        if answer.encoding != "base64" {
            return Err(malformed(format!("the encoding is `{}` instead of base64", answer.encoding)));
        }
        let bytes = STANDARD
            .decode(answer.content.trim())
            .map_err(|error| malformed(format!("the content is not base64: {error}")))?;
        if bytes.len() > FILE_LIMIT {
            return Err(malformed(format!(
                "the file has {} bytes; at most {FILE_LIMIT} are read",
                bytes.len()
            )));
        }
        String::from_utf8(bytes).map_err(|error| {
            operation.error(ServiceErrorKind::Rejected, format!("the file is not UTF-8 text: {error}"))
        })
    }

    /// What differs between two commits of a project, compared directly (`straight`: what the branches have in common does not
    /// count). [`ServiceErrorKind::NotFound`] when GitLab does not have one of them.
    pub async fn compare(&self, project: u64, from: &str, to: &str) -> Result<Comparison, ServiceError> {
        let operation = self.read("compare two commits", format!("{from} and {to}"));
        let endpoint = CompareCommits::builder()
            .project(project)
            .from(from)
            .to(to)
            .straight(true)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await
    }

    /// The branches of a project whose names begin with `prefix`, in descending order of the name.
    pub async fn branches(&self, project: u64, prefix: &str) -> Result<Vec<Branch>, ServiceError> {
        let operation = self.read("search branches", format!("{prefix}…"));
        let endpoint = Branches::builder()
            .project(project)
            .search(format!("^{prefix}"))
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        let mut branches: Vec<Branch> = pages(endpoint, BRANCHES_LIMIT, &operation).await?;
        branches.retain(|branch| branch.name.starts_with(prefix));
        branches.sort_by(|one, other| other.name.cmp(&one.name));
        Ok(branches)
    }

    /// Creates a commit that changes existing files, and its branch when that is new.
    ///
    /// [`ServiceErrorKind::Rejected`] when the branch of a [`CommitBase::NewBranch`] exists. After
    /// [`ServiceErrorKind::Unclear`] the caller looks for the branch.
    pub async fn commit(&self, new: &NewCommit<'_>, permit: &WritePermit) -> Result<Commit, ServiceError> {
        let operation = self.write("commit files", format!("branch {}", new.branch), permit);
        let mut builder = CreateCommit::builder();
        builder.project(new.project).branch(new.branch).commit_message(new.message);
        if let CommitBase::NewBranch { project, sha } = new.base {
            builder.start_project(project).start_sha(sha);
        }
        for (path, content) in new.files {
            // base64, so that no conversion of line ends or character sets changes a byte.
            let action = CommitAction::builder()
                .action(CommitActionType::Update)
                .file_path(path.as_str())
                .content(content.as_bytes())
                .encoding(Encoding::Base64)
                .build()
                .map_err(|error| unbuildable(&operation, error))?;
            builder.action(action);
        }
        let endpoint = builder.build().map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await
    }
}

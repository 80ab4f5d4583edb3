//! Changed files, approvals, creation and merge of merge requests.

use std::borrow::Cow;

use gitlab::api::common::path_escaped;
use gitlab::api::projects::merge_requests::approvals::MergeRequestApprovals;
use gitlab::api::projects::merge_requests::{
    ApproveMergeRequest, CreateMergeRequest, MergeRequestDiffs, MergeRequestScope,
    MergeRequestState as StateFilter, MergeRequests,
};
use gitlab::api::{BodyError, Endpoint, FormParams};
use http::Method;
use serde::Deserialize;

use super::model::{MergeRequest, MergeRequestRef, User};
use super::transport::Operation;
use super::{GitlabClient, pages, query, unbuildable};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Repeat;
use crate::permit::WritePermit;

/// The most changed files of one merge request that are read: ten pages.
const DIFFS_LIMIT: usize = 1000;

/// The most merge requests that one search looks through.
const SEARCH_LIMIT: usize = 200;

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChangedFile {
    /// Its path before the change.
    pub old_path: String,
    /// Its path after the change.
    pub new_path: String,
    /// Whether the change removes it.
    #[serde(default, deserialize_with = "empty::flag")]
    pub deleted_file: bool,
    /// Whether the change adds it.
    #[serde(default, deserialize_with = "empty::flag")]
    pub new_file: bool,
}

/// The files that a merge request changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedFiles {
    /// The files, in GitLab's order.
    pub files: Vec<ChangedFile>,
    /// Whether these are all; `false` when there are more than are read.
    pub complete: bool,
}

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Approval {
    /// Who gave it.
    pub user: User,
}

/// The approvals of a merge request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Approvals {
    /// Those that were given.
    #[serde(default, deserialize_with = "empty::list")]
    pub approved_by: Vec<Approval>,
    /// How many are still needed over all rules.
    #[serde(default)]
    pub approvals_left: Option<u64>,
    /// Whether the token's owner may give one now, as far as GitLab says.
    #[serde(default)]
    pub user_can_approve: Option<bool>,
}

impl Approvals {
    /// Whether `user` gave one of them.
    pub fn are_by(&self, user: &User) -> bool {
        self.approved_by.iter().any(|approval| approval.user.id == user.id)
    }
}

/// When a merge request is to be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeWhen {
    /// At once.
    Now,
    /// When its pipeline succeeds.
    PipelineSucceeds,
}

/// The merge request's merge call. The library's own knows only the older name of the option to merge
/// automatically; a server that knows only the newer name might ignore it and merge at once. So both names
/// are sent, with the commit (spec 03 §2.3).
struct Merge<'a> {
    reference: &'a MergeRequestRef,
    sha: &'a str,
    by_itself: bool,
}

impl Endpoint for Merge<'_> {
    fn method(&self) -> Method {
        Method::PUT
    }

    fn endpoint(&self) -> Cow<'static, str> {
        let MergeRequestRef { project, iid } = self.reference;
        format!("projects/{}/merge_requests/{iid}/merge", path_escaped(project)).into()
    }

    fn body(&self) -> Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        let mut form = FormParams::default();
        form.push("squash", true).push("should_remove_source_branch", true).push("sha", self.sha);
        if self.by_itself {
            form.push("auto_merge", true).push("merge_when_pipeline_succeeds", true);
        }
        form.into_body()
    }
}

/// A new merge request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMergeRequest<'a> {
    /// Number of the project that holds the source branch.
    pub source_project: u64,
    /// The source branch.
    pub source_branch: &'a str,
    /// Number of the target project.
    pub target_project: u64,
    /// The target branch.
    pub target_branch: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its text.
    pub description: &'a str,
}

impl GitlabClient {
    /// Reads which files a merge request changes, at most a thousand, a hundred per request.
    pub async fn changed_files(&self, reference: &MergeRequestRef) -> Result<ChangedFiles, ServiceError> {
        let operation = self.read("read the changes of a merge request", reference.to_string());
        let endpoint = MergeRequestDiffs::builder()
            .project(reference.project.as_str())
            .merge_request(reference.iid)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        let files: Vec<ChangedFile> = pages(endpoint, DIFFS_LIMIT, &operation).await?;
        Ok(ChangedFiles { complete: files.len() < DIFFS_LIMIT, files })
    }

    /// Reads the approvals of a merge request.
    pub async fn approvals(&self, reference: &MergeRequestRef) -> Result<Approvals, ServiceError> {
        let operation = self.read("read the approvals of a merge request", reference.to_string());
        let endpoint = MergeRequestApprovals::builder()
            .project(reference.project.as_str())
            .merge_request(reference.iid)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await
    }

    /// Approves a merge request at the commit `sha`. [`ServiceErrorKind::Conflict`] when it has newer
    /// commits.
    ///
    /// GitLab answers 401 when the user may not approve or has already done so (spec 03 §2.3): that is
    /// [`ServiceErrorKind::Forbidden`] here, because the token is valid. After [`ServiceErrorKind::Unclear`]
    /// the caller reads the approvals.
    pub async fn approve(
        &self,
        reference: &MergeRequestRef,
        sha: &str,
        permit: &WritePermit,
    ) -> Result<Approvals, ServiceError> {
        let operation = self.write("approve a merge request", reference.to_string(), permit);
        let endpoint = ApproveMergeRequest::builder()
            .project(reference.project.as_str())
            .merge_request(reference.iid)
            .sha(sha)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await.map_err(|error: ServiceError| match error.kind {
            ServiceErrorKind::Unauthorized => ServiceError {
                kind: ServiceErrorKind::Forbidden,
                hint: Some(
                    "GitLab answers so to the author, to whoever no approval rule names, and to whoever approved \
                     already; or GITLAB_TOKEN expired. Look at the merge request's approval rules."
                        .to_owned(),
                ),
                ..error
            },
            ServiceErrorKind::Conflict => error.with_hint(
                "Somebody pushed to the merge request after it was checked: run the same command again, it checks \
                 the new commit.",
            ),
            _ => error,
        })
    }

    /// The open merge requests of `project` with exactly the title `title` and the target `target_branch`,
    /// newest first.
    ///
    /// GitLab's search also finds parts of titles and descriptions (spec 03 §2.3); only exact hits are
    /// returned.
    pub async fn open_merge_requests_titled(
        &self,
        project: &str,
        title: &str,
        target_branch: &str,
    ) -> Result<Vec<MergeRequest>, ServiceError> {
        let operation = self.read("search merge requests", format!("`{title}` in {project}"));
        let endpoint = MergeRequests::builder()
            .project(project)
            .state(StateFilter::Opened)
            .scope(MergeRequestScope::All)
            .target_branch(target_branch)
            .search(title)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        let mut found: Vec<MergeRequest> = pages(endpoint, SEARCH_LIMIT, &operation).await?;
        found.retain(|request| request.title == title);
        found.sort_by_key(|request| std::cmp::Reverse(request.iid));
        Ok(found)
    }

    /// Creates a merge request whose commits are squashed when it is merged.
    ///
    /// [`ServiceErrorKind::Conflict`] when an open one for the same branches exists. After
    /// [`ServiceErrorKind::Unclear`] the caller searches for it.
    pub async fn create_merge_request(
        &self,
        new: &NewMergeRequest<'_>,
        permit: &WritePermit,
    ) -> Result<MergeRequest, ServiceError> {
        let operation = self.write("make a merge request", format!("`{}`", new.title), permit);
        let endpoint = CreateMergeRequest::builder()
            .project(new.source_project)
            .source_branch(new.source_branch)
            .target_project_id(new.target_project)
            .target_branch(new.target_branch)
            .title(new.title)
            .description(new.description)
            .squash(true)
            .remove_source_branch(true)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await
    }

    /// Merges a merge request at the commit `sha`, squashed: now, or when the running pipeline succeeds. The
    /// answer says whether it is merged.
    ///
    /// [`ServiceErrorKind::Rejected`] (405, 406, 422) while GitLab does not allow it, also for an automatic
    /// merge without a running pipeline; [`ServiceErrorKind::Conflict`] when it has newer commits. After
    /// [`ServiceErrorKind::Unclear`] the caller reads the merge request.
    pub async fn merge(
        &self,
        reference: &MergeRequestRef,
        sha: &str,
        when: MergeWhen,
        permit: &WritePermit,
    ) -> Result<MergeRequest, ServiceError> {
        let operation = self.write("merge a merge request", reference.to_string(), permit);
        let endpoint = Merge { reference, sha, by_itself: when == MergeWhen::PipelineSucceeds };
        query(endpoint, &operation).await
    }

    pub(super) fn write(&self, name: &'static str, subject: String, permit: &WritePermit) -> Operation<'_> {
        Operation { repeat: Repeat::OnlyWhenRefused, barrier: permit.barrier(), ..self.read(name, subject) }
    }
}

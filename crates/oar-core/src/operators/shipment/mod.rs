//! The shipment of a Konflux release: a merge request whose YAML files say what is shipped (spec 03 §3).
//!
//! One [`Shipment`] is one look at the merge request: its files are those of the commit that was its head when it
//! was loaded, they are read once, and what is approved is that commit.

mod edit;
mod file;
mod images;
mod notes;
mod release;
mod yaml;

use std::collections::BTreeSet;
use std::path::Path;

use futures::future::try_join;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::OnceCell;

pub use edit::Edit;
pub use file::{Component, Environment, FileProblem, JIRA_SOURCES, ShipmentFile};
pub use release::ReleaseState;

use crate::clients::gitlab::{GitlabClient, MergeRequest, MergeRequestRef, MergeRequestState, Pipeline};
use crate::clients::jira::IssueKey;
use crate::clients::{Effect, write_or_look};
use crate::error::{ErrorClass, ServiceError, ServiceErrorKind, classified};
use crate::flow::outcome::Refusal;
use crate::permit::WritePermit;

/// How many files are read at the same time.
const FILES_CONCURRENCY: usize = 8;

/// Why something about a shipment cannot be said or done.
#[derive(Debug, thiserror::Error)]
pub enum ShipmentError {
    /// GitLab could not be asked, or refused.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Files that cannot be used.
    #[error("the shipment cannot be read: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Files(Vec<FileProblem>),
    /// The merge request is not in a state in which this makes sense.
    #[error("merge request {reference}: {problem}")]
    State {
        /// The merge request.
        reference: MergeRequestRef,
        /// What is wrong with it.
        problem: String,
        /// The next step.
        hint: &'static str,
    },
}

impl From<FileProblem> for ShipmentError {
    fn from(problem: FileProblem) -> Self {
        Self::Files(vec![problem])
    }
}

classified! {
    ShipmentError through Service;
    class {
        Self::Files(_) => ErrorClass::Failed,
        Self::State { .. } => ErrorClass::Blocked,
    }
    hint {
        Self::Files(_) => Some(
            "ART writes these files: tell them which one is broken, then run the command again."
                .to_owned(),
        ),
        Self::State { hint, .. } => Some((*hint).to_owned()),
    }
}

/// A shipment merge request as it was when it was loaded.
#[derive(Debug)]
pub struct Shipment {
    gitlab: GitlabClient,
    reference: MergeRequestRef,
    merge_request: MergeRequest,
    files: OnceCell<Vec<ShipmentFile>>,
    pipelines: OnceCell<Vec<Pipeline>>,
}

impl Shipment {
    /// Reads the merge request, whatever its state. One request; everything else is read on demand.
    pub async fn load(gitlab: &GitlabClient, reference: &MergeRequestRef) -> Result<Self, ServiceError> {
        let merge_request = gitlab.merge_request(reference).await?;
        Ok(Self {
            gitlab: gitlab.clone(),
            reference: reference.clone(),
            merge_request,
            files: OnceCell::new(),
            pipelines: OnceCell::new(),
        })
    }

    /// The same with its pipelines, which are read at the same time. Two requests.
    pub async fn load_whole(
        gitlab: &GitlabClient,
        reference: &MergeRequestRef,
    ) -> Result<Self, ServiceError> {
        let (shipment, pipelines) =
            try_join(Self::load(gitlab, reference), gitlab.pipelines(reference)).await?;
        Ok(Self { pipelines: OnceCell::new_with(Some(pipelines)), ..shipment })
    }

    /// Its pipelines, newest first, read once for this value.
    async fn pipelines(&self) -> Result<&[Pipeline], ShipmentError> {
        let read = || async { Ok(self.gitlab.pipelines(&self.reference).await?) };
        self.pipelines.get_or_try_init(read).await.map(Vec::as_slice)
    }

    /// Which merge request it is.
    pub fn reference(&self) -> &MergeRequestRef {
        &self.reference
    }

    /// The merge request: its draft mark, labels, branches.
    pub fn merge_request(&self) -> &MergeRequest {
        &self.merge_request
    }

    /// Where it stands: opened, merged, closed and locked are four different things.
    pub fn state(&self) -> MergeRequestState {
        self.merge_request.state
    }

    /// The commit that everything here is about.
    pub fn head(&self) -> Result<&str, ShipmentError> {
        let is_commit = |sha: &&str| sha.len() <= 64 && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.merge_request.sha.as_deref().filter(is_commit).ok_or_else(|| {
            self.wrong(
                "it has no commit",
                "GitLab may still prepare it: run the same command again in a minute.",
            )
        })
    }

    /// Refuses a merge request that is not open, naming its state.
    pub fn require_open(&self) -> Result<(), Refusal> {
        let state = self.state();
        if state == MergeRequestState::Opened {
            return Ok(());
        }
        let hint = match state {
            MergeRequestState::Merged => "It is merged, so there is nothing left to change in it.",
            MergeRequestState::Closed => {
                "It was given up: ask ART which merge request the release ships with now."
            }
            MergeRequestState::Locked => "GitLab is merging it: run the same command again in a minute.",
            MergeRequestState::Opened | MergeRequestState::Unknown => "Look at it in GitLab.",
        };
        Err(Refusal::blocked(format!("the shipment merge request {} is {state}, not open", self.reference))
            .with_hint(hint))
    }

    /// Refuses a merge request that is not open or that ART still prepares: a draft is unfinished (spec 03 §3.2).
    pub fn require_ready(&self) -> Result<(), Refusal> {
        self.require_open()?;
        if !self.merge_request.is_draft() {
            return Ok(());
        }
        Err(Refusal::blocked(format!("the shipment merge request {} is a draft", self.reference))
            .with_hint("ART still prepares it: run the same command again when the draft mark is gone."))
    }

    /// Its YAML files at its head, in GitLab's order; deleted ones are left out.
    ///
    /// The changed paths are read page by page, the contents from the project that holds the source branch, eight at
    /// a time, once for this value.
    pub async fn files(&self) -> Result<&[ShipmentFile], ShipmentError> {
        self.files.get_or_try_init(|| self.read_files()).await.map(Vec::as_slice)
    }

    /// The Jira issues that the release notes of all files name as fixed, sorted (spec 03 §3.5). A file that cannot
    /// be read is an error, and so are all of them together.
    pub async fn jira_keys(&self) -> Result<BTreeSet<IssueKey>, ShipmentError> {
        let (mut keys, mut problems) = (BTreeSet::new(), Vec::new());
        for file in self.files().await? {
            match file.jira_keys() {
                Ok(found) => keys.extend(found.iter().cloned()),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(keys) } else { Err(ShipmentError::Files(problems)) }
    }

    /// Approves the merge request at [`Shipment::head`], for a caller who has just seen that the token's owner has not.
    ///
    /// An answer that never came is looked up, and so is a refusal of the caller: GitLab gives it also to whoever has
    /// approved already. When somebody pushed since it was loaded, GitLab refuses with
    /// [`ServiceErrorKind::Conflict`].
    pub async fn approve(&self, permit: &WritePermit) -> Result<Effect, ShipmentError> {
        let sha = self.head()?;
        let write = async { self.gitlab.approve(&self.reference, sha, permit).await.map(drop) };
        let look = async {
            let looks = try_join(self.gitlab.current_user(), self.gitlab.approvals(&self.reference));
            let (user, approvals) = looks.await?;
            Ok::<_, ServiceError>(approvals.are_by(&user).then_some(()))
        };
        // It may have acted, or another run of ours was faster.
        let doubtful = [ServiceErrorKind::Unclear, ServiceErrorKind::Forbidden];
        Ok(write_or_look(write, &doubtful, look).await?.effect())
    }

    async fn read_files(&self) -> Result<Vec<ShipmentFile>, ShipmentError> {
        let sha = self.head()?;
        let Some(project) = self.merge_request.source_project_id else {
            return Err(self.wrong(
                "the project of its source branch is gone",
                "Ask ART which merge request the release ships with now.",
            ));
        };
        let changed = self.gitlab.changed_files(&self.reference).await?;
        let count = self.merge_request.changes_count.as_deref();
        let uncounted = count.is_some_and(|count| count.ends_with('+'));
        let expected: Option<usize> = count.and_then(|count| count.parse().ok());
        let read = changed.files.len();
        if !changed.complete || uncounted || expected.is_some_and(|expected| expected > read) {
            let problem = format!(
                "it changes more files than GitLab lists ({} of {})",
                read,
                count.unwrap_or("an unknown number")
            );
            return Err(self.wrong(problem, "Run the same command again; if it says so again, ask ART."));
        }
        let paths: Vec<String> = changed
            .files
            .into_iter()
            .filter(|file| !file.deleted_file && is_shipment_file(&file.new_path))
            .map(|file| file.new_path)
            .collect();
        if paths.is_empty() {
            return Err(self.wrong(
                "it brings no shipment file",
                "GitLab may still prepare it: run the same command again in a minute; if it says so again, ask ART.",
            ));
        }
        futures::stream::iter(paths)
            .map(|path| async move {
                let content = self.gitlab.file(project, &path, sha).await?;
                Ok::<_, ShipmentError>(ShipmentFile::new(path, content))
            })
            .buffered(FILES_CONCURRENCY)
            .try_collect()
            .await
    }

    fn wrong(&self, problem: impl Into<String>, hint: &'static str) -> ShipmentError {
        ShipmentError::State { reference: self.reference.clone(), problem: problem.into(), hint }
    }
}

/// Whether ART's tools read the file at `path`: YAML by its suffix, either of the two (spec 03 §3.2). Hidden files, such
/// as GitLab's own settings, ship nothing.
fn is_shipment_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let suffix = Path::new(&name).extension();
    !name.starts_with('.') && suffix.is_some_and(|suffix| suffix == "yaml" || suffix == "yml")
}

#[cfg(test)]
mod tests;

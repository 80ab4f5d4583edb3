//! Dropping bugs from a shipment: a commit on a branch of a fork, and a merge request from there into the shipment's
//! own branch (spec 03 §5). Every step is looked for before it is taken, so a run that was stopped anywhere is
//! carried on by the next one.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::did;
use crate::clients::gitlab::{
    CommitBase, GitlabClient, MergeRequest, MergeRequestRef, MergeRequestState, MergeWhen, NewCommit,
    NewMergeRequest, Project,
};
use crate::clients::jira::IssueKey;
use crate::clients::{Attempt, attempt, write_or_look};
use crate::clock::Clock;
use crate::error::{ErrorClass, ServiceError, ServiceErrorKind};
use crate::flow::outcome::{Refusal, Step, TaskError};
use crate::flow::recorder::Recorder;
use crate::operators::shipment::{Shipment, ShipmentFile};
use crate::permit::WritePermit;
use crate::version::ReleaseVersion;

/// After such a failure GitLab may have acted.
const MAY_HAVE_ACTED: [ServiceErrorKind; 2] = [ServiceErrorKind::Unclear, ServiceErrorKind::Malformed];

/// The pause before the second look at a merge request that GitLab still checks; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often it is checked: for about five minutes.
const LOOKS: u32 = 36;
/// How many unclear answers to the merge are checked before the run ends; the next run continues.
const UNCLEAR_ANSWERS: u32 = 4;

/// Where a shipment's changes are committed.
#[derive(Debug, Clone)]
pub struct ShipmentTarget {
    /// The shipment merge request.
    pub reference: MergeRequestRef,
    /// Path of the project that gets the branch.
    pub fork: String,
    /// The only project whose merge requests may be changed, where that is configured.
    pub project: Option<String>,
    /// The account that must do it, where that is configured.
    pub bot: Option<String>,
}

/// The change of a shipment.
#[derive(Debug, Clone)]
pub struct ShipmentDrop {
    reference: MergeRequestRef,
    project: u64,
    fork: Project,
    head: String,
    target_branch: String,
    prefix: String,
    title: String,
    keys: BTreeSet<IssueKey>,
    removed: BTreeSet<IssueKey>,
    files: Vec<(String, String)>,
    found: Option<Found>,
}

/// The merge request that an earlier run made.
#[derive(Debug, Clone)]
struct Found {
    request: MergeRequest,
    /// Files of its branch that still name a bug, without it.
    files: Vec<(String, String)>,
    commented: bool,
}

/// How far the change of a shipment got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentEnd {
    /// The address of our merge request.
    pub merge_request: String,
    /// What it waits for; `None` when it is merged.
    pub waits_for: Option<String>,
}

/// What dropping `dropped` changes in the shipment; `None` when it names none of them.
pub(super) async fn plan(
    gitlab: &GitlabClient,
    shipment: &Shipment,
    target: &ShipmentTarget,
    release: &ReleaseVersion,
    dropped: &BTreeSet<IssueKey>,
) -> Result<Option<ShipmentDrop>, TaskError> {
    let (mut files, mut removed) = (Vec::new(), BTreeSet::new());
    for file in shipment.files().await? {
        if let Some(edit) = file.without(dropped).map_err(crate::operators::shipment::ShipmentError::from)? {
            files.push((file.path().to_owned(), edit.content));
            removed.extend(edit.removed);
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    let Some(project) = shipment.merge_request().project_id else {
        let message = format!("GitLab does not say which project {} belongs to", shipment.reference());
        return Err(Refusal::new(ErrorClass::Unavailable, message).into());
    };
    let fork = gitlab.project(&target.fork).await?;
    let is_fork =
        fork.id == project || fork.forked_from_project.as_ref().is_some_and(|from| from.id == project);
    if !is_fork || shipment.merge_request().source_project_id != Some(project) {
        return Err(Refusal::new(
            ErrorClass::Configuration,
            format!("{} is not a fork of the project that holds the shipment's branch", target.fork),
        )
        .with_hint("Check `shipment.fork` of the configuration document.")
        .into());
    }
    if let Some(bot) = &target.bot {
        let user = gitlab.current_user().await?.username;
        if !user.eq_ignore_ascii_case(bot) {
            return Err(Refusal::new(
                ErrorClass::Configuration,
                format!("GITLAB_TOKEN is {user}'s, but shipments are changed as {bot}"),
            )
            .with_hint("Set GITLAB_TOKEN to a token of that account, or change `shipment.bot_user`.")
            .into());
        }
    }
    let mut change = ShipmentDrop {
        reference: shipment.reference().clone(),
        project,
        fork,
        head: shipment.head()?.to_owned(),
        target_branch: shipment.merge_request().source_branch.clone(),
        prefix: format!("drop-bugs-for-{release}-"),
        // The text by which it is found again (`interop-exact`).
        title: format!("{release} drop bugs"),
        keys: dropped.clone(),
        removed,
        files,
        found: None,
    };
    change.found = change.look(gitlab).await?;
    Ok(Some(change))
}

impl ShipmentDrop {
    fn list(&self) -> String {
        self.removed.iter().map(IssueKey::as_str).collect::<Vec<_>>().join(", ")
    }

    fn commit_step(&self) -> Step {
        Step::new("commit to a branch of", self.fork.path_with_namespace.clone()).to(format!(
            "{} without {}",
            match self.files.len() {
                1 => "1 file".to_owned(),
                count => format!("{count} files"),
            },
            self.list()
        ))
    }

    fn request_step(&self) -> Step {
        Step::new("make merge request", format!("`{}`", self.title))
            .to(format!("into {} of {}", self.target_branch, self.reference.project))
    }

    fn comment_step(&self) -> Step {
        Step::new("add note to", format!("merge request {}", self.reference)).to("the link to it")
    }

    fn merge_step(&self) -> Step {
        Step::new("merge, squashed, when its pipeline allows", format!("merge request `{}`", self.title))
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        let Some(found) = &self.found else {
            return vec![self.commit_step(), self.request_step(), self.comment_step(), self.merge_step()];
        };
        let mut steps = Vec::new();
        if !found.files.is_empty() {
            steps.push(self.commit_step());
        }
        if !found.commented {
            steps.push(self.comment_step());
        }
        if !found.request.merge_when_pipeline_succeeds {
            steps.push(self.merge_step());
        }
        steps
    }

    fn our_reference(&self, iid: u64) -> MergeRequestRef {
        MergeRequestRef { project: self.reference.project.clone(), iid }
    }

    /// Our open merge request: by its exact title, its target branch and its project.
    async fn our_request(&self, gitlab: &GitlabClient) -> Result<Option<MergeRequest>, ServiceError> {
        let found = gitlab
            .open_merge_requests_titled(&self.reference.project, &self.title, &self.target_branch)
            .await?;
        Ok(found.into_iter().find(|request| request.source_project_id == Some(self.fork.id)))
    }

    async fn look(&self, gitlab: &GitlabClient) -> Result<Option<Found>, TaskError> {
        let Some(request) = self.our_request(gitlab).await? else { return Ok(None) };
        let files = self.still_named(gitlab, &request.source_branch).await?;
        let commented = self.is_commented(gitlab, &request).await?;
        Ok(Some(Found { request, files, commented }))
    }

    /// The files of a branch of the fork that still name a bug, without it.
    async fn still_named(
        &self,
        gitlab: &GitlabClient,
        branch: &str,
    ) -> Result<Vec<(String, String)>, TaskError> {
        let mut files = Vec::new();
        for (path, _) in &self.files {
            let content = gitlab.file(self.fork.id, path, branch).await?;
            let edit = ShipmentFile::new(path.clone(), content)
                .without(&self.keys)
                .map_err(crate::operators::shipment::ShipmentError::from)?;
            files.extend(edit.map(|edit| (path.clone(), edit.content)));
        }
        Ok(files)
    }

    async fn is_commented(&self, gitlab: &GitlabClient, ours: &MergeRequest) -> Result<bool, ServiceError> {
        let notes = gitlab.notes(&self.reference).await?;
        let names =
            |body: &str| body.split_whitespace().any(|word| word.trim_end_matches('.') == ours.web_url);
        Ok(notes.notes.iter().any(|note| names(&note.body)))
    }

    fn message(&self) -> String {
        format!("Drop bugs\n\n{}\n", self.list())
    }

    /// A branch of the fork with exactly our files on top of the shipment's head: one that is there, or a new one.
    async fn branch(
        &self,
        gitlab: &GitlabClient,
        clock: &Clock,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<String, TaskError> {
        if let Some(branch) = self.our_branch(gitlab).await? {
            return Ok(branch);
        }
        let stamp = clock.now().to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S");
        let name = format!("{}{stamp}", self.prefix);
        let commit = NewCommit {
            project: self.fork.id,
            branch: &name,
            base: CommitBase::NewBranch { project: self.project, sha: &self.head },
            message: &self.message(),
            files: &self.files,
        };
        let write = async { gitlab.commit(&commit, permit).await.map(|_| name.clone()) };
        // It may have acted, or another run of ours was faster within the same second.
        let doubtful = [ServiceErrorKind::Unclear, ServiceErrorKind::Rejected];
        let branch = write_or_look(write, &doubtful, self.our_branch(gitlab)).await?.into_inner();
        did(recorder, self.commit_step());
        Ok(branch)
    }

    async fn our_branch(&self, gitlab: &GitlabClient) -> Result<Option<String>, ServiceError> {
        for branch in gitlab.branches(self.fork.id, &self.prefix).await? {
            if branch.commit.parent_ids != [self.head.clone()] {
                continue;
            }
            let mut same = true;
            for (path, content) in &self.files {
                same = same && gitlab.file(self.fork.id, path, &branch.commit.id).await? == *content;
            }
            if same {
                return Ok(Some(branch.name));
            }
        }
        Ok(None)
    }

    async fn make_request(
        &self,
        gitlab: &GitlabClient,
        branch: &str,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<MergeRequest, TaskError> {
        let description = format!("Bugs that leave the release: {}", self.list());
        let new = NewMergeRequest {
            source_project: self.fork.id,
            source_branch: branch,
            target_project: self.project,
            target_branch: &self.target_branch,
            title: &self.title,
            description: &description,
        };
        let write = gitlab.create_merge_request(&new, permit);
        let doubtful = [ServiceErrorKind::Unclear, ServiceErrorKind::Conflict];
        let request = write_or_look(write, &doubtful, self.our_request(gitlab)).await?.into_inner();
        did(recorder, self.request_step());
        Ok(request)
    }

    async fn complete_branch(
        &self,
        gitlab: &GitlabClient,
        request: &MergeRequest,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<(), TaskError> {
        let message = self.message();
        let files = self.still_named(gitlab, &request.source_branch).await?;
        if files.is_empty() {
            return Ok(());
        }
        let commit = NewCommit {
            project: self.fork.id,
            branch: &request.source_branch,
            base: CommitBase::Branch,
            message: &message,
            files: &files,
        };
        let write = async { gitlab.commit(&commit, permit).await.map(drop) };
        let look = async {
            let files = self.still_named(gitlab, &request.source_branch).await?;
            Ok::<_, TaskError>(files.is_empty().then_some(()))
        };
        // A commit that shows late is not made a second time: the next run looks first.
        match attempt(write, &MAY_HAVE_ACTED, look).await {
            Attempt::Done(_) => {}
            Attempt::Absent(failure) | Attempt::Unseen(failure, _) | Attempt::Failed(failure) => {
                return Err(failure.into());
            }
        }
        did(recorder, self.commit_step());
        Ok(())
    }

    async fn comment(
        &self,
        gitlab: &GitlabClient,
        ours: &MergeRequest,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<(), TaskError> {
        let body = format!("QE drops bugs from this shipment: {}", ours.web_url);
        if self.is_commented(gitlab, ours).await? {
            return Ok(());
        }
        let write = async { gitlab.add_note(&self.reference, &body, permit).await.map(drop) };
        let look = async { Ok::<_, ServiceError>(self.is_commented(gitlab, ours).await?.then_some(())) };
        // A comment that shows late is not written a second time: the next run looks first.
        write_or_look(write, &MAY_HAVE_ACTED, look).await?;
        did(recorder, self.comment_step());
        Ok(())
    }

    /// Merges this program's merge request, or sets it to merge automatically. Waits for GitLab's check of
    /// it, within bounds.
    async fn merge(
        &self,
        gitlab: &GitlabClient,
        clock: &Clock,
        ours: &MergeRequestRef,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<ShipmentEnd, TaskError> {
        let (mut pause, mut asked, mut unclear) = (FIRST_PAUSE, false, 0);
        let mut address = ours.to_string();
        for look in 0..LOOKS {
            if look > 0 {
                clock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            let request = gitlab.merge_request(ours).await?;
            address.clone_from(&request.web_url);
            let end = |waits_for: Option<String>| {
                Ok(ShipmentEnd { merge_request: request.web_url.clone(), waits_for })
            };
            match request.state {
                MergeRequestState::Merged => {
                    if asked {
                        did(recorder, self.merge_step());
                    }
                    return end(None);
                }
                MergeRequestState::Opened => {}
                MergeRequestState::Locked | MergeRequestState::Unknown => continue,
                MergeRequestState::Closed => {
                    return Err(Refusal::blocked(format!(
                        "our merge request {} was closed",
                        request.web_url
                    ))
                    .with_hint("Ask who closed it why; running the command again makes another one.")
                    .into());
                }
            }
            if request.merge_when_pipeline_succeeds {
                if asked {
                    did(recorder, self.merge_step());
                }
                return end(Some("its pipeline".to_owned()));
            }
            let status = request.detailed_merge_status.as_deref().unwrap_or("checking");
            match status {
                "unchecked" | "checking" | "preparing" | "approvals_syncing" => continue,
                "conflict" | "broken_status" | "need_rebase" | "draft_status" => {
                    return Err(Refusal::blocked(format!(
                        "our merge request {} cannot be merged: {status}",
                        request.web_url
                    ))
                    .with_hint(
                        "Close it and run the command again: it makes one for the shipment as it is now.",
                    )
                    .into());
                }
                _ => {}
            }
            let sha = request.sha.clone().unwrap_or_default();
            let runs = request.head_pipeline.as_ref().is_some_and(|pipeline| pipeline.status != "success");
            let when = if runs { MergeWhen::PipelineSucceeds } else { MergeWhen::Now };
            match gitlab.merge(ours, &sha, when, permit).await {
                Ok(merged) => {
                    did(recorder, self.merge_step());
                    let waits = merged.state != MergeRequestState::Merged;
                    return end(waits.then(|| "its pipeline".to_owned()));
                }
                Err(failure) if failure.kind == ServiceErrorKind::Unclear && unclear < UNCLEAR_ANSWERS => {
                    asked = true;
                    unclear += 1;
                }
                // GitLab knows its own rules; what it does not allow now, somebody has to allow.
                Err(failure)
                    if matches!(
                        failure.kind,
                        ServiceErrorKind::Rejected
                            | ServiceErrorKind::Unauthorized
                            | ServiceErrorKind::Forbidden
                    ) =>
                {
                    return end(Some(format!("somebody to allow it ({status})")));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(ShipmentEnd { merge_request: address, waits_for: Some("GitLab's check".to_owned()) })
    }
}

/// Takes every step that is not taken yet.
pub(super) async fn apply(
    gitlab: &GitlabClient,
    clock: &Clock,
    change: &ShipmentDrop,
    permit: &WritePermit,
    recorder: &Recorder,
) -> Result<ShipmentEnd, TaskError> {
    // Consent may have taken its time.
    let shipment = gitlab.merge_request(&change.reference).await?;
    if shipment.state != MergeRequestState::Opened || shipment.sha.as_deref() != Some(&change.head) {
        return Err(Refusal::new(
            ErrorClass::Conflict,
            format!("merge request {} changed after the plan was made", change.reference),
        )
        .with_hint("Run the same command again: it makes a new plan.")
        .into());
    }
    let ours = if let Some(request) = change.our_request(gitlab).await? {
        change.complete_branch(gitlab, &request, permit, recorder).await?;
        request
    } else {
        let branch = change.branch(gitlab, clock, permit, recorder).await?;
        change.make_request(gitlab, &branch, permit, recorder).await?
    };
    change.comment(gitlab, &ours, permit, recorder).await?;
    change.merge(gitlab, clock, &change.our_reference(ours.iid), permit, recorder).await
}

//! What the interface answers about records (spec 03 §2.2).

use serde_json::{Value, json};

use super::{
    merging::merged_files,
    model::{Branch, Job, MergeRequest, MergeRequestState, Note, Pipeline, Project, User},
    repository::differences,
    state::State,
};

/// Builds answers from a state.
pub(super) struct Views<'a> {
    /// The records.
    pub(super) state: &'a State,
    /// `http://127.0.0.1:8765/gitlab`.
    pub(super) site: String,
}

impl Views<'_> {
    /// What everybody sees of an account.
    pub(super) fn user(&self, user: &User) -> Value {
        json!({
            "id": user.id, "username": user.username, "public_email": user.public_email.as_deref().unwrap_or(""),
            "name": user.name, "state": user.state, "locked": false, "avatar_url": null,
            "web_url": format!("{}/{}", self.site, user.username),
        })
    }

    fn author(&self, id: u64) -> Value {
        self.state.user(id).map_or(Value::Null, |user| self.user(user))
    }

    /// A project.
    pub(super) fn project(&self, project: &Project) -> Value {
        let (namespace, name) = project.path.rsplit_once('/').unwrap_or(("", &project.path));
        json!({
            "id": project.id, "name": name, "path": name, "path_with_namespace": project.path,
            "default_branch": project.default_branch, "visibility": "private", "archived": false,
            "namespace": {"full_path": namespace, "kind": "group"},
            "web_url": format!("{}/{}", self.site, project.path),
            "http_url_to_repo": format!("{}/{}.git", self.site, project.path),
            "ssh_url_to_repo": format!("git@gitlab.example.test:{}.git", project.path),
            "forked_from_project": project.forked_from.map(|id| json!({"id": id})),
        })
    }

    fn project_of(&self, request: &MergeRequest) -> Option<&Project> {
        self.state.projects.iter().find(|project| project.id == request.project)
    }

    fn branch(&self, project: u64, name: &str) -> Option<&Branch> {
        self.state.projects.iter().find(|found| found.id == project)?.branches.get(name)
    }

    /// The source and the target branch.
    pub(super) fn branches(&self, request: &MergeRequest) -> (Option<&Branch>, Option<&Branch>) {
        (
            self.branch(request.source_project, &request.source_branch),
            self.branch(request.project, &request.target_branch),
        )
    }

    /// Name of the newest commit of the source branch.
    pub(super) fn head(&self, request: &MergeRequest) -> Option<String> {
        self.branches(request).0.map(Branch::sha)
    }

    /// Whether it can be merged, in GitLab's words.
    pub(super) fn detailed_status(&self, request: &MergeRequest) -> &'static str {
        if request.state != MergeRequestState::Opened {
            return "not_open";
        }
        if request.checks_left > 0 {
            return "checking";
        }
        let merges = match self.branches(request) {
            (Some(source), Some(target)) => merged_files(source, target).is_some(),
            _ => true,
        };
        let pipeline = self.state.newest_pipeline(request.project, request.iid);
        if !merges {
            "conflict"
        } else if request.is_draft() {
            "draft_status"
        } else if request.approvals_left() > 0 {
            "not_approved"
        } else {
            match pipeline.map(|pipeline| pipeline.status.as_str()) {
                Some("created" | "waiting_for_resource" | "preparing" | "pending" | "running") => {
                    "ci_still_running"
                }
                Some("failed" | "canceled") => "ci_must_pass",
                _ => "mergeable",
            }
        }
    }

    /// A merge request.
    pub(super) fn merge_request(&self, request: &MergeRequest) -> Value {
        let path = self.project_of(request).map_or("", |project| project.path.as_str());
        let (source, target) = self.branches(request);
        let (head, base) = (source.map(Branch::sha), target.map(Branch::sha));
        let opened = request.state == MergeRequestState::Opened;
        let detailed = self.detailed_status(request);
        let status = match detailed {
            "checking" => "checking",
            "conflict" => "cannot_be_merged",
            _ if opened => "can_be_merged",
            _ => "unchecked",
        };
        let changes = match (source, target) {
            (Some(source), Some(target)) => Some(differences(source, target).len().to_string()),
            _ => None,
        };
        let pipeline = self.state.newest_pipeline(request.project, request.iid);
        let merged_at = (request.state == MergeRequestState::Merged).then_some(&request.updated_at);
        json!({
            "id": request.id, "iid": request.iid, "project_id": request.project,
            "source_project_id": request.source_project, "target_project_id": request.project,
            "title": request.title, "description": request.description, "state": request.state.name(),
            "draft": request.is_draft(), "work_in_progress": request.is_draft(), "labels": request.labels,
            "source_branch": request.source_branch, "target_branch": request.target_branch,
            "author": self.author(request.author), "assignees": [], "reviewers": [],
            "created_at": request.created_at, "updated_at": request.updated_at, "merged_at": merged_at,
            "sha": head, "merge_commit_sha": request.merge_commit, "squash": request.squash,
            "has_conflicts": detailed == "conflict", "merge_status": status, "detailed_merge_status": detailed,
            "changes_count": changes, "merge_when_pipeline_succeeds": request.auto_merge,
            "head_pipeline": pipeline.map(|pipeline| self.pipeline(pipeline)),
            "user_notes_count": request.notes.iter().filter(|note| !note.system).count(),
            "diff_refs": {"base_sha": base, "start_sha": base, "head_sha": head},
            "references": {"short": format!("!{}", request.iid), "full": format!("{path}!{}", request.iid)},
            "web_url": format!("{}/{path}/-/merge_requests/{}", self.site, request.iid),
        })
    }

    /// Approvals of a merge request.
    pub(super) fn approvals(&self, request: &MergeRequest, caller: u64, may_approve: bool) -> Value {
        let left = request.approvals_left();
        let by: Vec<Value> = request.approved_by.iter().map(|id| json!({"user": self.author(*id)})).collect();
        json!({
            "id": request.id, "iid": request.iid, "project_id": request.project, "title": request.title,
            "description": request.description, "state": request.state.name(),
            "created_at": request.created_at, "updated_at": request.updated_at,
            "merge_status": "can_be_merged", "approved": left == 0,
            "approvals_required": request.approval_rules.iter().map(|rule| rule.required).sum::<usize>(),
            "approvals_left": left, "approved_by": by,
            "user_has_approved": request.approved_by.contains(&caller), "user_can_approve": may_approve,
        })
    }

    /// A note of a merge request.
    pub(super) fn note(&self, request: &MergeRequest, note: &Note) -> Value {
        json!({
            "id": note.id, "type": null, "body": note.body, "author": self.author(note.author),
            "created_at": note.created_at, "updated_at": note.updated_at, "system": note.system,
            "noteable_id": request.id, "noteable_type": "MergeRequest", "noteable_iid": request.iid,
            "project_id": request.project, "resolvable": false, "confidential": false, "internal": false,
        })
    }

    /// A pipeline.
    pub(super) fn pipeline(&self, pipeline: &Pipeline) -> Value {
        let path = self.state.projects.iter().find(|project| project.id == pipeline.project);
        let path = path.map_or("", |project| project.path.as_str());
        json!({
            "id": pipeline.id, "iid": pipeline.id % 1000, "project_id": pipeline.project,
            "status": pipeline.status, "source": "merge_request_event",
            "ref": format!("refs/merge-requests/{}/merge", pipeline.merge_request),
            "created_at": pipeline.created_at, "updated_at": pipeline.created_at,
            "web_url": format!("{}/{path}/-/pipelines/{}", self.site, pipeline.id),
        })
    }
}

/// A job, or a bridge.
pub(super) fn job(pipeline: &Pipeline, job: &Job, bridge: bool) -> Value {
    let mut view = json!({
        "id": job.id, "name": job.name, "stage": job.stage, "status": job.status,
        "allow_failure": job.allow_failure,
        "created_at": pipeline.created_at, "started_at": null, "finished_at": null, "duration": null,
        "ref": format!("refs/merge-requests/{}/merge", pipeline.merge_request),
        "pipeline": {"id": pipeline.id, "project_id": pipeline.project, "status": pipeline.status},
    });
    if bridge {
        // What has not been started has started nothing.
        let untouched = ["created", "manual", "pending", "skipped", "waiting_for_resource"];
        let status = job
            .downstream
            .as_ref()
            .or_else(|| Some(&job.status).filter(|status| !untouched.contains(&status.as_str())));
        view["downstream_pipeline"] = json!(status.map(|status| {
            json!({"id": pipeline.id + 100_000, "status": status, "source": "parent_pipeline"})
        }));
    }
    view
}

//! The typed requests and answers of the GitLab client.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

use crate::clients::empty;
use crate::config::build_data::ADDRESS_LIMIT;

/// A merge request by project path and number, as its web address names it (spec 03 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MergeRequestRef {
    /// The project's path: `hybrid-platforms/art/ocp-shipment-data`.
    pub project: String,
    /// The merge request's number within the project.
    pub iid: u64,
}

impl fmt::Display for MergeRequestRef {
    /// GitLab's own short form: `group/project!612`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}!{}", self.project, self.iid)
    }
}

/// The longest path of a project, in characters: GitLab's own limit.
const PROJECT_LIMIT: usize = 255;
/// GitLab counts merge requests in 31 bits.
const GREATEST_IID: u64 = 2_147_483_647;

impl MergeRequestRef {
    /// The merge request number `iid` of `project`; `None` when GitLab cannot have such a number or path.
    pub fn new(project: &str, iid: u64) -> Option<Self> {
        let word = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && !matches!(part, "." | "..")
        };
        let good = project.len() <= PROJECT_LIMIT
            && project.contains('/')
            && project.split('/').all(word)
            && (1..=GREATEST_IID).contains(&iid);
        good.then(|| Self { project: project.to_owned(), iid })
    }
}

/// A text that is not the web address of a merge request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the address of a GitLab merge request; expected something like \
     https://gitlab.example.com/group/project/-/merge_requests/612"
)]
pub struct InvalidMergeRequestAddress(String);

impl FromStr for MergeRequestRef {
    type Err = InvalidMergeRequestAddress;

    /// Reads `https://<host>/<group>/…/<project>/-/merge_requests/<iid>[/anything]`. The host is not looked at:
    /// the configured GitLab is used, spec 03 §3.1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMergeRequestAddress(text.chars().take(100).collect());
        let text = text.trim();
        if text.len() > ADDRESS_LIMIT {
            return Err(invalid());
        }
        let url = Url::parse(text).map_err(|_| invalid())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid());
        }
        let (project, rest) = url.path().split_once("/-/merge_requests/").ok_or_else(invalid)?;
        let iid = rest.split('/').next().unwrap_or_default().parse().map_err(|_| invalid())?;
        Self::new(project.trim_start_matches('/'), iid).ok_or_else(invalid)
    }
}

/// The state of a merge request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeRequestState {
    /// Open.
    Opened,
    /// Closed without a merge.
    Closed,
    /// Merged into the target branch.
    Merged,
    /// A merge is running.
    Locked,
    /// A state that this program does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for MergeRequestState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Merged => "merged",
            Self::Locked => "locked",
            Self::Unknown => "unknown",
        })
    }
}

/// A merge request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MergeRequest {
    /// Its number within the project.
    pub iid: u64,
    /// Its title.
    pub title: String,
    /// Its state.
    pub state: MergeRequestState,
    /// Whether it is a draft, in the spelling of newer servers; see [`MergeRequest::is_draft`].
    #[serde(default, deserialize_with = "empty::flag")]
    draft: bool,
    /// The same, in the spelling of older servers.
    #[serde(default, deserialize_with = "empty::flag")]
    work_in_progress: bool,
    /// Its labels, such as `stage-release-success`.
    #[serde(default, deserialize_with = "empty::list")]
    pub labels: Vec<String>,
    /// The branch with its commits.
    pub source_branch: String,
    /// The branch that it is to be merged into.
    pub target_branch: String,
    /// The newest commit of the source branch; absent while GitLab prepares it.
    #[serde(default, deserialize_with = "empty::text")]
    pub sha: Option<String>,
    /// Its web address.
    pub web_url: String,
    /// Who made it.
    pub author: Option<User>,
    /// Its text.
    #[serde(default)]
    pub description: Option<String>,
    /// Number of the target project.
    #[serde(default)]
    pub project_id: Option<u64>,
    /// Number of the project that holds the source branch; `None` when that project was deleted.
    #[serde(default)]
    pub source_project_id: Option<u64>,
    /// The number of changed files as GitLab shows it: `1000+` when it stopped counting, absent before it
    /// counted.
    #[serde(default, deserialize_with = "empty::text")]
    pub changes_count: Option<String>,
    /// Whether it can be merged: GitLab's `detailed_merge_status` (spec 03 §2.3).
    #[serde(default)]
    pub detailed_merge_status: Option<String>,
    /// Whether GitLab merges it when its pipeline succeeds.
    #[serde(default, deserialize_with = "empty::flag")]
    pub merge_when_pipeline_succeeds: bool,
    /// The pipeline of its newest commit; absent in lists.
    #[serde(default)]
    pub head_pipeline: Option<HeadPipeline>,
}

impl MergeRequest {
    /// Whether it is a draft: by the flag, or by the title when the server sends no flag.
    pub fn is_draft(&self) -> bool {
        let title = self.title.trim_start().to_lowercase();
        let marked = ["draft:", "[draft]", "(draft)", "wip:", "[wip]"];
        self.draft || self.work_in_progress || marked.iter().any(|mark| title.starts_with(mark))
    }
}

/// The pipeline of a merge request's newest commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeadPipeline {
    /// Its number.
    pub id: u64,
    /// Its status.
    pub status: String,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Its number.
    pub id: u64,
    /// Its name, as mentions write it after the `@`.
    pub username: String,
}

/// A note (comment) on a merge request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Note {
    /// Its number.
    pub id: u64,
    /// Its text.
    #[serde(default)]
    pub body: String,
    /// Who wrote it.
    pub author: Option<User>,
    /// Whether GitLab wrote it, to record an event.
    #[serde(default)]
    pub system: bool,
}

/// The notes of a merge request, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notes {
    /// The notes.
    pub notes: Vec<Note>,
    /// Whether these are all; `false` when there are older ones that were not read.
    pub complete: bool,
}

/// An account as the user search shows it; which addresses it shows depends on the caller's rights.
#[derive(Deserialize)]
pub(super) struct UserHit {
    #[serde(flatten)]
    pub(super) user: User,
    pub(super) state: Option<String>,
    pub(super) public_email: Option<String>,
    pub(super) email: Option<String>,
}

impl UserHit {
    /// The addresses that the answer shows.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &str> {
        [self.public_email.as_deref(), self.email.as_deref()]
            .into_iter()
            .flatten()
            .filter(|address| !address.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merge_requests_are_read_from_their_web_address() {
        for address in [
            "https://gitlab.example.test/group/sub/project/-/merge_requests/612",
            "http://127.0.0.1:8765/group/sub/project/-/merge_requests/612/diffs?x=1#note_4",
            " https://gitlab.example.test/group/sub/project/-/merge_requests/612/ ",
        ] {
            let reference: MergeRequestRef = address.parse().unwrap();
            assert_eq!(reference.to_string(), "group/sub/project!612");
        }
        for wrong in [
            "",
            "612",
            "https://gitlab.example.test/group/project/merge_requests/612",
            "https://gitlab.example.test/project/-/merge_requests/612",
            "https://gitlab.example.test/group//project/-/merge_requests/612",
            "https://gitlab.example.test/group/project/-/merge_requests/",
            "https://gitlab.example.test/group/project/-/merge_requests/0",
            "https://gitlab.example.test/group/project/-/merge_requests/6x",
            "https://gitlab.example.test/gr%20oup/project/-/merge_requests/6",
            "ftp://gitlab.example.test/group/project/-/merge_requests/6",
            "https://gitlab.example.test/group/../-/merge_requests/6",
            "https://gitlab.example.test/group/project/-/merge_requests/2147483648",
            "https://gitlab.example.test/group/project/-/merge_requests/99999999999999999999999",
            &format!("https://gitlab.example.test/{}/b/-/merge_requests/6", "a".repeat(254)),
            &format!("https://gitlab.example.test/a/b/-/merge_requests/6?{}", "a".repeat(70_000)),
        ] {
            let message = wrong.parse::<MergeRequestRef>().unwrap_err().to_string();
            assert!(message.contains("/-/merge_requests/612"), "{wrong}: {message}");
            assert!(message.len() < 400, "{message}");
        }
    }

    fn merge_request(more: &serde_json::Value) -> MergeRequest {
        let mut request = serde_json::json!({
            "iid": 612, "title": "Shipment for 4.19.1", "state": "opened", "source_branch": "a",
            "target_branch": "main", "sha": "5b1e", "web_url": "https://gitlab.example.test/x", "author": null,
        });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn nothing_is_read_in_every_spelling() {
        let nothing = serde_json::json!({
            "draft": null, "labels": null, "sha": "", "changes_count": "", "author": null, "description": null,
            "project_id": null, "source_project_id": null, "detailed_merge_status": null,
            "merge_when_pipeline_succeeds": null, "head_pipeline": null,
        });
        let read = merge_request(&nothing);
        assert_eq!((read.sha.as_deref(), read.changes_count.as_deref()), (None, None));
        assert!(read.labels.is_empty() && !read.is_draft() && !read.merge_when_pipeline_succeeds);
        assert_eq!(read.head_pipeline, None);
    }

    #[test]
    fn a_draft_is_known_by_its_mark_or_its_title() {
        for more in [
            serde_json::json!({"draft": true}),
            serde_json::json!({"work_in_progress": true}),
            serde_json::json!({"title": "Draft: Shipment for 4.19.1"}),
            serde_json::json!({"title": "[DRAFT] Shipment for 4.19.1", "draft": null}),
        ] {
            assert!(merge_request(&more).is_draft(), "{more}");
        }
        let named = serde_json::json!({"title": "Shipment for 4.19.1, no draft: ready"});
        assert!(!merge_request(&named).is_draft());
    }

    #[test]
    fn an_unknown_state_is_not_an_error() {
        let state: MergeRequestState = serde_json::from_str("\"frozen\"").unwrap();
        assert_eq!(state, MergeRequestState::Unknown);
    }
}

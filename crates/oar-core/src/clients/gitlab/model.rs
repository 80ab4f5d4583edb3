//! The typed requests and answers of the GitLab client.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

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
        let invalid = || InvalidMergeRequestAddress(text.to_owned());
        let url = Url::parse(text.trim()).map_err(|_| invalid())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid());
        }
        let (project, rest) = url.path().split_once("/-/merge_requests/").ok_or_else(invalid)?;
        let project = project.trim_start_matches('/');
        let iid = rest.split('/').next().unwrap_or_default();
        let word = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if !project.contains('/') || !project.split('/').all(word) {
            return Err(invalid());
        }
        let iid = iid.parse().ok().filter(|iid| *iid > 0).ok_or_else(invalid)?;
        Ok(Self { project: project.to_owned(), iid })
    }
}

/// Where a merge request stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeRequestState {
    /// Work goes on.
    Opened,
    /// Given up.
    Closed,
    /// Its commits are in the target branch.
    Merged,
    /// A merge is under way.
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
    /// Where it stands.
    pub state: MergeRequestState,
    /// Whether it is a draft.
    #[serde(default)]
    pub draft: bool,
    /// Its labels, such as `stage-release-success`.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The branch with its commits.
    pub source_branch: String,
    /// The branch that it is for.
    pub target_branch: String,
    /// The newest commit of the source branch.
    pub sha: Option<String>,
    /// Its web address.
    pub web_url: String,
    /// Who made it.
    pub author: Option<User>,
    /// Its text.
    #[serde(default)]
    pub description: Option<String>,
    /// Number of the project that it belongs to.
    #[serde(default)]
    pub project_id: Option<u64>,
    /// Number of the project that holds the source branch; `None` when that project is gone.
    #[serde(default)]
    pub source_project_id: Option<u64>,
    /// How many files it changes, as GitLab shows it: `1000+` when it stopped counting.
    #[serde(default)]
    pub changes_count: Option<String>,
    /// Whether it can be merged, in GitLab's words (spec 03 §2.3).
    #[serde(default)]
    pub detailed_merge_status: Option<String>,
    /// Whether it merges by itself when its pipeline succeeds.
    #[serde(default, deserialize_with = "null_is_false")]
    pub merge_when_pipeline_succeeds: bool,
    /// The pipeline of its newest commit; only where one merge request is read.
    #[serde(default)]
    pub head_pipeline: Option<HeadPipeline>,
}

/// The pipeline of a merge request's newest commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HeadPipeline {
    /// Its number.
    pub id: u64,
    /// Its status.
    pub status: String,
}

fn null_is_false<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(deserializer)?.unwrap_or(false))
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
    /// Whether GitLab itself wrote it, to tell of an event.
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
        ] {
            let message = wrong.parse::<MergeRequestRef>().unwrap_err().to_string();
            assert!(message.contains("/-/merge_requests/612"), "{wrong}: {message}");
        }
    }

    #[test]
    fn an_unknown_state_is_not_an_error() {
        let state: MergeRequestState = serde_json::from_str("\"frozen\"").unwrap();
        assert_eq!(state, MergeRequestState::Unknown);
    }
}

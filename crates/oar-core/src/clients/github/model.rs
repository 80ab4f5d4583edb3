//! The typed requests and answers of the GitHub client.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clients::empty::text;

/// A text file on a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// The file's text.
    pub text: String,
    /// The blob's SHA: the revision that a later write must carry.
    pub sha: String,
    /// The entity tag of this answer, for a conditional read later.
    pub etag: Option<String>,
}

/// The result of reading a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// The file as it is now.
    Found(FileContent),
    /// The file has not changed since the answer with the given entity tag.
    Unchanged,
    /// The branch is visible and does not have the file.
    Absent,
}

/// The answer to a contents read, spec 01 §2.9. A folder answers with a list instead.
#[derive(Deserialize)]
pub(super) struct ContentsAnswer {
    /// Empty for an empty file.
    pub(super) content: Option<String>,
    /// `base64`; `none` for a file of more than 1 MB, whose content is not in the answer.
    #[serde(default, deserialize_with = "text")]
    pub(super) encoding: Option<String>,
    pub(super) sha: String,
}

/// The members of a repository that are read.
#[derive(Deserialize)]
pub(super) struct RepositoryAnswer {
    pub(super) full_name: String,
}

/// A commit of a list.
#[derive(Deserialize)]
pub(super) struct CommitAnswer {
    pub(super) sha: String,
    pub(super) commit: Option<CommitDetails>,
}

/// A commit that changed a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCommit {
    /// Its hash.
    pub sha: String,
    /// When it was made; `None` when the answer does not say so.
    pub at: Option<Timestamp>,
}

impl From<CommitAnswer> for FileCommit {
    fn from(answer: CommitAnswer) -> Self {
        let date = answer.commit.and_then(|commit| commit.committer?.date);
        Self { sha: answer.sha, at: date.and_then(|date| date.parse().ok()) }
    }
}

/// What git says of a commit.
#[derive(Deserialize)]
pub(super) struct CommitDetails {
    pub(super) committer: Option<Signature>,
}

/// Who made a commit, of which only the time is read.
#[derive(Deserialize)]
pub(super) struct Signature {
    pub(super) date: Option<String>,
}

/// An entry of the answer to a contents read of a folder.
#[derive(Deserialize)]
pub(super) struct FolderEntry {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// The body of a contents write. It names no author or committer: the commit gets the token's owner.
#[derive(Serialize)]
pub(super) struct ContentsWrite<'a> {
    pub(super) message: &'a str,
    pub(super) content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha: Option<&'a str>,
    pub(super) branch: &'a str,
}

/// The body of a contents removal.
#[derive(Serialize)]
pub(super) struct ContentsDelete<'a> {
    pub(super) message: &'a str,
    pub(super) sha: &'a str,
    pub(super) branch: &'a str,
}

/// The members of the answer to a contents write that are read.
#[derive(Deserialize)]
pub(super) struct WriteAnswer {
    pub(super) content: WrittenContent,
}

#[derive(Deserialize)]
pub(super) struct WrittenContent {
    pub(super) sha: String,
}

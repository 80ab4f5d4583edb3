//! The typed requests and answers of the GitHub client.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clients::nothing::text;

/// A repository by owner and name: `openshift/release-tests`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    owner: String,
    name: String,
}

impl Repository {
    /// The account or organisation that owns the repository.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The repository's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)
    }
}

/// A text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a GitHub repository; expected owner and name, for example openshift/release-tests")]
pub struct InvalidRepository(String);

impl FromStr for Repository {
    type Err = InvalidRepository;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        match text.split_once('/') {
            Some((owner, name)) if word(owner) && word(name) => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(InvalidRepository(text.to_owned())),
        }
    }
}

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

/// What reading a file gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// The file as it is now.
    Found(FileContent),
    /// The file is still the one that the given entity tag stands for.
    Unchanged,
    /// The branch is visible and has no such file.
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

/// The part of a repository that is read.
#[derive(Deserialize)]
pub(super) struct RepositoryAnswer {
    pub(super) full_name: String,
}

/// A commit of a list.
#[derive(Deserialize)]
pub(super) struct CommitAnswer {
    pub(super) sha: String,
}

/// An entry of the answer to a contents read of a folder.
#[derive(Deserialize)]
pub(super) struct FolderEntry {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// The body of a contents write. No author or committer: the commit carries the token's owner.
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

/// The part of the answer to a contents write that is read.
#[derive(Deserialize)]
pub(super) struct WriteAnswer {
    pub(super) content: WrittenContent,
}

#[derive(Deserialize)]
pub(super) struct WrittenContent {
    pub(super) sha: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_owner_and_name() {
        let repository: Repository = "openshift/release-tests".parse().unwrap();
        assert_eq!((repository.owner(), repository.name()), ("openshift", "release-tests"));
        assert_eq!(repository.to_string(), "openshift/release-tests");
        for wrong in ["", "openshift", "openshift/", "/x", "a/b/c", "a/..", "a b/c", "https://github.com/a/b"]
        {
            let message = wrong.parse::<Repository>().unwrap_err().to_string();
            assert!(message.contains("openshift/release-tests"), "{wrong}: {message}");
        }
    }
}

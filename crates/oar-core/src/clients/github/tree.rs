//! Folders and files by git hash, which shows whether an answer is what was requested.

use std::collections::HashMap;

use base64::Engine as _;
use http::header::ETAG;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use super::model::ContentsDelete;
use super::transport::Purpose;
use super::{GithubClient, contents_path, encoded, failure};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::Repository;
use crate::permit::WritePermit;

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// Its name, without the folder.
    #[serde(rename = "path")]
    pub name: String,
    /// The git hash of its content.
    pub sha: String,
    /// Git's mode, in octal: `100644` for a file.
    mode: String,
    /// Its size in bytes, for files.
    #[serde(default)]
    pub size: Option<u64>,
}

impl TreeEntry {
    /// Whether it is an ordinary file.
    pub fn is_file(&self) -> bool {
        self.mode == "100644" || self.mode == "100755"
    }

    fn is_folder(&self) -> bool {
        self.mode == "040000"
    }
}

/// A folder at the head of a branch: all its entries, however many there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderTree {
    /// The git hash of the folder with exactly these entries.
    pub sha: String,
    /// The entries in git's order.
    #[serde(rename = "tree")]
    pub entries: Vec<TreeEntry>,
    #[serde(default)]
    truncated: bool,
    /// The entity tag of this answer, for a conditional read later.
    #[serde(default)]
    pub etag: Option<String>,
}

impl FolderTree {
    /// The ordinary file `name`.
    pub fn file(&self, name: &str) -> Option<&TreeEntry> {
        self.entries.iter().find(|entry| entry.name == name && entry.is_file())
    }

    /// The ordinary files of an answer that lists everything below the folder, each by its path; `None` when an entry is
    /// missing or changed: each folder's git hash must be that of its entries.
    fn into_files_below(self) -> Option<Vec<TreeEntry>> {
        let empty = |sha: String| Self { sha, entries: Vec::new(), truncated: self.truncated, etag: None };
        let mut folders = HashMap::from([(String::new(), empty(self.sha))]);
        for entry in self.entries.iter().filter(|entry| entry.is_folder()) {
            folders.insert(entry.name.clone(), empty(entry.sha.clone()));
        }
        let mut files = Vec::new();
        for entry in self.entries {
            let (folder, name) = entry.name.rsplit_once('/').unwrap_or(("", &entry.name));
            folders.get_mut(folder)?.entries.push(TreeEntry { name: name.to_owned(), ..entry.clone() });
            if entry.is_file() {
                files.push(entry);
            }
        }
        folders.values().all(Self::is_sound).then_some(files)
    }

    /// Whether `sha` is the git hash of these entries.
    pub(super) fn is_sound(&self) -> bool {
        let mut body = Vec::new();
        for entry in &self.entries {
            let Some(binary) = binary(&entry.sha) else { return false };
            body.extend_from_slice(entry.mode.trim_start_matches('0').as_bytes());
            body.push(b' ');
            body.extend_from_slice(entry.name.as_bytes());
            body.push(0);
            body.extend_from_slice(&binary);
        }
        !self.truncated && object_id("tree", &body) == self.sha
    }
}

/// The result of reading a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// The folder as it is now.
    Found(FolderTree),
    /// The folder has not changed since the answer with the given entity tag.
    Unchanged,
    /// The branch is visible and does not have the folder.
    Absent,
}

/// The git hash of an object.
fn object_id(kind: &str, body: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", body.len()));
    hash.update(body);
    format!("{:x}", hash.finalize())
}

/// The git hash of a file's content.
pub fn blob_id(content: &[u8]) -> String {
    object_id("blob", content)
}

/// The 20 bytes behind 40 hexadecimal digits.
fn binary(sha: &str) -> Option<Vec<u8>> {
    if sha.len() != 40 || !sha.is_ascii() {
        return None;
    }
    (0..20).map(|place| u8::from_str_radix(sha.get(2 * place..2 * place + 2)?, 16).ok()).collect()
}

#[derive(Deserialize)]
struct BlobAnswer {
    content: String,
    encoding: String,
}

fn purpose_of_list(repository: &Repository, branch: &str, folder: &str) -> Purpose {
    Purpose { operation: "list a folder", subject: format!("{folder} on {branch} of {repository}") }
}

fn tree_path(repository: &Repository, branch: &str, folder: &str) -> String {
    let folder = folder.split('/').map(encoded).collect::<Vec<_>>().join("%2F");
    format!(
        "/repos/{}/{}/git/trees/{}:{folder}",
        encoded(repository.owner()),
        encoded(repository.name()),
        encoded(branch)
    )
}

impl GithubClient {
    /// Reads the folder `folder` at the head of `branch`: one request, whatever the number of files (the
    /// contents API stops at a thousand).
    ///
    /// With the entity tag of an earlier answer the read is conditional: for an unchanged folder it does not
    /// count towards the rate limit and has no body. An absent folder takes one more request, as with
    /// [`GithubClient::contents`].
    pub async fn tree(
        &self,
        repository: &Repository,
        branch: &str,
        folder: &str,
        etag: Option<&str>,
    ) -> Result<Tree, ServiceError> {
        let purpose = purpose_of_list(repository, branch, folder);
        let address = tree_path(repository, branch, folder);
        let reply = self.get(address, etag, purpose).await?;
        match reply.status {
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Tree::Unchanged),
            StatusCode::NOT_FOUND => {
                self.require_branch(repository, branch).await?;
                Ok(Tree::Absent)
            }
            StatusCode::OK => {
                let mut tree: FolderTree = reply.json()?;
                if tree.truncated {
                    let detail = "the folder has more files than GitHub lists";
                    return Err(reply.failure(ServiceErrorKind::Malformed, detail));
                }
                if !tree.is_sound() {
                    let detail = "the entries do not match the folder's hash";
                    return Err(reply.failure(ServiceErrorKind::Malformed, detail));
                }
                tree.etag = reply.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
                Ok(Tree::Found(tree))
            }
            _ => Err(failure::of(&reply)),
        }
    }

    /// Reads the names of all files below `folder` at the head of `branch`, however deep, and the git hash of the folder: one
    /// request. The names are paths from the folder on. `None` when the branch is visible and has no such folder, which takes
    /// one request more.
    pub async fn files_below(
        &self,
        repository: &Repository,
        branch: &str,
        folder: &str,
    ) -> Result<Option<(String, Vec<TreeEntry>)>, ServiceError> {
        let address = format!("{}?recursive=1", tree_path(repository, branch, folder));
        let reply = self.get(address, None, purpose_of_list(repository, branch, folder)).await?;
        match reply.status {
            StatusCode::NOT_FOUND => {
                self.require_branch(repository, branch).await?;
                Ok(None)
            }
            StatusCode::OK => {
                let tree: FolderTree = reply.json()?;
                let words = if tree.truncated {
                    "the folder has more files than GitHub lists"
                } else {
                    "the entries do not have the git hashes of their folders"
                };
                let sha = tree.sha.clone();
                let files = tree.into_files_below().map(|files| Some((sha, files)));
                files.ok_or_else(|| reply.failure(ServiceErrorKind::Malformed, words))
            }
            _ => Err(failure::of(&reply)),
        }
    }

    /// Reads the content with the git hash `sha`, and checks the hash.
    pub async fn blob(&self, repository: &Repository, sha: &str) -> Result<Vec<u8>, ServiceError> {
        let purpose =
            Purpose { operation: "read a file", subject: format!("the blob {sha} of {repository}") };
        let address = format!(
            "/repos/{}/{}/git/blobs/{}",
            encoded(repository.owner()),
            encoded(repository.name()),
            encoded(sha)
        );
        let reply = self.get(address, None, purpose).await?;
        if reply.status != StatusCode::OK {
            return Err(failure::of(&reply));
        }
        let mut answer: BlobAnswer = reply.json()?;
        let malformed = |detail: &str| reply.failure(ServiceErrorKind::Malformed, detail);
        if answer.encoding != "base64" {
            return Err(malformed("the content is not in base64"));
        }
        answer.content.retain(|letter| !letter.is_ascii_whitespace());
        let content = base64::engine::general_purpose::STANDARD
            .decode(&answer.content)
            .map_err(|_| malformed("the content is not base64"))?;
        if blob_id(&content) != sha {
            return Err(malformed("the content is another one than its name says"));
        }
        Ok(content)
    }

    /// Removes the file `path` on `branch` as one commit. `sha` is the revision that was read.
    ///
    /// Errors are those of [`GithubClient::put_contents`]; a file that no longer exists is
    /// [`ServiceErrorKind::Conflict`].
    pub async fn delete_contents(
        &self,
        repository: &Repository,
        path: &str,
        branch: &str,
        sha: &str,
        message: &str,
        _permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let purpose =
            Purpose { operation: "remove a file", subject: format!("{path} on {branch} of {repository}") };
        let body = ContentsDelete { message, sha, branch };
        let request = http::Request::builder().method(Method::DELETE).uri(contents_path(repository, path));
        let reply =
            self.send(request, Some(&body), purpose).await.map_err(failure::unclear_when_malformed)?;
        match reply.status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                // Already removed, or not visible to this token.
                self.require_branch(repository, branch).await?;
                Err(reply.failure(ServiceErrorKind::Conflict, failure::message(&reply)))
            }
            _ => Err(self.failed_write(&reply).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, mode: &str) -> TreeEntry {
        TreeEntry { name: name.to_owned(), sha: blob_id(b"hello\n"), mode: mode.to_owned(), size: Some(6) }
    }

    #[test]
    fn names_are_those_of_git() {
        // `printf 'hello\n' | git hash-object --stdin`
        assert_eq!(blob_id(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
        // `git mktree < /dev/null`
        let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".to_owned();
        let tree = FolderTree { sha: empty.clone(), entries: Vec::new(), truncated: false, etag: None };
        assert!(tree.is_sound());
        let other =
            FolderTree { sha: empty, entries: vec![entry("a", "100644")], truncated: false, etag: None };
        assert!(!other.is_sound());
    }

    #[test]
    fn files_below_a_folder_are_taken_only_when_no_entry_is_missing() {
        // Made with `mkdir -p a/b && cp hello a/b/x && cp hello z && git add . && git write-tree`.
        let folder =
            |name: &str, sha: &str| TreeEntry { sha: sha.to_owned(), size: None, ..entry(name, "040000") };
        let entries = vec![
            folder("a", "e85c8ddedabee0bcf8944d9aaacfbb35e6216b9b"),
            folder("a/b", "e31a96220fbfbe7601ecc086a36b96dc27a8867e"),
            entry("a/b/x", "100644"),
            entry("z", "100644"),
        ];
        let all = FolderTree {
            sha: "9854c8d4dd303a87b2b9c78235b5191d9ead2b58".to_owned(),
            entries,
            truncated: false,
            etag: None,
        };
        let names: Vec<String> =
            all.clone().into_files_below().unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["a/b/x", "z"]);
        for place in 0..4 {
            let mut less = all.clone();
            less.entries.remove(place);
            assert_eq!(less.into_files_below(), None, "without entry {place}");
        }
        assert_eq!(FolderTree { truncated: true, ..all }.into_files_below(), None);
    }

    #[test]
    fn a_tree_is_sound_only_with_all_its_entries() {
        // Made with `git add . && git write-tree` on two such files.
        let mut tree = FolderTree {
            sha: String::new(),
            entries: vec![entry("a.json", "100644"), entry("b.json", "100644")],
            truncated: false,
            etag: None,
        };
        tree.sha = "e4c59beed803a7dc6dd5d8572534c7d863912ef0".to_owned();
        assert!(tree.is_sound());
        let mut damaged = tree.clone();
        damaged.entries.pop();
        assert!(!damaged.is_sound());
        let mut damaged = tree.clone();
        damaged.entries[0].sha = "zz".repeat(20);
        assert!(!damaged.is_sound());
        assert!(tree.file("a.json").is_some() && tree.file("c.json").is_none());
    }
}

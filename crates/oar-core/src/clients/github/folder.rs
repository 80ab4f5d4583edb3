//! A folder of small files on a branch, read with as few requests as possible (spec 04 §8).

use std::collections::HashMap;

use futures::StreamExt;
use futures::stream::iter;
use jiff::Timestamp;

use super::cache::ObjectCache;
use super::tree::{FolderTree, Tree, TreeEntry, blob_id};
use super::{Contents, GithubClient};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::Repository;
use crate::permit::WritePermit;
use crate::service::Service;

/// How many files are read at the same time.
const READERS: usize = 12;

/// A file that was read, with the revision that a write must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderFile {
    /// Its name, without the folder.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its revision: the text's git hash.
    pub sha: String,
}

/// A folder of a branch. Cheap to clone.
///
/// An unchanged folder costs one request, which does not count towards the rate limit. A changed one costs
/// one more for each content that is not in the cache, or fewer where GraphQL reads many at once.
#[derive(Debug, Clone)]
pub struct GithubFolder {
    client: GithubClient,
    repository: Repository,
    branch: String,
    folder: String,
    cache: Option<ObjectCache>,
}

impl GithubFolder {
    /// The folder `folder` on `branch`; without a cache everything is read each time.
    pub fn new(
        client: GithubClient,
        repository: Repository,
        branch: impl Into<String>,
        folder: impl Into<String>,
        cache: Option<ObjectCache>,
    ) -> Self {
        Self { client, repository, branch: branch.into(), folder: folder.into(), cache }
    }

    /// The path of the file `name` in the repository.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// The page of the file `name`, for links; `web` is the base of GitHub's pages.
    pub fn page(&self, web: &url::Url, name: &str) -> String {
        let base = web.as_str().trim_end_matches('/');
        format!("{base}/{}/blob/{}/{}", self.repository, self.branch, self.path(name))
    }

    /// All entries of the folder; `None` when the branch has no such folder. One request.
    pub async fn list(&self) -> Result<Option<FolderTree>, ServiceError> {
        let Self { client, repository, branch, folder, cache } = self;
        let known = cache.as_ref().and_then(|cache| cache.tree(repository, branch, folder));
        let etag = known.as_ref().and_then(|tree| tree.etag.as_deref());
        match client.tree(repository, branch, folder, etag).await? {
            Tree::Absent => Ok(None),
            Tree::Found(tree) => {
                if let Some(cache) = cache {
                    cache.keep_tree(repository, branch, folder, &tree);
                    cache.prune();
                }
                Ok(Some(tree))
            }
            Tree::Unchanged => match known {
                Some(tree) => Ok(Some(tree)),
                None => Err(self.failure("list a folder", "unchanged since nothing", &self.folder)),
            },
        }
    }

    /// All files below the folder, however deep, named by their paths from it; `None` when the branch has no such folder.
    /// One request.
    pub async fn list_below(&self) -> Result<Option<Vec<TreeEntry>>, ServiceError> {
        let found = self.client.files_below(&self.repository, &self.branch, &self.folder).await?;
        Ok(found.map(|(_, files)| files))
    }

    /// The files of these entries, in their order. Cached contents cost no request; the others are read many
    /// at once, and what that does not deliver one by one. One file that cannot be read does not affect the
    /// others.
    pub async fn read(&self, entries: &[TreeEntry]) -> Vec<Result<FolderFile, ServiceError>> {
        let mut kept = self.kept(entries).await;
        let unknown: Vec<TreeEntry> =
            entries.iter().filter(|entry| !kept.contains_key(&entry.sha)).cloned().collect();
        let read = self.client.texts(&self.repository, &unknown).await;
        if let Some(cache) = &self.cache {
            for content in read.values() {
                cache.keep_blob(content);
            }
        }
        kept.extend(read);
        // Owned, so that the future can be sent between threads.
        let work: Vec<(TreeEntry, Option<Vec<u8>>)> =
            entries.iter().map(|entry| (entry.clone(), kept.get(&entry.sha).cloned())).collect();
        iter(work.into_iter().map(|(entry, content)| self.one(entry, content)))
            .buffered(READERS)
            .collect()
            .await
    }

    /// The file `name` as it is now, without the cache; `None` when the branch has none. One request, two
    /// when it is absent.
    pub async fn read_now(&self, name: &str) -> Result<Option<FolderFile>, ServiceError> {
        let contents = self.client.contents(&self.repository, &self.path(name), &self.branch, None).await?;
        Ok(match contents {
            Contents::Found(file) => {
                if let Some(cache) = &self.cache {
                    cache.keep_blob(file.text.as_bytes());
                }
                Some(FolderFile { name: name.to_owned(), text: file.text, sha: file.sha })
            }
            Contents::Absent | Contents::Unchanged => None,
        })
    }

    /// When the file `name` was changed last; `None` when nothing says so. One request.
    pub async fn changed_at(&self, name: &str) -> Result<Option<Timestamp>, ServiceError> {
        let Self { client, repository, branch, .. } = self;
        let commits = client.commits_of(repository, &self.path(name), branch, 1).await?;
        Ok(commits.first().and_then(|commit| commit.at))
    }

    /// Writes the file `name` as one commit; its new revision. `sha` is the revision that was read, `None` to create
    /// it. Failures are those of [`GithubClient::put_contents`].
    pub async fn write(
        &self,
        name: &str,
        text: &str,
        sha: Option<&str>,
        message: &str,
        permit: &WritePermit,
    ) -> Result<String, ServiceError> {
        let Self { client, repository, branch, cache, .. } = self;
        let sha =
            client.put_contents(repository, &self.path(name), branch, text, sha, message, permit).await?;
        if let Some(cache) = cache {
            cache.keep_blob(text.as_bytes());
        }
        Ok(sha)
    }

    /// Caches a text that another client read or wrote in this folder, so that it need not be read again.
    pub fn keep(&self, text: &str) {
        if let Some(cache) = &self.cache {
            cache.keep_blob(text.as_bytes());
        }
    }

    /// Removes the file `name` as one commit. Failures are those of [`GithubClient::delete_contents`].
    pub async fn remove(
        &self,
        name: &str,
        sha: &str,
        message: &str,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        self.client
            .delete_contents(&self.repository, &self.path(name), &self.branch, sha, message, permit)
            .await
    }

    /// Whether `text` is the content of the revision `sha`: it tells whether an unclear write took effect.
    pub fn is_revision(text: &str, sha: &str) -> bool {
        blob_id(text.as_bytes()) == sha
    }

    /// The contents that the cache has.
    async fn kept(&self, entries: &[TreeEntry]) -> HashMap<String, Vec<u8>> {
        let Some(cache) = self.cache.clone() else { return HashMap::new() };
        let names: Vec<String> = entries.iter().map(|entry| entry.sha.clone()).collect();
        let read = move || {
            names.into_iter().filter_map(|sha| cache.blob(&sha).map(|content| (sha, content))).collect()
        };
        // If the thread failed, everything is read from GitHub.
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }

    async fn one(&self, entry: TreeEntry, kept: Option<Vec<u8>>) -> Result<FolderFile, ServiceError> {
        let content = if let Some(content) = kept {
            content
        } else {
            let content = self.client.blob(&self.repository, &entry.sha).await?;
            if let Some(cache) = &self.cache {
                cache.keep_blob(&content);
            }
            content
        };
        let text = String::from_utf8(content).map_err(|_| {
            let path = self.path(&entry.name);
            let hint = format!("Correct {path} on {} of {}.", self.branch, self.repository);
            self.failure("read a file", "the file is not UTF-8 text", &path).with_hint(hint)
        })?;
        Ok(FolderFile { name: entry.name, text, sha: entry.sha })
    }

    fn failure(&self, operation: &'static str, detail: &str, path: &str) -> ServiceError {
        ServiceError::new(Service::GithubApi, operation, ServiceErrorKind::Malformed, detail)
            .about(format!("{path} on {} of {}", self.branch, self.repository))
    }
}

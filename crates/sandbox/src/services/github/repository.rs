//! A repository in memory: blobs, trees, commits and branches with git's own names.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use indexmap::IndexMap;
use jiff::Timestamp;

use super::{
    git::{self, Files, Sha, TreeEntry},
    identity::Identity,
};

/// A commit and all files at it.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its name.
    pub sha: Sha,
    /// The root tree.
    pub tree: Sha,
    /// Path and blob of every file.
    pub files: Arc<Files>,
    /// The commits before it: none or one.
    pub parents: Vec<Sha>,
    /// Author and committer.
    pub author: Identity,
    /// When it was made.
    pub date: Timestamp,
    /// The whole message.
    pub message: String,
}

/// One repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Number of the repository.
    pub id: u64,
    /// `openshift`.
    pub owner: String,
    /// `release-tests`.
    pub name: String,
    /// The branch for requests that name none.
    pub default_branch: String,
    /// Branch names and their heads.
    pub branches: IndexMap<String, Sha>,
    blobs: HashMap<Sha, Bytes>,
    trees: HashMap<Sha, Vec<TreeEntry>>,
    commits: HashMap<Sha, Arc<Commit>>,
}

impl Repository {
    /// A repository without branches.
    pub fn new(id: u64, owner: &str, name: &str, default_branch: &str) -> Self {
        Self {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            default_branch: default_branch.to_owned(),
            branches: IndexMap::new(),
            blobs: HashMap::new(),
            trees: HashMap::new(),
            commits: HashMap::new(),
        }
    }

    /// `openshift/release-tests`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The newest commit of a branch.
    pub fn head(&self, branch: &str) -> Option<&Arc<Commit>> {
        self.commits.get(self.branches.get(branch)?)
    }

    /// A commit by its name.
    pub fn commit(&self, sha: &str) -> Option<&Arc<Commit>> {
        self.commits.get(sha)
    }

    /// What a client means: a branch (with `refs/heads/` or `heads/` or without) or a commit.
    pub fn resolve(&self, reference: &str) -> Option<&Arc<Commit>> {
        let short = reference.strip_prefix("refs/").unwrap_or(reference);
        self.head(short.strip_prefix("heads/").unwrap_or(short))
            .or_else(|| self.head(reference))
            .or_else(|| self.commit(reference))
    }

    /// A file's content by its blob.
    pub fn blob(&self, sha: &str) -> Option<&Bytes> {
        self.blobs.get(sha)
    }

    /// A tree's entries.
    pub fn tree(&self, sha: &str) -> Option<&[TreeEntry]> {
        self.trees.get(sha).map(Vec::as_slice)
    }

    /// Blob and content of a file at a commit.
    pub fn file<'a>(&'a self, commit: &'a Commit, path: &str) -> Option<(&'a Sha, &'a Bytes)> {
        let sha = commit.files.get(path)?;
        Some((sha, self.blob(sha)?))
    }

    /// The commit and those before it, newest first.
    pub fn history(&self, from: &Arc<Commit>) -> Vec<Arc<Commit>> {
        std::iter::successors(Some(Arc::clone(from)), |commit| self.commit(commit.parents.first()?).cloned())
            .collect()
    }

    /// The last commit before `from` at which the file was different or absent.
    pub fn previous_version(&self, from: &Arc<Commit>, path: &str) -> Option<Arc<Commit>> {
        let now = from.files.get(path);
        self.history(from).into_iter().find(|commit| commit.files.get(path) != now)
    }

    /// Forgets all but the newest `count` commits of each branch, and what only the others held.
    pub fn keep_newest(&mut self, count: usize) {
        let heads = self.branches.values().filter_map(|sha| self.commits.get(sha));
        let kept = heads.flat_map(|head| self.history(head).into_iter().take(count));
        let commits: HashMap<Sha, Arc<Commit>> = kept.map(|commit| (commit.sha.clone(), commit)).collect();
        let (mut blobs, mut trees) = (HashMap::new(), HashMap::new());
        for commit in commits.values() {
            for sha in commit.files.values() {
                if let Some((sha, content)) = self.blobs.remove_entry(sha) {
                    blobs.insert(sha, content);
                }
            }
            let mut open = vec![commit.tree.clone()];
            while let Some(sha) = open.pop() {
                let Some((sha, entries)) = self.trees.remove_entry(&sha) else { continue };
                open.extend(entries.iter().filter(|entry| entry.directory).map(|entry| entry.sha.clone()));
                trees.insert(sha, entries);
            }
        }
        (self.commits, self.blobs, self.trees) = (commits, blobs, trees);
    }

    /// A new branch: at `from`, or at a first empty commit.
    pub fn create_branch(&mut self, name: &str, from: Option<&Sha>, author: &Identity, now: Timestamp) {
        let sha = from.cloned().unwrap_or_else(|| {
            self.record(Files::new(), Vec::new(), "Initial commit", author, now).sha.clone()
        });
        self.branches.insert(name.to_owned(), sha);
    }

    /// Commits a file on an existing branch, whatever it held before. `content` absent: removes the file.
    pub fn write(
        &mut self,
        branch: &str,
        path: &str,
        content: Option<Bytes>,
        message: &str,
        author: &Identity,
        now: Timestamp,
    ) -> Result<Arc<Commit>, String> {
        self.write_all(branch, vec![(path.to_owned(), content)], message, author, now)
    }

    /// Commits changes of several files in one commit. A change without content removes the file.
    pub fn write_all(
        &mut self,
        branch: &str,
        changes: Vec<(String, Option<Bytes>)>,
        message: &str,
        author: &Identity,
        now: Timestamp,
    ) -> Result<Arc<Commit>, String> {
        let head = self.head(branch).cloned().ok_or_else(|| format!("no branch {branch}"))?;
        let mut files = Files::clone(&head.files);
        for (path, content) in changes {
            match content {
                Some(content) => {
                    let sha = self.add_blob(content);
                    files.insert(path, sha);
                }
                None => {
                    files.remove(&path).ok_or_else(|| format!("no file {path}"))?;
                }
            }
        }
        let commit = self.record(files, vec![head.sha.clone()], message, author, now);
        self.branches.insert(branch.to_owned(), commit.sha.clone());
        Ok(commit)
    }

    /// Keeps a file's content; its name.
    pub fn add_blob(&mut self, content: Bytes) -> Sha {
        let sha = git::blob_id(&content);
        self.blobs.insert(sha.clone(), content);
        sha
    }

    /// Keeps the trees of all files; the root's name.
    pub fn add_tree(&mut self, files: &Files) -> Sha {
        let (tree, all) = git::trees(files);
        self.trees.extend(all);
        tree
    }

    /// The files of a tree and of all trees below it.
    pub fn files(&self, tree: &str) -> Option<Files> {
        let mut files = Files::new();
        let mut open = vec![(String::new(), tree.to_owned())];
        while let Some((prefix, tree)) = open.pop() {
            for entry in self.tree(&tree)? {
                let path = format!("{prefix}{}", entry.name);
                if entry.directory {
                    open.push((format!("{path}/"), entry.sha.clone()));
                } else {
                    files.insert(path, entry.sha.clone());
                }
            }
        }
        Some(files)
    }

    /// Keeps a commit that no branch has yet.
    pub fn record(
        &mut self,
        files: Files,
        parents: Vec<Sha>,
        message: &str,
        author: &Identity,
        now: Timestamp,
    ) -> Arc<Commit> {
        let (tree, all) = git::trees(&files);
        self.trees.extend(all);
        let signature = format!("{} <{}> {} +0000", author.name, author.email, now.as_second());
        let mut lines = vec![format!("tree {tree}")];
        lines.extend(parents.iter().map(|parent| format!("parent {parent}")));
        lines.extend([format!("author {signature}"), format!("committer {signature}"), String::new()]);
        lines.push(message.to_owned());
        let body = lines.join("\n");
        let commit = Arc::new(Commit {
            sha: git::object_id("commit", body.as_bytes()),
            tree,
            files: Arc::new(files),
            parents,
            author: author.clone(),
            date: now,
            message: message.to_owned(),
        });
        self.commits.insert(commit.sha.clone(), Arc::clone(&commit));
        commit
    }
}

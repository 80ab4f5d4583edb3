//! A cache of contents read from GitHub, in the user's cache folder.
//!
//! Contents are stored by git hash and checked against it, so a damaged file counts as missing, and the
//! folder may be deleted at any time. A cache that cannot be read or written only costs requests.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha1::{Digest as _, Sha1};

use super::tree::{FolderTree, blob_id};
use crate::files;
use crate::ids::Repository;

/// The most contents that are kept, besides those in use.
const KEPT: usize = 4_000;
/// The largest content that is kept, in bytes.
const LARGEST: usize = 1024 * 1024;
/// The largest folder that is kept, in bytes; one of 4,000 files has 600 kB.
const LARGEST_TREE: usize = 16 * 1024 * 1024;

/// A folder of contents by git hash. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ObjectCache {
    folder: PathBuf,
}

impl ObjectCache {
    /// A cache in `folder`, which is created at the first write.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The content with the git hash `sha`, when it is cached and undamaged.
    pub fn blob(&self, sha: &str) -> Option<Vec<u8>> {
        let path = self.blob_path(sha)?;
        let content = files::read(&path, LARGEST as u64).ok()?;
        (blob_id(&content) == sha).then_some(content)
    }

    /// Stores a content under its git hash.
    pub fn keep_blob(&self, content: &[u8]) {
        if content.len() > LARGEST {
            return;
        }
        let Some(path) = self.blob_path(&blob_id(content)) else { return };
        Self::write(&path, content);
    }

    /// The folder `folder` of a branch as it was last read, when it is cached and undamaged.
    pub(super) fn tree(&self, repository: &Repository, branch: &str, folder: &str) -> Option<FolderTree> {
        let tree = read_tree(&self.tree_path(repository, branch, folder))?;
        (tree.etag.is_some() && tree.is_sound()).then_some(tree)
    }

    /// Stores a folder of a branch.
    pub(super) fn keep_tree(&self, repository: &Repository, branch: &str, folder: &str, tree: &FolderTree) {
        if let Ok(text) = serde_json::to_vec(tree)
            && text.len() <= LARGEST_TREE
        {
            Self::write(&self.tree_path(repository, branch, folder), &text);
        }
    }

    /// Removes the oldest contents that no cached folder refers to, down to the limit. Several branches and
    /// programs share the cache.
    pub(super) fn prune(&self) {
        self.prune_to(KEPT);
    }

    fn prune_to(&self, limit: usize) {
        let trees = fs::read_dir(self.folder.join("trees")).into_iter().flatten().flatten();
        let trees = trees.filter_map(|file| read_tree(&file.path()));
        let used: HashSet<String> = trees.flat_map(|tree| tree.entries).map(|entry| entry.sha).collect();
        let mut others: Vec<(SystemTime, PathBuf)> = Vec::new();
        let folders = fs::read_dir(self.folder.join("blobs")).into_iter().flatten().flatten();
        for folder in folders {
            let start = folder.file_name();
            for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let sha = format!("{}{}", start.to_string_lossy(), file.file_name().to_string_lossy());
                if !used.contains(sha.as_str()) {
                    let written = file.metadata().and_then(|data| data.modified());
                    others.push((written.unwrap_or(SystemTime::UNIX_EPOCH), file.path()));
                }
            }
        }
        if others.len() > limit {
            others.sort();
            let excess = others.len() - limit;
            for (_, path) in others.into_iter().take(excess) {
                ignore(fs::remove_file(&path), &path);
            }
        }
    }

    /// `None` when `sha` is not a git hash.
    fn blob_path(&self, sha: &str) -> Option<PathBuf> {
        if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let (start, rest) = sha.split_at_checked(2)?;
        Some(self.folder.join("blobs").join(start).join(rest))
    }

    fn tree_path(&self, repository: &Repository, branch: &str, folder: &str) -> PathBuf {
        let key = format!("{:x}", Sha1::digest(format!("{repository}\n{branch}\n{folder}")));
        self.folder.join("trees").join(format!("{key}.json"))
    }

    /// Writes a file in one step, so that another process never sees half of it.
    fn write(path: &Path, content: &[u8]) {
        ignore(files::replace(path, content), path);
    }
}

fn read_tree(path: &Path) -> Option<FolderTree> {
    serde_json::from_slice(&files::read(path, LARGEST_TREE as u64).ok()?).ok()
}

fn ignore(outcome: io::Result<()>, path: &Path) {
    if let Err(error) = outcome {
        tracing::debug!("the cache file {} was not changed: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::files::testing::make_fifo;

    fn empty() -> FolderTree {
        let text = r#"{"sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "tree": [], "etag": "W/\"1\""}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_damaged_entry_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ObjectCache::at(folder.path().join("new"));
        let sha = blob_id(b"hello\n");
        assert_eq!(cache.blob(&sha), None);
        cache.keep_blob(b"hello\n");
        assert_eq!(cache.blob(&sha).unwrap(), b"hello\n");
        fs::write(cache.blob_path(&sha).unwrap(), "hellO\n").unwrap();
        assert_eq!(cache.blob(&sha), None);
        cache.keep_blob(b"hello\n");
        assert!(cache.blob(&sha).is_some(), "and it is mended");
        assert_eq!(cache.blob("../../../../etc/passwd"), None);

        let repository: Repository = "example/records".parse().unwrap();
        cache.keep_tree(&repository, "record", "_releases", &empty());
        assert_eq!(cache.tree(&repository, "record", "_releases"), Some(empty()));
        assert_eq!(cache.tree(&repository, "main", "_releases"), None);
        let path = cache.tree_path(&repository, "record", "_releases");
        for damage in
            ["", "{}", r#"{"sha": "0000000000000000000000000000000000000000", "tree": [], "etag": "x"}"#]
        {
            fs::write(&path, damage).unwrap();
            assert_eq!(cache.tree(&repository, "record", "_releases"), None, "{damage}");
        }
        // A sound tree, followed by more blanks than are read.
        cache.keep_tree(&repository, "record", "_releases", &empty());
        let file = fs::File::options().append(true).open(&path).unwrap();
        io::copy(&mut io::repeat(b' ').take(LARGEST_TREE as u64), &mut &file).unwrap();
        assert_eq!(cache.tree(&repository, "record", "_releases"), None, "it is too large");
        fs::remove_file(&path).unwrap();
        make_fifo(&path);
        assert_eq!(cache.tree(&repository, "record", "_releases"), None);
    }

    #[test]
    fn a_cache_that_cannot_be_written_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let cache = ObjectCache::at(folder.path().join("file"));
        cache.keep_blob(b"hello\n");
        assert_eq!(cache.blob(&blob_id(b"hello\n")), None);
    }

    #[test]
    fn the_oldest_go_and_those_in_use_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ObjectCache::at(folder.path());
        let contents: Vec<String> = (0..5).map(|number| format!("content {number}")).collect();
        for (age, content) in contents.iter().enumerate() {
            cache.keep_blob(content.as_bytes());
            let path = cache.blob_path(&blob_id(content.as_bytes())).unwrap();
            let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age as u64);
            fs::File::options().write(true).open(path).unwrap().set_modified(written).unwrap();
        }
        let repository: Repository = "example/records".parse().unwrap();
        for (branch, content) in [("record", &contents[0]), ("main", &contents[1])] {
            let mut tree = empty();
            let used = format!(
                r#"{{"path": "a", "mode": "100644", "type": "blob", "sha": "{}"}}"#,
                blob_id(content.as_bytes())
            );
            tree.entries.push(serde_json::from_str(&used).unwrap());
            cache.keep_tree(&repository, branch, "_releases", &tree);
        }
        cache.prune_to(1);
        let kept: Vec<bool> =
            contents.iter().map(|content| cache.blob(&blob_id(content.as_bytes())).is_some()).collect();
        assert_eq!(kept, [true, true, false, false, true], "those of every branch stay");
    }
}

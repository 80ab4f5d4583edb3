//! Git's object names, so that a sha which a client computes equals the one it is given.

use std::collections::BTreeMap;

use sha1::{Digest, Sha1};

/// A SHA-1 in hexadecimal digits.
pub type Sha = String;

/// All files of a commit: path and blob.
pub type Files = BTreeMap<String, Sha>;

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Name without its directory.
    pub name: String,
    /// Blob or tree.
    pub sha: Sha,
    /// Whether it is a directory.
    pub directory: bool,
}

impl TreeEntry {
    /// Git's mode: an ordinary file or a directory.
    pub fn mode(&self) -> &'static str {
        if self.directory { "040000" } else { "100644" }
    }

    /// `tree` or `blob`.
    pub fn kind(&self) -> &'static str {
        if self.directory { "tree" } else { "blob" }
    }
}

/// The name of an object: SHA-1 over its type, length and body.
pub fn object_id(kind: &str, body: &[u8]) -> Sha {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", body.len()));
    hash.update(body);
    format!("{:x}", hash.finalize())
}

/// The name of a file's content.
pub fn blob_id(content: &[u8]) -> Sha {
    object_id("blob", content)
}

/// The tree of `files` and every tree below it: the root's name, then name and entries of each.
pub fn trees(files: &Files) -> (Sha, Vec<(Sha, Vec<TreeEntry>)>) {
    let paths: Vec<(&str, &Sha)> = files.iter().map(|(path, sha)| (path.as_str(), sha)).collect();
    let mut all = Vec::new();
    let root = tree(&paths, &mut all);
    (root, all)
}

fn tree(files: &[(&str, &Sha)], all: &mut Vec<(Sha, Vec<TreeEntry>)>) -> Sha {
    let mut entries = Vec::new();
    let mut directories: BTreeMap<&str, Vec<(&str, &Sha)>> = BTreeMap::new();
    for (path, sha) in files {
        match path.split_once('/') {
            Some((directory, rest)) => directories.entry(directory).or_default().push((rest, sha)),
            None => {
                entries.push(TreeEntry { name: (*path).to_owned(), sha: (*sha).clone(), directory: false });
            }
        }
    }
    for (name, below) in directories {
        entries.push(TreeEntry { name: name.to_owned(), sha: tree(&below, all), directory: true });
    }
    // Git sorts a directory as if its name ended with a slash.
    let key =
        |entry: &TreeEntry| if entry.directory { format!("{}/", entry.name) } else { entry.name.clone() };
    entries.sort_by_key(key);
    let mut body = Vec::new();
    for entry in &entries {
        let mode = if entry.directory { "40000" } else { "100644" };
        body.extend_from_slice(format!("{mode} {}\0", entry.name).as_bytes());
        body.extend_from_slice(&binary(&entry.sha));
    }
    let sha = object_id("tree", &body);
    all.push((sha.clone(), entries));
    sha
}

/// The 20 bytes behind the digits.
fn binary(sha: &str) -> Vec<u8> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    sha.as_bytes()
        .chunks(2)
        .map(|pair| pair.iter().fold(0_u8, |value, byte| value.wrapping_shl(4) | digit(byte)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_git() {
        // `printf 'hello\n' | git hash-object --stdin`
        assert_eq!(blob_id(b"hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
        // `git mktree < /dev/null`
        assert_eq!(trees(&Files::new()).0, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }

    #[test]
    fn a_nested_tree_is_sorted_as_git_sorts() {
        let hello = blob_id(b"hello\n");
        let files: Files =
            ["a.b", "a/x", "a-b", "z"].iter().map(|path| ((*path).to_owned(), hello.clone())).collect();
        let (root, all) = trees(&files);
        // Made once with `git add . && git write-tree` on the same four files.
        assert_eq!(root, "ac0f6a33f4f9fcc16e93c2814464453e3f24426b");
        let (_, entries) = all.last().unwrap();
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a-b", "a.b", "a", "z"]);
    }
}

//! Commits as git names them, and the stream from which `git fast-import` makes the same repository.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

use super::model::{Branch, Project, hex};

/// A commit with all its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its name, the same that git computes.
    pub id: String,
    /// Names of the commits before it.
    pub parents: Vec<String>,
    /// `Name <address> seconds zone`, of author and committer alike.
    pub signature: String,
    /// Its message.
    pub message: String,
    /// Contents by path.
    pub files: BTreeMap<String, String>,
}

impl Commit {
    /// A commit of `files` on top of `parents`.
    pub fn new(
        files: BTreeMap<String, String>,
        parents: Vec<String>,
        signature: &str,
        message: &str,
    ) -> Self {
        let entries: Vec<(Vec<&str>, &str)> =
            files.iter().map(|(path, content)| (path.split('/').collect(), content.as_str())).collect();
        let mut text = format!("tree {}\n", hex(&tree(&entries)));
        for parent in &parents {
            let _ = writeln!(text, "parent {parent}");
        }
        let _ = write!(text, "author {signature}\ncommitter {signature}\n\n{message}");
        let id = hex(&object("commit", text.as_bytes()));
        Self { id, parents, signature: signature.to_owned(), message: message.to_owned(), files }
    }
}

fn object(kind: &str, content: &[u8]) -> Vec<u8> {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", content.len()));
    hash.update(content);
    hash.finalize().to_vec()
}

/// Name of the tree of these files, each by the parts of its path, in the order of their paths.
fn tree(files: &[(Vec<&str>, &str)]) -> Vec<u8> {
    let mut entries: Vec<(String, bool, Vec<u8>)> = Vec::new();
    let mut folders: BTreeMap<&str, Vec<(Vec<&str>, &str)>> = BTreeMap::new();
    for (path, content) in files {
        match path.as_slice() {
            [] => {}
            [name] => entries.push(((*name).to_owned(), false, object("blob", content.as_bytes()))),
            [folder, rest @ ..] => folders.entry(folder).or_default().push((rest.to_vec(), content)),
        }
    }
    entries.extend(folders.into_iter().map(|(name, files)| (name.to_owned(), true, tree(&files))));
    // git sorts folders as if their names ended with a slash.
    entries.sort_by_key(|(name, folder, _)| if *folder { format!("{name}/") } else { name.clone() });
    let mut content = Vec::new();
    for (name, folder, id) in entries {
        content.extend(format!("{} {name}\0", if folder { "40000" } else { "100644" }).into_bytes());
        content.extend(id);
    }
    object("tree", &content)
}

impl Branch {
    /// A branch whose first commit has these files.
    pub fn new(files: BTreeMap<String, String>) -> Self {
        Self { files, commits: Vec::new() }
    }

    /// All commits, oldest first. Files that were changed by hand are the newest one.
    pub fn history(&self) -> Vec<Commit> {
        let mut commits = self.commits.clone();
        if commits.last().is_none_or(|last| last.files != self.files) {
            let parents: Vec<String> = commits.last().map(|last| last.id.clone()).into_iter().collect();
            let signature = "art bot <art-bot@example.test> 1782374950 +0000";
            commits.push(Commit::new(self.files.clone(), parents, signature, "Prepare shipment\n"));
        }
        commits
    }

    /// The newest commit.
    pub fn head(&self) -> Option<Commit> {
        self.history().pop()
    }

    /// Name of the newest commit: it changes with the files.
    pub fn sha(&self) -> String {
        self.head().map(|commit| commit.id).unwrap_or_default()
    }

    /// Adds a commit.
    pub fn push(&mut self, commit: Commit) {
        self.commits = self.history();
        self.files.clone_from(&commit.files);
        self.commits.push(commit);
    }
}

impl Project {
    /// A commit of any branch.
    pub fn commit(&self, id: &str) -> Option<Commit> {
        self.branches.values().flat_map(Branch::history).find(|commit| commit.id == id)
    }

    /// What `git fast-import` reads to make this project's repository, with the same names of commits.
    pub fn fast_import(&self) -> Vec<u8> {
        let mut stream = Vec::new();
        let mut marks: BTreeMap<String, usize> = BTreeMap::new();
        for (name, branch) in &self.branches {
            let history = branch.history();
            for commit in &history {
                if marks.contains_key(&commit.id) {
                    continue;
                }
                let mark = marks.len() + 1;
                let mut head = format!("commit refs/heads/{name}\nmark :{mark}\n");
                let _ = write!(head, "author {0}\ncommitter {0}\n", commit.signature);
                let _ = write!(head, "data {}\n{}\n", commit.message.len(), commit.message);
                for (parent, word) in
                    commit.parents.iter().zip(std::iter::once("from").chain(std::iter::repeat("merge")))
                {
                    if let Some(mark) = marks.get(parent) {
                        let _ = writeln!(head, "{word} :{mark}");
                    }
                }
                head.push_str("deleteall\n");
                for (path, content) in &commit.files {
                    let _ = write!(head, "M 100644 inline {path}\ndata {}\n{content}\n", content.len());
                }
                stream.extend(head.into_bytes());
                marks.insert(commit.id.clone(), mark);
            }
            if let Some(mark) = history.last().and_then(|last| marks.get(&last.id)) {
                stream.extend(format!("reset refs/heads/{name}\nfrom :{mark}\n\n").into_bytes());
            }
        }
        stream.extend(b"done\n");
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_git_computes() {
        // git hash-object and git mktree say so.
        assert_eq!(hex(&object("blob", b"hello\n")), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(hex(&tree(&[])), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }

    #[test]
    fn files_changed_by_hand_are_a_new_commit() {
        let mut branch = Branch::new(BTreeMap::from([("a/b.yaml".to_owned(), "x: 1\n".to_owned())]));
        let first = branch.sha();
        assert_eq!(branch.sha(), first);
        branch.push(Commit::new(
            branch.files.clone(),
            vec![first.clone()],
            "a <a@example.test> 1 +0000",
            "m",
        ));
        assert_eq!(branch.history().len(), 2);
        branch.files.insert("c".to_owned(), "2\n".to_owned());
        let history = branch.history();
        assert_eq!((history.len(), &history[2].parents), (3, &vec![history[1].id.clone()]));
        assert_ne!(branch.sha(), first);
    }
}

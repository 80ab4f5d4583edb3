//! What the branch of the StateBox files holds, by the names of its files.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::github::TreeEntry;
use crate::statebox::StateBox;
use crate::version::{ReleaseVersion, YStream};

/// The tracking files and the releases with a StateBox, of all y-streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseFiles {
    /// The tracking file of each y-stream that has one.
    pub tracking: BTreeMap<YStream, TreeEntry>,
    /// The releases that have a StateBox file.
    pub with_statebox: BTreeSet<ReleaseVersion>,
}

impl ReleaseFiles {
    /// Those among the files below `_releases`, which are named by their paths from there. Other files are nobody's business
    /// here.
    pub fn of(files: impl IntoIterator<Item = TreeEntry>) -> Self {
        let mut found = Self::default();
        for file in files {
            let Some((stream, name)) = file.name.split_once('/') else { continue };
            let Ok(stream) = stream.parse::<YStream>() else { continue };
            if name == format!("{stream}.z.yaml") {
                found.tracking.insert(stream, file);
                continue;
            }
            found.with_statebox.extend(StateBox::release_of(&format!("_releases/{}", file.name)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> TreeEntry {
        serde_json::from_value(serde_json::json!({"path": path, "sha": "0".repeat(40), "mode": "100644"}))
            .unwrap()
    }

    #[test]
    fn files_are_told_by_their_whole_paths() {
        let found = ReleaseFiles::of(
            [
                "4.19/4.19.z.yaml",
                "4.19/statebox/4.19.1.yaml",
                "4.19/statebox/4.19.0-rc.1.yaml",
                "4.19/statebox/4.20.1.yaml",
                "4.19/statebox/notes.yaml",
                "4.19/statebox/old/4.19.2.yaml",
                "4.19/4.19.3.yaml",
                "4.20/4.19.z.yaml",
                "4.20.z.yaml",
                "5.0/5.0.z.yaml",
                "old/4.18.z.yaml",
            ]
            .map(file),
        );
        let streams: Vec<String> = found.tracking.keys().map(ToString::to_string).collect();
        assert_eq!(streams, ["4.19", "5.0"]);
        let releases: Vec<String> = found.with_statebox.iter().map(ToString::to_string).collect();
        assert_eq!(releases, ["4.19.0-rc.1", "4.19.1"]);
    }
}

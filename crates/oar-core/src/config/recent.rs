//! The most recently used releases: a small file from which shells complete `-r`.

use std::path::PathBuf;

use super::environment::Environment;
use crate::files;
use crate::version::ReleaseVersion;

/// The most releases that are kept.
const LIMIT: usize = 20;
/// The largest file that is read, in bytes.
const FILE_LIMIT: u64 = 4096;

/// The file of the most recent releases, one per line, the latest first. Nothing depends on it: unreadable
/// lines are skipped, and errors of writing are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentReleases {
    path: PathBuf,
}

impl RecentReleases {
    /// The file in the user's cache directory; `None` without a home directory.
    pub fn of(environment: &Environment) -> Option<Self> {
        Some(Self { path: environment.cache_home()?.join("releases") })
    }

    /// The releases, the latest first.
    pub fn list(&self) -> Vec<ReleaseVersion> {
        let text = files::read_text(&self.path, FILE_LIMIT).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).take(LIMIT).collect()
    }

    /// Puts `release` first.
    pub fn add(&self, release: &ReleaseVersion) {
        let mut releases = self.list();
        if releases.first() == Some(release) {
            return;
        }
        releases.retain(|known| known != release);
        releases.insert(0, release.clone());
        releases.truncate(LIMIT);
        let lines: Vec<String> = releases.iter().map(ToString::to_string).collect();
        // An error only affects completions.
        let _ = files::replace(&self.path, (lines.join("\n") + "\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn release(text: &str) -> ReleaseVersion {
        text.parse().unwrap()
    }

    fn texts(recent: &RecentReleases) -> Vec<String> {
        recent.list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_last_release_comes_first_and_each_is_kept_once() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::from_pairs([("HOME", home.path().to_str().unwrap())]);
        let recent = RecentReleases::of(&environment).unwrap();
        assert!(texts(&recent).is_empty());
        for text in ["4.19.1", "4.14.60", "4.19.1", "4.22.0-rc.0"] {
            recent.add(&release(text));
        }
        assert_eq!(texts(&recent), ["4.22.0-rc.0", "4.19.1", "4.14.60"]);
        for patch in 0..30 {
            recent.add(&release(&format!("4.20.{patch}")));
        }
        assert_eq!(texts(&recent).len(), LIMIT);
        assert_eq!(texts(&recent).first().map(String::as_str), Some("4.20.29"));
        let folder = home.path().join(".cache/release-tests");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_damaged_file_is_read_as_far_as_it_can_be_and_without_a_home_there_is_none() {
        let home = tempfile::tempdir().unwrap();
        let recent = RecentReleases { path: home.path().join("releases") };
        fs::write(&recent.path, "4.19.1\n\u{1b}[31m\nlatest\n4.14.60\n").unwrap();
        assert_eq!(texts(&recent), ["4.19.1", "4.14.60"]);
        fs::write(&recent.path, [0xff, 0xfe]).unwrap();
        recent.add(&release("4.18.2"));
        assert_eq!(texts(&recent), ["4.18.2"]);
        assert_eq!(RecentReleases::of(&Environment::from_pairs([("HOME", "relative")])), None);
        // An unwritable path is not an error.
        RecentReleases { path: PathBuf::from("/proc/nothing/releases") }.add(&release("4.18.2"));
    }
}

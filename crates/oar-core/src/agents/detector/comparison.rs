//! Compares the announced releases with the newest stable build (spec 05 §2, 3).

use std::collections::BTreeSet;

use super::tracking::Announced;
use crate::version::ReleaseVersion;

/// The announced releases of a y-stream compared with its newest accepted stable build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// No release is announced.
    NothingAnnounced,
    /// The newest announced release is the stable build.
    Equal,
    /// Releases newer than the stable build are announced. `missing` are those without a StateBox, oldest
    /// first. The Python tooling creates only the newest one's, so that an older one is never started.
    Newer {
        /// The releases whose StateBox must be created.
        missing: Vec<ReleaseVersion>,
    },
    /// The newest announced release is older than the stable build: an announcement is missing, and ART must be asked.
    Behind {
        /// The newest announced release.
        announced: ReleaseVersion,
    },
}

impl Comparison {
    /// Compares the `announced` releases with the newest `stable` build; `with_statebox` are the releases
    /// that have a StateBox.
    pub fn of(
        announced: &Announced,
        stable: &ReleaseVersion,
        with_statebox: &BTreeSet<ReleaseVersion>,
    ) -> Self {
        match announced.newest() {
            None => Self::NothingAnnounced,
            Some(newest) if newest == stable => Self::Equal,
            Some(newest) if newest < stable => Self::Behind { announced: newest.clone() },
            Some(_) => {
                let newer = announced.newer_than(stable);
                Self::Newer {
                    missing: newer.filter(|release| !with_statebox.contains(*release)).cloned().collect(),
                }
            }
        }
    }
}

/// How many of the newest releases that are out are looked at.
const NEWEST: usize = 2;

/// The announced releases that are no newer than the `stable` build and have no StateBox: perhaps their announcement came
/// late, and nobody has begun them. Only the newest two releases are looked at, newest first: many older ones never had a
/// StateBox.
pub fn out_without_statebox(
    announced: &Announced,
    stable: &ReleaseVersion,
    with_statebox: &BTreeSet<ReleaseVersion>,
) -> Vec<ReleaseVersion> {
    let out = announced.releases().rev().filter(|release| *release <= stable).take(NEWEST);
    out.filter(|release| !with_statebox.contains(*release)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::YStream;

    fn version(text: &str) -> ReleaseVersion {
        text.parse().unwrap()
    }

    fn compare(announced: &[&str], stable: &str, with_statebox: &[&str]) -> Comparison {
        let text = format!(
            "releases: {{{}}}",
            announced.join(": {}, ") + if announced.is_empty() { "" } else { ": {}" }
        );
        let announced = Announced::read(&text, YStream::new(4, 9)).unwrap();
        let with_statebox = with_statebox.iter().map(|release| version(release)).collect();
        Comparison::of(&announced, &version(stable), &with_statebox)
    }

    fn missing(releases: &[&str]) -> Comparison {
        Comparison::Newer { missing: releases.iter().map(|release| version(release)).collect() }
    }

    #[test]
    fn every_newer_release_without_a_statebox_is_found() {
        assert_eq!(
            compare(&["4.9.9", "4.9.10", "4.9.11", "4.9.12"], "4.9.10", &["4.9.11"]),
            missing(&["4.9.12"])
        );
        assert_eq!(compare(&["4.9.10", "4.9.9"], "4.9.8", &[]), missing(&["4.9.9", "4.9.10"]));
        assert_eq!(compare(&["4.9.9"], "4.9.8", &["4.9.9"]), missing(&[]));
    }

    #[test]
    fn releases_that_are_out_are_left_alone() {
        assert_eq!(compare(&["4.9.9", "4.9.10"], "4.9.10", &[]), Comparison::Equal);
    }

    #[test]
    fn of_the_releases_that_are_out_the_newest_two_are_looked_at() {
        let out = |stable: &str, with_statebox: &[&str]| {
            let text = "releases: {4.9.9: {}, 4.9.10: {}, 4.9.11: {}, 4.9.12: {}}";
            let announced = Announced::read(text, YStream::new(4, 9)).unwrap();
            let with_statebox = with_statebox.iter().map(|release| version(release)).collect();
            let found = out_without_statebox(&announced, &version(stable), &with_statebox);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(out("4.9.11", &[]), ["4.9.11", "4.9.10"]);
        assert_eq!(out("4.9.11", &["4.9.11"]), ["4.9.10"]);
        assert_eq!(out("4.9.13", &["4.9.12", "4.9.11"]), Vec::<String>::new());
    }

    #[test]
    fn versions_are_compared_as_numbers_and_previews_come_before_their_release() {
        assert_eq!(compare(&["4.9.10"], "4.9.9", &[]), missing(&["4.9.10"]));
        assert_eq!(compare(&["4.9.0"], "4.9.0-rc.3", &[]), missing(&["4.9.0"]));
    }

    #[test]
    fn an_announcement_that_is_missing_is_abnormal() {
        assert_eq!(compare(&["4.9.8"], "4.9.9", &[]), Comparison::Behind { announced: version("4.9.8") });
        assert_eq!(compare(&[], "4.9.9", &[]), Comparison::NothingAnnounced);
    }
}

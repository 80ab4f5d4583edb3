//! The message of check-cve-tracker-bug (spec 03 §9 row 6).

use super::compose::{Composition, bulleted, listed, quoted};
use super::{GroupMention, Message, Reference, short_hash};
use crate::version::ReleaseVersion;

/// CVE trackers that are missing from one kind of advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTrackers {
    /// The kind of advisory: `rpm`, `image`, `extras`, `metadata`, `microshift`.
    pub kind: String,
    /// The advisory or shipment merge request that should contain them, if known.
    pub target: Option<Reference>,
    /// The trackers; not empty. Each with the reason why it is required, if known.
    pub trackers: Vec<(Reference, Option<String>)>,
}

/// CVE trackers are missing from a release.
#[derive(Debug, Clone)]
pub struct MissingCveTrackers<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The missing trackers by kind; not empty.
    pub missing: &'a [MissingTrackers],
    /// ART's group.
    pub art: &'a GroupMention,
}

impl MissingCveTrackers<'_> {
    /// The message to the ART channel.
    pub fn message(&self, channel: &str) -> Message {
        let total: usize = self.missing.iter().map(|missing| missing.trackers.len()).sum();
        let first = format!(
            "{} Release {} misses {total} CVE {}; please attach {}.",
            self.art,
            self.release,
            if total == 1 { "tracker" } else { "trackers" },
            if total == 1 { "it" } else { "them" }
        );
        let mut composition = Composition::titled(format!("{}: missing CVE trackers", self.release), first);
        for missing in self.missing {
            let target = missing.target.as_ref().map_or_else(String::new, |target| format!(" {target}"));
            let title = format!("{}{target}", quoted(&missing.kind));
            composition = composition.paragraph(if missing.trackers.iter().any(|(_, why)| why.is_some()) {
                let lines: Vec<String> = missing.trackers.iter().map(explained).collect();
                bulleted(&title, &lines)
            } else {
                let trackers: Vec<&Reference> = missing.trackers.iter().map(|(tracker, _)| tracker).collect();
                listed(&title, &trackers)
            });
        }
        let facts = self.missing.iter().flat_map(|missing| {
            let trackers = missing.trackers.iter().map(|(tracker, _)| tracker.name.as_str());
            std::iter::once(missing.kind.as_str()).chain(trackers)
        });
        let key = format!("{}/check-cve-tracker-bug/missing/{}", self.release, short_hash(facts));
        composition.message(key, channel)
    }
}

fn explained((tracker, why): &(Reference, Option<String>)) -> String {
    match why {
        Some(why) => format!("{tracker}: {}", quoted(why)),
        None => tracker.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::GroupId;

    fn tracker(key: &str) -> Reference {
        Reference::new(format!("https://jira.example.test/browse/{key}"), key)
    }

    #[test]
    fn the_release_and_the_kinds_are_named() {
        let missing = [
            MissingTrackers {
                kind: "rpm".into(),
                target: Some(Reference::new("https://errata.example.test/advisory/1001", "advisory 1001")),
                trackers: vec![(tracker("OCPBUGS-1"), None), (tracker("OCPBUGS-2"), None)],
            },
            MissingTrackers {
                kind: "image".into(),
                target: None,
                trackers: vec![(tracker("OCPBUGS-3"), Some("fixed in <this> build".into()))],
            },
        ];
        let message = MissingCveTrackers {
            release: &"4.19.1".parse().unwrap(),
            missing: &missing,
            art: &GroupMention::Known(GroupId("S0BBB".into())),
        }
        .message("#forum-ocp-release-demo");
        insta::assert_snapshot!(message.text, @r"
        <!subteam^S0BBB> Release 4.19.1 misses 3 CVE trackers; please attach them.
        rpm <https://errata.example.test/advisory/1001|advisory 1001>: <https://jira.example.test/browse/OCPBUGS-1|OCPBUGS-1>, <https://jira.example.test/browse/OCPBUGS-2|OCPBUGS-2>
        image:
        • <https://jira.example.test/browse/OCPBUGS-3|OCPBUGS-3>: fixed in &lt;this&gt; build
        ");
        assert!(message.key.starts_with("4.19.1/check-cve-tracker-bug/missing/"), "{}", message.key);
        assert_eq!(message.blocks.len(), 4);
    }

    #[test]
    fn another_set_of_trackers_is_another_message() {
        let release = "4.19.1".parse().unwrap();
        let art = GroupMention::Handle("demo-art".into());
        let key = |keys: &[&str]| {
            let trackers = keys.iter().map(|key| (tracker(key), None)).collect();
            let missing = [MissingTrackers { kind: "rpm".into(), target: None, trackers }];
            MissingCveTrackers { release: &release, missing: &missing, art: &art }.message("#c").key
        };
        assert_eq!(key(&["A-1"]), key(&["A-1"]));
        assert_ne!(key(&["A-1"]), key(&["A-1", "A-2"]));
    }
}

//! Messages of update-bug-list and drop-bugs (spec 03 §9 rows 13 to 16).

use indexmap::IndexMap;

use super::compose::{Composition, listed};
use super::{GroupMention, Message, Person, Reference, short_hash};
use crate::version::ReleaseVersion;

/// A bug and the person who must act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BugForPerson {
    /// The bug: its page, and its key.
    pub reference: Reference,
    /// The QA contact or their manager; `None` when unknown.
    pub person: Option<Person>,
    /// Whether it tracks a CVE.
    pub is_cve_tracker: bool,
}

/// Bugs that wait for verification (row 13).
#[derive(Debug, Clone)]
pub struct BugsToVerify<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The bugs in `ON_QA`, with their QA contacts; not empty.
    pub bugs: &'a [BugForPerson],
}

impl BugsToVerify<'_> {
    /// The message to the QE forum.
    pub fn message(&self, channel: &str) -> Message {
        let first = format!("Please verify these bugs of release {}:", self.release);
        let title = format!("{}: bugs to verify", self.release);
        by_person(title, first, self.bugs, "No QA contact")
            .message(key(self.release, "to-verify", self.bugs), channel)
    }
}

/// Bugs of high severity that are not verified, with the question whether they may be dropped (row 14).
#[derive(Debug, Clone)]
pub struct ConfirmDroppable<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The bugs, with their QA contacts; not empty.
    pub bugs: &'a [BugForPerson],
}

impl ConfirmDroppable<'_> {
    /// The message to the QE forum.
    pub fn message(&self, channel: &str) -> Message {
        let first = format!(
            "These bugs of release {} are of high severity and not verified. Can they be dropped from the release?",
            self.release
        );
        let title = format!("{}: can these bugs be dropped?", self.release);
        by_person(title, first, self.bugs, "No QA contact")
            .footer("Answer here; a bug that must stay needs to be verified.")
            .message(key(self.release, "confirm-droppable", self.bugs), channel)
    }
}

/// CVE bugs that are not verified, for the managers of their QA contacts (row 15).
#[derive(Debug, Clone)]
pub struct UnverifiedCveReminder<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The bugs, with the managers of their QA contacts; not empty.
    pub bugs: &'a [BugForPerson],
}

impl UnverifiedCveReminder<'_> {
    /// The message to the QE forum.
    pub fn message(&self, channel: &str) -> Message {
        let first = format!(
            "These CVE bugs of release {} are not verified yet, and cannot be dropped. Please help to get them \
             verified:",
            self.release
        );
        let title = format!("{}: CVE bugs wait for verification", self.release);
        by_person(title, first, self.bugs, "No manager known")
            .message(key(self.release, "managers", self.bugs), channel)
    }
}

/// Bugs were dropped from a release (row 16).
#[derive(Debug, Clone)]
pub struct BugsDropped<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The bugs that were removed from the release; not empty.
    pub bugs: &'a [Reference],
    /// The merge request that removes them from the shipment; `None` in the Errata flow.
    pub merge_request: Option<&'a Reference>,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
    /// The documentation team.
    pub docs: &'a GroupMention,
}

impl BugsDropped<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let first = format!("{} {} Bugs were dropped from release {}.", self.leads, self.docs, self.release);
        let merge_request =
            self.merge_request.map_or_else(String::new, |place| format!("Merge request: {place}"));
        let hash = short_hash(self.bugs.iter().map(|bug| bug.name.as_str()));
        Composition::titled(format!("{}: dropped bugs", self.release), first)
            .paragraph(listed("Dropped", self.bugs))
            .paragraph(merge_request)
            .message(format!("{}/drop-bugs/dropped/{hash}", self.release), channel)
    }
}

fn key(release: &ReleaseVersion, what: &str, bugs: &[BugForPerson]) -> String {
    let hash = short_hash(bugs.iter().map(|bug| bug.reference.name.as_str()));
    format!("{release}/update-bug-list/{what}/{hash}")
}

/// One line per person, who is mentioned once. It lists all bugs, because people are only asked about bugs
/// that are listed.
fn by_person(title: String, first: String, bugs: &[BugForPerson], nobody: &str) -> Composition {
    let mut lines: IndexMap<Option<&Person>, Vec<String>> = IndexMap::new();
    for bug in bugs {
        let marker = if bug.is_cve_tracker { " (CVE tracker)" } else { "" };
        lines.entry(bug.person.as_ref()).or_default().push(format!("{}{marker}", bug.reference));
    }
    let of_nobody = lines.shift_remove(&None).map(|bugs| format!("{nobody}: {}", bugs.join(", ")));
    let lines: Vec<String> = lines
        .into_iter()
        .filter_map(|(person, bugs)| Some(format!("{}: {}", person?, bugs.join(", "))))
        .chain(of_nobody)
        .collect();
    Composition::titled(title, first).paragraph(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::{GroupId, UserId};

    fn issue(key: &str) -> Reference {
        Reference::new(format!("https://jira.example.test/browse/{key}"), key)
    }

    fn bug(key: &str, person: Option<Person>, is_cve_tracker: bool) -> BugForPerson {
        BugForPerson { reference: issue(key), person, is_cve_tracker }
    }

    fn bugs() -> Vec<BugForPerson> {
        let user = Person::Slack(UserId("U0AAA".into()));
        vec![
            bug("OCPBUGS-1", Some(user.clone()), false),
            bug("OCPBUGS-2", None, false),
            bug("OCPBUGS-3", Some(Person::named("R & D")), true),
            bug("OCPBUGS-12", Some(user), true),
        ]
    }

    #[test]
    fn every_contact_is_asked_once_about_all_their_bugs() {
        let release = "4.19.1".parse().unwrap();
        let message = BugsToVerify { release: &release, bugs: &bugs() }.message("#forum-qe-demo");
        insta::assert_snapshot!(message.text, @r"
        Please verify these bugs of release 4.19.1:
        <@U0AAA>: <https://jira.example.test/browse/OCPBUGS-1|OCPBUGS-1>, <https://jira.example.test/browse/OCPBUGS-12|OCPBUGS-12> (CVE tracker)
        R &amp; D: <https://jira.example.test/browse/OCPBUGS-3|OCPBUGS-3> (CVE tracker)
        No QA contact: <https://jira.example.test/browse/OCPBUGS-2|OCPBUGS-2>
        ");
        assert!(message.key.starts_with("4.19.1/update-bug-list/to-verify/"), "{}", message.key);
        assert_eq!(message.blocks.len(), 3);
    }

    #[test]
    fn droppable_bugs_are_a_question() {
        let release = "4.14.60".parse().unwrap();
        let message = ConfirmDroppable { release: &release, bugs: &bugs()[..1] }.message("#forum-qe-demo");
        insta::assert_snapshot!(message.text, @r"
        These bugs of release 4.14.60 are of high severity and not verified. Can they be dropped from the release?
        <@U0AAA>: <https://jira.example.test/browse/OCPBUGS-1|OCPBUGS-1>
        Answer here; a bug that must stay needs to be verified.
        ");
    }

    #[test]
    fn managers_hear_of_cve_bugs_and_a_bug_without_one_is_listed() {
        let release = "4.19.1".parse().unwrap();
        let message =
            UnverifiedCveReminder { release: &release, bugs: &bugs()[1..3] }.message("#forum-qe-demo");
        insta::assert_snapshot!(message.text, @r"
        These CVE bugs of release 4.19.1 are not verified yet, and cannot be dropped. Please help to get them verified:
        R &amp; D: <https://jira.example.test/browse/OCPBUGS-3|OCPBUGS-3> (CVE tracker)
        No manager known: <https://jira.example.test/browse/OCPBUGS-2|OCPBUGS-2>
        ");
    }

    #[test]
    fn nobody_of_many_is_left_out() {
        let many: Vec<BugForPerson> = (0..200)
            .map(|number| {
                bug(&format!("OCPBUGS-{number}"), Some(Person::Slack(UserId(format!("U{number}")))), false)
            })
            .collect();
        let release = "4.19.1".parse().unwrap();
        let parts = BugsToVerify { release: &release, bugs: &many }.message("#forum-qe-demo").parts();
        assert!(parts.len() > 1);
        for number in 0..200 {
            let mention = format!("<@U{number}>: <https://jira.example.test/browse/OCPBUGS-{number}|");
            assert_eq!(parts.iter().filter(|part| part.text.contains(&mention)).count(), 1, "{number}");
        }
    }

    #[test]
    fn dropped_bugs_are_told_to_leads_and_documentation() {
        let message = BugsDropped {
            release: &"4.19.1".parse().unwrap(),
            bugs: &[issue("OCPBUGS-1"), issue("OCPBUGS-2")],
            merge_request: Some(&Reference::new(
                "https://gitlab.example.test/g/p/-/merge_requests/613",
                "g/p!613",
            )),
            leads: &GroupMention::Known(GroupId("S0AAA".into())),
            docs: &GroupMention::Handle("demo-docs".into()),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.text, @r"
        <!subteam^S0AAA> <!subteam^@demo-docs> Bugs were dropped from release 4.19.1.
        Dropped: <https://jira.example.test/browse/OCPBUGS-1|OCPBUGS-1>, <https://jira.example.test/browse/OCPBUGS-2|OCPBUGS-2>
        Merge request: <https://gitlab.example.test/g/p/-/merge_requests/613|g/p!613>
        ");
        assert!(message.key.starts_with("4.19.1/drop-bugs/dropped/"), "{}", message.key);
    }
}

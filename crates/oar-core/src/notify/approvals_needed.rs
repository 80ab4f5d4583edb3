//! The message of drop-bugs when advisories need approvals again (spec 03 §9 row 17).

use super::compose::{Composition, listed};
use super::{GroupMention, Message, Person, Reference, short_hash};
use crate::version::ReleaseVersion;

/// Advisories need docs or product security approval.
#[derive(Debug, Clone)]
pub struct ApprovalsNeeded<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The advisories that need docs approval.
    pub docs_advisories: &'a [Reference],
    /// The documentation team.
    pub docs: &'a GroupMention,
    /// The advisories that need product security approval.
    pub security_advisories: &'a [Reference],
    /// The people of product security.
    pub security: &'a [Person],
}

impl ApprovalsNeeded<'_> {
    /// The message to the approvers' channel; `None` when no approval is needed.
    pub fn message(&self, channel: &str) -> Option<Message> {
        if self.docs_advisories.is_empty() && self.security_advisories.is_empty() {
            return None;
        }
        let first = format!("Advisories of release {} need approvals.", self.release);
        let docs = listed(&format!("{} Documentation", self.docs), self.docs_advisories);
        let people: Vec<String> = self.security.iter().map(ToString::to_string).collect();
        let title = format!("{} Product security", people.join(" "));
        let security = listed(title.trim_start(), self.security_advisories);
        let names = |advisories: &[Reference]| {
            advisories.iter().map(|advisory| advisory.name.clone()).collect::<Vec<_>>().join(",")
        };
        let facts = [names(self.docs_advisories), names(self.security_advisories)];
        let hash = short_hash(facts.iter().map(String::as_str));
        let message = Composition::titled(format!("{}: approvals needed", self.release), first)
            .paragraph(docs)
            .paragraph(security)
            .message(format!("{}/drop-bugs/approvals/{hash}", self.release), channel);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::{GroupId, UserId};

    fn advisory(number: u32) -> Reference {
        Reference::new(format!("https://errata.example.test/advisory/{number}"), number.to_string())
    }

    fn message(docs: &[Reference], security: &[Reference]) -> Option<Message> {
        ApprovalsNeeded {
            release: &"4.14.60".parse().unwrap(),
            docs_advisories: docs,
            docs: &GroupMention::Known(GroupId("S0BBB".into())),
            security_advisories: security,
            security: &[Person::Slack(UserId("U0AAA".into())), Person::named("demo@example.com")],
        }
        .message("#demo-approvals")
    }

    #[test]
    fn each_team_hears_of_its_advisories() {
        let both = message(&[advisory(1001), advisory(1002)], &[advisory(1001)]).unwrap();
        insta::assert_snapshot!(both.text, @r"
        Advisories of release 4.14.60 need approvals.
        <!subteam^S0BBB> Documentation: <https://errata.example.test/advisory/1001|1001>, <https://errata.example.test/advisory/1002|1002>
        <@U0AAA> demo Product security: <https://errata.example.test/advisory/1001|1001>
        ");
        assert_eq!(both.channel, "#demo-approvals");
        assert!(both.key.starts_with("4.14.60/drop-bugs/approvals/"), "{}", both.key);
    }

    #[test]
    fn a_team_without_work_is_not_called() {
        assert_eq!(message(&[], &[]), None);
        let docs = message(&[advisory(1001)], &[]).unwrap();
        assert!(docs.text.contains("S0BBB") && !docs.text.contains("U0AAA"), "{}", docs.text);
        let security = message(&[], &[advisory(1001)]).unwrap();
        assert!(!security.text.contains("S0BBB") && security.text.contains("U0AAA"), "{}", security.text);
        assert_ne!(docs.key, security.key);
    }
}

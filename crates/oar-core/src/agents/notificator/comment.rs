//! The comments that escalate bugs. The Python tooling writes and reads the same ones (spec 05 §3.2).

use std::fmt;

use crate::clients::jira::AccountId;

/// The beginning of every notification (`interop-exact`).
const PREFIX: &str = "Errata Reliability Team Notification";

/// The recipient of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeKind {
    /// The QA contact, the first time.
    QaContact,
    /// The QA contact a second time, with the team lead in mind.
    TeamLead,
    /// The QA contact's manager.
    Manager,
    /// The assignee, when a QA contact or a manager is missing.
    Assignee,
    /// The reporter, when the assignee is missing too.
    Reporter,
}

impl NoticeKind {
    /// In the order in which a comment is searched for them: the first label that is found decides (spec 05 §3.2).
    pub const ALL: [Self; 5] =
        [Self::QaContact, Self::TeamLead, Self::Manager, Self::Assignee, Self::Reporter];

    /// The label in the comment's first line (`interop-exact`).
    pub const fn label(self) -> &'static str {
        match self {
            Self::QaContact => "QA Contact Action Request",
            Self::TeamLead => "Team Lead Action Request",
            Self::Manager => "Manager Action Request",
            Self::Assignee => "Assignee Action Request",
            Self::Reporter => "Reporter Action Request",
        }
    }

    /// The hours in the comment's second line (`interop-exact`).
    const fn hours(self) -> u32 {
        match self {
            Self::QaContact | Self::Assignee | Self::Reporter => 24,
            Self::TeamLead => 48,
            Self::Manager => 72,
        }
    }

    /// The kind of a comment; `None` for a comment that is not a notification.
    pub fn of_comment(body: &str) -> Option<Self> {
        let is_notification = body.starts_with(PREFIX);
        is_notification.then(|| Self::ALL.into_iter().find(|kind| body.contains(kind.label())))?
    }

    /// The first two lines of a comment of this kind, each with its line end (`interop-exact`).
    pub fn title(self) -> String {
        format!(
            "{PREFIX} - {}\nThis issue has been in the ON_QA state for over {} hours.\n",
            self.label(),
            self.hours()
        )
    }
}

impl fmt::Display for NoticeKind {
    /// Whom it is for.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::QaContact => "the QA contact",
            Self::TeamLead => "the QA contact again",
            Self::Manager => "the QA contact's manager",
            Self::Assignee => "the assignee",
            Self::Reporter => "the reporter",
        })
    }
}

/// Who is mentioned in a comment, in this order, each once. Jira writes `accountid` in any case (spec 05 §3.2).
pub fn mentions(body: &str) -> Vec<AccountId> {
    const BEGIN: &str = "[~accountid:";
    let lower = body.to_ascii_lowercase();
    let mut found: Vec<AccountId> = Vec::new();
    for (at, _) in lower.match_indices(BEGIN) {
        let rest = body.get(at + BEGIN.len()..).unwrap_or_default();
        if let Some((id, _)) = rest.split_once(']') {
            let id = AccountId::new(id);
            if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}

/// A notification to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its recipient.
    pub kind: NoticeKind,
    /// The mentioned people, in this order. Never empty.
    pub to: Vec<AccountId>,
    /// What they are asked for, in one sentence.
    pub request: String,
}

impl Notice {
    /// The comment in Jira's wiki markup. A mention is `[~accountId:<id>] ` with a trailing space
    /// (`interop-exact`).
    pub fn body(&self) -> String {
        let mut body = self.kind.title();
        for id in &self.to {
            body.extend(["[~accountId:", id.as_str(), "] "]);
        }
        body + &self.request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str) -> AccountId {
        AccountId::new(id)
    }

    #[test]
    fn a_comment_is_written_as_the_reference_writes_it() {
        let notice = Notice {
            kind: NoticeKind::Assignee,
            to: vec![account("5b:1"), account("5b:2")],
            request: "The QA contact is missing. Please name somebody who verifies this bug.".to_owned(),
        };
        assert_eq!(
            notice.body(),
            "Errata Reliability Team Notification - Assignee Action Request\n\
             This issue has been in the ON_QA state for over 24 hours.\n\
             [~accountId:5b:1] [~accountId:5b:2] The QA contact is missing. Please name somebody who verifies this \
             bug."
        );
    }

    #[test]
    fn mentions_are_read_back_in_any_case() {
        let body = "[~accountId:5b:1] [~accountid:5b:2] [~ACCOUNTID:5b:1] [~somebody] [~accountid:open";
        assert_eq!(mentions(body), [account("5b:1"), account("5b:2")]);
        assert!(mentions("nobody").is_empty());
    }

    #[test]
    fn every_kind_is_read_back() {
        for kind in NoticeKind::ALL {
            let notice = Notice { kind, to: vec![account("a")], request: "Please verify.".to_owned() };
            assert_eq!(NoticeKind::of_comment(&notice.body()), Some(kind));
        }
    }

    #[test]
    fn only_a_comment_that_begins_so_counts_and_its_first_label_decides() {
        for body in [
            "",
            "QA Contact Action Request",
            " Errata Reliability Team Notification - QA Contact Action Request",
            "I got: Errata Reliability Team Notification - QA Contact Action Request",
            "Errata Reliability Team Notification - Something Else",
        ] {
            assert_eq!(NoticeKind::of_comment(body), None, "{body}");
        }
        let both = "Errata Reliability Team Notification - Manager Action Request\nsee the QA Contact Action Request";
        assert_eq!(NoticeKind::of_comment(both), Some(NoticeKind::QaContact), "in the order of the table");
    }

    #[test]
    fn hours_are_those_of_the_table() {
        let hours = NoticeKind::ALL.map(NoticeKind::hours);
        assert_eq!(hours, [24, 48, 72, 24, 24]);
    }
}

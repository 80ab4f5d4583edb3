//! Whom a step notifies, and what they are asked for (spec 05 §3.5).

use std::collections::HashMap;

use super::comment::{Notice, NoticeKind};
use super::ladder::Step;
use crate::clients::jira::AccountId;

/// The people of an issue. A person without a visible account counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// The person who verifies it.
    pub qa_contact: Option<AccountId>,
    /// The person who works on it.
    pub assignee: Option<AccountId>,
    /// The person who reported it.
    pub reporter: Option<AccountId>,
}

/// The result of looking up a person's manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// The manager's account.
    Found(AccountId),
    /// There is none, or the manager has no account in Jira.
    NotFound,
    /// The look-up failed; the reason.
    Unknown(String),
}

/// Managers that were looked up in this pass.
pub type Managers = HashMap<AccountId, Manager>;

/// The recipients of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// The comment to write. The people it mentions are also added to the field Need Info From.
    Tell(Notice),
    /// This person's manager must be looked up first.
    AskManagerOf(AccountId),
    /// A manager could not be looked up now, so nobody is notified in this pass.
    Unknown(String),
    /// Nobody can be notified: there is no QA contact, no assignee and no reporter.
    Nobody,
}

impl Audience {
    /// Whom `step` notifies; `None` for a step that notifies nobody.
    ///
    /// Managers are looked up only when the step needs them: then the result is [`Audience::AskManagerOf`],
    /// and the caller calls this again with the manager added to `managers`.
    pub fn of(step: Step, people: &People, managers: &Managers) -> Option<Self> {
        let (kind, request) = match step {
            Step::TellQaContact => (NoticeKind::QaContact, "please verify this issue as soon as possible."),
            Step::TellTeamLead => (
                NoticeKind::TeamLead,
                "please verify this issue as soon as possible, or ask your team lead to reassign it.",
            ),
            Step::TellManager => (
                NoticeKind::Manager,
                "please see to it that this issue is verified soon, or that another QA contact is named.",
            ),
            Step::AddLabel => return None,
        };
        let Some(contact) = &people.qa_contact else {
            return Some(Self::stand_in(people, managers, "The QA contact is missing"));
        };
        if step != Step::TellManager {
            return Some(Self::tell(kind, vec![contact.clone()], request.to_owned()));
        }
        Some(match managers.get(contact) {
            None => Self::AskManagerOf(contact.clone()),
            Some(Manager::Found(manager)) => Self::tell(kind, vec![manager.clone()], request.to_owned()),
            Some(Manager::NotFound) => {
                let missing = "The QA contact did not answer, and the QA contact's manager is not listed";
                Self::stand_in(people, managers, missing)
            }
            Some(Manager::Unknown(reason)) => Self::Unknown(reason.clone()),
        })
    }

    /// The assignee with their manager, or else the reporter.
    fn stand_in(people: &People, managers: &Managers, missing: &str) -> Self {
        let Some(assignee) = &people.assignee else {
            return people.reporter.as_ref().map_or(Self::Nobody, |reporter| {
                let request =
                    "this issue has no QA contact and no assignee; please assign somebody who verifies it.";
                Self::tell(NoticeKind::Reporter, vec![reporter.clone()], request.to_owned())
            });
        };
        let mut to = vec![assignee.clone()];
        match managers.get(assignee) {
            None => return Self::AskManagerOf(assignee.clone()),
            Some(Manager::Unknown(reason)) => return Self::Unknown(reason.clone()),
            Some(Manager::Found(manager)) if manager != assignee => to.push(manager.clone()),
            Some(Manager::Found(_) | Manager::NotFound) => {}
        }
        Self::tell(
            NoticeKind::Assignee,
            to,
            format!("{missing}. Please name somebody who verifies this issue."),
        )
    }

    fn tell(kind: NoticeKind, to: Vec<AccountId>, request: String) -> Self {
        Self::Tell(Notice { kind, to, request })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> AccountId {
        AccountId::new(name)
    }

    fn people(contact: bool, assignee: bool, reporter: bool) -> People {
        People {
            qa_contact: contact.then(|| id("contact")),
            assignee: assignee.then(|| id("assignee")),
            reporter: reporter.then(|| id("reporter")),
        }
    }

    fn managers(list: &[(&str, Manager)]) -> Managers {
        list.iter().map(|(whose, manager)| (id(whose), manager.clone())).collect()
    }

    fn told(step: Step, people: &People, managers: &Managers) -> (NoticeKind, Vec<String>) {
        match Audience::of(step, people, managers) {
            Some(Audience::Tell(notice)) => {
                (notice.kind, notice.to.iter().map(ToString::to_string).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn with_a_qa_contact() {
        let people = people(true, true, true);
        let none = Managers::new();
        assert_eq!(
            told(Step::TellQaContact, &people, &none),
            (NoticeKind::QaContact, vec!["contact".to_owned()])
        );
        assert_eq!(
            told(Step::TellTeamLead, &people, &none),
            (NoticeKind::TeamLead, vec!["contact".to_owned()])
        );
        assert_eq!(
            Audience::of(Step::TellManager, &people, &none),
            Some(Audience::AskManagerOf(id("contact")))
        );
        let found = managers(&[("contact", Manager::Found(id("boss")))]);
        assert_eq!(told(Step::TellManager, &people, &found), (NoticeKind::Manager, vec!["boss".to_owned()]));
        assert_eq!(Audience::of(Step::AddLabel, &people, &none), None);
    }

    #[test]
    fn without_a_listed_manager_the_assignee_and_theirs_are_told() {
        let missing = |assignee: Manager| managers(&[("contact", Manager::NotFound), ("assignee", assignee)]);
        let people = people(true, true, true);
        for (manager, expected) in [
            (Manager::Found(id("boss")), vec!["assignee", "boss"]),
            (Manager::NotFound, vec!["assignee"]),
            (Manager::Found(id("assignee")), vec!["assignee"]),
        ] {
            let (kind, to) = told(Step::TellManager, &people, &missing(manager));
            assert_eq!((kind, to.iter().map(String::as_str).collect()), (NoticeKind::Assignee, expected));
        }
        let asked = Audience::of(Step::TellManager, &people, &managers(&[("contact", Manager::NotFound)]));
        assert_eq!(asked, Some(Audience::AskManagerOf(id("assignee"))));
    }

    #[test]
    fn without_a_qa_contact_every_step_tells_the_assignee() {
        for step in [Step::TellQaContact, Step::TellTeamLead, Step::TellManager] {
            let (kind, to) =
                told(step, &people(false, true, true), &managers(&[("assignee", Manager::NotFound)]));
            assert_eq!((kind, to), (NoticeKind::Assignee, vec!["assignee".to_owned()]));
        }
    }

    #[test]
    fn without_an_assignee_the_reporter_is_told_and_without_one_nobody() {
        let none = Managers::new();
        let reporter = told(Step::TellQaContact, &people(false, false, true), &none);
        assert_eq!(reporter, (NoticeKind::Reporter, vec!["reporter".to_owned()]));
        let nobody = Audience::of(Step::TellQaContact, &people(false, false, false), &none);
        assert_eq!(nobody, Some(Audience::Nobody));
    }

    #[test]
    fn a_manager_who_could_not_be_looked_for_is_not_one_who_is_not_listed() {
        let down = || Manager::Unknown("LDAP did not answer".to_owned());
        let expected = Some(Audience::Unknown("LDAP did not answer".to_owned()));
        let people = people(true, true, true);
        assert_eq!(Audience::of(Step::TellManager, &people, &managers(&[("contact", down())])), expected);
        let both = managers(&[("contact", Manager::NotFound), ("assignee", down())]);
        assert_eq!(Audience::of(Step::TellManager, &people, &both), expected);
    }
}

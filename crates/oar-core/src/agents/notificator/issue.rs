//! An issue as a pass knows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::audience::People;
use super::comment::{NoticeKind, mentions};
use super::ladder::Facts;
use crate::clients::jira::{Account, AccountId, Comment, FieldChange, Issue, IssueId, IssueKey};
use crate::config::NotificatorSettings;

/// The label that says that nobody answered (`interop-exact`, spec 05 §3.2).
pub(super) const PENDING_LABEL: &str = "ert:pending-onqa-over-96hrs";
/// The status in which issues wait for QE.
pub(super) const ON_QA: &str = "ON_QA";

/// A notification among the comments of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: NoticeKind,
    pub(super) at: Timestamp,
    /// Who was mentioned.
    pub(super) to: Vec<AccountId>,
}

/// What decides about an issue.
#[derive(Debug, Clone)]
pub(super) struct OnQaIssue {
    pub(super) key: IssueKey,
    pub(super) id: Option<IssueId>,
    pub(super) status: Option<String>,
    pub(super) people: People,
    /// Whether the answer has the QA contact, or says that there is none. Jira leaves out what an account may not see.
    pub(super) shows_qa_contact: bool,
    /// The accounts of its people.
    pub(super) accounts: BTreeMap<AccountId, Account>,
    /// Who is asked for information.
    pub(super) need_info: Vec<AccountId>,
    /// Whether the list holds somebody who shows no account, so that writing it would remove them.
    pub(super) need_info_hides_somebody: bool,
    pub(super) labels: Vec<String>,
    /// All comments, or those since it became `ON_QA`; `None` while they are not known.
    pub(super) comments: Option<Vec<Comment>>,
    pub(super) on_qa_since: Option<Timestamp>,
    /// When the list of those who are asked for information changed last.
    pub(super) need_info_changed: Option<Timestamp>,
}

impl OnQaIssue {
    /// The fields that a read must ask for.
    pub(super) fn fields(settings: &NotificatorSettings) -> Vec<&str> {
        let (contact, need_info) = (&settings.qa_contact_field, &settings.need_info_field);
        vec!["status", "labels", "assignee", "reporter", "comment", contact, need_info]
    }

    /// The fields whose changes decide.
    pub(super) fn histories(settings: &NotificatorSettings) -> [&str; 2] {
        ["status", &settings.need_info_field]
    }

    /// The issue that was read with [`OnQaIssue::fields`], and the changes of [`OnQaIssue::histories`].
    ///
    /// An account that is not in use any more is nobody: its owner reads nothing, and Jira refuses it as a value. Nobody are
    /// also applications, customers and deleted users (spec 02 §5.2).
    pub(super) fn of(issue: &Issue, history: &[FieldChange], settings: &NotificatorSettings) -> Self {
        let contact = issue.field(&settings.qa_contact_field).map(Account::deserialize);
        let shows_qa_contact =
            issue.has(&settings.qa_contact_field) && contact.as_ref().is_none_or(Result::is_ok);
        let mut accounts = BTreeMap::new();
        let mut known = |account: Option<Account>| {
            let account = account.filter(|account| account.active && account.is_person())?;
            let id = account.id.clone();
            accounts.insert(id.clone(), account);
            Some(id)
        };
        let people = People {
            qa_contact: known(contact.and_then(Result::ok)),
            assignee: known(issue.assignee()),
            reporter: known(issue.reporter()),
        };
        let need_info = issue.people(&settings.need_info_field);
        let shown = issue.field(&settings.need_info_field).map(|value| value.as_array().map_or(1, Vec::len));
        let newest = |of: &dyn Fn(&FieldChange) -> bool| {
            history.iter().filter(|change| of(change)).map(|change| change.at).max()
        };
        Self {
            key: issue.key.clone(),
            id: issue.id().cloned(),
            status: issue.status().map(str::to_owned),
            people,
            shows_qa_contact,
            accounts,
            need_info_hides_somebody: shown.unwrap_or_default() != need_info.len(),
            need_info,
            labels: issue.labels().into_iter().map(str::to_owned).collect(),
            comments: issue.all_comments(),
            on_qa_since: newest(&|change| change.field == "status" && change.to == ON_QA),
            need_info_changed: newest(&|change| change.field == settings.need_info_field),
        }
    }

    /// The notifications among the comments that are known.
    pub(super) fn told(&self) -> Vec<Told> {
        let told = |comment: &Comment| {
            let kind = NoticeKind::of_comment(&comment.body)?;
            Some(Told { kind, at: comment.at, to: mentions(&comment.body) })
        };
        self.comments.iter().flatten().filter_map(told).collect()
    }

    /// What the decision table asks for.
    pub(super) fn facts(&self, settings: &NotificatorSettings) -> Facts {
        let snoozed = self.labels.iter().find(|label| **label == settings.snooze_label);
        Facts {
            on_qa_since: self.on_qa_since,
            notices: self.told().into_iter().map(|told| (told.kind, told.at)).collect(),
            has_qa_contact: self.people.qa_contact.is_some(),
            has_label: self.has_pending_label(),
            snoozed_by: snoozed.cloned(),
        }
    }

    pub(super) fn has_pending_label(&self) -> bool {
        self.labels.iter().any(|label| label == PENDING_LABEL)
    }

    /// Who was told by the newest notification and never asked for information, because whoever wrote the comment ended
    /// before: nobody changed the list since. People who took themselves off the list have changed it.
    ///
    /// A comment after `until` may be one whose writer is still at work; one from before `since` is left as it is.
    pub(super) fn never_asked(&self, since: Timestamp, until: Timestamp) -> Vec<AccountId> {
        let told = self.told();
        let newest = told.iter().filter(|told| self.on_qa_since.is_some_and(|start| told.at >= start));
        let Some(newest) = newest.max_by_key(|told| told.at) else { return Vec::new() };
        let touched = self.need_info_changed.is_some_and(|changed| changed >= newest.at);
        if touched || newest.at < since || newest.at > until {
            return Vec::new();
        }
        newest.to.iter().filter(|id| !self.need_info.contains(id)).cloned().collect()
    }
}

/// Whether `value` is the claim of a program, and when it was made.
pub(super) fn claimed_at(value: &Value) -> Option<Timestamp> {
    value.get("at")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const ON: &str = "2026-06-29T10:00:00Z";
    const TOLD: &str = "2026-06-30T11:00:00Z";

    fn issue(fields: &Value, changes: &[(&str, &str, &str)]) -> OnQaIssue {
        let issue: Issue =
            serde_json::from_value(json!({"id": "1", "key": "OCPBUGS-1", "fields": fields})).unwrap();
        let history: Vec<FieldChange> = changes
            .iter()
            .map(|(time, field, to)| FieldChange { at: at(time), field: (*field).into(), to: (*to).into() })
            .collect();
        OnQaIssue::of(&issue, &history, &NotificatorSettings::default())
    }

    fn person(id: &str, active: bool) -> Value {
        json!({"accountId": id, "displayName": id, "active": active})
    }

    fn commented(need_info: &Value, changes: &[(&str, &str, &str)]) -> OnQaIssue {
        let body =
            "Errata Reliability Team Notification - QA Contact Action Request\nx\n[~accountid:q] please";
        let comments = json!({"total": 1, "comments": [{"id": "1", "created": TOLD, "body": body}]});
        let fields = json!({"customfield_10482": need_info, "comment": comments});
        issue(&fields, &[&[(ON, "status", "ON_QA")][..], changes].concat())
    }

    #[test]
    fn the_newest_time_it_became_on_qa_counts() {
        let twice =
            [(ON, "status", "ON_QA"), (TOLD, "status", "ON_QA"), ("2026-07-09T10:00:00Z", "status", "POST")];
        assert_eq!(issue(&json!({}), &twice).on_qa_since, Some(at(TOLD)));
        assert_eq!(issue(&json!({}), &[]).on_qa_since, None);
    }

    #[test]
    fn who_is_not_in_use_any_more_is_nobody() {
        let fields =
            json!({"customfield_10470": person("q", false), "assignee": person("a", true), "reporter": null});
        let people = issue(&fields, &[]).people;
        assert_eq!(
            (people.qa_contact, people.assignee, people.reporter),
            (None, Some(AccountId::new("a")), None)
        );
    }

    #[test]
    fn who_is_no_person_is_nobody() {
        let of = |account: Value| issue(&json!({"reporter": account}), &[]).people.reporter;
        assert_eq!(of(json!({"accountId": "a", "accountType": "atlassian"})), Some(AccountId::new("a")));
        for account in [
            json!({"accountId": "a", "accountType": "app"}),
            json!({"accountId": "a", "accountType": "customer"}),
            json!({"accountId": "unknown"}),
        ] {
            assert_eq!(of(account.clone()), None, "{account}");
        }
    }

    #[test]
    fn a_qa_contact_that_is_not_shown_is_not_one_who_is_missing() {
        let shows = |fields: Value| issue(&fields, &[]).shows_qa_contact;
        assert!(shows(json!({"customfield_10470": null})));
        assert!(shows(json!({"customfield_10470": person("q", false)})));
        assert!(!shows(json!({"assignee": person("a", true)})), "the answer does not have it");
        assert!(!shows(json!({"customfield_10470": "somebody"})) && !shows(json!({"customfield_10470": []})));
    }

    #[test]
    fn a_list_that_hides_somebody_is_known_as_one() {
        let of = |list: Value| issue(&json!({"customfield_10482": list}), &[]).need_info_hides_somebody;
        assert!(!of(json!(null)) && !of(json!([])) && !of(json!([person("a", true)])));
        assert!(of(json!([person("a", true), {"displayName": "hidden"}])));
    }

    #[test]
    fn who_was_never_asked_is_asked_later_and_who_answered_is_not() {
        let (since, until) = (at("2026-06-30T00:00:00Z"), at("2026-06-30T12:00:00Z"));
        let missing = vec![AccountId::new("q")];
        assert_eq!(commented(&json!(null), &[]).never_asked(since, until), missing);
        assert_eq!(
            commented(&json!(null), &[(ON, "customfield_10482", "Q")]).never_asked(since, until),
            missing,
            "an older change says nothing"
        );
        for (list, changes) in [
            (json!([person("q", true)]), &[][..]),
            (json!(null), &[("2026-06-30T11:30:00Z", "customfield_10482", "")][..]),
        ] {
            assert!(commented(&list, changes).never_asked(since, until).is_empty(), "{changes:?}");
        }
        assert!(
            commented(&json!(null), &[]).never_asked(since, at("2026-06-30T10:59:00Z")).is_empty(),
            "at work"
        );
        assert!(
            commented(&json!(null), &[]).never_asked(at("2026-07-01T10:59:00Z"), at(TOLD)).is_empty(),
            "long ago"
        );
    }
}

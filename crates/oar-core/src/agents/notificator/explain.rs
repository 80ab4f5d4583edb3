//! Why the notificator does what it does for one issue.

use super::audience::{Audience, Managers};
use super::comment::NoticeKind;
use super::issue::OnQaIssue;
use super::ladder::{Facts, Step};
use super::pass::{Notificator, VERIFIED};
use super::report::{Explanation, NextStep, told_report};
use super::selection::{Selection, TARGET_VERSION};
use super::verified::Verification;
use crate::clock::stamp;
use crate::error::ServiceError;
use crate::ids::IssueKey;

impl Notificator<'_> {
    /// The row of the decision table that holds for the issue, and what comes next when nothing changes. It only reads, and
    /// reads the issue itself, so that it is right where a search lags behind.
    pub async fn explain(&self, key: &IssueKey, selection: &Selection) -> Result<Explanation, ServiceError> {
        let mut fields = OnQaIssue::fields(self.settings);
        fields.extend(["issuetype", TARGET_VERSION]);
        let found = self.jira.issue(key, &fields).await?;
        let ids: Vec<_> = found.id().cloned().into_iter().collect();
        let mut histories = self.jira.field_changes(&ids, &OnQaIssue::histories(self.settings)).await?;
        let history = found.id().and_then(|id| histories.remove(id)).unwrap_or_default();
        let mut issue = OnQaIssue::of(&found, &history, self.settings);
        if issue.comments.is_none() {
            issue.comments = Some(self.jira.comments_since(&issue.key, None).await?);
        }
        let facts = issue.facts(self.settings);
        let ladder = self.ladder();
        let decision = ladder.decide(&facts);
        let verification = match self.github {
            None => None,
            Some(_) => self.verifications(std::slice::from_ref(key)).await.remove(key),
        };
        let verified = verification == Some(Verification::Verified);
        let hidden = || (!issue.shows_qa_contact).then(|| self.no_qa_contact_shown());
        let left_out = selection.leaves_out(&found).or_else(hidden);
        let nothing = verified || left_out.is_some();
        let mut told = issue.told();
        told.sort_by_key(|told| told.at);
        let counts = |at| issue.on_qa_since.is_some_and(|since| at >= since);
        Ok(Explanation {
            row: if verified { Some(0) } else { decision.row.number() },
            state: match &facts.snoozed_by {
                _ if verified => VERIFIED.to_owned(),
                Some(label) => format!("{} ({label})", decision.row),
                None => decision.row.to_string(),
            },
            on_qa_since: issue.on_qa_since.map(stamp),
            since: decision.since.map(stamp),
            told: told.into_iter().map(|told| told_report(told.kind, told.at, counts(told.at))).collect(),
            removes_label: decision.removes_label && !nothing,
            next: if nothing { None } else { self.next_step(&issue, &facts) },
            verification: match verification {
                Some(Verification::Verified) => VERIFIED.to_owned(),
                Some(Verification::NotVerified) => "not verified before the merge".to_owned(),
                Some(Verification::Unknown(why)) => format!("not known: {why}"),
                None => "not checked: GITHUB_TOKEN is not set".to_owned(),
            },
            issue: issue.key,
            left_out,
        })
    }

    fn next_step(&self, issue: &OnQaIssue, facts: &Facts) -> Option<NextStep> {
        let ladder = self.ladder();
        let (after, step) = ladder.next(facts)?;
        Some(NextStep {
            step: step.to_string(),
            whom: whom(issue, step),
            due: ladder.now() > after,
            after: stamp(after),
        })
    }
}

fn stands_in(kind: NoticeKind) -> bool {
    matches!(kind, NoticeKind::Assignee | NoticeKind::Reporter)
}

/// Who is told instead of whom the step names, as far as that is known without the directory.
fn whom(issue: &OnQaIssue, step: Step) -> Option<String> {
    Some(match Audience::of(step, &issue.people, &Managers::new())? {
        Audience::Tell(notice) if stands_in(notice.kind) => notice.kind.to_string(),
        // The step says it.
        Audience::Tell(_) => return None,
        Audience::AskManagerOf(_) if issue.people.qa_contact.is_some() => {
            "the QA contact's manager; the assignee when the manager is not listed".to_owned()
        }
        Audience::AskManagerOf(_) => "the assignee and the assignee's manager".to_owned(),
        Audience::Nobody | Audience::Unknown(_) => "nobody; no contact has an active account".to_owned(),
    })
}

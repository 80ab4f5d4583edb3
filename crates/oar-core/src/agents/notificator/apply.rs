//! Does what a pass planned for one issue: looks again, then the comment, then the question for information, then labels.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::audience::{Audience, Managers};
use super::claim::{Claim, claim};
use super::comment::{Notice, NoticeKind, mentions};
use super::issue::{ON_QA, OnQaIssue, PENDING_LABEL};
use super::ladder::Step;
use super::pass::{Notificator, Plan};
use super::report::{Action, IssueReport, StepReport, StepResult};
use crate::clients::jira::{AccountId, Comment, FieldChange, Issue, IssueId, LabelChange};
use crate::clients::write_or_look;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// For how long the list of those who are asked for information counts as just read.
const JUST_READ: SignedDuration = SignedDuration::from_secs(5);

/// What applying needs besides the plan.
pub(super) struct Applier<'a> {
    pub(super) notificator: &'a Notificator<'a>,
    pub(super) managers: &'a Managers,
    pub(super) histories: &'a BTreeMap<IssueId, Vec<FieldChange>>,
    pub(super) permit: &'a WritePermit,
}

impl Applier<'_> {
    /// Does it. The issue's writes follow each other; [`JiraClient`](crate::clients::jira::JiraClient) pauses between them.
    pub(super) async fn apply(&self, plan: &Plan) -> IssueReport {
        let report = IssueReport::of(&plan.issue.key, &plan.decision);
        // Taken before the first read: everything that is read after it makes the list of people older.
        let read_at = self.notificator.clock.now();
        let read = self.read_again(plan).await;
        let (fresh, issue) = match read {
            Ok(read) => read,
            Err(error) => return report.failed_by(&error),
        };
        if issue.status.as_deref() != Some(ON_QA) {
            return report.left("it left ON_QA during the pass");
        }
        if !issue.shows_qa_contact {
            return report.failed(self.notificator.no_qa_contact_shown());
        }
        let now = self.notificator.clock.now();
        let decision = self.notificator.decide(&issue);
        let mut report = IssueReport::of(&issue.key, &decision);
        if decision.removes_label {
            report.steps.push(self.label(&issue, LabelChange::Remove).await);
        }
        match decision.step {
            None => {}
            // What was looked up in advance was for another step.
            step if step != plan.decision.step => report.state.push_str("; the next pass decides"),
            Some(Step::AddLabel) => report.steps.push(self.label(&issue, LabelChange::Add).await),
            Some(step) => report = self.tell(report, &fresh, &issue, step, read_at).await,
        }
        if report.steps.is_empty() {
            let missing = self.notificator.never_asked(&issue, now);
            if !missing.is_empty() {
                report.steps.push(self.ask(&issue, &missing, read_at).await);
            }
        }
        report
    }

    /// The issue as it is stored now: a search lags behind, and the pass took its time.
    async fn read_again(&self, plan: &Plan) -> Result<(Issue, OnQaIssue), ServiceError> {
        let Notificator { jira, settings, .. } = self.notificator;
        let fresh = jira.issue_with_properties(&plan.issue.key, &OnQaIssue::fields(settings)).await?;
        let history = plan.issue.id.as_ref().and_then(|id| self.histories.get(id));
        let mut issue = OnQaIssue::of(&fresh, history.map(Vec::as_slice).unwrap_or_default(), settings);
        if issue.comments.is_none() {
            issue.comments = Some(jira.comments_since(&issue.key, issue.on_qa_since).await?);
        }
        Ok((fresh, issue))
    }

    async fn tell(
        &self,
        mut report: IssueReport,
        fresh: &Issue,
        issue: &OnQaIssue,
        step: Step,
        read_at: Timestamp,
    ) -> IssueReport {
        let notice = match Audience::of(step, &issue.people, self.managers) {
            Some(Audience::Tell(notice)) => notice,
            Some(Audience::Unknown(reason)) => return report.failed(reason),
            Some(Audience::Nobody) => return report.failed(NOBODY),
            Some(Audience::AskManagerOf(_)) | None => {
                report.state.push_str("; its contacts changed during the pass, and the next pass decides");
                return report;
            }
        };
        let Some(since) = issue.on_qa_since else { return report };
        let step_of = |result| StepReport::new(Action::Tell, result).to(notice.kind);
        let Notificator { jira, clock, claim_lease, who, .. } = self.notificator;
        let now = clock.now();
        let own = match claim(jira, fresh, step, since, (now, *claim_lease, who), self.permit).await {
            Ok(Claim::Ours(own)) => own,
            Ok(Claim::Pending(begun)) => {
                report.steps.push(step_of(StepResult::HeldBack).because(begun.to_string()));
                return report;
            }
            Ok(Claim::GivenUp) => {
                let why = "it was begun many times without a comment, and is tried once a day now; check whether this \
                           account may comment";
                report.steps.push(step_of(StepResult::Failed).because(why));
                return report;
            }
            Err(error) => {
                report.steps.push(StepReport::failed(Action::Tell, &error).to(notice.kind));
                return report;
            }
        };
        match self.comment(issue, &notice, own.until).await {
            Ok(()) => report.steps.push(step_of(StepResult::Done)),
            Err(error) => {
                if error.did_not_act() {
                    own.give_back(jira, &issue.key, self.permit).await;
                }
                report.steps.push(StepReport::failed(Action::Tell, &error).to(notice.kind));
                return report;
            }
        }
        let missing: Vec<AccountId> =
            notice.to.iter().filter(|id| !issue.need_info.contains(id)).cloned().collect();
        let asked = if missing.is_empty() {
            StepReport::new(Action::AskForInformation, StepResult::AlreadySo)
        } else {
            self.ask(issue, &missing, read_at).await
        };
        report.steps.push(asked.to(notice.kind));
        report
    }

    /// Writes the comment. After an answer that does not tell, it is looked for among those that were not there before.
    async fn comment(
        &self,
        issue: &OnQaIssue,
        notice: &Notice,
        until: Option<Timestamp>,
    ) -> Result<(), ServiceError> {
        let jira = self.notificator.jira;
        let body = notice.body();
        let before: Vec<&str> = issue.comments.iter().flatten().map(|comment| comment.id.as_str()).collect();
        // Jira does not give back the text as it was sent: it writes mentions in lower case (spec 05 §3.2).
        let is_new = |comment: &Comment| {
            !before.contains(&comment.id.as_str())
                && NoticeKind::of_comment(&comment.body) == Some(notice.kind)
                && mentions(&comment.body) == notice.to
        };
        let write = async { jira.add_comment_before(&issue.key, &body, until, self.permit).await.map(drop) };
        let look = async {
            let comments = jira.comments_since(&issue.key, issue.on_qa_since).await?;
            Ok::<_, ServiceError>(comments.iter().any(is_new).then_some(()))
        };
        let doubtful = [ServiceErrorKind::Unclear, ServiceErrorKind::Malformed];
        Box::pin(write_or_look(write, &doubtful, look)).await.map(|_| ())
    }

    /// Adds people to those who are asked for information. Jira takes only the whole list: the one that was read, when that
    /// was just now.
    async fn ask(&self, issue: &OnQaIssue, people: &[AccountId], read_at: Timestamp) -> StepReport {
        let Notificator { jira, clock, settings, .. } = self.notificator;
        let (key, field) = (&issue.key, settings.need_info_field.as_str());
        let just_read = clock.now().duration_since(read_at) < JUST_READ;
        let written = if just_read && !issue.need_info_hides_somebody {
            let list: Vec<AccountId> = issue.need_info.iter().chain(people).cloned().collect();
            jira.set_people(key, field, &list, self.permit).await
        } else {
            jira.add_people(key, field, people, self.permit).await.map(drop)
        };
        match written {
            Ok(()) => StepReport::new(Action::AskForInformation, StepResult::Done),
            Err(error) => StepReport::failed(Action::AskForInformation, &error),
        }
    }

    async fn label(&self, issue: &OnQaIssue, change: LabelChange) -> StepReport {
        let action = match change {
            LabelChange::Add => Action::AddLabel,
            LabelChange::Remove => Action::RemoveLabel,
        };
        let changed =
            self.notificator.jira.change_label(&issue.key, PENDING_LABEL, change, self.permit).await;
        match changed {
            Ok(()) => StepReport::new(action, StepResult::Done),
            Err(error) => StepReport::failed(action, &error),
        }
    }
}

/// Why nobody can be told.
pub(super) const NOBODY: &str =
    "nobody can be told: no QA contact, assignee or reporter has an active account";

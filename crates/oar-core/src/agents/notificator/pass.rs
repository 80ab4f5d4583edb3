//! One pass: which issues wait, what is due for each, and then doing it.
//!
//! What all issues need is read for all of them at once: the search, then their histories. What only some need is asked
//! only for those: comments that the search cut, remote links and pull requests of issues for which something is due,
//! managers of those whose manager is told. Only what is due is read again and written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::iter;
use jiff::{SignedDuration, Timestamp};

use super::apply::{Applier, NOBODY};
use super::audience::{Audience, Managers};
use super::calendar::WeekdayCalendar;
use super::issue::OnQaIssue;
use super::ladder::{Decision, Ladder, Step};
use super::report::{Action, IssueReport, PassReport, StepReport, StepResult};
use super::selection::Selection;
use super::verified::{Verification, all_verified, pull_requests};
use crate::clients::github::{GithubClient, PullRequest};
use crate::clients::jira::{AccountId, IssueId, IssueKey, JiraClient};
use crate::clients::ldap::LdapClient;
use crate::clock::Clock;
use crate::config::NotificatorSettings;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::flow::interrupt::Interrupt;
use crate::permit::WritePermit;
use crate::service::Service;

/// How many issues are worked on at the same time.
pub(super) const CONCURRENCY: usize = 8;
/// How many issues are changed at the same time. Most of that time is the pause between two writes to one issue.
const CHANGED_AT_ONCE: usize = 32;
/// After this time a person who was told and not asked for information is not asked any more.
const REPAIR_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// How far the clocks of this machine and of Jira may differ: as long as each rung waits, so that no rung is left out.
const MOST_SKEW: SignedDuration = SignedDuration::from_hours(24);

/// The notificator with everything that a pass works with.
pub struct Notificator<'a> {
    /// Jira.
    pub jira: &'a JiraClient,
    /// GitHub; without it no issue counts as verified before the merge.
    pub github: Option<&'a GithubClient>,
    /// Who manages whom.
    pub directory: &'a LdapClient,
    /// The time.
    pub clock: &'a Clock,
    /// The request to stop: no issue is begun after it.
    pub interrupt: &'a Interrupt,
    /// How time is counted, and who is left alone.
    pub settings: &'a NotificatorSettings,
    /// Which hours count.
    pub calendar: WeekdayCalendar,
    /// How long a comment is left to the program that announced it.
    pub claim_lease: Duration,
    /// Names this pass in its claims.
    pub who: String,
}

/// An issue for which something is due.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) issue: OnQaIssue,
    pub(super) decision: Decision,
}

impl Notificator<'_> {
    /// Makes a pass. Without a permit it only says what would be done.
    ///
    /// # Errors
    ///
    /// The issues, or their histories, could not be read. What fails for one issue stands in the report.
    pub async fn pass(
        &self,
        selection: &Selection,
        permit: Option<&WritePermit>,
    ) -> Result<PassReport, ServiceError> {
        let found = selection.search(self.jira, &OnQaIssue::fields(self.settings)).await?;
        self.check_clock()?;
        self.check_fields(&found)?;
        let ids: Vec<IssueId> = found.iter().filter_map(|issue| issue.id().cloned()).collect();
        let histories = self.jira.field_changes(&ids, &OnQaIssue::histories(self.settings)).await?;
        let history = |id: Option<&IssueId>| id.and_then(|id| histories.get(id)).map(Vec::as_slice);
        let issues: Vec<OnQaIssue> = found
            .iter()
            .map(|issue| OnQaIssue::of(issue, history(issue.id()).unwrap_or_default(), self.settings))
            .collect();
        let mut report =
            PassReport { dry_run: permit.is_none(), selected: found.len(), ..PassReport::default() };
        let mut reports = Vec::new();
        let mut plans = Vec::new();
        let mut told_today = ToldToday::new(self);
        let read: Vec<_> = issues.into_iter().map(|issue| self.with_comments(issue)).collect();
        let read: Vec<_> = iter(read).buffered(CONCURRENCY).collect().await;
        for (issue, error) in read {
            told_today.count(&issue);
            let decision = self.decide(&issue);
            if let Some(error) = error {
                // What was decided without the comments is not said.
                reports.push(IssueReport::unknown(&issue.key).failed_by(&error));
                continue;
            }
            report.count(decision.row);
            if issue.on_qa_since.is_none() && decision.row.number().is_some() {
                tracing::error!("{}: {}; it is left out", issue.key, decision.row);
            }
            if !self.is_due(&issue, &decision) {
                continue;
            }
            if issue.shows_qa_contact {
                plans.push(Plan { issue, decision });
            } else {
                reports.push(IssueReport::of(&issue.key, &decision).failed(self.no_qa_contact_shown()));
            }
        }
        if !plans.is_empty() {
            self.compare_field_names().await;
        }
        let plans = self.without_verified(plans, &mut reports).await;
        let managers = self.managers(&plans).await;
        let plans = self.tellable(plans, &managers, &mut told_today, &mut reports);
        match permit {
            None => reports.extend(plans.iter().map(|plan| Self::foreseen(plan, &managers))),
            Some(permit) => {
                let applier =
                    Applier { notificator: self, managers: &managers, histories: &histories, permit };
                let work: Vec<_> = plans.iter().map(|plan| self.unless_stopped(&applier, plan)).collect();
                let done: Vec<_> = iter(work).buffer_unordered(CHANGED_AT_ONCE).collect().await;
                reports.extend(done.into_iter().flatten());
            }
        }
        report.signal = self.interrupt.signal();
        Ok(report.finish(reports))
    }

    /// Fails if the clock of this machine is so wrong that people would be told too early or never: when they are due is
    /// counted from Jira's times to this machine's.
    pub(super) fn check_clock(&self) -> Result<(), ServiceError> {
        let ahead = self.jira.clock_ahead();
        if ahead.abs() <= MOST_SKEW {
            return Ok(());
        }
        let side = if ahead.is_negative() { "behind" } else { "ahead of" };
        let words = format!("the clock of this machine is {} hours {side} Jira's", ahead.as_hours().abs());
        let error = ServiceError::new(Service::Jira, "compare times", ServiceErrorKind::Malformed, words);
        Err(error.with_hint("Set the clock (`timedatectl` shows it), then run the command again."))
    }

    /// No issue is begun after the request to stop.
    async fn unless_stopped(&self, applier: &Applier<'_>, plan: &Plan) -> Option<IssueReport> {
        if self.interrupt.signal().is_some() { None } else { Some(Box::pin(applier.apply(plan)).await) }
    }

    /// The row that holds for an issue now.
    pub(super) fn decide(&self, issue: &OnQaIssue) -> Decision {
        self.ladder().decide(&issue.facts(self.settings))
    }

    pub(super) fn ladder(&self) -> Ladder<'_> {
        Ladder::new(&self.calendar, self.clock.now())
    }

    /// Who was told and never asked for information by a program that ended in between.
    pub(super) fn never_asked(&self, issue: &OnQaIssue, now: Timestamp) -> Vec<AccountId> {
        if issue.labels.contains(&self.settings.snooze_label) {
            return Vec::new();
        }
        let lease = SignedDuration::try_from(self.claim_lease).unwrap_or(SignedDuration::MAX);
        let before = |time: SignedDuration| now.saturating_sub(time).unwrap_or(Timestamp::MIN);
        issue.never_asked(before(REPAIR_WITHIN), before(lease))
    }

    fn is_due(&self, issue: &OnQaIssue, decision: &Decision) -> bool {
        let repair = !self.never_asked(issue, self.clock.now()).is_empty();
        decision.step.is_some() || decision.removes_label || repair
    }

    /// The issue with its comments, where they decide and the search cut them.
    async fn with_comments(&self, mut issue: OnQaIssue) -> (OnQaIssue, Option<ServiceError>) {
        let ladder = self.ladder();
        let Some(since) = issue.on_qa_since.filter(|_| issue.comments.is_none()) else {
            return (issue, None);
        };
        let snoozed = issue.labels.contains(&self.settings.snooze_label);
        // Before the first rung is over no comment leads to a step; the label alone may have to go.
        let early = ladder.first_due(since).is_none_or(|due| ladder.now() <= due);
        if snoozed || (early && !issue.has_pending_label()) {
            return (issue, None);
        }
        match self.jira.comments_since(&issue.key, Some(since)).await {
            Ok(comments) => {
                issue.comments = Some(comments);
                (issue, None)
            }
            Err(error) => (issue, Some(error)),
        }
    }

    /// The plans of issues that were not verified before the merge.
    async fn without_verified(&self, plans: Vec<Plan>, reports: &mut Vec<IssueReport>) -> Vec<Plan> {
        let keys: Vec<IssueKey> = plans.iter().map(|plan| plan.issue.key.clone()).collect();
        let mut verifications = self.verifications(&keys).await;
        let mut left = Vec::new();
        for plan in plans {
            let report = || IssueReport::of(&plan.issue.key, &plan.decision);
            match verifications.remove(&plan.issue.key) {
                Some(Verification::Verified) => reports.push(report().left(VERIFIED)),
                Some(Verification::Unknown(why)) => {
                    reports.push(report().failed(format!(
                        "could not determine whether it was verified before the merge: {why}"
                    )));
                }
                Some(Verification::NotVerified) | None => left.push(plan),
            }
        }
        left
    }

    /// Whether these issues were verified before the merge: a request for the links of each, and few for all of their pull
    /// requests. Without GitHub's token nothing is asked, and none counts as verified.
    pub(super) async fn verifications(&self, keys: &[IssueKey]) -> HashMap<IssueKey, Verification> {
        let Some(github) = self.github else { return HashMap::new() };
        let links: Vec<_> = keys.iter().map(|key| self.jira.remote_links(key)).collect();
        let links: Vec<_> = iter(links).buffered(CONCURRENCY).collect().await;
        let mut known = HashMap::new();
        let mut named = BTreeMap::new();
        for (key, links) in keys.iter().zip(links) {
            match links {
                Ok(links) => drop(named.insert(key, pull_requests(&links))),
                // Linking is off, or this account may not see links: then nobody says that it was verified.
                Err(error) if error.kind == ServiceErrorKind::Forbidden => {
                    drop(known.insert(key.clone(), Verification::NotVerified));
                }
                Err(error) => drop(known.insert(key.clone(), Verification::Unknown(error.to_string()))),
            }
        }
        let all: BTreeSet<PullRequest> = named.values().flatten().cloned().collect();
        let all: Vec<PullRequest> = all.into_iter().collect();
        let labels = github.pull_request_labels(&all).await;
        for (key, pull_requests) in named {
            let verification = match &labels {
                Ok(labels) => all_verified(&pull_requests, labels),
                Err(_) if pull_requests.is_empty() => Verification::NotVerified,
                Err(error) => Verification::Unknown(error.to_string()),
            };
            known.insert(key.clone(), verification);
        }
        known
    }

    /// The plans that tell somebody who may be told now, and all that tell nobody. The longest due come first.
    fn tellable(
        &self,
        mut plans: Vec<Plan>,
        managers: &Managers,
        told_today: &mut ToldToday<'_>,
        reports: &mut Vec<IssueReport>,
    ) -> Vec<Plan> {
        plans.sort_by(|one, other| {
            (one.decision.due, &one.issue.key).cmp(&(other.decision.due, &other.issue.key))
        });
        let mut left = Vec::new();
        for plan in plans {
            let report = || IssueReport::of(&plan.issue.key, &plan.decision);
            let audience =
                plan.decision.step.and_then(|step| Audience::of(step, &plan.issue.people, managers));
            match audience {
                Some(Audience::Tell(notice))
                    if !told_today.may_tell(&notice.to, self.settings.cap_per_day) =>
                {
                    let why = "this person has reached the limit of comments per day";
                    let step =
                        StepReport::new(Action::Tell, StepResult::HeldBack).to(notice.kind).because(why);
                    let mut report = report();
                    report.steps.push(step);
                    reports.push(report);
                }
                Some(Audience::Unknown(reason)) => reports.push(report().failed(reason)),
                Some(Audience::Nobody) => reports.push(report().failed(NOBODY)),
                _ => left.push(plan),
            }
        }
        left
    }

    /// What would be done.
    fn foreseen(plan: &Plan, managers: &Managers) -> IssueReport {
        let Plan { issue, decision } = plan;
        let mut report = IssueReport::of(&issue.key, decision);
        let planned = |action: Action| StepReport::new(action, StepResult::Planned);
        if decision.removes_label {
            report.steps.push(planned(Action::RemoveLabel));
        }
        match decision.step {
            None => {}
            Some(Step::AddLabel) => report.steps.push(planned(Action::AddLabel)),
            Some(step) => {
                if let Some(Audience::Tell(notice)) = Audience::of(step, &issue.people, managers) {
                    report.steps.push(planned(Action::Tell).to(notice.kind));
                    if notice.to.iter().any(|id| !issue.need_info.contains(id)) {
                        report.steps.push(planned(Action::AskForInformation).to(notice.kind));
                    }
                }
            }
        }
        if report.steps.is_empty() {
            report.steps.push(planned(Action::AskForInformation));
        }
        report
    }
}

/// What holds for an issue whose fix was verified before it was merged: row 0 of the decision table.
pub(super) const VERIFIED: &str = "verified before the merge";

/// How many comments each person got today, as far as the issues of the pass tell.
struct ToldToday<'a> {
    notificator: &'a Notificator<'a>,
    counts: HashMap<AccountId, usize>,
}

impl<'a> ToldToday<'a> {
    fn new(notificator: &'a Notificator<'a>) -> Self {
        Self { notificator, counts: HashMap::new() }
    }

    fn count(&mut self, issue: &OnQaIssue) {
        let day = |at: Timestamp| at.to_zoned(self.notificator.settings.zone.clone()).date();
        let today = day(self.notificator.clock.now());
        for told in issue.told().into_iter().filter(|told| day(told.at) == today) {
            self.add(&told.to);
        }
    }

    fn add(&mut self, people: &[AccountId]) {
        for person in people {
            *self.counts.entry(person.clone()).or_default() += 1;
        }
    }

    /// Whether these people may get one more, and then counts it.
    fn may_tell(&mut self, people: &[AccountId], cap: Option<usize>) -> bool {
        let count = |person: &AccountId| self.counts.get(person).copied().unwrap_or_default();
        let may = cap.is_none_or(|cap| people.iter().all(|person| count(person) < cap));
        if may {
            self.add(people);
        }
        may
    }
}

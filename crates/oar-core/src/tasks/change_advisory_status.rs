//! `change-advisory-status`: approves a release (spec 01 §5.11, spec 02 §9).
//!
//! In the Konflux flow the advisories move only when the metadata URL of the release is up. Until then the
//! task waits, with the wait recorded in the StateBox: [`super::approval_wait`] continues it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::future::join;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::ReleaseContext;
use super::worksheet::Mirror;
use crate::clients::access::AccessClient;
use crate::clients::brewroot::BrewrootClient;
use crate::clients::errata::{AdvisoryId, ErrataClient};
use crate::clients::gitlab::GitlabClient;
use crate::clients::jira::{IssueKey, JiraClient};
use crate::clients::koji::KojiClient;
use crate::config::{Impetus, ReleaseDate, RpmDelivery, SlackTeam, WaitPolicy};
use crate::error::{Classified as _, ErrorClass};
use crate::failures::Failures;
use crate::flow::gates::{self, DAYS_AFTER, DAYS_BEFORE, Problem, is_hurried, refusal};
use crate::flow::outcome::{Check, Plan, PlanSummary, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::{Completion, Task};
use crate::flow::wait::after;
use crate::notify::outbox::group_mention;
use crate::notify::{ApprovalFinished, GroupMention, Message, Reference};
use crate::operators::approval::{
    Approval, ApprovalPlan, ApprovalResult, MetadataUrl, PayloadLook, StopRule, Target, payload_of,
};
use crate::operators::worksheet::Entry;
use crate::permit::WritePermit;
use crate::statebox::{Change, NewWait, State, StateError, TaskName, TaskStatus, WaitCheck, WaitClaim};

pub(super) const TASK: TaskName = TaskName::ChangeAdvisoryStatus;
/// The condition that `release` waits for, in the words that the StateBox records.
pub(super) fn condition(release: &crate::version::ReleaseVersion) -> String {
    format!("the metadata URL of {}", payload_of(release))
}

/// Approves the release of `services`.
pub struct ChangeAdvisoryStatus {
    services: ReleaseContext,
    who: String,
    accepted: BTreeSet<IssueKey>,
    policy: WaitPolicy,
    early: bool,
    carries_on: bool,
    /// Reads the payload once a plan needs it. The payload of a release does not change, so the result is
    /// valid for later plans.
    payload: PayloadLook,
}

/// The result of an approval.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Done {
    /// What the task waits for.
    pub waits_for: Option<String>,
    /// Advisories that are in their target state.
    pub moved: Vec<AdvisoryId>,
    /// Advisories that are not in their target state.
    pub not_moved: Vec<AdvisoryId>,
    /// What could not be done.
    pub failed: Vec<String>,
    #[serde(skip)]
    around: Around,
}

/// Looked up while the changes are made.
#[derive(Debug, Clone, Default)]
struct Around {
    /// The group to notify; `None` when the configuration names none.
    leads: Option<GroupMention>,
    /// The worksheet that gets the status too.
    sheet: Mirror,
}

impl ChangeAdvisoryStatus {
    /// The task, run by the process with the unique name `who`.
    pub fn new(services: ReleaseContext, who: impl Into<String>, policy: WaitPolicy) -> Self {
        let payload = services.payload_look();
        Self {
            services,
            who: who.into(),
            accepted: BTreeSet::new(),
            policy,
            early: false,
            carries_on: false,
            payload,
        }
    }

    /// Uses a read of the release's payload that started earlier.
    #[must_use]
    pub fn with_payload(self, look: PayloadLook) -> Self {
        Self { payload: look, ..self }
    }

    /// Accepts these bugs although they are not finished.
    #[must_use]
    pub fn accepting(mut self, bugs: impl IntoIterator<Item = IssueKey>) -> Self {
        self.accepted.extend(bugs);
        self
    }

    /// Sets whether the user decided to approve earlier than the day before the release's date.
    #[must_use]
    pub fn early(mut self, early: bool) -> Self {
        self.early = early;
        self
    }

    /// The task for a process that continues a wait: a failure leaves the task waiting.
    #[must_use]
    pub fn resumed(mut self) -> Self {
        self.carries_on = true;
        self
    }

    /// Until when a wait that begins at `since` lasts: as long as the policy says, but not before the end of the day after
    /// the release date, unless the user has set how long (spec 05 §8.8, 12).
    fn deadline(&self, since: Timestamp) -> Timestamp {
        let by_policy = after(since, self.policy.limit);
        let date = self.services.config().release_date().filter(|_| self.policy.limit == WaitPolicy::LIMIT);
        let by_date = date.and_then(|date| {
            let day = date.date().saturating_add(Span::new().days(DAYS_AFTER));
            Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
        });
        by_date.map_or(by_policy, |by_date| by_date.max(by_policy))
    }

    pub(super) fn clients(&self) -> Result<Clients, TaskError> {
        Clients::of(&self.services)
    }

    fn target(&self) -> Result<Target, TaskError> {
        let config = self.services.config();
        Ok(Target {
            release: config.release().clone(),
            advisories: self
                .services
                .advisories()?
                .into_iter()
                .filter(|(impetus, _)| impetus != Impetus::MICROSHIFT)
                .collect(),
            shipment: self.services.shipment()?,
            ticket: self.services.ticket()?,
            accepted: self.accepted.clone(),
        })
    }

    /// The packages in the branch's settings, with their stop tags. Every branch has some, and ART's own
    /// check refuses a branch without them (spec 02 §4).
    async fn stop_rules(&self) -> Result<Vec<StopRule>, Problem> {
        let group = self.services.config().group(self.services.clients().http()).await;
        // The branch has the releases, so a missing `group.yml` is not a configuration error.
        let group = group.map_err(|error| {
            let problem = Problem::unknown(
                format!("which kernels must not ship is unknown: group.yml could not be read: {error}"),
                ErrorClass::Unavailable,
            );
            match error.hint() {
                Some(hint) => problem.then(hint),
                None => problem,
            }
        })?;
        let rule = |delivery: RpmDelivery| {
            let packages = delivery.packages;
            delivery.stop_ship_tag.map(|tag| StopRule { packages, tag })
        };
        let rules: Vec<StopRule> = group.rpm_deliveries.into_iter().filter_map(rule).collect();
        if rules.is_empty() {
            let text = "which kernels must not ship is unknown: group.yml has no packages with a `stop_ship_tag` \
                        under `rpm_deliveries`";
            return Err(Problem::unknown(text, ErrorClass::Unavailable)
                .then("Ask ART whether the branch's group.yml is complete."));
        }
        Ok(rules)
    }

    /// Approves only the merge request of `plan`.
    pub(super) async fn approve_merge_request(
        &self,
        plan: &StatusPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<Failures, TaskError> {
        Ok(self.clients()?.approval().approve(&plan.approval, permit, recorder).await)
    }

    /// The release leads; `None` when the configuration names none, and then nobody is notified.
    async fn leads(&self) -> Option<GroupMention> {
        match self.services.config().release_leads() {
            Ok(leads) => Some(group_mention(self.services.slack(), leads).await),
            Err(error) => {
                tracing::warn!("nobody is notified: {error}");
                None
            }
        }
    }

    fn claim(&self, at: Timestamp) -> WaitClaim {
        WaitClaim { who: self.who.clone(), at, lease_until: after(at, self.policy.lease), eager: true }
    }
}

/// The clients of an approval.
pub(super) struct Clients {
    errata: ErrataClient,
    gitlab: Option<GitlabClient>,
    jira: JiraClient,
    koji: KojiClient,
    brewroot: BrewrootClient,
    access: AccessClient,
}

impl Clients {
    fn of(services: &ReleaseContext) -> Result<Self, TaskError> {
        Ok(Self {
            errata: services.clients().errata(),
            gitlab: services.shipment()?.is_some().then(|| services.clients().gitlab()).transpose()?,
            jira: services.clients().jira()?,
            koji: services.clients().koji(),
            brewroot: services.clients().brewroot(),
            access: services.clients().access(),
        })
    }

    pub(super) fn approval(&self) -> Approval<'_> {
        Approval {
            errata: &self.errata,
            gitlab: self.gitlab.as_ref(),
            jira: &self.jira,
            koji: &self.koji,
            brewroot: &self.brewroot,
            access: &self.access,
        }
    }
}

/// The steps of an approval, and the state of its wait.
pub struct StatusPlan {
    approval: ApprovalPlan,
    /// The gates of the StateBox.
    state: Vec<Check>,
    condition: String,
    at: Timestamp,
    /// Whether the StateBox already records a wait for this.
    waiting: bool,
    /// Whether the StateBox records any wait of the task.
    has_wait: bool,
}

impl Plan for StatusPlan {
    fn summary(&self) -> PlanSummary {
        let mut notes = self.approval.notes.clone();
        if let Some(why) = self.approval.waits() {
            notes.push(format!("the advisories move when {} is up: {why}", self.condition));
        }
        PlanSummary { checks: self.checks(), steps: self.approval.steps(), notes, later: Vec::new() }
    }

    // A process that continues a wait claims it only when the awaited condition is met.
    fn certainly_acts(&self) -> bool {
        !self.has_wait && self.approval.approval_step().is_some()
    }
}

impl StatusPlan {
    /// All gates, all of them open.
    fn checks(&self) -> Vec<Check> {
        self.state.iter().chain(&self.approval.checks).cloned().collect()
    }

    /// The part of the plan about the merge request.
    pub(super) fn merge_request(&self) -> PlanSummary {
        let steps = self.approval.approval_step().into_iter().collect();
        PlanSummary { checks: self.checks(), steps, notes: self.approval.notes.clone(), later: Vec::new() }
    }

    fn waits_for(&self, why: &str, around: Around) -> TaskOutcome<Done> {
        let done = self.done(&ApprovalResult::default(), around);
        TaskOutcome::in_progress(done, format!("waits for {}: {why}", self.condition))
    }

    fn done(&self, result: &ApprovalResult, around: Around) -> Done {
        Done {
            waits_for: self.approval.waits().map(|_| self.condition.clone()),
            moved: result.moved.clone(),
            not_moved: result.not_moved.clone(),
            failed: result.failures.texts().into_iter().map(str::to_owned).collect(),
            around,
        }
    }
}

/// Whether the release's date is close enough for its approval; only a person may decide to approve earlier
/// (spec 05 §8.5).
fn date_gate(date: Option<&ReleaseDate>, now: Timestamp, early: bool) -> Result<Check, Problem> {
    const ANSWER: &str = "approve before its day with --early";
    let Some(day) = date.map(ReleaseDate::date) else {
        let text = "the build data names no date on which the release ships";
        return if early { Ok(Check::ok(text)) } else { Err(Problem::blocked(text).then(ANSWER)) };
    };
    let from = day.saturating_sub(Span::new().days(DAYS_BEFORE));
    let text = format!("the release ships on {day}, and is approved from {from} on (UTC)");
    if early || now.to_zoned(TimeZone::UTC).date() >= from {
        return Ok(Check::ok(text));
    }
    Err(Problem::blocked(text).then(format!("wait for that day, or {ANSWER}")))
}

#[async_trait]
impl Task for ChangeAdvisoryStatus {
    type Plan = StatusPlan;
    type Done = Done;

    fn name(&self) -> TaskName {
        TASK
    }

    fn is_carried_on(&self) -> bool {
        self.carries_on
    }

    fn command(&self) -> String {
        let accepted: String =
            self.accepted.iter().map(|key| format!(" --accept-bug {key}")).collect::<Vec<_>>().concat();
        let early = if self.early { " --early" } else { "" };
        format!("change-advisory-status{accepted}{early}")
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<StatusPlan, TaskError> {
        let target = self.target()?;
        super::python_checker::refuse_while_it_runs(
            self.services.config().settings().environment(),
            &target.release,
        )?;
        let condition = condition(&target.release);
        let clients = self.clients()?;
        let now = self.services.now();
        let payload = self.payload.clone();
        let (approval, found) = clients.approval().plan(&target, self.stop_rules(), payload).await;
        let (mut open, mut problems) = gates::before(TASK, state, now);
        let waits = state.is_some_and(|state| state.wait(TASK).is_some());
        let passed =
            state.and_then(|state| state.task(TASK)).is_some_and(|view| view.status == TaskStatus::Pass);
        // The day was decided when the wait began.
        let early = self.early || waits || passed || state.is_some_and(|state| is_hurried(state, now));
        match date_gate(self.services.config().release_date(), now, early) {
            Ok(check) => open.push(check),
            Err(problem) => problems.push(problem),
        }
        problems.extend(found);
        if !problems.is_empty() {
            open.extend(approval.checks.iter().cloned());
        }
        if let Some(refusal) = refusal(&open, &problems) {
            return Err(refusal.into());
        }
        let wait = state.and_then(|state| state.wait(TASK));
        let (waiting, has_wait) =
            (wait.as_ref().is_some_and(|wait| wait.condition == condition), wait.is_some());
        Ok(StatusPlan { approval, state: open, condition, at: self.services.now(), waiting, has_wait })
    }

    async fn complete(&self, plan: &StatusPlan) -> Result<Completion<StatusPlan>, TaskError> {
        match self.clients()?.approval().look_at_metadata(&plan.approval).await {
            Ok(found) => Ok(Box::new(|plan| plan.approval.found(found))),
            Err(problem) => Err(match refusal(&plan.checks(), std::slice::from_ref(&problem)) {
                Some(refusal) => refusal.into(),
                None => problem.into(),
            }),
        }
    }

    fn intend(&self, plan: &StatusPlan, state: &mut State) -> Result<Change, StateError> {
        if state.wait(TASK).is_none() || plan.approval.waits().is_some() {
            return Ok(Change::Unchanged);
        }
        // Another process that continues the wait must not act at the same time.
        state.claim_wait(TASK, &self.claim(plan.at))
    }

    fn standing(&self, plan: &StatusPlan) -> Option<TaskOutcome<Done>> {
        let why = plan.approval.waits().filter(|_| plan.waiting && !plan.approval.acts_now())?;
        Some(plan.waits_for(why, Around::default()))
    }

    async fn apply(
        &self,
        plan: &StatusPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        let clients = self.clients()?;
        let approval = clients.approval();
        let leads = async { if plan.approval.waits().is_none() { self.leads().await } else { None } };
        let (result, (sheet, leads)) =
            join(approval.apply(&plan.approval, permit, recorder), join(Mirror::find(&self.services), leads))
                .await;
        Ok(self.outcome(plan, &result, Around { leads, sheet }))
    }

    async fn finish(
        &self,
        plan: &StatusPlan,
        mut outcome: TaskOutcome<Done>,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        if outcome.status == TaskStatus::Pass {
            let failures = self.clients()?.approval().close_subtasks(&plan.approval, permit, recorder).await;
            if !failures.is_empty() {
                let moved = plan.approval.advisories.iter().map(|advisory| advisory.id).collect();
                let result = ApprovalResult { failures, moved, ..ApprovalResult::default() };
                outcome = self.outcome(plan, &result, outcome.done.around);
            }
        }
        // Without a verdict the task's status does not change, nor does its cell. Only this task's cell is
        // written: the tests of the builds have their own verdicts.
        if !outcome.is_undecided() {
            let entry = Entry::status(TASK, outcome.status);
            outcome.done.around.sheet.enter(&entry, permit, recorder).await;
        }
        Ok(outcome)
    }

    fn remember(
        &self,
        plan: &StatusPlan,
        outcome: &TaskOutcome<Done>,
        state: &mut State,
    ) -> Result<Change, StateError> {
        let held_by_other =
            state.wait(TASK).and_then(|wait| wait.holder).is_some_and(|holder| holder.who != self.who);
        if let (Some(why), true) = (plan.approval.waits(), outcome.status == TaskStatus::InProgress) {
            let begun = state.begin_wait(
                TASK,
                &NewWait {
                    condition: plan.condition.clone(),
                    since: plan.at,
                    until: self.deadline(plan.at),
                    next_check: after(plan.at, self.policy.interval),
                },
            );
            if held_by_other {
                return Ok(begun);
            }
            let looked = state.record_wait_check(TASK, &self.check(plan.at, why))?;
            return Ok(begun.or(looked));
        }
        if state.wait(TASK).is_none() || held_by_other {
            return Ok(Change::Unchanged);
        }
        if outcome.status == TaskStatus::Pass {
            return state.end_wait(TASK, &self.who);
        }
        let why = outcome.reason.as_ref().map_or("failed", |reason| reason.text.as_str());
        state.record_wait_check(TASK, &self.check(plan.at, why))
    }

    async fn notifications(&self, plan: &StatusPlan, outcome: &TaskOutcome<Done>) -> Vec<Message> {
        if outcome.status != TaskStatus::Pass {
            return Vec::new();
        }
        let config = self.services.config();
        let channel = match config.slack_channel(SlackTeam::QeRelease) {
            Ok(channel) => channel,
            Err(error) => {
                tracing::warn!("nobody is notified: {error}");
                return Vec::new();
            }
        };
        let Some(leads) = &outcome.done.around.leads else { return Vec::new() };
        let advisories: Vec<Reference> = plan
            .approval
            .advisories
            .iter()
            .map(|advisory| Reference::new(advisory.id.link(), advisory.id.to_string()))
            .collect();
        let metadata = match plan.approval.metadata() {
            Some(MetadataUrl::Up(url)) => Some(Reference::new(url.as_str(), "metadata URL")),
            _ => None,
        };
        vec![
            ApprovalFinished {
                release: config.release(),
                metadata: metadata.as_ref(),
                advisories: &advisories,
                leads,
            }
            .message(channel),
        ]
    }
}

impl ChangeAdvisoryStatus {
    /// The outcome of the approval.
    fn outcome(&self, plan: &StatusPlan, result: &ApprovalResult, around: Around) -> TaskOutcome<Done> {
        let Some(class) = result.failures.class() else {
            return match plan.approval.waits() {
                Some(why) => plan.waits_for(why, around),
                None => TaskOutcome::pass(plan.done(result, around)),
            };
        };
        let done = plan.done(result, around);
        let list = |ids: &[AdvisoryId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut why = done.failed.clone();
        if !result.not_moved.is_empty() {
            let moved = if result.moved.is_empty() { "none".to_owned() } else { list(&result.moved) };
            let first = why.first_mut().map(std::mem::take).unwrap_or_default();
            let not_moved = format!("not moved: {}: {first}", list(&result.not_moved));
            why.splice(..why.len().min(1), [format!("in REL_PREP or further: {moved}"), not_moved]);
        }
        let mut outcome = if self.carries_on {
            TaskOutcome::in_progress(done, why)
        } else {
            TaskOutcome::fail(done, class, why)
        };
        outcome.hint = result.failures.hint();
        outcome
    }

    /// A check that found nothing new; afterwards the wait is unclaimed.
    fn check(&self, at: Timestamp, result: &str) -> WaitCheck {
        WaitCheck {
            who: self.who.clone(),
            at,
            result: result.to_owned(),
            next_check: after(at, self.policy.interval),
            lease_until: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::{Metadata, NewDecision, Subject};

    #[test]
    fn the_day_does_not_hold_back_a_release_whose_builds_are_both_waived() {
        let now: Timestamp = "2026-07-02T10:00:00Z".parse().unwrap();
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), now);
        assert!(!is_hurried(&state, now));
        for (task, expected) in [
            (TaskName::StageTesting, false),
            (TaskName::AnalyzeCandidateBuild, false),
            (TaskName::AnalyzePromotedBuild, true),
        ] {
            let subject = Subject::Waiver { task, until: None };
            let (id, by) = (task.to_string(), "lead".to_owned());
            let _ = state.decide(&NewDecision { id, subject, by, at: now, reason: "hurried".to_owned() });
            assert_eq!(is_hurried(&state, now), expected, "{task}");
        }
    }
}

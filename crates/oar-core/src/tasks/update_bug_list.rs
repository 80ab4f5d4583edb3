//! `update-bug-list`: the status of a release's bugs, and reminders about them (spec 01 §5.3, spec 03 §9).

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use schemars::JsonSchema;
use serde::Serialize;

use super::ReleaseContext;
use super::worksheet::SheetPlan;
use crate::clients::errata::Advisory;
use crate::clients::jira::{self, IssueKey};
use crate::clients::ldap::{LdapClient, ManagerLookup};
use crate::config::{Impetus, SlackTeam};
use crate::email::EmailAddress;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::notify::outbox::person;
use crate::notify::{
    self, BugsToVerify, ConfirmDroppable, Message, Person, Reference, UnverifiedCveReminder,
};
use crate::operators::bugs::{DROPPED, Progress, ReleaseBugs, Statuses, keys_of};
use crate::operators::failures::could_not_look;
use crate::operators::shipment::Shipment;
use crate::operators::worksheet::Entry;
use crate::permit::WritePermit;
use crate::statebox::{Change, State, StateError, TaskName, TaskStatus};

/// Who gets a reminder about the bugs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reminder {
    /// Nobody.
    Nobody,
    /// The QA contacts of the bugs in `ON_QA`, to verify them.
    ToVerify,
    /// The QA contacts of the bugs of high severity that are not verified, with the question whether they may
    /// be dropped.
    ConfirmDroppable,
    /// The managers of the QA contacts of the CVE bugs in `ON_QA`.
    Managers,
}

impl Reminder {
    fn concerns(self, bug: &jira::Bug) -> bool {
        match self {
            Self::Nobody => false,
            Self::ToVerify => bug.is_on_qa(),
            Self::ConfirmDroppable => bug.must_be_confirmed(),
            Self::Managers => bug.is_unverified_cve(),
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Nobody => " --no-notify",
            Self::ToVerify => "",
            Self::ConfirmDroppable => " --confirm-droppable",
            Self::Managers => " --notify-managers",
        }
    }

    fn step(self, count: usize) -> Step {
        let bugs = if count == 1 { "bug" } else { "bugs" };
        match self {
            Self::ConfirmDroppable => {
                Step::new("ask the QA contacts whether to drop", format!("{count} {bugs}"))
            }
            Self::Managers => Step::new("tell the managers of the QA contacts of", format!("{count} {bugs}")),
            Self::Nobody | Self::ToVerify => {
                Step::new("ask the QA contacts to verify", format!("{count} {bugs}"))
            }
        }
    }
}

/// Updates the list of the release's bugs.
pub struct UpdateBugList {
    services: ReleaseContext,
    reminder: Reminder,
}

impl UpdateBugList {
    /// The task.
    pub fn new(services: ReleaseContext, reminder: Reminder) -> Self {
        Self { services, reminder }
    }

    async fn keys(&self) -> Result<BTreeSet<IssueKey>, TaskError> {
        let (advisories, shipped) = tokio::try_join!(self.advisories(), self.shipped())?;
        let mut keys = keys_of(&advisories);
        keys.extend(shipped);
        Ok(keys)
    }

    async fn advisories(&self) -> Result<Vec<Advisory>, TaskError> {
        let errata = self.services.clients().errata();
        let ids = self.services.advisories()?.into_iter();
        let ids = ids.filter(|(impetus, _)| impetus != Impetus::MICROSHIFT);
        let mut reads = Vec::new();
        for (_, id) in ids {
            reads.push(errata.erratum(id));
        }
        try_join_all(reads).await.map_err(could_not_look)
    }

    async fn shipped(&self) -> Result<BTreeSet<IssueKey>, TaskError> {
        let Some(reference) = self.services.shipment()? else { return Ok(BTreeSet::new()) };
        let shipment =
            Shipment::load(&self.services.clients().gitlab()?, &reference).await.map_err(could_not_look)?;
        shipment.jira_keys().await.map_err(could_not_look)
    }

    /// The reminder about `bugs`; `None` when there are none, no reminder was requested, or the configuration
    /// names no channel.
    fn message(&self, bugs: &[notify::BugForPerson]) -> Option<Message> {
        let config = self.services.config();
        let release = config.release();
        let channel = match config.slack_channel(SlackTeam::QeForum) {
            Ok(channel) => channel,
            Err(error) => {
                tracing::warn!("nobody is notified: {error}");
                return None;
            }
        };
        if bugs.is_empty() {
            return None;
        }
        let mut message = match self.reminder {
            Reminder::Nobody => return None,
            Reminder::ToVerify => BugsToVerify { release, bugs }.message(channel),
            Reminder::ConfirmDroppable => ConfirmDroppable { release, bugs }.message(channel),
            Reminder::Managers => UnverifiedCveReminder { release, bugs }.message(channel),
        };
        // The same bugs cause one reminder a day.
        message.key = format!("{}/{}", message.key, self.services.now().strftime("%Y-%m-%d"));
        Some(message)
    }

    /// The recipient of the reminder about a bug.
    async fn person(&self, bug: &jira::Bug, directory: &LdapClient) -> Option<Person> {
        let contact = bug.qa_contact.as_ref()?;
        if !contact.active {
            tracing::warn!("the QA contact of {} has a deactivated account", bug.key);
        }
        if self.reminder != Reminder::Managers {
            let name = || contact.name.as_deref().map(Person::named);
            return match &contact.email {
                Some(address) => self.in_slack(address).await.or_else(name),
                None => name(),
            };
        }
        let Some(address) = &contact.email else {
            tracing::warn!("the QA contact of {} hides the address, so the manager cannot be found", bug.key);
            return None;
        };
        match directory.manager_of(address).await {
            Ok(ManagerLookup::Found(manager)) => {
                let slack = self.in_slack(&manager).await;
                Some(slack.unwrap_or_else(|| Person::named(manager.local_part())))
            }
            Ok(ManagerLookup::Absent(absence)) => {
                tracing::warn!("the manager of the QA contact of {} is not known: {absence}", bug.key);
                None
            }
            Err(error) => {
                tracing::warn!("the manager of the QA contact of {} cannot be looked up: {error}", bug.key);
                None
            }
        }
    }

    async fn in_slack(&self, address: &EmailAddress) -> Option<Person> {
        person(self.services.slack(), address.expose()).await.map(Person::Slack)
    }
}

fn told(bug: &jira::Bug, person: Option<Person>) -> notify::BugForPerson {
    notify::BugForPerson {
        reference: Reference::new(bug.key.link(), bug.key.as_str()),
        person,
        is_cve_tracker: bug.is_cve_tracker(),
    }
}

/// The result: the status of the bugs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Done {
    /// The status of each bug.
    pub bugs: Statuses,
    /// Number of finished bugs.
    pub done: usize,
    /// Number of open bugs.
    pub open: usize,
    /// Number of bugs that Jira does not show.
    pub unknown: usize,
    /// Other keys of bugs that were moved.
    pub other_keys: BTreeMap<IssueKey, Vec<IssueKey>>,
    /// The bugs of the reminder.
    pub reminded: Vec<IssueKey>,
    /// The address of the worksheet, when the release has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worksheet: Option<String>,
}

/// What changed about the bugs, and who gets a reminder.
#[derive(Debug, Clone)]
pub struct BugListPlan {
    before: Statuses,
    list: Statuses,
    reminder: Reminder,
    /// The bugs of the reminder.
    remind: Vec<jira::Bug>,
    /// Whether the reminder is due: it has not been sent today.
    is_due: bool,
    /// Whether the task is already In Progress in the StateBox.
    is_in_progress: bool,
    /// The bugs as Jira shows them, for the worksheet.
    bugs: ReleaseBugs,
    sheet: SheetPlan,
}

impl BugListPlan {
    fn changes(&self) -> Option<Step> {
        if self.before == self.list {
            return None;
        }
        let count = |what: &str, wanted: &dyn Fn(Option<&String>, &String) -> bool| {
            let count =
                self.list.iter().filter(|(key, status)| wanted(self.before.get(*key), status)).count();
            (count > 0).then(|| format!("{count} {what}"))
        };
        let parts = [
            count("added", &|old, _| old.is_none()),
            count("changed", &|old, new| old.is_some_and(|old| old != new) && new != DROPPED),
            count("dropped", &|old, new| old.is_some_and(|old| old != new) && new == DROPPED),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        Some(Step::new("update", "the list of bugs").to(parts.join(", ")))
    }

    /// The changes besides the worksheet.
    fn own_steps(&self) -> Vec<Step> {
        let reminder = self.is_due.then(|| self.reminder.step(self.remind.len()));
        self.changes().into_iter().chain(reminder).collect()
    }

    fn status(&self) -> TaskStatus {
        let complete = Progress::of(&self.list).is_complete();
        if complete { TaskStatus::Pass } else { TaskStatus::InProgress }
    }

    fn entry(&self) -> Entry<'_> {
        Entry::status(TaskName::UpdateBugList, self.status()).bugs(&self.bugs)
    }

    fn outcome(&self) -> TaskOutcome<Done> {
        let progress = Progress::of(&self.list);
        let moved = self.bugs.bugs.values().filter(|bug| !bug.other_keys.is_empty());
        let done = Done {
            bugs: self.list.clone(),
            done: progress.done,
            open: progress.open,
            unknown: progress.unknown,
            other_keys: moved
                .map(|bug| (bug.key.clone(), bug.other_keys.iter().cloned().collect()))
                .collect(),
            reminded: self.remind.iter().map(|bug| bug.key.clone()).collect(),
            worksheet: self.sheet.url(),
        };
        if progress.is_complete() {
            TaskOutcome::pass(done).found(format!("all {} bugs are done", self.list.len()))
        } else {
            let total = self.list.len();
            let mut text = format!("{} of {total} bugs are not verified", progress.open);
            if progress.unknown > 0 {
                text = format!("{text}; unknown, because Jira does not show them: {}", progress.unknown);
            }
            TaskOutcome::in_progress(done, text)
        }
    }
}

impl Plan for BugListPlan {
    fn summary(&self) -> PlanSummary {
        let mut steps = self.own_steps();
        steps.extend(self.sheet.step());
        let mut notes = self.sheet.notes();
        if !self.is_due && !self.remind.is_empty() {
            notes.push("the reminder about these bugs was sent today already".to_owned());
        }
        notes.extend(self.bugs.moved());
        for (key, status) in &self.list {
            match self.before.get(key) {
                Some(old) if old != status => notes.push(format!("{key}: {old} -> {status}")),
                None => notes.push(format!("{key}: {status}")),
                Some(_) => {}
            }
        }
        PlanSummary::new(steps, notes)
    }

    fn acts(&self) -> bool {
        // A message cannot be taken back, so the start of the run must be recorded before it is sent.
        self.is_due || self.sheet.step().is_some()
    }
}

#[async_trait]
impl Task for UpdateBugList {
    type Plan = BugListPlan;
    type Done = Done;

    fn name(&self) -> TaskName {
        TaskName::UpdateBugList
    }

    fn command(&self) -> String {
        format!("update-bug-list{}", self.reminder.option())
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<BugListPlan, TaskError> {
        let config = self.services.config();
        if self.services.advisories()?.is_empty() && self.services.shipment()?.is_none() {
            let message = format!("the build data of {} names no advisories yet", config.release());
            return Err(Refusal::blocked(message)
                .with_hint("Run the command again when ART has added them.")
                .into());
        }
        let before = state.and_then(State::bug_list).unwrap_or_default();
        let bugs = ReleaseBugs::read(&self.services.clients().jira()?, &self.keys().await?, &before)
            .await
            .map_err(could_not_look)?;
        let remind: Vec<jira::Bug> =
            bugs.which(|bug| self.reminder.concerns(bug)).into_iter().cloned().collect();
        let facts: Vec<notify::BugForPerson> = remind.iter().map(|bug| told(bug, None)).collect();
        let key = self.message(&facts).map(|message| message.key);
        let task = state.and_then(|state| state.task(self.name()));
        let is_in_progress = task.as_ref().is_some_and(|task| task.status == TaskStatus::InProgress);
        let runs = task.map(|task| task.history).unwrap_or_default();
        let sent = |key: &String| {
            let mut keys = runs.iter().flat_map(|run| &run.notifications).map(|told| &told.key);
            keys.any(|told| told.starts_with(key))
        };
        let is_due = key.is_some_and(|key| !sent(&key));
        let list = bugs.list(&before);
        let reminder = self.reminder;
        let sheet = SheetPlan::default();
        let mut plan = BugListPlan { before, list, reminder, remind, is_due, is_in_progress, bugs, sheet };
        plan.sheet = SheetPlan::of(&self.services, &plan.entry()).await?;
        Ok(plan)
    }

    fn standing(&self, plan: &BugListPlan) -> Option<TaskOutcome<Done>> {
        let outcome = plan.sheet.tell(plan.outcome());
        let stands = plan.is_in_progress && outcome.status == TaskStatus::InProgress;
        (stands && plan.summary().steps.is_empty()).then_some(outcome)
    }

    async fn apply(
        &self,
        plan: &BugListPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        let outcome = plan.outcome().recording(plan.own_steps());
        plan.sheet.enter(&self.services, &plan.entry(), outcome, permit, recorder).await
    }

    fn remember(
        &self,
        plan: &BugListPlan,
        _outcome: &TaskOutcome<Done>,
        state: &mut State,
    ) -> Result<Change, StateError> {
        Ok(state.keep_bug_list(&plan.list))
    }

    async fn notifications(&self, plan: &BugListPlan, _outcome: &TaskOutcome<Done>) -> Vec<Message> {
        let directory = self.services.clients().directory();
        let mut people = Vec::new();
        for bug in &plan.remind {
            people.push(self.person(bug, &directory));
        }
        let people = join_all(people).await;
        let bugs: Vec<notify::BugForPerson> =
            plan.remind.iter().zip(people).map(|(bug, person)| told(bug, person)).collect();
        self.message(&bugs).into_iter().collect()
    }
}

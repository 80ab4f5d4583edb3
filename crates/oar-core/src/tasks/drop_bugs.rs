//! `drop-bugs`: removes bugs that will not be verified from a release (spec 01 §5.10).

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

use super::ReleaseContext;
use super::worksheet::Mirror;
use crate::clients::errata::{AdvisoryId, ErrataClient};
use crate::clients::gitlab::GitlabClient;
use crate::clients::jira::{IssueKey, JiraClient};
use crate::config::SlackTeam;
use crate::failures::FailureEntry;
use crate::flow::outcome::{Refusal, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::notify::outbox::{group_mention, person};
use crate::notify::{ApprovalsNeeded, BugsDropped, Message, Person, Reference};
use crate::operators::drop_bugs::{
    Decision, DropBugs as Operator, DropPlan, DropResult, ShipmentTarget, Target,
};
use crate::operators::worksheet::Entry;
use crate::permit::WritePermit;
use crate::statebox::{
    Change, DropIntent, NotificationState, RunOutcome, State, StateError, TaskName, TaskStatus,
};

/// Drops bugs from the release of `services`.
pub struct DropBugs {
    services: ReleaseContext,
    include: BTreeSet<IssueKey>,
}

/// What was dropped and what was kept.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Done {
    /// The bugs that were removed from the release, or that this program's merge request removes.
    pub dropped: BTreeSet<IssueKey>,
    /// Other keys of bugs that were moved.
    pub other_keys: BTreeMap<IssueKey, BTreeSet<IssueKey>>,
    /// Bugs that are critical or have a customer case.
    pub kept_high_severity: Vec<IssueKey>,
    /// Bugs that track a CVE.
    pub kept_cve_trackers: Vec<IssueKey>,
    /// Bugs with a security label.
    pub kept_security_labelled: Vec<IssueKey>,
    /// Bugs that their advisory does not release in its present state.
    pub locked: Vec<LockedBugs>,
    /// Bugs that cannot be read.
    pub unknown: Vec<IssueKey>,
    /// The URL of this program's merge request to the shipment.
    pub merge_request: Option<String>,
    /// What the merge request waits for; `None` when it is merged.
    pub waits_for: Option<String>,
    /// Advisories for which docs approval was requested again.
    pub docs_requested: BTreeSet<AdvisoryId>,
    /// Advisories for which product security approval was requested again.
    pub security_requested: BTreeSet<AdvisoryId>,
    /// What could not be done or read.
    pub failed: Vec<String>,
    /// The same, each with a hint.
    pub failures: Vec<FailureEntry>,
}

/// Bugs that their advisory does not release.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LockedBugs {
    /// The advisory.
    pub advisory: AdvisoryId,
    /// Its state.
    pub state: String,
    /// The bugs.
    pub bugs: Vec<IssueKey>,
}

impl Done {
    fn of(plan: &DropPlan, result: &DropResult) -> Self {
        let keys = |decision: Decision| {
            plan.bugs.iter().filter(|bug| bug.decision == decision).map(|bug| bug.key.clone()).collect()
        };
        let moved = plan.bugs.iter().filter(|bug| !bug.other_keys.is_empty());
        let locked = plan.advisories.iter().filter(|advisory| !advisory.locked.is_empty());
        Self {
            dropped: plan.dropped().union(&plan.gone).cloned().collect(),
            other_keys: moved.map(|bug| (bug.key.clone(), bug.other_keys.clone())).collect(),
            kept_high_severity: keys(Decision::HighSeverity),
            kept_cve_trackers: keys(Decision::CveTracker),
            kept_security_labelled: keys(Decision::SecurityLabelled),
            locked: locked
                .map(|advisory| LockedBugs {
                    advisory: advisory.id,
                    state: advisory.state.as_str().to_owned(),
                    bugs: advisory.locked.clone(),
                })
                .collect(),
            unknown: keys(Decision::Unknown),
            merge_request: result.shipment.as_ref().map(|end| end.merge_request.clone()),
            waits_for: result.shipment.as_ref().and_then(|end| end.waits_for.clone()),
            docs_requested: result.docs.clone(),
            security_requested: result.security.clone(),
            failed: result.failures.texts().into_iter().map(str::to_owned).collect(),
            failures: result.failures.entries(),
        }
    }
}

struct Clients {
    errata: ErrataClient,
    gitlab: Option<GitlabClient>,
    jira: JiraClient,
}

impl DropBugs {
    /// The task; `include` names the bugs of high severity that are dropped too.
    pub fn new(services: ReleaseContext, include: BTreeSet<IssueKey>) -> Self {
        Self { services, include }
    }

    fn operator<'a>(&'a self, clients: &'a Clients) -> Operator<'a> {
        Operator {
            errata: &clients.errata,
            gitlab: clients.gitlab.as_ref(),
            jira: &clients.jira,
            clock: self.services.clients().clock(),
        }
    }

    fn clients(&self) -> Result<Clients, TaskError> {
        let gitlab = self.services.shipment()?.is_some();
        Ok(Clients {
            errata: self.services.clients().errata(),
            gitlab: gitlab.then(|| self.services.clients().gitlab()).transpose()?,
            jira: self.services.clients().jira()?,
        })
    }

    fn target(&self, state: Option<&State>) -> Result<Target, TaskError> {
        let config = self.services.config();
        let advisories = self.services.advisories()?;
        let shipment = match self.services.shipment()? {
            None => None,
            Some(reference) => {
                let document = config.settings().document()?;
                Some(ShipmentTarget {
                    reference,
                    fork: document.shipment_fork()?.to_owned(),
                    project: document.shipment_project()?.map(str::to_owned),
                    bot: document.shipment_bot()?.map(str::to_owned),
                })
            }
        };
        if advisories.is_empty() && shipment.is_none() {
            return Err(Refusal::blocked(format!(
                "the build data of {} names neither advisories nor a shipment yet",
                config.release()
            ))
            .with_hint("Run the command again when ART has added them.")
            .into());
        }
        Ok(Target {
            release: config.release().clone(),
            advisories,
            shipment,
            include: self.include.clone(),
            earlier: earlier(state),
        })
    }
}

/// The intents of the runs since the last one that passed.
fn earlier(state: Option<&State>) -> DropIntent {
    let mut intent = DropIntent::default();
    let Some(view) = state.and_then(|state| state.task(TaskName::DropBugs)) else { return intent };
    for run in view.history.iter().rev() {
        let pending = run.notifications.iter().any(|message| message.state != NotificationState::Sent);
        if run.outcome == Some(RunOutcome::Pass) && !pending {
            break;
        }
        intent.extend(&run.drops);
    }
    intent
}

#[async_trait]
impl Task for DropBugs {
    type Plan = DropPlan;
    type Done = Done;

    fn name(&self) -> TaskName {
        TaskName::DropBugs
    }

    fn command(&self) -> String {
        let include: Vec<String> = self.include.iter().map(|key| format!(" --include {key}")).collect();
        format!("drop-bugs{}", include.concat())
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<DropPlan, TaskError> {
        let target = self.target(state)?;
        let clients = self.clients()?;
        self.operator(&clients).plan(&target).await
    }

    /// Records the run's intent, so that the next run can complete it.
    fn intend(&self, plan: &DropPlan, state: &mut State) -> Result<Change, StateError> {
        Ok(state.intend_to_drop(&plan.intent()))
    }

    async fn apply(
        &self,
        plan: &DropPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        let clients = self.clients()?;
        let result = self.operator(&clients).apply(plan, permit, recorder).await;
        let done = Done::of(plan, &result);
        let mut outcome = TaskOutcome::pass(done).with_failures(&result.failures);
        if let (true, Some(address), Some(what)) =
            (result.failures.is_empty(), &outcome.done.merge_request, &outcome.done.waits_for)
        {
            tracing::info!("merge request {address} waits for {what}; run drop-bugs again when it is merged");
            outcome.status = TaskStatus::InProgress;
        }
        if outcome.is_undecided() {
            // The task's status does not change, nor does its cell.
            return Ok(outcome);
        }
        // Bugs that only a merge request removes are still in the release.
        let dropped: Vec<IssueKey> = if outcome.status == TaskStatus::Pass {
            // The worksheet may have a bug under any of its keys.
            plan.names.union(&plan.gone).cloned().collect()
        } else {
            Vec::new()
        };
        let entry = Entry::status(self.name(), outcome.status).dropped(&dropped);
        Mirror::find(&self.services).await.enter(&entry, permit, recorder).await;
        Ok(outcome)
    }

    async fn notifications(&self, _plan: &DropPlan, outcome: &TaskOutcome<Done>) -> Vec<Message> {
        let config = self.services.config();
        let slack = self.services.slack();
        let mut messages = Vec::new();
        // Bugs that only a merge request removes are still in the release.
        if outcome.status != TaskStatus::Pass {
            return messages;
        }
        let Done { dropped, merge_request, docs_requested, security_requested, .. } = &outcome.done;
        let advisories = |ids: &BTreeSet<AdvisoryId>| -> Vec<Reference> {
            ids.iter().map(|id| Reference::new(id.link(), id.to_string())).collect()
        };
        let (docs_advisories, security_advisories) =
            (advisories(docs_requested), advisories(security_requested));
        if dropped.is_empty() && docs_advisories.is_empty() && security_advisories.is_empty() {
            return messages;
        }
        let docs = match config.doc_approvers() {
            Ok(docs) => group_mention(slack, docs).await,
            Err(error) => {
                tracing::warn!("nobody is notified: {error}");
                return messages;
            }
        };
        match (config.slack_channel(SlackTeam::QeRelease), config.release_leads()) {
            (Ok(channel), Ok(leads)) if !dropped.is_empty() => {
                let leads = group_mention(slack, leads).await;
                let bugs: Vec<Reference> =
                    dropped.iter().map(|key| Reference::new(key.link(), key.as_str())).collect();
                let merge_request = merge_request
                    .as_ref()
                    .map(|address| Reference::new(address.as_str(), "drop-bugs merge request"));
                let message = BugsDropped {
                    release: config.release(),
                    bugs: &bugs,
                    merge_request: merge_request.as_ref(),
                    leads: &leads,
                    docs: &docs,
                };
                messages.push(message.message(channel));
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("the release leads are not notified: {error}");
            }
            _ => {}
        }
        if docs_advisories.is_empty() && security_advisories.is_empty() {
            return messages;
        }
        match (config.slack_channel(SlackTeam::Approver), config.prodsec_approvers()) {
            (Ok(channel), Ok(addresses)) => {
                let mut security = Vec::new();
                for address in addresses {
                    let known = person(slack, address).await;
                    security.push(known.map_or_else(|| Person::named(address), Person::Slack));
                }
                let needed = ApprovalsNeeded {
                    release: config.release(),
                    docs_advisories: &docs_advisories,
                    docs: &docs,
                    security_advisories: &security_advisories,
                    security: &security,
                };
                messages.extend(needed.message(channel));
            }
            (Err(error), _) | (_, Err(error)) => tracing::warn!("the approvers are not notified: {error}"),
        }
        messages
    }
}

//! `drop-bugs`: takes bugs that will not be verified out of a release (spec 01 §5.10).

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::ReleaseContext;
use super::worksheet::mirror;
use crate::clients::errata::{AdvisoryId, ErrataClient};
use crate::clients::gitlab::GitlabClient;
use crate::clients::jira::{IssueKey, JiraClient};
use crate::config::SlackTeam;
use crate::flow::outcome::{Refusal, TaskError, TaskOutcome};
use crate::flow::task::Task;
use crate::notify::outbox::{group_mention, person};
use crate::notify::{ApprovalsNeeded, BugsDropped, Message, Person, Reference};
use crate::operators::drop_bugs::{Decision, DropBugs as Operator, DropPlan, Intent, ShipmentTarget, Target};
use crate::operators::worksheet::Entry;
use crate::permit::WritePermit;
use crate::statebox::{RunOutcome, State, TaskName, TaskStatus};

/// Drops bugs from the release of `services`.
pub struct DropBugs {
    services: ReleaseContext,
    include: BTreeSet<IssueKey>,
    intent: Mutex<Intent>,
}

struct Clients {
    errata: ErrataClient,
    gitlab: Option<GitlabClient>,
    jira: JiraClient,
}

impl DropBugs {
    /// The task; `include` names the bugs of high severity that are dropped too.
    pub fn new(services: ReleaseContext, include: BTreeSet<IssueKey>) -> Self {
        Self { services, include, intent: Mutex::new(Intent::default()) }
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

/// What the runs since the last one that passed meant to do.
fn earlier(state: Option<&State>) -> Intent {
    let mut intent = Intent::default();
    let Some(view) = state.and_then(|state| state.task(TaskName::DropBugs)) else { return intent };
    for run in view.history.iter().rev() {
        let pending =
            run.notifications.iter().any(|message| message.state != crate::statebox::NotificationState::Sent);
        if run.outcome == Some(RunOutcome::Pass) && !pending {
            break;
        }
        if let Some(command) = &run.command {
            intent.add_command(command);
        }
    }
    intent
}

#[async_trait]
impl Task for DropBugs {
    type Plan = DropPlan;

    fn name(&self) -> TaskName {
        TaskName::DropBugs
    }

    /// With what the run means to do, so that the next one can carry it on.
    fn command(&self) -> String {
        let intent = self.intent.lock().unwrap_or_else(PoisonError::into_inner);
        if intent.is_empty() { "drop-bugs".to_owned() } else { format!("drop-bugs: {intent}") }
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<DropPlan, TaskError> {
        let target = self.target(state)?;
        let clients = self.clients()?;
        let operator = Operator {
            errata: &clients.errata,
            gitlab: clients.gitlab.as_ref(),
            jira: &clients.jira,
            clock: self.services.clients().clock(),
        };
        let plan = operator.plan(&target).await?;
        *self.intent.lock().unwrap_or_else(PoisonError::into_inner) = plan.intent();
        Ok(plan)
    }

    async fn apply(&self, plan: &DropPlan, permit: &WritePermit) -> Result<TaskOutcome, TaskError> {
        let clients = self.clients()?;
        let operator = Operator {
            errata: &clients.errata,
            gitlab: clients.gitlab.as_ref(),
            jira: &clients.jira,
            clock: self.services.clients().clock(),
        };
        let result = operator.apply(plan, permit).await;
        let (merge_request, waits_for) = match &result.shipment {
            Some(end) => (Some(end.merge_request.as_str()), end.waits_for.as_deref()),
            None => (None, None),
        };
        let mut dropped = plan.dropped();
        dropped.extend(plan.gone.iter().cloned());
        let keys = |decision: Decision| {
            plan.bugs
                .iter()
                .filter(|bug| bug.decision == decision)
                .map(|bug| bug.key.as_str())
                .collect::<Vec<_>>()
        };
        let mut outcome = TaskOutcome::pass(result.changes.done).with_data(serde_json::json!({
            "dropped": dropped.iter().map(IssueKey::as_str).collect::<Vec<_>>(),
            "other_keys": plan.bugs.iter().filter(|bug| !bug.other_keys.is_empty()).map(|bug| {
                let others: Vec<&str> = bug.other_keys.iter().map(IssueKey::as_str).collect();
                (bug.key.as_str().to_owned(), serde_json::json!(others))
            }).collect::<serde_json::Map<_, _>>(),
            "kept_high_severity": keys(Decision::HighSeverity),
            "kept_cve_trackers": keys(Decision::CveTracker),
            "kept_security_labelled": keys(Decision::SecurityLabelled),
            "locked": plan.advisories.iter().filter(|advisory| !advisory.locked.is_empty()).map(|advisory| {
                let bugs: Vec<&str> = advisory.locked.iter().map(IssueKey::as_str).collect();
                serde_json::json!({
                    "advisory": advisory.id.number(), "state": advisory.state.as_str(), "bugs": bugs,
                })
            }).collect::<Vec<_>>(),
            "unknown": keys(Decision::Unknown),
            "merge_request": merge_request,
            "waits_for": waits_for,
            "docs_requested": result.docs.iter().map(|id| id.number()).collect::<Vec<_>>(),
            "security_requested": result.security.iter().map(|id| id.number()).collect::<Vec<_>>(),
            "failed": result.changes.failures.texts(),
            "failures": result.changes.failures.data(),
        }));
        if !result.changes.failures.is_empty() {
            outcome = outcome.with_failures(&result.changes.failures);
        } else if let (Some(address), Some(what)) = (merge_request, waits_for) {
            tracing::info!("merge request {address} waits for {what}; run drop-bugs again when it is merged");
            outcome.status = TaskStatus::InProgress;
        }
        // What only a merge request proposes has not left the release.
        let dropped: Vec<IssueKey> = if outcome.status == TaskStatus::Pass {
            // The worksheet may have a bug by any of its names.
            plan.names.union(&plan.gone).cloned().collect()
        } else {
            Vec::new()
        };
        let entry = Entry::status(self.name(), outcome.status).dropped(&dropped);
        mirror(&self.services, &entry, &mut outcome, permit).await;
        Ok(outcome)
    }

    async fn notifications(&self, plan: &DropPlan, outcome: &TaskOutcome) -> Vec<Message> {
        let config = self.services.config();
        let slack = self.services.slack();
        let mut messages = Vec::new();
        // What only a merge request proposes has not left the release.
        if outcome.status != TaskStatus::Pass {
            return messages;
        }
        let mut dropped = plan.dropped();
        dropped.extend(plan.gone.iter().cloned());
        let advisories = |name: &str| -> Vec<Reference> {
            let list = outcome.data[name].as_array().into_iter().flatten();
            list.filter_map(serde_json::Value::as_u64)
                .map(AdvisoryId::new)
                .map(|id| Reference::new(id.link(), id.to_string()))
                .collect()
        };
        let (docs_advisories, security_advisories) =
            (advisories("docs_requested"), advisories("security_requested"));
        if dropped.is_empty() && docs_advisories.is_empty() && security_advisories.is_empty() {
            return messages;
        }
        let docs = match config.doc_approvers() {
            Ok(docs) => group_mention(slack, docs).await,
            Err(error) => {
                tracing::warn!("nobody is told: {error}");
                return messages;
            }
        };
        match (config.slack_channel(SlackTeam::QeRelease), config.release_leads()) {
            (Ok(channel), Ok(leads)) if !dropped.is_empty() => {
                let leads = group_mention(slack, leads).await;
                let bugs: Vec<Reference> =
                    dropped.iter().map(|key| Reference::new(key.link(), key.as_str())).collect();
                let merge_request = outcome.data["merge_request"]
                    .as_str()
                    .map(|address| Reference::new(address, "drop-bugs merge request"));
                let message = BugsDropped {
                    release: config.release(),
                    bugs: &bugs,
                    merge_request: merge_request.as_ref(),
                    leads: &leads,
                    docs: &docs,
                };
                messages.push(message.message(channel));
            }
            (Err(error), _) | (_, Err(error)) => tracing::warn!("the release leads are not told: {error}"),
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
            (Err(error), _) | (_, Err(error)) => tracing::warn!("the approvers are not told: {error}"),
        }
        messages
    }
}

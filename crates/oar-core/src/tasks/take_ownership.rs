//! `take-ownership`: makes a person the QE owner of a release (spec 01 §5.2).

use async_trait::async_trait;
use futures::future::join;
use schemars::JsonSchema;
use serde::Serialize;

use super::ReleaseContext;
use crate::clients::errata::{AdvisoryId, ErrataClient};
use crate::clients::gitlab::GitlabClient;
use crate::clients::jira::{IssueKey, JiraClient};
use crate::clients::slack::UserId;
use crate::config::SlackTeam;
use crate::email::EmailAddress;
use crate::error::ErrorClass;
use crate::failures::FailureEntry;
use crate::flow::outcome::{Refusal, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::{Completion, Task};
use crate::notify::outbox::{group_mention, person};
use crate::notify::{AbnormalAdvisories, GroupMention, Message, Owner, OwnershipTaken, Reference};
use crate::operators::ownership::{Ownership, OwnershipPlan, Target};
use crate::permit::WritePermit;
use crate::statebox::{Change, NewIssue, State, StateError, TaskName};

/// Makes `owner` the owner of the release of `services`.
pub struct TakeOwnership {
    services: ReleaseContext,
    owner: EmailAddress,
}

/// The people whom the message about the new owner mentions.
#[derive(Debug, Clone)]
struct MessageRecipients {
    leads: Option<GroupMention>,
    owner: Option<UserId>,
}

/// The result of taking ownership.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Done {
    /// The name of the new owner.
    pub owner: String,
    /// The advisories that QE handles.
    pub advisories: Vec<AdvisoryId>,
    /// The QE subtasks of ART's ticket.
    pub subtasks: Vec<IssueKey>,
    /// The advisories that are still in `NEW_FILES`.
    pub new_files: Vec<AdvisoryId>,
    /// What could not be done or read.
    pub failed: Vec<String>,
    /// The same, each with a hint.
    pub failures: Vec<FailureEntry>,
    /// The recipients of the message, looked up while the changes are made.
    #[serde(skip)]
    recipients: MessageRecipients,
}

impl TakeOwnership {
    /// The task.
    pub fn new(services: ReleaseContext, owner: EmailAddress) -> Self {
        Self { services, owner }
    }

    async fn recipients(&self) -> MessageRecipients {
        let slack = self.services.slack();
        let leads = async {
            match self.services.config().release_leads() {
                Ok(leads) => Some(group_mention(slack, leads).await),
                Err(error) => {
                    tracing::warn!("nobody is notified: {error}");
                    None
                }
            }
        };
        let (leads, owner) = join(leads, person(slack, self.owner.expose())).await;
        MessageRecipients { leads, owner }
    }

    fn clients(&self, target: &Target) -> Result<Clients, TaskError> {
        Ok(Clients {
            errata: self.services.clients().errata(),
            gitlab: target.shipment.is_some().then(|| self.services.clients().gitlab()).transpose()?,
            jira: target.ticket.is_some().then(|| self.services.clients().jira()).transpose()?,
        })
    }

    fn target(&self) -> Result<Target, TaskError> {
        let config = self.services.config();
        let advisories = self.services.advisories()?;
        if advisories.is_empty() {
            return Err(Refusal::new(
                ErrorClass::Blocked,
                format!("the build data of {} names no advisories yet", config.release()),
            )
            .with_hint("Run the command again when ART has added them.")
            .into());
        }
        let ticket = self.services.ticket()?;
        let shipment = self.services.shipment()?;
        Ok(Target { advisories, shipment, ticket, owner: self.owner.clone() })
    }
}

/// The clients that this release needs; credentials of the others are not needed.
struct Clients {
    errata: ErrataClient,
    gitlab: Option<GitlabClient>,
    jira: Option<JiraClient>,
}

impl Clients {
    fn ownership(&self) -> Ownership<'_> {
        Ownership { errata: &self.errata, gitlab: self.gitlab.as_ref(), jira: self.jira.as_ref() }
    }
}

#[async_trait]
impl Task for TakeOwnership {
    type Plan = OwnershipPlan;
    type Done = Done;

    fn name(&self) -> TaskName {
        TaskName::TakeOwnership
    }

    fn command(&self) -> String {
        format!("take-ownership --email {}@…", self.owner.local_part())
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, _state: Option<&State>) -> Result<OwnershipPlan, TaskError> {
        let target = self.target()?;
        let clients = self.clients(&target)?;
        clients.ownership().plan(target).await
    }

    async fn complete(&self, plan: &OwnershipPlan) -> Result<Completion<OwnershipPlan>, TaskError> {
        let subtasks = self.clients(plan.target())?.ownership().read_subtasks(plan).await?;
        Ok(Box::new(|plan| plan.subtasks = subtasks))
    }

    async fn apply(
        &self,
        plan: &OwnershipPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        let clients = self.clients(plan.target())?;
        let ownership = clients.ownership();
        let (failures, recipients) = join(ownership.apply(plan, permit, recorder), self.recipients()).await;
        let done = Done {
            owner: self.owner.local_part().to_owned(),
            advisories: plan.advisories.iter().map(|advisory| advisory.id).collect(),
            subtasks: plan.subtasks.iter().map(|subtask| subtask.key().clone()).collect(),
            new_files: plan.abnormal(),
            failed: failures.texts().into_iter().map(str::to_owned).collect(),
            failures: failures.entries(),
            recipients,
        };
        Ok(TaskOutcome::pass(done).with_failures(&failures))
    }

    fn remember(
        &self,
        plan: &OwnershipPlan,
        _outcome: &TaskOutcome<Done>,
        state: &mut State,
    ) -> Result<Change, StateError> {
        let abnormal = plan.abnormal();
        if abnormal.is_empty() {
            return Ok(Change::Unchanged);
        }
        if let Some(blocker) = state.task_blocker(TaskName::PushToCdnStaging) {
            tracing::info!("push-to-cdn-staging is blocked already: {}", blocker.issue);
            return Ok(Change::Unchanged);
        }
        state.add_issue(&NewIssue {
            text: format!(
                "Advisories in NEW_FILES: {}. ART moves them to QE before they can be pushed to CDN staging.",
                list(&abnormal)
            ),
            blocker: true,
            related_tasks: vec![TaskName::PushToCdnStaging],
            at: self.services.now(),
        })
    }

    async fn notifications(&self, plan: &OwnershipPlan, outcome: &TaskOutcome<Done>) -> Vec<Message> {
        let config = self.services.config();
        let slack = self.services.slack();
        let channel = match config.slack_channel(SlackTeam::QeRelease) {
            Ok(channel) => channel,
            Err(error) => {
                tracing::warn!("nobody is notified: {error}");
                return Vec::new();
            }
        };
        let recipients = &outcome.done.recipients;
        let Some(leads) = &recipients.leads else { return Vec::new() };
        let owner = match (&recipients.owner, plan.gitlab_username()) {
            (Some(user), _) => Owner::Slack(user.clone()),
            (None, Some(username)) => Owner::Gitlab(username.to_owned()),
            (None, None) => Owner::Unnamed,
        };
        let reference = |id: &AdvisoryId| Reference::new(id.link(), id.to_string());
        let advisories: Vec<Reference> =
            plan.advisories.iter().map(|advisory| reference(&advisory.id)).collect();
        let subtasks: Vec<Reference> =
            plan.subtasks.iter().map(|task| Reference::new(task.key().link(), task.key().as_str())).collect();
        let abnormal: Vec<Reference> = plan.abnormal().iter().map(reference).collect();
        let merge_request = config
            .shipment_mr()
            .map(|url| Reference::new(url.as_str(), format!("shipment merge request {}", url.iid())));
        let mut messages = vec![
            OwnershipTaken {
                release: config.release(),
                owner: &owner,
                owner_identity: self.owner.expose(),
                merge_request: merge_request.as_ref(),
                advisories: &advisories,
                subtasks: &subtasks,
                abnormal: &abnormal,
                leads,
            }
            .message(channel),
        ];
        if !abnormal.is_empty() {
            match (config.slack_channel(SlackTeam::Art), config.art_group()) {
                (Ok(channel), Ok(art)) => {
                    let art = group_mention(slack, art).await;
                    messages.push(
                        AbnormalAdvisories { release: config.release(), advisories: &abnormal, art: &art }
                            .message(channel),
                    );
                }
                (Err(error), _) | (_, Err(error)) => tracing::warn!("ART is not notified: {error}"),
            }
        }
        messages
    }
}

fn list(ids: &[AdvisoryId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

//! Ownership of a release: QE owner of its advisories, release lead on the shipment merge request, assignee of the
//! QE subtasks of its ART ticket (spec 01 §5.2, spec 02 §8.1, spec 03 §3.9).

use std::collections::BTreeSet;

use futures::future::{join, join_all};

use crate::clients::errata::{AdvisoryId, AdvisoryState, ErrataClient};
use crate::clients::gitlab::{GitlabClient, MergeRequestRef, MergeRequestState, Note};
use crate::clients::jira::{Account, Issue, IssueKey, JiraClient, JiraError, Subtask, Transition};
use crate::clients::{Attempt, Effect, attempt_again};
use crate::config::Impetus;
use crate::email::EmailAddress;
use crate::error::{ErrorClass, ServiceError, ServiceErrorKind};
use crate::failures::Failures;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, Step, TaskError};
use crate::flow::recorder::Recorder;
use crate::notify::merge_request::{release_lead_in, release_lead_note};
use crate::operators::failures::could_not_look;
use crate::permit::WritePermit;

/// A subtask of the ART ticket that is QE's, by its exact title (`interop-exact`, spec 02 §5.5), and whether taking
/// ownership starts it.
pub(crate) const QE_SUBTASKS: [(&str, bool); 3] = [
    ("[Fri/Mon] QE moves advisories to REL_PREP", false),
    ("[Wed-Fri] QE does release verification", true),
    ("[Mon-Wed] QE notifies ON_QA bugzilla owners and analyze ci failures", true),
];

/// The status in which QE subtasks are worked on.
const IN_PROGRESS: &str = "In Progress";

/// Statuses of a subtask that is finished; taking ownership again does not reopen it.
const FINISHED: [&str; 3] = ["Closed", "Done", "Resolved"];

/// What ownership is taken of.
#[derive(Debug, Clone)]
pub struct Target {
    /// Advisories by kind.
    pub advisories: Vec<(String, AdvisoryId)>,
    /// The shipment merge request of a Konflux release.
    pub shipment: Option<MergeRequestRef>,
    /// ART's ticket of the release.
    pub ticket: Option<IssueKey>,
    /// The new owner.
    pub owner: EmailAddress,
}

/// One advisory and its owner now.
#[derive(Debug, Clone)]
pub struct OwnedAdvisory {
    /// Its kind in the build data.
    pub impetus: String,
    /// Its number.
    pub id: AdvisoryId,
    /// Its state.
    pub state: AdvisoryState,
    owner: OwnerNow,
}

/// Who is the QE owner of an advisory before ownership is taken.
#[derive(Debug, Clone)]
enum OwnerNow {
    /// The new owner already.
    Same,
    /// Nobody.
    Nobody,
    /// Somebody else.
    Other(EmailAddress),
}

impl OwnedAdvisory {
    fn subject(&self) -> String {
        format!("advisory {} ({})", self.id, self.impetus)
    }

    /// The change of owner; `None` when no change is needed.
    fn step(&self, owner: &EmailAddress) -> Option<Step> {
        let now = match &self.owner {
            OwnerNow::Same => return None,
            OwnerNow::Nobody => None,
            OwnerNow::Other(now) => Some(now.local_part()),
        };
        Some(Step::new("set QE owner of", self.subject()).from(now).to(owner.local_part()))
    }
}

/// What is said on the merge request.
#[derive(Debug, Clone)]
pub enum LeadNote {
    /// The release has no merge request.
    NotApplicable,
    /// The newest note already names the owner.
    AlreadyThere {
        /// The owner's name at GitLab.
        username: String,
    },
    /// The note is to be added.
    Add {
        /// The owner's name at GitLab.
        username: String,
    },
    /// The merge request is no longer open, so it gets no note.
    NotOpen {
        /// Its state.
        state: MergeRequestState,
    },
}

/// One QE subtask and what it lacks.
#[derive(Debug, Clone)]
pub struct OwnedSubtask {
    issue: Issue,
    summary: String,
    assign: bool,
    start: bool,
    /// The transitions that it offered when it was read; `None` when they must be read again.
    offered: Option<Vec<Transition>>,
}

impl OwnedSubtask {
    /// Its key.
    pub fn key(&self) -> &IssueKey {
        &self.issue.key
    }
}

/// What taking ownership changes.
#[derive(Debug)]
pub struct OwnershipPlan {
    /// The advisories that QE handles, dropped ones left out.
    pub advisories: Vec<OwnedAdvisory>,
    /// What is said on the merge request.
    pub note: LeadNote,
    /// The QE subtasks as the ticket lists them, and whether taking ownership starts them.
    listed: Vec<(Subtask, bool)>,
    /// The same with what they lack ([`Ownership::read_subtasks`]); none before that was looked at.
    pub subtasks: Vec<OwnedSubtask>,
    account: Option<Account>,
    target: Target,
    notes: Vec<String>,
    /// Advisories that cannot be read.
    unreadable: Vec<TaskError>,
}

impl Plan for OwnershipPlan {
    fn summary(&self) -> PlanSummary {
        let owner = self.target.owner.local_part();
        let mut steps: Vec<Step> =
            self.advisories.iter().filter_map(|advisory| advisory.step(&self.target.owner)).collect();
        if let (LeadNote::Add { username }, Some(shipment)) = (&self.note, &self.target.shipment) {
            steps.push(note_step(shipment, username));
        }
        for subtask in &self.subtasks {
            if subtask.assign {
                steps.push(assign_step(subtask, owner));
            }
            if subtask.start {
                steps.push(start_step(subtask));
            }
        }
        let mut notes = self.notes.clone();
        notes.extend(self.unreadable.iter().map(|error| format!("left out: {}", error.inner())));
        let abnormal = self.abnormal();
        if !abnormal.is_empty() {
            let ids: Vec<String> = abnormal.iter().map(ToString::to_string).collect();
            notes.push(format!(
                "advisories still in NEW_FILES: {} (a blocker of push-to-cdn-staging; ART is notified)",
                ids.join(", ")
            ));
        }
        if !steps.is_empty() {
            notes.push("the release leads are notified in Slack".to_owned());
        }
        PlanSummary::new(steps, notes)
    }

    fn certainly_acts(&self) -> bool {
        matches!(self.note, LeadNote::Add { .. })
            || self.advisories.iter().any(|advisory| advisory.step(&self.target.owner).is_some())
    }
}

fn note_step(shipment: &MergeRequestRef, username: &str) -> Step {
    Step::new("add note to", format!("merge request {shipment}")).to(release_lead_note(username))
}

fn assign_step(subtask: &OwnedSubtask, owner: &str) -> Step {
    let now = subtask.issue.assignee().and_then(|account| account.display_name);
    Step::new("set assignee of", format!("{} {}", subtask.issue.key, subtask.summary)).from(now).to(owner)
}

fn start_step(subtask: &OwnedSubtask) -> Step {
    Step::new("set status of", format!("{} {}", subtask.issue.key, subtask.summary))
        .from(subtask.issue.status().map(str::to_owned))
        .to(IN_PROGRESS)
}

/// Records a change when it was made.
fn recorded(
    recorder: &Recorder,
    step: Step,
    outcome: Result<Effect, TaskError>,
) -> (Step, Result<Effect, TaskError>) {
    if matches!(outcome, Ok(Effect::Changed)) {
        recorder.did(step.clone());
    }
    (step, outcome)
}

/// Whether the newest note about the lead names `username`. Notes come newest first.
fn is_named(notes: &[Note], username: &str) -> bool {
    notes
        .iter()
        .filter(|note| !note.system)
        .find_map(|note| release_lead_in(&note.body))
        .is_some_and(|lead| lead.eq_ignore_ascii_case(username))
}

/// Whether a subtask in `status` is still to be started.
fn can_start(status: Option<&str>) -> bool {
    status.is_none_or(|status| {
        !status.eq_ignore_ascii_case(IN_PROGRESS)
            && !FINISHED.iter().any(|word| word.eq_ignore_ascii_case(status))
    })
}

/// Takes ownership with these clients.
#[derive(Clone, Copy)]
pub struct Ownership<'a> {
    /// Errata Tool.
    pub errata: &'a ErrataClient,
    /// GitLab, for releases with a shipment merge request.
    pub gitlab: Option<&'a GitlabClient>,
    /// Jira, for releases with an ART ticket.
    pub jira: Option<&'a JiraClient>,
}

impl OwnershipPlan {
    /// Advisories still in `NEW_FILES`: they cannot be pushed to staging.
    pub fn abnormal(&self) -> Vec<AdvisoryId> {
        self.advisories
            .iter()
            .filter(|advisory| advisory.state == AdvisoryState::NewFiles)
            .map(|advisory| advisory.id)
            .collect()
    }

    /// The owner's name at GitLab, where it is known.
    pub fn gitlab_username(&self) -> Option<&str> {
        match &self.note {
            LeadNote::AlreadyThere { username } | LeadNote::Add { username } => Some(username),
            LeadNote::NotApplicable | LeadNote::NotOpen { .. } => None,
        }
    }

    /// What ownership is taken of.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

impl Ownership<'_> {
    /// Reads how things stand and says what has to change. An unavailable service or an owner whom a service does
    /// not know ends it before anything was changed; an advisory that cannot be read is noted and left out. What the
    /// subtasks lack is left to [`Ownership::read_subtasks`].
    pub async fn plan(&self, target: Target) -> Result<OwnershipPlan, TaskError> {
        let handled: Vec<&(String, AdvisoryId)> =
            target.advisories.iter().filter(|(impetus, _)| impetus != Impetus::MICROSHIFT).collect();
        let (advisories, (note, jira)) = join(
            join_all(handled.iter().map(|(impetus, id)| self.read_advisory(impetus, *id, &target.owner))),
            join(self.read_note(&target), self.list_subtasks(&target)),
        )
        .await;
        let note = note?;
        let (account, listed) = jira?;
        let mut plan = OwnershipPlan {
            advisories: Vec::new(),
            note,
            listed,
            subtasks: Vec::new(),
            account,
            target: target.clone(),
            notes: Vec::new(),
            unreadable: Vec::new(),
        };
        // When not one advisory can be read, something is wrong that the other services must not be half-changed for.
        let none_readable = advisories.iter().all(Result::is_err);
        for read in advisories {
            match read {
                Ok(advisory) if advisory.state == AdvisoryState::DroppedNoShip => {
                    plan.notes.push(format!("{} is dropped and not changed", advisory.subject()));
                }
                Ok(advisory) => plan.advisories.push(advisory),
                Err(error)
                    if !none_readable
                        && matches!(error.inner().class(), ErrorClass::Failed | ErrorClass::Conflict) =>
                {
                    plan.unreadable.push(could_not_look(error));
                }
                Err(error) => return Err(could_not_look(error)),
            }
        }
        if let LeadNote::NotOpen { state } = &plan.note {
            plan.notes.push(format!("the shipment merge request is {state}, so no note is added to it"));
        }
        match &plan.target.ticket {
            None => {
                plan.notes.push("the build data names no ART ticket, so no subtask is assigned".to_owned());
            }
            Some(ticket) if plan.listed.is_empty() => {
                plan.notes.push(format!(
                    "{ticket} has no subtask of QE, as is usual for Konflux releases: there is none to assign"
                ));
            }
            Some(_) => {}
        }
        Ok(plan)
    }

    async fn read_advisory(
        &self,
        impetus: &str,
        id: AdvisoryId,
        owner: &EmailAddress,
    ) -> Result<OwnedAdvisory, TaskError> {
        let (advisory, people) = join(self.errata.erratum(id), self.errata.people(id)).await;
        let (advisory, people) = (advisory?, people?);
        let owner = match people.qe_owner {
            None => OwnerNow::Nobody,
            Some(now) if now == *owner => OwnerNow::Same,
            Some(now) => OwnerNow::Other(now),
        };
        Ok(OwnedAdvisory { impetus: impetus.to_owned(), id, state: advisory.state, owner })
    }

    async fn read_note(&self, target: &Target) -> Result<LeadNote, TaskError> {
        let (Some(gitlab), Some(shipment)) = (self.gitlab, &target.shipment) else {
            return Ok(LeadNote::NotApplicable);
        };
        let (merge_request, (user, notes)) = join(
            gitlab.merge_request(shipment),
            join(gitlab.user_by_email(target.owner.expose()), gitlab.notes(shipment)),
        )
        .await;
        let state = merge_request.map_err(could_not_look)?.state;
        if state != MergeRequestState::Opened {
            return Ok(LeadNote::NotOpen { state });
        }
        let username = user?.username;
        if is_named(&notes.map_err(could_not_look)?.notes, &username) {
            return Ok(LeadNote::AlreadyThere { username });
        }
        Ok(LeadNote::Add { username })
    }

    async fn list_subtasks(
        &self,
        target: &Target,
    ) -> Result<(Option<Account>, Vec<(Subtask, bool)>), TaskError> {
        let (Some(jira), Some(ticket)) = (self.jira, &target.ticket) else { return Ok((None, Vec::new())) };
        let (account, subtasks) = join(jira.account_by_email(&target.owner), jira.subtasks(ticket)).await;
        let ours: Vec<(Subtask, bool)> = subtasks
            .map_err(could_not_look)?
            .into_iter()
            .filter_map(|subtask| {
                let (_, starts) = QE_SUBTASKS.iter().find(|(summary, _)| *summary == subtask.summary)?;
                Some((subtask, *starts))
            })
            .collect();
        // Tickets of Konflux releases have no subtasks: then no Jira account is needed.
        if ours.is_empty() {
            return Ok((None, Vec::new()));
        }
        let account = account.map_err(|error| match error {
            JiraError::Service(error) => could_not_look(error),
            // An address without an account is a valid answer.
            other => other.into(),
        })?;
        Ok((Some(account), ours))
    }

    /// Reads what the listed subtasks of `plan` lack.
    pub async fn read_subtasks(&self, plan: &OwnershipPlan) -> Result<Vec<OwnedSubtask>, TaskError> {
        let (Some(jira), Some(account)) = (self.jira, &plan.account) else { return Ok(Vec::new()) };
        let keys: BTreeSet<IssueKey> = plan.listed.iter().map(|(subtask, _)| subtask.key.clone()).collect();
        let offers = plan.listed.iter().map(|(subtask, starts)| async move {
            if !starts || !can_start(subtask.status.as_deref()) {
                return None;
            }
            // Transitions that could not be read, or do not start it now, are read again when it is started.
            let offered = jira.transitions(&subtask.key).await.ok();
            offered.filter(|offered| offered.iter().any(|one| one.leads_to(IN_PROGRESS)))
        });
        let (read, offers) =
            join(jira.issues(&keys, &["summary", "status", "assignee"]), join_all(offers)).await;
        let mut read = read.map_err(could_not_look)?;
        let mut owned = Vec::new();
        for ((subtask, starts), offered) in plan.listed.iter().zip(offers) {
            let Some(issue) = read.found.remove(&subtask.key) else {
                let message = format!("Jira lists {} below its ticket and does not show it", subtask.key);
                return Err(Refusal::new(ErrorClass::Configuration, message)
                    .with_hint("Ask for the right to see all subtasks of the ticket.")
                    .into());
            };
            owned.push(OwnedSubtask {
                assign: issue.assignee().is_none_or(|assignee| assignee.id != account.id),
                start: *starts && can_start(issue.status()),
                summary: subtask.summary.clone(),
                issue,
                offered,
            });
        }
        Ok(owned)
    }

    /// Makes the planned changes, all services at once; a failed item does not stop the others. What could not be done
    /// or read.
    pub async fn apply(&self, plan: &OwnershipPlan, permit: &WritePermit, recorder: &Recorder) -> Failures {
        let owner = &plan.target.owner;
        let advisories = join_all(plan.advisories.iter().filter_map(|advisory| {
            let step = advisory.step(owner)?;
            Some(async move {
                let outcome = self.errata.change_qe_owner(advisory.id, owner, permit).await;
                recorded(recorder, step, outcome.map(|()| Effect::Changed).map_err(TaskError::from))
            })
        }));
        let note = async {
            let (step, outcome) = self.apply_note(plan, permit).await?;
            Some(recorded(recorder, step, outcome))
        };
        let subtasks =
            join_all(plan.subtasks.iter().map(|subtask| self.apply_subtask(plan, subtask, permit, recorder)));
        let (advisories, (note, subtasks)) = join(advisories, join(note, subtasks)).await;

        let mut failures = Failures::default();
        for (step, outcome) in advisories.into_iter().chain(note).chain(subtasks.into_iter().flatten()) {
            match outcome {
                Ok(Effect::Changed) => tracing::info!("{step}"),
                Ok(Effect::AlreadySo) => tracing::info!("{step}: already done"),
                Err(error) => failures.add_logged(error.inner()),
            }
        }
        for error in &plan.unreadable {
            failures.add_logged(error.inner());
        }
        failures
    }

    async fn apply_note(
        &self,
        plan: &OwnershipPlan,
        permit: &WritePermit,
    ) -> Option<(Step, Result<Effect, TaskError>)> {
        let (LeadNote::Add { username }, Some(gitlab), Some(shipment)) =
            (&plan.note, self.gitlab, &plan.target.shipment)
        else {
            return None;
        };
        let step = note_step(shipment, username);
        let text = release_lead_note(username);
        let write = || async { gitlab.add_note(shipment, &text, permit).await.map(drop) };
        let look = || async {
            let notes = gitlab.notes(shipment).await?;
            Ok::<_, ServiceError>(is_named(&notes.notes, username).then_some(()))
        };
        let written = match attempt_again(2, write, &[ServiceErrorKind::Unclear], look).await {
            Attempt::Absent(_) => Err(Refusal::new(
                ErrorClass::Unavailable,
                "GitLab did not take the note on the merge request",
            )
            .with_hint("Run the same command again when GitLab answers.")
            .into()),
            tried => tried.settled().map(|written| written.effect()).map_err(TaskError::from),
        };
        Some((step, written))
    }

    async fn apply_subtask(
        &self,
        plan: &OwnershipPlan,
        subtask: &OwnedSubtask,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Vec<(Step, Result<Effect, TaskError>)> {
        let (Some(jira), Some(account)) = (self.jira, &plan.account) else { return Vec::new() };
        let issue = &subtask.issue;
        let assigned = async {
            if !subtask.assign {
                return None;
            }
            let outcome = jira.assign_issue(issue, &account.id, permit).await;
            let step = assign_step(subtask, plan.target.owner.local_part());
            Some(recorded(recorder, step, outcome.map_err(TaskError::from)))
        };
        let started = async {
            if !subtask.start {
                return None;
            }
            let outcome = match subtask.offered.clone() {
                None => jira.transition_issue(issue, IN_PROGRESS, permit).await,
                Some(offered) => {
                    jira.transition_offered(&issue.key, issue.status(), IN_PROGRESS, offered, permit).await
                }
            };
            Some(recorded(recorder, start_step(subtask), outcome.map_err(TaskError::from)))
        };
        let (assigned, started) = join(assigned, started).await;
        assigned.into_iter().chain(started).collect()
    }
}

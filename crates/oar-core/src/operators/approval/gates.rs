//! What must be so before anything is approved. Everything is looked at, and everything that is wrong is said at once.

use std::collections::BTreeSet;
use std::fmt;

use futures::future::{join, join_all};

use super::kernel::{KernelFindings, StopRule};
use super::{
    Approval, ApprovalPlan, MetadataUrl, OpenSubtask, Problem, ShipmentPlan, ShippedAdvisory, Target, work,
};
use crate::clients::errata::{Advisory, AdvisoryId, AdvisoryKind, AdvisoryState};
use crate::clients::gitlab::MergeRequestState;
use crate::clients::jira::{Bug, IssueKey};
use crate::error::{Classified, ErrorClass};
use crate::flow::outcome::Check;
use crate::operators::ownership::QE_SUBTASKS;
use crate::operators::shipment::{Shipment, ShipmentError};

/// What was read in Errata Tool, and of what the advisories hold.
struct ErrataSide {
    read: Vec<(String, Result<Advisory, Problem>)>,
    /// The advisories that are to move.
    moving: Vec<(String, AdvisoryId)>,
    kernels: KernelFindings,
    alerts: Vec<Problem>,
}

impl Approval<'_> {
    /// Looks at everything. Problems stand beside the plan, so that those of others can be said with them; what could
    /// not be read is one of them.
    ///
    /// `rules` says which packages of operating system images must not have which tag, or why nobody knows.
    pub async fn plan(
        &self,
        target: &Target,
        rules: impl Future<Output = Result<Vec<StopRule>, Problem>>,
    ) -> (ApprovalPlan, Vec<Problem>) {
        let mut problems = Vec::new();
        let (mut checks, mut notes) = (Vec::new(), Vec::new());
        // What does not depend on one another is asked for at the same time.
        let (errata, (shipment, (subtasks, url))) = join(
            Box::pin(self.errata_side(target, rules)),
            join(self.shipment(target), join(self.open_subtasks(target), self.own_metadata_url(target))),
        )
        .await;
        let ErrataSide { read, moving, kernels, alerts } = errata;
        let subtasks = subtasks.unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
        let (shipment, shipment_keys) = shipment.unwrap_or_else(|problem| {
            problems.push(problem);
            (ShipmentPlan::None, BTreeSet::new())
        });
        match &shipment {
            ShipmentPlan::Merged => {
                notes.push(
                    "the shipment merge request is merged: there is nothing left to approve".to_owned(),
                );
            }
            ShipmentPlan::Approve(_) => checks.push(Check::ok("the shipment merge request is open")),
            ShipmentPlan::Approved(_) => checks.push(Check::ok("the shipment merge request is approved")),
            ShipmentPlan::None => {}
        }
        let mut keys = shipment_keys;
        let mut advisories = Vec::new();
        // Whether everything was read that names bugs and builds: an `ok` must not stand for what nobody read.
        let mut complete = problems.is_empty();
        for (impetus, advisory) in read {
            let advisory = match advisory {
                Ok(advisory) => advisory,
                Err(problem) => {
                    problems.push(problem);
                    complete = false;
                    continue;
                }
            };
            if advisory.is_dropped() {
                notes.push(format!("advisory {} ({impetus}) is dropped and stays as it is", advisory.id));
                continue;
            }
            keys.extend(advisory.jira_issues.iter().cloned());
            match state_problem(&impetus, &advisory) {
                Some(problem) => problems.push(problem),
                None => checks.push(Check::ok(format!(
                    "advisory {} ({impetus}) is in {}",
                    advisory.id, advisory.state
                ))),
            }
            let (id, kind, state) = (advisory.id, advisory.kind, advisory.state);
            advisories.push(ShippedAdvisory { impetus, id, kind, state });
        }
        if advisories.is_empty() && complete {
            problems.push(
                Problem::blocked(format!("{} has no advisory that ships", target.release))
                    .then("ask ART to add them to the build data"),
            );
        }
        let approves = matches!(shipment, ShipmentPlan::Approve(_));
        let mut metadata = None;
        if !moving.is_empty() || approves {
            let bugs = self.bugs(&keys, &target.accepted).await;
            let url = url.filter(|_| !moving.is_empty());
            checks.extend(kernels.notes.into_iter().map(Check::ok).filter(|_| complete));
            problems.extend(kernels.problems);
            match bugs {
                Ok(note) => checks.extend(complete.then(|| Check::ok(note))),
                Err(found) => problems.extend(found),
            }
            if alerts.is_empty() && complete {
                checks.push(Check::ok("no security alert blocks"));
            }
            problems.extend(alerts);
            match url.transpose() {
                Ok(found) => {
                    let of_release = format!("the payload in the registry is of {}", target.release);
                    checks.extend(found.is_some().then(|| Check::ok(of_release)));
                    metadata = found;
                }
                Err(problem) => problems.push(problem),
            }
        }
        let reference = target.shipment.clone();
        (ApprovalPlan { advisories, shipment, metadata, subtasks, checks, notes, reference }, problems)
    }

    /// The advisories, and what stands against those that are to move: their kernels and security alerts.
    async fn errata_side(
        &self,
        target: &Target,
        rules: impl Future<Output = Result<Vec<StopRule>, Problem>>,
    ) -> ErrataSide {
        let (read, rules) = join(self.advisories(target), rules).await;
        let ours = read.iter().filter_map(|(impetus, read)| Some((impetus, read.as_ref().ok()?)));
        let moves: Vec<(&String, &Advisory)> =
            ours.filter(|(_, advisory)| advisory.state == AdvisoryState::Qe).collect();
        let moving: Vec<(String, AdvisoryId)> =
            moves.iter().map(|(impetus, advisory)| ((*impetus).clone(), advisory.id)).collect();
        let security = moves.iter().filter(|(_, advisory)| advisory.kind == AdvisoryKind::Security);
        let alerts = join_all(security.map(|(_, advisory)| self.known_alerts(advisory.id)));
        let (kernels, alerts) = join(self.kernels(&moving, &rules), alerts).await;
        ErrataSide { moving, kernels, alerts: alerts.into_iter().flatten().collect(), read }
    }

    /// The metadata URL of a Konflux release.
    async fn own_metadata_url(&self, target: &Target) -> Option<Result<MetadataUrl, Problem>> {
        target.shipment.as_ref()?;
        Some(self.metadata_url(&target.release).await)
    }

    async fn advisories(&self, target: &Target) -> Vec<(String, Result<Advisory, Problem>)> {
        let read = join_all(target.advisories.iter().map(|(_, id)| self.errata.erratum(*id))).await;
        let named = target.advisories.iter().zip(read).map(|((impetus, id), advisory)| {
            (impetus.clone(), advisory.map_err(|error| unread(format!("advisory {id} ({impetus})"), &error)))
        });
        named.collect()
    }

    /// The merge request and the issues that it ships, or what is wrong with it.
    async fn shipment(&self, target: &Target) -> Result<(ShipmentPlan, BTreeSet<IssueKey>), Problem> {
        let (Some(gitlab), Some(reference)) = (self.gitlab, &target.shipment) else {
            return Ok((ShipmentPlan::None, BTreeSet::new()));
        };
        let unknown = |error: &ShipmentError| match error.class() {
            ErrorClass::Blocked => Problem::blocked(error.to_string()).then(error.hint().unwrap_or_default()),
            _ => unread("the shipment merge request", error),
        };
        // Independent of one another, so asked for together; whether it is open shows in the first of them.
        let (shipment, (user, approvals)) =
            join(Shipment::load(gitlab, reference), join(gitlab.current_user(), gitlab.approvals(reference)))
                .await;
        let shipment = shipment.map_err(|error| unread("the shipment merge request", &error))?;
        if shipment.state() == MergeRequestState::Merged {
            return Ok((ShipmentPlan::Merged, BTreeSet::new()));
        }
        if let Err(refusal) = shipment.require_ready() {
            let hint = refusal.hint().unwrap_or_default();
            return Err(Problem::blocked(refusal.to_string()).then(hint));
        }
        let keys = shipment.jira_keys().await.map_err(|error| unknown(&error))?;
        // Without a commit there is nothing that could be approved.
        shipment.head().map_err(|error| unknown(&error))?;
        let (user, approvals) = (
            user.map_err(|error| unread("the owner of GITLAB_TOKEN", &error))?,
            approvals.map_err(|error| unread("the approvals of the shipment merge request", &error))?,
        );
        let shipment = Box::new(shipment);
        let approved = approvals.are_by(&user);
        let plan = if approved { ShipmentPlan::Approved(shipment) } else { ShipmentPlan::Approve(shipment) };
        Ok((plan, keys))
    }

    async fn open_subtasks(&self, target: &Target) -> Result<Vec<OpenSubtask>, Problem> {
        let Some(ticket) = &target.ticket else { return Ok(Vec::new()) };
        let subtasks = self.jira.subtasks(ticket).await;
        let subtasks = subtasks.map_err(|error| unread(format!("the subtasks of {ticket}"), &error))?;
        let is_open = |status: &Option<String>| {
            status.as_deref().is_none_or(|status| !status.eq_ignore_ascii_case(work::CLOSED))
        };
        Ok(subtasks
            .into_iter()
            .filter(|subtask| QE_SUBTASKS.iter().any(|(title, _)| *title == subtask.summary))
            .filter(|subtask| is_open(&subtask.status))
            .map(|subtask| OpenSubtask { key: subtask.key, summary: subtask.summary, status: subtask.status })
            .collect())
    }

    /// Alerts as they were last computed. They are computed anew before anything is approved.
    async fn known_alerts(&self, id: AdvisoryId) -> Option<Problem> {
        match self.errata.security_alerts(id).await {
            Ok(alerts) if alerts.blocking => Some(work::blocking_alerts(id, &alerts)),
            Ok(_) => None,
            Err(error) => Some(unread(format!("security alerts of advisory {id}"), &error)),
        }
    }

    /// Every bug must be finished, or somebody must answer for it by name.
    async fn bugs(
        &self,
        keys: &BTreeSet<IssueKey>,
        accepted: &BTreeSet<IssueKey>,
    ) -> Result<String, Vec<Problem>> {
        let set = self.jira.issues(keys, &Bug::FIELDS).await;
        let set = set.map_err(|error| vec![unread("the release's bugs", &error)])?;
        let open: Vec<String> = set
            .distinct()
            .map(Bug::of)
            .filter(|bug| !bug.is_finished() && !accepted.iter().any(|key| bug.goes_by(key)))
            .map(|bug| format!("{} ({})", bug.key, bug.status.as_deref().unwrap_or("no status")))
            .collect();
        let hidden: Vec<String> =
            set.hidden.iter().filter(|key| !accepted.contains(*key)).map(ToString::to_string).collect();
        let mut problems = Vec::new();
        if !open.is_empty() {
            problems.push(Problem::blocked(format!(
                "{} of {} bugs are not Verified, Closed or Release Pending: {}",
                open.len(),
                keys.len(),
                open.join(", ")
            ))
            .then("have them verified, drop them with `drop-bugs`, or answer for each with --accept-bug KEY"));
        }
        if !hidden.is_empty() {
            problems.push(
                Problem::blocked(format!(
                    "{} of {} bugs cannot be seen with this account: {}",
                    hidden.len(),
                    keys.len(),
                    hidden.join(", ")
                ))
                .then("have somebody look who may, and answer for each with --accept-bug KEY"),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let taken: Vec<String> = accepted.intersection(keys).map(ToString::to_string).collect();
        Ok(if taken.is_empty() {
            format!("all {} bugs are finished", keys.len())
        } else {
            format!("{} bugs: all finished but those answered for: {}", keys.len(), taken.join(", "))
        })
    }
}

/// Something that could not be read, with what the user can do about it.
pub(super) fn unread(what: impl fmt::Display, error: &dyn Classified) -> Problem {
    let problem = Problem::unknown(format!("{what}: {error}"), error.class());
    match error.hint() {
        Some(hint) => problem.then(hint),
        None => problem,
    }
}

/// What is wrong with the state of an advisory that ships.
fn state_problem(impetus: &str, advisory: &Advisory) -> Option<Problem> {
    let id = advisory.id;
    match &advisory.state {
        AdvisoryState::Qe
        | AdvisoryState::RelPrep
        | AdvisoryState::PushReady
        | AdvisoryState::InPush
        | AdvisoryState::ShippedLive => None,
        AdvisoryState::NewFiles => Some(
            Problem::blocked(format!("advisory {id} ({impetus}) is in NEW_FILES"))
                .then("ART moves it to QE, then `push-to-cdn-staging` pushes it"),
        ),
        other => Some(
            Problem::blocked(format!("advisory {id} ({impetus}) is in {other}, a state that is not known"))
                .then("look at it in Errata Tool"),
        ),
    }
}

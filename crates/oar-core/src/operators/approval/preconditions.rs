//! The preconditions of the approval. All are checked, and all failures are reported at once.

use std::collections::BTreeSet;
use std::fmt;

use futures::FutureExt as _;
use futures::future::{join, join_all};

use super::kernel::{self, KernelFindings, StopRule};
use super::{
    Approval, ApprovalPlan, OpenSubtask, Payload, PayloadLook, Problem, ShipmentPlan, ShippedAdvisory,
    Target, work,
};
use crate::clients::errata::{Advisory, AdvisoryBuild, AdvisoryId, AdvisoryKind, AdvisoryState};
use crate::clients::gitlab::MergeRequestState;
use crate::clients::jira::{Bug, IssueKey, Subtask};
use crate::error::{Classified, ErrorClass};
use crate::flow::outcome::Check;
use crate::operators::ownership::QE_SUBTASKS;
use crate::operators::shipment::{Shipment, ShipmentError};

/// An advisory of the release, as it was read.
#[derive(Debug, Clone)]
pub(super) struct ReadAdvisory {
    /// Its kind in the build data.
    pub(super) impetus: String,
    /// Its number.
    pub(super) id: AdvisoryId,
    advisory: Result<Advisory, Problem>,
    /// Its builds, when advisories of its kind may carry operating system images.
    pub(super) builds: Option<Result<Vec<AdvisoryBuild>, Problem>>,
}

impl ReadAdvisory {
    /// The advisory, when it was read and is to move.
    fn moving(&self) -> Option<&Advisory> {
        self.advisory.as_ref().ok().filter(|advisory| advisory.state == AdvisoryState::Qe)
    }
}

/// The merge request and the issues that it ships, or what is wrong with it; and the release's bugs.
struct Bugs {
    shipment: Result<(ShipmentPlan, BTreeSet<IssueKey>), Problem>,
    /// What was found out; `None` when there is nothing to approve.
    found: Option<Result<String, Vec<Problem>>>,
}

impl Approval<'_> {
    /// Looks at everything. Problems stand beside the plan, so that those of others can be said with them; what could
    /// not be read is one of them.
    ///
    /// `rules` says which packages of operating system images must not have which tag, or why nobody knows. `payload` is
    /// looked at only in the Konflux flow; its metadata URL is left to the task's `complete`.
    pub async fn plan(
        &self,
        target: &Target,
        rules: impl Future<Output = Result<Vec<StopRule>, Problem>>,
        payload: PayloadLook,
    ) -> (ApprovalPlan, Vec<Problem>) {
        let mut problems = Vec::new();
        let (mut checks, mut notes) = (Vec::new(), Vec::new());
        // Independent data is read at the same time.
        let read = Box::pin(self.advisories(target)).shared();
        let ((read, (kernels, alerts)), (Bugs { shipment, found: bugs }, (subtasks, payload))) = join(
            join(read.clone(), Box::pin(self.builds_and_alerts(read.clone(), rules))),
            join(
                Box::pin(self.shipment_and_bugs(target, read.clone())),
                join(self.open_subtasks(target), own_payload(target, payload)),
            ),
        )
        .await;
        let subtasks = subtasks.unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
        let (shipment, _) = shipment.unwrap_or_else(|problem| {
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
        let mut advisories = Vec::new();
        // Whether everything was read that names bugs and builds: an `ok` must not stand for what nobody read.
        let mut complete = problems.is_empty();
        let is_moving = read.iter().any(|read| read.moving().is_some());
        for ReadAdvisory { impetus, advisory, .. } in read {
            let advisory = match advisory {
                Ok(advisory) => advisory,
                Err(problem) => {
                    problems.push(problem);
                    complete = false;
                    continue;
                }
            };
            if advisory.is_dropped() {
                notes.push(format!("advisory {} ({impetus}) is dropped and not changed", advisory.id));
                continue;
            }
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
        let mut awaited = None;
        if let Some(bugs) = bugs {
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
            match payload.filter(|_| is_moving).transpose() {
                Ok(found) => {
                    let of_release = format!("the payload in the registry is of {}", target.release);
                    checks.extend(found.is_some().then(|| Check::ok(of_release)));
                    awaited = found;
                }
                Err(problem) => problems.push(problem),
            }
        }
        let plan = ApprovalPlan {
            advisories,
            shipment,
            subtasks,
            checks,
            notes,
            reference: target.shipment.clone(),
            payload: awaited,
            metadata: None,
        };
        (plan, problems)
    }

    /// What stands against the advisories that are to move: their kernels and security alerts.
    async fn builds_and_alerts(
        &self,
        read: impl Future<Output = Vec<ReadAdvisory>>,
        rules: impl Future<Output = Result<Vec<StopRule>, Problem>>,
    ) -> (KernelFindings, Vec<Problem>) {
        let (read, rules) = join(read, rules).await;
        let moving: Vec<&ReadAdvisory> = read.iter().filter(|read| read.moving().is_some()).collect();
        let security =
            moving.iter().filter_map(|read| read.moving()).filter(|one| one.kind == AdvisoryKind::Security);
        let alerts = join_all(security.map(|advisory| self.known_alerts(advisory.id)));
        let (kernels, alerts) = join(self.kernels(&moving, &rules), alerts).await;
        (kernels, alerts.into_iter().flatten().collect())
    }

    /// The merge request, and the bugs that it and the advisories ship.
    async fn shipment_and_bugs(
        &self,
        target: &Target,
        read: impl Future<Output = Vec<ReadAdvisory>>,
    ) -> Bugs {
        let (read, shipment) = join(read, self.shipment(target)).await;
        let approves = matches!(&shipment, Ok((ShipmentPlan::Approve(_), _)));
        if !approves && !read.iter().any(|read| read.moving().is_some()) {
            return Bugs { shipment, found: None };
        }
        let mut keys = shipment.as_ref().map(|(_, keys)| keys.clone()).unwrap_or_default();
        let shipped =
            read.iter().filter_map(|read| read.advisory.as_ref().ok()).filter(|one| !one.is_dropped());
        keys.extend(shipped.flat_map(|advisory| advisory.jira_issues.iter().cloned()));
        let found = Some(self.bugs(&keys, &target.accepted).await);
        Bugs { shipment, found }
    }

    async fn advisories(&self, target: &Target) -> Vec<ReadAdvisory> {
        join_all(target.advisories.iter().map(|(impetus, id)| async move {
            let builds = async {
                if !kernel::may_carry_images(impetus) {
                    return None;
                }
                let builds = self.errata.builds(*id).await;
                Some(builds.map_err(|error| unread(format!("the builds of advisory {id}"), &error)))
            };
            let (advisory, builds) = join(self.errata.erratum(*id), builds).await;
            let advisory = advisory.map_err(|error| unread(format!("advisory {id} ({impetus})"), &error));
            ReadAdvisory { impetus: impetus.clone(), id: *id, advisory, builds }
        }))
        .await
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
        // Independent of each other, so read together; the first one shows whether it is open.
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
        let open = subtasks
            .into_iter()
            .filter(|subtask| QE_SUBTASKS.iter().any(|(title, _)| *title == subtask.summary))
            .filter(|subtask| is_open(&subtask.status));
        let read = open.map(|Subtask { key, summary, status }| async move {
            // Transitions that could not be read, or do not close it now, are read again when it is closed.
            let offered = self.jira.transitions(&key).await.ok();
            let offered = offered.filter(|offered| offered.iter().any(|one| one.leads_to(work::CLOSED)));
            OpenSubtask { key, summary, status, offered }
        });
        Ok(join_all(read).await)
    }

    /// Alerts as they were last computed. They are recomputed before anything is approved.
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
            .filter(|bug| !bug.is_finished() && !accepted.iter().any(|key| bug.has_key(key)))
            .map(|bug| format!("{} ({})", bug.key, bug.status.as_deref().unwrap_or("no status")))
            .collect();
        let hidden: Vec<String> =
            set.hidden.iter().filter(|key| !accepted.contains(*key)).map(ToString::to_string).collect();
        let mut problems = Vec::new();
        if !open.is_empty() {
            problems.push(
                Problem::blocked(format!(
                    "{} of {} bugs are not Verified, Closed or Release Pending: {}",
                    open.len(),
                    keys.len(),
                    open.join(", ")
                ))
                .then("have them verified, drop them with `drop-bugs`, or accept each with --accept-bug KEY"),
            );
        }
        if !hidden.is_empty() {
            problems.push(
                Problem::blocked(format!(
                    "{} of {} bugs cannot be seen with this account: {}",
                    hidden.len(),
                    keys.len(),
                    hidden.join(", ")
                ))
                .then("have somebody with access check them, then accept each with --accept-bug KEY"),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let taken: Vec<String> = accepted.intersection(keys).map(ToString::to_string).collect();
        Ok(if taken.is_empty() {
            format!("all {} bugs are finished", keys.len())
        } else {
            format!("{} bugs: all finished but those accepted: {}", keys.len(), taken.join(", "))
        })
    }
}

/// What the payload of a Konflux release says.
async fn own_payload(target: &Target, look: PayloadLook) -> Option<Result<Payload, Problem>> {
    target.shipment.as_ref()?;
    Some(look.await)
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

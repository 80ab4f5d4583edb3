//! What must be so before anything is approved. Everything is looked at, and everything that is wrong is said at once.

use std::collections::BTreeSet;

use futures::future::{join, join_all};

use super::{Approval, ApprovalPlan, OpenSubtask, Problem, ShipmentPlan, ShippedAdvisory, Target, work};
use crate::clients::errata::{Advisory, AdvisoryId, AdvisoryKind, AdvisoryState};
use crate::clients::gitlab::MergeRequestState;
use crate::clients::jira::{Bug, IssueKey};
use crate::error::{Classified as _, ErrorClass};
use crate::flow::outcome::{Check, TaskError};
use crate::operators::ownership::QE_SUBTASKS;
use crate::operators::shipment::Shipment;

impl Approval<'_> {
    /// Looks at everything. Problems stand beside the plan, so that those of others can be said with them; an error
    /// means that not even the plan could be made.
    pub async fn plan(&self, target: &Target) -> Result<(ApprovalPlan, Vec<Problem>), TaskError> {
        let mut problems = Vec::new();
        let (mut checks, mut notes) = (Vec::new(), Vec::new());
        let (read, (shipment, subtasks)) =
            join(self.advisories(target), join(self.shipment(target), self.open_subtasks(target))).await;
        let read = read?;
        let subtasks = subtasks?;
        let (shipment, shipment_keys) = match shipment? {
            Ok(found) => found,
            Err(problem) => {
                problems.push(problem);
                (ShipmentPlan::None, BTreeSet::new())
            }
        };
        match &shipment {
            ShipmentPlan::Merged => {
                notes.push(
                    "the shipment merge request is merged: there is nothing left to approve".to_owned(),
                );
            }
            ShipmentPlan::Approve(_) => checks.push(Check::ok("the shipment merge request is open")),
            ShipmentPlan::Approved => checks.push(Check::ok("the shipment merge request is approved")),
            ShipmentPlan::None => {}
        }
        let mut keys = shipment_keys;
        let mut advisories = Vec::new();
        for (impetus, advisory) in read {
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
        if advisories.is_empty() {
            problems.push(
                Problem::blocked(format!("{} has no advisory that ships", target.release))
                    .then("ask ART to add them to the build data"),
            );
        }
        let moving: Vec<(String, AdvisoryId)> = advisories
            .iter()
            .filter(|advisory| advisory.moves())
            .map(|advisory| (advisory.impetus.clone(), advisory.id))
            .collect();
        let approves = matches!(shipment, ShipmentPlan::Approve(_));
        let mut metadata = None;
        if !moving.is_empty() || approves {
            let security = advisories.iter().filter(|one| one.moves() && one.kind == AdvisoryKind::Security);
            let (kernels, (bugs, (alerts, url))) = join(
                self.kernels(&moving),
                join(
                    self.bugs(&keys, &target.accepted),
                    join(join_all(security.map(|advisory| self.known_alerts(advisory.id))), async {
                        match &target.shipment {
                            Some(_) if !moving.is_empty() => Some(self.metadata_url(&target.release).await),
                            _ => None,
                        }
                    }),
                ),
            )
            .await;
            checks.extend(kernels.notes.into_iter().map(Check::ok));
            problems.extend(kernels.problems);
            match bugs {
                Ok(note) => checks.push(Check::ok(note)),
                Err(found) => problems.extend(found),
            }
            let alerts: Vec<Problem> = alerts.into_iter().flatten().collect();
            if alerts.is_empty() {
                checks.push(Check::ok("no security alert blocks"));
            }
            problems.extend(alerts);
            match url.transpose() {
                Ok(found) => {
                    checks.extend(
                        found.is_some().then(|| {
                            Check::ok(format!("the payload in the registry is of {}", target.release))
                        }),
                    );
                    metadata = found;
                }
                Err(problem) => problems.push(problem),
            }
        }
        let reference = target.shipment.clone();
        Ok((ApprovalPlan { advisories, shipment, metadata, subtasks, checks, notes, reference }, problems))
    }

    async fn advisories(&self, target: &Target) -> Result<Vec<(String, Advisory)>, TaskError> {
        let read = join_all(target.advisories.iter().map(|(_, id)| self.errata.erratum(*id))).await;
        target
            .advisories
            .iter()
            .zip(read)
            .map(|((impetus, _), advisory)| Ok((impetus.clone(), advisory?)))
            .collect()
    }

    /// The merge request and the issues that it ships, or what is wrong with it.
    async fn shipment(
        &self,
        target: &Target,
    ) -> Result<Result<(ShipmentPlan, BTreeSet<IssueKey>), Problem>, TaskError> {
        let (Some(gitlab), Some(reference)) = (self.gitlab, &target.shipment) else {
            return Ok(Ok((ShipmentPlan::None, BTreeSet::new())));
        };
        let shipment = Shipment::load(gitlab, reference).await?;
        if shipment.state() == MergeRequestState::Merged {
            return Ok(Ok((ShipmentPlan::Merged, BTreeSet::new())));
        }
        if let Err(refusal) = shipment.require_open() {
            let hint = refusal.hint().unwrap_or_default();
            return Ok(Err(Problem::blocked(refusal.to_string()).then(hint)));
        }
        let (keys, (user, approvals)) =
            join(shipment.jira_keys(), join(gitlab.current_user(), gitlab.approvals(reference))).await;
        let (keys, user, approvals) = (keys?, user?, approvals?);
        let plan = if approvals.are_by(&user) {
            ShipmentPlan::Approved
        } else {
            // Without a commit there is nothing that could be approved.
            shipment.head()?;
            ShipmentPlan::Approve(Box::new(shipment))
        };
        Ok(Ok((plan, keys)))
    }

    async fn open_subtasks(&self, target: &Target) -> Result<Vec<OpenSubtask>, TaskError> {
        let Some(ticket) = &target.ticket else { return Ok(Vec::new()) };
        let subtasks = self.jira.subtasks(ticket).await?;
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
            Err(error) => {
                Some(Problem::unknown(format!("security alerts of advisory {id}: {error}"), error.class()))
            }
        }
    }

    /// Every bug must be finished, or somebody must answer for it by name.
    async fn bugs(
        &self,
        keys: &BTreeSet<IssueKey>,
        accepted: &BTreeSet<IssueKey>,
    ) -> Result<String, Vec<Problem>> {
        let set =
            self.jira.issues(keys, &Bug::FIELDS).await.map_err(|error| {
                vec![Problem::unknown(format!("the release's bugs: {error}"), error.class())]
            })?;
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
        other => Some(Problem::unknown(
            format!("advisory {id} ({impetus}) is in {other}, a state that is not known"),
            ErrorClass::Blocked,
        )),
    }
}

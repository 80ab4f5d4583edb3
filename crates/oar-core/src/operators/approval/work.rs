//! The changes of an approval, in their order.

use std::collections::BTreeMap;

use futures::future::{join, join_all};

use super::preconditions::unread;
use super::{APPROVED, Approval, ApprovalPlan, Problem, ShipmentPlan, ShippedAdvisory};
use crate::clients::Effect;
use crate::clients::errata::{AdvisoryId, AdvisoryKind, SecurityAlerts};
use crate::clients::gitlab::MergeRequestState;
use crate::error::{Classified, ErrorClass};
use crate::failures::Failures;
use crate::flow::outcome::Step;
use crate::flow::recorder::Recorder;
use crate::operators::shipment::Shipment;
use crate::permit::WritePermit;

/// The status of a subtask that is done.
pub(super) const CLOSED: &str = "Closed";

/// The result of the plan.
#[derive(Debug, Default)]
pub struct ApprovalResult {
    /// What could not be done.
    pub failures: Failures,
    /// Advisories that are where they belong now.
    pub moved: Vec<AdvisoryId>,
    /// Advisories that are not.
    pub not_moved: Vec<AdvisoryId>,
}

/// Records the result of `step`; returns whether its aim is reached.
fn take(failures: &mut Failures, step: &Step, outcome: Result<Effect, impl Classified>) -> bool {
    match outcome {
        Ok(Effect::Changed) => tracing::info!("{step}"),
        Ok(Effect::AlreadySo) => tracing::info!("{step}: already done"),
        Err(error) => {
            failures.add_logged(&error);
            return false;
        }
    }
    true
}

/// Records a change when it was made.
fn recorded<E>(recorder: &Recorder, step: &Step, outcome: Result<Effect, E>) -> Result<Effect, E> {
    if matches!(outcome, Ok(Effect::Changed)) {
        recorder.did(step.clone());
    }
    outcome
}

/// What a blocking alert means.
pub(super) fn blocking_alerts(id: AdvisoryId, alerts: &SecurityAlerts) -> Problem {
    let words =
        if alerts.alerts.is_empty() { String::new() } else { format!(": {}", alerts.alerts.join("; ")) };
    Problem::blocked(format!("advisory {id} has a security alert that blocks{words}"))
        .then("product security has to clear it")
}

impl Approval<'_> {
    /// Makes the planned changes.
    ///
    /// Alerts are recomputed before anything else. A refused approval moves no advisory, and neither does one
    /// that does not stand any more at the commit that was looked at. One advisory that cannot be moved does
    /// not stop the others. What is left when everything is done is [`Approval::close_subtasks`].
    pub async fn apply(
        &self,
        plan: &ApprovalPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> ApprovalResult {
        let mut result = ApprovalResult::default();
        if plan.payload.is_some() && plan.metadata().is_none() {
            result
                .failures
                .add_logged(&Problem::unknown("the metadata URL was not checked", ErrorClass::Unavailable));
            return result;
        }
        self.fresh_alerts(plan, permit, &mut result.failures).await;
        if !result.failures.is_empty() {
            return result;
        }
        let approved_now = self.approve_shipment(plan, permit, recorder, &mut result.failures).await;
        if !result.failures.is_empty() || plan.waits().is_some() {
            return result;
        }
        if plan.advisories.iter().any(ShippedAdvisory::moves)
            && let Err(problem) = self.still_approved(plan, approved_now).await
        {
            result.failures.add_logged(&problem);
            return result;
        }
        let moved = join_all(plan.advisories.iter().filter(|one| one.moves()).map(|advisory| async move {
            let outcome = self.errata.change_state(advisory.id, &APPROVED, permit).await;
            (advisory.id, recorded(recorder, &advisory.step(), outcome))
        }))
        .await;
        let mut moved = moved.into_iter().collect::<BTreeMap<_, _>>();
        for advisory in &plan.advisories {
            let there = moved
                .remove(&advisory.id)
                .is_none_or(|outcome| take(&mut result.failures, &advisory.step(), outcome));
            if there { &mut result.moved } else { &mut result.not_moved }.push(advisory.id);
        }
        result
    }

    /// Closes the subtasks of a plan whose other changes are made (spec 02 §9.1).
    pub async fn close_subtasks(
        &self,
        plan: &ApprovalPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Failures {
        let closed = join_all(plan.subtasks.iter().map(|subtask| async move {
            let outcome = match &subtask.offered {
                Some(offered) => {
                    let status = subtask.status.as_deref();
                    self.jira.transition_offered(&subtask.key, status, CLOSED, offered.clone(), permit).await
                }
                None => self.jira.transition_to(&subtask.key, CLOSED, permit).await,
            };
            let step = subtask.step();
            let outcome = recorded(recorder, &step, outcome);
            (step, outcome)
        }))
        .await;
        let mut failures = Failures::default();
        for (step, outcome) in closed {
            take(&mut failures, &step, outcome);
        }
        failures
    }

    /// Approves the merge request at the commit that was looked at, after the security alerts were
    /// recomputed.
    pub async fn approve(&self, plan: &ApprovalPlan, permit: &WritePermit, recorder: &Recorder) -> Failures {
        let mut failures = Failures::default();
        self.fresh_alerts(plan, permit, &mut failures).await;
        if failures.is_empty() {
            self.approve_shipment(plan, permit, recorder, &mut failures).await;
        }
        failures
    }

    /// Approves the merge request if it is in the plan; returns whether it did so now, at the checked commit.
    async fn approve_shipment(
        &self,
        plan: &ApprovalPlan,
        permit: &WritePermit,
        recorder: &Recorder,
        failures: &mut Failures,
    ) -> bool {
        let (ShipmentPlan::Approve(shipment), Some(step)) = (&plan.shipment, plan.approval_step()) else {
            return false;
        };
        let outcome = recorded(recorder, &step, shipment.approve(permit).await);
        let now = matches!(outcome, Ok(Effect::Changed));
        take(failures, &step, outcome) && now
    }

    /// Whether the merge request still is what the plan was made for: at the same commit, no draft, and approved. ART
    /// commits to it until the release ships, which may take an approval away (spec 05 §8.4).
    ///
    /// GitLab accepts an approval only at the head, so after one that was just given nothing is read again.
    async fn still_approved(&self, plan: &ApprovalPlan, approved_now: bool) -> Result<(), Problem> {
        if approved_now {
            return Ok(());
        }
        let (ShipmentPlan::Approve(seen) | ShipmentPlan::Approved(seen)) = &plan.shipment else {
            return Ok(());
        };
        let Some(gitlab) = self.gitlab else { return Ok(()) };
        let reference = seen.reference();
        let (now, (user, approvals)) =
            join(Shipment::load(gitlab, reference), join(gitlab.current_user(), gitlab.approvals(reference)))
                .await;
        let what = "the shipment merge request could not be read again, so no advisory was moved";
        let (now, user, approvals) = (
            now.map_err(|error| unread(what, &error))?,
            user.map_err(|error| unread(what, &error))?,
            approvals.map_err(|error| unread(what, &error))?,
        );
        let again = "Run the same command again: it reads the merge request again.";
        let moved = |why: &str| {
            let text = format!("the shipment merge request {reference} {why}: no advisory was moved");
            Problem::blocked(text).then(again)
        };
        if now.merge_request().sha != seen.merge_request().sha {
            return Err(moved("got another commit after it was checked"));
        }
        if now.state() == MergeRequestState::Merged {
            return Ok(());
        }
        now.require_ready().map_err(|refusal| {
            Problem::blocked(format!("{refusal}: no advisory was moved"))
                .then(refusal.hint().unwrap_or_else(|| again.to_owned()))
        })?;
        if !approvals.are_by(&user) {
            return Err(moved("does not show our approval any more"));
        }
        Ok(())
    }

    async fn fresh_alerts(&self, plan: &ApprovalPlan, permit: &WritePermit, failures: &mut Failures) {
        let security = plan
            .advisories
            .iter()
            .filter(|advisory| advisory.moves() && advisory.kind == AdvisoryKind::Security)
            .map(|advisory: &ShippedAdvisory| advisory.id);
        let answers = join_all(
            security.map(|id| async move { (id, self.errata.refresh_security_alerts(id, permit).await) }),
        )
        .await;
        for (id, answer) in answers {
            match answer {
                Ok(alerts) if alerts.blocking => failures.add_logged(&blocking_alerts(id, &alerts)),
                Ok(_) => {}
                Err(error) => failures.add_logged(&error),
            }
        }
    }
}

//! The changes of an approval, in their order.

use futures::future::join_all;

use super::{APPROVED, Approval, ApprovalPlan, Problem, ShipmentPlan, ShippedAdvisory};
use crate::clients::Effect;
use crate::clients::errata::{AdvisoryId, AdvisoryKind, SecurityAlerts};
use crate::error::{Classified, ErrorClass};
use crate::flow::outcome::Step;
use crate::flow::permit::WritePermit;

/// The status of a subtask that is done.
pub(super) const CLOSED: &str = "Closed";

/// What became of the plan.
#[derive(Debug, Default)]
pub struct ApprovalResult {
    /// The changes that were made.
    pub done: Vec<Step>,
    /// What could not be done, one line an item.
    pub failed: Vec<String>,
    /// The class of the worst failure.
    pub class: Option<ErrorClass>,
    /// The next step after the first failure.
    pub hint: Option<String>,
    /// Advisories that are where they belong now.
    pub moved: Vec<AdvisoryId>,
    /// Advisories that are not.
    pub not_moved: Vec<AdvisoryId>,
}

impl ApprovalResult {
    fn take<E: Classified>(&mut self, step: Step, outcome: Result<Effect, E>) -> bool {
        match outcome {
            Ok(Effect::Changed) => {
                tracing::info!("{step}");
                self.done.push(step);
                true
            }
            Ok(Effect::AlreadySo) => {
                tracing::info!("{step}: already so");
                true
            }
            Err(error) => {
                self.fail(error.to_string(), error.class(), error.hint());
                false
            }
        }
    }

    fn fail(&mut self, text: String, class: ErrorClass, hint: Option<String>) {
        tracing::error!("{text}");
        self.failed.push(text);
        self.hint = self.hint.take().or(hint);
        // A fact outweighs a passing fault: running again alone will not do then.
        if self.class.is_none() || class != ErrorClass::Unavailable {
            self.class = Some(class);
        }
    }

    fn refuse(&mut self, problem: Problem) {
        self.fail(problem.text, problem.class, problem.next);
    }
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
    /// Alerts are computed anew before anything else. A refused approval moves no advisory. One advisory that cannot
    /// be moved does not stop the others. Subtasks are closed only when everything else is done.
    pub async fn apply(&self, plan: &ApprovalPlan, permit: &WritePermit) -> ApprovalResult {
        let mut result = ApprovalResult::default();
        self.fresh_alerts(plan, permit, &mut result).await;
        if !result.failed.is_empty() {
            return result;
        }
        self.approve_shipment(plan, permit, &mut result).await;
        if !result.failed.is_empty() {
            return result;
        }
        if plan.waits().is_some() {
            return result;
        }
        for advisory in &plan.advisories {
            if !advisory.moves() {
                result.moved.push(advisory.id);
                continue;
            }
            let outcome = self.errata.change_state(advisory.id, &APPROVED, permit).await;
            if result.take(advisory.step(), outcome) {
                result.moved.push(advisory.id);
            } else {
                result.not_moved.push(advisory.id);
            }
        }
        if !result.failed.is_empty() {
            return result;
        }
        let closed = join_all(plan.subtasks.iter().map(|subtask| async move {
            (subtask.step(), self.jira.transition_to(&subtask.key, CLOSED, permit).await)
        }))
        .await;
        for (step, outcome) in closed {
            result.take(step, outcome);
        }
        result
    }

    /// Approves the merge request at the commit that was looked at, after a fresh look at the security alerts.
    pub async fn approve(&self, plan: &ApprovalPlan, permit: &WritePermit) -> ApprovalResult {
        let mut result = ApprovalResult::default();
        self.fresh_alerts(plan, permit, &mut result).await;
        if result.failed.is_empty() {
            self.approve_shipment(plan, permit, &mut result).await;
        }
        result
    }

    async fn approve_shipment(&self, plan: &ApprovalPlan, permit: &WritePermit, result: &mut ApprovalResult) {
        if let (ShipmentPlan::Approve(shipment), Some(step)) = (&plan.shipment, plan.approval_step()) {
            result.take(step, shipment.approve(permit).await);
        }
    }

    async fn fresh_alerts(&self, plan: &ApprovalPlan, permit: &WritePermit, result: &mut ApprovalResult) {
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
                Ok(alerts) if alerts.blocking => result.refuse(blocking_alerts(id, &alerts)),
                Ok(_) => {}
                Err(error) => result.fail(error.to_string(), error.class(), error.hint()),
            }
        }
    }
}

//! `add-qe-approval`: only QE's approval of the shipment merge request (spec 01 §5.13).

use async_trait::async_trait;

use super::ReleaseContext;
use super::change_advisory_status::{ChangeAdvisoryStatus, StatusPlan, TASK};
use crate::flow::outcome::{Plan, PlanSummary, Refusal, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::{Completion, Task};
use crate::permit::WritePermit;
use crate::statebox::{State, TaskName};

/// Approves the shipment merge request of the release of `services`, with the same gates as the whole
/// approval.
pub struct AddQeApproval {
    services: ReleaseContext,
    whole: ChangeAdvisoryStatus,
}

impl AddQeApproval {
    /// The task; `whole` is the task of the whole approval.
    pub fn new(services: ReleaseContext, whole: ChangeAdvisoryStatus) -> Self {
        Self { services, whole }
    }
}

/// The approval of the merge request.
pub struct QeApprovalPlan(StatusPlan);

impl Plan for QeApprovalPlan {
    fn summary(&self) -> PlanSummary {
        self.0.merge_request()
    }
}

#[async_trait]
impl Task for AddQeApproval {
    type Plan = QeApprovalPlan;
    type Done = ();

    fn name(&self) -> TaskName {
        TASK
    }

    fn is_tracked(&self) -> bool {
        false
    }

    fn command_name(&self) -> &'static str {
        "add-qe-approval"
    }

    fn command(&self) -> String {
        "add-qe-approval".to_owned()
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<QeApprovalPlan, TaskError> {
        let release = self.services.config().release();
        if self.services.shipment()?.is_none() {
            return Err(Refusal::blocked(format!(
                "{release} has no shipment merge request: its build data names advisories only"
            ))
            .with_hint(format!("Approve its advisories: oar -r {release} change-advisory-status"))
            .into());
        }
        Ok(QeApprovalPlan(self.whole.plan(state).await?))
    }

    async fn complete(&self, plan: &QeApprovalPlan) -> Result<Completion<QeApprovalPlan>, TaskError> {
        let completion = self.whole.complete(&plan.0).await?;
        Ok(Box::new(|plan| completion(&mut plan.0)))
    }

    async fn apply(
        &self,
        plan: &QeApprovalPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<()>, TaskError> {
        let failures = self.whole.approve_merge_request(&plan.0, permit, recorder).await?;
        Ok(TaskOutcome::pass(()).with_failures(&failures))
    }
}

//! `create-test-report`: gives a release its StateBox file and tells the release leads (spec 01 §5.1).

use async_trait::async_trait;

use super::Services;
use crate::config::SlackTeam;
use crate::flow::outcome::{Plan, PlanSummary, Step, TaskError, TaskOutcome};
use crate::flow::permit::WritePermit;
use crate::flow::task::Task;
use crate::notify::outbox::group_mention;
use crate::notify::{Message, ReportCreated};
use crate::statebox::{State, StateBox, TaskName};

/// Creates the StateBox file of the release of `services`.
pub struct CreateTestReport<'a> {
    services: Services,
    statebox: &'a StateBox,
}

impl<'a> CreateTestReport<'a> {
    /// The task.
    pub fn new(services: Services, statebox: &'a StateBox) -> Self {
        Self { services, statebox }
    }
}

/// Whether there is a file to create, and where.
#[derive(Debug, Clone)]
pub struct ReportPlan {
    location: String,
    exists: bool,
}

impl Plan for ReportPlan {
    fn summary(&self) -> PlanSummary {
        if self.exists {
            return PlanSummary {
                steps: Vec::new(),
                notes: vec![format!("the StateBox file exists: {}", self.location)],
            };
        }
        PlanSummary {
            steps: vec![Step::new("create", self.location.clone())],
            notes: vec!["the release leads are told in Slack".to_owned()],
        }
    }
}

#[async_trait]
impl Task for CreateTestReport<'_> {
    type Plan = ReportPlan;

    fn name(&self) -> TaskName {
        TaskName::CreateTestReport
    }

    fn is_tracked(&self) -> bool {
        false
    }

    fn creates_state(&self) -> bool {
        true
    }

    fn command(&self) -> String {
        "create-test-report".to_owned()
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<ReportPlan, TaskError> {
        Ok(ReportPlan { location: self.statebox.location(), exists: state.is_some() })
    }

    async fn apply(&self, plan: &ReportPlan, _permit: &WritePermit) -> Result<TaskOutcome, TaskError> {
        let mut done = Vec::new();
        if !plan.exists {
            tracing::info!("created {}", plan.location);
            done.push(Step::new("create", plan.location.clone()));
        }
        let created = !done.is_empty();
        Ok(TaskOutcome::pass(done)
            .with_data(serde_json::json!({ "statebox": plan.location, "created": created })))
    }

    async fn notifications(&self, plan: &ReportPlan, outcome: &TaskOutcome) -> Vec<Message> {
        // Whoever created the file tells; a message that an earlier run owes is told as well.
        if outcome.done.is_empty() && !plan.exists {
            return Vec::new();
        }
        let config = self.services.config();
        match (config.slack_channel(SlackTeam::QeRelease), config.release_leads()) {
            (Ok(channel), Ok(leads)) => {
                let leads = group_mention(self.services.slack(), leads).await;
                let location = &plan.location;
                vec![
                    ReportCreated { release: config.release(), state_url: location, leads: &leads }
                        .message(channel),
                ]
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("nobody is told: {error}");
                Vec::new()
            }
        }
    }
}

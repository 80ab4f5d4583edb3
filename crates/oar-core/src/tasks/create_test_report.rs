//! `create-test-report`: creates a release's StateBox file and notifies the release leads (spec 01 §5.1).
//!
//! A release with a worksheet was started with the worksheet, and gets no StateBox file here.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

use super::ReleaseContext;
use super::context::NO_KEY_FILE;
use crate::config::SlackTeam;
use crate::flow::outcome::{Plan, PlanSummary, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::notify::outbox::group_mention;
use crate::notify::{Message, ReportCreated};
use crate::permit::WritePermit;
use crate::statebox::{State, TaskName};

/// Creates the StateBox file of the release of `services`.
pub struct CreateTestReport {
    services: ReleaseContext,
    /// Where the file is, or will be.
    location: String,
    /// Whether the file is created although the release has a worksheet.
    beside_worksheet: bool,
}

impl CreateTestReport {
    /// The task, whose file is at `location`; with `beside_worksheet` a release with a worksheet gets a file
    /// too.
    pub fn new(services: ReleaseContext, location: String, beside_worksheet: bool) -> Self {
        Self { services, location, beside_worksheet }
    }
}

/// Whether a file is to be created, and where.
#[derive(Debug, Clone)]
pub struct ReportPlan {
    location: String,
    exists: bool,
    /// The address of the release's worksheet, looked for when there is no StateBox file.
    worksheet: Option<String>,
    note: Option<&'static str>,
}

/// The result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Done {
    /// Where the StateBox file is; `None` when the release has a worksheet instead.
    pub statebox: Option<String>,
    /// Whether this run created it.
    pub created: bool,
    /// The address of the worksheet.
    pub worksheet: Option<String>,
}

impl ReportPlan {
    fn creates(&self) -> bool {
        !self.exists && self.worksheet.is_none()
    }

    fn step(&self) -> Step {
        Step::new("create", self.location.clone())
    }
}

impl Plan for ReportPlan {
    fn summary(&self) -> PlanSummary {
        if self.exists {
            let note = format!("the StateBox file exists: {}", self.location);
            return PlanSummary::new(Vec::new(), vec![note]);
        }
        if let Some(worksheet) = &self.worksheet {
            let note = format!("the release has a worksheet, and needs no StateBox file: {worksheet}");
            return PlanSummary::new(Vec::new(), vec![note]);
        }
        let mut notes = vec!["the release leads are notified in Slack".to_owned()];
        notes.extend(self.note.map(str::to_owned));
        PlanSummary::new(vec![self.step()], notes)
    }

    fn acts(&self) -> bool {
        self.creates()
    }
}

#[async_trait]
impl Task for CreateTestReport {
    type Plan = ReportPlan;
    type Done = Done;

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
        let beside = if self.beside_worksheet { " --beside-worksheet" } else { "" };
        format!("create-test-report{beside}")
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<ReportPlan, TaskError> {
        let (location, exists) = (self.location.clone(), state.is_some());
        let mut plan = ReportPlan { location, exists, worksheet: None, note: None };
        if exists {
            return Ok(plan);
        }
        // Without all identifiers the file would be incomplete (spec 05 §8.5 A).
        self.services.advisories()?;
        if self.beside_worksheet {
            return Ok(plan);
        }
        match self.services.worksheet()? {
            // A failed look-up is an error: a second report beside an old one would be worse than another
            // run.
            Some(worksheets) => plan.worksheet = worksheets.find().await?.map(|sheet| sheet.url),
            None if self.services.config().report_template()?.is_some() => plan.note = Some(NO_KEY_FILE),
            None => {}
        }
        Ok(plan)
    }

    async fn apply(
        &self,
        plan: &ReportPlan,
        _permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        // The runner created the file, with this run in it.
        if plan.creates() {
            tracing::info!("created {}", plan.location);
            recorder.did(plan.step());
        }
        let mut outcome = TaskOutcome::pass(Done {
            statebox: plan.worksheet.is_none().then(|| plan.location.clone()),
            created: plan.creates(),
            worksheet: plan.worksheet.clone(),
        });
        if let Some(worksheet) = &plan.worksheet {
            let release = self.services.config().release();
            outcome = outcome.found(format!(
                "the release has a worksheet, and gets no StateBox file: {worksheet}\nTo follow it in a StateBox file from \
                 now on: oar -r {release} create-test-report --beside-worksheet"
            ));
        }
        Ok(outcome)
    }

    async fn notifications(&self, plan: &ReportPlan, outcome: &TaskOutcome<Done>) -> Vec<Message> {
        // The run that created the file notifies; an undelivered message of an earlier run is sent as well.
        if plan.worksheet.is_some() || !(outcome.done.created || plan.exists) {
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
                tracing::warn!("nobody is notified: {error}");
                Vec::new()
            }
        }
    }
}

//! `check-greenwave-cvp-tests`: whether the container verification tests of the advisories pass (spec 01
//! §5.5, spec 02 §2.9). Errata flow only.

use async_trait::async_trait;
use futures::future::{join, join_all};
use schemars::JsonSchema;
use serde::Serialize;

use super::ReleaseContext;
use super::worksheet::SheetPlan;
use crate::clients::errata::{Advisory, AdvisoryId, ErrataClient, ExternalTest, TestStatus};
use crate::clients::jira::{IssueKey, NewIssue as NewJiraIssue};
use crate::config::{Flow, Impetus, SlackTeam};
use crate::error::{ErrorClass, ServiceError};
use crate::failures::Failures;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::notify::outbox::group_mention;
use crate::notify::{
    CvpFailure, CvpIssueCreated, Message, Reference, cvp_issue_description, cvp_issue_summary,
};
use crate::operators::failures::could_not_look;
use crate::operators::worksheet::Entry;
use crate::permit::WritePermit;
use crate::statebox::{Change, NewIssue, State, StateError, TaskName, TaskStatus};

/// The kind of external test (`interop-exact`).
const TEST_TYPE: &str = "greenwave_cvp";
/// The Jira project of container verification (`interop-exact`).
const PROJECT: &str = "CVP";
/// Statuses of an issue that no longer tracks failures.
const FINISHED: [&str; 4] = ["Closed", "Done", "Resolved", "Verified"];
/// The beginning of the StateBox issue about the Jira issue.
const NOTE: &str = "Greenwave CVP test failures are followed in";

/// Checks the tests of the release of `services`.
pub struct CheckGreenwaveCvpTests {
    services: ReleaseContext,
}

/// The result of the check.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Done {
    /// Number of tests that passed or failed.
    pub tests: usize,
    /// The failed tests.
    pub failures: Vec<FailedTest>,
    /// Descriptions of tests that have not finished.
    pub running: Vec<String>,
    /// What could not be read.
    pub unknown: Vec<String>,
    /// The Jira issue that tracks the failures.
    pub issue: Option<IssueKey>,
    /// The address of the worksheet, when the release has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worksheet: Option<String>,
}

/// A failed test.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FailedTest {
    /// The advisory's number.
    pub advisory: String,
    /// The test's number.
    pub test: u64,
    /// The build; `None` when the test is about the whole advisory.
    pub build: Option<String>,
    /// The test's status.
    pub status: String,
    /// The test's page.
    pub link: String,
}

impl FailedTest {
    fn of(failure: &CvpFailure) -> Self {
        Self {
            advisory: failure.advisory.name.clone(),
            test: failure.test,
            build: failure.build.clone(),
            status: failure.status.clone(),
            link: failure.link(),
        }
    }
}

/// The results of the tests, and what is done about them.
#[derive(Debug, Clone)]
pub struct CvpPlan {
    tests: usize,
    failures: Vec<CvpFailure>,
    running: Vec<String>,
    unread: Failures,
    summary: String,
    /// The open Jira issue that tracks the failures.
    open: Option<IssueKey>,
    /// Finished issues with the same title.
    finished: Vec<IssueKey>,
    notes: Vec<String>,
    /// Why the last run did not pass, from the StateBox.
    recorded: Option<String>,
    sheet: SheetPlan,
}

impl CvpPlan {
    fn step(&self) -> Option<Step> {
        let missing = !self.failures.is_empty() && self.open.is_none();
        missing.then(|| Step::new("create", format!("issue in {PROJECT}")).to(self.summary.clone()))
    }
}

impl Plan for CvpPlan {
    fn summary(&self) -> PlanSummary {
        let mut notes = self.notes.clone();
        notes.extend(self.failures.iter().map(|failure| {
            let build = failure.build.as_deref().unwrap_or("the whole advisory");
            format!("advisory {}: {build} is {} ({})", failure.advisory.name, failure.status, failure.link())
        }));
        notes.extend(self.running.iter().cloned());
        notes.extend(self.unread.texts().iter().map(|words| format!("unknown: {words}")));
        if let Some(open) = &self.open {
            notes.push(format!("{open} follows the failures already"));
        }
        notes.extend(self.sheet.notes());
        PlanSummary::new(self.step().into_iter().chain(self.sheet.step()).collect(), notes)
    }

    fn acts(&self) -> bool {
        self.step().is_some() || self.sheet.step().is_some()
    }
}

impl CheckGreenwaveCvpTests {
    /// The task.
    pub fn new(services: ReleaseContext) -> Self {
        Self { services }
    }

    fn new_issue(&self, plan: &CvpPlan) -> NewJiraIssue {
        NewJiraIssue {
            project: PROJECT.to_owned(),
            issue_type: "Bug".to_owned(),
            summary: plan.summary.clone(),
            description: cvp_issue_description(self.services.config().release(), &plan.failures),
            priority: "Blocker".to_owned(),
        }
    }

    /// The issues about this release's tests: the open one, and the finished ones.
    async fn look_up(&self, summary: &str) -> Result<(Option<IssueKey>, Vec<IssueKey>), TaskError> {
        let found = self.services.clients().jira()?.issues_titled(PROJECT, summary, &["status"]).await?;
        let (finished, open): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|issue| issue.status().is_some_and(|status| FINISHED.contains(&status)));
        let open = open.into_iter().next().map(|issue| issue.key);
        Ok((open, finished.into_iter().map(|issue| issue.key).collect()))
    }

    async fn create(&self, plan: &CvpPlan, permit: &WritePermit) -> Result<(IssueKey, bool), TaskError> {
        // Another run may have created it since the plan was made.
        if let (Some(open), _) = self.look_up(&plan.summary).await? {
            return Ok((open, false));
        }
        let key = self.services.clients().jira()?.create_issue(&self.new_issue(plan), permit).await?;
        if plan.finished.contains(&key) {
            let message = format!("Jira did not say whether it created the issue `{}`", plan.summary);
            return Err(Refusal::new(ErrorClass::Unavailable, message)
                .with_hint("Run the same command again: it looks for the issue first.")
                .into());
        }
        Ok((key, true))
    }
}

async fn read(
    errata: &ErrataClient,
    id: AdvisoryId,
) -> Result<Option<(Advisory, Vec<ExternalTest>)>, ServiceError> {
    let (advisory, tests) = join(errata.erratum(id), errata.external_tests(id, TEST_TYPE)).await;
    let advisory = advisory?;
    if advisory.is_dropped() { Ok(None) } else { Ok(Some((advisory, tests?))) }
}

#[async_trait]
impl Task for CheckGreenwaveCvpTests {
    type Plan = CvpPlan;
    type Done = Done;

    fn name(&self) -> TaskName {
        TaskName::CheckGreenwaveCvpTests
    }

    fn command(&self) -> String {
        TaskName::CheckGreenwaveCvpTests.id().to_owned()
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<CvpPlan, TaskError> {
        let config = self.services.config();
        let release = config.release();
        if config.flow() == Flow::Konflux {
            return Err(Refusal::blocked(format!(
                "{release} is a Konflux release: its images have no Greenwave CVP tests in Errata Tool"
            ))
            .with_hint(format!(
                "Their health is checked by `oar -r {release} image-consistency-check`; there is nothing to run \
                 here."
            ))
            .into());
        }
        let advisories: Vec<(String, AdvisoryId)> = self
            .services
            .advisories()?
            .into_iter()
            .filter(|(impetus, _)| impetus != Impetus::MICROSHIFT)
            .collect();
        if advisories.is_empty() {
            return Err(Refusal::blocked(format!("the build data of {release} names no advisory to check"))
                .with_hint("Run the command again when ART has added them.")
                .into());
        }
        let errata = self.services.clients().errata();
        let answers = join_all(advisories.iter().map(|(_, id)| read(&errata, *id))).await;
        let mut plan = CvpPlan {
            tests: 0,
            failures: Vec::new(),
            running: Vec::new(),
            unread: Failures::default(),
            summary: cvp_issue_summary(release),
            open: None,
            finished: Vec::new(),
            notes: Vec::new(),
            recorded: super::last_reason(state, self.name()),
            sheet: SheetPlan::default(),
        };
        if answers.iter().all(Result::is_err) {
            let first = answers.into_iter().find_map(Result::err);
            return Err(first.map_or_else(|| Refusal::blocked("no advisory was read").into(), could_not_look));
        }
        for ((impetus, id), answer) in advisories.iter().zip(answers) {
            match answer {
                Ok(None) => plan.notes.push(format!("advisory {id} ({impetus}) is dropped and not changed")),
                Ok(Some((_, tests))) => plan.judge(impetus, *id, &tests),
                Err(error) => plan.unread.add_logged(could_not_look(error).inner()),
            }
        }
        if !plan.failures.is_empty() {
            (plan.open, plan.finished) = self.look_up(&plan.summary).await?;
        }
        if !plan.outcome(None).is_undecided() {
            plan.sheet = SheetPlan::of(&self.services, &plan.entry(plan.open.as_ref())).await?;
        }
        Ok(plan)
    }

    fn standing(&self, plan: &CvpPlan) -> Option<TaskOutcome<Done>> {
        let outcome = plan.sheet.tell(plan.outcome(plan.open.as_ref()));
        let reason = outcome.reason.as_ref().map(|reason| &reason.text);
        (!plan.acts() && reason.is_some() && reason == plan.recorded.as_ref()).then_some(outcome)
    }

    async fn apply(
        &self,
        plan: &CvpPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        let mut issue = plan.open.clone();
        if let Some(step) = plan.step() {
            let (key, created) = self.create(plan, permit).await?;
            if created {
                recorder.did(step);
            }
            issue = Some(key);
        }
        let (entry, outcome) = (plan.entry(issue.as_ref()), plan.outcome(issue.as_ref()));
        plan.sheet.enter(&self.services, &entry, outcome, permit, recorder).await
    }

    fn remember(
        &self,
        _plan: &CvpPlan,
        outcome: &TaskOutcome<Done>,
        state: &mut State,
    ) -> Result<Change, StateError> {
        let at = self.services.now();
        let open = state.issues().into_iter().find(|issue| !issue.resolved && issue.issue.starts_with(NOTE));
        match (outcome.status, &outcome.done.issue, open) {
            (TaskStatus::Fail, Some(key), None) => state.add_issue(&NewIssue {
                text: format!("{NOTE} {key}: {}", key.link()),
                // Not a blocker, so that the check can run while the failures are being worked on.
                blocker: false,
                related_tasks: vec![TaskName::CheckGreenwaveCvpTests],
                at,
            }),
            (TaskStatus::Pass, _, Some(open)) => state.resolve_issue(&open.issue, "all tests are good", at),
            _ => Ok(Change::Unchanged),
        }
    }

    fn tells(&self, outcome: &TaskOutcome<Done>) -> bool {
        outcome.status == TaskStatus::Fail
    }

    async fn notifications(&self, _plan: &CvpPlan, outcome: &TaskOutcome<Done>) -> Vec<Message> {
        let Some(key) = &outcome.done.issue else { return Vec::new() };
        let config = self.services.config();
        match (config.slack_channel(SlackTeam::QeRelease), config.release_leads()) {
            (Ok(channel), Ok(leads)) => {
                let leads = group_mention(self.services.slack(), leads).await;
                let issue = Reference::new(key.link(), key.as_str());
                vec![
                    CvpIssueCreated { release: config.release(), issue: &issue, leads: &leads }
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

impl CvpPlan {
    /// The worksheet's entry, when `issue` tracks the failures.
    fn entry<'a>(&self, issue: Option<&'a IssueKey>) -> Entry<'a> {
        let status = self.outcome(issue).status;
        Entry::status(TaskName::CheckGreenwaveCvpTests, status).other(issue)
    }

    fn judge(&mut self, impetus: &str, id: AdvisoryId, tests: &[ExternalTest]) {
        let subject = format!("advisory {id} ({impetus})");
        let information = tests.iter().filter(|test| test.status == TestStatus::Info).count();
        let judged = tests.len() - information;
        self.tests += judged;
        if information > 0 {
            self.notes.push(format!("{subject}: {information} tests are for information and prove nothing"));
        }
        if judged == 0 {
            self.notes.push(format!("{subject} has no Greenwave CVP tests that pass or fail"));
        }
        let running = tests.iter().filter(|test| test.status.is_unfinished()).count();
        if running > 0 {
            self.running.push(format!("{subject}: {running} tests have not finished"));
        }
        let bad = tests.iter().filter(|test| {
            !test.status.is_good() && !test.status.is_unfinished() && test.status != TestStatus::Info
        });
        self.failures.extend(bad.map(|test| CvpFailure {
            advisory: Reference::new(id.link(), id.to_string()),
            test: test.id,
            build: test.nvr.clone(),
            status: test.status.to_string(),
        }));
    }

    fn outcome(&self, issue: Option<&IssueKey>) -> TaskOutcome<Done> {
        let done = Done {
            tests: self.tests,
            failures: self.failures.iter().map(FailedTest::of).collect(),
            running: self.running.clone(),
            unknown: self.unread.texts().into_iter().map(str::to_owned).collect(),
            issue: issue.cloned(),
            worksheet: self.sheet.url(),
        };
        let mut unread: Vec<String> = self.unread.texts().into_iter().map(str::to_owned).collect();
        if let Some(first) = unread.first_mut() {
            *first = format!("not all could be read: {first}");
        }
        if !self.failures.is_empty() {
            let (count, noun) = match self.failures.len() {
                1 => (1, "test is"),
                count => (count, "tests are"),
            };
            let follow = issue.map(|key| format!(", see {} {}", key, key.link())).unwrap_or_default();
            let mut words = vec![format!("{count} Greenwave CVP {noun} not good{follow}")];
            words.extend(unread);
            TaskOutcome::fail(done, ErrorClass::Failed, words)
        } else if let Some(class) = self.unread.class() {
            // The tests that were read passed and the rest is unknown: no verdict.
            let outcome = TaskOutcome::fail(done, class, unread);
            match self.unread.hint() {
                Some(hint) => outcome.with_hint(hint),
                None => outcome,
            }
        } else if self.running.is_empty() {
            TaskOutcome::pass(done).found(match self.tests {
                0 => "no advisory has Greenwave CVP tests that pass or fail".to_owned(),
                1 => "the one Greenwave CVP test is good".to_owned(),
                tests => format!("all {tests} Greenwave CVP tests are good"),
            })
        } else {
            TaskOutcome::in_progress(done, self.running.clone())
        }
    }
}

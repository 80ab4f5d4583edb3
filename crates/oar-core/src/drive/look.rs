//! Looks facts up: those that are asked for, at the same time, with clients and operators that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::case::{Case, KnownIssue};
use super::evaluate::COMMIT;
use super::facts::{
    Alerts, ApprovalGates, ApprovalsView, BuildData, DropsView, Fact, FactKey, Facts, JobView, PayloadView,
    Promotion, Pushes, Seen, ShippedView, StageView, Tests, Unknown,
};
use crate::clients::Clients;
use crate::clients::errata::AdvisoryKind;
use crate::clients::gitlab::MergeRequestState;
use crate::clients::jenkins::BuildResult;
use crate::clients::prow::ProwState;
use crate::config::{ConfigError, Impetus};
use crate::error::{Classified, ErrorClass, ServiceErrorKind};
use crate::flow::consent::StepHash;
use crate::flow::outcome::{Plan as _, Refusal, TaskError, Verdict};
use crate::flow::task::Task as _;
use crate::operators::approval::{PayloadLook, payload_look, payload_of};
use crate::operators::shipment::{Environment, Shipment};
use crate::operators::staging::Staging;
use crate::prow::names::ResultName;
use crate::prow::record::{Job as RecordJob, ResultFile};
use crate::prow::view::BuildView;
use crate::service::Service;
use crate::statebox::{State, TaskName, TaskStatus};
use crate::tasks::change_advisory_status::ChangeAdvisoryStatus;
use crate::tasks::drop_bugs::DropBugs;
use crate::tasks::external_job::{JobPlan, JobStep, describe, describe_all};
use crate::tasks::is_shipped::is_shipped;
use crate::tasks::statebox_files::StateBoxFiles;
use crate::tasks::{ReleaseContext, image_consistency_check, stage_testing};
use crate::version::{Arch, ReleaseVersion};

/// How many facts are looked up at the same time.
const LOOKS: usize = 12;

/// A fact under its key, without its type.
type Put = Box<dyn FnOnce(&mut Facts) + Send>;

/// What one look found, where.
type Looked<T> = Result<(T, String), TaskError>;

/// The issues of the newest releases of each y-stream.
struct IssuesOfAll(Vec<KnownIssue>);

/// Looks facts of one release up.
pub struct Looker<'a> {
    clients: &'a Clients,
    release: &'a ReleaseVersion,
    state: Option<&'a State>,
    /// The release's build data, read once.
    context: OnceCell<Result<ReleaseContext, Opened>>,
    /// The look at the payload, which several facts share.
    payload: OnceLock<PayloadLook>,
    /// The record files that were read.
    read: Mutex<BTreeSet<String>>,
}

/// Why the build data cannot be used.
#[derive(Debug, Clone)]
struct Opened {
    words: String,
    hint: Option<String>,
    class: ErrorClass,
    /// It was read, and does not have the release.
    absent: bool,
}

impl<'a> Looker<'a> {
    /// A looker for `release`, whose StateBox says `state`.
    pub fn new(clients: &'a Clients, release: &'a ReleaseVersion, state: Option<&'a State>) -> Self {
        Self {
            clients,
            release,
            state,
            context: OnceCell::new(),
            payload: OnceLock::new(),
            read: Mutex::default(),
        }
    }

    /// Looks `keys` up, all at the same time. One that cannot be read does not affect the others.
    pub async fn look(&self, keys: BTreeSet<FactKey>, facts: &mut Facts) {
        let looks: Vec<BoxFuture<'_, Put>> = keys.into_iter().map(|key| self.one(key)).collect();
        let found: Vec<Put> = stream::iter(looks).buffered(LOOKS).collect().await;
        for put in found {
            put(facts);
        }
    }

    fn one(&self, key: FactKey) -> BoxFuture<'_, Put> {
        macro_rules! fact {
            ($field:ident, $look:ident) => {
                async move {
                    let fact = self.fact(self.$look().await);
                    let put: Put = Box::new(move |facts: &mut Facts| facts.$field = fact);
                    put
                }
                .boxed()
            };
        }
        match key {
            FactKey::BuildData => fact!(build_data, build_data),
            FactKey::Promotion => fact!(promotion, promotion),
            FactKey::CandidateTests => fact!(candidate_tests, candidate_tests),
            FactKey::Tests => fact!(tests, promoted_tests),
            FactKey::StageRelease => fact!(stage_release, stage_release),
            FactKey::ConsistencyJob => fact!(consistency_job, consistency_job),
            FactKey::StageJob => fact!(stage_job, stage_job),
            FactKey::Pushes => fact!(pushes, pushes),
            FactKey::Drops => fact!(drops, drops),
            FactKey::Alerts => fact!(alerts, alerts),
            FactKey::Payload => fact!(payload, payload),
            FactKey::ApprovalGates => fact!(approval_gates, approval_gates),
            FactKey::Approvals => fact!(approvals, approvals),
            FactKey::Shipped => fact!(shipped, shipped),
        }
    }

    fn now(&self) -> Timestamp {
        self.clients.clock().now()
    }

    fn fact<T>(&self, looked: Looked<T>) -> Fact<T> {
        let at = self.now();
        match looked {
            Ok((value, address)) => Fact::Known(Seen { value, at, address }),
            Err(error) => {
                let error = error.inner();
                let why = self.clients.http().redactor().redact(&error.to_string()).into_owned();
                Fact::Unknown(Unknown { why, hint: error.hint(), class: error.class(), at })
            }
        }
    }

    async fn opened(&self) -> &Result<ReleaseContext, Opened> {
        let open = || async {
            ReleaseContext::open(self.clients.clone(), self.release).await.map_err(|error| Opened {
                words: error.to_string(),
                hint: error.hint(),
                class: error.class(),
                absent: matches!(
                    error,
                    ConfigError::ReleaseNotReady { .. } | ConfigError::BuildDataNotFound { .. }
                ),
            })
        };
        self.context.get_or_init(open).await
    }

    async fn context(&self) -> Result<&ReleaseContext, TaskError> {
        self.opened().await.as_ref().map_err(|error| {
            let refusal = Refusal::new(error.class, error.words.clone());
            match &error.hint {
                Some(hint) => refusal.with_hint(hint.clone()).into(),
                None => refusal.into(),
            }
        })
    }

    async fn build_data(&self) -> Looked<BuildData> {
        let address = self.clients.settings().endpoints().build_data(self.release.y_stream())?.to_string();
        match self.opened().await {
            Err(error) if error.absent => Ok((BuildData::Absent(error.words.clone()), address)),
            _ => {
                let context = self.context().await?;
                let has_owner = context.config().owner().is_ok();
                Ok((BuildData::Present { metadata: Box::new(context.metadata()), has_owner }, address))
            }
        }
    }

    async fn promotion(&self) -> Looked<Promotion> {
        let controller = self.clients.release_controller(Arch::Amd64)?;
        let address = controller.address(self.release).to_string();
        match controller.stable_release(self.release).await {
            Ok(found) => {
                let promotion =
                    Promotion { phase: Some(found.phase), created: found.created, digest: found.digest };
                Ok((promotion, address))
            }
            Err(error) if error.kind == ServiceErrorKind::NotFound => {
                Ok((Promotion { phase: None, created: None, digest: None }, address))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn promoted_tests(&self) -> Looked<Tests> {
        self.tests(&self.release.to_string(), TaskName::AnalyzePromotedBuild).await
    }

    async fn candidate_tests(&self) -> Looked<Tests> {
        let metadata = self.state.map(State::metadata).unwrap_or_default();
        let builds = metadata.candidate_builds;
        let build = builds.get("x86_64").or_else(|| builds.get("amd64"));
        let Some(build) = build else {
            return Err(Refusal::blocked("the StateBox names no candidate build for x86_64").into());
        };
        self.tests(build, TaskName::AnalyzeCandidateBuild).await
    }

    /// Whether somebody has judged the tests already, so that nobody needs their case.
    fn is_judged(&self, task: TaskName) -> bool {
        let view = self.state.and_then(|state| state.task(task));
        view.is_some_and(|view| matches!(view.status, TaskStatus::Pass | TaskStatus::Fail))
    }

    /// The record of the tests of `build`, which `task` judges.
    async fn tests(&self, build: &str, task: TaskName) -> Looked<Tests> {
        let name = format!("ocp-test-result-{build}-amd64.json");
        let name: ResultName = name.parse().map_err(|error| {
            Refusal::new(ErrorClass::Failed, format!("`{}`: {error}", build.escape_debug()))
        })?;
        let records = self.clients.records()?;
        let web = self.clients.settings().endpoints().base(Service::GithubWeb);
        let file = name.to_string();
        let address = records.page(web, &file);
        // Whoever looks again wants to know how it is now.
        let looks_again = !self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(file.clone());
        let found =
            if looks_again { records.read_now(&file).await? } else { self.clients.record(&file).await? };
        let Some(found) = found else { return Ok((Tests::Absent, address)) };
        let record = ResultFile::parse(&name, found.text.as_bytes()).map_err(|problem| {
            Refusal::new(ErrorClass::Unavailable, format!("{file} cannot be read as a record: {problem}"))
        })?;
        let since = if record.is_promoted() && !record.is_aggregated() {
            // Whoever promotes a build by hand takes the mark away, and the aggregator sets it again.
            self.clients.record_changed_at(&found).await.unwrap_or_else(|error| {
                tracing::warn!("when {file} was changed last cannot be determined: {error}");
                None
            })
        } else {
            let starts = record.jobs().flat_map(RecordJob::runs);
            starts.filter_map(|run| run.started()?.parse::<Timestamp>().ok()).max()
        };
        let mut tests = Tests::Record {
            blob: found.sha,
            aggregated: record.is_aggregated(),
            accepted: record.accepted(),
            by_hand: record.is_promoted(),
            since,
            case: None,
        };
        if record.is_aggregated()
            && !tests.are_good()
            && !self.is_judged(task)
            && let Tests::Record { case, .. } = &mut tests
        {
            let mut issues = self.state.map(|state| harmless(state, None)).unwrap_or_default();
            issues.extend(self.issues_of_others().await.iter().cloned());
            *case = Some(Box::new(Case::of(&BuildView::of(&record, None), &issues)));
        }
        Ok((tests, address))
    }

    /// The issues of the newest releases of each y-stream, newer ones first. A StateBox that is damaged has none. A pass over many
    /// releases reads them once.
    async fn issues_of_others(&self) -> Vec<KnownIssue> {
        let all = match self.clients.recent().get_or_read(|| self.now(), || self.issues_of_all()).await {
            Ok(all) => all,
            // Without them less is known, and less is recommended to be accepted.
            Err(error) => {
                tracing::warn!("known issues of other releases cannot be read: {}", error.inner());
                return Vec::new();
            }
        };
        all.0.iter().filter(|issue| issue.release.as_ref() != Some(self.release)).cloned().collect()
    }

    async fn issues_of_all(&self) -> Result<IssuesOfAll, TaskError> {
        let files = StateBoxFiles::new(self.clients.clone()).newest_of_streams().await?;
        let mut known = Vec::new();
        for (release, text) in files.into_iter().rev() {
            let Ok(state) = text.and_then(|text| State::parse(&text).map_err(|_| String::new())) else {
                continue;
            };
            known.extend(harmless(&state, Some(&release)));
        }
        Ok(IssuesOfAll(known))
    }

    async fn shipment(&self) -> Result<Shipment, TaskError> {
        let context = self.context().await?;
        let reference = context
            .shipment()?
            .ok_or_else(|| Refusal::blocked("the build data names no shipment merge request"))?;
        Ok(Shipment::load_whole(&self.clients.gitlab()?, &reference).await?)
    }

    /// The commits of the shipment that the verdicts of tasks are about.
    fn judged_commits(&self) -> BTreeSet<String> {
        let tasks = [TaskName::ImageConsistencyCheck, TaskName::StageTesting].into_iter();
        let passed =
            tasks.filter_map(|task| self.state?.task(task)).filter(|view| view.status == TaskStatus::Pass);
        passed.filter_map(|view| view.judged_now()?.of.get(COMMIT).cloned()).collect()
    }

    async fn stage_release(&self) -> Looked<StageView> {
        let shipment = self.shipment().await?;
        let request = shipment.merge_request();
        let (mut same_images, mut uncompared) = (BTreeSet::new(), BTreeMap::new());
        let judged = if request.sha.is_some() { self.judged_commits() } else { BTreeSet::new() };
        for commit in judged.into_iter().filter(|commit| request.sha.as_ref() != Some(commit)) {
            match shipment.has_images_of(&commit).await {
                Ok(true) => {
                    same_images.insert(commit);
                }
                Ok(false) => {}
                // The rest of the shipment is known.
                Err(error) => {
                    let why = self.clients.http().redactor().redact(&error.to_string()).into_owned();
                    uncompared.insert(commit, why);
                }
            }
        }
        let view = StageView {
            merge_request: shipment.state(),
            draft: request.is_draft(),
            release: shipment.release_state(Environment::Stage).await?,
            sha: request.sha.clone(),
            same_images,
            uncompared,
        };
        Ok((view, request.web_url.clone()))
    }

    async fn approvals(&self) -> Looked<ApprovalsView> {
        let context = self.context().await?;
        let reference = context
            .shipment()?
            .ok_or_else(|| Refusal::blocked("the build data names no shipment merge request"))?;
        let gitlab = self.clients.gitlab()?;
        let shipment = Shipment::load(&gitlab, &reference).await?;
        let approvals = gitlab.approvals(&reference).await?;
        let view = ApprovalsView {
            open: shipment.state() == MergeRequestState::Opened,
            given: approvals.approved_by.len(),
            left: approvals.approvals_left,
        };
        Ok((view, shipment.merge_request().web_url.clone()))
    }

    async fn consistency_job(&self) -> Looked<JobView> {
        let view = self.state.and_then(|state| state.task(TaskName::ImageConsistencyCheck));
        let recorded = view.as_ref().and_then(|view| view.job.as_ref()?.id.clone());
        let id = recorded.or_else(|| view.as_ref().and_then(image_consistency_check::old_job));
        let Some(id) = id else {
            let task =
                image_consistency_check::ImageConsistencyCheck::new(self.context().await?.clone(), None);
            let plan = task.only_following(true).plan(self.state).await?;
            return Ok((unrecorded(&plan)?, "the running jobs of Prow".to_owned()));
        };
        let prow = self.clients.prow();
        let address = prow.link(&id).to_string();
        let view = match prow.job(&id).await? {
            None => JobView::Absent,
            Some(job) => match job.state {
                ProwState::Success => JobView::Succeeded,
                ProwState::Failure => JobView::Failed(job.state.text().to_owned()),
                state if state.is_final() => JobView::Infrastructure(state.text().to_owned()),
                state => JobView::Running(state.text().to_owned()),
            },
        };
        Ok((view, address))
    }

    async fn stage_job(&self) -> Looked<JobView> {
        let context = self.context().await?;
        let path: crate::ids::JobPath = context.config().jobs()?.stage_testing.parse().map_err(|error| {
            Refusal::new(
                ErrorClass::Configuration,
                format!("jobs.stage-testing of the configuration: {error}"),
            )
        })?;
        let view = self.state.and_then(|state| state.task(TaskName::StageTesting));
        let recorded = view.as_ref().and_then(|view| view.job.as_ref()?.id.clone());
        let number =
            recorded.or_else(|| view.as_ref().and_then(|view| stage_testing::old_build(view, &path)));
        let number: Option<u64> = number.and_then(|number| number.parse().ok());
        let Some(number) = number else {
            let task = stage_testing::StageTesting::new(context.clone(), None, false).only_following(true);
            let plan = task.plan(self.state).await?;
            return Ok((unrecorded(plan.job())?, path.to_string()));
        };
        let jenkins = self.clients.jenkins()?;
        let Some(build) = jenkins.build(&path, number).await? else {
            return Ok((JobView::Absent, format!("build {number} of {path}")));
        };
        let view = match build.result {
            _ if build.running => JobView::Running("running".to_owned()),
            None => JobView::Failed("ended with an unknown result".to_owned()),
            Some(BuildResult::Success) => JobView::Succeeded,
            Some(result @ (BuildResult::Aborted | BuildResult::NotBuilt)) => {
                JobView::Infrastructure(result.text().to_owned())
            }
            Some(result) => JobView::Failed(result.text().to_owned()),
        };
        Ok((view, build.url))
    }

    async fn pushes(&self) -> Looked<Pushes> {
        let advisories = self.context().await?.advisories()?;
        let own: Vec<_> =
            advisories.into_iter().filter(|(impetus, _)| impetus != Impetus::MICROSHIFT).collect();
        let address = own.first().map_or_else(String::new, |(_, id)| id.link());
        if own.is_empty() {
            return Err(Refusal::blocked("the build data names no advisory that is pushed to staging").into());
        }
        let errata = self.clients.errata();
        let plan = Staging { errata: &errata }.plan(&own).await?;
        let (task, steps) = (TaskName::PushToCdnStaging, plan.summary().steps);
        let steps = StepHash::each(task.id(), self.release, &steps).unwrap_or_default();
        let consent =
            self.state.and_then(|state| state.consent_to_later(task, task.id(), &steps, self.now()));
        let done = plan.outcome().done;
        let (complete, total, is_consented) = (done.complete, done.total, consent.is_some());
        let mut pushes = Pushes { complete, total, is_consented, ..Pushes::default() };
        for row in done.advisories {
            let words = format!("advisory {}: {}", row.id, row.detail);
            match row.standing {
                "complete" => {}
                "to_push" => pushes.to_push.push(words),
                "running" | "waiting" => pushes.running.push(words),
                "blocked" | "refused" => pushes.refused.push(words),
                "unknown" => pushes.odd.push(words),
                _ => pushes.unread.push(words),
            }
        }
        Ok((pushes, address))
    }

    /// Makes the plan of `drop-bugs`.
    async fn drops(&self) -> Looked<DropsView> {
        let task = DropBugs::new(self.context().await?.clone(), BTreeSet::new());
        let found = |view| Ok((view, "Errata Tool, Jira and GitLab".to_owned()));
        let refused = |error: &TaskError| {
            let why = self.clients.http().redactor().redact(&error.inner().to_string()).into_owned();
            found(DropsView::Refused(why))
        };
        let plan = match task.plan(self.state).await {
            Ok(plan) => plan,
            // What stands in the way stays there until somebody clears it.
            Err(error) if error.inner().class() == ErrorClass::Blocked => return refused(&error),
            Err(error) => return Err(error),
        };
        // The other advisories can be read, so this one is refused.
        if let Some(error) = plan.unreadable.first() {
            let class = error.inner().class();
            if class == ErrorClass::Conflict {
                return Err(Refusal::new(class, error.inner().to_string()).into());
            }
            return refused(error);
        }
        let steps: Vec<String> = plan.summary().steps.iter().map(ToString::to_string).collect();
        found(if steps.is_empty() && plan.shipment.is_some() {
            DropsView::Waits
        } else {
            DropsView::Steps(steps)
        })
    }

    async fn alerts(&self) -> Looked<Alerts> {
        let advisories = self.context().await?.config().advisories();
        let rhcos = advisories.iter().find(|(impetus, _)| impetus.as_str() == "rhcos").map(|(_, id)| *id);
        let Some(id) = rhcos else {
            return Err(Refusal::blocked("the build data names no RHCOS advisory").into());
        };
        let errata = self.clients.errata();
        let (advisory, address) = (errata.erratum(id).await?, id.link());
        if advisory.kind != AdvisoryKind::Security {
            return Ok((Alerts::NotSecurity(format!("advisory {id} is no security advisory")), address));
        }
        let found = errata.security_alerts(id).await?;
        Ok((Alerts::Read { blocking: found.blocking, alerts: found.alerts }, address))
    }

    async fn payload(&self) -> Looked<PayloadView> {
        let address = payload_of(self.release);
        match self.payload_look().await {
            Ok(_) => Ok((PayloadView::Good, address)),
            Err(problem) if problem.class == ErrorClass::Blocked => {
                Ok((PayloadView::Bad(problem.text), address))
            }
            Err(problem) => Err(problem.into()),
        }
    }

    fn payload_look(&self) -> PayloadLook {
        let look = || payload_look(self.clients.registry(), self.release.clone());
        self.payload.get_or_init(look).clone()
    }

    /// Makes the plan of the approval, which refuses where its run would.
    async fn approval_gates(&self) -> Looked<ApprovalGates> {
        let context = self.context().await?;
        let policy = self.clients.settings().wait_policy()?;
        let task =
            ChangeAdvisoryStatus::new(context.clone(), "drive", policy).with_payload(self.payload_look());
        let address = "Errata Tool, Jira and GitLab".to_owned();
        match task.plan(self.state).await {
            Ok(_) => Ok((ApprovalGates::Open, address)),
            Err(error) => match error.refusal() {
                Some(refusal) if refusal.class() == ErrorClass::Blocked => Ok((closed(refusal), address)),
                _ => Err(error),
            },
        }
    }

    async fn shipped(&self) -> Looked<ShippedView> {
        let report = is_shipped(self.context().await?).await?;
        let view = ShippedView { shipped: report.shipped, details: report.details };
        Ok((view, "Errata Tool and GitLab".to_owned()))
    }
}

/// The issues of a release that may explain a failing test. What blocks or blocked a release is no reason to accept a build.
fn harmless(state: &State, release: Option<&ReleaseVersion>) -> Vec<KnownIssue> {
    let issues = state.issues().into_iter().filter(|issue| !issue.blocker);
    issues.map(|issue| KnownIssue { release: release.cloned(), text: issue.issue }).collect()
}

/// What a refusal of the approval says.
fn closed(refusal: &Refusal) -> ApprovalGates {
    let next = refusal.checks().iter().filter_map(|check| check.next.clone()).collect();
    let blocked = refusal.checks().iter().filter(|check| check.verdict == Verdict::Blocked);
    let about = blocked.map(|check| check.next.clone().unwrap_or_else(|| check.text.clone())).collect();
    ApprovalGates::Closed { why: refusal.to_string(), next, about }
}

/// The job that a task without a record would follow.
fn unrecorded(plan: &JobPlan) -> Result<JobView, Refusal> {
    match &plan.step {
        JobStep::Follow { observed } => Ok(JobView::Found(describe(&observed.job))),
        JobStep::Several { jobs } => Ok(JobView::Several(describe_all(jobs))),
        JobStep::Start { .. } | JobStep::Passed => Ok(JobView::Absent),
        JobStep::Unseen { why, .. } => Err(Refusal::new(ErrorClass::Unavailable, why.clone())),
    }
}

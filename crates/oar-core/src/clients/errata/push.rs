//! Pushes to staging (E-8, E-9; spec 02 §2.8).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::Method;
use jiff::Timestamp;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::model::literals;
use super::{AdvisoryId, ErrataClient};
use crate::clients::{attempt_again, empty};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// The staging targets (`interop-exact`, spec 02 §2.8); jobs of all other targets push to customers.
pub const STAGE_TARGETS: [&str; 3] = ["cdn_stage", "cdn_docker_stage", "rhn_stage"];

/// How often a push is requested when no answer arrives and no new job appears.
const PUSH_ATTEMPTS: usize = 2;

literals! {
    /// The status of a push job (`interop-exact`, spec 02 §2.8).
    PushStatus {
        /// Created, not started.
        Ready = "READY",
        /// Queued.
        Queued = "QUEUED",
        /// Running.
        Running = "RUNNING",
        /// Handed to the publishing service.
        WaitingOnPub = "WAITING_ON_PUB",
        /// Pushed; the tasks that follow a push are running.
        PostPushProcessing = "POST_PUSH_PROCESSING",
        /// Done.
        Complete = "COMPLETE",
        /// Failed.
        Failed = "FAILED",
        /// Pushed, but a task that follows the push failed.
        PostPushFailed = "POST_PUSH_FAILED",
    }
}

impl PushStatus {
    /// Whether Errata Tool refuses a second job for the target while this one has this status.
    fn is_active(&self) -> bool {
        matches!(self, Self::Ready | Self::Queued | Self::Running | Self::WaitingOnPub)
    }

    /// Whether the push itself is done. Only an optional task that follows it can end as `POST_PUSH_FAILED`.
    fn is_pushed(&self) -> bool {
        matches!(self, Self::Complete | Self::PostPushFailed)
    }
}

/// One push of an advisory to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushJob {
    /// Its number; newer jobs have greater ones.
    pub id: u64,
    /// Its target, such as `cdn_docker_stage`.
    pub target: String,
    /// Its status.
    pub status: PushStatus,
    /// Whether it has a task of the publishing service. A job without one has pushed nothing.
    pub has_pub_task: bool,
    /// Whether it does not change the channels (option `nochannel`). Such a job never counts as a push.
    pub nochannel: bool,
    /// When it last changed, according to its log.
    pub changed: Option<Timestamp>,
}

impl PushJob {
    fn is_stage(&self) -> bool {
        STAGE_TARGETS.contains(&self.target.as_str())
    }

    /// Whether it has pushed something, at any time.
    fn has_pushed(&self) -> bool {
        self.status.is_pushed() && self.has_pub_task && !self.nochannel
    }
}

/// The status of the push to one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetStatus {
    /// The advisory's present content is on the target.
    Pushed,
    /// Something was pushed, and it is not known whether it is the advisory's present content.
    Unproven,
    /// A push is running.
    Running,
    /// The newest job has a status that this program does not know.
    Unknown,
    /// The newest job failed.
    Failed,
    /// No job has pushed anything.
    Never,
}

/// The status of the push to one target, and the job that determines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPush {
    /// The target.
    pub target: String,
    /// The job.
    pub job: u64,
    /// The job's status.
    pub status: PushStatus,
    /// The status of the push.
    pub standing: TargetStatus,
}

/// The status of one advisory's staging push, by its jobs for the staging targets. Live targets do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagePush {
    jobs: BTreeMap<String, BTreeMap<u64, PushJob>>,
    since: Option<Timestamp>,
    nothing_left: bool,
}

/// The combined status of all staging targets (spec 02 §2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is no job yet, or a target has no job that pushed anything.
    NeverPushed,
    /// At least one target failed.
    Failed,
    /// None failed, and at least one has a status that this program does not know.
    Unknown,
    /// At least one is running.
    Running,
    /// All were pushed, at least one perhaps before the advisory's builds last changed. Only Errata Tool
    /// knows.
    Unproven,
    /// All are pushed.
    Complete,
}

impl StagePush {
    /// The status by `jobs`, in any order. Only pushes at or after `since` count: the time when the advisory
    /// last left `NEW_FILES`, or a later one. Without it no push is proven.
    pub fn of<'a>(jobs: impl IntoIterator<Item = &'a PushJob>, since: Option<Timestamp>) -> Self {
        let mut push = Self { since, ..Self::default() };
        push.update(jobs);
        push
    }

    /// Adds newer jobs, and newer states of known ones.
    pub fn update<'a>(&mut self, jobs: impl IntoIterator<Item = &'a PushJob>) {
        for job in jobs.into_iter().filter(|job| job.is_stage()) {
            self.jobs.entry(job.target.clone()).or_default().insert(job.id, job.clone());
        }
    }

    /// The status of each target.
    pub fn targets(&self) -> impl Iterator<Item = TargetPush> {
        self.jobs.iter().filter_map(|(target, jobs)| {
            let (job, standing) = self.target(jobs)?;
            Some(TargetPush { target: target.clone(), job: job.id, status: job.status.clone(), standing })
        })
    }

    fn target<'a>(&self, jobs: &'a BTreeMap<u64, PushJob>) -> Option<(&'a PushJob, TargetStatus)> {
        use TargetStatus as S;
        let newest_first = || jobs.values().rev();
        let newest = newest_first().next()?;
        let since = |job: &&PushJob| match (job.changed, self.since) {
            (Some(changed), Some(since)) => changed > since,
            _ => false,
        };
        let pushed = newest_first().find(|job| job.has_pushed());
        // As in Errata Tool, any job since then counts, not only the newest (spec 02 §2.8).
        if let Some(proven) = newest_first().filter(|job| job.has_pushed()).find(since) {
            return Some((proven, S::Pushed));
        }
        if let Some(active) = newest_first().find(|job| job.status.is_active()) {
            return Some((active, S::Running));
        }
        if let (Some(pushed), true) = (pushed, self.nothing_left) {
            return Some((pushed, S::Pushed));
        }
        Some(match &newest.status {
            PushStatus::PostPushProcessing => (newest, S::Running),
            PushStatus::Failed => (newest, S::Failed),
            PushStatus::Unknown(_) => (newest, S::Unknown),
            _ => pushed.map_or((newest, S::Never), |pushed| (pushed, S::Unproven)),
        })
    }

    /// The combined status of the targets.
    pub fn verdict(&self) -> Verdict {
        let standings: Vec<TargetStatus> = self.targets().map(|push| push.standing).collect();
        let any = |standing| standings.contains(&standing);
        if standings.is_empty() {
            Verdict::NeverPushed
        } else if any(TargetStatus::Failed) {
            Verdict::Failed
        } else if any(TargetStatus::Unknown) {
            Verdict::Unknown
        } else if any(TargetStatus::Running) {
            Verdict::Running
        } else if any(TargetStatus::Never) {
            Verdict::NeverPushed
        } else if any(TargetStatus::Unproven) {
            Verdict::Unproven
        } else {
            Verdict::Complete
        }
    }

    /// The status after Errata Tool confirmed that nothing is left to push, whatever the jobs' times are.
    #[must_use]
    pub fn fully_pushed(mut self) -> Self {
        self.nothing_left = true;
        self
    }

    fn newest_job(&self) -> u64 {
        self.jobs.values().filter_map(|jobs| jobs.keys().next_back()).copied().max().unwrap_or(0)
    }
}

impl std::fmt::Display for StagePush {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.jobs.is_empty() {
            return formatter.write_str("never pushed");
        }
        for (index, push) in self.targets().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{} {}", push.target, push.status)?;
            match push.standing {
                TargetStatus::Unproven => {
                    formatter.write_str(", perhaps of earlier builds")?;
                }
                TargetStatus::Never => formatter.write_str(", which pushed nothing")?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The result of a push request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The status of the staging push now.
    pub push: StagePush,
    /// The jobs that this request started; empty when Errata Tool found nothing to push.
    pub started: Vec<PushJob>,
}

#[derive(Deserialize)]
struct JobRecord {
    id: u64,
    status: PushStatus,
    target: TargetRecord,
    #[serde(default, deserialize_with = "empty::something")]
    pub_task: bool,
    #[serde(default)]
    options: Value,
    #[serde(default, deserialize_with = "empty::text")]
    log: Option<String>,
}

#[derive(Deserialize)]
struct TargetRecord {
    name: String,
}

/// The option of a job that does not change the channels.
const NOCHANNEL: &str = "nochannel";

/// Whether a job's options have [`NOCHANNEL`]: as a mapping's key with a value that is not empty, or in a
/// list of names.
fn is_nochannel(options: &Value) -> bool {
    match options {
        Value::Object(options) => {
            options.get(NOCHANNEL).is_some_and(|value| empty::flag(value).unwrap_or(true))
        }
        Value::Array(names) => names.iter().any(|name| name.as_str() == Some(NOCHANNEL)),
        _ => false,
    }
}

/// The last time stamp in a job's log, `2026-06-30 10:12:13 +0000` (spec 02 §2.8). No other field has one.
fn last_time(log: &str) -> Option<Timestamp> {
    static TIME: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\b\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2} [+-]\d{4}\b").ok());
    let times = TIME.as_ref()?.find_iter(log);
    times
        .filter_map(|time| Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", time.as_str().replace('T', " ")).ok())
        .max()
}

impl From<JobRecord> for PushJob {
    fn from(record: JobRecord) -> Self {
        Self {
            id: record.id,
            target: record.target.name,
            status: record.status,
            has_pub_task: record.pub_task,
            nochannel: is_nochannel(&record.options),
            changed: record.log.as_deref().and_then(last_time),
        }
    }
}

impl ErrataClient {
    /// All pushes of an advisory, to staging and live (E-8).
    pub async fn push_jobs(&self, id: AdvisoryId) -> Result<Vec<PushJob>, ServiceError> {
        let call = self.call("read push jobs", Method::GET, id, &format!("api/v1/erratum/{id}/push"))?;
        let jobs: Vec<JobRecord> = self.send(call, id).await?.json()?;
        Ok(jobs.into_iter().map(PushJob::from).collect())
    }

    /// Requests a push to every staging target that needs one (E-9). `known` is the status before.
    ///
    /// Errata Tool leaves out targets that are complete since the last respin or running, so a push that
    /// somebody else started in between is not doubled. When it finds nothing to push, the jobs are read
    /// again: they are complete, whatever their times, or somebody else was faster. When no answer arrives,
    /// the jobs are read, and the push is requested again only when none of them is new.
    pub async fn push_stage(
        &self,
        id: AdvisoryId,
        known: &StagePush,
        permit: &WritePermit,
    ) -> Result<Pushed, ServiceError> {
        let path = format!("api/v1/erratum/{id}/push?defaults=stage");
        let call = self.call("push to staging", Method::POST, id, &path)?.permitted(permit);
        let write = || async {
            let jobs: Vec<JobRecord> = self.send(call.clone(), id).await?.json()?;
            let started: Vec<PushJob> = jobs.into_iter().map(PushJob::from).collect();
            let mut push = known.clone();
            push.update(&started);
            if started.is_empty() {
                push.update(&self.push_jobs(id).await?);
                push = push.fully_pushed();
            }
            Ok::<_, ServiceError>(Pushed { push, started })
        };
        // The list of jobs replaces a lost answer.
        let look = || async {
            let jobs = self.push_jobs(id).await?;
            let mut push = known.clone();
            push.update(&jobs);
            let started: Vec<PushJob> =
                jobs.into_iter().filter(|job| job.is_stage() && job.id > known.newest_job()).collect();
            Ok::<_, ServiceError>((!started.is_empty()).then_some(Pushed { push, started }))
        };
        let pushed = attempt_again(PUSH_ATTEMPTS, write, &[ServiceErrorKind::Unclear], look).await;
        Ok(pushed.settled()?.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BEFORE: &str = "2026-06-30T10:00:00Z";
    const SINCE: &str = "2026-06-30T12:00:00Z";
    const AFTER: &str = "2026-06-30T14:00:00Z";

    fn job(id: u64, target: &str, status: &str, changed: Option<&str>) -> PushJob {
        PushJob {
            id,
            target: target.to_owned(),
            status: PushStatus::from(status),
            has_pub_task: true,
            nochannel: false,
            changed: changed.map(|time| time.parse().unwrap()),
        }
    }

    fn push(jobs: &[PushJob]) -> StagePush {
        StagePush::of(jobs, Some(SINCE.parse().unwrap()))
    }

    fn fresh(jobs: &[(u64, &str, &str)]) -> StagePush {
        let jobs: Vec<PushJob> =
            jobs.iter().map(|(id, target, status)| job(*id, target, status, Some(AFTER))).collect();
        push(&jobs)
    }

    #[test]
    fn jobs_count_in_any_order() {
        let push =
            fresh(&[(3, "cdn_stage", "COMPLETE"), (1, "cdn_stage", "FAILED"), (2, "rhn_stage", "READY")]);
        assert_eq!(push.verdict(), Verdict::Running);
        assert_eq!(push.to_string(), "cdn_stage COMPLETE, rhn_stage READY");
    }

    #[test]
    fn a_live_push_says_nothing_about_staging() {
        let live = fresh(&[(9, "cdn", "FAILED"), (8, "cdn_docker", "COMPLETE"), (7, "altsrc", "RUNNING")]);
        assert_eq!(live.verdict(), Verdict::NeverPushed);
        let both = fresh(&[(9, "cdn", "FAILED"), (8, "cdn_stage", "COMPLETE")]);
        assert_eq!(both.verdict(), Verdict::Complete);
    }

    #[test]
    fn the_decision_table() {
        for (statuses, verdict) in [
            (&["COMPLETE", "COMPLETE"][..], Verdict::Complete),
            (&["POST_PUSH_FAILED", "COMPLETE"], Verdict::Complete),
            (&["COMPLETE", "READY"], Verdict::Running),
            (&["QUEUED"], Verdict::Running),
            (&["WAITING_ON_PUB", "RUNNING"], Verdict::Running),
            (&["POST_PUSH_PROCESSING"], Verdict::Running),
            (&["COMPLETE", "FAILED"], Verdict::Failed),
            (&["ON_HOLD", "FAILED"], Verdict::Failed),
            (&["ON_HOLD", "COMPLETE"], Verdict::Unknown),
            (&["ON_HOLD", "RUNNING"], Verdict::Unknown),
            (&[], Verdict::NeverPushed),
        ] {
            let jobs: Vec<(u64, &str, &str)> = statuses
                .iter()
                .zip(STAGE_TARGETS)
                .zip(1..)
                .map(|((status, target), id)| (id, target, *status))
                .collect();
            assert_eq!(fresh(&jobs).verdict(), verdict, "{statuses:?}");
        }
    }

    #[test]
    fn a_push_counts_only_after_the_advisory_left_new_files_and_when_it_pushed() {
        let one = |job: PushJob| push(&[job]);
        let complete = |changed| job(1, "cdn_stage", "COMPLETE", changed);
        assert_eq!(one(complete(Some(AFTER))).verdict(), Verdict::Complete);
        assert_eq!(one(complete(Some(BEFORE))).verdict(), Verdict::Unproven);
        assert_eq!(one(complete(Some(SINCE))).verdict(), Verdict::Unproven, "the same second proves nothing");
        assert_eq!(one(complete(None)).verdict(), Verdict::Unproven);
        assert_eq!(StagePush::of(&[complete(Some(AFTER))], None).verdict(), Verdict::Unproven);
        for job in [
            PushJob { nochannel: true, ..complete(Some(AFTER)) },
            PushJob { has_pub_task: false, ..complete(Some(AFTER)) },
        ] {
            assert_eq!(one(job.clone()).verdict(), Verdict::NeverPushed, "{job:?}");
        }
        let processing = job(1, "cdn_stage", "POST_PUSH_PROCESSING", Some(BEFORE));
        assert_eq!(one(processing).verdict(), Verdict::Running, "never pushed again in that status");
    }

    #[test]
    fn any_push_since_then_counts_and_errata_tool_has_the_last_word() {
        let jobs = [
            job(1, "cdn_stage", "COMPLETE", Some(AFTER)),
            job(2, "cdn_stage", "FAILED", Some("2026-06-30T15:00:00Z")),
        ];
        assert_eq!(push(&jobs).verdict(), Verdict::Complete);
        let old = push(&[job(1, "cdn_stage", "COMPLETE", Some(BEFORE)), job(2, "cdn_stage", "FAILED", None)]);
        assert_eq!(old.verdict(), Verdict::Failed);
        assert_eq!(old.fully_pushed().verdict(), Verdict::Complete);
        let never = push(&[PushJob { nochannel: true, ..job(1, "cdn_stage", "COMPLETE", Some(AFTER)) }]);
        assert_eq!(never.fully_pushed().verdict(), Verdict::NeverPushed);
    }

    #[test]
    fn jobs_are_read_in_every_spelling() {
        let read = |more: Value| -> PushJob {
            let mut record = json!({"id": 4, "status": "COMPLETE", "target": {"name": "cdn_stage"}});
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<JobRecord>(record).unwrap().into()
        };
        let log = "2026-06-30 10:00:00 +0000 Job created\n2026-06-30 16:00:00 +0200 Push done\n";
        let full = read(json!({"pub_task": {"id": 66001}, "options": {"push_files": true}, "log": log}));
        assert_eq!(
            (full.has_pub_task, full.nochannel, full.changed),
            (true, false, Some(AFTER.parse().unwrap()))
        );
        for nothing in [json!({}), json!({"pub_task": null, "options": null, "log": null})] {
            let job = read(nothing);
            assert_eq!((job.has_pub_task, job.nochannel, job.changed), (false, false, None));
        }
        let empty = read(json!({"pub_task": {}, "options": "", "log": ""}));
        assert_eq!((empty.has_pub_task, empty.nochannel, empty.changed), (false, false, None));
        for options in [json!({"nochannel": true}), json!({"nochannel": 1}), json!(["nochannel"])] {
            assert!(read(json!({"options": options.clone()})).nochannel, "{options}");
        }
        assert!(!read(json!({"options": {"nochannel": false}})).nochannel);
    }
}

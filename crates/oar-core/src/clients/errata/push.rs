//! Pushes to staging (E-8, E-9; spec 02 §2.8).

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;

use super::model::literals;
use super::{AdvisoryId, ErrataClient};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::flow::permit::WritePermit;

/// The staging targets (`interop-exact`, spec 02 §2.8); jobs of all other targets push to customers.
pub const STAGE_TARGETS: [&str; 3] = ["cdn_stage", "cdn_docker_stage", "rhn_stage"];

/// How often a push is asked for when the answer stays away and no new job shows up.
const PUSH_ATTEMPTS: u32 = 2;

literals! {
    /// The status of a push job (`interop-exact`, spec 02 §2.8).
    PushStatus {
        /// Made, not started.
        Ready = "READY",
        /// Waits for its turn.
        Queued = "QUEUED",
        /// Runs.
        Running = "RUNNING",
        /// Handed to the publishing service.
        WaitingOnPub = "WAITING_ON_PUB",
        /// Pushed; what follows a push runs.
        PostPushProcessing = "POST_PUSH_PROCESSING",
        /// Done.
        Complete = "COMPLETE",
        /// Failed.
        Failed = "FAILED",
        /// Pushed, but what follows a push failed.
        PostPushFailed = "POST_PUSH_FAILED",
    }
}

impl PushStatus {
    /// Whether the job ended badly: nothing more comes of it.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed | Self::PostPushFailed)
    }
}

/// One push of an advisory to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushJob {
    /// Its number; newer jobs have greater ones.
    pub id: u64,
    /// Its target, such as `cdn_docker_stage`.
    pub target: String,
    /// How far it is.
    pub status: PushStatus,
}

impl PushJob {
    fn is_stage(&self) -> bool {
        STAGE_TARGETS.contains(&self.target.as_str())
    }
}

/// The newest push to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPush {
    /// The job.
    pub job: u64,
    /// How far it is.
    pub status: PushStatus,
}

/// How the staging push of one advisory stands: the newest job of each staging target. Live targets do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagePush {
    /// By target.
    pub targets: BTreeMap<String, TargetPush>,
}

/// What the newest jobs of all staging targets say together (spec 02 §2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is no job yet.
    NeverPushed,
    /// At least one target failed.
    Failed,
    /// None failed, and at least one has a status that this program does not know.
    Unknown,
    /// At least one is under way, the rest is complete.
    Running,
    /// All are complete.
    Complete,
}

impl StagePush {
    /// The newest of `jobs` for each staging target, whatever their order.
    pub fn of<'a>(jobs: impl IntoIterator<Item = &'a PushJob>) -> Self {
        let mut push = Self::default();
        push.learn(jobs);
        push
    }

    /// Takes newer jobs in.
    pub fn learn<'a>(&mut self, jobs: impl IntoIterator<Item = &'a PushJob>) {
        for job in jobs.into_iter().filter(|job| job.is_stage()) {
            let known = self.targets.get(&job.target).map_or(0, |known| known.job);
            if job.id >= known {
                let newest = TargetPush { job: job.id, status: job.status.clone() };
                self.targets.insert(job.target.clone(), newest);
            }
        }
    }

    /// What the targets say together.
    pub fn verdict(&self) -> Verdict {
        let any = |test: &dyn Fn(&PushStatus) -> bool| self.targets.values().any(|push| test(&push.status));
        if self.targets.is_empty() {
            Verdict::NeverPushed
        } else if any(&PushStatus::is_failure) {
            Verdict::Failed
        } else if any(&|status| matches!(status, PushStatus::Unknown(_))) {
            Verdict::Unknown
        } else if any(&|status| *status != PushStatus::Complete) {
            Verdict::Running
        } else {
            Verdict::Complete
        }
    }

    fn newest_job(&self) -> u64 {
        self.targets.values().map(|push| push.job).max().unwrap_or(0)
    }
}

impl std::fmt::Display for StagePush {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.targets.is_empty() {
            return formatter.write_str("never pushed");
        }
        for (index, (target, push)) in self.targets.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{target} {}", push.status)?;
        }
        Ok(())
    }
}

/// What came of asking for a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// How the staging push stands now.
    pub push: StagePush,
    /// The jobs that this request made; none when Errata Tool found nothing to push.
    pub started: Vec<PushJob>,
}

#[derive(Deserialize)]
struct JobRecord {
    id: u64,
    status: PushStatus,
    target: TargetRecord,
}

#[derive(Deserialize)]
struct TargetRecord {
    name: String,
}

impl From<JobRecord> for PushJob {
    fn from(record: JobRecord) -> Self {
        Self { id: record.id, target: record.target.name, status: record.status }
    }
}

impl ErrataClient {
    /// All pushes of an advisory, to staging and live (E-8).
    pub async fn push_jobs(&self, id: AdvisoryId) -> Result<Vec<PushJob>, ServiceError> {
        let call = self.call("read push jobs", Method::GET, id, &format!("api/v1/erratum/{id}/push"))?;
        let jobs: Vec<JobRecord> = self.send(call, id).await?.json()?;
        Ok(jobs.into_iter().map(PushJob::from).collect())
    }

    /// How the staging push of an advisory stands (E-8).
    pub async fn stage_push(&self, id: AdvisoryId) -> Result<StagePush, ServiceError> {
        Ok(StagePush::of(&self.push_jobs(id).await?))
    }

    /// Asks for a push to every staging target that needs one (E-9). `known` is how the push stood.
    ///
    /// Errata Tool leaves out targets that are complete since the last respin or under way, so a push that somebody
    /// else started in between is not doubled. When the answer stays away, the jobs are read: only when none is new
    /// is the push asked for once more.
    pub async fn push_stage(
        &self,
        id: AdvisoryId,
        known: &StagePush,
        _permit: &WritePermit,
    ) -> Result<Pushed, ServiceError> {
        let path = format!("api/v1/erratum/{id}/push?defaults=stage");
        let mut push = known.clone();
        for attempt in 1.. {
            let call = self.call("push to staging", Method::POST, id, &path)?;
            let failure = match self.send(call, id).await {
                Ok(reply) => {
                    let jobs: Vec<JobRecord> = reply.json()?;
                    let started: Vec<PushJob> = jobs.into_iter().map(PushJob::from).collect();
                    push.learn(&started);
                    return Ok(Pushed { push, started });
                }
                Err(failure) => failure,
            };
            if failure.kind != ServiceErrorKind::Unclear {
                return Err(failure);
            }
            // The answer is lost; what it would have said stands in the list of jobs.
            let Ok(jobs) = self.push_jobs(id).await else { return Err(failure) };
            push.learn(&jobs);
            let started: Vec<PushJob> =
                jobs.into_iter().filter(|job| job.is_stage() && job.id > known.newest_job()).collect();
            if !started.is_empty() {
                return Ok(Pushed { push, started });
            }
            if attempt >= PUSH_ATTEMPTS {
                return Err(failure);
            }
        }
        Ok(Pushed { push, started: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(jobs: &[(u64, &str, &str)]) -> StagePush {
        let jobs: Vec<PushJob> = jobs
            .iter()
            .map(|(id, target, status)| PushJob {
                id: *id,
                target: (*target).to_owned(),
                status: PushStatus::from(*status),
            })
            .collect();
        StagePush::of(&jobs)
    }

    #[test]
    fn the_newest_job_of_each_staging_target_decides_in_any_order() {
        let push =
            push(&[(3, "cdn_stage", "COMPLETE"), (1, "cdn_stage", "FAILED"), (2, "rhn_stage", "READY")]);
        assert_eq!(push.verdict(), Verdict::Running);
        assert_eq!(push.to_string(), "cdn_stage COMPLETE, rhn_stage READY");
    }

    #[test]
    fn a_live_push_says_nothing_about_staging() {
        let live = push(&[(9, "cdn", "FAILED"), (8, "cdn_docker", "COMPLETE"), (7, "altsrc", "RUNNING")]);
        assert_eq!(live.verdict(), Verdict::NeverPushed);
        let both = push(&[(9, "cdn", "FAILED"), (8, "cdn_stage", "COMPLETE")]);
        assert_eq!(both.verdict(), Verdict::Complete);
    }

    #[test]
    fn the_decision_table() {
        for (statuses, verdict) in [
            (&["COMPLETE", "COMPLETE"][..], Verdict::Complete),
            (&["COMPLETE", "READY"], Verdict::Running),
            (&["QUEUED"], Verdict::Running),
            (&["WAITING_ON_PUB", "RUNNING"], Verdict::Running),
            (&["POST_PUSH_PROCESSING"], Verdict::Running),
            (&["COMPLETE", "FAILED"], Verdict::Failed),
            (&["POST_PUSH_FAILED"], Verdict::Failed),
            (&["ON_HOLD", "POST_PUSH_FAILED"], Verdict::Failed),
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
            assert_eq!(push(&jobs).verdict(), verdict, "{statuses:?}");
        }
    }
}

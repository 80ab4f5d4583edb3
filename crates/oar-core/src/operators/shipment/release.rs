//! Whether a shipment was released to an environment (spec 03 §3.7).

use futures::future::try_join;

use super::file::Environment;
use super::{Shipment, ShipmentError};
use crate::clients::gitlab::Job;
use crate::error::ServiceErrorKind;

/// How far the release to an environment got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseState {
    /// It is released.
    Succeeded,
    /// It is not released yet; why, in words. Waiting may help.
    NotReady(String),
    /// The release failed; why, in words. Waiting does not help.
    Failed(String),
}

/// The label that the shipment's CI sets after a release (`interop-exact`).
fn label(environment: Environment) -> String {
    format!("{}-release-success", environment.name())
}

/// The stage of the pipeline that releases (`interop-exact`).
fn stage(environment: Environment) -> String {
    format!("{}-release-triggers", environment.name())
}

impl Shipment {
    /// Whether the shipment was released to `environment`: its label says so, otherwise all jobs and trigger jobs of
    /// the releasing stage of the newest pipeline decide. Three requests at most, none with the label.
    pub async fn release_state(&self, environment: Environment) -> Result<ReleaseState, ShipmentError> {
        let label = label(environment);
        if self.merge_request().labels.contains(&label) {
            return Ok(ReleaseState::Succeeded);
        }
        let pipelines = self.gitlab.pipelines(self.reference()).await?;
        let Some(newest) = pipelines.first() else {
            return Ok(ReleaseState::NotReady("the merge request has no pipeline yet".to_owned()));
        };
        let Some(project) = newest.project_id.or(self.merge_request().project_id) else {
            return Ok(ReleaseState::NotReady(format!("pipeline {} names no project", newest.id)));
        };
        let read =
            try_join(self.gitlab.jobs(project, newest.id), self.gitlab.bridges(project, newest.id)).await;
        let (jobs, bridges) = match read {
            Ok(read) => read,
            // The pipeline may run in a fork that the caller does not see.
            Err(error) if error.kind == ServiceErrorKind::NotFound => {
                return Ok(ReleaseState::NotReady(format!("pipeline {} cannot be seen", newest.id)));
            }
            Err(error) => return Err(error.into()),
        };
        let stage = stage(environment);
        let deciding: Vec<Job> = jobs.into_iter().chain(bridges).filter(|job| job.stage == stage).collect();
        Ok(decide(&deciding, &stage, newest.id))
    }
}

/// What one job says.
enum Verdict {
    Good,
    /// It failed, and the pipeline does not mind.
    Tolerated(String),
    Waiting(String),
    Bad(String),
}

fn verdict(job: &Job) -> Verdict {
    let words = |status: &str| format!("{} is {status}", job.name);
    let downstream = |status: &str| format!("{} is success, but what it started is {status}", job.name);
    match job.status.as_str() {
        "success" => match job.downstream_pipeline.as_ref().map(|pipeline| pipeline.status.as_str()) {
            None | Some("success") => Verdict::Good,
            Some(status @ ("failed" | "canceled" | "canceling" | "skipped")) => {
                Verdict::Bad(downstream(status))
            }
            Some(status) => Verdict::Waiting(downstream(status)),
        },
        status @ ("failed" | "canceled" | "canceling" | "skipped") if job.allow_failure => {
            Verdict::Tolerated(words(status))
        }
        status @ ("failed" | "canceled" | "canceling" | "skipped") => Verdict::Bad(words(status)),
        status => Verdict::Waiting(words(status)),
    }
}

/// What all jobs of a stage say together: one failure decides, then one that is not finished.
fn decide(jobs: &[Job], stage: &str, pipeline: u64) -> ReleaseState {
    let (mut good, mut tolerated, mut waiting, mut bad) = (0, Vec::new(), Vec::new(), Vec::new());
    for job in jobs {
        match verdict(job) {
            Verdict::Good => good += 1,
            Verdict::Tolerated(words) => tolerated.push(words),
            Verdict::Waiting(words) => waiting.push(words),
            Verdict::Bad(words) => bad.push(words),
        }
    }
    let of = |words: &[String]| format!("stage {stage} of pipeline {pipeline}: {}", words.join(", "));
    if jobs.is_empty() {
        ReleaseState::NotReady(format!("pipeline {pipeline} has no stage {stage} yet"))
    } else if !bad.is_empty() {
        ReleaseState::Failed(of(&bad))
    } else if !waiting.is_empty() {
        ReleaseState::NotReady(of(&waiting))
    } else if good == 0 {
        ReleaseState::Failed(of(&tolerated))
    } else {
        ReleaseState::Succeeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::gitlab::DownstreamPipeline;

    fn job(status: &str) -> Job {
        Job {
            id: 1,
            name: "stage-job".into(),
            stage: "stage-release-triggers".into(),
            status: status.into(),
            allow_failure: false,
            downstream_pipeline: None,
            web_url: None,
        }
    }

    fn started(status: &str) -> Job {
        Job {
            downstream_pipeline: Some(DownstreamPipeline { id: 2, status: status.into() }),
            ..job("success")
        }
    }

    fn tolerated(status: &str) -> Job {
        Job { allow_failure: true, ..job(status) }
    }

    fn state(jobs: &[Job]) -> &'static str {
        match decide(jobs, "stage-release-triggers", 7) {
            ReleaseState::Succeeded => "succeeded",
            ReleaseState::NotReady(why) => {
                assert!(why.contains("pipeline 7"), "{why}");
                "not ready"
            }
            ReleaseState::Failed(why) => {
                assert!(why.contains("pipeline 7"), "{why}");
                "failed"
            }
        }
    }

    #[test]
    fn all_jobs_of_the_stage_decide() {
        assert_eq!(state(&[]), "not ready");
        assert_eq!(state(&[job("success")]), "succeeded");
        for waiting in [
            "created",
            "waiting_for_resource",
            "preparing",
            "pending",
            "running",
            "manual",
            "scheduled",
            "new-word",
        ] {
            assert_eq!(state(&[job(waiting)]), "not ready", "{waiting}");
            assert_eq!(state(&[job("success"), job(waiting)]), "not ready", "{waiting}");
            assert_eq!(state(&[job(waiting), job("failed")]), "failed", "{waiting}");
        }
        for bad in ["failed", "canceled", "skipped"] {
            assert_eq!(state(&[job("success"), job(bad)]), "failed", "{bad}");
            assert_eq!(state(&[job("success"), tolerated(bad)]), "succeeded", "{bad}");
            assert_eq!(state(&[tolerated(bad)]), "failed", "{bad}: nothing was released");
        }
    }

    #[test]
    fn what_a_trigger_job_started_counts() {
        assert_eq!(state(&[started("success")]), "succeeded");
        assert_eq!(state(&[started("running")]), "not ready");
        assert_eq!(state(&[started("failed")]), "failed");
    }
}

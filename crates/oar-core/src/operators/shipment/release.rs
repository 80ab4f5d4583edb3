//! Whether a shipment was released to an environment (spec 03 §3.7).
//!
//! The trigger job of the newest pipeline of the merge request decides. A label may be older than the files: ART changes
//! them and leaves the labels as they are.

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
    /// What was read allows no judgement; why, in words.
    Unknown(String),
}

/// The prefix of labels that say that production was attempted, with any result (spec 03 §3.2).
const ATTEMPTED: &str = "prod-release";
/// The statuses of what has not ended (spec 03 §3.7).
const ACTIVE: [&str; 7] =
    ["created", "waiting_for_resource", "preparing", "pending", "running", "canceling", "scheduled"];
/// The statuses of what has ended, or waits for a person.
const AT_REST: [&str; 5] = ["success", "failed", "canceled", "skipped", "manual"];

/// The label that the shipment's CI sets after a release (`interop-exact`).
fn label(environment: Environment) -> String {
    format!("{}-release-success", environment.name())
}

/// The trigger job that releases (`interop-exact`).
fn bridge(environment: Environment) -> String {
    format!("{}-job", environment.name())
}

/// The stage of the pipeline that the trigger job belongs to (`interop-exact`).
fn stage(environment: Environment) -> String {
    format!("{}-release-triggers", environment.name())
}

impl Shipment {
    /// Whether a label says that the release to production was attempted, with any result.
    pub fn production_label(&self) -> Option<&str> {
        let labels = &self.merge_request().labels;
        let is_attempt = |label: &&String| {
            label.get(..ATTEMPTED.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(ATTEMPTED))
        };
        labels.iter().find(is_attempt).map(String::as_str)
    }

    /// Whether the shipment was released to `environment`, as the trigger job of its newest pipeline says. Only where
    /// that pipeline has none and is at rest does the label count. Two requests, one after [`Shipment::load_whole`].
    ///
    /// A draft is released nowhere: ART still changes it.
    pub async fn release_state(&self, environment: Environment) -> Result<ReleaseState, ShipmentError> {
        let production = environment == Environment::Prod;
        if self.merge_request().is_draft() && !production {
            return Ok(ReleaseState::NotReady(
                "the merge request is a draft, which ART still prepares".into(),
            ));
        }
        let found = self.releasing(environment).await?;
        let Some(attempt) = self.production_label().filter(|_| production) else { return Ok(found.state) };
        Ok(match found.state {
            // The label is set after the release, and nothing contradicts it.
            _ if !found.contradicts && attempt == label(environment) => ReleaseState::Succeeded,
            ReleaseState::NotReady(why) if !found.is_active => ReleaseState::Unknown(format!(
                "the label {attempt} says that production was attempted, but {why}"
            )),
            state => state,
        })
    }

    /// What the pipeline says, and what the label where it may.
    async fn releasing(&self, environment: Environment) -> Result<Found, ShipmentError> {
        let labelled = self.merge_request().labels.contains(&label(environment));
        let Some(pipeline) = self.pipelines().await?.first() else {
            let none = Found::not_ready("the merge request has no pipeline yet");
            return Ok(Found { contradicts: false, ..none });
        };
        let id = pipeline.id;
        let Some(project) = pipeline.project_id.or(self.merge_request().project_id) else {
            return Ok(Found::unknown(format!("pipeline {id} names no project")));
        };
        let bridges = match self.gitlab.bridges(project, id).await {
            Ok(bridges) => bridges,
            // The pipeline may run in a fork that the caller does not see.
            Err(error) if error.kind == ServiceErrorKind::NotFound => {
                return Ok(Found::unknown(format!("pipeline {id} cannot be seen: {error}")));
            }
            Err(error) => return Err(error.into()),
        };
        let (name, stage) = (bridge(environment), stage(environment));
        let newest =
            |test: &dyn Fn(&Job) -> bool| bridges.iter().filter(|job| test(job)).max_by_key(|job| job.id);
        let deciding = newest(&|job| job.name == name).or_else(|| newest(&|job| job.stage == stage));
        if let Some(job) = deciding {
            return Ok(decide(job, id));
        }
        let status = pipeline.status.as_str();
        let none = format!("pipeline {id} is {status} and has no {name}");
        Ok(if ACTIVE.contains(&status) {
            Found { is_active: true, ..Found::not_ready(format!("{none} yet")) }
        } else if !AT_REST.contains(&status) {
            Found::unknown(format!("{none}, and this program does not know that status"))
        } else if labelled {
            Found { state: ReleaseState::Succeeded, is_active: false, contradicts: false }
        } else {
            Found { contradicts: false, ..Found::not_ready(none) }
        })
    }
}

/// What was found about a release.
struct Found {
    state: ReleaseState,
    /// Something still runs.
    is_active: bool,
    /// A label would say otherwise.
    contradicts: bool,
}

impl Found {
    fn of(state: ReleaseState) -> Self {
        Self { state, is_active: false, contradicts: true }
    }

    fn not_ready(why: impl Into<String>) -> Self {
        Self::of(ReleaseState::NotReady(why.into()))
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self::of(ReleaseState::Unknown(why.into()))
    }
}

/// What the trigger job says, with the pipeline that it started.
fn decide(job: &Job, pipeline: u64) -> Found {
    let (name, status) = (&job.name, job.status.as_str());
    let here = format!("{name} of pipeline {pipeline} is {status}");
    let started = job.downstream_pipeline.as_ref().map(|pipeline| pipeline.status.as_str());
    let strange =
        |word: &str| Found::unknown(format!("{here}: this program does not know the status {word}"));
    let active = |why: String| Found { is_active: true, ..Found::not_ready(why) };
    match (status, started) {
        (status, _) if ACTIVE.contains(&status) => active(here),
        ("success", None | Some("success")) => Found::of(ReleaseState::Succeeded),
        ("success", Some(started)) if ACTIVE.contains(&started) || started == "manual" => {
            active(format!("{here}, but what it started is {started}"))
        }
        ("success", Some(started)) if AT_REST.contains(&started) => {
            Found::of(ReleaseState::Failed(format!("{here}, but what it started is {started}")))
        }
        ("success", Some(started)) => strange(started),
        ("failed" | "canceled", Some(started)) if ACTIVE.contains(&started) => {
            active(format!("{here}, but what it started is still {started}"))
        }
        ("failed" | "canceled", _) => Found::of(ReleaseState::Failed(here)),
        // Not touched by this pipeline.
        ("manual" | "skipped", None) => Found::not_ready(here),
        ("manual" | "skipped", Some(started)) => {
            Found::unknown(format!("{here}, but it started a pipeline, which is {started}"))
        }
        (status, _) => strange(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::gitlab::DownstreamPipeline;

    fn job(status: &str, started: Option<&str>) -> Job {
        Job {
            id: 1,
            name: "stage-job".into(),
            stage: "stage-release-triggers".into(),
            status: status.into(),
            allow_failure: false,
            downstream_pipeline: started.map(|status| DownstreamPipeline { id: 2, status: status.into() }),
            web_url: None,
        }
    }

    fn state(status: &str, started: Option<&str>) -> &'static str {
        let (word, why) = match decide(&job(status, started), 7).state {
            ReleaseState::Succeeded => return "succeeded",
            ReleaseState::NotReady(why) => ("not ready", why),
            ReleaseState::Failed(why) => ("failed", why),
            ReleaseState::Unknown(why) => ("unknown", why),
        };
        assert!(why.starts_with(&format!("stage-job of pipeline 7 is {status}")), "{why}");
        word
    }

    #[test]
    fn the_trigger_job_and_what_it_started_decide() {
        assert_eq!(state("success", None), "succeeded");
        assert_eq!(state("success", Some("success")), "succeeded");
        for waiting in ACTIVE {
            assert_eq!(state(waiting, None), "not ready", "{waiting}");
            assert_eq!(state("success", Some(waiting)), "not ready", "{waiting}");
            assert_eq!(state("failed", Some(waiting)), "not ready", "{waiting}");
        }
        assert_eq!(state("success", Some("manual")), "not ready");
        for untouched in ["manual", "skipped"] {
            assert_eq!(state(untouched, None), "not ready", "{untouched}");
            assert_eq!(state(untouched, Some("running")), "unknown", "{untouched}");
        }
        for bad in ["failed", "canceled"] {
            assert_eq!(state(bad, None), "failed", "{bad}");
            assert_eq!(state("success", Some(bad)), "failed", "{bad}");
        }
        assert_eq!(state("success", Some("skipped")), "failed");
        assert_eq!(state("new-word", None), "unknown");
        assert_eq!(state("success", Some("new-word")), "unknown");
    }
}

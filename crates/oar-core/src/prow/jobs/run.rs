//! One run of a job, and reading it from Prow.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::JobError;
use crate::clients::prow::{ProwClient, ProwJob};
use crate::clock::{Clock, stamp};
use crate::error::ErrorClass;
use crate::prow::environment::JobImages;

/// The known data of a run. The keys are those of the Python tooling, which scripts use.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct JobRun {
    /// The job's name.
    #[serde(rename = "jobName")]
    pub name: String,
    /// The image that it installs.
    pub payload: Option<String>,
    /// The image that it upgrades from.
    pub upgrade_from: Option<String>,
    /// The image that it upgrades to.
    pub upgrade_to: Option<String>,
    /// When it started.
    #[serde(rename = "jobStartTime")]
    pub started: Option<String>,
    /// Its id in Prow.
    #[serde(rename = "jobID")]
    pub id: String,
    /// Its page; `None` until there is one.
    #[serde(rename = "jobURL")]
    pub page: Option<String>,
    /// Its state, as Prow names it.
    #[serde(rename = "jobState")]
    pub state: Option<String>,
    /// When it ended.
    #[serde(rename = "jobCompletionTime")]
    pub completed: Option<String>,
    /// The variables that it was started with.
    pub envs: IndexMap<String, String>,
    /// Whether it has ended.
    #[serde(skip)]
    pub ended: bool,
}

impl JobRun {
    /// A run as Prow shows it.
    pub fn of(job: &ProwJob) -> Self {
        let envs = job.envs.iter().filter(|(name, _)| is_parameter(name));
        let envs: IndexMap<String, String> =
            envs.map(|(name, value)| (name.clone(), value.clone())).collect();
        let run = Self::started(&job.job, &job.id, &images(&envs), envs);
        run.seen(job)
    }

    /// A run that was just started, without further data.
    pub fn started(name: &str, id: &str, images: &JobImages, envs: IndexMap<String, String>) -> Self {
        let (payload, upgrade_from, upgrade_to) = match images.clone() {
            JobImages::Configured => (None, None, None),
            JobImages::Payload(payload) => (Some(payload), None, None),
            JobImages::UpgradeFrom(from) => (None, Some(from), None),
            JobImages::UpgradeTo(to) => (None, None, Some(to)),
            JobImages::Upgrade { from, to } => (None, Some(from), Some(to)),
        };
        Self {
            name: name.to_owned(),
            payload,
            upgrade_from,
            upgrade_to,
            started: None,
            id: id.to_owned(),
            page: None,
            state: None,
            completed: None,
            envs,
            ended: false,
        }
    }

    /// The same run with the data that Prow shows.
    #[must_use]
    pub fn seen(self, job: &ProwJob) -> Self {
        Self {
            started: job.started.map(stamp),
            page: job.url.clone(),
            state: Some(job.state.text().to_owned()),
            completed: job.completed.map(stamp),
            ended: job.state.is_final(),
            ..self
        }
    }

    /// The error for a running run without a page. One that ended without a page will not get one.
    pub fn without_page(&self) -> Option<JobError> {
        let state = self.state.as_deref().filter(|_| self.page.is_none() && !self.ended)?;
        let waited = PAUSE * (LOOKS - 1);
        let words = format!("{} is {state} and has no page after {} s", self.id, waited.as_secs());
        Some(
            JobError::new(ErrorClass::Unavailable, words)
                .with_hint("The job continues. Run the same command again."),
        )
    }

    /// The run `id` as Prow shows it now; with `poll` it is read again for up to 25 seconds, until it has a
    /// page or has ended.
    ///
    /// # Errors
    ///
    /// Prow cannot be reached, or does not have it (any more).
    pub async fn look(prow: &ProwClient, clock: &Clock, id: &str, poll: bool) -> Result<Self, JobError> {
        let found = if poll { with_page(prow, clock, id).await? } else { prow.job(id).await? };
        found.as_ref().map(Self::of).ok_or_else(|| {
            let words = format!("Could not get job results for job ID: {id}: Prow does not have it");
            JobError::new(ErrorClass::Failed, words).with_hint(
                "Prow forgets finished jobs after about a day; their pages stay. A new job appears within seconds.",
            )
        })
    }
}

/// Whether a variable passes an image or a parameter to a job; the rest of its environment is Prow's own.
fn is_parameter(name: &str) -> bool {
    name.starts_with("RELEASE_IMAGE_") || name.starts_with("MULTISTAGE_PARAM_OVERRIDE_")
}

/// The images in these variables. A source alone looks like a payload (spec 04 §3).
fn images(envs: &IndexMap<String, String>) -> JobImages {
    let image = |name: &str| envs.get(name).cloned();
    // Beside variables with an architecture, the plain one is the image that helps to install.
    let prefix = ["ARM64_", "MULTI_", "PPC64LE_", "S390X_"]
        .into_iter()
        .find(|prefix| envs.keys().any(|name| name.starts_with(&format!("RELEASE_IMAGE_{prefix}"))))
        .unwrap_or_default();
    let latest = image(&format!("RELEASE_IMAGE_{prefix}LATEST"));
    match (latest, image(&format!("RELEASE_IMAGE_{prefix}TARGET"))) {
        (Some(from), Some(to)) => JobImages::Upgrade { from, to },
        (Some(payload), None) => JobImages::Payload(payload),
        (None, Some(to)) => JobImages::UpgradeTo(to),
        (None, None) => {
            image("MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL").map_or(JobImages::Configured, JobImages::Payload)
        }
    }
}

/// How often a run without a page is read, and the pause between two reads (as in the Python tooling).
const LOOKS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(5);

/// The run `id`, once it has a page or has ended. After a bounded time it is returned as it is; `None` when
/// Prow does not have it.
pub(super) async fn with_page(
    prow: &ProwClient,
    clock: &Clock,
    id: &str,
) -> Result<Option<ProwJob>, JobError> {
    let mut found = None;
    for look in 0..LOOKS {
        if look > 0 {
            tracing::info!("{id} has no page yet; looking again in {} s", PAUSE.as_secs());
            clock.sleep(PAUSE).await;
        }
        match prow.job(id).await {
            Ok(job) => found = job.or(found),
            Err(error) if found.is_none() => return Err(error.into()),
            Err(error) => tracing::debug!("{error}"),
        }
        if found.as_ref().is_some_and(|job| job.url.is_some() || job.state.is_final()) {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prow::environment::{Column, variables};

    #[test]
    fn the_images_are_told_by_the_variables_of_every_architecture() {
        let image = |version: &str| format!("quay.io/openshift-release-dev/ocp-release:{version}-aarch64");
        let (from, to) = (image("4.20.1"), image("4.20.2"));
        for given in [
            JobImages::Configured,
            JobImages::Payload(to.clone()),
            JobImages::UpgradeTo(to.clone()),
            JobImages::Upgrade { from: from.clone(), to: to.clone() },
        ] {
            for column in Column::ALL {
                let told = images(&variables(&given, column).unwrap());
                assert_eq!(told, given, "{column:?}");
            }
        }
        let source = variables(&JobImages::UpgradeFrom(from.clone()), Column::Amd64).unwrap();
        assert_eq!(images(&source), JobImages::Payload(from), "the variables do not tell more");
        let parameter = [("MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL".to_owned(), to.clone())];
        assert_eq!(images(&parameter.into()), JobImages::Payload(to));
    }
}

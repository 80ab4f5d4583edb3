//! The start of a job: name, images and variables.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names::PERIODIC;
use super::{Event, EventHandler, Image, JobError, JobNames, JobText};
use crate::clients::Clients;
use crate::config::Credential;
use crate::prow::environment::{self, Column, ImagesError, JobImages, ReleaseImage};
use crate::prow::release_jobs;
use crate::version::Arch;

/// A job, the images that it tests, and the variables that pass them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOrder {
    /// The whole name of the job.
    pub job: String,
    /// The images.
    pub images: JobImages,
    /// The variables for its containers.
    pub envs: IndexMap<String, String>,
}

/// The result of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StartPlan {
    /// Always `true`.
    pub dry_run: bool,
    /// The job that would be started.
    pub job: String,
    /// The variables that it would be started with.
    pub envs: IndexMap<String, String>,
}

impl JobOrder {
    /// The job that tests a payload on stage.
    pub fn stage_testing(payload: &ReleaseImage) -> Self {
        let (release, payload) = (payload.release, payload.to_string());
        Self {
            job: release_jobs::stage_test(release),
            images: JobImages::Payload(payload.clone()),
            envs: [(release_jobs::STAGE_TEST_PAYLOAD.to_owned(), payload)].into(),
        }
    }

    /// The job that compares a payload with the shipment in the merge request with this number.
    pub fn image_consistency(
        clients: &Clients,
        payload: &ReleaseImage,
        mr_id: u64,
    ) -> Result<Self, JobError> {
        let payload = payload.to_string();
        let envs = [
            (release_jobs::CONSISTENCY_PAYLOAD.to_owned(), payload.clone()),
            (release_jobs::CONSISTENCY_MERGE_REQUEST.to_owned(), mr_id.to_string()),
        ];
        let job = super::settings(clients)?.image_consistency;
        Ok(Self { job, images: JobImages::Payload(payload), envs: envs.into() })
    }

    /// What would be started.
    pub fn plan(self) -> StartPlan {
        StartPlan { dry_run: true, job: self.job, envs: self.envs }
    }
}

/// A job by name, and the images to test: the arguments of `job run`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct RunJob {
    /// The job's name, or a part that no other job's name has; one that begins with periodic-ci- is taken as it is
    pub job: JobText,
    /// The payload to test; without any image the job runs those of its configuration
    pub payload: Option<Image>,
    /// The payload to upgrade from
    pub upgrade_from: Option<Image>,
    /// The payload to upgrade to
    pub upgrade_to: Option<Image>,
    /// The architecture of the payloads, where their pull specs do not tell
    pub arch: Option<Arch>,
}

impl RunJob {
    /// The order with the job's whole name. `starts` is whether it will be started: then its credentials are
    /// checked first.
    pub async fn order(
        self,
        clients: &Clients,
        starts: bool,
        tell: EventHandler<'_>,
    ) -> Result<JobOrder, JobError> {
        let (images, envs, ignored) = self.images().map_err(|error| JobError::usage(error.to_string()))?;
        if ignored {
            tell(Event::Warning("--payload is ignored beside an upgrade option".to_owned()));
        }
        let job = self.job.text();
        let is_whole = job.starts_with(PERIODIC);
        let wanted = [(Credential::GangwayToken, starts), (Credential::GithubToken, !is_whole)];
        let needed = wanted.into_iter().filter_map(|(credential, needed)| needed.then_some(credential));
        clients.settings().credentials().require_all(needed)?;
        let job =
            if is_whole { job.to_owned() } else { JobNames::new(clients, tell).only_match(job).await? };
        Ok(JobOrder { job, images, envs })
    }

    /// The images, their variables, and whether the payload is ignored.
    fn images(&self) -> Result<(JobImages, IndexMap<String, String>, bool), ImagesError> {
        let (images, ignored) = JobImages::of_options(
            self.payload.as_ref().map(Image::text),
            self.upgrade_from.as_ref().map(Image::text),
            self.upgrade_to.as_ref().map(Image::text),
        )?;
        let column =
            self.arch.map_or_else(|| Column::of_images(&images), |arch| Column::of_arch(&images, arch));
        let envs = environment::variables(&images, column)?;
        Ok((images, envs, ignored))
    }
}

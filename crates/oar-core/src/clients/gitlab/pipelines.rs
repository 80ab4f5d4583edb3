//! Pipelines of a merge request, their jobs and their trigger jobs (spec 03 §2.1, G7 to G10).

use std::fmt::Display;

use gitlab::api::projects::merge_requests::pipelines::MergeRequestPipelines;
use gitlab::api::projects::pipelines::{PipelineBridges, PipelineJobs};
use gitlab::api::{Endpoint, Pageable};
use jiff::Timestamp;
use serde::Deserialize;

use super::model::MergeRequestRef;
use super::transport::Operation;
use super::{GitlabClient, pages, unbuildable};
use crate::clients::empty;
use crate::error::ServiceError;

/// The most pipelines of one merge request that are read; they come newest first.
const PIPELINES_LIMIT: usize = 100;
/// The most jobs of one pipeline that are read.
const JOBS_LIMIT: usize = 2000;

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pipeline {
    /// Its number.
    pub id: u64,
    /// The number of the project that it runs in.
    pub project_id: Option<u64>,
    /// `running`, `manual`, `success` and so on (spec 03 §3.7).
    pub status: String,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// Its page.
    #[serde(default)]
    pub web_url: Option<String>,
}

/// The pipeline that a trigger job started.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DownstreamPipeline {
    /// Its number.
    pub id: u64,
    /// Its status.
    pub status: String,
}

/// A job, or a trigger job (bridge).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The stage of the pipeline that it belongs to.
    pub stage: String,
    /// Its status, in the words of [`Pipeline::status`].
    pub status: String,
    /// Whether the pipeline goes on when it fails.
    #[serde(default, deserialize_with = "empty::flag")]
    pub allow_failure: bool,
    /// The pipeline that a trigger job started.
    #[serde(default)]
    pub downstream_pipeline: Option<DownstreamPipeline>,
    /// Its page.
    #[serde(default)]
    pub web_url: Option<String>,
}

impl GitlabClient {
    /// The newest pipelines of a merge request, newest first, at most a hundred.
    pub async fn pipelines(&self, reference: &MergeRequestRef) -> Result<Vec<Pipeline>, ServiceError> {
        let operation = self.read("read the pipelines of a merge request", reference.to_string());
        let endpoint = MergeRequestPipelines::builder()
            .project(reference.project.as_str())
            .merge_request(reference.iid)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        let mut pipelines: Vec<Pipeline> = pages(endpoint, PIPELINES_LIMIT, &operation).await?;
        pipelines.sort_by_key(|pipeline| std::cmp::Reverse((pipeline.created_at, pipeline.id)));
        Ok(pipelines)
    }

    /// The jobs of a pipeline, retried ones left out.
    pub async fn jobs(&self, project: u64, pipeline: u64) -> Result<Vec<Job>, ServiceError> {
        let operation = self.read("read the jobs of a pipeline", format!("pipeline {pipeline}"));
        let endpoint = PipelineJobs::builder().project(project).pipeline(pipeline).build();
        all_jobs(endpoint, &operation).await
    }

    /// The trigger jobs (bridges) of a pipeline.
    pub async fn bridges(&self, project: u64, pipeline: u64) -> Result<Vec<Job>, ServiceError> {
        let operation = self.read("read the trigger jobs of a pipeline", format!("pipeline {pipeline}"));
        let endpoint = PipelineBridges::builder().project(project).pipeline(pipeline).build();
        all_jobs(endpoint, &operation).await
    }
}

async fn all_jobs<E, B>(endpoint: Result<E, B>, operation: &Operation<'_>) -> Result<Vec<Job>, ServiceError>
where
    E: Endpoint + Pageable + Sync + Send,
    B: Display,
{
    let endpoint = endpoint.map_err(|error| unbuildable(operation, error))?;
    pages(endpoint, JOBS_LIMIT, operation).await
}

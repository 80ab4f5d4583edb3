//! How a run of a job is shown.

use cli_support::{CliError, Session};
use oar_core::clients::prow::{ProwClient, ProwJob};
use oar_core::clock::stamp;
use serde::Serialize;

/// What is known of a run. The keys are those that scripts know from the Python tooling.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunView {
    #[serde(rename = "jobName")]
    pub(crate) name: String,
    #[serde(rename = "jobID")]
    pub(crate) id: String,
    #[serde(rename = "jobURL")]
    pub(crate) page: Option<String>,
    #[serde(rename = "jobState")]
    pub(crate) state: Option<String>,
    #[serde(rename = "jobStartTime")]
    pub(crate) started: Option<String>,
    #[serde(rename = "jobCompletionTime")]
    pub(crate) completed: Option<String>,
    /// The variables that it was started with.
    pub(crate) envs: indexmap::IndexMap<String, String>,
}

impl RunView {
    pub(crate) fn of(job: &ProwJob, envs: impl Fn(&str) -> bool) -> Self {
        Self {
            name: job.job.clone(),
            id: job.id.clone(),
            page: job.url.clone(),
            state: Some(job.state.text().to_owned()),
            started: job.started.map(stamp),
            completed: job.completed.map(stamp),
            envs: job
                .envs
                .iter()
                .filter(|(name, _)| envs(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }

    /// A run of which nothing is known yet but that it was started.
    pub(crate) fn started(name: &str, id: &str, envs: indexmap::IndexMap<String, String>) -> Self {
        Self {
            name: name.to_owned(),
            id: id.to_owned(),
            page: None,
            state: None,
            started: None,
            completed: None,
            envs,
        }
    }

    pub(crate) fn lines(&self) -> String {
        let mut lines = vec![format!("Job       {}", self.name), format!("Id        {}", self.id)];
        let mut line = |label: &str, value: &Option<String>| {
            if let Some(value) = value {
                lines.push(format!("{label:<9} {value}"));
            }
        };
        line("State", &self.state);
        line("Started", &self.started);
        line("Ended", &self.completed);
        line("Page", &self.page);
        for (name, value) in &self.envs {
            lines.push(format!("With      {name}={value}"));
        }
        lines.join("\n")
    }
}

/// The variables with which images and parameters are handed to a job; the rest of its environment is Prow's own.
pub(crate) fn is_parameter(name: &str) -> bool {
    name.starts_with("RELEASE_IMAGE_") || name.starts_with("MULTISTAGE_PARAM_OVERRIDE_")
}

/// How often a run without a page is looked at, and the pause between two looks (as the Python tooling does).
const LOOKS: u32 = 5;
const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

/// The run `id`, once it has a page or has ended. After a bounded time it is answered as it is; `None` when Prow does not
/// know it.
pub(crate) async fn with_page(
    prow: &ProwClient,
    session: &Session,
    id: &str,
) -> Result<Option<ProwJob>, CliError> {
    let mut found = None;
    for look in 0..LOOKS {
        if look > 0 {
            tracing::info!("{id} has no page yet; looking again in {} s", PAUSE.as_secs());
            session.clock.sleep(PAUSE).await;
        }
        found = prow.job(id).await?.or(found);
        if found.as_ref().is_some_and(|job| job.url.is_some() || job.state.is_final()) {
            break;
        }
    }
    Ok(found)
}

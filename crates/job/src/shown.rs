//! How a run of a job is shown.

use cli_support::{CliError, Session};
use indexmap::IndexMap;
use oar_core::clients::prow::{ProwClient, ProwJob};
use oar_core::clock::stamp;
use oar_core::prow::environment::JobImages;
use serde::Serialize;

/// What is known of a run. The keys are those that scripts know from the Python tooling.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunView {
    #[serde(rename = "jobName")]
    pub(crate) name: String,
    /// The image that it installs.
    pub(crate) payload: Option<String>,
    /// The image that it upgrades from.
    pub(crate) upgrade_from: Option<String>,
    /// The image that it upgrades to.
    pub(crate) upgrade_to: Option<String>,
    #[serde(rename = "jobStartTime")]
    pub(crate) started: Option<String>,
    #[serde(rename = "jobID")]
    pub(crate) id: String,
    #[serde(rename = "jobURL")]
    pub(crate) page: Option<String>,
    #[serde(rename = "jobState")]
    pub(crate) state: Option<String>,
    #[serde(rename = "jobCompletionTime")]
    pub(crate) completed: Option<String>,
    /// The variables that it was started with.
    pub(crate) envs: IndexMap<String, String>,
    /// Whether it has ended.
    #[serde(skip)]
    pub(crate) ended: bool,
}

impl RunView {
    /// A run as Prow shows it.
    pub(crate) fn of(job: &ProwJob) -> Self {
        let envs = job.envs.iter().filter(|(name, _)| is_parameter(name));
        let envs: IndexMap<String, String> =
            envs.map(|(name, value)| (name.clone(), value.clone())).collect();
        let run = Self::started(&job.job, &job.id, &images(&envs), envs);
        run.seen(job)
    }

    /// A run of which nothing is known yet but that it was started.
    pub(crate) fn started(name: &str, id: &str, images: &JobImages, envs: IndexMap<String, String>) -> Self {
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

    /// The same run with how far Prow shows it.
    pub(crate) fn seen(self, job: &ProwJob) -> Self {
        Self {
            started: job.started.map(stamp),
            page: job.url.clone(),
            state: Some(job.state.text().to_owned()),
            completed: job.completed.map(stamp),
            ended: job.state.is_final(),
            ..self
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
fn is_parameter(name: &str) -> bool {
    name.starts_with("RELEASE_IMAGE_") || name.starts_with("MULTISTAGE_PARAM_OVERRIDE_")
}

/// The images that these variables tell a job, as far as they say: a source alone is told like a payload (spec 04 §3).
fn images(envs: &IndexMap<String, String>) -> JobImages {
    let image = |name: &str| envs.get(name).cloned();
    // Beside variables with an architecture the plain one is an image that helps to install.
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
    use oar_core::prow::environment::{Column, variables};

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

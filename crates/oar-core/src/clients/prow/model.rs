//! A Prow job as the deck describes it.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;

use crate::clients::empty::null_is_default;

/// The state of a Prow job (spec 04 §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProwState {
    /// Waiting to be scheduled.
    Scheduling,
    /// Started; it has no pod yet, so no page either.
    Triggered,
    /// Running.
    Pending,
    /// Ended with success.
    Success,
    /// Ran and failed.
    Failure,
    /// Was killed.
    Aborted,
    /// Could not be scheduled, or its pod was lost.
    Error,
}

impl ProwState {
    const ALL: [Self; 7] = [
        Self::Scheduling,
        Self::Triggered,
        Self::Pending,
        Self::Success,
        Self::Failure,
        Self::Aborted,
        Self::Error,
    ];

    /// The state as Prow writes it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Scheduling => "scheduling",
            Self::Triggered => "triggered",
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Aborted => "aborted",
            Self::Error => "error",
        }
    }

    /// The state that Prow (in lower case) or Gangway (in upper case) names `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.text().eq_ignore_ascii_case(text))
    }

    /// Whether the job has ended.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Scheduling | Self::Triggered | Self::Pending)
    }
}

/// A Prow job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProwJob {
    /// Its id: the name of the Kubernetes object.
    pub id: String,
    /// The name of the job that it is an execution of.
    pub job: String,
    /// Its state.
    pub state: ProwState,
    /// The page of its run; absent until its pod starts.
    pub url: Option<String>,
    /// Prow's description of the state.
    pub description: Option<String>,
    /// When it was created.
    pub started: Option<Timestamp>,
    /// When it ended. A job that is read during the change may have this and still be pending.
    pub completed: Option<Timestamp>,
    /// The number of the run of its present pod. It changes when a pod is replaced (spec 04 §2.4).
    pub build: Option<String>,
    /// The name of the test that it runs, which is the folder of its artifacts.
    pub target: Option<String>,
    /// The environment of its containers.
    pub envs: IndexMap<String, String>,
    /// The annotations of its object.
    pub annotations: IndexMap<String, String>,
}

#[derive(Deserialize)]
struct Document {
    metadata: Metadata,
    spec: Spec,
    #[serde(default, deserialize_with = "null_is_default")]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    annotations: Option<IndexMap<String, Option<String>>>,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default, deserialize_with = "null_is_default")]
    job: String,
    #[serde(default)]
    pod_spec: Option<PodSpec>,
}

#[derive(Deserialize)]
struct PodSpec {
    #[serde(default, deserialize_with = "null_is_default")]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default, deserialize_with = "null_is_default")]
    args: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    env: Vec<Variable>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    /// Absent when the value comes from a secret.
    #[serde(default)]
    value: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    state: Option<String>,
    url: Option<String>,
    description: Option<String>,
    start_time: Option<String>,
    completion_time: Option<String>,
    #[serde(rename = "build_id")]
    build_id: Option<String>,
}

impl ProwJob {
    /// Parses the deck's YAML.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let document: Document =
            crate::yaml::from_str(text).map_err(|error| format!("not a Prow job in YAML: {error}"))?;
        // Kubernetes creates the object before its state is set.
        let state =
            document.status.state.as_deref().filter(|state| !state.is_empty()).unwrap_or("scheduling");
        let state =
            ProwState::parse(state).ok_or_else(|| format!("`{state}` is not a state of a Prow job"))?;
        let time = |text: Option<String>| text.and_then(|text| text.parse().ok());
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let containers = document.spec.pod_spec.map(|pod| pod.containers).unwrap_or_default();
        let mut arguments = containers.iter().flat_map(|container| &container.args);
        let target = arguments.find_map(|argument| argument.strip_prefix("--target="));
        let target = target.map(str::to_owned);
        let annotations = document.metadata.annotations.unwrap_or_default().into_iter();
        Ok(Self {
            id: document.metadata.name,
            job: document.spec.job,
            state,
            url: filled(document.status.url),
            description: filled(document.status.description),
            started: time(document.status.start_time),
            completed: time(document.status.completion_time),
            build: filled(document.status.build_id),
            target: filled(target),
            envs: containers
                .into_iter()
                .flat_map(|container| container.env)
                .filter_map(|variable| Some((variable.name, variable.value?)))
                .collect(),
            annotations: annotations.filter_map(|(name, value)| Some((name, value?))).collect(),
        })
    }
}

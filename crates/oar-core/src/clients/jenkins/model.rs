//! Jobs, queue items and builds as Jenkins describes them (spec 03 §7.2, §13.2).

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// The path of a job through its folders: `zstreams/Stage-Pipeline`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobPath(String);

/// A text that is no path of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the path of a Jenkins job (for example folder/Job-Name)")]
pub struct ParseJobPathError(String);

impl JobPath {
    /// The folders and the job.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The job without its folders.
    pub fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Whether `url` is the address of this job, below whatever base.
    fn is_at(&self, url: &str) -> bool {
        let tail: String = self.parts().flat_map(|part| ["/job/", part]).collect();
        let Some(before) = url.trim_end_matches('/').strip_suffix(&tail) else { return false };
        // One more folder in front would be another job.
        let mut parts = before.rsplit('/');
        let (_, folder) = (parts.next(), parts.next());
        folder != Some("job")
    }
}

impl FromStr for JobPath {
    type Err = ParseJobPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_. ".contains(&byte))
        };
        let path = text.trim().trim_matches('/');
        if path.split('/').all(good) {
            Ok(Self(path.to_owned()))
        } else {
            Err(ParseJobPathError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for JobPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuildResult {
    /// Everything went well.
    Success,
    /// It ran, and some tests failed.
    Unstable,
    /// It failed.
    Failure,
    /// A part of it was not built because of an earlier failure.
    NotBuilt,
    /// It was stopped: by a person, a limit of time, a restart.
    Aborted,
}

impl BuildResult {
    /// The result as Jenkins writes it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Unstable => "UNSTABLE",
            Self::Failure => "FAILURE",
            Self::NotBuilt => "NOT_BUILT",
            Self::Aborted => "ABORTED",
        }
    }

    /// The result that Jenkins names `text`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Success, Self::Unstable, Self::Failure, Self::NotBuilt, Self::Aborted]
            .into_iter()
            .find(|result| result.text() == text)
    }
}

/// One build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// The queue item that it came from.
    pub queue_item: Option<u64>,
    /// Whether it runs.
    pub running: bool,
    /// How it ended; `None` while it runs.
    pub result: Option<BuildResult>,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// Its parameters.
    pub parameters: IndexMap<String, String>,
}

/// One item of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueItem {
    /// Its number.
    pub number: u64,
    /// The address of its job.
    pub task_url: String,
    /// Why it waits, in Jenkins' words.
    pub why: Option<String>,
    /// Whether it was taken out of the queue.
    pub cancelled: bool,
    /// The build that it became: number and page.
    pub build: Option<(u64, String)>,
    /// Since when it waits.
    pub since: Option<Timestamp>,
    /// The parameters of the build to come.
    pub parameters: IndexMap<String, String>,
}

impl QueueItem {
    /// Whether it is for `job`.
    pub fn is_of(&self, job: &JobPath) -> bool {
        job.is_at(&self.task_url)
    }
}

#[derive(Deserialize)]
pub(super) struct BuildsAnswer {
    #[serde(default)]
    pub(super) builds: Vec<BuildAnswer>,
}

#[derive(Deserialize)]
pub(super) struct QueueAnswer {
    #[serde(default)]
    pub(super) items: Vec<QueueItemAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildAnswer {
    number: u64,
    #[serde(default)]
    url: String,
    queue_id: Option<u64>,
    #[serde(default)]
    building: bool,
    #[serde(default)]
    in_progress: bool,
    result: Option<String>,
    timestamp: Option<i64>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueueItemAnswer {
    id: u64,
    why: Option<String>,
    #[serde(default)]
    cancelled: bool,
    in_queue_since: Option<i64>,
    task: Option<TaskAnswer>,
    executable: Option<Executable>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct TaskAnswer {
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
struct Executable {
    number: u64,
    #[serde(default)]
    url: String,
}

/// Most actions say nothing that we read, and some are empty objects or null.
#[derive(Deserialize)]
#[serde(untagged)]
enum Action {
    Parameters { parameters: Vec<Parameter> },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    /// Absent for passwords.
    value: Option<Value>,
}

fn parameters(actions: Vec<Action>) -> IndexMap<String, String> {
    let of = |action: Action| match action {
        Action::Parameters { parameters } => parameters,
        Action::Other(_) => Vec::new(),
    };
    actions
        .into_iter()
        .flat_map(of)
        .filter_map(|parameter| {
            let value = match parameter.value? {
                Value::String(text) => text,
                other @ (Value::Bool(_) | Value::Number(_)) => other.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((parameter.name, value))
        })
        .collect()
}

fn time(milliseconds: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds?).ok()
}

impl From<BuildAnswer> for Build {
    fn from(answer: BuildAnswer) -> Self {
        let result = answer.result.as_deref().and_then(BuildResult::parse);
        Self {
            number: answer.number,
            url: answer.url,
            queue_item: answer.queue_id,
            // A pipeline may carry a result, such as UNSTABLE, while it still runs.
            running: answer.building || answer.in_progress || answer.result.is_none(),
            result,
            started: time(answer.timestamp),
            parameters: parameters(answer.actions),
        }
    }
}

impl From<QueueItemAnswer> for QueueItem {
    fn from(answer: QueueItemAnswer) -> Self {
        Self {
            number: answer.id,
            task_url: answer.task.map(|task| task.url).unwrap_or_default(),
            why: answer.why,
            cancelled: answer.cancelled,
            build: answer.executable.map(|build| (build.number, build.url)),
            since: time(answer.in_queue_since),
            parameters: parameters(answer.actions),
        }
    }
}

/// The number in the address of a queue item: `https://ci.example.test/queue/item/4411/`.
pub(super) fn queue_number(location: &str) -> Option<u64> {
    let (_, rest) = location.rsplit_once("/queue/item/")?;
    rest.trim_end_matches('/').parse().ok()
}

//! Jobs, queue items and builds as Jenkins describes them (spec 03 §7.2, §13.2).

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::ids::JobPath;

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
    /// It was stopped by a person, a time limit or a restart.
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
    /// The queue item that it came from, where Jenkins knows it.
    pub queue_item: Option<u64>,
    /// Whether it is running.
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
    /// Jenkins' message about why it waits.
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

/// A job with its newest builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// The newest builds, newest first.
    pub builds: Vec<Build>,
    /// The parameters that the job defines, each with the values that it lists, when it lists some; `None` when Jenkins
    /// does not say.
    pub defined: Option<IndexMap<String, Option<Vec<String>>>>,
}

impl JobView {
    /// What Jenkins would drop or refuse of `wanted`, as messages; empty when the job's parameters are not
    /// known.
    pub fn refuses(&self, wanted: &IndexMap<String, String>) -> Vec<String> {
        let Some(defined) = &self.defined else { return Vec::new() };
        let problem = |(name, value): (&String, &String)| match defined.get(name) {
            None => Some(format!("it does not define {name}")),
            Some(Some(choices)) if !choices.contains(value) => {
                Some(format!("its {name} does not list `{value}`"))
            }
            Some(_) => None,
        };
        wanted.iter().filter_map(problem).collect()
    }
}

/// The result of a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// The number of the queue item.
    pub number: u64,
    /// Whether an equal item was already waiting (303), so that nothing was added to the queue.
    pub waited_before: bool,
}

/// Jenkins writes null for unknown values, also instead of lists and inside them.
#[derive(Deserialize)]
pub(super) struct BuildsAnswer {
    #[serde(rename = "_class")]
    pub(super) class: Option<String>,
    pub(super) builds: Option<Vec<Option<BuildAnswer>>>,
    pub(super) property: Option<Value>,
}

/// Items of other jobs are not parsed: they may have any form.
#[derive(Deserialize)]
pub(super) struct QueueAnswer {
    #[serde(rename = "_class")]
    pub(super) class: Option<String>,
    pub(super) items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BuildAnswer {
    number: u64,
    url: Option<String>,
    /// -1 for a build whose item is not known (`Run.QUEUE_ID_UNKNOWN`).
    queue_id: Option<i64>,
    building: Option<bool>,
    in_progress: Option<bool>,
    result: Option<String>,
    timestamp: Option<i64>,
    actions: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueueItemAnswer {
    id: u64,
    why: Option<String>,
    cancelled: Option<bool>,
    in_queue_since: Option<i64>,
    task: Option<TaskAnswer>,
    executable: Option<Executable>,
    actions: Option<Value>,
}

#[derive(Deserialize)]
struct TaskAnswer {
    url: Option<String>,
}

/// The build that an item became; a part of a pipeline has neither number nor URL.
#[derive(Deserialize)]
struct Executable {
    number: Option<u64>,
    url: Option<String>,
}

/// Whether an item of the queue, as Jenkins wrote it, is for `job`.
pub(super) fn is_item_of(item: &Value, job: &JobPath) -> bool {
    item.pointer("/task/url").and_then(Value::as_str).is_some_and(|url| job.is_at(url))
}

/// The items of a list; empty for anything else.
fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The parameters that a job with these properties defines. `None` when there are only other properties: the
/// job may define parameters that this user cannot see.
pub(super) fn defined(property: Option<&Value>) -> Option<IndexMap<String, Option<Vec<String>>>> {
    let definition = |definition: &Value| {
        let name = definition.get("name")?.as_str()?.to_owned();
        let choices = definition.get("choices").and_then(Value::as_array);
        let text = |choice: &Value| choice.as_str().map(str::to_owned);
        Some((name, choices.map(|choices| choices.iter().filter_map(text).collect())))
    };
    let definitions: IndexMap<_, _> = list(property)
        .iter()
        .flat_map(|property| list(property.get("parameterDefinitions")))
        .filter_map(definition)
        .collect();
    (!definitions.is_empty()).then_some(definitions)
}

/// The parameters among `actions`. Most actions are of other kinds; some are empty objects or null.
fn parameters(actions: Option<&Value>) -> IndexMap<String, String> {
    let parameter = |parameter: &Value| {
        let name = parameter.get("name")?.as_str()?.to_owned();
        let value = match parameter.get("value")? {
            Value::String(text) => text.clone(),
            // The value of a password, which Jenkins does not show.
            Value::Null => return None,
            other => other.to_string(),
        };
        Some((name, value))
    };
    let all = list(actions).iter().flat_map(|action| list(action.get("parameters")));
    all.filter_map(parameter).collect()
}

fn time(milliseconds: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds.filter(|milliseconds| *milliseconds > 0)?).ok()
}

impl From<BuildAnswer> for Build {
    fn from(answer: BuildAnswer) -> Self {
        let text = answer.result.filter(|text| !text.is_empty());
        let result = text.as_deref().and_then(BuildResult::parse);
        let runs = [answer.building, answer.in_progress].contains(&Some(true));
        Self {
            number: answer.number,
            url: answer.url.unwrap_or_default(),
            queue_item: answer.queue_id.and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0),
            // A pipeline may have a result, such as UNSTABLE, while it is still running; before its script
            // starts it is neither in progress nor has a result.
            running: runs || text.is_none(),
            result,
            started: time(answer.timestamp),
            parameters: parameters(answer.actions.as_ref()),
        }
    }
}

impl From<QueueItemAnswer> for QueueItem {
    fn from(answer: QueueItemAnswer) -> Self {
        Self {
            number: answer.id,
            task_url: answer.task.and_then(|task| task.url).unwrap_or_default(),
            why: answer.why.filter(|why| !why.is_empty()),
            cancelled: answer.cancelled.unwrap_or_default(),
            build: answer.executable.and_then(|build| Some((build.number?, build.url.unwrap_or_default()))),
            since: time(answer.in_queue_since),
            parameters: parameters(answer.actions.as_ref()),
        }
    }
}

/// The number in the address of a queue item: `https://ci.example.test/queue/item/4411/`.
pub(super) fn queue_number(location: &str) -> Option<u64> {
    let (_, rest) = location.rsplit_once("/queue/item/")?;
    rest.split(['/', '?', '#']).next()?.parse().ok()
}

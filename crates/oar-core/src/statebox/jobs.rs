//! The external job of a task: what was intended, what was triggered, how far it got.
//!
//! The intent is recorded before the trigger and the id after it, so that a job whose id was lost is looked for and
//! never started twice. Keys that this program does not know survive; a file without `job` is complete.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::error::StateError;
use super::names::TaskName;
use super::state::State;
use super::yaml::{Mapping, Node};
use crate::clock::stamp;
use crate::store::Change;

/// What precedes a Prow job's id in a result (`interop-exact`: the Python reference finds its job by it).
pub const CONSISTENCY_TRIGGERED: &str = "Triggered image consistency check Prow job:";
/// What precedes a Jenkins build's address in a result (`interop-exact`: agents take the build's number from it).
pub const STAGE_TRIGGERED: &str = "triggered stage pipeline job:";

/// Where an external job runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobSystem {
    /// Prow, started through Gangway.
    Prow,
    /// Jenkins.
    Jenkins,
    /// A system that this program does not know: the text of the file.
    Other(String),
}

impl JobSystem {
    /// The system as files write it.
    pub fn text(&self) -> &str {
        match self {
            Self::Prow => "prow",
            Self::Jenkins => "jenkins",
            Self::Other(text) => text,
        }
    }

    /// The system that a file names `text`.
    pub fn from_file(text: &str) -> Self {
        match text {
            "prow" => Self::Prow,
            "jenkins" => Self::Jenkins,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name that people use.
    pub fn name(&self) -> &str {
        match self {
            Self::Prow => "Prow",
            Self::Jenkins => "Jenkins",
            Self::Other(text) => text,
        }
    }
}

impl Serialize for JobSystem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// What was to be started, recorded before it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct JobIntent {
    /// The unique key of this intent; the job has it too if its system allows that.
    pub key: String,
    /// When it was recorded, `YYYY-MM-DDTHH:MM:SSZ`.
    pub at: String,
    /// Who wants the job.
    pub by: Option<String>,
    /// The process that is about to start it (`flow::holder`).
    pub holder: Option<String>,
    /// The id of the job that this one replaces.
    pub replaces: Option<String>,
    /// The parameters with which it is started.
    pub parameters: IndexMap<String, String>,
}

/// An external job that a task started, or is about to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Job {
    /// Where it runs.
    pub system: JobSystem,
    /// Its name there: a Prow job's name, the path of a Jenkins job.
    pub name: String,
    /// Its id there: the Prow job's id, the Jenkins build's number. Absent between the intent and the trigger's
    /// answer, and while a Jenkins build waits in the queue.
    pub id: Option<String>,
    /// The number of its item in Jenkins' queue.
    pub queue_item: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// When it was triggered, `YYYY-MM-DDTHH:MM:SSZ`.
    pub triggered_at: Option<String>,
    /// The state in which it was seen last when that state was recorded, in the system's own word.
    pub state: Option<String>,
    /// What was intended, when this program started it.
    pub intent: Option<JobIntent>,
}

impl Job {
    /// A job of which only its place is known.
    pub fn new(system: JobSystem, name: impl Into<String>) -> Self {
        Self {
            system,
            name: name.into(),
            id: None,
            queue_item: None,
            url: None,
            triggered_at: None,
            state: None,
            intent: None,
        }
    }

    /// Whether the trigger's answer is known; without it the job must be looked for.
    pub fn is_identified(&self) -> bool {
        self.id.is_some() || self.queue_item.is_some()
    }

    /// Whether both are the same job, however far each is known.
    pub fn is_same(&self, other: &Self) -> bool {
        let keys = |job: &Self| job.intent.as_ref().map(|intent| intent.key.clone());
        match (keys(self), keys(other)) {
            (Some(one), Some(two)) => one == two,
            _ => self.system == other.system && self.name == other.name && self.id == other.id,
        }
    }

    pub(super) fn from_mapping(mapping: &Mapping) -> Self {
        let owned = |key: &str| mapping.text(key).map(str::to_owned);
        Self {
            system: JobSystem::from_file(mapping.text("system").unwrap_or_default()),
            name: owned("name").unwrap_or_default(),
            id: owned("id"),
            queue_item: owned("queue_item"),
            url: owned("url"),
            triggered_at: owned("triggered_at"),
            state: owned("state"),
            intent: mapping.get("intent").and_then(Node::as_mapping).map(JobIntent::from_mapping),
        }
    }
}

impl JobIntent {
    /// When it was recorded, as a time.
    pub fn time(&self) -> Option<Timestamp> {
        self.at.parse().ok()
    }

    /// An intent of `now`.
    pub fn new(key: impl Into<String>, now: Timestamp, parameters: IndexMap<String, String>) -> Self {
        Self { key: key.into(), at: stamp(now), by: None, holder: None, replaces: None, parameters }
    }

    fn from_mapping(mapping: &Mapping) -> Self {
        let owned = |key: &str| mapping.text(key).map(str::to_owned);
        let parameters = mapping.get("parameters").and_then(Node::as_mapping);
        Self {
            key: owned("key").unwrap_or_default(),
            at: owned("at").unwrap_or_default(),
            by: owned("by"),
            holder: owned("holder"),
            replaces: owned("replaces"),
            parameters: parameters
                .into_iter()
                .flat_map(Mapping::iter)
                .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), value.as_text()?.to_owned())))
                .collect(),
        }
    }
}

impl State {
    /// Records the external job of a task, or forgets it.
    pub fn set_job(&mut self, task: TaskName, job: Option<&Job>) -> Change {
        let record = job.map(|job| self.job_record(job));
        self.change_task(task, |fields| match record {
            None => {
                fields.remove("job");
            }
            Some(record) => {
                // A later program's keys about the same job stay; those of another job go with it.
                let same = |known: &Mapping| job.is_some_and(|job| Job::from_mapping(known).is_same(job));
                match fields.get_mut("job").and_then(Node::as_mapping_mut).filter(|known| same(known)) {
                    Some(known) => {
                        for key in ["id", "queue_item", "url", "triggered_at", "state", "intent"] {
                            if record.get(key).is_none() {
                                known.remove(key);
                            }
                        }
                        for (key, value) in record.iter() {
                            if let Some(key) = key.as_text() {
                                known.set(key, value.clone());
                            }
                        }
                    }
                    None => fields.set("job", Node::mapping(record)),
                }
            }
        })
    }

    /// Records what is about to be started. `seen` is the job that the caller knows of: when the file holds another
    /// one by now, somebody else was faster, and nothing is changed.
    pub fn intend_job(
        &mut self,
        task: TaskName,
        seen: Option<&Job>,
        job: &Job,
    ) -> Result<Change, StateError> {
        let now = self.task(task).and_then(|view| view.job);
        let expected = match (&now, seen) {
            (None, None) => true,
            (Some(now), _) if now.is_same(job) => true,
            (Some(now), Some(seen)) => now.is_same(seen) && now.is_identified() == seen.is_identified(),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if !expected {
            return Err(StateError::JobTaken {
                task,
                by: now.and_then(|job| job.intent).and_then(|intent| intent.by),
            });
        }
        Ok(self.set_job(task, Some(job)))
    }

    /// Records how far `job` got. When the file holds another job by now, that one stays.
    pub fn update_job(&mut self, task: TaskName, seen: Option<&Job>, job: &Job) -> Change {
        let now = self.task(task).and_then(|view| view.job);
        let ours = match (&now, seen) {
            (None, None) => true,
            (Some(now), Some(seen)) => now.is_same(seen) || now.is_same(job),
            (Some(now), None) => now.is_same(job),
            (None, Some(_)) => false,
        };
        if ours { self.set_job(task, Some(job)) } else { Change::Unchanged }
    }

    fn job_record(&self, job: &Job) -> Mapping {
        let system = job.system.text().to_owned();
        let mut record = self.record([
            ("system", Some(&system)),
            ("name", Some(&job.name)),
            ("id", job.id.as_ref()),
            ("queue_item", job.queue_item.as_ref()),
            ("url", job.url.as_ref()),
            ("triggered_at", job.triggered_at.as_ref()),
            ("state", job.state.as_ref()),
        ]);
        if let Some(intent) = &job.intent {
            let mut inner = self.record([
                ("key", Some(&intent.key)),
                ("at", Some(&intent.at)),
                ("by", intent.by.as_ref()),
                ("holder", intent.holder.as_ref()),
                ("replaces", intent.replaces.as_ref()),
            ]);
            let mut parameters = Mapping::new();
            for (key, value) in &intent.parameters {
                parameters.push(Node::text(key), Node::text(self.mask(value)));
            }
            inner.push(Node::text("parameters"), Node::mapping(parameters));
            record.push(Node::text("intent"), Node::mapping(inner));
        }
        record
    }
}

crate::schema::text_schema!(JobSystem, "JobSystem", "Where an external job runs", ["prow", "jenkins"]);

use std::borrow::Cow;

use jiff::Timestamp;

use super::build::Build;
use super::run::Run;
use crate::prow::json::{Map, Value};
use crate::prow::names::ResultName;
use crate::prow::problem::{FileProblems, Findings, utf8};
use crate::prow::registry::{TestJob, read_job};

/// The key of the jobs that a build was started with.
pub(super) const STARTED_WITH: &str = "started_with";

/// The record of the tests of one build on one architecture.
#[derive(Debug, Clone)]
pub struct ResultFile {
    pub(super) name: ResultName,
    pub(super) document: Map,
    build: Build,
    /// The stored text, in exact form; `None` for a new file.
    stored: Option<String>,
    form: Form,
}

/// The form of a file when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Exactly as the programs write it.
    Exact,
    /// With a newline at its end, as editors write it.
    FinalNewline,
    /// Another form; the first line that differs.
    Other {
        /// The line, from 1.
        line: usize,
    },
}

/// The part of the registry that a build was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedWith {
    /// When it was started, `YYYY-MM-DDTHH:MM:SSZ`.
    pub at: Option<String>,
    /// The jobs that were enabled then.
    pub jobs: Vec<TestJob>,
}

impl StartedWith {
    pub(super) fn to_value(&self) -> Value {
        let mut map = Map::default();
        if let Some(at) = &self.at {
            map.set("at", at.as_str());
        }
        map.set("jobs", self.jobs.iter().map(TestJob::to_value).collect::<Vec<_>>());
        Value::Map(map)
    }
}

/// One job of a file.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a>(&'a Map);

impl<'a> Job<'a> {
    pub(super) fn of(entry: &'a Map) -> Self {
        Self(entry)
    }

    /// The Prow job's name.
    pub fn name(self) -> Cow<'a, str> {
        self.0.text("jobName").unwrap_or_default()
    }

    /// Its first run; `None` when there is none, or when it has no id.
    pub fn first(self) -> Option<Run<'a>> {
        self.0.get("firstJob")?.as_map().map(Run).filter(|run| run.id().is_some())
    }

    /// The runs that were started after the first one failed; those without an id are left out.
    pub fn retried(self) -> impl Iterator<Item = Run<'a>> {
        let runs = self.0.get("retriedJobs").and_then(Value::as_list).unwrap_or_default();
        runs.iter().filter_map(Value::as_map).map(Run).filter(|run| run.id().is_some())
    }

    /// All its runs.
    pub fn runs(self) -> impl Iterator<Item = Run<'a>> {
        self.first().into_iter().chain(self.retried())
    }
}

impl ResultFile {
    /// Parses the file `name`. Only values that decisions depend on are checked.
    pub fn parse(name: &ResultName, bytes: &[u8]) -> Result<Self, FileProblems> {
        let mut findings = Findings::of(name);
        let text = match utf8(bytes) {
            Ok(text) => text,
            Err(reason) => return Err(findings.refuse("", reason)),
        };
        let document = match Value::parse(text) {
            Ok(Value::Map(document)) => document,
            Ok(other) => return Err(findings.refuse("", format!("a map was expected, not {}", other.kind()))),
            Err(error) => return Err(findings.refuse("", format!("it is not JSON: {error}"))),
        };
        check(&document, &mut findings);
        let build = match document.get("build") {
            Some(Value::Map(build)) => Build::of(build.clone()).map_err(|error| error.to_string()),
            Some(other) => Err(format!("a map was expected, not {}", other.kind())),
            None => Err("it is missing; it describes the build: `{\"name\": \"4.20.27\", …}`".to_owned()),
        };
        let build = match build {
            Ok(build) if build.name == name.build => build,
            Ok(build) => {
                return Err(
                    findings.refuse("build.name", format!("the file is about another build, {}", build.name))
                );
            }
            Err(reason) => return Err(findings.refuse("build", reason)),
        };
        findings.finish()?;
        let stored = document.to_text();
        let form = form(text, &stored);
        Ok(Self { name: name.clone(), document, build, stored: Some(stored), form })
    }

    pub(super) fn new(name: ResultName, document: Map, build: Build) -> Self {
        Self { name, document, build, stored: None, form: Form::Exact }
    }

    /// The file's name.
    pub fn name(&self) -> &ResultName {
        &self.name
    }

    /// The build that was tested.
    pub fn build(&self) -> &Build {
        &self.build
    }

    /// The jobs, in the order of the file.
    pub fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        self.document
            .get("result")
            .and_then(Value::as_list)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_map)
            .map(Job)
    }

    /// The entries of the job called `name`; more than one only after an edit by hand.
    pub fn entries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Job<'a>> {
        self.jobs().filter(move |job| job.name() == name)
    }

    /// Whether everything has ended and the acceptance is final.
    pub fn is_aggregated(&self) -> bool {
        self.flag("aggregated") == Some(true)
    }

    /// The recorded acceptance.
    pub fn accepted(&self) -> Option<bool> {
        self.flag("accepted")
    }

    /// Whether the build was promoted by hand: the presence of the key counts (spec 04 §6.1).
    pub fn is_promoted(&self) -> bool {
        self.document.contains("manual_promotion")
    }

    /// The jobs that the build was started with; `None` in files of the Python tooling.
    pub fn started_with(&self) -> Option<StartedWith> {
        let map = self.document.get(STARTED_WITH)?.as_map()?;
        let mut findings = Findings::of(&self.name);
        let entries = map.get("jobs").and_then(Value::as_list).unwrap_or_default();
        let jobs = entries.iter().filter_map(|entry| read_job(entry, "", &mut findings)).collect();
        Some(StartedWith { at: map.text("at").map(Cow::into_owned), jobs })
    }

    /// A time at which the run with this id was known to exist, by its own data. The times of other runs do
    /// not count, because a run may replace one that is weeks old.
    pub fn known_since(&self, job: &str, id: &str) -> Option<Timestamp> {
        let mut own =
            self.entries(job).flat_map(Job::runs).filter(|run| run.id().is_some_and(|known| known == id));
        own.find_map(Run::known_since)
    }

    /// When the last run ended, as far as it is recorded.
    pub fn last_end(&self) -> Option<Timestamp> {
        let ends = self.jobs().flat_map(Job::runs).filter_map(|run| run.completed()?.parse().ok());
        ends.max()
    }

    /// The form of the file when it was read.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The file as it is written.
    pub fn to_text(&self) -> String {
        self.document.to_text()
    }

    /// The text to write; `None` when it has the same content as the stored one. A different form alone is
    /// not a change.
    pub fn changed_text(&self) -> Option<String> {
        Some(self.to_text()).filter(|text| self.stored.as_ref() != Some(text))
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.document.get(key).and_then(Value::as_bool)
    }
}

fn form(text: &str, exact: &str) -> Form {
    match text.strip_prefix(exact) {
        Some("") => Form::Exact,
        Some("\n") => Form::FinalNewline,
        _ => {
            let same = text.lines().zip(exact.lines()).take_while(|(left, right)| left == right).count();
            Form::Other { line: same + 1 }
        }
    }
}

/// Checks the values that decisions depend on.
fn check(document: &Map, findings: &mut Findings) {
    match document.get("result") {
        Some(Value::List(jobs)) => {
            for (index, job) in jobs.iter().enumerate() {
                check_job(job, &format!("result[{index}]"), findings);
            }
        }
        Some(Value::Null) => {}
        Some(other) => findings.error("result", format!("a list of jobs was expected, not {}", other.kind())),
        None => findings.error("result", "it is missing; it lists the jobs: `[]`"),
    }
    for key in ["aggregated", "accepted"] {
        let other = document.get(key).filter(|value| value.as_bool().is_none() && **value != Value::Null);
        if let Some(other) = other {
            findings.error(key, format!("true or false was expected, not {}", other.kind()));
        }
    }
    match document.get(STARTED_WITH).filter(|value| **value != Value::Null) {
        None => {}
        Some(Value::Map(map)) => match map.get("jobs") {
            Some(Value::List(jobs)) => {
                for (index, job) in jobs.iter().enumerate() {
                    read_job(job, &format!("{STARTED_WITH}.jobs[{index}]"), findings);
                }
            }
            _ => findings.error(format!("{STARTED_WITH}.jobs"), "a list of jobs was expected"),
        },
        Some(other) => findings.error(STARTED_WITH, format!("a map was expected, not {}", other.kind())),
    }
}

fn check_job(job: &Value, at: &str, findings: &mut Findings) {
    let Some(job) = job.as_map() else {
        findings.error(at, format!("a map was expected, not {}", job.kind()));
        return;
    };
    match job.get("jobName") {
        Some(Value::Text(name)) if !name.get().trim().is_empty() => {}
        _ => findings.error(format!("{at}.jobName"), "the name of the job was expected"),
    }
    if let Some(run) = job.get("firstJob").filter(|run| **run != Value::Null) {
        check_run(run, &format!("{at}.firstJob"), findings);
    }
    match job.get("retriedJobs").filter(|runs| **runs != Value::Null) {
        None => {}
        Some(Value::List(runs)) => {
            for (index, run) in runs.iter().enumerate() {
                check_run(run, &format!("{at}.retriedJobs[{index}]"), findings);
            }
        }
        Some(other) => {
            findings.error(format!("{at}.retriedJobs"), format!("a list was expected, not {}", other.kind()));
        }
    }
}

fn check_run(run: &Value, at: &str, findings: &mut Findings) {
    let Some(run) = run.as_map() else {
        findings.error(at, format!("a map was expected, not {}", run.kind()));
        return;
    };
    for key in ["jobID", "jobState"] {
        match run.get(key) {
            None | Some(Value::Text(_) | Value::Null) => {}
            Some(other) => {
                findings.error(format!("{at}.{key}"), format!("a string was expected, not {}", other.kind()));
            }
        }
    }
}

//! The names of jobs and tests, read from the CI configuration on GitHub (spec 04 §2.1 H6).

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Event, EventHandler, JobError, similar};
use crate::clients::Clients;
use crate::clients::github::TreeEntry;
use crate::error::{Classified, ErrorClass};
use crate::failures::Failures;
use crate::ids::{InvalidRepository, Repository};
use crate::schema::{read_from_text, text_schema};
use crate::yaml;

/// The prefix of the names of all periodic jobs.
pub(super) const PERIODIC: &str = "periodic-ci-";
/// The component whose jobs test builds.
pub const COMPONENT: &str = "openshift/openshift-tests-private";
/// The prefix of the names of its periodic jobs. Only these are looked up.
const LOOKED_UP: &str = "periodic-ci-openshift-openshift-tests-private-";
/// The branch of the CI configuration.
pub const BRANCH: &str = "main";
const REPOSITORY: &str = "openshift/release";
/// The most names or files that a message lists.
const LISTED: usize = 10;

/// The tests in one file.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TestFile {
    /// The file's name.
    pub file: String,
    /// The names of the tests, in their order.
    pub tests: Vec<String>,
    /// Why its tests are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The tests of a component, by file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct TestList {
    /// The files, by name.
    pub files: Vec<TestFile>,
    /// Why files cannot be read.
    #[serde(skip)]
    pub failures: Failures,
}

impl TestList {
    /// Describes which files cannot be read; `None` when all can.
    pub fn problem(&self) -> Option<String> {
        let problems = self.files.iter().filter_map(|file| file.problem.as_deref());
        unknown_text(self.files.len(), &problems.collect::<Vec<_>>())
    }
}

#[derive(Deserialize)]
struct Periodics {
    #[serde(default)]
    periodics: Vec<Periodic>,
}

#[derive(Deserialize)]
struct Periodic {
    name: String,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(rename = "as")]
    name: String,
}

/// The name of a component, which becomes part of a path: `openshift/openshift-tests-private`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component(String);

/// A text that names no component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected ORGANISATION/REPOSITORY, such as {COMPONENT}")]
pub struct InvalidComponent;

impl FromStr for Component {
    type Err = InvalidComponent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        match text.split_once('/') {
            Some((organisation, repository)) if part(organisation) && part(repository) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(InvalidComponent),
        }
    }
}

impl Default for Component {
    fn default() -> Self {
        Self(COMPONENT.to_owned())
    }
}

read_from_text!(Component);
text_schema!(
    Component,
    "Component",
    "The name of a component: the folder below ci-operator/config of openshift/release",
    [COMPONENT]
);

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a job that Gangway did not start exists.
pub(super) enum Existence {
    /// It exists.
    Known,
    /// It does not exist; the error.
    Unknown(JobError),
    /// Unknown; a hint for the user.
    Untold(String),
}

/// The names of the periodic jobs that test builds, read once, at the first use.
pub struct JobNames<'a> {
    clients: &'a Clients,
    tell: EventHandler<'a>,
    read: Option<Result<Known, JobError>>,
}

struct Known {
    names: Vec<String>,
    /// How many files with names cannot be read.
    unknown: usize,
}

impl<'a> JobNames<'a> {
    /// Names that `clients` read.
    pub fn new(clients: &'a Clients, tell: EventHandler<'a>) -> Self {
        Self { clients, tell, read: None }
    }

    /// The job whose name contains `part`.
    ///
    /// # Errors
    ///
    /// The names cannot be read, or `part` is part of none of them or of several.
    pub async fn only_match(&mut self, part: &str) -> Result<String, JobError> {
        let known = self.known().await?;
        let found: Vec<&str> =
            known.names.iter().map(String::as_str).filter(|name| name.contains(part)).collect();
        match found.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(known.nothing_called(part)),
            several => {
                let count = several.len();
                let message = format!("`{part}` is part of the names of {count} jobs:{}", listed(several));
                Err(JobError::usage(message).with_hint("Give the whole name of the one that is meant."))
            }
        }
    }

    /// Whether there is a job called `name`.
    pub(super) async fn existence(&mut self, name: &str) -> Existence {
        const ALIKE: &str = "Gangway answers an unknown job in the same way: check the name";
        if !name.starts_with(LOOKED_UP) {
            return Existence::Untold(format!("{ALIKE}."));
        }
        match self.known().await {
            Ok(known) if known.names.iter().any(|known| known == name) => Existence::Known,
            Ok(known) if known.unknown == 0 => Existence::Unknown(known.nothing_called(name)),
            Ok(known) => Existence::Untold(format!(
                "{ALIKE}, which is in none of the files that can be read; {} cannot.",
                files_text(known.unknown)
            )),
            Err(error) if error.class() == ErrorClass::Configuration => {
                Existence::Untold(format!("{ALIKE}; with GITHUB_TOKEN it is looked up."))
            }
            Err(error) => {
                tracing::debug!("the names of the jobs cannot be read: {error}");
                Existence::Untold(format!("{ALIKE}, which cannot be looked up now."))
            }
        }
    }

    async fn known(&mut self) -> Result<&Known, JobError> {
        let read = match self.read.take() {
            Some(read) => read,
            None => periodic_jobs(self.clients, self.tell).await,
        };
        self.read.insert(read).as_ref().map_err(Clone::clone)
    }
}

impl Known {
    fn nothing_called(&self, name: &str) -> JobError {
        let error = JobError::usage(format!("there is no periodic job `{name}`"));
        let close = similar::names(name, &self.names);
        let mut hint = vec![if close.is_empty() {
            format!(
                "The names are in ci-operator/jobs/{COMPONENT} of {REPOSITORY}; none of the {} there is similar.",
                self.names.len()
            )
        } else {
            format!("Similar names:{}", listed(&close))
        }];
        if self.unknown > 0 {
            hint.push(format!("It may be in {} that cannot be read.", files_text(self.unknown)));
        }
        error.with_hint(hint.join("\n"))
    }
}

/// Up to [`LISTED`] names, one per line.
fn listed(names: &[impl AsRef<str>]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let mut lines = vec![String::new()];
    lines.extend(names.iter().take(LISTED).map(|name| format!("  {}", name.as_ref())));
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}

fn files_text(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

fn is_yaml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "yaml")
}

/// The tests of a component by file. Some files may be unknown; when all are, that is the first one's error.
pub async fn tests(clients: &Clients, component: &Component, branch: &str) -> Result<TestList, JobError> {
    let folder = format!("ci-operator/config/{component}");
    let files = files(clients, &folder, branch, is_yaml, |text| {
        let configuration: Configuration = yaml::from_str(text)?;
        Ok(configuration.tests.into_iter().map(|test| test.name).collect::<Vec<_>>())
    })
    .await?;
    let mut failures = Failures::default();
    let files = files.into_iter().map(|file| match file.content {
        Ok(tests) => TestFile { file: file.name, tests, problem: None },
        Err(error) => {
            failures.add(&error);
            TestFile { file: file.name, tests: Vec::new(), problem: Some(error.to_string()) }
        }
    });
    let files = files.collect();
    Ok(TestList { files, failures })
}

async fn periodic_jobs(clients: &Clients, tell: EventHandler<'_>) -> Result<Known, JobError> {
    let folder = format!("ci-operator/jobs/{COMPONENT}");
    let is_periodics = |name: &str| is_yaml(name) && name.contains("periodics");
    let files = files(clients, &folder, BRANCH, is_periodics, |text| {
        let periodics: Periodics = yaml::from_str(text)?;
        Ok(periodics.periodics.into_iter().map(|periodic| periodic.name).collect::<Vec<_>>())
    })
    .await?;
    let problems: Vec<String> =
        files.iter().filter_map(|file| file.content.as_ref().err()).map(ToString::to_string).collect();
    if let Some(text) = unknown_text(files.len(), &problems) {
        tell(Event::Warning(text));
    }
    let names = files.into_iter().filter_map(|file| file.content.ok()).flatten().collect();
    Ok(Known { names, unknown: problems.len() })
}

/// Describes how many of the files cannot be read; `None` when all can.
fn unknown_text(files: usize, problems: &[impl AsRef<str>]) -> Option<String> {
    let (count, total) = (problems.len(), files_text(files));
    (count > 0).then(|| format!("{count} of {total} cannot be read:{}", listed(problems)))
}

/// A file of the CI configuration, or why it is not known.
struct ConfigurationFile<T> {
    name: String,
    content: Result<T, JobError>,
}

/// The files of a folder. Some of them may be unknown; when all are, that is the first one's error.
async fn files<T>(
    clients: &Clients,
    folder: &str,
    branch: &str,
    wanted: impl Fn(&str) -> bool,
    read: impl Fn(&str) -> Result<T, yaml::YamlError>,
) -> Result<Vec<ConfigurationFile<T>>, JobError> {
    let repository: Repository = REPOSITORY
        .parse()
        .map_err(|error: InvalidRepository| JobError::new(ErrorClass::Failed, error.to_string()))?;
    let folder = clients.folder(repository, branch, folder)?;
    let tree = folder.list().await?.ok_or_else(|| {
        JobError::usage(format!("{REPOSITORY} has no folder {} on {branch}", folder.path("")))
    })?;
    let entries: Vec<TreeEntry> =
        tree.entries.into_iter().filter(|entry| entry.is_file() && wanted(&entry.name)).collect();
    let texts = folder.read(&entries).await;
    let files: Vec<ConfigurationFile<T>> = entries
        .into_iter()
        .zip(texts)
        .map(|(entry, text)| {
            let path = folder.path(&entry.name);
            let content = text.map_err(JobError::from).and_then(|file| {
                read(&file.text)
                    .map_err(|error| JobError::new(ErrorClass::Failed, format!("{path}: {error}")))
            });
            ConfigurationFile { name: entry.name, content }
        })
        .collect();
    if let Some(Err(error)) = files.first().map(|file| &file.content)
        && files.iter().all(|file| file.content.is_err())
    {
        return Err(error.clone());
    }
    Ok(files)
}

//! The names of jobs and tests, read from the CI configuration on GitHub (spec 04 §2.1 H6).

use std::path::Path;

use cli_support::CliError;
use oar_core::clients::github::{InvalidRepository, Repository, TreeEntry};
use oar_core::error::ErrorClass;
use serde::{Deserialize, Serialize};

use crate::clients::Clients;

/// What the names of all periodic jobs begin with.
pub(crate) const PERIODIC: &str = "periodic-ci-";
/// The component whose jobs test builds.
pub(crate) const COMPONENT: &str = "openshift/openshift-tests-private";
/// The branch of the CI configuration.
pub(crate) const BRANCH: &str = "main";
const REPOSITORY: &str = "openshift/release";
/// How many names an error lists.
const LISTED: usize = 10;
/// How like two names must be to come close, from 0 to 1.
const CLOSE: f64 = 0.8;

/// The tests that one file configures.
#[derive(Debug, Serialize)]
pub(crate) struct TestFile {
    pub(crate) file: String,
    pub(crate) tests: Vec<String>,
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

/// Checks the name of a component, which becomes part of a path.
pub(crate) fn component(text: &str) -> Result<String, String> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    match text.split_once('/') {
        Some((organisation, repository)) if part(organisation) && part(repository) => Ok(text.to_owned()),
        _ => Err(format!("expected ORGANISATION/REPOSITORY, such as {COMPONENT}")),
    }
}

/// The job whose name contains `part`.
pub(crate) async fn only_match(clients: &Clients, part: &str) -> Result<String, CliError> {
    let names = periodic_jobs(clients).await?;
    let found: Vec<&String> = names.iter().filter(|name| name.contains(part)).collect();
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(unknown(part, &names)),
        several => {
            let listed = listed(several.iter().map(|name| name.as_str()));
            let count = several.len();
            Err(CliError::usage(format!("`{part}` is part of the names of {count} jobs:{listed}"))
                .with_hint("Give the whole name of the one that is meant."))
        }
    }
}

/// `error`, or a better one when no job is called `job`.
pub(crate) async fn explain_unknown(clients: &Clients, job: &str, error: CliError) -> CliError {
    match periodic_jobs(clients).await {
        Ok(names) if names.iter().any(|name| name == job) => error,
        Ok(names) => unknown(job, &names),
        Err(look) => {
            tracing::debug!("the names of the jobs cannot be read: {}", look.message);
            error.with_hint(
                "Gangway answers so to unknown names too. Check the name: `job list` needs GITHUB_TOKEN to tell.",
            )
        }
    }
}

fn unknown(name: &str, names: &[String]) -> CliError {
    let error = CliError::new(ErrorClass::Usage, format!("there is no periodic job `{name}`"));
    let mut close: Vec<(f64, &String)> = names
        .iter()
        .map(|known| (strsim::normalized_levenshtein(name, known), known))
        .filter(|(likeness, _)| *likeness >= CLOSE)
        .collect();
    close.sort_by(|left, right| right.0.total_cmp(&left.0));
    if close.is_empty() {
        return error.with_hint(format!(
            "The names stand in ci-operator/jobs/{COMPONENT} of {REPOSITORY}; none of the {} there comes close.",
            names.len()
        ));
    }
    let listed = listed(close.iter().map(|(_, name)| name.as_str()));
    error.with_hint(format!("These come close:{listed}"))
}

/// Names on lines of their own, as many as a person reads.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let mut lines = vec![String::new()];
    lines.extend(names.take(LISTED).map(|name| format!("  {name}")));
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}

fn is_yaml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "yaml")
}

/// The tests of a component, by file.
pub(crate) async fn tests(
    clients: &Clients,
    component: &str,
    branch: &str,
) -> Result<Vec<TestFile>, CliError> {
    let folder = format!("ci-operator/config/{component}");
    files(clients, &folder, branch, is_yaml, |file, text| {
        let configuration: Configuration = serde_yaml::from_str(text)?;
        let tests = configuration.tests.into_iter().map(|test| test.name).collect();
        Ok(TestFile { file, tests })
    })
    .await
}

async fn periodic_jobs(clients: &Clients) -> Result<Vec<String>, CliError> {
    let folder = format!("ci-operator/jobs/{COMPONENT}");
    let is_periodics = |name: &str| is_yaml(name) && name.contains("periodics");
    let names = files(clients, &folder, BRANCH, is_periodics, |_, text| {
        let periodics: Periodics = serde_yaml::from_str(text)?;
        Ok(periodics.periodics.into_iter().map(|periodic| periodic.name).collect::<Vec<_>>())
    })
    .await?;
    Ok(names.into_iter().flatten().collect())
}

async fn files<T>(
    clients: &Clients,
    folder: &str,
    branch: &str,
    wanted: impl Fn(&str) -> bool,
    read: impl Fn(String, &str) -> Result<T, serde_yaml::Error>,
) -> Result<Vec<T>, CliError> {
    let repository: Repository = REPOSITORY
        .parse()
        .map_err(|error: InvalidRepository| CliError::new(ErrorClass::Failed, error.to_string()))?;
    let folder = clients.folder(repository, branch, folder)?;
    let tree = folder.list().await?.ok_or_else(|| {
        CliError::new(
            ErrorClass::Usage,
            format!("{REPOSITORY} has no folder {} on {branch}", folder.path("")),
        )
    })?;
    let entries: Vec<TreeEntry> =
        tree.entries.into_iter().filter(|entry| entry.is_file() && wanted(&entry.name)).collect();
    folder
        .read(&entries)
        .await
        .into_iter()
        .map(|file| {
            let file = file?;
            let path = folder.path(&file.name);
            read(file.name, &file.text)
                .map_err(|error| CliError::new(ErrorClass::Failed, format!("{path}: {error}")))
        })
        .collect()
}

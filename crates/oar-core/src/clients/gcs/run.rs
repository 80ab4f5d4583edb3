//! What one run of a Prow job left behind.

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::GcsClient;
use crate::clients::prow::{ProwJob, ProwState};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::service::Service;

/// Where a run's report lies below the folder of its test.
const REPORT: &str = "openshift-e2e-test-qe-report/artifacts/test-results.yaml";
/// How many folders of a run are tried where the store knows no patterns.
const FOLDERS: usize = 32;

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunLocation {
    /// The job's name.
    pub job: String,
    /// The number of the run.
    pub run: String,
}

impl RunLocation {
    /// The folder of the run whose page is at `url`: the last two parts of its path (spec 04 §2.7).
    ///
    /// `None` when these cannot be the name of a job and a number.
    pub fn of_page(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let mut parts = url.path_segments()?.rev().filter(|part| !part.is_empty());
        let (run, job) = (parts.next()?, parts.next()?);
        let word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        let good = run.chars().all(|letter| letter.is_ascii_digit())
            && job.chars().all(word)
            && job.chars().any(|letter| letter.is_ascii_alphanumeric());
        good.then(|| Self { job: job.to_owned(), run: run.to_owned() })
    }

    /// The folder, with a slash at its end.
    fn folder(&self) -> String {
        format!("logs/{}/{}/", self.job, self.run)
    }
}

/// The end of a run, by its artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRun {
    /// The id of the Prow job, when the run left it.
    pub id: Option<String>,
    /// When it was created, likewise.
    pub started: Option<Timestamp>,
    /// How it ended.
    pub state: ProwState,
    /// When it ended.
    pub completed: Timestamp,
}

#[derive(Deserialize)]
struct Finished {
    timestamp: i64,
    #[serde(default)]
    passed: Option<bool>,
    #[serde(default)]
    result: Option<String>,
}

impl GcsClient {
    /// The text of a run's QE report; `None` when it has none, as upgrade jobs never do (spec 04 §6.1).
    ///
    /// Two requests, one when there is no report; more only at a store that knows no patterns.
    pub async fn qe_report(&self, run: &RunLocation) -> Result<Option<String>, ServiceError> {
        let root = format!("{}artifacts/", run.folder());
        let wanted = |name: &str| {
            let inside = name.strip_prefix(&root).and_then(|name| name.split_once('/'));
            inside.is_some_and(|(_, rest)| rest == REPORT)
        };
        let names = match self.matching(&root, &format!("{root}*/{REPORT}"), wanted).await? {
            Some(names) => names,
            None => self
                .folders(&root)
                .await?
                .into_iter()
                .take(FOLDERS)
                .map(|folder| format!("{folder}{REPORT}"))
                .collect(),
        };
        for name in names {
            if let Some(content) = self.read(&name).await? {
                let text = String::from_utf8(content.into())
                    .map_err(|_| self.damaged(&name, "is not UTF-8 text"))?;
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// How a run ended, when Prow has forgotten it (spec 04 §2.4); `None` when its artifacts do not say.
    pub async fn ended_run(&self, run: &RunLocation) -> Result<Option<EndedRun>, ServiceError> {
        let name = format!("{}finished.json", run.folder());
        let Some(content) = self.read(&name).await? else { return Ok(None) };
        let finished: Finished = serde_json::from_slice(&content)
            .map_err(|error| self.damaged(&name, &format!("is not what Prow writes: {error}")))?;
        let state = finished.result.as_deref().and_then(ProwState::parse);
        // Older runs say only whether they passed.
        let passed =
            finished.passed.map(|passed| if passed { ProwState::Success } else { ProwState::Failure });
        let state = state.or(passed).filter(|state| state.is_final());
        let state = state.ok_or_else(|| self.damaged(&name, "says no result"))?;
        let completed = Timestamp::from_second(finished.timestamp)
            .map_err(|_| self.damaged(&name, "holds an impossible time"))?;
        let name = format!("{}prowjob.json", run.folder());
        // JSON is YAML, so that the deck's reader takes it; a run whose object is missing still has its end.
        let object = match self.read(&name).await? {
            Some(content) => std::str::from_utf8(&content).ok().and_then(|text| ProwJob::parse(text).ok()),
            None => None,
        };
        Ok(Some(EndedRun {
            id: object.as_ref().map(|job| job.id.clone()),
            started: object.and_then(|job| job.started),
            state,
            completed,
        }))
    }

    fn damaged(&self, name: &str, what: &str) -> ServiceError {
        ServiceError::new(Service::Gcs, "read an artifact", ServiceErrorKind::Malformed, what)
            .about(self.subject(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_is_the_end_of_the_address() {
        let location = RunLocation::of_page(
            "https://deck.example.test/view/gs/qe-private-deck/logs/periodic-ci-demo/2099999999999999999",
        );
        let location = location.unwrap();
        assert_eq!(location.folder(), "logs/periodic-ci-demo/2099999999999999999/");
        assert_eq!(RunLocation::of_page("https://deck.example.test/a/b/job/12/").unwrap().job, "job");
        for wrong in [
            "",
            "no address",
            "https://deck.example.test/",
            "https://deck.example.test/12",
            "https://deck.example.test/job/x",
            "https://deck.example.test/../12",
            "https://deck.example.test/a%2Fb/12",
            "https://deck.example.test/*/12",
        ] {
            assert_eq!(RunLocation::of_page(wrong), None, "{wrong}");
        }
    }
}

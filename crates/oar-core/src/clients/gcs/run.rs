//! The artifacts of one run of a Prow job.

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::GcsClient;
use crate::clients::prow::{ProwJob, ProwState};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::service::Service;

/// Path of a run's report below the folder of its test.
const REPORT: &str = "openshift-e2e-test-qe-report/artifacts/test-results.yaml";
/// The most folders of a run that are tried when the store does not support patterns.
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
        let good = run.chars().all(|letter| letter.is_ascii_digit()) && is_folder(job);
        good.then(|| Self { job: job.to_owned(), run: run.to_owned() })
    }

    /// The folder, with a slash at its end.
    fn folder(&self) -> String {
        format!("logs/{}/{}/", self.job, self.run)
    }
}

/// How a run ended, according to its artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRun {
    /// When it was created.
    pub started: Option<Timestamp>,
    /// How it ended.
    pub state: ProwState,
    /// When it ended.
    pub completed: Timestamp,
}

/// `finished.json`, which the pod of a run writes, or Prow in its place.
#[derive(Deserialize)]
struct Finished {
    #[serde(default)]
    timestamp: Option<i64>,
}

impl GcsClient {
    /// The text of a run's QE report; `None` when it has none, as upgrade jobs never do (spec 04 §6.1).
    ///
    /// Two requests; one when there is no report; more only at a store that does not support patterns or does
    /// not let us list. There an absent report is an error, because the answer is the same as for a forbidden
    /// one.
    pub async fn qe_report(&self, run: &RunLocation) -> Result<Option<String>, ServiceError> {
        let root = format!("{}artifacts/", run.folder());
        let wanted = |name: &str| {
            let inside = name.strip_prefix(&root).and_then(|name| name.split_once('/'));
            inside.is_some_and(|(_, rest)| rest == REPORT)
        };
        let names = match self.matching(&root, &format!("{root}*/{REPORT}"), wanted).await {
            Ok(Some(names)) => names,
            Ok(None) => self
                .folders(&root)
                .await?
                .into_iter()
                .take(FOLDERS)
                .map(|folder| format!("{folder}{REPORT}"))
                .collect(),
            Err(error) if error.kind == ServiceErrorKind::Forbidden => {
                match self.object(run).await?.and_then(|job| job.target) {
                    Some(target) if is_folder(&target) => vec![format!("{root}{target}/{REPORT}")],
                    _ => return Err(error),
                }
            }
            Err(error) => return Err(error),
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

    /// How the run `id` ended, when Prow no longer has it; `None` when the folder `run` does not show it.
    ///
    /// Only the Prow job object that Prow left there decides: it must name this run and this folder, and be
    /// final. The folder may belong to a pod that was replaced: then its `finished.json` says how that pod
    /// ended, and its object is not final (spec 04 §2.4).
    pub async fn ended_run(&self, run: &RunLocation, id: &str) -> Result<Option<EndedRun>, ServiceError> {
        let Some(job) = self.object(run).await? else { return Ok(None) };
        if job.id != id || job.build.as_deref() != Some(run.run.as_str()) || !job.state.is_final() {
            return Ok(None);
        }
        let completed = match job.completed {
            Some(time) => Some(time),
            None => self.finished(run).await?,
        };
        Ok(completed.map(|completed| EndedRun { started: job.started, state: job.state, completed }))
    }

    /// The Prow job object in the folder of a run; `None` when there is none.
    async fn object(&self, run: &RunLocation) -> Result<Option<ProwJob>, ServiceError> {
        let name = format!("{}prowjob.json", run.folder());
        let Some(content) = self.read(&name).await? else { return Ok(None) };
        let text = std::str::from_utf8(&content).map_err(|_| self.damaged(&name, "is not UTF-8 text"))?;
        // JSON is YAML, so the deck's parser reads it.
        ProwJob::parse(text).map(Some).map_err(|error| self.damaged(&name, &error))
    }

    /// When the last pod of a run ended, according to `finished.json`.
    async fn finished(&self, run: &RunLocation) -> Result<Option<Timestamp>, ServiceError> {
        let name = format!("{}finished.json", run.folder());
        let Some(content) = self.read(&name).await? else { return Ok(None) };
        let finished: Finished = serde_json::from_slice(&content)
            .map_err(|error| self.damaged(&name, &format!("is not what Prow writes: {error}")))?;
        let time = finished.timestamp.map(Timestamp::from_second).transpose();
        time.map_err(|_| self.damaged(&name, "holds an impossible time"))
    }

    fn damaged(&self, name: &str, what: &str) -> ServiceError {
        ServiceError::new(Service::Gcs, "read an artifact", ServiceErrorKind::Malformed, what)
            .about(self.subject(name))
    }
}

/// Whether a text can be a folder's name.
fn is_folder(text: &str) -> bool {
    let word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    text.chars().all(word) && text.chars().any(|letter| letter.is_ascii_alphanumeric())
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

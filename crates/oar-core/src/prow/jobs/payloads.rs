//! The newest accepted release of minor versions, and the files that record it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Event, EventHandler, JobError};
use crate::clients::Clients;
use crate::clients::release_controller::{Phase, StreamName, StreamTag};
use crate::clock::Clock;
use crate::error::ErrorClass;
use crate::failures::Failures;
use crate::permit::WritePermit;
use crate::prow::live_world::record_store;
use crate::prow::names;
use crate::store::Store as _;
use crate::store::github::GithubStore;
use crate::store::transaction::{Policy, Start, Target, TransactionError, transact};
use crate::version::{Arch, ReleaseVersion};

/// Whether newer releases are recorded.
#[derive(Debug, Clone, Copy)]
pub enum Recording<'a> {
    /// No.
    No,
    /// No, but report what would be recorded.
    Planned,
    /// Yes.
    Done(&'a WritePermit),
}

/// What changed, or would change, in the file of a minor version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RecordChange {
    /// Nothing: it has no older release.
    None {
        /// The file.
        path: String,
    },
    /// The release would be recorded.
    Planned {
        /// The file.
        path: String,
        /// Its present content.
        recorded: Option<String>,
    },
    /// The release was recorded.
    Written {
        /// The file.
        path: String,
    },
}

/// The result for a minor version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NewestRelease {
    /// The minor version.
    pub release: String,
    /// Its newest accepted release.
    pub latest: Option<String>,
    /// Whether it was recorded now.
    pub recorded: bool,
    /// The problem, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The change of its file, if releases are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<RecordChange>,
}

/// Looks for the newest accepted release of the minor version of each of `versions`, and records those that
/// are newer than what is recorded. One that fails does not affect the others.
pub async fn newest_releases(
    clients: &Clients,
    versions: &[ReleaseVersion],
    recording: Recording<'_>,
    tell: EventHandler<'_>,
) -> Result<(Vec<NewestRelease>, Failures), JobError> {
    let store = match recording {
        Recording::No => None,
        Recording::Planned | Recording::Done(_) => Some(record_store(clients)?),
    };
    let streams = streams(clients, versions).await?;
    let (mut rows, mut failures) = (Vec::new(), Failures::default());
    for version in versions {
        let release = version.y_stream().to_string();
        let mut row = NewestRelease { release, latest: None, recorded: false, problem: None, change: None };
        let done = match newest(&streams, version) {
            Ok(latest) => {
                row.latest = Some(latest.to_string());
                match (&store, recording) {
                    (None, _) | (_, Recording::No) => Ok(None),
                    (Some(store), Recording::Planned) => plan(store, &latest).await.map(Some),
                    (Some(store), Recording::Done(permit)) => {
                        record(store, &latest, clients.clock(), permit).await.map(Some)
                    }
                }
            }
            Err(error) => Err(error),
        };
        let failure = match done {
            Ok(change) => {
                row.recorded = matches!(change, Some(RecordChange::Written { .. }));
                row.change = change;
                None
            }
            Err(error) => {
                let error = error.prefixed(&row.release);
                row.problem = Some(error.to_string());
                Some(error)
            }
        };
        tell(Event::Newest(&row, failure.as_ref()));
        if let Some(failure) = &failure {
            failures.add(failure);
        }
        rows.push(row);
    }
    Ok((rows, failures))
}

/// The builds of a stream, or why they are not known.
type Builds = Result<Vec<StreamTag>, JobError>;

/// The stable streams of the majors, each read once.
async fn streams(clients: &Clients, versions: &[ReleaseVersion]) -> Result<BTreeMap<u64, Builds>, JobError> {
    let controller = clients.release_controller(Arch::Amd64)?;
    let majors: BTreeSet<u64> = versions.iter().map(ReleaseVersion::major).collect();
    let mut streams = BTreeMap::new();
    for major in majors {
        let tags = controller.tags(&StreamName::stable(major, Arch::Amd64)).await;
        streams.insert(major, tags.map(Option::unwrap_or_default).map_err(Into::into));
    }
    Ok(streams)
}

/// The newest accepted release of the same minor version.
fn newest(streams: &BTreeMap<u64, Builds>, version: &ReleaseVersion) -> Result<ReleaseVersion, JobError> {
    let tags = match streams.get(&version.major()) {
        Some(Err(error)) => return Err(error.clone()),
        Some(Ok(tags)) => tags.as_slice(),
        None => &[],
    };
    if tags.is_empty() {
        let stream = StreamName::stable(version.major(), Arch::Amd64);
        let words =
            format!("the stream {stream} shows no build, which is also its answer when it cannot be read");
        return Err(JobError::new(ErrorClass::Unavailable, words).with_hint("Run the same command again."));
    }
    tags.iter()
        .filter(|tag| tag.phase == Phase::Accepted)
        .filter_map(StreamTag::version)
        .filter(|tag| tag.y_stream() == version.y_stream())
        .max()
        .ok_or_else(|| {
            let stream = StreamName::stable(version.major(), Arch::Amd64);
            JobError::new(ErrorClass::Failed, format!("the stream {stream} has no accepted release of it"))
        })
}

fn path(latest: &ReleaseVersion) -> String {
    names::path(format!("Auto-OCP-{}.txt", latest.y_stream()))
}

/// The new content of the file: `latest`, if an older release, or none, is recorded.
fn change(text: Option<&str>, latest: &ReleaseVersion) -> Result<Option<String>, JobError> {
    let recorded = text.map(|text| text.trim().parse::<ReleaseVersion>()).transpose().map_err(|error| {
        JobError::new(ErrorClass::Failed, error.to_string()).with_hint("Correct the file, or remove it.")
    })?;
    Ok(recorded.is_none_or(|recorded| recorded < *latest).then(|| latest.to_string()))
}

async fn plan(store: &GithubStore, latest: &ReleaseVersion) -> Result<RecordChange, JobError> {
    let path = path(latest);
    let stored = store.read(&path).await.map_err(|error| JobError::from(error).about(&path))?;
    let text = stored.as_ref().map(|stored| stored.text.as_str());
    Ok(match change(text, latest).map_err(|error| error.about(&path))? {
        None => RecordChange::None { path },
        Some(_) => RecordChange::Planned { path, recorded: text.map(|text| text.trim().to_owned()) },
    })
}

/// Records the release if an older one, or none, is recorded.
async fn record(
    store: &GithubStore,
    latest: &ReleaseVersion,
    clock: &Clock,
    permit: &WritePermit,
) -> Result<RecordChange, JobError> {
    let path = path(latest);
    let message = format!("got the latest version {latest}");
    let target = Target { store, path: &path, message: &message };
    let committed =
        transact(target, permit, clock, &Policy::default(), Start::Read, |text| change(text, latest))
            .await
            .map_err(|error| {
            let error = match error {
                TransactionError::Store(error) => error.into(),
                TransactionError::Apply(error) => error,
                TransactionError::Contended { location, attempts, seconds } => JobError::new(
                    ErrorClass::Conflict,
                    format!("{location} was changed by others at each of {attempts} attempts in {seconds} s"),
                )
                .with_hint("Run the same command again."),
            };
            error.about(&path)
        })?;
    Ok(if committed.written { RecordChange::Written { path } } else { RecordChange::None { path } })
}

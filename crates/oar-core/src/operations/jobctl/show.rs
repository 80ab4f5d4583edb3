//! `jobctl show`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use schemars::JsonSchema;
use serde::Deserialize;

use super::verify::registries;
use super::{amd64, live_world};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::operations::call::Call;
use crate::operations::files::{Content, File};
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::manual;
use crate::prow::names::{BuildKind, BuildName, ResultName};
use crate::prow::record::ResultFile;
use crate::prow::view::BuildView;
use crate::prow::world::RecordEntry;
use crate::version::{Arch, YStream};

/// The operation, with its arguments: a build, or the record of one.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Show {
    /// The build's whole name; its record is read from GitHub
    #[serde(default)]
    pub build: Option<BuildName>,
    /// The architecture of the build
    #[serde(default = "amd64")]
    pub arch: Arch,
    /// In place of a build: a record, whose name is `ocp-test-result-<build>-<arch>.json`
    #[serde(default)]
    pub record: Option<File>,
    /// With a record: registries of test jobs; a record that says what it was started with needs none
    #[serde(default)]
    pub registry: Vec<File>,
}

impl Conclusion for BuildView {}

impl Operation for Show {
    const ABOUT: About = About::job_look(
        Program::Jobctl,
        "show",
        "Show a build's tests: jobs, runs, retries, the result, and why the build is accepted or not",
    );
    type Answer = BuildView;

    async fn run(self, call: &Call) -> Result<BuildView, TaskError> {
        match (self.build, self.record) {
            (Some(build), None) => recorded(ResultName { build, arch: self.arch }, call).await,
            (None, Some(record)) => {
                let file = parsed(record)?;
                let registries = registries(self.registry);
                for problem in &registries.refused {
                    call.observer().warn(problem);
                }
                Ok(BuildView::of(&file, registries.find(file.name().registry())))
            }
            (None, None) | (Some(_), Some(_)) => Err(Refusal::new(
                ErrorClass::Usage,
                "expected either a build, such as 4.20.27, or the record of one",
            )
            .into()),
        }
    }
}

/// What GitHub has of the build.
async fn recorded(name: ResultName, call: &Call) -> Result<BuildView, TaskError> {
    let live = live_world(call.clients())?;
    let file = manual::record(live.world(), &name).await?;
    let registry = match live.world().registries.registry(name.registry()).await {
        Ok(registry) => registry,
        Err(error) => {
            call.observer().warn(&format!("without the registry: {error}"));
            None
        }
    };
    Ok(BuildView::of(&file, registry.as_deref()))
}

/// A build that has a record, and what that says.
pub type Recorded = (ResultName, Result<BuildView, Unusable>);

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// It cannot be read now.
    Unread(String),
    /// What was read is damaged.
    Damaged(String),
}

/// The newest records of each minor version, kind of builds and architecture, at most `most` of each: two requests, and one
/// for each text that was not read before.
pub async fn newest(call: &Call, most: usize) -> Result<Vec<Recorded>, TaskError> {
    let live = live_world(call.clients())?;
    let world = live.world();
    let mut of_series: BTreeMap<(YStream, BuildKind, Arch), Vec<(ResultName, RecordEntry)>> = BTreeMap::new();
    for entry in world.records.list().await? {
        // The folder has other files too.
        let Ok(name) = entry.name.parse::<ResultName>() else { continue };
        let series = (name.build.y_stream(), name.build.kind(), name.arch);
        of_series.entry(series).or_default().push((name, entry));
    }
    let newest = of_series.into_values().flat_map(|mut records| {
        records.sort_by(|(one, _), (other, _)| one.cmp(other));
        records.split_off(records.len().saturating_sub(most))
    });
    let (names, entries): (Vec<_>, Vec<_>) = newest.unzip();
    let texts = world.records.texts(&entries).await;
    let mut registries = BTreeMap::new();
    let mut builds = Vec::new();
    for (name, text) in names.into_iter().zip(texts) {
        let registry = name.registry();
        if let Entry::Vacant(place) = registries.entry(registry) {
            place.insert(world.registries.registry(registry).await.map_err(|error| error.to_string()));
        }
        let registry = registries.get(&registry).and_then(|found| found.as_ref().ok()?.as_deref());
        let view = text.map_err(|error| Unusable::Unread(error.to_string())).and_then(|text| {
            let file = ResultFile::parse(&name, text.as_bytes()).map_err(|problems| {
                let lines: Vec<String> = problems.iter().take(3).map(ToString::to_string).collect();
                Unusable::Damaged(lines.join("; "))
            })?;
            Ok(BuildView::of(&file, registry))
        });
        builds.push((name, view));
    }
    Ok(builds)
}

/// The record in a file.
fn parsed(record: File) -> Result<ResultFile, Refusal> {
    let name: ResultName =
        record.own_name().parse().map_err(|error| Refusal::new(ErrorClass::Usage, format!("{error}")))?;
    let Content(content) = record.content;
    let bytes = content.map_err(|reason| {
        Refusal::new(ErrorClass::Usage, format!("cannot read {}: {reason}", record.name))
    })?;
    ResultFile::parse(&name, &bytes).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Refusal::new(ErrorClass::Failed, lines.join("\n"))
            .with_hint("Repair the file; `jobctl verify` checks the result.")
    })
}

//! The labels of release payloads: set before a record is completed, and checked again for recently accepted
//! builds.

use jiff::SignedDuration;

use super::work::Work;
use super::{Aggregator, BuildReport, Done};
use crate::clients::release_controller::BuildLookup;
use crate::error::ErrorClass;
use crate::permit::WritePermit;
use crate::prow::names::ResultName;
use crate::prow::outcome::{AvailableRegistry, Label, Observed};
use crate::prow::record::ResultFile;
use crate::prow::world::Labelled;
use crate::store::Stored;
use crate::version::Arch;

/// How long after its last run the label of an accepted build is checked again.
pub(super) const REPAIRED_FOR: SignedDuration = SignedDuration::from_hours(72);
/// The most builds whose label one pass repairs; normally there is none.
const REPAIRED_AT_ONCE: usize = 10;

impl Aggregator<'_> {
    /// Labels the payloads of recently accepted builds that have no label: the Python tooling completes a
    /// record even when setting the label failed (spec 04 §10 D27). One request lists the payloads that have
    /// any label.
    pub(super) async fn repair_labels(
        &self,
        fresh: Vec<(ResultFile, Stored)>,
        arch: Arch,
        permit: Option<&WritePermit>,
    ) -> Vec<BuildReport> {
        let (Some(payloads), Some(_)) = (self.payloads.filter(|_| !fresh.is_empty()), permit) else {
            return Vec::new();
        };
        let labelled = match payloads.labelled(arch).await {
            Ok(labelled) => labelled,
            Err(error) => {
                tracing::warn!("whether accepted payloads lack their label is not known: {error}");
                return Vec::new();
            }
        };
        let mut repaired = Vec::new();
        let bare = fresh.into_iter().filter(|(file, _)| !labelled.contains(&file.build().name.to_string()));
        for (file, stored) in bare.take(REPAIRED_AT_ONCE) {
            let name = file.name().clone();
            tracing::info!("{}: the record is final and good, the release payload has no label", name.build);
            let observed = Observed { label: Label::Absent, ..Observed::default() };
            let work = Work {
                aggregator: *self,
                name: &name,
                registry: AvailableRegistry::Unreadable,
                permit,
                file,
                stored: Some(stored),
                observed,
                label_failed: false,
                no_report: Vec::new(),
                report: BuildReport::new(&name.to_string(), name.build.to_string()),
            };
            let mut report = work.run().await;
            report.reasons = vec!["the record was final, and the release payload had no label".to_owned()];
            if !(report.done.is_empty() && report.problems.is_empty()) {
                repaired.push(report);
            }
        }
        repaired
    }
}

impl Work<'_> {
    pub(super) async fn label(&mut self, permit: &WritePermit) {
        let ResultName { build, arch } = self.name;
        let Some(payloads) = self.aggregator.payloads else {
            self.label_failed = true;
            let words = "the release payload is not labelled: the cluster that has it is not configured";
            self.report.problem(words.to_owned(), ErrorClass::Configuration);
            return;
        };
        match payloads.accept(build, *arch, permit).await {
            Ok(Labelled::Now) => {
                self.report.done.push(Done::build("labelled the release payload: Accepted"));
                self.observed.label = Label::Present;
            }
            Ok(Labelled::Already) => self.observed.label = Label::Present,
            Ok(Labelled::Other(value)) => {
                let words = format!("the release payload has the label `{value}`, which is kept");
                tracing::warn!("{build}: {words}");
                self.report.done.push(Done::build(words));
                self.observed.label = Label::Other;
            }
            Ok(Labelled::Absent) => self.without_payload().await,
            Err(error) => {
                self.label_failed = true;
                self.fail("the label of the release payload", &error);
            }
        }
    }

    /// Handles an absent payload. If the build was removed too, no label is needed. As long as the stream has
    /// the build, its payload is awaited for some time; a final record does not wait.
    async fn without_payload(&mut self) {
        let ResultName { build, arch } = self.name;
        let Aggregator { world, policy, .. } = self.aggregator;
        let waited = self.file.last_end().map(|end| world.clock.now().duration_since(end));
        let is_late = waited.is_some_and(|waited| waited.unsigned_abs() > policy.payload_timeout);
        if self.file.is_aggregated() || is_late {
            let words = "there is no release payload of this name to be labelled";
            tracing::warn!("{build}: {words}");
            if !self.file.is_aggregated() {
                self.report.done.push(Done::build(format!("{words}; the record is completed without")));
            }
            self.observed.label = Label::NoPayload;
            return;
        }
        match self.aggregator.world.builds.find(build, *arch).await {
            Ok(BuildLookup::Absent) => {
                let words = "the build and its release payload no longer exist; no label is needed";
                self.report.done.push(Done::build(words));
                self.observed.label = Label::NoPayload;
            }
            Ok(BuildLookup::Unknown(stream)) => {
                self.label_failed = true;
                let words = format!(
                    "there is no release payload of this name to be labelled, and whether the build is there still is not \
                     known: {stream} shows no build"
                );
                self.report.problem(words, ErrorClass::Unavailable);
            }
            Ok(BuildLookup::Found(_)) => {
                self.label_failed = true;
                let words = "there is no release payload of this name to be labelled, though its stream has the build";
                self.report.problem(words.to_owned(), ErrorClass::Unavailable);
            }
            Err(error) => {
                self.label_failed = true;
                self.fail("whether the build is there still", &error);
            }
        }
    }
}

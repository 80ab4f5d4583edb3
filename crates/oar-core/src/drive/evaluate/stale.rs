//! Whether what a passed task has judged has changed since.

use indexmap::IndexMap;
use jiff::Timestamp;

use super::judgement::Judgement;
use super::{Evaluation, later, time};
use crate::drive::facts::{BuildData, Fact, FactKey, Facts, Standing, Tests};
use crate::drive::verdict::{Evidence, Verdict};
use crate::flow::nodes::{Action, Node, Row};
use crate::statebox::{TaskName, TaskView};

/// What is said of a verdict when its subject has changed.
const AGAIN: [&str; 2] = ["run it again", "keep the verdict"];

/// What has changed since a task has passed.
pub(super) struct Changed {
    pub(super) words: String,
    pub(super) evidence: Evidence,
    /// Whether the release uses it already; otherwise a person has to accept the build data first.
    pub(super) is_accepted: bool,
}

impl Evaluation<'_> {
    /// A passed task: done, unless what was judged has changed since.
    pub(super) fn passed(&self, task: TaskName, view: &TaskView, row: &Row) -> Judgement {
        let since = time(view.completed_at.as_ref());
        let done = Judgement::new(Verdict::Done).since(since).on(self.status_of(view));
        let Some(Changed { words: changed, evidence, is_accepted }) = self.changed(task, view) else {
            return match self.not_compared(view).filter(|_| !self.approved) {
                Some(words) => done.noting(words),
                None => done,
            };
        };
        if self.approved {
            return done.noting(format!("since then {changed}")).on(evidence);
        }
        if let Some(again) = self.tested_again(task, row) {
            return again.since(since).on(self.status_of(view)).on(evidence);
        }
        let mut stale = Judgement::asks(format!("{task} is Pass, but since then {changed}"), &AGAIN)
            .since(since)
            .asked_of(row.who)
            .on(self.status_of(view))
            .on(evidence);
        let release = self.input.release;
        let keep = match row.action {
            Action::Verdict => self.decide_command(task),
            _ => format!("oar -r {release} task set {task} Pass --reason TEXT"),
        };
        let (command, note) = if is_accepted {
            let note = format!(
                "to run it again: oar -r {release} task set {task} \"Not Started\" --force --reason TEXT"
            );
            (keep, note)
        } else {
            // Until somebody accepts the data the verdict stays older than the change.
            let runs = if row.action == Action::Verdict { TaskName::TakeOwnership } else { task };
            let run = self.command(Node::Task(runs).row()).unwrap_or_default();
            (format!("{run} --accept-metadata"), format!("to keep the verdict, after that: {keep}"))
        };
        stale.command = Some(command);
        stale.note = Some(note);
        stale.stale = Some(changed);
        stale
    }

    /// A wait for the tests of a judged build, of which some were started again: as long as they run there is nothing to
    /// decide.
    fn tested_again(&self, task: TaskName, row: &Row) -> Option<Judgement> {
        let Fact::Known(seen) = &self.input.facts.tests else { return None };
        let runs = matches!(seen.value, Tests::Record { aggregated: false, .. });
        (runs && task == TaskName::AnalyzePromotedBuild).then(|| {
            Judgement::waiting("the end of the tests, some of which were started again")
                .due(later(seen.at, row.poll))
                .on(self.read(seen, "verdict", seen.value.verdict()))
        })
    }

    /// What of the judged cannot be compared with how it is now, because that could not be read.
    fn not_compared(&self, view: &TaskView) -> Option<String> {
        let judged = view.judged_now()?;
        judged.of.iter().find_map(|(subject, was)| {
            let why = match self.input.facts.standing(fact_of(subject)?) {
                Standing::Unknown(unknown) => unknown.why,
                Standing::Known(..) => uncompared(subject, was, self.input.facts)?.to_owned(),
                Standing::NotLooked => return None,
            };
            Some(format!("whether {subject} is still {was} cannot be determined: {why}"))
        })
    }

    /// Why it cannot be determined whether the shipment still ships what was tested.
    pub(super) fn shipment_not_compared(&self) -> Option<&str> {
        self.input.facts.stage_release.value()?.uncompared.values().next().map(String::as_str)
    }

    /// What has changed of what a passed task has judged; `None` when nothing is known to have changed.
    pub(super) fn changed(&self, task: TaskName, view: &TaskView) -> Option<Changed> {
        let subjects = subjects(task, self.input.facts);
        if let Some(judged) = view.judged_now() {
            for (subject, was) in &judged.of {
                let Some(is) = subjects.get(subject.as_str()).filter(|is| *is != was) else { continue };
                if is_as_good(subject, was, self.input.facts)
                    || uncompared(subject, was, self.input.facts).is_some()
                {
                    continue;
                }
                let words = format!("{subject} changed from {was} to {is}");
                let evidence =
                    self.stated(format!("tasks.{task}.judged.{subject}"), was.clone(), judged.at.as_ref());
                return Some(Changed { words, evidence, is_accepted: true });
            }
        }
        let concerns = |field: &str| {
            inputs(task).iter().any(|input| field.starts_with(input))
                && (task == TaskName::TakeOwnership || field != "advisory_ids.microshift")
        };
        let state = self.input.state?;
        if let Some(BuildData::Present { metadata, .. }) = self.input.facts.build_data.value() {
            let changes = state.metadata_changes(metadata).into_iter();
            if let Some(change) = changes.into_iter().find(|change| change.matters && concerns(&change.field))
            {
                let words = format!("ART changed the build data: {change}");
                let evidence = self.stated(
                    format!("metadata.{}", change.field),
                    change.from.unwrap_or_else(|| "absent".to_owned()),
                    None,
                );
                return Some(Changed { words, evidence, is_accepted: false });
            }
        }
        let completed = time(view.completed_at.as_ref())?;
        for record in state.metadata_history() {
            let later = record
                .at
                .as_ref()
                .and_then(|at| at.parse::<Timestamp>().ok())
                .is_some_and(|at| at > completed);
            // A changed value, not one that ART had announced.
            let changed = record.values.iter().find(|value| {
                value
                    .split_once(": ")
                    .is_some_and(|(field, change)| concerns(field) && change.contains(" -> "))
            });
            if let (true, Some(value)) = (later, changed) {
                let evidence = self.stated("metadata.changes".to_owned(), value.clone(), record.at.as_ref());
                let words = format!("ART changed the build data: {value}");
                return Some(Changed { words, evidence, is_accepted: true });
            }
        }
        None
    }
}

/// The fields of the build data that a task's verdict is about.
pub(super) fn inputs(task: TaskName) -> &'static [&'static str] {
    match task {
        TaskName::TakeOwnership => &["advisory_ids.", "jira_ticket", "shipment_mr"],
        TaskName::CheckCveTrackerBug
        | TaskName::ImageConsistencyCheck
        | TaskName::ChangeAdvisoryStatus
        | TaskName::DropBugs => &["advisory_ids.", "shipment_mr"],
        TaskName::PushToCdnStaging | TaskName::CheckGreenwaveCvpTests => &["advisory_ids."],
        TaskName::StageTesting => &["advisory_ids.metadata", "shipment_mr"],
        TaskName::AnalyzeCandidateBuild => &["candidate_builds.x86_64"],
        TaskName::CreateTestReport
        | TaskName::UpdateBugList
        | TaskName::AnalyzePromotedBuild
        | TaskName::ImageSignedCheck => &[],
    }
}

/// The subject that is the commit of the shipment.
pub const COMMIT: &str = "sha";

/// Whether a subject that is another one now is as good as it was: another commit of the shipment that names the same images.
pub fn is_as_good(subject: &str, was: &str, facts: &Facts) -> bool {
    subject == COMMIT && facts.stage_release.value().is_some_and(|stage| stage.same_images.contains(was))
}

/// Why it cannot be determined whether a commit of the shipment is as good as it was.
fn uncompared<'a>(subject: &str, was: &str, facts: &'a Facts) -> Option<&'a str> {
    let stage = facts.stage_release.value().filter(|_| subject == COMMIT)?;
    stage.uncompared.get(was).map(String::as_str)
}

/// The fact that says how a subject is now.
fn fact_of(subject: &str) -> Option<FactKey> {
    Some(match subject {
        "tests" => FactKey::Tests,
        "digest" => FactKey::Promotion,
        COMMIT => FactKey::StageRelease,
        "builds" | "advisories" => FactKey::BuildData,
        _ => return None,
    })
}

/// What the verdict of `task` is about, as far as it is known now: what a record of it is compared with.
pub fn subjects(task: TaskName, facts: &Facts) -> IndexMap<&'static str, String> {
    let mut subjects = IndexMap::new();
    let mut add = |subject, value: Option<String>| {
        if let Some(value) = value {
            subjects.insert(subject, value);
        }
    };
    let digest = || facts.promotion.value().and_then(|promotion| promotion.digest.clone());
    let sha = || facts.stage_release.value().and_then(|stage| stage.sha.clone());
    let metadata = match facts.build_data.value() {
        Some(BuildData::Present { metadata, .. }) => Some(metadata),
        _ => None,
    };
    let advisories = || {
        metadata.map(|metadata| {
            let ids = metadata.advisory_ids.iter().filter(|(impetus, _)| *impetus != "microshift");
            ids.map(|(impetus, id)| format!("{impetus} {id}")).collect::<Vec<_>>().join(", ")
        })
    };
    match task {
        TaskName::AnalyzePromotedBuild => {
            add("tests", facts.tests.value().map(|tests| tests.verdict().to_owned()));
            add("digest", digest());
        }
        TaskName::AnalyzeCandidateBuild => {
            add("builds", metadata.and_then(|metadata| metadata.candidate_builds.get("x86_64").cloned()));
        }
        TaskName::ImageSignedCheck => add("digest", digest()),
        TaskName::ImageConsistencyCheck | TaskName::StageTesting => {
            add("digest", digest());
            add(COMMIT, sha());
        }
        TaskName::TakeOwnership
        | TaskName::CheckCveTrackerBug
        | TaskName::PushToCdnStaging
        | TaskName::DropBugs
        | TaskName::ChangeAdvisoryStatus => add("advisories", advisories()),
        TaskName::CreateTestReport | TaskName::UpdateBugList | TaskName::CheckGreenwaveCvpTests => {}
    }
    subjects
}

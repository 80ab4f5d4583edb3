//! Cases: promotion, stage, the jobs on stage, the tests of the promoted build.

use indexmap::IndexMap;

use super::{Case, STAGED, World, at, first, fresh, hours, record, seen, staged, unknown, with};
use crate::clients::gitlab::MergeRequestState;
use crate::clients::release_controller::Phase;
use crate::drive::facts::{JobView, Promotion, StageView, Tests};
use crate::flow::nodes::Node;
use crate::operators::shipment::ReleaseState;
use crate::statebox::{JobIntent, TaskName as T, TaskStatus};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn middle() -> Vec<Case> {
    let node = Node::Task;
    let promoted = |phase: Option<Phase>| {
        with(first(), |w| {
            w.facts.promotion = seen(Promotion { phase, created: None, digest: None }, w.now);
        })
    };
    let stage = |change: fn(&mut StageView)| {
        with(staged(), |w| {
            let mut view = w.facts.stage_release.value().unwrap().clone();
            change(&mut view);
            w.facts.stage_release = seen(view, w.now);
        })
    };
    let consistency = |job: JobView| {
        with(staged(), |w| {
            w.set(T::ImageConsistencyCheck, TaskStatus::InProgress);
            w.job(T::ImageConsistencyCheck, |job| job.id = Some("1".to_owned()));
            w.facts.consistency_job = seen(job, w.now);
        })
    };
    let tests = |tests: Tests| with(staged(), |w| w.facts.tests = seen(tests, w.now));
    vec![
        ("P waits for D", Node::Promotion, fresh(), "waiting", "check-rhcos-security-alerts"),
        ("P is done", Node::Promotion, first(), "done", ""),
        ("P is not there", Node::Promotion, promoted(None), "waiting", "does not show"),
        ("P is pending", Node::Promotion, promoted(Some(Phase::Ready)), "waiting", "Ready"),
        (
            "P is unknown to the controller",
            Node::Promotion,
            promoted(Some(Phase::Unknown)),
            "waiting",
            "Unknown",
        ),
        (
            "P is a new word",
            Node::Promotion,
            promoted(Some(Phase::Other("New".to_owned()))),
            "waiting",
            "New",
        ),
        ("P is rejected", Node::Promotion, promoted(Some(Phase::Rejected)), "asks", "override"),
        ("P failed", Node::Promotion, promoted(Some(Phase::Failed)), "asks", "override"),
        (
            "P takes too long",
            Node::Promotion,
            with(promoted(None), |w| w.now += hours(24)),
            "asks",
            "ART's own wait",
        ),
        (
            "P is unknown",
            Node::Promotion,
            with(first(), |w| w.facts.promotion = unknown(w)),
            "waiting",
            "503",
        ),
        ("the stage release is done", Node::StageRelease, first(), "done", ""),
        (
            "the stage release is no node of Errata",
            Node::StageRelease,
            World::new(false),
            "not_applicable",
            "Errata",
        ),
        ("a draft waits", Node::StageRelease, stage(|view| view.draft = true), "waiting", "draft"),
        (
            "a closed one is ART's",
            Node::StageRelease,
            stage(|view| view.merge_request = MergeRequestState::Closed),
            "blocked",
            "closed",
        ),
        (
            "a strange one is unknown",
            Node::StageRelease,
            stage(|view| view.merge_request = MergeRequestState::Unknown),
            "waiting",
            "does not know",
        ),
        (
            "not ready waits",
            Node::StageRelease,
            stage(|view| view.release = ReleaseState::NotReady("running".to_owned())),
            "waiting",
            "running",
        ),
        (
            "failed is ART's",
            Node::StageRelease,
            stage(|view| view.release = ReleaseState::Failed("failed".to_owned())),
            "blocked",
            "failed",
        ),
        (
            "unknown is unknown",
            Node::StageRelease,
            stage(|view| view.release = ReleaseState::Unknown("new".to_owned())),
            "waiting",
            "cannot be determined",
        ),
        ("F waits for E", node(T::ImageConsistencyCheck), first(), "waiting", "push-to-cdn-staging"),
        ("F is ready", node(T::ImageConsistencyCheck), staged(), "ready", ""),
        (
            "F waits for the stage release",
            node(T::ImageConsistencyCheck),
            stage(|view| view.draft = true),
            "waiting",
            "stage-release",
        ),
        (
            "F runs",
            node(T::ImageConsistencyCheck),
            consistency(JobView::Running("pending".to_owned())),
            "running",
            "pending",
        ),
        (
            "F has succeeded",
            node(T::ImageConsistencyCheck),
            consistency(JobView::Succeeded),
            "ready",
            "evaluated",
        ),
        (
            "F was aborted",
            node(T::ImageConsistencyCheck),
            consistency(JobView::Infrastructure("aborted".to_owned())),
            "ready",
            "once more",
        ),
        (
            "F failed there",
            node(T::ImageConsistencyCheck),
            consistency(JobView::Failed("failure".to_owned())),
            "ready",
            "recorded",
        ),
        ("F is gone", node(T::ImageConsistencyCheck), consistency(JobView::Absent), "asks", "does not have"),
        (
            "F takes too long",
            node(T::ImageConsistencyCheck),
            with(consistency(JobView::Running("pending".to_owned())), |w| w.now += hours(6)),
            "asks",
            "longer than usual",
        ),
        (
            "F of Errata asks for ART's job",
            node(T::ImageConsistencyCheck),
            World::new(false).passed(STAGED),
            "asks",
            "which Prow job",
        ),
        ("G is ready", node(T::StageTesting), staged(), "ready", ""),
        ("G of Errata is ready", node(T::StageTesting), World::new(false).passed(STAGED), "ready", ""),
        (
            "G waits in the queue",
            node(T::StageTesting),
            with(staged(), |w| {
                w.set(T::StageTesting, TaskStatus::InProgress);
                w.job(T::StageTesting, |job| job.queue_item = Some("7".to_owned()));
            }),
            "running",
            "queue",
        ),
        (
            "G was intended",
            node(T::StageTesting),
            with(staged(), |w| {
                w.set(T::StageTesting, TaskStatus::InProgress);
                let intent = JobIntent::new("key", w.now, IndexMap::new());
                w.job(T::StageTesting, |job| job.intent = Some(intent));
            }),
            "ready",
            "looks for it",
        ),
        (
            "Greenwave waits for F",
            node(T::CheckGreenwaveCvpTests),
            World::new(false).passed(STAGED),
            "waiting",
            "image-consistency-check",
        ),
        (
            "Greenwave is ready",
            node(T::CheckGreenwaveCvpTests),
            World::new(false).passed(STAGED).passed(&[T::ImageConsistencyCheck]),
            "ready",
            "",
        ),
        (
            "Greenwave is no node of Konflux",
            node(T::CheckGreenwaveCvpTests),
            fresh(),
            "not_applicable",
            "Konflux",
        ),
        ("R1 is there", Node::ResultFile, staged(), "done", ""),
        ("R1 waits for P", Node::ResultFile, promoted(None), "waiting", "promotion"),
        (
            "R1 is not there",
            Node::ResultFile,
            with(tests(Tests::Absent), |w| w.now = at("2026-07-02T12:00:00Z")),
            "waiting",
            "record",
        ),
        ("R1 takes too long", Node::ResultFile, tests(Tests::Absent), "asks", "job controller"),
        (
            "R1 is no JSON",
            Node::ResultFile,
            with(staged(), |w| w.facts.tests = unknown(w)),
            "waiting",
            "cannot be determined",
        ),
        ("R2 is there", Node::Aggregated, staged(), "done", ""),
        (
            "R2 is not there",
            Node::Aggregated,
            with(tests(record(false, None, false)), |w| w.now = at("2026-07-02T11:00:00Z")),
            "waiting",
            "end of all tests",
        ),
        ("R2 takes too long", Node::Aggregated, tests(record(false, None, false)), "asks", "aggregator"),
        ("R3 is accepted", Node::Accepted, staged(), "done", "accepted"),
        ("R3 is promoted by hand", Node::Accepted, tests(record(true, Some(false), true)), "done", "by hand"),
        (
            "R3 by hand before the end is not",
            Node::Accepted,
            tests(record(false, Some(true), true)),
            "waiting",
            "aggregated",
        ),
        (
            "R3 is rejected",
            Node::Accepted,
            tests(record(true, Some(false), false)),
            "waiting",
            "analyze-promoted-build",
        ),
        (
            "R3 has no verdict",
            Node::Accepted,
            tests(record(true, None, false)),
            "waiting",
            "without a verdict",
        ),
        (
            "R3 was decided by a person",
            Node::Accepted,
            tests(record(true, Some(false), false)).passed(&[T::AnalyzePromotedBuild]),
            "not_applicable",
            "a person has accepted",
        ),
        ("Y is ready", node(T::AnalyzePromotedBuild), staged(), "ready", "accepted"),
        (
            "Y waits",
            node(T::AnalyzePromotedBuild),
            tests(record(false, None, false)),
            "waiting",
            "aggregated",
        ),
        (
            "Y asks",
            node(T::AnalyzePromotedBuild),
            tests(record(true, Some(false), false)),
            "asks",
            "rejected",
        ),
        (
            "Y was rejected",
            node(T::AnalyzePromotedBuild),
            with(staged(), |w| w.set(T::AnalyzePromotedBuild, TaskStatus::Fail)),
            "asks",
            "is rejected",
        ),
    ]
}

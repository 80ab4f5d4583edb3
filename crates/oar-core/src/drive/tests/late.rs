//! Cases: signatures, approval, shipping.

use indexmap::IndexMap;
use jiff::SignedDuration;

use super::{
    Case, World, approvable, at, first, fresh, hours, metadata, release, seen, staged, unknown, with,
};
use crate::clients::release_controller::Phase;
use crate::drive::facts::{
    Alerts, ApprovalGates, ApprovalsView, BuildData, PayloadView, Promotion, ShippedView,
};
use crate::flow::nodes::Node;
use crate::statebox::{Metadata, NewWait, RunOutcome, State, TaskName as T, TaskStatus};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn late() -> Vec<Case> {
    let node = Node::Task;
    let signing = || staged().passed(&[T::ImageConsistencyCheck, T::StageTesting, T::AnalyzePromotedBuild]);
    let waiting = || {
        with(approvable(), |w| {
            w.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress);
            let wait = NewWait {
                condition: "the metadata URL".to_owned(),
                since: w.now,
                until: w.now + hours(48),
                next_check: w.now + SignedDuration::from_mins(30),
            };
            let _ = w.state().begin_wait(T::ChangeAdvisoryStatus, &wait);
        })
    };
    let approved = || approvable().passed(&[T::ChangeAdvisoryStatus]);
    let not_shipped = |given: usize, left: Option<u64>| {
        with(approved(), |w| {
            w.facts.shipped = seen(ShippedView { shipped: Some(false), details: IndexMap::new() }, w.now);
            w.facts.approvals = seen(ApprovalsView { open: true, given, left }, w.now);
        })
    };
    vec![
        ("Z waits for the gate", node(T::ImageSignedCheck), staged(), "waiting", "analyze-promoted-build"),
        ("Z is ready", node(T::ImageSignedCheck), signing(), "ready", ""),
        (
            "Z waits for the digest",
            node(T::ImageSignedCheck),
            with(signing(), |w| {
                let phase = Some(Phase::Accepted);
                w.facts.promotion = seen(Promotion { phase, created: None, digest: None }, w.now);
            }),
            "waiting",
            "digest",
        ),
        ("drop-bugs waits for B", node(T::DropBugs), fresh(), "waiting", "take-ownership"),
        ("drop-bugs waits for the jobs on stage", node(T::DropBugs), staged(), "waiting", "stage-testing"),
        ("drop-bugs is ready", node(T::DropBugs), signing(), "ready", "OCPBUGS-1"),
        (
            "drop-bugs does not begin while nobody knows what it would drop",
            node(T::DropBugs),
            with(signing(), |w| w.facts.drops = unknown(w)),
            "waiting",
            "cannot be determined",
        ),
        ("W waits for the others", node(T::ChangeAdvisoryStatus), first(), "waiting", "stage-testing"),
        ("W is ready", node(T::ChangeAdvisoryStatus), approvable(), "ready", ""),
        ("W of Errata is ready", node(T::ChangeAdvisoryStatus), World::approvable(false), "ready", ""),
        (
            "W waits for its day",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.now = at("2026-07-05T23:59:59Z")),
            "waiting",
            "2026-07-07",
        ),
        (
            "W begins at midnight",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.now = at("2026-07-06T00:00:00Z")),
            "ready",
            "",
        ),
        (
            "W without a date asks",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                let undated = Metadata { release_date: None, ..metadata(true) };
                let mut world = World::new(true);
                world.state = Some(State::new(&release(), &undated, world.now));
                world.facts.build_data =
                    seen(BuildData::Present { metadata: Box::new(undated), has_owner: true }, world.now);
                for task in T::WORKFLOW.into_iter().filter(|task| *task != T::ChangeAdvisoryStatus) {
                    world.pass(task);
                }
                world.pass(T::DropBugs);
                *w = world;
            }),
            "asks",
            "no date",
        ),
        (
            "W is blocked by any issue",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.issue("stage is down", true, &[T::DropBugs])),
            "blocked",
            "stage is down",
        ),
        (
            "W is blocked by alerts",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                w.facts.alerts =
                    seen(Alerts::Read { blocking: true, alerts: vec!["CVE-1".to_owned()] }, w.now);
            }),
            "blocked",
            "CVE-1",
        ),
        (
            "W waits for a draft",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                let mut view = w.facts.stage_release.value().unwrap().clone();
                view.draft = true;
                w.facts.stage_release = seen(view, w.now);
            }),
            "waiting",
            "draft",
        ),
        (
            "W asks about a payload without an address",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                w.facts.payload = seen(PayloadView::Bad("no metadata URL".to_owned()), w.now);
            }),
            "asks",
            "no metadata URL",
        ),
        (
            "W is blocked by what its command requires",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                let why = "OCPBUGS-1 is in state ASSIGNED".to_owned();
                let next = vec!["accept it with --accept-bug OCPBUGS-1".to_owned()];
                w.facts.approval_gates =
                    seen(ApprovalGates::Closed { why, about: next.clone(), next }, w.now);
            }),
            "blocked",
            "OCPBUGS-1",
        ),
        (
            "W does not begin while nobody knows whether it would be refused",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.facts.approval_gates = unknown(w)),
            "waiting",
            "cannot be determined",
        ),
        (
            "W looks at the tests again",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.facts.tests = unknown(w)),
            "waiting",
            "cannot be determined",
        ),
        ("W waits outside", node(T::ChangeAdvisoryStatus), waiting(), "running", "the metadata URL"),
        (
            "W's time is over",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                w.run(T::ChangeAdvisoryStatus, 1, RunOutcome::InProgress, None);
            }),
            "asks",
            "by its deadline",
        ),
        (
            "the time of another program is over",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                w.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress);
                w.now += hours(72);
            }),
            "asks",
            "still not up",
        ),
        (
            "W was started by another program",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress)),
            "running",
            "records no wait",
        ),
        (
            "W failed",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.set(T::ChangeAdvisoryStatus, TaskStatus::Fail)),
            "failed",
            "",
        ),
        ("S waits for W", Node::Shipped, approvable(), "waiting", "change-advisory-status"),
        ("S is done", Node::Shipped, approved(), "done", ""),
        ("S waits", Node::Shipped, not_shipped(1, Some(0)), "waiting", "the shipping"),
        ("S has lost its approval", Node::Shipped, not_shipped(0, Some(1)), "asks", "not approved any more"),
        ("S lacks an approval", Node::Shipped, not_shipped(1, Some(1)), "asks", "not approved any more"),
        (
            "S is unknown",
            Node::Shipped,
            with(approved(), |w| {
                w.facts.shipped = seen(ShippedView { shipped: None, details: IndexMap::new() }, w.now);
            }),
            "waiting",
            "cannot be determined",
        ),
    ]
}

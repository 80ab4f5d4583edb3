//! Every edge of the table in every condition of the earlier node.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::{World, hours, record, refused, seen, unavailable, words};
use crate::clients::release_controller::Phase;
use crate::drive::facts::{Fact, FactKey, Promotion, Tests, Unknown};
use crate::drive::verdict::{NodePlan, Verdict};
use crate::flow::nodes::{Keeps, Need, Node, ROWS};
use crate::operators::shipment::ReleaseState;
use crate::statebox::{JobIntent, ReasonClass, RunOutcome, TaskName as T, TaskStatus};

/// What an earlier node is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    Done,
    Unknown,
    Stale,
    Refused,
    LostAnswer,
    Killed,
}

const CONDITIONS: [Condition; 6] = [
    Condition::Done,
    Condition::Unknown,
    Condition::Stale,
    Condition::Refused,
    Condition::LostAnswer,
    Condition::Killed,
];

/// Brings a checkpoint's fact into a condition. What was done once and is not any more is a stale one.
fn put_fact(world: &mut World, node: Node, condition: Condition) {
    let now = world.now;
    let key = match node {
        Node::SecurityAlerts => FactKey::Alerts,
        Node::Promotion => FactKey::Promotion,
        Node::StageRelease => FactKey::StageRelease,
        _ => FactKey::Tests,
    };
    match condition {
        Condition::Done => {}
        Condition::Unknown => world.facts.set_unknown(key, unavailable(world)),
        Condition::Refused => world.facts.set_unknown(key, refused(world)),
        Condition::LostAnswer => {
            let why = "the answer broke off".to_owned();
            world.facts.set_unknown(key, Unknown { why, ..unavailable(world) });
        }
        // Whoever looked has not written down what was found.
        Condition::Killed => match key {
            FactKey::Alerts => world.facts.alerts = Fact::NotLooked,
            FactKey::Promotion => world.facts.promotion = Fact::NotLooked,
            FactKey::StageRelease => world.facts.stage_release = Fact::NotLooked,
            _ => world.facts.tests = Fact::NotLooked,
        },
        Condition::Stale => match key {
            // A look of an hour ago that failed since.
            FactKey::Alerts => {
                world.facts.set_unknown(key, Unknown { at: now - hours(1), ..unavailable(world) });
            }
            FactKey::Promotion => {
                let phase = Some(Phase::Rejected);
                world.facts.promotion = seen(Promotion { phase, created: None, digest: None }, now);
            }
            FactKey::StageRelease => {
                let mut view = world.facts.stage_release.value().unwrap().clone();
                view.release = ReleaseState::NotReady("a newer pipeline runs".to_owned());
                world.facts.stage_release = seen(view, now);
            }
            _ if node == Node::ResultFile => world.facts.tests = seen(Tests::Absent, now),
            _ => world.facts.tests = seen(record(false, None, false), now),
        },
    }
}

/// Brings a task into a condition.
pub(super) fn put_task(world: &mut World, task: T, condition: Condition) {
    if task == T::CreateTestReport {
        match condition {
            Condition::Done => {}
            Condition::Unknown => {
                world.state = None;
                world.facts.set_unknown(FactKey::BuildData, unavailable(world));
            }
            Condition::Refused => {
                world.state = None;
                world.facts.set_unknown(FactKey::BuildData, refused(world));
            }
            // A StateBox is there or not.
            Condition::Stale | Condition::LostAnswer | Condition::Killed => world.state = None,
        }
        return;
    }
    let reset = |world: &mut World| world.set(task, TaskStatus::NotStarted);
    match condition {
        Condition::Done => world.pass(task),
        Condition::Unknown => {
            reset(world);
            world.run(task, 1, RunOutcome::Unknown, Some(ReasonClass::Infrastructure));
        }
        Condition::Refused => {
            reset(world);
            let _ = world.facts.refused.insert(Node::Task(task), "it may not begin".to_owned());
        }
        Condition::LostAnswer => {
            reset(world);
            world.set(task, TaskStatus::InProgress);
            let intent = JobIntent::new("key", world.now, IndexMap::new());
            world.job(task, |job| job.intent = Some(intent));
        }
        Condition::Killed => {
            reset(world);
            world.killed(task);
        }
        Condition::Stale => {
            world.pass(task);
            let subject = match task {
                T::ImageSignedCheck
                | T::ImageConsistencyCheck
                | T::StageTesting
                | T::AnalyzePromotedBuild => "digest",
                T::AnalyzeCandidateBuild => "builds",
                _ => "advisories",
            };
            world.judge(task, subject, "something else");
        }
    }
}

/// Whether something is done about a node, or could be.
fn goes_on(plan: &NodePlan) -> bool {
    plan.verdict.is_settled() || matches!(plan.verdict, Verdict::Ready | Verdict::Running { .. })
}

#[test]
fn every_edge_holds_in_every_condition() {
    for row in ROWS {
        for edge in row.after.iter().filter(|edge| edge.keeps != Keeps::Usual) {
            let mut worlds = BTreeSet::new();
            // An edge of a flow is tried in that flow.
            let konflux = row.flows.has(true) && edge.node.row().flows.has(true);
            for condition in CONDITIONS {
                let mut world = World::new(konflux);
                // Everything else that comes before it is done.
                for other in row.after.iter().filter_map(|edge| edge.node.task()) {
                    world.pass(other);
                }
                let earlier = [T::TakeOwnership, T::CheckCveTrackerBug, T::PushToCdnStaging];
                for other in earlier.into_iter().filter(|other| Node::Task(*other) != row.node) {
                    world.pass(other);
                }
                match edge.node {
                    Node::Task(task) => put_task(&mut world, task, condition),
                    node => put_fact(&mut world, node, condition),
                }
                worlds.insert(format!("{world:?}"));
                let plans = world.plans();
                let (plan, before) = (&plans[&row.node], &plans[&edge.node]);
                let context =
                    format!("{} after {} that is {condition:?}: {plan:#?}\n{before:#?}", row.node, edge.node);
                // What changes after the approval is only noted.
                let noted = edge.node == Node::Task(T::ChangeAdvisoryStatus) && condition == Condition::Stale;
                let is_done = condition == Condition::Done || noted;
                let met = is_done || (edge.need == Need::Verdict && condition == Condition::Stale);
                assert_eq!(before.verdict.is_settled(), is_done, "{context}");
                if met {
                    let asks = matches!(plan.verdict, Verdict::Asks { .. }) && !konflux;
                    assert!(goes_on(plan) || asks, "{context}");
                } else {
                    assert_eq!(plan.verdict.name(), "waiting", "{context}");
                    assert!(words(plan).contains(edge.node.id()), "{context}");
                    assert!(plan.next_look.is_some() || plan.person.is_some(), "{context}");
                }
            }
            // Each condition is another world.
            let different = match edge.node {
                Node::Task(T::CreateTestReport) => 4,
                _ => CONDITIONS.len(),
            };
            assert_eq!(worlds.len(), different, "{} after {}: {worlds:#?}", row.node, edge.node);
        }
    }
}

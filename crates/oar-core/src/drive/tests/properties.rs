//! What holds for any StateBox and any facts.

use super::edges::{Condition, put_task};
use proptest::prelude::*;

use super::{World, hours, refused, release, unavailable};
use crate::drive::evaluate::evaluate;
use crate::drive::facts::FactKey;
use crate::drive::verdict::Verdict;
use crate::flow::nodes::{Keeps, Need, ROWS};
use crate::statebox::{ReasonClass, RunOutcome, TaskName as T, TaskStatus};

/// Any StateBox of a release, with any facts.
fn worlds() -> impl Strategy<Value = World> {
    let facts = prop::collection::vec(0..4_u8, FactKey::ALL.len());
    let tasks = prop::collection::vec((0..8_u8, any::<bool>()), T::ALL.len());
    (any::<bool>(), facts, tasks, 0..400_i64, prop::option::of(0..T::ALL.len()), any::<bool>()).prop_map(
        |(konflux, kinds, tasks, age, blocked, general)| {
            let mut world = World::new(konflux);
            for (task, (kind, waived)) in T::ALL.into_iter().zip(tasks) {
                match kind {
                    0 | 1 => world.pass(task),
                    2 => world.set(task, TaskStatus::Fail),
                    3 => world.set(task, TaskStatus::InProgress),
                    4 => world.killed(task),
                    5 => world.run(task, 1, RunOutcome::Fail, Some(ReasonClass::Infrastructure)),
                    // Without the first task there is no StateBox.
                    6 if task != T::CreateTestReport => put_task(&mut world, task, Condition::LostAnswer),
                    _ => {}
                }
                if waived && kind == 7 {
                    world.waive(task);
                }
            }
            if let Some(index) = blocked {
                let tasks = if general { vec![] } else { vec![T::ALL[index]] };
                world.issue("something stands in the way", true, &tasks);
            }
            for (key, kind) in FactKey::ALL.into_iter().zip(kinds) {
                match kind {
                    0 => world.facts.set_unknown(key, unavailable(&world)),
                    1 => world.facts.set_unknown(key, refused(&world)),
                    _ => {}
                }
            }
            world.now += hours(age);
            world
        },
    )
}

proptest! {
    #[test]
    fn every_node_that_is_not_done_has_a_next_look_or_a_person(world in worlds()) {
        for plan in world.plans().values().filter(|plan| !plan.verdict.is_settled()) {
            prop_assert!(plan.next_look.is_some() || plan.person.is_some(), "{plan:#?}");
        }
    }

    #[test]
    fn the_same_input_gives_the_same_answer(world in worlds()) {
        let release = release();
        prop_assert_eq!(evaluate(world.input(&release)), evaluate(world.input(&release)));
    }

    #[test]
    fn no_node_is_ready_before_those_that_come_before_it(world in worlds()) {
        let plans = world.plans();
        for row in ROWS {
            let plan = &plans[&row.node];
            let begins = plan.verdict == Verdict::Ready
                && row.node.task().is_none_or(|task| {
                    world.state.as_ref().unwrap().task(task).is_none_or(|view| view.status != TaskStatus::InProgress)
                });
            if !begins {
                continue;
            }
            for edge in row.after.iter().filter(|edge| edge.keeps != Keeps::Usual && edge.need == Need::Done) {
                prop_assert!(plans[&edge.node].verdict.is_settled(), "{}: {:#?}", row.node, plans[&edge.node]);
            }
        }
    }

    #[test]
    fn time_alone_never_undoes_what_is_done(world in worlds(), more in 0..10_000_i64) {
        let before = world.plans();
        let mut later = world.clone();
        later.now += hours(more);
        let after = later.plans();
        for (node, plan) in before {
            if plan.verdict == Verdict::Done {
                prop_assert_eq!(&after[&node].verdict, &Verdict::Done, "{}", node);
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_never_done_or_ready(world in worlds()) {
        for plan in world.plans().values().filter(|plan| plan.lacks.is_some()) {
            let is_open = matches!(plan.verdict, Verdict::Waiting { .. } | Verdict::Asks { .. });
            prop_assert!(is_open, "{plan:#?}");
        }
    }
}

//! What the engine may do by itself.

use super::{World, staged};
use crate::config::Leave;
use crate::drive::plan::check_policy;
use crate::drive::verdict::ToDo;
use crate::flow::nodes::{ROWS, Who};
use crate::statebox::TaskName as T;

#[test]
fn the_policy_says_what_runs_by_itself() {
    let mut world = staged();
    assert!(matches!(world.of(T::StageTesting).to_do, ToDo::Consent { .. }));
    assert_eq!(world.of(T::StageTesting).person, Some(Who::Owner));
    world.policy.0.insert("stage-testing".to_owned(), Leave::Auto);
    let plan = world.of(T::StageTesting);
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: false, .. }), "{plan:?}");
    assert_eq!(plan.person, None);
    world.policy.0.insert("stage-testing".to_owned(), Leave::Never);
    assert!(matches!(world.of(T::StageTesting).to_do, ToDo::ByHand { .. }));
    for row in ROWS {
        let plan = World::new(true).plan(row.node);
        let asks = [
            "image-consistency-check",
            "stage-testing",
            "push-to-cdn-staging",
            "drop-bugs",
            "change-advisory-status",
        ];
        let expected = if asks.contains(&row.node.id()) { Leave::Ask } else { Leave::Auto };
        assert_eq!(plan.policy, expected, "{}", row.node);
    }
    assert!(check_policy(&world.policy).is_ok());
    world.policy.0.insert("stage-testin".to_owned(), Leave::Auto);
    assert!(check_policy(&world.policy).unwrap_err().to_string().contains("drive.stage-testin"));
}

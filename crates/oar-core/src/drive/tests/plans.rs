//! Whole plans: which facts are asked for, what people are asked, a file alone, samples.

use super::{FIRST, World, approvable, at, first, fresh, release, staged};
use crate::drive::evaluate::{evaluate, lacking};
use crate::drive::facts::{FactKey, Facts};
use crate::drive::plan::{assemble, offline};
use crate::flow::nodes::Node;
use crate::statebox::{State, TaskName as T, TaskStatus};
use crate::version::ReleaseVersion;

#[test]
fn only_the_facts_are_asked_for_that_a_step_needs_which_could_go_on() {
    let lacks = |mut world: World| {
        world.facts = Facts { build_data: world.facts.build_data.clone(), ..Facts::default() };
        let release = release();
        lacking(&evaluate(world.input(&release)), &world.facts)
    };
    assert_eq!(lacks(fresh()), [FactKey::CandidateTests]);
    assert_eq!(lacks(first()), [FactKey::CandidateTests, FactKey::Alerts]);
    assert_eq!(
        lacks(World::new(false).passed(FIRST)),
        [FactKey::Promotion, FactKey::CandidateTests, FactKey::Pushes]
    );
    assert_eq!(lacks(approvable().passed(&[T::ChangeAdvisoryStatus])), [FactKey::Shipped]);
    let mut world = fresh();
    world.state = None;
    assert_eq!(lacks(world), Vec::new());
}

#[test]
fn a_blocker_of_several_steps_is_asked_about_once() {
    let mut world = staged();
    world.issue("a push is stuck", true, &[T::PushToCdnStaging]);
    world.set(T::PushToCdnStaging, TaskStatus::Fail);
    let release = release();
    let plan = assemble(world.input(&release), false);
    let about: Vec<_> = plan.people.iter().filter(|request| request.question == "a push is stuck").collect();
    let [one] = about.as_slice() else { panic!("{about:#?}") };
    assert!(one.nodes.len() > 1 && one.nodes.contains(&Node::Task(T::StageTesting)), "{one:#?}");
}

#[test]
fn only_the_program_s_own_questions_say_it_of_their_step() {
    let mut world = staged();
    world.issue("it crashes on arm64", true, &[T::StageTesting]);
    world.set(T::ImageConsistencyCheck, TaskStatus::Fail);
    let release = release();
    let people = assemble(world.input(&release), false).people;
    let says_it = |starts: &str| {
        let asked = people.iter().filter(|request| request.question.starts_with(starts));
        asked.map(|request| request.says_it).collect::<Vec<_>>()
    };
    assert_eq!(says_it("it crashes"), [false], "{people:#?}");
    assert!(says_it("it failed").contains(&true), "{people:#?}");
    let own = people.iter().filter(|request| request.says_it);
    assert!(own.clone().all(|request| request.question.starts_with("it ")), "{people:#?}");
}

#[test]
fn a_plan_without_services_names_what_is_not_known() {
    let world = first();
    let plan = offline(&release(), world.state.as_ref().unwrap(), "4.19.1.yaml", world.now);
    assert!(plan.offline && plan.facts.is_empty() && plan.defects.is_empty());
    let unknown: Vec<&str> = plan.unknown.iter().map(|unknown| unknown.fact.id()).collect();
    assert_eq!(unknown, ["candidate_tests", "alerts"]);
    assert!(plan.now.iter().all(|run| run.node == Node::Task(T::UpdateBugList)), "{:?}", plan.now);
}

#[test]
#[ignore = "needs real files: OAR_SAMPLES=DIR cargo test -p oar-core --lib every_sample -- --ignored"]
fn every_sample_gives_a_plan_and_shipped_ones_have_nothing_to_do() {
    let samples = std::env::var("OAR_SAMPLES").expect("OAR_SAMPLES names a directory with statebox/");
    let mut count = 0;
    for entry in std::fs::read_dir(format!("{samples}/statebox")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let state = State::parse(&text).unwrap_or_else(|found| panic!("{}: {found:?}", path.display()));
        let release: ReleaseVersion = state.release().unwrap().parse().unwrap();
        let now = at("2026-12-01T00:00:00Z");
        let plan = offline(&release, &state, "sample", now);
        assert_eq!(plan.defects, Vec::<String>::new(), "{}", path.display());
        let approved =
            state.task(T::ChangeAdvisoryStatus).is_some_and(|view| view.status == TaskStatus::Pass);
        if approved {
            assert!(plan.now.is_empty() && plan.people.is_empty(), "{}: {plan:#?}", path.display());
        }
        count += 1;
    }
    assert!(count > 0);
}

//! What people decided: recorded once, taken back and never counted again.

use super::super::{DECISION_LIMIT, DecisionKind, NewDecision, NodeName, Subject, Verdict, Waiver};
use super::*;
use crate::clock::Moment;

fn decision(id: &str, time: &str, subject: Subject) -> NewDecision {
    NewDecision { id: id.into(), subject, by: "lead".into(), at: at(time), reason: "because".into() }
}

fn hold(id: &str, time: &str, until: Option<&str>) -> NewDecision {
    let until = until.map(|until| until.parse::<Moment>().unwrap());
    decision(id, time, Subject::Hold { until })
}

fn verdict(id: &str, time: &str, verdict: Verdict) -> NewDecision {
    let node = NodeName::Task(TaskName::AnalyzePromotedBuild);
    let evidence = Some("https://example.com/lead@example.com".to_owned());
    decision(id, time, Subject::Verdict { node, verdict, evidence })
}

fn waiver(id: &str, time: &str, task: TaskName, until: Option<&str>) -> NewDecision {
    let until = until.map(|until| until.parse::<Moment>().unwrap());
    decision(id, time, Subject::Waiver { task, until })
}

#[test]
fn a_hold_is_recorded_once_and_the_file_reads_it_back() {
    let mut state = fresh();
    assert!(state.decide(&hold("a", "10:00:00", Some("2026-07-03"))).is_changed());
    for again in [hold("a", "10:00:01", None), hold("b", "10:00:01", Some("2026-07-03"))] {
        assert!(!state.decide(&again).is_changed(), "{again:?}");
    }
    assert!(state.decide(&hold("c", "10:00:02", None)).is_changed(), "another one counts beside it");
    let read = State::parse(&state.to_yaml()).unwrap();
    assert_eq!(read, state);
    assert!(read.warnings().lines("x").next().is_none(), "{:?}", read.warnings());
    let closed = read.closed(at("12:00:00"));
    let texts: Vec<&str> = closed.iter().map(|closed| closed.text.as_str()).collect();
    let expected = [
        "4.19.1 is held by lead since 2026-07-02T10:00:00Z until 2026-07-03: because",
        "4.19.1 is held by lead since 2026-07-02T10:00:02Z: because",
    ];
    assert_eq!(texts, expected);
    let later = "2026-07-04T00:00:00Z".parse().unwrap();
    assert_eq!(read.holds(later).len(), 1, "the first one is over");
    assert!(state.withdraw_decisions(DecisionKind::Hold, None, "other", at("13:00:00")).is_changed());
    assert!(!state.withdraw_decisions(DecisionKind::Hold, None, "other", at("13:00:01")).is_changed());
    assert!(state.closed(at("13:00:02")).is_empty());
    assert_eq!(state.decisions().len(), 2, "both stay");
    assert!(state.decisions().iter().all(|hold| hold.withdrawn.as_ref().unwrap().by == "other"));
}

#[test]
fn nothing_is_added_to_a_file_by_withdrawing_what_is_not_there() {
    let mut state = fresh();
    let before = state.to_yaml();
    assert!(!state.withdraw_decisions(DecisionKind::Hold, None, "lead", at("10:00:00")).is_changed());
    assert_eq!(state.to_yaml(), before);
}

#[test]
fn a_newer_verdict_on_a_node_replaces_the_older_one_and_addresses_are_masked() {
    let (mut state, node) = (fresh(), NodeName::Task(TaskName::AnalyzePromotedBuild));
    assert!(state.decide(&verdict("a", "10:00:00", Verdict::Wait)).is_changed());
    assert!(!state.decide(&verdict("b", "10:00:01", Verdict::Wait)).is_changed());
    assert!(state.decide(&verdict("c", "10:00:02", Verdict::Accept)).is_changed());
    let decided = state.verdict(node).unwrap();
    assert_eq!((decided.id.as_str(), decided.verdict), ("c", Some(Verdict::Accept)));
    assert!(!state.to_yaml().contains("lead@example.com"));
    assert_eq!(state.decisions()[0].withdrawn.as_ref().unwrap().at, "2026-07-02T10:00:02Z");
    assert_eq!(state.verdict(NodeName::Promotion), None);
    assert!(
        !state
            .withdraw_decisions(DecisionKind::Verdict, Some(NodeName::Promotion), "x", at("11:00:00"))
            .is_changed()
    );
    assert!(state.withdraw_decisions(DecisionKind::Verdict, Some(node), "x", at("11:00:00")).is_changed());
    assert_eq!(state.verdict(node), None);
}

#[test]
fn a_waiver_counts_until_it_ends_or_is_taken_back_beside_one_written_by_hand() {
    let (mut state, task) = (fresh(), TaskName::StageTesting);
    assert!(!state.is_waived(task, at("10:00:00")));
    assert!(state.decide(&waiver("a", "10:00:00", task, Some("2026-07-02T12:00:00Z"))).is_changed());
    assert!(state.is_waived(task, at("11:59:59")) && !state.is_waived(task, at("12:00:00")));
    assert_eq!(state.waivers(task).len(), 1, "that it was waived is still known");
    let by_hand = Waiver {
        by: "lead".into(),
        reason: "by hand".into(),
        scope: None,
        at: "2026-07-02T10:00:00Z".into(),
        expires: None,
    };
    let _ = state.set_waiver(task, Some(&by_hand));
    assert!(state.is_waived(task, at("13:00:00")));
    let node = Some(NodeName::Task(task));
    assert!(state.withdraw_decisions(DecisionKind::Waiver, node, "x", at("11:00:00")).is_changed());
    assert_eq!(state.waivers(task), [by_hand]);
    assert!(!state.is_waived(TaskName::DropBugs, at("11:00:00")));
}

#[test]
fn what_could_be_a_hold_and_cannot_be_read_makes_the_file_unusable() {
    let mut state = fresh();
    let _ = state.decide(&hold("a", "10:00:00", Some("2026-07-03")));
    let text = state.to_yaml();
    let with = |from: &str, to: &str| State::parse(&text.replace(from, to));
    assert!(with("kind: hold", "kind: halt").is_err());
    assert!(with("  kind: hold\n", "").is_err());
    assert!(with("- id: a\n", "- 7\n- id: a\n").is_err());
    assert!(with("  reason: because\n", "  reason: because\n  withdrawn: yes\n").is_err());
    let odd = with("2026-07-03", "someday").unwrap();
    assert_eq!(odd.closed("2036-07-03T00:00:00Z".parse().unwrap()).len(), 1);
    assert_eq!(odd.warnings().lines("x").count(), 1);
    let mut waived = fresh();
    let _ = waived.decide(&waiver("a", "10:00:00", TaskName::StageTesting, Some("2026-07-03")));
    let waived = State::parse(&waived.to_yaml().replace("2026-07-03", "someday")).unwrap();
    assert!(!waived.is_waived(TaskName::StageTesting, at("10:00:00")), "an end that cannot be read has come");
}

#[test]
fn a_full_list_drops_what_no_longer_counts_and_never_a_hold_that_does() {
    let mut state = fresh();
    let _ = state.decide(&hold("first", "10:00:00", None));
    for number in 0..DECISION_LIMIT + 20 {
        let text = if number % 2 == 0 { Verdict::Accept } else { Verdict::Reject };
        let _ = state.decide(&verdict(&format!("v{number}"), "10:00:01", text));
    }
    let all = state.decisions();
    assert_eq!((all.len(), all[0].id.as_str()), (DECISION_LIMIT, "first"));
    assert_eq!(state.holds(at("11:00:00")).len(), 1);
}

//! Files of any age and of any hand.

use super::super::check::{format_text, validate_text};
use super::super::*;
use super::{at, blocker, end, fresh, start};
use crate::version::ReleaseVersion;

/// Made up in the form in which the reference writes; unknown keys at every level.
const KNOWN: &str = include_str!("reference.yaml");
/// The same release, written by a person.
const BY_HAND: &str = include_str!("by_hand.yaml");

fn findings(text: &str) -> Vec<String> {
    validate_text(text, None).lines("x.yaml").collect()
}

#[test]
fn a_file_of_the_reference_comes_back_byte_for_byte() {
    assert_eq!(findings(KNOWN), Vec::<String>::new());
    assert_eq!(State::parse(KNOWN).unwrap().to_yaml(), KNOWN);
    let formatted = format_text(KNOWN).unwrap();
    assert!(!formatted.changed);
    assert_eq!(formatted.text, KNOWN);
}

#[test]
fn unknown_keys_and_the_order_of_all_keys_survive_a_change() {
    let mut state = State::parse(KNOWN).unwrap();
    let _ = state
        .set_task(
            TaskName::StageTesting,
            &ManualStatus {
                id: "m".into(),
                at: at("12:00:00"),
                by: "lead".into(),
                status: TaskStatus::Fail,
                reason: String::new(),
                result: None,
                force: false,
            },
        )
        .unwrap();
    let _ = state.resolve_issue("stage is down", "it is up", at("12:30:00")).unwrap();
    let changed = state.to_yaml();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(KNOWN), lines(&changed));
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    assert_eq!(
        gone,
        ["  status: In Progress", "  completed_at: null", "  resolved: false", "  resolution: null"],
        "{changed}"
    );
    assert!(changed.contains("  x_task: 1.5\n  history:\n  - id: m\n"), "{changed}");
    assert!(changed.contains("  x_issue: true\n  resolved_at: '2026-07-02T12:30:00Z'\n"), "{changed}");
}

#[test]
fn a_file_written_by_hand_is_understood_and_put_right() {
    assert_eq!(findings(BY_HAND), Vec::<String>::new());
    let state = State::parse(BY_HAND).unwrap();
    assert_eq!(state.release(), Some("4.20"));
    assert_eq!(state.created_at(), Some("2026-07-01T10:00:06Z"));
    let task = state.task(TaskName::StageTesting).unwrap();
    assert_eq!((task.status, task.result.as_deref()), (TaskStatus::Pass, Some("yes")));
    assert_eq!(state.issues()[0].resolution.as_deref(), Some("12:30"));
    assert_eq!(state.metadata().candidate_builds.get("x86_64").map(String::as_str), Some("017"));
    let formatted = format_text(BY_HAND).unwrap();
    assert!(formatted.changed);
    let lost: Vec<_> = formatted.lost_comments.iter().map(ToString::to_string).collect();
    assert_eq!(lost, ["1:1", "12:11"]);
    insta::assert_snapshot!(formatted.text);
    let again = format_text(&formatted.text).unwrap();
    assert!(!again.changed && again.lost_comments.is_empty());
    assert_eq!(State::parse(&formatted.text).unwrap(), state);
}

#[test]
fn findings_name_the_place_the_field_what_was_expected_and_an_example() {
    let text = "\
schema_version: 1.0
release: 4.19.1
created_at: yesterday
updated_at: '2026-07-02T10:00:00Z'
metadata:
  release_date: 2026-07-07
  advisory_ids:
    rpm: '100001'
    rhcos: soon
tasks:
- name: stage-test
  status: pass
- status: Pass
- name: take-ownership
  status: Pass
  result: [a]
- name: take-ownership
  status: Pass
- just text
issues:
- issue: x
  resolved: 'true'
  related_tasks:
  - nothing-known
- resolved: false
";
    insta::assert_snapshot!(findings(text).join("\n"));
    let error = State::parse(text).unwrap_err();
    assert!(error.has_errors());
    assert_eq!(format_text(text).unwrap_err(), error);
}

#[test]
fn a_file_that_does_not_say_whose_it_is_is_refused() {
    for release in ["", "release:\n", "release: null\n", "release: ''\n"] {
        let text = KNOWN.replacen("release: 4.19.1\n", release, 1);
        assert_ne!(text, KNOWN);
        let error = State::parse(&text).unwrap_err();
        assert!(error.errors().any(|found| found.field == "release"), "{release:?}: {error}");
        assert!(format_text(&text).is_err() && validate_text(&text, None).has_errors());
    }
}

#[test]
fn a_file_must_say_the_release_in_its_name() {
    let named: ReleaseVersion = "4.19.2".parse().unwrap();
    let found = validate_text(KNOWN, Some(&named));
    assert!(found.has_errors());
    assert!(
        found.to_string().contains("release: `4.19.1` is not 4.19.2, the release in the file's name"),
        "{found}"
    );
    assert!(validate_text(KNOWN, Some(&"4.19.1".parse().unwrap())).is_empty());
}

#[test]
fn what_is_no_statebox_is_told_what_one_is() {
    for (text, expected) in [
        ("releases: {}", "x.yaml:1:1: releases: this is a release tracking file"),
        ("releases:\n  4.19.1:\n    release_jira: ART-1\n", "this is a release tracking file"),
        ("", "x.yaml:1:1: a StateBox is a mapping with the keys schema_version, release, metadata"),
        ("- a\n- b\n", "but this is a list"),
        ("just text\n", "but this is the text `just text`"),
        ("a: 1\n", "x.yaml:1:1: this is not a StateBox"),
        ("schema_version: one\ntasks: []\n", "x.yaml:1:17: schema_version: `one` is not a schema version"),
        ("tasks: []\ntasks: []\n", "x.yaml:2:1: the key `tasks` occurs twice"),
    ] {
        let found = findings(text).join("\n");
        assert!(found.contains(expected), "{text:?}: {found}");
        assert!(State::parse(text).is_err() && format_text(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_file_that_was_cut_off_is_refused_by_every_reader() {
    let mut state = fresh();
    let run = start("run-1", "10:00:00");
    let _ =
        state.finish_run(TaskName::TakeOwnership, &end(&run, "10:01:00", TaskStatus::Pass, Some("a log")));
    let whole = state.to_yaml();
    assert!(State::parse(&whole).is_ok() && whole.ends_with("issues: []\n"));
    // Wherever it ends before its issues, its blockers are lost.
    let issues = whole.rfind("issues:").unwrap();
    for (place, _) in whole.char_indices().filter(|(place, _)| *place < issues + "issues:".len()) {
        let cut = &whole[..place];
        assert!(State::parse(cut).is_err(), "{cut}");
        assert!(format_text(cut).is_err(), "{cut}");
    }
    for key in ["metadata", "tasks", "issues"] {
        let null = whole.replace(&format!("\n{key}:"), &format!("\n{key}: null\nold_{key}:"));
        let error = State::parse(&null).unwrap_err().to_string();
        assert!(error.contains(&format!("{key}: expected a")) && error.contains("null"), "{error}");
    }
}

#[test]
fn a_task_that_stands_twice_with_two_statuses_is_refused() {
    let twice = |first: &str, second: &str| {
        let mut state = fresh();
        let run = start("run-1", "10:00:00");
        let _ = state.finish_run(TaskName::TakeOwnership, &end(&run, "10:01:00", TaskStatus::Pass, None));
        let entry = |status: &str| {
            format!(
                "- name: stage-testing\n  status: {status}\n  started_at: null\n  completed_at: null\n  result: null\n"
            )
        };
        state.to_yaml().replace("issues: []\n", &format!("{}{}issues: []\n", entry(first), entry(second)))
    };
    let error = State::parse(&twice("Pass", "Fail")).unwrap_err().to_string();
    assert!(error.contains("occurs twice, as Pass and as Fail"), "{error}");
    assert!(State::parse(&twice("Pass", "Pass")).is_ok());
}

#[test]
fn an_old_file_without_stamps_can_be_used() {
    let text = "schema_version: '1.0'\nrelease: 4.19.1\nmetadata:\n  qe_owner: null\ntasks: []\nissues: []\n";
    let found = findings(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("x.yaml:1:1: created_at: warning: the key is missing"), "{found:?}");
    let mut state = State::parse(text).unwrap();
    assert_eq!(state.metadata(), Metadata::default());
    let run = start("run-1", "10:00:00");
    let _ = state.finish_run(TaskName::TakeOwnership, &end(&run, "10:01:00", TaskStatus::Pass, None));
    let _ = state.add_issue(&blocker("x", &[])).unwrap();
    let written = state.to_yaml();
    assert!(
        written.starts_with(
            "schema_version: '1.0'\nrelease: 4.19.1\nmetadata:\n  qe_owner: null\ntasks:\n- name"
        )
    );
    assert_eq!(State::parse(&written).unwrap(), state);
}

#[test]
fn a_newer_schema_is_read_with_warnings_and_never_written() {
    let text = "schema_version: '2.1'\nrelease: 4.19.1\ntasks:\n  take-ownership: done\n";
    let known = "schema_version: '1.7'\nrelease: 4.19.1\nmetadata: {}\ntasks: []\nissues: []\n";
    let state = State::parse(text).unwrap();
    assert_eq!(state.newer_schema(), Some("2.1"));
    assert!(State::parse(&text.replace("release: 4.19.1\n", "")).is_err(), "it must say whose it is");
    assert!(state.warnings().iter().any(|finding| finding.field == "tasks"));
    let error = format_text(text).unwrap_err().to_string();
    assert!(error.contains("newer than what this program may write"), "{error}");
    assert_eq!(State::parse(known).unwrap().newer_schema(), None);
}

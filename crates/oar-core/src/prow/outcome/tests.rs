mod simulation;

use proptest::prelude::*;

use super::*;
use crate::clients::prow::ProwState;
use crate::prow::json::Map;
use crate::prow::record::tests::{INSTALL, UPGRADE, build, by_python, id, name, seen, started, time};
use crate::prow::record::{Intent, ResultFile, Stage};
use crate::prow::registry::{TestJob, TestJobRegistry};

pub(super) fn registry_of(entries: &str) -> TestJobRegistry {
    let text = format!(r#"{{"nightly": [], "stable": [{entries}]}}"#);
    TestJobRegistry::parse("ocp-4.99-test-jobs-amd64.json".parse().unwrap(), text.as_bytes()).unwrap()
}

fn registry() -> TestJobRegistry {
    registry_of(&format!(r#"{{"prowJob": "{INSTALL}"}}, {{"prowJob": "{UPGRADE}", "upgrade": true}}"#))
}

/// A record of the Python tooling: states of the first run and of the retried ones, in short.
///
/// `S`uccess, `F`ailure, `A`borted, `E`rror, `P`ending, `n`ot read yet, `i`ntent, `-` no run.
fn file(jobs: &[(&str, &str)]) -> ResultFile {
    let mut number = 100;
    let mut entries = Vec::new();
    for (job, runs) in jobs {
        let mut texts = runs.chars().map(|run| {
            number += 1;
            let state = match run {
                'S' => "success",
                'F' => "failure",
                'A' => "aborted",
                'E' => "error",
                'P' => "pending",
                'n' => return format!(r#"{{"jobID": "run-{number}"}}"#),
                'i' => return format!(r#"{{"jobID": "intent-00000000-0000-0000-0000-000000000{number}"}}"#),
                _ => return "{}".to_owned(),
            };
            let done = if run == 'P' { "" } else { r#", "jobCompletionTime": "2026-01-01T04:00:00Z""# };
            format!(r#"{{"jobID": "run-{number}", "jobState": "{state}"{done}}}"#)
        });
        let first = texts.next().unwrap_or_else(|| "{}".to_owned());
        let retried: Vec<String> = texts.collect();
        entries.push(format!(
            r#"{{"jobName": "{job}", "firstJob": {first}, "retriedJobs": [{}]}}"#,
            retried.join(", ")
        ));
    }
    let text =
        format!(r#"{{"result": [{}], "build": {}}}"#, entries.join(", "), build().document().to_text());
    ResultFile::parse(&name(), text.as_bytes()).unwrap()
}

fn verdict(entries: &str, jobs: &[(&str, &str)]) -> BuildVerdict {
    let registry = registry_of(entries);
    let file = file(jobs);
    judge(&file, &Rules::of(&file, Some(&registry)))
}

fn job_outcome(fields: &str, runs: &str) -> (JobOutcome, Option<usize>, String) {
    let verdict = verdict(&format!(r#"{{"prowJob": "a"{fields}}}"#), &[("a", runs)]);
    let job = &verdict.jobs[0];
    (job.outcome, job.wanted_retries, job.reason())
}

fn at_rest(file: &ResultFile, registry: &TestJobRegistry) -> Vec<Step> {
    let observed = Observed { label: Label::Present, ..Observed::default() };
    next_steps(file, AvailableRegistry::Read(registry), &observed, &Policy::default(), time(100))
}

#[test]
fn the_needed_successes_are_those_of_the_table() {
    assert_eq!((1..=8).map(needed).collect::<Vec<_>>(), [1, 2, 2, 3, 3, 4, 4, 5]);
}

#[test]
fn every_row_of_the_table_of_a_job() {
    use JobOutcome::{Failed, Open, Success};
    for (fields, runs, outcome, wanted, reason) in [
        ("", "n", Open, None, "first run open"),
        ("", "P", Open, None, "first run open"),
        ("", "i", Open, None, "start intended"),
        ("", "-", Open, None, "to be started"),
        ("", "S", Success, None, "first run succeeded"),
        ("", "F", Open, Some(2), "first run failed, 2 retries to be started"),
        ("", "A", Open, Some(2), "first run aborted, 2 retries to be started"),
        ("", "E", Open, Some(2), "first run in error, 2 retries to be started"),
        (r#", "retries": 4"#, "F", Open, Some(4), "first run failed, 4 retries to be started"),
        (r#", "optional": true"#, "F", Failed, None, "first run failed, optional jobs are not retried"),
        (r#", "optional": true"#, "E", Failed, None, "first run in error, optional jobs are not retried"),
        ("", "FS", Open, Some(2), "first run failed, 1 retry more to be started, 1 of 1 retry succeeded"),
        ("", "FPS", Open, None, "first run failed, 1 of 2 retries succeeded, 1 open"),
        ("", "FSS", Success, None, "first run failed, 2 of 2 retries succeeded, 2 needed"),
        ("", "ESS", Success, None, "first run in error, 2 of 2 retries succeeded, 2 needed"),
        ("", "FSF", Failed, None, "first run failed, 1 of 2 retries succeeded, 2 needed"),
        ("", "FSE", Failed, None, "first run failed, 1 of 2 retries succeeded, 2 needed"),
        ("", "FSFS", Success, None, "first run failed, 2 of 3 retries succeeded, 2 needed"),
        (
            r#", "retries": 4"#,
            "FSS",
            Open,
            Some(4),
            "first run failed, 2 retries more to be started, 2 of 2 retries succeeded",
        ),
        (r#", "retries": 4"#, "FSSSF", Success, None, "first run failed, 3 of 4 retries succeeded, 3 needed"),
        (r#", "retries": 4"#, "FSSFF", Failed, None, "first run failed, 2 of 4 retries succeeded, 3 needed"),
        (
            r#", "disabled": true"#,
            "F",
            Failed,
            None,
            "first run failed, not retried: the registry has no such enabled job",
        ),
        (r#", "disabled": true"#, "-", Failed, None, "was never started"),
    ] {
        let (found, wanted_found, words) = job_outcome(fields, runs);
        assert_eq!((found, wanted_found), (outcome, wanted), "{runs} {fields}");
        assert!(words.starts_with(reason), "{runs} {fields}: {words}");
    }
}

#[test]
fn a_build_is_accepted_only_when_every_enabled_required_job_is_there_and_passed() {
    use BuildOutcome::{Accepted, Open, Rejected};
    let entries = r#"{"prowJob": "a"}, {"prowJob": "b"}, {"prowJob": "c", "optional": true}, {"prowJob": "d", "disabled": true}"#;
    for (jobs, outcome, reason) in [
        (&[("a", "S"), ("b", "S"), ("c", "S")][..], Accepted, "every required job passed"),
        (&[("a", "S"), ("b", "FSS"), ("c", "F")], Accepted, "every required job passed"),
        (&[("a", "S"), ("b", "S"), ("c", "P")], Accepted, "every required job passed"),
        (&[("a", "S"), ("b", "S")], Accepted, "every required job passed"),
        (&[("a", "S"), ("b", "FSF")], Rejected, "b: first run failed, 1 of 2"),
        (&[("a", "S"), ("b", "F")], Open, "b: first run failed, 2 retries"),
        (&[("a", "S")], Rejected, "b: required, and not in the record"),
        (&[("a", "S"), ("b", "S"), ("d", "F")], Rejected, "d: first run failed"),
        (&[("a", "S"), ("b", "S"), ("old", "F")], Rejected, "old: first run failed"),
        (&[("a", "S"), ("b", "S"), ("a", "FFF")], Rejected, "a: first run failed, 0 of 2"),
        (&[], Open, "a: required, and not in the record"),
    ] {
        let verdict = verdict(entries, jobs);
        assert_eq!(verdict.outcome(), outcome, "{jobs:?}");
        assert!(verdict.reasons()[0].starts_with(reason), "{jobs:?}: {:?}", verdict.reasons());
    }
    let verdict = verdict(r#"{"prowJob": "a", "optional": true}"#, &[("a", "S")]);
    assert_eq!(
        (verdict.outcome(), verdict.reasons().len()),
        (Rejected, 1),
        "nothing required is no evidence"
    );
}

#[test]
fn a_record_is_bound_to_the_registry_that_it_was_started_with() {
    let mut file = started();
    for (number, job) in [(1, INSTALL), (2, UPGRADE)] {
        let _ = file.record_run(job, &seen(job, &id(number), ProwState::Success)).unwrap();
    }
    let later = registry_of(r#"{"prowJob": "new"}"#);
    let verdict = judge(&file, &Rules::of(&file, Some(&later)));
    assert!(verdict.is_accepted() && verdict.missing.is_empty(), "a job that came later is no condition");
    let python = by_python(&file);
    let verdict = judge(&python, &Rules::of(&python, Some(&later)));
    assert!(
        verdict.entries_are_accepted() && !verdict.is_accepted(),
        "without the list the current registry decides"
    );
    assert_eq!(verdict.unknown().count(), 2);

    let mut lost = crate::prow::json::Value::parse(&file.to_text()).unwrap();
    let map = lost.as_map_mut().unwrap();
    map.get_mut("result").unwrap().as_list_mut().unwrap().pop();
    let lost = ResultFile::parse(file.name(), map.to_text().as_bytes()).unwrap();
    let verdict = judge(&lost, &Rules::of(&lost, Some(&registry())));
    assert_eq!(verdict.missing_required().map(|rule| rule.job.name.as_str()).collect::<Vec<_>>(), [UPGRADE]);
    let upgrade = TestJob { upgrade: true, ..TestJob::required(UPGRADE) };
    assert_eq!(steps_without_reports(&lost, &registry()), [Step::StartFirst { jobs: vec![upgrade] }]);
}

fn steps_without_reports(file: &ResultFile, registry: &TestJobRegistry) -> Vec<Step> {
    let without_report = file.jobs().flat_map(|job| job.runs().collect::<Vec<_>>());
    let without_report = without_report.filter_map(|run| Some(run.id()?.into_owned())).collect();
    let observed = Observed { label: Label::Present, without_report, ..Observed::default() };
    next_steps(file, AvailableRegistry::Read(registry), &observed, &Policy::default(), time(100))
}

#[test]
fn renamed_jobs_neither_keep_a_record_open_nor_pass_unseen() {
    let renamed = registry_of(r#"{"prowJob": "a-f999"}, {"prowJob": "b-f999"}"#);
    for (runs, accepted) in [("SS", true), ("FF", false), ("SF", false)] {
        let (a, b) = runs.split_at(1);
        let file = file(&[("a-f360", a), ("b-f360", b)]);
        assert_eq!(at_rest(&file, &renamed), [Step::Complete { accepted }]);
        let verdict = judge(&file, &Rules::of(&file, Some(&renamed)));
        assert_eq!((verdict.missing.len(), verdict.missing_required().count()), (2, 0));
    }
    // An entry counts for one job, and a name without a frequency only for itself.
    for (entries, jobs, missing) in [
        (r#"{"prowJob": "a-f7"}, {"prowJob": "a-f9"}"#, &[("a-f360", "S")][..], "a-f9"),
        (r#"{"prowJob": "a-f9"}, {"prowJob": "c-f9"}"#, &[("a-f360", "S")], "c-f9"),
        (r#"{"prowJob": "a-f9"}"#, &[("a", "S")], "a-f9"),
        (r#"{"prowJob": "a"}"#, &[("a-f9", "S")], "a"),
        (r#"{"prowJob": "a-fx"}"#, &[("a-fy", "S")], "a-fx"),
    ] {
        let verdict = verdict(entries, jobs);
        let names: Vec<_> = verdict.missing_required().map(|rule| rule.job.name.as_str()).collect();
        assert_eq!((names, verdict.is_accepted()), (vec![missing], false), "{entries}");
        assert!(verdict.reasons()[0].contains("required, and not in the record"));
    }
    let open = file(&[("a-f360", "P"), ("b-f360", "S")]);
    assert!(matches!(at_rest(&open, &renamed)[..], [Step::Read { .. }]));
    let removed = registry_of(r#"{"prowJob": "a"}"#);
    assert_eq!(at_rest(&file(&[("a", "S"), ("gone", "S")]), &removed), [Step::Complete { accepted: true }]);
}

#[test]
fn jobs_whose_start_was_refused_are_started() {
    let registry = registry_of(r#"{"prowJob": "a"}, {"prowJob": "b"}, {"prowJob": "c", "optional": true}"#);
    let file = file(&[("a", "S")]);
    let wanted = Step::StartFirst { jobs: vec![TestJob::required("b")] };
    assert_eq!(at_rest(&file, &registry), [wanted], "an optional one is not worth a run");
    let observed = Observed { started: ["b".to_owned()].into(), ..Observed::default() };
    let policy = Policy::default();
    assert_eq!(
        next_steps(&file, AvailableRegistry::Read(&registry), &observed, &policy, time(9)),
        [],
        "and not decided without it"
    );
    let policy = Policy { start_missing: false, ..policy };
    let steps = next_steps(&file, AvailableRegistry::Read(&registry), &Observed::default(), &policy, time(9));
    assert_eq!(steps, [Step::Complete { accepted: false }]);
}

#[test]
fn runs_are_read_until_state_and_time_go_together() {
    let registry = registry();
    let mut file = started();
    let read = |job: &str, run: &str| Step::Read { job: job.into(), id: run.into() };
    assert_eq!(at_rest(&file, &registry), [read(INSTALL, "run-1"), read(UPGRADE, "run-2")]);
    let mut odd = seen(INSTALL, &id(1), ProwState::Pending);
    odd.completed = Some(time(3));
    let _ = file.record_run(INSTALL, &odd).unwrap();
    let mut odd = seen(UPGRADE, &id(2), ProwState::Success);
    odd.completed = None;
    let _ = file.record_run(UPGRADE, &odd).unwrap();
    assert_eq!(at_rest(&file, &registry), [read(INSTALL, "run-1"), read(UPGRADE, "run-2")]);
    let observed = Observed { read: ["run-1".into(), "run-2".into()].into(), ..Observed::default() };
    assert_eq!(
        next_steps(&file, AvailableRegistry::Read(&registry), &observed, &Policy::default(), time(9)),
        []
    );
}

#[test]
fn reports_are_fetched_once_and_a_broken_store_holds_up_no_longer_than_its_timeout() {
    let registry = registry();
    let mut file = started();
    for (number, job) in [(1, INSTALL), (2, UPGRADE)] {
        let _ = file.record_run(job, &seen(job, &id(number), ProwState::Success)).unwrap();
    }
    let steps = |file: &ResultFile, observed: &Observed, hour| {
        next_steps(file, AvailableRegistry::Read(&registry), observed, &Policy::default(), time(hour))
    };
    let mut observed = Observed { label: Label::Present, ..Observed::default() };
    let found = steps(&file, &observed, 5);
    assert!(
        matches!(&found[..], [Step::FetchReport { id, .. }] if id == "run-1"),
        "upgrades have none: {found:?}"
    );
    observed.report_failed.insert("run-1".into());
    assert_eq!(steps(&file, &observed, 27), []);
    assert_eq!(steps(&file, &observed, 28), [Step::Complete { accepted: true }]);
    observed.without_report.insert("run-1".into());
    assert_eq!(steps(&file, &observed, 5), [Step::Complete { accepted: true }]);
    let observed = Observed { label: Label::Present, ..Observed::default() };
    let mut without = file.clone();
    assert!(without.record_no_report(INSTALL, "run-1").unwrap().is_changed());
    assert_eq!(steps(&without, &observed, 5), [Step::Complete { accepted: true }]);
    let _ = file.record_summary(INSTALL, "run-1", &Map::default()).unwrap();
    assert_eq!(steps(&file, &observed, 5), [Step::Complete { accepted: true }]);
    let policy = Policy::default();
    let ended = Some(time(4));
    assert!(report_is_due(ended, &policy, time(4)) && !report_is_due(ended, &policy, time(5)));
    assert!(!report_is_due(None, &policy, time(4)));
}

#[test]
fn the_label_comes_before_the_end_and_is_repaired() {
    let registry = registry_of(r#"{"prowJob": "a"}, {"prowJob": "b", "optional": true}"#);
    let steps = |file: &ResultFile, label| {
        let observed = Observed { label, read: file_runs(file), ..Observed::default() };
        next_steps(file, AvailableRegistry::Read(&registry), &observed, &Policy::default(), time(9))
    };
    let open = file(&[("a", "S"), ("b", "P")]);
    assert_eq!(steps(&open, Label::Unknown), [Step::Label], "while an optional job runs");
    let mut ended = file(&[("a", "S"), ("b", "F")]);
    for label in [Label::Unknown, Label::Absent] {
        assert_eq!(steps(&ended, label), [Step::Label]);
    }
    for label in [Label::Present, Label::Other, Label::NoPayload] {
        assert_eq!(steps(&ended, label), [Step::Complete { accepted: true }]);
    }
    let _ = ended.complete(true);
    assert_eq!((steps(&ended, Label::Unknown), steps(&ended, Label::Absent)), (vec![], vec![Step::Label]));
    let mut rejected = file(&[("a", "FFF")]);
    assert_eq!(steps(&rejected, Label::Absent), [Step::Complete { accepted: false }]);
    let _ = rejected.complete(false);
    assert_eq!(steps(&rejected, Label::Absent), []);
    let _ = rejected.promote();
    assert_eq!(steps(&rejected, Label::Absent), [Step::Label]);
    assert_eq!(steps(&rejected, Label::Present), [Step::Complete { accepted: false }]);
}

pub(super) fn file_runs(file: &ResultFile) -> std::collections::BTreeSet<String> {
    file.jobs()
        .flat_map(|job| job.runs().collect::<Vec<_>>())
        .filter_map(|run| Some(run.id()?.into_owned()))
        .collect()
}

#[test]
fn nothing_is_started_for_a_promoted_build_and_what_is_open_is_read() {
    let registry = registry_of(r#"{"prowJob": "a"}, {"prowJob": "b"}, {"prowJob": "c"}"#);
    let mut promoted = file(&[("a", "F"), ("b", "i"), ("b", "P")]);
    let _ = promoted.promote();
    let steps = at_rest(&promoted, &registry);
    assert!(matches!(&steps[..], [Step::Settle { may_start: false, .. }, Step::Read { .. }]), "{steps:?}");
    let mut promoted = file(&[("a", "F")]);
    let _ = promoted.promote();
    assert_eq!(at_rest(&promoted, &registry), [Step::Complete { accepted: false }]);
}

#[test]
fn without_the_registry_nothing_is_started_labelled_or_completed() {
    let policy = Policy::default();
    let steps = |jobs: &[(&str, &str)], at_hand| {
        next_steps(&file(jobs), at_hand, &Observed::default(), &policy, time(9))
    };
    for at_hand in [AvailableRegistry::Unreadable, AvailableRegistry::Absent] {
        for runs in ["S", "F", "i", "-", "FSS", "FFF"] {
            assert_eq!(steps(&[("a", runs)], at_hand), [], "nothing says what is required: {runs}");
        }
        assert!(matches!(steps(&[("a", "P")], at_hand)[..], [Step::Read { .. }]));
    }
}

#[test]
fn a_record_that_says_what_is_required_is_accepted_without_the_registry_and_not_rejected() {
    let known =
        Observed { label: Label::Present, without_report: file_runs(&started()), ..Observed::default() };
    let steps = |ends: [ProwState; 2]| {
        let mut file = started();
        for ((number, job), end) in [(1, INSTALL), (2, UPGRADE)].into_iter().zip(ends) {
            let _ = file.record_run(job, &seen(job, &id(number), end)).unwrap();
        }
        [AvailableRegistry::Absent, AvailableRegistry::Unreadable]
            .map(|at_hand| next_steps(&file, at_hand, &known, &Policy::default(), time(9)))
    };
    let accept = || vec![Step::Complete { accepted: true }];
    assert_eq!(steps([ProwState::Success, ProwState::Success]), [accept(), accept()]);
    assert_eq!(steps([ProwState::Success, ProwState::Failure]), [vec![], vec![]], "a retry may be due");
}

#[test]
fn an_intent_is_left_to_its_holder_then_settled_then_given_up() {
    let registry = registry();
    let start = time(0);
    let intent = Intent::at(start);
    let file = ResultFile::create(name(), build(), &[(TestJob::required(INSTALL), intent)], start);
    let steps = |minutes: i64, observed: &Observed| {
        let now = start.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
        next_steps(&file, AvailableRegistry::Read(&registry), observed, &Policy::default(), now)
    };
    let settle =
        |own, may_start| vec![Step::Settle { job: TestJob::required(INSTALL), intent, own, may_start }];
    let nothing = Observed::default();
    assert_eq!(steps(9, &nothing), []);
    assert_eq!(steps(10, &nothing), settle(false, true));
    assert_eq!(steps(24 * 60 - 1, &nothing), settle(false, true));
    assert_eq!(steps(24 * 60, &nothing), settle(false, false));
    assert_eq!(steps(1, &Observed { own: [intent].into(), ..Observed::default() }), settle(true, true));
    assert_eq!(steps(60, &Observed { settled: [intent].into(), ..Observed::default() }), []);
    for at_hand in [AvailableRegistry::Absent, AvailableRegistry::Unreadable] {
        assert_eq!(next_steps(&file, at_hand, &nothing, &Policy::default(), time(1)), [], "left alone");
    }
    let removed = registry_of(r#"{"prowJob": "another"}"#);
    assert!(
        next_steps(&file, AvailableRegistry::Read(&removed), &nothing, &Policy::default(), time(1))
            .contains(&settle(false, false)[0])
    );
}

#[test]
fn a_run_is_lost_when_nobody_has_had_it_for_longer_than_it_can_run() {
    let lost = |file: &ResultFile, id: &str, hour| is_lost(file, INSTALL, id, &Policy::default(), time(hour));
    let mut read = started();
    let mut later = seen(INSTALL, &id(1), ProwState::Pending);
    later.started = Some(time(20));
    let _ = read.record_run(INSTALL, &later).unwrap();
    assert!(!lost(&read, "run-1", 67) && lost(&read, "run-1", 68), "counted from its own start");
    let _ = read.record_run(UPGRADE, &seen(UPGRADE, &id(2), ProwState::Success)).unwrap();
    let _ = read.replace_run(INSTALL, "run-1", &id(9), time(240)).unwrap();
    assert!(!lost(&read, "run-9", 287) && lost(&read, "run-9", 288), "and not from that of others");
    assert!(!lost(&by_python(&started()), "run-1", 9000), "no time of it is known");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_record_is_judged_and_leads_to_steps_that_end(file in crate::prow::record::tests::files()) {
        let registry = registry_of(r#"{"prowJob": "periodic-ci-demo-a"}, {"prowJob": "periodic-ci-demo-b", "optional": true}"#);
        for at_hand in [AvailableRegistry::Read(&registry), AvailableRegistry::Absent, AvailableRegistry::Unreadable] {
            let observed = Observed { read: file_runs(&file), label: Label::Other, ..Observed::default() };
            let steps = next_steps(&file, at_hand, &observed, &Policy::default(), time(9));
            let completes = steps.iter().any(|step| matches!(step, Step::Complete { .. }));
            prop_assert!(!completes || steps.len() == 1);
            prop_assert!(steps.is_empty() || !file.is_aggregated());
        }
        let verdict = judge(&file, &Rules::of(&file, Some(&registry)));
        prop_assert!(!verdict.is_accepted() || verdict.entries_are_accepted());
        prop_assert!(!verdict.reasons().is_empty());
        for job in &verdict.jobs {
            prop_assert!(job.open == 0 || job.outcome == JobOutcome::Open);
            prop_assert!(job.outcome != JobOutcome::Success || matches!(job.first, Stage::Ended(_)));
        }
    }
}

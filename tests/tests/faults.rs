//! Every request of both tasks goes wrong in every way: nothing panics, the exit code is documented, no effect happens
//! twice, the state says what happened, and a second run heals everything.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use end_to_end::effects::Effects;
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, Run};

const DOCUMENTED: [i32; 6] = [0, 1, 3, 4, 5, 6];

fn error_500() -> FaultKind {
    FaultKind::Status { code: 500, body: None, headers: Vec::new() }
}

fn harness() -> Harness {
    Harness::new().env("OAR_HTTP_TIMEOUT", "0.5").env("OAR_HTTP_RETRY_DELAY", "1")
}

fn tasks(harness: &Harness, release: &str) -> Vec<Run> {
    vec![harness.oar(release, &["create-test-report"]), harness.oar(release, &["take-ownership", "-e", LEAD])]
}

/// What an undisturbed run does, and the requests that it makes.
fn undisturbed(release: &str) -> (Effects, Vec<(String, String, String)>) {
    let harness = harness();
    for run in tasks(&harness, release) {
        run.expect(0);
    }
    let requests: BTreeSet<_> = harness
        .sandbox
        .requests()
        .into_iter()
        .map(|request| (request.service, request.method, request.path))
        .collect();
    (Effects::of(&harness), requests.into_iter().collect())
}

fn check(release: &str, fault: Fault, expected: &Effects) {
    let context = format!("{release} with {fault:?}");
    let harness = harness();
    harness.sandbox.faults().add(fault);
    for run in tasks(&harness, release) {
        let text = run.all();
        assert!(!text.contains("panicked") && !text.contains("internal error"), "{context}\n{text}");
        let code = run.code.unwrap_or(-1);
        assert!(DOCUMENTED.contains(&code), "exit {code}: {context}\n{text}");
        if code != 0 {
            assert!(run.stderr.contains("error: "), "{context}\n{text}");
        }
    }
    harness.sandbox.faults().clear();
    Effects::of(&harness).assert_none_twice(expected, &context);

    let last = tasks(&harness, release).pop().unwrap().expect(0);
    let effects = Effects::of(&harness);
    effects.assert_none_twice(expected, &format!("{context}\n{last:?}"));
    assert_eq!(effects.notes, expected.notes, "{context}");
    assert_eq!(effects.transitions, expected.transitions, "{context}");
    let state = harness.statebox(release).unwrap();
    assert!(state.contains("- name: take-ownership\n  status: Pass\n"), "{context}\n{state}");
    harness.sandbox.assert_no_unexpected();
}

/// Runs `work` for every item, eight at a time: most of the time is spent waiting.
fn in_parallel<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    let (items, failures) = (Mutex::new(items), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let item = items.lock().unwrap().pop();
                    let Some(item) = item else { return };
                    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(item)));
                    if outcome.is_err() {
                        failures.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(failures.into_inner(), 0, "see the failures above");
}

fn check_all(release: &str, kinds: &[FaultKind], forever: bool) {
    let (expected, requests) = undisturbed(release);
    let mut cases = Vec::new();
    for (service, method, path) in &requests {
        for kind in kinds {
            let fault = Fault::on(service, kind.clone()).method(method).path(path);
            cases.push(if forever { fault.forever() } else { fault });
        }
    }
    assert!(cases.len() >= 20 * kinds.len(), "{} cases", cases.len());
    in_parallel(cases, |fault| check(release, fault, &expected));
}

#[test]
fn one_fault_at_any_request_is_survived_or_reported() {
    let kinds = [
        error_500(),
        FaultKind::RateLimited { retry_after: 0 },
        FaultKind::DropBefore,
        FaultKind::DropAfter,
        FaultKind::Garbage,
        FaultKind::Hang,
        FaultKind::HangAfter,
    ];
    for release in [KONFLUX, ERRATA] {
        check_all(release, &kinds, false);
    }
}

#[test]
fn a_service_that_stays_broken_is_reported_and_healed_later() {
    for release in [KONFLUX, ERRATA] {
        check_all(
            release,
            &[error_500(), FaultKind::DropBefore, FaultKind::DropAfter, FaultKind::Garbage],
            true,
        );
    }
}

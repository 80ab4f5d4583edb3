//! Many programs write one StateBox at once, and the services misbehave: every acknowledged change is there, once.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::{Fault, FaultKind, Harness, KONFLUX};

const WRITERS: usize = 8;
const UPDATES: usize = 25;

/// Eight programs at a time, each its 25 changes one after the other. Returns the acknowledged ones.
fn write_all(harness: &Harness) -> Vec<String> {
    let one = |writer: usize, update: usize| {
        let mark = format!("change {writer}-{update}.");
        let status = if update.is_multiple_of(2) { "In Progress" } else { "Fail" };
        let run = match update % 3 {
            0 => harness.oar(KONFLUX, &["issue", "add", &mark]),
            1 => harness.oar(KONFLUX, &["task", "set", "stage-testing", status, "--reason", &mark]),
            _ => harness.oar(KONFLUX, &["task", "set", "image-signed-check", status, "--reason", &mark]),
        };
        assert_eq!(run.code, Some(0), "{run:?}");
        mark
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || (0..UPDATES).map(|update| one(writer, update)).collect::<Vec<_>>())
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    })
}

fn assert_each_once(state: &str, acknowledged: &[String]) {
    assert_eq!(acknowledged.len(), WRITERS * UPDATES);
    for mark in acknowledged {
        let count = state.matches(mark.as_str()).count();
        assert_eq!(count, 1, "`{mark}` stands {count} times");
    }
}

#[test]
fn two_hundred_changes_by_eight_programs_all_arrive_once_at_github() {
    let harness = Harness::announced(KONFLUX);
    harness.sandbox.faults().seed(4_191);
    for (method, kind, rate) in [
        ("PUT", FaultKind::BusyBranch, 0.10),
        ("PUT", FaultKind::DropAfter, 0.10),
        ("PUT", FaultKind::DropBefore, 0.05),
        ("GET", FaultKind::StaleRead, 0.10),
    ] {
        let fault = Fault::on("github", kind).method(method).path("/repos/*/contents/*");
        harness.sandbox.faults().add(fault.rate(rate));
    }
    let acknowledged = write_all(&harness);
    harness.sandbox.faults().clear();
    assert_each_once(&harness.statebox(KONFLUX).unwrap(), &acknowledged);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn two_hundred_changes_by_eight_programs_all_arrive_once_in_a_folder() {
    let harness = Harness::new();
    let folder = harness.home().join("state");
    std::fs::create_dir(&folder).unwrap();
    let harness = harness.env("OAR_STATE", &format!("local:{}", folder.display()));
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let acknowledged = write_all(&harness);
    let file = folder.join("_releases/4.19/statebox/4.19.1.yaml");
    assert_each_once(&std::fs::read_to_string(file).unwrap(), &acknowledged);
}

//! Cases side by side: most of their time is spent waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Prepared, Scenario};

/// How many cases run side by side.
const WORKERS: usize = 6;

/// Runs `check` for every case, each in the scenario's initial world. Every worker has its own world, which
/// it prepares once.
///
/// # Panics
/// When a case failed; all of them are run first.
pub(super) fn each<T: Send>(scenario: &Scenario, cases: Vec<T>, check: impl Fn(&Prepared<'_>, T) + Sync) {
    each_by(WORKERS, scenario, cases, check);
}

/// The same with so many workers at most.
///
/// # Panics
/// When a case failed; all of them are run first.
pub(super) fn each_by<T: Send>(
    workers: usize,
    scenario: &Scenario,
    cases: Vec<T>,
    check: impl Fn(&Prepared<'_>, T) + Sync,
) {
    let workers = workers.min(cases.len());
    let (cases, failures) = (Mutex::new(cases.into_iter()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut world: Option<Prepared<'_>> = None;
                loop {
                    let next = cases.lock().ok().and_then(|mut cases| cases.next());
                    let Some(case) = next else { return };
                    let outcome = catch_unwind(AssertUnwindSafe(|| {
                        let world = world.get_or_insert_with(|| scenario.prepared(Duration::ZERO));
                        world.reset();
                        check(world, case);
                    }));
                    if outcome.is_err() {
                        failures.fetch_add(1, Ordering::SeqCst);
                        // What a failed case left running must not meet the next one.
                        world = None;
                    }
                }
            });
        }
    });
    let failures = failures.into_inner();
    assert_eq!(failures, 0, "{}: {failures} cases failed, see above", scenario.name);
}

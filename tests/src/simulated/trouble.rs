//! What happens to the engine: it is killed and started anew, two run at the same time, services fail.

use std::time::Duration;

use futures::future::join;
use jiff::{SignedDuration, Timestamp};
use oar_core::operations::advance::Advanced;
use oar_core::version::ReleaseVersion;
use sandbox::{Fault, FaultKind, Sandbox};

use super::engine::Engine;
use crate::Harness;
use crate::in_process::{end_at, settle};
use crate::matrix::sample::Numbers;

/// The part of the requests that a fault hits.
const RATE: f64 = 0.04;

/// Each kind of trouble comes in one of so many passes, whatever else comes.
const ONE_IN: u64 = 4;

/// So long after trouble nothing of it is left: claims are over after ten minutes, the pause before a step is tried again that
/// services did not let finish after half an hour.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(30);

/// The engines of a release, and what happens to them.
#[derive(Debug)]
pub(super) struct Engines {
    sandbox: Sandbox,
    first: Engine,
    second: Engine,
    /// `None` as long as nothing happens to them.
    numbers: Option<Numbers>,
    /// How often an engine was killed.
    pub(super) kills: usize,
    /// In how many passes services failed.
    pub(super) faults: usize,
    /// How many passes two engines made at the same time.
    pub(super) meetings: usize,
    /// When something last happened to them.
    last: Option<Timestamp>,
}

impl Engines {
    pub(super) fn start(harness: &Harness, seed: Option<u64>) -> Self {
        Self {
            sandbox: harness.sandbox.clone(),
            first: Engine::start(harness),
            second: Engine::start(harness),
            numbers: seed.map(Numbers::of),
            kills: 0,
            faults: 0,
            meetings: 0,
            last: None,
        }
    }

    /// Whether nothing happened to them in a pass at `time`, nor shortly before.
    pub(super) fn are_undisturbed(&self, time: Timestamp) -> bool {
        self.last.is_none_or(|last| time.duration_since(last) > AFTERMATH)
    }

    /// One pass over the release: what the engines left that came to their end, or the words of a problem.
    pub(super) async fn pass(
        &mut self,
        release: &ReleaseVersion,
        over_all: bool,
    ) -> Vec<Result<Advanced, String>> {
        let Some(numbers) = &mut self.numbers else {
            let ended = if over_all {
                self.first.pass_over_all(release).await
            } else {
                self.first.pass(release).await
            };
            return vec![ended];
        };
        let [dies, is_disturbed, meets] = [(); 3].map(|()| numbers.below(ONE_IN) == 0);
        if dies || is_disturbed || meets {
            self.last = Some(self.sandbox.clock().now());
        }
        let faults = self.sandbox.faults();
        let death = dies.then(|| faults.add(end_at(numbers)));
        if is_disturbed {
            self.faults += 1;
            faults.seed(numbers.below(1 << 32));
            faults.add(Fault::anywhere(kind(numbers)).rate(RATE));
        }
        let killed = async {
            while death.is_none_or(|death| self.sandbox.faults().hits(death) == 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let first = async {
            tokio::select! {
                advanced = self.first.pass(release) => Some(advanced),
                () = killed => None,
            }
        };
        let (first, second) = if meets {
            self.meetings += 1;
            let (first, second) = join(first, self.second.pass(release)).await;
            (first, Some(second))
        } else {
            (first.await, None)
        };
        self.sandbox.faults().clear();
        if first.is_none() {
            self.kills += 1;
            self.first.restart();
            settle(&self.sandbox).await;
        }
        first.into_iter().chain(second).collect()
    }
}

fn kind(numbers: &mut Numbers) -> FaultKind {
    match numbers.below(5) {
        0 => FaultKind::DropBefore,
        1 => FaultKind::DropAfter,
        2 => FaultKind::Garbage,
        3 => FaultKind::RateLimited { retry_after: 1 },
        _ => FaultKind::Status { code: 503, body: None, headers: Vec::new() },
    }
}

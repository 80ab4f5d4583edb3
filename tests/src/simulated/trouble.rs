//! What happens to the engine: it is killed and started anew, two run at the same time, services fail.

use std::time::Duration;

use futures::future::join;
use oar_core::operations::advance::Advanced;
use oar_core::version::ReleaseVersion;
use sandbox::{Fault, FaultKind, Sandbox};

use super::engine::Engine;
use crate::Harness;
use crate::in_process::{end_at, settle};
use crate::matrix::sample::Numbers;

/// The part of the requests that a fault hits.
const RATE: f64 = 0.04;

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
}

/// How a pass ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With this, or with these words of a problem.
    Whole(Vec<Result<Advanced, String>>),
    /// The engine was killed.
    Killed,
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
        }
    }

    /// One pass over the release.
    pub(super) async fn pass(&mut self, release: &ReleaseVersion) -> Ended {
        let Some(numbers) = &mut self.numbers else {
            return Ended::Whole(vec![self.first.pass(release).await]);
        };
        match numbers.below(8) {
            0 | 1 => {
                let fault = self.sandbox.faults().add(end_at(numbers));
                let sandbox = self.sandbox.clone();
                let ended = async move {
                    while sandbox.faults().hits(fault) == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                let whole = tokio::select! {
                    advanced = self.first.pass(release) => Some(advanced),
                    () = ended => None,
                };
                self.sandbox.faults().clear();
                if let Some(advanced) = whole {
                    return Ended::Whole(vec![advanced]);
                }
                self.kills += 1;
                self.first.restart();
                settle(&self.sandbox).await;
                Ended::Killed
            }
            2 | 3 => {
                self.faults += 1;
                self.sandbox.faults().seed(numbers.below(1 << 32));
                self.sandbox.faults().add(Fault::anywhere(kind(numbers)).rate(RATE));
                let advanced = self.first.pass(release).await;
                self.sandbox.faults().clear();
                Ended::Whole(vec![advanced])
            }
            4 | 5 => {
                self.meetings += 1;
                let (first, second) = join(self.first.pass(release), self.second.pass(release)).await;
                Ended::Whole(vec![first, second])
            }
            _ => Ended::Whole(vec![self.first.pass(release).await]),
        }
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

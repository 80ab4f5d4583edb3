//! Sends the starts: first one alone, then the others at the same time; each id is recorded when it arrives.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::iter;
use tokio::sync::mpsc;

use super::start_result::{StartError, StartResult};
use super::write::{Change, Planned};
use super::{Starter, run_id};
use crate::permit::WritePermit;
use crate::prow::record::Intent;
use crate::prow::runs::{RunIntent, StartedRun};
use crate::prow::world::World;

/// Starts that are sent at the same time: fewer than Gangway's burst limit (spec 04 §2.3).
const STARTS: usize = 6;

/// A run to start now.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its index among the wanted runs.
    pub(super) place: usize,
    /// The intent in the record.
    pub(super) intent: Intent,
    /// The run to request from Gangway.
    pub(super) run: RunIntent,
}

async fn one(world: World<'_>, permit: &WritePermit, run: &RunIntent) -> Result<StartedRun, StartError> {
    Ok(world.jobs.start(run, permit).await?)
}

impl Starter<'_> {
    /// Starts the ready runs and records their ids. `results` gets the result of each, `unsent` those for
    /// which nothing was sent.
    pub(super) async fn send(
        &mut self,
        ready: Vec<Ready>,
        results: &mut [Option<StartResult>],
        unsent: &mut Vec<Planned>,
    ) {
        let mut ready = ready.into_iter();
        let Some(first) = ready.next() else { return };
        let (world, permit) = (self.world, self.permit);
        let (sender, receiver) = mpsc::channel(ready.len() + 1);
        // A refusal that would affect all of them occurs only once.
        let started = one(world, permit, &first.run).await;
        let refused = AtomicBool::new(matches!(&started, Err(error) if error.affects_every_job()));
        let _ = sender.send((first, started)).await;
        let mut rest: Vec<Ready> = ready.collect();
        if !refused.load(Ordering::Relaxed) {
            self.renew_late(&mut rest, results).await;
        }
        let refused = &refused;
        let start = |ready: Ready| -> BoxFuture<'_, ()> {
            let sender = sender.clone();
            Box::pin(async move {
                let started = if refused.load(Ordering::Relaxed) {
                    Err(StartError::NotTried)
                } else {
                    one(world, permit, &ready.run).await
                };
                if started.as_ref().is_err_and(StartError::affects_every_job) {
                    refused.store(true, Ordering::Relaxed);
                }
                // The receiver waits for all of them.
                let _ = sender.send((ready, started)).await;
            })
        };
        let starts: Vec<_> = rest.into_iter().map(start).collect();
        // The receiver ends with the last start.
        drop(sender);
        let sending = iter(starts).buffer_unordered(STARTS).collect::<Vec<()>>();
        let recording = self.record(receiver, results, unsent);
        futures::future::join(sending, recording).await;
    }

    /// Renews intents whose time is nearly over because the first start took long.
    async fn renew_late(&mut self, ready: &mut Vec<Ready>, results: &mut [Option<StartResult>]) {
        let now = self.world.clock.now();
        let late: Vec<Planned> = ready
            .iter()
            .filter(|ready| self.is_late(ready.intent))
            .map(|ready| (ready.place, ready.run.job.clone(), ready.intent, Change::Renew(Intent::at(now))))
            .collect();
        let written = self.write(&late).await;
        for ((place, _, _, change), written) in late.iter().zip(written) {
            match (written, change) {
                (Ok(()), Change::Renew(new)) => {
                    for ready in ready.iter_mut().filter(|ready| ready.place == *place) {
                        self.renewed(ready, *new);
                    }
                }
                (Ok(()), _) => {}
                (Err(_), _) => {
                    ready.retain(|ready| ready.place != *place);
                    if let Some(result) = results.get_mut(*place) {
                        *result = Some(StartResult::Elsewhere);
                    }
                }
            }
        }
    }

    async fn record(
        &mut self,
        mut started: mpsc::Receiver<(Ready, Result<StartedRun, StartError>)>,
        results: &mut [Option<StartResult>],
        unsent: &mut Vec<Planned>,
    ) {
        while let Some(first) = started.recv().await {
            let mut batch = vec![first];
            // Results that arrived in the meantime go into the same write.
            while let Ok(next) = started.try_recv() {
                batch.push(next);
            }
            let mut ids: Vec<(Planned, StartResult)> = Vec::new();
            for (ready, started) in batch {
                let place = ready.place;
                let planned = |change| (place, ready.run.job.clone(), ready.intent, change);
                let id = started.and_then(|started| Ok((run_id(started.id())?, started)));
                match id {
                    Ok((id, StartedRun::New { .. })) => {
                        ids.push((planned(Change::Record(id.clone())), StartResult::Started(id)));
                    }
                    Ok((id, StartedRun::Found { .. })) => {
                        ids.push((planned(Change::Record(id.clone())), StartResult::Found(id)));
                    }
                    Err(error) => {
                        unsent.extend(error.is_before_start().then(|| planned(Change::Unsent)));
                        set(results, place, StartResult::Not(error));
                    }
                }
            }
            let changes: Vec<Planned> = ids.iter().map(|(planned, _)| planned.clone()).collect();
            let written = self.write(&changes).await;
            for (((place, ..), result), written) in ids.into_iter().zip(written) {
                let result = match (written, result) {
                    (Err(error), StartResult::Started(id) | StartResult::Found(id)) => {
                        StartResult::Not(StartError::unrecorded(&id, error))
                    }
                    (_, result) => result,
                };
                set(results, place, result);
            }
        }
    }
}

fn set(results: &mut [Option<StartResult>], place: usize, result: StartResult) {
    if let Some(slot) = results.get_mut(place) {
        *slot = Some(result);
    }
}

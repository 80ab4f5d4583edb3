//! Looks for existing runs before anything is started.

use futures::StreamExt;
use futures::stream::iter;
use indexmap::IndexMap;

use super::start_result::StartError;
use super::{IntentOrigin, Starter, Wanted, run_id};
use crate::error::ServiceError;
use crate::prow::record::RunId;

/// Jobs that are looked for at the same time.
const LOOKS: usize = 4;

impl Starter<'_> {
    /// The existing run of each wanted one; `None` for one that certainly does not exist.
    ///
    /// Runs of interrupted processes are looked for, unless certainly nothing was sent for them. Before a
    /// failed job is retried, a running run with the same parameters counts: a person or another program may
    /// have retried it.
    pub(super) async fn look(
        &self,
        wanted: &[Wanted],
        whose: IntentOrigin,
    ) -> Vec<Result<Option<RunId>, StartError>> {
        // Runs of the same job could be mistaken for each other, so they are looked for one after the other.
        let mut by_job: IndexMap<&str, Vec<usize>> = IndexMap::new();
        for (place, wanted) in wanted.iter().enumerate() {
            by_job.entry(&wanted.job).or_default().push(place);
        }
        let groups: Vec<Vec<usize>> = by_job.into_values().collect();
        let looks = iter(groups.into_iter().map(|places| async move {
            let group: Vec<&Wanted> = places.iter().filter_map(|place| wanted.get(*place)).collect();
            let seen = self.look_for_job(&group, whose).await;
            places.into_iter().zip(seen).collect::<Vec<_>>()
        }));
        let mut seen: Vec<_> =
            looks.buffer_unordered(LOOKS).collect::<Vec<_>>().await.into_iter().flatten().collect();
        seen.sort_by_key(|(place, _)| *place);
        seen.into_iter().map(|(_, seen)| seen).collect()
    }

    async fn look_for_job(
        &self,
        group: &[&Wanted],
        whose: IntentOrigin,
    ) -> Vec<Result<Option<RunId>, StartError>> {
        let mut results = Vec::new();
        let mut taken: Vec<String> = Vec::new();
        let mut under_way: Option<Vec<String>> = None;
        for wanted in group {
            let mut run = self.run_intent(wanted, wanted.intent);
            run.others.extend(taken.iter().cloned());
            let seen: Result<Option<String>, ServiceError> =
                if whose == IntentOrigin::LeftBehind && !wanted.unsent {
                    self.world.jobs.find(&run).await
                } else if wanted.retried {
                    match &under_way {
                        Some(_) => Ok(()),
                        None => self.world.jobs.under_way(&run).await.map(|runs| under_way = Some(runs)),
                    }
                    .map(|()| under_way.iter().flatten().find(|id| !taken.contains(id)).cloned())
                } else {
                    Ok(None)
                };
            taken.extend(seen.iter().flatten().cloned());
            results.push(seen.map_err(StartError::from).and_then(|id| id.as_deref().map(run_id).transpose()));
        }
        results
    }
}

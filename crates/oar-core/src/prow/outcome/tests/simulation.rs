//! Builds from their first start to their end, in a simulated world: passes that die at any point, and
//! several at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::*;
use super::{file_runs, registry_of};
use crate::clients::prow::ProwState;
use crate::prow::names::BuildKind;
use crate::prow::record::tests::{build, by_python, id, name, stored, time};
use crate::prow::record::{Intent, Observation, ResultFile, RunId};
use crate::prow::registry::TestJobRegistry;

/// Passes never give up a start here, because the model does not cover that.
const POLICY: Policy = Policy {
    intent_lease: Duration::from_mins(10),
    give_up_after: Duration::MAX,
    lost_after: Duration::MAX,
    report_due: Duration::ZERO,
    report_timeout: Duration::ZERO,
    payload_timeout: Duration::from_hours(24),
    start_missing: true,
};

/// The next action of a worker. Between two actions others act, and the worker may die.
enum Action {
    Do(Step),
    Start(String, Intent),
    Record(String, Intent, RunId),
}

#[derive(Default)]
struct Worker {
    to_do: VecDeque<Action>,
    observed: Observed,
}

/// The state of Gangway and Prow, and the stored record.
struct World {
    file: ResultFile,
    /// How the runs of each job end, in the order in which they are started.
    script: BTreeMap<String, Vec<ProwState>>,
    runs: BTreeMap<String, (String, ProwState, Timestamp)>,
    by_intent: BTreeMap<Intent, RunId>,
    now: Timestamp,
}

impl World {
    fn started(&self, job: &str) -> usize {
        self.runs.values().filter(|(of, ..)| of == job).count()
    }

    /// One worker does one action, and a minute passes; more time passes when there is nothing to do.
    fn step(&mut self, registry: &TestJobRegistry, worker: &mut Worker) {
        self.now = self.now.checked_add(SignedDuration::from_mins(1)).unwrap();
        if let Some(action) = worker.to_do.pop_front() {
            self.act(worker, action);
            return;
        }
        let steps =
            next_steps(&self.file, AvailableRegistry::Read(registry), &worker.observed, &POLICY, self.now);
        if steps.is_empty() {
            *worker = Worker::default();
            self.now = self.now.checked_add(SignedDuration::from_mins(9)).unwrap();
        }
        worker.to_do.extend(steps.into_iter().map(Action::Do));
    }

    fn act(&mut self, worker: &mut Worker, action: Action) {
        let mut starts: Vec<(String, Intent)> = Vec::new();
        match action {
            Action::Start(job, intent) => {
                if intent.is_fresh(self.now, POLICY.intent_lease) {
                    let run = id(u128::try_from(self.runs.len()).unwrap());
                    let state =
                        self.script[&job].get(self.started(&job)).copied().unwrap_or(ProwState::Failure);
                    self.runs.insert(run.to_string(), (job.clone(), state, self.now));
                    self.by_intent.insert(intent, run.clone());
                    worker.to_do.push_front(Action::Record(job, intent, run));
                }
            }
            // Somebody else may have found the job and recorded it.
            Action::Record(job, intent, run) => drop(self.file.record_id(&job, intent, &run)),
            Action::Do(Step::Read { job, id }) => {
                let (of, end, started) = self.runs[&id].clone();
                let ended = self.now.duration_since(started) >= SignedDuration::from_mins(30);
                let seen = Observation {
                    id: id.clone(),
                    job: of,
                    state: if ended { end } else { ProwState::Pending },
                    url: None,
                    started: Some(started),
                    completed: ended.then_some(self.now),
                };
                let _ = self.file.record_run(&job, &seen).unwrap();
                worker.observed.read.insert(id);
            }
            Action::Do(Step::Settle { job, intent, may_start, .. }) => {
                worker.observed.settled.insert(intent);
                if let Some(run) = self.by_intent.get(&intent) {
                    worker.to_do.push_front(Action::Record(job.name, intent, run.clone()));
                } else if may_start {
                    let new = Intent::at(self.now);
                    // Otherwise another worker took it over.
                    if self.file.renew_intent(&job.name, intent, new).is_ok() {
                        starts.push((job.name, new));
                    }
                }
            }
            Action::Do(Step::StartFirst { jobs }) => {
                let intents: Vec<_> = jobs.into_iter().map(|job| (job, Intent::at(self.now))).collect();
                worker.observed.started.extend(intents.iter().map(|(job, _)| job.name.clone()));
                let ours = self.file.intend_first_runs(&intents, self.now);
                starts.extend(ours.into_iter().map(|(job, intent)| (job.name, intent)));
            }
            Action::Do(Step::StartRetries { job, wanted }) => {
                let intents: Vec<_> = (0..wanted).map(|_| Intent::at(self.now)).collect();
                let ours = self.file.intend_retries(&job.name, wanted, &intents, self.now).unwrap();
                starts.extend(ours.into_iter().map(|intent| (job.name.clone(), intent)));
                worker.observed.started.insert(job.name);
            }
            Action::Do(Step::FetchReport { id, .. }) => {
                worker.observed.without_report.insert(id);
            }
            Action::Do(Step::Label) => worker.observed.label = Label::Present,
            Action::Do(Step::Complete { accepted }) => {
                let _ = self.file.complete(accepted);
            }
        }
        for (job, intent) in starts.into_iter().rev() {
            worker.to_do.push_front(Action::Start(job, intent));
        }
    }
}

/// The independent model: whether a job passes whose runs end as in the script, and how many runs it needs.
fn model(script: &[ProwState], retries: usize, optional: bool) -> (bool, usize) {
    let ends: Vec<bool> = script.iter().map(|state| *state == ProwState::Success).collect();
    if ends[0] || optional {
        return (ends[0], 1);
    }
    let all = &ends[..=retries];
    let good = all.iter().filter(|end| **end).count();
    (2 * good > all.len(), all.len())
}

fn ending() -> impl Strategy<Value = ProwState> {
    use ProwState::{Aborted, Error, Failure, Success};
    prop::sample::select(vec![Success, Success, Failure, Aborted, Error])
}

/// A job: how its runs end, half the number of its retries, whether it is optional, and whether its start by
/// the Python tooling was refused.
type Job = (Vec<ProwState>, usize, bool, bool);

fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let job = (prop::collection::vec(ending(), 7), 1usize..4, any::<bool>(), any::<bool>());
    prop::collection::vec(job, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However many passes work at once, and wherever and however often they die: every job is started
    /// exactly as often as its results require, no run is lost, the record ends, and the build is accepted
    /// exactly when the model says so.
    #[test]
    fn a_build_ends_as_the_model_says_with_each_run_started_once(
        jobs in jobs(),
        bound in any::<bool>(),
        workers in 1usize..4,
        choices in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 400),
    ) {
        let entries: Vec<String> = jobs.iter().enumerate().map(|(index, (_, half, optional, _))| {
            format!(r#"{{"prowJob": "job-{index}", "retries": {}, "optional": {optional}}}"#, half * 2)
        }).collect();
        let registry = registry_of(&entries.join(", "));
        let refused = |index: usize| !bound && jobs[index].3 && !jobs[index].2;
        let intended: Vec<_> = registry.jobs(BuildKind::Stable).iter().enumerate()
            .filter(|(index, _)| !refused(*index))
            .map(|(_, job)| (job.clone(), Intent::at(time(0))))
            .collect();
        let mut file = ResultFile::create(name(), build(), &intended, time(0));
        if !bound {
            file = by_python(&file);
        }
        let script = jobs.iter().enumerate().map(|(index, job)| (format!("job-{index}"), job.0.clone())).collect();
        let mut world = World { file, script, runs: BTreeMap::new(), by_intent: BTreeMap::new(), now: time(0) };
        let mut crew: Vec<Worker> = (0..workers).map(|_| Worker::default()).collect();
        crew[0].to_do.extend(intended.into_iter().map(|(job, intent)| Action::Start(job.name, intent)));
        let mut choices = choices.into_iter();
        let mut ticks = 0;
        while !world.file.is_aggregated() {
            ticks += 1;
            prop_assert!(ticks < 20_000, "the record never ends: {}", world.file.to_text());
            let (index, fate) = choices.next().map_or((ticks % workers, 1), |(index, fate)| (index.index(workers), fate));
            if fate == 0 {
                crew[index] = Worker::default();
                world.file = stored(&world.file);
            }
            world.step(&registry, &mut crew[index]);
        }
        let mut accepted = jobs.iter().any(|job| !job.2);
        for (index, (script, half, optional, _)) in jobs.iter().enumerate() {
            let (success, runs) = model(script, half * 2, *optional);
            accepted &= success || *optional;
            prop_assert_eq!(world.started(&format!("job-{index}")), runs, "job {}", index);
        }
        prop_assert_eq!(world.file.accepted(), Some(accepted));
        let recorded: Vec<String> = file_runs(&world.file).into_iter().collect();
        prop_assert_eq!(recorded, world.runs.into_keys().collect::<Vec<_>>());
        let steps = next_steps(&world.file, AvailableRegistry::Read(&registry), &Observed::default(), &POLICY, time(5000));
        prop_assert_eq!(steps, []);
    }
}

//! Tasks whose work is a job of another system.

use jiff::{SignedDuration, Timestamp};

use super::judgement::Judgement;
use super::{Evaluation, Judged, later, time};
use crate::drive::facts::{Fact, FactKey, JobView};
use crate::drive::verdict::Verdict;
use crate::flow::nodes::Row;
use crate::statebox::{CONSISTENCY_TRIGGERED, STAGE_TRIGGERED, TaskName, TaskView};

/// After this time the other system shows a job that it has accepted.
const VISIBLE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How a task's external job is known.
enum Handle {
    /// By its id, in the record or in the result of another program.
    Id,
    /// By its place in a queue.
    Queued,
    /// It was intended, and its start is not known.
    Intended(String),
    /// Not at all.
    None,
}

impl Evaluation<'_> {
    fn job_fact(&self, task: TaskName) -> (FactKey, &Fact<JobView>) {
        if task == TaskName::StageTesting {
            (FactKey::StageJob, &self.input.facts.stage_job)
        } else {
            (FactKey::ConsistencyJob, &self.input.facts.consistency_job)
        }
    }

    /// A task in progress whose job nobody has recorded: one that is found in the other system is followed; otherwise a
    /// person is asked, because a second one must not be started (spec 05 §8.8, 11).
    fn unrecorded(&self, task: TaskName, view: &TaskView, row: &Row, started: Option<Timestamp>) -> Judged {
        let (key, fact) = self.job_fact(task);
        let seen = self.need(row, key, fact)?;
        let due = later(seen.at, row.poll);
        if let JobView::Found(job) = &seen.value {
            return Ok(Judgement::new(Verdict::Ready)
                .only_looking()
                .noting(format!("{job} is there and not recorded: it can be followed"))
                .since(started)
                .on(self.read(seen, "job", job.clone())));
        }
        if let JobView::Several(jobs) = &seen.value {
            return Ok(self.which_one(task, jobs).since(started).due(due).on(self.read(
                seen,
                "jobs",
                jobs.clone(),
            )));
        }
        let question = format!(
            "{task} is In Progress, no job is recorded, and none is running with its parameters: which one was it? A second one \
             must not be started"
        );
        Ok(Judgement::asks(question, &["name the job", "start a new one"])
            .by_command(self.naming_command(task))
            .since(started)
            .due(due)
            .on(self.status_of(view))
            .on(self.read(seen, "job", "absent")))
    }

    /// Several jobs may be the one of a task: nobody but a person knows which.
    fn which_one(&self, task: TaskName, jobs: &str) -> Judgement {
        let question = format!("several jobs may be the one of {task}: which one is it? ({jobs})");
        Judgement::asks(question, &["name the job"]).by_command(self.naming_command(task))
    }

    fn naming_command(&self, task: TaskName) -> String {
        let option = if task == TaskName::StageTesting { "-n BUILD" } else { "-i JOB_ID" };
        format!("oar -r {} {task} {option}", self.input.release)
    }

    /// A task with a job under way.
    pub(super) fn job(&self, task: TaskName, view: &TaskView, row: &Row) -> Judged {
        let started = view.job.as_ref().and_then(|job| time(job.triggered_at.as_ref()));
        let started = started.or_else(|| time(view.started_at.as_ref()));
        let until = self.limit(row, started);
        let blocked = |judgement: Judgement| match self.blocker(task) {
            Some(issue) => self.blocked_by(issue, row),
            None => judgement,
        };
        match handle(task, view) {
            Handle::None => self.unrecorded(task, view, row, started),
            Handle::Intended(at) => {
                let (key, fact) = self.job_fact(task);
                let seen = self.need(row, key, fact)?;
                let intent = self.stated(format!("tasks.{task}.job.intent"), at.clone(), Some(&at));
                if let JobView::Several(jobs) = &seen.value {
                    let asks = self.which_one(task, jobs).since(time(Some(&at)));
                    let asks = asks.due(later(seen.at, row.poll)).on(intent);
                    return Ok(blocked(asks.on(self.read(seen, "jobs", jobs.clone()))));
                }
                let ready = Judgement::new(Verdict::Ready).since(time(Some(&at))).on(intent);
                Ok(blocked(match &seen.value {
                    JobView::Found(job) => ready
                        .only_looking()
                        .noting(format!("{job} was started and is not recorded: it can be followed"))
                        .on(self.read(seen, "job", job.clone())),
                    _ => ready
                        .noting(
                            "a job was about to be started; the next run looks for it before it starts one",
                        )
                        .on(self.read(seen, "job", "absent")),
                }))
            }
            // The run moves it from the queue to its number.
            Handle::Queued => Ok(Judgement::running("the job waits in a queue")
                .only_looking()
                .since(started)
                .due(self.now())
                .until(until)
                .on(self.status_of(view))),
            Handle::Id => {
                let (key, fact) = self.job_fact(task);
                let seen = self.need(row, key, fact)?;
                let ended = |words: &str| {
                    let evidence = self.read(seen, "state", words);
                    Judgement::new(Verdict::Ready).only_looking().since(started).on(evidence)
                };
                Ok(match &seen.value {
                    JobView::Running(state) => Judgement::running(format!("the job is {state}"))
                        .since(started)
                        .due(later(seen.at, row.poll))
                        .until(until)
                        .on(self.read(seen, "state", state.clone())),
                    JobView::Found(job) => Judgement::running(format!("{job} is there"))
                        .since(started)
                        .due(later(seen.at, row.poll))
                        .until(until)
                        .on(self.read(seen, "job", job.clone())),
                    JobView::Succeeded => {
                        blocked(ended("success").noting("the job has succeeded: its result can be evaluated"))
                    }
                    JobView::Infrastructure(state) => blocked(ended(state).noting(format!(
                        "the job is {state}: its end can be recorded, then it is started once more"
                    ))),
                    JobView::Failed(state) => blocked(
                        ended(state).noting(format!("the job is {state}: its failure can be recorded")),
                    ),
                    JobView::Absent if started.is_some_and(|at| later(at, VISIBLE_AFTER) > self.now()) => {
                        Judgement::running("the job was started, and is not visible yet")
                            .since(started)
                            .due(later(self.now(), row.poll))
                            .until(until)
                            .on(self.read(seen, "state", "absent"))
                    }
                    JobView::Several(jobs) => self
                        .which_one(task, jobs)
                        .since(started)
                        .due(later(seen.at, row.poll))
                        .on(self.read(seen, "jobs", jobs.clone())),
                    JobView::Absent => Judgement::asks(
                        format!("{task} is In Progress, and the other system does not have its job any more"),
                        &["name the job", "start a new one"],
                    )
                    .since(started)
                    .due(later(seen.at, row.poll))
                    .on(self.read(seen, "state", "absent")),
                })
            }
        }
    }
}

/// How the external job of a task is known: from its record, or from the result that another program left.
fn handle(task: TaskName, view: &TaskView) -> Handle {
    if let Some(job) = &view.job {
        if job.id.is_some() {
            return Handle::Id;
        }
        if job.queue_item.is_some() {
            return Handle::Queued;
        }
        if let Some(intent) = &job.intent {
            return Handle::Intended(intent.at.clone());
        }
    }
    let mark = if task == TaskName::StageTesting { STAGE_TRIGGERED } else { CONSISTENCY_TRIGGERED };
    let is_named = view.result.as_deref().is_some_and(|result| result.contains(mark));
    if is_named { Handle::Id } else { Handle::None }
}

use std::sync::Mutex;

use super::*;
use crate::service::Service;
use crate::statebox::{Metadata, RunStart};

const TASK: TaskName = TaskName::StageTesting;

/// A job system with scripted answers.
#[derive(Default)]
struct Script {
    found: Vec<Job>,
    stage: Option<Stage>,
    down: bool,
    refusal: Option<ServiceErrorKind>,
    triggered: Mutex<usize>,
    looks: Mutex<usize>,
}

fn down() -> ServiceError {
    ServiceError::new(Service::Jenkins, "look", ServiceErrorKind::Unavailable, "down")
}

#[async_trait]
impl JobSystemClient for Script {
    async fn look(&self, job: &Job) -> Result<ObservedJob, ServiceError> {
        if self.down {
            return Err(down());
        }
        let stage = self.stage.clone().unwrap_or(Stage::Running("runs".to_owned()));
        Ok(ObservedJob { job: job.clone(), stage })
    }

    async fn find(&self, _: &Job) -> Result<Vec<Job>, ServiceError> {
        *self.looks.lock().unwrap() += 1;
        if self.down { Err(down()) } else { Ok(self.found.clone()) }
    }

    async fn trigger(&self, _: &Job, _: &WritePermit) -> Result<ObservedJob, ServiceError> {
        *self.triggered.lock().unwrap() += 1;
        let kind = self.refusal.unwrap_or(ServiceErrorKind::Unclear);
        Err(ServiceError::new(Service::Jenkins, "start", kind, "no answer"))
    }

    async fn settle(&self) {}
}

fn now() -> jiff::Timestamp {
    "2026-07-02T12:00:00Z".parse().unwrap()
}

fn job() -> Job {
    let intent = JobIntent::new("key", now(), IndexMap::new());
    Job { intent: Some(intent), ..Job::new(crate::statebox::JobSystem::Jenkins, "demo/Stage") }
}

fn identified(state: Option<&str>) -> Job {
    Job { id: Some("7".into()), state: state.map(str::to_owned), ..job() }
}

fn state(status: TaskStatus, job: Option<&Job>) -> State {
    let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), now());
    let run =
        RunStart { id: "r".into(), started: now(), by: "lead".into(), command: "x".into(), force: false };
    let _ = state.start_run(TASK, &run);
    let text = state.to_yaml().replace("status: In Progress", &format!("status: {status}"));
    let mut state = State::parse(&text).unwrap();
    let _ = state.set_job(TASK, job);
    state
}

async fn follow(
    status: TaskStatus,
    recorded: Option<&Job>,
    old: Option<Job>,
    script: &Script,
) -> Result<Known, TaskError> {
    let view = state(status, recorded).task(TASK);
    known(TASK, view.as_ref(), None, old, script, now()).await
}

fn step(known: Result<Known, TaskError>) -> String {
    match known {
        Ok(Known::Nothing { .. }) => "start".into(),
        Ok(Known::Plan(plan)) => match plan.step {
            JobStep::Passed => "passed".into(),
            JobStep::Start { .. } => "start".into(),
            JobStep::Follow { observed } => format!("follow {}", observed.job.id.unwrap_or_default()),
            JobStep::Several { .. } => "several".into(),
            JobStep::Unseen { .. } => "unseen".into(),
        },
        Err(error) => format!("{:?}", error.inner().class()),
    }
}

#[tokio::test]
async fn what_is_recorded_decides_what_comes_next() {
    use TaskStatus::{Fail, InProgress, NotStarted, Pass};
    let held = |holder: &str| {
        let mut job = job();
        if let Some(intent) = &mut job.intent {
            intent.holder = Some(holder.to_owned());
        }
        job
    };
    let own = holder::current().unwrap();
    let old = Job { intent: None, ..identified(None) };
    for (status, recorded, old, expected) in [
        (Pass, Some(identified(None)), None, "passed"),
        (NotStarted, None, None, "start"),
        (InProgress, Some(identified(None)), None, "follow 7"),
        (Fail, Some(identified(None)), None, "follow 7"),
        (Fail, Some(identified(Some("FAILURE"))), None, "start"),
        (NotStarted, Some(identified(Some("aborted"))), None, "start"),
        (Fail, Some(identified(Some("success"))), None, "follow 7"),
        (NotStarted, Some(identified(Some("success"))), None, "start"),
        (InProgress, None, Some(old.clone()), "follow 7"),
        (
            InProgress,
            Some(identified(Some("FAILURE"))),
            Some(Job { id: Some("8".into()), ..old }),
            "follow 8",
        ),
        (InProgress, Some(job()), None, "start"),
        (InProgress, Some(held(&own)), None, "Conflict"),
        (InProgress, Some(held("elsewhere.1.1")), None, "Conflict"),
        (InProgress, Some(held(&format!("{own}9"))), None, "start"),
    ] {
        let found = follow(status, recorded.as_ref(), old, &Script::default()).await;
        assert_eq!(step(found), expected, "{status} {recorded:?}");
    }
}

#[tokio::test]
async fn an_intent_is_looked_for_and_an_outage_decides_nothing() {
    let script = Script { found: vec![identified(None)], ..Script::default() };
    assert_eq!(step(follow(TaskStatus::InProgress, Some(&job()), None, &script).await), "follow 7");
    let script = Script { down: true, ..Script::default() };
    for recorded in [job(), identified(None)] {
        assert_eq!(step(follow(TaskStatus::InProgress, Some(&recorded), None, &script).await), "unseen");
    }
}

#[tokio::test]
async fn of_several_jobs_a_person_names_one_and_nothing_is_started_or_followed() {
    let permit = WritePermit::granted_by_user_interface();
    let other = Job { id: Some("8".into()), ..identified(None) };
    let script = Script { found: vec![identified(None), other], ..Script::default() };
    let Ok(Known::Plan(plan)) = follow(TaskStatus::InProgress, Some(&job()), None, &script).await else {
        panic!("it is a plan");
    };
    assert!(!plan.acts() && plan.standing().is_none());
    let refused = plan.apply(&script, &permit, &Recorder::default()).await.unwrap_err();
    let refused = refused.inner();
    assert_eq!(refused.class(), ErrorClass::Blocked);
    assert!(refused.to_string().contains("Stage 7, the Jenkins job demo/Stage 8"), "{refused}");
    assert!(refused.hint().unwrap().contains("-n NUMBER"));
    assert_eq!(*script.triggered.lock().unwrap(), 0);
}

#[tokio::test]
async fn an_unclear_trigger_is_looked_for_and_never_repeated() {
    let permit = WritePermit::granted_by_user_interface();
    let other = Job { id: Some("8".into()), ..identified(None) };
    for found in [vec![identified(None)], Vec::new(), vec![identified(None), other]] {
        let script = Script { found: found.clone(), ..Script::default() };
        let step = JobStep::Start { intended: Box::new(job()) };
        let plan = JobPlan::new(TASK, step, None, TaskStatus::NotStarted);
        let outcome = plan.apply(&script, &permit, &Recorder::default()).await.unwrap();
        assert_eq!(*script.triggered.lock().unwrap(), 1);
        assert_eq!(outcome.status, TaskStatus::InProgress);
        let one = if let [found] = found.as_slice() { found.id.clone() } else { None };
        assert_eq!(outcome.class.is_none(), one.is_some(), "of several nobody knows which it is");
        let mut state = state(TaskStatus::InProgress, Some(&job()));
        let _ = plan.remember(&outcome.done, &mut state);
        let left = state.task(TASK).unwrap().job.unwrap();
        assert_eq!(left.id, one, "the intent stays until the job is known");
    }
}

#[tokio::test]
async fn an_outage_at_the_trigger_leaves_the_status_and_a_refusal_is_a_failure() {
    let permit = WritePermit::granted_by_user_interface();
    for (kind, class, status) in [
        (ServiceErrorKind::Unavailable, ErrorClass::Unavailable, TaskStatus::Fail),
        (ServiceErrorKind::RateLimited, ErrorClass::Unavailable, TaskStatus::Fail),
        (ServiceErrorKind::Unclear, ErrorClass::Unavailable, TaskStatus::InProgress),
        (ServiceErrorKind::Malformed, ErrorClass::Unavailable, TaskStatus::InProgress),
        (ServiceErrorKind::Rejected, ErrorClass::Failed, TaskStatus::Fail),
    ] {
        let script = Script { refusal: Some(kind), ..Script::default() };
        let step = JobStep::Start { intended: Box::new(job()) };
        let plan = JobPlan::new(TASK, step, None, TaskStatus::NotStarted);
        let outcome = plan.apply(&script, &permit, &Recorder::default()).await.unwrap();
        assert_eq!((outcome.status, outcome.class), (status, Some(class)), "{kind:?}");
        // Without a verdict the task stays as it was, and no end of a job is counted.
        let is_outage = status == TaskStatus::Fail && class == ErrorClass::Unavailable;
        assert_eq!(outcome.is_undecided(), is_outage, "{kind:?}");
        // A job that may have started stays on record and is looked for.
        let kept = matches!(outcome.done.left, Left::Is(_));
        assert_eq!(kept, status == TaskStatus::InProgress, "{kind:?}");
    }
}

#[tokio::test]
async fn a_job_that_runs_as_recorded_stands_and_anything_else_is_recorded() {
    let plan = |stage: Stage, status| {
        let observed = ObservedJob { job: identified(None), stage };
        JobPlan::new(TASK, JobStep::Follow { observed: Box::new(observed) }, Some(identified(None)), status)
    };
    let runs = || Stage::Running("runs".into());
    assert!(plan(runs(), TaskStatus::InProgress).standing().is_some());
    assert!(plan(runs(), TaskStatus::Fail).standing().is_none(), "the status is put right");
    assert!(plan(Stage::Succeeded, TaskStatus::InProgress).standing().is_none());
    assert!(!plan(Stage::Succeeded, TaskStatus::InProgress).acts(), "recording needs one write only");
}

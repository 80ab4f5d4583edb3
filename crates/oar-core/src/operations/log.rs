//! `log`: the stored log of a task, and which run wrote it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Operation};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::statebox::{RunOutcome, RunView, SET_BY_HAND, State, TaskName, TaskStatus};
use crate::version::ReleaseVersion;

/// The most runs that an error lists.
const NAMED: usize = 5;

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Log {
    /// The task, for example stage-testing
    pub task: TaskName,
    /// Show what is stored of this run; `oar history --output json` has the ids
    #[serde(default)]
    pub run: Option<String>,
}

/// What is stored of a task's run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Answer {
    /// The release.
    pub release: ReleaseVersion,
    /// The task and its run.
    #[serde(flatten)]
    pub stored: StoredLog,
}

/// A run and its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoredLog {
    /// The task.
    pub task: TaskName,
    /// The task's status.
    pub status: TaskStatus,
    /// The run; `None` when another program wrote the log.
    pub run: Option<RunView>,
    /// Its log. A StateBox has one for each task: that of the last run with a result.
    pub log: Option<String>,
}

impl Conclusion for Answer {}

impl Operation for Log {
    const ABOUT: About = About::look("log", "Show the stored log of a task");
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let state = call.state().await?;
        let stored = StoredLog::of(&state, self.task, self.run.as_deref())?;
        Ok(Answer { release: call.release()?.clone(), stored })
    }
}

impl StoredLog {
    /// The stored log of `task`, or what is stored of its run `id`.
    pub fn of(state: &State, task: TaskName, id: Option<&str>) -> Result<Self, Refusal> {
        let view = state.task(task);
        let status = view.as_ref().map_or(TaskStatus::NotStarted, |view| view.status);
        let history = view.as_ref().map(|view| view.history.as_slice()).unwrap_or_default();
        let log = view.as_ref().and_then(|view| view.result.clone());
        let writer = log.as_deref().and_then(|log| writer(log, history));
        let Some(id) = id.map(str::trim) else {
            return Ok(Self { task, status, run: writer.cloned(), log });
        };
        let Some(run) = history.iter().find(|run| run.id == id) else {
            let known: Vec<&str> = history.iter().rev().take(NAMED).map(|run| run.id.as_str()).collect();
            let hint = match known.as_slice() {
                [] => "No run of this task is recorded.".to_owned(),
                known => format!("Its last runs: {}.", known.join(", ")),
            };
            return Err(Refusal::new(ErrorClass::Usage, format!("{task} has no run `{id}`")).with_hint(hint));
        };
        let log = log.filter(|_| writer.is_some_and(|writer| writer.id == run.id));
        Ok(Self { task, status, run: Some(run.clone()), log })
    }
}

/// The run that wrote `log`: the one during which the log's last line was written. The file itself does not
/// name it, and other programs write logs too. Of two runs in the same second it is the one with a result,
/// because the other one does not write the log.
fn writer<'a>(log: &str, history: &'a [RunView]) -> Option<&'a RunView> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let written = log.lines().rev().find_map(|line| time(line.split_once(": ")?.0))?;
    let around = |run: &&RunView| {
        let started = run.started.as_deref().and_then(time).is_some_and(|started| started <= written);
        let ended = run.finished.as_deref().and_then(time).is_none_or(|finished| written <= finished);
        started && ended && run.command.as_deref() != Some(SET_BY_HAND) && run.outcome.is_some()
    };
    let found_out_nothing =
        |run: &RunView| matches!(run.outcome, Some(RunOutcome::Unknown | RunOutcome::Interrupted));
    let runs: Vec<&RunView> = history.iter().rev().filter(around).collect();
    runs.iter().find(|run| !found_out_nothing(run)).or(runs.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Classified as _;
    use crate::statebox::{ManualStatus, Metadata, RunEnd, RunStart};

    const TASK: TaskName = TaskName::StageTesting;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn run(id: &str, started: &str) -> RunStart {
        RunStart {
            id: id.into(),
            started: at(started),
            by: "tester".into(),
            command: "stage-testing".into(),
            force: false,
        }
    }

    fn end(run: RunStart, outcome: RunOutcome, status: Option<TaskStatus>, log: &str) -> RunEnd {
        RunEnd {
            finished: run.started + jiff::SignedDuration::from_secs(20),
            run,
            outcome,
            status,
            class: None,
            reason: None,
            result: Some(log.into()),
            notifications: Vec::new(),
            links: Vec::new(),
            done: Vec::new(),
        }
    }

    fn new_state() -> State {
        State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at("2026-07-01T10:00:00Z"))
    }

    /// A state in which another program has written the result of the task.
    fn with_result(result: &str) -> State {
        let mut state = new_state();
        let by_hand = ManualStatus {
            id: "by hand".into(),
            at: at("2026-07-02T10:00:01Z"),
            by: "tester".into(),
            status: TaskStatus::Pass,
            reason: "it is".into(),
            result: None,
            force: false,
        };
        let _ = state.set_task(TASK, &by_hand).unwrap();
        let text = state.to_yaml();
        let (before, task) = text.split_once("- name: stage-testing").unwrap();
        assert!(task.contains("result: null"));
        let task = task.replacen("result: null", &format!("result: {result}"), 1);
        State::parse(&format!("{before}- name: stage-testing{task}")).unwrap()
    }

    fn id(log: &StoredLog) -> Option<&str> {
        log.run.as_ref().map(|run| run.id.as_str())
    }

    #[test]
    fn the_log_belongs_to_the_run_that_wrote_it_and_other_runs_have_none() {
        let mut state = new_state();
        let nothing = StoredLog::of(&state, TASK, None).unwrap();
        assert_eq!((nothing.status, nothing.run, nothing.log), (TaskStatus::NotStarted, None, None));

        let fail = "2026-07-02T10:00:01Z: INFO: one\n2026-07-02T10:00:09Z: ERROR: two\nits second line";
        let (first, status) = (run("first", "2026-07-02T10:00:00Z"), Some(TaskStatus::Fail));
        let _ = state.finish_run(TASK, &end(first, RunOutcome::Fail, status, fail));
        // This one has no result: the stored log is still that of the first.
        let second = run("second", "2026-07-02T10:00:09Z");
        let unknown = "2026-07-02T10:00:10Z: ERROR: nothing";
        let _ = state.finish_run(TASK, &end(second, RunOutcome::Unknown, None, unknown));

        let stored = StoredLog::of(&state, TASK, None).unwrap();
        assert_eq!((id(&stored), stored.log.as_deref()), (Some("first"), Some(fail)));
        assert_eq!(StoredLog::of(&state, TASK, Some("first")).unwrap(), stored);
        let second = StoredLog::of(&state, TASK, Some(" second ")).unwrap();
        assert_eq!((id(&second), second.log.as_deref()), (Some("second"), None));
        let error = StoredLog::of(&state, TASK, Some("third")).unwrap_err();
        assert_eq!(error.hint().unwrap(), "Its last runs: second, first.");
    }

    #[test]
    fn a_log_of_another_program_belongs_to_no_run() {
        let stored = StoredLog::of(&with_result("'2026-07-02T10:00:01Z: INFO: x'"), TASK, None).unwrap();
        assert_eq!((id(&stored), stored.log.as_deref()), (None, Some("2026-07-02T10:00:01Z: INFO: x")));
        let stored = StoredLog::of(&with_result("done by hand"), TASK, None).unwrap();
        assert_eq!((id(&stored), stored.log.as_deref()), (None, Some("done by hand")));
    }
}

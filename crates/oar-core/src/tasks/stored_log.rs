//! The log that the StateBox keeps of a task: which run wrote it, and what it says.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Classified, ErrorClass};
use crate::statebox::{RunView, SET_BY_HAND, State, TaskName, TaskStatus};

/// How many runs an error names.
const NAMED: usize = 5;

/// A run that the history does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{task} has no run `{run}`")]
pub struct UnknownRun {
    task: TaskName,
    run: String,
    known: Vec<String>,
}

impl Classified for UnknownRun {
    fn class(&self) -> ErrorClass {
        ErrorClass::Usage
    }

    fn hint(&self) -> Option<String> {
        Some(if self.known.is_empty() {
            "No run of this task is recorded.".to_owned()
        } else {
            format!("Its last runs: {}.", self.known.join(", "))
        })
    }
}

/// What is stored of a task's run, as JSON has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredLog {
    /// The task.
    pub task: TaskName,
    /// The task's status.
    pub status: TaskStatus,
    /// The run; `None` when another program wrote the log.
    pub run: Option<RunView>,
    /// Its log. A StateBox keeps one for each task: that of the last run that came to something.
    pub log: Option<String>,
}

impl StoredLog {
    /// The stored log of `task`, or what is stored of its run `id`.
    pub fn of(state: &State, task: TaskName, id: Option<&str>) -> Result<Self, UnknownRun> {
        let view = state.task(task);
        let status = view.as_ref().map_or(TaskStatus::NotStarted, |view| view.status);
        let history = view.as_ref().map(|view| view.history.as_slice()).unwrap_or_default();
        let log = view.as_ref().and_then(|view| view.result.clone());
        let writer = log.as_deref().and_then(|log| writer(log, history));
        let Some(id) = id.map(str::trim) else {
            return Ok(Self { task, status, run: writer.cloned(), log });
        };
        let Some(run) = history.iter().find(|run| run.id == id) else {
            let known = history.iter().rev().take(NAMED).map(|run| run.id.clone()).collect();
            return Err(UnknownRun { task, run: id.to_owned(), known });
        };
        let log = log.filter(|_| writer.is_some_and(|writer| writer.id == run.id));
        Ok(Self { task, status, run: Some(run.clone()), log })
    }
}

/// The run that wrote `log`: the one in whose time its last line was written. The file itself does not say it, and other
/// programs write logs, too.
fn writer<'a>(log: &str, history: &'a [RunView]) -> Option<&'a RunView> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let written = log.lines().rev().find_map(|line| time(line.split_once(": ")?.0))?;
    history.iter().rev().find(|run| {
        let started = run.started.as_deref().and_then(time).is_some_and(|started| started <= written);
        let ended = run.finished.as_deref().and_then(time).is_none_or(|finished| written <= finished);
        started && ended && run.command.as_deref() != Some(SET_BY_HAND) && run.outcome.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::{Metadata, RunEnd, RunOutcome, RunStart};

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
        }
    }

    fn new_state() -> State {
        State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at("2026-07-01T10:00:00Z"))
    }

    /// A state in which another program has written the result of the task.
    fn with_result(result: &str) -> State {
        let text = new_state().to_yaml();
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
        // This one found out nothing: the stored log stays that of the first.
        let second = run("second", "2026-07-02T11:00:00Z");
        let unknown = "2026-07-02T11:00:01Z: ERROR: nothing";
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

//! Whether a plan that waits for its answer in Slack was answered elsewhere meanwhile: at a terminal, by the engine, by an AI
//! agent, or by the Python tooling. The release's `StateBox` shows it, whoever did it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::PlanQuestion;
use crate::flow::consent::{Allows, Question};
use crate::statebox::{RunOutcome, RunView, State, TaskName, TaskStatus, TaskView};
use crate::version::ReleaseVersion;

/// What a plan is about, as it is kept with its question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSubject {
    release: String,
    task: String,
    command: String,
    /// Whether a consent is asked for that is only recorded, and that a later run uses.
    #[serde(default)]
    is_recorded: bool,
}

impl PlanSubject {
    /// What `question` asks about.
    pub fn of(question: Question<'_>) -> Self {
        let Question { command, task, release, allows, .. } = question;
        Self {
            release: release.to_string(),
            task: task.id().to_owned(),
            command: command.to_owned(),
            is_recorded: allows == Allows::OneRun,
        }
    }

    /// The release whose state shows whether the plan was answered.
    pub fn release(&self) -> Option<ReleaseVersion> {
        self.release.parse().ok()
    }

    /// What happened since `question` was asked that answers it, in words; `None` when nothing did.
    ///
    /// A run that was refused or could not find out what it needed answers nothing: the plan can still be approved. One that
    /// failed does, because the plan that was shown is not that of now.
    pub fn answered_by(&self, question: &PlanQuestion, state: &State) -> Option<String> {
        let task = TaskName::ALL.into_iter().find(|task| task.id() == self.task)?;
        let view = state.task(task)?;
        let Self { command, .. } = self;
        let since = |at: Option<&String>| is_since(at, question.asked);
        let to_this_plan = |consent: &&crate::statebox::ConsentView| {
            consent.plan == question.plan.as_ref() && since(Some(&consent.at)) && consent.withdrawn.is_none()
        };
        if let Some(consent) = view.consents.iter().find(to_this_plan) {
            return Some(format!("{} recorded their consent to this plan at {}", consent.by, consent.at));
        }
        let waivers = state.waivers(task);
        if let Some(waiver) = waivers.iter().find(|waiver| since(Some(&waiver.at))) {
            return Some(format!("{} waived {} at {}", waiver.by, task.id(), waiver.at));
        }
        // A task that was under way before goes on by itself.
        let went_on = view.status == TaskStatus::InProgress && !since(view.started_at.as_ref());
        let is_run = |run: &&RunView| {
            run.command.as_deref() == Some(command) && since(run.started.as_ref()) && has_begun(run, went_on)
        };
        if let Some(run) = view.history.iter().rev().find(is_run) {
            let by = run.by.as_deref().unwrap_or("somebody");
            let started = run.started.as_deref().unwrap_or("an unknown time");
            let ended = run.outcome.map_or_else(String::new, |outcome| format!(", which ended as {outcome}"));
            return Some(format!("{by} ran {command} at {started}{ended}"));
        }
        if command != task.id() {
            return None;
        }
        is_set(&view, question.asked)
    }
}

/// Whether the plan of this run, or what it would have done, is carried out or being carried out.
fn has_begun(run: &RunView, went_on: bool) -> bool {
    match run.outcome {
        Some(RunOutcome::Pass | RunOutcome::Fail) => true,
        // A run of which no end is known was begun after its plan was consented to.
        Some(RunOutcome::InProgress) | None => !went_on,
        Some(_) => !run.done.is_empty(),
    }
}

/// Whether a task was begun or passed after `asked`, by a program that records no runs.
fn is_set(view: &TaskView, asked: Timestamp) -> Option<String> {
    let at = match view.status {
        TaskStatus::Pass => view.completed_at.as_ref(),
        TaskStatus::InProgress => view.started_at.as_ref(),
        _ => None,
    };
    let at = at.filter(|at| is_since(Some(at), asked))?;
    Some(format!("{} is {} since {at}", view.name, view.status.text()))
}

/// The times in a `StateBox` have no fractions of a second.
fn is_since(at: Option<&String>, asked: Timestamp) -> bool {
    at.and_then(|at| at.parse::<Timestamp>().ok()).is_some_and(|at| at.as_second() >= asked.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::bot::MessageKey;

    const ASKED: &str = "2026-07-01T10:00:00Z";

    /// What answers a question that was asked within the second after 10:00 about the push, where its task has these fields.
    fn answered(fields: &str) -> Option<String> {
        let text = format!(
            "release: 4.19.1\nschema_version: '1.0'\ncreated_at: '{ASKED}'\nupdated_at: '{ASKED}'\nmetadata: {{}}\n\
             tasks:\n- name: push-to-cdn-staging\n  result: null\n{fields}issues: []\n"
        );
        let state = State::parse(&text).unwrap();
        let command = MessageKey { channel: "C0AAA".into(), ts: "1.0".into() };
        let plan = serde_json::from_str("\"abc\"").unwrap();
        let question =
            PlanQuestion::new("q".into(), command, plan, "2026-07-01T10:00:00.9Z".parse().unwrap());
        let subject = PlanSubject {
            release: "4.19.1".into(),
            task: "push-to-cdn-staging".into(),
            command: "push-to-cdn-staging".into(),
            is_recorded: false,
        };
        subject.answered_by(&question, &state)
    }

    fn run(started: &str, command: &str, rest: &str) -> String {
        format!(
            "  status: Fail\n  started_at: null\n  completed_at: null\n  history:\n  - {{id: r, by: ann, command: {command}, started: '{started}'{rest}}}\n"
        )
    }

    #[test]
    fn what_was_done_since_then_answers_a_plan() {
        let before = "2026-07-01T09:59:59Z";
        let after = "2026-07-01T10:00:01Z";
        let status = |status: &str, started: &str, completed: &str| {
            format!("  status: {status}\n  started_at: {started}\n  completed_at: {completed}\n")
        };
        let consent = |plan: &str, at: &str| {
            format!(
                "{}  consents:\n  - {{id: c, command: push-to-cdn-staging, plan: {plan}, by: ann, at: '{at}', until: '2026-07-02T10:00:00Z'}}\n",
                status("Not Started", "null", "null")
            )
        };
        let push = "push-to-cdn-staging";
        for (what, is_answer, fields) in [
            ("nothing happened", false, status("Not Started", "null", "null")),
            ("Python began it", true, status("In Progress", after, "null")),
            ("it was begun before", false, status("In Progress", before, "null")),
            ("Python ended it", true, status("Pass", before, after)),
            ("it passed before", false, status("Pass", before, before)),
            ("Python failed", false, status("Fail", after, after)),
            ("a consent to this plan", true, consent("abc", after)),
            ("one in the same second", true, consent("abc", ASKED)),
            ("an older one", false, consent("abc", before)),
            ("one to another plan", false, consent("abd", after)),
            (
                "one that was withdrawn",
                false,
                consent("abc", after)
                    .replace("'}\n", &format!("', withdrawn: {{by: ann, at: '{after}'}}}}\n")),
            ),
            ("a run that passed", true, run(after, push, &format!(", finished: '{after}', outcome: Pass"))),
            ("a run that goes on", true, run(after, push, "")),
            ("an earlier run", false, run(before, push, &format!(", finished: '{after}', outcome: Pass"))),
            ("another command", false, run(after, "task-set", "")),
            ("a run that failed", true, run(after, push, &format!(", finished: '{after}', outcome: Fail"))),
            ("a refused run", false, run(after, push, &format!(", finished: '{after}', outcome: Blocked"))),
            (
                "a run that was stopped on its way",
                true,
                run(
                    after,
                    push,
                    &format!(", finished: '{after}', outcome: Interrupted, done: [pushed 150001]"),
                ),
            ),
            (
                "a waiver by `oar waive`",
                true,
                format!(
                    "{}decisions:\n- {{id: d, kind: waiver, node: push-to-cdn-staging, by: ann, reason: not needed, at: '{after}'}}\n",
                    status("Not Started", "null", "null")
                ),
            ),
            (
                "a waiver by hand",
                true,
                format!(
                    "{}  waiver: {{by: ann, reason: not needed, at: '{after}'}}\n",
                    status("Not Started", "null", "null")
                ),
            ),
        ] {
            assert_eq!(answered(&fields).is_some(), is_answer, "{what}: {fields}");
        }
    }

    #[test]
    fn it_is_said_who_did_what_and_when() {
        let at = "2026-07-01T10:30:00Z";
        let said = answered(&run(at, "push-to-cdn-staging", "")).unwrap();
        assert_eq!(said, "ann ran push-to-cdn-staging at 2026-07-01T10:30:00Z");
    }
}

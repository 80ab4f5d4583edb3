//! What people have decided with `oar decide` and `oar waive`: waivers of tasks, and verdicts about builds.
//!
//! A verdict about a build counts when it is newer than the end of its task. `accept` and `reject` are recorded as the
//! result of the task; `wait` stops the question for a day.

use jiff::SignedDuration;

use super::judgement::Judgement;
use super::tasks::JUDGE;
use super::{Evaluation, later, time};
use crate::drive::verdict::{Act, Decided, Evidence, Verdict};
use crate::flow::nodes::{Action, Node, Row};
use crate::statebox::{DecisionKind, DecisionView, TaskName, TaskStatus, Verdict as Decision};

/// How long a build is looked at further before people are asked again.
const LOOKED_AT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Who decided, and why.
fn words(decision: &DecisionView) -> String {
    format!("{}: {}", decision.by, decision.reason)
}

impl Evaluation<'_> {
    /// The command that answers whether a build is accepted.
    pub(super) fn decide_command(&self, task: TaskName) -> String {
        format!("oar -r {} decide {task} VERDICT --reason TEXT", self.input.release)
    }

    /// A task that need not pass: the waiver that was decided, or the one that people wrote into the task.
    pub(super) fn waived(&self, task: TaskName) -> Option<Judgement> {
        let state = self.input.state?;
        let waiver = state.waivers(task).into_iter().find(|waiver| waiver.counts_at(self.now()))?;
        let said = format!("{}: {}", waiver.by, waiver.reason);
        let is_decided = state.decisions().iter().any(|decision| {
            decision.kind == DecisionKind::Waiver
                && decision.node_name() == Some(Node::Task(task))
                && decision.at == waiver.at
                && decision.counts_at(self.now())
        });
        let field = if is_decided { "decisions".to_owned() } else { format!("tasks.{task}.waiver") };
        let evidence = self.stated(field, said.clone(), Some(&waiver.at));
        Some(
            Judgement::not_applicable(format!("waived by {said}")).since(time(Some(&waiver.at))).on(evidence),
        )
    }

    /// What a person decided about a build since its task ended last.
    pub(super) fn decision(&self, task: TaskName) -> Option<DecisionView> {
        if Node::Task(task).row().action != Action::Verdict {
            return None;
        }
        self.input.state?.newer_verdict(task)
    }

    pub(super) fn of_decision(&self, decision: &DecisionView) -> Evidence {
        let verdict = decision.verdict.map_or("unknown", Decision::text);
        let mut value = format!("{verdict} by {}", words(decision));
        if let Some(address) = &decision.evidence {
            value = format!("{value} ({address})");
        }
        self.stated("decisions".to_owned(), value, Some(&decision.at))
    }

    /// Whether a person has accepted the build: as the status of the task, or by a decision that is newer.
    pub(super) fn accepted_by_person(&self, task: TaskName) -> bool {
        match self.decision(task).and_then(|decision| decision.verdict) {
            Some(decision) => decision == Decision::Accept,
            None => self.status(task) == TaskStatus::Pass,
        }
    }

    /// The same with what a person decided about the node, where nothing else is noted.
    pub(super) fn noted(&self, row: &Row, mut judgement: Judgement) -> Judgement {
        if judgement.note.is_some() || judgement.verdict.is_settled() {
            return judgement;
        }
        if let Some(decision) = self.input.state.and_then(|state| state.verdict(row.node)) {
            let verdict = decision.verdict.map_or("a decision", Decision::text);
            judgement.note = Some(format!("{verdict} by {}", words(&decision)));
        }
        judgement
    }

    /// The verdict of a build's task while a person looks at the build further.
    pub(super) fn looked_at_further(&self, task: TaskName) -> Option<Judgement> {
        let decision = self.decision(task).filter(|decision| decision.verdict == Some(Decision::Wait))?;
        let since = time(Some(&decision.at))?;
        let until = later(since, LOOKED_AT_FOR);
        (until > self.now()).then(|| {
            Judgement::waiting(format!("a decision; to wait was decided by {}", words(&decision)))
                .since(Some(since))
                .due(until)
                .until(Some(until))
                .on(self.of_decision(&decision))
        })
    }

    /// What follows from a person's decision about a build.
    pub(super) fn decided(&self, task: TaskName, row: &Row) -> Option<Judgement> {
        let decision = self.decision(task)?;
        let verdict = decision.verdict?;
        let accepted = match verdict {
            Decision::Accept => true,
            Decision::Reject => false,
            Decision::Wait => {
                return Some(self.looked_at_further(task).unwrap_or_else(|| {
                    let (by, at) = (words(&decision), &decision.at);
                    let question = format!("at {at} it was decided to wait, by {by}: how is it now?");
                    Judgement::asks(question, &JUDGE)
                        .since(time(Some(&decision.at)))
                        .by_command(self.decide_command(task))
                        .due(later(self.now(), row.poll))
                        .on(self.of_decision(&decision))
                }));
            }
        };
        let status = if accepted { TaskStatus::Pass } else { TaskStatus::Fail };
        let reason = match &decision.evidence {
            Some(address) => format!("{verdict} by {} ({address})", words(&decision)),
            None => format!("{verdict} by {}", words(&decision)),
        };
        let act = Act::Decided(Decided { accepted, reason: reason.clone(), id: decision.id.clone() });
        Some(
            Judgement::new(Verdict::Ready)
                .only_looking()
                .noting(format!("{reason}: {} can be recorded", status.text()))
                .since(time(Some(&decision.at)))
                .by_command(format!(
                    "oar -r {} task set {task} {} --reason TEXT",
                    self.input.release,
                    status.text()
                ))
                .acting(act)
                .on(self.of_decision(&decision)),
        )
    }
}

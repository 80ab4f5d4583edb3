//! What waited for people: questions of the engine, and holds.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Reading, Share, parsed};
use crate::clock::Moment;
use crate::statebox::asked::{Asked, SUMMARY, THREAD};
use crate::statebox::decisions::{DecisionKind, DecisionView};
use crate::statebox::names::NodeName;
use crate::statebox::state::State;
use crate::statebox::views::TaskView;

impl Reading {
    /// Each question waits from its message to the first consent, decision or run that answers it.
    pub(super) fn take_questions(&mut self, state: &State, tasks: &[TaskView]) {
        let decisions = state.decisions();
        let questions = |asked: &&Asked| asked.key != THREAD && !asked.key.starts_with(SUMMARY);
        for asked in state.asked().iter().filter(questions) {
            let Some(told) = self.time(asked.told.as_deref(), "when a question was asked") else { continue };
            let Some(node) = asked.node.as_deref() else {
                self.unknown("when questions were answered: the file does not say what they are about");
                continue;
            };
            let seen = asked.answered.as_deref().and_then(|at| parsed(at).ok());
            let answered = answered(asked, node, told, (tasks, &decisions));
            match [answered, seen].into_iter().flatten().min() {
                Some(until) => {
                    self.add(Share::Person, format!("a question about {node}"), told, until.min(self.now));
                }
                // A checkpoint is passed without a record, so the next run may already be after it.
                None if is_checkpoint(node) && runs(tasks).any(|run| run > told) => {
                    self.unknown(format!("when the question about {node} was answered"));
                }
                None => self.add(Share::Person, format!("a question about {node}"), told, self.now),
            }
        }
    }

    /// Each hold lasts until it is withdrawn, or until its end.
    pub(super) fn take_holds(&mut self, state: &State) {
        for hold in state.decisions().iter().filter(|decision| decision.kind == DecisionKind::Hold) {
            let Some(from) = self.time(Some(&hold.at), "when the release was held") else { continue };
            let withdrawn = match &hold.withdrawn {
                Some(withdrawal) => {
                    let Some(at) = self.time(Some(&withdrawal.at), "when a hold was withdrawn") else {
                        continue;
                    };
                    Some(at)
                }
                None => None,
            };
            let end = hold.until.as_deref().and_then(|until| until.parse::<Moment>().ok()).and_then(end_of);
            let until = [withdrawn, end, Some(self.now)].into_iter().flatten().min().unwrap_or(from);
            self.add(Share::Person, "a hold", from, until);
        }
    }
}

/// The second after which `moment` is over.
fn end_of(moment: Moment) -> Option<i64> {
    moment.end().map(Timestamp::as_second)
}

fn is_checkpoint(node: &str) -> bool {
    !matches!(NodeName::from_file(node), Some(NodeName::Task(_)))
}

/// When the runs of `tasks` began.
fn runs(tasks: &[TaskView]) -> impl Iterator<Item = i64> {
    tasks.iter().flat_map(|task| &task.history).filter_map(|run| parsed(run.started.as_deref()?).ok())
}

/// When somebody answered what was asked about `node` at `told`.
fn answered(
    asked: &Asked,
    node: &str,
    told: i64,
    (tasks, decisions): (&[TaskView], &[DecisionView]),
) -> Option<i64> {
    let task = tasks.iter().filter(|task| task.name == node);
    let of_task = task.flat_map(|task| {
        let consents = task.consents.iter().filter_map(|consent| parsed(&consent.at).ok());
        consents.chain(runs(std::slice::from_ref(task))).collect::<BTreeSet<_>>()
    });
    let decided = decisions.iter().filter(|decision| decision.node.as_deref() == Some(node));
    let decided = decided.filter_map(|decision| parsed(&decision.at).ok());
    // What came between the claim and the message answers it as well.
    let since = parsed(&asked.since).unwrap_or(told).min(told);
    of_task.chain(decided).filter(|at| *at >= since).min()
}

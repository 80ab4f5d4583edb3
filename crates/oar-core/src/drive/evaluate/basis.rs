//! What verdicts rest on: facts and evidence, what comes first, and open blockers.

use jiff::Timestamp;

use super::judgement::Judgement;
use super::{Evaluation, later, time};
use crate::clock::stamp;
use crate::drive::facts::{Fact, FactKey, Seen};
use crate::drive::verdict::{Evidence, Lack, NodePlan, Verdict};
use crate::error::ErrorClass;
use crate::flow::nodes::{Edge, Keeps, Need, Row, Who, chain, refuses};
use crate::statebox::{IssueView, TaskName, TaskStatus, TaskView};

impl Evaluation<'_> {
    pub(super) fn now(&self) -> Timestamp {
        self.input.now
    }

    /// The fact, or the verdict of a node that needs it and does not have it.
    pub(super) fn need<'f, T>(
        &self,
        row: &Row,
        key: FactKey,
        fact: &'f Fact<T>,
    ) -> Result<&'f Seen<T>, Judgement> {
        match fact {
            Fact::Known(seen) => Ok(seen),
            Fact::NotLooked => {
                let mut judgement = Judgement::new(Verdict::Waiting {
                    what: format!("{}, which nobody has looked at", key.words()),
                    unknown: true,
                })
                .due(self.now());
                judgement.lacks = Some(Lack { fact: key, why: "not looked at".to_owned() });
                Err(judgement)
            }
            Fact::Unknown(unknown) => {
                let words = format!("{} cannot be determined: {}", key.words(), unknown.why);
                let mut judgement = if unknown.class == ErrorClass::Configuration {
                    let hint = unknown.hint.clone().map(|hint| format!(" {hint}")).unwrap_or_default();
                    Judgement::asks(format!("{words}.{hint}"), &["provide what is missing"])
                        .asked_of(Who::Operator)
                } else {
                    Judgement::new(Verdict::Waiting { what: words, unknown: true })
                };
                judgement = judgement.due(later(unknown.at, row.poll));
                judgement.lacks = Some(Lack { fact: key, why: unknown.why.clone() });
                Err(judgement)
            }
        }
    }

    pub(super) fn status(&self, task: TaskName) -> TaskStatus {
        self.tasks.get(&task).map_or(TaskStatus::NotStarted, |view| view.status)
    }

    pub(super) fn is_waived(&self, task: TaskName) -> bool {
        self.input.state.is_some_and(|state| state.is_waived(task, self.now()))
    }

    /// What the StateBox says.
    pub(super) fn stated(&self, field: String, value: impl Into<String>, at: Option<&String>) -> Evidence {
        Evidence {
            address: self.input.location.to_owned(),
            field,
            value: value.into(),
            at: at.cloned(),
            age: None,
        }
    }

    pub(super) fn status_of(&self, view: &TaskView) -> Evidence {
        let at = view.completed_at.as_ref().or(view.started_at.as_ref());
        self.stated(format!("tasks.{}.status", view.name), view.status.text(), at)
    }

    /// What a service said.
    pub(super) fn read<T>(&self, seen: &Seen<T>, field: &str, value: impl Into<String>) -> Evidence {
        Evidence {
            address: seen.address.clone(),
            field: field.to_owned(),
            value: value.into(),
            at: Some(stamp(seen.at)),
            age: Some(self.now().duration_since(seen.at).as_secs()),
        }
    }

    /// Whether an earlier node is as far as it must be.
    pub(super) fn is_met(&self, edge: Edge) -> bool {
        let settled = self.plans.get(&edge.node).is_some_and(|plan| plan.verdict.is_settled());
        let judged = || {
            let status = edge.node.task().map(|task| self.status(task));
            matches!(status, Some(TaskStatus::Pass | TaskStatus::Fail))
        };
        settled || (edge.need == Need::Verdict && judged())
    }

    /// A wait for the nodes that come first. The next look is the earliest of theirs, the person the first of theirs.
    pub(super) fn after_others(&self, row: &Row) -> Result<(), Judgement> {
        let open: Vec<&Edge> =
            row.after.iter().filter(|edge| edge.keeps != Keeps::Usual && !self.is_met(**edge)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = open.iter().map(|edge| edge.node.id()).collect();
        let plans: Vec<&NodePlan> = open.iter().filter_map(|edge| self.plans.get(&edge.node)).collect();
        let mut judgement = Judgement::waiting(names.join(", "));
        judgement.due = plans.iter().filter_map(|plan| plan.look_at).min();
        if judgement.due.is_none() {
            judgement.whom = plans.iter().find_map(|plan| plan.person);
        }
        Err(judgement)
    }

    /// Open blockers: a general one stops every node that has not begun, one of a task its node (spec 05 §8.8, 15).
    /// A command that refuses to run too early refuses for the blockers of what comes before it, too.
    pub(super) fn blocker(&self, task: TaskName) -> Option<&IssueView> {
        // A failed task begins anew.
        let begun = self.status(task) == TaskStatus::InProgress;
        let earlier = if refuses(task) && !begun { chain(task) } else { Vec::new() };
        self.issues.iter().filter(|issue| issue.blocks()).find(|issue| {
            let names = &issue.related_tasks;
            let is_waived = |name: &String| name.parse::<TaskName>().is_ok_and(|task| self.is_waived(task));
            let of_earlier = || {
                let concerned = names.iter().any(|name| earlier.iter().any(|task| name == task.id()));
                concerned && !names.iter().all(is_waived)
            };
            names.iter().any(|name| name == task.id()) || (names.is_empty() && !begun) || of_earlier()
        })
    }

    pub(super) fn blocked_by(&self, issue: &IssueView, row: &Row) -> Judgement {
        let evidence = self.stated("issues".to_owned(), issue.issue.clone(), issue.reported_at.as_ref());
        let command = format!("oar -r {} issue resolve TEXT --resolution TEXT", self.input.release);
        Judgement::blocked(issue.issue.clone(), row.who)
            .since(time(issue.reported_at.as_ref()))
            .by_command(command)
            .on(evidence)
    }

    /// An open blocker of anything: nothing at all may block the approval but what concerns only waived tasks.
    pub(super) fn standing_blocker(&self) -> Option<&IssueView> {
        self.issues.iter().filter(|issue| issue.blocks()).find(|issue| {
            let tasks = &issue.related_tasks;
            let waived = |name: &String| name.parse::<TaskName>().is_ok_and(|task| self.is_waived(task));
            tasks.is_empty() || !tasks.iter().all(waived)
        })
    }
}

//! Records what the verdicts of passed tasks are about, so that a later change of it is noticed.

use indexmap::IndexMap;
use jiff::Timestamp;

use super::Planned;
use crate::drive::evaluate::{is_as_good, subjects};
use crate::flow::nodes::Node;
use crate::operations::call::Call;
use crate::statebox::{Change, State, TaskName, TaskStatus, TaskView};

/// What is recorded of a task, and about which end of it.
struct Record {
    task: TaskName,
    completed_at: Option<String>,
    of: IndexMap<String, String>,
}

/// Records it in one write, for all tasks of which something is new; what did not work, in words.
pub(super) async fn record(call: &Call, state: &State, planned: &Planned) -> Option<String> {
    let approved =
        state.task(TaskName::ChangeAdvisoryStatus).is_some_and(|view| view.status == TaskStatus::Pass);
    if approved {
        return None;
    }
    let records: Vec<Record> = TaskName::ALL
        .into_iter()
        .filter(|task| {
            let mut plans = planned.plan.nodes.iter();
            // What is stale is a person's to judge again.
            plans.any(|plan| plan.node == Node::Task(*task) && plan.stale.is_none())
        })
        .filter_map(|task| new_record(task, &state.task(task)?, planned))
        .collect();
    if records.is_empty() {
        return None;
    }
    let (statebox, permit) = match (call.statebox(), call.permit()) {
        (Ok(statebox), Ok(permit)) => (statebox, permit),
        (Err(error), _) => return Some(error.inner().to_string()),
        (_, Err(refusal)) => return Some(refusal.to_string()),
    };
    let now = call.clock().now();
    let written =
        statebox.update(permit, "Record what was judged", |state| Ok(put(state, &records, now))).await;
    written.err().map(|error| format!("what was judged could not be recorded: {error}"))
}

/// What is known of the subjects of a passed task, if the record lacks any of it, or names another commit that is as good.
fn new_record(task: TaskName, view: &TaskView, planned: &Planned) -> Option<Record> {
    if view.status != TaskStatus::Pass {
        return None;
    }
    let known = view.judged_now().map(|judged| judged.of.clone()).unwrap_or_default();
    let mut of = known.clone();
    for (subject, value) in subjects(task, &planned.facts) {
        match known.get(subject) {
            Some(was) if *was == value || !is_as_good(subject, was, &planned.facts) => {}
            _ => {
                let _ = of.insert(subject.to_owned(), value);
            }
        }
    }
    (of != known).then(|| Record { task, completed_at: view.completed_at.clone(), of })
}

fn put(state: &mut State, records: &[Record], now: Timestamp) -> Change {
    records.iter().fold(Change::Unchanged, |change, record| {
        let same = state
            .task(record.task)
            .is_some_and(|view| view.status == TaskStatus::Pass && view.completed_at == record.completed_at);
        if same { change.or(state.set_judged(record.task, Some(&record.of), now)) } else { change }
    })
}

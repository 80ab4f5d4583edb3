//! How long tasks usually take, from releases that are done.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::names::{TaskName, TaskStatus};
use super::state::State;

/// With fewer examples nothing is said.
const FEWEST: usize = 3;

/// The median time from the first start of each task to its Pass, over `states`.
pub fn usual_durations<'s>(
    states: impl IntoIterator<Item = &'s State>,
) -> BTreeMap<TaskName, SignedDuration> {
    let mut found: BTreeMap<TaskName, Vec<SignedDuration>> = BTreeMap::new();
    let time = |text: Option<&String>| text.and_then(|text| text.parse::<Timestamp>().ok());
    for state in states {
        for view in state.tasks().into_iter().filter(|view| view.status == TaskStatus::Pass) {
            let ends = time(view.started_at.as_ref()).zip(time(view.completed_at.as_ref()));
            let took = ends.map(|(start, end)| end.duration_since(start));
            if let Some((task, took)) = view.task.zip(took.filter(SignedDuration::is_positive)) {
                found.entry(task).or_default().push(took);
            }
        }
    }
    found.retain(|_, durations| durations.len() >= FEWEST);
    let median = |(task, mut durations): (TaskName, Vec<SignedDuration>)| {
        durations.sort_unstable();
        let middle = durations.get(durations.len() / 2).copied()?;
        Some((task, middle))
    };
    found.into_iter().filter_map(median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::{ManualStatus, Metadata};

    fn state(minutes: i64) -> State {
        let at = |minute: i64| {
            "2026-07-01T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
        };
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        for (status, minute) in [(TaskStatus::InProgress, 0), (TaskStatus::Pass, minutes)] {
            let manual = ManualStatus {
                id: minute.to_string(),
                status,
                by: "tester".to_owned(),
                reason: String::new(),
                at: at(minute),
                result: None,
                force: false,
            };
            let _ = state.set_task(TaskName::StageTesting, &manual).unwrap();
        }
        state
    }

    #[test]
    fn the_median_of_three_and_more_counts() {
        let states = [state(50), state(400), state(90)];
        assert!(usual_durations(&states[..2]).is_empty());
        let usual = usual_durations(&states);
        assert_eq!(
            usual.into_iter().collect::<Vec<_>>(),
            [(TaskName::StageTesting, SignedDuration::from_mins(90))]
        );
    }
}

//! What a run of `drop-bugs` means to drop, recorded with its start. A run that is stopped leaves nothing at the services
//! that says which bugs it took out; its successor reads it here.

use std::collections::BTreeSet;

use serde::Serialize;

use super::names::TaskName;
use super::runs::runs_mut;
use super::state::State;
use super::views::number;
use super::yaml::{Mapping, Node};
use crate::ids::{AdvisoryId, IssueKey};
use crate::store::Change;

/// The field of a run.
const DROPS: &str = "drops";

/// What a run means to drop, and what that may cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DropIntent {
    /// The bugs that it drops.
    pub bugs: BTreeSet<IssueKey>,
    /// Advisories that documentation had approved before.
    pub docs: BTreeSet<AdvisoryId>,
    /// Advisories that product security had approved before.
    pub security: BTreeSet<AdvisoryId>,
}

impl DropIntent {
    /// Whether nothing is meant to be done.
    pub fn is_empty(&self) -> bool {
        self.bugs.is_empty() && self.docs.is_empty() && self.security.is_empty()
    }

    /// Adds what another run means to do.
    pub fn extend(&mut self, other: &Self) {
        self.bugs.extend(other.bugs.iter().cloned());
        self.docs.extend(&other.docs);
        self.security.extend(&other.security);
    }

    /// What the run `run` means to drop. What cannot be read of it is left out: the bugs of an advisory are read from
    /// Errata Tool again anyhow.
    pub(super) fn of_run(run: &Mapping) -> Self {
        let Some(fields) = run.get(DROPS).and_then(Node::as_mapping) else {
            return run.text("command").map(Self::of_command).unwrap_or_default();
        };
        let items = |key: &str| fields.get(key).and_then(Node::as_sequence).unwrap_or_default().iter();
        let advisories = |key: &str| items(key).filter_map(number).map(AdvisoryId::new).collect();
        Self {
            bugs: items("bugs").filter_map(|key| key.as_text()?.parse().ok()).collect(),
            docs: advisories("docs"),
            security: advisories("security"),
        }
    }

    /// What stood in the command of a run before runs had a field for it: `drop-bugs; approved by docs: 140002;
    /// approved by product security: 140004`.
    fn of_command(command: &str) -> Self {
        let mut intent = Self::default();
        let Some(parts) = command.strip_prefix("drop-bugs: ") else { return intent };
        for part in parts.split("; ") {
            let numbers = |list: &str| -> Vec<AdvisoryId> {
                list.split(", ").filter_map(|number| number.parse().ok()).map(AdvisoryId::new).collect()
            };
            if let Some(list) = part.strip_prefix("approved by docs: ") {
                intent.docs.extend(numbers(list));
            } else if let Some(list) = part.strip_prefix("approved by product security: ") {
                intent.security.extend(numbers(list));
            } else {
                intent.bugs.extend(part.split(", ").filter_map(|key| key.parse::<IssueKey>().ok()));
            }
        }
        intent
    }

    fn fields(&self) -> Mapping {
        let mut fields = Mapping::new();
        let advisories =
            |ids: &BTreeSet<AdvisoryId>| ids.iter().map(|id| Node::integer(id.number())).collect();
        let bugs = self.bugs.iter().map(|key| Node::text(key.as_str())).collect();
        let lists: [(&str, Vec<Node>); 3] =
            [("bugs", bugs), ("docs", advisories(&self.docs)), ("security", advisories(&self.security))];
        for (key, items) in lists {
            if !items.is_empty() {
                fields.set(key, Node::sequence(items));
            }
        }
        fields
    }
}

impl State {
    /// Records what the last run of `drop-bugs` means to drop.
    pub fn intend_to_drop(&mut self, intent: &DropIntent) -> Change {
        if intent.is_empty() {
            return Change::Unchanged;
        }
        self.change_task(TaskName::DropBugs, |task| {
            if let Some(run) = runs_mut(task).last() {
                run.set(DROPS, Node::mapping(intent.fields()));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::{Metadata, RunStart};

    fn intent() -> DropIntent {
        DropIntent {
            bugs: ["A-1", "A-12"].map(|key| key.parse().unwrap()).into(),
            docs: [AdvisoryId::new(140_002)].into(),
            security: [AdvisoryId::new(140_004), AdvisoryId::new(140_005)].into(),
        }
    }

    fn state(command: &str) -> State {
        let at = "2026-07-01T10:00:00Z".parse().unwrap();
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at);
        let run = RunStart {
            id: "run".to_owned(),
            started: at,
            by: "tester".to_owned(),
            command: command.to_owned(),
            force: false,
        };
        let _ = state.start_run(TaskName::DropBugs, &run);
        state
    }

    fn drops(state: &State) -> DropIntent {
        let state = State::parse(&state.to_yaml()).unwrap();
        state.task(TaskName::DropBugs).unwrap().history[0].drops.clone()
    }

    #[test]
    fn what_is_written_is_read() {
        let mut state = state("drop-bugs");
        assert!(drops(&state).is_empty());
        assert_eq!(state.intend_to_drop(&intent()), Change::Changed);
        assert_eq!(state.intend_to_drop(&intent()), Change::Unchanged);
        assert_eq!(drops(&state), intent());
    }

    #[test]
    fn what_older_records_hold_in_their_command_is_understood_and_nothing_else() {
        let old =
            "drop-bugs: A-1, A-12; approved by docs: 140002; approved by product security: 140004, 140005";
        assert_eq!(drops(&state(old)), intent());
        for other in ["drop-bugs", "task set", "drop-bugs --include A-1", "drop-bugs: nothing at all"] {
            assert!(drops(&state(other)).is_empty(), "{other}");
        }
    }
}

//! What a verdict was about: the fingerprint of what was judged, so that a later change of it is noticed.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use super::names::TaskName;
use super::state::State;
use super::views::TaskView;
use super::yaml::{Mapping, Node};
use crate::clock::stamp;
use crate::store::Change;

/// The key of the record in a task.
pub(super) const JUDGED: &str = "judged";

/// What was judged, when a task was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Judged {
    /// When, `YYYY-MM-DDTHH:MM:SSZ`.
    pub at: Option<String>,
    /// By subject: the digest of the payload, the commit of the merge request, the verdict of a record, the advisories.
    pub of: IndexMap<String, String>,
}

impl Judged {
    pub(super) fn from_mapping(mapping: &Mapping) -> Self {
        let subjects = mapping.get("of").and_then(Node::as_mapping);
        Self {
            at: mapping.text("at").map(str::to_owned),
            of: subjects
                .into_iter()
                .flat_map(Mapping::iter)
                .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), value.as_text()?.to_owned())))
                .collect(),
        }
    }
}

impl Judged {
    /// Whether it is about the verdict that the task has now: one from before the task's last end is about an earlier one.
    fn is_about(&self, task: &TaskView) -> bool {
        let time = |text: Option<&String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        match (time(self.at.as_ref()), time(task.completed_at.as_ref())) {
            (Some(at), Some(completed)) => at >= completed,
            _ => true,
        }
    }
}

impl TaskView {
    /// What was judged by the verdict that the task has now.
    pub fn judged_now(&self) -> Option<&Judged> {
        self.judged.as_ref().filter(|judged| judged.is_about(self))
    }
}

impl State {
    /// Records what the verdict of `task` is about, or forgets it.
    pub fn set_judged(
        &mut self,
        task: TaskName,
        judged: Option<&IndexMap<String, String>>,
        at: Timestamp,
    ) -> Change {
        let record = judged.map(|subjects| {
            let mut of = Mapping::new();
            for (subject, value) in subjects {
                of.push(Node::text(subject), Node::text(self.mask(value)));
            }
            Mapping::from([("at", Node::text(stamp(at))), ("of", Node::mapping(of))])
        });
        self.change_task(task, |fields| match record {
            Some(record) => fields.set(JUDGED, Node::mapping(record)),
            None => {
                fields.remove(JUDGED);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::statebox::{ManualStatus, Metadata, TaskStatus};

    #[test]
    fn what_was_judged_is_read_back_from_the_file_and_can_be_forgotten() {
        let now: Timestamp = "2026-07-01T10:00:00Z".parse().unwrap();
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), now);
        let subjects: IndexMap<String, String> =
            [("digest".to_owned(), "sha256:12".to_owned()), ("tests".to_owned(), "accepted".to_owned())]
                .into();
        let task = TaskName::ImageSignedCheck;
        let judged_of = |state: &State| state.task(task).unwrap().judged.unwrap();
        assert_eq!(state.set_judged(task, Some(&subjects), now), Change::Changed);
        assert_eq!(state.set_judged(task, Some(&subjects), now), Change::Unchanged);
        let read = State::parse(&state.to_yaml()).unwrap();
        let judged = judged_of(&read);
        assert_eq!((judged.at.as_deref(), judged.of), (Some("2026-07-01T10:00:00Z"), subjects));
        assert!(judged_of(&read).is_about(&read.task(task).unwrap()));
        let _ = state.set_judged(task, None, now);
        assert_eq!(state.task(task).unwrap().judged, None);
    }

    #[test]
    fn it_is_about_a_later_verdict_no_more() {
        let start: Timestamp = "2026-07-01T10:00:00Z".parse().unwrap();
        let task = TaskName::ImageSignedCheck;
        let pass = |state: &mut State, at: Timestamp| {
            let manual = ManualStatus {
                id: at.to_string(),
                at,
                by: "tester".to_owned(),
                status: TaskStatus::Pass,
                reason: "for the test".to_owned(),
                result: None,
                force: false,
            };
            let _ = state.set_task(task, &manual).unwrap();
        };
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), start);
        pass(&mut state, start);
        let of = [("digest".to_owned(), "sha256:12".to_owned())].into();
        let _ = state.set_judged(task, Some(&of), start);
        let is_about = |state: &State| {
            let view = state.task(task).unwrap();
            view.judged.as_ref().unwrap().is_about(&view)
        };
        assert!(is_about(&state));
        let later = start + SignedDuration::from_mins(1);
        let reset = ManualStatus {
            id: "reset".to_owned(),
            at: later,
            by: "tester".to_owned(),
            status: TaskStatus::NotStarted,
            reason: "again".to_owned(),
            result: None,
            force: true,
        };
        let _ = state.set_task(task, &reset).unwrap();
        pass(&mut state, later + SignedDuration::from_mins(1));
        assert!(!is_about(&state));
    }
}

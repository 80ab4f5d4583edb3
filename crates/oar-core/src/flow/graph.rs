//! The order of the release's tasks: what must be done before what.

use crate::statebox::{State, TaskName, TaskStatus};

/// The tasks that must be Pass before `task` makes sense (beyond its own checks). For the tests of the candidate
/// build, before the approval, any verdict will do.
pub fn prerequisites(task: TaskName) -> &'static [TaskName] {
    use TaskName as T;
    match task {
        T::CreateTestReport | T::TakeOwnership | T::AnalyzePromotedBuild | T::ImageSignedCheck => &[],
        T::UpdateBugList
        | T::AnalyzeCandidateBuild
        | T::CheckGreenwaveCvpTests
        | T::CheckCveTrackerBug
        | T::PushToCdnStaging
        | T::DropBugs => &[T::TakeOwnership],
        T::ImageConsistencyCheck | T::StageTesting => &[T::PushToCdnStaging],
        T::ChangeAdvisoryStatus => &[
            T::TakeOwnership,
            T::PushToCdnStaging,
            T::ImageConsistencyCheck,
            T::AnalyzeCandidateBuild,
            T::AnalyzePromotedBuild,
            T::CheckCveTrackerBug,
            T::StageTesting,
            T::ImageSignedCheck,
        ],
    }
}

/// Every task that comes before `task`, directly or not.
pub fn chain(task: TaskName) -> Vec<TaskName> {
    let mut found: Vec<TaskName> = prerequisites(task).to_vec();
    let mut next = 0;
    while let Some(earlier) = found.get(next).copied() {
        let new: Vec<TaskName> =
            prerequisites(earlier).iter().copied().filter(|task| !found.contains(task)).collect();
        found.extend(new);
        next += 1;
    }
    found
}

/// What may happen to a task now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It is Pass.
    Done,
    /// It runs, or waits for something outside.
    Running,
    /// It can be run now.
    Ready,
    /// An unresolved blocker stands in the way.
    Blocked {
        /// The blocker's text.
        issue: String,
    },
    /// Other tasks come first.
    Waits {
        /// Those that are not Pass yet.
        on: Vec<TaskName>,
    },
}

/// Whether `task` can be run in `state`. One answer for the command line, the MCP server and the bot.
pub fn readiness(state: &State, task: TaskName) -> Readiness {
    let status = |task: TaskName| state.task(task).map_or(TaskStatus::NotStarted, |view| view.status);
    if status(task) == TaskStatus::Pass {
        return Readiness::Done;
    }
    if let Some(blocker) = state.task_blocker(task) {
        return Readiness::Blocked { issue: blocker.issue };
    }
    if status(task) == TaskStatus::InProgress {
        return Readiness::Running;
    }
    let done = |earlier: TaskName| match status(earlier) {
        TaskStatus::Pass => true,
        // The tests of the candidate build only inform: a verdict is enough (spec 05 §8.8, 3).
        TaskStatus::Fail => earlier == TaskName::AnalyzeCandidateBuild,
        _ => false,
    };
    let on: Vec<TaskName> = prerequisites(task).iter().copied().filter(|earlier| !done(*earlier)).collect();
    if on.is_empty() { Readiness::Ready } else { Readiness::Waits { on } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_has_no_cycle_and_every_workflow_task_is_reached() {
        fn visit(task: TaskName, path: &mut Vec<TaskName>) {
            assert!(!path.contains(&task), "cycle through {task}: {path:?}");
            path.push(task);
            for before in prerequisites(task) {
                visit(*before, path);
            }
            path.pop();
        }
        for task in TaskName::ALL {
            visit(task, &mut Vec::new());
        }
    }
}

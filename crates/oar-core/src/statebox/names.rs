//! The words of a StateBox file: task names, statuses, outcomes, reason classes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strsim::levenshtein;

/// A text that is not one of the words expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not a {what}; {advice}")]
pub struct UnknownName {
    input: String,
    what: &'static str,
    advice: String,
}

impl crate::error::Classified for UnknownName {
    fn class(&self) -> crate::error::ErrorClass {
        crate::error::ErrorClass::Usage
    }
}

/// A task that a StateBox may hold (spec 01 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskName {
    /// Creates the release's state.
    CreateTestReport,
    /// Makes a person the owner of the advisories and the shipment.
    TakeOwnership,
    /// Updates the list of bugs to verify (Errata flow).
    UpdateBugList,
    /// Compares the payload's images with the advisories.
    ImageConsistencyCheck,
    /// Judges the tests of the candidate build.
    AnalyzeCandidateBuild,
    /// Judges the tests of the promoted build.
    AnalyzePromotedBuild,
    /// Reads the Greenwave CVP gate (Errata flow).
    CheckGreenwaveCvpTests,
    /// Looks for CVE trackers that the release misses.
    CheckCveTrackerBug,
    /// Pushes the advisories to the staging CDN.
    PushToCdnStaging,
    /// Runs the stage pipeline.
    StageTesting,
    /// Verifies the payload's signature.
    ImageSignedCheck,
    /// Drops unverified bugs (Errata flow).
    DropBugs,
    /// Approves and moves the advisories.
    ChangeAdvisoryStatus,
}

impl TaskName {
    /// Every task name that a StateBox accepts.
    pub const ALL: [Self; 13] = [
        Self::CreateTestReport,
        Self::TakeOwnership,
        Self::UpdateBugList,
        Self::ImageConsistencyCheck,
        Self::AnalyzeCandidateBuild,
        Self::AnalyzePromotedBuild,
        Self::CheckGreenwaveCvpTests,
        Self::CheckCveTrackerBug,
        Self::PushToCdnStaging,
        Self::StageTesting,
        Self::ImageSignedCheck,
        Self::DropBugs,
        Self::ChangeAdvisoryStatus,
    ];

    /// The tasks of every release, in order (spec 01 §2.2).
    pub const WORKFLOW: [Self; 9] = [
        Self::TakeOwnership,
        Self::ImageConsistencyCheck,
        Self::AnalyzeCandidateBuild,
        Self::AnalyzePromotedBuild,
        Self::CheckCveTrackerBug,
        Self::PushToCdnStaging,
        Self::StageTesting,
        Self::ImageSignedCheck,
        Self::ChangeAdvisoryStatus,
    ];

    /// The name as files and command lines write it: `take-ownership`.
    pub fn id(self) -> &'static str {
        match self {
            Self::CreateTestReport => "create-test-report",
            Self::TakeOwnership => "take-ownership",
            Self::UpdateBugList => "update-bug-list",
            Self::ImageConsistencyCheck => "image-consistency-check",
            Self::AnalyzeCandidateBuild => "analyze-candidate-build",
            Self::AnalyzePromotedBuild => "analyze-promoted-build",
            Self::CheckGreenwaveCvpTests => "check-greenwave-cvp-tests",
            Self::CheckCveTrackerBug => "check-cve-tracker-bug",
            Self::PushToCdnStaging => "push-to-cdn-staging",
            Self::StageTesting => "stage-testing",
            Self::ImageSignedCheck => "image-signed-check",
            Self::DropBugs => "drop-bugs",
            Self::ChangeAdvisoryStatus => "change-advisory-status",
        }
    }

    /// The name as the status marker in the log writes it: `Take Ownership` (`interop-exact`, spec 01 §4.2).
    pub fn display_name(self) -> &'static str {
        match self {
            Self::CreateTestReport => "Create Test Report",
            Self::TakeOwnership => "Take Ownership",
            Self::UpdateBugList => "Update Bug List",
            Self::ImageConsistencyCheck => "Image Consistency Check",
            Self::CheckGreenwaveCvpTests => "Check Greenwave CVP Tests",
            Self::CheckCveTrackerBug => "Check CVE Tracker Bug",
            Self::PushToCdnStaging => "Push to CDN Staging",
            Self::StageTesting => "Stage Testing",
            Self::ImageSignedCheck => "Image Signed Check",
            Self::DropBugs => "Drop Bugs",
            Self::ChangeAdvisoryStatus => "Change Advisory Status",
            // The reference has no display name for these and prints the id.
            Self::AnalyzeCandidateBuild | Self::AnalyzePromotedBuild => self.id(),
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.id())
    }
}

impl FromStr for TaskName {
    type Err = UnknownName;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let wanted = input.trim().to_lowercase().replace(['_', ' '], "-");
        if let Some(task) = Self::ALL.into_iter().find(|task| task.id() == wanted) {
            return Ok(task);
        }
        let wanted: String = wanted.chars().take(80).collect();
        let closest = Self::ALL.into_iter().min_by_key(|task| levenshtein(task.id(), &wanted));
        let near = closest.filter(|task| levenshtein(task.id(), &wanted) <= task.id().len() / 2);
        let advice = near.map_or_else(
            || format!("the names are {}", Self::ALL.map(Self::id).join(", ")),
            |task| format!("did you mean `{task}`?"),
        );
        Err(UnknownName { input: shown(input), what: "task name", advice })
    }
}

/// A node of a release's work: a task, or a checkpoint that no StateBox holds as a task (spec 05 §8.1, §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeName {
    /// A task.
    Task(TaskName),
    /// The security alerts of the RHCOS advisory were read.
    SecurityAlerts,
    /// The release is accepted in its stable stream.
    Promotion,
    /// The shipment is released to stage.
    StageRelease,
    /// The promoted build has a record of its tests.
    ResultFile,
    /// Every test of the promoted build has ended.
    Aggregated,
    /// The tests of the promoted build are accepted.
    Accepted,
    /// The release has shipped.
    Shipped,
}

impl NodeName {
    /// The checkpoints.
    pub const CHECKPOINTS: [Self; 7] = [
        Self::SecurityAlerts,
        Self::Promotion,
        Self::StageRelease,
        Self::ResultFile,
        Self::Aggregated,
        Self::Accepted,
        Self::Shipped,
    ];

    /// Every node: the tasks, then the checkpoints.
    pub fn all() -> impl Iterator<Item = Self> {
        TaskName::ALL.into_iter().map(Self::Task).chain(Self::CHECKPOINTS)
    }

    /// The name; of a task, that of the StateBox.
    pub fn id(self) -> &'static str {
        match self {
            Self::Task(task) => task.id(),
            Self::SecurityAlerts => "check-rhcos-security-alerts",
            Self::Promotion => "promotion",
            Self::StageRelease => "stage-release",
            Self::ResultFile => "result-file",
            Self::Aggregated => "aggregated",
            Self::Accepted => "accepted",
            Self::Shipped => "shipped",
        }
    }

    /// The task, unless it is a checkpoint.
    pub fn task(self) -> Option<TaskName> {
        match self {
            Self::Task(task) => Some(task),
            _ => None,
        }
    }

    /// The node that a file holds as `text`, to the letter.
    pub fn from_file(text: &str) -> Option<Self> {
        Self::all().find(|node| node.id() == text)
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.id())
    }
}

impl FromStr for NodeName {
    type Err = UnknownName;

    /// Accepts any case, and `_` or a blank between the words.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let wanted = input.trim().to_lowercase().replace(['_', ' '], "-");
        if let Some(node) = Self::from_file(&wanted) {
            return Ok(node);
        }
        let wanted: String = wanted.chars().take(80).collect();
        let distance = |node: &Self| levenshtein(node.id(), &wanted);
        let near = Self::all().min_by_key(distance).filter(|node| distance(node) <= node.id().len() / 2);
        let advice = near.map_or_else(
            || format!("the names are {}", Self::all().map(Self::id).collect::<Vec<_>>().join(", ")),
            |node| format!("did you mean `{node}`?"),
        );
        Err(UnknownName { input: shown(input), what: "task or checkpoint of a release", advice })
    }
}

/// What a person decides about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It counts as good.
    Accept,
    /// It counts as failed.
    Reject,
    /// It is not decided; it needs to be looked at further.
    Wait,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Accept, Self::Reject, Self::Wait];

    /// The verdict as files and command lines write it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Wait => "wait",
        }
    }

    /// The verdict that a file holds as `text`, to the letter.
    pub fn from_file(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.text() == text)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

impl FromStr for Verdict {
    type Err = UnknownName;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        Self::from_file(&input.trim().to_lowercase()).ok_or_else(|| UnknownName {
            input: shown(input),
            what: "verdict",
            advice: "use accept, reject or wait".into(),
        })
    }
}

/// The status of a task (`interop-exact`, spec 01 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskStatus {
    /// Nothing was done yet.
    NotStarted,
    /// Begun, and not decided.
    InProgress,
    /// Done.
    Pass,
    /// Failed.
    Fail,
}

impl TaskStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::NotStarted, Self::InProgress, Self::Pass, Self::Fail];

    /// The status as files and markers write it: `In Progress`.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotStarted => "Not Started",
            Self::InProgress => "In Progress",
            Self::Pass => "Pass",
            Self::Fail => "Fail",
        }
    }

    /// The status that a file holds as `text`, to the letter.
    pub fn from_file(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.text() == text)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

impl FromStr for TaskStatus {
    type Err = UnknownName;

    /// Accepts any case, and `-`, `_`, a blank or nothing between the words.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let letters = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
        let wanted = letters(input.trim());
        Self::ALL.into_iter().find(|status| letters(status.text()) == wanted).ok_or_else(|| UnknownName {
            input: shown(input),
            what: "task status",
            advice: "use not-started, in-progress, pass or fail".into(),
        })
    }
}

/// How one run of a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunOutcome {
    /// The task is done.
    Pass,
    /// The task failed.
    Fail,
    /// The run ended as it should; the task waits for something.
    InProgress,
    /// The task was put back to the start.
    NotStarted,
    /// It could not be found out, or not be done for now, so the task stays as it was.
    Unknown,
    /// Blocked by a precondition or a blocker; nothing was done.
    Blocked,
    /// The run was stopped, or its end was never recorded.
    Interrupted,
}

impl RunOutcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::Fail,
        Self::InProgress,
        Self::NotStarted,
        Self::Unknown,
        Self::Blocked,
        Self::Interrupted,
    ];

    /// The outcome as history entries write it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Fail => "Fail",
            Self::InProgress => "In Progress",
            Self::NotStarted => "Not Started",
            Self::Unknown => "Unknown",
            Self::Blocked => "Blocked",
            Self::Interrupted => "Interrupted",
        }
    }

    /// The outcome that a file holds as `text`, to the letter.
    pub fn from_file(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.text() == text)
    }
}

impl From<TaskStatus> for RunOutcome {
    fn from(status: TaskStatus) -> Self {
        match status {
            TaskStatus::NotStarted => Self::NotStarted,
            TaskStatus::InProgress => Self::InProgress,
            TaskStatus::Pass => Self::Pass,
            TaskStatus::Fail => Self::Fail,
        }
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

/// Why a run did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReasonClass {
    /// A service, a network or a machine.
    Infrastructure,
    /// The product that is being released.
    Product,
    /// Something that must come first.
    Precondition,
    /// This program, or the way it was called or configured.
    Tool,
    /// The run was stopped from outside.
    Interrupted,
    /// The release was held before everything was done.
    Held,
}

impl ReasonClass {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Infrastructure, Self::Product, Self::Precondition, Self::Tool, Self::Interrupted, Self::Held];

    /// The class as history entries write it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Infrastructure => "infrastructure",
            Self::Product => "product",
            Self::Precondition => "precondition",
            Self::Tool => "tool",
            Self::Interrupted => "interrupted",
            Self::Held => "held",
        }
    }

    /// The class that a file holds as `text`, to the letter.
    pub fn from_file(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.text() == text)
    }
}

impl fmt::Display for ReasonClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

fn shown(input: &str) -> String {
    input.chars().take(80).collect()
}

macro_rules! serialized_as {
    ($($name:ty => $text:ident),*) => {
        $(
            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.$text())
                }
            }
        )*
    };
}

macro_rules! deserialized_by_parsing {
    ($($name:ty),*) => {
        $(
            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                }
            }
        )*
    };
}

deserialized_by_parsing!(TaskName, TaskStatus, NodeName, Verdict);
serialized_as!(TaskName => id, NodeName => id, Verdict => text, TaskStatus => text, RunOutcome => text, ReasonClass => text);

crate::schema::text_schema!(TaskName, "TaskName", "A task of a release", one of TaskName::ALL.map(TaskName::id));
crate::schema::text_schema!(
    NodeName,
    "NodeName",
    "A task or a checkpoint of a release",
    one of NodeName::all().map(NodeName::id).collect::<Vec<_>>()
);
crate::schema::text_schema!(Verdict, "Verdict", "What a person decides", one of Verdict::ALL.map(Verdict::text));
crate::schema::text_schema!(TaskStatus, "TaskStatus", "The status of a task", one of TaskStatus::ALL.map(TaskStatus::text));
crate::schema::text_schema!(RunOutcome, "RunOutcome", "How a run ended", one of RunOutcome::ALL.map(RunOutcome::text));
crate::schema::text_schema!(
    ReasonClass,
    "ReasonClass",
    "What kind of trouble it was",
    one of ReasonClass::ALL.map(ReasonClass::text)
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Classified, ErrorClass};

    #[test]
    fn every_name_is_read_back() {
        for task in TaskName::ALL {
            assert_eq!(task.id().parse(), Ok(task));
            assert_eq!(task.id().to_uppercase().replace('-', "_").parse(), Ok(task));
        }
        for status in TaskStatus::ALL {
            assert_eq!(TaskStatus::from_file(status.text()), Some(status));
            assert_eq!(RunOutcome::from_file(RunOutcome::from(status).text()), Some(status.into()));
        }
    }

    #[test]
    fn nodes_are_the_tasks_and_the_checkpoints_and_each_name_is_one() {
        let mut names: Vec<&str> = NodeName::all().map(NodeName::id).collect();
        assert_eq!(names.len(), TaskName::ALL.len() + NodeName::CHECKPOINTS.len());
        for node in NodeName::all() {
            assert_eq!((node.id().parse(), NodeName::from_file(node.id())), (Ok(node), Some(node)));
            assert_eq!(node.id().to_uppercase().replace('-', "_").parse(), Ok(node));
            assert_eq!(node.task().map(TaskName::id), node.task().map(|_| node.id()));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NodeName::all().count());
        let error = "promotions".parse::<NodeName>().unwrap_err().to_string();
        assert_eq!(error, "`promotions` is not a task or checkpoint of a release; did you mean `promotion`?");
        assert_eq!(" Accept ".parse(), Ok(Verdict::Accept));
        assert!("yes".parse::<Verdict>().unwrap_err().to_string().ends_with("use accept, reject or wait"));
    }

    #[test]
    fn statuses_are_read_in_any_spelling_but_files_to_the_letter() {
        for text in ["In Progress", "in-progress", "IN_PROGRESS", "inprogress", " In progress "] {
            assert_eq!(text.parse(), Ok(TaskStatus::InProgress), "{text}");
        }
        assert_eq!(TaskStatus::from_file("in progress"), None);
        let error = "done".parse::<TaskStatus>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`done` is not a task status; use not-started, in-progress, pass or fail"
        );
        assert_eq!(error.class(), ErrorClass::Usage);
    }

    #[test]
    fn a_wrong_task_name_is_told_the_closest_one() {
        let message = |text: &str| text.parse::<TaskName>().unwrap_err().to_string();
        assert_eq!(message("stage-test"), "`stage-test` is not a task name; did you mean `stage-testing`?");
        assert!(message("check-cve-bugs").contains("`check-cve-tracker-bug`"));
        assert!(message("qqq").contains("the names are create-test-report, take-ownership"));
        assert!("add-qe-approval".parse::<TaskName>().is_err());
        assert!("is-shipped".parse::<TaskName>().is_err());
    }
}

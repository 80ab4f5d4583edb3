//! The table of a release's nodes: its tasks, and the checkpoints that are no tasks (spec 05 §8.5, with the rules of §8.8).
//!
//! `oar status`, the gates of commands and the engine (`crate::drive`) read this table. It stands here, below all of them, and
//! knows only the words of the StateBox; what services say of a node is `drive`'s.

use jiff::SignedDuration;
use serde::Serialize;

pub use crate::statebox::NodeName as Node;
use crate::statebox::TaskName;

impl Node {
    /// Its row.
    pub fn row(self) -> &'static Row {
        let [first, ..] = &ROWS;
        // A test proves that every node has one.
        ROWS.iter().find(|row| row.node == self).unwrap_or(first)
    }
}

/// The flows that a node belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flows {
    /// Both flows.
    Both,
    /// Releases with a shipment merge request.
    Konflux,
    /// Releases that ship by advisories alone.
    Errata,
}

impl Flows {
    /// Whether a release with a shipment, or one without, has the node.
    pub fn has(self, konflux: bool) -> bool {
        match self {
            Self::Both => true,
            Self::Konflux => konflux,
            Self::Errata => !konflux,
        }
    }
}

/// How far an earlier node must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// Done.
    Done,
    /// Judged; any verdict will do (spec 05 §8.8, 1 and 3).
    Verdict,
}

/// Who keeps to the order of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keeps {
    /// The commands and the engine.
    Both,
    /// The engine alone: a person may run the command earlier.
    Engine,
    /// Nobody: it is the usual order, which `oar status` names.
    Usual,
}

/// An earlier node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The earlier node.
    pub node: Node,
    /// How far it must be.
    pub need: Need,
    /// Who keeps to it.
    pub keeps: Keeps,
}

/// How a node gets done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The task's command.
    Command,
    /// A verdict is recorded: by the engine where the record is clear, otherwise by a person.
    Verdict,
    /// Nothing but looking.
    Look,
}

/// What the action costs; the shipped policy follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cost {
    /// It only reads.
    Reads,
    /// It is free and can be repeated.
    Free,
    /// It starts a job that costs money or hours of machines.
    Paid,
    /// It cannot be undone.
    Critical,
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The owner of the release.
    Owner,
    /// The release leads of the y-stream.
    Leads,
    /// ART, which builds the release.
    Art,
    /// Product security.
    ProductSecurity,
    /// Whoever runs the programs: a credential or a setting is missing.
    Operator,
}

impl Who {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Owner => "the release owner",
            Self::Leads => "the release leads",
            Self::Art => "ART",
            Self::ProductSecurity => "product security",
            Self::Operator => "whoever runs this program",
        }
    }
}

/// When a node has taken too long. Then a person is asked; looking goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadline {
    /// How long it may take.
    pub after: SignedDuration,
    /// From when on, in words.
    pub since: &'static str,
    /// What is asked then.
    pub then: &'static str,
}

/// One node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The node.
    pub node: Node,
    /// The flows that have it.
    pub flows: Flows,
    /// What comes before it.
    pub after: &'static [Edge],
    /// Whether its command refuses to run before what comes before it.
    pub refuses: bool,
    /// Whether the approval of the release depends on it.
    pub required: bool,
    /// When it can begin, besides what comes before it.
    pub ready: &'static str,
    /// How it gets done.
    pub action: Action,
    /// What that costs.
    pub cost: Cost,
    /// When it is done.
    pub complete: &'static str,
    /// How often to look.
    pub poll: SignedDuration,
    /// When it has taken too long.
    pub deadline: Option<Deadline>,
    /// Who is asked.
    pub who: Who,
}

const fn both(task: TaskName) -> Edge {
    Edge { node: Node::Task(task), need: Need::Done, keeps: Keeps::Both }
}

const fn usual(task: TaskName) -> Edge {
    Edge { node: Node::Task(task), need: Need::Done, keeps: Keeps::Usual }
}

const fn engine(node: Node) -> Edge {
    Edge { node, need: Need::Done, keeps: Keeps::Engine }
}

impl Edge {
    const fn judged(mut self) -> Self {
        self.need = Need::Verdict;
        self
    }
}

const fn deadline(hours: i64, since: &'static str, then: &'static str) -> Deadline {
    Deadline { after: SignedDuration::from_hours(hours), since, then }
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);
const TEN_MINUTES: SignedDuration = SignedDuration::from_mins(10);
const HALF_HOUR: SignedDuration = SignedDuration::from_mins(30);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A task with a command; the rows below name what is different.
const fn task(task: TaskName, after: &'static [Edge]) -> Row {
    Row {
        node: Node::Task(task),
        flows: Flows::Both,
        after,
        refuses: false,
        required: true,
        ready: "",
        action: Action::Command,
        cost: Cost::Free,
        complete: "the task is Pass",
        poll: FIVE_MINUTES,
        deadline: None,
        who: Who::Owner,
    }
}

/// A checkpoint: nothing is done but looking.
const fn checkpoint(node: Node, after: &'static [Edge], complete: &'static str) -> Row {
    Row {
        node,
        flows: Flows::Both,
        after,
        refuses: false,
        required: true,
        ready: "",
        action: Action::Look,
        cost: Cost::Reads,
        complete,
        poll: TEN_MINUTES,
        deadline: None,
        who: Who::Leads,
    }
}

use TaskName as T;

/// On staging, accepted and released to stage: what a job on stage tests.
const ON_STAGE: &[Edge] = &[both(T::PushToCdnStaging), engine(Node::Promotion), engine(Node::StageRelease)];

/// Every node, each below those that come before it.
pub static ROWS: [Row; 20] = [
    Row {
        ready: "ART has announced the release: the build data has it, with a date",
        complete: "the StateBox exists",
        poll: TEN_MINUTES,
        ..task(T::CreateTestReport, &[])
    },
    Row {
        ready: "an owner is named or configured",
        ..task(T::TakeOwnership, &[engine(Node::Task(T::CreateTestReport))])
    },
    Row {
        required: false,
        poll: DAY,
        ready: "an owner has taken the release; it may be repeated every day",
        ..task(T::UpdateBugList, &[both(T::TakeOwnership)])
    },
    Row {
        deadline: Some(deadline(
            5 * 24,
            "the StateBox was made",
            "the record of a nightly is removed after some days: judge the candidate build, or record that its result is \
             not available",
        )),
        ready: "the candidate build's record says that all tests have ended; without a build or a record it is recorded that \
                the result is not available",
        action: Action::Verdict,
        complete: "the task has a verdict, or an issue says that its result is not available",
        poll: HALF_HOUR,
        who: Who::Leads,
        ..task(T::AnalyzeCandidateBuild, TAKEN_AFTER_A)
    },
    Row {
        ready: "an owner has taken the release",
        complete: "no tracker is missing; a missed one fails it, which only the approval waits for",
        ..task(T::CheckCveTrackerBug, &[both(T::TakeOwnership)])
    },
    Row {
        flows: Flows::Konflux,
        ready: "the build data has the RHCOS advisory",
        complete: "the alerts were read, whatever they say; the approval looks again",
        poll: HALF_HOUR,
        who: Who::ProductSecurity,
        ..checkpoint(Node::SecurityAlerts, &[engine(Node::Task(T::CheckCveTrackerBug)).judged()], "")
    },
    Row {
        ready: "every advisory can be pushed or is pushed",
        cost: Cost::Critical,
        complete: "every advisory is on staging",
        deadline: Some(deadline(
            48,
            "the push was started, or ART changed an advisory after that",
            "a push that takes this long is stuck: look at Errata Tool",
        )),
        ..task(
            T::PushToCdnStaging,
            &[
                both(T::TakeOwnership),
                engine(Node::Task(T::CheckCveTrackerBug)).judged(),
                engine(Node::SecurityAlerts),
            ],
        )
    },
    Row {
        ready: "the first checks are done",
        deadline: Some(deadline(
            24,
            "the release was announced",
            "ART's own wait for the promotion has ended: ask ART what holds it",
        )),
        ..checkpoint(
            Node::Promotion,
            &[engine(Node::Task(T::CheckCveTrackerBug)).judged(), engine(Node::SecurityAlerts)],
            "the release is Accepted in its stable stream",
        )
    },
    Row {
        flows: Flows::Konflux,
        who: Who::Art,
        poll: FIVE_MINUTES,
        ready: "the merge request is open and no draft",
        ..checkpoint(
            Node::StageRelease,
            &[engine(Node::Promotion)],
            "the newest pipeline of the merge request has released the shipment to stage",
        )
    },
    Row {
        refuses: true,
        cost: Cost::Paid,
        ready: "no job is recorded, or the recorded one has ended by infrastructure",
        complete: "the job has succeeded and no image is unhealthy",
        deadline: Some(deadline(6, "the job was started", "the job takes far longer than usual: look at it")),
        ..task(T::ImageConsistencyCheck, ON_STAGE)
    },
    Row {
        refuses: true,
        cost: Cost::Paid,
        ready: "no build is recorded or queued, or the recorded one has ended by infrastructure",
        complete: "the build is SUCCESS",
        deadline: Some(deadline(
            12,
            "the build was started",
            "the build takes far longer than usual: look at it",
        )),
        ..task(T::StageTesting, ON_STAGE)
    },
    Row {
        flows: Flows::Errata,
        required: false,
        ready: "the images are consistent",
        ..task(
            T::CheckGreenwaveCvpTests,
            &[usual(T::TakeOwnership), engine(Node::Task(T::ImageConsistencyCheck))],
        )
    },
    Row {
        deadline: Some(deadline(
            3,
            "the release was accepted, at the latest a day after its image was made",
            "no record of the tests appears: look at the job controller",
        )),
        ..checkpoint(Node::ResultFile, &[engine(Node::Promotion)], "the record of the promoted build exists")
    },
    Row {
        deadline: Some(deadline(
            12,
            "the newest test was started, or the record of a build that was promoted by hand was changed last",
            "the tests have not been aggregated: look at the job controller and the aggregator",
        )),
        ..checkpoint(
            Node::Aggregated,
            &[engine(Node::ResultFile)],
            "the record says that everything has ended (`aggregated`)",
        )
    },
    checkpoint(
        Node::Accepted,
        &[engine(Node::Aggregated)],
        "the record is accepted or promoted by hand, while it is aggregated; or a person has accepted the build",
    ),
    Row {
        ready: "the record is aggregated; unless it is accepted a person decides",
        action: Action::Verdict,
        poll: TEN_MINUTES,
        who: Who::Leads,
        ..task(T::AnalyzePromotedBuild, &[engine(Node::Aggregated)])
    },
    Row {
        poll: MINUTE,
        ready: "the promoted build is judged, and the checks on stage have passed",
        complete: "the images are signed by a release key",
        ..task(
            T::ImageSignedCheck,
            &[
                engine(Node::Task(T::AnalyzePromotedBuild)),
                engine(Node::Task(T::PushToCdnStaging)),
                engine(Node::Task(T::ImageConsistencyCheck)),
                engine(Node::Task(T::StageTesting)),
            ],
        )
    },
    Row {
        cost: Cost::Critical,
        ready: "the checks on stage have passed: until then bugs may be verified",
        deadline: Some(deadline(
            12,
            "drop-bugs was run last",
            "the merge request of drop-bugs is still not merged: look at its pipeline",
        )),
        ..task(
            T::DropBugs,
            &[
                both(T::TakeOwnership),
                engine(Node::Task(T::ImageConsistencyCheck)),
                engine(Node::Task(T::StageTesting)),
            ],
        )
    },
    Row {
        refuses: true,
        cost: Cost::Critical,
        poll: HALF_HOUR,
        who: Who::Leads,
        ready: "the day before the release date has come, no issue blocks, no security alert blocks",
        complete: "the shipment is approved and the advisories have left QE",
        deadline: Some(deadline(
            48,
            "the approval was started, and not before the end of the day after the release date",
            "the page that the payload names is still not up: ask ART, or wait further by running the command again",
        )),
        ..task(
            T::ChangeAdvisoryStatus,
            &[
                both(T::TakeOwnership),
                both(T::PushToCdnStaging),
                both(T::ImageConsistencyCheck),
                both(T::AnalyzeCandidateBuild).judged(),
                both(T::AnalyzePromotedBuild),
                both(T::CheckCveTrackerBug),
                both(T::StageTesting),
                both(T::ImageSignedCheck),
                engine(Node::SecurityAlerts),
                // It changes what the approval is about: a commit of the shipment, the bugs of the advisories.
                engine(Node::Task(T::DropBugs)),
            ],
        )
    },
    Row {
        poll: SignedDuration::from_hours(1),
        who: Who::Art,
        ..checkpoint(
            Node::Shipped,
            &[engine(Node::Task(T::ChangeAdvisoryStatus))],
            "the advisories have left QE, and the shipment is released to production",
        )
    },
];

/// The candidate build is judged at once: its record is removed after some days.
const TAKEN_AFTER_A: &[Edge] = &[usual(T::TakeOwnership), engine(Node::Task(T::CreateTestReport))];

/// The names of all nodes, in the order of the table.
pub fn names() -> [&'static str; ROWS.len()] {
    ROWS.map(|row| row.node.id())
}

/// Which keys of the section `drive` of the configuration document name no node: each key, and what is wrong with it.
pub fn unknown_steps<'n>(keys: impl IntoIterator<Item = &'n str>) -> Vec<(String, String)> {
    unknown("drive", keys, &names(), "is no step of a release")
}

/// The same of the section `drive_limits`.
pub fn unknown_limits<'n>(keys: impl IntoIterator<Item = &'n str>) -> Vec<(String, String)> {
    unknown("drive_limits", keys, &limited(), "is no step with a limit that can be set")
}

fn unknown<'n>(
    section: &str,
    keys: impl IntoIterator<Item = &'n str>,
    known: &[&str],
    problem: &str,
) -> Vec<(String, String)> {
    let wrong = || format!("{problem}; the steps are {}", known.join(", "));
    let unknown = keys.into_iter().filter(|key| !known.contains(key));
    unknown.map(|key| (format!("{section}.{key}"), wrong())).collect()
}

/// The names of the nodes whose limit can be set: the wait of an approval has a setting of its own.
pub fn limited() -> Vec<&'static str> {
    let approval = Node::Task(TaskName::ChangeAdvisoryStatus);
    let rows = ROWS.iter().filter(|row| row.deadline.is_some() && row.node != approval);
    rows.map(|row| row.node.id()).collect()
}

/// The tasks that come before `task` for its command: those that it waits for, or that usually come first.
pub fn prerequisites(task: TaskName) -> impl Iterator<Item = TaskName> {
    let edges = Node::Task(task).row().after.iter();
    edges.filter(|edge| edge.keeps != Keeps::Engine).filter_map(|edge| edge.node.task())
}

/// Every task that comes before `task`, directly or not.
pub fn chain(task: TaskName) -> Vec<TaskName> {
    let mut found: Vec<TaskName> = prerequisites(task).collect();
    let mut next = 0;
    while let Some(earlier) = found.get(next).copied() {
        let new: Vec<TaskName> = prerequisites(earlier).filter(|task| !found.contains(task)).collect();
        found.extend(new);
        next += 1;
    }
    found
}

/// Whether the command of `task` refuses to run before what comes before it.
pub fn refuses(task: TaskName) -> bool {
    Node::Task(task).row().refuses
}

/// Whether any verdict of `task` will do for the tasks after it (spec 05 §8.8, 3).
pub fn only_informs(task: TaskName) -> bool {
    task == TaskName::AnalyzeCandidateBuild
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_stands_below_those_that_come_before_it() {
        for (place, row) in ROWS.iter().enumerate() {
            for edge in row.after {
                let before = ROWS.iter().position(|other| other.node == edge.node).unwrap();
                assert!(before < place, "{} stands before {}", row.node, edge.node);
            }
        }
    }

    #[test]
    fn every_task_has_one_row_and_every_name_is_one() {
        let mut names: Vec<&str> = ROWS.iter().map(|row| row.node.id()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
        for task in TaskName::ALL {
            assert_eq!(Node::Task(task).row().node, Node::Task(task));
        }
    }

    #[test]
    fn a_key_that_names_no_node_is_named_with_those_that_are() {
        assert_eq!(unknown_steps(names()), []);
        let unknown = unknown_steps(["stage-testing", "stage_testing"]);
        assert_eq!(unknown.len(), 1);
        assert_eq!(unknown[0].0, "drive.stage_testing");
        assert!(unknown[0].1.contains("stage-testing") && unknown[0].1.contains("shipped"), "{unknown:?}");
    }

    #[test]
    fn the_approval_depends_on_every_required_node_but_those_after_it() {
        let mut before = vec![Node::Task(TaskName::ChangeAdvisoryStatus)];
        let mut next = 0;
        while let Some(node) = before.get(next).copied() {
            let new: Vec<Node> =
                node.row().after.iter().map(|edge| edge.node).filter(|node| !before.contains(node)).collect();
            before.extend(new);
            next += 1;
        }
        for row in ROWS {
            let expected = row.required && ![Node::Shipped, Node::Accepted].contains(&row.node);
            assert_eq!(before.contains(&row.node), expected, "{}", row.node);
        }
    }

    #[test]
    fn the_order_of_the_commands_is_the_one_that_people_know() {
        let before = |task| prerequisites(task).map(TaskName::id).collect::<Vec<_>>();
        for task in [T::CreateTestReport, T::TakeOwnership, T::AnalyzePromotedBuild, T::ImageSignedCheck] {
            assert!(before(task).is_empty(), "{task}");
        }
        for task in [
            T::UpdateBugList,
            T::AnalyzeCandidateBuild,
            T::CheckGreenwaveCvpTests,
            T::CheckCveTrackerBug,
            T::PushToCdnStaging,
            T::DropBugs,
        ] {
            assert_eq!(before(task), ["take-ownership"], "{task}");
        }
        for task in [T::ImageConsistencyCheck, T::StageTesting] {
            assert_eq!(before(task), ["push-to-cdn-staging"], "{task}");
        }
        assert_eq!(before(T::ChangeAdvisoryStatus).len(), 8);
        let refusing: Vec<TaskName> = TaskName::ALL.into_iter().filter(|task| refuses(*task)).collect();
        assert_eq!(refusing, [T::ImageConsistencyCheck, T::StageTesting, T::ChangeAdvisoryStatus]);
    }
}

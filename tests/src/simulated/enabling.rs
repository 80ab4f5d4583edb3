//! What makes a step of a release possible: what others do, the end of their jobs, an answer, the time, and the steps before it.
//! Said here once more than in the engine, whose punctuality is measured by it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::{SignedDuration, Timestamp};
use oar_core::drive::plan::DrivePlan;
use oar_core::drive::verdict::Verdict;
use oar_core::flow::nodes::{Edge, Keeps, Need, Node, Row};
use oar_core::operations::advance::{Ran, RunResult};
use oar_core::statebox::TaskName;
use sandbox::services::release_controller::Phase;

use super::course::{Event, Record, hours, release_day};

/// The time between two looks at the page that an approval waits for.
pub const APPROVAL_LOOKS: SignedDuration = SignedDuration::from_mins(30);
/// A step that is repeated once a day.
const DAILY: SignedDuration = SignedDuration::from_hours(24);
/// How long an approval is waited for before people are asked, and until how long after its day at least.
const APPROVAL_WAIT: SignedDuration = SignedDuration::from_hours(48);

/// The approval of a release.
pub const APPROVAL: Node = Node::Task(TaskName::ChangeAdvisoryStatus);
pub(super) const CONSISTENCY: Node = Node::Task(TaskName::ImageConsistencyCheck);
pub(super) const STAGE: Node = Node::Task(TaskName::StageTesting);
const BUGS: Node = Node::Task(TaskName::UpdateBugList);

/// What waits for the identifiers of the advisories.
const OF_ADVISORIES: [Node; 9] = [
    Node::Task(TaskName::CreateTestReport),
    Node::Task(TaskName::TakeOwnership),
    Node::Task(TaskName::CheckCveTrackerBug),
    Node::Task(TaskName::PushToCdnStaging),
    CONSISTENCY,
    STAGE,
    Node::Task(TaskName::CheckGreenwaveCvpTests),
    Node::Task(TaskName::DropBugs),
    APPROVAL,
];

/// The nodes that an event makes possible, as far as it is up to the event.
pub(super) fn enabled_by(event: Event) -> &'static [Node] {
    match event {
        Event::Announced => &[Node::Task(TaskName::CreateTestReport)],
        Event::Advisory | Event::AdvisoryReplaced => &OF_ADVISORIES,
        Event::Ticket => &[Node::Task(TaskName::TakeOwnership)],
        Event::AdvisoriesReady | Event::PushEnds => &[Node::Task(TaskName::PushToCdnStaging)],
        Event::Promotion(Phase::Accepted) => &[Node::Promotion],
        Event::ShipmentReady => &[Node::StageRelease, APPROVAL],
        Event::ShipmentCommit | Event::StageRelease("success") => &[Node::StageRelease],
        Event::Candidate(Record::Accepted | Record::Rejected | Record::ByHand) => {
            &[Node::Task(TaskName::AnalyzeCandidateBuild)]
        }
        Event::Tests(Record::Running) => &[Node::ResultFile],
        Event::Tests(Record::Accepted | Record::Rejected | Record::ByHand) => {
            &[Node::ResultFile, Node::Aggregated, Node::Accepted, Node::Task(TaskName::AnalyzePromotedBuild)]
        }
        Event::ConsistencyJob => &[CONSISTENCY],
        Event::Published => &[APPROVAL],
        Event::TicketPending
        | Event::AdvisoryPending
        | Event::Promotion(_)
        | Event::StageRelease(_)
        | Event::Candidate(_)
        | Event::Tests(_)
        | Event::BugsVerified => &[],
    }
}

/// From when a release may be approved.
pub fn approval_opens(release: &str) -> Timestamp {
    release_day(release) - DAILY
}

/// The nodes that come before another one. The usual order alone is nobody's.
fn before(row: &Row) -> impl Iterator<Item = &Edge> {
    row.after.iter().filter(|edge| edge.keeps != Keeps::Usual)
}

/// When what became possible.
#[derive(Debug)]
pub(super) struct Moments {
    release: &'static str,
    announced: Timestamp,
    /// When others last made a node possible.
    enabled: BTreeMap<Node, Timestamp>,
    /// Since when a node is done, or not needed.
    settled: BTreeMap<Node, Timestamp>,
    /// The moments at which time alone makes a node possible.
    dates: BTreeMap<Node, Vec<Timestamp>>,
}

impl Moments {
    pub(super) fn new(release: &'static str, announced: Timestamp) -> Self {
        let dates = BTreeMap::from([(APPROVAL, vec![approval_opens(release)])]);
        Self { release, announced, enabled: BTreeMap::new(), settled: BTreeMap::new(), dates }
    }

    /// Others have made these nodes possible.
    pub(super) fn happened(&mut self, nodes: &[Node], at: Timestamp) {
        for node in nodes {
            let last = self.enabled.entry(*node).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// A pass has left this plan; the checkpoints that are done since then.
    pub(super) fn saw(&mut self, plan: &DrivePlan, at: Timestamp) -> Vec<Node> {
        let mut new = Vec::new();
        for node in &plan.nodes {
            if !node.verdict.is_settled() {
                self.settled.remove(&node.node);
            } else if let Entry::Vacant(place) = self.settled.entry(node.node) {
                place.insert(at);
                let is_checkpoint = node.node.task().is_none();
                new.extend((is_checkpoint && node.verdict == Verdict::Done).then_some(node.node));
            }
        }
        new
    }

    /// Since when a node is done, or not needed.
    pub(super) fn settled_at(&self, node: Node) -> Option<Timestamp> {
        self.settled.get(&node).copied()
    }

    /// A person has answered what these nodes waited for; or that nobody decides for a day.
    pub(super) fn answered(&mut self, nodes: &[Node], waits: bool, at: Timestamp) {
        if waits {
            for node in nodes.iter().copied().chain([Node::Accepted]) {
                self.dates.entry(node).or_default().push(at + DAILY);
            }
            return;
        }
        self.happened(nodes, at);
        if nodes.contains(&APPROVAL) {
            // People are asked then.
            let overdue = (at + APPROVAL_WAIT).max(release_day(self.release) + APPROVAL_WAIT);
            self.dates.entry(APPROVAL).or_default().push(overdue);
        }
    }

    /// The engine has run a node.
    pub(super) fn ran(&mut self, run: &Ran, at: Timestamp) {
        let dates = self.dates.entry(run.node).or_default();
        match run.result {
            RunResult::Nothing | RunResult::Held => {}
            // It is tried again.
            RunResult::Failed | RunResult::Unknown | RunResult::Blocked => self.happened(&[run.node], at),
            _ if run.node == BUGS => dates.push(at + DAILY),
            RunResult::Done | RunResult::Running => {}
        }
    }

    /// When time alone makes something possible next.
    pub(super) fn next_date(&self, now: Timestamp) -> Option<Timestamp> {
        self.dates.values().flatten().copied().filter(|date| *date > now).min()
    }

    /// When a node that was run, or was seen done, at `at` had become possible.
    pub(super) fn possible_since(&self, node: Node, at: Timestamp) -> Timestamp {
        let others = before(node.row()).filter_map(|edge| self.settled.get(&edge.node));
        let dates = self.dates.get(&node).into_iter().flatten();
        let moments = others.chain(self.enabled.get(&node)).chain(dates).copied();
        moments.filter(|moment| *moment <= at).max().unwrap_or(self.announced)
    }

    /// When the first thing happens that the release waits for; otherwise a required node that nothing stands before, that is
    /// open and waits for nothing. `coming` is what will happen in the world.
    pub(super) fn awaited(
        &self,
        plan: &DrivePlan,
        coming: &[(Timestamp, Node)],
        now: Timestamp,
    ) -> Result<Timestamp, Option<Node>> {
        let is_met = |edge: &Edge| {
            plan.nodes.iter().filter(|other| other.node == edge.node).all(|other| {
                other.verdict.is_settled()
                    || (edge.need == Need::Verdict && matches!(other.verdict, Verdict::Failed { .. }))
            })
        };
        let mut first = Err(None);
        for open in plan.nodes.iter().filter(|node| !node.verdict.is_settled()) {
            let (node, row) = (open.node, open.node.row());
            if !row.required || !before(row).all(is_met) {
                continue;
            }
            let own = coming.iter().filter(|(_, enabled)| *enabled == node).map(|(at, _)| *at);
            let (dates, looks) = if node == APPROVAL {
                let looks = self.possible_since(node, now) + APPROVAL_LOOKS;
                (vec![approval_opens(self.release)], Some(looks))
            } else {
                (self.dates.get(&node).cloned().unwrap_or_default(), None)
            };
            let is_coming = |moment: &Timestamp| *moment > now;
            let next = own.chain(dates).filter(is_coming).min().or(looks.filter(is_coming));
            let Some(next) = next else { return Err(Some(node)) };
            first = Ok(first.map_or(next, |first: Timestamp| first.min(next)));
        }
        first
    }
}

/// Whether the page of an approval comes up after people were asked whether to wait further.
pub fn is_overdue(release: &str, published: Timestamp) -> bool {
    published > release_day(release) + hours(48)
}

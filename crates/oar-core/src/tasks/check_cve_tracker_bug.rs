//! `check-cve-tracker-bug`: checks that no CVE tracker that a release fixes is missing from it (spec 01
//! §5.6).

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::ReleaseContext;
use crate::clients::elliott::{Answer, BuildSystem, FindTrackers, LIMITS};
use crate::clients::errata::{Advisory, AdvisoryId, ErrataClient};
use crate::clients::jira::{Bug, IssueKey, IssueSet};
use crate::config::SlackTeam;
use crate::error::ErrorClass;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, Step, TaskError, TaskOutcome, Words};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::notify::outbox::group_mention;
use crate::notify::{Message, MissingCveTrackers, MissingTrackers, Reference};
use crate::operators::cve::{Attached, Comparison, Place, ShippedIssues, compare};
use crate::operators::failures::could_not_look;
use crate::operators::shipment::{Shipment, ShipmentError};
use crate::permit::WritePermit;
use crate::statebox::{Change, ISSUE_LIMIT, NewIssue, State, StateError, TaskName, TaskStatus};

/// The beginning of the text of this check's blocker, which identifies it.
const BLOCKER: &str = "Missing CVE trackers";

/// The text after `Found <count>` in the first line of the Python tooling's blocker; what follows says where
/// the trackers are missing (`interop-exact`).
const ORIGINAL_BLOCKER: &str = "missed CVE tracker bugs in";

/// The resolution of this check's blocker.
const RESOLUTION: &str = "check-cve-tracker-bug finds no missing CVE tracker any more";

/// Looks for CVE trackers that are missing from the release.
pub struct CheckCveTrackerBug {
    services: ReleaseContext,
    elliott: Arc<dyn FindTrackers>,
    notify: bool,
}

impl CheckCveTrackerBug {
    /// The task; with `notify`, ART is notified of missing trackers.
    pub fn new(services: ReleaseContext, elliott: Arc<dyn FindTrackers>, notify: bool) -> Self {
        Self { services, elliott, notify }
    }

    async fn advisories(&self) -> Result<Vec<(String, Advisory)>, TaskError> {
        let errata = self.services.clients().errata();
        let mut reads = Vec::new();
        for (impetus, id) in self.services.advisories()? {
            reads.push(advisory(&errata, impetus, id));
        }
        try_join_all(reads).await.map_err(could_not_look)
    }

    async fn shipment(&self) -> Result<Option<Vec<ShippedIssues>>, TaskError> {
        let Some(reference) = self.services.shipment()? else { return Ok(None) };
        let shipment =
            Shipment::load(&self.services.clients().gitlab()?, &reference).await.map_err(could_not_look)?;
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        for file in shipment.files().await.map_err(could_not_look)? {
            match file.jira_keys() {
                Ok(keys) => files.push(ShippedIssues {
                    path: file.path().to_owned(),
                    keys: keys.iter().cloned().collect(),
                }),
                Err(problem) => problems.push(problem),
            }
        }
        // An unreadable file might contain the tracker, so nothing can be reported as missing.
        if problems.is_empty() {
            Ok(Some(files))
        } else {
            Err(could_not_look(ShipmentError::Files(problems)))
        }
    }

    async fn trackers(&self) -> Result<(Answer, Option<Answer>), TaskError> {
        let release = self.services.config().release();
        let brew = self.elliott.find(release, BuildSystem::Brew);
        if self.services.shipment()?.is_none() {
            return Ok((brew.await?, None));
        }
        let konflux = self.elliott.find(release, BuildSystem::Konflux);
        let (brew, konflux) = tokio::try_join!(brew, konflux)?;
        Ok((brew, Some(konflux)))
    }

    fn target(&self, place: &Place) -> Option<Reference> {
        let merge_request = || {
            let url = self.services.config().shipment_mr()?;
            Some(Reference::new(url.as_str(), format!("shipment merge request {}", url.iid())))
        };
        match place {
            Place::Advisory(id) => Some(Reference::new(id.link(), format!("advisory {id}"))),
            Place::ShipmentFile(_) | Place::Shipment => merge_request(),
            Place::Nowhere => None,
        }
    }
}

async fn advisory(
    errata: &ErrataClient,
    impetus: String,
    id: AdvisoryId,
) -> Result<(String, Advisory), TaskError> {
    Ok((impetus, errata.erratum(id).await?))
}

/// The result of the check.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Done {
    /// Number of trackers that are attached to the release.
    pub attached: usize,
    /// The trackers that are missing.
    pub missing: Vec<MissingCveTracker>,
    /// Trackers in the release that are not verified.
    pub not_verified: Vec<UnverifiedCveTracker>,
    /// Issues in the release that Jira does not show.
    pub unknown: Vec<IssueKey>,
    /// elliott's messages about trackers that it leaves out.
    pub left_out: Vec<String>,
    /// What elliott does not cover.
    pub limits: &'static str,
    /// Trackers that count although they are attached elsewhere.
    pub notes: Vec<String>,
}

/// A tracker that is missing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MissingCveTracker {
    /// Its key.
    pub tracker: IssueKey,
    /// The kind of advisory, as elliott names it.
    pub kind: String,
    /// The advisory or shipment file that should contain it.
    pub belongs_to: String,
    /// Why it counts as missing.
    pub why: String,
}

/// A tracker that is not verified.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct UnverifiedCveTracker {
    /// Its key.
    pub tracker: IssueKey,
    /// Its status in Jira.
    pub status: String,
    /// The advisory or shipment file that contains it.
    pub named_by: String,
}

/// What the check found, and what changes about the blocker.
#[derive(Debug, Clone)]
pub struct CvePlan {
    comparison: Comparison,
    /// elliott's messages about trackers that it leaves out.
    left_out: Vec<String>,
    /// The text that the blocker must have; `None` when nothing is missing.
    wanted: Option<String>,
    /// The present text of this check's open blocker.
    open: Option<String>,
    /// Whether the task is already Fail in the StateBox.
    has_failed: bool,
    notify: bool,
}

impl CvePlan {
    fn step(&self) -> Option<Step> {
        let count = self.comparison.count();
        match (&self.wanted, &self.open) {
            (Some(wanted), Some(open)) if wanted == open => None,
            (Some(_), Some(_)) => {
                Some(Step::new("update the blocker of", "check-cve-tracker-bug").to(missing(count)))
            }
            (Some(_), None) => {
                Some(Step::new("add a blocker to", "check-cve-tracker-bug").to(missing(count)))
            }
            (None, Some(_)) => Some(
                Step::new("resolve the blocker of", "check-cve-tracker-bug").to("none is missing any more"),
            ),
            (None, None) => None,
        }
    }

    fn lines(&self) -> Vec<String> {
        let missing = self.comparison.missing.iter().flat_map(|kind| {
            kind.trackers.iter().map(move |tracker| {
                format!(
                    "missing: {} ({}), belongs to {}: {}",
                    tracker.key, kind.kind, kind.place, tracker.why
                )
            })
        });
        missing.chain(self.beyond()).collect()
    }

    /// Findings from the release's own issues in Jira that elliott does not report.
    fn beyond(&self) -> impl Iterator<Item = String> + '_ {
        let not_verified =
            self.comparison.not_verified.iter().map(|one| {
                format!("not verified: {} is {}, and {} names it", one.key, one.status, one.holder)
            });
        let unseen = self.comparison.unseen.iter().map(|key| {
            format!(
                "unknown: {key} cannot be seen with this account, so it may be a tracker that is not verified"
            )
        });
        let left_out = self.left_out.iter().map(|words| format!("left out by elliott: {words}"));
        not_verified.chain(unseen).chain(left_out)
    }

    /// Summary of trackers that are not verified or not known.
    fn remainder(&self) -> String {
        let keys = |keys: Vec<&str>| keys.join(", ");
        let not_verified: Vec<&str> =
            self.comparison.not_verified.iter().map(|one| one.key.as_str()).collect();
        let unseen: Vec<&str> = self.comparison.unseen.iter().map(IssueKey::as_str).collect();
        let mut parts = Vec::new();
        if !not_verified.is_empty() {
            parts.push(format!("not verified: {}", keys(not_verified)));
        }
        if !unseen.is_empty() {
            parts.push(format!("unknown: {}", keys(unseen)));
        }
        if !self.left_out.is_empty() {
            parts.push(format!("elliott leaves some out: {}", self.left_out.join("; ")));
        }
        if parts.is_empty() { String::new() } else { format!("; {}", parts.join("; ")) }
    }

    fn outcome(&self) -> TaskOutcome<Done> {
        let comparison = &self.comparison;
        let missing = comparison.missing.iter().flat_map(|kind| {
            kind.trackers.iter().map(|tracker| MissingCveTracker {
                tracker: tracker.key.clone(),
                kind: kind.kind.clone(),
                belongs_to: kind.place.to_string(),
                why: tracker.why.clone(),
            })
        });
        let not_verified = comparison.not_verified.iter().map(|one| UnverifiedCveTracker {
            tracker: one.key.clone(),
            status: one.status.clone(),
            named_by: one.holder.clone(),
        });
        let done = Done {
            attached: comparison.attached,
            missing: missing.collect(),
            not_verified: not_verified.collect(),
            unknown: comparison.unseen.clone(),
            left_out: self.left_out.clone(),
            limits: LIMITS,
            notes: comparison.notes.clone(),
        };
        match self.comparison.count() {
            0 => TaskOutcome::pass(done).found(self.none_missing()),
            count => TaskOutcome::fail(done, ErrorClass::Failed, self.reason(count)),
        }
    }

    fn none_missing(&self) -> String {
        let attached = match self.comparison.attached {
            0 => String::new(),
            1 => "; 1 tracker is attached".to_owned(),
            count => format!("; {count} trackers are attached"),
        };
        let remainder = shortened(&self.remainder(), 500);
        format!("no CVE tracker is missing of those that elliott names{attached}{remainder}")
    }

    fn reason(&self, count: usize) -> Words {
        let mut kinds: Vec<String> = self.comparison.missing.iter().map(of_kind).collect();
        if let Some(first) = kinds.first_mut() {
            *first = format!("{}: {first}", missing(count));
        }
        let whole = kinds.join("; ");
        let short = shortened(&whole, 500);
        if short == whole { kinds.into() } else { short.into() }
    }
}

impl Plan for CvePlan {
    fn summary(&self) -> PlanSummary {
        let mut notes = self.lines();
        notes.push(format!("{LIMITS}; the release's own issues were looked at in Jira"));
        notes.extend(self.comparison.notes.iter().cloned());
        if self.comparison.missing.is_empty() {
            notes.push(self.none_missing());
        } else if self.notify {
            notes.push("ART is notified in Slack".to_owned());
        }
        PlanSummary::new(self.step().into_iter().collect(), notes)
    }

    fn acts(&self) -> bool {
        // A message cannot be taken back, so the start of the run must be recorded before it is sent.
        self.notify && self.wanted.is_some()
    }
}

fn missing(count: usize) -> String {
    format!("{count} CVE {} missing", if count == 1 { "tracker is" } else { "trackers are" })
}

fn of_kind(kind: &crate::operators::cve::MissingOfKind) -> String {
    let keys: Vec<&str> = kind.trackers.iter().map(|tracker| tracker.key.as_str()).collect();
    format!("{} (belongs to {}): {}", kind.kind, kind.place, keys.join(", "))
}

/// The blocker's text: the number, then the kinds with their trackers, up to the StateBox's limit.
fn blocker_text(comparison: &Comparison) -> Option<String> {
    let count = comparison.count();
    if count == 0 {
        return None;
    }
    let kinds: Vec<String> = comparison.missing.iter().map(of_kind).collect();
    Some(shortened(&format!("{BLOCKER} ({count}):\n{}", kinds.join("\n")), ISSUE_LIMIT))
}

/// `text`, cut between keys when it has more than `limit` characters, with the number of omitted keys at the
/// end.
fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let is_key = |word: &str| word.trim_end_matches([',', ';']).parse::<IssueKey>().is_ok();
    let rest_of = |cut: &str| {
        let rest = text.get(cut.len()..).unwrap_or_default();
        let hidden = rest.split_whitespace().filter(|word| is_key(word)).count();
        format!("… and {hidden} more: run check-cve-tracker-bug for all")
    };
    let mut cut = text;
    while let Some((before, _)) = cut.rsplit_once([' ', '\n']) {
        cut = before;
        let candidate = format!("{} {}", cut.trim_end_matches([',', ';']), rest_of(cut));
        if candidate.chars().count() <= limit {
            return candidate;
        }
    }
    text.chars().take(limit).collect()
}

/// Whether a blocker is from this check or from the Python tooling's, whose next run would not touch it.
fn is_ours(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default();
    let original = || {
        let (count, rest) = first.strip_prefix("Found ")?.split_once(' ')?;
        Some(count.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with(ORIGINAL_BLOCKER))
    };
    first.starts_with(BLOCKER) || original().unwrap_or(false)
}

#[async_trait]
impl Task for CheckCveTrackerBug {
    type Plan = CvePlan;
    type Done = Done;

    fn name(&self) -> TaskName {
        TaskName::CheckCveTrackerBug
    }

    fn command(&self) -> String {
        let option = if self.notify { "" } else { " --no-notify" };
        format!("check-cve-tracker-bug{option}")
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    fn keeps_blocker(&self, text: &str) -> bool {
        is_ours(text)
    }

    fn tells(&self, _outcome: &TaskOutcome<Done>) -> bool {
        // ART is notified of missing trackers whatever the outcome.
        true
    }

    async fn plan(&self, state: Option<&State>) -> Result<CvePlan, TaskError> {
        if self.services.advisories()?.is_empty() && self.services.shipment()?.is_none() {
            let release = self.services.config().release();
            let message = format!("the build data of {release} names no advisories yet");
            return Err(Refusal::blocked(message)
                .with_hint("Run the command again when ART has added them.")
                .into());
        }
        let ((brew, konflux), advisories, shipment) =
            tokio::try_join!(self.trackers(), self.advisories(), self.shipment())?;
        let mut attached = Attached { advisories, shipment, issues: IssueSet::default() };
        let answers = || konflux.iter().chain([&brew]);
        let needed = answers().flat_map(|answer| answer.trackers.values().flatten());
        let keys: BTreeSet<IssueKey> = needed.chain(attached.named().into_keys()).cloned().collect();
        attached.issues =
            self.services.clients().jira()?.issues(&keys, &Bug::FIELDS).await.map_err(could_not_look)?;
        let comparison = compare(&brew.trackers, konflux.as_ref().map(|answer| &answer.trackers), &attached);
        let left_out: BTreeSet<String> =
            answers().flat_map(|answer| &answer.left_out).map(|complaint| complaint.words.clone()).collect();
        let open = state
            .and_then(|state| state.task_blocker(self.name()))
            .map(|blocker| blocker.issue)
            .filter(|text| is_ours(text));
        let has_failed = state
            .and_then(|state| state.task(self.name()))
            .is_some_and(|task| task.status == TaskStatus::Fail);
        let wanted = blocker_text(&comparison);
        let left_out = left_out.into_iter().collect();
        Ok(CvePlan { wanted, comparison, left_out, open, has_failed, notify: self.notify })
    }

    fn standing(&self, plan: &CvePlan) -> Option<TaskOutcome<Done>> {
        (plan.has_failed && plan.wanted.is_some() && plan.step().is_none()).then(|| plan.outcome())
    }

    async fn apply(
        &self,
        plan: &CvePlan,
        _permit: &WritePermit,
        _recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        for line in plan.lines() {
            tracing::warn!("{line}");
        }
        Ok(plan.outcome().recording(plan.step()))
    }

    fn remember(
        &self,
        plan: &CvePlan,
        _outcome: &TaskOutcome<Done>,
        state: &mut State,
    ) -> Result<Change, StateError> {
        let open = state.task_blocker(self.name()).map(|blocker| blocker.issue);
        match (&plan.wanted, open) {
            (Some(wanted), None) => state.add_issue(&NewIssue {
                text: wanted.clone(),
                blocker: true,
                related_tasks: vec![self.name()],
                at: self.services.now(),
            }),
            (Some(wanted), Some(open)) if is_ours(&open) => state.reword_issue(&open, wanted),
            (None, Some(open)) if is_ours(&open) => {
                state.resolve_issue(&open, RESOLUTION, self.services.now())
            }
            _ => Ok(Change::Unchanged),
        }
    }

    async fn notifications(&self, plan: &CvePlan, _outcome: &TaskOutcome<Done>) -> Vec<Message> {
        if !self.notify || plan.comparison.missing.is_empty() {
            return Vec::new();
        }
        let config = self.services.config();
        let (channel, art) = match (config.slack_channel(SlackTeam::Art), config.art_group()) {
            (Ok(channel), Ok(art)) => (channel, art),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("ART is not notified: {error}");
                return Vec::new();
            }
        };
        let missing: Vec<MissingTrackers> = plan
            .comparison
            .missing
            .iter()
            .map(|kind| MissingTrackers {
                kind: kind.kind.clone(),
                target: self.target(&kind.place),
                trackers: kind
                    .trackers
                    .iter()
                    .map(|tracker| {
                        let reference = Reference::new(tracker.key.link(), tracker.key.as_str());
                        (reference, Some(tracker.why.clone()))
                    })
                    .collect(),
            })
            .collect();
        let art = group_mention(self.services.slack(), art).await;
        vec![MissingCveTrackers { release: config.release(), missing: &missing, art: &art }.message(channel)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::cve::{MissingOfKind, MissingTracker};

    fn comparison(count: u32) -> Comparison {
        let tracker = |number: u32| MissingTracker {
            key: format!("OCPBUGS-{}", 60_000 + number).parse().unwrap(),
            why: "in no advisory of the release".to_owned(),
        };
        let trackers = (0..count).map(tracker).collect();
        let kind = MissingOfKind {
            kind: "rpm".to_owned(),
            place: Place::Advisory(AdvisoryId::new(150_001)),
            trackers,
        };
        Comparison { missing: if count == 0 { Vec::new() } else { vec![kind] }, ..Comparison::default() }
    }

    #[test]
    fn the_blocker_names_count_kind_place_and_trackers() {
        assert_eq!(
            blocker_text(&comparison(2)).unwrap(),
            "Missing CVE trackers (2):\nrpm (belongs to advisory 150001): OCPBUGS-60000, OCPBUGS-60001"
        );
        assert_eq!(blocker_text(&comparison(0)), None);
    }

    #[test]
    fn the_blocker_of_the_python_tooling_is_known_as_such() {
        for text in [
            "Found 1 missed CVE tracker bugs in shipments\n\nMissed CVE tracker bugs:\n- OCPBUGS-88005\n",
            "Found 12 missed CVE tracker bugs in advisories and 1 in shipments",
            "Missing CVE trackers (2):\nrpm: OCPBUGS-1",
        ] {
            assert!(is_ours(text), "{text}");
        }
        for text in [
            "",
            "ART rebuilds",
            "Found missed CVE tracker bugs in it",
            "We Found 1 missed CVE tracker bugs in",
        ] {
            assert!(!is_ours(text), "{text}");
        }
    }

    #[test]
    fn however_many_there_are_the_statebox_takes_the_text_and_the_rest_is_counted() {
        for count in [60, 61, 70, 200, 2000] {
            let text = blocker_text(&comparison(count)).unwrap();
            assert!(text.chars().count() <= ISSUE_LIMIT, "{}", text.len());
            let shown = text.matches("OCPBUGS-").count();
            let hidden = usize::try_from(count).unwrap() - shown;
            if hidden > 0 {
                assert!(
                    text.ends_with(&format!("… and {hidden} more: run check-cve-tracker-bug for all")),
                    "{text}"
                );
            }
        }
    }
}

//! The records that the Errata Tool keeps (spec 02 §11.2).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

/// Type of an advisory; the key of the `errata` object in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvisoryType {
    /// Bug fix.
    Rhba,
    /// Enhancement.
    Rhea,
    /// Security.
    Rhsa,
}

impl AdvisoryType {
    /// Upper-case name, `RHBA`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rhba => "RHBA",
            Self::Rhea => "RHEA",
            Self::Rhsa => "RHSA",
        }
    }

    /// Reads the upper-case name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Rhba, Self::Rhea, Self::Rhsa].into_iter().find(|kind| kind.name() == name)
    }
}

/// State of an advisory (spec 02 §2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvisoryState {
    /// Builds and texts may change.
    NewFiles,
    /// In testing.
    Qe,
    /// Tested.
    RelPrep,
    /// Approved for push.
    PushReady,
    /// Being pushed.
    InPush,
    /// Shipped.
    ShippedLive,
    /// Abandoned.
    DroppedNoShip,
}

impl AdvisoryState {
    const ALL: [Self; 7] = [
        Self::NewFiles,
        Self::Qe,
        Self::RelPrep,
        Self::PushReady,
        Self::InPush,
        Self::ShippedLive,
        Self::DroppedNoShip,
    ];

    /// Name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewFiles => "NEW_FILES",
            Self::Qe => "QE",
            Self::RelPrep => "REL_PREP",
            Self::PushReady => "PUSH_READY",
            Self::InPush => "IN_PUSH",
            Self::ShippedLive => "SHIPPED_LIVE",
            Self::DroppedNoShip => "DROPPED_NO_SHIP",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether bugs and issues of the advisory are taken: an issue belongs to one active advisory only.
    pub fn is_active(self) -> bool {
        !matches!(self, Self::ShippedLive | Self::DroppedNoShip)
    }
}

/// What a user of the Errata Tool may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Developer.
    Devel,
    /// Quality engineer.
    Qa,
    /// Programme manager.
    Pm,
    /// Release engineer.
    Releng,
    /// Product security.
    Secalert,
}

/// A user of the Errata Tool.
#[derive(Clone, Debug)]
pub struct ErrataUser {
    /// Numeric id.
    pub id: u32,
    /// Login name, an e-mail address.
    pub email: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// Whether the user may use the Errata Tool at all; without, every answer is 403.
    pub access: bool,
}

/// A build attached to an advisory.
#[derive(Clone, Debug)]
pub struct Build {
    /// Name-version-release.
    pub nvr: String,
    /// Numeric id.
    pub id: u32,
    /// Product version it is attached for, `OSE-4.14-RHEL-8`.
    pub product_version: String,
    /// Whether the packages are signed; container builds never are.
    pub rpms_signed: bool,
    /// Variant to architecture to file names.
    pub files: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// One TPS job.
#[derive(Clone, Debug)]
pub struct TpsJob {
    /// Distribution QA job.
    pub rhnqa: bool,
    /// `GOOD`, `BAD`, `BUSY` …
    pub state: String,
}

/// One external test run.
#[derive(Clone, Debug)]
pub struct ExternalTest {
    /// Numeric id.
    pub id: u32,
    /// `greenwave_cvp` …
    pub test_type: String,
    /// Whether it is the current run.
    pub active: bool,
    /// `PASSED`, `FAILED` …
    pub status: String,
    /// Build it ran for.
    pub nvr: String,
}

impl ExternalTest {
    /// Whether the Errata Tool counts the result as good (spec 02 §2.9).
    pub fn is_good(&self) -> bool {
        matches!(self.status.as_str(), "PASSED" | "WAIVED" | "INELIGIBLE" | "INFO")
    }
}

/// One push of an advisory to one target.
#[derive(Clone, Debug, Default)]
pub struct PushJob {
    /// Numeric id; grows.
    pub id: u32,
    /// `cdn_stage`, `cdn_docker` …
    pub target: String,
    /// `READY`, `WAITING_ON_PUB`, `COMPLETE`, `FAILED` …
    pub status: String,
    /// Respin of the advisory that was pushed; an older one does not count.
    pub respin: u32,
    /// When it was requested; its status follows the sandbox's clock from then. With `None` it does not
    /// change.
    pub made: Option<Timestamp>,
    /// How it goes on.
    pub script: PushScript,
    /// Whether it leaves the channels alone.
    pub nochannel: bool,
    /// Whether the publishing service was given no task for it.
    pub untasked: bool,
}

/// How a push job goes on, as the clock advances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PushScript {
    /// To `COMPLETE`.
    #[default]
    Completes,
    /// To this status instead of `COMPLETE`: `FAILED`, `POST_PUSH_FAILED`, or an unknown one.
    EndsAs(String),
    /// No further than this status on the way: `WAITING_ON_PUB`.
    StopsAt(String),
}

/// The status of a job by the seconds since its request, until it ends.
const PUSH_COURSE: [(i64, &str); 4] =
    [(0, "READY"), (60, "WAITING_ON_PUB"), (180, "POST_PUSH_PROCESSING"), (300, "COMPLETE")];

impl PushJob {
    /// Whether a second job for the target is refused in this status.
    pub fn is_active(&self) -> bool {
        matches!(self.status.as_str(), "READY" | "QUEUED" | "RUNNING" | "WAITING_ON_PUB")
    }

    /// Whether it counts as a push of the advisory's builds, those of `respin`.
    pub fn counts(&self, respin: u32) -> bool {
        let pushed = ["COMPLETE", "POST_PUSH_PROCESSING", "POST_PUSH_FAILED"];
        self.respin == respin && !self.untasked && !self.nochannel && pushed.contains(&self.status.as_str())
    }

    /// What its log says: when it was made, and when it took each status. Nothing for one that stands still.
    pub fn log(&self) -> String {
        let Some(made) = self.made else { return String::new() };
        let reached = PUSH_COURSE.iter().position(|(_, status)| *status == self.status);
        let course = PUSH_COURSE.iter().take(reached.unwrap_or(PUSH_COURSE.len() - 1) + 1);
        let lines: Vec<String> = course
            .map(|(from, status)| {
                let at = made.saturating_add(SignedDuration::from_secs(*from)).unwrap_or(made);
                let last = *status == "COMPLETE" || reached.is_none() && *from == 300;
                let status = if last { self.status.as_str() } else { status };
                format!("{} {status}\n", at.strftime("%Y-%m-%d %H:%M:%S +0000"))
            })
            .collect();
        lines.concat()
    }

    /// Whether nothing more comes of it.
    pub fn is_finished(&self) -> bool {
        matches!(self.status.as_str(), "COMPLETE" | "FAILED" | "POST_PUSH_FAILED")
    }

    /// Takes the status that it has at `now`.
    pub fn advance(&mut self, now: Timestamp) {
        let Some(made) = self.made.filter(|_| !self.is_finished()) else { return };
        let age = now.duration_since(made).as_secs();
        let stops = match &self.script {
            PushScript::StopsAt(status) => PUSH_COURSE.iter().position(|(_, course)| course == status),
            _ => None,
        };
        let reached = PUSH_COURSE.iter().rposition(|(from, _)| *from <= age).unwrap_or(0);
        let Some((_, status)) = PUSH_COURSE.get(reached.min(stops.unwrap_or(reached))) else { return };
        match &self.script {
            PushScript::EndsAs(end) if *status == "COMPLETE" => self.status.clone_from(end),
            _ => (*status).clone_into(&mut self.status),
        }
    }
}

/// How often a field was sent in an update, and how often its value became another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldEdits {
    /// Updates that carried the field.
    pub sent: u32,
    /// Updates after which the value differed.
    pub changed: u32,
}

/// A change of state that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// State before.
    pub from: AdvisoryState,
    /// State after.
    pub to: AdvisoryState,
    /// Login name of the caller.
    pub by: String,
}

/// One advisory.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the record's flags on the wire, each with its own meaning"
)]
pub struct Advisory {
    /// Numeric id.
    pub id: u32,
    /// Type.
    pub kind: AdvisoryType,
    /// State.
    pub state: AdvisoryState,
    /// Title without the severity word that the server puts before an RHSA's.
    pub synopsis: String,
    /// Text.
    pub topic: String,
    /// Text.
    pub description: String,
    /// Text.
    pub solution: String,
    /// CVE names separated by spaces.
    pub cve: String,
    /// `rpm`, `docker`.
    pub content_types: Vec<String>,
    /// Whether it carries no builds.
    pub text_only: bool,
    /// CPE of a text-only advisory.
    pub text_only_cpe: Option<String>,
    /// Product short name.
    pub product: String,
    /// Release name.
    pub release: String,
    /// E-mail address of the package owner.
    pub package_owner: String,
    /// E-mail address of the reporter.
    pub reporter: String,
    /// E-mail address of the QE owner.
    pub assigned_to: String,
    /// Name of the QE group.
    pub qe_group: String,
    /// Id of the manager.
    pub manager_id: u32,
    /// Target date `YYYY-MM-DD`.
    pub publish_date: Option<String>,
    /// Overriding target date `YYYY-MM-DD`.
    pub publish_date_override: Option<String>,
    /// Time of creation, `YYYY-MM-DDTHH:MM:SSZ`.
    pub created_at: String,
    /// Time of the last change of state.
    pub status_updated_at: String,
    /// Time of shipping.
    pub actual_ship_date: Option<String>,
    /// How often it went back to `NEW_FILES`.
    pub respin_count: u32,
    /// Advisories that must be pushed first.
    pub blocking_advisories: Vec<u32>,
    /// Docs approval requested.
    pub text_ready: bool,
    /// Docs approved.
    pub doc_complete: bool,
    /// Product security: not requested, requested, approved.
    pub security_approved: Option<bool>,
    /// `Low`, `Moderate`, `Important`, `Critical`.
    pub security_impact: Option<String>,
    /// Attached Bugzilla bugs.
    pub bugs: Vec<u32>,
    /// Attached Jira issues.
    pub jira_issues: Vec<String>,
    /// Attached builds.
    pub builds: Vec<Build>,
    /// TPS jobs.
    pub tps_jobs: Vec<TpsJob>,
    /// External test runs.
    pub external_tests: Vec<ExternalTest>,
    /// Container health grade, `None` without containers.
    pub grade: Option<char>,
    /// Texts of the security alerts that were found.
    pub security_alerts: Vec<String>,
    /// Whether the alerts block; what a refresh answers.
    pub security_alerts_block: bool,
    /// Staging targets it supports.
    pub stage_targets: Vec<String>,
    /// Live targets it supports.
    pub live_targets: Vec<String>,
    /// Pushes so far, oldest first.
    pub push_jobs: Vec<PushJob>,
    /// How the next pushes go on; without an entry they complete.
    pub push_scripts: VecDeque<PushScript>,
    /// Whether the alerts block from the next refresh on; `None` keeps what stands.
    pub alerts_block_at_refresh: Option<bool>,
    /// Comments, oldest first: author and text.
    pub comments: Vec<(String, String)>,
    /// Updates per field name, as in `advisory[<name>]`.
    pub edits: BTreeMap<String, FieldEdits>,
    /// Changes of state made through the interface.
    pub state_changes: Vec<StateChange>,
}

impl Advisory {
    /// Title as the server shows it: an RHSA's begins with its severity.
    pub fn shown_synopsis(&self) -> String {
        match (self.kind, &self.security_impact) {
            (AdvisoryType::Rhsa, Some(impact)) if impact != "None" => format!("{impact}: {}", self.synopsis),
            _ => self.synopsis.clone(),
        }
    }

    /// Advisory name with revision, `RHBA-2026:150001-02`.
    pub fn full_name(&self) -> String {
        let year = self.created_at.get(..4).unwrap_or("2026");
        format!("{}-{year}:{}-{:02}", self.kind.name(), self.id, self.respin_count + 1)
    }

    /// Names of the fields that were sent in updates so far.
    pub fn edited_fields(&self) -> Vec<&str> {
        self.edits.iter().filter(|(_, count)| count.sent > 0).map(|(name, _)| name.as_str()).collect()
    }

    /// Whether any job has pushed the present builds to `target`.
    pub fn is_pushed_to(&self, target: &str) -> bool {
        self.push_jobs.iter().any(|job| job.target == target && job.counts(self.respin_count))
    }

    /// Whether every staging target has a push of the present builds.
    pub fn is_staged(&self) -> bool {
        self.stage_targets.iter().all(|target| self.is_pushed_to(target))
    }
}

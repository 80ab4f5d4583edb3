//! The active releases at a glance (spec 05 §8.11): status, phase, date, and what stands in the way.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::config::ReleaseDate;
use crate::statebox::{State, TaskName, TaskStatus, TaskView};
use crate::version::ReleaseVersion;

/// How much of an issue is shown, in characters.
const SHOWN: usize = 80;

/// How a release stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its StateBox cannot be read.
    Unknown,
    /// A blocker is open, or a task is Fail.
    Blocked,
    /// An owner has taken it.
    InProgress,
    /// No owner has taken it.
    NotStarted,
    /// It is approved.
    Complete,
    /// It is approved, and it has shipped.
    Shipped,
}

impl Standing {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Blocked => "BLOCKED",
            Self::InProgress => "IN PROGRESS",
            Self::NotStarted => "NOT STARTED",
            Self::Complete => "COMPLETE",
            Self::Shipped => "SHIPPED",
        }
    }
}

/// What stands in the way of a release, or is noted about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// Its StateBox cannot be read, or whether it has shipped cannot be determined.
    Unknown,
    /// It is held.
    Held,
    /// An open issue blocks it.
    Blocker,
    /// A task is Fail.
    TaskFailed,
    /// An open issue that does not block.
    NonBlocking,
}

impl Concern {
    /// The mark for people.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Unknown => "[UNKNOWN]",
            Self::Held => "[HELD]",
            Self::Blocker => "[BLOCKER]",
            Self::TaskFailed => "[TASK FAILED]",
            Self::NonBlocking => "[NON-BLOCKING]",
        }
    }
}

/// One concern of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ConcernRow {
    /// What kind it is.
    pub kind: Concern,
    /// The beginning of its text.
    pub text: String,
}

impl ConcernRow {
    /// The first line of `text`, cut.
    pub fn new(kind: Concern, text: &str) -> Self {
        let line = text.trim().lines().next().unwrap_or_default();
        let mut shown: String = line.chars().take(SHOWN).collect();
        if line.chars().count() > SHOWN {
            shown.pop();
            shown.push('…');
        }
        Self { kind, text: shown }
    }
}

/// One active release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ReleaseRow {
    /// The release.
    pub release: ReleaseVersion,
    /// How it stands.
    pub status: Standing,
    /// The tasks that are In Progress; without one, the task that was done last.
    pub phase: Vec<String>,
    /// Its date, `YYYY-MM-DD`.
    pub date: Option<String>,
    /// In how many days that is; negative when it has passed.
    pub days: Option<i32>,
    /// Whether its date has passed and it is not approved.
    pub overdue: bool,
    /// What stands in the way, the gravest first, then what is noted.
    pub concerns: Vec<ConcernRow>,
}

impl ReleaseRow {
    /// The release as `state` has it at `now`.
    pub fn of(release: &ReleaseVersion, state: &State, now: Timestamp) -> Self {
        let tasks = state.tasks();
        let mut concerns: Vec<ConcernRow> = Vec::new();
        for closed in state.closed(now) {
            concerns.push(ConcernRow::new(Concern::Held, &closed.text));
        }
        for issue in state.issues().iter().filter(|issue| !issue.resolved) {
            let kind = if issue.blocker { Concern::Blocker } else { Concern::NonBlocking };
            concerns.push(ConcernRow::new(kind, &issue.issue));
        }
        for task in tasks.iter().filter(|task| task.status == TaskStatus::Fail) {
            concerns.push(ConcernRow::new(Concern::TaskFailed, &task.name));
        }
        concerns.sort_by_key(|concern| concern.kind);
        let is = |name: TaskName, status: TaskStatus| {
            tasks.iter().any(|task| task.task == Some(name) && task.status == status)
        };
        let blocks = |concern: &ConcernRow| matches!(concern.kind, Concern::Blocker | Concern::TaskFailed);
        let status = if is(TaskName::ChangeAdvisoryStatus, TaskStatus::Pass) {
            Standing::Complete
        } else if concerns.iter().any(blocks) {
            Standing::Blocked
        } else if is(TaskName::TakeOwnership, TaskStatus::Pass) {
            Standing::InProgress
        } else {
            Standing::NotStarted
        };
        let date = state.metadata().release_date.and_then(|date| date.parse::<ReleaseDate>().ok());
        let date: Option<Date> = date.map(|date| date.date());
        let days = date.and_then(|date| days_until(date, now));
        Self {
            release: release.clone(),
            status,
            phase: phase(&tasks),
            date: date.map(|date| date.to_string()),
            days,
            overdue: status != Standing::Complete && days.is_some_and(|days| days < 0),
            concerns,
        }
    }

    /// Takes note of whether the services say that the release, which is approved, has shipped; the error says why that cannot be
    /// determined.
    pub fn ask_shipped(&mut self, shipped: Result<bool, &str>) {
        match shipped {
            Ok(true) => self.status = Standing::Shipped,
            Ok(false) => {}
            Err(why) => {
                let words = format!("whether it has shipped cannot be determined: {why}");
                self.concerns.insert(0, ConcernRow::new(Concern::Unknown, &words));
            }
        }
    }

    /// A release whose StateBox cannot be read.
    pub fn unknown(release: &ReleaseVersion, why: &str) -> Self {
        Self {
            release: release.clone(),
            status: Standing::Unknown,
            phase: Vec::new(),
            date: None,
            days: None,
            overdue: false,
            concerns: vec![ConcernRow::new(Concern::Unknown, why)],
        }
    }

    /// When it ships, in words.
    pub fn countdown(&self) -> String {
        match self.days {
            None => "no date".to_owned(),
            Some(0) => "TODAY".to_owned(),
            Some(1) => "in 1 day".to_owned(),
            Some(days) if days > 0 => format!("in {days} days"),
            Some(-1) if self.overdue => "1 day OVERDUE".to_owned(),
            Some(days) if self.overdue => format!("{} days OVERDUE", -days),
            Some(-1) => "1 day ago".to_owned(),
            Some(days) => format!("{} days ago", -days),
        }
    }
}

/// The releases in the order of the overview: what cannot be read, what is blocked, what is late, then the rest; the
/// newest version first. What has shipped stands last.
pub fn sort(rows: &mut [ReleaseRow]) {
    rows.sort_by(|one, other| {
        let place = |row: &ReleaseRow| match (row.status, row.overdue) {
            (Standing::Unknown, _) => 0,
            (Standing::Blocked, _) => 1,
            (_, true) => 2,
            (Standing::InProgress, _) => 3,
            (Standing::NotStarted, _) => 4,
            (Standing::Complete, _) => 5,
            (Standing::Shipped, _) => 6,
        };
        place(one).cmp(&place(other)).then_with(|| other.release.cmp(&one.release))
    });
}

fn days_until(date: Date, now: Timestamp) -> Option<i32> {
    let today = now.to_zoned(TimeZone::UTC).date();
    date.since(today).ok().map(|span| span.get_days())
}

fn phase(tasks: &[TaskView]) -> Vec<String> {
    let running: Vec<String> = tasks
        .iter()
        .filter(|task| task.status == TaskStatus::InProgress)
        .map(|task| task.name.clone())
        .collect();
    if !running.is_empty() {
        return running;
    }
    let ended = tasks.iter().filter(|task| task.status == TaskStatus::Pass);
    let last = ended.max_by(|one, other| one.completed_at.cmp(&other.completed_at));
    last.map(|task| task.name.clone()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::{ManualStatus, Metadata, NewDecision, NewIssue, Subject};

    fn now() -> Timestamp {
        "2026-07-06T12:00:00Z".parse().unwrap()
    }

    fn state(date: Option<&str>, tasks: &[(TaskName, TaskStatus)]) -> State {
        let metadata = Metadata { release_date: date.map(str::to_owned), ..Metadata::default() };
        let mut state = State::new(&"4.19.1".parse().unwrap(), &metadata, now());
        for (minute, (task, status)) in tasks.iter().enumerate() {
            let at =
                now().checked_add(jiff::SignedDuration::from_mins(i64::try_from(minute).unwrap())).unwrap();
            let manual = ManualStatus {
                id: format!("{task} {status}"),
                status: *status,
                by: "tester".to_owned(),
                reason: String::new(),
                at,
                result: None,
                force: true,
            };
            let _ = state.set_task(*task, &manual).unwrap();
        }
        state
    }

    fn row(version: &str, state: &State) -> ReleaseRow {
        ReleaseRow::of(&version.parse().unwrap(), state, now())
    }

    fn issue(text: &str, blocker: bool) -> NewIssue {
        NewIssue { text: text.to_owned(), blocker, related_tasks: Vec::new(), at: now() }
    }

    #[test]
    fn the_first_status_that_matches_counts() {
        use TaskName::{ChangeAdvisoryStatus, StageTesting, TakeOwnership};
        use TaskStatus::{Fail, InProgress, Pass};
        for (tasks, expected) in [
            (&[][..], Standing::NotStarted),
            (&[(TakeOwnership, InProgress)], Standing::NotStarted),
            (&[(TakeOwnership, Pass)], Standing::InProgress),
            (&[(TakeOwnership, Pass), (StageTesting, Fail)], Standing::Blocked),
            (&[(ChangeAdvisoryStatus, Pass), (StageTesting, Fail)], Standing::Complete),
        ] {
            assert_eq!(row("4.19.1", &state(None, tasks)).status, expected, "{tasks:?}");
        }
        let mut noted = state(None, &[(TakeOwnership, Pass)]);
        let _ = noted.add_issue(&issue("a note", false)).unwrap();
        assert_eq!(row("4.19.1", &noted).status, Standing::InProgress);
        let _ = noted.add_issue(&issue("a blocker", true)).unwrap();
        let row = row("4.19.1", &noted);
        assert_eq!(row.status, Standing::Blocked);
        let marks: Vec<&str> = row.concerns.iter().map(|concern| concern.kind.mark()).collect();
        assert_eq!(marks, ["[BLOCKER]", "[NON-BLOCKING]"]);
    }

    #[test]
    fn a_hold_is_named_first_and_blocks_nothing_by_itself() {
        let mut held = state(None, &[(TaskName::TakeOwnership, TaskStatus::Pass)]);
        let decision = NewDecision {
            id: "h".to_owned(),
            subject: Subject::Hold { until: None },
            by: "lead".to_owned(),
            at: now(),
            reason: "wait".to_owned(),
        };
        let _ = held.decide(&decision);
        let row = row("4.19.1", &held);
        assert_eq!((row.status, row.concerns[0].kind), (Standing::InProgress, Concern::Held));
    }

    #[test]
    fn the_date_counts_in_days_and_an_approved_release_is_not_late() {
        let approved = [(TaskName::ChangeAdvisoryStatus, TaskStatus::Pass)];
        for (date, tasks, words, overdue) in [
            (Some("2026-Jul-08"), &[][..], "in 2 days", false),
            (Some("2026-Jul-07"), &[], "in 1 day", false),
            (Some("2026-Jul-06"), &[], "TODAY", false),
            (Some("2026-Jul-05"), &[], "1 day OVERDUE", true),
            (Some("2026-Jun-05"), &[], "31 days OVERDUE", true),
            (Some("2026-Jul-05"), &approved, "1 day ago", false),
            (None, &[], "no date", false),
        ] {
            let row = row("4.19.1", &state(date, tasks));
            assert_eq!((row.countdown().as_str(), row.overdue), (words, overdue), "{date:?}");
        }
    }

    #[test]
    fn the_phase_is_what_runs_or_what_was_done_last() {
        use TaskName::{CheckCveTrackerBug, PushToCdnStaging, StageTesting, TakeOwnership};
        use TaskStatus::{InProgress, Pass};
        let done = state(None, &[(CheckCveTrackerBug, Pass), (TakeOwnership, Pass)]);
        assert_eq!(row("4.19.1", &done).phase, ["take-ownership"]);
        let running =
            state(None, &[(TakeOwnership, Pass), (StageTesting, InProgress), (PushToCdnStaging, InProgress)]);
        assert_eq!(row("4.19.1", &running).phase, ["stage-testing", "push-to-cdn-staging"]);
        assert!(row("4.19.1", &state(None, &[])).phase.is_empty());
    }

    #[test]
    fn an_approved_release_has_shipped_when_the_services_say_so_and_not_when_nobody_knows() {
        let approved = state(None, &[(TaskName::ChangeAdvisoryStatus, TaskStatus::Pass)]);
        for (answer, status, concerns) in [
            (Ok(true), Standing::Shipped, 0),
            (Ok(false), Standing::Complete, 0),
            (Err("no connection"), Standing::Complete, 1),
        ] {
            let mut row = row("4.19.1", &approved);
            row.ask_shipped(answer);
            assert_eq!((row.status, row.concerns.len()), (status, concerns), "{answer:?}");
            assert!(row.concerns.iter().all(|concern| concern.text.ends_with("no connection")));
        }
    }

    #[test]
    fn what_needs_a_person_stands_first_and_newer_releases_before_older_ones() {
        use TaskName::{ChangeAdvisoryStatus, StageTesting, TakeOwnership};
        use TaskStatus::{Fail, Pass};
        let mut rows = vec![
            row("4.18.9", &state(Some("2026-Jul-10"), &[(ChangeAdvisoryStatus, Pass)])),
            row("4.9.7", &state(Some("2026-Jul-10"), &[])),
            row("4.20.2", &state(Some("2026-Jul-10"), &[(TakeOwnership, Pass)])),
            row("4.9.10", &state(Some("2026-Jul-10"), &[(TakeOwnership, Pass)])),
            row("4.17.3", &state(Some("2026-Jul-01"), &[])),
            row("4.16.3", &state(Some("2026-Jul-10"), &[(StageTesting, Fail)])),
            ReleaseRow::unknown(&"4.15.1".parse().unwrap(), "it is damaged"),
            row("4.21.4", &state(None, &[(ChangeAdvisoryStatus, Pass)])),
        ];
        rows.last_mut().unwrap().ask_shipped(Ok(true));
        sort(&mut rows);
        let order: Vec<String> = rows.iter().map(|row| row.release.to_string()).collect();
        assert_eq!(order, ["4.15.1", "4.16.3", "4.17.3", "4.20.2", "4.9.10", "4.9.7", "4.18.9", "4.21.4"]);
    }

    #[test]
    fn a_long_text_is_one_line_of_eighty_characters() {
        let row = ConcernRow::new(Concern::Blocker, &format!("{}\nmore", "é".repeat(100)));
        assert_eq!(row.text.chars().count(), SHOWN);
        assert!(row.text.ends_with('…'));
    }
}

//! Where the time of a release went, as far as its StateBox tells.
//!
//! The time from the creation of the file to its end is cut at every known moment. Each piece is of one [`Share`], the first
//! of these that something known claims: a run of our tools, a person who is waited for, a job or a condition outside, and
//! otherwise nobody. Files of the Python tooling keep only the last start and end of a task, so what is read there is said
//! in `not_known`.

mod people;

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::State;
use super::names::{RunOutcome, TaskName, TaskStatus};
use super::views::TaskView;
use crate::clock::stamp;

/// Before this day programs stored local times as UTC (spec 05 §8.6).
const HONEST_TIMES: &str = "2026-05-01T00:00:00Z";
/// The tasks that wait for something outside while they are In Progress.
const OUTSIDE: [TaskName; 4] = [
    TaskName::PushToCdnStaging,
    TaskName::ImageConsistencyCheck,
    TaskName::StageTesting,
    TaskName::ChangeAdvisoryStatus,
];
/// A task that neither waits nor ran longer than this, in seconds, was left alone in between: no foreground command takes as
/// long.
const LONGEST_RUN: i64 = 60 * 60;

/// Whose time it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// Our tools ran.
    Tools,
    /// Something waited for a person: a blocker, a failed task, a consent.
    Person,
    /// Another system worked: a push, a job, a page that is to be published.
    Systems,
    /// Nothing ran, and nothing was waited for: nobody looked.
    Nobody,
}

impl Share {
    /// Every share, the one that claims a piece of time first at the beginning.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Person, Self::Systems, Self::Nobody];

    /// Its words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Tools => "our tools",
            Self::Person => "waiting for a person",
            Self::Systems => "other systems",
            Self::Nobody => "nobody looking",
        }
    }
}

/// A piece of time of one share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Piece {
    /// Whose time it was.
    pub share: Share,
    /// When it began.
    pub from: String,
    /// When it ended.
    pub until: String,
    /// How long it was, in seconds.
    pub seconds: i64,
    /// What was known of that time: tasks, jobs, issues.
    pub what: Vec<String>,
}

/// A known stretch of one task or issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stretch {
    /// Whose time it was.
    pub share: Share,
    /// The task, or `issue` with its beginning.
    pub what: String,
    /// When it began.
    pub from: String,
    /// When it ended.
    pub until: String,
    #[serde(skip)]
    span: (i64, i64),
}

/// The sum of a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Total {
    /// The share.
    pub share: Share,
    /// Its seconds.
    pub seconds: i64,
}

/// Where the time went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Timeline {
    /// When the StateBox was made.
    pub began: Option<String>,
    /// When the release was approved (`change-advisory-status` passed); otherwise null.
    pub approved: Option<String>,
    /// Until when the time is counted: the approval, or the moment of looking.
    pub until: String,
    /// The length of the whole, in seconds.
    pub seconds: i64,
    /// The sums, in the order of [`Share::ALL`]; together they are the whole.
    pub totals: Vec<Total>,
    /// What is known of each task and issue, by its beginning.
    pub stretches: Vec<Stretch>,
    /// The whole, cut into pieces without gaps.
    pub pieces: Vec<Piece>,
    /// What the file cannot tell.
    pub not_known: Vec<String>,
}

impl Timeline {
    /// Where the time of the release in `state` went, seen at `now`. It works on files of any age.
    pub fn of(state: &State, now: Timestamp) -> Self {
        Reading::of(state, now).timeline()
    }
}

/// What was read so far.
struct Reading {
    began: Option<i64>,
    approved: Option<i64>,
    now: i64,
    stretches: Vec<Stretch>,
    not_known: BTreeSet<String>,
}

impl Reading {
    fn of(state: &State, now: Timestamp) -> Self {
        let mut reading = Self {
            began: None,
            approved: None,
            now: now.as_second(),
            stretches: Vec::new(),
            not_known: BTreeSet::new(),
        };
        reading.began = reading.time(state.created_at(), "created_at of the file");
        let tasks = state.tasks();
        let approval = tasks.iter().find(|task| task.task == Some(TaskName::ChangeAdvisoryStatus));
        reading.approved = approval
            .filter(|task| task.status == TaskStatus::Pass)
            .and_then(|task| reading.time(task.completed_at.as_deref(), "the end of change-advisory-status"));
        if reading.approved.zip(reading.began).is_some_and(|(approved, began)| approved < began) {
            reading.approved = None;
            reading.unknown("when the release was approved: that is before its StateBox was made");
        } else if reading.approved.is_none() && approval.is_some_and(|task| task.status == TaskStatus::Pass) {
            reading.unknown("when the release was approved");
        }
        for task in &tasks {
            reading.take(task);
        }
        for issue in state.issues() {
            reading.take_issue(&issue);
        }
        reading.take_questions(state, &tasks);
        reading.take_holds(state);
        reading
    }

    fn unknown(&mut self, what: impl Into<String>) {
        self.not_known.insert(what.into());
    }

    /// The time that a file holds; what cannot be read, or lies in the future, is not known.
    fn time(&mut self, text: Option<&str>, what: &str) -> Option<i64> {
        let text = text?;
        let Ok(time) = parsed(text) else {
            self.unknown(format!("{what}: it is no time that can be read"));
            return None;
        };
        if time > self.now {
            self.unknown(format!("{what}: it is in the future"));
            return None;
        }
        Some(time)
    }

    fn add(&mut self, share: Share, what: impl Into<String>, from: i64, until: i64) {
        if from < until {
            let span = (from, until);
            self.stretches.push(Stretch {
                share,
                what: what.into(),
                from: text(from),
                until: text(until),
                span,
            });
        }
    }

    fn take(&mut self, task: &TaskView) {
        if task.history.is_empty() {
            self.take_last(task);
            return;
        }
        let mut waits_since = None::<(i64, Share)>;
        for run in &task.history {
            let what = format!("a run of {}", task.name);
            let Some(from) = self.time(run.started.as_deref(), &format!("the start of {what}")) else {
                continue;
            };
            let waited = waits_since.take();
            if let Some((since, share)) = waited {
                self.add(share, &task.name, since, from);
            }
            let until = self.time(run.finished.as_deref(), &format!("the end of {what}"));
            match until {
                Some(until) => self.add(Share::Tools, &task.name, from, until),
                None if run.outcome.is_none() && is_last(task, &run.id) => {
                    let lease = lease_of(task, &run.id).unwrap_or(from);
                    self.add(Share::Tools, &task.name, from, lease.min(self.now));
                    if lease < self.now {
                        self.unknown(format!(
                            "when {what} ended: it was not recorded, and nothing renews its claim"
                        ));
                    }
                }
                None => self.unknown(format!("when {what} ended: its end was never recorded")),
            }
            let is_outside = task.task.is_some_and(|name| OUTSIDE.contains(&name));
            waits_since = match (run.outcome, until) {
                (Some(RunOutcome::InProgress), Some(until)) if is_outside => Some((until, Share::Systems)),
                (Some(RunOutcome::Fail | RunOutcome::Blocked), Some(until)) => Some((until, Share::Person)),
                // A look that failed changes nothing of what was waited for.
                (Some(RunOutcome::Unknown | RunOutcome::Interrupted), until) => {
                    waited.map(|(_, share)| (until.unwrap_or(from), share))
                }
                _ => None,
            };
        }
        // What goes on waiting now.
        if let Some((since, share)) = waits_since
            && task.status != TaskStatus::Pass
        {
            self.add(share, &task.name, since, self.now);
        }
    }

    /// A task of which only the last state is kept.
    fn take_last(&mut self, task: &TaskView) {
        let name = &task.name;
        let from = self.time(task.started_at.as_deref(), &format!("the start of {name}"));
        let until = self.time(task.completed_at.as_deref(), &format!("the end of {name}"));
        if task.status == TaskStatus::NotStarted {
            return;
        }
        self.unknown(format!("earlier runs of {name}: the file keeps only its last status"));
        let Some(from) = from else { return };
        let until = match (until, task.status) {
            (Some(until), _) => until,
            (None, TaskStatus::InProgress) => self.now,
            (None, _) => return self.unknown(format!("when {name} ended")),
        };
        if until < from {
            return self.unknown(format!("how long {name} took: its end is before its start"));
        }
        let waits = task.task.is_some_and(|name| OUTSIDE.contains(&name));
        match (waits, until - from) {
            (true, _) => self.add(Share::Systems, name, from, until),
            (false, ..=LONGEST_RUN) => self.add(Share::Tools, name, from, until),
            (false, _) => {
                self.unknown(format!(
                    "what happened between the start and the end of {name}: no run takes as long"
                ));
            }
        }
    }

    fn take_issue(&mut self, issue: &super::views::IssueView) {
        if !issue.blocker {
            return;
        }
        let Some(from) = self.time(issue.reported_at.as_deref(), "when a blocker was reported") else {
            return self.unknown("when a blocker was reported");
        };
        let until = self.time(issue.resolved_at.as_deref(), "when a blocker was resolved");
        let until = match (until, issue.resolved) {
            (Some(until), _) => until,
            (None, false) => self.now,
            (None, true) => return self.unknown("when a blocker was resolved"),
        };
        let what = match issue.related_tasks.as_slice() {
            [] => "a blocker".to_owned(),
            tasks => format!("a blocker of {}", tasks.join(", ")),
        };
        self.add(Share::Person, what, from, until);
    }

    fn timeline(mut self) -> Timeline {
        let first = self.stretches.iter().map(|stretch| stretch.span.0).min();
        let Some(began) = self.began.or(first) else {
            self.unknown("when the release began: the file has no time");
            return self.empty();
        };
        if self.began.is_none() {
            self.unknown("when the StateBox was made; the first known moment stands for it");
        }
        let honest = parsed(HONEST_TIMES).unwrap_or(i64::MAX);
        if began < honest && !self.stretches.is_empty() {
            self.unknown("whether times before May 2026 are UTC: programs stored local times as UTC");
        }
        let until = self.approved.unwrap_or(self.now).max(began);
        let pieces = pieces(&self.stretches, began, until);
        let totals = Share::ALL.map(|share| {
            let own = pieces.iter().filter(|piece| piece.share == share);
            Total { share, seconds: own.map(|piece| piece.seconds).sum() }
        });
        self.stretches
            .sort_by(|one, other| one.span.cmp(&other.span).then_with(|| one.what.cmp(&other.what)));
        Timeline {
            began: Some(text(began)),
            approved: self.approved.map(text),
            until: text(until),
            seconds: until - began,
            totals: totals.to_vec(),
            stretches: self.stretches,
            pieces,
            not_known: self.not_known.into_iter().collect(),
        }
    }

    fn empty(self) -> Timeline {
        Timeline {
            began: None,
            approved: None,
            until: text(self.now),
            seconds: 0,
            totals: Share::ALL.map(|share| Total { share, seconds: 0 }).to_vec(),
            stretches: Vec::new(),
            pieces: Vec::new(),
            not_known: self.not_known.into_iter().collect(),
        }
    }
}

/// The time from `began` to `until` without gaps, cut where a stretch begins or ends; neighbors that are alike are one.
fn pieces(stretches: &[Stretch], began: i64, until: i64) -> Vec<Piece> {
    let mut cuts = BTreeSet::from([began, until]);
    let ends = stretches.iter().flat_map(|stretch| [stretch.span.0, stretch.span.1]);
    cuts.extend(ends.filter(|cut| (began..=until).contains(cut)));
    let cuts: Vec<i64> = cuts.into_iter().collect();
    let mut pieces: Vec<Piece> = Vec::new();
    for pair in cuts.windows(2) {
        let [from, until] = *pair else { continue };
        let at: Vec<&Stretch> =
            stretches.iter().filter(|stretch| stretch.span.0 <= from && stretch.span.1 >= until).collect();
        let share = at.iter().map(|stretch| stretch.share).min().unwrap_or(Share::Nobody);
        let what: BTreeSet<&str> =
            at.iter().filter(|stretch| stretch.share == share).map(|stretch| stretch.what.as_str()).collect();
        let what: Vec<String> = what.into_iter().map(str::to_owned).collect();
        match pieces.last_mut().filter(|last| last.share == share && last.what == what) {
            Some(last) => {
                last.until = text(until);
                last.seconds += until - from;
            }
            None => pieces.push(Piece {
                share,
                from: text(from),
                until: text(until),
                seconds: until - from,
                what,
            }),
        }
    }
    pieces
}

/// Files hold `2026-07-01T10:00:06Z`, with fractions and offsets in older ones, and without any offset in the oldest.
fn parsed(text: &str) -> Result<i64, jiff::Error> {
    let text = text.trim();
    text.parse::<Timestamp>().map(Timestamp::as_second).or_else(|_| {
        let civil: jiff::civil::DateTime = text.parse()?;
        Ok(civil.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_second())
    })
}

fn text(second: i64) -> String {
    Timestamp::from_second(second).map(stamp).unwrap_or_default()
}

/// Until when the claim of this run of the task lasts.
fn lease_of(task: &TaskView, id: &str) -> Option<i64> {
    let claim = task.claim.as_ref().filter(|claim| claim.run == id)?;
    parsed(&claim.lease_until).ok()
}

/// Whether the run with this id is the last one of the task.
fn is_last(task: &TaskView, id: &str) -> bool {
    task.history.last().is_some_and(|last| last.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(text: &str, now: &str) -> Timeline {
        Timeline::of(&State::parse(text).unwrap(), now.parse().unwrap())
    }

    fn file(created: &str, rest: &str) -> String {
        format!(
            "schema_version: '1.0'\nrelease: 4.19.1\ncreated_at: '{created}'\nupdated_at: '{created}'\nmetadata:\n  \
             jira_ticket: ART-1\n  advisory_ids:\n    rpm: 1\n  release_date: 2026-Jul-07\n  candidate_builds: {{}}\n  \
             shipment_mr: https://gitlab.example.com/g/p/-/merge_requests/1\n{rest}"
        )
    }

    fn seconds(timeline: &Timeline, share: Share) -> i64 {
        timeline.totals.iter().find(|total| total.share == share).unwrap().seconds
    }

    const OLD: &str = "tasks:\n- name: take-ownership\n  status: Pass\n  started_at: '2026-07-01T01:00:00Z'\n  \
        completed_at: '2026-07-01T01:00:30Z'\n  result: x\n- name: stage-testing\n  status: Pass\n  started_at: \
        '2026-07-01T02:00:00Z'\n  completed_at: '2026-07-01T05:00:00Z'\n  result: x\n- name: change-advisory-status\n  \
        status: Pass\n  started_at: '2026-07-01T08:00:00Z'\n  completed_at: '2026-07-01T10:00:00Z'\n  result: x\nissues:\n- \
        issue: down\n  reported_at: '2026-07-01T03:00:00Z'\n  resolved: true\n  resolution: up\n  blocker: true\n  \
        related_tasks:\n  - stage-testing\n  resolved_at: '2026-07-01T04:00:00Z'\n";

    #[test]
    fn a_file_of_the_python_tooling_tells_what_it_can() {
        let found = timeline(&file("2026-07-01T00:00:00Z", OLD), "2026-08-01T00:00:00Z");
        assert_eq!(found.seconds, 10 * 3600);
        assert_eq!(found.approved.as_deref(), Some("2026-07-01T10:00:00Z"));
        assert_eq!(seconds(&found, Share::Tools), 30);
        assert_eq!(seconds(&found, Share::Person), 3600);
        assert_eq!(seconds(&found, Share::Systems), 2 * 3600 + 2 * 3600);
        assert_eq!(seconds(&found, Share::Nobody), 10 * 3600 - 30 - 5 * 3600);
        assert_eq!(found.totals.iter().map(|total| total.seconds).sum::<i64>(), found.seconds);
        assert!(found.not_known.iter().any(|what| what.contains("only its last status")), "{found:#?}");
    }

    #[test]
    fn the_pieces_are_the_whole_without_gaps() {
        let found = timeline(&file("2026-07-01T00:00:00Z", OLD), "2026-08-01T00:00:00Z");
        assert_eq!(found.pieces.first().map(|piece| &piece.from), found.began.as_ref());
        assert_eq!(found.pieces.last().map(|piece| &piece.until), Some(&found.until));
        for pair in found.pieces.windows(2) {
            assert_eq!(pair[0].until, pair[1].from);
            assert!(pair[0].share != pair[1].share || pair[0].what != pair[1].what, "{pair:#?}");
        }
    }

    #[test]
    fn runs_of_a_history_are_the_tools_and_what_comes_between_them_is_the_wait() {
        let run = |id: &str, from: &str, until: &str, outcome: &str| {
            format!(
                "  - id: {id}\n    started: '2026-07-01T{from}:00Z'\n    finished: {until}\n    by: lead\n    command: \
                 stage-testing\n    outcome: {outcome}\n"
            )
        };
        let at = |time: &str| format!("'2026-07-01T{time}:00Z'");
        let task = |status: &str, runs: &str| {
            format!(
                "tasks:\n- name: stage-testing\n  status: {status}\n  started_at: '2026-07-01T01:00:00Z'\n  \
                 completed_at: null\n  result: x\n  history:\n{runs}issues: []\n"
            )
        };
        let runs = [
            run("a", "01:00", &at("01:01"), "In Progress"),
            run("b", "03:01", &at("03:02"), "Fail"),
            run("c", "05:02", &at("05:03"), "In Progress"),
        ];
        let text = file("2026-07-01T00:00:00Z", &task("In Progress", &runs.concat()));
        let found = timeline(&text, "2026-07-01T06:03:00Z");
        assert_eq!(seconds(&found, Share::Tools), 180);
        assert_eq!(seconds(&found, Share::Systems), 2 * 3600 + 3600);
        assert_eq!(seconds(&found, Share::Person), 2 * 3600);
        assert_eq!(seconds(&found, Share::Nobody), 3600);
        assert_eq!(found.approved, None);
        // A look that failed, or was cut off, does not end the wait for the job.
        let looks = [
            run("a", "01:00", &at("01:01"), "In Progress"),
            run("b", "02:00", &at("02:01"), "Unknown"),
            run("c", "03:00", "null", "Interrupted"),
        ];
        let text = file("2026-07-01T00:00:00Z", &task("In Progress", &looks.concat()));
        let found = timeline(&text, "2026-07-01T06:00:00Z");
        assert_eq!((seconds(&found, Share::Tools), seconds(&found, Share::Systems)), (120, 5 * 3600 - 120));
        // A run that goes on, and one that was killed: its claim is not renewed any more.
        let claim = "  claim:\n    run: a\n    by: lead\n    since: '2026-07-01T01:00:00Z'\n    lease_until: \
                     '2026-07-01T01:10:00Z'\n";
        let running = run("a", "01:00", "null", "null") + claim;
        let text = file("2026-07-01T00:00:00Z", &task("In Progress", &running));
        for (now, tools, is_known) in [("01:05", 300, true), ("06:00", 600, false)] {
            let found = timeline(&text, &format!("2026-07-01T{now}:00Z"));
            assert_eq!(seconds(&found, Share::Tools), tools, "{now}");
            assert_eq!(found.not_known.is_empty(), is_known, "{found:#?}");
        }
        // A run whose end was lost does not count as running ever since.
        let lost = [run("a", "01:00", "null", "Interrupted"), run("b", "05:00", &at("05:01"), "Pass")];
        let text = file("2026-07-01T00:00:00Z", &task("Pass", &lost.concat()));
        let found = timeline(&text, "2026-07-01T06:00:00Z");
        assert_eq!(seconds(&found, Share::Tools), 60);
        assert!(found.not_known.iter().any(|what| what.contains("never recorded")), "{found:#?}");
    }

    #[test]
    fn questions_and_holds_wait_for_people() {
        let text = file(
            "2026-07-01T00:00:00Z",
            "tasks:\n- name: stage-testing\n  status: In Progress\n  started_at: '2026-07-01T05:00:00Z'\n  completed_at: \
             null\n  result: x\n  history:\n  - id: a\n    started: '2026-07-01T05:00:00Z'\n    finished: \
             '2026-07-01T05:01:00Z'\n    by: lead\n    command: stage-testing\n    outcome: Not Started\nissues: \
             []\ndecisions:\n- id: d1\n  kind: hold\n  reason: wait\n  by: lead\n  at: '2026-07-01T10:00:00Z'\n  until: \
             '2026-07-01T20:00:00Z'\n  withdrawn:\n    by: lead\n    at: '2026-07-01T11:00:00Z'\n- id: d2\n  kind: hold\n  \
             reason: wait\n  by: lead\n  at: '2026-07-01T12:00:00Z'\n  until: '2026-07-01T14:00:00Z'\ndrive:\n  asked:\n  \
             - key: thread\n    since: '2026-07-01T01:00:00Z'\n    told: '2026-07-01T01:00:00Z'\n  - key: a\n    node: \
             stage-testing\n    since: '2026-07-01T02:00:00Z'\n    told: '2026-07-01T02:00:00Z'\n  - key: b\n    node: \
             promotion\n    since: '2026-07-01T03:00:00Z'\n    told: '2026-07-01T03:00:00Z'\n  - key: c\n    node: \
             shipped\n    since: '2026-07-01T23:00:00Z'\n    told: '2026-07-01T23:00:00Z'\n  - key: d\n    since: \
             '2026-07-01T04:00:00Z'\n    told: '2026-07-01T04:00:00Z'\n  - key: summary-2026-07-01\n    since: \
             '2026-07-01T15:00:00Z'\n    told: '2026-07-01T15:00:00Z'\n  - key: e\n    node: drop-bugs\n    since: \
             '2026-07-01T15:00:00Z'\n    told: '2026-07-01T15:00:00Z'\n    answered: '2026-07-01T17:00:00Z'\n",
        );
        let found = timeline(&text, "2026-07-02T00:00:00Z");
        assert_eq!(seconds(&found, Share::Person), (3 + 1 + 2 + 2 + 1) * 3600, "{:#?}", found.stretches);
        for words in ["when the question about promotion was answered", "does not say what they are about"] {
            assert!(found.not_known.iter().any(|what| what.contains(words)), "{:#?}", found.not_known);
        }
    }

    #[test]
    fn an_approval_before_the_statebox_is_none() {
        let found = timeline(&file("2026-07-01T09:00:00Z", OLD), "2026-07-01T12:00:00Z");
        assert_eq!(found.approved.as_deref(), Some("2026-07-01T10:00:00Z"));
        let found = timeline(&file("2026-07-01T11:00:00Z", OLD), "2026-07-01T12:00:00Z");
        assert_eq!((found.approved, found.seconds), (None, 3600));
        assert!(
            found.not_known.iter().any(|what| what.contains("before its StateBox")),
            "{:#?}",
            found.not_known
        );
    }

    #[test]
    fn what_cannot_be_true_is_said_and_not_counted() {
        let bad = "tasks:\n- name: take-ownership\n  status: Pass\n  started_at: '2026-07-01T03:00:00Z'\n  \
            completed_at: '2026-07-01T02:00:00Z'\n  result: x\n- name: stage-testing\n  status: Pass\n  started_at: \
            '2027-07-01T02:00:00Z'\n  completed_at: soon\n  result: x\nissues: []\n";
        let found = timeline(&file("2026-07-01T00:00:00Z", bad), "2026-07-01T10:00:00Z");
        assert_eq!(seconds(&found, Share::Nobody), found.seconds);
        for words in ["its end is before its start", "it is in the future", "no time that can be read"] {
            assert!(
                found.not_known.iter().any(|what| what.contains(words)),
                "{words}: {:#?}",
                found.not_known
            );
        }
        let empty = timeline(&file("soon", "tasks: []\nissues: []\n"), "2026-07-01T10:00:00Z");
        assert_eq!((empty.began, empty.seconds, empty.pieces.len()), (None, 0, 0));
    }

    #[test]
    fn every_spelling_of_a_time_is_read() {
        for text in [
            "2026-07-01T10:00:06Z",
            "2026-07-01T10:00:06.123456+00:00",
            "2026-07-01T12:00:06+02:00",
            "2026-07-01T10:00:06",
            "2026-07-01 10:00:06",
        ] {
            assert_eq!(parsed(text).unwrap(), 1_782_900_006, "{text}");
        }
        assert!(parsed("yesterday").is_err());
    }

    #[test]
    #[ignore = "needs real files: OAR_SAMPLES=DIR cargo test -p oar-core --lib timeline -- --ignored"]
    fn real_files_give_a_whole_without_gaps() {
        let folder = std::env::var_os("OAR_SAMPLES").expect("OAR_SAMPLES names a directory with statebox/");
        let mut count = 0;
        for entry in std::fs::read_dir(std::path::Path::new(&folder).join("statebox")).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let found = timeline(&text, "2026-08-01T00:00:00Z");
            assert_eq!(found.totals.iter().map(|total| total.seconds).sum::<i64>(), found.seconds);
            assert_eq!(found.pieces.iter().map(|piece| piece.seconds).sum::<i64>(), found.seconds);
            assert!(found.began.is_some());
            count += 1;
        }
        assert!(count > 0);
    }
}

//! What must be so before a task begins: earlier tasks and their blockers, by the StateBox (spec 05 §8.5, §8.7).
//!
//! Everything that stands in the way is said at once. An unknown result stands in the way too.

use jiff::Timestamp;

use crate::error::{Classified, ErrorClass};
use crate::failures::gravest;
use crate::flow::nodes::{chain, only_informs, prerequisites};
use crate::flow::outcome::{Check, Refusal, Verdict};
use crate::flow::runner::resolve_command;
use crate::statebox::{IssueView, State, TaskName, TaskStatus, Verdict as Decision};

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Problem {
    /// What, in one sentence.
    pub text: String,
    /// Who can clear it, and how.
    pub next: Option<String>,
    /// Whether it is a fact that blocks, or something that could not be found out.
    pub class: ErrorClass,
}

impl Problem {
    /// A fact that stands in the way.
    pub fn blocked(text: impl Into<String>) -> Self {
        Self { text: text.into(), next: None, class: ErrorClass::Blocked }
    }

    /// Something that could not be found out because of a failure of class `cause`. That is no verdict, whatever the
    /// service answered: it is missing configuration, or the service is to be asked again.
    pub fn unknown(text: impl Into<String>, cause: ErrorClass) -> Self {
        Self { text: text.into(), next: None, class: cause.of_unknown() }
    }

    /// The same with the next step.
    #[must_use]
    pub fn then(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    fn check(&self) -> Check {
        let verdict = if self.class == ErrorClass::Blocked { Verdict::Blocked } else { Verdict::Unknown };
        Check { verdict, text: self.text.clone(), next: self.next.clone() }
    }
}

impl Classified for Problem {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn hint(&self) -> Option<String> {
        self.next.clone()
    }
}

/// All that stands in the way in one refusal, with what is as it must be; `None` when nothing stands in the way.
///
/// The gravest class is that of the whole ([`gravest`]).
pub fn refusal(open: &[Check], problems: &[Problem]) -> Option<Refusal> {
    let class = gravest(problems.iter().map(|problem| problem.class))?;
    let texts: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    let text = match texts.as_slice() {
        [one] => (*one).to_owned(),
        many => {
            let numbered: Vec<String> =
                many.iter().enumerate().map(|(index, text)| format!("({}) {text}", index + 1)).collect();
            format!("{} things stand in the way: {}", many.len(), numbered.join("; "))
        }
    };
    let hint = if class == ErrorClass::Blocked {
        "Fix what is marked, then run the same command again; nothing was changed.".to_owned()
    } else {
        unknown_hint(class, problems)
    };
    let headline = match problems.len() {
        1 => "1 thing stands in the way".to_owned(),
        many => format!("{many} things stand in the way"),
    };
    let checks = open.iter().cloned().chain(problems.iter().map(Problem::check)).collect();
    Some(Refusal::new(class, text).with_hint(hint).with_checks(headline, checks))
}

/// The next step where something could not be found out. What only a person can fix, such as a missing ticket, is named:
/// the list of checks is not where the hint goes, such as into a message.
fn unknown_hint(class: ErrorClass, problems: &[Problem]) -> String {
    let mut fixes: Vec<&str> = Vec::new();
    if class == ErrorClass::Configuration {
        let nexts = problems.iter().filter(|problem| problem.class == class);
        for next in nexts.filter_map(|problem| problem.next.as_deref()) {
            if !fixes.contains(&next) {
                fixes.push(next);
            }
        }
    }
    match fixes.as_slice() {
        [] => "Run the same command again when the services answer; nothing was changed.".to_owned(),
        fixes => format!("{} Then run the same command again; nothing was changed.", fixes.join(" ")),
    }
}

/// What the StateBox says of the tasks before `task` and of the issues that block it or them: the gates that are
/// open, and what stands in the way. Nothing when `task` has passed already.
pub fn before(task: TaskName, state: Option<&State>, now: Timestamp) -> (Vec<Check>, Vec<Problem>) {
    let (mut open, mut problems) = (Vec::new(), Vec::new());
    let Some(state) = state else {
        let problem = Problem::blocked("the release has no StateBox").then("run `create-test-report` first");
        return (open, vec![problem]);
    };
    if state.task(task).is_some_and(|view| view.status == TaskStatus::Pass) {
        return (open, problems);
    }
    for earlier in prerequisites(task) {
        match passed(state, earlier, now) {
            Ok(words) => open.push(Check::ok(words.of(earlier))),
            Err(problem) => problems.push(problem),
        }
    }
    // A task that has passed is not waived any more: what blocks it since then counts.
    let is_waived = |task: &TaskName| {
        let has_passed = state.task(*task).is_some_and(|view| view.status == TaskStatus::Pass);
        !has_passed && state.is_waived(*task, now)
    };
    let waived: Vec<TaskName> = TaskName::ALL.into_iter().filter(is_waived).collect();
    let blockers = blockers(task, state, &waived);
    if blockers.is_empty() {
        open.push(Check::ok("no open issue blocks the release"));
    }
    problems.extend(blockers.iter().map(|issue| {
        let what = match issue.related_tasks.as_slice() {
            [] => "the release".to_owned(),
            tasks => tasks.join(", "),
        };
        Problem::blocked(format!("an open issue blocks {what}: {}", issue.issue)).then(format!(
            "when it is resolved: {}",
            resolve_command(state.release().unwrap_or_default(), &issue.issue)
        ))
    }));
    (open, problems)
}

/// Refuses `task` while something before it stands in the way; otherwise the gates that are open.
pub fn require(task: TaskName, state: Option<&State>, now: Timestamp) -> Result<Vec<Check>, Refusal> {
    let (open, problems) = before(task, state, now);
    match refusal(&open, &problems) {
        Some(refusal) => Err(refusal),
        None => Ok(open),
    }
}

/// Why an earlier task does not stand in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Passed {
    Pass,
    Waived {
        by: String,
        reason: String,
    },
    /// The tests of the candidate build only inform: any verdict will do (spec 05 §8.8, 3).
    Judged(TaskStatus),
    NotAvailable,
}

impl Passed {
    fn of(&self, task: TaskName) -> String {
        match self {
            Self::Pass => format!("{task} is Pass"),
            Self::Waived { by, reason } if by.is_empty() || reason.is_empty() => format!("{task} is waived"),
            Self::Waived { by, reason } => format!("{task} is waived by {by}: {reason}"),
            Self::Judged(status) => format!("{task} has its verdict, which only informs: {status}"),
            Self::NotAvailable => format!("{task}: an issue says that its result is not available"),
        }
    }
}

/// The issue that says that the result of `task` is not available, resolved or not.
pub fn not_available(state: &State, task: TaskName) -> Option<IssueView> {
    let says_so = |issue: &IssueView| {
        issue.related_tasks.iter().any(|name| name == task.id())
            && issue.issue.to_lowercase().contains("not available")
    };
    state.issues().into_iter().find(says_so)
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
        /// Those without a verdict that will do.
        on: Vec<TaskName>,
    },
}

/// Whether the command of `task` can be run in `state` at `now`. One answer for the command line, the MCP server and the bot.
pub fn readiness(state: &State, task: TaskName, now: Timestamp) -> Readiness {
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
    let on: Vec<TaskName> =
        prerequisites(task).filter(|earlier| passed(state, *earlier, now).is_err()).collect();
    if on.is_empty() { Readiness::Ready } else { Readiness::Waits { on } }
}

/// How many days before its date a release may be approved (spec 05 §8.5, W).
pub const DAYS_BEFORE: i64 = 1;
/// From so many days after its date on, an approval that is waited for is late: it has the day after the date, too.
pub const DAYS_AFTER: i64 = 2;

/// Whether people let the release go on without both of its builds judged: a hurried fix, which the rule of the day does not
/// hold back (spec 05 §8.5, W).
pub fn is_hurried(state: &State, now: Timestamp) -> bool {
    let builds = [TaskName::AnalyzeCandidateBuild, TaskName::AnalyzePromotedBuild];
    builds.into_iter().all(|build| state.is_waived(build, now))
}

fn passed(state: &State, task: TaskName, now: Timestamp) -> Result<Passed, Problem> {
    let informs = only_informs(task);
    let view = state.task(task);
    let status = view.as_ref().map_or(TaskStatus::NotStarted, |view| view.status);
    let release = state.release().unwrap_or_default();
    let waivers = state.waivers(task);
    let waiver = waivers.iter().find(|waiver| waiver.counts_at(now) && status != TaskStatus::Pass);
    let by_waiver =
        waiver.map(|waiver| Passed::Waived { by: waiver.by.clone(), reason: waiver.reason.clone() });
    // Beside another step a decision is a note, and the engine reads it so, too.
    if task == TaskName::AnalyzePromotedBuild
        && by_waiver.is_none()
        && let Some(decision) = state.newer_verdict(task)
        && decision.verdict == Some(Decision::Reject)
    {
        let text = format!("{task} was rejected by {}: {}", decision.by, decision.reason);
        return Err(Problem::blocked(text).then(format!(
            "when that no longer holds: oar -r {release} decide {task} accept --reason TEXT"
        )));
    }
    match status {
        TaskStatus::Pass => return Ok(Passed::Pass),
        TaskStatus::Fail if informs => return Ok(Passed::Judged(status)),
        _ => {}
    }
    if let Some(passed) = by_waiver {
        return Ok(passed);
    }
    if informs && not_available(state, task).is_some() {
        return Ok(Passed::NotAvailable);
    }
    let next = if informs || task == TaskName::AnalyzePromotedBuild {
        format!("judge the tests, then: oar -r {release} task set {task} Pass --reason TEXT")
    } else if task == TaskName::ImageConsistencyCheck && !state.metadata().is_konflux() {
        format!("oar -r {release} {task} -i JOB_ID (the id of the Prow job that ART started)")
    } else if task == TaskName::TakeOwnership {
        format!("oar -r {release} {task} -e ADDRESS")
    } else {
        format!("oar -r {release} {task}")
    };
    let must = if informs { "have a verdict" } else { "be Pass" };
    let expired = if waivers.is_empty() { "" } else { ": its waiver has expired" };
    Err(Problem::blocked(format!("{task} is {status}, and must {must}{expired}")).then(next))
}

/// The open blockers of the release, of `task` and of everything before it, but those of tasks that are waived. The
/// approval comes last: nothing at all may block it.
fn blockers(task: TaskName, state: &State, waived: &[TaskName]) -> Vec<IssueView> {
    let chain = chain(task);
    let is = |name: &String, tasks: &[TaskName]| tasks.iter().any(|task| name == task.id());
    let mut issues = state.issues();
    issues.retain(|issue| {
        let tasks = &issue.related_tasks;
        let concerned = tasks.is_empty()
            || task == TaskName::ChangeAdvisoryStatus
            || tasks.iter().any(|name| name == task.id() || is(name, &chain));
        let answered_for = !tasks.is_empty() && tasks.iter().all(|name| is(name, waived));
        issue.blocks() && concerned && !answered_for
    });
    issues
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::statebox::{
        DecisionKind, ManualStatus, Metadata, NewDecision, NewIssue, NodeName, Subject, Waiver,
    };

    fn now() -> Timestamp {
        date(2026, 7, 6).at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
    }

    fn state(passed: &[TaskName]) -> State {
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), now());
        for task in passed {
            set(&mut state, *task, TaskStatus::Pass);
        }
        state
    }

    fn set(state: &mut State, task: TaskName, status: TaskStatus) {
        let manual = ManualStatus {
            id: format!("{task} {status}"),
            status,
            by: "tester".to_owned(),
            reason: format!("for the test: {status}"),
            at: now(),
            result: None,
            force: true,
        };
        let _ = state.set_task(task, &manual).unwrap();
    }

    fn problems(state: &State, task: TaskName) -> Vec<String> {
        before(task, Some(state), now()).1.into_iter().map(|problem| problem.text).collect()
    }

    fn all() -> Vec<TaskName> {
        prerequisites(TaskName::ChangeAdvisoryStatus).collect()
    }

    #[test]
    fn the_approval_wants_every_task_before_it() {
        assert_eq!(problems(&state(&all()), TaskName::ChangeAdvisoryStatus), Vec::<String>::new());
        for missing in all() {
            let mut state = state(&all());
            set(&mut state, missing, TaskStatus::InProgress);
            let found = problems(&state, TaskName::ChangeAdvisoryStatus);
            assert_eq!(found.len(), 1, "{missing}: {found:?}");
            assert!(found[0].starts_with(&format!("{missing} is In Progress, and must ")), "{found:?}");
        }
        for name in ["take-ownership", "push-to-cdn-staging", "image-signed-check"] {
            assert!(all().iter().any(|task| task.id() == name), "{name}");
        }
    }

    #[test]
    fn the_candidate_build_needs_a_verdict_and_no_good_one() {
        let candidate = TaskName::AnalyzeCandidateBuild;
        let mut failed = state(&all());
        set(&mut failed, candidate, TaskStatus::Fail);
        assert_eq!(problems(&failed, TaskName::ChangeAdvisoryStatus), Vec::<String>::new());
        let rest: Vec<TaskName> = all().into_iter().filter(|task| *task != candidate).collect();
        let mut without = state(&rest);
        assert_eq!(problems(&without, TaskName::ChangeAdvisoryStatus).len(), 1);
        let _ =
            without.add_issue(&issue("the candidate build's result is not available", false, &[candidate]));
        assert_eq!(problems(&without, TaskName::ChangeAdvisoryStatus), Vec::<String>::new());
    }

    fn issue(text: &str, blocker: bool, tasks: &[TaskName]) -> NewIssue {
        NewIssue { text: text.to_owned(), blocker, related_tasks: tasks.to_vec(), at: now() }
    }

    #[test]
    fn blockers_of_every_task_before_it_count() {
        for tasks in
            [&[][..], &[TaskName::PushToCdnStaging], &[TaskName::TakeOwnership], &[TaskName::DropBugs]]
        {
            let mut state = state(&all());
            let _ = state.add_issue(&issue("something stands in the way", true, tasks));
            let found = problems(&state, TaskName::ChangeAdvisoryStatus);
            assert_eq!(found.len(), 1, "{tasks:?}: {found:?}");
            let testing = problems(&state, TaskName::StageTesting);
            let concerned = !tasks.contains(&TaskName::DropBugs);
            // Stage testing has passed in this state, so nothing is asked any more.
            assert_eq!(testing, Vec::<String>::new());
            set(&mut state, TaskName::StageTesting, TaskStatus::Fail);
            assert_eq!(problems(&state, TaskName::StageTesting).len(), usize::from(concerned), "{tasks:?}");
        }
    }

    #[test]
    fn a_waiver_answers_for_the_task_and_its_blockers() {
        let cve = TaskName::CheckCveTrackerBug;
        let mut state = state(&all());
        set(&mut state, cve, TaskStatus::Fail);
        let _ = state.add_issue(&issue("two trackers are missing", true, &[cve]));
        assert_eq!(problems(&state, TaskName::ChangeAdvisoryStatus).len(), 2);
        let waiver = Waiver {
            by: "lead".to_owned(),
            reason: "accepted".to_owned(),
            scope: None,
            at: "2026-07-05T00:00:00Z".to_owned(),
            expires: None,
        };
        let _ = state.set_waiver(cve, Some(&waiver));
        assert_eq!(problems(&state, TaskName::ChangeAdvisoryStatus), Vec::<String>::new());
    }

    #[test]
    fn a_waiver_that_was_recorded_counts_until_it_ends_or_is_taken_back() {
        let builds = [TaskName::AnalyzeCandidateBuild, TaskName::AnalyzePromotedBuild];
        let rest: Vec<TaskName> = all().into_iter().filter(|task| !builds.contains(task)).collect();
        let mut state = state(&rest);
        assert_eq!(problems(&state, TaskName::ChangeAdvisoryStatus).len(), 2);
        let until = "2026-07-06T13:00:00Z".parse().unwrap();
        for task in builds {
            let subject = Subject::Waiver { task, until: Some(until) };
            let (id, by) = (task.to_string(), "lead".to_owned());
            let decision = NewDecision { id, subject, by, at: now(), reason: "hurried fix".to_owned() };
            assert!(state.decide(&decision).is_changed());
        }
        let (open, problems) = before(TaskName::ChangeAdvisoryStatus, Some(&state), now());
        assert_eq!(problems, []);
        let words = "analyze-promoted-build is waived by lead: hurried fix";
        assert!(open.iter().any(|check| check.text == words), "{open:?}");
        let later = now().checked_add(jiff::SignedDuration::from_hours(2)).unwrap();
        let over = before(TaskName::ChangeAdvisoryStatus, Some(&state), later).1;
        assert_eq!(over.len(), 2);
        assert!(over.iter().all(|problem| problem.text.ends_with(": its waiver has expired")), "{over:?}");
        let node = Some(NodeName::Task(builds[1]));
        let _ = state.withdraw_decisions(DecisionKind::Waiver, node, "lead", now());
        let (_, problems) = before(TaskName::ChangeAdvisoryStatus, Some(&state), now());
        assert_eq!(problems.len(), 1);
        assert!(problems[0].text.starts_with("analyze-promoted-build is Not Started"), "{problems:?}");
    }

    #[test]
    fn a_rejected_build_blocks_until_it_is_waived_and_a_verdict_about_another_step_is_a_note() {
        let reject = |state: &mut State, task: TaskName| {
            let subject =
                Subject::Verdict { node: NodeName::Task(task), verdict: Decision::Reject, evidence: None };
            let (id, by) = (format!("reject {task}"), "lead".to_owned());
            let at = now().checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
            assert!(
                state.decide(&NewDecision { id, subject, by, at, reason: "broken".to_owned() }).is_changed()
            );
        };
        let build = TaskName::AnalyzePromotedBuild;
        let mut rejected = state(&all());
        reject(&mut rejected, build);
        let found = problems(&rejected, TaskName::ChangeAdvisoryStatus);
        assert_eq!(found, ["analyze-promoted-build was rejected by lead: broken"]);
        let rest: Vec<TaskName> = all().into_iter().filter(|task| *task != build).collect();
        let mut waived = state(&rest);
        reject(&mut waived, build);
        assert_eq!(problems(&waived, TaskName::ChangeAdvisoryStatus).len(), 1);
        let subject = Subject::Waiver { task: build, until: None };
        let (id, by) = ("waive".to_owned(), "lead".to_owned());
        let _ = waived.decide(&NewDecision { id, subject, by, at: now(), reason: "accepted".to_owned() });
        assert_eq!(problems(&waived, TaskName::ChangeAdvisoryStatus), Vec::<String>::new());
        for task in [TaskName::StageTesting, TaskName::AnalyzeCandidateBuild] {
            let mut state = state(&all());
            reject(&mut state, task);
            assert_eq!(problems(&state, TaskName::ChangeAdvisoryStatus), Vec::<String>::new(), "{task}");
        }
    }

    #[test]
    fn jobs_on_stage_wait_for_the_push() {
        for task in [TaskName::StageTesting, TaskName::ImageConsistencyCheck] {
            let refusal = require(task, Some(&state(&[TaskName::TakeOwnership])), now()).unwrap_err();
            assert_eq!(refusal.to_string(), "push-to-cdn-staging is Not Started, and must be Pass");
            assert!(require(task, Some(&state(&[TaskName::PushToCdnStaging])), now()).is_ok());
            assert!(require(task, None, now()).is_err());
        }
    }
}

//! Verdicts of tasks.

use jiff::Timestamp;

use super::judgement::Judgement;
use super::stale::inputs;
use super::{Evaluation, Judged, later, time, topic};
use crate::drive::facts::{BuildData, DropsView, FactKey, Seen, Tests};
use crate::drive::verdict::{Act, Verdict};
use crate::flow::gates::not_available;
use crate::flow::nodes::{Action, Cost, Node, Row, Who, only_informs};
use crate::statebox::{RunOutcome, RunView, TaskName, TaskStatus, TaskView, Verdict as Decision};

/// What is decided about the tests of a build.
pub(super) const JUDGE: [&str; 3] = ["accept", "reject", "wait"];
/// The issue that answers for the candidate build's tests when there are none.
const NOT_AVAILABLE: &str = "the result of the candidate build is not available";

/// Whether the task works on the release; the others only judge builds.
fn begins_work(row: &Row) -> bool {
    row.action != Action::Verdict
}

/// Why the tests of `build` count as passed: what stands where.
fn reason(build: &str, seen: &Seen<Tests>) -> String {
    let verdict = seen.value.verdict();
    match &seen.value {
        Tests::Record { blob, .. } => {
            format!("the tests of {build} are {verdict}: {} (blob {blob})", seen.address)
        }
        Tests::Absent => format!("the tests of {build} are {verdict}: {}", seen.address),
    }
}

/// Asks whether a build is accepted, with its case.
fn accept_it(build: &str, tests: &Tests) -> Judgement {
    let question = format!("the tests of {build} are {}: accept them?", tests.verdict());
    let asks = |question: String| Judgement::asks(question, &JUDGE).about("accept the tests?");
    let Some(case) = tests.case() else { return asks(question) };
    let question = format!("{question} {}", case.advice());
    Judgement { case: Some(case.clone()), ..asks(question).noting(case.summary()) }
}

impl Evaluation<'_> {
    pub(super) fn task(&self, task: TaskName, row: &Row) -> Judged {
        if task == TaskName::CreateTestReport {
            return self.create_test_report(row);
        }
        let view = self.tasks.get(&task);
        let status = self.status(task);
        let counts = !self.approved && !self.is_waived(task);
        if let Some(judgement) = counts.then(|| self.decided(task, row)).flatten() {
            return Ok(judgement);
        }
        if let Some(view) = view.filter(|_| status == TaskStatus::Pass) {
            return Ok(self.passed(task, view, row));
        }
        if let Some(judgement) = self.waived(task) {
            return Ok(judgement);
        }
        if only_informs(task) {
            if let Some(issue) = self.input.state.and_then(|state| not_available(state, task)) {
                let evidence =
                    self.stated("issues".to_owned(), issue.issue.clone(), issue.reported_at.as_ref());
                return Ok(Judgement::not_applicable(issue.issue).on(evidence));
            }
            if let Some(view) = view.filter(|_| status == TaskStatus::Fail) {
                return Ok(Judgement::new(Verdict::Done)
                    .noting("judged Fail, which only informs")
                    .since(time(view.completed_at.as_ref()))
                    .on(self.status_of(view)));
            }
        }
        if self.approved {
            return Ok(Judgement::not_applicable("the release is approved without it"));
        }
        if task == TaskName::DropBugs && self.waits_for_its_page() {
            return Ok(Judgement::not_applicable("the approval has begun without it"));
        }
        if let Some(claim) = view
            .and_then(|view| view.claim.as_ref())
            .filter(|claim| claim.holds_at(self.now(), self.input.ended))
        {
            let lease = claim.lease_until.parse().unwrap_or(self.input.now);
            return Ok(Judgement::running(format!("{} runs it", claim.by))
                .since(claim.since.parse().ok())
                .due(lease)
                .on(self.stated(format!("tasks.{task}.claim"), claim.by.clone(), Some(&claim.since))));
        }
        if let Some(view) = view.filter(|_| status == TaskStatus::InProgress) {
            match task {
                TaskName::ChangeAdvisoryStatus => {
                    if let Some(judgement) = self.approval_under_way(view, row) {
                        return Ok(judgement);
                    }
                }
                TaskName::ImageConsistencyCheck | TaskName::StageTesting => {
                    return self.job(task, view, row);
                }
                _ => {}
            }
        }
        if let Some(issue) = self.blocker(task) {
            return Ok(self.blocked_by(issue, row));
        }
        if let Some(rejected) =
            self.rejected().filter(|_| begins_work(row) && status != TaskStatus::InProgress)
        {
            return Ok(rejected);
        }
        self.after_others(row)?;
        if let Some(view) = view.filter(|_| status == TaskStatus::Fail) {
            return Ok(self.failed(task, view, row));
        }
        let ended = view.filter(|_| row.cost == Cost::Paid).and_then(|view| self.job_ended(task, view, row));
        if let Some(ended) = ended {
            return Ok(ended);
        }
        self.begins(task, view, row)
    }

    /// While the promoted build is rejected nothing new starts; what runs may end.
    fn rejected(&self) -> Option<Judgement> {
        let task = TaskName::AnalyzePromotedBuild;
        if self.is_waived(task) {
            return None;
        }
        let words =
            format!("the promoted build is rejected: nothing new starts until {task} is Pass or waived");
        let rejected = Judgement::blocked(words, Node::Task(task).row().who);
        if let Some(decision) = self.decision(task) {
            match decision.verdict {
                Some(Decision::Accept) => return None,
                Some(Decision::Reject) => {
                    return Some(rejected.since(time(Some(&decision.at))).on(self.of_decision(&decision)));
                }
                Some(Decision::Wait) | None => {}
            }
        }
        let view = self.tasks.get(&task).filter(|view| view.status == TaskStatus::Fail)?;
        Some(rejected.since(time(view.completed_at.as_ref())).on(self.status_of(view)))
    }

    /// The verdict of a task that can begin as far as the others go.
    pub(super) fn begins(&self, task: TaskName, view: Option<&TaskView>, row: &Row) -> Judged {
        let ready = || {
            let ready = Judgement::new(Verdict::Ready);
            match view {
                Some(view) if view.status == TaskStatus::InProgress => ready
                    .noting("the last run did not reach its end; run it again")
                    .since(time(view.started_at.as_ref()))
                    .on(self.status_of(view)),
                _ => ready,
            }
        };
        if let Some(waiting) = self.awaited(inputs(task), row) {
            return Ok(waiting);
        }
        match task {
            TaskName::TakeOwnership => match self.input.facts.build_data.value() {
                Some(BuildData::Present { has_owner: false, .. }) => Ok(Judgement::asks(
                    "no owner of the release is configured: who takes it?",
                    &["name an owner"],
                )
                .by_command(format!("oar -r {} {task} -e ADDRESS", self.input.release))),
                _ => Ok(ready()),
            },
            TaskName::UpdateBugList => Ok(self.bug_list(view, row, ready())),
            TaskName::DropBugs if self.status(TaskName::UpdateBugList) == TaskStatus::Pass => {
                let listed = self.tasks.get(&TaskName::UpdateBugList);
                let done = Judgement::not_applicable(
                    "every bug was verified, closed or dropped when the list was looked at",
                );
                Ok(match listed {
                    Some(listed) => done.on(self.status_of(listed)),
                    None => done,
                })
            }
            TaskName::DropBugs => self.drops(view, row, ready()),
            TaskName::AnalyzeCandidateBuild => self.candidate(row),
            TaskName::AnalyzePromotedBuild => self.promoted(row),
            TaskName::PushToCdnStaging => self.push(view, row),
            TaskName::ImageConsistencyCheck if self.konflux == Some(false) => Ok(Judgement::asks(
                "which Prow job did ART start for this release? Its id is not recorded",
                &["name the job"],
            )
            .by_command(format!("oar -r {} {task} -i JOB_ID", self.input.release))),
            TaskName::ImageSignedCheck => self.signatures(row, ready()),
            TaskName::ChangeAdvisoryStatus => self.approval(row),
            _ => Ok(ready()),
        }
    }

    /// A wait for an identifier among `fields` for which ART's build data has a placeholder.
    fn awaited(&self, fields: &[&str], row: &Row) -> Option<Judgement> {
        let pending = match self.input.facts.build_data.value() {
            Some(BuildData::Present { metadata, .. }) => &metadata.pending,
            _ => &self.metadata.pending,
        };
        // The advisory of MicroShift ships separately: nothing waits for it.
        let awaited = |field: &&String| {
            *field != "advisory_ids.microshift" && fields.iter().any(|wanted| field.starts_with(wanted))
        };
        let field = pending.iter().find(awaited)?;
        Some(
            Judgement::waiting(format!("ART: the build data has a placeholder for {field}"))
                .due(later(self.now(), row.poll))
                .on(self.stated("metadata.pending".to_owned(), field.clone(), None)),
        )
    }

    pub(super) fn create_test_report(&self, row: &Row) -> Judged {
        if let Some(state) = self.input.state {
            let created = state.created_at().map(str::to_owned);
            let evidence =
                self.stated("created_at".to_owned(), created.clone().unwrap_or_default(), created.as_ref());
            let view = self.tasks.get(&TaskName::CreateTestReport);
            let is_cut_off = |view: &&TaskView| {
                let claim = view.claim.as_ref();
                view.status == TaskStatus::InProgress
                    && !claim.is_some_and(|claim| claim.holds_at(self.now(), self.input.ended))
                    // One that has ended and keeps a message is no run without an end.
                    && view.last_run().is_some_and(|run| run.finished.is_none() && run.outcome.is_none())
            };
            if let Some(view) = view.filter(|_| !self.approved).filter(is_cut_off) {
                // It made the file and did not say so: the next one does.
                return Ok(Judgement::new(Verdict::Ready)
                    .only_looking()
                    .noting("the last run did not reach its end; run it again")
                    .since(time(view.started_at.as_ref()))
                    .on(self.status_of(view)));
            }
            return Ok(Judgement::new(Verdict::Done).since(time(created.as_ref())).on(evidence));
        }
        let seen = self.need(row, FactKey::BuildData, &self.input.facts.build_data)?;
        match &seen.value {
            BuildData::Absent(why) => Ok(Judgement::waiting(format!("ART's announcement: {why}"))
                .due(later(seen.at, row.poll))
                .on(self.read(seen, "assemblies", "absent"))),
            BuildData::Present { metadata, .. } => {
                let evidence =
                    self.read(seen, "release_date", metadata.release_date.clone().unwrap_or_default());
                if metadata.release_date.is_none() {
                    return Ok(Judgement::blocked("the build data names no release date", Who::Art)
                        .due(later(seen.at, row.poll))
                        .on(evidence));
                }
                // Without all advisories the file would be incomplete.
                Ok(self
                    .awaited(&["advisory_ids."], row)
                    .unwrap_or_else(|| Judgement::new(Verdict::Ready).on(evidence)))
            }
        }
    }

    pub(super) fn bug_list(&self, view: Option<&TaskView>, row: &Row, ready: Judgement) -> Judgement {
        // A run that a service or a kill ended before it had looked at the bugs is none.
        let has_looked = |run: &&RunView| {
            matches!(run.outcome, Some(RunOutcome::Pass | RunOutcome::InProgress | RunOutcome::Fail))
        };
        let last = view.and_then(|view| view.history.iter().rev().find(has_looked));
        let last = last.and_then(|run| time(run.finished.as_ref().or(run.started.as_ref())));
        match last.map(|last| later(last, row.poll)).filter(|due| *due > self.now()) {
            Some(due) => Judgement::waiting("the next day: it is repeated once a day").due(due),
            None => ready,
        }
    }

    pub(super) fn candidate(&self, row: &Row) -> Judged {
        let release = self.input.release;
        let unavailable = |why: &str| {
            Judgement::new(Verdict::Ready).noting(why.to_owned()).by_command(format!(
                "oar -r {release} issue add \"{NOT_AVAILABLE}\" --task analyze-candidate-build --no-blocker"
            ))
            .acting(Act::Issue(NOT_AVAILABLE.to_owned()))
        };
        let builds = &self.metadata.candidate_builds;
        let Some(build) = builds.get("x86_64").or_else(|| builds.get("amd64")) else {
            return Ok(unavailable("the release has no candidate build for x86_64").on(self.stated(
                "metadata.candidate_builds.x86_64".to_owned(),
                "absent",
                None,
            )));
        };
        let seen = self.need(row, FactKey::CandidateTests, &self.input.facts.candidate_tests)?;
        let evidence = self.read(seen, "verdict", seen.value.verdict());
        Ok(match &seen.value {
            Tests::Absent => unavailable("the candidate build has no record, or it was removed").on(evidence),
            tests @ Tests::Record { .. } if tests.are_good() => Judgement::new(Verdict::Ready)
                .noting(format!("{build} is {}: Pass can be recorded", tests.verdict()))
                .acting(Act::Pass(reason(build, seen)))
                .on(evidence),
            Tests::Record { aggregated: false, .. } => {
                Judgement::waiting(format!("the end of the tests of {build}"))
                    .due(later(seen.at, row.poll))
                    .until(self.limit(row, self.announced()))
                    .on(evidence)
            }
            tests @ Tests::Record { .. } => accept_it(build, tests)
                .by_command(self.decide_command(TaskName::AnalyzeCandidateBuild))
                .due(later(seen.at, row.poll))
                .on(evidence),
        })
    }

    pub(super) fn promoted(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Tests, &self.input.facts.tests)?;
        let evidence = self.read(seen, "verdict", seen.value.verdict());
        let release = self.input.release;
        if seen.value.are_good() {
            let note = format!("the tests of {release} are {}: Pass can be recorded", seen.value.verdict());
            let act = Act::Pass(reason(&release.to_string(), seen));
            return Ok(Judgement::new(Verdict::Ready).noting(note).acting(act).on(evidence));
        }
        Ok(accept_it(&release.to_string(), &seen.value)
            .by_command(self.decide_command(TaskName::AnalyzePromotedBuild))
            .due(later(seen.at, row.poll))
            .on(evidence))
    }

    pub(super) fn push(&self, view: Option<&TaskView>, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Pushes, &self.input.facts.pushes)?;
        let pushes = &seen.value;
        let started = view.and_then(|view| time(view.started_at.as_ref()));
        // An advisory that replaces another one is pushed later than the task was started.
        let until = self.limit(row, started.max(self.advisories_changed()));
        let count = format!("{} of {} advisories are on staging", pushes.complete, pushes.total);
        let evidence = self.read(seen, "push", count.clone());
        let due = later(seen.at, row.poll);
        let first = |list: &[String]| list.first().cloned().unwrap_or_default();
        let judgement = if !pushes.to_push.is_empty() {
            Judgement::new(Verdict::Ready).noting(pushes.to_push.join("; "))
        } else if !pushes.refused.is_empty() {
            Judgement::blocked(first(&pushes.refused), Who::Art).due(due)
        } else if !pushes.odd.is_empty() {
            Judgement::asks(format!("{}: look at it", first(&pushes.odd)), &["look at Errata Tool"]).due(due)
        } else if !pushes.unread.is_empty() {
            let what = format!("an advisory that could not be read: {}", first(&pushes.unread));
            Judgement::new(Verdict::Waiting { what, unknown: true }).due(due)
        } else if pushes.total > 0 && pushes.complete == pushes.total {
            Judgement::new(Verdict::Ready).only_looking().noting(format!("{count}: Pass can be recorded"))
        } else if pushes.running.is_empty() {
            let what = format!("{count}, and nothing is known of the others");
            Judgement::new(Verdict::Waiting { what, unknown: true }).due(due)
        } else {
            Judgement::running(first(&pushes.running)).due(due).since(started).until(until)
        };
        Ok(judgement.on(evidence))
    }

    /// When ART's newest change of an advisory was taken over.
    fn advisories_changed(&self) -> Option<Timestamp> {
        let history = self.input.state?.metadata_history();
        let changes = history.iter().filter(|record| {
            record
                .values
                .iter()
                .any(|value| inputs(TaskName::PushToCdnStaging).iter().any(|field| value.starts_with(field)))
        });
        changes.filter_map(|record| time(record.at.as_ref())).max()
    }

    /// Whether the approval has done its part and waits.
    fn waits_for_its_page(&self) -> bool {
        self.tasks.get(&TaskName::ChangeAdvisoryStatus).is_some_and(|view| view.wait.is_some())
    }

    /// Without a bug that is to be dropped nobody has to be asked.
    fn drops(&self, view: Option<&TaskView>, row: &Row, ready: Judgement) -> Judged {
        let seen = self.need(row, FactKey::Drops, &self.input.facts.drops)?;
        let due = later(seen.at, row.poll);
        Ok(match &seen.value {
            DropsView::Refused(why) => Judgement::blocked(why.clone(), row.who)
                .due(due)
                .by_command(format!("oar -r {} drop-bugs --dry-run", self.input.release))
                .about(topic("what drop-bugs requires", why))
                .on(self.read(seen, "plan", "refused")),
            DropsView::Waits => {
                let started = view.and_then(|view| time(view.last_run()?.started.as_ref()));
                Judgement::running("the merge request of drop-bugs waits for its pipeline")
                    .since(started)
                    .due(due)
                    .until(self.limit(row, started))
                    .on(self.read(seen, "plan", "0 steps"))
            }
            DropsView::Steps(steps) => {
                let evidence = self.read(seen, "plan", format!("{} steps", steps.len()));
                let ready = if steps.is_empty() {
                    ready.only_looking().noting("no bug is to be dropped: Pass can be recorded")
                } else {
                    ready.noting(steps.join("; "))
                };
                ready.on(evidence)
            }
        })
    }

    pub(super) fn signatures(&self, row: &Row, ready: Judgement) -> Judged {
        let seen = self.need(row, FactKey::Promotion, &self.input.facts.promotion)?;
        let Some(digest) = &seen.value.digest else {
            return Ok(Judgement::waiting(
                "the digest of the image, which the controller has some minutes later",
            )
            .due(later(seen.at, row.poll))
            .on(self.read(seen, "changeLogJson.to.digest", "absent")));
        };
        Ok(ready.on(self.read(seen, "changeLogJson.to.digest", digest.clone())))
    }
}

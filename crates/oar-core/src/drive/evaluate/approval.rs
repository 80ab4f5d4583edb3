//! The approval of the release.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use super::checkpoints::stage_problem;
use super::judgement::Judgement;
use super::{Evaluation, Judged, lasting, later, midnight, time, topic};
use crate::config::ReleaseDate;
use crate::drive::facts::{Alerts, ApprovalGates, BuildData, FactKey, PayloadView};
use crate::drive::verdict::{Act, Lack, Verdict};
use crate::flow::gates::{DAYS_AFTER, DAYS_BEFORE, is_hurried};
use crate::flow::nodes::{Node, Row, Who};
use crate::statebox::{RunOutcome, RunView, SET_BY_HAND, TaskName, TaskView};

impl Evaluation<'_> {
    /// The release date: as the build data says now, otherwise as the StateBox does.
    pub(super) fn release_date(&self) -> Option<Date> {
        let current = match self.input.facts.build_data.value() {
            Some(BuildData::Present { metadata, .. }) => metadata.release_date.as_ref(),
            _ => None,
        };
        let text = current.or(self.metadata.release_date.as_ref())?;
        text.parse::<ReleaseDate>().ok().map(|date| date.date())
    }

    /// From when the release may be approved.
    pub(super) fn approval_opens(&self) -> Option<Timestamp> {
        self.release_date().map(|date| midnight(date.saturating_sub(Span::new().days(DAYS_BEFORE))))
    }

    /// When the release was announced: its StateBox is made soon after.
    pub(super) fn announced(&self) -> Option<Timestamp> {
        self.input.state?.created_at()?.parse().ok()
    }

    pub(super) fn approval(&self, row: &Row) -> Judged {
        let release = self.input.release;
        let early = format!("oar -r {release} change-advisory-status --early");
        let date = self.release_date();
        let day = self.stated(
            "metadata.release_date".to_owned(),
            date.map_or_else(|| "absent".to_owned(), |date| date.to_string()),
            None,
        );
        let (Some(date), Some(from)) = (date, self.approval_opens()) else {
            return Ok(Judgement::asks(
                "the build data names no date on which the release ships: approve it?",
                &["approve", "wait"],
            )
            .by_command(early)
            .on(day));
        };
        if let Some(issue) = self.standing_blocker() {
            return Ok(self.blocked_by(issue, row));
        }
        let hurried = self.input.state.is_some_and(|state| is_hurried(state, self.now()));
        if from > self.now() && !hurried {
            if self.is_waived(TaskName::AnalyzePromotedBuild) {
                let question = format!(
                    "the tests are waived and the release ships on {date}: approve it before its day?"
                );
                return Ok(Judgement::asks(question, &["approve", "wait"])
                    .by_command(early)
                    .due(from)
                    .on(day));
            }
            return Ok(Judgement::waiting(format!("the day before the release date, {date}"))
                .due(from)
                .on(day));
        }
        if self.konflux == Some(true) {
            self.no_alert(row)?;
            self.mergeable(row)?;
        }
        if !self.is_waived(TaskName::AnalyzePromotedBuild) {
            // The verdict of the tests may have changed while the approval was waited for.
            self.need(row, FactKey::Tests, &self.input.facts.tests)?;
        }
        if self.konflux == Some(true) {
            let seen = self.need(row, FactKey::Payload, &self.input.facts.payload)?;
            if let PayloadView::Bad(why) = &seen.value {
                return Ok(Judgement::asks(
                    format!("{why}: how is the release approved?"),
                    &["ask ART", "wait"],
                )
                .asked_of(Who::Art)
                .due(later(seen.at, row.poll))
                .on(self.read(seen, "metadata.url", "not usable")));
            }
        }
        let seen = self.need(row, FactKey::ApprovalGates, &self.input.facts.approval_gates)?;
        if let ApprovalGates::Closed { why, next, about } = &seen.value {
            let words = if next.is_empty() { why.clone() } else { format!("{why}: {}", next.join("; ")) };
            // What stands in the way is found in another order, and several times, from look to look.
            let kinds: BTreeSet<String> = about.iter().map(|about| lasting(about)).collect();
            let about =
                if kinds.is_empty() { why.clone() } else { kinds.into_iter().collect::<Vec<_>>().join("; ") };
            return Ok(Judgement::blocked(words, row.who)
                .due(later(seen.at, row.poll))
                .by_command(format!("oar -r {release} change-advisory-status --dry-run"))
                .about(topic("what the approval requires", &about))
                .on(self.read(seen, "gates", "closed")));
        }
        Ok(Judgement::new(Verdict::Ready).on(day))
    }

    pub(super) fn no_alert(&self, row: &Row) -> Result<(), Judgement> {
        if self
            .plans
            .get(&Node::SecurityAlerts)
            .is_some_and(|plan| matches!(plan.verdict, Verdict::NotApplicable { .. }))
        {
            return Ok(());
        }
        let seen = self.need(row, FactKey::Alerts, &self.input.facts.alerts)?;
        match &seen.value {
            Alerts::Read { blocking: true, alerts } => {
                let words =
                    if alerts.is_empty() { "no alert is named".to_owned() } else { alerts.join("; ") };
                Err(Judgement::blocked(
                    format!("security alerts block the RHCOS advisory: {words}"),
                    Who::ProductSecurity,
                )
                .due(later(seen.at, row.poll))
                .on(self.read(seen, "alerts.blocking", "true")))
            }
            Alerts::Read { .. } | Alerts::NotSecurity(_) => Ok(()),
        }
    }

    /// A draft waits, a closed merge request is ART's, and nothing is approved of which it is not known whether it was tested.
    pub(super) fn mergeable(&self, row: &Row) -> Result<(), Judgement> {
        let seen = self.need(row, FactKey::StageRelease, &self.input.facts.stage_release)?;
        if let Some(problem) = stage_problem(&seen.value) {
            let state = seen.value.merge_request.to_string();
            return Err(problem.due(later(seen.at, row.poll)).on(self.read(seen, "state", state)));
        }
        if let Some(why) = self.shipment_not_compared() {
            let mut judgement = Judgement::new(Verdict::Waiting { what: not_compared(why), unknown: true })
                .due(later(seen.at, row.poll))
                .on(self.read(seen, "sha", "not compared"));
            judgement.lacks = Some(Lack { fact: FactKey::StageRelease, why: why.to_owned() });
            return Err(judgement);
        }
        Ok(())
    }

    /// An approval in progress; `None` when the run that began it ended before it recorded what it waits for, so that it
    /// begins anew.
    pub(super) fn approval_under_way(&self, view: &TaskView, row: &Row) -> Option<Judgement> {
        let task = TaskName::ChangeAdvisoryStatus;
        let wait = view.wait.as_ref();
        let started =
            wait.and_then(|wait| wait.since.parse().ok()).or_else(|| time(view.started_at.as_ref()));
        let after_date = self.release_date().map(|date| midnight(day_after(date)));
        let by_row = self.limit(row, started);
        let deadline = [by_row, after_date].into_iter().flatten().max();
        let Some(wait) = wait else {
            return self.approval_without_wait(view, row, started, deadline);
        };
        let evidence =
            self.stated(format!("tasks.{task}.wait.for"), wait.condition.clone(), wait.last_check.as_ref());
        let last = wait.last_result.clone().map(|last| format!("at the last look: {last}"));
        let mut judgement = match wait.held_at(self.now()) {
            Some(holder) => Judgement::running(format!("{} waits for {}", holder.who, wait.condition)),
            None => Judgement::running(format!("it waits for {}", wait.condition))
                .by_command(format!("oarctl drive --release {}", self.input.release))
                .acting(Act::CarryOn),
        };
        judgement.note = last;
        // What it rests on may have changed while it was waited for.
        if let Err(open) = self.after_others(row) {
            judgement.note = match open.verdict {
                Verdict::Waiting { what, .. } => Some(format!("nobody approves it before: {what}")),
                _ => judgement.note,
            };
            let due = open.due.unwrap_or_else(|| later(self.now(), row.poll));
            return Some(judgement.since(started).due(due).until(wait.deadline()).on(evidence));
        }
        // After its deadline a look approves nothing: it asks people.
        if let Some(why) = self.shipment_not_compared()
            && wait.deadline().is_none_or(|deadline| deadline > self.now())
        {
            judgement.note = Some(format!("nobody approves it before it is known {}", not_compared(why)));
            let due = later(self.now(), row.poll);
            return Some(judgement.since(started).due(due).until(wait.deadline()).on(evidence));
        }
        let due = wait.deadline().map_or(wait.due(), |deadline| deadline.min(wait.due()));
        if wait.held_at(self.now()).is_none() && due <= self.now() {
            judgement = judgement.only_looking();
        }
        // At the deadline of the wait, whoever looks then asks people.
        Some(judgement.since(started).due(due).until(wait.deadline()).on(evidence))
    }

    fn approval_without_wait(
        &self,
        view: &TaskView,
        row: &Row,
        started: Option<Timestamp>,
        deadline: Option<Timestamp>,
    ) -> Option<Judgement> {
        let last = view.last_run();
        // A checker of the Python tooling leaves no record but its beginning, and lives for two days; nor does a person.
        let is_of_others =
            last.is_none_or(|run| run.command.as_deref() == Some(SET_BY_HAND)) || has_begun_since(view, last);
        if is_of_others {
            let words = "it was started by a program that records no wait; it may still be looking";
            return Some(
                Judgement::running(words)
                    .since(started)
                    .due(later(self.now(), row.poll))
                    .until(deadline)
                    .noting("run change-advisory-status: it looks at the lock of that program first")
                    .on(self.status_of(view)),
            );
        }
        match last {
            // The wait reached its deadline.
            Some(RunView { outcome: Some(RunOutcome::InProgress), .. }) => Some(
                Judgement::asks(
                    "what the approval waits for was not there by its deadline, and nobody looks any more: wait \
                     further?",
                    &["wait further", "intervene"],
                )
                .by_command(format!("oar -r {} change-advisory-status --wait", self.input.release))
                .since(started)
                .on(self.status_of(view)),
            ),
            _ => None,
        }
    }
}

fn not_compared(why: &str) -> String {
    format!("whether the shipment still ships what was tested, which cannot be determined: {why}")
}

/// Whether another program has begun the task after its last recorded run had ended.
fn has_begun_since(view: &TaskView, last: Option<&RunView>) -> bool {
    // One that was killed has no end.
    let ended = last.and_then(|run| time(run.finished.as_ref().or(run.started.as_ref())));
    ended.zip(time(view.started_at.as_ref())).is_some_and(|(ended, started)| started > ended)
}

/// The second day after a release's date, at whose beginning its approval is late.
fn day_after(date: Date) -> Date {
    date.saturating_add(Span::new().days(DAYS_AFTER))
}

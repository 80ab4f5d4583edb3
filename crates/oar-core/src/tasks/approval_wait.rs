//! Continues the wait of an approval: checks when a check is due, and approves when the awaited condition is
//! met.
//!
//! Each process that runs this (a waiting command, a watcher process, `oarctl drive`) claims the wait in the StateBox
//! first, so that only one of several acts. A failure is recorded and the wait continues; only its deadline
//! ends it, and then people are asked to decide.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join;
use jiff::Timestamp;

use super::ReleaseContext;
use super::change_advisory_status::{ChangeAdvisoryStatus, Done, TASK};
use super::holds::LOOK_AGE;
use crate::clients::jira::IssueKey;
use crate::config::{SlackTeam, WaitPolicy};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::flow::runner::{Deliver as _, Mode, Report, Runner};
use crate::flow::wait::{Next, Wait as Pauses, after, until};
use crate::notify::outbox::{Delivery, PreviousSend, group_mention};
use crate::notify::{ApprovalFailed, ApprovalOverdue, CommandLog, GroupMention, Message, Reference};
use crate::operators::approval::{MetadataUrl, PayloadLook};
use crate::permit::WritePermit;
use crate::statebox::{NewIssue, State, StateBoxError, StateError, TaskStatus, Wait, WaitCheck, WaitClaim};

/// The longest sleep between two reads of the state, because another process may have ended the wait.
const LONGEST_SLEEP: Duration = Duration::from_mins(2);
/// The message when the user stops a wait.
pub(crate) const STOPPED: &str = "stopped; the wait stays in the StateBox";
/// The shortest sleep, so that a small clock difference causes no busy loop.
const SHORTEST_SLEEP: Duration = Duration::from_millis(200);

/// Continues the wait of one release.
pub struct Watcher<'a> {
    /// The release's services.
    pub services: &'a ReleaseContext,
    /// Runs the approval; has the StateBox, the clock and the user's request to stop.
    pub runner: Runner<'a>,
    /// The unique name of this process.
    pub who: String,
    /// How long to wait and how often to check.
    pub policy: WaitPolicy,
    /// Unfinished bugs that the user accepted.
    pub accepted: BTreeSet<IssueKey>,
    /// Whether this process is there for the next check, and keeps the wait until then.
    pub stays: bool,
}

/// The result of a check.
#[derive(Debug)]
pub enum Look {
    /// There is no wait, or no longer one.
    NoWait,
    /// There is no wait, but messages that could not be sent before.
    Messages {
        /// How many there were.
        kept: usize,
        /// How many of them were sent now.
        sent: usize,
    },
    /// The approval is done.
    Finished(Box<Report<Done>>),
    /// The deadline has passed: people were asked to decide.
    Overdue,
    /// Not yet; when to check again, and why.
    Later(Timestamp, String),
}

impl Watcher<'_> {
    /// Checks until the wait has ended in any way, or until the user requests to stop.
    pub async fn watch(&self, permit: &WritePermit) -> Result<Look, TaskError> {
        // When the state was last readable.
        let mut reached = self.runner.clock.now();
        let mut told = String::new();
        loop {
            let now = self.runner.clock.now();
            let next = match self.look(permit).await {
                Ok(Look::Later(next, why)) => {
                    reached = now;
                    if told != why {
                        tracing::info!("{why}");
                        told = why;
                    }
                    next
                }
                Ok(end) => return Ok(end),
                // The state cannot be read or written: the next check may succeed. After the time of a whole
                // wait this gives up, since without the state people cannot be asked.
                Err(error) if passes(&error) && now < after(reached, self.policy.limit) => {
                    tracing::warn!("{}", error.inner());
                    after(self.runner.clock.now(), self.policy.interval)
                }
                Err(error) => return Err(error),
            };
            if let Next::Stop(_) = self.sleep(next).await {
                return Ok(Look::Later(next, STOPPED.to_owned()));
            }
        }
    }

    /// Sleeps until `time`, or until another process has ended the wait or has made its check due meanwhile.
    async fn sleep(&self, time: Timestamp) -> Next {
        let began = self.runner.clock.now();
        let wait = Pauses::new(self.runner.clock).unless_stopped(self.runner.interrupt);
        let longest = LONGEST_SLEEP.min(self.policy.lease);
        loop {
            let left = until(self.runner.clock.now(), time);
            let next = wait.pause(left.min(longest).max(SHORTEST_SLEEP)).await;
            let now = self.runner.clock.now();
            if next != Next::Look || now >= time {
                return next;
            }
            // A state that cannot be read now is read again later.
            if let Ok(Some(state)) = self.runner.statebox.find().await
                && ends_pause(state.wait(TASK).as_ref(), began, now)
            {
                return Next::Look;
            }
        }
    }

    /// One check, if it is due and no other process has claimed the wait.
    pub async fn look(&self, permit: &WritePermit) -> Result<Look, TaskError> {
        let statebox = self.runner.statebox;
        let state = statebox.load().await?;
        let Some(wait) = state.wait(TASK) else {
            // Messages about the end of a wait may be undelivered.
            let kept = state.kept_messages().len();
            let sent = self.runner.deliver_kept(state, permit).await;
            return Ok(if kept == 0 { Look::NoWait } else { Look::Messages { kept, sent } });
        };
        let now = self.runner.clock.now();
        let passed = state.task(TASK).is_some_and(|task| task.status == TaskStatus::Pass);
        // Nobody is asked to decide on what may not go on. The wait and its deadline stay as they are.
        if !passed && let Err(closed) = permit.begin().await {
            return Ok(Look::Later(after(now, self.policy.interval), closed.text));
        }
        let overdue = wait.deadline().is_some_and(|deadline| now >= deadline);
        if !passed && !overdue && wait.due() > now {
            let why = format!("the next check is due at {}", wait.due());
            return Ok(Look::Later(next_look(&wait), why));
        }
        let claim = WaitClaim {
            who: self.who.clone(),
            at: now,
            lease_until: after(now, self.policy.lease),
            eager: false,
        };
        match statebox
            .update(permit, "Claim the wait of change-advisory-status", |state| {
                state.claim_wait(TASK, &claim)
            })
            .await
        {
            Ok(_) => {}
            Err(StateBoxError::State(StateError::NotWaiting { .. })) => return Ok(Look::NoWait),
            Err(StateBoxError::State(StateError::WaitHeld { who, until, .. })) => {
                let again = until.parse().unwrap_or_else(|_| after(now, self.policy.lease));
                return Ok(Look::Later(again, format!("{who} continues the wait until {until}")));
            }
            Err(error) => return Err(error.into()),
        }
        if passed {
            self.end(permit).await?;
            return Ok(Look::NoWait);
        }
        if overdue {
            return self.ask(&wait, permit).await;
        }
        self.act(&state, &wait, permit).await
    }

    fn task(&self, services: ReleaseContext) -> ChangeAdvisoryStatus {
        ChangeAdvisoryStatus::new(services, self.who.clone(), self.policy)
            .accepting(self.accepted.iter().cloned())
            .resumed()
    }

    async fn act(&self, state: &State, wait: &Wait, permit: &WritePermit) -> Result<Look, TaskError> {
        let payload = self.services.payload_look();
        match self.metadata_url(payload.clone()).await {
            Ok(MetadataUrl::Up(url)) => tracing::info!("{url} is up"),
            Ok(MetadataUrl::NotYet(why)) => return self.later(&why, permit).await,
            Err(error) => return self.trouble(wait, &error, permit).await,
        }
        // The build data and the state may have changed since the wait began.
        let (services, loaded) = join(self.services.again(), self.runner.statebox.find()).await;
        let services = match services {
            Ok(services) => services,
            Err(error) => return self.trouble(wait, &error.into(), permit).await,
        };
        let changes = state.metadata_changes(&services.metadata());
        if let Some(change) = changes.iter().find(|change| change.matters) {
            let refusal = Refusal::blocked(format!("ART has changed the build data since: {change}"))
                .with_hint("Run `change-advisory-status --accept-metadata` when the new value is right.");
            return self.trouble(wait, &refusal.into(), permit).await;
        }
        self.runner.statebox.carry_metadata(services.metadata(), self.runner.user);
        let task = self.task(services).with_payload(payload);
        let report = self.runner.run(&task, Mode::Apply(permit), loaded).await;
        match report.status {
            Some(TaskStatus::Pass) => {
                self.end(permit).await?;
                self.tell_thread(&report, permit).await;
                Ok(Look::Finished(Box::new(report)))
            }
            _ if report.signal.is_some() => Ok(Look::Finished(Box::new(report))),
            // A person is running the task now: nothing to report.
            _ if report.class == Some(ErrorClass::Conflict) => {
                let why = report
                    .reason
                    .as_ref()
                    .map_or("somebody else is running it", |reason| &reason.text)
                    .to_owned();
                self.later(&why, permit).await
            }
            // It could not start. A temporary problem is not reported.
            _ if report.refused => {
                let why = report.reason.as_ref().map_or("it did not begin", |reason| &reason.text).to_owned();
                if report.class != Some(ErrorClass::Unavailable) {
                    self.tell_trouble(wait, &why, report.hint.as_deref(), permit).await;
                }
                self.later(&why, permit).await
            }
            _ => {
                let why = report.reason.as_ref().map_or("it did not end", |reason| &reason.text).to_owned();
                // The same problem at every check is reported once.
                if wait.last_result.as_deref() != Some(why.as_str()) {
                    self.tell_thread(&report, permit).await;
                }
                self.tell_trouble(wait, &why, report.hint.as_deref(), permit).await;
                self.later(&why, permit).await
            }
        }
    }

    async fn metadata_url(&self, payload: PayloadLook) -> Result<MetadataUrl, TaskError> {
        let clients = self.task(self.services.clone()).clients()?;
        let approval = clients.approval();
        let found = async { approval.metadata_url(&payload.await?).await }.await;
        found.map_err(|problem| Refusal::new(problem.class, problem.text).into())
    }

    /// Posts the log of a run to the Slack thread in which the approval was requested, if there is one (spec
    /// 03 §8.6).
    async fn tell_thread(&self, report: &Report<Done>, permit: &WritePermit) {
        let config = self.services.config();
        let Some(thread) = self.services.thread() else { return };
        let log =
            CommandLog { release: config.release(), task: TASK.id(), run: &report.run, log: &report.log };
        for message in log.messages(&thread.channel, &thread.ts) {
            let delivery = self.services.deliver(&message, PreviousSend::NotSent, permit).await;
            if !matches!(delivery, Delivery::Sent(_) | Delivery::AlreadySent(_)) {
                tracing::warn!("the log is not in the Slack thread: {delivery}");
                return;
            }
        }
    }

    /// Records a check that found nothing; a process that stays keeps the wait until its next check.
    async fn later(&self, why: &str, permit: &WritePermit) -> Result<Look, TaskError> {
        let at = self.runner.clock.now();
        let next_check = after(at, self.policy.interval);
        let check = WaitCheck {
            who: self.who.clone(),
            at,
            result: why.to_owned(),
            next_check,
            lease_until: self.stays.then(|| after(next_check, self.policy.lease)),
        };
        let recorded = self
            .runner
            .statebox
            .update(permit, "Look at the wait of change-advisory-status", |state| {
                state.record_wait_check(TASK, &check)
            })
            .await;
        match recorded {
            Ok(updated) => {
                let wait = updated.state.wait(TASK);
                Ok(Look::Later(wait.as_ref().map_or(next_check, next_look), why.to_owned()))
            }
            Err(StateBoxError::State(StateError::NotWaiting { .. })) => Ok(Look::NoWait),
            Err(StateBoxError::State(StateError::WaitHeld { who, .. })) => {
                Ok(Look::Later(next_check, format!("{who} has taken the wait over")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Records a problem. One that is not temporary is reported to people, once.
    async fn trouble(&self, wait: &Wait, error: &TaskError, permit: &WritePermit) -> Result<Look, TaskError> {
        let why = error.inner().to_string();
        tracing::warn!("{why}");
        // Temporary problems and conflicts with another process are not reported.
        if !matches!(error.inner().class(), ErrorClass::Unavailable | ErrorClass::Conflict) {
            self.tell_trouble(wait, &why, error.inner().hint().as_deref(), permit).await;
        }
        self.later(&why, permit).await
    }

    async fn end(&self, permit: &WritePermit) -> Result<(), TaskError> {
        let ended = self
            .runner
            .statebox
            .update(permit, "End the wait of change-advisory-status", |state| state.end_wait(TASK, &self.who))
            .await;
        match ended {
            Ok(_) | Err(StateBoxError::State(StateError::WaitHeld { .. })) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The deadline has passed: asks people to decide. The task's status does not change; running it again
    /// continues the wait.
    async fn ask(&self, wait: &Wait, permit: &WritePermit) -> Result<Look, TaskError> {
        let release = self.services.config().release();
        let command = format!("oar -r {release} change-advisory-status --wait");
        let now = self.runner.clock.now();
        let since = wait.since.parse().unwrap_or(now);
        let until = wait.deadline().unwrap_or(now);
        let awaited = Reference::new("https://access.redhat.com/errata/", wait.condition.clone());
        // An engine that looks here asks in its thread in the same pass. Of one whose thread a process finds that stays, nobody knows
        // whether it still works.
        let thread = self.runner.statebox.recent(LOOK_AGE).await?.and_then(|state| state.drive_thread());
        let asks_there = thread.is_some() && !self.stays;
        if !asks_there && let Some((channel, leads)) = self.readers().await {
            let overdue = ApprovalOverdue {
                release,
                awaited: &awaited,
                since,
                until,
                command: &command,
                leads: &leads,
            };
            let message = match &thread {
                Some(thread) => overdue.message(&thread.channel).in_thread(&thread.ts),
                None => overdue.message(&channel),
            };
            self.tell(wait, &message, permit).await;
        }
        let last = wait.last_result.as_deref().unwrap_or("nobody looked");
        let text = format!(
            "Decide: {} was not there by {}. Run `{command}` to wait further. Last check: {last}",
            wait.condition,
            crate::clock::stamp(until)
        );
        let issue = NewIssue {
            text: text.chars().take(900).collect(),
            blocker: false,
            related_tasks: vec![TASK],
            at: until,
        };
        self.runner
            .statebox
            .update(permit, "The wait of change-advisory-status is over its deadline", |state| {
                if state.wait(TASK).is_none() {
                    return Ok(crate::store::Change::Unchanged);
                }
                let ended = state.end_wait(TASK, &self.who)?;
                Ok(ended.or(state.add_issue(&issue)?))
            })
            .await?;
        Ok(Look::Overdue)
    }

    async fn tell_trouble(&self, wait: &Wait, why: &str, hint: Option<&str>, permit: &WritePermit) {
        // The same problem at every check is reported once; the last check reported it.
        if wait.last_result.as_deref() == Some(why) {
            return;
        }
        if let Some((channel, leads)) = self.readers().await {
            let release = self.services.config().release();
            let message =
                ApprovalFailed { release, reason: why, next: hint, leads: &leads }.message(&channel);
            self.tell(wait, &message, permit).await;
        }
    }

    async fn readers(&self) -> Option<(String, GroupMention)> {
        let config = self.services.config();
        match (config.slack_channel(SlackTeam::QeRelease), config.release_leads()) {
            (Ok(channel), Ok(leads)) => {
                Some((channel.to_owned(), group_mention(self.services.slack(), leads).await))
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("nobody is notified: {error}");
                None
            }
        }
    }

    async fn tell(&self, wait: &Wait, message: &Message, permit: &WritePermit) {
        let since = wait.since.parse().map_or(PreviousSend::NotSent, PreviousSend::PerhapsSince);
        let delivery = self.services.deliver(message, since, permit).await;
        tracing::info!("message to {}: {delivery}", message.channel);
    }
}

/// Whether the state at `now` ends a pause that began at `began`: the wait is over, or its check has become due since.
/// One that was due before the pause is somebody else's, whose lease the pause waits for.
fn ends_pause(wait: Option<&Wait>, began: Timestamp, now: Timestamp) -> bool {
    wait.is_none_or(|wait| (began..=now).contains(&next_look(wait)))
}

/// When the next action is due: a check, or asking people.
fn next_look(wait: &Wait) -> Timestamp {
    wait.deadline().map_or(wait.due(), |deadline| deadline.min(wait.due()))
}

/// Whether the next check may succeed. A deleted state, or one that this process may not read, remains so; a
/// state damaged by hand must be repaired by hand.
fn passes(error: &TaskError) -> bool {
    matches!(error.inner().class(), ErrorClass::Unavailable | ErrorClass::Conflict)
        || error.is_damaged_state()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_early_only_for_what_happened_during_it() {
        let at = |minute: i8| format!("2026-07-02T10:{minute:02}:00Z");
        let time = |minute| at(minute).parse::<Timestamp>().unwrap();
        let due = |minute| Wait {
            condition: "metadata URL".to_owned(),
            since: at(0),
            until: Some(at(59)),
            next_check: Some(at(minute)),
            last_check: None,
            last_result: None,
            holder: None,
        };
        let (began, now) = (time(10), time(12));
        assert!(ends_pause(None, began, now), "somebody ended the wait");
        assert!(ends_pause(Some(&due(11)), began, now), "somebody made the check due");
        assert!(!ends_pause(Some(&due(30)), began, now), "the check is later");
        assert!(!ends_pause(Some(&due(5)), began, now), "another process is at this check");
        assert!(
            ends_pause(Some(&Wait { until: Some(at(11)), ..due(30) }), began, now),
            "the deadline has passed"
        );
    }
}

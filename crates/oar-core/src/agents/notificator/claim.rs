//! Which of several notificators writes a comment.
//!
//! Jira has no write that depends on what was read, and a comment cannot be taken back: its mail is sent. So the right to
//! write it is taken first, by creating a property of the issue. Jira answers 201 to whoever created it and 200 to all
//! others ([`set_property`](crate::clients::jira::JiraClient::set_property)), also to those on other machines, whom no
//! lock file and no lease of a cluster keeps apart.
//!
//! The property's name holds the step and when the issue became `ON_QA`, so that a step is claimed once in each stay. The
//! claim stays behind: whoever read the issue before the comment was written and comes later finds it. A program that ended
//! between claim and comment is known by a claim that is older than the lease while the comment is missing; the next
//! claim has the next number. After many of them it is tried once a day: what keeps the comment from being written may last
//! for days, and when it is gone nobody has to clean up. A claim whose comment Jira refused is given back. Whoever holds a
//! claim sends nothing after half of the lease, and an answer to a claim that never came counts as nobody's: the comment
//! then comes a lease later, and not twice.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::issue::claimed_at;
use super::ladder::Step;
use crate::clients::jira::{Issue, IssueKey, JiraClient};
use crate::clock::stamp;
use crate::error::ServiceError;
use crate::permit::WritePermit;

/// How often a step may be claimed in vain before it is tried only once a day, and a person has to look.
const MOST_ATTEMPTS: u32 = 20;
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// What became of a claim.
#[derive(Debug)]
pub(super) enum Claim {
    /// This program may write.
    Ours(OwnClaim),
    /// It was begun, and is somebody's until a time.
    Pending(PendingClaim),
    /// It was claimed many times, the last time within a day, and nobody wrote.
    GivenUp,
}

/// A claim of this program.
#[derive(Debug)]
pub(super) struct OwnClaim {
    /// The time after which nothing may be written for it; `None` where nobody else works.
    pub(super) until: Option<Timestamp>,
    property: String,
}

impl OwnClaim {
    /// Gives the claim back, because Jira refused what it was for: otherwise the next pass would hold the step back, and
    /// not say that it fails. After [`OwnClaim::until`] it stays: somebody may have the next one by then.
    pub(super) async fn give_back(self, jira: &JiraClient, issue: &IssueKey, permit: &WritePermit) {
        if let Err(error) = jira.remove_property(issue, &self.property, self.until, permit).await {
            tracing::warn!("{issue}: a claim stays until its lease ends: {error}");
        }
    }
}

/// A step that a program began, this one perhaps, and left to nobody else yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PendingClaim {
    at: Timestamp,
    until: Timestamp,
}

impl fmt::Display for PendingClaim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, until) = (stamp(self.at), stamp(self.until));
        write!(
            formatter,
            "it was begun at {at} by another program or an earlier pass; if there is no comment by {until}, a pass \
             after that time tries again"
        )
    }
}

/// The number of the next claim of a step, or the claim that holds, and the number of claims up to it.
fn standing(
    issue: &Issue,
    step: Step,
    on_qa_since: Timestamp,
    now: Timestamp,
    lease: SignedDuration,
) -> Result<u32, (PendingClaim, u32)> {
    let mut attempt = 0;
    while let Some(value) = issue.property(&name(step, on_qa_since, attempt)) {
        // What no program of ours wrote is nobody's claim.
        let at = claimed_at(value).unwrap_or(Timestamp::MIN);
        attempt += 1;
        let held = if attempt >= MOST_ATTEMPTS { lease.max(A_DAY) } else { lease };
        if let Some(until) = at.saturating_add(held).ok().filter(|end| now < *end) {
            return Err((PendingClaim { at, until }, attempt));
        }
    }
    Ok(attempt)
}

fn name(step: Step, on_qa_since: Timestamp, attempt: u32) -> String {
    format!("ert-notificator.{}.{}.{attempt}", step.name(), on_qa_since.as_second())
}

/// The claim that keeps a pass at `now` from doing `step` for the issue, which was read with its properties.
pub(super) fn begun(
    issue: &Issue,
    step: Step,
    on_qa_since: Timestamp,
    now: Timestamp,
    lease: Duration,
) -> Option<PendingClaim> {
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
    standing(issue, step, on_qa_since, now, lease).err().map(|(begun, _)| begun)
}

/// Claims `step` for the issue that was just read with its properties.
pub(super) async fn claim(
    jira: &JiraClient,
    issue: &Issue,
    step: Step,
    on_qa_since: Timestamp,
    (now, lease, who): (Timestamp, Duration, &str),
    permit: &WritePermit,
) -> Result<Claim, ServiceError> {
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
    let attempt = match standing(issue, step, on_qa_since, now, lease) {
        Ok(attempt) => attempt,
        Err((_, attempts)) if attempts >= MOST_ATTEMPTS => return Ok(Claim::GivenUp),
        Err((begun, _)) => return Ok(Claim::Pending(begun)),
    };
    // Without a lease nobody else works, so that nobody waits.
    let last = (!lease.is_zero()).then(|| now.saturating_add(lease / 2).unwrap_or(now));
    let value = json!({ "at": now.to_string(), "by": who });
    let name = name(step, on_qa_since, attempt);
    let created = jira.set_property(&issue.key, &name, &value, last, permit).await?;
    let until = now.saturating_add(lease).unwrap_or(now);
    Ok(if created {
        Claim::Ours(OwnClaim { until: last, property: name })
    } else {
        Claim::Pending(PendingClaim { at: now, until })
    })
}

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
//! for days, and when it is gone nobody has to clean up. Whoever holds a claim sends nothing after half of the lease, and an answer to a claim that
//! never came counts as nobody's: the comment then comes a lease later, and not twice.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::issue::claimed_at;
use super::ladder::Step;
use crate::clients::jira::{Issue, JiraClient};
use crate::clock::stamp;
use crate::error::ServiceError;
use crate::permit::WritePermit;

/// How often a step may be claimed in vain before it is tried only once a day, and a person has to look.
const MOST_ATTEMPTS: u32 = 20;
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// What became of a claim.
#[derive(Debug)]
pub(super) enum Claim {
    /// This program may write, and nothing after this time.
    Ours(Option<Timestamp>),
    /// Another program writes, or did, at this time.
    Theirs(String),
    /// It was claimed many times, the last time within a day, and nobody wrote.
    GivenUp,
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
    let name =
        |attempt: u32| format!("ert-notificator.{}.{}.{attempt}", step.name(), on_qa_since.as_second());
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
    let mut attempt = 0;
    while let Some(value) = issue.property(&name(attempt)) {
        // What no program of ours wrote is nobody's claim.
        let at = claimed_at(value).unwrap_or(Timestamp::MIN);
        attempt += 1;
        let many = attempt >= MOST_ATTEMPTS;
        let held = if many { lease.max(A_DAY) } else { lease };
        if at.saturating_add(held).is_ok_and(|end| now < end) {
            return Ok(if many { Claim::GivenUp } else { Claim::Theirs(stamp(at)) });
        }
    }
    // Without a lease nobody else works, so that nobody waits.
    let last = (!lease.is_zero()).then(|| now.saturating_add(lease / 2).unwrap_or(now));
    let value = json!({ "at": now.to_string(), "by": who });
    let created = jira.set_property(&issue.key, &name(attempt), &value, last, permit).await?;
    Ok(if created { Claim::Ours(last) } else { Claim::Theirs(stamp(now)) })
}

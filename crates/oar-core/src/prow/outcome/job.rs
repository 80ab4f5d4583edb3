use schemars::JsonSchema;
use serde::Serialize;

use super::rules::JobRule;
use crate::clients::prow::ProwState;
use crate::prow::record::{Job, Run, Stage};

/// How many of `retried` runs must succeed after the first one failed (spec 04 §7.3). For an even number that
/// is a majority of all runs.
pub const fn needed(retried: usize) -> usize {
    retried / 2 + 1
}

/// The outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// Runs have not ended, or must still be started.
    Open,
    /// It passed, in its first run or by the majority after retries.
    Success,
    /// It failed.
    Failed,
}

/// The result of one entry of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobVerdict {
    /// The job's name.
    pub name: String,
    /// The rule that applies to it.
    pub rule: JobRule,
    /// Its outcome.
    pub outcome: JobOutcome,
    /// The stage of the first run.
    pub first: Stage,
    /// Number of retried runs, started or intended.
    pub retried: usize,
    /// Number of retried runs that succeeded.
    pub successes: usize,
    /// Number of runs that have not ended.
    pub open: usize,
    /// Whether the first run must be started.
    pub start_first: bool,
    /// The wanted number of retried runs, if it has fewer.
    pub wanted_retries: Option<usize>,
}

impl JobVerdict {
    /// The result of `job` under `rule`.
    ///
    /// A first run that ended in `error` is retried like a failed one, and so is one whose retries were
    /// refused or are fewer than configured (spec 04 §7.6.6). Retried runs beyond the configured number were
    /// added by people and count. A retried run in `error` has ended without success and is not replaced
    /// automatically.
    pub fn of(job: Job<'_>, rule: JobRule) -> Self {
        let first = job.first().map_or(Stage::Absent, Run::stage);
        let stages: Vec<Stage> = job.retried().map(Run::stage).collect();
        let is_open = |stage: &Stage| matches!(stage, Stage::Open | Stage::Intended(_));
        let open = stages.iter().filter(|stage| is_open(stage)).count() + usize::from(is_open(&first));
        let successes = stages.iter().filter(|stage| **stage == Stage::Ended(ProwState::Success)).count();
        let retried = stages.len();
        let configured = usize::try_from(rule.job.retries).unwrap_or(usize::MAX);
        let failed_first = matches!(first, Stage::Ended(state) if state != ProwState::Success);
        let retry = failed_first && rule.is_required() && rule.startable && retried < configured;
        let start_first = first == Stage::Absent && rule.startable;
        let outcome = if open > 0 || retry || start_first {
            JobOutcome::Open
        } else if first == Stage::Ended(ProwState::Success)
            || (failed_first && retried > 0 && successes >= needed(retried))
        {
            JobOutcome::Success
        } else {
            JobOutcome::Failed
        };
        Self {
            name: job.name().into_owned(),
            rule,
            outcome,
            first,
            retried,
            successes,
            open,
            start_first,
            wanted_retries: retry.then_some(configured),
        }
    }

    /// A short reason for the outcome.
    pub fn reason(&self) -> String {
        let Self { retried, successes, .. } = self;
        let first = match self.first {
            Stage::Absent if self.start_first => return "to be started".to_owned(),
            Stage::Absent => return "was never started".to_owned(),
            Stage::Intended(_) => return "start intended".to_owned(),
            Stage::Open => return "first run open".to_owned(),
            Stage::Ended(ProwState::Success) => "first run succeeded",
            Stage::Ended(ProwState::Aborted) => "first run aborted",
            Stage::Ended(ProwState::Error) => "first run in error",
            Stage::Ended(_) => "first run failed",
        };
        if self.first == Stage::Ended(ProwState::Success) {
            return match self.open {
                0 => first.to_owned(),
                open => format!("{first}, {} open", counted(open, "other run")),
            };
        }
        let mut parts = vec![first.to_owned()];
        match self.wanted_retries {
            Some(wanted) if *retried == 0 => {
                parts.push(format!("{} to be started", counted(wanted, "retry")));
            }
            Some(wanted) => parts.push(format!("{} more to be started", counted(wanted - retried, "retry"))),
            None if *retried == 0 && !self.rule.is_required() => {
                parts.push("optional jobs are not retried".to_owned());
            }
            None if *retried == 0 && !self.rule.startable => {
                parts.push("not retried: the registry has no such enabled job".to_owned());
            }
            None if *retried == 0 => parts.push("not retried".to_owned()),
            None => {}
        }
        if *retried > 0 {
            let of = format!("{successes} of {} succeeded", counted(*retried, "retry"));
            parts.push(match self.open {
                0 => format!("{of}, {} needed", needed(*retried)),
                open => format!("{of}, {open} open"),
            });
        }
        parts.join(", ")
    }
}

/// `1 retry`, `2 retries`.
pub(in crate::prow) fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

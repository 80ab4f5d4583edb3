//! How long and how often a task checks for an external event: the policy of its wait in the StateBox.

use std::time::Duration;

use super::environment::{self, Environment, Variable};
use super::error::ConfigError;

/// How long and how often a task waits for an external event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitPolicy {
    /// The time between two checks.
    pub interval: Duration,
    /// The time after which a person is asked to decide.
    pub limit: Duration,
    /// How long a holder's check may be overdue before another process takes over.
    pub lease: Duration,
}

impl WaitPolicy {
    /// The usual time after which a person is asked to decide.
    pub const LIMIT: Duration = Duration::from_hours(48);

    /// The policy in the environment; by default every half hour for two days (spec 02 §9.3), see the table
    /// of variables.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        let seconds = |variable: &Variable| {
            let text = environment.get_or_default(variable);
            text.trim()
                .parse::<u64>()
                .ok()
                .filter(|seconds| (1..=30 * 24 * 3600).contains(seconds))
                .map(Duration::from_secs)
                .ok_or_else(|| ConfigError::BadVariable {
                    name: variable.name.into(),
                    problem: format!(
                        "`{}` cannot be used",
                        text.chars().take(80).collect::<String>().escape_debug()
                    ),
                    expected: "whole seconds from 1 to 2592000 (for example 1800)".into(),
                })
        };
        Ok(Self {
            interval: seconds(&environment::OAR_WAIT_INTERVAL)?,
            limit: seconds(&environment::OAR_WAIT_LIMIT)?,
            lease: seconds(&environment::OAR_WAIT_LEASE)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_may_shorten_a_wait() {
        let policy = |pairs: &[(&str, &str)]| WaitPolicy::of(&Environment::from_pairs(pairs.iter().copied()));
        let usual = WaitPolicy {
            interval: Duration::from_mins(30),
            limit: Duration::from_hours(48),
            lease: Duration::from_mins(10),
        };
        assert_eq!(policy(&[]).unwrap(), usual);
        let short = policy(&[("OAR_WAIT_INTERVAL", "1"), ("OAR_WAIT_LIMIT", " 60 ")]).unwrap();
        assert_eq!((short.interval.as_secs(), short.limit.as_secs(), short.lease.as_secs()), (1, 60, 600));
        for bad in ["0", "-1", "soon", "2592001"] {
            assert!(policy(&[("OAR_WAIT_LEASE", bad)]).unwrap_err().to_string().contains("OAR_WAIT_LEASE"));
        }
    }
}

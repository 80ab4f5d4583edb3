//! The agents that `oarctl agents run` keeps running: `agents.<name>` of the configuration document.

use std::time::Duration;

use super::document::Document;
use super::environment::{self, Environment};
use super::error::ConfigError;
use super::keys;
use super::settings::{bad, not};

/// The commands that can be kept running: program and command.
pub const AGENT_COMMANDS: &[(&str, &str)] = &[
    ("oarctl", "start-release-detector"),
    ("oarctl", "check-test-results"),
    ("oarctl", "jira-notificator"),
    ("oarctl", "slack-bot"),
    ("jobctl", "start-controller"),
    ("jobctl", "start-aggregator"),
];
/// Options of a command that its supervisor gives: `every` and the agent's name stand for them.
const OF_THE_SUPERVISOR: [&str; 4] = ["--once", "--interval", "--supervised", "--check-only"];
/// Options with which a command makes no pass.
const WITHOUT_A_PASS: [&str; 4] = ["--help", "-h", "--version", "-V"];

/// How long an agent may give no sign of life, in whole seconds: agents give one every five at least, and one that hangs is
/// to be restarted within a minute.
const WATCHDOG: std::ops::RangeInclusive<u64> = 2..=50;

/// One agent of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSettings {
    /// Its name.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// A pass is made every so many seconds.
    pub every: u64,
}

impl Document {
    /// The agents that are to be kept running, in the document's order.
    ///
    /// # Errors
    ///
    /// One of them says something wrong, or not everything.
    pub fn agents(&self) -> Result<Vec<AgentSettings>, ConfigError> {
        self.names(&["agents"]).into_iter().map(|name| self.agent(name)).collect()
    }

    /// One agent of the document.
    pub(super) fn agent(&self, name: &str) -> Result<AgentSettings, ConfigError> {
        let command = self.required(&keys::AGENT_COMMAND, &[name])?;
        let command = command.split_ascii_whitespace().map(str::to_owned).collect();
        let every = self.required(&keys::AGENT_INTERVAL, &[name])?;
        let every =
            every.parse().map_err(|_| keys::AGENT_INTERVAL.unusable(&[name], "is no number".to_owned()))?;
        Ok(AgentSettings { name: name.to_owned(), command, every })
    }
}

/// What is wrong with the command line of an agent.
pub(super) fn command_problem(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    let (program, command) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !AGENT_COMMANDS.contains(&(program, command)) {
        let known: Vec<String> =
            AGENT_COMMANDS.iter().map(|(program, command)| format!("`{program} {command}`")).collect();
        return Some(format!("does not begin with one of {}", known.join(", ")));
    }
    if text.contains(['\'', '"', '\\']) {
        return Some("has quotes, which no shell takes away: write each word without them".to_owned());
    }
    words.find_map(|word| {
        let option = word.split('=').next().unwrap_or_default();
        if OF_THE_SUPERVISOR.contains(&option) {
            return Some(format!("has the option {option}, which the supervisor gives"));
        }
        WITHOUT_A_PASS
            .contains(&option)
            .then(|| format!("has the option {option}, with which no pass is made"))
    })
}

/// How long an agent may give no sign of life before it is restarted.
pub fn agent_watchdog(environment: &Environment) -> Result<Duration, ConfigError> {
    let variable = &environment::OAR_AGENT_WATCHDOG;
    let text = environment.get_or_default(variable).trim();
    let seconds = text.parse::<u64>().ok().filter(|seconds| WATCHDOG.contains(seconds));
    let expected = "whole seconds from 2 to 50 (for example 45)";
    seconds.map(Duration::from_secs).ok_or_else(|| bad(variable, not(text), expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(text: &str) -> Result<Vec<AgentSettings>, String> {
        Document::parse(text).unwrap().agents().map_err(|error| error.to_string())
    }

    #[test]
    fn agents_come_with_their_command_and_interval() {
        let found = agents(
            r#"{"agents": {"detector": {"run": "oarctl start-release-detector  --all", "every": "600"},
                           "nightlies": {"run": "jobctl start-controller -r 4.20", "every": "900"}}}"#,
        )
        .unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].every), ("detector", 600));
        assert_eq!(found[0].command, ["oarctl", "start-release-detector", "--all"]);
        assert_eq!(agents("{}").unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_named_with_an_example() {
        for (agent, key) in [
            (r#"{"run": "oar take-ownership", "every": "600"}"#, "agents.x.run"),
            (r#"{"run": "oarctl start-release-detector --interval=5", "every": "600"}"#, "--interval"),
            (r#"{"run": "oarctl start-release-detector --once", "every": "600"}"#, "--once"),
            (r#"{"run": "oarctl check-test-results --check-only", "every": "600"}"#, "--check-only"),
            (r#"{"run": "oarctl jira-notificator --supervised=x", "every": "600"}"#, "--supervised"),
            (r#"{"run": "oarctl jira-notificator --help", "every": "600"}"#, "no pass is made"),
            (r#"{"run": "jobctl start-aggregator -V", "every": "600"}"#, "no pass is made"),
            (r#"{"run": "oarctl check-test-results --slack-channel '#qe'", "every": "600"}"#, "quotes"),
            (r#"{"every": "600"}"#, "agents.x.run"),
            (r#"{"run": "oarctl start-release-detector --all"}"#, "agents.x.every"),
            (r#"{"run": "oarctl start-release-detector --all", "every": "0"}"#, "agents.x.every"),
            (r#"{"run": "oarctl start-release-detector --all", "every": "daily"}"#, "agents.x.every"),
        ] {
            let error = agents(&format!(r#"{{"agents": {{"x": {agent}}}}}"#)).unwrap_err();
            assert!(error.contains(key) && error.contains("for example"), "{agent}: {error}");
        }
    }

    #[test]
    fn the_watchdog_is_short_enough_to_restart_within_a_minute() {
        let watchdog = |text: &str| agent_watchdog(&Environment::from_pairs([("OAR_AGENT_WATCHDOG", text)]));
        assert_eq!(
            agent_watchdog(&Environment::from_pairs::<&str, &str>([])).unwrap(),
            Duration::from_secs(45)
        );
        assert_eq!(watchdog("2").unwrap(), Duration::from_secs(2));
        for text in ["1", "51", "soon"] {
            assert!(watchdog(text).unwrap_err().to_string().contains("for example 45"), "{text}");
        }
    }
}

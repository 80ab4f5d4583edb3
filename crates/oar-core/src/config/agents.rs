//! The agents that `oarctl agents run` keeps running: `agents.<name>` of the configuration document.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::document::Document;
use super::environment::{self, Environment};
use super::error::ConfigError;
use super::keys;
use super::settings::{bad, not};
use crate::version::YStream;

/// The commands that can be kept running: program and command.
pub const AGENT_COMMANDS: &[(&str, &str)] = &[
    ("oarctl", "start-release-detector"),
    ("oarctl", "check-test-results"),
    ("oarctl", "jira-notificator"),
    ("oarctl", "slack-bot"),
    ("oarctl", "tick"),
    ("oarctl", "drive"),
    ("jobctl", "start-controller"),
    ("jobctl", "start-aggregator"),
];
/// Options of a command that its supervisor gives: `every` and the agent's name stand for them.
const OF_THE_SUPERVISOR: [&str; 4] = ["--once", "--interval", "--supervised", "--check-only"];
/// Options with which a command makes no pass.
const WITHOUT_A_PASS: [&str; 5] = ["--help", "-h", "--version", "-V", "--explain"];

/// How often the Slack bot, which works all the time, looks whether it is still its turn, in seconds.
const LOOKS_OF_THE_BOT: std::ops::RangeInclusive<u64> = 1..=30;

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

impl AgentSettings {
    fn words(&self) -> Vec<&str> {
        self.command.iter().map(String::as_str).collect()
    }
}

impl Document {
    /// The agents that are to be kept running, in the document's order.
    ///
    /// # Errors
    ///
    /// One of them says something wrong, or not everything, or two of them cannot both work.
    pub fn agents(&self) -> Result<Vec<AgentSettings>, ConfigError> {
        let agents = self.names(&["agents"]).into_iter().map(|name| self.agent(name));
        let agents: Vec<AgentSettings> = agents.collect::<Result<_, _>>()?;
        for agent in &agents {
            if let Some(problem) = interval_problem(agent) {
                return Err(keys::AGENT_INTERVAL.unusable(&[&agent.name], problem));
            }
        }
        let clash = clashes(&agents).into_iter().next();
        let clash = clash.map(|(name, problem)| keys::AGENT_COMMAND.unusable(&[name], problem));
        match clash {
            Some(error) => Err(error),
            None => Ok(agents),
        }
    }

    /// One agent of the document.
    pub(super) fn agent(&self, name: &str) -> Result<AgentSettings, ConfigError> {
        if let Some(problem) = name_problem(name) {
            let shown = name.escape_debug().to_string();
            return Err(keys::AGENT_COMMAND.unusable(&[&shown], format!("belongs to {problem}")));
        }
        let command = self.required(&keys::AGENT_COMMAND, &[name])?;
        let command = command.split_ascii_whitespace().map(str::to_owned).collect();
        let every = self.required(&keys::AGENT_INTERVAL, &[name])?;
        let every =
            every.parse().map_err(|_| keys::AGENT_INTERVAL.unusable(&[name], "is no number".to_owned()))?;
        Ok(AgentSettings { name: name.to_owned(), command, every })
    }
}

/// What is wrong with how often an agent is to make a pass, beside what is wrong for every agent.
pub(super) fn interval_problem(agent: &AgentSettings) -> Option<String> {
    let is_bot = agent.words().starts_with(&["oarctl", "slack-bot"]);
    (is_bot && !LOOKS_OF_THE_BOT.contains(&agent.every)).then(|| {
        "is not a number from 1 to 30: `oarctl slack-bot` works all the time, and looks at this interval whether it is still \
         its turn"
            .to_owned()
    })
}

/// What is wrong with the name of an agent: it begins each line that the agent writes.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        return Some("an agent without a name");
    }
    name.contains(char::is_control).then_some("an agent whose name has control characters")
}

/// What is wrong with the command line of an agent.
pub(super) fn command_problem(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if !AGENT_COMMANDS.iter().any(|(program, command)| words.starts_with(&[*program, *command])) {
        let known: Vec<String> =
            AGENT_COMMANDS.iter().map(|(program, command)| format!("`{program} {command}`")).collect();
        return Some(format!("does not begin with one of {}", known.join(", ")));
    }
    if text.contains(['\'', '"', '\\']) {
        return Some("has quotes, which no shell takes away: write each word without them".to_owned());
    }
    let wrong_option = words.iter().find_map(|word| {
        let option = word.split('=').next().unwrap_or_default();
        if OF_THE_SUPERVISOR.contains(&option) {
            return Some(format!("has the option {option}, which the supervisor gives"));
        }
        WITHOUT_A_PASS
            .contains(&option)
            .then(|| format!("has the option {option}, with which no pass is made"))
    });
    wrong_option.or_else(|| {
        let nowhere = "has no y-stream to look at: add `--all`, or `-r` with y-streams".to_owned();
        YStreams::names_none(&words).then_some(nowhere)
    })
}

/// The agents that cannot work beside an earlier one, each with why.
pub(super) fn clashes(agents: &[AgentSettings]) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    for (place, agent) in agents.iter().enumerate() {
        for earlier in agents.iter().take(place) {
            if let Some(problem) = clash(earlier, agent) {
                found.push((agent.name.as_str(), problem));
            }
        }
    }
    found
}

/// Why `agent` cannot work beside `earlier`.
fn clash(earlier: &AgentSettings, agent: &AgentSettings) -> Option<String> {
    let [one, other] = [earlier, agent].map(AgentSettings::words);
    let shared = YStreams::of(&one).zip(YStreams::of(&other)).and_then(|(one, other)| one.shared(&other));
    if let Some(shared) = shared {
        let words = format!(
            "looks at {shared}, as agents.{} does, and only one of them can make passes",
            earlier.name
        );
        return Some(words);
    }
    let address = listens_at(&one)?;
    (listens_at(&other)? == address)
        .then(|| format!("listens at the same address as agents.{}", earlier.name))
}

/// Where an agent serves its metrics; `None` where it does not, or at a port that the system chooses.
fn listens_at(words: &[&str]) -> Option<SocketAddr> {
    let addresses = values(words, "--listen", None);
    addresses.first()?.parse::<SocketAddr>().ok().filter(|address| address.port() != 0)
}

/// The y-streams whose locks a release detector takes.
#[derive(Debug)]
enum YStreams {
    All,
    Named(BTreeSet<YStream>),
}

impl YStreams {
    /// Those of a command line; `None` for one that takes no such lock.
    fn of(words: &[&str]) -> Option<Self> {
        let ["oarctl", "start-release-detector", options @ ..] = words else { return None };
        if options.contains(&"--dry-run") {
            return None;
        }
        if options.contains(&"--all") {
            return Some(Self::All);
        }
        let named = values(options, "--minor-release", Some('r'));
        // What is no y-stream is refused by the command itself.
        let named = named
            .iter()
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse::<YStream>().ok());
        Some(Self::Named(named.collect()))
    }

    /// Whether a command line is that of a detector and names none.
    fn names_none(words: &[&str]) -> bool {
        let ["oarctl", "start-release-detector", options @ ..] = words else { return false };
        !options.contains(&"--all") && values(options, "--minor-release", Some('r')).is_empty()
    }

    /// Those that both have, in words.
    fn shared(&self, other: &Self) -> Option<String> {
        let shared: BTreeSet<YStream> = match (self, other) {
            (Self::All, Self::All) => return Some("all y-streams".to_owned()),
            (Self::All, Self::Named(named)) | (Self::Named(named), Self::All) => named.clone(),
            (Self::Named(one), Self::Named(other)) => one.intersection(other).copied().collect(),
        };
        let names: Vec<String> = shared.iter().map(ToString::to_string).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// The values that a command line gives to an option, in each form that the programs accept.
fn values<'a>(words: &[&'a str], long: &str, short: Option<char>) -> Vec<&'a str> {
    let mut values = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let after_long = word.strip_prefix(long).filter(|rest| rest.is_empty() || rest.starts_with('='));
        // `-v` may stand before it: `-vr 4.19`.
        let after_short =
            || word.strip_prefix('-').and_then(|rest| rest.trim_start_matches('v').strip_prefix(short?));
        let Some(rest) = after_long.or_else(after_short) else { continue };
        let value = rest.strip_prefix('=').unwrap_or(rest);
        values.extend(if value.is_empty() { words.next() } else { Some(value) });
    }
    values
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
            (r#"{"run": "oarctl jira-notificator --explain OCPBUGS-1", "every": "600"}"#, "no pass is made"),
            (r#"{"run": "oarctl start-release-detector", "every": "600"}"#, "no y-stream"),
            (r#"{"run": "oarctl start-release-detector --dry-run", "every": "600"}"#, "no y-stream"),
            (r#"{"run": "oarctl", "every": "600"}"#, "does not begin with"),
            (r#"{"every": "600"}"#, "agents.x.run"),
            (r#"{"run": "oarctl start-release-detector --all"}"#, "agents.x.every"),
            (r#"{"run": "oarctl start-release-detector --all", "every": "0"}"#, "agents.x.every"),
            (r#"{"run": "oarctl start-release-detector --all", "every": "daily"}"#, "agents.x.every"),
            (r#"{"run": "oarctl slack-bot", "every": "600"}"#, "from 1 to 30"),
        ] {
            let error = agents(&format!(r#"{{"agents": {{"x": {agent}}}}}"#)).unwrap_err();
            assert!(error.contains(key) && error.contains("for example"), "{agent}: {error}");
        }
    }

    fn two(one: &str, other: &str) -> Result<Vec<AgentSettings>, String> {
        let agent = |run: &str| serde_json::json!({"run": run, "every": "600"});
        agents(&serde_json::json!({"agents": {"x": agent(one), "y": agent(other)}}).to_string())
    }

    #[test]
    fn two_detectors_of_one_y_stream_are_refused_by_both_names() {
        for (one, other, shared) in [
            ("-r 4.19,4.20", "-r 4.20", "4.20"),
            ("--all", "-r4.20", "4.20"),
            ("-vr 4.19", "--minor-release=4.19", "4.19"),
            ("--minor-release 4.19 -r=4.9", "-r 5.0 -r 4.9,4.19", "4.9, 4.19"),
            ("--all", "--all -v", "all y-streams"),
        ] {
            let [one, other] = [one, other].map(|options| format!("oarctl start-release-detector {options}"));
            let error = two(&one, &other).unwrap_err();
            let words = format!("`agents.y.run` looks at {shared}, as agents.x does");
            assert!(error.contains(&words), "{one}, {other}: {error}");
        }
        for (one, other) in [
            ("oarctl start-release-detector -r 4.19", "oarctl start-release-detector -r 4.20"),
            ("oarctl start-release-detector --all", "oarctl start-release-detector -r 4.20 --dry-run"),
            ("oarctl start-release-detector --all", "jobctl start-controller -r 4.20"),
        ] {
            assert_eq!(two(one, other).unwrap().len(), 2, "{one}, {other}");
        }
    }

    #[test]
    fn two_agents_at_one_address_are_refused() {
        let listens = |command: &str, address: &str| format!("{command} --listen{address}");
        let notificator = listens("oarctl jira-notificator", " 127.0.0.1:9090");
        let error = two(&notificator, &listens("jobctl start-aggregator", "=127.0.0.1:9090")).unwrap_err();
        assert!(error.contains("`agents.y.run` listens at the same address as agents.x"), "{error}");
        two(&notificator, &listens("jobctl start-aggregator", " 127.0.0.1:9091")).unwrap();
        let any = listens("oarctl jira-notificator", " 127.0.0.1:0");
        two(&any, &listens("jobctl start-aggregator", " 127.0.0.1:0")).unwrap();
    }

    #[test]
    fn a_name_stays_in_its_line() {
        for (name, words) in [
            ("", "`agents..run` belongs to an agent without a name"),
            (" ", "an agent without a name"),
            ("x\ny", r"`agents.x\ny.run` belongs to an agent whose name has control characters"),
            ("x\u{1b}[2J", "control characters"),
        ] {
            let agent = serde_json::json!({"run": "oarctl jira-notificator", "every": "600"});
            let error = agents(&serde_json::json!({"agents": {name: agent}}).to_string()).unwrap_err();
            assert!(error.contains(words) && !error.contains(['\n', '\u{1b}']), "{name:?}: {error}");
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

use agent::{check, supervise};
use cli_support::{CliError, ExitCode, Session};
use futures::future::try_join_all;
use oar_core::config::agent_watchdog;

use super::{configured, none_configured};

/// Keep the agents of the configuration document running
///
/// Each agent under `agents` runs as a process of its own. One that ends or hangs is started again after a pause that grows,
/// and does not touch the others. Its options are checked first. What the agents write is passed on with their names.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only this agent; may be repeated
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let mut agents = configured(session)?;
    if agents.is_empty() {
        return Err(none_configured());
    }
    if let Some(unknown) = args.only.iter().find(|name| agents.iter().all(|agent| agent.name != **name)) {
        let names: Vec<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
        let words = format!("no agent `{unknown}` is configured; there are: {}", names.join(", "));
        return Err(CliError::usage(words)
            .with_hint("Name one of them with --only, or add the agent with `oarctl config edit`."));
    }
    if !args.only.is_empty() {
        agents.retain(|agent| args.only.contains(&agent.name));
    }
    let watchdog = agent_watchdog(&session.environment)?;
    try_join_all(agents.iter().map(|agent| check(session, agent))).await?;
    for agent in &agents {
        session.ui.note(format!("{}: {} every {} s", agent.name, agent.command.join(" "), agent.every));
    }
    supervise(session, agents, watchdog).await
}

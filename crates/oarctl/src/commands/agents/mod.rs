//! `oarctl agents`: the agents of the configuration document.

mod list;
mod run;

use agent::Supervised;
use cli_support::{CliError, ExitCode, Session};
use oar_core::config::{AgentSettings, ConfigError, Settings};
use oar_core::error::ErrorClass;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Run(run::Args),
    List(list::Args),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::Run(args) => run::run(args, session).await,
        Command::List(list::Args {}) => list::run(session),
    }
}

/// The agents of the document; none when it names none.
fn configured(session: &Session) -> Result<Vec<Supervised>, ConfigError> {
    let settings = Settings::load(&session.environment)?;
    let supervised = |AgentSettings { name, command, every }| Supervised { name, command, every };
    Ok(settings.document()?.agents()?.into_iter().map(supervised).collect())
}

/// The document names no agent.
fn none_configured() -> CliError {
    CliError::new(ErrorClass::Configuration, "no agent is configured").with_hint(
        "Add one to the configuration document (`oarctl config edit`), for example \"agents\": {\"detector\": \
         {\"run\": \"oarctl start-release-detector --all\", \"every\": \"600\"}}.",
    )
}

use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::overview::Operations;

/// List every operation and its effect
///
/// The effect `reads` means that an operation changes nothing; `writes`, that its changes can be reverted or
/// that it notifies people; `critical`, that it cannot be undone and needs consent. With --output json the
/// list also has interruption points and hints.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(super) async fn run(Args {}: Args, session: &Session) -> Result<ExitCode, CliError> {
    let answer = session.perform(Operations {}, &session.local_call()?).await?;
    for row in &answer.operations {
        // As wide as the longest command, effect and flow.
        let (effect, flows) = (row.effect.to_string(), row.flows.to_string());
        session.ui.text(format!("{:<35}  {effect:<8}  {flows:<7}  {}", row.command, row.summary));
    }
    session.ui.json(&answer);
    Ok(ExitCode::Done)
}

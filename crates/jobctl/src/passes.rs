//! Makes passes of an operation on a schedule.

use agent::{Agent, Pass, Schedule};
use cli_support::{CliError, ExitCode, Session, Ui};
use oar_core::clients::Clients;
use oar_core::operations::{Operation, Part, perform};

/// Makes passes of `operation` with `clients`. `show` shows parts of a pass when they arrive; `ended` shows
/// the result of a pass and counts it.
pub(crate) async fn run<O: Operation + Clone>(
    operation: O,
    clients: &Clients,
    (schedule, agent): (Schedule, Agent<'_>),
    session: &Session,
    show: fn(&Ui, Part<'_>),
    ended: fn(&Ui, &O::Answer) -> Pass,
) -> Result<ExitCode, CliError> {
    let pass = || async {
        let call = session.showing_parts(session.call_with(clients.clone(), false), show);
        match perform(operation.clone(), &call).await {
            Ok(answer) => {
                let pass = ended(&session.ui, &answer);
                session.ui.json(&answer);
                pass
            }
            Err(error) => {
                session.ui.fail(&CliError::of_task(&error));
                let mut pass = Pass::default();
                pass.add_problem(error.inner().to_string(), error.inner().class());
                pass
            }
        }
    };
    schedule.run(session, agent, pass).await
}

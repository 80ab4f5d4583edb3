//! A signal that a command notices itself. This test program has no other test, because it signals its own
//! process.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use cli_support::{Build, CliError, CommonArgs, ExitCode, Program, Session, run};
use nix::sys::signal::{Signal, raise};

#[derive(clap::Parser)]
struct Stopped {
    #[command(flatten)]
    common: CommonArgs,
}

impl Program for Stopped {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn dispatch(self, session: Session) -> Result<ExitCode, CliError> {
        raise(Signal::SIGTERM).unwrap();
        // Without an await point, so that the caller of the command cannot notice the signal first.
        while session.interrupt.signal().is_none() {
            std::thread::yield_now();
        }
        Ok(ExitCode::Done)
    }
}

#[test]
fn a_signal_decides_the_exit_code_of_a_command_that_noticed_it_first() {
    let code = run::<Stopped>(["stopped".into()], Build::DEVELOPMENT);
    assert_eq!(code, ExitCode::Terminated);
}

//! A signal that a command notices by itself. The only test of this program, because it signals its own process.

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
        // Without a point of waiting, so that whoever runs the command cannot notice the signal before it.
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

//! `oar-sandbox serve`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use tokio::signal::unix::{SignalKind, signal};

use super::{Common, Failure, running::quoted, say, unexpected_lines};

/// Serves until SIGINT or SIGTERM.
pub(super) fn serve(common: &Common) -> Result<ExitCode, Failure> {
    let running = common.start()?;
    let sandbox = &running.sandbox;
    say(&format!("oar-sandbox: serving on {}, control interface {0}/_sandbox", sandbox.base_url()));
    say("oar-sandbox: the lines on standard output are the environment for a shell; Ctrl-C ends");
    let mut out = io::stdout().lock();
    for (name, value) in running.environment() {
        writeln!(out, "export {name}={}", quoted(&value))?;
    }
    out.flush()?;
    drop(out);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        io::Result::Ok(())
    })?;
    if let Some(lines) = unexpected_lines(sandbox) {
        say(&format!("oar-sandbox: requests that are not simulated:\n{lines}"));
    }
    Ok(ExitCode::SUCCESS)
}

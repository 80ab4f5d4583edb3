//! `oar-sandbox serve`.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, Serve, running::quoted, say, say_when_without_document, unexpected_lines};

/// Serves until a signal or `oar-sandbox stop` ends it.
pub(super) fn serve(arguments: &Serve) -> Result<ExitCode, Failure> {
    if arguments.background.is_some() {
        // A closed terminal, or a Ctrl-C for another program, must not end this process. Fails for the leader
        // of a process group, which has its own session.
        let _ = rustix::process::setsid();
    }
    let running = arguments.common.start()?;
    let sandbox = &running.sandbox;
    sandbox.world().stop.allow();
    say(&format!("oar-sandbox: serving on {}, control interface {0}/_sandbox", sandbox.base_url()));
    if arguments.background.is_none() {
        say("oar-sandbox: the lines on standard output are the environment for a shell; Ctrl-C ends");
    }
    let mut lines = String::new();
    for (name, value) in running.environment() {
        let _ = writeln!(lines, "export {name}={}", quoted(&value));
    }
    say_when_without_document(&lines);
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    drop(out);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            () = sandbox.world().stop.asked() => {}
        }
        io::Result::Ok(())
    })?;
    if let Some(lines) = unexpected_lines(sandbox) {
        say(&format!("oar-sandbox: requests that are not simulated:\n{lines}"));
    }
    if let Some(log) = &arguments.background {
        // The log is not needed any more.
        let _ = fs::remove_file(log);
    }
    Ok(ExitCode::SUCCESS)
}

//! `oar-sandbox run`.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitCode, ExitStatus},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

use super::{Failure, Run, say, unexpected_lines};

/// Runs the command and returns its exit code; 128 + n when signal n ended it.
pub(super) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let running = arguments.common.start()?;
    let sandbox = &running.sandbox;
    let Some((program, rest)) = arguments.command.split_first() else {
        // The argument parser requires one.
        return Ok(ExitCode::FAILURE);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime
        .block_on(child(program, rest, running.environment()))
        .map_err(|source| Failure::Spawn { program: program.clone(), source })?;
    if arguments.show_requests {
        for request in sandbox.requests() {
            let status = request.status.map_or_else(|| "cut".to_owned(), |status| status.to_string());
            say(&format!("oar-sandbox: {} -> {status}", request.line()));
        }
    }
    if let Some(lines) = unexpected_lines(sandbox) {
        say(&format!("oar-sandbox: requests that are not simulated:\n{lines}"));
    }
    Ok(code(status))
}

/// Waits for the command. A terminal sends its interrupt to the command itself; a termination and the end of the terminal are passed
/// on.
async fn child(
    program: &str,
    arguments: &[String],
    environment: Vec<(String, String)>,
) -> io::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut child = Command::new(program).args(arguments).envs(environment).spawn()?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let pass_on = |signal: Signal| {
        if let Some(pid) = pid {
            // Fails only when the command has just ended.
            let _ = kill_process(pid, signal);
        }
    };
    loop {
        tokio::select! {
            status = child.wait() => return status,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => pass_on(Signal::TERM),
            _ = hangup.recv() => pass_on(Signal::HUP),
        }
    }
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

//! `oar-sandbox serve`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use tokio::signal::unix::{SignalKind, signal};

use super::{Common, Failure, say, unexpected_lines};

/// Serves until SIGINT or SIGTERM.
pub(super) fn serve(common: &Common) -> Result<ExitCode, Failure> {
    let sandbox = common.start()?;
    say(&format!("oar-sandbox: serving on {}, control interface {0}/_sandbox", sandbox.base_url()));
    say("oar-sandbox: the lines on standard output are the environment for a shell; Ctrl-C ends");
    let mut out = io::stdout().lock();
    for (name, value) in sandbox.environment() {
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
    if let Some(lines) = unexpected_lines(&sandbox) {
        say(&format!("oar-sandbox: requests that are not simulated:\n{lines}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// As a shell reads it back.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_survive_a_shell() {
        assert_eq!(super::quoted("a b"), "'a b'");
        assert_eq!(super::quoted("it's"), r"'it'\''s'");
    }
}

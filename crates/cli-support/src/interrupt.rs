use oar_core::flow::interrupt::{Interrupt, Signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::ExitCode;

impl From<Signal> for ExitCode {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::Interrupted,
            Signal::Terminate => Self::Terminated,
        }
    }
}

/// Turns SIGINT and SIGTERM into [`Interrupt`]; the second signal ends the process at once.
pub(crate) fn listen() -> std::io::Result<Interrupt> {
    let (sender, interrupt) = Interrupt::channel();
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let watched = interrupt.clone();
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            let received = tokio::select! {
                _ = interrupts.recv() => Signal::Interrupt,
                _ = terminations.recv() => Signal::Terminate,
            };
            if received == Signal::Interrupt && watched.is_shielded() {
                continue;
            }
            if std::mem::replace(&mut asked, true) {
                std::process::exit(i32::from(ExitCode::from(received).number()));
            }
            sender.send(received);
        }
    });
    Ok(interrupt)
}

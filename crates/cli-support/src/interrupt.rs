use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oar_core::flow::interrupt::{Interrupt, InterruptSender, Signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::{ExitCode, Ui};

/// How long a command that has nothing to record may take to notice the signal.
const UNHELD: Duration = Duration::from_millis(500);
/// The same for a command that has something to record.
const HELD: Duration = Duration::from_millis(1200);
/// How long a command that has noticed it may take to record what it must: a runner needs one and a half
/// seconds for the end of a run.
pub(crate) const HEARD: Duration = Duration::from_millis(1800);
const POLL: Duration = Duration::from_millis(20);
/// How often the progress line is updated.
const TICK: Duration = Duration::from_secs(1);

impl From<Signal> for ExitCode {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::Interrupted,
            Signal::Terminate => Self::Terminated,
            Signal::Hangup => Self::HungUp,
        }
    }
}

/// The command thread's handle to the signal watcher.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) interrupt: Interrupt,
    heard: Arc<AtomicBool>,
}

impl Watch {
    /// Tells that the command's thread has noticed the signal and will end.
    pub(crate) fn heard(&self) {
        self.heard.store(true, Ordering::SeqCst);
    }
}

/// Turns SIGINT, SIGTERM and SIGHUP into [`Interrupt`].
///
/// They are watched on a separate thread, because the command's thread may block on a file, on standard input
/// or on a full pipe, or be busy with a long text. If it does not notice the signal in time, does not end within
/// `drain_time` after it has, or at the second signal, the process ends anyway.
pub(crate) fn listen(ui: &Ui, drain_time: Duration) -> std::io::Result<Watch> {
    let (sender, interrupt) = Interrupt::channel();
    let watch = Watch { interrupt, heard: Arc::default() };
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let (watched, ui) = (watch.clone(), ui.clone());
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                // Reported to the waiting thread, unless it has ended.
                let _ = ready.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            match Signals::new() {
                Ok(signals) => {
                    let _ = ready.send(Ok(()));
                    follow(signals, sender, &watched, drain_time, &ui).await;
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
    })?;
    is_ready.recv().map_err(std::io::Error::other)??;
    Ok(watch)
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` when the process was started to outlive the terminal (`nohup`).
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
        })
    }

    async fn next(&mut self) -> Signal {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = hangup => Signal::Hangup,
        }
    }
}

async fn follow(mut signals: Signals, sender: InterruptSender, watch: &Watch, drain_time: Duration, ui: &Ui) {
    let first = loop {
        tokio::select! {
            received = signals.next() => {
                if received != Signal::Interrupt || !watch.interrupt.has_foreground_child() {
                    break received;
                }
            }
            () = tokio::time::sleep(TICK) => ui.tick(),
        }
    };
    sender.send(first);
    let asked = Instant::now();
    loop {
        tokio::select! {
            second = signals.next() => {
                if second != Signal::Interrupt || !watch.interrupt.has_foreground_child() {
                    end(second, ui);
                }
            }
            () = tokio::time::sleep(POLL) => {}
        }
        let held = watch.interrupt.is_held();
        let grace_period = match (watch.heard.load(Ordering::SeqCst), held) {
            // It ends earlier on its own.
            (true, _) => HEARD * 2 + drain_time,
            (false, true) => HELD,
            (false, false) => UNHELD,
        };
        if asked.elapsed() > grace_period {
            if held {
                ui.try_warn(UNRECORDED);
            }
            end(first, ui);
        }
    }
}

/// The message when a command was stopped that had something to record.
pub(crate) const UNRECORDED: &str = "stopped before the interruption could be recorded";

fn end(signal: Signal, ui: &Ui) -> ! {
    ui.try_clear_progress();
    std::process::exit(i32::from(ExitCode::from(signal).number()))
}

/// Whether this process was started with SIGHUP ignored; `false` if the system does not report it.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status) & 1 == 1
}

/// The ignored signals in `/proc/self/status`; the lowest bit is signal 1.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        assert_eq!(ignored("Name:\toar\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(ignored("Name:\toar\n"), 0);
    }
}

//! A program on this machine, with everything that it starts.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// A running program and all processes that it started. They end when this value is dropped.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) child: Child,
    id: Option<Pid>,
    ended: bool,
}

impl Group {
    /// Starts the program in a process group of its own.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, id, ended: false })
    }

    /// The program has ended by itself, and what it left running is wanted.
    pub(super) fn has_ended(&mut self) {
        self.ended = true;
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // It fails when the group has ended already, which is the aim.
            let _ = kill_process_group(id, signal);
        }
    }

    /// Asks the group to end, then kills what is left of it.
    pub(super) async fn stop(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        // The rest of the group is killed in any case.
        let _ = tokio::time::timeout(grace, self.child.wait()).await;
        self.signal(Signal::KILL);
        self.ended = true;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Nobody waits for it any more: there is no time for a graceful end.
        if !self.ended {
            self.signal(Signal::KILL);
        }
    }
}

/// The whole content of the stream; `None` when it exceeds the limit, in bytes. It is read to its end, so that the writer does
/// not block.
///
/// # Errors
///
/// It cannot be read.
pub(super) async fn all(stream: Option<impl AsyncRead + Unpin>, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(mut stream) = stream else { return Ok(Some(Vec::new())) };
    let mut kept = Vec::new();
    let mut buffer = vec![0_u8; 8192];
    let mut is_too_much = false;
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok((!is_too_much).then_some(kept));
        }
        is_too_much |= kept.len() + count > limit;
        if !is_too_much {
            kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    }
}

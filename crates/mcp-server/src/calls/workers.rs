//! The threads that run command lines, whose futures stay on the thread that they began on.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// How many threads there are at most; each runs many command lines.
const THREADS: usize = 4;
/// How many command lines may wait for one thread to notice them.
const QUEUE: usize = 64;
/// The stack of a thread: command lines hold large futures.
const STACK: usize = 8 * 1024 * 1024;

type Job = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The threads. Each is started when it is first needed, and ends with this value.
#[derive(Debug, Default)]
pub(super) struct Workers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    senders: Vec<mpsc::Sender<Job>>,
    next: usize,
}

impl Workers {
    /// Starts work on one of the threads.
    ///
    /// # Errors
    ///
    /// No thread can be started, or too much waits already.
    pub(super) fn start<F>(&self, work: impl FnOnce() -> F + Send + 'static) -> io::Result<()>
    where
        F: Future<Output = ()> + 'static,
    {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        state.senders.retain(|sender| !sender.is_closed());
        if state.senders.len() < THREADS {
            let sender = thread_of(state.senders.len())?;
            state.senders.push(sender);
            state.next = state.senders.len() - 1;
        }
        let index = state.next % state.senders.len();
        state.next = index + 1;
        let job: Job = Box::new(move || Box::pin(work()));
        state.senders[index].try_send(job).map_err(|error| io::Error::other(error.to_string()))
    }
}

fn thread_of(number: usize) -> io::Result<mpsc::Sender<Job>> {
    let (sender, mut jobs) = mpsc::channel::<Job>(QUEUE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || {
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            while let Some(job) = jobs.recv().await {
                tokio::task::spawn_local(job());
            }
        });
        drop(local);
        // A blocking call that hangs must not keep the process.
        runtime.shutdown_background();
    };
    thread::Builder::new().name(format!("commands-{number}")).stack_size(STACK).spawn(work)?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[tokio::test]
    async fn work_stays_on_its_thread_and_a_panic_ends_only_itself() {
        let workers = Workers::default();
        let (sender, mut answers) = mpsc::unbounded_channel();
        for number in 0..20 {
            let sender = sender.clone();
            workers
                .start(move || async move {
                    let own = Rc::new(number);
                    tokio::task::yield_now().await;
                    assert!(*own != 7, "a panic");
                    let _ = sender.send(*own);
                })
                .unwrap();
        }
        drop(sender);
        let mut seen = Vec::new();
        while let Some(number) = answers.recv().await {
            seen.push(number);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..20).filter(|number| *number != 7).collect::<Vec<_>>());
    }
}

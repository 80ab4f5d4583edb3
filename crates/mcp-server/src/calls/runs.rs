//! The runs: work that goes on when the call that began it has been answered, and what is left of it afterwards.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use oar_core::error::ErrorClass;
use oar_core::flow::interrupt::{Interrupt, InterruptSender, Signal};
use oar_core::flow::log::{LogCapture, message_of};
use oar_core::operations::Observer;
use oar_core::operations::slack_bot::Output;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;
use tokio::time::Instant;

use super::places::Ticket;
use crate::result::{Answer, Kept, ToolFailure, bounded};
use crate::transport::Outcome;

/// How long a call is waited for before its run's id is the answer: many clients give up after 60 s.
pub(super) const WAITED_FOR: Duration = Duration::from_secs(20);
/// How long a run that was told to stop may take to record where it stopped.
pub(super) const TO_STOP: Duration = Duration::from_secs(3);
/// How long the result of a run is kept.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// How many results are kept, and how many bytes of them: of all callers, and of one.
const MOST_KEPT: Amount = Amount { results: 200, bytes: 16 * 1024 * 1024 };
const MOST_OF_CALLER: Amount = Amount { results: 50, bytes: 4 * 1024 * 1024 };

/// An amount of kept results.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    results: usize,
    bytes: usize,
}

impl Amount {
    fn of<'a>(finished: impl Iterator<Item = &'a (Instant, Arc<Run>)>) -> Self {
        finished.fold(Self::default(), |sum, (_, run)| Self {
            results: sum.results + 1,
            bytes: sum.bytes + run.whole.get().map_or(0, String::len),
        })
    }

    fn is_more_than(self, most: Self) -> bool {
        self.results > most.results || self.bytes > most.bytes
    }
}

/// One run.
pub(crate) struct Run {
    pub(crate) id: String,
    pub(super) tool: &'static str,
    pub(super) caller: String,
    pub(super) interrupt: Interrupt,
    /// What it writes.
    pub(crate) output: Output,
    /// What it logs.
    pub(super) log: LogCapture,
    is_untrusted: bool,
    /// How much of its result is kept, in bytes.
    longest_kept: usize,
    stop: InterruptSender,
    why_stopped: Mutex<Option<String>>,
    /// How it ends, where that is neither success nor failure.
    ends: OnceLock<Outcome>,
    /// How many questions to a person are open.
    asking: AtomicUsize,
    end: watch::Sender<Option<Arc<Answer>>>,
    /// Its whole result, where the answer leaves something out.
    whole: OnceLock<String>,
}

impl fmt::Debug for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Run").field(&self.id).field(&self.tool).finish()
    }
}

/// While this exists, a person is being asked.
#[derive(Debug)]
pub(crate) struct Asking(Arc<Run>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Run {
    /// Tells it to stop; the first reason counts.
    pub(super) fn stop(&self, why: &str, outcome: Outcome) {
        self.why().get_or_insert_with(|| why.to_owned());
        self.ends_as(outcome);
        self.stop.send(Signal::Terminate);
    }

    /// It ends neither with success nor with failure, but like this; the first one counts.
    pub(crate) fn ends_as(&self, outcome: Outcome) {
        let _ = self.ends.set(outcome);
    }

    /// How it ended with this answer.
    pub(super) fn outcome(&self, answer: &Answer) -> Outcome {
        match (answer.is_ok(), self.ends.get()) {
            (true, _) => Outcome::Done,
            (false, Some(outcome)) => *outcome,
            (false, None) => Outcome::Failed,
        }
    }

    fn why(&self) -> MutexGuard<'_, Option<String>> {
        self.why_stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it was told to stop, if it was.
    pub(super) fn why_stopped(&self) -> Option<String> {
        self.why().clone()
    }

    /// A person is asked until the returned value is dropped.
    pub(crate) fn asking(self: &Arc<Self>) -> Asking {
        self.asking.fetch_add(1, Ordering::SeqCst);
        Asking(Arc::clone(self))
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asking.load(Ordering::SeqCst) > 0
    }

    /// The newest that it said or logged; empty when there is nothing yet.
    pub(super) fn newest(&self) -> [String; 2] {
        [self.output.last_note(), message_of(&self.log.last_line()).to_owned()]
    }

    /// What it logged and wrote.
    pub(super) fn said(&self) -> String {
        combined(self.log.text().trim_end(), self.output.text().trim_end())
    }

    /// Its whole result as text, if it has ended.
    pub(super) fn result(&self) -> Option<String> {
        let answer = self.ended()?;
        Some(self.whole.get().cloned().unwrap_or_else(|| answer.text()))
    }

    pub(super) fn is_untrusted(&self) -> bool {
        self.is_untrusted
    }

    /// Its result, if it has ended.
    pub(super) fn ended(&self) -> Option<Arc<Answer>> {
        self.end.borrow().clone()
    }

    /// Waits for its result.
    pub(super) async fn end(&self) -> Arc<Answer> {
        let mut end = self.end.subscribe();
        loop {
            let ended = end.borrow_and_update().clone();
            if let Some(answer) = ended {
                return answer;
            }
            // The sender is in `self`, so it is not gone.
            if end.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The log and then the output; whichever contains the other wins. What the log says and the output repeats stands once.
pub(super) fn combined(log: &str, output: &str) -> String {
    if log.contains(output) {
        return log.to_owned();
    }
    let is_said = |line: &str| {
        let message = message_of(line).trim();
        let has = |said: &str| said.trim() == message || (message.len() > 20 && said.contains(message));
        message.is_empty() || output.lines().any(has)
    };
    let log: Vec<&str> = log.lines().filter(|line| !is_said(line)).collect();
    if log.is_empty() { output.to_owned() } else { format!("{}\n{output}", log.join("\n")) }
}

/// Collects what an operation says into a run.
#[derive(Debug)]
pub(super) struct Notes(pub(super) Output);

impl Observer for Notes {
    fn note(&self, text: &str) {
        // Writing into memory does not fail.
        let _ = writeln!(self.0.notes(), "{text}");
    }

    fn warn(&self, text: &str) {
        self.note(&format!("warning: {text}"));
    }
}

/// Every run that goes on, and the kept results.
#[derive(Debug, Default)]
pub(super) struct Runs {
    known: Mutex<Known>,
    /// How many go on, for the metrics.
    count: Gauge<i64, AtomicI64>,
    /// Whether the server will end soon.
    is_ending: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    running: HashMap<String, (Arc<Run>, bool)>,
    finished: VecDeque<(Instant, Arc<Run>)>,
    is_closed: bool,
}

impl Known {
    fn forget_old(&mut self) {
        let now = Instant::now();
        self.finished.retain(|(end, _)| now.duration_since(*end) < KEPT_FOR);
    }

    /// Keeps the result of a run, and forgets older ones where these are too much: first of the same caller, so that nobody
    /// takes the place of others.
    fn keep(&mut self, run: &Arc<Run>) {
        self.finished.push_back((Instant::now(), Arc::clone(run)));
        let is_own = |(_, other): &(Instant, Arc<Run>)| other.caller == run.caller;
        while Amount::of(self.finished.iter().filter(|kept| is_own(kept))).is_more_than(MOST_OF_CALLER)
            && let Some(oldest) = self.finished.iter().position(is_own)
        {
            self.finished.remove(oldest);
        }
        while Amount::of(self.finished.iter()).is_more_than(MOST_KEPT) {
            self.finished.pop_front();
        }
    }
}

impl Runs {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No run yet; `count` will be how many go on.
    pub(super) fn new(count: Gauge<i64, AtomicI64>) -> Self {
        Self { count, ..Self::default() }
    }

    /// A new run, of whose result `longest_kept` bytes are kept.
    ///
    /// # Errors
    ///
    /// The server stops.
    pub(super) fn begin(
        &self,
        tool: &'static str,
        caller: &str,
        is_untrusted: bool,
        longest_kept: usize,
    ) -> Result<Arc<Run>, ToolFailure> {
        let (stop, interrupt) = Interrupt::channel();
        let run = Arc::new(Run {
            id: uuid::Uuid::now_v7().simple().to_string(),
            tool,
            caller: caller.to_owned(),
            interrupt,
            output: Output::default(),
            log: LogCapture::default(),
            is_untrusted,
            longest_kept,
            stop,
            why_stopped: Mutex::default(),
            ends: OnceLock::new(),
            asking: AtomicUsize::new(0),
            end: watch::Sender::new(None),
            whole: OnceLock::new(),
        });
        let mut known = self.known();
        if known.is_closed {
            return Err(ToolFailure::new(
                ErrorClass::Unavailable,
                format!("{tool} was not started"),
                "the server is being stopped",
                "Call it again in a minute.",
            ));
        }
        known.running.insert(run.id.clone(), (Arc::clone(&run), false));
        self.count.inc();
        Ok(run)
    }

    /// The run has ended with this answer. It is kept when somebody has its id, also because the answer leaves something out.
    pub(super) fn finish(&self, run: &Arc<Run>, answer: Answer) {
        let (answer, whole) = answer.divided(Kept { run: &run.id, limit: run.longest_kept });
        let is_divided = whole.is_some();
        if let Some(whole) = whole {
            // A run ends once.
            let _ = run.whole.set(bounded(&whole, run.longest_kept, None));
        }
        run.output.clear();
        let mut known = self.known();
        known.forget_old();
        let removed = known.running.remove(&run.id);
        if removed.is_some() {
            self.count.dec();
        }
        let is_kept = removed.is_some_and(|(_, is_kept)| is_kept);
        run.end.send_replace(Some(Arc::new(answer)));
        if is_kept || is_divided {
            known.keep(run);
        }
    }

    /// Keeps the result of a run whose id is handed out; false when it has ended by now.
    pub(super) fn keep(&self, run: &Run) -> bool {
        match self.known().running.get_mut(&run.id) {
            Some((_, is_kept)) => {
                *is_kept = true;
                true
            }
            None => false,
        }
    }

    /// The run of this id that this caller may see.
    pub(super) fn find(&self, id: &str, caller: &str) -> Option<Arc<Run>> {
        let mut known = self.known();
        known.forget_old();
        let finished = || known.finished.iter().map(|(_, run)| run).find(|run| run.id == id);
        let found = known.running.get(id).map(|(run, _)| run).or_else(finished).cloned();
        found.filter(|run| run.caller == caller)
    }

    /// The server will end soon: nobody could ask for a run by its id then.
    pub(super) fn will_end(&self) {
        self.is_ending.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::SeqCst)
    }

    /// How many go on.
    pub(super) fn running(&self) -> usize {
        self.known().running.len()
    }

    /// How many results are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.known().finished.len()
    }

    /// How many results of this caller are kept.
    #[cfg(test)]
    pub(super) fn kept_of(&self, caller: &str) -> usize {
        self.known().finished.iter().filter(|(_, run)| run.caller == caller).count()
    }

    /// Tells all to stop, and begins no other.
    pub(super) fn close(&self, why: &str) {
        let running: Vec<_> = {
            let mut known = self.known();
            known.is_closed = true;
            known.running.values().map(|(run, _)| Arc::clone(run)).collect()
        };
        for run in running {
            run.stop(why, Outcome::Cancelled);
        }
    }
}

/// Does the work of a run when its caller has a place, until it ends, is told to stop, or takes too long. Work that does not
/// stop within `to_stop` is dropped.
pub(super) async fn carry_out<F: Future<Output = Answer>>(
    run: &Arc<Run>,
    ticket: Ticket,
    limit: Duration,
    to_stop: Duration,
    work: impl FnOnce() -> F,
) -> Answer {
    let _place = tokio::select! {
        biased;
        _ = run.interrupt.wait() => {
            let why = run.why_stopped().unwrap_or_default();
            let what = format!("{} was not started", run.tool);
            return ToolFailure::new(ErrorClass::Unavailable, what, why, "Nothing was done.").into();
        }
        place = ticket.place() => place,
    };
    let work = AssertUnwindSafe(async { work().await }).catch_unwind();
    tokio::pin!(work);
    let stopped = async {
        tokio::select! {
            _ = run.interrupt.wait() => {}
            () = tokio::time::sleep(limit) => {
                let why = format!("it took longer than {} s and was stopped", limit.as_secs());
                run.stop(&why, Outcome::TimedOut);
            }
        }
        tokio::time::sleep(to_stop).await;
    };
    tokio::select! {
        biased;
        answer = &mut work => answer.unwrap_or_else(|_| panicked(run.tool)),
        () = stopped => {
            let why = run.why_stopped().unwrap_or_default();
            let next = "What it had started elsewhere goes on. Look at the release's status before calling it again.";
            let failure =
                ToolFailure::new(ErrorClass::Unavailable, format!("{} was stopped", run.tool), why, next);
            let said = run.said();
            let text = if said.is_empty() { failure.to_string() } else { format!("{failure}\n\n{said}") };
            Answer::Text { text, ok: false, untrusted: run.is_untrusted() }
        }
    }
}

/// The answer of a call that panicked.
pub(super) fn panicked(tool: &str) -> Answer {
    ToolFailure::new(
        ErrorClass::Failed,
        format!("{tool} failed without a result"),
        "an error in the server, which its log describes",
        "Look at the release's status before calling it again, and report the error.",
    )
    .into()
}

//! The log line format and the capture of a task's own log.
//!
//! The format is `interop-exact` (spec 01 §4.1): people and other tools read it, and the StateBox stores it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::clock::stamp;

/// The target of the line that says why a run ended. Whoever shows the report shows that reason, so it need not be in
/// front of the same eyes twice; it is always recorded.
pub const OUTCOME_TARGET: &str = "oar_core::outcome";

/// The longest captured log, in bytes; beyond it the middle is left out.
const CAPTURE_LIMIT: usize = 16 * 1024;

/// How serious a log line is, with the names that the log format uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only with `-v`.
    Debug,
    /// The course of the work.
    Info,
    /// Something the reader should know about.
    Warning,
    /// Something failed.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        })
    }
}

/// `<UTC time>: <LEVEL>: <message>`; further lines of a message follow as they are.
pub fn line(time: Timestamp, level: Level, message: &str) -> String {
    format!("{}: {level}: {message}", stamp(time))
}

/// What a line of this format says, without its time and level; another text as it is.
pub fn message_of(line: &str) -> &str {
    let rest = line.split_once(": ").filter(|(time, _)| time.parse::<Timestamp>().is_ok());
    let message = rest.and_then(|(_, rest)| rest.split_once(": ")).filter(|(level, _)| {
        [Level::Debug, Level::Info, Level::Warning, Level::Error]
            .iter()
            .any(|known| known.to_string() == *level)
    });
    message.map_or(line, |(_, message)| message)
}

/// The log of one task run, collected while it runs. Cheap to clone; bounded.
#[derive(Debug, Clone, Default)]
pub struct LogCapture(Arc<Mutex<Buffer>>);

#[derive(Debug, Default)]
struct Buffer {
    head: Vec<String>,
    head_bytes: usize,
    tail: VecDeque<String>,
    tail_bytes: usize,
    left_out: usize,
}

tokio::task_local! {
    static CURRENT: LogCapture;
    /// The captures of the calls around a run, the outermost first.
    static CALLS: Vec<LogCapture>;
}

impl LogCapture {
    /// Runs `work` with this capture receiving every line that is logged inside it.
    pub async fn scope<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    /// Runs the `work` of a call with this capture receiving every line, also those of the run and of the calls inside it.
    pub async fn observe<F: Future>(&self, work: F) -> F::Output {
        let mut calls = CALLS.try_with(Clone::clone).unwrap_or_default();
        calls.push(self.clone());
        CALLS.scope(calls, work).await
    }

    /// The last line so far; empty when there is none.
    pub fn last_line(&self) -> String {
        let buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.tail.back().or_else(|| buffer.head.last()).cloned().unwrap_or_default()
    }

    /// The collected lines, joined; says how many lines were left out when there were too many.
    pub fn text(&self) -> String {
        let buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<&str> = buffer.head.iter().map(String::as_str).collect();
        let note = format!("… {} lines left out …", buffer.left_out);
        if buffer.left_out > 0 {
            lines.push(&note);
        }
        lines.extend(buffer.tail.iter().map(String::as_str));
        lines.join("\n")
    }

    fn push(&self, line: &str) {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line: String =
            if line.len() > CAPTURE_LIMIT / 4 { line.chars().take(1000).collect() } else { line.to_owned() };
        let bytes = line.len() + 1;
        if buffer.tail.is_empty() && buffer.head_bytes + bytes <= CAPTURE_LIMIT / 2 {
            buffer.head_bytes += bytes;
            buffer.head.push(line);
            return;
        }
        buffer.tail_bytes += bytes;
        buffer.tail.push_back(line);
        while buffer.tail_bytes > CAPTURE_LIMIT / 2 {
            let Some(dropped) = buffer.tail.pop_front() else { break };
            buffer.tail_bytes -= dropped.len() + 1;
            buffer.left_out += 1;
        }
    }
}

/// Hands a finished line to the task run that it was logged in, if any. Debug lines are not stored: a StateBox is
/// public and wants the course of the work, not its traffic.
pub fn record(level: Level, line: &str) {
    if level > Level::Debug {
        // Outside a task run there is no receiver of the line.
        let _ = CURRENT.try_with(|capture| capture.push(line));
        let _ = CALLS.try_with(|calls| calls.iter().for_each(|capture| capture.push(line)));
    }
}

/// Whether the work of a task run is under way here: its report says what failed.
pub fn is_in_a_run() -> bool {
    CURRENT.try_with(|_| ()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_reference_format() {
        let time: Timestamp = "2026-07-02T06:55:57Z".parse().unwrap();
        assert_eq!(line(time, Level::Warning, "x\ny"), "2026-07-02T06:55:57Z: WARNING: x\ny");
    }

    #[test]
    fn a_line_is_taken_apart_again() {
        let time: Timestamp = "2026-07-02T06:55:57Z".parse().unwrap();
        assert_eq!(message_of(&line(time, Level::Warning, "x: y")), "x: y");
        for other in ["", "x", "done: INFO: x", "2026-07-02T06:55:57Z: x", "2026-07-02T06:55:57Z: NOTE: x"] {
            assert_eq!(message_of(other), other);
        }
    }

    #[tokio::test]
    async fn lines_reach_the_capture_of_their_own_run_only() {
        let (first, second) = (LogCapture::default(), LogCapture::default());
        let run = |capture: LogCapture, word: &'static str| async move {
            capture
                .scope(async {
                    record(Level::Info, word);
                    tokio::task::yield_now().await;
                    record(Level::Debug, "traffic");
                    record(Level::Error, word);
                })
                .await;
        };
        record(Level::Info, "outside");
        tokio::join!(run(first.clone(), "one"), run(second.clone(), "two"));
        assert_eq!(first.text(), "one\none");
        assert_eq!(second.text(), "two\ntwo");
    }

    #[tokio::test]
    async fn every_call_around_a_run_receives_its_lines() {
        let (outer, inner, run) = (LogCapture::default(), LogCapture::default(), LogCapture::default());
        let work = async {
            record(Level::Info, "before");
            inner.observe(run.scope(async { record(Level::Info, "inside") })).await;
            record(Level::Info, "after");
        };
        outer.observe(work).await;
        assert_eq!(outer.text(), "before\ninside\nafter");
        assert_eq!((inner.text().as_str(), run.text().as_str()), ("inside", "inside"));
        assert_eq!((outer.last_line().as_str(), LogCapture::default().last_line().as_str()), ("after", ""));
    }

    #[tokio::test]
    async fn a_long_log_keeps_its_beginning_and_its_end() {
        let capture = LogCapture::default();
        capture
            .scope(async {
                for number in 0..5000 {
                    record(Level::Info, &format!("line {number}"));
                }
            })
            .await;
        let text = capture.text();
        assert!(text.len() <= CAPTURE_LIMIT + 100, "{}", text.len());
        assert!(text.starts_with("line 0\nline 1\n") && text.ends_with("line 4999"));
        assert!(text.contains("lines left out"));
    }
}

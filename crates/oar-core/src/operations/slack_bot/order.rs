//! Command lines as a program runs them for others: in its own process, each with a context of its own.

use std::fmt;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::flow::consent::Consent;
use crate::flow::interrupt::Interrupt;
use crate::notify::ReleaseThread;
use crate::operations::Row;

/// The most that is kept of what a command writes, in bytes.
const LONGEST: usize = 1024 * 1024;
/// What stands where the rest is missing.
const CUT: &str = "\n… the rest is left out\n";

/// The programs' own command lines.
pub trait CommandLines: fmt::Debug {
    /// Parses a command line; nothing runs yet.
    ///
    /// # Errors
    ///
    /// It asks for help, is wrong, or is not for this caller.
    fn read(&self, program: &str, arguments: &[String]) -> Result<Box<dyn ReadCommand>, Unusable>;

    /// Whether somebody in a conversation can give a command for this operation at all.
    fn offers(&self, row: &Row) -> bool;
}

/// A command line that was parsed.
pub trait ReadCommand {
    /// The operation that it calls.
    fn row(&self) -> &'static Row;

    /// Runs it; the exit code. It may be dropped at any time.
    fn run(self: Box<Self>, order: Order) -> Pin<Box<dyn Future<Output = u8>>>;
}

/// Why a command line runs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unusable {
    /// It asks for its help, which is this.
    Help(String),
    /// It is wrong; what the program says.
    Wrong(String),
    /// It is not for this caller; why.
    Refused(String),
}

/// The context of one command.
#[derive(Debug)]
pub struct Order {
    /// Who gave it, as histories name them.
    pub user: String,
    /// The conversation in which it was given; `None` for a caller without one.
    pub thread: Option<ReleaseThread>,
    /// The id of its run in histories.
    pub run: String,
    /// Asked before anything that cannot be undone.
    pub consent: Arc<dyn Consent>,
    /// Stops it.
    pub interrupt: Interrupt,
    /// What it writes.
    pub output: Output,
}

/// What a command writes, results and notes in their order. Cheap to clone; bounded.
#[derive(Debug, Clone, Default)]
pub struct Output(Arc<Mutex<Written>>);

#[derive(Debug, Default)]
struct Written {
    text: String,
    last_note: String,
    is_cut: bool,
}

/// One of the two streams of an [`Output`].
#[derive(Debug)]
pub struct Stream {
    output: Output,
    is_note: bool,
}

impl Output {
    /// The stream of results.
    pub fn results(&self) -> Stream {
        Stream { output: self.clone(), is_note: false }
    }

    /// The stream of everything else.
    pub fn notes(&self) -> Stream {
        Stream { output: self.clone(), is_note: true }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.written().text.clone()
    }

    /// Forgets everything, when nobody needs it any more.
    pub fn clear(&self) {
        *self.written() = Written::default();
    }

    /// The last note so far; empty when there is none.
    pub fn last_note(&self) -> String {
        self.written().last_note.clone()
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut written = self.output.written();
        if self.is_note && !text.trim().is_empty() {
            written.last_note = text.trim_end().chars().take(500).collect();
        }
        if written.text.len() + text.len() <= LONGEST {
            written.text.push_str(&text);
        } else if !written.is_cut {
            written.is_cut = true;
            written.text.push_str(CUT);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_notes_stand_in_their_order_and_are_bounded() {
        let output = Output::default();
        let (mut results, mut notes) = (output.results(), output.notes());
        writeln!(results, "one").unwrap();
        writeln!(notes, "two").unwrap();
        writeln!(results, "three").unwrap();
        assert_eq!((output.text().as_str(), output.last_note().as_str()), ("one\ntwo\nthree\n", "two"));
        for _ in 0..3 {
            results.write_all(&vec![b'x'; LONGEST / 2]).unwrap();
        }
        assert!(output.text().len() <= LONGEST + CUT.len() && output.text().ends_with(CUT));
    }
}

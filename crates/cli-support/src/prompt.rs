//! Questions at a terminal whose answer is a line.

use std::io::BufRead as _;
use std::time::Duration;

use crate::{CliError, Session};

/// How long a question waits for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(10);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 200;

impl Session {
    /// Asks the person at the terminal and gives the line that was typed, without the spaces around it; `None` when there is
    /// no terminal.
    ///
    /// # Errors
    ///
    /// Nobody answered.
    pub async fn prompt(&self, question: &str) -> Result<Option<String>, CliError> {
        if !self.ui.is_interactive() {
            return Ok(None);
        }
        self.ui.ask(format!("{question}: "));
        match tokio::time::timeout(ANSWER_TIMEOUT, tokio::task::spawn_blocking(line)).await {
            Ok(Ok(line)) if !line.is_empty() => Ok(Some(line)),
            _ => Err(CliError::usage("nobody answered; nothing was done")),
        }
    }
}

/// The next line of standard input, cut to a bounded length; empty at its end.
fn line() -> String {
    let mut line = Vec::new();
    // What cannot be read is no answer.
    let _ = std::io::Read::take(std::io::stdin().lock(), LONGEST_ANSWER).read_until(b'\n', &mut line);
    String::from_utf8_lossy(&line).trim().to_owned()
}

//! The result of one pass of an agent.

use oar_core::error::ErrorClass;
use oar_core::failures::gravest;

/// The result of a pass: its counts go into the metrics, and its gravest problem decides the exit code of a
/// single pass.
#[derive(Debug, Default)]
pub struct Pass {
    class: Option<ErrorClass>,
    /// Number of jobs that were started.
    pub started: usize,
    /// Number of problems.
    problems: usize,
    /// The text of the last problem.
    last_problem: Option<String>,
    /// Number of records, and of open ones among them.
    pub records: Option<(usize, usize)>,
}

impl Pass {
    /// Adds a problem with its text.
    pub fn add_problem(&mut self, words: impl Into<String>, class: ErrorClass) {
        self.last_problem = Some(words.into());
        self.class = gravest(self.class.into_iter().chain([class]));
        self.problems += 1;
    }

    /// The text of the last problem.
    pub fn last_problem(&self) -> Option<&str> {
        self.last_problem.as_deref()
    }

    /// Number of problems.
    pub fn problem_count(&self) -> usize {
        self.problems
    }

    /// The class of the gravest problem ([`gravest`]); `None` after a pass without problems.
    pub fn class(&self) -> Option<ErrorClass> {
        self.class
    }
}

//! How one pass of an agent went.

use oar_core::error::ErrorClass;
use oar_core::failures::gravest;

/// How a pass went: what it counts goes into the metrics, its gravest problem decides the exit code of a single pass.
#[derive(Debug, Default)]
pub struct Pass {
    class: Option<ErrorClass>,
    /// How many jobs were started.
    pub started: usize,
    /// How many things went wrong.
    problems: usize,
    /// What the last problem was that had words.
    last_problem: Option<String>,
    /// How many records there are, and how many of them are open.
    pub records: Option<(usize, usize)>,
}

impl Pass {
    /// Notes a problem, when there is one.
    pub fn problem(&mut self, class: Option<ErrorClass>) {
        self.add_problems(usize::from(class.is_some()), class);
    }

    /// Notes a problem in these words.
    pub fn add_problem(&mut self, words: impl Into<String>, class: ErrorClass) {
        self.last_problem = Some(words.into());
        self.add_problems(1, Some(class));
    }

    /// What the last problem was that was noted in words.
    pub fn last_problem(&self) -> Option<&str> {
        self.last_problem.as_deref()
    }

    /// Notes so many problems; `class` is that of the gravest.
    pub fn add_problems(&mut self, count: usize, class: Option<ErrorClass>) {
        self.class = gravest(self.class.into_iter().chain(class));
        self.problems += count;
    }

    /// How many things went wrong.
    pub fn problem_count(&self) -> usize {
        self.problems
    }

    /// The class of the gravest problem ([`gravest`]); `None` after a good pass.
    pub fn class(&self) -> Option<ErrorClass> {
        self.class
    }
}
